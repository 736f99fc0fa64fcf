//! Stories on tracks: how records become batches and move the checkpoint.

use std::time::Duration;

use expect_test::expect;
use forebay_batcher::{BatchPlan, Plan};

use crate::script::{check, count, plan};

#[test]
fn records_are_batched_invoked_and_committed() {
    check(
        plan(),
        "assign
         read r1 r2 r3 r4
         slot
         slot
         ok
         slot
         ok
         durable
         durable",
        &expect![[r#"
            > assign
              read
            > read r1 r2 r3 r4
              read
              want 1
            > slot
              invoke r1+r2+r3 on slot 1 (Count, before 0)
            > slot
              return slot 2
            > ok
              commit at 4
              want 1
            > slot
              invoke r4 on slot 3 (Window, before 0)
            > ok
            > durable
              durable at 4
              commit at 5
            > durable
              durable at 5
        "#]],
    );
}

#[test]
fn a_window_waits_for_more_and_a_full_batch_does_not() {
    let base = plan();
    let plan = Plan { batch: BatchPlan { window: Duration::from_millis(500), ..base.batch }, ..base };
    check(
        plan,
        "assign
         read r1
         state
         slot
         +499ms
         +1ms
         slot
         read r2 r3 r4 r5",
        &expect![[r#"
            > assign
              read
            > read r1
              read
            > state
              Batching { until: Tick(1500000), n_records: 1 }
            > slot
              return slot 1
            > +499ms
            > +1ms
              want 1
            > slot
              invoke r1 on slot 2 (Window, before 0)
            > read r2 r3 r4 r5
              read
        "#]],
    );
}

#[test]
fn an_oversize_record_is_given_up_without_an_attempt() {
    let base = plan();
    let plan = Plan { batch: BatchPlan { bytes_max: 100, ..base.batch }, ..base };
    check(
        plan,
        "assign
         read r1*42 r2*43 r3*86 r4*87 r5
         slot
         ok
         slot
         ok
         slot
         durable
         durable
         taken
         slot
         ok",
        &expect![[r#"
            > assign
              read
            > read r1*42 r2*43 r3*86 r4*87 r5
              read
              want 1
            > slot
              invoke r1+r2 on slot 1 (Count, before 0)
            > ok
              commit at 3
              want 1
            > slot
              invoke r3 on slot 2 (Count, before 0)
            > ok
              want 1
            > slot
              return slot 3
            > durable
              durable at 3
              commit at 4 given up 4..4#0 failures 0 invokes 0
            > durable
              durable at 4
              deliver r4 MaximumPayloadSizeExceeded after 0 invokes
            > taken
              commit at 5
              want 1
            > slot
              invoke r5 on slot 4 (Window, before 0)
            > ok
        "#]],
    );
}

#[test]
fn the_lane_count_changes_between_batches() {
    check(
        plan(),
        "assign
         read r1/a r2/b r3/c r4/a r5/b
         slot
         lanes 8
         ok
         slot
         slot
         slot",
        &expect![[r#"
            > assign
              read
            > read r1/a r2/b r3/c r4/a r5/b
              read
              want 1
            > slot
              invoke r1+r2+r3 on slot 1 (Count, before 0)
            > lanes 8
            > ok
              commit at 4
              want 2
            > slot
              invoke r4 on slot 2 (Window, before 0)
            > slot
              invoke r5 on slot 3 (Window, before 0)
            > slot
              return slot 4
        "#]],
    );
}

#[test]
fn of_the_lanes_of_a_track_the_one_whose_first_record_was_first_in_reading_order_has_the_slot() {
    let plan = Plan { lanes: count(4), batch: BatchPlan { records_max: count(1), ..plan().batch }, ..plan() };
    check(
        plan,
        "assign
         read r1/a r2/a r3/b r4/c
         slot
         ok
         slot
         slot
         slot",
        &expect![[r#"
            > assign
              read
            > read r1/a r2/a r3/b r4/c
              read
              want 3
            > slot
              invoke r1 on slot 1 (Count, before 0)
            > ok
              commit at 2
              want 3
            > slot
              invoke r2 on slot 2 (Count, before 0)
            > slot
              invoke r3 on slot 3 (Count, before 0)
            > slot
              invoke r4 on slot 4 (Count, before 0)
        "#]],
    );
}

#[test]
fn what_the_filter_dropped_is_told_until_a_record_comes_through() {
    check(
        plan(),
        "assign
         read filtered filtered passed:3
         +500ms
         read filtered passed:4
         state
         read r4
         slot
         ok
         durable
         state",
        &expect![[r#"
            > assign
              read
            > read filtered filtered passed:3
              read
              commit at 3
            > +500ms
            > read filtered passed:4
              read
            > state
              AllFiltered { n_records: 3, since: Tick(1000000) }
            > read r4
              read
              want 1
            > slot
              invoke r4 on slot 1 (Window, before 0)
            > ok
            > durable
              durable at 3
              commit at 5
            > state
              NoRecords { since: Tick(1500000) }
        "#]],
    );
}
