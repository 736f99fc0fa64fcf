//! Stories on tracks: records that no function can be given.

use std::time::Duration;

use expect_test::expect;
use forebay_batcher::{BatchPlan, Plan, RetryPlan};

use crate::script::{check, count, plan};

fn of_five() -> Plan {
    let base = plan();
    Plan { batch: BatchPlan { records_max: count(5), ..base.batch }, ..base }
}

#[test]
fn what_cannot_be_read_is_told_untried_and_the_others_keep_their_order() {
    check(
        of_five(),
        "assign
         read r1 r2! r3 r4? r5!
         slot
         durable
         taken
         durable
         slot
         durable
         taken
         slot
         ok
         durable",
        &expect![[r#"
            > assign
              read
            > read r1 r2! r3 r4? r5!
              read
              want 1
            > slot
              commit at 1 given up 2..2#0 failures 0 invokes 0 given up 5..5#0 failures 0 invokes 0
              return slot 1
            > durable
              durable at 1
              deliver r2+r5 DESERIALIZATION_ERROR after 0 invokes
            > taken
              commit at 1 done 2..2 done 5..5
              want 1
            > durable
            > slot
              commit at 1 done 2..2 done 5..5 given up 4..4#0 failures 0 invokes 0
              return slot 2
            > durable
              deliver r4 SCHEMA_NOT_FOUND after 0 invokes
            > taken
              commit at 1 done 2..2 done 4..5
              want 1
            > slot
              invoke r1+r3 on slot 3 (Count, before 0)
            > ok
            > durable
              commit at 6
        "#]],
    );
}

#[test]
fn without_a_destination_it_is_let_go_at_once() {
    check(
        Plan { has_destination: false, ..of_five() },
        "assign
         read r1! r2?
         slot
         slot
         durable",
        &expect![[r#"
            > assign
              read
            > read r1! r2?
              read
              want 1
            > slot
              commit at 1 given up 1..1#0 failures 0 invokes 0
              discard r1 DESERIALIZATION_ERROR after 0 invokes
              discard r2 SCHEMA_NOT_FOUND after 0 invokes
              return slot 1
            > slot
              return slot 2
            > durable
              durable at 1
              commit at 3
        "#]],
    );
}

#[test]
fn what_is_too_old_is_that_first() {
    let base = of_five();
    let retry = RetryPlan { record_age_max: Some(Duration::from_secs(60)), ..base.retry };
    check(
        Plan { retry, has_destination: false, ..base },
        "assign
         read r1@-90! r2! r3
         slot
         slot
         ok",
        &expect![[r#"
            > assign
              read
            > read r1@-90! r2! r3
              read
              want 1
            > slot
              commit at 1 given up 1..1#0 failures 0 invokes 1
              discard r1 RecordAgeExceeded after 1 invokes
              discard r2 DESERIALIZATION_ERROR after 0 invokes
              invoke r3 on slot 1 (Window, before 0)
            > slot
              return slot 2
            > ok
        "#]],
    );
}

#[test]
fn what_a_former_life_has_tried_is_looked_at_anew() {
    check(
        Plan { has_destination: false, ..of_five() },
        "assign
         read r1 r2 r3
         slot
         fail
         durable
         crash
         assign
         read r1 r2? r3
         +1000ms
         slot
         slot
         ok
         durable",
        &expect![[r#"
            > assign
              read
            > read r1 r2 r3
              read
              want 1
            > slot
              invoke r1+r2+r3 on slot 1 (Window, before 0)
            > fail
              commit at 1 open 1..3#0 failures 1 invokes 1
            > durable
              durable at 1
            > crash
            > assign
              read
            > read r1 r2? r3
              read
            > +1000ms
              want 1
            > slot
              commit at 1 open 1..1#0 failures 1 invokes 1 given up 2..2#0 failures 0 invokes 1 open 3..3#0 failures 1 invokes 1
              discard r2 SCHEMA_NOT_FOUND after 1 invokes
              invoke r1+r3 on slot 2 (Retry, before 1)
            > slot
              return slot 3
            > ok
            > durable
              commit at 4
        "#]],
    );
}

#[test]
fn what_was_given_up_for_it_stays_given_up_when_it_can_be_read_since() {
    check(
        of_five(),
        "assign
         read r1? r2
         slot
         durable
         crash
         assign
         read r1 r2
         taken
         slot
         ok
         durable",
        &expect![[r#"
            > assign
              read
            > read r1? r2
              read
              want 1
            > slot
              commit at 1 given up 1..1#0 failures 0 invokes 0
              return slot 1
            > durable
              durable at 1
              deliver r1 SCHEMA_NOT_FOUND after 0 invokes
            > crash
            > assign
              read
            > read r1 r2
              deliver r1 SCHEMA_NOT_FOUND after 0 invokes
              read
            > taken
              commit at 2
              want 1
            > slot
              invoke r2 on slot 2 (Window, before 0)
            > ok
            > durable
              durable at 2
              commit at 3
        "#]],
    );
}
