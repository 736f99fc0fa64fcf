//! Requests that no client sends, ten and more a route: each gets an error of AWS's shape, and the next good
//! request is answered.

use crate::service::{ID, PATH};
use crate::signed::Request;
use crate::wire::{World, create_body, sign_as};

const TAGS: &str = "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aeu-west-1%3A000000000000%3Aevent-source-mapping%3A14e0db71-5d35-4eb5-b481-8945cf9d10c2";

fn bodies() -> Vec<Vec<u8>> {
    let deep =
        |n: usize| format!("{{\"FunctionName\":{}{},\"Tags\":1}}", "[".repeat(n), "]".repeat(n)).into_bytes();
    vec![
        b"\xff\xfe\x00".to_vec(),
        b"{\"FunctionName\":\"\xff\",\"Tags\":\"\xff\"}".to_vec(),
        b"{".to_vec(),
        b"[]".to_vec(),
        b"null".to_vec(),
        b"\"text\"".to_vec(),
        b"{} {}".to_vec(),
        b"{\"FunctionName\":null,\"Tags\":null,\"BatchSize\":\"5\"}".to_vec(),
        b"{\"FunctionName\":[],\"Tags\":[],\"Enabled\":\"yes\"}".to_vec(),
        b"{\"FunctionName\":{\"a\":1},\"Tags\":{\"a\":{}},\"BatchSize\":1e400}".to_vec(),
        b"{\"FunctionName\":\"f\",\"Tags\":{\"a\":1},\"BatchSize\":99999999999999999999}".to_vec(),
        deep(64),
        deep(1_000_000),
        vec![b' '; 10 << 20],
    ]
}

#[tokio::test]
async fn bodies_that_are_no_request_are_refused_on_every_route_that_reads_one() {
    for keyed in [false, true] {
        let world = if keyed { World::keyed().await } else { World::open().await };
        for (method, target) in
            [("POST", PATH.to_owned()), ("PUT", format!("{PATH}/{ID}")), ("POST", TAGS.to_owned())]
        {
            for body in bodies() {
                let mut request = Request::new(method, &target, "");
                request.body = body;
                let request = if keyed { sign_as("ADMIN", &request) } else { request };
                let answer = world.send(&request).await;
                let begin = String::from_utf8_lossy(&request.body[..request.body.len().min(40)]).into_owned();
                assert!([400, 413].contains(&answer.refusal().0), "{method} {target} {begin}: {answer:?}");
            }
        }
        let good = Request::new("POST", PATH, &create_body("f"));
        let good = if keyed { sign_as("ADMIN", &good) } else { good };
        assert_eq!(world.send(&good).await.status, 202);
    }
}

#[tokio::test]
async fn paths_queries_and_methods_that_play_tricks_are_refused() {
    let world = World::open().await;
    let one = format!("{PATH}/{ID}");
    for (method, target) in [
        ("GET", format!("{PATH}/%ff")),
        ("GET", format!("{PATH}/%00")),
        ("GET", format!("{PATH}/../functions")),
        ("GET", format!("{PATH}//{ID}")),
        ("GET", format!("{PATH}/{ID}%2f..")),
        ("GET", format!("{PATH}/not-a-uuid!")),
        ("GET", "/2015-03-31/./event-source-mappings".to_owned()),
        ("POST", "/2015-03-31//event-source-mappings".to_owned()),
        ("POST", "/2015-03-31/%65vent-source-mappings/".to_owned()),
        ("POST", "/2015-03-31/functions/../event-source-mappings".to_owned()),
        ("POST", "/2015-03-31/functions/%2e%2e/event-source-mappings".to_owned()),
        ("POST", "/2015-03-31\\event-source-mappings".to_owned()),
        ("GET", "/v1/no-such-page".to_owned()),
        ("GET", "/V1/mappings/x/unknown".to_owned()),
        ("GET", format!("{PATH}?MaxItems=1e3")),
        ("GET", format!("{PATH}?MaxItems=-1")),
        ("GET", format!("{PATH}?MaxItems=99999999999999999999")),
        ("GET", format!("{PATH}?MaxItems=1&MaxItems=2")),
        ("GET", format!("{PATH}?Marker=bWFya2VyIG9mIGFub3RoZXIgbGlzdA%3D%3D")),
        ("GET", format!("{PATH}?Marker=%ff")),
        ("GET", format!("{PATH}?Other=1")),
        ("GET", format!("{PATH}?EventSourceArn=x")),
        ("PATCH", one.clone()),
        ("POST", one.clone()),
        ("OPTIONS", PATH.to_owned()),
        ("TRACE", PATH.to_owned()),
        ("BREW", PATH.to_owned()),
        ("DELETE", PATH.to_owned()),
        ("DELETE", TAGS.to_owned()),
        ("DELETE", format!("{TAGS}?tagKeys=")),
        ("PUT", TAGS.to_owned()),
        ("GET", "/2017-03-31/tags/".to_owned()),
        ("GET", "/2017-03-31/tags/arn%ff".to_owned()),
        ("GET", "/".to_owned()),
        ("GET", "/favicon.ico".to_owned()),
    ] {
        let answer = world.call(method, &target, "").await;
        assert!([400, 404].contains(&answer.refusal().0), "{method} {target}: {answer:?}");
    }
    world.works().await;
    assert_eq!(world.service.n_mappings(), 0);
}

/// What hyper itself refuses has no body, for there is no request yet; it is refused all the same and its
/// connection closed.
#[tokio::test]
async fn heads_that_two_servers_could_read_in_two_ways_are_refused() {
    let world = World::open().await;
    let body = create_body("f");
    let n = body.len();
    let head = |lines: &str| {
        format!("POST {PATH} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{lines}\r\n{body}")
            .into_bytes()
    };
    for lines in [
        format!("content-length: {n}\r\ncontent-length: {}\r\n", n + 1),
        format!("content-length: {n}\r\ntransfer-encoding: identity\r\n"),
        format!("content-length: +{n}\r\n"),
        format!("content-length: {n}, {}\r\n", n - 1),
        format!("content-length : {n}\r\n"),
        format!("transfer-encoding: chunked, identity\r\ncontent-length: {n}\r\n"),
        "transfer-encoding: xchunked\r\n".to_owned(),
        format!("content-length: {n}\r\nhost: other\r\n"),
        format!("content-length: {n}\r\n folded: x\r\n"),
        format!("content-length: {n}\r\na: b\0c\r\n"),
    ] {
        let answer = world.raw(&head(&lines)).await;
        assert!((400..500).contains(&answer.status), "{lines:?}: {answer:?}");
        world.works().await;
    }
    for bytes in [
        b"GET /2015-03-31/event-source-mappings HTTP/3.0\r\n\r\n".as_slice(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        b"CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        b"POST /2015-03-31/event-source-mappings HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n\r\n",
    ] {
        let status = world.raw_status(bytes).await;
        assert!(status.is_none_or(|it| (400..500).contains(&it)), "{}: {status:?}", String::from_utf8_lossy(bytes));
        world.works().await;
    }
    assert_eq!(world.service.n_mappings(), 0);
}
