//! The way of a call: found, read, done, answered, whoever hangs up or panics.

use forebay_api::server::{Access, Via};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::service::{ID, PANICS, PATH};
use crate::signed::Request;
use crate::wire::{LONG, World, bytes_of, create_body};

#[tokio::test]
async fn each_call_is_answered_with_its_status_and_its_body() {
    let world = World::open().await;
    let made = world.call("POST", &format!("{PATH}/"), &create_body("f")).await;
    assert_eq!(made.status, 202, "{made:?}");
    let body: Value = serde_json::from_slice(&made.body).unwrap();
    assert_eq!((&body["UUID"], &body["State"]), (&Value::from(ID), &Value::from("Creating")));
    assert_eq!(made.header("content-type"), Some("application/json"));
    assert!(uuid_like(made.header("x-amzn-requestid").unwrap_or_default()), "{made:?}");
    let one = format!("{PATH}/{ID}");
    let tags = format!(
        "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aeu-west-1%3A000000000000%3Aevent-source-mapping%3A{ID}"
    );
    for (method, target, body, status) in [
        ("GET", PATH.to_owned(), "", 200),
        ("GET", one.clone(), "", 200),
        ("PUT", one.clone(), "{\"Enabled\":false}", 202),
        ("POST", tags.clone(), "{\"Tags\":{\"a\":\"b\"}}", 204),
        ("GET", tags.clone(), "", 200),
        ("DELETE", format!("{tags}?tagKeys=a"), "", 204),
        ("DELETE", format!("{tags}?tagKeys=conflict"), "", 409),
        ("DELETE", one.clone(), "", 202),
        ("GET", one, "", 404),
    ] {
        let answer = world.call(method, &target, body).await;
        assert_eq!(answer.status, status, "{method} {target}: {answer:?}");
        assert_eq!(answer.status == 204, answer.body.is_empty(), "{answer:?}");
        assert_ne!(answer.header("x-amzn-requestid"), made.header("x-amzn-requestid"));
    }
}

fn uuid_like(text: &str) -> bool {
    text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
}

#[tokio::test]
async fn a_recorded_client_is_answered_unsigned_where_nobody_asks() {
    let world = World::open().await;
    let recorded: Value = serde_json::from_str(include_str!("../data/botocore.json")).unwrap();
    for it in recorded["requests"].as_array().unwrap() {
        let mut request = Request::of_json(it);
        let signed = world.send(&request).await;
        request.headers.retain(|(name, _)| name != "Authorization");
        let unsigned = world.send(&request).await;
        for answer in [signed, unsigned] {
            // One creates a queue with a starting position, which is no matter of who it is.
            assert!([200, 202, 204, 400, 404].contains(&answer.status), "{it}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_panic_is_an_error_of_ours_and_stops_nothing() {
    let world = World::open().await;
    let answer = world.call("POST", PATH, &create_body("panics")).await;
    assert_eq!(answer.refusal(), (500, "ServiceException".to_owned()));
    assert!(!answer.message().contains("panic"));
    let looked = world.call("GET", &format!("{PATH}/{PANICS}"), "").await;
    assert_eq!(looked.refusal(), (500, "ServiceException".to_owned()));
    assert_eq!(world.call("POST", PATH, &create_body("f")).await.status, 202);
}

#[tokio::test]
async fn a_create_goes_on_when_the_client_hangs_up() {
    let world = World::open().await;
    let mut connection = TcpStream::connect(world.address).await.unwrap();
    connection.write_all(&bytes_of(&Request::new("POST", PATH, &create_body("held")))).await.unwrap();
    timeout(LONG, world.service.begun.0.acquire()).await.unwrap().unwrap().forget();
    drop(connection);
    // The next request is answered after the server has seen the end of the one before, or not: either way
    // the create goes on.
    world.works().await;
    assert_eq!(world.service.n_mappings(), 0);
    world.service.go_on.0.add_permits(1);
    world.guard.drain();
    timeout(LONG, world.guard.settled()).await.expect("what has begun ends");
    assert_eq!(world.service.n_mappings(), 1);
}

#[tokio::test]
async fn a_process_that_ends_finishes_what_it_began_and_begins_nothing() {
    let world = World::open().await;
    let held = async { world.call("POST", PATH, &create_body("held")).await };
    let ending = async {
        timeout(LONG, world.service.begun.0.acquire()).await.unwrap().unwrap().forget();
        world.guard.drain();
        let refused = world.call("POST", PATH, &create_body("f")).await;
        assert_eq!(refused.refusal(), (503, "ServiceUnavailableException".to_owned()));
        assert_eq!(world.call("GET", PATH, "").await.status, 200);
        world.service.go_on.0.add_permits(1);
        world.guard.settled().await;
    };
    let (answer, ()) = tokio::join!(held, ending);
    assert_eq!((answer.status, world.service.n_mappings()), (202, 1));
}

#[tokio::test]
async fn only_hosts_of_loopback_and_those_allowed_are_answered() {
    let world = World::open().await;
    let as_host = async |host: &str| {
        let lines = if host == "-" { String::new() } else { format!("host: {host}\r\n") };
        world.raw(format!("GET {PATH} HTTP/1.1\r\n{lines}connection: close\r\n\r\n").as_bytes()).await
    };
    for host in ["localhost:1", "127.0.0.1", "[::1]:9471", "LAMBDA.example.com:443"] {
        assert_eq!(as_host(host).await.status, 200, "{host}");
    }
    for host in ["rebound.example.com", "10.0.0.1:9471", "", "lambda.us-east-1.amazonaws.com", "-"] {
        assert_eq!(as_host(host).await.refusal(), (421, "MisdirectedRequestException".to_owned()), "{host}");
    }
    let absolute =
        format!("GET http://evil.example.com{PATH} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    assert_eq!(world.raw(absolute.as_bytes()).await.status, 421);
    world.guard.set(forebay_api::server::Policy {
        hosts: forebay_api::server::Hosts::default(),
        ..crate::wire::policy(Access::Open)
    });
    assert_eq!(as_host("lambda.example.com").await.status, 421, "a reload takes names away");
}

#[tokio::test]
async fn web_pages_change_nothing() {
    let world = World::open().await;
    let from_page = async |method: &str, target: &str, body: &str| {
        let mut request = Request::new(method, target, body);
        request.headers.push(("Origin".to_owned(), b"http://localhost:9471".to_vec()));
        world.send(&request).await.status
    };
    assert_eq!(from_page("POST", PATH, &create_body("f")).await, 403);
    assert_eq!(from_page("DELETE", &format!("{PATH}/{ID}"), "").await, 403);
    assert_eq!(from_page("POST", "/2015-03-31/functions/f/invocations", "{}").await, 403);
    assert_eq!(from_page("GET", PATH, "").await, 200);
    assert_eq!(world.service.n_mappings(), 0);
}

#[tokio::test]
async fn the_way_in_is_said_by_the_listener_not_by_the_request() {
    assert_ne!(Via::Socket, Via::Api);
    let world = World::keyed().await;
    // Nothing in a request makes it one of the socket's.
    let answer = world
        .raw(
            format!("GET {PATH} HTTP/1.1\r\nhost: localhost\r\nvia: socket\r\nconnection: close\r\n\r\n")
                .as_bytes(),
        )
        .await;
    assert_eq!(answer.refusal(), (403, "MissingAuthenticationTokenException".to_owned()));
}
