//! Calls that come together are one group: when its write fails, each of them hears of it.

use tokio::sync::{mpsc, oneshot, watch};

use super::RocksOptions;
use super::request::{StoreRequest, Write};
use super::writer::StoreWriter;
use crate::ledger::LedgerChange;
use crate::store::{Epoch, Lease, MappingId, StoreError, StoreHealth, Synced, TrackKey};

fn writer(options: RocksOptions) -> (StoreWriter, mpsc::Sender<StoreRequest>) {
    let (requests, inbox) = mpsc::channel(16);
    let (health, _) = watch::channel(StoreHealth::Ok);
    let (synced, _) = watch::channel(Synced::default());
    (StoreWriter::open(options, inbox, health, synced).unwrap(), requests)
}

fn send<T>(
    requests: &mpsc::Sender<StoreRequest>,
    request: impl FnOnce(super::request::ReplyTo<T>) -> StoreRequest,
) -> Answer<T> {
    let (answer, told) = oneshot::channel();
    requests.try_send(request(answer)).unwrap();
    told
}

type Answer<T> = oneshot::Receiver<Result<T, StoreError>>;

fn quakes() -> MappingId {
    MappingId("quakes".to_owned())
}

fn acquire(requests: &mpsc::Sender<StoreRequest>, mapping: MappingId) -> Answer<Lease> {
    send(requests, |answer| StoreRequest::Write(Write::Acquire { mapping, generation: Epoch(0), answer }))
}

fn change(requests: &mpsc::Sender<StoreRequest>, lease: &Lease, change: LedgerChange) -> Answer<()> {
    send(requests, |answer| StoreRequest::Write(Write::Change { lease: lease.clone(), change, answer }))
}

fn commit(requests: &mpsc::Sender<StoreRequest>, lease: &Lease, track: &str) -> Answer<()> {
    change(requests, lease, LedgerChange::Commit(TrackKey(track.to_owned()), b"1".to_vec()))
}

/// What was told: the writer answers all that waits, in one go, and ends.
fn told<T>(mut answer: Answer<T>) -> Result<T, StoreError> {
    answer.try_recv().expect("it is answered")
}

/// A lease that a writer of its own has granted.
fn acquired(folder: &std::path::Path) -> Lease {
    let (mut writer, requests) = writer(RocksOptions::new(folder));
    let lease = acquire(&requests, quakes());
    drop(requests);
    writer.run();
    told(lease).unwrap()
}

#[test]
fn each_writer_of_a_group_that_fails_hears_of_it_and_nothing_of_it_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let lease = acquired(folder.path());
    {
        let (mut writer, requests) = writer(RocksOptions::new(folder.path()));
        let created = change(&requests, &lease, LedgerChange::Create(Vec::new()));
        drop(requests);
        writer.run();
        told(created).unwrap();
    }
    // There is no room for a single byte.
    let (mut full, requests) =
        writer(RocksOptions { bytes_max: Some(1), ..RocksOptions::new(folder.path()) });
    let (one, other) = (commit(&requests, &lease, "one"), commit(&requests, &lease, "other"));
    let noted = send(&requests, |answer| {
        StoreRequest::Write(Write::Note { mapping: quakes(), note: Some(b"n".to_vec()), answer })
    });
    let another = acquire(&requests, MappingId("another".to_owned()));
    let last = commit(&requests, &lease, "last");
    let kept = send(&requests, |answer| StoreRequest::Load { lease: lease.clone(), answer });
    drop(requests);
    full.run();
    for answer in [one, other, noted, last] {
        assert!(matches!(told(answer), Err(StoreError::Full { .. })), "each is told, not only the first");
    }
    assert!(matches!(told(another), Err(StoreError::Full { .. })));
    assert_eq!(told(kept).unwrap(), Some(Vec::new()));
}

#[test]
fn a_writer_whose_call_is_refused_keeps_nobody_of_its_group_from_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, requests) = writer(RocksOptions::new(folder.path()));
    let lease = acquire(&requests, quakes());
    let stranger = Lease { mapping: quakes(), epoch: Epoch(0), generation: Epoch(0) };
    let fenced = commit(&requests, &stranger, "one");
    let another = acquire(&requests, MappingId("another".to_owned()));
    drop(requests);
    writer.run();
    assert!(told(lease).is_ok() && told(another).is_ok());
    assert!(matches!(told(fenced), Err(StoreError::Fenced { .. })));
}

#[test]
fn what_waits_in_front_of_a_close_is_written_before_it_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, requests) = writer(RocksOptions::new(folder.path()));
    let lease = acquire(&requests, quakes());
    let closed = send(&requests, |answer| StoreRequest::Close { answer });
    writer.run();
    assert!(told(lease).is_ok() && told(closed).is_ok());
}

#[test]
fn a_load_sees_the_writes_that_wait_in_front_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let lease = acquired(folder.path());
    let (mut writer, requests) = writer(RocksOptions::new(folder.path()));
    let created = change(&requests, &lease, LedgerChange::Create(Vec::new()));
    let kept = send(&requests, |answer| StoreRequest::Load { lease: lease.clone(), answer });
    drop(requests);
    writer.run();
    told(created).unwrap();
    assert_eq!(told(kept).unwrap(), Some(Vec::new()));
}
