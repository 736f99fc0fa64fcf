//! Stories of tracks that go to another owner: closed with time, lost without, and given back.

use expect_test::expect;

use crate::script::{check, plan};

#[test]
fn a_closed_track_writes_what_runs_begins_nothing_and_is_let_go() {
    check(
        plan(),
        "assign
         read r1 r2 r3 r4
         slot
         revoke
         state
         slot
         ok
         durable
         state",
        &expect![[r#"
            > assign
              read
            > read r1 r2 r3 r4
              read
              want 1
            > slot
              invoke r1+r2+r3 on slot 1 (Count, before 0)
            > revoke
            > state
              Closed
            > slot
              return slot 2
            > ok
              commit at 4
            > durable
              durable at 4
              drained at 4
            > state
              Closed
        "#]],
    );
}

#[test]
fn what_a_closed_track_had_in_retry_is_its_next_owners() {
    check(
        plan(),
        "assign
         read r1 r2 r3
         slot
         revoke
         fail
         durable
         +60000ms
         assign
         read r4
         read r1 r2 r3
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
              invoke r1+r2+r3 on slot 1 (Count, before 0)
            > revoke
            > fail
              commit at 1 open 1..3#0 failures 1 invokes 1
            > durable
              durable at 1
              drained at 1
            > +60000ms
            > assign
              read
            > read r4
            > read r1 r2 r3
              read
              want 1
            > slot
              invoke r1+r2+r3 on slot 2 (Retry, before 1)
            > ok
              commit at 4
            > durable
              durable at 4
        "#]],
    );
}

#[test]
fn a_closed_track_is_let_go_at_its_time_whatever_runs() {
    check(
        plan(),
        "assign
         read r1 r2 r3
         slot
         revoke 500ms
         +499ms
         +1ms
         ok
         state
         quiet",
        &expect![[r#"
            > assign
              read
            > read r1 r2 r3
              read
              want 1
            > slot
              invoke r1+r2+r3 on slot 1 (Count, before 0)
            > revoke 500ms
            > +499ms
            > +1ms
              drained origin
            > ok
            > state
              Closed
            > quiet
              quiet: false
        "#]],
    );
}

#[test]
fn an_idle_track_that_is_closed_is_let_go_at_once() {
    check(
        plan(),
        "assign
         revoke 500ms
         +500ms",
        &expect![[r#"
            > assign
              read
            > revoke 500ms
              drained origin
            > +500ms
        "#]],
    );
}

#[test]
fn late_answers_to_a_former_life_of_a_track_change_nothing() {
    check(
        plan(),
        "assign
         read r1 r2 r3
         slot
         ok
         lost
         assign
         read r4 r5
         durable
         read r1 r2 r3
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
              invoke r1+r2+r3 on slot 1 (Count, before 0)
            > ok
              commit at 4
            > lost
            > assign
              read
            > read r4 r5
            > durable
            > read r1 r2 r3
              read
              want 1
            > slot
              invoke r1+r2+r3 on slot 2 (Count, before 0)
            > ok
              commit at 4
            > durable
              durable at 4
        "#]],
    );
}

#[test]
fn an_attempt_that_a_lost_track_left_finishes_nothing_of_its_next_life() {
    check(
        plan(),
        "assign
         read r1 r2 r3
         slot
         lost
         assign
         read r7
         read r1 r2 r3
         ok
         slot
         fail",
        &expect![[r#"
            > assign
              read
            > read r1 r2 r3
              read
              want 1
            > slot
              invoke r1+r2+r3 on slot 1 (Count, before 0)
            > lost
            > assign
              read
            > read r7
            > read r1 r2 r3
              read
              want 1
            > ok
            > slot
              invoke r1+r2+r3 on slot 2 (Count, before 0)
            > fail
              commit at 1 open 1..3#0 failures 1 invokes 1
        "#]],
    );
}

#[test]
fn a_fenced_track_that_was_closed_is_let_go_without_another_commit() {
    check(
        plan(),
        "assign
         read r1 r2 r3
         slot
         ok
         revoke
         fenced
         quiet",
        &expect![[r#"
            > assign
              read
            > read r1 r2 r3
              read
              want 1
            > slot
              invoke r1+r2+r3 on slot 1 (Count, before 0)
            > ok
              commit at 4
            > revoke
            > fenced
              drained origin
            > quiet
              quiet: false
        "#]],
    );
}

#[test]
fn what_waited_for_its_retry_takes_no_memory_once_its_track_is_let_go_after_a_close() {
    check(
        plan(),
        "assign
         read r1 r2 r3
         slot
         close
         revoke
         fail
         durable
         held",
        &expect![[r#"
            > assign
              read
            > read r1 r2 r3
              read
              want 1
            > slot
              invoke r1+r2+r3 on slot 1 (Count, before 0)
            > close
            > revoke
            > fail
              commit at 1 open 1..3#0 failures 1 invokes 1
            > durable
              durable at 1
              drained at 1
            > held
              held: 0 bytes
        "#]],
    );
}
