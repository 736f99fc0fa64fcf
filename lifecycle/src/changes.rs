//! The changes that both owners make, one after the other: durable first, then running, then answered. What
//! cannot run is taken back from both.
//!
//! A write of the store that failed, or that nobody waited for, may be on disk all the same: what stands is
//! written again before the next change.

use std::collections::{BTreeMap, BTreeSet};

/// What stands of a mapping that the API made; `D` is all that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingMapping<D> {
    /// What it is.
    pub made: D,
    /// It was deleted, and what it left is being cleared away.
    pub is_deleted: bool,
}

/// What the store keeps of a mapping beside its positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptNote<D> {
    /// Somebody paused it.
    pub is_paused: bool,
    /// What the API made; a mapping of the config file has nothing.
    pub standing: Option<StandingMapping<D>>,
}

/// A change of one mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MappingChange<D> {
    /// The API makes it, or puts another in its place; `None` leaves it paused or not as it was.
    Put(D, Option<bool>),
    /// The API deletes it.
    Delete(D),
    /// An operator pauses it or lets it go on.
    Pause(bool),
}

/// What is to be done next for the change that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeStep<D> {
    /// Have the store keep this of a mapping, nothing where that is `None`; answered by
    /// [`ChangeLedger::handle_kept`].
    Keep(String, Option<KeptNote<D>>),
    /// Make what runs of this mapping what stands; answered by [`ChangeLedger::handle_applied`].
    Apply(String),
    /// The change was made.
    Made,
    /// It was not.
    Refused(ChangeRefusal),
}

/// Why a change was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeRefusal {
    /// The store did not keep it.
    NotKept,
    /// It cannot run.
    NotApplied,
    /// There is no such mapping.
    Unknown,
    /// The process ends.
    Ending,
}

/// A mapping of the config file has the name of one that the API made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameTaken(pub String);

/// The change that is under way.
#[derive(Debug)]
enum OpenChange<D> {
    /// What stands is written again, then that change is made.
    Settling(String, KeptNote<D>),
    /// The store is to keep it.
    Keeping(String, KeptNote<D>),
    /// It stands, and runs next; this is what stood before.
    Applying(String, KeptNote<D>),
    /// It cannot run: what stands is written again, and the change refused.
    Undoing,
}

/// What stands of all mappings, and the change that is under way.
#[derive(Debug)]
pub struct ChangeLedger<D> {
    made: BTreeMap<String, StandingMapping<D>>,
    /// Mappings of the config file.
    file: BTreeSet<String>,
    /// Mappings of either owner that somebody paused.
    paused: BTreeSet<String>,
    /// Mappings of which the store may keep something else than what stands.
    doubtful: BTreeSet<String>,
    open: Option<OpenChange<D>>,
    is_ending: bool,
}

impl<D: Clone> ChangeLedger<D> {
    /// What the store kept, beside a config file with these mappings.
    pub fn new(file: BTreeSet<String>, kept: impl IntoIterator<Item = (String, KeptNote<D>)>) -> Self {
        let mut ledger = Self {
            made: BTreeMap::new(),
            file,
            paused: BTreeSet::new(),
            doubtful: BTreeSet::new(),
            open: None,
            is_ending: false,
        };
        for (name, kept) in kept {
            ledger.stand(&name, kept);
        }
        ledger
    }

    /// What the API made, by name; also what was deleted and is not gone yet.
    pub fn made(&self) -> &BTreeMap<String, StandingMapping<D>> {
        &self.made
    }

    /// One that the API made.
    pub fn standing(&self, name: &str) -> Option<&StandingMapping<D>> {
        self.made.get(name)
    }

    /// Another reading of what the API made, as the config file beside it demands.
    pub fn standing_mut(&mut self, name: &str) -> Option<&mut D> {
        self.made.get_mut(name).map(|it| &mut it.made)
    }

    /// Whether somebody paused it.
    pub fn is_paused(&self, name: &str) -> bool {
        self.paused.contains(name)
    }

    /// How many mappings there are of both owners.
    pub fn n_mappings(&self) -> usize {
        self.made.len() + self.file.len()
    }

