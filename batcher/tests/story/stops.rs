//! Stories on tracks: what stops one, from its store to its own end.

use expect_test::expect;

use crate::script::{check, plan};

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
              durable at 4
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
              durable at 9
            > read passed:9
              read
            > read filtered passed:12 end
              commit at 12 ended
            > durable
              durable at 12
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
              durable at 1
            > quiet
              quiet: true
        "#]],
    );
}
