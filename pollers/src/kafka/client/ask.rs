//! Questions to the brokers whose answer is waited for, and what their errors mean.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_clients::{BrokerContext, BrokerFailure, caught, shortened};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::MetadataTopic;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};

use super::owner::{KafkaConsumer, PartitionClient};
use crate::kafka::brokers::{EachPartition, OffsetAt, ToldTopic};
use crate::kafka::failure::KafkaFailure;
use crate::kafka::note::GroupOffset;
use crate::kafka::partition::KafkaPartition;
use crate::kafka::source::no_topic;

/// The longest that an answer is waited for.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Meanwhile it is looked this often whether the brokers refuse who asks, so that nobody waits for nothing.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// So many topics are asked for one by one; more come with all that there are.
const TOPICS_MAX: usize = 16;

/// Asks on a thread that may block.
pub(super) async fn ask<T: Send + 'static>(
    client: Arc<PartitionClient>,
    question: impl FnOnce(&KafkaConsumer) -> Result<T, KafkaFailure> + Send + 'static,
) -> Result<T, KafkaFailure> {
    #[expect(clippy::disallowed_methods, reason = "it is waited for right here")]
    let asking = tokio::task::spawn_blocking(move || question(client.consumer()));
    asking.await.unwrap_or_else(|error| {
        let said = error.try_into_panic().map_or_else(|error| error.to_string(), |it| caught::text(&*it));
        Err(KafkaFailure::Told { kind: BrokerFailure::Other, said })
    })
}

/// Topics and their partitions.
pub(super) fn topics(
    consumer: &KafkaConsumer,
    names: Option<&[String]>,
) -> Result<Vec<ToldTopic>, KafkaFailure> {
    match names {
        Some(names) if names.len() <= TOPICS_MAX => {
            let mut topics = Vec::with_capacity(names.len());
            for name in names {
                let told = patiently(consumer, |wait| consumer.fetch_metadata(Some(name), wait))?;
                let told = told.topics().iter().find(|it| it.name() == name);
                topics.push(told.map_or_else(|| missing(name), told_topic));
            }
            Ok(topics)
        }
        Some(names) => {
            let mut all: BTreeMap<_, _> =
                all_topics(consumer)?.into_iter().map(|it| (Arc::clone(&it.name), it)).collect();
            Ok(names.iter().map(|name| all.remove(&**name).unwrap_or_else(|| missing(name))).collect())
        }
        None => all_topics(consumer),
    }
}

fn all_topics(consumer: &KafkaConsumer) -> Result<Vec<ToldTopic>, KafkaFailure> {
    let told = patiently(consumer, |wait| consumer.fetch_metadata(None, wait))?;
    Ok(told.topics().iter().map(told_topic).collect())
}

fn missing(name: &str) -> ToldTopic {
    ToldTopic {
        name: name.into(),
        partitions: Err(no_topic(format!("{name} is not there, or may not be seen"))),
    }
}

fn told_topic(topic: &MetadataTopic) -> ToldTopic {
    let partitions = match topic.error() {
        Some(error) => Err(of_code(error.into())),
        None => Ok(topic.partitions().iter().map(|it| it.id()).collect()),
    };
    ToldTopic { name: topic.name().into(), partitions }
}

/// Offsets of partitions, all in one question.
pub(super) fn offsets(
    consumer: &KafkaConsumer,
    partitions: &[KafkaPartition],
    at: OffsetAt,
) -> Result<EachPartition<u64>, KafkaFailure> {
    // The ends are asked for as times that have a meaning of their own in the protocol.
    let time = match at {
        OffsetAt::First => Offset::Beginning,
        OffsetAt::End => Offset::End,
        OffsetAt::Time(at_ms) => Offset::Offset(at_ms.max(0)),
    };
    let list = list(partitions.iter().map(|it| (it, time)))?;
    let told = patiently(consumer, |wait| consumer.offsets_for_times(list.clone(), wait))?;
    let told = each(&told, partitions, |element| match element.offset() {
        Offset::Offset(offset) => u64::try_from(offset).ok(),
        // No record is of that time or later.
        _ => None,
    });
    if !matches!(at, OffsetAt::Time(_)) {
        let none = || of_code(RDKafkaErrorCode::UnknownPartition);
        return Ok(told.into_iter().map(|it| it.and_then(|it| it.ok_or_else(none))).collect());
    }
    let ends = offsets(consumer, partitions, OffsetAt::End)?;
    Ok(told.into_iter().zip(ends).map(|(told, end)| told.and_then(|it| it.map_or(end, Ok))).collect())
}

