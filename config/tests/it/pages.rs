//! Every code of this crate has its page.

use std::fs;
use std::path::Path;

#[test]
fn every_code_has_a_page_that_says_what_to_do() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut codes = Vec::new();
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // The codes of patterns have pages of their own makers.
            if path.ends_with("src/pattern.rs") {
                continue;
            }
            let text = fs::read_to_string(path).unwrap();
            codes.extend(text.match_indices("\"FB-").map(|(at, _)| text[at + 1..at + 8].to_owned()));
        }
    }
    codes.sort_unstable();
    codes.dedup();
    assert!(codes.len() >= 17, "{codes:?}");
    for code in codes {
        let page = fs::read_to_string(root.join(format!("../docs/errors/{code}.md"))).unwrap_or_else(|it| panic!("{code}: {it}"));
        assert!(page.starts_with(&format!("# {code}: ")), "{code}: the title");
        for heading in ["## What happened", "## What to do"] {
            assert!(page.contains(heading), "{code}: {heading}");
        }
    }
}
