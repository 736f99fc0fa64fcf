//! The strict tree of shards against kinesis-local and DynamoDB Local: random scripts get the same answers from
//! both, but where the real servers of the tests are known to differ from AWS.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_models::shards::Limits;
use forebay_tests::dynamodb_local::DynamoDbLocal;
use forebay_tests::kinesis_local::KinesisLocal;
use forebay_tests::seed::Seed;
use forebay_tests::strict_streams::StrictStreams;
use serde_json::{Value, json};

use crate::model_answers::ModelAnswer;
use crate::scene::is_long;

const STEPS: usize = 60;
const FREE: Limits = Limits {
    iterator_ms: 300_000,
    calls_per_s: usize::MAX,
    records_max: 10_000,
    subscription_ms: 300_000,
    credits: 2,
};

/// What the real servers do otherwise than AWS, which the tree follows: the place, their answer, the tree's.
/// Scripts keep off these places; a test for each server holds the list true. kinesis-local looks a number or a
/// time up among the records of the shard, so that an empty one takes any, and fails at an iterator that it
/// cannot decode. DynamoDB Local has one line of numbers for all tables, and takes what another one skipped for
/// trimmed.
///
/// Not checked, for neither can do it: throttles, iterators that expire by time (DynamoDB Local ages all it has
/// at once), permissions. Subscriptions are the tree's own: kinesis-local's have a form of their own.
type Differences = &'static [(&'static str, &'static str, &'static str)];

const OF_KINESIS_LOCAL: Differences = &[
    ("an iterator that is none", "500", "400 InvalidArgumentException"),
    ("an iterator at a number that is none", "200", "400 InvalidArgumentException"),
    ("an iterator at a time to come in an empty shard", "200", "400 InvalidArgumentException"),
];

const OF_DYNAMODB_LOCAL: Differences =
    &[("behind LATEST of an empty shard where another table is", "400 TrimmedDataAccessException", "200")];

fn n_scripts() -> u64 {
    if is_long() { 200 } else { 20 }
}

#[test]
fn random_scripts_get_the_same_answers_from_the_tree_and_from_kinesis_local() {
    let (strict, real) = (StrictStreams::start(FREE), KinesisLocal::start());
    let both = Both::of_kinesis(&strict, &real);
    let mut n = Counts::default();
    for seed in 1..=n_scripts() {
        let stream = format!("stream{seed}");
        let n_shards = usize::try_from(1 + seed % 3).expect("it is small");
        let answers = both.call("CreateStream", json!({ "StreamName": stream, "ShardCount": n_shards }));
        assert_eq!(answers.map(|it| it.status), [200, 200]);
        real.await_active(&stream);
        let words = KinesisWords { real: &real, both: &both, stream: stream.clone(), n_written: 0 };
        Script::new(&both, seed, Box::new(words)).run(STEPS, &mut n);
        // An account has a limited number of shards.
        both.call("DeleteStream", json!({ "StreamName": stream }));
    }
    n.assert_enough(n_scripts());
}

#[test]
fn random_scripts_get_the_same_answers_from_the_tree_and_from_dynamodb_local() {
    let (strict, real) = (StrictStreams::start(FREE), DynamoDbLocal::start());
    let both = Both::of_dynamodb(&strict, &real);
    let mut n = Counts::default();
    for seed in 1..=n_scripts() {
        let table = format!("table{seed}");
        let words = TableWords::new(&both, &strict, &real, table.clone());
        Script::new(&both, seed, Box::new(words)).run(STEPS, &mut n);
        // Its shards would roll over with those of the next.
        both.call("DeleteTable", json!({ "TableName": table }));
    }
    n.assert_enough(n_scripts());
}

