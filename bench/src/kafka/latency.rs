//! How long a record takes from its producer to the function, at a steady rate: through Forebay and through the limit
//! program in turn. Who produces does not wait for anybody: a record that is held up holds up no other's clock.

use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use forebay_tests::daemon::Daemon;
use forebay_tests::kafka::{Kafka, KafkaClient, Sent};
use forebay_tests::wait;
use memchr::memmem::Finder;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::{BROKER, N_CONNECTIONS, N_PARTITIONS, VALUE_BYTES};
use crate::http;
use crate::pairs::rest_until;

const ROUNDS: usize = 3;
const BATCH: usize = 100;
/// Records of a moment are written together.
const MOMENT: Duration = Duration::from_millis(1);
/// A value begins with the µs since 1970 in so many digits, whose Base64 has no remainder.
const DIGITS: usize = 18;
/// What comes in the first second finds nobody awake yet.
const WARM: Duration = Duration::from_secs(1);
const BEFORE_VALUE: &[u8] = b"\"value\":\"";

/// Prints the medians and the 99th percentiles of both sides.
pub(crate) fn run(rate: usize, seconds: usize) {
    let kafka = Kafka::start_with(BROKER);
    let client = kafka.client();
    let sink = LatencySink::start();
    for round in 0..ROUNDS {
        for side in ["forebay", "limit"] {
            let topic = format!("{side}-{round}");
            client.create_topic(&topic, N_PARTITIONS as i32);
            let measure = || measure(&kafka.bootstrap(), &client, &topic, &sink, (rate, seconds));
            let mut taken = match side {
                "forebay" => through_forebay(&kafka.bootstrap(), &topic, &sink, measure),
                _ => through_limit(&kafka.bootstrap(), &topic, &sink, measure),
            };
            taken.sort_unstable();
            let at = |percent: usize| taken[(taken.len() - 1) * percent / 100] as f64 / 1_000.0;
            let (half, most, worst) = (at(50), at(99), at(100));
            eprintln!(
                "{rate} records a second, {side:7}: p50 {half:.2} ms, p99 {most:.2} ms, {worst:.1} ms at most"
            );
        }
    }
}

fn through_forebay(
    brokers: &str,
    topic: &str,
    sink: &LatencySink,
    measure: impl FnOnce() -> Vec<u64>,
) -> Vec<u64> {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let config = format!(
        "api: {{ listen: off }}\n\
         functions:\n  sink: {{ executor: {{ http: {{ url: \"http://{}/\" }} }}, reserved_concurrent_executions: {N_CONNECTIONS} }}\n\
         event_source_mappings:\n  - {{ name: bench, source: {{ kafka: {{ bootstrap_servers: [\"{brokers}\"], topics: [{topic}] }} }}, \
         function_name: sink, starting_position: LATEST, batch_size: {BATCH}, maximum_batching_window_in_seconds: 0 }}\n",
        sink.address
    );
    std::fs::write(folder.path().join("forebay.yaml"), config).expect("a file can be written");
    let daemon = Daemon::spawn_with(folder.path(), &[("FOREBAY_LOG", "warn".to_owned())]);
    let taken = measure();
    daemon.kill();
    taken
}

fn through_limit(
    brokers: &str,
    topic: &str,
    sink: &LatencySink,
    measure: impl FnOnce() -> Vec<u64>,
) -> Vec<u64> {
    let me = std::env::current_exe().expect("a program knows its own path");
    let batch = BATCH.to_string();
    let arguments = ["kafka-follow", brokers, topic, &sink.address, &batch];
    let mut side = Command::new(me).args(arguments).stdin(Stdio::null()).spawn().expect("it starts");
    let taken = measure();
    side.kill().expect("it runs");
    side.wait().expect("it can be waited for");
    taken
}

/// Writes at the rate, and gives how long each record took, in µs; those of the first second are left out.
fn measure(
    brokers: &str,
    client: &KafkaClient,
    topic: &str,
    sink: &LatencySink,
    (rate, seconds): (usize, usize),
) -> Vec<u64> {
    // Whoever reads stands at the end of the topic once he has seen one of these.
    wait::until("somebody who reads", || {
        client.send(topic, &[Sent::of("k", &"0".repeat(DIGITS))]);
        sink.has_seen_any().then_some(())
    });
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("linger.ms", "1")
        .create()
        .expect("librdkafka takes the settings");
    let filling = "x".repeat(VALUE_BYTES - DIGITS);
    let (begin, mut n_sent) = (Instant::now(), 0);
    for moment in 1..=seconds * 1_000 {
        rest_until(begin + MOMENT * u32::try_from(moment).expect("it is not run for weeks"));
        while n_sent < rate * moment / 1_000 {
            let value = format!("{:0DIGITS$}{filling}", now_us());
            let partition = i32::try_from(n_sent % N_PARTITIONS).expect("there are few");
            let record: BaseRecord<'_, str, str> = BaseRecord::to(topic).partition(partition).payload(&value);
            producer.send(record.key("k")).map_err(|(error, _)| error).expect("there is room");
            n_sent += 1;
        }
        producer.poll(Duration::ZERO);
    }
    producer.flush(wait::PATIENCE).expect("all are written");
    wait::until_count("all records", n_sent, || sink.n_seen());
    sink.take(begin + WARM)
}

fn now_us() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros()
}

/// A function that writes down how long each record took: the µs since 1970 when it was written, and how many it took.
struct LatencySink {
    address: String,
    seen: Arc<Mutex<Vec<(u64, u64)>>>,
}

impl LatencySink {
    fn start() -> Self {
        let seen = Arc::<Mutex<Vec<(u64, u64)>>>::default();
        let all = Arc::clone(&seen);
        let finder = Finder::new(BEFORE_VALUE).into_owned();
        let address = http::serve(move |_, event, answer| {
            let now = u64::try_from(now_us()).expect("it is not that late");
            let mut seen = lock(&all);
            for at in finder.find_iter(event) {
                let start = at + BEFORE_VALUE.len();
                let digits = base64_simd::STANDARD.decode_to_vec(&event[start..start + DIGITS / 3 * 4]);
                let written = digits
                    .expect("it is Base64")
                    .iter()
                    .fold(0, |it, digit| it * 10 + u64::from(digit - b'0'));
                seen.push((written, now.saturating_sub(written)));
            }
            answer.extend_from_slice(crate::sink::ANSWER);
        });
        Self { address: address.to_string(), seen }
    }

    fn has_seen_any(&self) -> bool {
        !lock(&self.seen).is_empty()
    }

    /// How many came that tell their time.
    fn n_seen(&self) -> usize {
        lock(&self.seen).iter().filter(|(written, _)| *written > 0).count()
    }

    /// What took those how long that were written from then on; nothing is left of the others.
    fn take(&self, from: Instant) -> Vec<u64> {
        let from = u64::try_from(now_us() - from.elapsed().as_micros()).expect("it is not that late");
        let seen = std::mem::take(&mut *lock(&self.seen));
        seen.into_iter().filter(|(written, _)| *written >= from).map(|(_, taken)| taken).collect()
    }
}

fn lock(seen: &Mutex<Vec<(u64, u64)>>) -> MutexGuard<'_, Vec<(u64, u64)>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
