//! Hostile and odd calls of the Runtime API: each gets its answer, and the next invocation works.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::{Host, Setup};

const INVALID_ID: &str = "{\"errorMessage\":\"Invalid request ID\",\"errorType\":\"InvalidRequestID\"}\n";

fn transition(from: &str, to: &str) -> String {
    let text = format!(
        "State transition from {from} to {to} failed for runtime. Error: State transition is not allowed"
    );
    format!("{{\"errorMessage\":\"{text}\",\"errorType\":\"InvalidStateTransition\"}}\n")
}

/// Runs a client that answers the first event with what it saw, and then serves on.
async fn seen(script: &str) -> Value {
    let host = Setup::raw(&format!("it = Connection()\n{script}\nserve_on(it)")).start().await;
    let seen = host.answer("{}").await;
    serves_on(&host).await;
    seen
}

async fn serves_on(host: &Host) {
    assert_eq!(host.answer("[1]").await["event"], json!([1]));
    host.stop().await;
}

/// Runs a client that spoils the first event, and gives the error the caller got.
async fn spoilt(script: &str) -> (Host, Value) {
    let host =
        Setup::raw(&format!("it = Connection()\nid, _ = it.next()\n{script}\nserve_on(it)")).start().await;
    let error = host.error("{}").await;
    (host, error)
}

#[tokio::test]
async fn a_wrong_id_is_refused_and_the_right_one_still_counts() {
    assert_eq!(
        seen("id, _ = it.next()\nit.answer(id, [it.answer('0-0', 1), it.answer('%00', 1)])").await,
        json!([[400, INVALID_ID], [400, INVALID_ID]])
    );
}

#[tokio::test]
async fn an_answer_before_the_first_event_is_refused() {
    assert_eq!(
        seen("early = it.answer('1-1', 1)\nid, _ = it.next()\nit.answer(id, early)").await,
        json!([400, INVALID_ID])
    );
}

#[tokio::test]
async fn a_second_answer_is_refused_and_changes_nothing() {
    let script = "
first, _ = it.next()
it.answer(first, 'first')
twice = it.answer(first, 'second')
it.ask('GET', BASE + 'invocation/next')
other = Connection()
# The other connection may be faster than the pending call.
while (late := other.answer(first, 'third'))[0] == 400: pass
late_error = other.answer(first, 'third', call='error')
print('late')
_, headers, _ = it.read()
it.answer(headers['lambda-runtime-aws-request-id'], [twice, late, late_error])
serve_on(it)";
    let host = Setup::raw(&format!("it = Connection()\n{script}")).start().await;
    assert_eq!(host.answer("{}").await, "first");
    host.lines.starting("late").await;
    let expected = [
        json!([400, INVALID_ID]),
        json!([403, transition("Ready", "InvocationResponse")]),
        json!([403, transition("Ready", "InvocationErrorResponse")]),
    ];
    assert_eq!(host.answer("{}").await, Value::from(expected.to_vec()));
    serves_on(&host).await;
}

#[tokio::test]
async fn the_same_event_is_given_again_until_it_is_answered() {
    let script = "
first, event = it.next()
again = Connection()
second, same = again.next()
it.answer(first, [first == second, event == same, event])";
    assert_eq!(seen(script).await, json!([true, true, {}]));
}

#[tokio::test]
async fn a_call_that_is_dropped_while_it_waits_loses_no_event() {
    let script = "
id, _ = it.next()
it.answer(id, os.getpid())
it.ask('GET', BASE + 'invocation/next')
it.socket.close(); it.file.close()
serve_on(Connection())";
    let host = Setup::raw(&format!("it = Connection()\n{script}")).start().await;
    let process = host.answer("{}").await;
    assert_eq!(host.answer("[2]").await, json!({"pid": process, "event": [2]}));
    serves_on(&host).await;
}