#[test]
fn kinesis_local_differs_from_aws_where_the_list_says_so() {
    let (strict, real) = (StrictStreams::start(FREE), KinesisLocal::start());
    let both = Both::of_kinesis(&strict, &real);
    both.call("CreateStream", json!({ "StreamName": "differences", "ShardCount": 1 }));
    real.await_active("differences");
    let mut found = BTreeMap::new();
    let shard = "shardId-000000000000";
    let mut note = |place: &str, [strict, real]: [ModelAnswer; 2]| {
        found.insert(place.to_owned(), [real.shown(), strict.shown()]);
    };
    let at = |kind: &str, more: Value| {
        let mut ask = json!({ "StreamName": "differences", "ShardId": shard, "ShardIteratorType": kind });
        ask.as_object_mut().expect("it is one").extend(more.as_object().expect("it is one").clone());
        both.call("GetShardIterator", ask)
    };
    note("an iterator that is none", both.call("GetRecords", json!({ "ShardIterator": "nonsense" })));
    note(
        "an iterator at a number that is none",
        at("AT_SEQUENCE_NUMBER", json!({ "StartingSequenceNumber": "7" })),
    );
    let to_come = json!({ "Timestamp": 4_000_000_000_u64 });
    note("an iterator at a time to come in an empty shard", at("AT_TIMESTAMP", to_come));
    assert_differences(OF_KINESIS_LOCAL, found);
}

#[test]
fn dynamodb_local_differs_from_aws_where_the_list_says_so() {
    let (strict, real) = (StrictStreams::start(FREE), DynamoDbLocal::start());
    let both = Both::of_dynamodb(&strict, &real);
    TableWords::new(&both, &strict, &real, "other".to_owned());
    let words = TableWords::new(&both, &strict, &real, "differences".to_owned());
    words.change("a", 0, Some(1));
    words.roll_over();
    let shards = words.shards();
    let youngest = &shards[shards.len() - 1];
    let at = both.call_each("GetShardIterator", |side| {
        json!({ "StreamArn": words.arns[side], "ShardId": youngest[side], "ShardIteratorType": "LATEST" })
    });
    words.change("a", 0, Some(2));
    let read =
        both.call_each("GetRecords", |side| json!({ "ShardIterator": at[side].text("ShardIterator") }));
    let [strict, real] = read.map(|it| it.shown());
    let found = BTreeMap::from([(
        "behind LATEST of an empty shard where another table is".to_owned(),
        [real, strict],
    )]);
    assert_differences(OF_DYNAMODB_LOCAL, found);
}

fn assert_differences(expected: Differences, found: BTreeMap<String, [String; 2]>) {
    let expected = expected
        .iter()
        .map(|(place, real, strict)| ((*place).to_owned(), [(*real).to_owned(), (*strict).to_owned()]));
    assert_eq!(found, expected.collect::<BTreeMap<_, _>>());
}

type Calls<'a> = Box<dyn Fn(&str, &Value) -> Option<(u16, String)> + 'a>;

/// Both servers, called alike: the model first.
struct Both<'a> {
    strict: Calls<'a>,
    real: Calls<'a>,
}

impl<'a> Both<'a> {
    fn of_kinesis(strict: &'a StrictStreams, real: &'a KinesisLocal) -> Self {
        Self {
            strict: Box::new(|action, body| strict.try_kinesis(action, body)),
            real: Box::new(|action, body| real.try_call(action, body)),
        }
    }

    fn of_dynamodb(strict: &'a StrictStreams, real: &'a DynamoDbLocal) -> Self {
        Self {
            strict: Box::new(|action, body| strict.try_dynamodb(action, body)),
            real: Box::new(|action, body| real.try_call(action, body)),
        }
    }

    fn call(&self, action: &str, body: Value) -> [ModelAnswer; 2] {
        self.call_each(action, |_| body.clone())
    }

    fn call_each(&self, action: &str, body: impl Fn(usize) -> Value) -> [ModelAnswer; 2] {
        let ask = |side: usize, calls: &Calls<'_>| {
            let answer = calls(action, &body(side));
            ModelAnswer::of(answer.unwrap_or_else(|| panic!("no answer to {action} from side {side}")))
        };
        [ask(0, &self.strict), ask(1, &self.real)]
    }
}

/// What scripts of both services need said in the words of one.
trait Words {
    /// The stream, as parameters of a call.
    fn stream(&self, side: usize) -> Value;
    /// Writes something, and says what.
    fn write(&mut self, seed: &mut Seed) -> String;
    /// Splits, merges or rolls over, and says what.
    fn reshard(&mut self, seed: &mut Seed) -> String;
    /// Shards in the order of the listing, by page of so many: what each says.
    fn shards(&self, page_max: usize) -> Vec<[String; 2]>;
    /// All of a record that both must say alike.
    fn facts(&self, record: &Value) -> Value;
    /// The name of a sequence number in a request.
    fn number_name(&self) -> &'static str;
    /// A record's sequence number.
    fn number(&self, record: &Value) -> String;
    /// A call that both refuse alike.
    fn wrong(&self, seed: &mut Seed, ids: &[[String; 2]]) -> [ModelAnswer; 2];
}

