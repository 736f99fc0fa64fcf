//! Each bound, at its value and one beyond.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use forebay_api::mapping::BODY_BYTES_MAX;
use forebay_api::server::{
    HEADER_BYTES_MAX, HEADERS_MAX, Listener, PASSED_BYTES_MAX, Tls, URI_BYTES_MAX, Via,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::service::PATH;
use crate::wire::{LONG, World, exchange, parse};

/// A list with these header lines besides `host` and `connection`.
fn list(target: &str, headers: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n").into_bytes()
}

#[tokio::test]
async fn heads_have_bounds() {
    let world = World::open().await;
    let n_headers = async |n: usize| world.raw(&list(PATH, &"a: b\r\n".repeat(n - 2))).await;
    assert_eq!(n_headers(HEADERS_MAX).await.status, 200);
    let too_many = (431, "RequestHeaderFieldsTooLargeException".to_owned());
    assert_eq!(n_headers(HEADERS_MAX + 1).await.refusal(), too_many);
    assert_eq!(n_headers(10_000).await.status, 431);
    let others = "host".len() + "localhost".len() + "connection".len() + "close".len();
    let n_bytes =
        async |n: usize| world.raw(&list(PATH, &format!("a: {}\r\n", "b".repeat(n - others - 1)))).await;
    assert_eq!(n_bytes(HEADER_BYTES_MAX).await.status, 200);
    assert_eq!(n_bytes(HEADER_BYTES_MAX + 1).await.refusal(), too_many);
    assert_eq!(n_bytes(10 * HEADER_BYTES_MAX).await.status, 431);
    let begin = format!("{PATH}?FunctionName=f&Marker=");
    let n_uri =
        async |n: usize| world.raw(&list(&format!("{begin}{}", "m".repeat(n - begin.len())), "")).await;
    assert_eq!(n_uri(URI_BYTES_MAX).await.message(), "Invalid Marker");
    assert_eq!(n_uri(URI_BYTES_MAX + 1).await.refusal(), (414, "RequestURITooLongException".to_owned()));
    world.works().await;
}

#[tokio::test]
async fn bodies_have_bounds() {
    let world = World::open().await;
    let create = |n: usize| {
        let mut body =
            br#"{"FunctionName":"f","EventSourceArn":"arn:aws:sqs:eu-west-1:123456789012:q"}"#.to_vec();
        body.resize(n, b' ');
        [
            format!(
                "POST {PATH} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {n}\r\n\r\n"
            )
            .into_bytes(),
            body,
        ]
        .concat()
    };
    assert_eq!(world.raw(&create(BODY_BYTES_MAX)).await.status, 202);
    let too_large = (413, "RequestTooLargeException".to_owned());
    assert_eq!(world.raw(&create(BODY_BYTES_MAX + 1)).await.refusal(), too_large);
    // What says that it is too long is not waited for; what does not say so is read to the bound and no
    // further.
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 999999999999\r\n\r\n"
    );
    assert_eq!(world.raw(head.as_bytes()).await.refusal(), too_large);
    let chunk = [b"100000\r\n".as_slice(), &vec![b' '; 1 << 20], b"\r\n"].concat();
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let endless = [head.as_bytes(), &chunk.repeat(10)].concat();
    assert_eq!(world.raw(&endless).await.refusal(), too_large);
    world.works().await;
}

#[tokio::test]
async fn what_is_passed_on_after_it_was_verified_has_a_bound() {
    let world = World::keyed().await;
    let request =
        crate::wire::sign_as("ADMIN", &crate::signed::Request::new("POST", "/2015-03-31/functions", ""));
    let mut bytes = crate::wire::bytes_of(&request);
    let text = String::from_utf8(bytes)
        .unwrap()
        .replace("content-length: 0", &format!("content-length: {}", PASSED_BYTES_MAX + 1));
    bytes = text.into_bytes();
    assert_eq!(world.raw(&bytes).await.refusal(), (413, "RequestTooLargeException".to_owned()));
}

