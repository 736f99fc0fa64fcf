//! Tables and their streams: AWS JSON to calls of the tree and back. A table knows items by their whole keys.

use std::collections::BTreeMap;

use bytes::Bytes;
use forebay_models::shards::{Limits, Refusal, ShardTree, WhenTrimmed};
use forebay_models::stream::Style;
use serde_json::{Map, Value, json};

use super::{ACCOUNT, REGION, Refused, State, begin, now_ms, refused, sequence, text};

/// Shards that one description lists at most.
const PAGE_MAX: usize = 100;
/// Records that one read brings at most.
const READ_MAX: usize = 1_000;

/// A table with its stream.
#[derive(Debug)]
pub(super) struct Table {
    name: String,
    /// The attributes of its key.
    key: Vec<String>,
    items: BTreeMap<String, Value>,
    stream: String,
    is_enabled: bool,
    pub(super) tree: ShardTree,
}

pub(super) fn act(state: &mut State, action: &str, body: &Value) -> Result<Value, Refused> {
    match action {
        "CreateTable" => create(state, body),
        "DeleteTable" => {
            let name = text(body, "TableName")?;
            table_of(state, name)?;
            state.tables.remove(name);
            Ok(json!({}))
        }
        "DescribeTable" => Ok(table_of(state, text(body, "TableName")?)?.describe()),
        "UpdateTable" => table_of(state, text(body, "TableName")?)?.update(body),
        "PutItem" => table_of(state, text(body, "TableName")?)?.change(&body["Item"], Some(&body["Item"])),
        "DeleteItem" => table_of(state, text(body, "TableName")?)?.change(&body["Key"], None),
        "DescribeStream" => by_stream(state, text(body, "StreamArn")?)?.describe_stream(body),
        "GetShardIterator" => by_stream(state, text(body, "StreamArn")?)?.iterator(body),
        "GetRecords" => {
            let (stream, number) = parts(text(body, "ShardIterator")?)?;
            by_stream(state, stream)?.records(number, body)
        }
        _ => Err(refused("UnknownOperationException", action)),
    }
}

fn create(state: &mut State, body: &Value) -> Result<Value, Refused> {
    let name = text(body, "TableName")?.to_owned();
    if state.tables.contains_key(&name) {
        return Err(refused("ResourceInUseException", &format!("Table already exists: {name}")));
    }
    let key = body["KeySchema"].as_array().into_iter().flatten();
    let key = key.filter_map(|it| Some(it["AttributeName"].as_str()?.to_owned())).collect();
    let mut table = Table::new(name.clone(), key, state.limits);
    table.update(body)?;
    let answer = json!({ "TableDescription": table.describe()["Table"] });
    state.tables.insert(name, table);
    Ok(answer)
}

fn table_of<'a>(state: &'a mut State, name: &str) -> Result<&'a mut Table, Refused> {
    let gone = || refused("ResourceNotFoundException", "Requested resource not found: Table: not found");
    // Calls may say a table's ARN where its name is asked for.
    let name = name.rsplit_once("table/").map_or(name, |it| it.1);
    state.tables.get_mut(name).ok_or_else(gone)
}

fn by_stream<'a>(state: &'a mut State, arn: &str) -> Result<&'a mut Table, Refused> {
    let gone = || {
        let why = format!("Requested resource not found: Stream: {arn} not found");
        refused("ResourceNotFoundException", &why)
    };
    state.tables.values_mut().find(|it| it.stream == arn).ok_or_else(gone)
}

/// The stream and the number of an iterator.
fn parts(iterator: &str) -> Result<(&str, u64), Refused> {
    let parsed = iterator.rsplit_once('|').and_then(|(arn, number)| Some((arn, number.parse().ok()?)));
    parsed.ok_or_else(|| refused("ValidationException", "Invalid ShardIterator"))
}

impl Table {
    fn new(name: String, key: Vec<String>, limits: Limits) -> Self {
        let tree = ShardTree::new(Style::Aggregates, limits);
        let (items, stream) = Default::default();
        Self { name, key, items, stream, is_enabled: false, tree }
    }

