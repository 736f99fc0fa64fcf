//! What every store owes, checked over each of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use forebay_checkpoints::{CheckpointStore, Epoch, KeptTrack, MappingId, StoreError, StoreHealth};
use tokio::task::JoinSet;

use super::bench::{Bench, Memory, Rocks, kept, mapping, take, track};

/// Each case becomes a test over each store.
macro_rules! contract {
    ($($case:ident)*) => {
        mod memory {
            $(#[tokio::test] async fn $case() { super::$case(&super::Memory).await; })*
        }
        mod rocks {
            $(#[tokio::test] async fn $case() { super::$case(&super::Rocks::default()).await; })*
        }
    };
}

contract! {
    a_mapping_that_was_never_created_loads_as_none
    a_created_mapping_loads_with_every_checkpoint
    a_mapping_created_without_tracks_is_created
    a_creation_may_be_repeated_and_another_one_is_refused
    a_creation_under_an_old_epoch_leaves_nothing
    a_commit_before_the_creation_is_refused
    a_new_track_joins_the_list_with_its_first_commit
    epochs_only_grow_and_stand_above_the_wall_clock
    an_epoch_stands_above_the_sources_own_generation
    an_old_epoch_is_fenced_in_every_call
    nothing_under_an_old_epoch_lands_after_the_grant_of_a_new_one
    a_track_that_was_dealt_anew_takes_nothing_of_its_former_generation
    tracks_are_granted_together_or_not_at_all
    forgotten_tracks_leave_the_list
    a_removed_mapping_leaves_nothing_and_its_lease_ends
    a_mapping_made_anew_in_the_same_second_fences_the_old_one
    a_mapping_made_anew_stands_above_its_last_epoch_whichever_was_removed_since
    a_note_is_kept_without_a_lease_and_replaced_by_the_next
    a_note_is_its_mappings_alone_and_says_nothing_of_tracks
    a_note_that_is_taken_away_is_gone_and_taking_none_away_does_nothing
    removing_a_mapping_takes_its_note_and_leaves_those_of_others
    a_fenced_removal_leaves_the_note
    mappings_do_not_see_each_others_tracks
    concurrent_commits_are_all_kept
    a_checkpoint_that_is_written_is_there_at_once_and_told_to_be_synced
    a_checkpoint_that_a_store_may_not_take_is_refused_when_it_is_written
    all_that_was_acknowledged_is_there_after_reopening
    a_healthy_store_says_so_and_a_closed_one_refuses
}

async fn a_mapping_that_was_never_created_loads_as_none(bench: &dyn Bench) {
    let store = bench.open().await;
    let lease = store.acquire(&mapping("quakes")).await.unwrap();
    assert_eq!(store.load(&lease).await.unwrap(), None);
    let store = bench.reopen(store).await;
    let lease = store.acquire(&mapping("quakes")).await.unwrap();
    assert_eq!(store.load(&lease).await.unwrap(), None);
}

async fn a_created_mapping_loads_with_every_checkpoint(bench: &dyn Bench) {
    let store = bench.open().await;
    let lease = store.acquire(&mapping("quakes")).await.unwrap();
    store.create(&lease, vec![(track("b"), b"2".to_vec()), (track("a"), Vec::new())]).await.unwrap();
    assert_eq!(store.load(&lease).await.unwrap(), Some(vec![kept("a", ""), kept("b", "2")]));
}

async fn a_mapping_created_without_tracks_is_created(bench: &dyn Bench) {
    let store = bench.open().await;
    let lease = store.acquire(&mapping("quakes")).await.unwrap();
    store.create(&lease, Vec::new()).await.unwrap();
    let store = bench.reopen(store).await;
    let lease = store.acquire(&mapping("quakes")).await.unwrap();
    assert_eq!(store.load(&lease).await.unwrap(), Some(Vec::new()));
}

async fn a_creation_may_be_repeated_and_another_one_is_refused(bench: &dyn Bench) {
    let store = bench.open().await;
    let lease = store.acquire(&mapping("quakes")).await.unwrap();
    store.create(&lease, vec![(track("a"), b"1".to_vec())]).await.unwrap();
    store.create(&lease, vec![(track("a"), b"1".to_vec())]).await.unwrap();
    for other in [
        vec![(track("a"), b"0".to_vec())],
        vec![],
        vec![(track("a"), b"1".to_vec()), (track("b"), b"1".to_vec())],
    ] {
        assert!(matches!(store.create(&lease, other).await, Err(StoreError::OutOfTurn { .. })));
    }
    assert_eq!(store.load(&lease).await.unwrap(), Some(vec![kept("a", "1")]));
}

async fn a_creation_under_an_old_epoch_leaves_nothing(bench: &dyn Bench) {
    let store = bench.open().await;
    let old = store.acquire(&mapping("quakes")).await.unwrap();
    let new = store.acquire(&mapping("quakes")).await.unwrap();
    assert!(matches!(
        store.create(&old, vec![(track("a"), b"1".to_vec())]).await,
        Err(StoreError::Fenced { .. })
    ));
    assert_eq!(store.load(&new).await.unwrap(), None);
}

async fn a_commit_before_the_creation_is_refused(bench: &dyn Bench) {
    let store = bench.open().await;
    let lease = store.acquire(&mapping("quakes")).await.unwrap();
    assert!(matches!(
        store.commit(&lease, &track("a"), b"1".to_vec()).await,
        Err(StoreError::OutOfTurn { .. })
    ));
    assert_eq!(store.load(&lease).await.unwrap(), None);
}

async fn a_new_track_joins_the_list_with_its_first_commit(bench: &dyn Bench) {
    let store = bench.open().await;
    let lease = take(&*store, "quakes").await;
    store.commit(&lease, &track("a"), b"1".to_vec()).await.unwrap();
    store.commit(&lease, &track("b"), b"1".to_vec()).await.unwrap();
    store.commit(&lease, &track("a"), b"2".to_vec()).await.unwrap();
    let store = bench.reopen(store).await;
    let lease = store.acquire(&mapping("quakes")).await.unwrap();
    assert_eq!(store.load(&lease).await.unwrap(), Some(vec![kept("a", "2"), kept("b", "1")]));
}

async fn epochs_only_grow_and_stand_above_the_wall_clock(bench: &dyn Bench) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut store = bench.open().await;
    let mut last = Epoch(now);
    for _ in 0..3 {
        for _ in 0..3 {
            let epoch = store.acquire(&mapping("quakes")).await.unwrap().epoch;
            assert!(epoch > last, "{epoch:?} after {last:?}");
            last = epoch;
        }
        store = bench.reopen(store).await;
    }
    assert_eq!(store.mappings().await.unwrap(), vec![(mapping("quakes"), last)]);
}

async fn an_epoch_stands_above_the_sources_own_generation(bench: &dyn Bench) {
    let store = bench.open().await;
    let far = Epoch(1 << 60);
    assert_eq!(store.acquire_above(&mapping("quakes"), far).await.unwrap().epoch, Epoch((1 << 60) + 1));
    assert_eq!(store.acquire(&mapping("quakes")).await.unwrap().epoch, Epoch((1 << 60) + 2));
}

async fn a_mapping_made_anew_stands_above_its_last_epoch_whichever_was_removed_since(bench: &dyn Bench) {
    let store = bench.open().await;
    let near = store.acquire(&mapping("near")).await.unwrap();
    let far = store.acquire_above(&mapping("far"), Epoch(1 << 60)).await.unwrap();
    store.remove(&far).await.unwrap();
    store.remove(&near).await.unwrap();
    let anew = store.acquire(&mapping("far")).await.unwrap();
    assert!(
        anew.epoch > far.epoch,
        "{:?} after {:?}: the former owner could still write",
        anew.epoch,
        far.epoch
    );
}

async fn an_old_epoch_is_fenced_in_every_call(bench: &dyn Bench) {
    let store = bench.open().await;
    let old = take(&*store, "quakes").await;
    store.commit(&old, &track("a"), b"1".to_vec()).await.unwrap();
    let store = bench.reopen(store).await;
    let new = store.acquire(&mapping("quakes")).await.unwrap();
    let fenced = |error: StoreError| match error {
        StoreError::Fenced { mapping: of, granted, ours } => {
            (of, granted, ours) == (mapping("quakes"), new.epoch, old.epoch)
        }
        _ => false,
    };
    assert!(fenced(store.commit(&old, &track("a"), b"0".to_vec()).await.unwrap_err()));
    assert!(fenced(store.forget(&old, &[track("a")]).await.unwrap_err()));
    assert!(fenced(store.remove(&old).await.unwrap_err()));
    assert!(fenced(store.load(&old).await.unwrap_err()));
    assert_eq!(store.load(&new).await.unwrap(), Some(vec![kept("a", "1")]));
}

async fn a_track_that_was_dealt_anew_takes_nothing_of_its_former_generation(bench: &dyn Bench) {
    let store = bench.open().await;
    let lease = take(&*store, "quakes").await;
    store.grant(&lease, vec![(track("a"), Epoch(3)), (track("b"), Epoch(4))]).await.unwrap();
    store.commit(&lease.under(Epoch(3)), &track("a"), b"1".to_vec()).await.unwrap();
    store.grant(&lease, vec![(track("a"), Epoch(7))]).await.unwrap();
    // Whatever a former ownership has on its way, and whoever knows of no generation.
    for late in [lease.under(Epoch(3)), lease.clone(), lease.under(Epoch(8))] {
        let refused = store.commit(&late, &track("a"), b"0".to_vec()).await.unwrap_err();
        let StoreError::Overtaken { granted, ours, .. } = refused else { panic!("{refused}") };
        assert_eq!((granted, ours), (Epoch(7), late.generation));
    }
    store.write(&lease.under(Epoch(7)), &track("a"), b"2".to_vec()).await.unwrap();
    store.commit(&lease.under(Epoch(4)), &track("b"), b"1".to_vec()).await.unwrap();
    store.commit(&lease, &track("c"), b"no group deals it".to_vec()).await.unwrap();
    let store = bench.reopen(store).await;
    let lease = store.acquire(&mapping("quakes")).await.unwrap();
    let rows = vec![kept("a", "2"), kept("b", "1"), kept("c", "no group deals it")];
    assert_eq!(store.load(&lease).await.unwrap(), Some(rows));
    let old = store.commit(&lease.under(Epoch(3)), &track("a"), b"0".to_vec()).await;
    assert!(matches!(old, Err(StoreError::Overtaken { .. })), "it outlasts the process");
}

async fn tracks_are_granted_together_or_not_at_all(bench: &dyn Bench) {
    let store = bench.open().await;
    let fresh = store.acquire(&mapping("others")).await.unwrap();
    let early = store.grant(&fresh, vec![(track("a"), Epoch(1))]).await;
    assert!(matches!(early, Err(StoreError::OutOfTurn { .. })), "a mapping is created first");
    let lease = take(&*store, "quakes").await;
    store.grant(&lease, vec![(track("b"), Epoch(5))]).await.unwrap();
    let mixed = store.grant(&lease, vec![(track("a"), Epoch(6)), (track("b"), Epoch(4))]).await;
    assert!(matches!(mixed, Err(StoreError::Overtaken { granted: Epoch(5), .. })));
    let untouched = store.commit(&lease, &track("a"), b"1".to_vec()).await;
    assert!(untouched.is_ok(), "the other was not granted either");
    store.grant(&lease, vec![(track("b"), Epoch(5))]).await.unwrap();
}

async fn nothing_under_an_old_epoch_lands_after_the_grant_of_a_new_one(bench: &dyn Bench) {
    let store = bench.open().await;
    let old = take(&*store, "quakes").await;
    let mut commits = JoinSet::new();
    for number in 0..200_u32 {
        let (store, old) = (Arc::clone(&store), old.clone());
        commits
            .spawn(async move { store.commit(&old, &track(&format!("{number:03}")), b"1".to_vec()).await });
    }
    tokio::task::yield_now().await;
    let new = store.acquire(&mapping("quakes")).await.unwrap();
    let at_grant = store.load(&new).await.unwrap().unwrap();
    let landed = commits.join_all().await.into_iter().filter(Result::is_ok).count();
    assert_eq!(store.load(&new).await.unwrap().unwrap(), at_grant);
    assert_eq!(at_grant.len(), landed);
}

async fn forgotten_tracks_leave_the_list(bench: &dyn Bench) {
    let store = bench.open().await;
    let lease = take(&*store, "quakes").await;
    for name in ["a", "b", "c"] {
        store.commit(&lease, &track(name), b"1".to_vec()).await.unwrap();
    }
    store.forget(&lease, &[track("a"), track("c"), track("never seen")]).await.unwrap();
    let store = bench.reopen(store).await;
    let lease = store.acquire(&mapping("quakes")).await.unwrap();
    assert_eq!(store.load(&lease).await.unwrap(), Some(vec![kept("b", "1")]));
}

async fn a_removed_mapping_leaves_nothing_and_its_lease_ends(bench: &dyn Bench) {
    let store = bench.open().await;
    let lease = take(&*store, "quakes").await;
    store.commit(&lease, &track("a"), b"1".to_vec()).await.unwrap();
    store.remove(&lease).await.unwrap();
    assert!(matches!(store.commit(&lease, &track("a"), b"2".to_vec()).await, Err(StoreError::Fenced { .. })));
    assert_eq!(store.mappings().await.unwrap(), vec![]);
    let store = bench.reopen(store).await;
    let lease = store.acquire(&mapping("quakes")).await.unwrap();
    assert_eq!(store.load(&lease).await.unwrap(), None);
    store.create(&lease, Vec::new()).await.unwrap();
    assert_eq!(store.load(&lease).await.unwrap(), Some(Vec::new()));
}

async fn a_mapping_made_anew_in_the_same_second_fences_the_old_one(bench: &dyn Bench) {
    let store = bench.open().await;
    let mut old = take(&*store, "quakes").await;
    for _ in 0..10 {
        old = store.acquire(&mapping("quakes")).await.unwrap();
    }
    store.remove(&old).await.unwrap();
    let store = bench.reopen(store).await;
    let new = take(&*store, "quakes").await;
    assert!(new.epoch > old.epoch);
    assert!(matches!(store.commit(&old, &track("a"), b"0".to_vec()).await, Err(StoreError::Fenced { .. })));
}

async fn a_note_is_kept_without_a_lease_and_replaced_by_the_next(bench: &dyn Bench) {
    let store = bench.open().await;
    store.note(&mapping("quakes"), b"1".to_vec()).await.unwrap();
    assert_eq!(store.notes().await.unwrap(), notes(&[("quakes", "1")]));
    let lease = take(&*store, "quakes").await;
    store.note(&mapping("quakes"), b"2".to_vec()).await.unwrap();
    store.commit(&lease, &track("a"), b"place".to_vec()).await.unwrap();
    store.acquire(&mapping("quakes")).await.unwrap();
    let store = bench.reopen(store).await;
    assert_eq!(store.notes().await.unwrap(), notes(&[("quakes", "2")]));
}

async fn a_note_is_its_mappings_alone_and_says_nothing_of_tracks(bench: &dyn Bench) {
    let store = bench.open().await;
    take(&*store, "tides").await;
    for name in ["b", "aa", "", "ab\0c", "ab"] {
        store.note(&mapping(name), name.as_bytes().to_vec()).await.unwrap();
    }
    let store = bench.reopen(store).await;
    let wanted = notes(&["", "aa", "ab", "ab\0c", "b"].map(|name| (name, name)));
    assert_eq!(store.notes().await.unwrap(), wanted);
    assert_eq!(store.mappings().await.unwrap().len(), 1, "a note alone makes no mapping");
    let lease = store.acquire(&mapping("aa")).await.unwrap();
    assert_eq!(store.load(&lease).await.unwrap(), None, "a note alone creates nothing");
}

fn notes(kept: &[(&str, &str)]) -> BTreeMap<MappingId, Vec<u8>> {
    kept.iter().map(|(name, note)| (mapping(name), note.as_bytes().to_vec())).collect()
}

async fn a_note_that_is_taken_away_is_gone_and_taking_none_away_does_nothing(bench: &dyn Bench) {
    let store = bench.open().await;
    let lease = take(&*store, "quakes").await;
    store.commit(&lease, &track("a"), b"1".to_vec()).await.unwrap();
    store.note(&mapping("quakes"), b"1".to_vec()).await.unwrap();
    store.unnote(&mapping("quakes")).await.unwrap();
    store.unnote(&mapping("quakes")).await.unwrap();
    store.unnote(&mapping("never noted")).await.unwrap();
    assert_eq!(store.notes().await.unwrap(), notes(&[]));
    let store = bench.reopen(store).await;
    assert_eq!(store.notes().await.unwrap(), notes(&[]));
    let lease = store.acquire(&mapping("quakes")).await.unwrap();
    assert_eq!(store.load(&lease).await.unwrap(), Some(vec![kept("a", "1")]));
}

async fn removing_a_mapping_takes_its_note_and_leaves_those_of_others(bench: &dyn Bench) {
    let store = bench.open().await;
    let lease = take(&*store, "quakes").await;
    store.note(&mapping("quakes"), b"1".to_vec()).await.unwrap();
    store.note(&mapping("quakes 2"), b"2".to_vec()).await.unwrap();
    store.remove(&lease).await.unwrap();
    let store = bench.reopen(store).await;
    assert_eq!(store.notes().await.unwrap(), notes(&[("quakes 2", "2")]));
}

async fn a_fenced_removal_leaves_the_note(bench: &dyn Bench) {
    let store = bench.open().await;
    let old = take(&*store, "quakes").await;
    store.note(&mapping("quakes"), b"1".to_vec()).await.unwrap();
    store.acquire(&mapping("quakes")).await.unwrap();
    assert!(matches!(store.remove(&old).await, Err(StoreError::Fenced { .. })));
    assert_eq!(store.notes().await.unwrap(), notes(&[("quakes", "1")]));
}

async fn mappings_do_not_see_each_others_tracks(bench: &dyn Bench) {
    let store = bench.open().await;
    // Each is a prefix of the next, with and without what a careless key would put between mapping and track.
    let names = ["a", "ab", "ab\0", "ab\0c", "ab/c", ""];
    for name in names {
        let lease = take(&*store, name).await;
        store.commit(&lease, &track("c"), name.as_bytes().to_vec()).await.unwrap();
        store.commit(&lease, &track("\0c"), name.as_bytes().to_vec()).await.unwrap();
    }
    for name in names {
        let lease = store.acquire(&mapping(name)).await.unwrap();
        assert_eq!(
            store.load(&lease).await.unwrap(),
            Some(vec![kept("\0c", name), kept("c", name)]),
            "{name:?}"
        );
    }
    let lease = store.acquire(&mapping("ab")).await.unwrap();
    store.remove(&lease).await.unwrap();
    let left: Vec<_> = store.mappings().await.unwrap().into_iter().map(|(mapping, _)| mapping.0).collect();
    assert_eq!(left.len(), names.len() - 1);
    let lease = store.acquire(&mapping("ab\0")).await.unwrap();
    assert_eq!(store.load(&lease).await.unwrap().unwrap().len(), 2);
}

async fn concurrent_commits_are_all_kept(bench: &dyn Bench) {
    let store = bench.open().await;
    let lease = take(&*store, "quakes").await;
    let mut commits = JoinSet::new();
    for number in 0..300_u32 {
        let (store, lease) = (Arc::clone(&store), lease.clone());
        commits.spawn(async move {
            store.commit(&lease, &track(&format!("{number:03}")), number.to_string().into_bytes()).await
        });
    }
    assert!(commits.join_all().await.into_iter().all(|committed| committed.is_ok()));
    let store = bench.reopen(store).await;
    let lease = store.acquire(&mapping("quakes")).await.unwrap();
    let wanted: Vec<_> =
        (0..300_u32).map(|number| kept(&format!("{number:03}"), &number.to_string())).collect();
    assert_eq!(store.load(&lease).await.unwrap(), Some(wanted));
}

async fn a_checkpoint_that_is_written_is_there_at_once_and_told_to_be_synced(bench: &dyn Bench) {
    let store = bench.open().await;
    let lease = take(&*store, "quakes").await;
    let mut synced = store.synced();
    let first = store.write(&lease, &track("a"), b"1".to_vec()).await.unwrap();
    let last = store.write(&lease, &track("a"), b"2".to_vec()).await.unwrap();
    assert!(first < last, "each write has a number of its own");
    assert_eq!(store.load(&lease).await.unwrap(), Some(vec![kept("a", "2")]));
    synced.wait_for(|it| it.of(last).is_some()).await.unwrap();
    assert!(synced.borrow().of(last).unwrap().is_ok() && synced.borrow().of(first).unwrap().is_ok());
    let store = bench.reopen(store).await;
    let lease = store.acquire(&mapping("quakes")).await.unwrap();
    assert_eq!(store.load(&lease).await.unwrap(), Some(vec![kept("a", "2")]));
}

async fn a_checkpoint_that_a_store_may_not_take_is_refused_when_it_is_written(bench: &dyn Bench) {
    let store = bench.open().await;
    let old = store.acquire(&mapping("quakes")).await.unwrap();
    assert!(matches!(store.write(&old, &track("a"), b"1".to_vec()).await, Err(StoreError::OutOfTurn { .. })));
    store.create(&old, Vec::new()).await.unwrap();
    store.acquire(&mapping("quakes")).await.unwrap();
    assert!(matches!(store.write(&old, &track("a"), b"1".to_vec()).await, Err(StoreError::Fenced { .. })));
}

async fn all_that_was_acknowledged_is_there_after_reopening(bench: &dyn Bench) {
    let mut store = bench.open().await;
    take(&*store, "quakes").await;
    for round in 0..4_u32 {
        let lease = store.acquire(&mapping("quakes")).await.unwrap();
        let before = store.load(&lease).await.unwrap().unwrap();
        let wanted: Vec<KeptTrack> = (0..round).map(|earlier| kept(&earlier.to_string(), "place")).collect();
        assert_eq!(before, wanted);
        store.commit(&lease, &track(&round.to_string()), b"place".to_vec()).await.unwrap();
        store = bench.reopen(store).await;
    }
}

async fn a_healthy_store_says_so_and_a_closed_one_refuses(bench: &dyn Bench) {
    let store = bench.open().await;
    let lease = take(&*store, "quakes").await;
    assert_eq!(*store.health().borrow(), StoreHealth::Ok);
    store.close().await;
    store.close().await;
    assert!(matches!(store.commit(&lease, &track("a"), b"1".to_vec()).await, Err(StoreError::Io { .. })));
    assert!(matches!(store.load(&lease).await, Err(StoreError::Io { .. })));
    assert!(matches!(store.note(&mapping("quakes"), b"1".to_vec()).await, Err(StoreError::Io { .. })));
    assert!(matches!(store.unnote(&mapping("quakes")).await, Err(StoreError::Io { .. })));
    assert!(matches!(store.notes().await, Err(StoreError::Io { .. })));
}

mod faults {
    //! The faults that the store in memory has for others' tests.

    use super::*;
    use forebay_checkpoints::MemoryStore;

    #[tokio::test]
    async fn a_write_told_to_fail_leaves_nothing() {
        let store = MemoryStore::default();
        let lease = take(&store, "quakes").await;
        store.fail_next(1);
        assert!(matches!(store.commit(&lease, &track("a"), b"1".to_vec()).await, Err(StoreError::Io { .. })));
        assert_eq!(store.load(&lease).await.unwrap(), Some(Vec::new()));
        store.commit(&lease, &track("a"), b"1".to_vec()).await.unwrap();
    }

    #[tokio::test]
    async fn a_filled_store_refuses_writes_reads_on_and_says_so() {
        let store = MemoryStore::default();
        let lease = take(&store, "quakes").await;
        store.fill();
        assert!(matches!(
            store.commit(&lease, &track("a"), b"1".to_vec()).await,
            Err(StoreError::Full { .. })
        ));
        assert!(matches!(*store.health().borrow(), StoreHealth::Full { .. }));
        assert_eq!(store.load(&lease).await.unwrap(), Some(Vec::new()));
        store.empty();
        store.commit(&lease, &track("a"), b"1".to_vec()).await.unwrap();
        assert_eq!(*store.health().borrow(), StoreHealth::Ok);
    }

    #[tokio::test]
    async fn syncs_are_held_told_and_fail_as_a_test_says() {
        let store = MemoryStore::default();
        let lease = take(&store, "quakes").await;
        store.hold_syncs();
        let lost = store.write(&lease, &track("a"), b"1".to_vec()).await.unwrap();
        assert!(store.synced().borrow().of(lost).is_none());
        store.fail_sync();
        assert!(store.synced().borrow().of(lost).is_some_and(|it| it.is_err()));
        store.hold_syncs();
        let held = store.write(&lease, &track("a"), b"2".to_vec()).await.unwrap();
        assert!(store.synced().borrow().of(held).is_none(), "what failed before says nothing of it");
        store.sync();
        assert!(store.synced().borrow().of(held).is_some_and(|it| it.is_ok()));
    }

    #[tokio::test]
    async fn a_fenced_owner_and_a_lost_checkpoint_are_seen() {
        let store = MemoryStore::default();
        let lease = take(&store, "quakes").await;
        store.commit(&lease, &track("a"), b"1".to_vec()).await.unwrap();
        store.lose(&mapping("quakes"), &track("a"));
        assert_eq!(
            store.load(&lease).await.unwrap(),
            Some(vec![KeptTrack { track: track("a"), checkpoint: None }])
        );
        store.fence(&mapping("quakes")).unwrap();
        assert!(matches!(
            store.commit(&lease, &track("a"), b"2".to_vec()).await,
            Err(StoreError::Fenced { .. })
        ));
    }
}
