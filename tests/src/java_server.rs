//! A server written in Java that ends with the test that started it, however that ends.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Starts the server and ends it as soon as this shell's own input ends: with its owner, however that ends.
const GUARD: &str = r#""$@" </dev/null & cat >/dev/null; kill -9 $!"#;

/// A running server, with a folder of its own for its log.
#[derive(Debug)]
pub struct JavaServer {
    guard: Child,
    folder: TempDir,
}

impl JavaServer {
    /// Starts it with a heap of so many megabytes and these arguments for Java; `arguments` is given the
    /// folder.
    pub fn start(heap_mb: u32, arguments: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let log = File::create(folder.path().join("log")).expect("a file can be made");
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard", "java"])
            .arg(format!("-Xmx{heap_mb}m"))
            .args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .args(arguments(folder.path()))
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a file handle can be doubled"))
            .stderr(log)
            .spawn()
            .expect("java starts");
        Self { guard, folder }
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for JavaServer {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// Where `dev/servers.sh` has put a server.
///
/// # Panics
/// When it was not fetched, naming the command.
pub fn fetched(name: &str) -> PathBuf {
    let home = PathBuf::from(std::env::var_os("HOME").expect("a user has a home"));
    let folder = home.join(".cache/forebay/servers").join(name);
    assert!(folder.join("lib").exists(), "{} is missing: dev/servers.sh", folder.display());
    folder
}
