//! The world: draws what happens, does what the machines ask for, judges.

use std::collections::{BTreeMap, BTreeSet};

use forebay_lifecycle::{
    ChangeLedger, ChangeRefusal, ChangeStep, DesiredState, LifeEffect, LifeEnd, LifeNews, MappingChange,
    OperatorAsk, OperatorRequestId, Parting,
};

use crate::disk::{Disk, Spec};
use crate::keeper::{Keeper, Work};
use crate::model::{Model, says_deleted};
use crate::seed::Seed;

/// What must be seen, for the rules to say something.
pub(crate) const POINTS: [&str; 12] = [
    "a kill",
    "a kill within a change",
    "a change that nobody waits for",
    "a write that failed",
    "a change that cannot run",
    "a life that failed",
    "an erase that failed",
    "a replay of what runs",
    "a request that is refused",
    "an order while it is erased",
    "an order in a delay",
    "an end of the process",
];

/// The names of the config file's mappings.
const OF_FILE: [&str; 2] = ["file-a", "file-b"];
/// The most mappings that the API has made at once.
const MADE_MAX: usize = 3;
/// After so many rounds without rest, something goes round for ever.
const ROUNDS_MAX: usize = 10_000;

/// A rule broke.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) rule: &'static str,
    pub(crate) what: String,
}

fn broken<T>(rule: &'static str, what: impl Into<String>) -> Result<T, Broken> {
    Err(Broken { rule, what: what.into() })
}

/// A change that is under way.
#[derive(Debug)]
struct Driving {
    name: String,
    change: MappingChange<Spec>,
    step: ChangeStep<Spec>,
}

