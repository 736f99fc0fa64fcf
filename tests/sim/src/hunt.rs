//! The hunt for planted faults: each must break a rule within a thousand seeds.

use forebay_batcher::Rule;
use forebay_batcher::mutant::{Mutant, plant};

use crate::run_seed;
use crate::trace::Keep;

/// A planted fault and the seed that found it.
#[derive(Debug, Clone)]
pub struct Catch {
    /// The fault.
    pub mutant: Mutant,
    /// The first seed that broke a rule, counted from one, which rule, and how.
    pub found: Option<(u64, Rule, String)>,
}

/// Runs seeds from `base` on with this fault planted until a rule breaks.
pub fn hunt(mutant: Mutant, base: u64, n_seeds: u64) -> Catch {
    plant(Some(mutant));
    let found = (base..base + n_seeds).find_map(|seed| run_seed(seed, Keep::Hash).violation.map(|it| (seed, it.rule, it.what)));
    plant(None);
    Catch { mutant, found }
}
