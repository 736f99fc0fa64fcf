//! What survives a kill: the store and the config file.

use std::collections::{BTreeMap, BTreeSet};

use forebay_lifecycle::KeptNote;

/// How a mapping is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spec {
    pub(crate) number: u32,
    pub(crate) is_enabled: bool,
    /// It can be built.
    pub(crate) is_good: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) notes: BTreeMap<String, KeptNote<Spec>>,
    /// Mappings of which the store has positions.
    pub(crate) positions: BTreeSet<String>,
    pub(crate) file: BTreeMap<String, Spec>,
}

impl Disk {
    /// A write of a note that took effect.
    pub(crate) fn keep(&mut self, name: &str, note: Option<KeptNote<Spec>>) {
        match note {
            Some(note) => drop(self.notes.insert(name.to_owned(), note)),
            None => drop(self.notes.remove(name)),
        }
    }

    /// It keeps something of a mapping.
    pub(crate) fn has_any(&self, name: &str) -> bool {
        self.notes.contains_key(name) || self.positions.contains(name)
    }

    /// All that it kept of a mapping is taken away.
    pub(crate) fn erase(&mut self, name: &str) {
        self.notes.remove(name);
        self.positions.remove(name);
    }
}
