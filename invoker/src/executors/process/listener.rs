//! The Runtime API of one environment over HTTP: connections, and which call a request is. What is legal when
//! is `state.rs`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use forebay_clients::caught::kept_alive;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::answer::{ANSWER_BYTES_MAX, InvocationAnswer};
use super::body::{BodyFault, SizedBody, Whole, discard, read_whole};
use super::peer::{self, FarEnd};
use super::state::{AnswerCall, Answering, Refusal, State};

/// The largest head of a request, up to twice as much when it comes in one piece: clients put up to 1 MiB of
/// stack trace into a header.
const HEAD_BYTES_MAX: usize = 2 << 20;
/// The most connections at once; a client has one or two.
const CONNECTIONS_MAX: usize = 32;
/// How long a stranger's connection is kept for its refusal.
const STRANGER_PATIENCE: Duration = Duration::from_secs(1);
/// How long answers that were sent before the process ended are still read.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// How long accepting rests when the system has no room for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a listener serves.
pub(super) struct Served {
    /// Which function.
    pub(super) function: String,
    /// Which environment.
    pub(super) environment: String,
    /// The process whose API it is.
    pub(super) process: u32,
    /// The state of its runtime.
    pub(super) state: Arc<State>,
}

/// Serves until `over`, then reads what is still on its way, and ends. A panic ends the connections and
/// nothing else.
pub(super) async fn serve(
    listener: TcpListener,
    address: SocketAddr,
    served: Arc<Served>,
    over: CancellationToken,
) {
    kept_alive("a Runtime API", || accept(&listener, address, &served, &over)).await;
}

async fn accept(listener: &TcpListener, address: SocketAddr, served: &Arc<Served>, over: &CancellationToken) {
    let mut connections = JoinSet::new();
    let mut has_warned = false;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // Those that ended are taken out, so that the bound below counts those that are open.
            Some(_) = connections.join_next() => continue,
            () = over.cancelled() => break,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, environment = served.environment, "no connection could be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if connections.len() >= CONNECTIONS_MAX {
            // Closed without a word: a refusal would take a place as well.
            continue;
        }
        match peer::far_end(served.process, from, address).await {
            FarEnd::Family => drop(connections.spawn(converse(stream, Arc::clone(served)))),
            FarEnd::Stranger => {
                // Once, or whoever knocks fills the log.
                if !std::mem::replace(&mut has_warned, true) {
                    let Served { function, environment, .. } = &**served;
                    tracing::warn!(function, environment, %from, code = "FB-0310", "a stranger's connection to a Runtime API was refused");
                }
                connections.spawn(refuse_stranger(stream));
            }
            FarEnd::Gone => {}
        }
    }
    let last_words = async { while connections.join_next().await.is_some() {} };
    drop(tokio::time::timeout(LAST_WORDS, last_words).await);
}

async fn converse(stream: TcpStream, served: Arc<Served>) {
    // Head and body leave in one segment: a delayed second one costs 40 ms.
    drop(stream.set_nodelay(true));
    let service = service_fn(|request| {
        let state = Arc::clone(&served.state);
        async move { Ok::<_, Infallible>(route(request, &state).await) }
    });
    // An answer counts though its sender has left (half close); the head of a request is bounded, its number
    // of bytes otherwise.
    let mut http = http1::Builder::new();
    http.half_close(true).max_buf_size(HEAD_BYTES_MAX);
    let conversation = http.serve_connection(TokioIo::new(stream), service);
    if let Err(error) = conversation.await {
        tracing::debug!(%error, environment = served.environment, "a connection to the Runtime API broke off");
    }
}

async fn refuse_stranger(stream: TcpStream) {
    let service = service_fn(|_: Request<Incoming>| async {
        let mut response =
            problem(StatusCode::FORBIDDEN, "Forbidden", "this Runtime API serves another process");
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        Ok::<_, Infallible>(response)
    });
    let conversation = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    drop(tokio::time::timeout(STRANGER_PATIENCE, conversation).await);
}

