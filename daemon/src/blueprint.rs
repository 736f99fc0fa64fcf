//! From a checked config to what the process runs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use forebay_config::{Config, Finding, Function, FunctionName, Mapping, Settings, SourceProfile, error::Code};
use forebay_pollers::{RecordFilter, SourceSettings};

use crate::built_in::BuiltIn;
use crate::config_files::Loaded;
use crate::filter;

/// Everything that the process is to run, checked.
pub struct Blueprint {
    /// What concerns the process as a whole.
    pub settings: Settings,
    /// The functions.
    pub functions: BTreeMap<FunctionName, Function>,
    /// The mappings.
    pub mappings: Vec<MappingBlueprint>,
}

/// One mapping and what its source's folder made of its settings.
pub struct MappingBlueprint {
    /// What it says.
    pub mapping: Mapping,
    /// What its kind of source can do.
    pub profile: &'static SourceProfile,
    /// The folder from which its relative paths are taken.
    pub base: PathBuf,
    /// Its source.
    pub source: Arc<dyn SourceSettings>,
    /// Which records it wants; `None` for all.
    pub filter: Option<Arc<dyn RecordFilter>>,
}

/// Puts together what a checked config says.
///
/// # Errors
/// What only source and filter together can tell, all at once.
pub fn draw(config: Config, loaded: &Loaded) -> Result<Blueprint, Vec<Finding>> {
    let mut mappings = Vec::new();
    let mut findings = Vec::new();
    for mapping in config.mappings {
        let kind = BuiltIn::kind(&mapping.source.kind).expect("the config was checked against the built-in kinds");
        let profile = kind.profile_of(&mapping.source.settings);
        let base = loaded.base_of(&mapping.place.file).to_owned();
        match kind.parse(&mapping.source.settings, &base) {
            Ok(source) => match filter::of(&mapping.filters, profile) {
                Ok(filter) => mappings.push(MappingBlueprint { mapping, profile, base, source: Arc::from(source), filter }),
                Err(error) => {
                    let code = Code(error.code().0);
                    findings.push(Finding::new(code, "filter_criteria", &mapping.place, error.to_string()));
                }
            },
            Err(more) => findings.extend(more),
        }
    }
    if findings.is_empty() { Ok(Blueprint { settings: config.settings, functions: config.functions, mappings }) } else { Err(findings) }
}
