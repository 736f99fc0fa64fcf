//! Every code of this crate has its page.

use std::fs;

#[test]
fn every_code_has_a_page_that_says_what_to_do() {
    let root = package();
    let mut codes = Vec::new();
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(path).unwrap();
            codes.extend(text.match_indices("\"FB-").map(|(at, _)| text[at + 1..at + 8].to_owned()));
        }
    }
    codes.sort_unstable();
    codes.dedup();
    assert!(codes.len() >= 20, "{codes:?}");
    for code in codes {
        let page = fs::read_to_string(root.join(format!("../docs/errors/{code}.md")))
            .unwrap_or_else(|it| panic!("{code}: {it}"));
        assert!(page.starts_with(&format!("# {code}: ")), "{code}: the title");
        assert!(page.contains("\n**What to do.** "), "{code}: what to do");
    }
}

#[test]
fn the_example_of_the_manual_is_a_good_config() {
    let page = fs::read_to_string(package().join("../docs/config.md")).unwrap();
    let example = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    // These tests have no source that follows files; what is below its kind is the source's own matter.
    let example = example.replace("source: { file: { path:", "source: { stream: { name:");
    let config = crate::common::check(&example).unwrap();
    assert_eq!((config.functions.len(), config.mappings.len()), (1, 1));
}

/// Asked at run time: a target folder shared by two checkouts keeps what was compiled for the other.
fn package() -> std::path::PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo tells a test its package").into()
}