async fn route(mut request: Request<Incoming>, state: &Arc<State>) -> Response<SizedBody> {
    let path = request.uri().path().to_owned();
    let is_get = request.method() == Method::GET;
    let is_post = request.method() == Method::POST;
    let steps: Vec<_> = path.trim_start_matches('/').split('/').collect();
    match steps[..] {
        ["ping"] if is_get => Response::new(Bytes::from_static(b"pong").into()),
        ["2018-06-01", "runtime", "invocation", "next"] if is_get => next(state).await,
        ["2018-06-01", "runtime", "invocation", id, "response"] if is_post => {
            match state.begin(id, AnswerCall::Response) {
                Ok(answering) => respond(&mut request, answering).await,
                Err(refusal) => refuse(&mut request, &refusal).await,
            }
        }
        ["2018-06-01", "runtime", "invocation", id, "error"] if is_post => {
            match state.begin(id, AnswerCall::Error) {
                Ok(answering) => report(&mut request, answering).await,
                Err(refusal) => refuse(&mut request, &refusal).await,
            }
        }
        ["2018-06-01", "runtime", "init", "error"] if is_post => init_error(&mut request, state).await,
        ["2018-06-01", "runtime", "restore", "next"] if is_get => {
            refuse(&mut request, &state.restore()).await
        }
        ["2018-06-01", "runtime", "restore", "error"] if is_post => {
            refuse(&mut request, &state.restore()).await
        }
        ["ping"]
        | ["2018-06-01", "runtime", "invocation", "next"]
        | ["2018-06-01", "runtime", "invocation", _, "response" | "error"]
        | ["2018-06-01", "runtime", "init", "error"]
        | ["2018-06-01", "runtime", "restore", "next" | "error"] => {
            discard(request.body_mut()).await;
            problem(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "the method is not allowed here")
        }
        _ => {
            discard(request.body_mut()).await;
            problem(StatusCode::NOT_FOUND, "NotFound", "there is no such call")
        }
    }
}

async fn next(state: &State) -> Response<SizedBody> {
    match state.next().await {
        Ok((head, event)) => {
            let mut response = Response::new(event.into());
            *response.headers_mut() = head;
            response
        }
        Err(refusal) => refused(&refusal),
    }
}

async fn respond(request: &mut Request<Incoming>, answering: Answering) -> Response<SizedBody> {
    let mode = request.headers().get("lambda-runtime-function-response-mode").map(HeaderValue::as_bytes);
    // Streamed or not, the answer is read as a whole; another mode than that is refused as AWS does.
    if mode.is_some_and(|it| !it.eq_ignore_ascii_case(b"streaming")) {
        discard(request.body_mut()).await;
        let answer = InvocationAnswer::unknown_mode(answering.request_id());
        answering.complete(answer);
        return problem(
            StatusCode::BAD_REQUEST,
            "InvalidFunctionResponseMode",
            "Invalid function response mode",
        );
    }
    match read_whole(request.body_mut(), ANSWER_BYTES_MAX).await {
        Ok(Whole { bytes, trailers }) => {
            answering.complete(
                error_of_trailers(&trailers)
                    .map_or(InvocationAnswer::Response(bytes), InvocationAnswer::Error),
            );
            accepted()
        }
        Err(BodyFault::TooLarge) => too_large(request, answering).await,
        Err(BodyFault::Truncated) => truncated(),
    }
}

async fn report(request: &mut Request<Incoming>, answering: Answering) -> Response<SizedBody> {
    match read_whole(request.body_mut(), ANSWER_BYTES_MAX).await {
        Ok(Whole { bytes, .. }) => {
            answering.complete(InvocationAnswer::Error(without_cause(request.headers(), bytes)));
            accepted()
        }
        Err(BodyFault::TooLarge) => too_large(request, answering).await,
        Err(BodyFault::Truncated) => truncated(),
    }
}

async fn init_error(request: &mut Request<Incoming>, state: &State) -> Response<SizedBody> {
    match read_whole(request.body_mut(), ANSWER_BYTES_MAX).await {
        Ok(Whole { bytes, .. }) => match state.init_error(without_cause(request.headers(), bytes)) {
            Ok(()) => accepted(),
            Err(refusal) => refused(&refusal),
        },
        Err(BodyFault::TooLarge) => {
            discard(request.body_mut()).await;
            over_limit()
        }
        Err(BodyFault::Truncated) => truncated(),
    }
}

/// The error that a stream that broke half-way announces behind its body.
fn error_of_trailers(trailers: &HeaderMap) -> Option<Bytes> {
    let kind = trailers.get("lambda-runtime-function-error-type");
    let body =
        trailers.get("lambda-runtime-function-error-body").and_then(|it| STANDARD.decode(it.as_bytes()).ok());
    match (kind, body) {
        (_, Some(body)) => Some(body.into()),
        (Some(kind), None) => Some(
            json!({ "errorType": String::from_utf8_lossy(kind.as_bytes()), "errorMessage": "" })
                .to_string()
                .into(),
        ),
        (None, None) => None,
    }
}

