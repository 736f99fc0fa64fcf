//! Calls that are not about mappings: passed on as they came, streamed both ways, signed anew where that is
//! asked for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use forebay_api::auth::{Key, Keys, Role, Rules, SecretString, Verifier};
use forebay_api::server::{Access, PassOn};
use forebay_clients::{Aws, HttpClients};
use forebay_config::function::LAMBDA;
use forebay_config::{AwsCredentials, AwsKey, AwsSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::service::PATH;
use crate::signed::{self, Request};
use crate::wire::{LONG, TOKEN, World, keyed, sign_as};

/// The longest that a function may run, on a clock that only the test moves.
const FIFTEEN_MINUTES: std::time::Duration = std::time::Duration::from_secs(900);

/// A server that answers one request a connection with these bytes and keeps what it was sent.
struct Behind {
    address: SocketAddr,
    seen: tokio::sync::mpsc::Receiver<Vec<u8>>,
}

impl Behind {
    async fn start(answer: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, seen) = tokio::sync::mpsc::channel(16);
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let request = read_request(&mut connection).await;
                let _ = connection.write_all(answer).await;
                let _ = connection.shutdown().await;
                if sender.send(request).await.is_err() {
                    return;
                }
            }
        });
        Self { address, seen }
    }

    async fn seen(&mut self) -> String {
        String::from_utf8_lossy(&timeout(LONG, self.seen.recv()).await.unwrap().unwrap()).into_owned()
    }
}