#[tokio::test]
async fn connections_have_a_bound_and_those_beyond_it_wait() {
    let world = World::open().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Listener::Tcp(listener, Tls::default()).serve_at_most(
        2,
        Via::Api,
        world.front.router(axum::Router::new()),
    );
    let keep = format!("GET {PATH} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(keep.as_bytes()).await.unwrap();
        let mut byte = [0];
        timeout(LONG, connection.read_exact(&mut byte)).await.unwrap().unwrap();
        open.push(connection);
    }
    let third = TcpStream::connect(address).await.unwrap();
    let request = list(PATH, "");
    let mut waiting = std::pin::pin!(exchange(third, &request));
    // Whatever else is ready now runs before the third is found still waiting.
    for _ in 0..100 {
        tokio::task::yield_now().await;
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
    }
    open.pop();
    assert_eq!(waiting.await.status, 200);
    drop(open);
    server.stop(LONG).await;
}

/// A log that panics over the first line that holds this: what writes the line dies where it stands.
#[derive(Clone)]
struct DiesOver(&'static str, Arc<AtomicBool>);

impl Write for DiesOver {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let is_it = String::from_utf8_lossy(line).contains(self.0);
        assert!(!is_it || self.1.swap(true, Ordering::SeqCst), "the test wants the listener to die");
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_listener_that_panics_accepts_on() {
    let log = DiesOver("FB-0521", Arc::default());
    let has_died = Arc::clone(&log.1);
    let _log =
        tracing::subscriber::set_default(tracing_subscriber::fmt().with_writer(move || log.clone()).finish());
    let world = World::open().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Listener::Tcp(listener, Tls::default()).serve_at_most(
        1,
        Via::Api,
        world.front.router(axum::Router::new()),
    );
    // With one connection it is full, says so, and dies over that.
    let open = TcpStream::connect(address).await.unwrap();
    while !has_died.load(Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
    drop(open);
    for _ in 0..2 {
        let next = TcpStream::connect(address).await.unwrap();
        assert_eq!(exchange(next, &list(PATH, "")).await.status, 200);
    }
    server.stop(LONG).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_no_head_or_no_body_is_sent_away() {
    let world = World::open().await;
    for begin in ["", "GET / HT", "POST /2015-03-31/event-source-mappings HTTP/1.1\r\nhost: localhost\r\n"] {
        let mut connection = TcpStream::connect(world.address).await.unwrap();
        connection.write_all(begin.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let start = tokio::time::Instant::now();
        timeout(Duration::from_secs(60), connection.read_to_end(&mut answer))
            .await
            .expect("it is closed")
            .unwrap();
        assert!(start.elapsed() >= Duration::from_secs(29), "{begin:?} after {:?}", start.elapsed());
    }
    let mut connection = TcpStream::connect(world.address).await.unwrap();
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 100\r\n\r\n{{"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(Duration::from_secs(60), connection.read_to_end(&mut answer))
        .await
        .expect("it is answered")
        .unwrap();
    assert_eq!(parse(&answer).refusal(), (400, "BadRequestException".to_owned()));
}

#[tokio::test]
async fn a_stop_lets_requests_finish_and_cuts_those_that_do_not() {
    for finishes in [true, false] {
        let world = World::open().await;
        let mut connection = TcpStream::connect(world.address).await.unwrap();
        let body = crate::wire::create_body("held");
        let request = crate::wire::bytes_of(&crate::signed::Request::new("POST", PATH, &body));
        connection.write_all(&request).await.unwrap();
        timeout(LONG, world.service.begun.0.acquire()).await.unwrap().unwrap().forget();
        if finishes {
            world.service.go_on.0.add_permits(1);
        }
        let within = if finishes { LONG } else { Duration::from_millis(1) };
        timeout(LONG, world.server.stop(within)).await.expect("it ends");
        let mut answer = Vec::new();
        let _ = timeout(LONG, connection.read_to_end(&mut answer)).await.expect("it is closed");
        assert_eq!(answer.starts_with(b"HTTP/1.1 202"), finishes, "{}", String::from_utf8_lossy(&answer));
        assert!(TcpStream::connect(world.address).await.is_err(), "nobody listens");
    }
}
