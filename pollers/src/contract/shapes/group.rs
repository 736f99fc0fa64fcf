//! The strict log with a group as a source. Time is tokio's; a connection to it is cheap, and each mapping
//! that joins over it is a member.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use forebay_batcher::{Origin, Position, ShortBytes, Watermark};
use forebay_config::StartingPosition;
use forebay_models::group::{GroupLog, GroupNews, MemberId, Refused};
use forebay_models::stream::Cursor;
use tokio::time::Instant;

use super::plain::{PlainFormat, record};
use crate::contract::{GroupSubject, Subject};
use crate::source::{
    Assignment, Backlog, BoxFuture, EventFormat, Explorer, Group, GroupEvent, Input, Known, Listing,
    Membership, RawRead, Reader, Room, Source, SourceError, Stand, Start, TrackInfo, TrackName, Tracks,
};

/// How long a member may take to give a partition back.
const DRAIN: Duration = Duration::from_secs(5);
/// How often a member asks what the coordinator did, and a reader whether there is more.
const POLL: Duration = Duration::from_millis(50);

/// A log in memory whose partitions are dealt out.
#[derive(Clone)]
pub struct FakeGroup {
    shared: Arc<SharedGroup>,
}

struct SharedGroup {
    group: Mutex<GroupLog>,
    zero: Instant,
    is_broken: AtomicBool,
    /// Members as they were asked to join, by the mapping's name.
    members: Mutex<BTreeMap<String, MemberId>>,
}

impl SharedGroup {
    fn lock(&self) -> Result<MutexGuard<'_, GroupLog>, SourceError> {
        match self.is_broken.load(Ordering::SeqCst) {
            true => Err(down("it is not reached")),
            false => Ok(self.group.lock().expect("nothing panics under this lock")),
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.zero.elapsed().as_millis()).expect("tests are short")
    }
}

fn down(why: &str) -> SourceError {
    SourceError::Down { what: "the log".to_owned(), code: SourceError::DOWN, cause: why.to_owned().into() }
}

fn name(partition: usize) -> TrackName {
    TrackName(format!("log-{partition}"))
}

fn number(name: &TrackName) -> Result<usize, SourceError> {
    let number = name.0.rsplit('-').next().and_then(|it| it.parse().ok());
    number.ok_or_else(|| down("the track is no partition of this log"))
}

fn info(partition: usize) -> TrackInfo {
    TrackInfo { name: name(partition), label: format!("partition {partition}"), parents: Vec::new() }
}

impl FakeGroup {
    /// A log of empty partitions.
    pub fn new(n_partitions: usize) -> Self {
        let drain_ms = u64::try_from(DRAIN.as_millis()).expect("it is short");
        let group = Mutex::new(GroupLog::new(n_partitions, drain_ms));
        let (is_broken, members) = (AtomicBool::new(false), Mutex::default());
        Self { shared: Arc::new(SharedGroup { group, zero: Instant::now(), is_broken, members }) }
    }

    /// The log and its group.
    pub fn group(&self) -> MutexGuard<'_, GroupLog> {
        self.shared.group.lock().expect("nothing panics under this lock")
    }

    /// Appends records that are all different.
    pub fn append(&self, partition: usize, n: usize) {
        let mut group = self.group();
        for _ in 0..n {
            let n = group.logs()[partition].items().len();
            group.append(partition, Bytes::from(format!("{{\"partition\":{partition},\"n\":{n}}}")));
        }
    }

    /// The member that a mapping last joined as.
    pub fn member_of(&self, mapping: &str) -> Option<MemberId> {
        self.shared.members.lock().expect("nothing panics under this lock").get(mapping).copied()
    }

    /// The coordinator has not heard of a mapping for too long.
    pub fn expire(&self, mapping: &str) {
        let now_ms = self.shared.now_ms();
        if let Some(member) = self.member_of(mapping) {
            self.group().expire(member, now_ms);
        }
    }
}

impl Source for FakeGroup {
    fn input(&self) -> Input<'_> {
        Input::Tracks(self)
    }
    fn format(&self) -> &dyn EventFormat {
        &PlainFormat
    }
    fn explorer(&self) -> &dyn Explorer {
        self
    }
}

impl Tracks for FakeGroup {
    fn list<'a>(&'a self, known: &'a Known) -> BoxFuture<'a, Result<Listing, SourceError>> {
        Box::pin(async move {
            let n = self.shared.lock()?.logs().len();
            let tracks = (0..n).map(info).filter(|it| !known.0.contains_key(&it.name)).collect();
            Ok(Listing { tracks, trouble: None })
        })
    }