    /// Begins a change. One that nobody waited for to the end was not made, and is taken back.
    pub fn begin(&mut self, name: &str, change: MappingChange<D>) -> ChangeStep<D> {
        self.take_back();
        if self.is_ending {
            return ChangeStep::Refused(ChangeRefusal::Ending);
        }
        let stands = self.made.get(name).filter(|it| !it.is_deleted);
        let was_paused = self.paused.contains(name);
        let is_deleted = stands.is_none() && self.made.contains_key(name);
        let wanted = match change {
            // What was deleted stays so, whatever comes while it is cleared away.
            MappingChange::Put(..) if is_deleted => return ChangeStep::Refused(ChangeRefusal::Unknown),
            MappingChange::Put(made, is_paused) => KeptNote {
                is_paused: is_paused.unwrap_or(was_paused),
                standing: Some(StandingMapping { made, is_deleted: false }),
            },
            MappingChange::Delete(_) if stands.is_none() => {
                return ChangeStep::Refused(ChangeRefusal::Unknown);
            }
            MappingChange::Delete(made) => {
                KeptNote { is_paused: was_paused, standing: Some(StandingMapping { made, is_deleted: true }) }
            }
            MappingChange::Pause(_) if stands.is_none() && !self.file.contains(name) => {
                return ChangeStep::Refused(ChangeRefusal::Unknown);
            }
            MappingChange::Pause(is_paused) if is_paused == was_paused => return ChangeStep::Made,
            MappingChange::Pause(is_paused) => KeptNote { is_paused, standing: stands.cloned() },
        };
        self.open = Some(OpenChange::Settling(name.to_owned(), wanted));
        self.go_on()
    }

    /// The store answered.
    pub fn handle_kept(&mut self, is_kept: bool) -> ChangeStep<D> {
        match self.open.take() {
            // What is not known of a change that failed must not outlive this one.
            Some(OpenChange::Settling(..) | OpenChange::Keeping(..) | OpenChange::Undoing) if !is_kept => {
                ChangeStep::Refused(ChangeRefusal::NotKept)
            }
            Some(OpenChange::Keeping(name, wanted)) => {
                let former = self.stand(&name, wanted);
                self.open = Some(OpenChange::Applying(name.clone(), former));
                ChangeStep::Apply(name)
            }
            open => {
                self.doubtful.pop_first();
                self.open = open;
                self.go_on()
            }
        }
    }

    /// What runs is what stands, or cannot be.
    pub fn handle_applied(&mut self, is_applied: bool) -> ChangeStep<D> {
        if is_applied && let Some(OpenChange::Applying(name, _)) = &self.open {
            self.doubtful.remove(name);
            self.open = None;
            return ChangeStep::Made;
        }
        self.take_back();
        self.open = Some(OpenChange::Undoing);
        self.go_on()
    }

    /// The next step of the change that is under way.
    fn go_on(&mut self) -> ChangeStep<D> {
        if let Some(name) = self.doubtful.first().cloned() {
            let kept = self.kept(&name);
            return ChangeStep::Keep(name, kept);
        }
        match self.open.take() {
            Some(OpenChange::Settling(name, wanted)) => {
                self.doubtful.insert(name.clone());
                let kept = Some(wanted.clone()).filter(KeptNote::says_something);
                self.open = Some(OpenChange::Keeping(name.clone(), wanted));
                ChangeStep::Keep(name, kept)
            }
            Some(OpenChange::Keeping(..) | OpenChange::Applying(..) | OpenChange::Undoing) | None => {
                ChangeStep::Refused(ChangeRefusal::NotApplied)
            }
        }
    }

    /// A change that nobody waited for to the end was not made: what stood before it stands.
    pub fn take_back(&mut self) {
        if let Some(OpenChange::Applying(name, former)) = self.open.take() {
            self.stand(&name, former);
        }
    }

    /// Makes this stand; what stood before.
    fn stand(&mut self, name: &str, kept: KeptNote<D>) -> KeptNote<D> {
        let standing = match kept.standing {
            Some(standing) => self.made.insert(name.to_owned(), standing),
            None => self.made.remove(name),
        };
        let is_paused = match kept.is_paused {
            true => !self.paused.insert(name.to_owned()),
            false => self.paused.remove(name),
        };
        KeptNote { is_paused, standing }
    }

    /// What the store is to keep of a mapping; nothing of one that nobody paused and the API did not make.
    fn kept(&self, name: &str) -> Option<KeptNote<D>> {
        let kept = KeptNote { is_paused: self.is_paused(name), standing: self.made.get(name).cloned() };
        Some(kept).filter(KeptNote::says_something)
    }

    /// Whether a config file with these mappings can stand beside what the API made: a name is one mapping's.
    ///
    /// # Errors
    /// The first name that is taken.
    pub fn check_file<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<(), NameTaken> {
        let taken = names.into_iter().find(|name| self.made.contains_key(*name));
        taken.map_or(Ok(()), |name| Err(NameTaken(name.to_owned())))
    }

    /// The config file has these mappings from here on. A pause of one that left it stays: it may come back.
    pub fn take_file(&mut self, names: BTreeSet<String>) {
        self.file = names;
    }

