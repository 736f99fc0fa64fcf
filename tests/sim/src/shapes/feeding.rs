//! Reads of tracks: what is fetched or pushed lies with the reader until there is room for it, waits end with
//! what comes, and what comes for a former ownership is nobody's.

use bytes::Bytes;
use forebay_batcher::{
    Gap, OrderKey, Place, Position, Read, ReadId, Record, Section, SourceNotice, TrackIdx, Watermark,
};

use super::engine::TrackReader;
use super::events::Event;
use super::{Rig, Side};
use crate::coverage::Point;
use crate::oracle::{Violation, name, order_key};

/// What a reader fetched: indexes of records, the bound behind them, what was missed, and at the end the
/// tracks that come next.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    pub(super) items: Vec<usize>,
    pub(super) passed: Option<Position>,
    pub(super) gap: Option<Gap>,
    pub(super) children: Option<Vec<usize>>,
}

impl Rig {
    /// A read looks whether there is something.
    pub(super) fn look(&mut self, at: usize, life: u32, id: ReadId) -> Result<(), Violation> {
        if !self.is_alive(at, life) {
            return Ok(());
        }
        let Some(asked) = self.engines[at].reads.get_mut(&id).filter(|it| !it.is_answered) else {
            return Ok(());
        };
        asked.is_parked = false;
        let (idx, is_former, is_late) = (asked.order.track, asked.is_former, asked.until_us <= self.now_us);
        let Some(idx) = idx else { return self.look_for_messages(at, id) };
        if is_former || !self.engines[at].readers.contains_key(&idx) {
            self.coverage.hit(Point::ReadForFormer);
            self.give(at, id, Ok(Read::default()));
            return Ok(());
        }
        if self.strikes(self.options.faults.read_down, Point::ReadDown) {
            self.drop_reader(at, idx);
            self.give(at, id, Err(SourceNotice::Down { error: "no route".into() }));
            return Ok(());
        }
        match self.bring(at, id, idx) {
            Ok(Some(read)) => self.give(at, id, Ok(read)),
            Ok(None) if is_late => {
                let passed = self.engines[at].readers[&idx].at.position().cloned();
                self.give(at, id, Ok(Read { passed, ..Read::default() }));
            }
            Ok(None) => self.park(at, life, id),
            Err(notice) => self.give(at, id, Err(notice)),
        }
        Ok(())
    }

    /// There is nothing: the read waits.
    pub(super) fn park(&mut self, at: usize, life: u32, id: ReadId) {
        if let Some(asked) = self.engines[at].reads.get_mut(&id) {
            asked.is_parked = true;
            let tick = asked.until_us.max(self.now_us + 1000);
            self.at(tick, Event::Overdue { at, life, id });
        }
    }

    /// The wait of a read is over.
    pub(super) fn overdue(&mut self, at: usize, life: u32, id: ReadId) -> Result<(), Violation> {
        let waits = |it: &super::engine::Asked| it.is_parked && it.until_us <= self.now_us;
        if self.is_alive(at, life) && self.engines[at].reads.get(&id).is_some_and(waits) {
            self.look(at, life, id)?;
        }
        Ok(())
    }

    /// Reads that wait for a track, or for messages, look again soon.
    pub(super) fn wake(&mut self, source: Option<usize>) {
        for at in 0..self.engines.len() {
            let engine = &self.engines[at];
            let life = engine.life;
            let is_there = |idx: Option<TrackIdx>| match (idx, source) {
                (Some(idx), Some(source)) => engine.readers.get(&idx).is_some_and(|it| it.source == source),
                (idx, source) => idx.is_none() && source.is_none(),
            };
            let waiting = engine.reads.iter().filter(|(_, it)| it.is_parked && is_there(it.order.track));
            let waiting: Vec<ReadId> = waiting.map(|(id, _)| *id).collect();
            for id in waiting {
                if let Some(asked) = self.engines[at].reads.get_mut(&id) {
                    asked.is_parked = false;
                }
                let tick = self.soon(20);
                self.at(tick, Event::Look { at, life, id });
            }
        }
    }

    /// A connection broke: what was fetched with it is fetched again.
    fn drop_reader(&mut self, at: usize, idx: TrackIdx) {
        if let Some(reader) = self.engines[at].readers.get_mut(&idx) {
            let subscription = reader.subscription;
            *reader = TrackReader::new(reader.source, reader.at.clone());
            self.leave_subscription(subscription);
        }
    }

    /// What there is for a read, as much as it has room for.
    fn bring(&mut self, at: usize, id: ReadId, idx: TrackIdx) -> Result<Option<Read>, SourceNotice> {
        let Some(mut reader) = self.engines[at].readers.remove(&idx) else { return Ok(None) };
        let fetched = if reader.rest.is_empty() && reader.children.is_none() && reader.gap.is_none() {
            self.fetch(&mut reader)
        } else {
            Ok(None)
        };
        if let Ok(Some(Fetched { items, passed, gap, children })) = fetched {
            reader.rest.extend(items);
            (reader.gap, reader.children) = (gap, children);
            reader.passed = passed.or_else(|| reader.passed.take());
        } else if let Err(notice) = fetched {
            self.engines[at].readers.insert(idx, reader);
            return Err(notice);
        }
        let read = self.give_out(at, id, idx, &mut reader);
        self.engines[at].readers.insert(idx, reader);
        Ok(read)
    }