#[derive(Default)]
struct Counts {
    n_records: usize,
    n_ends: usize,
    n_refused: usize,
}

impl Counts {
    /// The scripts do what they are for.
    fn assert_enough(&self, n_scripts: u64) {
        let n_scripts = usize::try_from(n_scripts).expect("it is small");
        let Self { n_records, n_ends, n_refused } = *self;
        assert!(
            n_records > n_scripts * 20 && n_ends > n_scripts && n_refused > n_scripts,
            "{n_records} {n_ends} {n_refused}"
        );
    }
}

/// A pair of streams, and what a script holds of it.
struct Script<'a> {
    both: &'a Both<'a>,
    seed: Seed,
    words: Box<dyn Words + 'a>,
    /// Sequence numbers of what was read, with their shards.
    numbers: Vec<([String; 2], [String; 2])>,
    /// Iterators that read on.
    iterators: Vec<([String; 2], [String; 2])>,
    log: Vec<String>,
}

impl<'a> Script<'a> {
    fn new(both: &'a Both<'a>, seed: u64, words: Box<dyn Words + 'a>) -> Self {
        let (numbers, iterators, log) = Default::default();
        Self { both, seed: Seed::new(seed), words, numbers, iterators, log }
    }

    fn run(&mut self, n_steps: usize, n: &mut Counts) {
        for _ in 0..n_steps {
            match self.seed.below(12) {
                0..=4 => self.log.push(self.words.write(&mut self.seed)),
                5 => self.log.push(self.words.reshard(&mut self.seed)),
                6..=7 => self.begin(),
                8..=10 => self.read_on(n),
                _ => self.wrong(n),
            }
        }
        // All of it, from the first record of every shard.
        for shard in self.words.shards(100) {
            self.open(&shard, "TRIM_HORIZON", None);
        }
        while !self.iterators.is_empty() {
            let n_before = n.n_records;
            let n_iterators = self.iterators.len();
            (0..n_iterators).for_each(|_| self.read(0, 1_000, n));
            // Open shards never end: two rounds without a record are all.
            if n.n_records == n_before {
                break;
            }
        }
    }

    fn begin(&mut self) {
        let page_max = [1, 2, 100][self.seed.idx_below(3)];
        let shards = self.words.shards(page_max);
        let shard = self.seed.one_of(&shards).clone();
        match self.seed.below(4) {
            0 => self.open(&shard, "TRIM_HORIZON", None),
            1 => self.open(&shard, "LATEST", None),
            kind if !self.numbers.is_empty() => {
                let idx = self.seed.idx_below(self.numbers.len());
                let (shard, number) = self.numbers[idx].clone();
                let kind = ["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"][usize::from(kind == 3)];
                self.open(&shard, kind, Some(number));
            }
            _ => {}
        }
    }

    fn open(&mut self, shard: &[String; 2], kind: &str, number: Option<[String; 2]>) {
        self.log.push(format!("{kind} {shard:?} {number:?}"));
        let ask = |side: usize| {
            let mut ask = self.words.stream(side);
            ask["ShardId"] = json!(shard[side]);
            ask["ShardIteratorType"] = json!(kind);
            if let Some(number) = &number {
                ask[self.words.number_name()] = json!(number[side]);
            }
            ask
        };
        let answers = self.both.call_each("GetShardIterator", ask);
        assert_eq!(answers.each_ref().map(ModelAnswer::shown), ["200", "200"], "{}", self.told());
        self.iterators.push((shard.clone(), answers.map(|it| it.text("ShardIterator"))));
    }

    fn read_on(&mut self, n: &mut Counts) {
        if !self.iterators.is_empty() {
            let idx = self.seed.idx_below(self.iterators.len());
            let n_max = 1 + self.seed.below(4);
            self.read(idx, n_max, n);
        }
    }

