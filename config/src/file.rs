//! A whole config: the daemon's settings, functions and mappings of one or more documents, checked together.

mod references;
mod top;

use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use crate::api::ApiSettings;
use crate::aws::AwsSettings;
use crate::document::{Document, Node, SourceSpan, Value};
use crate::draft::{Draft, Reference};
use crate::error::{Code, Finding, join};
use crate::fields::{Fields, Item};
use crate::function::{Function, FunctionName, LambdaName};
use crate::mapping::Mapping;
use crate::settings;
use crate::source::Sources;

/// Where a mapping names functions.
const FUNCTION_REFERENCES: [&[&str]; 2] =
    [&["function_name"], &["destination_config", "on_failure", "function", "function_name"]];

/// After so many findings no further mapping is looked at.
const FINDINGS_MAX: usize = 1_000;

/// A checked config.
#[derive(Debug, Clone)]
pub struct Config {
    /// What concerns the daemon as a whole.
    pub settings: Settings,
    /// The functions by name, and those of Lambda that a mapping names by ARN.
    pub functions: BTreeMap<FunctionName, Function>,
    /// The mappings in the order written.
    pub mappings: Vec<Mapping>,
}

/// What concerns the daemon as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where health and metrics are served.
    pub admin_listen: SocketAddr,
    /// The folder of the checkpoints; `None` leaves it to the daemon.
    pub data_dir: Option<PathBuf>,
    /// How long a checkpoint that is written may wait for its sync; zero syncs each.
    pub commit_interval: Duration,
    /// How long running invocations get at the end.
    pub shutdown_grace: Duration,
    /// Bytes that records may take in memory.
    pub memory_budget_bytes: u64,
    /// Bytes of it that are kept free for each mapping; `None` divides half of it.
    pub memory_share_bytes: Option<u64>,
    /// Whether changed config files are read again by themselves.
    pub watch_config: bool,
    /// What AWS's services are called with.
    pub aws: AwsSettings,
    /// Lambda's API, and who may use it.
    pub api: ApiSettings,
}

impl Config {
    /// Checks documents together: later ones add functions and mappings; nothing is silently overridden.
    ///
    /// # Errors
    /// All that is wrong with all of them, in the order of documents and lines. What [`Document::expand`]
    /// found is not repeated, and a config with unfilled placeholders is an error even when nothing else is
    /// wrong.
    pub fn check(documents: &[Document], sources: &dyn Sources) -> Result<Self, Vec<Finding>> {
        let mut check = Check::new(sources);
        for document in documents {
            check.document(document);
        }
        check.finish(documents)
    }
}

/// A mapping that was checked beside a config, and the functions of Lambda that it names by ARN.
#[derive(Debug, Clone)]
pub struct Added {
    /// The mapping.
    pub mapping: Mapping,
    /// Functions that stand nowhere in the config.
    pub functions: BTreeMap<FunctionName, Function>,
}

impl Added {
    /// Checks a mapping that stands in no file, such as one made over the API, against the functions of a
    /// config.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn check(
        draft: &Draft,
        functions: &BTreeMap<FunctionName, Function>,
        aws: &AwsSettings,
        sources: &dyn Sources,
    ) -> Result<Self, Vec<Finding>> {
        let mut check = Check::new(sources);
        check.references.extend(draft.function());
        check.draft(draft, String::new());
        let named: Vec<_> = check.references.iter().filter_map(|it| LambdaName::parse(&it.name)).collect();
        // Only the functions that it can mean are copied: a config may have thousands, and each call over the
        // API comes here.
        let written = named.iter().filter_map(|(name, _)| functions.get(&FunctionName::parse(name.bare())?));
        let place = draft.place();
        check.functions =
            written.map(|it| (it.name.as_str().to_owned(), (Some(it.clone()), place))).collect();
        check.check_references(aws);
        let functions = check.resolve(aws);
        check.check_timeouts();
        match check.mappings.pop() {
            Some((mapping, _)) if check.findings.is_empty() => Ok(Self { mapping, functions }),
            Some(_) | None => Err(check.findings),
        }
    }
}

