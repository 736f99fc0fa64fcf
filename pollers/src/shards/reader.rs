//! Reads a shard: iterators and subscriptions that end and are made anew, records that are held until there is
//! room, the end with what comes after it.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{Gap, OrderKey, Position, UnixMillis, Watermark};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::calls::{IteratorAt, Pushes, ShardInfo, ShardRead, ShardRecord, SubscribeAt};
use super::error::{Refusal, ShardError};
use super::place::{PartsDone, Sequence, ShardPlace, behind};
use super::pushed::{Pushed, TAKEN_PAUSE};
use super::stream::{ShardStream, children};
use crate::source::{BoxFuture, RawRead, RawRecord, Reader, Room, SourceError, TrackInfo, TrackName};

/// What a record is taken to have before one was seen.
const RECORD_BYTES: u64 = 1_024;
/// The first pause after a read that brought nothing.
const PAUSE_MIN: Duration = Duration::from_millis(250);

/// What reads on.
enum ShardCursor {
    Iterator(String),
    Pushes(Box<dyn Pushes>),
}

/// A reader of one shard.
pub(super) struct ShardReader {
    stream: Arc<ShardStream>,
    track: TrackName,
    shard: String,
    /// Everything below was fetched.
    place: ShardPlace,
    cursor: Option<ShardCursor>,
    /// What is known of subscriptions, where there are any.
    pushed: Pushed,
    /// The record that was fetched last before the cursor was made: it must come first, or the shard has
    /// dropped it and what came behind it.
    wanted: Option<Sequence>,
    /// Fetched, and not given out.
    held: VecDeque<RawRecord>,
    /// Everything below was given out.
    passed: Option<Position>,
    gap: Option<Gap>,
    /// An iterator at the first record is for those that arrived at this time or later, in epoch milliseconds.
    since: Option<i64>,
    /// Such an iterator was made: what arrived before this time is left out.
    left_out_before: Option<i64>,
    /// Retention took what the first iterator stood at.
    is_trimmed: bool,
    /// It was fetched to its end, and these come after it.
    children: Option<Vec<TrackInfo>>,
    pause: Duration,
    next_at: Instant,
    record_bytes: u64,
    /// What its records have in common.
    facts: Vec<Arc<dyn Any + Send + Sync>>,
}

impl ShardReader {
    /// A reader at a bound; nothing is called yet but for what the stream is.
    pub(super) async fn open(
        stream: &Arc<ShardStream>,
        track: &TrackName,
        from: &Watermark,
    ) -> Result<Self, SourceError> {
        let shard = stream.shard(track).await?;
        let place = ShardPlace::of(from).ok_or_else(|| SourceError::PositionLost {
            what: what(stream, &shard),
            why: "it is no place in a shard".to_owned(),
        })?;
        let passed = from.position().cloned();
        let (place, cursor, since) = match place {
            // The iterator loses nothing and lives for minutes. Once it has expired the time decides, which
            // may bring a few records that are older than the start.
            ShardPlace::Since(at, iterator) => {
                (ShardPlace::First, Some(ShardCursor::Iterator(iterator)), Some(at))
            }
            other => (other, None, None),
        };
        let facts = stream.traits.facts(&stream.description(), &shard);
        Ok(Self {
            stream: Arc::clone(stream),
            track: track.clone(),
            shard,
            place,
            cursor,
            pushed: Pushed::default(),
            wanted: None,
            held: VecDeque::new(),
            passed,
            gap: None,
            since,
            left_out_before: None,
            is_trimmed: false,
            children: None,
            pause: Duration::ZERO,
            next_at: Instant::now(),
            record_bytes: RECORD_BYTES,
            facts,
        })
    }

    async fn read(&mut self, room: Room) -> Result<RawRead, SourceError> {
        let until = Instant::now() + room.wait;
        loop {
            if let Some(read) = self.give(room) {
                return Ok(read);
            }
            // The pause may be longer than this read may wait; the next read goes on with what is left of it.
            if self.next_at > until {
                sleep_until(until).await;
                return Ok(self.nothing());
            }
            sleep_until(self.next_at).await;
            if !self.fetch(room, until).await? {
                return Ok(self.nothing());
            }
        }
    }

    fn nothing(&self) -> RawRead {
        RawRead { passed: self.passed.clone(), ..RawRead::default() }
    }

