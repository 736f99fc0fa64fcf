//! The stream side: tracks with parents and children, readers with a cursor each, records that come, go and
//! end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_batcher::{
    Checkpoint, OrderKey, Origin, Place, Read, ReadId, ReadOrder, Record, Section, SourceNotice, TrackIdx,
    TrackName, UnixMillis, Windows,
};
use forebay_models::stream::{Cursor, Log};

use super::World;
use super::events::Event;
use crate::coverage::Point;
use crate::oracle::{Closing, Entry, Poison, Truth, Violation, name, note_what_came};

/// What the store and the source call a track.
fn track_name(source: usize) -> TrackName {
    TrackName(format!("track {source}"))
}

/// A track at the source.
#[derive(Debug)]
pub(super) struct SourceTrack {
    pub(super) log: Log<u32>,
    pub(super) origin: Origin,
    pub(super) parents: Vec<usize>,
    pub(super) started: bool,
    /// The machine told that it has ended.
    pub(super) finished: bool,
    pub(super) last_of_key: BTreeMap<u32, u32>,
}

/// A reader of a track, for one ownership.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pub(super) source: usize,
    pub(super) cursor: Cursor,
}

/// A read that is open.
#[derive(Debug)]
pub(super) struct OpenRead {
    pub(super) order: ReadOrder,
    pub(super) sent_us: u64,
    /// Nothing is there; it waits.
    pub(super) parked: bool,
    /// Its answer is on its way.
    pub(super) is_answered: bool,
    /// It was sent by a former ownership of its track's number, from this place.
    pub(super) former: Option<(TrackIdx, Reader)>,
}

impl World {
    /// Records reach a track; where it has ended, one of its heirs.
    pub(super) fn append(&mut self, track: usize, n: u32) {
        let open = (track..self.tracks.len()).chain(0..track).find(|idx| !self.tracks[*idx].log.is_ended());
        let Some(track) = open else { return };
        let mut left = n;
        while left > 0 {
            let n_subs = if self.options.aggregates { self.choices.between(1, 3).min(left) } else { 1 };
            if n_subs > 1 {
                self.coverage.hit(Point::SubRecords);
            }
            let uids: Vec<u32> = (0..n_subs).map(|_| self.new_record(track)).collect();
            let first = self.tracks[track].log.append(uids.iter().copied());
            for (sub, uid) in uids.iter().enumerate() {
                let item = &self.tracks[track].log.items()[first + sub];
                let truth = &mut self.oracle.truths[*uid as usize];
                (truth.idx, truth.name, truth.position) = (first + sub, item.name, item.position.clone());
                self.oracle.by_track[track].push(*uid);
            }
            left -= n_subs;
        }
        self.changed = true;
        self.wake_track(track);
    }

    /// Opens what waits on this track.
    pub(super) fn wake_track(&mut self, track: usize) {
        let waiting = self.reads.iter().find(|(_, read)| {
            read.parked
                && read
                    .order
                    .track
                    .and_then(|owner| self.owners.get(&owner))
                    .is_some_and(|reader| reader.source == track)
        });
        if let Some((id, _)) = waiting {
            let id = *id;
            self.unpark(id);
        }
    }

    /// A read that waited gets its answer soon.
    pub(super) fn unpark(&mut self, id: ReadId) {
        if let Some(read) = self.reads.get_mut(&id) {
            read.parked = false;
            let at = self.soon(20);
            let life = self.life;
            self.events.push(at, Event::ReadAnswer { life, id });
        }
    }

