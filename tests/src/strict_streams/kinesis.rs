//! Kinesis: AWS JSON to calls of the tree and back.

use bytes::Bytes;
use forebay_models::shards::{Limits, Refusal, ShardTree, WhenTrimmed};
use forebay_models::stream::Style;
use md5::{Digest as _, Md5};
use serde_json::{Value, json};

use super::{ACCOUNT, REGION, Refused, State, begin, now_ms, refused, sequence, text};

/// Shards that one page lists at most.
const PAGE_MAX: usize = 1_000;

/// A stream.
#[derive(Debug)]
pub(super) struct Stream {
    name: String,
    created_ms: u64,
    pub(super) tree: ShardTree,
}

pub(super) fn act(state: &mut State, action: &str, body: &Value) -> Result<Value, Refused> {
    match action {
        "CreateStream" => return create(state, body),
        "DeleteStream" => {
            let name = name_of(body)?;
            stream_of(state, name)?;
            state.streams.remove(name);
            return Ok(json!({}));
        }
        "GetRecords" => {
            let (name, iterator) = parts(text(body, "ShardIterator")?)?;
            return stream_of(state, name)?.records(iterator, body);
        }
        _ => {}
    }
    // A token names its stream itself.
    let token = body["NextToken"].as_str().map(parts).transpose()?;
    let name = match token {
        Some((name, _)) => name,
        None => name_of(body)?,
    };
    let stream = stream_of(state, name)?;
    match action {
        "DescribeStreamSummary" => Ok(stream.describe()),
        "ListShards" => Ok(stream.list(token.map(|it| it.1), body)),
        "GetShardIterator" => stream.iterator(body),
        "PutRecord" => stream.put(body),
        "SplitShard" => stream.split(body),
        "MergeShards" => stream.merge(body),
        _ => Err(refused("UnknownOperationException", action)),
    }
}

fn create(state: &mut State, body: &Value) -> Result<Value, Refused> {
    let name = text(body, "StreamName")?.to_owned();
    if state.streams.contains_key(&name) {
        return Err(refused("ResourceInUseException", &format!("Stream {name} already exists.")));
    }
    let n_shards = body["ShardCount"].as_u64().unwrap_or(1).max(1);
    let stream = Stream::new(name.clone(), u128::from(n_shards), state.limits);
    state.streams.insert(name, stream);
    Ok(json!({}))
}

fn stream_of<'a>(state: &'a mut State, name: &str) -> Result<&'a mut Stream, Refused> {
    let gone =
        || refused("ResourceNotFoundException", &format!("Stream {name} under account {ACCOUNT} not found."));
    state.streams.get_mut(name).ok_or_else(gone)
}

fn name_of(body: &Value) -> Result<&str, Refused> {
    let of_arn = body["StreamARN"].as_str().and_then(|it| it.rsplit_once("stream/")).map(|it| it.1);
    of_arn.map_or_else(|| text(body, "StreamName"), Ok)
}

/// The stream and the number of an iterator or a token.
fn parts(token: &str) -> Result<(&str, u64), Refused> {
    let parsed = token.rsplit_once(':').and_then(|(name, number)| Some((name, number.parse().ok()?)));
    parsed.ok_or_else(|| refused("InvalidArgumentException", "Invalid ShardIterator."))
}

impl Stream {
    fn new(name: String, n_shards: u128, limits: Limits) -> Self {
        let mut tree = ShardTree::new(Style::Aggregates, limits);
        let width = u128::MAX / n_shards;
        for it in 0..n_shards {
            let last = if it + 1 == n_shards { u128::MAX } else { (it + 1) * width - 1 };
            tree.add_root(it * width..=last);
        }
        Self { name, created_ms: now_ms(), tree }
    }

    fn describe(&self) -> Value {
        let n_open = self.tree.shards().iter().filter(|it| !it.log.is_ended()).count();
        json!({ "StreamDescriptionSummary": {
            "StreamName": self.name,
            "StreamARN": format!("arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{}", self.name),
            "StreamStatus": "ACTIVE",
            "RetentionPeriodHours": 24,
            "StreamCreationTimestamp": self.created_ms / 1_000,
            "EnhancedMonitoring": [{ "ShardLevelMetrics": [] }],
            "OpenShardCount": n_open,
        } })
    }

    fn list(&self, after: Option<u64>, body: &Value) -> Value {
        let page_max = body["MaxResults"].as_u64().and_then(|it| usize::try_from(it).ok());
        let after = after.and_then(|it| usize::try_from(it).ok());
        let (page, has_more) = self.tree.list(after, page_max.unwrap_or(PAGE_MAX).min(PAGE_MAX));
        let next = page.last().filter(|_| has_more).map(|it| format!("{}:{it}", self.name));
        let mut answer = json!({ "Shards": page.iter().map(|it| self.shard(*it)).collect::<Vec<_>>() });
        if let Some(next) = next {
            answer["NextToken"] = json!(next);
        }
        answer
    }

    fn shard(&self, idx: usize) -> Value {
        let it = &self.tree.shards()[idx];
        let mut numbers = json!({ "StartingSequenceNumber": sequence(0) });
        if it.log.is_ended() {
            let last = it.log.items().last().map_or(0, |it| it.name);
            numbers["EndingSequenceNumber"] = json!(sequence(last));
        }
        let mut shard = json!({
            "ShardId": id(idx),
            "HashKeyRange": hashes(&self.tree, idx),
            "SequenceNumberRange": numbers,
        });
        for (name, parent) in ["ParentShardId", "AdjacentParentShardId"].iter().zip(&it.parents) {
            shard[*name] = json!(id(*parent));
        }
        shard
    }

