//! Reads a partition: from a place whose record is seen to be the same, over what retention has dropped, with
//! what was fetched while there is room for it.

use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{Gap, Position, Watermark};
use tokio::time::Instant;

use super::brokers::{Brokers, Fetch, OffsetAt};
use super::event::PartitionFacts;
use super::failure::KafkaFailure;
use super::page::PageBuilder;
use super::partition::KafkaPartition;
use super::place::{KafkaPlace, RecordCheck};
use crate::source::{BoxFuture, RawRead, Reader, Room, SourceError};

/// The first wait for more; a bell that rang unheard costs no more than that where records come.
const TICK_MIN: Duration = Duration::from_millis(100);
/// The last one, of a partition where nothing comes.
const TICK_MAX: Duration = Duration::from_secs(1);
/// A record that was there is awaited for so long before the brokers are asked where the partition ends.
const EXPECT_MAX: Duration = Duration::from_secs(2);
/// What the first read is taken to bring.
const READ_MIN: (usize, usize) = (16, 16 << 10);

/// A reader of one partition.
pub(super) struct KafkaReader {
    brokers: Arc<dyn Brokers>,
    partition: KafkaPartition,
    facts: Arc<PartitionFacts>,
    place: KafkaPlace,
    fetch: Option<Box<dyn Fetch>>,
    /// The record that must come first, or the place belongs to another partition of that name.
    expected: Option<ExpectedRecord>,
    /// Everything below was given out.
    passed: Option<Position>,
    gap: Option<Gap>,
    tick: Duration,
    /// What the last read brought: records and bytes. The next one is taken to bring as much.
    last_read: (usize, usize),
}

/// A record that was there when the place was kept.
struct ExpectedRecord {
    offset: u64,
    check: RecordCheck,
    /// It was given out: it is looked at and left out.
    is_done: bool,
    /// When the brokers are asked whether the partition reaches so far; `None` once they were.
    ask_at: Option<Instant>,
}

impl KafkaReader {
    /// A reader at a bound; nothing is asked of the brokers yet.
    pub(super) fn open(
        brokers: Arc<dyn Brokers>,
        partition: KafkaPartition,
        facts: Arc<PartitionFacts>,
        from: &Watermark,
    ) -> Result<Self, SourceError> {
        let place = KafkaPlace::of(from).ok_or_else(|| SourceError::PositionLost {
            what: partition.to_string(),
            why: "it is no place in a partition".to_owned(),
        })?;
        let passed = from.position().cloned();
        let mut reader = Self {
            brokers,
            partition,
            facts,
            place,
            fetch: None,
            expected: None,
            passed,
            gap: None,
            tick: TICK_MIN,
            last_read: READ_MIN,
        };
        reader.expect_record();
        Ok(reader)
    }

    fn expect_record(&mut self) {
        self.expected = match self.place {
            KafkaPlace::Record(offset, check) | KafkaPlace::Behind(offset, check) => Some(ExpectedRecord {
                offset,
                check,
                is_done: matches!(self.place, KafkaPlace::Behind(..)),
                ask_at: Some(Instant::now() + EXPECT_MAX),
            }),
            KafkaPlace::First | KafkaPlace::Offset(_) => None,
        };
    }

    async fn read(&mut self, room: Room) -> Result<RawRead, SourceError> {
        let until = Instant::now() + room.wait;
        loop {
            self.begin().await?;
            if let Some(read) = self.take(room).await? {
                return Ok(read);
            }
            // It has found its way to what is left, and looks there first.
            if self.fetch.is_none() {
                continue;
            }
            if self.gap.is_some() {
                return Ok(self.nothing());
            }
            if let Some(trouble) = self.fetch.as_ref().and_then(|it| it.trouble()) {
                return Err(self.told(trouble));
            }
            let now = Instant::now();
            if now >= until {
                return Ok(self.nothing());
            }
            self.ask_for_expected(now).await?;
            let within = self.tick.min(until - now);
            self.tick = (self.tick * 2).min(TICK_MAX);
            if let Some(fetch) = &mut self.fetch {
                fetch.ready(within).await;
            }
        }
    }

    /// Begins to fetch, where that is not under way.
    async fn begin(&mut self) -> Result<(), SourceError> {
        if self.fetch.is_some() {
            return Ok(());
        }
        let offset = match (&self.expected, self.place_now().next()) {
            (Some(expected), _) => expected.offset,
            (None, Some(next)) => next,
            (None, None) => self.ask(OffsetAt::First).await?,
        };
        let fetch = self.brokers.fetch(&self.partition, offset).await;
        self.fetch = Some(fetch.map_err(|error| self.told(error))?);
        Ok(())
    }