    /// A track is given to the machine, from what is durable.
    pub(super) fn assign(&mut self, source: usize) {
        self.tracks[source].started = true;
        self.store.grant(source);
        let from = self.store.written[source].clone().unwrap_or_else(|| self.beginning(source));
        let owner = self.number_for(source);
        let track = &mut self.tracks[source];
        self.owners.insert(owner, Reader { source, cursor: track.log.open(&from.watermark) });
        self.oracle.assign(owner, source, self.store.epochs[source], &from, self.now());
        if from.windows.iter().flat_map(|it| &it.lanes).any(|it| it.open.is_some()) {
            self.coverage.hit(Point::RestoredWindow);
        }
        if !from.slices.is_empty() {
            self.coverage.hit(Point::RestoredSlice);
            let given_up = from.slices.iter().any(|slice| slice.given_up.is_some());
            if given_up {
                self.coverage.hit(Point::RestoredGivenUp);
            }
            self.expect_what_waits(&from);
            let gone = self.oracle.by_track[source].iter().map(|uid| &self.oracle.truths[*uid as usize]);
            let mut gone = gone.filter(|truth| truth.gone && truth.wanted);
            if gone.any(|truth| {
                from.slices.iter().any(|slice| slice.first <= truth.position && truth.position <= slice.last)
            }) {
                self.coverage.hit(Point::TrimmedInRetry);
            }
        }
        self.trace.note(&[3, u64::from(owner.0), source as u64], || {
            format!("{:>12} assign {} = track {source} from {from:?}", self.now_us, owner.0)
        });
        let now = self.now();
        if let Some(machine) = self.machine.as_mut() {
            // What is kept are bytes; the oracle knows what they should say.
            let kept =
                Checkpoint::decode(&from.encode()).expect("a checkpoint can be read as it was written");
            machine.handle_assigned(owner, kept, now);
        }
    }

    /// Where a track begins of which nothing is kept: with the windows that another left it.
    fn beginning(&mut self, source: usize) -> Arc<Checkpoint> {
        let mut from = Checkpoint::at_origin(self.tracks[source].origin.clone());
        let name = track_name(source);
        let left = (0..source).find_map(|it| {
            let before = self.store.written[it].as_ref()?;
            let windows = before.windows.as_ref().filter(|it| it.heir.as_ref() == Some(&name))?;
            Some((it, before.lanes, Windows { heir: None, ..Windows::clone(windows) }))
        });
        let Some((before, lanes, windows)) = left else { return Arc::new(from) };
        self.coverage.hit(Point::InheritedWindow);
        (from.lanes, from.windows) = (lanes, Some(Box::new(windows)));
        let from = Arc::new(from);
        self.oracle.inherit(&from, before);
        from
    }

    /// The track in which the windows go on that are open at the end of one: the first that comes after it.
    /// What comes after every fourth nobody knows in time.
    fn heir_of(&self, source: usize) -> Option<usize> {
        let is_heir = |it: &SourceTrack| it.parents.first() == Some(&source);
        self.tracks.iter().position(is_heir).filter(|_| source % 4 != 3)
    }

    /// The owner of a source track, if the machine has it.
    pub(super) fn owner_of(&self, source: usize) -> Option<TrackIdx> {
        self.owners.iter().find(|(_, reader)| reader.source == source).map(|(owner, _)| *owner)
    }

    /// The machine reads a track.
    pub(super) fn read_track(&mut self, order: ReadOrder, owner: TrackIdx) -> Result<(), Violation> {
        self.oracle.f1_no_action_after_the_track_is_lost(owner, "a read")?;
        self.oracle.p1_no_read_after_the_position_is_lost(owner)?;
        self.oracle.c2_nothing_begins_on_a_closed_track(owner, "a read")?;
        self.oracle.s5_a_read_waits(Some(owner), self.now_us)?;
        self.oracle.f2_a_failing_store_takes_no_new_work(owner, "a read")?;
        let held_bytes = self.machine.as_ref().map_or(0, forebay_batcher::Machine::held_bytes);
        self.oracle.n1_n2_a_read_has_room(owner, &order, held_bytes)?;
        if held_bytes >= self.plan.held_bytes_max {
            self.coverage.hit(if self.oracle.is_filling(owner) {
                Point::SliceBeyondRoom
            } else {
                Point::GuestRead
            });
        }
        let (life, id) = (self.life, order.id);
        let faults = self.options.faults.clone();
        let source = self.owners.get(&owner).map(|reader| reader.source);
        let stubborn = source.and_then(|source| self.is_stubborn_source(Some(source)));
        let notice = if stubborn.is_some() {
            stubborn
        } else if self.strikes(faults.read_down, Point::ReadDown) {
            Some(SourceNotice::Down { error: "no route".into() })
        } else if self.strikes(faults.read_throttle, Point::ReadThrottled) {
            let asked = self.options.asks && self.choices.later().chance(500);
            let retry_after =
                asked.then(|| Duration::from_millis(self.choices.later().pick(&[100, 3000, 40_000])));
            if asked {
                self.coverage.hit(Point::ReadAfter);
            }
            Some(SourceNotice::Throttled { retry_after })
        } else if self.strikes(faults.position_lost, Point::PositionLost) {
            Some(SourceNotice::PositionLost { error: "unknown position".into() })
        } else {
            None
        };
        let idle = self
            .owners
            .get(&owner)
            .is_none_or(|reader| self.tracks[reader.source].log.is_idle(&reader.cursor));
        let at = self.soon(20);
        match notice {
            Some(notice) => self.events.push(at, Event::ReadFails { life, id, notice }),
            None if idle => {
                let wait_us = u64::try_from(order.wait.as_micros()).unwrap_or(u64::MAX).max(1000);
                self.events.push(self.now_us + wait_us, Event::ReadAnswer { life, id });
            }
            None => self.events.push(at, Event::ReadAnswer { life, id }),
        }
        self.reads.insert(
            id,
            OpenRead { order, sent_us: self.now_us, parked: idle, is_answered: false, former: None },
        );
        Ok(())
    }

