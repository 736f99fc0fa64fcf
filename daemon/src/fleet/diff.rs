//! What differs between the set that runs and the set that is wanted. Pure: it starts and stops nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forebay_config::destination::DestinationTarget;
use forebay_config::{Function, FunctionName, Mapping, RetryPlan};
use serde::{Deserialize, Serialize};

use crate::compiled::CompiledMapping;

/// What becomes of one mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It was not there.
    Added,
    /// Its settings differ, or those of a function that it uses.
    Changed,
    /// Only limits differ that hold from the next batch on: it goes on undisturbed.
    Replanned,
    /// It was disabled.
    Enabled,
    /// It is disabled from here on.
    Disabled,
    /// It is not there any more.
    Removed,
    /// Nothing.
    Unchanged,
}

/// What changed, for people and programs: names of mappings and functions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Mappings that were not there.
    pub added: Vec<String>,
    /// Mappings whose settings differ, or those or the files of a function that they use.
    pub changed: Vec<String>,
    /// Mappings that were disabled.
    pub enabled: Vec<String>,
    /// Mappings that are disabled from here on.
    pub disabled: Vec<String>,
    /// Mappings that are not there any more.
    pub removed: Vec<String>,
    /// How many mappings stay as they are and go on undisturbed.
    pub n_unchanged: usize,
    /// Functions that are new or whose settings or files differ.
    pub functions: Vec<String>,
    /// Functions that are not there any more.
    pub functions_removed: Vec<String>,
}

impl Changes {
    /// Nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == Self { n_unchanged: self.n_unchanged, ..Self::default() }
    }

    /// One line that names what changed.
    pub fn sentence(&self) -> String {
        let lists = [
            ("added", &self.added),
            ("changed", &self.changed),
            ("enabled", &self.enabled),
            ("disabled", &self.disabled),
            ("removed", &self.removed),
            ("functions", &self.functions),
            ("functions removed", &self.functions_removed),
        ];
        let told = lists
            .iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(word, names)| format!("{word}: {}", names.join(", ")));
        let unchanged = format!("unchanged: {}", self.n_unchanged);
        told.chain([unchanged]).collect::<Vec<_>>().join("; ")
    }
}

/// A set of mappings and functions, by name.
pub(crate) struct Set<'a> {
    pub(crate) functions: BTreeMap<&'a FunctionName, &'a Function>,
    pub(crate) mappings: BTreeMap<&'a str, &'a Arc<CompiledMapping>>,
}

/// What is begun anew although its settings do not differ.
#[derive(Debug, Default)]
pub(crate) struct Stale {
    /// Everything: what all share has changed.
    pub(crate) all: bool,
    /// Functions whose files are others than those that they were made from.
    pub(crate) functions: BTreeSet<FunctionName>,
}

/// What differs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Diff {
    /// Functions to be built: new ones and those whose settings differ.
    pub(crate) rebuilt: BTreeSet<FunctionName>,
    /// Functions that are not wanted any more.
    pub(crate) retired: BTreeSet<FunctionName>,
    /// Identities of sources that are read with other settings from here on.
    pub(crate) renewed: BTreeSet<String>,
    /// What becomes of each mapping of either set.
    pub(crate) mappings: BTreeMap<String, Change>,
}

