//! How many names of types stand twice, so that a name found in one place is not taken for that of another.

use std::collections::BTreeMap;
use std::fs;

use super::{before_tests, product_sources, shown};

/// So many names of types stand in more than one module. It goes down, never up: whoever writes a type looks
/// first whether its name is taken, and whoever renames one lowers this.
const DOUBLED_MAX: usize = 16;

#[test]
fn no_more_names_of_types_stand_twice_than_did() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in product_sources() {
        let text = fs::read_to_string(&path).expect("a source file can be read");
        for name in types_in(before_tests(&text)) {
            places.entry(name).or_default().push(shown(&path));
        }
    }
    assert!(places.len() > 100, "{places:?}");
    places.retain(|_, places| places.len() > 1);
    let n_doubled = places.len();
    assert!(
        n_doubled <= DOUBLED_MAX,
        "{n_doubled} names of types stand twice, {DOUBLED_MAX} may: {places:#?}"
    );
}

/// The structs, enums, traits and aliases that stand at the left margin.
fn types_in(code: &str) -> Vec<String> {
    let name = |line: &str| {
        let rest = match line.strip_prefix("pub") {
            Some(rest) if rest.starts_with('(') => rest.split_once(')')?.1.trim_start(),
            Some(rest) => rest.trim_start(),
            None => line,
        };
        let (word, rest) = rest.split_once(' ')?;
        ["struct", "enum", "trait", "type"].contains(&word).then_some(())?;
        rest.split(|it: char| !it.is_alphanumeric()).next().map(str::to_owned)
    };
    code.lines().filter_map(name).collect()
}

#[test]
fn types_are_found_whoever_may_use_them() {
    let code = "pub(crate) struct One<T>(T);\npub enum Two {\n    struct Inner;\n}\ntrait Three: Send {\ntype Four = u8;\npub fn five() {}\nunion Six";
    assert_eq!(types_in(code), ["One", "Two", "Three", "Four"]);
}
