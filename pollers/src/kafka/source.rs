//! A cluster's topics as a source: their partitions, where these begin, what groups are told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{Origin, Watermark};
use forebay_clients::BrokerFailure;
use forebay_config::StartingPosition;

use super::brokers::{Brokers, OffsetAt};
use super::event::KafkaFormat;
use super::failure::KafkaFailure;
use super::group::GroupTerms;
use super::note::GroupOffset;
use super::partition::KafkaPartition;
use super::place::KafkaPlace;
use super::reader::KafkaReader;
use super::resets::ResetChoice;
use super::schema_reading::SchemaReading;
use super::topics::TopicChoice;
use crate::source::{
    Backlog, BoxFuture, EventFormat, Explorer, Group, Input, Known, Listing, PlaceError, Reader, Source,
    SourceError, Stand, TrackInfo, TrackName, Tracks, TracksFacts,
};

/// Topics and partitions are looked for this often.
const LIST_EVERY: Duration = Duration::from_secs(30);
/// What a fetch brings waits in librdkafka: this many records of a partition may wait here.
const WAITING_MIN: u32 = 500;

/// Said where a pattern finds nothing.
const NONE_SEEN: &str = "there is no such topic, or none may be seen";

/// Topics of a cluster.
pub(super) struct KafkaSource {
    pub(super) brokers: Arc<dyn Brokers>,
    pub(super) topics: TopicChoice,
    /// The group that is told how far a mapping is; `None` for one of the mapping's name.
    pub(super) group: Option<String>,
    /// Whether what others commit for a group counts; who is a member follows its group in any case.
    pub(super) resets: ResetChoice,
    /// How mappings are members of their groups; `None` where they are in none.
    pub(super) terms: Option<GroupTerms>,
    pub(super) format: KafkaFormat,
    /// How its records are decoded, where they name schemas.
    pub(super) schemas: Option<SchemaReading>,
    /// What people call it.
    pub(super) what: String,
}

/// What is there: partitions, and why others cannot be told.
struct FoundPartitions {
    partitions: Vec<KafkaPartition>,
    /// A topic that is not there.
    missing: Option<SourceError>,
    /// Another reason.
    trouble: Option<SourceError>,
}

impl KafkaSource {
    async fn find(&self) -> Result<FoundPartitions, SourceError> {
        let told = self.brokers.topics(self.topics.asked()).await.map_err(|error| error.on(&self.what))?;
        let mut found = FoundPartitions { partitions: Vec::new(), missing: None, trouble: None };
        for topic in told.into_iter().filter(|it| self.topics.holds(&it.name)) {
            match topic.partitions {
                Ok(numbers) => {
                    let partition = |number| KafkaPartition { topic: Arc::clone(&topic.name), number };
                    found.partitions.extend(numbers.into_iter().map(partition));
                }
                Err(error) => {
                    let is_missing = matches!(error, KafkaFailure::Told { kind: BrokerFailure::NoTopic, .. });
                    let told = Some(error.on(&format!("topic {}", topic.name)));
                    *if is_missing { &mut found.missing } else { &mut found.trouble } = told;
                }
            }
        }
        found.partitions.sort();
        Ok(found)
    }

    /// All partitions; one that cannot be told is an error. So is a topic that is not there, unless all begin at
    /// their first record: it would do that, too, once it is there, and not where `start` says.
    async fn find_all(&self, start: StartingPosition) -> Result<Vec<KafkaPartition>, SourceError> {
        let FoundPartitions { partitions, missing, trouble } = self.find().await?;
        let missing = missing.filter(|_| start != StartingPosition::TrimHorizon);
        trouble.or(missing).map_or(Ok(partitions), Err)
    }

