//! Ends the processes of functions when the daemon dies, `kill -9` included: a small shell that outlives it
//! by a moment.
//!
//! The shell reads the process groups to end from a pipe. Only the daemon holds the other end of it, so the
//! pipe closes with the daemon, however it goes; then the shell kills what is left of the groups. No function
//! needs to help.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::process::{Child, Command};

/// Signals that a service manager or a terminal sends to everybody must not end the guard before the daemon.
const SCRIPT: &str = r#"
trap '' TERM INT HUP QUIT
groups=' '
while read -r sign group; do
    case $sign in
        +) groups="$groups$group " ;;
        -) groups="${groups%% $group *} ${groups#* $group }" ;;
    esac
done
for group in $groups; do kill -KILL "-$group" 2>/dev/null; done
"#;

/// The guard of one executor's processes.
pub(super) struct ProcessGuard {
    inner: Mutex<GuardedProcess>,
}

struct GuardedProcess {
    /// `None` once the guard is dismissed, as is the pipe.
    shell: Option<Child>,
    pipe: Option<File>,
    groups: BTreeSet<u32>,
}

impl ProcessGuard {
    /// Starts the shell.
    pub(super) fn start() -> io::Result<Self> {
        let (shell, pipe) = start_shell()?;
        Ok(Self {
            inner: Mutex::new(GuardedProcess {
                shell: Some(shell),
                pipe: Some(pipe),
                groups: BTreeSet::new(),
            }),
        })
    }

    /// From here on the group dies with the daemon.
    pub(super) fn add(&self, group: u32) {
        let mut inner = self.lock();
        inner.groups.insert(group);
        inner.tell('+', group);
    }

    /// The group is gone.
    pub(super) fn remove(&self, group: u32) {
        let mut inner = self.lock();
        inner.groups.remove(&group);
        inner.tell('-', group);
    }

    /// Lets the shell go and waits for its end; it kills what is still registered.
    pub(super) async fn dismiss(&self) {
        let shell = {
            let mut inner = self.lock();
            // The end of its pipe is what ends the shell.
            inner.pipe = None;
            inner.shell.take()
        };
        if let Some(mut shell) = shell {
            drop(shell.wait().await);
        }
    }

    fn lock(&self) -> MutexGuard<'_, GuardedProcess> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GuardedProcess {
    /// Writes a line of a few bytes, which a pipe takes at once. A shell that somebody ended is replaced.
    fn tell(&mut self, sign: char, group: u32) {
        let Some(pipe) = &mut self.pipe else { return };
        if writeln!(pipe, "{sign} {group}").is_ok() {
            return;
        }
        match start_shell() {
            Ok((shell, mut pipe)) => {
                // A new shell knows no group; what this line says is part of `groups` already.
                let known: String = self.groups.iter().map(|it| format!("+ {it}\n")).collect();
                if let Err(error) = pipe.write_all(known.as_bytes()) {
                    tracing::error!(%error, code = "FB-0306", "the guard of the functions' processes does not listen");
                }
                (self.shell, self.pipe) = (Some(shell), Some(pipe));
            }
            Err(error) => {
                tracing::error!(%error, code = "FB-0306", "the guard of the functions' processes could not be replaced")
            }
        }
    }
}

fn start_shell() -> io::Result<(Child, File)> {
    let mut shell = Command::new("/bin/sh")
        .args(["-c", SCRIPT, "forebay-guard"])
        .env_clear()
        // So that it keeps no folder in use.
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // What is sent to the daemon's group must not end the guard with it.
        .process_group(0)
        .spawn()?;
    let pipe = shell.stdin.take().ok_or_else(|| io::Error::other("the shell has no standard input"))?;
    Ok((shell, pipe.into_owned_fd()?.into()))
}
