//! Stories on tracks: batches that fail, wait and are tried again.

use expect_test::expect;
use forebay_batcher::Plan;

use crate::script::{check, count, plan};

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
              durable at 1
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
              durable at 1
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
              durable at 3
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
              durable at 1
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
              durable at 1
            > +2000ms
              want 1
            > slot
              invoke r1+r2+r3 on slot 2 (Retry, before 1)
            > ok
              commit at 4
            > durable
              durable at 4
            > read r4 r5 r6
              read
              want 1
            > slot
              invoke r4+r5+r6 on slot 3 (Count, before 0, whole)
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
