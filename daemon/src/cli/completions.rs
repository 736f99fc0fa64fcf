//! `forebay completions SHELL`

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, output};
use crate::exit::Exit;

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// Which shell.
    shell: Shell,
}

impl CompletionsArgs {
    pub(super) fn execute(self) -> Exit {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "forebay", &mut script);
        output::print(String::from_utf8_lossy(&script).trim_end());
        Exit::Done
    }
}
