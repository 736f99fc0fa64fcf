//! AWS's own tools, unchanged and shut off from everything but what a test tells them: the aws CLI and boto3.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Where the tools go, and as whom.
#[derive(Debug)]
pub struct AwsTools {
    home: TempDir,
    variables: Vec<(String, String)>,
    has_key: bool,
}

/// How a command of the CLI ended.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// What it printed.
    pub out: String,
    /// What it complained about.
    pub err: String,
}

impl Ran {
    /// What it printed, as JSON.
    ///
    /// # Panics
    /// When it failed or printed something else.
    pub fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        if self.out.trim().is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {self:?}"))
        }
    }
}

impl Default for AwsTools {
    /// Without a key, and with nowhere to go.
    fn default() -> Self {
        Self {
            home: tempfile::tempdir().expect("a folder can be made"),
            variables: Vec::new(),
            has_key: false,
        }
    }
}

impl AwsTools {
    /// Calls of a service, such as `LAMBDA`, go there.
    #[must_use]
    pub fn with_endpoint(mut self, service: &str, url: &str) -> Self {
        self.variables.push((format!("AWS_ENDPOINT_URL_{service}"), url.to_owned()));
        self
    }

    /// Signs with this key. Without one nothing is signed.
    #[must_use]
    pub fn with_key(mut self, id: &str, secret: &str) -> Self {
        self.variables.extend([
            ("AWS_ACCESS_KEY_ID".to_owned(), id.to_owned()),
            ("AWS_SECRET_ACCESS_KEY".to_owned(), secret.to_owned()),
        ]);
        self.has_key = true;
        self
    }

    /// Runs the aws CLI.
    pub fn aws(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command("aws");
        if !self.has_key {
            command.arg("--no-sign-request");
        }
        // Past its time a command that hangs ends by itself.
        let output = command
            .args(["--cli-read-timeout", "60"])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("the aws CLI starts");
        ran(output)
    }

    /// Runs a script of Python that has boto3.
    pub fn python(&self, script: &Path, arguments: &[&str]) -> Ran {
        ran(self
            .command("python3")
            .arg(script)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("python3 starts"))
    }

    /// boto3 in a process that takes one call after the other.
    pub fn boto(&self) -> Boto {
        // Asked at run time: a target folder shared by two checkouts keeps what was compiled for the other.
        let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo tells a test its package");
        let script = Path::new(&package).join("clients/boto/calls.py");
        let mut child = self
            .command("python3")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        let to = child.stdin.take().expect("it is piped");
        let from = BufReader::new(child.stdout.take().expect("it is piped"));
        Boto { child, to: Some(to), from, is_signed: self.has_key }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(tool(program));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .env("AWS_REGION", "us-east-1")
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_MAX_ATTEMPTS", "1")
            .env("AWS_PAGER", "")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.home.path());
        command
    }
}

/// A process with boto3.
#[derive(Debug)]
pub struct Boto {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    is_signed: bool,
}

/// What boto3 raises when a service refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The error's code, such as `ResourceNotFoundException`.
    pub code: String,
    /// Its text.
    pub message: String,
    /// The status of HTTP.
    pub status: u64,
    /// The class of Python.
    pub kind: String,
}

impl Boto {
    /// Makes a call, such as `list_event_source_mappings` of `lambda`.
    ///
    /// # Errors
    /// The service refused it.
    pub fn call(&mut self, client: &str, call: &str, arguments: Value) -> Result<Value, Refused> {
        self.ask(json!({ "client": client, "call": call, "args": arguments, "signed": self.is_signed }))
    }

    /// Walks over all pages of a list, of so many each.
    ///
    /// # Errors
    /// The service refused it.
    pub fn pages(
        &mut self,
        client: &str,
        call: &str,
        page: u32,
        arguments: Value,
    ) -> Result<Vec<Value>, Refused> {
        let pages = self.ask(json!({ "client": client, "call": call, "args": arguments, "signed": self.is_signed, "paginate": page }))?;
        Ok(pages.as_array().cloned().unwrap_or_default())
    }

    /// One call of Lambda that is answered.
    ///
    /// # Panics
    /// When it is refused.
    pub fn lambda(&mut self, call: &str, arguments: Value) -> Value {
        let told = format!("{call} {arguments}");
        self.call("lambda", call, arguments).unwrap_or_else(|refused| panic!("{told}: {refused:?}"))
    }

    fn ask(&mut self, call: Value) -> Result<Value, Refused> {
        let to = self.to.as_mut().expect("it is taken only at the end");
        writeln!(to, "{call}").and_then(|()| to.flush()).expect("boto3 listens");
        let mut line = String::new();
        let n_bytes = self.from.read_line(&mut line).expect("boto3 answers with text");
        assert!(n_bytes > 0, "boto3 ended at {call}");
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        match answer.get("ok") {
            Some(it) => Ok(it.clone()),
            None => Err(Refused {
                code: text("code"),
                message: text("message"),
                status: answer["status"].as_u64().unwrap_or_default(),
                kind: text("kind"),
            }),
        }
    }
}

impl Drop for Boto {
    fn drop(&mut self) {
        drop(self.to.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ran(output: std::process::Output) -> Ran {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// The virtual environment of the tools.
///
/// # Panics
/// When it was not made, naming the command.
pub fn folder() -> PathBuf {
    let home = PathBuf::from(std::env::var_os("HOME").expect("a user has a home"));
    let folder = home.join(".cache/forebay/clients/aws-tools-1.46.3");
    assert!(folder.join("built-from").exists(), "{} is missing: dev/clients.sh aws", folder.display());
    folder
}

fn tool(program: &str) -> PathBuf {
    folder().join("bin").join(program)
}