    /// What a read of a track brings.
    pub(super) fn read_from_track(
        &mut self,
        order: &ReadOrder,
        owner: TrackIdx,
    ) -> Result<Read, SourceNotice> {
        let Some(reader) = self.owners.get_mut(&owner) else {
            return Err(SourceNotice::Down { error: "the track is gone".into() });
        };
        let (mut n_records, mut n_bytes) = (0, 0);
        let source = reader.source;
        let log = &self.tracks[source].log;
        let truths = &self.oracle.truths;
        let passage = log.read(&mut reader.cursor, |uid| {
            let truth = &truths[*uid as usize];
            if !truth.wanted {
                return true;
            }
            let has_room = n_records < order.records_max
                && (n_records == 0 || n_bytes + u64::from(truth.n_bytes) <= order.bytes_max);
            n_records += 1;
            n_bytes += u64::from(truth.n_bytes);
            has_room
        });
        let mut read =
            Read { passed: passage.passed, ended: passage.ended, gap: passage.gap, ..Read::default() };
        let mut newest: Option<UnixMillis> = None;
        for idx in passage.items {
            let uid = self.tracks[source].log.items()[idx].value;
            newest = newest.max(Some(self.oracle.truths[uid as usize].arrival));
            if self.oracle.truths[uid as usize].wanted {
                self.hand_over(uid, owner);
                read.records.push(self.render(uid, owner));
            } else {
                read.n_filtered += 1;
            }
        }
        if read.n_filtered > 0 {
            read.newest_arrival = newest;
            self.coverage.hit(Point::FilteredStretch);
        }
        read.heir = self.heir_of(source).filter(|_| read.ended).map(track_name);
        let now = self.now();
        if read.gap.is_some() {
            self.coverage.hit(Point::Gap);
        }
        if let Some(owner) =
            self.oracle.owners.get_mut(&owner).filter(|_| self.oracle.closing == Closing::Open)
        {
            owner.passed.clone_from(&read.passed);
            owner.is_at_end |= read.ended;
            owner.heir = read.heir.clone().or_else(|| owner.heir.take());
            owner.note_time(&read, newest, now);
            note_what_came(&read, self.now_us, &mut owner.none_since_us, &mut owner.filtered);
            if owner
                .restored_last
                .as_ref()
                .is_some_and(|last| read.ended || owner.passed.as_ref().is_some_and(|passed| passed > last))
            {
                (owner.restored_last, owner.filled_us) = (None, self.now_us);
            }
        }
        Ok(read)
    }

    /// What a read brings that nobody hears of: that of a former ownership, or of a track that was closed
    /// meanwhile.
    pub(super) fn read_in_vain(&self, order: &ReadOrder, owner: TrackIdx, reader: &Reader) -> Read {
        let (mut cursor, mut n_records) = (reader.cursor.clone(), 0);
        let log = &self.tracks[reader.source].log;
        let passage = log.read(&mut cursor, |_| {
            n_records += 1;
            n_records <= order.records_max
        });
        let uids = passage.items.into_iter().map(|idx| log.items()[idx].value);
        let records = uids
            .filter(|uid| self.oracle.truths[*uid as usize].wanted)
            .map(|uid| self.render(uid, owner))
            .collect();
        Read { records, passed: passage.passed, ended: passage.ended, ..Read::default() }
    }

