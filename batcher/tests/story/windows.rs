//! A function carries a state over tumbling windows: of ten seconds, from the second 1,000 on.

use std::time::Duration;

use expect_test::expect;
use forebay_batcher::{Plan, RetryPlan, WindowPlan};

use crate::script::{check, count, plan};

fn tumbling() -> Plan {
    let window = WindowPlan {
        quiet: Duration::from_secs(5),
        state_bytes_max: 3,
        ..WindowPlan::of(Duration::from_secs(10))
    };
    Plan { window: Some(window), ..plan() }
}

#[test]
fn a_state_goes_on_with_what_is_finished_and_a_window_ends_once_time_has_passed_it() {
    check(
        tumbling(),
        "
        assign
        read r1 r2
        slot
        fail
        durable
        state
        +500ms
        slot
        gives A
        +12000ms
        read r3
        slot
        fail
        durable
        durable
        +500ms
        slot
        gives B
        slot
        gives C
        durable
        ",
        &expect![[r#"
            > assign
              read
            > read r1 r2
              read
              want 1
            > slot
              invoke r1+r2 on slot 1 (Window, before 0) within 1000..1010 with ``
            > fail
              commit at 1 open 1..2#0 failures 1 invokes 1
            > durable
              durable at 1
            > state
              Retrying { n_failures: 1, since: Tick(1000000), next: Tick(1400500), error: "boom" }
            > +500ms
              want 1
            > slot
              invoke r1+r2 on slot 2 (Retry, before 1) within 1000..1010 with ``
            > gives A
              commit at 3
            > +12000ms
            > read r3
              read
              want 1
            > slot
              invoke  on slot 3 (TumblingWindow, before 0) within 1000..1010 ends with `A`
            > fail
            > durable
              durable at 3
              commit at 3 open Position()..Position()#0 failures 1 invokes 1
            > durable
            > +500ms
              want 1
            > slot
              invoke  on slot 4 (Retry, before 1) within 1000..1010 ends with `A`
            > gives B
              commit at 3
              want 1
            > slot
              invoke r3 on slot 5 (Window, before 0) within 1010..1020 with ``
            > gives C
            > durable
              commit at 4
        "#]],
    );
}

#[test]
fn a_kill_in_the_middle_of_a_window_leaves_the_state_of_what_was_kept() {
    check(
        tumbling(),
        "
        assign
        read r1
        slot
        gives A
        durable
        read r2
        slot
        gives AB
        crash
        assign
        read r2
        slot
        gives AB
        durable
        read
        state
        +16000ms
        read
        slot
        gives done
        durable
        ",
        &expect![[r#"
            > assign
              read
            > read r1
              read
              want 1
            > slot
              invoke r1 on slot 1 (Window, before 0) within 1000..1010 with ``
            > gives A
              commit at 2
            > durable
              durable at 2
            > read r2
              read
              want 1
            > slot
              invoke r2 on slot 2 (Window, before 0) within 1000..1010 with `A`
            > gives AB
              commit at 3
            > crash
            > assign
              read
            > read r2
              read
              want 1
            > slot
              invoke r2 on slot 3 (Window, before 0) within 1000..1010 with `A`
            > gives AB
              commit at 3
            > durable
              durable at 3
            > read
              read
            > state
              WindowOpen { n_lanes: 1, span: WindowSpan { start: UnixMillis(1000000), end: UnixMillis(1010000) }, over_at: Tick(16000000) }
            > +16000ms
            > read
              read
              want 1
            > slot
              invoke  on slot 4 (TumblingWindow, before 0) within 1000..1010 ends with `AB`
            > gives done
              commit at 3
            > durable
        "#]],
    );
}

#[test]
fn a_wall_clock_that_was_set_back_keeps_the_end_of_a_window_no_longer_than_a_delay_of_ours() {
    // Items may ask for a quarter of an hour; an end has none.
    let plan = Plan { retry: RetryPlan { item_actions: true, ..tumbling().retry }, ..tumbling() };
    check(
        plan,
        "
        assign
        read r1
        slot
        gives A
        durable
        +16000ms
        read
        slot
        fail
        durable
        wall-600000ms
        crash
        assign
        +59000ms
        +1000ms
        slot
        gives done
        ",
        &expect![[r#"
            > assign
              read
            > read r1
              read
              want 1
            > slot
              invoke r1 on slot 1 (Window, before 0) within 1000..1010 with ``
            > gives A
              commit at 2
            > durable
              durable at 2
            > +16000ms
            > read
              read
              want 1
            > slot
              invoke  on slot 2 (TumblingWindow, before 0) within 1000..1010 ends with `A`
            > fail
              commit at 2 open Position()..Position()#0 failures 1 invokes 1
            > durable
            > wall-600000ms
            > crash
            > assign
              read
            > +59000ms
            > +1000ms
              want 1
            > slot
              invoke  on slot 3 (Retry, before 1) within 1000..1010 ends with `A`
            > gives done
              commit at 2
        "#]],
    );
}

#[test]
fn a_state_that_is_too_large_ends_its_window_early_before_anything_else_is_tried() {
    check(
        Plan { batch: forebay_batcher::BatchPlan { records_max: count(1), ..plan().batch }, ..tumbling() },
        "
        assign
        read r1 r2
        slot
        gives AAAA
        slot
        gives x
        slot
        gives B
        durable
        read end
        slot
        gives x
        durable
        ",
        &expect![[r#"
            > assign
              read
            > read r1 r2
              want 1
            > slot
              read
              invoke r1 on slot 1 (Count, before 0) within 1000..1010 with ``
            > gives AAAA
              commit at 2
              want 1
            > slot
              invoke  on slot 2 (TumblingWindow, before 0) within 1000..1010 ends early with `AAAA`
            > gives x
              want 1
            > slot
              invoke r2 on slot 3 (Count, before 0) within 1000..1010 with ``
            > gives B
            > durable
              durable at 2
              commit at 3
            > read end
              want 1
            > slot
              invoke  on slot 4 (TumblingWindow, before 0) within 1000..1010 ends with `B`
            > gives x
            > durable
              durable at 3
              commit at 3 ended
        "#]],
    );
}