/// What the group of a client has committed.
pub(super) fn committed(
    consumer: &KafkaConsumer,
    partitions: &[KafkaPartition],
) -> Result<EachPartition<Option<GroupOffset>>, KafkaFailure> {
    let list = list(partitions.iter().map(|it| (it, Offset::Invalid)))?;
    let told = patiently(consumer, |wait| consumer.committed_offsets(list.clone(), wait))?;
    Ok(each(&told, partitions, |element| match element.offset() {
        Offset::Offset(offset) => {
            let next = u64::try_from(offset).ok()?;
            Some(GroupOffset { next, note: element.metadata().to_owned() })
        }
        _ => None,
    }))
}

/// An offset as the protocol has it.
pub(super) fn offset_at(offset: u64) -> Offset {
    Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX))
}

/// Partitions with an offset each.
pub(super) fn list<'a>(
    offsets: impl ExactSizeIterator<Item = (&'a KafkaPartition, Offset)>,
) -> Result<TopicPartitionList, KafkaFailure> {
    let mut list = TopicPartitionList::with_capacity(offsets.len());
    for (partition, offset) in offsets {
        let added = list.add_partition_offset(&partition.topic, partition.number, offset);
        added.map_err(|error| failure(&error))?;
    }
    Ok(list)
}

/// What was told of each partition.
fn each<T>(
    told: &TopicPartitionList,
    partitions: &[KafkaPartition],
    read: impl Fn(&TopicPartitionListElem<'_>) -> Option<T>,
) -> EachPartition<Option<T>> {
    let elements = told.elements();
    let by_name: BTreeMap<(&str, i32), _> =
        elements.iter().map(|it| ((it.topic(), it.partition()), it)).collect();
    let of = |partition: &KafkaPartition| {
        let Some(element) = by_name.get(&(&*partition.topic, partition.number)) else {
            return Err(of_code(RDKafkaErrorCode::UnknownPartition));
        };
        element.error().map_err(|error| failure(&error))?;
        Ok(read(element))
    };
    partitions.iter().map(of).collect()
}

/// Asks until there is an answer, for [`ANSWER_MAX`] at most. Where all brokers are in trouble, that is the error.
fn patiently<T>(
    consumer: &KafkaConsumer,
    ask: impl Fn(Duration) -> KafkaResult<T>,
) -> Result<T, KafkaFailure> {
    let until = Instant::now() + ANSWER_MAX;
    loop {
        let error = match ask(LOOK_EVERY) {
            Ok(answer) => {
                consumer.context().succeed();
                return Ok(answer);
            }
            Err(error) => error,
        };
        let told = failure(&error);
        let may_pass = matches!(told, KafkaFailure::Told { kind: BrokerFailure::Down, .. });
        let trouble = trouble(consumer);
        let is_refused =
            |it: &KafkaFailure| !matches!(it, KafkaFailure::Told { kind: BrokerFailure::Down, .. });
        if !may_pass || Instant::now() >= until || trouble.as_ref().is_some_and(is_refused) {
            return Err(trouble.filter(|_| may_pass).unwrap_or(told));
        }
    }
}

/// Why the brokers do not answer, when that is known.
pub(super) fn trouble(consumer: &KafkaConsumer) -> Option<KafkaFailure> {
    heard_trouble(consumer.context())
}

/// The same of what hears of a client.
pub(super) fn heard_trouble(context: &BrokerContext) -> Option<KafkaFailure> {
    let trouble = context.trouble()?;
    Some(KafkaFailure::Told { kind: trouble.failure, said: trouble.said })
}

/// What an error means to people.
pub(super) fn failure(error: &KafkaError) -> KafkaFailure {
    match error.rdkafka_error_code() {
        Some(code) => of_code(code),
        None => KafkaFailure::Told { kind: BrokerFailure::Other, said: said(error) },
    }
}

pub(super) fn of_code(code: RDKafkaErrorCode) -> KafkaFailure {
    KafkaFailure::Told { kind: BrokerFailure::of(code), said: said(&code) }
}

/// In few words.
pub(super) fn said(error: &impl Display) -> String {
    shortened(&error.to_string())
}
