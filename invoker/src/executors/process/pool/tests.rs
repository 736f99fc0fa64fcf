//! The pool with environments that have no process, on the paused clock.

use super::*;
use crate::executors::process::state::State;

const PATIENCE: Duration = Duration::from_secs(5);

async fn start(pool: &Arc<EnvironmentPool>) -> (EnvironmentLease, PoolPlace) {
    let Ok(PoolSeat::New(place)) = pool.take(PATIENCE).await else { panic!("a new environment is expected") };
    let environment = Environment::new(pool.number(), Arc::new(State::new(Box::new(|| {}))));
    (pool.enter(Arc::new(environment)), place)
}

async fn warm(pool: &Arc<EnvironmentPool>) -> EnvironmentLease {
    let Ok(PoolSeat::Warm(lease)) = pool.take(PATIENCE).await else {
        panic!("a running environment is expected")
    };
    lease
}

/// Answers, and comes back for the next event.
fn finish(lease: EnvironmentLease) -> u64 {
    let (pool, number) = (Arc::clone(&lease.pool), lease.environment.number);
    lease.answered(Instant::now() + PATIENCE);
    pool.returned(number);
    number
}

#[tokio::test(start_paused = true)]
async fn the_most_recently_used_is_handed_out_and_the_least_recently_used_is_ended() {
    let pool = EnvironmentPool::new(3);
    let (first, _place_1) = start(&pool).await;
    let (second, _place_2) = start(&pool).await;
    let first_environment = Arc::clone(&first.environment);
    finish(first);
    tokio::time::advance(Duration::from_secs(1)).await;
    finish(second);
    for _ in 0..3 {
        assert_eq!(finish(warm(&pool).await), 2);
    }
    let ttl = Duration::from_secs(10);
    assert_eq!(pool.reap(ttl), Instant::now() + Duration::from_secs(9));
    assert_eq!(first_environment.fate(), Fate::Lives);
    tokio::time::advance(Duration::from_secs(9)).await;
    assert_eq!(pool.reap(ttl), Instant::now() + Duration::from_secs(1));
    assert_eq!(first_environment.fate(), Fate::Retires);
    assert_eq!(finish(warm(&pool).await), 2);
}

#[tokio::test(start_paused = true)]
async fn a_reaper_that_panics_ends_idle_environments_all_the_same() {
    let pool = EnvironmentPool::new(1);
    let ttl = Duration::from_secs(10);
    let reaper = crate::executors::process::reaper(&pool, ttl);
    let (lease, _place) = start(&pool).await;
    let environment = Arc::clone(&lease.environment);
    finish(lease);
    pool.lock().dies_at_reap = true;
    let mut fate = environment.subscribe();
    let ended = tokio::time::timeout(3 * ttl, fate.wait_for(|it| *it == Fate::Retires)).await;
    assert!(ended.is_ok(), "nobody has ended it");
    assert!(!pool.lock().dies_at_reap, "the reaper died before that");
    pool.close();
    reaper.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_that_is_about_to_return_is_waited_for_before_another_is_started() {
    let pool = EnvironmentPool::new(2);
    let (lease, _place) = start(&pool).await;
    lease.answered(Instant::now() + PATIENCE);
    let (taken, ()) = tokio::join!(pool.take(PATIENCE), async { pool.returned(1) });
    let Ok(PoolSeat::Warm(lease)) = taken else { panic!("the first is expected") };
    lease.answered(Instant::now() + PATIENCE);
    let start = Instant::now();
    assert!(matches!(pool.take(PATIENCE).await, Ok(PoolSeat::New(_))));
    assert_eq!(start.elapsed(), RETURN_PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_its_patience_and_a_place_that_frees_is_taken() {
    let pool = EnvironmentPool::new(1);
    let (lease, place) = start(&pool).await;
    let start = Instant::now();
    assert!(matches!(pool.take(PATIENCE).await, Err(NoSeat::Busy)));
    assert_eq!(start.elapsed(), PATIENCE);
    let (taken, ()) = tokio::join!(pool.take(PATIENCE), async { drop(place) });
    assert!(matches!(taken, Ok(PoolSeat::New(_))));
    drop(lease);
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_return_is_ended_when_its_place_is_wanted() {
    let pool = EnvironmentPool::new(1);
    let (lease, _place) = start(&pool).await;
    let environment = Arc::clone(&lease.environment);
    lease.answered(Instant::now() + Duration::from_secs(2));
    assert!(matches!(pool.take(Duration::from_secs(1)).await, Err(NoSeat::Busy)));
    assert_eq!(environment.fate(), Fate::Lives);
    assert!(matches!(pool.take(Duration::from_secs(2)).await, Err(NoSeat::Busy)));
    assert_eq!(environment.fate(), Fate::Killed);
}

#[tokio::test(start_paused = true)]
async fn starts_that_fail_wait_longer_and_longer_until_one_succeeds() {
    let pool = EnvironmentPool::new(1);
    let delay = || pool.next_start().map(|it| it - Instant::now());
    assert_eq!(delay(), None);
    for millis in [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000] {
        pool.start_failed();
        assert_eq!(delay(), Some(Duration::from_millis(millis)));
    }
    pool.start_succeeded();
    assert_eq!(delay(), None);
}