    /// Reads with an iterator, which is replaced by what reads on, or gone at the end of its shard.
    fn read(&mut self, idx: usize, n_max: u64, n: &mut Counts) {
        let (shard, iterators) = self.iterators.remove(idx);
        self.log.push(format!("read {n_max} of {shard:?}"));
        let ask = |side: usize| json!({ "ShardIterator": iterators[side], "Limit": n_max });
        let answers = self.both.call_each("GetRecords", ask);
        let records =
            answers.each_ref().map(|it| it.value["Records"].as_array().cloned().unwrap_or_default());
        let seen = [0, 1].map(|side| {
            let value = &answers[side].value;
            let facts: Vec<Value> = records[side].iter().map(|it| self.words.facts(it)).collect();
            (answers[side].shown(), facts, value["NextShardIterator"].is_null(), children(value))
        });
        assert_eq!(seen[0], seen[1], "{}", self.told());
        n.n_records += records[0].len();
        let [strict, real] = &records;
        for (strict, real) in strict.iter().zip(real) {
            self.numbers.push((shard.clone(), [strict, real].map(|it| self.words.number(it))));
        }
        match seen[0].2 {
            true => n.n_ends += 1,
            false => self.iterators.push((shard, answers.map(|it| it.text("NextShardIterator")))),
        }
    }

    fn wrong(&mut self, n: &mut Counts) {
        let answers = self.words.wrong(&mut self.seed, &self.words.shards(100));
        self.log.push(format!("wrong {}", answers[0].shown()));
        n.n_refused += 1;
        assert!(answers[0].status >= 400, "{}", self.told());
        let [strict, real] = answers.map(|it| it.shown());
        assert_eq!(strict, real, "{}", self.told());
    }

    fn told(&self) -> String {
        format!("seed {}, after:\n{}", self.seed.seed(), self.log.join("\n"))
    }
}

/// What the end of a shard says of those after it.
fn children(answer: &Value) -> Vec<String> {
    let child = |it: &Value| {
        let parents = it["ParentShards"].as_array().into_iter().flatten();
        let mut parents: Vec<String> = parents.map(Value::to_string).collect();
        parents.sort();
        format!("{} {parents:?}", it["ShardId"])
    };
    answer["ChildShards"].as_array().into_iter().flatten().map(child).collect()
}

/// Kinesis.
struct KinesisWords<'a> {
    real: &'a KinesisLocal,
    both: &'a Both<'a>,
    stream: String,
    n_written: usize,
}

impl KinesisWords<'_> {
    fn change(&self, action: &str, body: Value) -> String {
        let told = format!("{action} {body}");
        let answers = self.both.call(action, body);
        assert_eq!(answers.map(|it| it.shown()), ["200", "200"], "{told}");
        self.real.await_active(&self.stream);
        told
    }
}

