//! One connection of HTTP/1.1. Whoever uses it drives it, so an exchange is the work of one task, without a
//! hop to another and back.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tower_service::Service as _;

use crate::BoxError;
use crate::address::JudgingResolver;
use crate::outgoing::Outgoing;

/// Makes streams, with TLS where the URL says so.
pub(crate) type Connector = HttpsConnector<HttpConnector<JudgingResolver>>;
/// Scheme, host and port.
pub(crate) type ServerOrigin = (Scheme, Authority);

/// The most bytes that are read at once, and that the head of an answer may have. A long answer is copied from here
/// to where it is put together: a part that is no longer is still in the processor's cache then, and a connection
/// that is idle keeps no more.
const READ_BYTES_MAX: usize = 128 << 10;

/// A connection, and the place where requests are put for it.
pub(crate) struct Connection {
    pub(crate) origin: ServerOrigin,
    /// When its last exchange ended.
    pub(crate) idle_since: Instant,
    sender: SendRequest<Outgoing>,
    driver: http1::Connection<MaybeHttpsStream<TokioIo<TcpStream>>, Outgoing>,
    /// The driver has ended and must not be polled any more.
    is_over: bool,
}

impl Connection {
    /// Connects. In a box: it is handed from place to place, and hyper's part of it is large.
    pub(crate) async fn open(mut connector: Connector, origin: ServerOrigin) -> Result<Box<Self>, BoxError> {
        let (scheme, authority) = origin.clone();
        let url = Uri::builder()
            .scheme(scheme)
            .authority(authority)
            .path_and_query(PathAndQuery::from_static("/"))
            .build()?;
        poll_fn(|context| connector.poll_ready(context)).await?;
        let stream = connector.call(url).await?;
        let (sender, driver) = http1::Builder::new().max_buf_size(READ_BYTES_MAX).handshake(stream).await?;
        Ok(Box::new(Self { origin, idle_since: Instant::now(), sender, driver, is_over: false }))
    }

    /// Sends a request and waits for the head of its answer. The error has the request where nothing of it
    /// was taken.
    pub(crate) async fn send(
        &mut self,
        request: Request<Outgoing>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Outgoing>>> {
        let answer = pin!(self.sender.try_send_request(request));
        self.drive(answer).await
    }

    /// Runs what waits for this connection, and the connection with it.
    pub(crate) async fn drive<T>(&mut self, mut waiting: Pin<&mut impl Future<Output = T>>) -> T {
        poll_fn(|context| {
            self.poll_driver(context);
            waiting.as_mut().poll(context)
        })
        .await
    }

    /// Waits until the exchange that runs is over; whether another one may follow.
    pub(crate) async fn rest(&mut self) -> bool {
        poll_fn(|context| {
            self.poll_driver(context);
            match (self.is_over, self.sender.poll_ready(context)) {
                (true, _) => Poll::Ready(false),
                (false, ready) => ready.map(|it| it.is_ok()),
            }
        })
        .await
    }

    /// Whether the next request may be sent at once.
    pub(crate) fn is_idle(&mut self) -> bool {
        if !self.sender.is_ready() && !self.is_over {
            // The last bytes of the answer may be taken and what follows from that not be done.
            self.look();
        }
        self.sender.is_ready() && !self.is_over
    }

    /// The same after it has waited: whether its server has left it open.
    pub(crate) fn is_idle_still(&mut self) -> bool {
        self.look();
        self.sender.is_ready() && !self.is_over
    }

    /// One look at what came; it wakes nobody later.
    fn look(&mut self) {
        self.poll_driver(&mut Context::from_waker(Waker::noop()));
    }

    /// What goes wrong is told to whoever waits for an answer; without an exchange it concerns nobody.
    fn poll_driver(&mut self, context: &mut Context<'_>) {
        if !self.is_over {
            self.is_over = Pin::new(&mut self.driver).poll(context).is_ready();
        }
    }
}
