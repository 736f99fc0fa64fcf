//! What Forebay costs beside the least that the same work can cost, in CPU time: a queue beside loops of
//! receive, POST, delete, through AWS's SDK and without it, a file, a stream of Kinesis and
//! topics of Kafka beside programs that read, render and POST. Each side is a process of its own, against one server and one function.

mod cpu;
mod file;
mod http;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "kinesis")]
mod kinesis;
mod pairs;
mod poster;
mod sink;
#[cfg(feature = "sqs")]
mod sqs;

use std::process::ExitCode;

const USAGE: &str = "usage: forebay-bench sqs [MESSAGES] | forebay-bench file [RECORDS [BATCH]] | forebay-bench kinesis [RECORDS [BYTES BATCH]] | forebay-bench kafka [RECORDS [BATCH LANES]] | forebay-bench kafka-latency [RECORDS_PER_SECOND SECONDS]
file, kinesis and kafka want a single core: taskset -c 0 forebay-bench file";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        #[cfg(feature = "sqs")]
        ["sqs"] => sqs::run(30_000),
        #[cfg(feature = "sqs")]
        ["sqs", n] => match n.parse() {
            Ok(n) => sqs::run(n),
            Err(error) => return refuse(&format!("{n}: {error}\n{USAGE}")),
        },
        #[cfg(feature = "kinesis")]
        ["kinesis", ..] => {
            let numbers: Result<Vec<usize>, _> = words[1..].iter().map(|it| it.parse()).collect();
            match numbers.as_deref() {
                Ok([]) => kinesis::run(640_000, &kinesis::RECORD_BYTES, &kinesis::BATCHES),
                Ok([n]) => kinesis::run(*n, &kinesis::RECORD_BYTES, &kinesis::BATCHES),
                Ok([n, bytes, batch]) => kinesis::run(*n, &[*bytes], &[*batch]),
                Ok(_) | Err(_) => return refuse(USAGE),
            }
        }
        #[cfg(feature = "kafka")]
        ["kafka", ..] => {
            let numbers: Result<Vec<usize>, _> = words[1..].iter().map(|it| it.parse()).collect();
            match numbers.as_deref() {
                Ok([]) => kafka::run(1_000_000, &kafka::CONTESTS),
                Ok([n]) => kafka::run(*n, &kafka::CONTESTS),
                Ok([n, batch, n_lanes]) => kafka::run(*n, &[(*batch, *n_lanes)]),
                Ok(_) | Err(_) => return refuse(USAGE),
            }
        }
        #[cfg(feature = "kafka")]
        ["kafka-latency", ..] => {
            let numbers: Result<Vec<usize>, _> = words[1..].iter().map(|it| it.parse()).collect();
            match numbers.as_deref() {
                Ok([]) => kafka::latency(10_000, 20),
                Ok([rate, seconds]) => kafka::latency(*rate, *seconds),
                Ok(_) | Err(_) => return refuse(USAGE),
            }
        }
        // What the contests start.
        #[cfg(feature = "kafka")]
        ["kafka-follow", brokers, topic, function, batch] => {
            kafka::follow(brokers, topic, function, batch.parse().expect("a batch is a number"))
        }
        #[cfg(feature = "kafka")]
        ["kafka-limit", brokers, topic, function, batch] => {
            kafka::limit(brokers, topic, function, batch.parse().expect("a batch is a number"))
        }
        #[cfg(feature = "kinesis")]
        ["kinesis-limit", stream, function, batch] => {
            kinesis::limit(stream, function, batch.parse().expect("a batch is a number"))
        }
        #[cfg(feature = "sqs")]
        ["sdk-loop", endpoint, queue, function] => sqs::sdk_loop(endpoint, queue, function),
        #[cfg(feature = "sqs")]
        ["http-loop", endpoint, queue, function] => sqs::http_loop(endpoint, queue, function),
        ["post", path, address, batch] => {
            file::post(path, address, batch.parse().expect("a batch is a number"))
        }
        ["file", ..] => {
            let numbers: Result<Vec<usize>, _> = words[1..].iter().map(|it| it.parse()).collect();
            match numbers.as_deref() {
                Ok([]) => file::run(300_000, &file::BATCHES),
                Ok([n]) => file::run(*n, &file::BATCHES),
                Ok([n, batch]) => file::run(*n, &[*batch]),
                Ok(_) | Err(_) => return refuse(USAGE),
            }
        }
        _ => return refuse(USAGE),
    }
    ExitCode::SUCCESS
}

fn refuse(text: &str) -> ExitCode {
    eprintln!("{text}");
    ExitCode::from(2)
}