/// The mapping of this name as it is written, for `explain`.
pub fn mapping_node<'d>(documents: &'d [Document], name: &str) -> Option<&'d Node> {
    let lists = documents.iter().filter_map(|it| member(&it.root, &[settings::EVENT_SOURCE_MAPPINGS.key()]));
    let mut mappings =
        lists.filter_map(|it| if let Value::List(nodes) = &it.value { Some(nodes) } else { None }).flatten();
    mappings.find(|it| member(it, &[settings::NAME.key()]).and_then(text_of) == Some(name))
}

struct Check<'d> {
    sources: &'d dyn Sources,
    findings: Vec<Finding>,
    /// The top level's settings, and where each was written first.
    written: BTreeMap<&'static str, &'d Node>,
    /// Where relative paths under it begin, by the key.
    bases: BTreeMap<&'static str, PathBuf>,
    functions: BTreeMap<String, (Option<Function>, &'d SourceSpan)>,
    mappings: Vec<(Mapping, String)>,
    /// Where a function is named, also in mappings with findings.
    references: Vec<Reference>,
    /// Names of mappings, also of those with findings.
    names: BTreeMap<String, &'d SourceSpan>,
    n_mappings: usize,
}

impl<'d> Check<'d> {
    fn new(sources: &'d dyn Sources) -> Self {
        Self {
            sources,
            findings: Vec::new(),
            written: BTreeMap::new(),
            bases: BTreeMap::new(),
            functions: BTreeMap::new(),
            mappings: Vec::new(),
            references: Vec::new(),
            names: BTreeMap::new(),
            n_mappings: 0,
        }
    }

    fn document(&mut self, document: &'d Document) {
        let mut fields = Fields::new(&document.root, "");
        let top = [
            &settings::ADMIN,
            &settings::DATA_DIR,
            &settings::COMMIT_INTERVAL,
            &settings::SHUTDOWN_GRACE,
            &settings::MEMORY_BUDGET,
            &settings::MEMORY_SHARE,
            &settings::WATCH_CONFIG,
            &settings::AWS,
            &settings::API,
            &settings::KEYS,
        ];
        for spec in top {
            let Some(node) = fields.node(spec.key()) else { continue };
            match self.written.get(spec.key()) {
                Some(first) => {
                    let finding = Finding::new(
                        Code::DUPLICATE_NAME,
                        spec.key(),
                        &node.place,
                        format!("`{}` is written in two files", spec.key()),
                    );
                    fields.push(finding.fix("keep one of them").also(&first.place, "first written here"));
                }
                None => {
                    self.written.insert(spec.key(), node);
                    self.bases.insert(spec.key(), document.base.clone());
                }
            }
        }
        if let Some(node) = fields.node(settings::FUNCTIONS.key()) {
            self.functions(node, document);
        }
        if let Some(node) = fields.node(settings::EVENT_SOURCE_MAPPINGS.key()) {
            self.written.entry(settings::EVENT_SOURCE_MAPPINGS.key()).or_insert(node);
            self.mappings(node, document);
        }
        self.findings.extend(fields.finish());
    }