    /// What was fetched, as much as there is room for, or all of what was pushed: the feed counts what it
    /// holds and lets go of it. `None` when there is nothing to tell.
    fn give(&mut self, room: Room) -> Option<RawRead> {
        if self.held.is_empty() && self.children.is_none() && self.gap.is_none() {
            return None;
        }
        let n_given = if self.stream.is_pushed() { self.held.len() } else { self.n_fit(room) };
        let records: Vec<_> = if n_given == self.held.len() {
            std::mem::take(&mut self.held).into()
        } else {
            self.held.drain(..n_given).collect()
        };
        self.passed = records.last().map(|it| behind(&it.position)).or_else(|| self.passed.take());
        // The end is told with the last records and not before, or the children would overtake them.
        let children = self.children.clone().filter(|_| self.held.is_empty());
        Some(RawRead {
            records,
            passed: self.passed.clone(),
            ended: children.is_some(),
            children: children.unwrap_or_default(),
            gap: self.gap.take(),
        })
    }

    /// How many of those that are held there is room for: one at least.
    fn n_fit(&self, room: Room) -> usize {
        let mut n_bytes = 0;
        let fits = |it: &&RawRecord| {
            let is_first = n_bytes == 0;
            // One without data takes room too.
            n_bytes += (it.data.len() as u64).max(1);
            is_first || n_bytes <= room.bytes_max
        };
        self.held.iter().take(room.records_max as usize).take_while(fits).count()
    }

    /// Calls once, or waits for a push; false when none came in time. May be dropped at any time: nothing has
    /// changed before the answer is here.
    async fn fetch(&mut self, room: Room, until: Instant) -> Result<bool, SourceError> {
        let mut is_renewed = false;
        loop {
            if !self.has_cursor().await? {
                return Ok(true);
            }
            let n_max = self.n_max(room);
            let answer = match self.cursor.as_mut() {
                None => return Ok(true),
                Some(ShardCursor::Iterator(iterator)) => self.stream.read(&self.shard, iterator, n_max).await,
                Some(ShardCursor::Pushes(pushes)) => match timeout_at(until, pushes.next()).await {
                    Ok(answer) => answer,
                    Err(_) => return Ok(false),
                },
            };
            match answer {
                Ok(answer) => {
                    self.follow(answer).await.map_err(|it| it.on(&self.what()))?;
                    return Ok(true);
                }
                // Which of the two is gone, the shard or its stream, shows when the iterator is made anew.
                Err(error)
                    if !is_renewed
                        && matches!(
                            error.refusal,
                            Refusal::Expired | Refusal::NotFound | Refusal::Trimmed
                        ) =>
                {
                    self.is_trimmed |= error.refusal == Refusal::Trimmed;
                    (self.cursor, is_renewed) = (None, true);
                }
                Err(error) if self.is_taken(&error) => return Ok(true),
                Err(error) if error.is_of_place() && self.is_gone().await? => return Ok(true),
                Err(error) => return Err(error.on(&self.what())),
            }
        }
    }

    /// Whether nothing of the shard can be read any more: it is not listed, or is closed and its last record
    /// cannot be read. Its end is told then, with a gap where not all of it was read.
    async fn is_gone(&mut self) -> Result<bool, SourceError> {
        let stream = Arc::clone(&self.stream);
        let on = |it: ShardError| it.on(&what(&stream, &self.shard));
        let shards = stream.shards().await.map_err(on)?;
        let listed = shards.iter().find(|it| it.id == self.shard);
        let last = match listed.map(|it| it.last.as_ref()) {
            None => None,
            Some(None) => return Ok(false),
            Some(Some(last)) => {
                if self.can_be_read_at(last).await.map_err(on)? {
                    return Ok(false);
                }
                Some(stream.sequence(last).map_err(on)?)
            }
        };
        // A stream that was made anew has other shards.
        stream.shard_anew(&self.track).await?;
        let children = stream.calls.children(&self.shard).await.map_err(on)?;
        if !matches!((&self.place, last), (ShardPlace::At(at, PartsDone::Whole), Some(last)) if *at == last) {
            self.miss(None);
        }
        self.end(&children);
        Ok(true)
    }

