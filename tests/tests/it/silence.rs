//! A function that ends without an answer finishes nothing: its records are tried again, and given up in the
//! end.

use forebay_tests::daemon::Daemon;
use forebay_tests::{http, wait};

use crate::scene::Scene;

/// Runs one line through a function of Node until it was given up; the events that succeeded and the
/// invocations that failed.
fn counts(handler: &str) -> (f64, f64, String) {
    let scene = Scene::new();
    scene.write("code/app.mjs", handler);
    scene.write("in/one", "line\n");
    let function =
        "{ timeout: 30, executor: { process: { runtime: nodejs, handler: app.handler, code: ./code } } }";
    let mapping = "source: { file: { path: \"in/*\" } }, function_name: f, starting_position: TRIM_HORIZON, maximum_retry_attempts: 1";
    let destination = "destination_config: { on_failure: { file: { path: given-up } } }";
    let config = format!(
        "functions:\n  f: {function}\nevent_source_mappings:\n  - {{ name: m, {mapping}, {destination} }}\n"
    );
    scene.write("forebay.yaml", &config);
    let daemon = Daemon::start(scene.folder());
    let count = |name: &str| http::metric(&daemon.metrics(), name, "mapping=\"m\"");
    let (succeeded, failed) = ("forebay_succeeded_event_count", "forebay_failed_invoke_event_count");
    // Counts are told a moment later.
    let is_given_up = || !scene.whole_lines("given-up").is_empty() && count(failed) >= 1.0;
    let is_over = || (count(succeeded) >= 1.0 || is_given_up()).then_some(());
    wait::until_told("the line to be finished", is_over, || daemon.log());
    let told = (count(succeeded), count(failed), scene.whole_lines("given-up"));
    assert!(daemon.stop().success());
    told
}

#[test]
fn a_promise_that_is_never_settled_finishes_nothing() {
    let (succeeded, failed, given_up) =
        counts("export const handler = async () => { await new Promise(() => {}); };\n");
    assert_eq!(succeeded, 0.0);
    assert!(failed >= 1.0, "{failed}");
    assert!(given_up.contains("RetryAttemptsExhausted"), "{given_up}");
}

#[test]
fn an_exit_with_code_zero_finishes_nothing() {
    let (succeeded, _, given_up) = counts("export const handler = async () => process.exit(0);\n");
    assert_eq!(succeeded, 0.0);
    assert!(given_up.contains("RetryAttemptsExhausted"), "{given_up}");
}
