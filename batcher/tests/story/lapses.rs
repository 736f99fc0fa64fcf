//! Stories on messages that their queue has again before we are done with them, and on what a close gives
//! back.

use expect_test::expect;
use forebay_batcher::{BatchPlan, Plan, Redelivery};

use crate::script::{check, count, queue_plan};

#[test]
fn nothing_of_a_group_goes_on_behind_a_message_that_lapsed_while_it_ran() {
    check(
        one_by_one(),
        "open
         read m1/a
         slot
         +1000ms
         read m2/a
         +15000ms
         lapsed m1
         ok
         settled",
        &expect![[r#"
            > open
              receive 1 for 20s
              receive 1 for 20s
            > read m1/a
              want 1
            > slot
              invoke m1 on slot 1 (Count, before 0)
            > +1000ms
            > read m2/a
            > +15000ms
              extend 2 by 30s
            > lapsed m1
            > ok
              settle Release m2
              receive 1 for 20s
              receive 1 for 20s
            > settled
        "#]],
    );
}

#[test]
fn nothing_of_a_group_goes_on_behind_a_message_whose_deletion_came_too_late() {
    check(
        one_by_one(),
        "open
         read m1/a
         slot
         ok
         read m2/a m3/b
         void
         settled",
        &expect![[r#"
            > open
              receive 1 for 20s
              receive 1 for 20s
            > read m1/a
              want 1
            > slot
              invoke m1 on slot 1 (Count, before 0)
            > ok
              settle Delete m1
              receive 1 for 20s
            > read m2/a m3/b
              want 2
            > void
              settle Release m2
              want 1
            > settled
        "#]],
    );
}

#[test]
fn a_close_gives_back_the_half_that_waits_behind_one_that_runs() {
    check(
        queue_plan(Redelivery::BySource),
        "open
         read m1 m2
         slot
         large
         slot
         close
         settled
         ok
         settled",
        &expect![[r#"
            > open
              receive 3 for 20s
              receive 3 for 20s
            > read m1 m2
              want 1
            > slot
              invoke m1+m2 on slot 1 (Window, before 0)
            > large
              want 1
            > slot
              invoke m1 on slot 2 (Half, before 1)
            > close
              settle Release m2
            > settled
            > ok
              settle Delete m1
            > settled
        "#]],
    );
}

#[test]
fn a_message_that_a_destination_refuses_after_a_close_is_given_back() {
    check(
        queue_plan(Redelivery::ByUs),
        "open
         read m1
         slot
         fail
         +500ms
         slot
         fail
         close
         refused
         settled",
        &expect![[r#"
            > open
              receive 3 for 20s
              receive 3 for 20s
            > read m1
              want 1
            > slot
              invoke m1 on slot 1 (Window, before 0)
            > fail
            > +500ms
              want 1
            > slot
              invoke m1 on slot 2 (Retry, before 1)
            > fail
              deliver m1 RetryAttemptsExhausted after 2 invokes
            > close
            > refused
              settle Release m1
            > settled
        "#]],
    );
}

#[test]
fn what_a_dead_channel_had_on_its_way_is_not_tried() {
    check(
        queue_plan(Redelivery::ByUs),
        "open
         channel-dies
         read m1",
        &expect![[r#"
            > open
              receive 3 for 20s
              receive 3 for 20s
            > channel-dies
            > read m1
              receive 3 for 20s
        "#]],
    );
}

#[test]
fn a_batch_is_not_filled_up_beyond_what_can_start() {
    let base = one_by_one();
    let window = std::time::Duration::from_secs(5);
    let plan = Plan {
        batch: BatchPlan { records_max: count(3), bytes_max: 30, window },
        concurrency_max: Some(count(1)),
        ..base
    };
    check(
        plan,
        "open
         read m1*6 m2*6 m3*6
         slot",
        &expect![[r#"
            > open
              receive 3 for 20s
            > read m1*6 m2*6 m3*6
              want 1
            > slot
              invoke m1+m2 on slot 1 (Bytes, before 0)
        "#]],
    );
}

fn one_by_one() -> Plan {
    let base = queue_plan(Redelivery::BySource);
    Plan { batch: BatchPlan { records_max: count(1), ..base.batch }, ..base }
}
