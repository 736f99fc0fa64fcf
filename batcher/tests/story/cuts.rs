//! Stories of cuts that last: a batch is written down before it is tried, and comes again as it was cut.

use expect_test::expect;
use forebay_batcher::Plan;

use crate::script::{check, plan};

fn durable() -> Plan {
    Plan { durable_cuts: true, ..plan() }
}

#[test]
fn a_batch_waits_until_its_cut_is_durable() {
    check(
        durable(),
        "assign
         read r1 r2
         slot
         state
         durable
         slot
         ok
         durable",
        &expect![[r#"
            > assign
              read
            > read r1 r2
              read
              want 1
            > slot
              commit at 1 open 1..2#0 failures 0 invokes 0
              return slot 1
            > state
              WritingBatch { since: Tick(1000000) }
            > durable
              durable at 1
              want 1
            > slot
              invoke r1+r2 on slot 2 (Window, before 0)
            > ok
              commit at 3
            > durable
              durable at 3
        "#]],
    );
}

#[test]
fn what_a_crash_left_untried_comes_again_as_it_was_cut() {
    check(
        durable(),
        "assign
         read r1 r2
         slot
         durable
         crash
         assign
         read r1 r2 r3
         slot
         slot",
        &expect![[r#"
            > assign
              read
            > read r1 r2
              read
              want 1
            > slot
              commit at 1 open 1..2#0 failures 0 invokes 0
              return slot 1
            > durable
              durable at 1
              want 1
            > crash
            > assign
              read
            > read r1 r2 r3
              read
              want 1
            > slot
              invoke r1+r2 on slot 2 (Retry, before 0)
            > slot
              return slot 3
        "#]],
    );
}

#[test]
fn each_half_of_a_batch_is_a_cut_of_its_own() {
    let base = durable();
    let retry = forebay_batcher::RetryPlan { bisect: true, ..base.retry };
    check(
        Plan { retry, ..base },
        "assign
         read r1 r2
         slot
         durable
         slot
         fail
         state
         durable
         slot
         ok",
        &expect![[r#"
            > assign
              read
            > read r1 r2
              read
              want 1
            > slot
              commit at 1 open 1..2#0 failures 0 invokes 0
              return slot 1
            > durable
              durable at 1
              want 1
            > slot
              invoke r1+r2 on slot 2 (Window, before 0)
            > fail
              commit at 1 open 1..1#0 failures 0 invokes 1 open 2..2#0 failures 0 invokes 1
            > state
              Retrying { n_failures: 0, since: Tick(1000000), next: Tick(0), error: "boom" }
            > durable
              want 1
            > slot
              invoke r1 on slot 3 (Half, before 1)
            > ok
              commit at 2 open 2..2#0 failures 0 invokes 1
              want 1
        "#]],
    );
}
