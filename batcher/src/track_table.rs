//! The table of a mapping's tracks: numbers, parents before children, what was kept for them. Plain values,
//! no IO.

use std::collections::{BTreeMap, BTreeSet};

use crate::checkpoint::{Checkpoint, Watermark, Windows};
use crate::record::{Origin, TrackIdx};
use crate::short::ShortBytes;
use crate::track_name::{Assignment, Known, Standing, Start, TrackInfo, TrackName};

/// How many tracks the store is told to forget at once.
const FORGET_MAX: usize = 1_000;

/// What the store had for a track when this life of the mapping began.
#[derive(Debug, Clone)]
pub enum Kept {
    /// A checkpoint.
    Checkpoint(Box<Checkpoint>),
    /// The track is on the list and its checkpoint is missing or cannot be read: it stops in a named state
    /// (P-1).
    Lost(String),
}

/// Where a track stands in this process.
#[derive(Debug, Clone)]
pub enum TrackPhase {
    /// Its parents are not finished (T-1).
    Waiting(Box<Checkpoint>),
    /// A group deals the tracks out, and this one is not dealt to this mapping.
    Away,
    /// The machine has it.
    Open,
    /// It cannot start; an operator must decide.
    Lost(String),
    /// It is finished and that is durable.
    Ended,
}

/// One track.
#[derive(Debug)]
pub struct TrackRow {
    /// Its name in the store.
    pub name: TrackName,
    /// What people call it.
    pub label: String,
    /// Where it stands.
    pub phase: TrackPhase,
    /// What is durable of it.
    pub durable: Checkpoint,
    /// The generation under which its group dealt it; zero where none does.
    pub generation: u64,
    parents: Vec<TrackName>,
}

/// A track that starts now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackStart {
    /// Its number.
    pub idx: TrackIdx,
    /// Its name.
    pub name: TrackName,
    /// Where it starts.
    pub from: Checkpoint,
}

/// Tracks that a group wants back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Revoking {
    /// Nothing of them has started.
    pub unstarted: Vec<TrackName>,
    /// The machine has them.
    pub held: Vec<TrackIdx>,
}

/// All tracks of a mapping in this process.
#[derive(Debug, Default)]
pub struct TrackTable {
    /// In boxes: a node of a map keeps places for eleven, and most mappings have few tracks.
    rows: BTreeMap<TrackIdx, Box<TrackRow>>,
    by_name: BTreeMap<TrackName, TrackIdx>,
    next_idx: u32,
    n_open: u64,
    /// Tracks that the group dealt and that the store has not granted yet, with the generation that counts.
    granting: BTreeMap<TrackName, u64>,
    /// Something changed that may let a track start.
    may_start: bool,
}

impl TrackTable {
    /// A table of the tracks that the store kept.
    pub fn new(kept: BTreeMap<TrackName, Kept>) -> Self {
        let mut tracks = Self::default();
        for (name, kept) in kept {
            let label = name.0.clone();
            let (phase, durable) = match kept {
                Kept::Checkpoint(it) if is_done(&it) => (TrackPhase::Ended, *it),
                Kept::Checkpoint(it) => {
                    let durable = Checkpoint::clone(&it);
                    (TrackPhase::Waiting(it), durable)
                }
                Kept::Lost(error) => (TrackPhase::Lost(error), Checkpoint::at_origin(nowhere())),
            };
            tracks.insert(TrackRow { name, label, phase, durable, generation: 0, parents: Vec::new() });
        }
        tracks
    }

    /// The same where a group deals the tracks out: none starts before it is dealt.
    pub fn dealt_out(mut self) -> Self {
        for row in self.rows.values_mut().filter(|row| matches!(row.phase, TrackPhase::Waiting(_))) {
            row.phase = TrackPhase::Away;
        }
        self
    }

    /// The group dealt these tracks to the mapping; they start when the store has granted them under their
    /// generations ([`TrackTable::granted`]).
    pub fn dealt(&mut self, dealt: &[Assignment]) {
        self.granting.extend(dealt.iter().map(|it| (it.track.name.clone(), it.epoch)));
    }

