//! Makes a failing run small: deletes blocks of choices, zeroes and halves single ones, as long as the same
//! rule stays broken.

use std::time::{Duration, Instant};

use forebay_batcher::Rule;

use crate::run_choices;
use crate::trace::Keep;

/// The smallest run found within `budget` that breaks this rule.
pub fn shrink(choices: &[u32], rule: Rule, budget: Duration) -> Vec<u32> {
    let deadline = Instant::now() + budget;
    let mut best = choices.to_vec();
    while Instant::now() < deadline {
        let before = best.clone();
        delete_blocks(&mut best, rule, deadline);
        zero_blocks(&mut best, rule, deadline);
        lower_singles(&mut best, rule, deadline);
        if best == before {
            break;
        }
    }
    best
}

fn breaks(choices: &[u32], rule: Rule) -> Option<Vec<u32>> {
    let report = run_choices(choices, Keep::Hash);
    (report.violation?.rule == rule).then(|| {
        let n_used = report.choices.iter().rposition(|value| *value != 0).map_or(0, |last| last + 1);
        report.choices[..n_used].to_vec()
    })
}

/// Takes a candidate over when it still breaks the rule and is no larger.
fn take(best: &mut Vec<u32>, candidate: &[u32], rule: Rule) -> bool {
    let Some(found) = breaks(candidate, rule) else { return false };
    let smaller = (found.len(), &found) < (best.len(), &*best);
    if smaller {
        *best = found;
    }
    smaller
}

fn delete_blocks(best: &mut Vec<u32>, rule: Rule, deadline: Instant) {
    let mut block = best.len() / 2;
    while block > 0 {
        let mut from = 0;
        while from + block <= best.len() && Instant::now() < deadline {
            let mut candidate = best.clone();
            candidate.drain(from..from + block);
            if !take(best, &candidate, rule) {
                from += block;
            }
        }
        block /= 2;
    }
}

fn zero_blocks(best: &mut Vec<u32>, rule: Rule, deadline: Instant) {
    let mut block = (best.len() / 4).max(1);
    while block > 0 {
        let mut from = 0;
        while from + block <= best.len() && Instant::now() < deadline {
            if best[from..from + block].iter().any(|value| *value != 0) {
                let mut candidate = best.clone();
                candidate[from..from + block].fill(0);
                take(best, &candidate, rule);
            }
            from += block;
        }
        block /= 2;
    }
}

fn lower_singles(best: &mut Vec<u32>, rule: Rule, deadline: Instant) {
    let mut at = 0;
    while at < best.len() && Instant::now() < deadline {
        let value = best[at];
        for lower in [value / 2, value.saturating_sub(1)] {
            if lower < best.get(at).copied().unwrap_or(0) {
                let mut candidate = best.clone();
                candidate[at] = lower;
                take(best, &candidate, rule);
            }
        }
        at += 1;
    }
}