    async fn can_be_read_at(&self, number: &str) -> Result<bool, ShardError> {
        let at = self.stream.calls.iterator(&self.shard, IteratorAt::At(number.to_owned())).await;
        let read = match at {
            Ok(iterator) => self.stream.read(&self.shard, &iterator, 1).await.map(drop),
            Err(error) => Err(error),
        };
        match read {
            Ok(()) => Ok(true),
            Err(error) if error.is_of_place() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn end(&mut self, children_told: &[ShardInfo]) {
        if children_told.is_empty() {
            self.stream.ended.notify_one();
        }
        self.children = Some(children(&self.track, children_told));
    }

    /// Sees to what reads on, made anew where there is none; false when there is nothing to read.
    async fn has_cursor(&mut self) -> Result<bool, SourceError> {
        if self.cursor.is_some() {
            return Ok(true);
        }
        let stream = Arc::clone(&self.stream);
        let what = self.what();
        let on = |it: ShardError| it.on(&what);
        // Where an iterator is made anew the stream may have been as well, and its shards have the names of
        // the old ones.
        stream.shard(&self.track).await?;
        if let Some(number) = self.pushed.goes_on(&self.place, Instant::now()) {
            let begin = SubscribeAt::Behind(stream.written(number).await.map_err(on)?);
            match self.subscribe(begin).await {
                Ok(cursor) => {
                    self.cursor = Some(cursor);
                    return Ok(true);
                }
                Err(error) if self.is_taken(&error) => return Ok(false),
                Err(error) if error.is_of_place() => self.pushed.forget(),
                Err(error) => return Err(on(error)),
            }
        }
        let (begin, wanted) = match &self.place {
            ShardPlace::First | ShardPlace::Since(..) => {
                self.left_out_before = self.since;
                (IteratorAt::First, self.is_trimmed.then(Sequence::zero))
            }
            ShardPlace::Time(at) => (IteratorAt::Time(*at), None),
            // At the last record and not behind it: so it shows whether that one is still there.
            ShardPlace::At(sequence, _) => {
                (IteratorAt::At(stream.written(sequence).await.map_err(on)?), Some(sequence.clone()))
            }
            ShardPlace::End => {
                self.children = Some(Vec::new());
                return Ok(false);
            }
        };
        let mut made = self.cursor_at(begin).await;
        if made.as_ref().is_err_and(ShardError::is_of_place) {
            if !stream.shards().await.map_err(on)?.iter().any(|it| it.id == self.shard) {
                // A stream that was made anew has other shards.
                stream.shard_anew(&self.track).await?;
                self.miss(None);
                self.end(&[]);
                return Ok(false);
            }
            // What was read last was taken by retention: what is left begins behind it, and its first record
            // shows the gap.
            if wanted.is_some() {
                made = self.cursor_at(IteratorAt::First).await;
            }
        }
        if made.as_ref().is_err_and(|error| self.is_taken(error)) {
            return Ok(false);
        }
        let made = made.map_err(on)?;
        self.wanted = wanted;
        self.cursor = Some(made);
        Ok(true)
    }

    async fn cursor_at(&self, begin: IteratorAt) -> Result<ShardCursor, ShardError> {
        if self.stream.is_pushed() && !self.pushed.polls() {
            return self.subscribe(SubscribeAt::Place(begin)).await;
        }
        self.stream.calls.iterator(&self.shard, begin).await.map(ShardCursor::Iterator)
    }

    async fn subscribe(&self, begin: SubscribeAt) -> Result<ShardCursor, ShardError> {
        match self.stream.calls.subscriptions() {
            Some(it) => it.subscribe(&self.shard, begin).await.map(ShardCursor::Pushes),
            None => Err(self.stream.traits.unusable("its shards are not pushed".to_owned())),
        }
    }

    /// A subscription was refused because the consumer has another one, which is over or soon must give way:
    /// then it is asked for again, after a pause.
    fn is_taken(&mut self, error: &ShardError) -> bool {
        let now = Instant::now();
        let is_taken = error.refusal == Refusal::Taken && self.pushed.handle_taken(now);
        if is_taken {
            (self.cursor, self.next_at) = (None, now + TAKEN_PAUSE);
        }
        is_taken
    }

    /// How many records to ask for. One that was fetched before comes once more.
    fn n_max(&self, room: Room) -> u32 {
        let records_max = self.stream.facts.records_max;
        let n_fit = (room.bytes_max / self.record_bytes.max(1)).clamp(1, records_max.into());
        let n_max = u64::from(room.records_max).min(n_fit) + u64::from(self.wanted.is_some());
        u32::try_from(n_max).unwrap_or(u32::MAX).clamp(1, records_max)
    }

    /// Takes an answer up. Children that the end of the shard did not tell are asked for first.
    async fn follow(&mut self, mut answer: ShardRead) -> Result<(), ShardError> {
        if answer.next.is_none() && answer.children.is_empty() {
            answer.children = self.stream.calls.children(&self.shard).await?;
        }
        self.take(answer)
    }

    fn take(&mut self, answer: ShardRead) -> Result<(), ShardError> {
        let n_records = answer.records.len();
        let n_bytes: usize = answer.records.iter().map(|it| it.data.len() + it.key.len()).sum();
        if let Some(record_bytes) = n_bytes.checked_div(n_records) {
            self.record_bytes = record_bytes as u64;
        }
        // All of them or none: a number that cannot be read leaves the reader where it stood.
        let numbers = self.stream.sequences_of(&answer.records)?;
        self.held.reserve(n_records);
        for (number, record) in numbers.into_iter().zip(answer.records) {
            self.hold(number, record);
        }
        // What stays longer than its read keeps nothing of others.
        if let ShardPlace::At(number, _) = &mut self.place {
            *number = number.alone();
        }
        self.rest(answer.behind_ms.map_or(n_records > 0, |it| it > 0), n_records > 0);
        if answer.next.is_none() {
            // The end came and the record that was begun did not: the rest of its parts is lost.
            if self.wanted.take().is_some() && matches!(self.place, ShardPlace::At(_, PartsDone::Parts(_))) {
                self.miss(None);
            }
            self.end(&answer.children);
        }
        self.cursor = match (self.cursor.take(), answer.next) {
            (Some(ShardCursor::Pushes(pushes)), Some(next)) => {
                let is_behind = answer.behind_ms != Some(0);
                self.pushed.handle_push(Sequence::parse(&next), is_behind, Instant::now());
                // All of a closed shard was pushed and its end is not told, as some servers do: a poll shows it.
                if n_records == 0 && !is_behind && self.stream.is_closed(&self.shard) {
                    self.pushed.poll();
                    None
                } else {
                    Some(ShardCursor::Pushes(pushes))
                }
            }
            (Some(ShardCursor::Iterator(_)) | None, Some(next)) => Some(ShardCursor::Iterator(next)),
            (_, None) => None,
        };
        Ok(())
    }

    /// At once while it is behind or pushed to, then ever more seldom while nothing comes.
    fn rest(&mut self, is_behind: bool, has_records: bool) {
        let pause_max = self.stream.facts.poll_interval;
        let is_pushed = matches!(self.cursor, Some(ShardCursor::Pushes(_)));
        self.pause = match (is_behind || is_pushed, has_records) {
            (true, _) => Duration::ZERO,
            (false, true) => PAUSE_MIN,
            (false, false) => (self.pause * 2).max(PAUSE_MIN),
        };
        self.pause = self.pause.min(pause_max);
        self.next_at = Instant::now() + self.pause;
    }

    /// Takes a record up, but for what of it was done before.
    fn hold(&mut self, number: Sequence, received: ShardRecord) {
        let n_done = match &self.place {
            ShardPlace::At(last, _) if number < *last => return,
            // It was asked for to see that it is still there, and is done.
            ShardPlace::At(last, PartsDone::Whole) if number == *last => {
                self.wanted = None;
                return;
            }
            ShardPlace::At(last, PartsDone::Parts(n_done)) if number == *last => *n_done,
            ShardPlace::At(..)
            | ShardPlace::First
            | ShardPlace::Since(..)
            | ShardPlace::Time(_)
            | ShardPlace::End => 0,
        };
        let n_held = self.held.len();
        // What was begun in parts is finished in parts, whatever is chosen since.
        match self.stream.traits.parts(&received, n_done > 0) {
            _ if self.left_out_before.is_some_and(|it| received.arrival_ms < it) => {}
            Some(parts) => {
                let facts_idx = self.stream.traits.part_facts(received.facts_idx);
                for (idx, part) in (0_u32..).zip(parts).skip(n_done as usize) {
                    let id = received.id.clone();
                    let part = ShardRecord { id, key: part.key, data: part.data, facts_idx, ..received };
                    self.held.push_back(self.record(part, number.position(Some(idx))));
                }
            }
            None => self.held.push_back(self.record(received, number.position(None))),
        }
        if self.wanted.take().is_some_and(|wanted| number > wanted) {
            let first = self.held.get(n_held).map(|it| it.position.clone());
            self.miss(Some(first.unwrap_or_else(|| number.position(None))));
        }
        self.place = ShardPlace::At(number, PartsDone::Whole);
    }

    fn record(&self, received: ShardRecord, position: Position) -> RawRecord {
        let ShardRecord { id, key, data, arrival_ms, facts_idx } = received;
        RawRecord {
            id,
            position,
            key: OrderKey::Key(self.stream.traits.key(&self.shard, key)),
            arrival: UnixMillis(arrival_ms),
            data,
            facts: Arc::clone(&self.facts[facts_idx]),
        }
    }

    /// The shard has dropped what was wanted, up to here, or all that it had.
    fn miss(&mut self, to: Option<Position>) {
        let from = self.passed.clone();
        let none = || Sequence::zero().position(None);
        let to = to.or_else(|| from.clone()).unwrap_or_else(none);
        self.gap = Some(Gap { from, to });
    }

    fn what(&self) -> String {
        what(&self.stream, &self.shard)
    }
}

fn what(stream: &ShardStream, shard: &str) -> String {
    format!("{shard} of {}", stream.what())
}

impl Reader for ShardReader {
    fn read(&mut self, room: Room) -> BoxFuture<'_, Result<RawRead, SourceError>> {
        Box::pin(self.read(room))
    }
}
