//! The command line: one file a subcommand.

mod ask;
mod completions;
mod config;
mod decide;
mod export;
mod health;
mod mappings;
mod output;
mod pattern;
mod reload;
mod run;
mod state;
mod why;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use forebay_pollers::{SourceKind, catalog};

use crate::data_dir;
use crate::exit::Exit;

/// AWS Lambda's event source mappings, outside AWS: records from sources, in batches, to functions, with
/// retries and checkpoints.
///
/// Exit codes: 0 done; 1 failed; 2 wrong usage; 70 ended by force when its time was over; 75 failed for now;
/// 78 wrong config; 130 and 143 after a second signal.
#[derive(Debug, Parser)]
#[command(name = "forebay", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: CliCommand,
}

#[derive(Debug, Subcommand)]
enum CliCommand {
    /// Read sources and invoke functions until told to end.
    Run(run::RunArgs),
    /// Check a config offline: everything that is wrong, at once, with its place and the fix; exit 0 or 78.
    Validate(config::ValidateArgs),
    /// Print the effective settings of a mapping and where each comes from.
    Explain(config::ExplainArgs),
    /// Print the JSON schema of config files.
    Schema(config::SchemaArgs),
    /// Look at the settings themselves.
    Config(config::ConfigCommandArgs),
    /// Look into the data folder.
    State(state::StateArgs),
    /// Work with filter patterns.
    Pattern(pattern::PatternArgs),
    /// Ask a running process whether it takes work; exit 0 when it does.
    Health(health::HealthArgs),
    /// Ask a running process why a mapping does nothing, or what it does, and what to do about it.
    Why(why::WhyArgs),
    /// List what of a mapping waits for an operator (`on_exhausted: pause`), or decide about it: skip it,
    /// have it tried again, send it to the destination.
    Decide(decide::DecideArgs),
    /// Have a running process read its config again; exit 0 when it holds, 78 when it was rejected and the
    /// former one stays in use.
    Reload(reload::ReloadArgs),
    /// Make, show and change the mappings of a running process over Lambda's API.
    Mappings(mappings::MappingsArgs),
    /// Write mappings as config: those of the config as they are written there, those of the API from a
    /// running process.
    Export(export::ExportArgs),
    /// Print a completion script for a shell.
    Completions(completions::CompletionsArgs),
}

/// Where the data folder is.
#[derive(Debug, Args)]
pub(crate) struct DataDir {
    /// The folder of the checkpoints. Default: the config's `data_dir`, else /var/lib/forebay for root, else
    /// $XDG_STATE_HOME/forebay.
    #[arg(long, env = "FOREBAY_DATA_DIR", value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

/// Where the data folder of a config is, for commands that want nothing else of it.
#[derive(Debug, Args)]
pub(crate) struct Folder {
    #[command(flatten)]
    data: DataDir,
    #[command(flatten)]
    config: config::ConfigArgs,
}

impl Folder {
    /// The folder that `run` takes with the same words. A config is asked only when nothing goes before it;
    /// `Err` when that failed and was said.
    fn choose(&self) -> Result<PathBuf, Exit> {
        let config = if self.data.data_dir.is_some() { None } else { self.config.data_dir()? };
        data_dir::choose(self.data.data_dir.clone(), config).ok_or_else(|| {
            output::complain(Some("FB-0508"), "there is no home folder to look for data in: say --data-dir");
            Exit::Config
        })
    }
}

impl Cli {
    /// The same as [`Cli::run`] with kinds of source beside those that are built in: the whole `main` of a
    /// binary that brings its own. 1 when they cannot stand beside each other, which is told.
    pub fn run_with(kinds: &[&'static dyn SourceKind]) -> ! {
        match catalog::add(kinds) {
            Ok(()) => Self::run(),
            Err(error) => {
                output::complain(None, error);
                leave(output::settle(Exit::Failed.code()))
            }
        }
    }

    /// Reads the arguments of the process, does what they ask for and ends it. `Failed` when the results could not
    /// be written.
    pub fn run() -> ! {
        leave(match Self::try_parse() {
            Ok(cli) => output::settle(cli.execute().code()),
            // Its help and version are results like any other; wrong usage is told on standard error, with 2.
            Err(answer) => {
                let printed = answer.print();
                if !answer.use_stderr() {
                    output::printed(printed);
                }
                output::settle(u8::try_from(answer.exit_code()).unwrap_or_else(|_| Exit::Failed.code()))
            }
        })
    }

    fn execute(self) -> Exit {
        match self.command {
            CliCommand::Run(args) => args.execute(),
            CliCommand::Validate(args) => args.execute(),
            CliCommand::Explain(args) => args.execute(),
            CliCommand::Schema(args) => args.execute(),
            CliCommand::Config(args) => args.execute(),
            CliCommand::State(args) => args.execute(),
            CliCommand::Pattern(args) => args.execute(),
            CliCommand::Health(args) => args.execute(),
            CliCommand::Why(args) => args.execute(),
            CliCommand::Decide(args) => args.execute(),
            CliCommand::Reload(args) => args.execute(),
            CliCommand::Mappings(args) => args.execute(),
            CliCommand::Export(args) => args.execute(),
            CliCommand::Completions(args) => args.execute(),
        }
    }
}

/// Ends the process without what C libraries do then: their own threads may still run (librdkafka's, which wait for
/// brokers that are down), and would find OpenSSL's tables gone.
fn leave(code: u8) -> ! {
    signal_hook::low_level::exit(code.into())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