    fn rediscover_every(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn first(&self) -> Origin {
        Origin(ShortBytes::new(b"first"))
    }

    fn group(&self) -> Option<&dyn Group> {
        Some(self)
    }

    fn open<'a>(
        &'a self,
        track: &'a TrackName,
        from: &'a Watermark,
    ) -> BoxFuture<'a, Result<Box<dyn Reader>, SourceError>> {
        Box::pin(async move {
            let partition = number(track)?;
            let cursor = self.shared.lock()?.logs()[partition].open(from);
            let (shared, at) = (Arc::clone(&self.shared), from.clone());
            Ok(Box::new(PartitionReader { shared, partition, cursor, at }) as Box<dyn Reader>)
        })
    }
}

impl Group for FakeGroup {
    fn join<'a>(&'a self, mapping: &'a str) -> BoxFuture<'a, Result<Arc<dyn Membership>, SourceError>> {
        Box::pin(async move {
            let now_ms = self.shared.now_ms();
            let member = self.shared.lock()?.join(now_ms);
            let mut members = self.shared.members.lock().expect("nothing panics under this lock");
            members.insert(mapping.to_owned(), member);
            let (shared, held, heard) = (Arc::clone(&self.shared), Mutex::default(), Mutex::default());
            Ok(Arc::new(FakeMember { shared, member, held, heard }) as Arc<dyn Membership>)
        })
    }
}

impl Explorer for FakeGroup {
    fn origins(
        &self,
        start: StartingPosition,
    ) -> BoxFuture<'_, Result<Vec<(TrackName, Origin)>, SourceError>> {
        Box::pin(async move {
            let group = self.shared.lock()?;
            let origin = |(idx, log): (usize, &forebay_models::stream::Log<Bytes>)| {
                let origin = match start {
                    StartingPosition::Latest => log.origin_latest(),
                    StartingPosition::TrimHorizon | StartingPosition::AtTimestamp(_) => log.origin_first(),
                };
                (name(idx), origin)
            };
            Ok(group.logs().iter().enumerate().map(origin).collect())
        })
    }

    fn backlog<'a>(&'a self, _stands: &'a [Stand]) -> BoxFuture<'a, Result<Backlog, SourceError>> {
        Box::pin(async { Ok(Backlog::default()) })
    }
}

/// A partition that a member has.
#[derive(Debug, Clone, Copy)]
struct HeldPartition {
    epoch: u64,
    /// The last commit that the group has not heard.
    commit: Option<u64>,
}

struct FakeMember {
    shared: Arc<SharedGroup>,
    member: MemberId,
    held: Mutex<BTreeMap<usize, HeldPartition>>,
    /// What the coordinator said and nobody has taken yet.
    heard: Mutex<VecDeque<GroupNews>>,
}

impl FakeMember {
    fn held(&self) -> MutexGuard<'_, BTreeMap<usize, HeldPartition>> {
        self.held.lock().expect("nothing panics under this lock")
    }

    /// Tells the group what is committed. A partition that is another's is not committed: it hears so itself.
    fn send_commits(&self, group: &mut GroupLog) {
        for (partition, held) in self.held().iter_mut() {
            if let Some(offset) = held.commit.take() {
                let _ = group.commit(self.member, *partition, held.epoch, offset);
            }
        }
    }

    /// What comes next, if the coordinator has said something.
    fn take(&self) -> Result<Option<GroupEvent>, SourceError> {
        let now_ms = self.shared.now_ms();
        let mut group = self.shared.lock()?;
        self.send_commits(&mut group);
        let told = match group.poll(self.member, now_ms) {
            Ok(told) => told,
            Err(Refused::UnknownMember | Refused::Fenced) => {
                return Err(down("the group has no such member"));
            }
        };
        let mut heard = self.heard.lock().expect("nothing panics under this lock");
        heard.extend(told);
        Ok(heard.pop_front().map(|it| self.event(it, now_ms)))
    }

    fn event(&self, told: GroupNews, now_ms: u64) -> GroupEvent {
        match told {
            GroupNews::Assigned { partition, epoch, committed } => {
                self.held().insert(partition, HeldPartition { epoch, commit: None });
                let start = match committed {
                    Some(offset) => Start::Committed(Watermark::At(Position::number(offset))),
                    None => Start::Policy(Watermark::Origin(Origin(ShortBytes::new(b"first")))),
                };
                GroupEvent::Assigned(vec![Assignment { track: info(partition), start, epoch }])
            }
            GroupNews::Revoking { partition, until_ms } => GroupEvent::Revoking {
                tracks: vec![name(partition)],
                within: Duration::from_millis(until_ms.saturating_sub(now_ms)),
            },
            GroupNews::Lost { partition } => {
                self.held().remove(&partition);
                GroupEvent::Lost(vec![name(partition)])
            }
        }
    }
}

