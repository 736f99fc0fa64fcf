//! The fakes of the shapes pass the suite of what they are.

use forebay_models::shards::Limits;

use super::*;
use crate::contract::{
    a_throttled_reader_keeps_its_place, check, check_channel, check_group, check_queue, check_tree,
};

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
async fn a_log_with_a_group_passes_the_suite_of_tracks_and_that_of_groups() {
    check(|| Box::new(GroupLogSubject::new(0))).await;
    check_group(|| Box::new(GroupLogSubject::new(2))).await;
}

#[tokio::test(start_paused = true)]
async fn a_queue_behind_a_channel_passes_the_suite_of_queues_and_that_of_channels() {
    check_queue(|| Box::new(ChannelQueueSubject::default())).await;
    check_channel(|| Box::new(ChannelQueueSubject::default())).await;
}

#[tokio::test(start_paused = true)]
async fn an_iterator_survives_a_throttle() {
    a_throttled_reader_keeps_its_place(Box::new(ShardSubject::new(Way::Pull, Limits::default()))).await;
}
