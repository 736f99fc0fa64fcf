//! `forebay mappings`: makes, shows and changes the mappings of a running process, as a client of Lambda's
//! API for them.

mod body;
mod call;
mod flags;
mod table;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use self::body::{CreateArgs, SettingsArgs};
use self::call::ApiListener;
use super::output;
use crate::exit::Exit;

#[derive(Debug, Args)]
pub(super) struct MappingsArgs {
    #[command(subcommand)]
    command: MappingsCommand,
}

#[derive(Debug, Subcommand)]
enum MappingsCommand {
    /// List them, those of the config file too.
    List(ListArgs),
    /// Show one with all its settings.
    Get(OneArgs),
    /// Make one.
    Create(Box<CreatingArgs>),
    /// Change settings of one; what is not said stays.
    Update(Box<UpdatingArgs>),
    /// Delete one: it finishes what runs, then it is gone with its positions.
    Delete(OneArgs),
    /// Let one run.
    Enable(OneArgs),
    /// Stop one: it finishes what runs and keeps its positions.
    Disable(OneArgs),
}

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AnswerFormat {
    /// For people.
    Table,
    /// As the API answers.
    Json,
}

/// Which process, and how its answers are printed.
#[derive(Debug, Args)]
struct Common {
    #[command(flatten)]
    listener: ApiListener,
    /// How answers are printed.
    #[arg(long, value_enum, default_value = "table")]
    output: AnswerFormat,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only mappings of this source.
    #[arg(long, value_name = "ARN")]
    event_source_arn: Option<String>,
    /// Only mappings of this function.
    #[arg(long, value_name = "NAME")]
    function_name: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct OneArgs {
    /// Its UUID, or the name that it has in the config.
    mapping: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct CreatingArgs {
    #[command(flatten)]
    create: CreateArgs,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct UpdatingArgs {
    /// Its UUID, or the name that it has in the config.
    mapping: String,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    common: Common,
}

impl MappingsArgs {
    pub(super) fn execute(self) -> Exit {
        let done = match self.command {
            MappingsCommand::List(args) => list(&args),
            MappingsCommand::Get(args) => get(&args),
            MappingsCommand::Create(args) => create(*args),
            MappingsCommand::Update(args) => update(*args),
            MappingsCommand::Delete(args) => delete(&args),
            MappingsCommand::Enable(args) => switch(&args, true),
            MappingsCommand::Disable(args) => switch(&args, false),
        };
        done.unwrap_or_else(|exit| exit)
    }
}

/// `Err` everywhere: it failed, and that was said.
type CliResult = Result<Exit, Exit>;

fn list(args: &ListArgs) -> CliResult {
    let api = args.common.listener.open()?;
    let mappings = api.list(args.event_source_arn.as_deref(), args.function_name.as_deref())?;
    match args.common.output {
        AnswerFormat::Json => output::print(pretty(&json!({ "EventSourceMappings": mappings }))),
        AnswerFormat::Table => output::print(table::of_many(&mappings, &api.names())),
    }
    Ok(Exit::Done)
}

fn get(args: &OneArgs) -> CliResult {
    let api = args.common.listener.open()?;
    let mapping = api.get(&args.mapping)?;
    match args.common.output {
        AnswerFormat::Json => output::print(pretty(&mapping)),
        AnswerFormat::Table => output::print(table::of_one(&mapping, &api.names())),
    }
    Ok(Exit::Done)
}

fn create(args: CreatingArgs) -> CliResult {
    let body = args.create.body().map_err(say)?;
    let mapping = args.common.listener.open()?.create(&body)?;
    Ok(tell(&mapping, args.common.output))
}

fn update(args: UpdatingArgs) -> CliResult {
    let body = args.settings.body().map_err(say)?;
    let mapping = args.common.listener.open()?.update(&args.mapping, &body)?;
    Ok(tell(&mapping, args.common.output))
}

fn delete(args: &OneArgs) -> CliResult {
    let mapping = args.common.listener.open()?.delete(&args.mapping)?;
    Ok(tell(&mapping, args.common.output))
}

fn switch(args: &OneArgs, is_on: bool) -> CliResult {
    let mapping = args.common.listener.open()?.update(&args.mapping, &json!({ "Enabled": is_on }))?;
    Ok(tell(&mapping, args.common.output))
}

/// What became of one mapping.
fn tell(mapping: &Value, format: AnswerFormat) -> Exit {
    match format {
        AnswerFormat::Json => output::print(pretty(mapping)),
        AnswerFormat::Table => output::print(table::line_of(mapping)),
    }
    Exit::Done
}

/// Says why there is no body to send.
fn say(why: String) -> Exit {
    output::complain(Some("FB-0531"), why);
    Exit::Config
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("texts and numbers can be written as JSON")
}