    fn iterator(&mut self, body: &Value) -> Result<Value, Refused> {
        let shard = self.shard_of(text(body, "ShardId")?)?;
        let kind = text(body, "ShardIteratorType")?;
        let how = (WhenTrimmed::BeginLater, "StartingSequenceNumber");
        let iterator = begin(&mut self.tree, shard, (kind, body), how).map_err(in_words)?;
        Ok(json!({ "ShardIterator": format!("{}:{iterator}", self.name) }))
    }

    fn records(&mut self, iterator: u64, body: &Value) -> Result<Value, Refused> {
        let n_max = body["Limit"].as_u64().and_then(|it| usize::try_from(it).ok()).unwrap_or(10_000);
        if n_max == 0 || n_max > 10_000 {
            return Err(refused("ValidationException", "limit must be between 1 and 10000"));
        }
        let shard = self.tree.shard_of(iterator);
        let batch = self.tree.read(iterator, n_max, now_ms()).map_err(in_words)?;
        let held = &self.tree.shards()[shard.ok_or_else(|| in_words(Refusal::IteratorExpired))?];
        let record = |idx: &usize| {
            let item = &held.log.items()[*idx];
            let mut record: Value = serde_json::from_slice(&item.value).expect("it was put as JSON");
            record["SequenceNumber"] = json!(sequence(item.name));
            record["ApproximateArrivalTimestamp"] = json!(seconds(held.arrivals_ms[*idx]));
            record
        };
        let mut answer = json!({
            "Records": batch.items.iter().map(record).collect::<Vec<_>>(),
            "MillisBehindLatest": if batch.is_behind { 1_000 } else { 0 },
        });
        if let Some(next) = batch.next {
            answer["NextShardIterator"] = json!(format!("{}:{next}", self.name));
        }
        if let Some(children) = batch.children {
            let child = |it: &usize| {
                let parents: Vec<String> = self.tree.shards()[*it].parents.iter().map(|it| id(*it)).collect();
                json!({ "ShardId": id(*it), "ParentShards": parents, "HashKeyRange": hashes(&self.tree, *it) })
            };
            answer["ChildShards"] = children.iter().map(child).collect();
        }
        Ok(answer)
    }

    fn put(&mut self, body: &Value) -> Result<Value, Refused> {
        let key = text(body, "PartitionKey")?;
        let hash = match body["ExplicitHashKey"].as_str().map(str::parse) {
            Some(hash) => hash.map_err(|_| in_words(Refusal::NoPlace))?,
            None => u128::from_be_bytes(Md5::digest(key).into()),
        };
        let shards = self.tree.shards().iter();
        let shard = shards.clone().position(|it| !it.log.is_ended() && it.hashes.contains(&hash));
        let shard = shard.ok_or_else(|| refused("InternalFailure", "no shard takes it"))?;
        let record = json!({ "PartitionKey": key, "Data": text(body, "Data")? }).to_string();
        let idx = self.tree.put_at(shard, Bytes::from(record), now_ms());
        let number = self.tree.shards()[shard].log.items()[idx].name;
        Ok(json!({ "ShardId": id(shard), "SequenceNumber": sequence(number) }))
    }

    fn split(&mut self, body: &Value) -> Result<Value, Refused> {
        let shard = self.open(text(body, "ShardToSplit")?)?;
        let at: u128 = text(body, "NewStartingHashKey")?.parse().map_err(|_| in_words(Refusal::NoPlace))?;
        let hashes = &self.tree.shards()[shard].hashes;
        if !hashes.contains(&at) || at == *hashes.start() {
            return Err(in_words(Refusal::NoPlace));
        }
        self.tree.split_at(shard, at);
        Ok(json!({}))
    }

    fn merge(&mut self, body: &Value) -> Result<Value, Refused> {
        let a = self.open(text(body, "ShardToMerge")?)?;
        let b = self.open(text(body, "AdjacentShardToMerge")?)?;
        let [x, y] = [a, b].map(|it| self.tree.shards()[it].hashes.clone());
        let follow = |x: &std::ops::RangeInclusive<u128>, y: &std::ops::RangeInclusive<u128>| {
            x.end().checked_add(1) == Some(*y.start())
        };
        if !follow(&x, &y) && !follow(&y, &x) {
            return Err(refused("InvalidArgumentException", "the shards are not adjacent"));
        }
        self.tree.merge(a, b);
        Ok(json!({}))
    }

    fn shard_of(&self, id: &str) -> Result<usize, Refused> {
        let number = id.strip_prefix("shardId-").and_then(|it| it.parse().ok());
        let known = number.filter(|it: &usize| *it < self.tree.shards().len());
        known.ok_or_else(|| in_words(Refusal::NoShard))
    }

    /// A shard that takes records.
    fn open(&self, id: &str) -> Result<usize, Refused> {
        let shard = self.shard_of(id)?;
        match self.tree.shards()[shard].log.is_ended() {
            true => Err(refused("ResourceInUseException", &format!("Shard {id} is closed."))),
            false => Ok(shard),
        }
    }
}

fn id(shard: usize) -> String {
    format!("shardId-{shard:012}")
}

fn hashes(tree: &ShardTree, shard: usize) -> Value {
    let hashes = &tree.shards()[shard].hashes;
    json!({ "StartingHashKey": hashes.start().to_string(), "EndingHashKey": hashes.end().to_string() })
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of our days are exact")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

fn in_words(refusal: Refusal) -> Refused {
    let code = match refusal {
        Refusal::NoShard => "ResourceNotFoundException",
        Refusal::IteratorExpired => "ExpiredIteratorException",
        Refusal::Throttled => "ProvisionedThroughputExceededException",
        Refusal::NoPlace => "InvalidArgumentException",
        Refusal::Subscribed | Refusal::SubscriptionEnded => "ResourceInUseException",
    };
    refused(code, &format!("{refusal:?}"))
}
