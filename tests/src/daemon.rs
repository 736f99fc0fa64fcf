//! The real binary, started as a user starts it, with a folder of its own; it and its children end with the
//! test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::lambda_api::LambdaApi;
use crate::{http, wait};

/// A running daemon.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    /// Its admin listener.
    pub admin: String,
    /// Its folder: config, data, log.
    pub folder: PathBuf,
}

/// How it is run when nothing else is said.
const ARGUMENTS: [&str; 9] = [
    "run",
    "-c",
    "forebay.yaml",
    "--data-dir",
    "data",
    "--admin-listen",
    "127.0.0.1:0",
    "--api-listen",
    "127.0.0.1:0",
];

/// The binary under test.
///
/// # Panics
/// When it was not built, naming the command.
pub fn binary() -> PathBuf {
    let me = std::env::current_exe().expect("a test knows its own path");
    let folder = me.parent().expect("a program has a folder");
    // target/debug/deps/test, or target/debug/program.
    let path =
        if folder.ends_with("deps") { folder.with_file_name("forebay") } else { folder.join("forebay") };
    assert!(path.exists(), "{} is missing: cargo build -p forebay-daemon", path.display());
    path
}

/// Runs a subcommand to its end: exit code, standard output, standard error.
pub fn run(folder: &Path, args: &[&str]) -> (i32, String, String) {
    run_with(folder, &[], args)
}

/// The same with variables of its own.
pub fn run_with(folder: &Path, variables: &[(&str, String)], args: &[&str]) -> (i32, String, String) {
    run_to_end(Command::new(binary()), folder, variables, args)
}

/// The same as [`run`] for a binary that is made of the daemon's crate and more.
pub fn run_program(program: &Path, folder: &Path, args: &[&str]) -> (i32, String, String) {
    run_to_end(Command::new(program), folder, &[], args)
}

fn run_to_end(
    mut command: Command,
    folder: &Path,
    variables: &[(&str, String)],
    args: &[&str],
) -> (i32, String, String) {
    command.envs(variables.iter().map(|(name, value)| (name, value))).args(args).current_dir(folder);
    let output = command.stdin(Stdio::null()).output().expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

impl Daemon {
    /// Starts `forebay run -c forebay.yaml` in `folder` (which holds it) and waits until it is ready.
    pub fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[])
    }

    /// The same with variables of its own.
    pub fn start_with(folder: &Path, variables: &[(&str, String)]) -> Self {
        Self::spawn_with(folder, variables).ready()
    }

    /// The same with the config at `config`, a file or folder in `folder`.
    pub fn start_from(folder: &Path, config: &str) -> Self {
        let arguments = [
            "run",
            "-c",
            config,
            "--data-dir",
            "data",
            "--admin-listen",
            "127.0.0.1:0",
            "--api-listen",
            "127.0.0.1:0",
        ];
        Self::spawn_as(folder, &arguments, &[]).ready()
    }

    /// The same as [`Daemon::start`] for a binary that is made of the daemon's crate and more.
    pub fn start_program(program: &Path, folder: &Path) -> Self {
        Self::start_program_with(program, folder, &[])
    }

    /// The same with variables of its own.
    pub fn start_program_with(program: &Path, folder: &Path, variables: &[(&str, String)]) -> Self {
        Self::spawn_by(Command::new(program), folder, &ARGUMENTS, variables).ready()
    }

    /// The same as [`Daemon::start`] for a process that may have this many files open and not one more.
    pub fn start_limited(folder: &Path, open_files_max: u32) -> Self {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("ulimit -n {open_files_max}; exec \"$0\" \"$@\"")]).arg(binary());
        Self::spawn_by(command, folder, &ARGUMENTS, &[]).ready()
    }

    /// Waits until it is ready.
    fn ready(mut self) -> Self {
        let daemon = &mut self;
        let folder = daemon.folder.clone();
        let address = folder.join("data/admin.addr");
        daemon.admin = wait::until("the admin listener", || {
            daemon.assert_alive();
            let text = std::fs::read_to_string(&address).ok()?;
            let text = text.trim().to_owned();
            (http::get(&text, "/livez")?.0 == 200).then_some(text)
        });
        wait::until("readiness", || (http::get(&daemon.admin, "/readyz")?.0 == 200).then_some(()));
        self
    }

    /// Starts `forebay run -c forebay.yaml` with nothing else said, and does not wait.
    pub fn spawn_alone(folder: &Path) -> Self {
        Self::spawn_as(folder, &["run", "-c", "forebay.yaml"], &[])
    }

    /// Starts it without waiting.
    pub fn spawn(folder: &Path) -> Self {
        Self::spawn_with(folder, &[])
    }

    /// The same with variables of its own. Those of AWS's tools that the test has are not passed on, and no
    /// metadata service is asked.
    pub fn spawn_with(folder: &Path, variables: &[(&str, String)]) -> Self {
        Self::spawn_as(folder, &ARGUMENTS, variables)
    }

    /// Starts it with its output, log included, going to `out` and waits until it is ready.
    pub fn start_writing_to(folder: &Path, out: File) -> Self {
        Self::spawn_onto(Command::new(binary()), folder, &ARGUMENTS, &[], out).ready()
    }

    fn spawn_as(folder: &Path, arguments: &[&str], variables: &[(&str, String)]) -> Self {
        Self::spawn_by(Command::new(binary()), folder, arguments, variables)
    }

    fn spawn_by(command: Command, folder: &Path, arguments: &[&str], variables: &[(&str, String)]) -> Self {
        let log = File::options()
            .create(true)
            .append(true)
            .open(folder.join("log"))
            .expect("the log can be written");
        Self::spawn_onto(command, folder, arguments, variables, log)
    }

    fn spawn_onto(
        mut command: Command,
        folder: &Path,
        arguments: &[&str],
        variables: &[(&str, String)],
        log: File,
    ) -> Self {
        for name in ["admin.addr", "api.addr"] {
            let _ = std::fs::remove_file(folder.join("data").join(name));
        }
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
            command.env_remove(name);
        }
        let child = command
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file handle can be doubled"))
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        Self { child, admin: String::new(), folder: folder.to_owned() }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it answers Lambda's API.
    pub fn api(&self) -> LambdaApi {
        let address = self.folder.join("data/api.addr");
        LambdaApi::Tcp(wait::until("the listener for Lambda's API", || {
            Some(std::fs::read_to_string(&address).ok()?.trim().to_owned())
        }))
    }

    /// The same through the socket in its data folder.
    pub fn socket(&self) -> LambdaApi {
        LambdaApi::Unix(self.folder.join("data/forebay.sock"))
    }

    /// The page of metrics.
    pub fn metrics(&self) -> String {
        http::get(&self.admin, "/metrics").map(|(_, body)| body).unwrap_or_default()
    }

    /// Everything that it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(status.success(), "kill -{name} failed");
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it can be waited for");
    }

    /// SIGTERM, and waits until it is gone.
    pub fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        wait::until("the daemon's end", || self.child.try_wait().expect("it can be waited for"))
    }

    /// Waits for its end.
    pub fn wait(mut self) -> ExitStatus {
        wait::until("the daemon's end", || self.child.try_wait().expect("it can be waited for"))
    }

    /// Checks that it still runs.
    pub fn assert_alive(&mut self) {
        let ended = self.child.try_wait().expect("it can be waited for");
        assert!(ended.is_none(), "the daemon ended with {ended:?}; its log:\n{}", self.log());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