/// A head, and as much body as it says.
async fn read_request(connection: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut piece = vec![0; 65536];
    loop {
        let end = bytes.windows(4).position(|it| it == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let n = head
                .lines()
                .find_map(|it| it.strip_prefix("content-length: "))
                .map_or(0, |it| it.parse::<usize>().unwrap());
            if bytes.len() >= end + 4 + n {
                return bytes;
            }
        }
        let n = connection.read(&mut piece).await.unwrap();
        assert!(n > 0, "the request broke off: {}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&piece[..n]);
    }
}

async fn to(address: SocketAddr, credentials: Option<AwsKey>) -> PassOn {
    let settings = AwsSettings {
        endpoint: Some(format!("http://{address}")),
        region: Some("eu-west-1".to_owned()),
        credentials: credentials.map(AwsCredentials::Key),
        ..AwsSettings::default()
    };
    PassOn::new(Aws::new(&settings, |_| None).relay(&LAMBDA, &HttpClients::new()).await.unwrap())
}

fn key() -> AwsKey {
    AwsKey { access_key_id: "BEHIND".into(), secret_access_key: "canary-behind".into(), session_token: None }
}

const OK: &[u8] =
    b"HTTP/1.1 201 Created\r\nx-amzn-requestid: theirs\r\nx-amz-function-error: Unhandled\r\nconnection: x-hop\r\nx-hop: 1\r\n\
                    keep-alive: timeout=5\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\r\n\"hi\"";

#[tokio::test]
async fn a_call_goes_out_and_its_answer_comes_back_as_they_are() {
    let mut behind = Behind::start(OK).await;
    let world = World::start(Access::Open, to(behind.address, None).await, Router::new()).await;
    let mut request = Request::new(
        "PUT",
        "/2015-03-31/functions/arn%3Aaws%3Af/./x//y?Qualifier=%24LATEST&a=b%20c&&",
        "{\"a\": 1}",
    );
    for (name, value) in [
        ("X-Amz-Invocation-Type", "Event"),
        ("Authorization", "AWS4-HMAC-SHA256 Credential=theirs"),
        ("X-Two", "1"),
        ("X-Two", "2"),
        ("TE", "trailers"),
        ("Upgrade", "h2c"),
        ("Proxy-Authorization", "Basic eA=="),
        ("Expect", "100-continue"),
    ] {
        request.headers.push((name.to_owned(), value.as_bytes().to_vec()));
    }
    let mut bytes = crate::wire::bytes_of(&request);
    bytes = String::from_utf8(bytes)
        .unwrap()
        .replace("connection: close", "connection: close, x-mine\r\nx-mine: 1")
        .into_bytes();
    let answer = world.raw(&bytes).await;
    // 100 Continue comes first.
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!(answer.status, 100, "{answer:?}");
    assert!(text.starts_with("HTTP/1.1 201 Created") && text.ends_with("\"hi\""), "{text}");
    assert!(
        text.contains("x-amzn-requestid: theirs") && text.contains("x-amz-function-error: Unhandled"),
        "{text}"
    );
    assert!(!text.contains("x-hop") && !text.contains("keep-alive"), "{text}");
    let seen = behind.seen().await;
    assert!(
        seen.starts_with(
            "PUT /2015-03-31/functions/arn%3Aaws%3Af/./x//y?Qualifier=%24LATEST&a=b%20c&& HTTP/1.1\r\n"
        ),
        "{seen}"
    );
    assert!(seen.ends_with("\r\n\r\n{\"a\": 1}"), "{seen}");
    let lower = seen.to_ascii_lowercase();
    let wanted = [
        format!("host: {}\r\n", behind.address),
        "x-amz-invocation-type: event\r\n".to_owned(),
        "authorization: aws4-hmac-sha256 credential=theirs\r\n".to_owned(),
        "x-two: 1\r\nx-two: 2\r\n".to_owned(),
        "content-length: 8\r\n".to_owned(),
    ];
    for it in wanted {
        assert_eq!(lower.matches(&it).count(), 1, "{it} in {seen}");
    }
    for it in ["\r\nte:", "upgrade:", "proxy-authorization", "expect:", "x-mine", "connection:"] {
        assert!(!lower.contains(it), "{it} in {seen}");
    }
}

#[tokio::test]
async fn a_call_is_signed_anew_and_verifies_behind() {
    let mut behind = Behind::start(OK).await;
    let world = World::start(keyed(), to(behind.address, Some(key())).await, Router::new()).await;
    let mut request =
        Request::new("POST", "/2015-03-31/functions/a%3Ab/invocations?Qualifier=1", "{\"a\":1}");
    request.headers.push(("X-Amz-Log-Type".to_owned(), b"Tail".to_vec()));
    assert_eq!(world.send(&sign_as("ADMIN", &request)).await.status, 201);
    let seen = behind.seen().await;
    assert!(!seen.contains("ADMIN"), "{seen}");
    let (head, body) = seen.split_once("\r\n\r\n").unwrap();
    let as_sent = Request::parse(&format!("{}\n\n{body}", head.replace("\r\n", "\n")));
    let mut keys = Keys::default();
    let secret = SecretString::from(key().secret_access_key);
    keys.insert("BEHIND".to_owned(), Key { role: Role::Admin, secret, session_token: None });
    let verified =
        as_sent.verify(&Verifier::new(Rules::lambda("eu-west-1"), keys), std::time::SystemTime::now());
    assert_eq!(verified.map(|it| it.principal.key_id), Ok("BEHIND".to_owned()), "{seen}");
}

#[tokio::test]
async fn a_token_of_ours_is_not_passed_on() {
    let mut behind = Behind::start(OK).await;
    let access = match keyed() {
        Access::Keys { verifier, mut tokens } => {
            tokens[0].role = Role::Admin;
            Access::Keys { verifier, tokens }
        }
        Access::Open => unreachable!("it has keys"),
    };
    let world = World::start(access, to(behind.address, None).await, Router::new()).await;
    let mut request = Request::new("GET", "/2015-03-31/functions", "");
    request.headers.push(("Authorization".to_owned(), format!("Bearer {TOKEN}").into_bytes()));
    assert_eq!(world.send(&request).await.status, 201);
    let seen = behind.seen().await;
    assert!(!seen.to_ascii_lowercase().contains("authorization") && !seen.contains("fbt_"), "{seen}");
}

#[tokio::test]
async fn tags_of_functions_are_passed_on_and_tags_of_mappings_are_not() {
    let mut behind = Behind::start(OK).await;
    let world = World::start(Access::Open, to(behind.address, None).await, Router::new()).await;
    let tags =
        |kind: &str| format!("/2017-03-31/tags/arn%3Aaws%3Alambda%3Aeu-west-1%3A000000000000%3A{kind}");
    assert_eq!(world.call("GET", &tags("function%3Af"), "").await.status, 201);
    assert!(behind.seen().await.contains("function%3Af"));
    assert_eq!(
        world.call("GET", &tags(&format!("event-source-mapping%3A{}", crate::service::ID)), "").await.status,
        200
    );
    assert_eq!(world.call("GET", PATH, "").await.status, 200);
}

#[tokio::test]
async fn a_hundred_megabytes_go_through_both_ways_and_are_never_held() {
    const PIECE: usize = 1 << 20;
    const PIECES: usize = 100;
    // Behind is an echo that reads nothing more before what it has sent was taken: held back anywhere, all
    // stands still.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let n_behind = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&n_behind);
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(connection.read_u8().await.unwrap());
        }
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", PIECE * PIECES);
        connection.write_all(answer.as_bytes()).await.unwrap();
        let mut piece = vec![0; 65536];
        let mut left = PIECE * PIECES;
        while left > 0 {
            let n = connection.read(&mut piece).await.unwrap();
            counted.fetch_add(n, Ordering::SeqCst);
            connection.write_all(&piece[..n]).await.unwrap();
            left -= n;
        }
    });
    let world = World::start(Access::Open, to(address, None).await, Router::new()).await;
    let mut connection = TcpStream::connect(world.address).await.unwrap();
    let head = format!(
        "POST /2021-11-15/functions/f HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
        PIECE * PIECES
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(timeout(LONG, connection.read_u8()).await.unwrap().unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"), "{}", String::from_utf8_lossy(&answer));
    let mut piece = vec![0; PIECE];
    for n in 0..PIECES {
        piece.fill(u8::try_from(n).unwrap());
        connection.write_all(&piece).await.unwrap();
        let mut back = vec![0; PIECE];
        timeout(LONG, connection.read_exact(&mut back)).await.unwrap().unwrap();
        assert!(back == piece, "piece {n} came back as it was sent");
        assert_eq!(n_behind.load(Ordering::SeqCst), (n + 1) * PIECE);
    }
}

#[tokio::test]
async fn a_server_that_takes_nothing_holds_its_client_back() {
    // Behind accepts and never reads: what a client can get rid of is what buffers hold, not what it has.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let world = World::start(Access::Open, to(address, None).await, Router::new()).await;
    let mut connection = TcpStream::connect(world.address).await.unwrap();
    let head = "POST /2015-03-31/functions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n";
    connection.write_all(head.as_bytes()).await.unwrap();
    let chunk = [b"100000\r\n".as_slice(), &vec![b' '; 1 << 20], b"\r\n"].concat();
    let (held, _) = listener.accept().await.unwrap();
    let mut n_taken = 0;
    let stuck = async {
        while n_taken < 100 {
            connection.write_all(&chunk).await.unwrap();
            n_taken += 1;
        }
    };
    // It stands still once buffers are full; the wait is for that, not for a time.
    let _ = timeout(std::time::Duration::from_secs(2), stuck).await;
    assert!(n_taken < 40, "{n_taken} MB were taken for a server that reads nothing");
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_runs_for_fifteen_minutes_is_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        read_request(&mut connection).await;
        tokio::time::sleep(FIFTEEN_MINUTES).await;
        connection.write_all(OK).await.unwrap();
        connection.shutdown().await.unwrap();
    });
    let world = World::start(Access::Open, to(address, None).await, Router::new()).await;
    let mut connection = TcpStream::connect(world.address).await.unwrap();
    let invoke = Request::new("POST", "/2015-03-31/functions/f/invocations", "{}");
    connection.write_all(&crate::wire::bytes_of(&invoke)).await.unwrap();
    let mut answer = Vec::new();
    let start = tokio::time::Instant::now();
    timeout(FIFTEEN_MINUTES * 2, connection.read_to_end(&mut answer)).await.expect("an answer").unwrap();
    assert_eq!(crate::wire::parse(&answer).status, 201);
    assert!(start.elapsed() >= FIFTEEN_MINUTES);
}

