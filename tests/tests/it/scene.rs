//! A folder with a config, a function that writes down what it saw, and files to follow.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Writes down every record of a batch with one write, so that a kill leaves whole lines or none.
const SEEN_PY: &str = r#"
import json, os, pathlib

HERE = pathlib.Path(__file__).resolve().parent.parent
SEEN = os.open(HERE / "seen", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

def handler(event, context):
    lines = "".join(f'{os.path.basename(r["path"])}\t{r["offset"]}\t{r["body"]}\n' for r in event["Records"])
    os.write(SEEN, lines.encode())
    poisoned = [r for r in event["Records"] if "poison" in r["body"]]
    if any("poison" == r["body"] for r in poisoned):
        raise ValueError("poison")
    return {"batchItemFailures": []}
"#;

/// A folder of its own, gone with the test.
pub(crate) struct Scene {
    folder: TempDir,
}

/// One line that a function was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) file: String,
    pub(crate) offset: u64,
    pub(crate) body: String,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let scene = Self {
            folder: tempfile::Builder::new().prefix("forebay-it-").tempdir().expect("a folder can be made"),
        };
        scene.write("code/app.py", SEEN_PY);
        fs::create_dir(scene.path("in")).expect("a folder can be made");
        scene
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder can be made");
        fs::write(path, text).expect("a file can be written");
    }

    /// A file that only its owner may read.
    pub(crate) fn write_secret(&self, name: &str, text: &str) {
        self.write(name, text);
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600))
            .expect("a file's mode can be set");
    }

    pub(crate) fn append(&self, name: &str, text: &str) {
        let mut file =
            File::options().append(true).create(true).open(self.path(name)).expect("a file can be opened");
        file.write_all(text.as_bytes()).expect("a file can be written");
    }

    /// The config of one mapping from `in/*` to the function, with further settings of the mapping.
    pub(crate) fn config(&self, settings: &str) {
        self.config_of("in/*", settings);
    }

    /// The same from another pattern.
    pub(crate) fn config_of(&self, pattern: &str, settings: &str) {
        let settings: String = settings.lines().map(|line| format!("    {}\n", line.trim())).collect();
        self.write(
            "forebay.yaml",
            &format!(
                "functions:\n  seen:\n    executor: {{ process: {{ runtime: python3, handler: app.handler, code: ./code }} }}\n    timeout: 30\n\
                 event_source_mappings:\n  - name: lines\n    source: {{ file: {{ path: \"{pattern}\" }} }}\n    function_name: seen\n{settings}"
            ),
        );
    }

    /// The whole lines of a file; none where there is none. A write of several pages shows itself page by
    /// page, so a line without its end is still being written.
    pub(crate) fn whole_lines(&self, name: &str) -> String {
        let mut text = fs::read_to_string(self.path(name)).unwrap_or_default();
        text.truncate(text.rfind('\n').map_or(0, |it| it + 1));
        text
    }

    /// All that the function was given, in the order given.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.whole_lines("seen")
            .lines()
            .map(|line| {
                let mut parts = line.splitn(3, '\t');
                let mut part =
                    || parts.next().unwrap_or_else(|| panic!("three parts in {line:?}")).to_owned();
                Seen { file: part(), offset: part().parse().expect("an offset is a number"), body: part() }
            })
            .collect()
    }

    pub(crate) fn n_seen(&self) -> usize {
        fs::read(self.path("seen")).map(|bytes| bytes.iter().filter(|it| **it == b'\n').count()).unwrap_or(0)
    }

    /// Failure records in the dead-letter file.
    pub(crate) fn dead(&self) -> Vec<serde_json::Value> {
        self.whole_lines("dead.ndjson")
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}")))
            .collect()
    }
}

/// What was seen of each file, in the order seen.
pub(crate) fn by_file(seen: Vec<Seen>) -> BTreeMap<String, Vec<Seen>> {
    let mut files: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
    for it in seen {
        files.entry(it.file.clone()).or_default().push(it);
    }
    files
}

/// Whether the full counts are asked for (`make long`).
pub(crate) fn is_long() -> bool {
    std::env::var_os("FOREBAY_LONG").is_some()
}
