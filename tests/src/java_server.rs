//! A server written in Java that ends with the test that started it, however that ends.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::wait;

/// What makes Java start fast on few cores.
const FAST_START: [&str; 2] = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

/// Starts the server and ends it as soon as this shell's own input ends: with its owner, however that ends. Its
/// folder goes with it, unless it is to be kept.
const GUARD: &str = r#"folder=$1; shift
"$@" </dev/null & echo $! >"$folder/pid"
cat >/dev/null; kill -9 $!; wait $!; [ -e "$folder/keep" ] || rm -rf "$folder""#;

/// A running server, with a folder of its own for its log.
#[derive(Debug)]
pub struct JavaServer {
    guard: Child,
    folder: PathBuf,
}

impl JavaServer {
    /// Starts it with a heap of so many megabytes and these arguments for Java; `arguments` is given the
    /// folder.
    pub fn start(heap_mb: u32, arguments: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made").keep();
        let arguments = arguments(&folder);
        Self::start_in(folder, heap_mb, arguments)
    }

    /// The same in a folder that was kept or prepared. It is removed at the server's end.
    pub fn start_in(folder: PathBuf, heap_mb: u32, arguments: Vec<String>) -> Self {
        let _ = std::fs::remove_file(folder.join("keep"));
        let _ = std::fs::remove_file(folder.join("pid"));
        let log = File::create(folder.join("log")).expect("a file can be made");
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(&folder)
            .arg("java")
            .arg(format!("-Xmx{heap_mb}m"))
            .args(FAST_START)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a file handle can be doubled"))
            .stderr(log)
            .spawn()
            .expect("java starts");
        Self { guard, folder }
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let status =
            Command::new("kill").args([&format!("-{name}"), &self.pid()]).status().expect("kill runs");
        assert!(status.success(), "kill -{name} failed");
    }

    /// SIGTERM, and waits until it is gone; its folder stays.
    pub fn stop(self) -> PathBuf {
        self.signal("TERM");
        let stat = PathBuf::from(format!("/proc/{}/stat", self.pid()));
        // Until its shell waits for it, a process that has ended is a zombie.
        let is_over = || std::fs::read_to_string(&stat).map_or(true, |it| it.contains(") Z "));
        wait::until_told("the server's end", || is_over().then_some(()), || self.log());
        self.kill()
    }

    /// SIGKILL, and waits until it is gone; its folder stays.
    pub fn kill(self) -> PathBuf {
        File::create(self.folder.join("keep")).expect("a file can be made");
        self.folder.clone()
    }

    fn pid(&self) -> String {
        wait::until("the server's pid", || {
            let text = std::fs::read_to_string(self.folder.join("pid")).ok()?;
            text.strip_suffix('\n').map(str::to_owned)
        })
    }
}

impl Drop for JavaServer {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// Runs a program of Java to its end: whether it went well, and what it said.
pub fn run_java(heap_mb: u32, arguments: &[String]) -> (bool, String) {
    let mut command = Command::new("java");
    command.arg(format!("-Xmx{heap_mb}m")).args(FAST_START).args(arguments).stdin(Stdio::null());
    let output = command.output().expect("java starts");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
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
