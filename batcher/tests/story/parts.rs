//! Stories on tracks: batches that part, since some of their records fail, are too old or are in the way of
//! others.

use std::time::Duration;

use expect_test::expect;
use forebay_batcher::{BatchPlan, Plan, RetryPlan};

use crate::script::{check, count, plan};

#[test]
fn bisect_isolates_the_poison() {
    let base = plan();
    let plan = Plan {
        retry: RetryPlan { bisect: true, retries_max: Some(0), ..base.retry },
        batch: BatchPlan { records_max: count(4), ..base.batch },
        ..base
    };
    check(
        plan,
        "assign
         read r1 r2 r3 r4
         slot
         fail
         durable
         slot
         ok
         slot
         fail
         durable
         durable
         slot
         fail
         durable
         taken
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
              invoke r1+r2+r3+r4 on slot 1 (Count, before 0)
            > fail
              commit at 1 open 1..2#0 failures 0 invokes 1 open 3..4#0 failures 0 invokes 1
            > durable
              durable at 1
              want 1
            > slot
              invoke r1+r2 on slot 2 (Half, before 1)
            > ok
              commit at 3 open 3..4#0 failures 0 invokes 1
              want 1
            > slot
              invoke r3+r4 on slot 3 (Half, before 1)
            > fail
            > durable
              durable at 3
              commit at 3 open 3..3#0 failures 0 invokes 2 open 4..4#0 failures 0 invokes 2
            > durable
              want 1
            > slot
              invoke r3 on slot 4 (Half, before 2)
            > fail
              commit at 3 given up 3..3#0 failures 0 invokes 3 open 4..4#0 failures 0 invokes 2
            > durable
              deliver r3 RetryAttemptsExhausted after 3 invokes
            > taken
              commit at 4 open 4..4#0 failures 0 invokes 2
              want 1
            > slot
              invoke r4 on slot 5 (Half, before 2)
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
fn expired_records_are_given_up_and_the_rest_is_tried() {
    let base = plan();
    let plan =
        Plan { retry: RetryPlan { record_age_max: Some(Duration::from_secs(60)), ..base.retry }, ..base };
    check(
        plan,
        "assign
         read r1@-61 r2@-61 r3@-60
         slot
         durable
         taken
         slot
         ok
         durable
         durable",
        &expect![[r#"
            > assign
              read
            > read r1@-61 r2@-61 r3@-60
              read
              want 1
            > slot
              commit at 1 given up 1..2#0 failures 0 invokes 1
              return slot 1
            > durable
              durable at 1
              deliver r1+r2 RecordAgeExceeded after 1 invokes
            > taken
              commit at 3
              want 1
            > slot
              invoke r3 on slot 2 (Count, before 0)
            > ok
            > durable
              durable at 3
              commit at 4
            > durable
              durable at 4
        "#]],
    );
}

#[test]
fn what_was_too_old_is_given_up_alone_and_a_crash_gives_up_nothing_that_stood_between() {
    let base = plan();
    let plan =
        Plan { retry: RetryPlan { record_age_max: Some(Duration::from_secs(60)), ..base.retry }, ..base };
    check(
        plan,
        "assign
         read r1@-90 r2 r3@-90
         slot
         durable
         crash
         assign
         read r1@-90 r2 r3@-90
         taken
         taken
         durable
         slot
         ok",
        &expect![[r#"
            > assign
              read
            > read r1@-90 r2 r3@-90
              read
              want 1
            > slot
              commit at 1 given up 1..1#0 failures 0 invokes 1 given up 3..3#0 failures 0 invokes 1
              return slot 1
            > durable
              durable at 1
              deliver r1+r3 RecordAgeExceeded after 1 invokes
            > crash
            > assign
              read
            > read r1@-90 r2 r3@-90
              deliver r1 RecordAgeExceeded after 1 invokes
              read
            > taken
              commit at 2 given up 3..3#0 failures 0 invokes 1
              deliver r3 RecordAgeExceeded after 1 invokes
            > taken
              want 1
            > durable
              durable at 2
              commit at 2 done 3..3
            > slot
              invoke r2 on slot 2 (Window, before 0)
            > ok
        "#]],
    );
}

#[test]
fn a_batch_of_two_lanes_is_in_reading_order_and_a_partial_answer_keeps_all_behind_its_lowest_failure() {
    let base = plan();
    let plan = Plan {
        lanes: count(2),
        mixes_tracks: true,
        batch: BatchPlan { records_max: count(4), ..base.batch },
        ..base
    };
    check(
        plan,
        "assign
         read r1/a r2/b r3/a r4/b
         slot
         partly r3
         durable",
        &expect![[r#"
            > assign
              read
            > read r1/a r2/b r3/a r4/b
              read
              want 1
            > slot
              invoke r1+r2+r3+r4 on slot 1 (Count, before 0)
            > partly r3
              commit at 3 open 3..3#0 failures 1 invokes 1 open 4..4#1 failures 1 invokes 1
            > durable
              durable at 3
        "#]],
    );
}

#[test]
fn a_part_of_a_mixed_batch_that_fails_for_ever_stops_no_other_lane() {
    let base = plan();
    let plan = Plan {
        lanes: count(2),
        mixes_tracks: true,
        retry: RetryPlan { retries_max: None, bisect: true, ..base.retry },
        batch: BatchPlan { records_max: count(2), ..base.batch },
        ..base
    };
    check(
        plan,
        "assign
         read r1/a r2/b
         slot
         fail
         durable
         slot
         slot
         fail
         ok
         read r3/b
         slot",
        &expect![[r#"
            > assign
              read
            > read r1/a r2/b
              read
              want 1
            > slot
              invoke r1+r2 on slot 1 (Count, before 0)
            > fail
              commit at 1 open 1..1#0 failures 0 invokes 1 open 2..2#1 failures 0 invokes 1
            > durable
              durable at 1
              want 2
            > slot
              invoke r1 on slot 2 (Half, before 1)
            > slot
              invoke r2 on slot 3 (Half, before 1)
            > fail
              commit at 1 open 1..1#0 failures 1 invokes 2 open 2..2#1 failures 0 invokes 2
            > ok
            > read r3/b
              read
              want 1
            > slot
              invoke r3 on slot 4 (Window, before 0)
        "#]],
    );
}