#[tokio::test]
async fn a_header_of_a_mebibyte_with_any_bytes_passes_and_one_of_eight_is_refused() {
    let script = r#"
id, _ = it.next()
head = b"lambda-runtime-function-xray-error-cause: {\"message\":\"boom \xc3\xa9\xff" + b"x" * (1 << 20) + b"\"}\r\n"
big = Connection()
big.send(b"GET /ping HTTP/1.1\r\nhost: x\r\nbig: " + b"x" * (8 << 20) + b"\r\n\r\n")
# The refusal may be lost when the connection is closed with bytes still on their way.
status = big.read()[0] in (0, 431)
body = json.dumps({"errorType": "T", "errorMessage": str(status)}).encode()
it.send(f"POST {BASE}invocation/{id}/error HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n".encode() + head + b"\r\n" + body)
assert it.read()[0] == 202
"#;
    let (host, error) = spoilt(&script.replace("id, _ = it.next()\n", "")).await;
    assert_eq!(error, json!({"errorType": "T", "errorMessage": "True"}));
    serves_on(&host).await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_fails_the_invocation_at_once() {
    for length in ["content-length: 1000", "transfer-encoding: chunked"] {
        let script = format!(
            "half = Connection()
half.send(f'POST {{BASE}}invocation/{{id}}/response HTTP/1.1\\r\\nhost: x\\r\\n{length}\\r\\n\\r\\n5\\r\\nhalf')
half.socket.shutdown(socket.SHUT_WR)
print('told', *half.read())"
        );
        let (host, error) = spoilt(&script).await;
        assert_eq!(error["errorType"], "Runtime.TruncatedResponse");
        assert!(
            error["errorMessage"].as_str().unwrap().ends_with("Error: HTTP request detected as truncated")
        );
        serves_on(&host).await;
    }
}

#[tokio::test]
async fn an_answer_of_100_mb_is_refused_and_the_environment_stays() {
    for (length, body) in [
        ("content-length: 104857600", "for _ in range(100): it.send(b'x' * (1 << 20))"),
        (
            "transfer-encoding: chunked",
            "for _ in range(100): it.send(b'100000\\r\\n' + b'x' * (1 << 20) + b'\\r\\n')\nit.send('0\\r\\n\\r\\n')",
        ),
    ] {
        let script = format!(
            "it.send(f'POST {{BASE}}invocation/{{id}}/response HTTP/1.1\\r\\nhost: x\\r\\n{length}\\r\\n\\r\\n')
{body}
status, _, said = it.read()
print('told', status, said)
it = Connection() if status == 0 else it"
        );
        let (host, error) = spoilt(&script).await;
        let text = "Response payload size exceeded maximum allowed payload size (6291556 bytes).";
        assert_eq!(error, json!({"errorMessage": text, "errorType": "Function.ResponseSizeTooLarge"}));
        let told = "told 413 {\"errorMessage\":\"Exceeded maximum allowed payload size (6291556 bytes).\",\"errorType\":\"RequestEntityTooLarge\"}";
        host.lines.starting(told).await;
        serves_on(&host).await;
    }
}

#[tokio::test]
async fn an_answer_at_the_limit_passes_and_one_byte_more_does_not() {
    let host = Setup::python("def handler(event, context): return 'x' * (event - 2)").start().await;
    assert_eq!(host.answer("6291556").await.as_str().unwrap().len(), 6_291_554);
    assert_eq!(host.error("6291557").await["errorType"], "Function.ResponseSizeTooLarge");
    host.stop().await;
}

#[tokio::test]
async fn an_unknown_mode_is_refused_and_streaming_is_collected() {
    let (host, error) =
        spoilt("print('told', *it.answer(id, 1, 'Lambda-Runtime-Function-Response-Mode: fast\\r\\n'))").await;
    assert_eq!(error["errorType"], "Runtime.InvalidResponseModeHeader");
    host.lines
        .starting("told 400 {\"errorMessage\":\"Invalid function response mode\",\"errorType\":\"InvalidFunctionResponseMode\"}")
        .await;
    serves_on(&host).await;

    let script = "
id, _ = it.next()
it.send(f'POST {BASE}invocation/{id}/response HTTP/1.1\\r\\nhost: x\\r\\nLambda-Runtime-Function-Response-Mode: streaming\\r\\ntransfer-encoding: chunked\\r\\n\\r\\n')
for part in ['\"one ', 'two ', 'three\"']: it.send(f'{len(part):x}\\r\\n{part}\\r\\n')
it.send('0\\r\\n\\r\\n')
assert it.read()[0] == 202";
    assert_eq!(seen(script).await, "one two three");
}

#[tokio::test]
async fn an_error_behind_a_stream_makes_it_a_failure() {
    let script = "
import base64
error = base64.b64encode(b'{\"errorType\":\"Late\",\"errorMessage\":\"after all\"}').decode()
it.send(f'POST {BASE}invocation/{id}/response HTTP/1.1\\r\\nhost: x\\r\\ntransfer-encoding: chunked\\r\\n'
        'Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\\r\\n\\r\\n3\\r\\nabc\\r\\n0\\r\\n'
        f'Lambda-Runtime-Function-Error-Type: Late\\r\\nLambda-Runtime-Function-Error-Body: {error}\\r\\n\\r\\n')
assert it.read()[0] == 202";
    let (host, error) = spoilt(script).await;
    assert_eq!(error, json!({"errorType": "Late", "errorMessage": "after all"}));
    serves_on(&host).await;
}

#[tokio::test]
async fn the_cause_inside_of_an_error_is_taken_out() {
    let script = "it.answer(id, {'errorType': 'T', 'errorMessage': 'm', 'errorCause': {'a': 1}}, \
                  'Content-Type: application/vnd.aws.lambda.error.cause+json\\r\\n', 'error')";
    let (host, error) = spoilt(script).await;
    assert_eq!(error, json!({"errorType": "T", "errorMessage": "m"}));
    serves_on(&host).await;
}

#[tokio::test]
async fn what_is_not_http_ends_its_connection_only() {
    let script = r"
id, _ = it.next()
statuses = []
for garbage in [b'\x00\xff\x16\x03\x01 garbage\r\n\r\n', b'GET\r\n\r\n', b'POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n',
                b'POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n\r\n']:
    other = Connection(); other.send(garbage); statuses.append(other.read()[0] in (0, 400, 404))
it.answer(id, statuses)";
    assert_eq!(seen(script).await, json!([true, true, true, true]));
}

#[tokio::test]
async fn connections_that_never_finish_their_request_hold_up_nobody() {
    let script = "
id, _ = it.next()
slow = [Connection() for _ in range(40)]
for connection in slow: connection.send('POST / HTTP/1.1\\r\\nslow')
it.answer(id, len(slow))";
    assert_eq!(seen(script).await, 40);
}

#[tokio::test]
async fn a_strangers_connection_gets_no_event() {
    let script = "
id, _ = it.next()
it.answer(id, PORT)";
    let host = Setup::raw(&format!("it = Connection()\n{script}\nserve_on(it)")).start().await;
    let port: u16 = host.answer("{}").await.as_str().unwrap().parse().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let reading = stream.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(20), reading)
        .await
        .expect("a stranger is not left waiting")
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
    serves_on(&host).await;
}

