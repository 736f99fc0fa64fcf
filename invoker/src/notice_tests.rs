//! Failure records, byte for byte.

use expect_test::{Expect, expect};
use forebay_batcher::{NoticeId, Slice};
use serde_json::json;

use super::*;

fn reply() -> Reply {
    Reply {
        request_id: "1b2e6a8c-6f1e-4bd0-9f5c-2f7f0d8a1c11".into(),
        status: Some(200),
        executed_version: None,
        function_error: Some("Unhandled".into()),
        error: Some("ValueError".into()),
        payload: None,
        state: None,
    }
}

fn check(
    condition: Condition,
    n_invokes: u32,
    reply: Option<Reply>,
    payload: Option<&[u8]>,
    expected: Expect,
) {
    let notice = Notice {
        id: NoticeId(1),
        condition,
        slice: Slice::new(Vec::new()),
        n_invokes,
        reply,
        n_refused: 0,
        window: None,
    };
    let info = json!({ "path": "/var/log/a.ndjson", "startOffset": "0", "endOffset": "90", "batchSize": 3 });
    let context = NoticeContext {
        function_arn: "arn:aws:lambda:us-east-1:000000000000:function:resize",
        batch_info: ("FileBatchInfo", &info),
        payload: payload.map(EventPayload::Text),
        now: UnixMillis(1_573_691_886_021),
    };
    expected.assert_eq(std::str::from_utf8(&render(&notice, &context)).unwrap());
}

#[test]
fn retries_exhausted_by_a_function_error() {
    check(
        Condition::RetriesExhausted,
        2,
        Some(reply()),
        None,
        expect![[
            r#"{"requestContext":{"requestId":"1b2e6a8c-6f1e-4bd0-9f5c-2f7f0d8a1c11","functionArn":"arn:aws:lambda:us-east-1:000000000000:function:resize","condition":"RetryAttemptsExhausted","approximateInvokeCount":2},"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},"version":"1.0","timestamp":"2019-11-14T00:38:06.021Z","FileBatchInfo":{"path":"/var/log/a.ndjson","startOffset":"0","endOffset":"90","batchSize":3}}"#
        ]],
    );
}

#[test]
fn retries_exhausted_by_reported_records() {
    let reply = Reply { function_error: None, executed_version: Some("7".into()), ..reply() };
    check(
        Condition::RetriesExhausted,
        1,
        Some(reply),
        None,
        expect![[
            r#"{"requestContext":{"requestId":"1b2e6a8c-6f1e-4bd0-9f5c-2f7f0d8a1c11","functionArn":"arn:aws:lambda:us-east-1:000000000000:function:resize","condition":"RetryAttemptsExhausted","approximateInvokeCount":1},"responseContext":{"statusCode":200,"executedVersion":"7","functionError":null},"version":"1.0","timestamp":"2019-11-14T00:38:06.021Z","FileBatchInfo":{"path":"/var/log/a.ndjson","startOffset":"0","endOffset":"90","batchSize":3}}"#
        ]],
    );
}

#[test]
fn retries_exhausted_without_an_answer() {
    let reply = Reply { request_id: "r".into(), ..Reply::default() };
    check(
        Condition::RetriesExhausted,
        3,
        Some(reply),
        None,
        expect![[
            r#"{"requestContext":{"requestId":"r","functionArn":"arn:aws:lambda:us-east-1:000000000000:function:resize","condition":"RetryAttemptsExhausted","approximateInvokeCount":3},"responseContext":null,"version":"1.0","timestamp":"2019-11-14T00:38:06.021Z","FileBatchInfo":{"path":"/var/log/a.ndjson","startOffset":"0","endOffset":"90","batchSize":3}}"#
        ]],
    );
}

#[test]
fn too_old_after_eight_tries() {
    check(
        Condition::AgeExceeded,
        8,
        Some(reply()),
        None,
        expect![[
            r#"{"requestContext":{"requestId":"1b2e6a8c-6f1e-4bd0-9f5c-2f7f0d8a1c11","functionArn":"arn:aws:lambda:us-east-1:000000000000:function:resize","condition":"RecordAgeExceeded","approximateInvokeCount":8},"version":"1.0","timestamp":"2019-11-14T00:38:06.021Z","FileBatchInfo":{"path":"/var/log/a.ndjson","startOffset":"0","endOffset":"90","batchSize":3}}"#
        ]],
    );
}

