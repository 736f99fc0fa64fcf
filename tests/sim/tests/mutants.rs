//! The oracle is strong enough: every planted fault is found. Built with the feature `mutants` only.
#![cfg(feature = "mutants")]

use forebay_batcher::mutant::Mutant;
use forebay_sim::hunt::hunt;

#[test]
fn every_planted_fault_is_found_within_four_thousand_seeds() {
    let missed: Vec<&str> = Mutant::ALL.iter().filter(|it| hunt(**it, 1, 4000).found.is_none()).map(|it| it.words()).collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
}
