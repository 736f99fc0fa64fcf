//! From a checked config to what the process runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use forebay_batcher::Fault;
use forebay_config::destination::DestinationTarget;
use forebay_config::{
    Config, Finding, Function, FunctionName, Mapping, Settings, SourceProfile, error::Code,
};
use forebay_pollers::{RecordFilter, SourceSettings};

use crate::accounts;
use crate::built_in::BuiltIn;
use crate::config_files::Loaded;
use crate::filter;

/// Everything that the process is to run, checked.
#[derive(Clone)]
pub struct CompiledConfig {
    /// What concerns the process as a whole.
    pub settings: Settings,
    /// The functions.
    pub functions: BTreeMap<FunctionName, Function>,
    /// The mappings.
    pub mappings: Vec<Arc<CompiledMapping>>,
    /// Mappings that are gone for good: their positions go with them. Those of others stay in the store, to
    /// be found again.
    pub erased: BTreeSet<String>,
}

impl CompiledConfig {
    /// The names of its mappings.
    pub fn names(&self) -> BTreeSet<String> {
        self.mappings.iter().map(|it| it.mapping.name.as_str().to_owned()).collect()
    }

    /// The mapping of this name.
    pub fn mapping(&self, name: &str) -> Option<&Arc<CompiledMapping>> {
        self.mappings.iter().find(|it| it.mapping.name.as_str() == name)
    }
}

/// Why a mapping that is enabled does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rest {
    /// Somebody paused it.
    Paused,
    /// It cannot be run as it is written, since what it needs has changed; for people.
    Unfit(Fault),
}

/// One mapping and what its source's folder made of its settings.
#[derive(Clone)]
pub struct CompiledMapping {
    /// Why it does not run although it is enabled.
    pub rest: Option<Rest>,
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

impl CompiledMapping {
    /// Reads the source's settings and the filters of a checked mapping. `base` is the folder from which its
    /// relative paths are taken.
    ///
    /// # Errors
    /// What only source and filter together can tell, all at once.
    pub fn compile(mapping: Mapping, base: PathBuf) -> Result<Self, Vec<Finding>> {
        let kind =
            BuiltIn::kind(&mapping.source.kind).expect("the mapping was checked against the built-in kinds");
        // Of these settings: one kind may be read in more than one way, and not each obeys the same settings.
        let profile = kind.profile_of(&mapping.source.settings);
        let source: Arc<dyn SourceSettings> = Arc::from(kind.parse(&mapping.source.settings, &base)?);
        let filter = filter::of(&mapping.filters, profile).map_err(|error| {
            let code = Code(error.code().0);
            vec![Finding::new(code, "filter_criteria", &mapping.place, error.to_string())]
        })?;
        if let Some(finding) = wrong_topic(&mapping, &*source) {
            return Err(vec![finding]);
        }
        Ok(Self { rest: None, mapping, profile, base, source, filter })
    }

    /// Whether it reads its source.
    pub fn runs(&self) -> bool {
        self.mapping.enabled && self.rest.is_none()
    }
}

/// What is wrong with a destination that is a topic: at which brokers must be known, and what a mapping writes it
/// must not read, for that would go on for ever.
fn wrong_topic(mapping: &Mapping, source: &dyn SourceSettings) -> Option<Finding> {
    const PATH: &str = "destination_config.on_failure";
    let DestinationTarget::Kafka(target) = &mapping.on_failure.as_ref()?.target else { return None };
    let finding = |code, message: &str| Finding::new(code, PATH, &mapping.place, message);
    let is_same_cluster = match (target.brokers.as_deref(), source.brokers()) {
        (None, None) => {
            let message = "the source has no brokers: at which ones is the topic?";
            let fix = "write `kafka: { topic, brokers: { bootstrap_servers: […] } }`";
            return Some(finding(Code::TOPIC_WITHOUT_BROKERS, message).fix(fix));
        }
        (None, Some(_)) => true,
        // One broker of both is enough: it tells of all others.
        (Some(own), Some(read)) => own.bootstrap_servers.iter().any(|it| read.bootstrap_servers.contains(it)),
        (Some(_), None) => false,
    };
    (is_same_cluster && source.reads_topic(&target.topic)).then(|| {
        let message = format!(
            "the mapping reads the topic {} itself: what fails would come back for ever",
            target.topic
        );
        finding(Code::OWN_TOPIC, &message).fix("name another topic")
    })
}

/// Puts together what a checked config says.
///
/// # Errors
/// What only source and filter together can tell, and accounts that nobody knows, all at once.
pub fn compile(config: Config, loaded: &Loaded) -> Result<CompiledConfig, Vec<Finding>> {
    let mut mappings = Vec::new();
    let mut findings = Vec::new();
    for mapping in config.mappings {
        let base = loaded.base_of(&mapping.place.file).to_owned();
        match CompiledMapping::compile(mapping, base) {
            Ok(it) => {
                let function = |name: &_| config.functions.get(name);
                findings.extend(accounts::unknown(&it, function, &config.settings.aws));
                mappings.push(Arc::new(it));
            }
            Err(more) => findings.extend(more),
        }
    }
    if findings.is_empty() {
        Ok(CompiledConfig {
            settings: config.settings,
            functions: config.functions,
            mappings,
            erased: BTreeSet::new(),
        })
    } else {
        Err(findings)
    }
}