    /// Where each of these begins for `start`.
    async fn begin(
        &self,
        partitions: &[KafkaPartition],
        start: StartingPosition,
    ) -> Result<Vec<KafkaPlace>, SourceError> {
        let at = match start {
            StartingPosition::TrimHorizon => return Ok(vec![KafkaPlace::First; partitions.len()]),
            StartingPosition::Latest => OffsetAt::End,
            StartingPosition::AtTimestamp(at_ms) => OffsetAt::Time(at_ms),
        };
        let offsets = self.brokers.offsets(partitions, at).await.map_err(|error| error.on(&self.what))?;
        let place = |(partition, offset): (&KafkaPartition, Result<u64, KafkaFailure>)| {
            offset.map(KafkaPlace::Offset).map_err(|error| error.on(&partition.to_string()))
        };
        partitions.iter().zip(offsets).map(place).collect()
    }

    fn partition(&self, track: &TrackName) -> Result<KafkaPartition, SourceError> {
        KafkaPartition::of_track(track).ok_or_else(|| SourceError::PositionLost {
            what: track.0.clone(),
            why: "it is no partition of a topic".to_owned(),
        })
    }

    pub(super) fn group_of<'a>(&'a self, mapping: &'a str) -> &'a str {
        self.group.as_deref().unwrap_or(mapping)
    }

    /// An error where no topic is there.
    pub(super) async fn must_see_some(&self) -> Result<(), SourceError> {
        let FoundPartitions { partitions, missing, trouble } = self.find().await?;
        if !partitions.is_empty() {
            return Ok(());
        }
        Err(trouble.or(missing).unwrap_or_else(|| no_topic(NONE_SEEN).on(&self.what)))
    }

    /// What a group has committed of these.
    async fn committed_by(
        &self,
        group: &str,
        partitions: &[KafkaPartition],
    ) -> Result<Vec<Option<GroupOffset>>, SourceError> {
        let told = |error: KafkaFailure| error.on(&format!("group {group}"));
        let committed = self.brokers.committed(group, partitions).await.map_err(told)?;
        committed.into_iter().collect::<Result<_, _>>().map_err(told)
    }

    /// Where partitions begin for a mapping that shares them with others: the first of them says it to the group,
    /// and the group to the others, or each would begin where it was made. Asked before the group is, so that no
    /// start is behind what was written after another was told of its own.
    async fn agree(
        &self,
        group: &str,
        start: StartingPosition,
    ) -> Result<Vec<(TrackName, Origin)>, SourceError> {
        let partitions = self.find_all(start).await?;
        let begun = self.begin(&partitions, start).await?;
        let mut committed = self.committed_by(group, &partitions).await?;
        let fresh = partitions.iter().zip(&committed).zip(&begun);
        let fresh = fresh.filter(|((_, committed), _)| committed.is_none());
        let offset = |next| GroupOffset { next, note: String::new() };
        let fresh =
            fresh.filter_map(|((partition, _), place)| Some((partition.clone(), offset(place.next()?))));
        let fresh: Vec<(KafkaPartition, GroupOffset)> = fresh.collect();
        if !fresh.is_empty()
            && let Err(error) = self.brokers.propose(group, fresh).await
        {
            if matches!(error, KafkaFailure::Told { kind: BrokerFailure::Down, .. }) {
                return Err(error.on(&format!("group {group}")));
            }
            // It has members: they were first.
            committed = self.committed_by(group, &partitions).await?;
        }
        self.brokers.leave(group).await;
        let place =
            |((partition, committed), begun): ((&KafkaPartition, Option<GroupOffset>), KafkaPlace)| {
                (partition.track(), committed.map_or(begun, |it| KafkaPlace::Offset(it.next)).to_origin())
            };
        Ok(partitions.iter().zip(committed).zip(begun).map(place).collect())
    }
}

impl Source for KafkaSource {
    fn input(&self) -> Input<'_> {
        Input::Tracks(self)
    }

    fn format(&self) -> &dyn EventFormat {
        &self.format
    }

    fn explorer(&self) -> &dyn Explorer {
        self
    }
}

fn info(partition: &KafkaPartition) -> TrackInfo {
    TrackInfo { name: partition.track(), label: partition.to_string(), parents: Vec::new() }
}