    fn functions(&mut self, node: &'d Node, document: &'d Document) {
        let path = settings::FUNCTIONS.key();
        let Value::Map(entries) = &node.value else {
            let finding =
                Finding::new(Code::WRONG_TYPE, path, &node.place, "must be a map from names to functions");
            self.findings
                .push(finding.fix("write each function under its name: `functions: { summarise: { … } }`"));
            return;
        };
        for (key, node) in entries {
            if self.findings.len() >= FINDINGS_MAX {
                break;
            }
            let path = join(path, &key.name);
            let Some(name) = FunctionName::parse(&key.name) else {
                let message = "a function's name has 1 to 64 letters, digits, `-` and `_`";
                self.findings.push(Finding::new(Code::NOT_ALLOWED, path, &key.place, message));
                continue;
            };
            if let Some((_, first)) = self.functions.get(&key.name) {
                let finding = Finding::new(
                    Code::DUPLICATE_NAME,
                    path,
                    &key.place,
                    format!("a second function is named `{name}`"),
                );
                self.findings.push(finding.fix("rename one of them").also(first, "first written here"));
                continue;
            }
            let function = Function::check(name, node, &path, &document.base)
                .map_err(|findings| self.findings.extend(findings));
            // Also with findings: a mapping that names it is not wrong for that.
            self.functions.insert(key.name.clone(), (function.ok(), &key.place));
        }
    }

    fn mappings(&mut self, node: &'d Node, document: &'d Document) {
        let path = settings::EVENT_SOURCE_MAPPINGS.key();
        let Value::List(nodes) = &node.value else {
            let finding = Finding::new(Code::WRONG_TYPE, path, &node.place, "must be a list of mappings");
            self.findings.push(finding.fix("begin each mapping with `- name: …`"));
            return;
        };
        for (idx, node) in nodes.iter().enumerate() {
            if self.findings.len() >= FINDINGS_MAX {
                break;
            }
            let path = format!("{path}[{idx}]");
            // Counted from the text, so that shares of memory can be judged although some mappings are wrong.
            self.n_mappings += usize::from(!is_switched_off(node));
            self.name(node, &path);
            self.mapping(node, path, document);
        }
    }

    fn mapping(&mut self, node: &'d Node, path: String, document: &Document) {
        // From the text as it is: a name that is unknown is told beside whatever else is wrong with the
        // mapping.
        for keys in FUNCTION_REFERENCES {
            if let Some(name) = member(node, keys) {
                self.references.extend(reference(join(&path, &keys.join(".")), name));
            }
        }
        self.draft(&Draft::read(node, &path, self.sources, &document.base), path);
    }

    fn draft(&mut self, draft: &Draft, path: String) {
        match draft.check(draft.profile()) {
            Ok(mapping) => self.mappings.push((mapping, path)),
            Err(findings) => self.findings.extend(findings),
        }
    }

    /// Notes a name that another mapping has already.
    fn name(&mut self, node: &'d Node, path: &str) {
        let Some(name) = member(node, &[settings::NAME.key()]) else { return };
        let Some(text) = text_of(name) else { return };
        if let Some(first) = self.names.get(text) {
            let message = format!("a second mapping is named `{}`", shown(name));
            let finding = Finding::new(Code::DUPLICATE_NAME, join(path, "name"), &name.place, message);
            self.findings.push(
                finding
                    .fix("rename one of them: checkpoints are kept under the name")
                    .also(first, "first written here"),
            );
            return;
        }
        self.names.insert(text.to_owned(), &name.place);
    }

    fn finish(mut self, documents: &[Document]) -> Result<Config, Vec<Finding>> {
        let settings = self.settings();
        let aws = settings.as_ref().map(|it| it.aws.clone()).unwrap_or_default();
        self.check_references(&aws);
        let called = self.resolve(&aws);
        self.check_accounts(&aws);
        self.check_timeouts();
        // Whoever writes `api` makes the mappings there.
        let has_work = [&settings::EVENT_SOURCE_MAPPINGS, &settings::API]
            .iter()
            .any(|it| self.written.contains_key(it.key()));
        if !has_work && self.findings.is_empty() {
            self.findings.push(nothing_to_do(documents));
        }
        // What a placeholder left unfilled is a finding of the expansion; what follows from it is none of its
        // own.
        let place_of = |it: &SourceSpan| (it.file.clone(), it.span.start);
        let unfilled: BTreeSet<_> = documents.iter().flat_map(|it| &it.unfilled).map(place_of).collect();
        self.findings.retain(|it| !unfilled.contains(&place_of(&it.place)));
        // They come as one reads the files, in whichever order they were found.
        let order: BTreeMap<_, _> =
            documents.iter().enumerate().map(|(idx, it)| (it.root.place.file.clone(), idx)).collect();
        self.findings.sort_by_key(|it| (order.get(&it.place.file).copied(), it.place.span.start));
        let mut functions = called;
        for (function, _) in self.functions.into_values() {
            functions.extend(function.map(|it| (it.name.clone(), it)));
        }
        match settings {
            Some(settings) if self.findings.is_empty() && unfilled.is_empty() => Ok(Config {
                settings,
                functions,
                mappings: self.mappings.into_iter().map(|(mapping, _)| mapping).collect(),
            }),
            Some(_) | None => Err(self.findings),
        }
    }