impl Diff {
    /// What has to be done so that what `running` is becomes what is `wanted`, and what is stale is made
    /// anew.
    pub(crate) fn between(running: &Set<'_>, wanted: &Set<'_>, stale: &Stale) -> Self {
        let is_stale = |name: &FunctionName| stale.all || stale.functions.contains(name);
        let is_kept = |name: &FunctionName, function: &Function| {
            !is_stale(name) && running.functions.get(name) == Some(&function)
        };
        let rebuilt: BTreeSet<_> = wanted
            .functions
            .iter()
            .filter(|(name, it)| !is_kept(name, it))
            .map(|(name, _)| (*name).clone())
            .collect();
        let retired = running
            .functions
            .keys()
            .filter(|name| !wanted.functions.contains_key(*name))
            .map(|it| (*it).clone())
            .collect();
        let mut renewed = BTreeSet::new();
        for (name, new) in &wanted.mappings {
            // Under another identity it joins another feed, and the former one ends with its readers.
            let same =
                running.mappings.get(name).filter(|old| old.source.identity() == new.source.identity());
            if same.is_some_and(|old| stale.all || !(Arc::ptr_eq(old, new) || reads_like(old, new))) {
                renewed.insert(new.source.identity());
            }
        }
        let mut mappings: BTreeMap<String, Change> = BTreeMap::new();
        for (name, new) in &wanted.mappings {
            let change = match running.mappings.get(name) {
                None => Change::Added,
                // Before all other differences: to people this is what happened to it.
                Some(old) if old.runs() != new.runs() => {
                    if new.runs() {
                        Change::Enabled
                    } else {
                        Change::Disabled
                    }
                }
                Some(old) => {
                    let is_touched = used_by(&new.mapping).any(|it| rebuilt.contains(it))
                        || renewed.contains(&new.source.identity());
                    let is_same = Arc::ptr_eq(old, new) || (runs_like(old, new) && reads_like(old, new));
                    match (is_same, new.runs() && is_touched) {
                        (true, false) => Change::Unchanged,
                        // What rests has no batches that limits could hold for; it is shown anew.
                        (false, false) if new.runs() && differ_in_plan(old, new) => Change::Replanned,
                        (true | false, _) => Change::Changed,
                    }
                }
            };
            mappings.insert((*name).to_owned(), change);
        }
        let gone = running.mappings.keys().filter(|name| !wanted.mappings.contains_key(*name));
        mappings.extend(gone.map(|name| ((*name).to_owned(), Change::Removed)));
        Self { rebuilt, retired, renewed, mappings }
    }

    /// The same for people.
    pub(crate) fn told(&self) -> Changes {
        let of = |change: Change| {
            self.mappings
                .iter()
                .filter(|(_, it)| **it == change)
                .map(|(name, _)| name.clone())
                .collect::<Vec<_>>()
        };
        // To whoever wrote the config both are changed; only the fleet cares whether it goes on meanwhile.
        let mut changed = [of(Change::Changed), of(Change::Replanned)].concat();
        changed.sort();
        let names = |functions: &BTreeSet<FunctionName>| functions.iter().map(ToString::to_string).collect();
        Changes {
            added: of(Change::Added),
            changed,
            enabled: of(Change::Enabled),
            disabled: of(Change::Disabled),
            removed: of(Change::Removed),
            n_unchanged: of(Change::Unchanged).len(),
            functions: names(&self.rebuilt),
            functions_removed: names(&self.retired),
        }
    }
}

/// The functions that a mapping uses: its own, and one that takes its failure records.
pub(crate) fn used_by(mapping: &Mapping) -> impl Iterator<Item = &FunctionName> {
    let taker = mapping.on_failure.as_ref().and_then(|it| match &it.target {
        DestinationTarget::Function(function) => Some(function),
        DestinationTarget::File(_)
        | DestinationTarget::Http(_)
        | DestinationTarget::Sqs(_)
        | DestinationTarget::Sns(_)
        | DestinationTarget::S3(_)
        | DestinationTarget::EventBus(_)
        | DestinationTarget::Kafka(_) => None,
    });
    [&mapping.function].into_iter().chain(taker)
}

/// Whether both do the same with what they read, or nothing for the same reason.
fn runs_like(old: &CompiledMapping, new: &CompiledMapping) -> bool {
    old.mapping.runs_like(&new.mapping) && old.rest == new.rest
}

/// Whether nothing differs but limits that a running mapping can take over before its next batch.
fn differ_in_plan(old: &CompiledMapping, new: &CompiledMapping) -> bool {
    let has_window = |it: &CompiledMapping| !it.mapping.batch.window.is_zero();
    // What a running mapping can take over is made equal: where the two still differ, it cannot.
    let mut like_new = old.mapping.clone();
    like_new.settings.take_live(&new.mapping.settings);
    like_new.batch = new.mapping.batch.clone();
    like_new.lanes = new.mapping.lanes;
    like_new.rate = new.mapping.rate;
    like_new.retry = RetryPlan { redelivery: old.mapping.retry.redelivery, ..new.mapping.retry.clone() };
    // What an event looks like may depend on whether there is a window.
    has_window(old) == has_window(new)
        && like_new.runs_like(&new.mapping)
        && reads_like(old, new)
        && old.rest == new.rest
}

/// Whether both read the same in the same way. Relative paths count from the folder of their file.
fn reads_like(old: &CompiledMapping, new: &CompiledMapping) -> bool {
    old.mapping.source.says_the_same(&new.mapping.source)
        && old.base == new.base
        && old.source.identity() == new.source.identity()
}

#[cfg(test)]
#[path = "diff_tests.rs"]
mod tests;
