//! One mapping in trouble never slows another.

use std::time::Instant;

use forebay_tests::daemon::Daemon;
use forebay_tests::{http, wait};

use crate::scene::Scene;

const N_LINES: usize = 5_000;

#[test]
fn a_function_that_hangs_does_not_slow_another_mapping() {
    let alone = run(false);
    let beside = run(true);
    // The rate itself is told, not tested: a busy machine must not fail a test.
    eprintln!(
        "neighbours: {N_LINES} lines took {alone:.2} s alone and {beside:.2} s beside a function that hangs ({:.2}x)",
        beside / alone
    );
}

/// Seconds that the good mapping took; the hanging one is still hanging when it is done.
fn run(hangs: bool) -> f64 {
    let scene = Scene::new();
    scene.write(
        "code/bad.py",
        "import time\ndef handler(event, context):\n    while True:\n        time.sleep(60)\n",
    );
    let process = |handler: &str| {
        format!(
            "executor: {{ process: {{ runtime: python3, handler: {handler}, code: ./code }} }}\n    timeout: 600"
        )
    };
    let mapping = |name: &str, function: &str| {
        format!(
            "  - name: {name}\n    source: {{ file: {{ path: \"{name}/*\" }} }}\n    function_name: {function}\n    starting_position: TRIM_HORIZON\n"
        )
    };
    let mut mappings = mapping("good", "good");
    if hangs {
        mappings.push_str(&mapping("bad", "bad"));
    }
    let functions = format!(
        "functions:\n  good:\n    {}\n  bad:\n    {}\n",
        process("app.handler"),
        process("bad.handler")
    );
    scene.write("forebay.yaml", &format!("shutdown_grace: 1\n{functions}event_source_mappings:\n{mappings}"));
    scene.write("good/one", "");
    let bad: String = (0..50_000).map(|n| format!("bad line {n} {}\n", "x".repeat(1_000))).collect();
    scene.write("bad/one", &bad);
    let daemon = Daemon::start(scene.folder());
    if hangs {
        wait::until("the function to hang", || {
            let (_, page) = http::get(&daemon.admin, "/readyz?verbose")?;
            page.lines().any(|line| line.contains("The function works on")).then_some(())
        });
    }
    let start = Instant::now();
    let text: String = (0..N_LINES).map(|n| format!("line {n}\n")).collect();
    scene.append("good/one", &text);
    wait::until("all lines of the good mapping", || (scene.n_seen() == N_LINES).then_some(()));
    let took = start.elapsed().as_secs_f64();
    if hangs {
        let page = daemon.metrics();
        assert_eq!(
            http::metric(&page, "forebay_invoked_event_count", "mapping=\"bad\""),
            0.0,
            "it still hangs: nothing of it has ended"
        );
    }
    took
}
