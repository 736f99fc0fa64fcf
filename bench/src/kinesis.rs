//! A stream of Kinesis to an HTTP function: Forebay and the limit program in turn. The stream is the strict model
//! of shards: who comes too often is refused, and nobody is.

mod limit;
mod server;
mod signed;
mod wire;

use crate::pairs::{self, Sides};
use crate::sink::Sink;

use server::StreamServer;

pub(crate) use limit::run as limit;

/// The sizes of a batch that are measured when nothing else is said.
pub(crate) const BATCHES: [usize; 2] = [100, 1_000];
/// The sizes of a record.
pub(crate) const RECORD_BYTES: [usize; 2] = [256, 1_024];
/// A shard gives 2 MB a second: so many keep a core busy.
const N_SHARDS: usize = 64;
const ACCESS_KEY: &str = "AKIDBENCH";
const SECRET_KEY: &str = "secret";
const REGION: &str = "us-east-1";

/// Prints what both sides take for each size of a record and of a batch.
pub(crate) fn run(n_records: usize, record_bytes: &[usize], batches: &[usize]) {
    pairs::want_one_core();
    let sink = Sink::start(&format!("\"sequenceNumber\":\"{}", wire::NUMBER_BEGINS));
    for record_bytes in record_bytes {
        let (server, whole) = StreamServer::start(N_SHARDS, n_records, *record_bytes);
        for batch in batches {
            let address = server.address();
            let limit = ["kinesis-limit", &address, &sink.address(), &batch.to_string()];
            let sides = Sides {
                what: format!("{record_bytes:4} bytes, batches of {batch:4}"),
                config: &|_| config(&address, &sink, *batch),
                limit: limit.map(str::to_owned).into(),
                sink: &sink,
                whole,
            };
            sides.compare();
            eprintln!("{:43} of {} reads", "", server.take_reads());
        }
    }
}

fn config(address: &str, sink: &Sink, batch: usize) -> String {
    format!(
        "api: {{ listen: off }}\n\
         aws: {{ region: {REGION}, endpoints: {{ kinesis: \"http://{address}\" }}, access_key_id: {ACCESS_KEY}, secret_access_key: {SECRET_KEY} }}\n\
         functions:\n  sink: {{ executor: {{ http: {{ url: \"http://{}/\" }} }} }}\n\
         event_source_mappings:\n  - {{ name: bench, source: {{ kinesis: {{ stream: {} }} }}, function_name: sink, \
         starting_position: TRIM_HORIZON, batch_size: {batch} }}\n",
        sink.address(),
        wire::STREAM
    )
}