    /// A deleted mapping is gone altogether, with all that the store kept of it.
    pub fn forget(&mut self, name: &str) {
        if self.made.get(name).is_some_and(|it| it.is_deleted) {
            self.made.remove(name);
            self.paused.remove(name);
            self.doubtful.remove(name);
        }
    }

    /// Nothing is changed from here on.
    pub fn end(&mut self) {
        self.is_ending = true;
    }
}

impl<D> KeptNote<D> {
    /// It says something that would not hold without it.
    fn says_something(&self) -> bool {
        self.is_paused || self.standing.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> ChangeLedger<u32> {
        ChangeLedger::new(["file".to_owned()].into(), [])
    }

    /// Does the steps of a change; whether each of them succeeds is drawn from the end of this list.
    fn steps(
        ledger: &mut ChangeLedger<u32>,
        name: &str,
        change: MappingChange<u32>,
        mut goes: Vec<bool>,
    ) -> String {
        let mut step = ledger.begin(name, change);
        let mut told = Vec::new();
        loop {
            let is_good = goes.pop().unwrap_or(true);
            step = match step {
                ChangeStep::Keep(name, kept) => {
                    let what = kept
                        .and_then(|it| it.standing)
                        .map_or_else(|| "-".to_owned(), |it| it.made.to_string());
                    told.push(format!("keep {name} {what}{}", if is_good { "" } else { "!" }));
                    ledger.handle_kept(is_good)
                }
                ChangeStep::Apply(name) => {
                    told.push(format!("apply {name}{}", if is_good { "" } else { "!" }));
                    ledger.handle_applied(is_good)
                }
                ChangeStep::Made => break told.push("made".to_owned()),
                ChangeStep::Refused(why) => break told.push(format!("{why:?}")),
            };
        }
        told.join(", ")
    }

    #[test]
    fn a_change_is_kept_then_applied_then_answered() {
        let mut ledger = ledger();
        assert_eq!(steps(&mut ledger, "m", MappingChange::Put(1, None), vec![]), "keep m 1, apply m, made");
        assert_eq!(steps(&mut ledger, "m", MappingChange::Pause(true), vec![]), "keep m 1, apply m, made");
        assert_eq!(steps(&mut ledger, "m", MappingChange::Pause(true), vec![]), "made");
        assert_eq!(
            steps(&mut ledger, "file", MappingChange::Pause(true), vec![]),
            "keep file -, apply file, made"
        );
        assert_eq!(steps(&mut ledger, "none", MappingChange::Pause(true), vec![]), "Unknown");
        assert!(ledger.is_paused("m") && ledger.is_paused("file"));
    }

    #[test]
    fn what_cannot_run_is_taken_back_from_the_store_and_what_may_be_there_is_written_over_first() {
        let mut ledger = ledger();
        steps(&mut ledger, "m", MappingChange::Put(1, None), vec![]);
        let refused = steps(&mut ledger, "m", MappingChange::Put(2, None), vec![true, false, true]);
        assert_eq!(refused, "keep m 2, apply m!, keep m 1, NotApplied");
        assert_eq!(steps(&mut ledger, "m", MappingChange::Put(3, None), vec![false]), "keep m 3!, NotKept");
        assert_eq!(
            steps(&mut ledger, "n", MappingChange::Put(4, None), vec![]),
            "keep m 1, keep n 4, apply n, made"
        );
    }

    #[test]
    fn a_change_that_nobody_waited_for_was_not_made() {
        let mut ledger = ledger();
        drop(ledger.begin("m", MappingChange::Put(1, None)));
        assert_eq!(ledger.handle_kept(true), ChangeStep::Apply("m".to_owned()));
        assert_eq!(steps(&mut ledger, "m", MappingChange::Pause(true), vec![]), "Unknown", "it is not there");
        assert_eq!(
            steps(&mut ledger, "file", MappingChange::Pause(true), vec![]),
            "keep m -, keep file -, apply file, made"
        );
    }

    #[test]
    fn a_name_is_one_mappings_until_it_is_gone_altogether() {
        let mut ledger = ledger();
        steps(&mut ledger, "m", MappingChange::Put(1, None), vec![]);
        assert_eq!(ledger.check_file(["file", "m"]), Err(NameTaken("m".to_owned())));
        steps(&mut ledger, "m", MappingChange::Delete(1), vec![]);
        assert_eq!(ledger.check_file(["m"]), Err(NameTaken("m".to_owned())));
        assert_eq!(steps(&mut ledger, "m", MappingChange::Put(2, None), vec![]), "Unknown");
        ledger.forget("m");
        assert_eq!((ledger.check_file(["m"]), ledger.n_mappings()), (Ok(()), 1));
    }
}
