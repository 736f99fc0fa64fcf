//! The fakes of the shapes pass the suite of what they are.

use forebay_models::shards::Limits;

use super::*;
use crate::contract::{a_throttled_reader_keeps_its_place, check, check_tree};

const NEVER_THROTTLES: Limits = Limits {
    calls_per_s: usize::MAX,
    iterator_ms: 300_000,
    records_max: 10_000,
    subscription_ms: 300_000,
    credits: 2,
};

#[tokio::test(start_paused = true)]
async fn shards_pass_the_suite_of_tracks_and_that_of_trees_by_pull_and_by_push() {
    for way in [Way::Pull, Way::Push] {
        check(|| Box::new(ShardSubject::new(way, NEVER_THROTTLES))).await;
        check_tree(|| Box::new(ShardSubject::new(way, NEVER_THROTTLES))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_iterator_survives_a_throttle() {
    a_throttled_reader_keeps_its_place(Box::new(ShardSubject::new(Way::Pull, Limits::default()))).await;
}
