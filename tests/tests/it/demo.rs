//! The README's first command, run as a user runs it: twice.

use std::path::Path;
use std::process::Command;

use forebay_tests::daemon::binary;

#[test]
fn the_demo_stops_half_way_and_goes_on_where_it_was() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo tells a test its package");
    let root = Path::new(&package).parent().expect("tests/ is in the project");
    let quickstart = folder.path().join("quickstart");
    copy(&root.join("examples/quickstart"), &quickstart);

    let first = run(&quickstart);
    assert!(first.contains("half way"), "the first run stops half way:\n{first}");
    let second = run(&quickstart);
    assert!(second.contains("goes on where"), "the second goes on:\n{second}");

    let dead = std::fs::read_to_string(quickstart.join("run/dead.ndjson")).expect("the dead-letter file is there");
    let records: Vec<serde_json::Value> = dead.lines().map(|line| serde_json::from_str(line).expect("one JSON a line")).collect();
    let sizes: Vec<u64> = records.iter().map(|it| it["FileBatchInfo"]["batchSize"].as_u64().expect("a number")).collect();
    assert_eq!(sizes, [1, 1, 1, 1], "three malformed lines and the poison, each alone, none twice:\n{dead}");
    assert!(second.contains("72645") || second.contains("72,645"), "the position is told:\n{second}");
}

fn run(quickstart: &Path) -> String {
    let output = Command::new("python3").arg(quickstart.join("demo.py")).arg(binary()).output().expect("python3 runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the demo failed:\n{text}");
    text
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("the folder is there").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        match path.is_dir() {
            true if name == "run" || name == "__pycache__" => {}
            true => copy(&path, &to.join(name)),
            false => drop(std::fs::copy(&path, to.join(name)).expect("a file can be copied")),
        }
    }
}
