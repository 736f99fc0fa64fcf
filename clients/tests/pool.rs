//! How exchanges share connections: one after the other one, side by side several, and none that its server
//! has closed or that was left in the middle of an answer.
#![allow(clippy::unwrap_used)] // a test

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use forebay_clients::{Answer, ExchangeError, HttpClient, HttpClients, Limits, Pieces};
use http::{Request, Uri};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// A server that answers `ok`; what it counts are connections and requests.
struct Server {
    url: String,
    n_connections: AtomicUsize,
    n_requests: AtomicUsize,
    /// A permit for each answer that may leave.
    may_answer: Semaphore,
    /// Connections that it has closed by itself.
    n_closed: Semaphore,
    /// After so many answers it closes a connection.
    answers_max: usize,
}

impl Server {
    async fn start(answers_max: usize, n_answers: usize) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Arc::new(Self {
            url: format!("http://{}/", listener.local_addr().unwrap()),
            n_connections: AtomicUsize::new(0),
            n_requests: AtomicUsize::new(0),
            may_answer: Semaphore::new(n_answers),
            n_closed: Semaphore::new(0),
            answers_max,
        });
        let its = Arc::clone(&server);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                its.n_connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(Arc::clone(&its).serve(stream));
            }
        });
        server
    }

    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        for _ in 0..self.answers_max {
            let mut read = Vec::new();
            while !read.ends_with(b"\r\n\r\nping") {
                let mut part = [0; 1024];
                match stream.read(&mut part).await {
                    Ok(n) if n > 0 => read.extend_from_slice(&part[..n]),
                    Ok(_) | Err(_) => return,
                }
            }
            self.n_requests.fetch_add(1, Ordering::SeqCst);
            self.may_answer.acquire().await.unwrap().forget();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        }
        drop(stream);
        self.n_closed.add_permits(1);
    }

    fn counts(&self) -> (usize, usize) {
        (self.n_connections.load(Ordering::SeqCst), self.n_requests.load(Ordering::SeqCst))
    }

    async fn ask(&self, client: &HttpClient, time: Duration) -> Result<Answer, ExchangeError> {
        let body = Pieces::new(vec![Bytes::from_static(b"ping")]);
        let request = Request::post(&self.url).body(body).unwrap();
        client.exchange(request, Limits { time, answer_bytes: 1024 }).await
    }
}

const LONG: Duration = Duration::from_secs(60);

fn client(server: &Server) -> HttpClient {
    let url: Uri = server.url.parse().unwrap();
    HttpClients::new().client(&url, None).unwrap()
}

#[tokio::test]
async fn one_after_the_other_takes_one_connection_and_side_by_side_several() {
    let server = Server::start(usize::MAX, 3).await;
    let client = client(&server);
    for _ in 0..3 {
        assert_eq!(server.ask(&client, LONG).await.unwrap().body.unwrap(), "ok");
    }
    assert_eq!(server.counts(), (1, 3));
    let (both, _) =
        tokio::join!(async { tokio::join!(server.ask(&client, LONG), server.ask(&client, LONG)) }, async {
            while server.counts().1 < 5 {
                tokio::task::yield_now().await;
            }
            server.may_answer.add_permits(2);
        });
    assert!(both.0.unwrap().body.is_ok() && both.1.unwrap().body.is_ok());
    assert_eq!(server.counts(), (2, 5));
}

#[tokio::test]
async fn a_connection_that_its_server_closed_is_replaced_and_nothing_is_sent_twice() {
    let server = Server::start(1, usize::MAX >> 4).await;
    let client = client(&server);
    for n in 1..=20 {
        assert_eq!(server.ask(&client, LONG).await.unwrap().body.unwrap(), "ok");
        server.n_closed.acquire().await.unwrap().forget();
        assert_eq!(server.counts(), (n, n));
    }
}

#[tokio::test]
async fn an_exchange_that_was_given_up_leaves_no_connection_behind() {
    let server = Server::start(usize::MAX, 0).await;
    let client = client(&server);
    let late = server.ask(&client, Duration::from_millis(300)).await;
    assert!(matches!(late, Err(ExchangeError::TimedOut)), "{late:?}");
    server.may_answer.add_permits(2);
    // Were it asked on the same connection, it would read the answer to the first.
    assert_eq!(server.ask(&client, LONG).await.unwrap().body.unwrap(), "ok");
    assert_eq!(server.counts(), (2, 2));
}