impl Words for KinesisWords<'_> {
    fn stream(&self, _: usize) -> Value {
        json!({ "StreamName": self.stream })
    }

    fn write(&mut self, seed: &mut Seed) -> String {
        let data = STANDARD.encode(self.n_written.to_string());
        self.n_written += 1;
        let ask = json!({ "StreamName": self.stream, "PartitionKey": format!("key {}", seed.below(20)), "Data": data });
        let answers = self.both.call("PutRecord", ask);
        let shards = answers.each_ref().map(|it| it.text("ShardId"));
        assert_eq!(shards[0], shards[1]);
        format!("put into {}", shards[0])
    }

    fn reshard(&mut self, seed: &mut Seed) -> String {
        let mut open = self.real.shards(&self.stream);
        open.retain(|it| it.is_open);
        open.sort_by_key(|it| it.hash_keys);
        let idx = seed.idx_below(open.len());
        let (low, high) = open[idx].hash_keys;
        if seed.below(2) == 0 && idx + 1 < open.len() {
            let [a, b] = [&open[idx].id, &open[idx + 1].id];
            let ask = json!({ "StreamName": self.stream, "ShardToMerge": a, "AdjacentShardToMerge": b });
            self.change("MergeShards", ask)
        } else if open.len() < 6 {
            let middle = (low + (high - low) / 2 + 1).to_string();
            let (shard, stream) = (&open[idx].id, &self.stream);
            let ask = json!({ "StreamName": stream, "ShardToSplit": shard, "NewStartingHashKey": middle });
            self.change("SplitShard", ask)
        } else {
            "nothing to split".to_owned()
        }
    }

    fn shards(&self, page_max: usize) -> Vec<[String; 2]> {
        let mut ask = [0, 1].map(|side| self.stream(side));
        ask.iter_mut().for_each(|it| it["MaxResults"] = json!(page_max));
        let mut shards = Vec::new();
        loop {
            let answers = self.both.call_each("ListShards", |side| ask[side].clone());
            let seen = answers.each_ref().map(|it| {
                let shard = |it: &Value| {
                    let is_open = it["SequenceNumberRange"]["EndingSequenceNumber"].is_null();
                    (
                        it["ShardId"].clone(),
                        it["ParentShardId"].clone(),
                        it["AdjacentParentShardId"].clone(),
                        is_open,
                    )
                };
                it.value["Shards"].as_array().into_iter().flatten().map(shard).collect::<Vec<_>>()
            });
            assert_eq!(seen[0], seen[1]);
            let id = |it: &Value| it.as_str().unwrap_or_default().to_owned();
            shards.extend(seen[0].iter().map(|it| [id(&it.0), id(&it.0)]));
            let next = answers.each_ref().map(|it| it.value["NextToken"].clone());
            assert_eq!(next[0].is_null(), next[1].is_null());
            if next[0].is_null() {
                return shards;
            }
            ask = next.map(|it| json!({ "NextToken": it, "MaxResults": page_max }));
        }
    }

    fn facts(&self, record: &Value) -> Value {
        json!([record["PartitionKey"], record["Data"]])
    }

    fn number_name(&self) -> &'static str {
        "StartingSequenceNumber"
    }

    fn number(&self, record: &Value) -> String {
        record["SequenceNumber"].as_str().unwrap_or_default().to_owned()
    }

    fn wrong(&self, seed: &mut Seed, ids: &[[String; 2]]) -> [ModelAnswer; 2] {
        let shard = &ids[0][0];
        match seed.below(4) {
            0 => self.both.call(
                "GetShardIterator",
                json!({ "StreamName": self.stream, "ShardId": "shardId-000000000999", "ShardIteratorType": "LATEST" }),
            ),
            1 => self.both.call(
                "GetShardIterator",
                json!({ "StreamName": "missing", "ShardId": shard, "ShardIteratorType": "LATEST" }),
            ),
            2 => self.both.call("DescribeStreamSummary", json!({ "StreamName": "missing" })),
            _ => self.both.call("ListShards", json!({ "StreamName": "missing" })),
        }
    }
}

/// A table with its stream.
struct TableWords<'a> {
    both: &'a Both<'a>,
    strict: &'a StrictStreams,
    real: &'a DynamoDbLocal,
    table: String,
    arns: [String; 2],
    n_marks: u64,
}

impl<'a> TableWords<'a> {
    fn new(both: &'a Both<'a>, strict: &'a StrictStreams, real: &'a DynamoDbLocal, table: String) -> Self {
        let ask = json!({
            "TableName": table,
            "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }, { "AttributeName": "sk", "KeyType": "RANGE" }],
            "AttributeDefinitions": [
                { "AttributeName": "pk", "AttributeType": "S" }, { "AttributeName": "sk", "AttributeType": "N" },
            ],
            "BillingMode": "PAY_PER_REQUEST",
            "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" },
        });
        let made = both.call("CreateTable", ask).map(|it| it.shown());
        assert_eq!(made, ["200", "200"]);
        let told = both.call("DescribeTable", json!({ "TableName": table }));
        let arns =
            told.map(|it| it.value["Table"]["LatestStreamArn"].as_str().expect("it has one").to_owned());
        Self { both, strict, real, table, arns, n_marks: 0 }
    }

    /// Closes the shard that takes records, for one child.
    fn roll_over(&self) -> String {
        self.real.roll_over();
        self.strict.with_tree(&self.table, |tree| {
            let open = tree.shards().iter().position(|it| !it.log.is_ended()).expect("one takes records");
            tree.roll_over(open);
            format!("shard {open} rolls over")
        })
    }

    /// Puts an item with this `n`, or deletes it.
    fn change(&self, pk: &str, sk: u64, n: Option<u64>) {
        let key = json!({ "pk": { "S": pk }, "sk": { "N": sk.to_string() } });
        let answers = match n {
            Some(n) => {
                let mut item = key;
                item["n"] = json!({ "N": n.to_string() });
                self.both.call("PutItem", json!({ "TableName": self.table, "Item": item }))
            }
            None => self.both.call("DeleteItem", json!({ "TableName": self.table, "Key": key })),
        };
        assert_eq!(answers.map(|it| it.shown()), ["200", "200"]);
    }

    fn shards(&self) -> Vec<[String; 2]> {
        Words::shards(self, 100)
    }
}

