//! Stories on queues.

use expect_test::expect;
use forebay_batcher::{Plan, Redelivery, RetryPlan};

use crate::script::{check, queue_plan};

#[test]
fn messages_are_received_on_credit_and_deleted_after_success() {
    check(
        queue_plan(Redelivery::BySource),
        "open
         read m1 m2 m3
         slot
         ok
         settled
         read m4
         slot
         fail
         settled",
        &expect![[r#"
            > open
              receive 3 for 20s
              receive 3 for 20s
            > read m1 m2 m3
              want 1
            > slot
              invoke m1+m2+m3 on slot 1 (Count, before 0)
            > ok
              settle Delete m1, Delete m2, Delete m3
              receive 3 for 20s
            > settled
            > read m4
              want 1
            > slot
              invoke m4 on slot 2 (Window, before 0)
            > fail
              settle Leave m4
              receive 3 for 20s
            > settled
        "#]],
    );
}

#[test]
fn a_waiting_message_is_hidden_for_longer() {
    check(
        queue_plan(Redelivery::BySource),
        "open
         read m1
         +15000ms
         extended
         +15000ms
         extended
         slot
         ok",
        &expect![[r#"
            > open
              receive 3 for 20s
              receive 3 for 20s
            > read m1
              want 1
            > +15000ms
              extend 1 by 30s
            > extended
            > +15000ms
              extend 1 by 30s
            > extended
            > slot
              invoke m1 on slot 1 (Window, before 0)
            > ok
              settle Delete m1
              receive 3 for 20s
        "#]],
    );
}

#[test]
fn a_lapsed_message_is_not_started() {
    check(
        queue_plan(Redelivery::BySource),
        "open
         read m1 m2
         +30000ms
         slot",
        &expect![[r#"
            > open
              receive 3 for 20s
              receive 3 for 20s
            > read m1 m2
              want 1
            > +30000ms
              extend 2 by 30s
            > slot
              return slot 1
              receive 3 for 20s
        "#]],
    );
}

#[test]
fn groups_keep_their_order_and_later_messages_of_a_failed_one_go_back() {
    check(
        queue_plan(Redelivery::BySource),
        "open
         read m1/a m2/a m3/b m4/a m5/b m6/c
         slot
         slot
         partly m1
         settled
         ok",
        &expect![[r#"
            > open
              receive 3 for 20s
              receive 3 for 20s
            > read m1/a m2/a m3/b m4/a m5/b m6/c
              want 2
            > slot
              invoke m1+m2+m3 on slot 1 (Count, before 0)
            > slot
              invoke m6 on slot 2 (Window, before 0)
            > partly m1
              settle Delete m2, Delete m3, Leave m1, Release m4
              want 1
            > settled
            > ok
              settle Delete m6
        "#]],
    );
}

#[test]
fn a_message_that_we_retry_ends_at_the_destination() {
    let base = queue_plan(Redelivery::ByUs);
    let plan = Plan { retry: RetryPlan { retries_max: Some(1), ..base.retry }, ..base };
    check(
        plan,
        "open
         read m1 m2
         slot
         partly m2
         settled
         +500ms
         slot
         fail
         refused
         +300ms
         taken
         unsettled
         +300ms
         settled
         quiet",
        &expect![[r#"
            > open
              receive 3 for 20s
              receive 3 for 20s
            > read m1 m2
              want 1
            > slot
              invoke m1+m2 on slot 1 (Window, before 0)
            > partly m2
              settle Delete m1
            > settled
            > +500ms
              want 1
            > slot
              invoke m2 on slot 2 (Retry, before 1)
            > fail
              deliver m2 RetryAttemptsExhausted after 2 invokes
            > refused
            > +300ms
              deliver m2 RetryAttemptsExhausted after 2 invokes
            > taken
              settle Delete m2
              receive 3 for 20s
            > unsettled
            > +300ms
              settle Delete m2
            > settled
            > quiet
              quiet: false
        "#]],
    );
}

#[test]
fn settlements_that_fail_one_after_another_are_sent_again_together_and_none_puts_them_off() {
    check(
        queue_plan(Redelivery::BySource),
        "open
         read m1 m2 m3 m4 m5 m6
         slot
         slot
         ok
         ok
         unsettled
         +100ms
         unsettled
         +200ms
         settled
         quiet",
        &expect![[r#"
            > open
              receive 3 for 20s
              receive 3 for 20s
            > read m1 m2 m3 m4 m5 m6
              want 2
            > slot
              invoke m1+m2+m3 on slot 1 (Count, before 0)
            > slot
              invoke m4+m5+m6 on slot 2 (Count, before 0)
            > ok
              settle Delete m1, Delete m2, Delete m3
            > ok
              settle Delete m4, Delete m5, Delete m6
              receive 3 for 20s
            > unsettled
            > +100ms
            > unsettled
            > +200ms
              settle Delete m1, Delete m2, Delete m3, Delete m4, Delete m5, Delete m6
            > settled
            > quiet
              quiet: false
        "#]],
    );
}

#[test]
fn closing_hands_back_what_has_not_started() {
    check(
        queue_plan(Redelivery::BySource),
        "open
         read m1 m2 m3 m4
         slot
         close
         read m5
         ok
         settled
         settled
         settled
         quiet",
        &expect![[r#"
            > open
              receive 3 for 20s
              receive 3 for 20s
            > read m1 m2 m3 m4
              want 2
            > slot
              invoke m1+m2+m3 on slot 1 (Count, before 0)
            > close
              settle Release m4
              want 0
            > read m5
              settle Release m5
            > ok
              settle Delete m1, Delete m2, Delete m3
            > settled
            > settled
            > settled
            > quiet
              quiet: true
        "#]],
    );
}

#[test]
fn what_failed_and_is_hidden_is_told_until_it_comes_again_or_is_waited_for_in_vain() {
    check(
        queue_plan(Redelivery::BySource),
        "open
         read m1 m2
         +1000ms
         slot
         fail
         settled
         state
         read
         state
         +29000ms
         read m1
         +0ms
         state
         slot
         ok
         state
         +60000ms
         read
         +1ms
         read
         state",
        &expect![[r#"
            > open
              receive 3 for 20s
              receive 3 for 20s
            > read m1 m2
              want 1
            > +1000ms
            > slot
              invoke m1+m2 on slot 1 (Window, before 0)
            > fail
              settle Leave m1, Leave m2
              receive 3 for 20s
            > settled
            > state
              Hidden { n_messages: 2, n_receives: None, since: Tick(2000000), next: Some(Tick(31000000)), error: "boom" }
            > read
              receive 3 for 20s
            > state
              Hidden { n_messages: 2, n_receives: None, since: Tick(2000000), next: Some(Tick(31000000)), error: "boom" }
            > +29000ms
            > read m1
              want 1
            > +0ms
            > state
              WaitingForSlot { since: Tick(31000000), why: Window }
            > slot
              invoke m1 on slot 2 (Window, before 0)
            > ok
              settle Delete m1
              receive 3 for 20s
            > state
              Hidden { n_messages: 1, n_receives: None, since: Tick(2000000), next: Some(Tick(31000000)), error: "boom" }
            > +60000ms
            > read
              receive 3 for 20s
            > +1ms
            > read
              receive 3 for 20s
            > state
              NoRecords { since: Tick(31000000) }
        "#]],
    );
}

#[test]
fn what_the_filter_dropped_is_told_until_a_message_comes_through() {
    check(
        queue_plan(Redelivery::BySource),
        "open
         read
         state
         +500ms
         read filtered filtered
         +500ms
         read filtered
         state
         read m1
         slot
         ok
         settled
         read
         state",
        &expect![[r#"
            > open
              receive 3 for 20s
              receive 3 for 20s
            > read
            > state
              NoRecords { since: Tick(1000000) }
            > +500ms
            > read filtered filtered
              receive 3 for 20s
            > +500ms
            > read filtered
              receive 3 for 20s
            > state
              AllFiltered { n_records: 3, since: Tick(1500000) }
            > read m1
              receive 3 for 20s
              want 1
            > slot
              invoke m1 on slot 1 (Window, before 0)
            > ok
              settle Delete m1
              receive 3 for 20s
            > settled
            > read
              receive 3 for 20s
            > state
              NoRecords { since: Tick(2000000) }
        "#]],
    );
}