    /// Sources bound the time of their functions; AWS allows 840 s with Kafka and the broker queues.
    fn check_timeouts(&mut self) {
        for (mapping, path) in &self.mappings {
            let Some((Some(function), place)) = self.functions.get(mapping.function.as_str()) else {
                continue;
            };
            let Some(profile) = self.sources.profile(&mapping.source.kind, &mapping.source.settings) else {
                continue;
            };
            let (timeout, max) = (function.timeout.as_secs(), u64::from(profile.function_timeout_max));
            if timeout > max {
                let message = format!(
                    "the function may run {timeout} s; with a `{}` source {max} s is the most",
                    profile.kind
                );
                let finding =
                    Finding::new(Code::CONFLICT, join(path, "function_name"), &mapping.place, message);
                self.findings.push(
                    finding
                        .fix(format!("lower the function's `timeout` to {max}"))
                        .also(place, "the function"),
                );
            }
        }
    }
}

fn nothing_to_do(documents: &[Document]) -> Finding {
    let nowhere = SourceSpan { file: "config".into(), line: 1, column: 1, span: 0..0 };
    let place = documents.last().map_or(&nowhere, |it| &it.root.place);
    let message = "no event source mapping is written, so there is nothing to do";
    let fix = "begin with:\nfunctions:\n  hello:\n    executor: { process: { runtime: python3, handler: app.handler, code: ./code } }\nevent_source_mappings:\n  \
               - name: lines\n    source: { file: { path: \"data/*.ndjson\" } }\n    function_name: hello\n    starting_position: TRIM_HORIZON";
    Finding::new(Code::NOTHING_TO_DO, settings::EVENT_SOURCE_MAPPINGS.key(), place, message).fix(fix)
}

/// The value under keys inside keys.
fn member<'n>(node: &'n Node, keys: &[&str]) -> Option<&'n Node> {
    let Some((key, rest)) = keys.split_first() else { return Some(node) };
    let Value::Map(entries) = &node.value else { return None };
    let (_, node) = entries.iter().find(|(it, _)| it.name == *key)?;
    member(node, rest)
}

fn text_of(node: &Node) -> Option<&str> {
    match &node.value {
        Value::String(text) | Value::Expanded(text) => Some(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Map(_) => None,
    }
}

fn reference(path: String, node: &Node) -> Option<Reference> {
    let name = text_of(node)?.to_owned();
    Some(Reference { path, place: node.place.clone(), name, shown: shown(node) })
}

/// A text for a message; never what a placeholder gave.
fn shown(node: &Node) -> String {
    match &node.value {
        Value::String(text) => text.chars().take(80).flat_map(char::escape_debug).collect(),
        // A placeholder may have filled in a secret, and findings go to logs.
        Value::Expanded(_) => "(expanded)".to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Map(_) => String::new(),
    }
}

/// A mapping that does not run needs no memory.
fn is_switched_off(node: &Node) -> bool {
    member(node, &[settings::ENABLED.key()])
        // What is wrong with it is found where the mapping is read.
        .and_then(|it| Item::new(it, settings::ENABLED.key(), &mut Vec::new()).bool())
        .is_some_and(|is_enabled| !is_enabled)
}
