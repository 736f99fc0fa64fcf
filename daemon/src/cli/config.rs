//! What commands that read a config share, and `validate`, `explain`, `schema`, `config defaults`, `config
//! manual`.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use forebay_config::Finding;
use forebay_config::diagnostic::{self, Style};
use forebay_config::settings;

use super::output;
use crate::built_in::BuiltIn;
use crate::compiled::{self, CompiledConfig};
use crate::config_files::{LoadError, Loaded};
use crate::effective::rows;
use crate::exit::Exit;

/// Which config.
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    /// A config file, a folder of them, `-` for standard input, `env:NAME` for a variable; may be given more
    /// than once. Default: $FOREBAY_CONFIG, else ./forebay.yaml, else /etc/forebay/config.yaml.
    #[arg(short, long = "config", value_name = "FILE")]
    config: Vec<String>,
}

impl ConfigArgs {
    /// What the flags name, to be read again later.
    pub(super) fn flags(&self) -> &[String] {
        &self.config
    }

    /// Reads the config, whatever is inside.
    pub(super) fn load(&self) -> Result<Loaded, LoadError> {
        Loaded::read(&self.config)
    }

    /// Reads and checks the config; `Err` when that failed and was said.
    pub(super) fn read(&self) -> Result<(Loaded, CompiledConfig), Exit> {
        let loaded = Loaded::read(&self.config).map_err(|error| unreadable(&error))?;
        match checked(&loaded) {
            Ok(compiled) => Ok((loaded, compiled)),
            Err(findings) => {
                output::remark(drawn(&findings, &loaded));
                Err(Exit::Config)
            }
        }
    }

    /// The data folder that the config names; `None` when it names none, or when there is no config. `Err`
    /// when it is wrong and that was said.
    pub(super) fn data_dir(&self) -> Result<Option<PathBuf>, Exit> {
        let loaded = match Loaded::read(&self.config) {
            Ok(loaded) => loaded,
            // Commands that look into a folder need no config where a flag or a default names it.
            Err(LoadError::Nowhere) => return Ok(None),
            Err(error @ LoadError::Unreadable { .. }) => return Err(unreadable(&error)),
        };
        match loaded.check() {
            Ok(config) => Ok(config.settings.data_dir),
            Err(findings) => {
                output::remark(drawn(&findings, &loaded));
                Err(Exit::Config)
            }
        }
    }
}

fn checked(loaded: &Loaded) -> Result<CompiledConfig, Vec<Finding>> {
    compiled::compile(loaded.check()?, loaded)
}

pub(super) fn unreadable(error: &LoadError) -> Exit {
    output::complain(Some(error.code()), error);
    Exit::Config
}

/// Says what is wrong with a config.
pub(super) fn wrong(findings: &[Finding], loaded: &Loaded) -> Exit {
    output::remark(drawn(findings, loaded));
    Exit::Config
}

fn drawn(findings: &[Finding], loaded: &Loaded) -> String {
    let style = if std::io::stderr().is_terminal() { Style::Coloured } else { Style::Plain };
    diagnostic::draw(findings, &loaded.texts, style)
}

/// How findings are printed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum FindingsFormat {
    /// Drawn for people.
    Text,
    /// One JSON document.
    Json,
    /// Annotations for GitHub's runners.
    Github,
}

#[derive(Debug, Args)]
pub(super) struct ValidateArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// How findings are printed.
    #[arg(long, value_enum, default_value = "text")]
    format: FindingsFormat,
}

impl ValidateArgs {
    pub(super) fn execute(self) -> Exit {
        let loaded = match Loaded::read(&self.config.config) {
            Ok(loaded) => loaded,
            Err(error) => return unreadable(&error),
        };
        let (findings, praise) = match checked(&loaded) {
            Ok(it) => (Vec::new(), praise(it.functions.len(), it.mappings.len())),
            Err(findings) => (findings, String::new()),
        };
        match (self.format, findings.is_empty()) {
            (FindingsFormat::Text, true) => output::print(praise),
            (FindingsFormat::Text, false) => output::print(drawn(&findings, &loaded)),
            (FindingsFormat::Json, _) => output::print(diagnostic::json(&findings)),
            (FindingsFormat::Github, true) => {}
            (FindingsFormat::Github, false) => output::print(diagnostic::github(&findings).trim_end()),
        }
        if findings.is_empty() { Exit::Done } else { Exit::Config }
    }
}

fn praise(n_functions: usize, n_mappings: usize) -> String {
    let counted = |n: usize, thing: &str| format!("{n} {thing}{}", if n == 1 { "" } else { "s" });
    format!("ok: {}, {}", counted(n_functions, "function"), counted(n_mappings, "mapping"))
}

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The name of a mapping.
    mapping: String,
    #[command(flatten)]
    config: ConfigArgs,
}

impl ExplainArgs {
    pub(super) fn execute(self) -> Exit {
        let (loaded, compiled) = match self.config.read() {
            Ok(read) => read,
            Err(exit) => return exit,
        };
        let Some(rows) = rows(&loaded, &compiled, &self.mapping) else {
            let names: Vec<_> = compiled.mappings.iter().map(|it| it.mapping.name.as_str()).collect();
            output::complain(
                Some("FB-0511"),
                format!("there is no mapping `{}`; known mappings: {}", self.mapping, names.join(", ")),
            );
            return Exit::Config;
        };
        let width = |of: fn(&settings::Explained) -> usize| rows.iter().map(of).max().unwrap_or(0);
        let (path, value) =
            // One long value would push every remark out of sight.
            (width(|it| it.path.chars().count()), width(|it| it.value.chars().count()).min(60));
        for it in &rows {
            output::print(format!("{:path$}  {:value$}  # {}", it.path, it.value, it.from));
        }
        Exit::Done
    }
}

#[derive(Debug, Args)]
pub(super) struct SchemaArgs {}

impl SchemaArgs {
    pub(super) fn execute(self) -> Exit {
        let Self {} = self;
        let kinds = forebay_config::Sources::kinds(&BuiltIn);
        let schema = settings::schema(&kinds, &forebay_pollers::settings());
        output::print(
            serde_json::to_string_pretty(&schema).expect("strings and numbers only, written to memory"),
        );
        Exit::Done
    }
}

#[derive(Debug, Args)]
pub(super) struct ConfigCommandArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print every setting with its default.
    Defaults,
    /// Print the manual's page of settings, those of every kind of source included.
    Manual,
}

impl ConfigCommandArgs {
    pub(super) fn execute(self) -> Exit {
        match self.command {
            ConfigCommand::Defaults => {
                for spec in settings::all().cloned().chain(forebay_pollers::settings()) {
                    let default = spec.default_written(None);
                    output::print(format!("{}: {}", spec.path, default.as_deref().unwrap_or("(none)")));
                }
                Exit::Done
            }
            ConfigCommand::Manual => {
                output::print(settings::manual(&forebay_pollers::settings()).trim_end());
                Exit::Done
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(all(feature = "file", feature = "sqs"))]
    #[test]
    fn the_manual_is_what_the_tables_say() {
        let manual = settings::manual(&forebay_pollers::settings());
        expect_test::expect_file!["../../../docs/settings.md"].assert_eq(&manual);
    }

    #[test]
    fn one_is_not_told_as_many() {
        assert_eq!(praise(1, 2), "ok: 1 function, 2 mappings");
        assert_eq!(praise(0, 1), "ok: 0 functions, 1 mapping");
    }
}
