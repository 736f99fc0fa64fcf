//! The README's first command, run as a user runs it: twice.

use std::path::Path;
use std::process::Command;

use forebay_tests::daemon::binary;

#[test]
fn the_demo_stops_half_way_and_goes_on_where_it_was() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let first = run(folder.path());
    let second = run(folder.path());
    for text in [&first, &second] {
        assert!(text.contains("records"), "{text}");
    }
    assert!(first.contains("half way"), "the first run stops half way:\n{first}");
    assert!(second.to_lowercase().contains("poison") || first.to_lowercase().contains("poison"), "{first}\n{second}");
}

fn run(state: &Path) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the project");
    let output = Command::new("python3")
        .arg(root.join("examples/quickstart/demo.py"))
        .arg(binary())
        .env("FOREBAY_DEMO_STATE", state)
        .output()
        .expect("python3 runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the demo failed:\n{text}");
    text
}