    /// The store granted these tracks. What was asked back, taken or dealt out anew meanwhile does not start.
    pub fn granted(&mut self, mut dealt: Vec<Assignment>) {
        dealt.retain(|it| {
            let counts = self.granting.get(&it.track.name) == Some(&it.epoch);
            counts && self.granting.remove(&it.track.name).is_some()
        });
        self.assigned(dealt);
    }

    /// The group wants these tracks back: those that have not started may be given back at once, of the
    /// others the machine must be done first.
    pub fn revoking(&mut self, names: &[TrackName]) -> Revoking {
        let unstarted = names.iter().filter(|it| self.granting.remove(*it).is_some()).cloned().collect();
        Revoking { unstarted, held: self.held(names) }
    }

    /// The group gave these tracks to another member. The numbers of those that the mapping had: the machine
    /// has lost them.
    pub fn taken(&mut self, names: &[TrackName]) -> Vec<TrackIdx> {
        self.granting.retain(|it, _| !names.contains(it));
        let held = self.held(names);
        held.iter().for_each(|idx| self.away(*idx));
        held
    }

    /// Each starts where it was kept, or where the group stands if that is further. One that stopped because its place was lost starts only where the group stands.
    fn assigned(&mut self, dealt: Vec<Assignment>) {
        self.may_start = true;
        for Assignment { track: TrackInfo { name, label, parents }, start, epoch: generation } in dealt {
            let Some(row) = self.by_name.get(&name).and_then(|idx| self.rows.get_mut(idx)) else {
                let (Start::Committed(watermark) | Start::Policy(watermark)) = start;
                let durable = Checkpoint { watermark, ..Checkpoint::at_origin(nowhere()) };
                let phase = TrackPhase::Waiting(Box::new(durable.clone()));
                self.insert(TrackRow { name, label, phase, durable, generation, parents });
                continue;
            };
            (row.label, row.parents, row.generation) = (label, parents, generation);
            match (&row.phase, start) {
                (TrackPhase::Lost(_), Start::Committed(watermark)) => {
                    row.durable = Checkpoint { watermark, ..Checkpoint::at_origin(nowhere()) };
                }
                (TrackPhase::Away, Start::Committed(at)) => row.durable = raised(row.durable.clone(), at),
                (TrackPhase::Away, Start::Policy(_)) => {}
                (TrackPhase::Lost(_) | TrackPhase::Waiting(_) | TrackPhase::Open | TrackPhase::Ended, _) => {
                    continue;
                }
            }
            row.phase = TrackPhase::Waiting(Box::new(row.durable.clone()));
        }
    }

    /// The store refused a commit of this generation: the track was granted under a later one since. Where
    /// that one is the mapping's too, the track stays: what was refused is of its former ownership.
    pub fn fenced(&mut self, idx: TrackIdx, generation: u64) {
        if self.rows.get(&idx).is_some_and(|row| row.generation == generation) {
            self.away(idx);
        }
    }

    /// A track is not the mapping's any more.
    pub fn away(&mut self, idx: TrackIdx) {
        if let Some(row) = self.rows.get_mut(&idx)
            && matches!(row.phase, TrackPhase::Open | TrackPhase::Waiting(_))
        {
            self.n_open -= u64::from(matches!(row.phase, TrackPhase::Open));
            row.phase = TrackPhase::Away;
        }
    }

    /// The numbers of these tracks, where they are the mapping's.
    fn held(&self, names: &[TrackName]) -> Vec<TrackIdx> {
        let is_held =
            |idx: &&TrackIdx| matches!(self.rows[*idx].phase, TrackPhase::Open | TrackPhase::Waiting(_));
        names.iter().filter_map(|it| self.by_name.get(it)).filter(is_held).copied().collect()
    }

