//! From what the API made to what runs: a draft like that of a config file, so that one set of checks serves
//! both owners.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use forebay_api::error::ApiError;
use forebay_api::mapping::Named;
use forebay_batcher::Fault;
use forebay_config::error::Code;
use forebay_config::function::LambdaName;
use forebay_config::{Added, Finding, Function, FunctionName};

use super::note::Definition;
use crate::accounts;
use crate::built_in::BuiltIn;
use crate::compiled::{CompiledConfig, CompiledMapping};

/// What runs for one mapping of the API.
#[derive(Clone)]
pub(super) struct CompiledDefinition {
    pub(super) compiled: Arc<CompiledMapping>,
    /// Functions of Lambda that stand nowhere in the config file.
    pub(super) functions: BTreeMap<FunctionName, Function>,
}

/// Why a mapping cannot be compiled.
#[derive(Debug)]
pub(super) struct CannotCompile {
    /// For whoever asks over the API.
    pub(super) api: ApiError,
    /// The page that explains it, where there is one.
    code: Option<Code>,
}

impl From<ApiError> for CannotCompile {
    fn from(api: ApiError) -> Self {
        Self { api, code: None }
    }
}

impl From<CannotCompile> for ApiError {
    fn from(error: CannotCompile) -> Self {
        error.api
    }
}

impl From<CannotCompile> for Fault {
    fn from(error: CannotCompile) -> Self {
        Self { text: error.api.message, code: error.code }
    }
}

/// Draws a mapping beside what the config file says.
///
/// # Errors
/// In AWS's words where it has some.
pub(super) fn compile(
    definition: &Definition,
    file: &CompiledConfig,
) -> Result<CompiledDefinition, CannotCompile> {
    let it = &definition.configuration;
    let source = it.source.words(BuiltIn::aws_words())?;
    let function = function_name(&it.function_arn, file);
    let draft = it.draft(source, named(definition, &function), &BuiltIn)?;
    let added = Added::check(&draft, &file.functions, &file.settings.aws, &BuiltIn)
        .map_err(|findings| refused(&findings))?;
    // No relative path can be asked for over the API.
    let compiled =
        CompiledMapping::compile(added.mapping, PathBuf::from("/")).map_err(|findings| refused(&findings))?;
    let function = |name: &_| added.functions.get(name).or_else(|| file.functions.get(name));
    match accounts::unknown(&compiled, function, &file.settings.aws) {
        findings if findings.is_empty() => {}
        findings => return Err(refused(&findings)),
    }
    Ok(CompiledDefinition { compiled: Arc::new(compiled), functions: added.functions })
}

/// A mapping in the words of a config file. A function of the config file goes by its name there.
pub(super) fn config(definition: &Definition, file: &CompiledConfig) -> Result<serde_json::Value, ApiError> {
    let it = &definition.configuration;
    let source = it.source.words(BuiltIn::aws_words())?;
    it.as_config(source, named(definition, &function_name(&it.function_arn, file)))
}

fn named<'a>(definition: &'a Definition, function_name: &'a str) -> Named<'a> {
    Named { name: definition.uuid(), is_enabled: definition.enabled, function_name }
}

/// How a config file names a function: by what stands under `functions:`, else by its ARN. `Added::check`
/// looks there for an ARN too; a bare name is what a person would write.
fn function_name(arn: &str, file: &CompiledConfig) -> String {
    let named =
        LambdaName::parse(arn).filter(|(name, qualifier)| qualifier.is_none() && is_listed(name, file));
    named.map_or_else(|| arn.to_owned(), |(name, _)| name.bare().to_owned())
}

/// Whether a function of the config file answers to a name.
pub(super) fn is_listed(name: &LambdaName, file: &CompiledConfig) -> bool {
    // An ARN of another region or account means another function of that name.
    name.agrees_with(&file.settings.aws)
        && FunctionName::parse(name.bare()).is_some_and(|it| file.functions.contains_key(&it))
}

/// The first finding, in AWS's words where it has some.
fn refused(findings: &[Finding]) -> CannotCompile {
    // AWS answers with one mistake at a time.
    let Some(first) = findings.first() else {
        return ApiError::invalid("The event source mapping cannot be run here.").into();
    };
    let api = ApiError::invalid(match &first.aws {
        Some(aws) => aws.sentence.clone(),
        None => format!("{} ({}, {})", first.message, first.code.0, first.path),
    });
    CannotCompile { api, code: Some(first.code) }
}
