//! `forebay health`: asks a running process whether it takes work, for images without curl.

use std::time::Duration;

use clap::Args;

use super::ask::{ProcessListener, Question, ask};
use super::output;
use crate::exit::Exit;

/// How long connecting, and each read, may take.
const WAIT_MAX: Duration = Duration::from_secs(3);

#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    #[command(flatten)]
    listener: ProcessListener,
}

impl HealthArgs {
    pub(super) fn execute(self) -> Exit {
        let address = match self.listener.address() {
            Ok(address) => address,
            Err(exit) => return exit,
        };
        let question = Question { method: "GET", path: "/readyz?verbose", body: None, wait_max: WAIT_MAX };
        match ask(&address, question) {
            Ok((200, body)) => {
                output::print(body.trim_end());
                Exit::Done
            }
            Ok((_, body)) => {
                output::print(body.trim_end());
                Exit::Failed
            }
            Err(error) => {
                output::complain(Some("FB-0507"), format!("{address} does not answer: {error}"));
                Exit::Failed
            }
        }
    }
}