    /// What a feed must know of this mapping: its tracks and which of them were read to their end.
    pub fn known(&self) -> Known {
        let standing = |row: &TrackRow| match &row.phase {
            TrackPhase::Ended => Standing::Ended,
            TrackPhase::Waiting(checkpoint) if checkpoint.ended => Standing::Ended,
            TrackPhase::Waiting(_) | TrackPhase::Away | TrackPhase::Open | TrackPhase::Lost(_) => {
                Standing::Open
            }
        };
        Known(self.rows.values().map(|row| (row.name.clone(), standing(row))).collect())
    }

    /// The source lists these tracks: what is known of them gets its label and its parents; others are not
    /// taken in.
    pub fn describe(&mut self, mut listed: Vec<TrackInfo>) {
        self.may_start = true;
        // What was kept of them does not say what came before a parent that is gone.
        if listed.iter().any(|it| !it.parents.iter().all(|parent| self.by_name.contains_key(parent))) {
            let whole = listed.clone();
            self.known().order_behind_unlisted(&mut listed, &whole);
        }
        for TrackInfo { name, label, parents } in listed {
            if let Some(row) = self.by_name.get(&name).and_then(|idx| self.rows.get_mut(idx)) {
                (row.label, row.parents) = (label, parents);
            }
        }
    }

    /// The source has these tracks. One that was not known starts at `first`, its first record.
    pub fn discovered(&mut self, found: Vec<TrackInfo>, first: &Origin) {
        for TrackInfo { name, label, parents } in found {
            if !self.by_name.contains_key(&name) {
                let durable = Checkpoint::at_origin(first.clone());
                self.insert(TrackRow {
                    name,
                    label,
                    phase: TrackPhase::Waiting(Box::new(durable.clone())),
                    durable,
                    generation: 0,
                    parents,
                });
            }
        }
    }

    /// Whether any track has ended: only then is it worth asking which the source still lists.
    pub fn has_ended(&self) -> bool {
        self.rows.values().any(|row| matches!(row.phase, TrackPhase::Ended))
    }

    /// Tracks that have ended, a bounded number of them.
    pub fn ended_names(&self) -> Vec<TrackName> {
        let is_taken = |heir: &TrackName| {
            let row = self.by_name.get(heir).map(|idx| &self.rows[idx]);
            row.is_none_or(|row| !is_untouched(&row.durable))
        };
        // What it leaves another must be kept until that one has a checkpoint of its own.
        let ended = self.rows.values().filter(|row| matches!(row.phase, TrackPhase::Ended));
        let ended = ended.filter(|row| heritage(row).is_none_or(|(_, heir)| is_taken(heir)));
        ended.map(|row| row.name.clone()).take(FORGET_MAX).collect()
    }

    /// The store has forgotten these.
    pub fn forgotten(&mut self, names: &[TrackName]) {
        self.may_start = true;
        for name in names {
            if let Some(idx) = self.by_name.remove(name) {
                let row = self.rows.remove(&idx);
                self.n_open -= u64::from(row.is_some_and(|row| matches!(row.phase, TrackPhase::Open)));
            }
        }
    }

    fn insert(&mut self, row: TrackRow) {
        self.may_start = true;
        let idx = TrackIdx(self.next_idx);
        self.next_idx += 1;
        self.by_name.insert(row.name.clone(), idx);
        self.rows.insert(idx, Box::new(row));
    }

    /// Tracks that may start now, each told once: a child starts after all its parents ended (T-1). A parent
    /// that neither the source nor the store knows is long gone; whoever lists the source has what came
    /// before it take its place ([`Known::order_behind_unlisted`]).
    pub fn start(&mut self) -> Vec<TrackStart> {
        if !std::mem::take(&mut self.may_start) {
            return Vec::new();
        }
        let ready: Vec<_> = self
            .rows
            .iter()
            .filter(|(_, row)| matches!(row.phase, TrackPhase::Waiting(_)) && self.parents_ended(row))
            .map(|it| *it.0)
            .collect();
        let mut starts = Vec::new();
        for idx in ready {
            let row = self.rows.get_mut(&idx).expect("ready rows come from the table");
            if let TrackPhase::Waiting(mut from) = std::mem::replace(&mut row.phase, TrackPhase::Open) {
                self.n_open += 1;
                let name = row.name.clone();
                if is_untouched(&from) {
                    self.inherit(&name, &mut from);
                }
                starts.push(TrackStart { idx, name, from: *from });
            }
        }
        starts
    }

