//! Stories on tracks.

use std::time::Duration;

use expect_test::expect;
use forebay_batcher::Plan;
use forebay_config::{BatchPlan, RetryPlan};

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
              commit at 5
            > durable
        "#]],
    );
}

#[test]
fn a_batch_that_is_tried_again_says_so_while_it_runs() {
    check(
        plan(),
        "assign
         read r1
         slot
         state
         fail
         durable
         state
         +500ms
         slot
         state",
        &expect![[r#"
            > assign
              read
            > read r1
              read
              want 1
            > slot
              invoke r1 on slot 1 (Window, before 0)
            > state
              Invoking { n_attempts: 1, since: Tick(1000000), again: None }
            > fail
              commit at 1 open 1..1#0 failures 1 invokes 1
            > durable
            > state
              Retrying { n_failures: 1, since: Tick(1000000), next: Tick(1400500), error: "boom" }
            > +500ms
              want 1
            > slot
              invoke r1 on slot 2 (Retry, before 1)
            > state
              Invoking { n_attempts: 1, since: Tick(1500000), again: Some(Again { n_failures: 1, since: Tick(1000000), error: "boom" }) }
        "#]],
    );
}

#[test]
fn a_retry_starts_only_when_its_count_is_durable_and_its_delay_is_over() {
    check(
        plan(),
        "assign
         read r1 r2
         slot
         fail
         +500ms
         slot
         durable
         slot
         fail
         state
         durable
         refused
         state
         +200ms
         taken
         durable
         state",
        &expect![[r#"
            > assign
              read
            > read r1 r2
              read
              want 1
            > slot
              invoke r1+r2 on slot 1 (Window, before 0)
            > fail
              commit at 1 open 1..2#0 failures 1 invokes 1
            > +500ms
            > slot
              return slot 2
            > durable
              want 1
            > slot
              invoke r1+r2 on slot 3 (Retry, before 1)
            > fail
              commit at 1 given up 1..2#0 failures 0 invokes 2
            > state
              NoRecords { since: Tick(1000000) }
            > durable
              deliver r1+r2 RetryAttemptsExhausted after 2 invokes
            > refused
            > state
              DestinationRefuses { n_refused: 1, since: Tick(1500000), error: "no", next: Tick(1660200) }
            > +200ms
              deliver r1+r2 RetryAttemptsExhausted after 2 invokes
            > taken
              commit at 3
            > durable
            > state
              NoRecords { since: Tick(1000000) }
        "#]],
    );
}

#[test]
fn a_crash_forgets_no_attempt_and_repeats_nothing_that_is_finished() {
    let plan = Plan { lanes: count(4), ..plan() };
    check(
        plan,
        "assign
         read r1/a r2/b r3/a r4/c
         slot
         slot
         slot
         fail
         ok
         durable
         crash
         assign
         read r1/a r2/b r3/a r4/c
         +500ms
         slot
         slot
         slot",
        &expect![[r#"
            > assign
              read
            > read r1/a r2/b r3/a r4/c
              read
              want 3
            > slot
              invoke r1+r3 on slot 1 (Window, before 0)
            > slot
              invoke r2 on slot 2 (Window, before 0)
            > slot
              invoke r4 on slot 3 (Window, before 0)
            > fail
              commit at 1 open 1..3#0 failures 1 invokes 1 open 2..2#1 failures 0 invokes 1 open 4..4#2 failures 0 invokes 1
            > ok
            > durable
              commit at 1 done 2..2 open 1..3#0 failures 1 invokes 1 open 4..4#2 failures 0 invokes 1
            > crash
            > assign
              read
            > read r1/a r2/b r3/a r4/c
              read
              want 2
            > +500ms
              want 3
            > slot
              invoke r2 on slot 4 (Retry, before 1)
            > slot
              invoke r4 on slot 5 (Retry, before 1)
            > slot
              invoke r1+r3 on slot 6 (Retry, before 1)
        "#]],
    );
}

#[test]
fn a_batch_is_tried_again_as_it_was_cut_when_answers_are_read_in_another_way_meanwhile() {
    check(
        plan(),
        "assign
         read r1 r2 r3
         slot
         whole
         fail
         durable
         +2000ms
         slot
         ok
         durable
         read r4 r5 r6
         slot",
        &expect![[r#"
            > assign
              read
            > read r1 r2 r3
              read
              want 1
            > slot
              invoke r1+r2+r3 on slot 1 (Count, before 0)
            > whole
            > fail
              commit at 1 open 1..3#0 failures 1 invokes 1
            > durable
            > +2000ms
              want 1
            > slot
              invoke r1+r2+r3 on slot 2 (Retry, before 1)
            > ok
              commit at 4
            > durable
            > read r4 r5 r6
              read
              want 1
            > slot
              invoke r4+r5+r6 on slot 3 (Count, before 0, whole)
        "#]],
    );
}

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
              commit at 5
            > durable
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
fn expired_records_are_given_up_and_the_rest_is_tried() {
    let base = plan();
    let plan = Plan { retry: RetryPlan { record_age_max: Some(Duration::from_secs(60)), ..base.retry }, ..base };
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
              deliver r1+r2 RecordAgeExceeded after 1 invokes
            > taken
              commit at 3
              want 1
            > slot
              invoke r3 on slot 2 (Count, before 0)
            > ok
            > durable
              commit at 4
            > durable
        "#]],
    );
}

#[test]
fn throttling_spends_no_retry() {
    check(
        plan(),
        "assign
         read r1
         slot
         throttle
         state
         slot
         throttle
         slot
         ok",
        &expect![[r#"
            > assign
              read
            > read r1
              read
              want 1
            > slot
              invoke r1 on slot 1 (Window, before 0)
            > throttle
              want 1
            > state
              NotReached { why: Throttled, since: Tick(1000000), error: "429" }
            > slot
              invoke r1 on slot 2 (NotReached, before 0)
            > throttle
              want 1
            > slot
              invoke r1 on slot 3 (NotReached, before 0)
            > ok
              commit at 2
        "#]],
    );
}

#[test]
fn a_store_without_room_stops_new_work_until_there_is_some() {
    check(
        plan(),
        "assign
         read r1 r2 r3 r4
         slot
         ok
         full
         state
         slot
         +300ms
         durable
         slot",
        &expect![[r#"
            > assign
              read
            > read r1 r2 r3 r4
              read
              want 1
            > slot
              invoke r1+r2+r3 on slot 1 (Count, before 0)
            > ok
              commit at 4
              want 1
            > full
              want 0
            > state
              StoreFailing { full: true, since: Tick(1000000) }
            > slot
              return slot 2
            > +300ms
              commit at 4
            > durable
              want 1
            > slot
              invoke r4 on slot 3 (Window, before 0)
        "#]],
    );
}

#[test]
fn a_fenced_track_acts_no_more() {
    check(
        plan(),
        "assign
         read r1 r2 r3 r4
         slot
         ok
         slot
         fenced
         ok
         state
         quiet",
        &expect![[r#"
            > assign
              read
            > read r1 r2 r3 r4
              read
              want 1
            > slot
              invoke r1+r2+r3 on slot 1 (Count, before 0)
            > ok
              commit at 4
              want 1
            > slot
              invoke r4 on slot 2 (Window, before 0)
            > fenced
            > ok
            > state
              Fenced
            > quiet
              quiet: false
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
              commit at 4 given up 4..4#0 failures 0 invokes 0
            > durable
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
fn a_track_that_nobody_wants_still_moves_on_and_ends() {
    check(
        plan(),
        "assign
         read filtered filtered passed:9
         durable
         read passed:9
         read filtered passed:12 end
         durable
         state",
        &expect![[r#"
            > assign
              read
            > read filtered filtered passed:9
              read
              commit at 9
            > durable
            > read passed:9
              read
            > read filtered passed:12 end
              commit at 12 ended
            > durable
              ended
            > state
              Ended
        "#]],
    );
}

#[test]
fn closing_awaits_what_runs_and_starts_nothing() {
    check(
        plan(),
        "assign
         read r1 r2 r3 r4
         slot
         close
         slot
         read r5
         fail
         quiet
         durable
         quiet",
        &expect![[r#"
            > assign
              read
            > read r1 r2 r3 r4
              read
              want 1
            > slot
              invoke r1+r2+r3 on slot 1 (Count, before 0)
            > close
            > slot
              return slot 2
            > read r5
            > fail
              commit at 1 open 1..3#0 failures 1 invokes 1
            > quiet
              quiet: false
            > durable
            > quiet
              quiet: true
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
              commit at 5
            > state
              NoRecords { since: Tick(1500000) }
        "#]],
    );
}

#[test]
fn what_was_too_old_is_given_up_alone_and_a_crash_gives_up_nothing_that_stood_between() {
    let base = plan();
    let plan = Plan { retry: RetryPlan { record_age_max: Some(Duration::from_secs(60)), ..base.retry }, ..base };
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
    let plan = Plan { lanes: count(2), mixes_tracks: true, batch: BatchPlan { records_max: count(4), ..base.batch }, ..base };
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
