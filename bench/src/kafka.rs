//! Topics of Kafka to an HTTP function: Forebay and the limit program in turn, and a broker of Apache's, all on one
//! core.

mod latency;
mod limit;

use forebay_tests::kafka::{Kafka, Sent};

use crate::pairs::{self, Sides};
use crate::sink::{Sink, Tally};

pub(crate) use latency::run as latency;
pub(crate) use limit::{follow, run as limit};

/// What is measured when nothing else is said: records of a batch, and lanes of a partition.
pub(crate) const CONTESTS: [(usize, usize); 4] = [(100, 1), (10, 1), (1, 1), (10, 20)];

const N_PARTITIONS: usize = 16;
const VALUE_BYTES: usize = 1024;
/// So many connections has either side.
const N_CONNECTIONS: usize = 4;
/// One by one costs ten times as much: fewer records are as telling.
const FEWER_ONE_BY_ONE: usize = 10;
/// So many are handed to the brokers at once.
const SENT_AT_ONCE: usize = 20_000;
/// Segments of the size that brokers have, not the small ones of tests.
const BROKER: &str = "log.segment.bytes=268435456\nlog.index.size.max.bytes=10485760\n";

/// Prints what both sides take for each contest.
pub(crate) fn run(n_records: usize, contests: &[(usize, usize)]) {
    pairs::want_one_core();
    let sink = Sink::start("\"offset\":");
    let kafka = Kafka::start_with(BROKER);
    for (batch, n_lanes) in contests {
        let n = if *batch == 1 { n_records / FEWER_ONE_BY_ONE } else { n_records };
        let topic = Topic::of(&kafka, n);
        let brokers = kafka.bootstrap();
        let sides = Sides {
            what: format!("batches of {batch:3}, {n_lanes:2} lanes"),
            config: &|pair| config(&brokers, &topic.name, &sink, *batch, (*n_lanes, pair)),
            limit: ["kafka-limit", &brokers, &topic.name, &sink.address(), &batch.to_string()]
                .map(str::to_owned)
                .into(),
            sink: &sink,
            whole: topic.whole,
        };
        sides.compare();
    }
}

/// A topic, and what a function must have seen of it.
struct Topic {
    name: String,
    whole: Tally,
}

impl Topic {
    /// The topic of so many records, which is made at its first use.
    fn of(kafka: &Kafka, n: usize) -> Self {
        let (client, name) = (kafka.client(), format!("bench-{n}"));
        let per_partition = n / N_PARTITIONS;
        let mut whole = Tally::default();
        for _ in 0..N_PARTITIONS {
            (0..per_partition).for_each(|offset| whole.enter(offset as u64));
        }
        if client.n_partitions(&name).is_none() {
            client.create_topic(&name, N_PARTITIONS as i32);
            let numbers: Vec<usize> = (0..per_partition * N_PARTITIONS).collect();
            for some in numbers.chunks(SENT_AT_ONCE) {
                client.send(&name, &some.iter().map(|it| record(*it)).collect::<Vec<_>>());
            }
        }
        Self { name, whole }
    }
}

/// A key of 20 bytes and a value of random text.
fn record(number: usize) -> Sent {
    let mut random = fastrand::Rng::with_seed(number as u64);
    let value: String = std::iter::repeat_with(|| random.alphanumeric()).take(VALUE_BYTES).collect();
    let partition = i32::try_from(number % N_PARTITIONS).expect("there are few");
    Sent::of(&format!("key-{:016}", random.u32(..100_000)), &value).to(partition)
}

/// Each pair has a group of its own: a group's committed offsets go before the starting position.
fn config(brokers: &str, topic: &str, sink: &Sink, batch: usize, (n_lanes, pair): (usize, usize)) -> String {
    let lanes = if n_lanes > 1 { format!(", parallelization_factor: {n_lanes}") } else { String::new() };
    format!(
        "api: {{ listen: off }}\n\
         functions:\n  sink: {{ executor: {{ http: {{ url: \"http://{}/\" }} }}, reserved_concurrent_executions: {N_CONNECTIONS} }}\n\
         event_source_mappings:\n  - {{ name: bench, source: {{ kafka: {{ bootstrap_servers: [\"{brokers}\"], topics: [{topic}], \
         consumer_group_id: bench-{batch}-{n_lanes}-{pair} }} }}, function_name: sink, starting_position: TRIM_HORIZON, batch_size: {batch}{lanes} }}\n",
        sink.address()
    )
}