#[derive(Debug)]
pub(crate) struct World {
    seed: Seed,
    disk: Disk,
    ledger: ChangeLedger<Spec>,
    keepers: BTreeMap<String, Keeper>,
    driving: Option<Driving>,
    model: Model,
    /// Requests of operators that are not answered.
    asked: BTreeSet<OperatorRequestId>,
    n_drawn: u32,
    /// Deletions that a start could not end, and left to the next one.
    left: BTreeSet<String>,
    is_ending: bool,
    /// Whoever quiets it lets nothing fail any more.
    is_quiet: bool,
    seen: BTreeMap<&'static str, u64>,
    told: Vec<String>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed: Seed::new(seed),
            disk: Disk::default(),
            ledger: ChangeLedger::new(BTreeSet::new(), []),
            keepers: BTreeMap::new(),
            driving: None,
            model: Model::default(),
            asked: BTreeSet::new(),
            n_drawn: 0,
            left: BTreeSet::new(),
            is_ending: false,
            is_quiet: false,
            seen: BTreeMap::new(),
            told: Vec::new(),
        }
    }

    pub(crate) fn seen(&self) -> &BTreeMap<&'static str, u64> {
        &self.seen
    }

    /// What happened, for a person.
    pub(crate) fn told(&self) -> String {
        self.told.join("\n")
    }

    pub(crate) fn run(&mut self, n_steps: usize) -> Result<(), Broken> {
        for _ in 0..n_steps {
            self.step()?;
            self.judge()?;
        }
        self.quiet()
    }

    fn see(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn tell(&mut self, what: String) {
        self.told.push(what);
    }

    fn step(&mut self) -> Result<(), Broken> {
        if self.is_ending && self.keepers.values().all(|it| it.is_over || it.has_vanished) {
            return self.restart("started again");
        }
        match self.seed.below(100) {
            0..3 => self.kill(),
            3 => self.end(),
            4..34 => self.change(),
            34..42 => self.reload(),
            42..52 => self.ask(),
            _ => self.work(),
        }
    }

    /// A change goes on or begins.
    fn change(&mut self) -> Result<(), Broken> {
        if self.driving.is_some() && !self.seed.once_in(12) {
            return self.drive();
        }
        if let Some(left) = self.driving.take() {
            self.see("a change that nobody waits for");
            self.let_arrive(left);
        }
        let (name, change) = self.draw_change();
        self.tell(format!("{name}: {change:?}"));
        let wanted = self.model.wanted(&name, &change);
        let step = self.ledger.begin(&name, change.clone());
        if !matches!(step, ChangeStep::Refused(_)) {
            self.model.doubt(&name, wanted);
        }
        self.driving = Some(Driving { name, change, step });
        self.drive_answer()
    }

    fn draw_change(&mut self) -> (String, MappingChange<Spec>) {
        let made: Vec<String> = self.ledger.made().keys().cloned().collect();
        let is_good = !self.seed.once_in(6);
        let is_enabled = !self.seed.once_in(4);
        self.n_drawn += 1;
        let spec = Spec { number: self.n_drawn, is_enabled, is_good };
        let known = self.seed.one_of(&made).cloned();
        match (self.seed.below(8), known) {
            (0..3, Some(name)) => {
                let is_paused = if is_enabled && self.seed.once_in(2) { Some(false) } else { None };
                (name, MappingChange::Put(spec, is_paused))
            }
            (3 | 4, Some(name)) => (name, MappingChange::Delete(spec)),
            (5, Some(name)) => (name, MappingChange::Pause(self.seed.once_in(2))),
            (0..6, _) if made.len() < MADE_MAX => {
                (format!("api-{}", self.n_drawn), MappingChange::Put(spec, None))
            }
            (_, _) => {
                let name = OF_FILE[self.seed.below(OF_FILE.len())];
                (name.to_owned(), MappingChange::Pause(self.seed.once_in(2)))
            }
        }
    }

    /// Answers the step of the change that is under way.
    fn drive(&mut self) -> Result<(), Broken> {
        let Some(driving) = self.driving.as_mut() else { return Ok(()) };
        let step = driving.step.clone();
        match step {
            ChangeStep::Keep(name, note) => {
                let fails = !self.is_quiet && self.seed.once_in(8);
                if !fails || self.seed.once_in(2) {
                    self.disk.keep(&name, note);
                }
                if fails {
                    self.see("a write that failed");
                }
                self.tell(format!("{name}: {}", if fails { "not kept" } else { "kept" }));
                let step = self.ledger.handle_kept(!fails);
                self.set_step(step);
            }
            ChangeStep::Apply(name) => {
                let order = self.order_of(&name);
                let is_bad = matches!(&order, DesiredState::Run(spec) if !spec.is_good);
                if is_bad {
                    self.see("a change that cannot run");
                } else {
                    self.give(&name, order)?;
                }
                self.tell(format!("{name}: {}", if is_bad { "not applied" } else { "applied" }));
                let step = self.ledger.handle_applied(!is_bad);
                self.set_step(step);
            }
            ChangeStep::Made | ChangeStep::Refused(_) => {}
        }
        self.drive_answer()
    }

    fn set_step(&mut self, step: ChangeStep<Spec>) {
        if let Some(driving) = &mut self.driving {
            driving.step = step;
        }
    }

    /// The change is answered where its last step says so.
    fn drive_answer(&mut self) -> Result<(), Broken> {
        let Some(driving) = &self.driving else { return Ok(()) };
        match driving.step {
            ChangeStep::Keep(..) | ChangeStep::Apply(_) => return Ok(()),
            ChangeStep::Made => {
                let wanted = self.model.wanted(&driving.name, &driving.change);
                let is_change = wanted != self.model.acked(&driving.name);
                if is_change && self.disk.notes.get(&driving.name) != wanted.as_ref() {
                    return broken("durable first", format!("{driving:?} was answered and is not kept"));
                }
                if is_change {
                    self.model.acknowledge(&driving.name, wanted);
                }
            }
            ChangeStep::Refused(ChangeRefusal::NotApplied) => self.model.settle(),
            ChangeStep::Refused(ChangeRefusal::NotKept | ChangeRefusal::Unknown | ChangeRefusal::Ending) => {}
        }
        let what = format!("{}: {:?}", driving.name, driving.step);
        self.driving = None;
        self.tell(what);
        Ok(())
    }

    /// What a mapping is told by what stands.
    fn order_of(&self, name: &str) -> DesiredState<Spec> {
        let spec = match self.ledger.standing(name) {
            Some(it) if it.is_deleted => return DesiredState::Gone { erase: true },
            Some(it) => it.made,
            None => match self.disk.file.get(name) {
                Some(spec) => *spec,
                None => return DesiredState::Gone { erase: false },
            },
        };
        if spec.is_enabled && !self.ledger.is_paused(name) {
            DesiredState::Run(spec)
        } else {
            DesiredState::Rest(spec)
        }
    }

    /// Gives an order, where it differs from the one before.
    fn give(&mut self, name: &str, order: DesiredState<Spec>) -> Result<(), Broken> {
        match self.keepers.get_mut(name) {
            Some(keeper) if keeper.order == order => {}
            Some(_) => self.tell_one(name, order),
            None if matches!(order, DesiredState::Gone { .. }) => {}
            None => drop(self.keepers.insert(name.to_owned(), Keeper::new(order))),
        }
        self.act(name)
    }

    fn tell_one(&mut self, name: &str, order: DesiredState<Spec>) {
        let Some(keeper) = self.keepers.get_mut(name) else { return };
        match keeper.work {
            Some(Work::Erase) => *self.seen.entry("an order while it is erased").or_default() += 1,
            Some(Work::Delay) => *self.seen.entry("an order in a delay").or_default() += 1,
            Some(Work::Task { .. } | Work::Jobs | Work::Request(_) | Work::EraseDelay) | None => {}
        }
        keeper.tell(order);
    }

    /// Another config file, as a whole or not at all.
    fn reload(&mut self) -> Result<(), Broken> {
        if self.is_ending {
            return Ok(());
        }
        if let Some(left) = self.driving.take() {
            self.see("a change that nobody waits for");
            self.let_arrive(left);
        }
        self.ledger.take_back();
        let mut file = BTreeMap::new();
        for name in OF_FILE {
            self.n_drawn += 1;
            let is_enabled = !self.seed.once_in(5);
            let spec = Spec { number: self.n_drawn, is_enabled, is_good: true };
            match (self.seed.below(4), self.disk.file.get(name)) {
                (0, _) => {}
                (1 | 2, Some(former)) => drop(file.insert(name.to_owned(), *former)),
                (_, _) => drop(file.insert(name.to_owned(), spec)),
            }
        }
        self.tell(format!("reload: {file:?}"));
        self.disk.file = file;
        self.ledger.take_file(self.disk.file.keys().cloned().collect());
        for name in OF_FILE {
            self.give(name, self.order_of(name))?;
        }
        Ok(())
    }

    /// An operator asks something of a mapping.
    fn ask(&mut self) -> Result<(), Broken> {
        let names: Vec<String> = self.keepers.keys().cloned().collect();
        let Some(name) = self.seed.one_of(&names).cloned() else { return Ok(()) };
        self.n_drawn += 1;
        let id = OperatorRequestId(u64::from(self.n_drawn));
        let asked = [OperatorAsk::Stood, OperatorAsk::Put, OperatorAsk::Replay, OperatorAsk::Replay]
            [self.seed.below(4)];
        let keeper = self.keepers.get_mut(&name).expect("it was drawn from them");
        if keeper.is_over || !keeper.life.takes_requests() {
            return Ok(());
        }
        let runs = keeper.has_task();
        keeper.life.handle(LifeNews::Asked(id, asked));
        self.asked.insert(id);
        self.tell(format!("{name}: asked {id:?} {asked:?}"));
        if runs && asked == OperatorAsk::Replay {
            self.see("a replay of what runs");
        }
        self.act(&name)
    }

    /// Something that is under way ends.
    fn work(&mut self) -> Result<(), Broken> {
        let busy: Vec<String> =
            self.keepers.iter().filter(|(_, it)| it.work.is_some()).map(|(name, _)| name.clone()).collect();
        let Some(name) = self.seed.one_of(&busy).cloned() else { return Ok(()) };
        self.work_of(&name)
    }

    fn work_of(&mut self, name: &str) -> Result<(), Broken> {
        let fails = !self.is_quiet && self.seed.once_in(2);
        let was_good = self.seed.once_in(4);
        let Some(keeper) = self.keepers.get_mut(name) else { return Ok(()) };
        let Some(work) = keeper.work else { return Ok(()) };
        let news = match work {
            Work::Task { is_told: false } if !fails => return Ok(()),
            Work::Task { is_told: true } if !fails => LifeNews::Ended(LifeEnd::Closed),
            Work::Task { .. } => {
                *self.seen.entry("a life that failed").or_default() += 1;
                keeper.n_failures = if was_good { 1 } else { keeper.n_failures + 1 };
                LifeNews::Ended(LifeEnd::Failed { was_good })
            }
            Work::Jobs => LifeNews::JobsDone,
            Work::Delay | Work::EraseDelay => LifeNews::Due,
            Work::Request(id) => {
                if !self.asked.remove(&id) {
                    return broken("every request is answered once", format!("{id:?} of {name}"));
                }
                LifeNews::Served
            }
            Work::Erase if fails => {
                *self.seen.entry("an erase that failed").or_default() += 1;
                LifeNews::NotErased
            }
            Work::Erase => {
                self.disk.erase(name);
                self.model.erase(name);
                LifeNews::Erased
            }
        };
        keeper.work = None;
        keeper.life.handle(news.clone());
        self.tell(format!("{name}: {news:?}"));
        self.act(name)
    }

    /// Does what a life asks for.
    fn act(&mut self, name: &str) -> Result<(), Broken> {
        while let Some(effect) = self.keepers.get_mut(name).and_then(Keeper::poll) {
            self.tell(format!("{name}:   {effect:?}"));
            self.do_one(name, effect)?;
        }
        if self.keepers.get(name).is_some_and(|it| it.has_vanished) {
            self.keepers.remove(name);
            self.ledger.forget(name);
        }
        Ok(())
    }

    fn do_one(&mut self, name: &str, effect: LifeEffect<Spec>) -> Result<(), Broken> {
        let is_deleted = self.model.is_deleted(name);
        let Some(keeper) = self.keepers.get_mut(name) else { return Ok(()) };
        let work = match effect {
            LifeEffect::Show(spec) => {
                (keeper.shown, keeper.is_resting, keeper.n_failures) = (Some(spec), false, 0);
                return Ok(());
            }
            LifeEffect::Start if is_deleted => return broken("what is deleted never runs", name),
            LifeEffect::Start => {
                self.disk.positions.insert(name.to_owned());
                Work::Task { is_told: false }
            }
            LifeEffect::Close(parting) => {
                let Some(Work::Task { is_told }) = &mut keeper.work else {
                    return broken("who is told to end runs", format!("{name} {parting:?}"));
                };
                *is_told = true;
                if let (Parting::Gone { erase }, DesiredState::Gone { erase: wanted }) =
                    (parting, &keeper.order)
                    && erase != *wanted
                {
                    return broken("positions go only where they are to", name);
                }
                return Ok(());
            }
            LifeEffect::AwaitJobs { n_failures } | LifeEffect::Wait { n_failures }
                if n_failures != keeper.n_failures =>
            {
                return broken("failures are counted", format!("{n_failures} of {}", keeper.n_failures));
            }
            LifeEffect::AwaitJobs { .. } => Work::Jobs,
            LifeEffect::Wait { .. } => Work::Delay,
            LifeEffect::EraseLater => Work::EraseDelay,
            LifeEffect::StopWaiting => {
                if !matches!(keeper.work.take(), Some(Work::Delay | Work::EraseDelay)) {
                    return broken("who stops waiting waits", name);
                }
                return Ok(());
            }
            LifeEffect::Leave => {
                keeper.n_failures = 0;
                return Ok(());
            }
            LifeEffect::Rest => {
                keeper.is_resting = true;
                return Ok(());
            }
            LifeEffect::Serve(id) => Work::Request(id),
            LifeEffect::Refuse(id, _) => {
                if !self.asked.remove(&id) {
                    return broken("every request is answered once", format!("{id:?} of {name}"));
                }
                self.see("a request that is refused");
                return Ok(());
            }
            LifeEffect::Erase if !self.model.may_be_erased(name) => {
                return broken("positions go only where they are to", name);
            }
            LifeEffect::Erase => Work::Erase,
            LifeEffect::Remove => {
                (keeper.shown, keeper.is_resting) = (None, false);
                return Ok(());
            }
            LifeEffect::Vanished => {
                keeper.has_vanished = true;
                return Ok(());
            }
            LifeEffect::Over => {
                keeper.is_over = true;
                return Ok(());
            }
        };
        // Two tasks of one mapping, or a store that is written beside one.
        if let Some(former) = keeper.work.replace(work) {
            return broken("one thing at a time", format!("{name}: {work:?} beside {former:?}"));
        }
        Ok(())
    }

    /// What must hold at every step.
    fn judge(&self) -> Result<(), Broken> {
        for (name, keeper) in &self.keepers {
            let runs_as_told =
                matches!(&keeper.order, DesiredState::Run(spec) if Some(*spec) == keeper.shown);
            if keeper.work == Some(Work::Task { is_told: false }) && !runs_as_told {
                return broken("an order is heard at once", format!("{name} runs on: {:?}", keeper.order));
            }
            if keeper.is_over && keeper.work.is_some() {
                return broken("nothing follows the end", format!("{name}: {:?}", keeper.work));
            }
        }
        for name in self.model.names() {
            let note = self.disk.notes.get(&name).cloned();
            if !self.model.may_say(&name, &note) {
                let acked = self.model.acked(&name);
                return broken("what was acknowledged is kept", format!("{name}: {note:?}, not {acked:?}"));
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Broken> {
        if self.is_ending || self.driving.is_some() {
            return Ok(());
        }
        self.see("an end of the process");
        self.tell("ends".to_owned());
        self.is_ending = true;
        self.ledger.end();
        let names: Vec<String> = self.keepers.keys().cloned().collect();
        for name in names {
            self.tell_one(&name, DesiredState::End);
            self.act(&name)?;
        }
        Ok(())
    }

    fn kill(&mut self) -> Result<(), Broken> {
        self.see(if self.driving.is_some() { "a kill within a change" } else { "a kill" });
        if let Some(left) = self.driving.take() {
            self.let_arrive(left);
        }
        self.judge()?;
        self.restart("killed")
    }

    /// A write that was under way and that nobody waits for is on the disk or not.
    fn let_arrive(&mut self, left: Driving) {
        if let ChangeStep::Keep(name, note) = left.step
            && self.seed.once_in(2)
        {
            self.disk.keep(&name, note);
        }
    }

    /// The next process, with what the disk has.
    fn restart(&mut self, how: &str) -> Result<(), Broken> {
        self.tell(how.to_owned());
        self.is_ending = false;
        self.driving = None;
        self.keepers.clear();
        self.asked.clear();
        for name in self.model.names() {
            let note = self.disk.notes.get(&name).cloned();
            let is_deleted = says_deleted(&note);
            self.model.recall(&name, note);
            // The start clears away what a deletion left, or the next one does.
            if is_deleted && (self.is_quiet || self.seed.once_in(2)) {
                self.left.remove(&name);
                self.disk.erase(&name);
                self.model.erase(&name);
            } else if is_deleted {
                self.left.insert(name);
            }
        }
        let notes = self.disk.notes.clone();
        let kept = notes.into_iter().filter(|(_, note)| !says_deleted(&Some(note.clone())));
        self.ledger = ChangeLedger::new(self.disk.file.keys().cloned().collect(), kept);
        let names: BTreeSet<String> =
            self.disk.file.keys().chain(self.ledger.made().keys()).cloned().collect();
        for name in names {
            self.give(&name, self.order_of(&name))?;
        }
        Ok(())
    }

    /// Nothing fails any more and nobody asks: what was acknowledged last is what stands.
    fn quiet(&mut self) -> Result<(), Broken> {
        self.tell("quiet".to_owned());
        self.is_quiet = true;
        for _ in 0..ROUNDS_MAX {
            if self.is_ending && self.keepers.values().all(|it| it.is_over || it.has_vanished) {
                self.restart("started again")?;
            }
            self.drive()?;
            let names: Vec<String> = self.keepers.keys().cloned().collect();
            for name in &names {
                self.work_of(name)?;
                self.judge()?;
            }
            if !self.is_ending && self.driving.is_none() && self.is_at_rest() {
                return self.judge_end();
            }
        }
        broken("it comes to rest", format!("{:?} {:?}", self.driving, self.keepers))
    }

    fn is_at_rest(&self) -> bool {
        let rests = |it: &Keeper| {
            it.work.is_none_or(|work| work == Work::Task { is_told: false }) && !it.has_vanished
        };
        self.keepers.values().all(rests)
    }

    fn judge_end(&self) -> Result<(), Broken> {
        if let Some(id) = self.asked.first() {
            return broken("every request is answered once", format!("{id:?} never was"));
        }
        let names = self.model.names().into_iter().chain(OF_FILE.map(str::to_owned));
        for name in names.collect::<BTreeSet<_>>() {
            let acked = self.model.acked(&name);
            if self.model.is_deleted(&name) && self.disk.has_any(&name) && !self.left.contains(&name) {
                return broken("nothing is left of what was deleted", name);
            }
            let is_paused = acked.as_ref().is_some_and(|it| it.is_paused);
            let standing = acked.and_then(|it| it.standing).filter(|it| !it.is_deleted).map(|it| it.made);
            let spec = standing.or_else(|| self.disk.file.get(&name).copied());
            let wanted = spec.map(|spec| (spec, spec.is_enabled && !is_paused));
            let stands = self.keepers.get(&name).and_then(|it| Some((it.shown?, it.work.is_some())));
            if wanted != stands {
                return broken("what was asked last stands", format!("{name}: {stands:?}, not {wanted:?}"));
            }
            let rests = self.keepers.get(&name).is_some_and(|it| it.is_resting);
            if rests != wanted.is_some_and(|(_, runs)| !runs) {
                return broken("what was asked last stands", format!("{name} rests: {rests}"));
            }
        }
        Ok(())
    }
}