    /// A read of the living machine brings this record.
    fn hand_over(&mut self, uid: u32, owner: TrackIdx) {
        let is_read = self.oracle.closing == Closing::Open
            && self.oracle.owners.get(&owner).is_some_and(|it| !it.over && !it.position_lost);
        let entry = &mut self.oracle.entries[uid as usize];
        (entry.handed, entry.handed_us) = (true, self.now_us);
        if is_read {
            self.oracle.tally.skipped += u64::from(entry.finished);
            self.oracle.tally.restored += u64::from(!entry.finished && entry.restored);
        }
    }

    /// A record comes into being; the caller gives it its place.
    pub(super) fn new_record(&mut self, track: usize) -> u32 {
        let uid = u32::try_from(self.oracle.truths.len()).expect("worlds are small");
        let fresh = self.phase != super::Phase::Safety;
        let late_ms = self.lateness();
        let options = &self.options;
        let key = if options.n_keys == 0 { None } else { Some(self.choices.below(options.n_keys)) };
        let wanted = !self.choices.chance(if fresh { 0 } else { options.filtered });
        let poisonous = self.choices.chance(if fresh { 0 } else { options.poison });
        let n_bytes = if self.choices.chance(if fresh { 0 } else { options.oversize }) {
            u32::try_from(options.plan.batch.bytes_max).expect("limited") + self.choices.below(3) - 1
        } else {
            self.choices.pick(&[20, 40, 90, 200])
        };
        let age_ms = options
            .plan
            .retry
            .record_age_max
            .map_or(0, |max| u32::try_from(max.as_millis()).expect("ages are short"));
        let old = self.choices.chance(if fresh { 0 } else { options.old_records });
        let age_ms = if old { self.choices.below(age_ms.saturating_mul(2)) } else { 0 };
        let poison = match (poisonous, options.poison_heals) {
            (false, _) => Poison::Harmless,
            (true, false) => Poison::Stays,
            (true, true) => Poison::Heals,
        };
        let arrival = UnixMillis(self.unix().0 - i64::from(age_ms) - i64::from(late_ms));
        let position = forebay_batcher::Position::number(u64::from(uid));
        let before = key.and_then(|key| self.tracks[track].last_of_key.insert(key, uid));
        let idx = uid as usize;
        let track = u32::try_from(track).expect("few tracks");
        let name = u64::from(uid);
        self.oracle.truths.push(Truth {
            track,
            idx,
            position,
            name,
            key,
            before,
            n_bytes,
            arrival,
            poison,
            wanted,
            gone: false,
            n_done: 0,
            n_attempts: 0,
            n_taken: 0,
            n_discarded: 0,
            n_skipped: 0,
        });
        if !self.oracle.is_queue {
            self.oracle.entries.push(Entry { uid, ..Entry::default() });
        }
        uid
    }

    /// How long before it is written a record reached its source: behind others, where there are windows.
    fn lateness(&mut self) -> u32 {
        let length = self.options.plan.window.as_ref().map(|it| it.tumbling);
        let Some(length) = length.filter(|_| self.phase == super::Phase::Safety) else { return 0 };
        if !self.choices.windows().chance(100) {
            return 0;
        }
        self.coverage.hit(Point::LateForItsWindow);
        self.choices.windows().below(2 * u32::try_from(length.as_millis()).expect("windows are short"))
    }

    /// The record as the machine gets it.
    fn render(&self, uid: u32, owner: TrackIdx) -> Record {
        let truth = &self.oracle.truths[uid as usize];
        let section = if self.options.plan.mixes_tracks {
            Section { idx: truth.track, bytes: 12, unreadable: None }
        } else {
            Section::default()
        };
        Record {
            id: name(truth.name * 64 + u64::from(truth.track)),
            place: Place::Track(owner, truth.position.clone()),
            key: truth.key.map_or(OrderKey::Free, crate::oracle::order_key),
            arrival: truth.arrival,
            bytes: body(uid, truth.n_bytes).into(),
            section,
        }
    }
}

/// The rendered bytes of a record: its number, then filling.
pub(super) fn body(uid: u32, n_bytes: u32) -> Bytes {
    let mut bytes = vec![b' '; n_bytes.max(4) as usize];
    bytes[..4].copy_from_slice(&uid.to_le_bytes());
    Bytes::from(bytes)
}
