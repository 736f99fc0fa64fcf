//! The hunt for planted faults: each must break a rule within four thousand seeds.

use std::time::Duration;

use forebay_batcher::Rule;
use forebay_batcher::mutant::{Mutant, plant};

use crate::trace::Keep;
use crate::{report, run_seed};

/// A planted fault and the seed that found it.
#[derive(Debug, Clone)]
pub struct Catch {
    /// The fault.
    pub mutant: Mutant,
    /// The first seed that broke a rule, counted from one, which rule, and how.
    pub found: Option<(u64, Rule, String)>,
}

/// Hunts one fault and tells the run that found it, made small, as a failing run does.
pub fn tell(mutant: Mutant) -> Option<String> {
    let (seed, ..) = hunt(mutant, 1, 20_000).found?;
    plant(Some(mutant));
    let text = report::tell(&run_seed(seed, Keep::Hash), seed, Duration::from_secs(20));
    plant(None);
    text
}

/// Runs seeds from `base` on with this fault planted until a rule breaks.
pub fn hunt(mutant: Mutant, base: u64, n_seeds: u64) -> Catch {
    plant(Some(mutant));
    let found = (base..base + n_seeds).find_map(|seed| run_seed(seed, Keep::Hash).violation.map(|it| (seed, it.rule, it.what)));
    plant(None);
    Catch { mutant, found }
}