    /// a track on which nothing was kept yet goes on with the windows that another left it. Nothing is
    /// written of that before its first checkpoint; until then the other's tells of it.
    fn inherit(&self, name: &TrackName, from: &mut Checkpoint) {
        let left = self.rows.values().find_map(|row| heritage(row).filter(|(_, heir)| *heir == name));
        if let Some((before, _)) = left {
            from.lanes = before.lanes;
            from.windows = before.windows.clone().map(|it| Box::new(Windows { heir: None, ..*it }));
        }
    }

    fn parents_ended(&self, row: &TrackRow) -> bool {
        self.unfinished_parents(row).next().is_none()
    }

    fn unfinished_parents<'a>(&'a self, row: &'a TrackRow) -> impl Iterator<Item = &'a TrackRow> {
        let known = row.parents.iter().filter_map(|it| self.by_name.get(it)).map(|idx| &*self.rows[idx]);
        known.filter(|parent| !matches!(parent.phase, TrackPhase::Ended))
    }

    /// What people call the tracks that one waits for; none of one that does not wait.
    pub fn waits_for<'a>(&'a self, row: &'a TrackRow) -> Vec<&'a str> {
        match row.phase {
            TrackPhase::Waiting(_) => self.unfinished_parents(row).map(|it| it.label.as_str()).collect(),
            TrackPhase::Away | TrackPhase::Open | TrackPhase::Lost(_) | TrackPhase::Ended => Vec::new(),
        }
    }

    /// The track is finished and that is durable.
    pub fn ended(&mut self, idx: TrackIdx) {
        if let Some(row) = self.rows.get_mut(&idx) {
            self.n_open -= u64::from(matches!(row.phase, TrackPhase::Open));
            row.phase = TrackPhase::Ended;
            self.may_start = true;
        }
    }

    /// This is durable of the track.
    pub fn committed(&mut self, idx: TrackIdx, durable: Checkpoint) {
        if let Some(row) = self.rows.get_mut(&idx) {
            row.durable = durable;
        }
    }

    /// Numbers of the tracks that the machine has.
    pub fn open(&self) -> Vec<TrackIdx> {
        self.rows.iter().filter(|(_, row)| matches!(row.phase, TrackPhase::Open)).map(|it| *it.0).collect()
    }

    /// How many of them there are.
    pub fn n_open(&self) -> u64 {
        self.n_open
    }

    /// All rows, by number.
    pub fn rows(&self) -> impl Iterator<Item = (TrackIdx, &TrackRow)> {
        self.rows.iter().map(|(idx, row)| (*idx, &**row))
    }

    /// One row.
    pub fn row(&self, idx: TrackIdx) -> Option<&TrackRow> {
        self.rows.get(&idx).map(|row| &**row)
    }

    /// What people call a track.
    pub fn label(&self, idx: TrackIdx) -> &str {
        self.rows.get(&idx).map_or("?", |row| &row.label)
    }
}

/// Those of `ended` that the source does not list any more: the store may forget them.
pub fn unlisted(ended: Vec<TrackName>, listed: &[TrackInfo]) -> Vec<TrackName> {
    let listed: BTreeSet<_> = listed.iter().map(|it| &it.name).collect();
    ended.into_iter().filter(|it| !listed.contains(it)).collect()
}

/// The origin of what has none.
fn nowhere() -> Origin {
    Origin(ShortBytes::new(&[]))
}

/// What was kept of a track whose group stands at `at`: whoever brought it there has finished what lies
/// below. What was finished or tried above it here still is.
fn raised(kept: Checkpoint, at: Watermark) -> Checkpoint {
    let Watermark::At(bound) = &at else { return kept };
    if matches!(&kept.watermark, Watermark::At(own) if own >= bound) {
        return kept;
    }
    // A stretch or a slice may begin below and reach above.
    let above = kept.finished.into_iter().filter(|(_, last)| last >= bound);
    let finished = above.map(|(first, last)| (first.max(bound.clone()), last)).collect();
    let slices = kept.slices.into_iter().filter(|it| it.last >= *bound).collect();
    Checkpoint { watermark: at, finished, slices, ..kept }
}