#[tokio::test]
async fn a_child_of_the_function_may_speak_for_it() {
    let child = "child = 'from raw import *; it = Connection(); id, event = it.next(); it.answer(id, [os.getpid(), event])'
import subprocess
os.chdir(os.environ['LAMBDA_TASK_ROOT'])
";
    let ways = [
        "subprocess.run([sys.executable, '-c', child])",
        // From a session of its own, as long as its parents are known.
        "subprocess.run([sys.executable, '-c', child], start_new_session=True)",
        // Without a parent, as long as it is in the group.
        "subprocess.run(['sh', '-c', '\"$@\" &', 'sh', sys.executable, '-c', child])",
    ];
    for way in ways {
        let host = Setup::raw(&format!("{child}{way}\nimport time; time.sleep(1000)")).start().await;
        assert_eq!(host.answer("{}").await[1], json!({}), "{way}");
        host.stop().await;
    }
}

#[tokio::test]
async fn other_calls_get_the_answers_of_the_runtime_api() {
    let script = "
ping = it.call('GET', '/ping')
restore = it.call('GET', BASE + 'restore/next')
id, _ = it.next()
restore_error = it.call('POST', BASE + 'restore/error', '{}')
init_error = it.call('POST', BASE + 'init/error', '{}')
lost = it.call('GET', '/2018-06-01/nothing')
method = it.call('PUT', BASE + 'invocation/next')
accepted = it.answer('x', 1)
it.answer(id, [[status, body] for status, _, body in [ping, restore, restore_error, init_error, lost, method]])";
    let expected = json!([
        [200, "pong"],
        [403, transition("Started", "RestoreReady")],
        [403, transition("Running", "RestoreReady")],
        [403, transition("Running", "InitError")],
        [404, "{\"errorMessage\":\"there is no such call\",\"errorType\":\"NotFound\"}\n"],
        [405, "{\"errorMessage\":\"the method is not allowed here\",\"errorType\":\"MethodNotAllowed\"}\n"],
    ]);
    assert_eq!(seen(script).await, expected);
}

#[tokio::test]
async fn an_event_comes_with_its_four_headers_and_an_answer_is_accepted_with_a_body() {
    let script = "
_, headers, event = it.call('GET', BASE + 'invocation/next')
id = headers['lambda-runtime-aws-request-id']
import time
left = int(headers['lambda-runtime-deadline-ms']) - time.time() * 1000
accepted = it.answer(id, 'x' * 10)
print('accepted', json.dumps(accepted))
id2, _ = it.next()
del headers['date']
it.answer(id2, [headers, 25000 < left <= 30000, len(id), sorted(headers)])";
    let host = Setup::raw(&format!("it = Connection()\n{script}\nserve_on(it)")).start().await;
    let reply = host.invoke("{\"a\":1}").await;
    let told = host.answer("{}").await;
    let headers = &told[0];
    assert_eq!(headers["lambda-runtime-aws-request-id"], *reply.request_id);
    assert_eq!(
        headers["lambda-runtime-invoked-function-arn"],
        "arn:aws:lambda:eu-north-1:123456789012:function:tested"
    );
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["content-length"], "7");
    let trace = headers["lambda-runtime-trace-id"].as_str().unwrap();
    assert!(trace.starts_with("Root=1-") && trace.ends_with(";Sampled=0") && trace.len() == 74, "{trace}");
    assert_eq!((&told[1], &told[2]), (&json!(true), &json!(36)));
    assert_eq!(told[3].as_array().unwrap().len(), 7);
    assert!(
        headers["lambda-runtime-client-context"].as_str().unwrap().starts_with("{\"custom\":{"),
        "{headers}"
    );
    host.lines.starting("accepted [202, \"{\\\"status\\\":\\\"OK\\\"}\\n\"]").await;
    serves_on(&host).await;
}
