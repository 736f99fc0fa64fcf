//! What the interpreters of this machine said of themselves, asked once for each code folder: many functions
//! share one.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::Mutex;

use super::error::lack_of;

/// How long an interpreter may take to tell its version.
const PATIENCE: Duration = Duration::from_secs(20);

/// The answers so far, for all functions of a daemon.
#[derive(Debug, Default)]
pub struct Interpreters {
    answers: Mutex<BTreeMap<(PathBuf, PathBuf), Result<String, String>>>,
}

impl Interpreters {
    /// What the program prints, or why it prints nothing. It runs with the daemon's environment, in the code
    /// folder: that is where a version manager looks, so another folder is asked anew.
    pub(super) async fn ask(
        &self,
        program: &Path,
        folder: &Path,
        probe: [&str; 2],
    ) -> Result<String, Unsaid> {
        // Held while it is asked: of many functions that are built at once only the first one asks.
        let mut answers = self.answers.lock().await;
        let asked = (program.to_owned(), folder.to_owned());
        if let Some(answer) = answers.get(&asked) {
            return answer.clone().map_err(Unsaid::Ever);
        }
        let answer = match run(program, folder, probe).await {
            Ok(said) => Ok(said),
            Err(Unsaid::Ever(why)) => Err(why),
            // It has nothing to do with the interpreter, which is asked again.
            Err(now @ Unsaid::Now(_)) => return Err(now),
        };
        answers.insert(asked, answer.clone());
        answer.map_err(Unsaid::Ever)
    }
}

/// Why a program printed nothing.
#[derive(Debug)]
pub(super) enum Unsaid {
    /// It would not the next time.
    Ever(String),
    /// The system has no process to give now.
    Now(io::Error),
}

async fn run(program: &Path, folder: &Path, probe: [&str; 2]) -> Result<String, Unsaid> {
    let mut command = Command::new(program);
    command.args(probe).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(PATIENCE, command.output()).await {
        Ok(Ok(output)) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(Ok(output)) => {
            Err(Unsaid::Ever(format!("it fails: {}", String::from_utf8_lossy(&output.stderr).trim())))
        }
        Ok(Err(error)) if lack_of(&error).is_some() => Err(Unsaid::Now(error)),
        Ok(Err(error)) => Err(Unsaid::Ever(format!("it does not start: {error}"))),
        Err(_) => Err(Unsaid::Ever("it does not answer".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_interpreter_is_asked_once_for_each_folder() {
        let folder = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        let interpreters = Interpreters::default();
        for (at, n_asked) in [(&folder, 1), (&folder, 1), (&other, 1), (&folder, 1)] {
            let said = interpreters
                .ask(Path::new("/bin/sh"), at.path(), ["-c", "echo asked >> log; cat log"])
                .await
                .unwrap();
            assert_eq!(said.lines().count(), n_asked);
            assert_eq!(std::fs::read_to_string(at.path().join("log")).unwrap().lines().count(), n_asked);
        }
        let said = interpreters.ask(Path::new("/bin/sh"), folder.path(), ["-c", "never"]).await;
        assert_eq!(said.unwrap(), "asked\n", "the answer is kept by program and folder");
    }
}
