//! From what the API made to what runs: the words of a config file are the way between, so that one set of
//! checks serves both owners.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use forebay_api::error::ApiError;
use forebay_batcher::Fault;
use forebay_config::error::Code;
use forebay_config::function::LambdaName;
use forebay_config::{Added, Document, Finding, Format, Function, FunctionName};

use super::note::Definition;
use crate::blueprint::{Blueprint, MappingBlueprint};
use crate::built_in::BuiltIn;

/// What runs for one mapping of the API.
#[derive(Clone)]
pub(super) struct Drawn {
    pub(super) blueprint: Arc<MappingBlueprint>,
    /// Functions of Lambda that stand nowhere in the config file.
    pub(super) functions: BTreeMap<FunctionName, Function>,
}

/// Why a mapping cannot be drawn.
#[derive(Debug)]
pub(super) struct Undrawable {
    /// For whoever asks over the API.
    pub(super) api: ApiError,
    /// The page that explains it, where there is one.
    code: Option<Code>,
}

impl From<ApiError> for Undrawable {
    fn from(api: ApiError) -> Self {
        Self { api, code: None }
    }
}

impl From<Undrawable> for ApiError {
    fn from(error: Undrawable) -> Self {
        error.api
    }
}

impl From<Undrawable> for Fault {
    fn from(error: Undrawable) -> Self {
        Self { text: error.api.message, code: error.code }
    }
}

/// Draws a mapping beside what the config file says.
///
/// # Errors
/// In AWS's words where it has some.
pub(super) fn draw(definition: &Definition, file: &Blueprint) -> Result<Drawn, Undrawable> {
    let config = config(definition, file)?;
    let name = format!("api:{}", definition.uuid());
    // No relative path can be asked for over the API.
    let base = Path::new("/");
    let document = Document::parse(&name, &config.to_string(), Format::Json, base)
        .map_err(|findings| refused(&findings))?;
    let added = Added::check(&document, &file.functions, &file.settings.aws, &BuiltIn)
        .map_err(|findings| refused(&findings))?;
    let blueprint =
        MappingBlueprint::draw(added.mapping, base.to_owned()).map_err(|findings| refused(&findings))?;
    Ok(Drawn { blueprint: Arc::new(blueprint), functions: added.functions })
}

/// A mapping in the words of a config file. A function of the config file goes by its name there.
pub(super) fn config(definition: &Definition, file: &Blueprint) -> Result<serde_json::Value, ApiError> {
    let it = &definition.configuration;
    let source = it.source.words(BuiltIn::aws_words())?;
    it.as_config(source, definition.uuid(), definition.enabled, &function_name(&it.function_arn, file))
}

/// How a config file names a function: by what stands under `functions:`, else by its ARN. `Added::check`
/// looks there for an ARN too; a bare name is what a person would write.
fn function_name(arn: &str, file: &Blueprint) -> String {
    let named =
        LambdaName::parse(arn).filter(|(name, qualifier)| qualifier.is_none() && is_listed(name, file));
    named.map_or_else(|| arn.to_owned(), |(name, _)| name.bare().to_owned())
}

/// Whether a function of the config file answers to a name.
pub(super) fn is_listed(name: &LambdaName, file: &Blueprint) -> bool {
    name.agrees_with(&file.settings.aws)
        && FunctionName::parse(name.bare()).is_some_and(|it| file.functions.contains_key(&it))
}

/// The first finding, in AWS's words where it has some.
fn refused(findings: &[Finding]) -> Undrawable {
    let Some(first) = findings.first() else {
        return ApiError::invalid("The event source mapping cannot be run here.").into();
    };
    let api = if first.path.starts_with("filter_criteria") {
        ApiError::invalid("Invalid filter pattern definition.")
    } else if first.code == Code::UNKNOWN_FUNCTION {
        forebay_api::mapping::checks::no_function()
    } else {
        ApiError::invalid(format!("{} ({}, {})", first.message, first.code.0, first.path))
    };
    Undrawable { api, code: Some(first.code) }
}