    /// What was fetched, as much as there is room for; `None` when that is nothing.
    async fn take(&mut self, room: Room) -> Result<Option<RawRead>, SourceError> {
        let Some(fetch) = &mut self.fetch else { return Ok(None) };
        // One that is looked at and left out takes nobody's room.
        let extra = u32::from(self.expected.as_ref().is_some_and(|it| it.is_done));
        let mut page = PageBuilder::expecting(self.last_read.0, self.last_read.1);
        let taken = fetch.take(room.records_max.saturating_add(extra), room.bytes_max, &mut page);
        if let Err(error) = taken {
            return match error {
                KafkaFailure::OutOfRange => self.find_way().await.map(|()| None),
                error => Err(self.told(error)),
            };
        }
        if page.n_records() == 0 {
            return Ok(None);
        }
        self.tick = TICK_MIN;
        self.judge_expected(&mut page)?;
        if page.n_records() == 0 {
            return Ok(None);
        }
        self.last_read = (page.n_records(), page.n_bytes());
        let (records, passed) = page.finish(&self.facts);
        self.passed = passed.or_else(|| self.passed.take());
        Ok(Some(RawRead { records, passed: self.passed.clone(), gap: self.gap.take(), ..RawRead::default() }))
    }

    fn nothing(&mut self) -> RawRead {
        let passed = self.passed.clone();
        RawRead { passed, gap: self.gap.take(), ..RawRead::default() }
    }

    /// The first record that came is the one that was there, or one behind it: then it was dropped, by
    /// compaction for one.
    fn judge_expected(&mut self, page: &mut PageBuilder) -> Result<(), SourceError> {
        let (Some(expected), Some((offset, check))) = (self.expected.take(), page.first()) else {
            return Ok(());
        };
        if offset == expected.offset && check != expected.check {
            return Err(self.lost(format!(
                "another record is at offset {offset} than the one that was read there: the topic was made anew under its name, or lost records with its leader"
            )));
        }
        if offset == expected.offset && expected.is_done {
            page.drop_first();
        }
        Ok(())
    }

    /// A record that was there does not come: either all from there on was dropped, or the partition is another.
    async fn ask_for_expected(&mut self, now: Instant) -> Result<(), SourceError> {
        let is_due = |it: &&mut ExpectedRecord| it.ask_at.is_some_and(|at| at <= now);
        let Some(expected) = self.expected.as_mut().filter(is_due) else { return Ok(()) };
        let offset = expected.offset;
        let end = self.ask(OffsetAt::End).await?;
        if end <= offset {
            return Err(self.beyond(offset, end));
        }
        if let Some(expected) = &mut self.expected {
            expected.ask_at = None;
        }
        Ok(())
    }

    /// The place is not there any more: reading goes on at the first record where retention took what was
    /// before it, and never anywhere else.
    async fn find_way(&mut self) -> Result<(), SourceError> {
        self.fetch = None;
        let first = self.ask(OffsetAt::First).await?;
        let end = self.ask(OffsetAt::End).await?;
        let next = self.place_now().next().unwrap_or(first);
        let wanted = self.expected.as_ref().map_or(next, |it| it.offset);
        if wanted > end {
            return Err(self.beyond(wanted, end));
        }
        if wanted >= first {
            return Err(self.told(KafkaFailure::OutOfRange));
        }
        if next < first {
            let to = Position::number(first);
            self.gap = Some(Gap { from: self.passed.clone(), to: to.clone() });
            self.passed = Some(to);
        }
        self.expected = None;
        Ok(())
    }

    /// Where it stands: behind what was given out, else where it was opened.
    fn place_now(&self) -> KafkaPlace {
        let passed = self.passed.clone().map(Watermark::At);
        passed.and_then(|it| KafkaPlace::of(&it)).unwrap_or(self.place)
    }

    async fn ask(&self, at: OffsetAt) -> Result<u64, SourceError> {
        let asked = std::slice::from_ref(&self.partition);
        let mut told = self.brokers.offsets(asked, at).await.map_err(|error| self.told(error))?;
        let told = told.pop().unwrap_or(Err(KafkaFailure::OutOfRange));
        told.map_err(|error| self.told(error))
    }

    fn told(&self, failure: KafkaFailure) -> SourceError {
        failure.on(&self.partition.to_string())
    }

    fn beyond(&self, offset: u64, end: u64) -> SourceError {
        self.lost(format!(
            "it is offset {offset}, and the partition ends at {end}: the topic was made anew under its name, or lost records with its leader"
        ))
    }

    fn lost(&self, why: String) -> SourceError {
        SourceError::PositionLost { what: self.partition.to_string(), why }
    }
}

impl Reader for KafkaReader {
    fn read(&mut self, room: Room) -> BoxFuture<'_, Result<RawRead, SourceError>> {
        Box::pin(Self::read(self, room))
    }
}
