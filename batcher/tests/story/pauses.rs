//! What used up its attempts or its time waits for an operator.

use std::time::Duration;

use expect_test::expect;
use forebay_batcher::{OnExhausted, Plan, RetryPlan};

use crate::script::{check, count, plan};

fn pausing() -> Plan {
    let base = plan();
    let retry = RetryPlan { retries_max: Some(0), on_exhausted: OnExhausted::Pause, ..base.retry };
    Plan { retry, ..base }
}

#[test]
fn what_used_up_its_attempts_waits_over_a_crash_and_what_is_behind_it_waits_too() {
    check(
        pausing(),
        "
        assign
        read r1
        slot
        read r2
        fail
        durable
        state
        close
        crash
        assign
        read r1 r2
        list
        skip r2
        skip r1
        durable
        skip r1
        ",
        &expect![[r#"
            > assign
              read
            > read r1
              read
              want 1
            > slot
              invoke r1 on slot 1 (Window, before 0)
            > read r2
              read
            > fail
              commit at 1 paused 1..1#0 failures 0 invokes 1
              paused r1 RetryAttemptsExhausted after 1 invokes
            > durable
              durable at 1
            > state
              Paused { n_batches: 1, lane: 0, n_records: 1, range: (Position(0000000000000001), Position(0000000000000001)), condition: RetriesExhausted, n_invokes: 1, since: UnixMillis(1000000), error: "boom" }
            > close
            > crash
            > assign
              read
            > read r1 r2
              read
            > list
              r1 waits since 1000000: boom
            > skip r2
              refused: nothing at this place waits for a decision
            > skip r1
              taken: 1
              commit at 2
              want 1
            > durable
              durable at 2
              decided 2
            > skip r1
              refused: nothing at this place waits for a decision
        "#]],
    );
}

#[test]
fn an_operator_has_it_tried_again_with_a_fresh_count_once_that_is_durable() {
    check(
        pausing(),
        "
        assign
        read r1
        slot
        fail
        durable
        retry r1
        slot
        durable
        slot
        fail
        durable
        list
        retry r1
        crash
        assign
        read r1
        list
        ",
        &expect![[r#"
            > assign
              read
            > read r1
              read
              want 1
            > slot
              invoke r1 on slot 1 (Window, before 0)
            > fail
              commit at 1 paused 1..1#0 failures 0 invokes 1
              paused r1 RetryAttemptsExhausted after 1 invokes
            > durable
              durable at 1
            > retry r1
              taken: 1
              commit at 1 pardoned 1..1#0 failures 0 invokes 1
            > slot
              return slot 2
            > durable
              decided 1
              want 1
            > slot
              invoke r1 on slot 3 (Retry, before 1)
            > fail
              commit at 1 paused 1..1#0 failures 0 invokes 2
              paused r1 RetryAttemptsExhausted after 2 invokes
            > durable
            > list
              r1 waits since 1000000: boom
            > retry r1
              taken: 1
              commit at 1 pardoned 1..1#0 failures 0 invokes 2
            > crash
            > assign
              read
            > read r1
              read
            > list
              r1 waits since 1000000: boom
        "#]],
    );
}

#[test]
fn an_operator_sends_it_to_the_destination_where_there_is_one() {
    let script = "
        assign
        read r1
        slot
        fail
        durable
        send r1
        ";
    check(
        pausing(),
        &format!("{script}\ndurable"),
        &expect![[r#"
        > assign
          read
        > read r1
          read
          want 1
        > slot
          invoke r1 on slot 1 (Window, before 0)
        > fail
          commit at 1 paused 1..1#0 failures 0 invokes 1
          paused r1 RetryAttemptsExhausted after 1 invokes
        > durable
          durable at 1
        > send r1
          taken: 1
          commit at 1 given up 1..1#0 failures 0 invokes 1
        > durable
          deliver r1 RetryAttemptsExhausted after 1 invokes
          decided 1
    "#]],
    );
    let nobody = Plan { has_destination: false, ..pausing() };
    check(
        nobody,
        script,
        &expect![[r#"
        > assign
          read
        > read r1
          read
          want 1
        > slot
          invoke r1 on slot 1 (Window, before 0)
        > fail
          commit at 1 paused 1..1#0 failures 0 invokes 1
          paused r1 RetryAttemptsExhausted after 1 invokes
        > durable
          durable at 1
        > send r1
          refused: the mapping has no destination for failures
    "#]],
    );
}

#[test]
fn what_is_too_old_waits_alone_and_is_tried_once_whatever_its_age() {
    let base = pausing();
    let retry = RetryPlan { record_age_max: Some(Duration::from_secs(60)), ..base.retry };
    check(
        Plan { retry, ..base },
        "
        assign
        read r1 r2@-90 r3
        slot
        ok
        slot
        durable
        durable
        retry r2
        durable
        slot
        ok
        slot
        ",
        &expect![[r#"
            > assign
              read
            > read r1 r2@-90 r3
              read
              want 1
            > slot
              invoke r1 on slot 1 (Count, before 0)
            > ok
              commit at 2
              want 1
            > slot
              paused r2 RecordAgeExceeded after 1 invokes
              return slot 2
            > durable
              durable at 2
              commit at 2 paused 2..2#0 failures 0 invokes 1
            > durable
            > retry r2
              taken: 1
              commit at 2 pardoned 2..2#0 failures 0 invokes 1
            > durable
              decided 1
              want 1
            > slot
              invoke r2 on slot 3 (Retry, before 1)
            > ok
              commit at 3
              want 1
            > slot
              invoke r3 on slot 4 (Count, before 0)
        "#]],
    );
}

#[test]
fn of_a_halved_batch_only_the_record_that_always_fails_waits() {
    let base = pausing();
    let retry = RetryPlan { bisect: true, ..base.retry };
    check(
        Plan { retry, ..base },
        "
        assign
        read r1 r2
        slot
        fail
        durable
        slot
        ok
        slot
        fail
        list
        ",
        &expect![[r#"
            > assign
              read
            > read r1 r2
              read
              want 1
            > slot
              invoke r1+r2 on slot 1 (Window, before 0)
            > fail
              commit at 1 open 1..1#0 failures 0 invokes 1 open 2..2#0 failures 0 invokes 1
            > durable
              durable at 1
              want 1
            > slot
              invoke r1 on slot 2 (Half, before 1)
            > ok
              commit at 2 open 2..2#0 failures 0 invokes 1
              want 1
            > slot
              invoke r2 on slot 3 (Half, before 1)
            > fail
              paused r2 RetryAttemptsExhausted after 2 invokes
            > list
              r2 waits since 1000000: boom
        "#]],
    );
}

#[test]
fn other_lanes_go_on_beside_what_waits_and_their_number_does_not_change() {
    check(
        Plan { lanes: count(2), ..pausing() },
        "
        assign
        read r1/a r2/b
        slot
        slot
        fail
        ok
        durable
        read r3/a r4/b
        slot
        lanes 3
        ok
        state
        ",
        &expect![[r#"
            > assign
              read
            > read r1/a r2/b
              read
              want 2
            > slot
              invoke r1 on slot 1 (Window, before 0)
            > slot
              invoke r2 on slot 2 (Window, before 0)
            > fail
              commit at 1 paused 1..1#0 failures 0 invokes 1 open 2..2#1 failures 0 invokes 1
              paused r1 RetryAttemptsExhausted after 1 invokes
            > ok
            > durable
              durable at 1
              commit at 1 done 2..2 paused 1..1#0 failures 0 invokes 1
            > read r3/a r4/b
              read
              want 1
            > slot
              invoke r4 on slot 3 (Window, before 0)
            > lanes 3
            > ok
            > state
              Paused { n_batches: 1, lane: 0, n_records: 1, range: (Position(0000000000000001), Position(0000000000000001)), condition: RetriesExhausted, n_invokes: 1, since: UnixMillis(1000000), error: "boom" }
        "#]],
    );
}

#[test]
fn while_it_is_closed_nothing_is_decided() {
    check(
        pausing(),
        "
        assign
        read r1
        slot
        fail
        durable
        close
        skip r1
        quiet
        ",
        &expect![[r#"
            > assign
              read
            > read r1
              read
              want 1
            > slot
              invoke r1 on slot 1 (Window, before 0)
            > fail
              commit at 1 paused 1..1#0 failures 0 invokes 1
              paused r1 RetryAttemptsExhausted after 1 invokes
            > durable
              durable at 1
            > close
            > skip r1
              refused: its track is being closed
            > quiet
              quiet: false
        "#]],
    );
}
