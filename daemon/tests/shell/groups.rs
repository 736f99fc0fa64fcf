//! Processes of one group: each with a store of its own, over one log whose partitions are dealt out among
//! them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_batcher::Reply;
use forebay_clients::Clients;
use forebay_invoker::executor::BoxFuture;
use forebay_invoker::{Event, Executor, InvokeError};
use forebay_pollers::contract::shapes::FakeGroup;
use forebay_pollers::{Source, SourceError, SourceSettings};

use crate::function::function;
use crate::world::{Running, World, until};

const N_PARTITIONS: usize = 4;

/// The log as settings that connect to it, and what it is called: those of one name share a feed.
struct Log(FakeGroup, &'static str);

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Log")
    }
}

impl SourceSettings for Log {
    fn identity(&self) -> String {
        self.1.to_owned()
    }

    fn connect<'a>(&'a self, _clients: &'a Clients) -> BoxFuture<'a, Result<Arc<dyn Source>, SourceError>> {
        Box::pin(async { Ok(Arc::new(self.0.clone()) as Arc<dyn Source>) })
    }
}

/// A record: its partition and its number there.
type Seen = (usize, usize);

/// Keeps what it was invoked with, in the order in which that succeeded, over all processes.
#[derive(Clone)]
struct Ledger {
    seen: Arc<Mutex<Vec<Seen>>>,
    takes: Duration,
    /// It takes without end.
    hangs: Arc<AtomicBool>,
    /// The partitions of what it was invoked with, as it began.
    begun: Arc<Mutex<Vec<usize>>>,
}

impl Ledger {
    fn new(takes: Duration) -> Self {
        Self { seen: Arc::default(), takes, hangs: Arc::default(), begun: Arc::default() }
    }

    /// The same ledger for another process.
    fn beside(&self) -> Self {
        Self { hangs: Arc::default(), begun: Arc::default(), ..self.clone() }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How often each record succeeded.
    fn times(&self) -> BTreeMap<Seen, usize> {
        let mut times = BTreeMap::new();
        self.seen().into_iter().for_each(|it| *times.entry(it).or_default() += 1);
        times
    }
}

impl Executor for Ledger {
    fn invoke(&self, event: Event) -> BoxFuture<'_, Result<Reply, InvokeError>> {
        Box::pin(async move {
            let event: serde_json::Value = serde_json::from_slice(&event.pieces.concat()).unwrap();
            let number =
                |it: &serde_json::Value, of: &str| usize::try_from(it["data"][of].as_u64().unwrap()).unwrap();
            let records = event["Records"].as_array().unwrap();
            let records: Vec<Seen> =
                records.iter().map(|it| (number(it, "partition"), number(it, "n"))).collect();
            self.begun.lock().unwrap().push(records[0].0);
            tokio::time::sleep(self.takes).await;
            if self.hangs.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            self.seen.lock().unwrap().extend(records);
            Ok(Reply::default())
        })
    }

    fn function_arn(&self) -> &str {
        "arn:aws:lambda:us-east-1:000000000000:function:ledger"
    }

