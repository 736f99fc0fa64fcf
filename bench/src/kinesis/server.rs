//! The strict model of shards behind Kinesis's calls, on a loopback port.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use forebay_models::shards::{Limits, ShardTree};
use forebay_models::stream::Style;

use super::wire;
use crate::http;
use crate::sink::Tally;

/// Twice as many calls as AWS's shards allow: one that comes late on a busy core is as near to the next.
const CALLS_PER_SECOND: usize = 10;
/// So many contents, each in many records.
const N_CONTENTS: usize = 64;

/// A stream that listens until the process ends; each connection has a thread.
pub(super) struct StreamServer {
    address: SocketAddr,
    n_reads: Arc<AtomicUsize>,
}

impl StreamServer {
    /// A stream of so many shards with these records, as many in each, and what a function sees of them. What
    /// a record holds is Base64 already.
    pub(super) fn start(n_shards: usize, n_records: usize, record_bytes: usize) -> (Self, Tally) {
        let limits = Limits { calls_per_s: CALLS_PER_SECOND, ..Limits::default() };
        let mut tree = ShardTree::new(Style::Numbers, limits);
        let share = u128::MAX / n_shards as u128;
        for shard in 0..n_shards as u128 {
            tree.add_root(shard * share..=shard * share + (share - 1));
        }
        let contents: Vec<Bytes> = (0..N_CONTENTS).map(|it| content(it, record_bytes)).collect();
        let (mut whole, began) = (Tally::default(), now_ms());
        for record in 0..n_records {
            let shard = record % n_shards;
            let idx = tree.put_at(shard, contents[record % N_CONTENTS].clone(), began);
            whole.enter(tree.shards()[shard].log.items()[idx].name);
        }
        let (tree, n_reads) = (Mutex::new(tree), Arc::new(AtomicUsize::new(0)));
        let address = http::serve({
            let n_reads = Arc::clone(&n_reads);
            move |head, body, out| {
                assert!(wire::is_signed(head), "a call is signed");
                let action = wire::action(head);
                if action == "GetRecords" {
                    n_reads.fetch_add(1, Ordering::SeqCst);
                }
                let mut tree = tree.lock().expect("nothing panics under this lock");
                wire::answer(&mut tree, action, body, now_ms(), out);
            }
        });
        (Self { address, n_reads }, whole)
    }

    pub(super) fn address(&self) -> String {
        self.address.to_string()
    }

    /// How often records were asked for since the last call.
    pub(super) fn take_reads(&self) -> usize {
        self.n_reads.swap(0, Ordering::SeqCst)
    }
}

/// Bytes without a pattern, as Base64.
fn content(number: usize, n_bytes: usize) -> Bytes {
    let mut state = number as u64 + 1;
    let bytes: Vec<u8> = (0..n_bytes)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect();
    STANDARD.encode(bytes).into()
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    u64::try_from(since.as_millis()).expect("it is before the year 500,000,000")
}