impl Words for TableWords<'_> {
    fn stream(&self, side: usize) -> Value {
        json!({ "StreamArn": self.arns[side] })
    }

    fn write(&mut self, seed: &mut Seed) -> String {
        let pk = format!("key {}", seed.below(3));
        // Few values, so that some writes change nothing.
        let n = (seed.below(4) > 0).then(|| seed.below(3));
        let sk = seed.below(2);
        self.change(&pk, sk, n);
        format!("{pk} {sk} is {n:?}")
    }

    fn reshard(&mut self, _: &mut Seed) -> String {
        // Not an empty one, at which the two differ.
        self.n_marks += 1;
        self.change("mark", self.n_marks, Some(1));
        self.roll_over()
    }

    fn shards(&self, page_max: usize) -> Vec<[String; 2]> {
        let mut ask = [0, 1].map(|side| self.stream(side));
        ask.iter_mut().for_each(|it| it["Limit"] = json!(page_max));
        let mut all: Vec<[Value; 2]> = Vec::new();
        loop {
            let answers = self.both.call_each("DescribeStream", |side| ask[side].clone());
            let [strict, real] = answers
                .each_ref()
                .map(|it| it.value["StreamDescription"]["Shards"].as_array().cloned().unwrap_or_default());
            assert_eq!(strict.len(), real.len(), "{strict:?} {real:?}");
            all.extend(strict.into_iter().zip(real).map(|(strict, real)| [strict, real]));
            let next = answers.map(|it| it.value["StreamDescription"]["LastEvaluatedShardId"].clone());
            assert_eq!(next[0].is_null(), next[1].is_null(), "{next:?}");
            if next[0].is_null() {
                break;
            }
            ask.iter_mut().zip(next).for_each(|(ask, next)| ask["ExclusiveStartShardId"] = next);
        }
        // Each says as its parent which one of the list it is.
        let place = |side: usize| {
            let all = &all;
            move |it: &[Value; 2]| {
                let parent = &it[side]["ParentShardId"];
                let is_open = it[side]["SequenceNumberRange"]["EndingSequenceNumber"].is_null();
                (all.iter().position(|other| other[side]["ShardId"] == *parent), is_open)
            }
        };
        assert_eq!(
            all.iter().map(place(0)).collect::<Vec<_>>(),
            all.iter().map(place(1)).collect::<Vec<_>>()
        );
        let id = |it: &Value| it["ShardId"].as_str().unwrap_or_default().to_owned();
        all.iter().map(|it| it.each_ref().map(id)).collect()
    }

    fn facts(&self, record: &Value) -> Value {
        let told = &record["dynamodb"];
        json!([record["eventName"], told["Keys"], told["OldImage"], told["NewImage"], told["StreamViewType"]])
    }

    fn number_name(&self) -> &'static str {
        "SequenceNumber"
    }

    fn number(&self, record: &Value) -> String {
        record["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default().to_owned()
    }

    fn wrong(&self, seed: &mut Seed, ids: &[[String; 2]]) -> [ModelAnswer; 2] {
        let missing = |side: usize| self.arns[side].replace("/stream/20", "/stream/19");
        let no_shard = "shardId-00000000000000000999-00000999";
        match seed.below(4) {
            0 => self.both.call("GetRecords", json!({ "ShardIterator": "nonsense" })),
            1 => self.both.call_each("DescribeStream", |side| json!({ "StreamArn": missing(side) })),
            2 => self.both.call_each("GetShardIterator", |side| {
                json!({ "StreamArn": self.arns[side], "ShardId": no_shard, "ShardIteratorType": "LATEST" })
            }),
            _ => self.both.call_each("GetShardIterator", |side| {
                json!({ "StreamArn": missing(side), "ShardId": ids[0][side], "ShardIteratorType": "LATEST" })
            }),
        }
    }
}
