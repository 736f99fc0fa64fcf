//! What a changed config touches, and what it leaves alone.

use super::*;
use crate::compiled::{self, CompiledConfig};
use crate::config_files::Loaded;

const FUNCTIONS: &str = "
functions:
  f: { executor: { http: { url: \"http://127.0.0.1:1/\" } } }
  g: { executor: { http: { url: \"http://127.0.0.1:2/\" } } }
event_source_mappings:
";

fn mapping(name: &str, function: &str, more: &str) -> String {
    format!(
        "  - {{ name: {name}, source: {{ file: {{ path: \"{name}/*\" }} }}, function_name: {function}, starting_position: LATEST{more} }}\n"
    )
}

/// The set of a config whose folder does not matter.
fn compiled(text: &str) -> CompiledConfig {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.yaml");
    // All of them stand in the same folder as far as their sources can tell.
    std::fs::write(&path, text.replace("path: \"", "path: \"/data/")).unwrap();
    let loaded = Loaded::read(&[path.display().to_string()]).unwrap();
    let mut compiled = compiled::compile(loaded.check().unwrap(), &loaded).unwrap();
    compiled.mappings.iter_mut().for_each(|it| Arc::make_mut(it).base = "/etc/forebay".into());
    compiled
}

fn set(compiled: &CompiledConfig) -> Set<'_> {
    Set {
        functions: compiled.functions.iter().collect(),
        mappings: compiled.mappings.iter().map(|it| (it.mapping.name.as_str(), it)).collect(),
    }
}

#[track_caller]
fn check(old: &str, new: &str, told: &str) {
    let (old, new) = (compiled(old), compiled(new));
    assert_eq!(Diff::between(&set(&old), &set(&new), &Stale::default()).told().sentence(), told);
}

fn two() -> String {
    [FUNCTIONS, &mapping("a", "f", ""), &mapping("b", "g", "")].concat()
}

#[test]
fn the_same_settings_in_another_place_or_with_written_defaults_change_nothing() {
    let moved = [
        "# a comment\n",
        FUNCTIONS,
        &mapping("b", "g", ", enabled: true, batch_size: 100"),
        &mapping("a", "f", ""),
    ]
    .concat();
    check(&two(), &moved, "unchanged: 2");
}

#[test]
fn only_what_differs_is_touched() {
    let changed = [FUNCTIONS, &mapping("a", "f", ", batch_size: 7"), &mapping("b", "g", "")].concat();
    check(&two(), &changed, "changed: a; unchanged: 1");
    let filtered = [
        FUNCTIONS,
        &mapping("a", "f", ""),
        &mapping("b", "g", ", filter_criteria: { filter: [{ pattern: '{\"body\":[\"x\"]}' }] }"),
    ];
    check(&two(), &filtered.concat(), "changed: b; unchanged: 1");
    let read = two().replacen("file: { path: \"a/*\"", "file: { rotate_wait: 9, path: \"a/*\"", 1);
    check(&two(), &read, "changed: a; unchanged: 1");
    let three = two() + &mapping("c", "f", "");
    check(&two(), &three, "added: c; unchanged: 2");
    check(&three, &two(), "removed: c; unchanged: 2");
    let off = [FUNCTIONS, &mapping("a", "f", ", enabled: false"), &mapping("b", "g", "")].concat();
    check(&two(), &off, "disabled: a; unchanged: 1");
    check(&off, &two(), "enabled: a; unchanged: 1");
}

#[test]
fn limits_are_taken_over_by_a_mapping_that_goes_on_and_all_else_begins_it_anew() {
    let change = |more: &str| {
        let (old, new) = (
            compiled(&two()),
            compiled(&[FUNCTIONS, &mapping("a", "f", more), &mapping("b", "g", "")].concat()),
        );
        Diff::between(&set(&old), &set(&new), &Stale::default()).mappings["a"]
    };
    for limits in [
        ", batch_size: 7",
        ", maximum_retry_attempts: 1",
        ", batch_size: 9, bisect_batch_on_function_error: true",
    ] {
        assert_eq!(change(limits), Change::Replanned, "{limits}");
    }
    // What was cut before is no checkpoint's, so none of it may get a name.
    assert_eq!(change(", batch_identity: durable"), Change::Changed);
    let destination = ", batch_size: 7, destination_config: { on_failure: { file: { path: /d } } }";
    for other in [", maximum_batching_window_in_seconds: 1", destination, ", batch_size: 7, enabled: false"] {
        assert!(matches!(change(other), Change::Changed | Change::Disabled), "{other}");
    }
}

#[test]
fn a_changed_function_touches_the_mappings_that_use_it_and_no_other_function() {
    check(&two(), &two().replace(":2/", ":3/"), "changed: b; functions: g; unchanged: 1");
    let taker = ", destination_config: { on_failure: { function: { function_name: g } } }";
    let taken = [FUNCTIONS, &mapping("a", "f", taker), &mapping("b", "f", "")].concat();
    check(&taken, &taken.replace(":2/", ":3/"), "changed: a; functions: g; unchanged: 1");
}

#[test]
fn a_function_that_goes_is_told_and_touches_nobody_else() {
    let alone = [FUNCTIONS, &mapping("a", "f", "")].concat();
    let without: String =
        alone.lines().filter(|it| !it.contains("  g: ")).map(|it| format!("{it}\n")).collect();
    check(&alone, &without, "functions removed: g; unchanged: 1");
}

#[test]
fn when_what_all_share_has_changed_everything_is_begun_anew() {
    let (old, new) = (compiled(&two()), compiled(&two()));
    let diff = Diff::between(&set(&old), &set(&new), &Stale { all: true, ..Stale::default() });
    assert_eq!(diff.told().sentence(), "changed: a, b; functions: f, g; unchanged: 0");
    assert_eq!(diff.renewed.len(), 2, "the sources are connected anew");
}

#[test]
fn a_function_whose_files_are_others_is_begun_anew_with_the_mappings_that_use_it() {
    let (old, new) = (compiled(&two()), compiled(&two()));
    let stale = Stale { functions: [FunctionName::parse("g").unwrap()].into(), ..Stale::default() };
    assert_eq!(
        Diff::between(&set(&old), &set(&new), &stale).told().sentence(),
        "changed: b; functions: g; unchanged: 1"
    );
}