/// The last checkpoint of a track that has ended, and the track that goes on with its windows.
fn heritage(row: &TrackRow) -> Option<(&Checkpoint, &TrackName)> {
    let windows = row.durable.windows.as_ref().filter(|_| matches!(row.phase, TrackPhase::Ended));
    Some((&row.durable, windows?.heir.as_ref()?))
}

/// Nothing was ever kept of the track.
fn is_untouched(it: &Checkpoint) -> bool {
    it.watermark.position().is_none() && it.windows.is_none() && it.slices.is_empty() && !it.ended
}

/// Nothing of the track is left to do.
fn is_done(checkpoint: &Checkpoint) -> bool {
    checkpoint.ended && checkpoint.slices.is_empty() && checkpoint.finished.is_empty()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use crate::checkpoint::{KeptWindow, OpenWindow};
    use crate::record::Position;
    use crate::time::UnixMillis;
    use crate::track_name::heir_of;
    use crate::tumbling::WindowSpan;

    use super::*;

    fn first() -> Origin {
        Origin(ShortBytes::new(b""))
    }

    fn info(name: &str, parents: &[&str]) -> TrackInfo {
        let parents = parents.iter().map(|it| TrackName((*it).into())).collect();
        TrackInfo { name: TrackName(name.into()), label: name.into(), parents }
    }

    fn at(position: u64) -> Checkpoint {
        let watermark = Watermark::At(Position::number(position));
        Checkpoint { watermark, ..Checkpoint::at_origin(first()) }
    }

    fn kept(rows: &[(&str, Kept)]) -> BTreeMap<TrackName, Kept> {
        rows.iter().map(|(name, kept)| (TrackName((*name).into()), kept.clone())).collect()
    }

    fn names(starts: &[TrackStart]) -> Vec<&str> {
        starts.iter().map(|it| it.name.0.as_str()).collect()
    }

    #[test]
    fn a_child_starts_when_all_its_parents_ended() {
        let mut tracks = TrackTable::default();
        tracks.discovered(vec![info("a", &[]), info("b", &["gone"]), info("c", &["a", "b"])], &first());
        assert_eq!(names(&tracks.start()), ["a", "b"]);
        assert_eq!(names(&tracks.start()), [""; 0], "each start is told once");
        tracks.ended(TrackIdx(0));
        assert!(tracks.start().is_empty(), "one parent is open");
        let waits_for = |idx: u32| tracks.waits_for(tracks.row(TrackIdx(idx)).unwrap());
        assert_eq!((waits_for(2), waits_for(1)), (vec!["b"], vec![]));
        tracks.ended(TrackIdx(1));
        assert_eq!(names(&tracks.start()), ["c"]);
    }

    /// A track that has ended, with an open window that goes on in another.
    fn left(heir: &str) -> Checkpoint {
        let span = WindowSpan { start: UnixMillis(0), end: UnixMillis(60_000) };
        let open = OpenWindow { span, state: Bytes::from_static(b"{\"n\":1}"), is_full: false };
        let windows = Windows {
            time: UnixMillis(7),
            lanes: vec![KeptWindow { lane: 1, floor: None, open: Some(open) }],
            heir: Some(TrackName(heir.into())),
        };
        Checkpoint { ended: true, lanes: 2, windows: Some(Box::new(windows)), ..at(9) }
    }

    #[test]
    fn a_child_goes_on_with_the_windows_that_were_left_to_it_and_no_other_does() {
        let mut tracks = TrackTable::default();
        tracks.discovered(vec![info("a", &[]), info("b", &["a"]), info("c", &["a"])], &first());
        assert_eq!(names(&tracks.start()), ["a"]);
        tracks.committed(TrackIdx(0), left("c"));
        tracks.ended(TrackIdx(0));
        let starts = tracks.start();
        assert_eq!((names(&starts), &starts[0].from), (vec!["b", "c"], &Checkpoint::at_origin(first())));
        let from = &starts[1].from;
        let lanes = left("c").windows.unwrap().lanes;
        let expected = Some(Box::new(Windows { time: UnixMillis(7), lanes, heir: None }));
        assert_eq!((from.lanes, &from.windows, from.ended), (2, &expected, false));
    }

    #[test]
    fn what_was_left_to_a_child_is_kept_until_that_has_a_checkpoint_of_its_own() {
        let row = |checkpoint| Kept::Checkpoint(Box::new(checkpoint));
        let mut tracks =
            TrackTable::new(kept(&[("a", row(left("b"))), ("b", row(Checkpoint::at_origin(first())))]));
        assert!(tracks.ended_names().is_empty());
        let starts = tracks.start();
        assert_eq!((names(&starts), starts[0].from.lanes), (vec!["b"], 2), "also in another life");
        // Its own says what became of them.
        tracks.committed(TrackIdx(1), at(3));
        assert_eq!(tracks.ended_names(), [TrackName("a".into())]);
        let mut tracks = TrackTable::new(kept(&[("a", row(left("b"))), ("b", row(at(3)))]));
        assert_eq!(tracks.start()[0].from, at(3));
        assert_eq!(tracks.ended_names(), [TrackName("a".into())]);
        // One that the source has taken with its child is nobody's.
        let tracks = TrackTable::new(kept(&[("a", row(left("b")))]));
        assert_eq!(tracks.ended_names(), [TrackName("a".into())]);
    }

    #[test]
    fn the_heir_is_the_first_of_a_split_and_of_a_merge_that_of_the_first() {
        let name = |it: &str| TrackName(it.into());
        let heir = |of: &str, after: &[TrackInfo]| heir_of(&name(of), after);
        let split = [info("3", &["1"]), info("2", &["1"])];
        assert_eq!(heir("1", &split), Some(name("2")));
        // Each of the two tells of it in an order of its own.
        for parents in [["1", "2"], ["2", "1"]] {
            let merged = [info("3", &parents)];
            assert_eq!((heir("1", &merged), heir("2", &merged)), (Some(name("3")), None));
        }
        assert_eq!(heir("1", &[]), None);
    }

    #[test]
    fn a_kept_track_goes_on_and_a_new_one_starts_at_its_first_record() {
        let mut tracks = TrackTable::new(kept(&[("old", Kept::Checkpoint(Box::new(at(7))))]));
        tracks.discovered(vec![info("old", &[]), info("new", &[])], &first());
        let starts = tracks.start();
        assert_eq!(starts[0].from, at(7));
        assert_eq!(starts[1].from, Checkpoint::at_origin(first()));
    }

    #[test]
    fn a_track_without_its_checkpoint_never_starts() {
        let mut tracks = TrackTable::new(kept(&[("lost", Kept::Lost("missing".into()))]));
        tracks.discovered(vec![info("lost", &[])], &first());
        assert!(tracks.start().is_empty());
        assert!(matches!(tracks.rows().next(), Some((_, TrackRow { phase: TrackPhase::Lost(_), .. }))));
        assert_eq!(tracks.known().0[&TrackName("lost".into())], Standing::Open);
    }

    #[test]
    fn a_kept_track_that_is_done_lets_its_children_start_and_is_not_read_again() {
        let done = Checkpoint { ended: true, ..at(9) };
        let half =
            Checkpoint { ended: true, finished: vec![(Position::number(11), Position::number(12))], ..at(9) };
        let mut tracks = TrackTable::new(kept(&[
            ("done", Kept::Checkpoint(Box::new(done))),
            ("half", Kept::Checkpoint(Box::new(half))),
        ]));
        tracks.discovered(vec![info("child of done", &["done"]), info("child of half", &["half"])], &first());
        assert_eq!(names(&tracks.start()), ["half", "child of done"]);
        assert_eq!(tracks.known().0[&TrackName("done".into())], Standing::Ended);
    }

    #[test]
    fn a_kept_child_waits_for_its_kept_parent_once_the_source_described_them() {
        let both = kept(&[
            ("child", Kept::Checkpoint(Box::new(at(0)))),
            ("parent", Kept::Checkpoint(Box::new(at(3)))),
        ]);
        let mut tracks = TrackTable::new(both);
        tracks.describe(vec![
            TrackInfo { label: "shard 2".into(), ..info("child", &["parent"]) },
            info("unknown", &[]),
        ]);
        assert_eq!(names(&tracks.start()), ["parent"]);
        assert_eq!(tracks.label(TrackIdx(0)), "shard 2");
        assert_eq!(tracks.rows().count(), 2, "what is not known comes by discovery alone");
    }

    #[test]
    fn a_child_of_a_parent_that_nobody_knows_waits_for_what_is_not_listed_any_more() {
        let open = |names: &[&str]| {
            kept(&names.iter().map(|it| (*it, Kept::Checkpoint(Box::new(at(3))))).collect::<Vec<_>>())
        };
        // As it lives: the ancestor is tried, what lay between came and went, another shard has no part in it.
        let mut tracks = TrackTable::new(open(&["ancestor", "other"]));
        tracks.describe(vec![info("ancestor", &[]), info("other", &[])]);
        assert_eq!(names(&tracks.start()), ["ancestor", "other"]);
        let listed = [info("other", &[]), info("child", &["between"]), info("grandchild", &["child"])];
        let mut found = listed[1..].to_vec();
        tracks.known().order_behind_unlisted(&mut found, &listed);
        tracks.discovered(found, &first());
        assert!(tracks.start().is_empty());
        assert_eq!(tracks.waits_for(tracks.row(TrackIdx(2)).unwrap()), ["ancestor"]);
        tracks.ended(TrackIdx(0));
        assert_eq!(names(&tracks.start()), ["child"]);

        // As it starts again, before the child was tried.
        let mut tracks = TrackTable::new(open(&["ancestor", "child", "other"]));
        tracks.describe(vec![info("child", &["between"]), info("other", &[])]);
        assert_eq!(names(&tracks.start()), ["ancestor", "other"]);
        tracks.ended(TrackIdx(0));
        assert_eq!(names(&tracks.start()), ["child"]);
    }

    fn dealt(name: &str, start: Start) -> Vec<Assignment> {
        vec![Assignment { track: info(name, &[]), start, epoch: 1 }]
    }

    fn number(position: u64) -> Watermark {
        Watermark::At(Position::number(position))
    }

    #[test]
    fn what_a_group_deals_starts_where_it_was_kept_or_where_the_group_stands_if_that_is_further() {
        let ahead =
            vec![(Position::number(8), Position::number(9)), (Position::number(20), Position::number(21))];
        let checkpoint = Checkpoint { finished: ahead.clone(), ..at(7) };
        let row = || kept(&[("a", Kept::Checkpoint(Box::new(checkpoint.clone())))]);
        for (start, expected) in [
            (Start::Policy(number(0)), checkpoint.clone()),
            (Start::Committed(number(5)), checkpoint.clone()),
            (Start::Committed(number(7)), checkpoint.clone()),
            (Start::Committed(number(15)), Checkpoint { finished: ahead[1..].to_vec(), ..at(15) }),
        ] {
            let mut tracks = TrackTable::new(row()).dealt_out();
            assert!(tracks.start().is_empty(), "it is not dealt yet");
            tracks.assigned(dealt("a", start.clone()));
            assert_eq!(
                tracks.start().iter().map(|it| it.from.clone()).collect::<Vec<_>>(),
                [expected],
                "{start:?}"
            );
        }
    }

    #[test]
    fn a_track_that_was_taken_and_comes_back_starts_again_under_its_number() {
        let mut tracks = TrackTable::default().dealt_out();
        tracks.assigned(dealt("a", Start::Policy(number(0))));
        let [first] = <[TrackStart; 1]>::try_from(tracks.start()).unwrap();
        assert_eq!(tracks.held(std::slice::from_ref(&first.name)), [first.idx]);
        tracks.committed(first.idx, at(3));
        tracks.away(first.idx);
        assert_eq!(
            (tracks.held(std::slice::from_ref(&first.name)), tracks.n_open(), tracks.start()),
            (vec![], 0, vec![])
        );
        tracks.assigned(dealt("a", Start::Committed(number(3))));
        assert_eq!(tracks.start(), [TrackStart { from: at(3), ..first }]);
    }

    #[test]
    fn a_stretch_and_a_slice_that_the_groups_offset_lies_in_are_kept_above_it() {
        let number = Position::number;
        let slice = crate::checkpoint::OpenSlice {
            lane: 0,
            first: number(8),
            last: number(12),
            n_failures: 2,
            n_invokes: 3,
            not_before: UnixMillis(0),
            retries_max: None,
            record_age_max_ms: None,
            bisect: false,
            is_age_pardoned: false,
            given_up: None,
            finale: None,
        };
        let before = Checkpoint {
            finished: vec![(number(7), number(9)), (number(10), number(14))],
            slices: vec![slice.clone()],
            ..at(5)
        };
        let expected = Checkpoint { finished: vec![(number(11), number(14))], slices: vec![slice], ..at(11) };
        let mut tracks = TrackTable::new(kept(&[("a", Kept::Checkpoint(Box::new(before)))])).dealt_out();
        tracks.assigned(dealt("a", Start::Committed(Watermark::At(number(11)))));
        assert_eq!(tracks.start()[0].from, expected);
    }

    #[test]
    fn a_grant_counts_for_the_generation_that_was_dealt_last_and_a_refusal_for_its_own() {
        let of = |epoch: u64| {
            let start = Start::Policy(number(0));
            vec![Assignment { track: info("a", &[]), start, epoch }]
        };
        let names = [TrackName("a".into())];
        let mut tracks = TrackTable::default().dealt_out();
        tracks.dealt(&of(1));
        assert_eq!(tracks.taken(&names), []);
        tracks.dealt(&of(2));
        tracks.granted(of(1));
        assert!(tracks.start().is_empty(), "the first was taken before the store had granted it");
        tracks.granted(of(2));
        let [start] = <[TrackStart; 1]>::try_from(tracks.start()).unwrap();
        tracks.fenced(start.idx, 1);
        assert_eq!(tracks.revoking(&names), Revoking { unstarted: vec![], held: vec![start.idx] });
        tracks.fenced(start.idx, 2);
        assert_eq!(tracks.revoking(&names), Revoking::default());
        tracks.dealt(&of(3));
        assert_eq!(tracks.revoking(&names).unstarted, names);
        tracks.granted(of(3));
        assert!(tracks.start().is_empty(), "it was given back before the store had granted it");
    }

    #[test]
    fn a_lost_place_is_found_again_only_where_a_group_stands() {
        let lost = || TrackTable::new(kept(&[("a", Kept::Lost("missing".into()))])).dealt_out();
        let mut tracks = lost();
        tracks.assigned(dealt("a", Start::Policy(number(0))));
        assert!(tracks.start().is_empty(), "a policy is no place that was reached");
        tracks.assigned(dealt("a", Start::Committed(number(9))));
        assert_eq!(tracks.start()[0].from, at(9));
    }

    #[test]
    fn only_ended_tracks_that_are_not_listed_are_forgotten_and_numbers_are_never_used_twice() {
        let mut tracks = TrackTable::default();
        tracks.discovered(vec![info("a", &[]), info("b", &[]), info("c", &[])], &first());
        tracks.start();
        tracks.ended(TrackIdx(0));
        tracks.ended(TrackIdx(1));
        let gone = unlisted(tracks.ended_names(), &[info("b", &[])]);
        assert_eq!(gone, [TrackName("a".into())]);
        tracks.forgotten(&gone);
        tracks.discovered(vec![info("a", &[])], &first());
        let starts = tracks.start();
        assert_eq!((names(&starts), starts[0].idx), (vec!["a"], TrackIdx(3)));
    }
}
