//! Finds the functions that mappings name: in the config file, else, for an ARN, at Lambda.

use std::collections::BTreeMap;

use super::{Check, FINDINGS_MAX};
use crate::aws::AwsSettings;
use crate::destination::DestinationTarget;
use crate::draft::Reference;
use crate::error::{AwsStep, Code, Finding};
use crate::fields::{suggest, words};
use crate::function::{ExecutorSettings, Function, FunctionName, LambdaName};

impl Check<'_> {
    /// Notes what no function answers to, and versions that the function of the config file does not have.
    pub(super) fn check_references(&mut self, aws: &AwsSettings) {
        let known: Vec<&str> = self.functions.keys().map(String::as_str).collect();
        for Reference { path, place, name, shown } in &self.references {
            if self.findings.len() >= FINDINGS_MAX {
                break;
            }
            // What is no name was told when the mapping was read.
            let Some((named, qualifier)) = LambdaName::parse(name) else { continue };
            if self.lists(&named, aws) {
                let own = self
                    .functions
                    .get(named.bare())
                    .and_then(|(function, _)| lambda_qualifier(function.as_ref()?));
                if let (Some(own), Some(_)) = (own, &qualifier)
                    && own != qualifier
                {
                    let message = "The derived qualifier from the function name does not match the specified qualifier.";
                    let fix = "write the version or alias under the function, as `qualifier` of its `lambda`";
                    self.findings.push(Finding::new(Code::CONFLICT, path.clone(), place, message).fix(fix));
                }
                continue;
            }
            // Every other form of a name may mean a function at Lambda, which stands in no file.
            if !matches!(named, LambdaName::Bare(_)) {
                continue;
            }
            let fix = match suggest(named.bare(), &known) {
                Some(known) => format!("did you mean `{known}`?"),
                None if known.is_empty() => "add it under `functions:`".to_owned(),
                None => format!("known functions: {}", words(&known)),
            };
            let message = format!("Function does not exist: `{shown}`");
            let finding = Finding::new(Code::UNKNOWN_FUNCTION, path.clone(), place, message).fix(fix);
            self.findings.push(finding.aws(AwsStep::Function, "Function does not exist"));
        }
    }

    /// Gives each mapping the function that it means; those of Lambda that stand nowhere under `functions:`
    /// come back.
    pub(super) fn resolve(&mut self, aws: &AwsSettings) -> BTreeMap<FunctionName, Function> {
        let mut called = BTreeMap::new();
        let mut mappings = std::mem::take(&mut self.mappings);
        for (mapping, _) in &mut mappings {
            mapping.function_qualifier = self.find(&mut mapping.function, aws, &mut called);
            if let Some(DestinationTarget::Function(function)) =
                mapping.on_failure.as_mut().map(|it| &mut it.target)
            {
                self.find(function, aws, &mut called);
            }
        }
        self.mappings = mappings;
        called
    }

    /// The version or alias that is asked of a function of the config file which has but one.
    fn find(
        &self,
        name: &mut FunctionName,
        aws: &AwsSettings,
        called: &mut BTreeMap<FunctionName, Function>,
    ) -> Option<String> {
        let (named, qualifier) = LambdaName::parse(name.as_str())?;
        if self.lists(&named, aws) {
            let function = self.functions.get(named.bare()).and_then(|(function, _)| function.as_ref());
            *name = FunctionName(named.bare().to_owned());
            return if lambda_qualifier(function?).is_some() { None } else { qualifier };
        }
        if !matches!(named, LambdaName::Bare(_)) {
            called.entry(name.clone()).or_insert_with(|| Function::of_lambda(name.clone(), named, qualifier));
        }
        None
    }

    /// Notes functions of the config file that are of an account of which nothing is written.
    pub(super) fn check_accounts(&mut self, aws: &AwsSettings) {
        for (name, (function, place)) in &self.functions {
            let Some(ExecutorSettings::Lambda(lambda)) = function.as_ref().map(|it| &it.executor) else {
                continue;
            };
            if let Some(Err(unknown)) = lambda.account().map(|it| aws.check_account(it)) {
                let path = format!("functions.{name}.executor.lambda.function_name");
                let finding = Finding::new(Code::UNKNOWN_ACCOUNT, path, place, unknown.to_string());
                self.findings.push(finding.fix(unknown.fix()));
            }
        }
    }

    /// Whether a function of the config file answers to the name. A region and an account must be those of
    /// `aws`, where it names them.
    fn lists(&self, named: &LambdaName, aws: &AwsSettings) -> bool {
        self.functions.contains_key(named.bare()) && named.agrees_with(aws)
    }
}

/// For a function at Lambda: the version or alias that is called.
fn lambda_qualifier(function: &Function) -> Option<Option<String>> {
    match &function.executor {
        ExecutorSettings::Lambda(lambda) => Some(lambda.qualifier.clone()),
        ExecutorSettings::Process(_) | ExecutorSettings::Http(_) => None,
    }
}