#[test]
fn too_old_before_the_first_try() {
    check(
        Condition::AgeExceeded,
        1,
        None,
        None,
        expect![[
            r#"{"requestContext":{"requestId":"7c11694e-70af-843b-a831-cce554f22a92","functionArn":"arn:aws:lambda:us-east-1:000000000000:function:resize","condition":"RecordAgeExceeded","approximateInvokeCount":1},"version":"1.0","timestamp":"2019-11-14T00:38:06.021Z","FileBatchInfo":{"path":"/var/log/a.ndjson","startOffset":"0","endOffset":"90","batchSize":3}}"#
        ]],
    );
}

#[test]
fn too_large_with_its_event() {
    check(
        Condition::PayloadTooLarge,
        1,
        None,
        Some(br#"{"Records":[{"body":"a \"b\" \u00e9"}]}"#),
        expect![[
            r#"{"requestContext":{"requestId":"b8dedc19-b897-8ff6-8c4d-02215e428d11","functionArn":"arn:aws:lambda:us-east-1:000000000000:function:resize","condition":"MaximumPayloadSizeExceeded","approximateInvokeCount":1},"responseContext":null,"version":"1.0","timestamp":"2019-11-14T00:38:06.021Z","FileBatchInfo":{"path":"/var/log/a.ndjson","startOffset":"0","endOffset":"90","batchSize":3},"payload":"{\"Records\":[{\"body\":\"a \\\"b\\\" \\u00e9\"}]}"}"#
        ]],
    );
}

#[test]
fn bytes_that_are_no_text_do_not_spoil_the_record() {
    check(
        Condition::RetriesExhausted,
        1,
        Some(reply()),
        Some(b"\xff\x00\n"),
        expect![[
            r#"{"requestContext":{"requestId":"1b2e6a8c-6f1e-4bd0-9f5c-2f7f0d8a1c11","functionArn":"arn:aws:lambda:us-east-1:000000000000:function:resize","condition":"RetryAttemptsExhausted","approximateInvokeCount":1},"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},"version":"1.0","timestamp":"2019-11-14T00:38:06.021Z","FileBatchInfo":{"path":"/var/log/a.ndjson","startOffset":"0","endOffset":"90","batchSize":3},"payload":"�\u0000\n"}"#
        ]],
    );
}

#[test]
fn a_notice_made_again_has_the_same_request_id_and_another_has_another() {
    let notice = |condition| Notice {
        id: NoticeId(1),
        condition,
        slice: Slice::new(Vec::new()),
        n_invokes: 1,
        reply: None,
        n_refused: 0,
        window: None,
    };
    let id = |condition, now, offset: u64| {
        let info = json!({ "startOffset": offset });
        let context = NoticeContext {
            function_arn: "arn",
            batch_info: ("FileBatchInfo", &info),
            payload: None,
            now: UnixMillis(now),
        };
        request_id(&notice(condition), &context)
    };
    let first = id(Condition::AgeExceeded, 1, 0);
    assert_eq!(first, id(Condition::AgeExceeded, 2, 0));
    assert_ne!(first, id(Condition::AgeExceeded, 1, 1));
    assert_ne!(first, id(Condition::PayloadTooLarge, 1, 0));
}

#[test]
fn timestamps_always_have_milliseconds_and_never_fail() {
    assert_eq!(timestamp(UnixMillis(0)), "1970-01-01T00:00:00.000Z");
    assert_eq!(timestamp(UnixMillis(-1)), "1969-12-31T23:59:59.999Z");
    assert_eq!(timestamp(UnixMillis(i64::MAX)), "1970-01-01T00:00:00.000Z");
}

#[test]
fn an_event_stands_in_the_record_as_text_or_as_it_is() {
    let notice = Notice {
        id: NoticeId(1),
        condition: Condition::PayloadTooLarge,
        slice: Slice::new(Vec::new()),
        n_invokes: 0,
        reply: None,
        n_refused: 0,
        window: None,
    };
    let rendered = |payload| {
        let context = NoticeContext {
            function_arn: "f",
            batch_info: ("FileBatchInfo", &json!({})),
            payload: Some(payload),
            now: UnixMillis(0),
        };
        let record: Value = serde_json::from_slice(&render(&notice, &context)).unwrap();
        record["payload"].clone()
    };
    let event = b"{\"b\":1.10,\"a\":[null]}";
    assert_eq!(rendered(EventPayload::Text(event)), json!("{\"b\":1.10,\"a\":[null]}"));
    assert_eq!(rendered(EventPayload::Object(event)), json!({ "b": 1.10, "a": [null] }));
}