    /// Switches the stream on, which is a new one each time, or off.
    fn update(&mut self, body: &Value) -> Result<Value, Refused> {
        match body["StreamSpecification"]["StreamEnabled"].as_bool() {
            Some(true) if self.is_enabled => {
                return Err(refused("ValidationException", "Table already has an enabled stream"));
            }
            Some(true) => {
                self.is_enabled = true;
                let number = self.tree.shards().len();
                self.stream = format!(
                    "arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{}/stream/2026-11-30T00:00:00.{number:03}",
                    self.name
                );
                // What an older stream held is nothing to the new one.
                for it in (0..number).filter(|it| !self.tree.shards()[*it].log.is_ended()).collect::<Vec<_>>()
                {
                    self.tree.close(it);
                }
                (0..number).for_each(|it| self.tree.forget(it));
                self.tree.add_root(0..=u128::MAX);
            }
            Some(false) => {
                self.is_enabled = false;
                if let Some(open) = self.open() {
                    self.tree.close(open);
                }
            }
            None => {}
        }
        Ok(json!({ "TableDescription": self.describe()["Table"] }))
    }

    /// The shard that takes records.
    fn open(&self) -> Option<usize> {
        self.tree.shards().iter().position(|it| !it.log.is_ended())
    }

    fn describe(&self) -> Value {
        let mut table = json!({
            "TableName": self.name,
            "TableArn": format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{}", self.name),
            "TableStatus": "ACTIVE",
        });
        if !self.stream.is_empty() {
            table["LatestStreamArn"] = json!(self.stream);
            table["StreamSpecification"] =
                json!({ "StreamEnabled": self.is_enabled, "StreamViewType": "NEW_AND_OLD_IMAGES" });
        }
        json!({ "Table": table })
    }

    fn change(&mut self, of: &Value, item: Option<&Value>) -> Result<Value, Refused> {
        let keys: Map<String, Value> = self.key.iter().map(|name| (name.clone(), of[name].clone())).collect();
        if keys.values().any(Value::is_null) {
            return Err(refused("ValidationException", "One of the required keys was not given a value"));
        }
        let keys = Value::Object(keys);
        let before = match item {
            Some(item) => self.items.insert(keys.to_string(), item.clone()),
            None => self.items.remove(&keys.to_string()),
        };
        // What changes nothing is not told.
        if before.as_ref() != item
            && let Some(open) = self.open()
        {
            let name = match (&before, item) {
                (None, _) => "INSERT",
                (Some(_), Some(_)) => "MODIFY",
                (Some(_), None) => "REMOVE",
            };
            let mut told = json!({ "Keys": keys, "StreamViewType": "NEW_AND_OLD_IMAGES", "SizeBytes": 1 });
            for (name, image) in [("OldImage", before.as_ref()), ("NewImage", item)] {
                if let Some(image) = image {
                    told[name] = image.clone();
                }
            }
            let record = json!({ "eventName": name, "dynamodb": told }).to_string();
            self.tree.put_at(open, Bytes::from(record), now_ms());
        }
        Ok(json!({}))
    }

    fn describe_stream(&self, body: &Value) -> Result<Value, Refused> {
        let after = body["ExclusiveStartShardId"].as_str().map(|it| self.shard_of(it)).transpose()?;
        let limit = body["Limit"].as_u64().and_then(|it| usize::try_from(it).ok()).unwrap_or(PAGE_MAX);
        let filter = &body["ShardFilter"];
        let (page, has_more) = match filter["Type"].as_str() {
            Some("CHILD_SHARDS") => (self.tree.children(self.shard_of(text(filter, "ShardId")?)?), false),
            _ => self.tree.list(after, limit.min(PAGE_MAX)),
        };
        let mut description = json!({
            "StreamArn": self.stream,
            "StreamStatus": if self.is_enabled { "ENABLED" } else { "DISABLED" },
            "StreamViewType": "NEW_AND_OLD_IMAGES",
            "TableName": self.name,
            "Shards": page.iter().map(|it| self.shard(*it)).collect::<Vec<_>>(),
        });
        if let Some(last) = page.last().filter(|_| has_more) {
            description["LastEvaluatedShardId"] = json!(id(*last));
        }
        Ok(json!({ "StreamDescription": description }))
    }