    fn stop(&self, _grace: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

fn start(world: &World, name: &'static str, log: &FakeGroup, ledger: &Ledger) -> Running {
    let (source, function) = (world.source(), function());
    let order = world.order(name, &source, &function);
    world.run_with(order, Arc::new(Log(log.clone(), "log")), Arc::new(ledger.clone()))
}

fn append(log: &FakeGroup, n: usize) {
    (0..N_PARTITIONS).for_each(|it| log.append(it, n));
}

fn owners(log: &FakeGroup) -> Vec<Option<forebay_models::group::MemberId>> {
    let group = log.group();
    (0..N_PARTITIONS).map(|it| group.owner(it)).collect()
}

/// Both processes have half of the partitions, and nothing is on its way.
fn is_halved(log: &FakeGroup) -> bool {
    let owners = owners(log);
    owners[0].is_some() && owners[1].is_some() && owners[0] != owners[1] && owners[..2] == owners[2..]
}

/// Waits until a mapping has heard that it has no partition.
async fn until_it_has_none(running: &Running) {
    for _ in 0..1_000 {
        if running.entry.tracks().await.is_some_and(|it| it.is_empty()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it still has {:?}", running.entry.tracks().await);
}

async fn until_all(ledger: &Ledger, n: usize) {
    until("all records succeeded", || ledger.times().len() == n * N_PARTITIONS).await;
}

/// In each partition every record succeeded for the first time after those before it.
fn assert_order(ledger: &Ledger) {
    let mut next = [0; N_PARTITIONS];
    for (partition, n) in ledger.seen() {
        assert!(n <= next[partition], "record {n} of {partition} before record {}", next[partition]);
        next[partition] = next[partition].max(n + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn partitions_that_go_over_while_they_are_worked_on_are_done_once_and_in_order() {
    let log = FakeGroup::new(N_PARTITIONS);
    let ledger = Ledger::new(Duration::from_millis(40));
    let (here, there) = (World::new(), World::new());
    let one = start(&here, "one", &log, &ledger);
    append(&log, 60);
    until("work has begun", || ledger.seen().len() > 20).await;
    let two = start(&there, "two", &log, &ledger.beside());
    until("each has half of them", || is_halved(&log)).await;
    append(&log, 60);
    until_all(&ledger, 120).await;
    // The other takes over all again, and all of it begins where the group stands.
    two.close().await;
    append(&log, 20);
    until_all(&ledger, 140).await;
    assert!(ledger.times().values().all(|n| *n == 1), "what is given back in time is done once");
    assert_order(&ledger);
    one.close().await;
    let group = log.group();
    let committed: Vec<_> = (0..N_PARTITIONS).map(|it| group.committed(it)).collect();
    assert_eq!(committed, [Some(140); N_PARTITIONS], "the group was told all of it before the last one left");
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_is_not_given_back_in_time_is_done_again_by_its_new_owner_and_committed_by_none_else()
 {
    let log = FakeGroup::new(N_PARTITIONS);
    let ledger = Ledger::new(Duration::from_millis(40));
    let (here, there) = (World::new(), World::new());
    let one = start(&here, "one", &log, &ledger);
    append(&log, 8);
    until_all(&ledger, 8).await;
    ledger.hangs.store(true, Ordering::SeqCst);
    append(&log, 8);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let two = start(&there, "two", &log, &ledger.beside());
    until("each has half of them", || is_halved(&log)).await;
    until("the half that went over is done", || ledger.times().len() >= 12 * N_PARTITIONS).await;
    assert_eq!(ledger.times().len(), 12 * N_PARTITIONS, "what hangs is not done");
    ledger.hangs.store(false, Ordering::SeqCst);
    log.expire("one");
    until_all(&ledger, 16).await;
    assert_order(&ledger);
    two.close().await;
    one.task.abort();
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_partition_begins_after_it_was_taken() {
    let log = FakeGroup::new(N_PARTITIONS);
    let ledger = Ledger::new(Duration::from_millis(100));
    let (here, there) = (World::new(), World::new());
    let one = start(&here, "one", &log, &ledger);
    let other = ledger.beside();
    let two = start(&there, "two", &log, &other);
    until("each has half of them", || is_halved(&log)).await;
    // The other does nothing with what it has.
    other.hangs.store(true, Ordering::SeqCst);
    append(&log, 200);
    until("work has begun", || {
        ledger.begun.lock().unwrap().len() > 4 && other.begun.lock().unwrap().len() == 2
    })
    .await;
    log.expire("one");
    log.group().freeze(true);
    until_it_has_none(&one).await;
    assert!(owners(&log).iter().all(|it| *it == log.member_of("two")), "{:?}", owners(&log));
    ledger.begun.lock().unwrap().clear();
    // Long enough for twenty batches; the paused clock jumps.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(*ledger.begun.lock().unwrap(), [0; 0], "it has none of them");
    log.group().freeze(false);
    let is_done = |partition: usize| ledger.times().keys().filter(|it| it.0 == partition).count() == 200;
    until("it has its half again", || is_done(0) && is_done(2)).await;
    assert_order(&ledger);
    one.close().await;
    two.task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_member_that_was_missed_goes_on_when_it_is_dealt_the_partitions_again() {
    let log = FakeGroup::new(N_PARTITIONS);
    let ledger = Ledger::new(Duration::from_millis(40));
    let here = World::new();
    let one = start(&here, "one", &log, &ledger);
    for round in 1..=5 {
        append(&log, 20);
        until("some are done", || ledger.times().len() > (round - 1) * 20 * N_PARTITIONS + 10).await;
        log.expire("one");
        until_all(&ledger, 20 * round).await;
    }
    assert_order(&ledger);
    let n_again: usize = ledger.times().values().map(|n| n - 1).sum();
    // Each time two batches of four were under way, and as much was not committed yet.
    assert!(n_again <= 5 * 16, "{n_again} records were done again");
    one.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_is_asked_back_before_the_store_has_granted_it_is_given_back_and_not_begun() {
    let log = FakeGroup::new(N_PARTITIONS);
    let ledger = Ledger::new(Duration::from_millis(40));
    let (here, there) = (World::new(), World::new());
    here.store.hold_grants(true);
    let one = start(&here, "one", &log, &ledger);
    append(&log, 20);
    until("it was dealt all of them", || owners(&log).iter().all(|it| *it == log.member_of("one"))).await;
    until("the store is asked", || here.store.asked().iter().any(|it| it.starts_with("grant of one"))).await;
    let other = ledger.beside();
    let two = start(&there, "two", &log, &other);
    until("half of them went over", || is_halved(&log)).await;
    here.store.hold_grants(false);
    until_all(&ledger, 20).await;
    assert!(ledger.times().values().all(|n| *n == 1), "each is done by the one that has it");
    let begun = |by: &Ledger| by.begun.lock().unwrap().iter().map(|it| it % 2).collect::<Vec<_>>();
    assert!(begun(&ledger).iter().all(|it| *it == 0) && begun(&other).iter().all(|it| *it == 1));
    one.close().await;
    two.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_group_that_stands_behind_what_was_kept_hears_of_it_though_nothing_new_comes() {
    let log = FakeGroup::new(N_PARTITIONS);
    let ledger = Ledger::new(Duration::from_millis(40));
    let here = World::new();
    let one = start(&here, "one", &log, &ledger);
    append(&log, 8);
    until_all(&ledger, 8).await;
    one.close().await;
    // The same records, and a group that has forgotten where it stood.
    let again = FakeGroup::new(N_PARTITIONS);
    append(&again, 8);
    let (source, function) = (here.source(), function());
    let order = here.order("one", &source, &function);
    let one = here.run_with(order, Arc::new(Log(again.clone(), "again")), Arc::new(ledger.clone()));
    until("the group stands where this process does", || {
        (0..N_PARTITIONS).all(|it| again.group().committed(it) == Some(8))
    })
    .await;
    assert!(ledger.times().values().all(|n| *n == 1), "nothing is done again");
    one.close().await;
}
