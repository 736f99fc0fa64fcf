//! Hostile input to a running daemon: a clear word, and nothing else stops.

use forebay_tests::daemon::{Daemon, run};
use forebay_tests::{http, wait};

use crate::scene::Scene;

#[test]
fn ten_hostile_configs_are_refused_with_a_place_and_without_a_crash() {
    let scene = Scene::new();
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n";
    let texts: [&[u8]; 10] = [
        b"\xff\xfe\x00nonsense",
        deep.as_bytes(),
        bomb.as_bytes(),
        b"functions: {f: 1, f: 2}\n",
        b"event_source_mappings: 7\n",
        b"functions:\n\t- tab\n",
        b"\x00\x00\x00",
        b"event_source_mappings:\n  - name: ${UNSET_BY_ANYONE}\n",
        b"event_source_mappings:\n  - {name: a, source: {file: {path: [1,2]}}, function_name: 99999999999999999999999999999}\n",
        b"? [a, b]\n: c\n",
    ];
    for text in texts {
        std::fs::write(scene.path("bad.yaml"), text).expect("a file can be written");
        let (code, out, err) = run(scene.folder(), &["validate", "-c", "bad.yaml"]);
        let shown = String::from_utf8_lossy(&text[..text.len().min(60)]).into_owned();
        assert_eq!(code, 78, "{shown:?}: {out}{err}");
        assert!((out + &err).contains("bad.yaml"), "{shown:?} is refused without its place");
    }
}

#[test]
fn hostile_files_and_answers_harm_no_other_line_and_no_other_mapping() {
    let scene = Scene::new();
    scene.write(
        "code/odd.py",
        "import os\nANSWERS = ['\"\"', '{', '[[[[', '{\"batchItemFailures\":[{\"itemIdentifier\":\"x\"}]}', 'null']\ndef handler(event, context):\n    body = event['Records'][0]['body']\n    if body == 'exit': os._exit(3)\n    if body == 'kill': os.kill(os.getpid(), 9)\n    if body == 'huge': return 'x' * 7_000_000\n    if body == 'raise': raise RuntimeError('\\x1b[31mred\\nline two')\n    if body == 'noise': os.write(1, b'\\xff\\x00' * 100_000)\n    if body == 'bad': return {'batchItemFailures': [{'itemIdentifier': 12}]}\n    if body == 'none': return {'batchItemFailures': 'x'}\n    return None\n",
    );
    let process = |handler: &str| {
        format!(
            "{{ executor: {{ process: {{ runtime: python3, handler: {handler}, code: ./code }} }}, timeout: 5 }}"
        )
    };
    let mapping = |name: &str, function: &str, more: &str| {
        format!(
            "  - {{ name: {name}, source: {{ file: {{ path: \"{name}/*\" }} }}, function_name: {function}, starting_position: TRIM_HORIZON{more} }}\n"
        )
    };
    let odd = ", batch_size: 1, maximum_retry_attempts: 0, function_response_types: [ReportBatchItemFailures], destination_config: { on_failure: { file: { path: dead.ndjson } } }";
    scene.write(
        "forebay.yaml",
        &format!(
            "functions:\n  seen: {}\n  odd: {}\nevent_source_mappings:\n{}{}",
            process("app.handler"),
            process("odd.handler"),
            mapping("in", "seen", ""),
            mapping("odd", "odd", odd)
        ),
    );
    let words = ["ok", "exit", "kill", "huge", "raise", "noise", "bad", "none", "ok again"];
    scene.write("odd/one", &words.map(|word| format!("{word}\n")).concat());
    let mut hostile = b"first\n\xff\xfe\xfd\n\n\x00\x00\n".to_vec();
    hostile.extend(vec![b'a'; 3 << 20]);
    hostile.extend(b"\n\"quoted\" \\ \x1b[31m\n{\"deep\":");
    hostile.extend(b"[".repeat(10_000));
    hostile.extend(b"\nlast\n");
    std::fs::write(scene.path("in/hostile"), hostile).expect("a file can be written");
    let daemon = Daemon::start(scene.folder());
    wait::until("the last line of the hostile file", || {
        scene.seen().iter().any(|it| it.body == "last").then_some(())
    });
    wait::until("all hostile answers", || {
        let page = daemon.metrics();
        let done = http::metric(&page, "forebay_invoked_event_count", "mapping=\"odd\"");
        (done >= words.len() as f64).then_some(())
    });
    wait::until("the failure records", || (scene.dead().len() == 6).then_some(()));
    assert!(scene.seen().iter().any(|it| it.body == "first"));
    scene.append("in/after", "still alive\n");
    wait::until("a fresh line", || scene.seen().iter().any(|it| it.body == "still alive").then_some(()));
    assert!(!daemon.log().contains('\x1b'), "escapes of a record or an answer never reach the log");
    assert!(daemon.stop().success());
}
