//! The example of a function that applies each record once, over a daemon that is killed again and again.

use crate::demo::{example, run_with};
use crate::scene::is_long;

#[test]
fn a_function_that_keeps_its_place_or_the_names_of_its_batches_applies_nothing_twice_and_loses_nothing() {
    applies_once(if is_long() { 500 } else { 20 }, "sqlite");
}

#[test]
fn the_same_holds_over_postgresql() {
    applies_once(if is_long() { 100 } else { 10 }, "postgres");
}

fn applies_once(n_kills: usize, database: &str) {
    let n_records = n_kills * 240;
    let folder = example("exactly-once");
    let told = run_with(folder.path(), &[&n_kills.to_string(), database]);
    for words in [
        format!("{n_kills} kills, {n_records} records written; exit code 0"),
        format!("by position: {n_records} rows, 0 applied twice, 0 lost"),
        format!("by name: {n_records} rows, 0 applied twice, 0 lost"),
    ] {
        assert!(told.contains(&words), "{words:?} is not in:\n{told}");
    }
    eprintln!("{told}");
}