    fn fetch(&mut self, reader: &mut TrackReader) -> Result<Option<Fetched>, SourceNotice> {
        match &mut self.side {
            Side::Tree(_) => self.fetch_from_shard(reader),
            Side::Group(side) => {
                let log = &side.group.logs()[reader.source];
                let cursor = reader.cursor.get_or_insert_with(|| log.open(&reader.at));
                let mut left = self.options.fetch_max;
                let passage = log.read(cursor, |_| {
                    let has_room = left > 0;
                    left = left.saturating_sub(1);
                    has_room
                });
                let is_nothing = passage.items.is_empty() && passage.gap.is_none();
                Ok((!is_nothing).then_some(Fetched {
                    items: passage.items,
                    passed: passage.passed,
                    gap: passage.gap,
                    children: None,
                }))
            }
            Side::Channel(_) => Ok(None),
        }
    }

    fn give_out(&mut self, at: usize, id: ReadId, idx: TrackIdx, reader: &mut TrackReader) -> Option<Read> {
        if reader.rest.is_empty() && reader.children.is_none() && reader.gap.is_none() {
            return None;
        }
        let order = self.engines[at].reads[&id].order.clone();
        let mut read = Read { gap: reader.gap.take(), ..Read::default() };
        let mut n_bytes = 0;
        while let Some(item) = reader.rest.front().copied() {
            let uid = self.book.by_source[reader.source][item];
            let value = self.value_of(reader.source, item);
            let fact = &self.book.facts[uid as usize];
            if fact.wanted {
                let is_full = read.records.len() >= order.records_max as usize
                    || (n_bytes > 0 && n_bytes + value.len() as u64 > order.bytes_max);
                if is_full {
                    break;
                }
                n_bytes += value.len() as u64;
                read.records.push(self.render(uid, idx, value));
            } else {
                read.n_filtered += 1;
            }
            reader.at = Watermark::At(self.behind(&self.book.facts[uid as usize].position));
            reader.rest.pop_front();
        }
        if reader.rest.is_empty()
            && let Some(passed) = &reader.passed
        {
            reader.at = Watermark::At(passed.clone());
        }
        read.passed = reader.at.position().cloned();
        read.ended = reader.rest.is_empty() && reader.children.is_some();
        if read.ended
            && let Some(children) = reader.children.clone()
        {
            self.discover(at, &children);
        }
        self.hear_of_what_came(at, idx, reader.source, &read);
        Some(read)
    }

    fn value_of(&self, source: usize, item: usize) -> Bytes {
        match &self.side {
            Side::Tree(side) => side.tree.shards()[source].log.items()[item].value.clone(),
            Side::Group(side) => side.group.logs()[source].items()[item].value.clone(),
            Side::Channel(_) => Bytes::new(),
        }
    }

    /// The bound right behind a record.
    fn behind(&self, position: &Position) -> Position {
        match position.as_number() {
            Some(number) => Position::number(number + 1),
            None => position.clone(),
        }
    }

    fn render(&self, uid: u32, idx: TrackIdx, value: Bytes) -> Record {
        let fact = &self.book.facts[uid as usize];
        let section = if self.plan.mixes_tracks {
            Section { idx: u32::try_from(fact.source).expect("few tracks"), bytes: 12, unreadable: None }
        } else {
            Section::default()
        };
        Record {
            id: name(u64::from(uid)),
            place: Place::Track(idx, fact.position.clone()),
            key: fact.key.map_or(OrderKey::Free, order_key),
            arrival: self.now().unix,
            bytes: value.into(),
            section,
        }
    }

    /// What the machine is about to hear of.
    fn hear_of_what_came(&mut self, at: usize, idx: TrackIdx, source: usize, read: &Read) {
        for record in &read.records {
            let uid = super::function::uid_of(record);
            self.engines[at].belief(uid).handed = true;
        }
        let engine = &mut self.engines[at];
        if let Some(holding) = engine.holdings.get_mut(&idx).filter(|it| !it.is_over) {
            holding.passed.clone_from(&read.passed);
            if let Some(Gap { to, .. }) = &read.gap
                && holding.closed_until_us.is_none()
                && !engine.is_closing
            {
                self.coverage.hit(Point::Gap);
                engine.n_gaps += 1;
                for uid in &self.book.by_source[source] {
                    let fact = &mut self.book.facts[*uid as usize];
                    fact.is_told_gone |= fact.gone && fact.position < *to;
                }
            }
        }
    }

    /// A read is answered.
    pub(super) fn give(&mut self, at: usize, id: ReadId, read: Result<Read, SourceNotice>) {
        self.engines[at].reads.remove(&id);
        self.note(&[5, at as u64, id.0, read.as_ref().map_or(9999, |it| it.records.len() as u64)], |now| {
            match &read {
                Ok(read) => format!(
                    "{now:>12} engine {at}: read {} brings {} records, {} filtered, passed {:?}{}{}",
                    id.0,
                    read.records.len(),
                    read.n_filtered,
                    read.passed,
                    if read.ended { ", ended" } else { "" },
                    if read.gap.is_some() { ", a gap" } else { "" }
                ),
                Err(notice) => format!("{now:>12} engine {at}: read {} fails: {notice:?}", id.0),
            }
        });
        let now = self.now();
        if let Some(machine) = self.engines[at].machine.as_mut() {
            machine.handle_read(id, read, now);
        }
    }
}