impl Membership for FakeMember {
    fn next(&self) -> BoxFuture<'_, Result<GroupEvent, SourceError>> {
        Box::pin(async move {
            loop {
                if let Some(event) = self.take()? {
                    return Ok(event);
                }
                tokio::time::sleep(POLL).await;
            }
        })
    }

    fn committed(&self, track: &TrackName, at: &Watermark) {
        let offset = at.position().and_then(Position::as_number);
        if let (Ok(partition), Some(offset)) = (number(track), offset)
            && let Some(held) = self.held().get_mut(&partition)
        {
            held.commit = Some(offset);
        }
    }

    fn drained(&self, track: &TrackName) {
        let now_ms = self.shared.now_ms();
        if let (Ok(partition), Ok(mut group)) = (number(track), self.shared.lock()) {
            self.send_commits(&mut group);
            self.held().remove(&partition);
            // Too late is as good as lost, which the member hears.
            let _ = group.drained(self.member, partition, now_ms);
        }
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let now_ms = self.shared.now_ms();
            if let Ok(mut group) = self.shared.lock() {
                self.send_commits(&mut group);
                group.leave(self.member, now_ms);
            }
        })
    }
}

struct PartitionReader {
    shared: Arc<SharedGroup>,
    partition: usize,
    cursor: Cursor,
    at: Watermark,
}

impl Reader for PartitionReader {
    fn read(&mut self, room: Room) -> BoxFuture<'_, Result<RawRead, SourceError>> {
        Box::pin(async move {
            let until = Instant::now() + room.wait;
            loop {
                let read = self.take(room.records_max)?;
                if !read.records.is_empty() || read.ended || read.gap.is_some() || Instant::now() >= until {
                    return Ok(read);
                }
                tokio::time::sleep_until(until.min(Instant::now() + POLL)).await;
            }
        })
    }
}

impl PartitionReader {
    fn take(&mut self, records_max: u32) -> Result<RawRead, SourceError> {
        let group = self.shared.lock()?;
        let log = &group.logs()[self.partition];
        let mut left = records_max;
        let passage = log.read(&mut self.cursor, |_| {
            let has_room = left > 0;
            left = left.saturating_sub(1);
            has_room
        });
        let item = |idx: usize| &log.items()[idx];
        let records = passage.items.iter().map(|it| item(*it));
        let records = records.map(|it| record(it.position.clone(), it.name, it.value.clone())).collect();
        if let Some(passed) = &passage.passed {
            self.at = Watermark::At(passed.clone());
        }
        let passed = self.at.position().cloned();
        Ok(RawRead { records, passed, ended: passage.ended, gap: passage.gap, children: Vec::new() })
    }
}

/// The fake in the hands of the contract suite.
pub struct GroupLogSubject {
    fake: FakeGroup,
    source: Arc<dyn Source>,
}

impl GroupLogSubject {
    /// With so many partitions.
    pub fn new(n_partitions: usize) -> Self {
        let fake = FakeGroup::new(n_partitions);
        Self { source: Arc::new(fake.clone()), fake }
    }
}

impl Subject for GroupLogSubject {
    fn source(&self) -> Arc<dyn Source> {
        Arc::clone(&self.source)
    }

    fn restart(&mut self) {
        self.source = Arc::new(self.fake.clone());
    }

    fn add_track(&mut self) -> usize {
        let now_ms = self.fake.shared.now_ms();
        self.fake.group().add_partition(now_ms)
    }

    fn append(&mut self, track: usize, n_records: usize) {
        self.fake.append(track, n_records);
    }

    fn written(&self, track: usize) -> Vec<Vec<u8>> {
        self.fake.group().logs()[track].items().iter().map(|it| it.value.to_vec()).collect()
    }

    fn end(&mut self, track: usize) {
        self.fake.group().log(track).end();
    }

    fn set_broken(&mut self, is_broken: bool) {
        self.fake.shared.is_broken.store(is_broken, Ordering::SeqCst);
    }
}

impl GroupSubject for GroupLogSubject {
    fn name(&self, track: usize) -> TrackName {
        name(track)
    }

    fn expire(&mut self, mapping: &str) {
        self.fake.expire(mapping);
    }
}
