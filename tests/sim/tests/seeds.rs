//! Worlds by seed: no rule breaks, and the same seed gives the same run.

use std::time::Duration;

use forebay_sim::trace::Keep;
use forebay_sim::{Shape, report, run_choices, run_seed, seeds, shape_of_seed};

/// Fixed seeds, so that a failure here is a change in the code. `forebay-sim run` draws fresh ones.
const BASE: u64 = 20_000_000;

#[test]
fn no_rule_breaks_in_the_runs_that_once_broke_one() {
    for line in seeds::kept() {
        assert_eq!(seeds::replay(&line), None, "{line}");
    }
}

#[test]
fn no_rule_breaks_in_two_thousand_worlds() {
    for seed in BASE..BASE + 2000 {
        let report = run_seed(seed, Keep::Hash);
        assert!(
            report.violation.is_none(),
            "{}",
            report::tell(&report, seed, Duration::from_secs(20)).unwrap_or_default()
        );
    }
}

#[test]
fn each_shape_of_source_has_its_worlds_and_no_rule_breaks_in_three_hundred_of_each() {
    for shape in Shape::ALL {
        let seeds = (BASE + 2000..BASE + 12_000).filter(|seed| shape_of_seed(*seed) == Some(shape));
        let mut n = 0;
        for seed in seeds.take(300) {
            n += 1;
            let report = run_seed(seed, Keep::Hash);
            assert!(
                report.violation.is_none(),
                "{}",
                report::tell(&report, seed, Duration::from_secs(20)).unwrap_or_default()
            );
        }
        assert_eq!(n, 300, "{shape:?}");
    }
}

#[test]
fn d1_the_same_seed_gives_the_same_run() {
    for seed in BASE..BASE + 200 {
        let (one, other) = (run_seed(seed, Keep::Hash), run_seed(seed, Keep::Hash));
        assert_eq!(
            (one.hash, one.n_steps, &one.choices),
            (other.hash, other.n_steps, &other.choices),
            "seed {seed}"
        );
        let replayed = run_choices(&one.choices, Keep::Hash);
        assert_eq!((one.hash, one.n_steps), (replayed.hash, replayed.n_steps), "the choices of seed {seed}");
    }
}

#[test]
fn the_hash_of_a_run_is_the_same_whether_its_lines_are_kept_or_not() {
    assert_eq!(run_seed(BASE, Keep::Hash).hash, run_seed(BASE, Keep::Lines).hash);
    assert_ne!(run_seed(BASE, Keep::Hash).hash, run_seed(BASE + 1, Keep::Hash).hash);
}