impl Tracks for KafkaSource {
    fn facts(&self) -> TracksFacts {
        TracksFacts {
            lists_for_all: true,
            // Who is in a group commits as its member.
            hears_commits: self.terms.is_none(),
            waiting_min: WAITING_MIN,
            ..TracksFacts::default()
        }
    }

    fn list<'a>(&'a self, known: &'a Known) -> BoxFuture<'a, Result<Listing, SourceError>> {
        Box::pin(async {
            let FoundPartitions { partitions, missing, trouble } = self.find().await?;
            // Who may see no topic is told the same as where there is none.
            let none = || no_topic(NONE_SEEN).on(&self.what);
            let trouble = trouble.or(missing).or_else(|| partitions.is_empty().then(none));
            let mut tracks: Vec<TrackInfo> = partitions.iter().map(info).collect();
            tracks.retain(|it| !known.0.contains_key(&it.name));
            Ok(Listing { tracks, trouble })
        })
    }

    fn rediscover_every(&self) -> Duration {
        LIST_EVERY
    }

    fn first(&self) -> Origin {
        KafkaPlace::First.to_origin()
    }

    fn group(&self) -> Option<&dyn Group> {
        self.terms.as_ref().map(|_| self as &dyn Group)
    }

    fn open<'a>(
        &'a self,
        track: &'a TrackName,
        from: &'a Watermark,
    ) -> BoxFuture<'a, Result<Box<dyn Reader>, SourceError>> {
        Box::pin(async {
            let partition = self.partition(track)?;
            let (facts, name) = (self.format.facts(&partition), partition.to_string());
            let reader = KafkaReader::open(Arc::clone(&self.brokers), partition, facts, from)?;
            Ok(match &self.schemas {
                None => Box::new(reader) as Box<dyn Reader>,
                Some(schemas) => schemas.reader(Box::new(reader), name),
            })
        })
    }

    fn committed(&self, mapping: &str, track: &TrackName, at: &Watermark) {
        // Who stands at the first record that is there has no offset to tell.
        let has_next = KafkaPlace::of(at).and_then(KafkaPlace::next).is_some();
        if let Some(partition) = KafkaPartition::of_track(track).filter(|_| has_next) {
            self.brokers.commit(self.group_of(mapping), &partition, at);
        }
    }

    fn leave<'a>(&'a self, mapping: &'a str) -> BoxFuture<'a, ()> {
        self.brokers.leave(self.group_of(mapping))
    }
}

impl Explorer for KafkaSource {
    fn describe<'a>(&'a self, known: &'a Known) -> BoxFuture<'a, Result<Vec<TrackInfo>, SourceError>> {
        // A track's name says all that there is to say; the brokers need not be asked.
        let tracks = known.0.keys().filter_map(KafkaPartition::of_track).map(|it| info(&it)).collect();
        Box::pin(async move { Ok(tracks) })
    }

