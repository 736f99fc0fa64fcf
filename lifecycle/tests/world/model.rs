//! What must hold of each mapping, by what was asked and what was answered.

use std::collections::{BTreeMap, BTreeSet};

use forebay_lifecycle::{KeptNote, MappingChange, StandingMapping};

use crate::disk::Spec;

/// What a store may say of a mapping.
type Note = Option<KeptNote<Spec>>;

#[derive(Debug, Default)]
pub(crate) struct Model {
    /// What was acknowledged last.
    acked: BTreeMap<String, Note>,
    /// What a change that is under way, or was not answered, may have left in the store besides.
    doubts: BTreeMap<String, Vec<Note>>,
    /// Mappings of the API that are gone.
    gone: BTreeSet<String>,
}

impl Model {
    pub(crate) fn acked(&self, name: &str) -> Note {
        self.acked.get(name).cloned().flatten()
    }

    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.acked.keys().cloned().collect()
    }

    /// What a change makes of a mapping.
    pub(crate) fn wanted(&self, name: &str, change: &MappingChange<Spec>) -> Note {
        let former = self.acked(name);
        let was_paused = former.as_ref().is_some_and(|it| it.is_paused);
        let kept = match change {
            MappingChange::Put(made, is_paused) => KeptNote {
                is_paused: is_paused.unwrap_or(was_paused),
                standing: Some(StandingMapping { made: *made, is_deleted: false }),
            },
            MappingChange::Delete(made) => KeptNote {
                is_paused: was_paused,
                standing: Some(StandingMapping { made: *made, is_deleted: true }),
            },
            MappingChange::Pause(is_paused) => {
                KeptNote { is_paused: *is_paused, standing: former.and_then(|it| it.standing) }
            }
        };
        Some(kept).filter(|it| it.is_paused || it.standing.is_some())
    }

    /// A change is under way.
    pub(crate) fn doubt(&mut self, name: &str, wanted: Note) {
        self.acked.entry(name.to_owned()).or_default();
        self.doubts.entry(name.to_owned()).or_default().push(wanted);
    }

    /// A change was acknowledged; nothing is in doubt after it.
    pub(crate) fn acknowledge(&mut self, name: &str, wanted: Note) {
        self.acked.insert(name.to_owned(), wanted);
        self.doubts.clear();
    }

    /// A change was refused and taken back; nothing is in doubt after it.
    pub(crate) fn settle(&mut self) {
        self.doubts.clear();
    }

    /// After a kill what the store says is what holds.
    pub(crate) fn recall(&mut self, name: &str, note: Note) {
        self.acked.insert(name.to_owned(), note);
        self.doubts.remove(name);
    }

    pub(crate) fn may_say(&self, name: &str, note: &Note) -> bool {
        self.acked(name) == *note || self.doubts.get(name).is_some_and(|all| all.contains(note))
    }

    /// It was deleted, and that was answered.
    pub(crate) fn is_deleted(&self, name: &str) -> bool {
        self.gone.contains(name) || self.acked(name).is_some_and(|it| says_deleted(&Some(it)))
    }

    /// Somebody deleted it, answered or not.
    pub(crate) fn may_be_erased(&self, name: &str) -> bool {
        self.is_deleted(name) || self.doubts.get(name).is_some_and(|all| all.iter().any(says_deleted))
    }

    pub(crate) fn erase(&mut self, name: &str) {
        self.gone.insert(name.to_owned());
        self.recall(name, None);
    }
}

pub(crate) fn says_deleted(note: &Note) -> bool {
    note.as_ref().and_then(|it| it.standing.as_ref()).is_some_and(|it| it.is_deleted)
}