#[tokio::test]
async fn an_endpoint_that_is_down_breaks_off_or_is_not_there_is_said_so() {
    let none = World::open().await;
    let answer = none.call("POST", "/2015-03-31/functions/f/invocations", "{}").await;
    assert_eq!(answer.refusal(), (404, "UnknownOperationException".to_owned()));
    assert!(answer.message().contains("aws.endpoints.lambda"), "{answer:?}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let down = World::start(Access::Open, to(nobody, None).await, Router::new()).await;
    let answer = down.call("GET", "/2015-03-31/functions", "").await;
    assert_eq!(answer.refusal(), (503, "ServiceUnavailableException".to_owned()));
    assert!(answer.message().contains(&nobody.to_string()), "{answer:?}");

    for bytes in [b"".as_slice(), b"SSH-2.0-x\r\n\r\n"] {
        let behind = Behind::start(bytes).await;
        let broken = World::start(Access::Open, to(behind.address, None).await, Router::new()).await;
        let answer = broken.call("GET", "/2015-03-31/functions", "").await;
        assert_eq!(answer.refusal(), (502, "BadGatewayException".to_owned()));
    }
}

#[tokio::test]
async fn what_another_server_could_read_as_a_call_about_mappings_is_not_passed_on() {
    let mut behind = Behind::start(OK).await;
    let world = World::start(Access::Open, to(behind.address, None).await, Router::new()).await;
    for path in [
        "/2015-03-31//event-source-mappings",
        "/2015-03-31/./event-source-mappings/",
        "//2015-03-31/event-source-mappings",
        "/2015-03-31/%65vent-source-mappings",
        "/2015-03-31/functions/../event-source-mappings",
        "/x/%2e%2e/2015-03-31/Event-Source-Mappings",
        "/2015-03-31%2fevent-source-mappings",
    ] {
        assert_eq!(
            world.call("POST", path, "{}").await.refusal(),
            (404, "UnknownOperationException".to_owned()),
            "{path}"
        );
    }
    assert_eq!(
        world.call("POST", "/2015-03-31/functions/event-source-mappings/invocations", "{}").await.status,
        201
    );
    assert!(
        behind.seen().await.starts_with("POST /2015-03-31/functions/event-source-mappings/"),
        "nothing else came through"
    );
}

#[tokio::test]
async fn redirects_are_answers_and_are_not_followed() {
    let mut behind = Behind::start(
        b"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    let world = World::start(Access::Open, to(behind.address, None).await, Router::new()).await;
    let answer = world.call("GET", "/2015-03-31/functions", "").await;
    assert_eq!((answer.status, answer.header("location")), (307, Some("http://127.0.0.1:1/")));
    behind.seen().await;
}

#[tokio::test]
async fn a_call_that_would_come_back_to_us_does_not_go_round() {
    let world = World::open().await;
    world.front.set_pass_on(to(world.address, None).await);
    let answer = world.call("GET", "/2015-03-31/functions", "").await;
    assert_eq!(answer.refusal(), (502, "BadGatewayException".to_owned()));
    assert!(answer.message().contains("leads back here"), "{answer:?}");
}

#[tokio::test]
async fn a_call_that_came_back_is_known_at_its_first_return() {
    let mut behind = Behind::start(OK).await;
    let world = World::start(Access::Open, to(behind.address, None).await, Router::new()).await;
    assert_eq!(world.call("GET", "/2015-03-31/functions", "").await.status, 201);
    let seen = behind.seen().await;
    let ours = seen
        .lines()
        .find_map(|it| it.strip_prefix("via: "))
        .unwrap_or_else(|| panic!("no Via in {seen}"))
        .to_owned();
    let via = |values: &[&str]| {
        let mut request = Request::new("GET", "/2015-03-31/functions", "");
        request.headers.extend(values.iter().map(|it| ("Via".to_owned(), it.as_bytes().to_vec())));
        request
    };
    for values in [&[ours.as_str()][..], &["1.1 proxy", ours.as_str()]] {
        let answer = world.send(&via(values)).await;
        assert_eq!(answer.refusal(), (502, "BadGatewayException".to_owned()), "{values:?}");
    }
    assert_eq!(
        world.send(&via(&["1.1 forebay-00000000-0000-4000-8000-000000000000"])).await.status,
        201,
        "another process may be on the way"
    );
    assert!(behind.seen().await.contains("forebay-00000000"), "what came back was not sent again");
}

#[tokio::test]
async fn the_secret_of_the_endpoint_is_never_shown() {
    let behind = Behind::start(OK).await;
    let world = World::start(Access::Open, to(behind.address, Some(key())).await, Router::new()).await;
    let answer = world.call("POST", "/2015-03-31/functions", "{}").await;
    assert_eq!(answer.status, 201);
    assert!(!format!("{answer:?} {:?}", world.front).contains("canary"));
    assert_ne!(signed::SECRET, key().secret_access_key);
}