    fn shard(&self, idx: usize) -> Value {
        let it = &self.tree.shards()[idx];
        let mut numbers = json!({ "StartingSequenceNumber": sequence(0) });
        if it.log.is_ended() {
            numbers["EndingSequenceNumber"] = json!(sequence(it.log.items().last().map_or(0, |it| it.name)));
        }
        let mut shard = json!({ "ShardId": id(idx), "SequenceNumberRange": numbers });
        if let Some(parent) = it.parents.first() {
            shard["ParentShardId"] = json!(id(*parent));
        }
        shard
    }

    fn iterator(&mut self, body: &Value) -> Result<Value, Refused> {
        let shard = self.shard_of(text(body, "ShardId")?)?;
        let kind = text(body, "ShardIteratorType")?;
        if kind == "AT_TIMESTAMP" {
            return Err(refused("ValidationException", "ShardIteratorType has no such value"));
        }
        let iterator = begin(&mut self.tree, shard, (kind, body), (WhenTrimmed::Refuse, "SequenceNumber"))
            .map_err(in_words)?;
        Ok(json!({ "ShardIterator": format!("{}|{iterator}", self.stream) }))
    }

    fn records(&mut self, iterator: u64, body: &Value) -> Result<Value, Refused> {
        let n_max = body["Limit"].as_u64().and_then(|it| usize::try_from(it).ok()).unwrap_or(READ_MAX);
        if n_max == 0 || n_max > READ_MAX {
            return Err(refused("ValidationException", "Limit must be between 1 and 1000"));
        }
        let shard = self.tree.shard_of(iterator);
        let batch = self.tree.read(iterator, n_max, now_ms()).map_err(in_words)?;
        if batch.gap.is_some() {
            return Err(in_words(Refusal::NoPlace));
        }
        let held = &self.tree.shards()[shard.ok_or_else(|| in_words(Refusal::IteratorExpired))?];
        let record = |idx: &usize| {
            let item = &held.log.items()[*idx];
            let mut record: Value = serde_json::from_slice(&item.value).expect("it was put as JSON");
            record["eventID"] = json!(format!("{:032x}", item.name));
            record["eventVersion"] = json!("1.1");
            record["eventSource"] = json!("aws:dynamodb");
            record["awsRegion"] = json!(REGION);
            record["dynamodb"]["SequenceNumber"] = json!(sequence(item.name));
            record["dynamodb"]["ApproximateCreationDateTime"] = json!(held.arrivals_ms[*idx] / 1_000);
            record
        };
        let mut answer = json!({ "Records": batch.items.iter().map(record).collect::<Vec<_>>() });
        if let Some(next) = batch.next {
            answer["NextShardIterator"] = json!(format!("{}|{next}", self.stream));
        }
        Ok(answer)
    }

    fn shard_of(&self, id: &str) -> Result<usize, Refused> {
        let number = id.strip_prefix("shardId-").and_then(|it| it.get(..20)?.parse().ok());
        let known = number.filter(|it: &usize| *it < self.tree.shards().len());
        known.ok_or_else(|| in_words(Refusal::NoShard))
    }
}

/// Ids of shards of tables are at least 28 characters long.
fn id(shard: usize) -> String {
    format!("shardId-{shard:020}-{shard:08x}")
}

fn in_words(refusal: Refusal) -> Refused {
    let code = match refusal {
        Refusal::NoShard => "ResourceNotFoundException",
        Refusal::IteratorExpired => "ExpiredIteratorException",
        Refusal::Throttled => "LimitExceededException",
        Refusal::NoPlace => "TrimmedDataAccessException",
        Refusal::Subscribed | Refusal::SubscriptionEnded => "InternalServerError",
    };
    refused(code, &format!("{refusal:?}"))
}