/// The error without the trace that some clients put into it for a tracing service.
fn without_cause(headers: &HeaderMap, body: Bytes) -> Bytes {
    let kind = headers.get(CONTENT_TYPE).map_or(b"".as_slice(), HeaderValue::as_bytes);
    if !kind.starts_with(b"application/vnd.aws.lambda.error.cause+json") {
        return body;
    }
    match serde_json::from_slice(&body) {
        Ok(Value::Object(mut error)) => {
            error.remove("errorCause");
            Value::Object(error).to_string().into()
        }
        Ok(_) | Err(_) => body,
    }
}

async fn too_large(request: &mut Request<Incoming>, answering: Answering) -> Response<SizedBody> {
    // First of all: reading the rest may take long, and the caller need not wait for it.
    answering.settle(InvocationAnswer::too_large());
    discard(request.body_mut()).await;
    answering.complete(InvocationAnswer::too_large());
    over_limit()
}

async fn refuse(request: &mut Request<Incoming>, refusal: &Refusal) -> Response<SizedBody> {
    discard(request.body_mut()).await;
    refused(refusal)
}

fn refused(refusal: &Refusal) -> Response<SizedBody> {
    match refusal {
        Refusal::InvalidRequestId => {
            problem(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID")
        }
        Refusal::InvalidStateTransition { from, to } => problem(
            StatusCode::FORBIDDEN,
            "InvalidStateTransition",
            &format!(
                "State transition from {from} to {to} failed for runtime. Error: State transition is not allowed"
            ),
        ),
    }
}

fn over_limit() -> Response<SizedBody> {
    let text = format!("Exceeded maximum allowed payload size ({ANSWER_BYTES_MAX} bytes).");
    problem(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &text)
}

fn truncated() -> Response<SizedBody> {
    problem(StatusCode::BAD_REQUEST, "TruncatedHTTPRequest", "HTTP request detected as truncated")
}

fn accepted() -> Response<SizedBody> {
    answer(StatusCode::ACCEPTED, Bytes::from_static(b"{\"status\":\"OK\"}\n"))
}

fn problem(status: StatusCode, kind: &str, text: &str) -> Response<SizedBody> {
    answer(status, format!("{}\n", json!({ "errorMessage": text, "errorType": kind })).into())
}

fn answer(status: StatusCode, body: Bytes) -> Response<SizedBody> {
    let mut response = Response::new(SizedBody::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// A log that panics over the first line that holds this: what writes the line dies where it stands.
    #[derive(Clone)]
    struct DiesOver(&'static str, Arc<AtomicBool>);

    impl Write for DiesOver {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            let is_it = String::from_utf8_lossy(line).contains(self.0);
            assert!(!is_it || self.1.swap(true, Ordering::SeqCst), "the test wants the Runtime API to die");
            Ok(line.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What a client gets until its connection ends.
    async fn ping(address: SocketAddr) -> String {
        let mut client = TcpStream::connect(address).await.unwrap();
        let mut answer = Vec::new();
        // A connection that breaks off has no more to say.
        let _ = client.write_all(b"GET /ping HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        let _ = tokio::time::timeout(Duration::from_secs(20), client.read_to_end(&mut answer))
            .await
            .expect("the connection ends");
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn a_runtime_api_that_panics_answers_the_next_connection() {
        let log = DiesOver("FB-0310", Arc::default());
        let has_died = Arc::clone(&log.1);
        let _log = tracing::subscriber::set_default(
            tracing_subscriber::fmt().with_writer(move || log.clone()).finish(),
        );
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut function =
            tokio::process::Command::new("sleep").arg("1000").kill_on_drop(true).spawn().unwrap();
        let state = Arc::new(State::new(Box::new(|| {})));
        // This process is a stranger to the function's, and over its connection the listener dies.
        let served = Served {
            function: "f".to_owned(),
            environment: "f-1".to_owned(),
            process: function.id().unwrap(),
            state,
        };
        let over = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, address, Arc::new(served), over.clone()));
        assert_eq!(ping(address).await, "");
        assert!(has_died.load(Ordering::SeqCst));
        let answer = ping(address).await;
        assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
        over.cancel();
        serving.await.unwrap();
        function.kill().await.unwrap();
    }
}