    fn origins(
        &self,
        start: StartingPosition,
    ) -> BoxFuture<'_, Result<Vec<(TrackName, Origin)>, SourceError>> {
        Box::pin(async move {
            let partitions = self.find_all(start).await?;
            let places = self.begin(&partitions, start).await?;
            Ok(partitions.iter().zip(places).map(|(it, place)| (it.track(), place.to_origin())).collect())
        })
    }

    /// What the mapping's group has committed goes before the starting position, as on AWS.
    fn origins_for<'a>(
        &'a self,
        mapping: &'a str,
        start: StartingPosition,
    ) -> BoxFuture<'a, Result<Vec<(TrackName, Origin)>, SourceError>> {
        Box::pin(async move {
            let group = self.group_of(mapping);
            if self.terms.is_some() {
                return self.agree(group, start).await;
            }
            let partitions = self.find_all(start).await?;
            let committed = self.committed_by(group, &partitions).await?;
            self.sign(group, &partitions, &committed).await?;
            let fresh: Vec<KafkaPartition> = partitions
                .iter()
                .zip(&committed)
                .filter(|(_, committed)| committed.is_none())
                .map(|(it, _)| it.clone())
                .collect();
            let begun: BTreeMap<_, _> = fresh.iter().zip(self.begin(&fresh, start).await?).collect();
            let place = |(partition, committed): (&KafkaPartition, Option<GroupOffset>)| {
                let begun = begun.get(partition).copied().unwrap_or(KafkaPlace::First);
                (partition.track(), committed.map_or(begun, |it| KafkaPlace::Offset(it.next)).to_origin())
            };
            Ok(partitions.iter().zip(committed).map(place).collect())
        })
    }

    fn places_set<'a>(
        &'a self,
        mapping: &'a str,
        stands: &'a [Stand],
    ) -> BoxFuture<'a, Result<Vec<(TrackName, Watermark)>, SourceError>> {
        Box::pin(async move {
            if self.terms.is_some() || self.resets == ResetChoice::Ignored {
                return Ok(Vec::new());
            }
            self.take_over(self.group_of(mapping), stands).await
        })
    }

    fn places<'a>(
        &'a self,
        _known: &'a Known,
        start: StartingPosition,
    ) -> BoxFuture<'a, Result<Vec<(TrackName, Origin)>, PlaceError>> {
        Box::pin(async move { Ok(self.origins(start).await?) })
    }

    /// An offset between the first one that is there and the end.
    fn bound<'a>(
        &'a self,
        track: &'a TrackName,
        told: &'a str,
    ) -> BoxFuture<'a, Result<Watermark, PlaceError>> {
        Box::pin(async move {
            let partition = [self.partition(track)?];
            let Ok(offset) = told.parse::<u64>() else {
                return Err(PlaceError::None(format!("{told} is no offset: write its digits")));
            };
            let mut ends = [0; 2];
            for (end, at) in ends.iter_mut().zip([OffsetAt::First, OffsetAt::End]) {
                let asked = self.brokers.offsets(&partition, at).await;
                let asked = asked.and_then(|mut it| it.pop().unwrap_or(Err(KafkaFailure::OutOfRange)));
                *end = asked.map_err(|error| error.on(&partition[0].to_string()))?;
            }
            let [first, end] = ends;
            if !(first..=end).contains(&offset) {
                let there = format!("{} holds offsets from {first} on and ends at {end}", partition[0]);
                return Err(PlaceError::None(there));
            }
            Ok(Watermark::At(forebay_batcher::Position::number(offset)))
        })
    }

    /// Offsets between where a mapping stands and the ends; a few of them may be no records (compaction,
    /// transactions).
    fn backlog<'a>(&'a self, stands: &'a [Stand]) -> BoxFuture<'a, Result<Backlog, SourceError>> {
        Box::pin(async {
            let found = self.find().await?;
            let stood: BTreeMap<&TrackName, Option<u64>> = stands
                .iter()
                .map(|it| (&it.track, KafkaPlace::of(&it.bound).and_then(KafkaPlace::next)))
                .collect();
            let ask = |at| self.brokers.offsets(&found.partitions, at);
            let (first, end) = futures_util::future::try_join(ask(OffsetAt::First), ask(OffsetAt::End))
                .await
                .map_err(|error| error.on(&self.what))?;
            let mut records = 0;
            for ((partition, first), end) in found.partitions.iter().zip(first).zip(end) {
                let told = |error: KafkaFailure| error.on(&partition.to_string());
                let (first, end) = (first.map_err(told)?, end.map_err(told)?);
                let from = stood.get(&partition.track()).copied().flatten().unwrap_or(first).max(first);
                records += end.saturating_sub(from);
            }
            Ok(Backlog { records: Some(records), bytes: None })
        })
    }
}

/// A topic by this name is not there.
pub(super) fn no_topic(said: impl Into<String>) -> KafkaFailure {
    KafkaFailure::Told { kind: BrokerFailure::NoTopic, said: said.into() }
}
