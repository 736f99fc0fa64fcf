//! `forebay reload`: has a running process read its config again, and tells what became of it.

use std::time::Duration;

use clap::Args;

use super::ask::{ProcessListener, Question, ask};
use super::output;
use crate::exit::Exit;
use crate::reload::ReloadOutcome;

/// How long it may take: functions are built, and the credentials of AWS are looked for.
const WAIT_MAX: Duration = Duration::from_secs(120);

#[derive(Debug, Args)]
pub(super) struct ReloadArgs {
    #[command(flatten)]
    listener: ProcessListener,
}

impl ReloadArgs {
    pub(super) fn execute(self) -> Exit {
        let address = match self.listener.address() {
            Ok(address) => address,
            Err(exit) => return exit,
        };
        let question = Question { method: "POST", path: "/v1/reload", body: None, wait_max: WAIT_MAX };
        match ask(&address, question) {
            // A rejection is an answer, too, and says all mistakes.
            Ok((200 | 422, body)) => match serde_json::from_str(&body) {
                Ok(outcome) => tell(outcome),
                Err(error) => no_answer(format!("{address} answers something else: {error}")),
            },
            Ok((503, _)) => {
                output::complain(Some("FB-0514"), "the process is draining: it reads no config any more");
                Exit::Temporary
            }
            Ok((status, body)) => no_answer(format!("{address} answers {status}: {}", body.trim_end())),
            Err(error) => no_answer(format!("{address} does not answer: {error}")),
        }
    }
}

fn tell(outcome: ReloadOutcome) -> Exit {
    match outcome {
        ReloadOutcome::Applied(changes) => {
            output::print(changes.sentence());
            Exit::Done
        }
        ReloadOutcome::Rejected(refused) => {
            output::remark(refused.drawn.trim_end());
            output::complain(Some("FB-0514"), "the config was rejected; the former one stays in use");
            Exit::Config
        }
    }
}

fn no_answer(what: String) -> Exit {
    output::complain(Some("FB-0507"), what);
    Exit::Failed
}
