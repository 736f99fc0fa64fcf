//! The way in: bounds, hosts, who it is, what it may, and that nothing which changes something stops in its
//! middle.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{Extensions, Method};
use futures_util::FutureExt;
use tokio_util::task::TaskTracker;
use tracing::error;

use super::access::{self, Access, Via};
use super::audit::AuditedRequest;
use super::bounds::{self, Bodies, ReadBody};
use super::hosts::Hosts;
use super::rate::{Buckets, CallerRate, Peer};
use crate::auth::{Denied, Principal, Replays, RequestedAction};
use crate::error::{ApiError, ErrorType};

/// How far clients' clocks may be from ours.
const SKEW: Duration = Duration::from_secs(300);
/// The most signatures that are remembered.
const REPLAYS_MAX: usize = 100_000;

/// What may change while the listeners stand.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The account that refusals and ARNs name.
    pub account: String,
    /// Who may come in.
    pub access: Access,
    /// The names by which requests may call the listener for Lambda's API.
    pub hosts: Hosts,
    /// How many requests each key may send, or each address where there are no keys.
    pub rate: CallerRate,
}

/// Lets requests in or sends them away. Clones are the same guard.
#[derive(Debug, Clone)]
pub struct Guard(Arc<GuardState>);

#[derive(Debug)]
struct GuardState {
    policy: RwLock<Arc<Policy>>,
    replays: Mutex<Replays>,
    of_keys: Mutex<Buckets<String>>,
    of_peers: Mutex<Buckets<Peer>>,
    clock: GuardClock,
    bodies: Bodies,
    /// Whether nothing that changes something is begun any more.
    draining: Mutex<bool>,
    writes: TaskTracker,
}

/// Tells what time it is.
struct GuardClock(Box<dyn Fn() -> Instant + Send + Sync>);

impl std::fmt::Debug for GuardClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

/// A request that was let in.
pub(super) struct Admitted {
    pub(super) principal: Principal,
    pub(super) parts: Parts,
    pub(super) body: Payload,
}

/// The body of a request that was let in.
pub(super) enum Payload {
    Read(ReadBody),
    Unread(Body),
}

/// What a request wants of its body.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyRule {
    pub(super) bytes_max: usize,
    /// Left unread when nothing needs to know it.
    pub(super) streams: bool,
}

/// A request that was sent away: who it was, as far as that is proven, and why.
pub(super) struct RefusedRequest {
    pub(super) asked: AuditedRequest,
    pub(super) error: ApiError,
}

impl Guard {
    /// A guard with this policy.
    pub fn new(policy: Policy) -> Self {
        Self::with_clock(policy, Instant::now)
    }

    /// As [`Guard::new`], with another clock for rates; it never goes back.
    pub fn with_clock(policy: Policy, clock: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        Self(Arc::new(GuardState {
            policy: RwLock::new(Arc::new(policy)),
            replays: Mutex::new(Replays::new(SKEW, REPLAYS_MAX)),
            of_keys: Mutex::new(Buckets::new()),
            of_peers: Mutex::new(Buckets::new()),
            clock: GuardClock(Box::new(clock)),
            bodies: Bodies::new(),
            draining: Mutex::new(false),
            writes: TaskTracker::new(),
        }))
    }

    /// Holds another policy from the next request on. Signatures that were used stay used, and so do requests
    /// that were counted.
    pub fn set(&self, policy: Policy) {
        *self.0.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }

    /// The policy that holds.
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.0.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether requests over TCP must show a key.
    pub(super) fn asks_for_keys(&self) -> bool {
        matches!(self.policy().access, Access::Keys { .. })
    }

    /// Refuses from now on what changes something; what has begun goes on, and [`Guard::settled`] waits for
    /// it.
    pub fn drain(&self) {
        *self.draining() = true;
        self.0.writes.close();
    }

    /// Ready when nothing that changes something runs any more; after [`Guard::drain`].
    pub async fn settled(&self) {
        self.0.writes.wait().await;
    }

    fn draining(&self) -> MutexGuard<'_, bool> {
        self.0.draining.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bounds and hosts: what is checked of every request, whatever it asks for.
    pub(super) fn check_door(&self, parts: &Parts) -> Result<(), ApiError> {
        bounds::check_head(parts)?;
        let host = parts.headers.get(HOST).and_then(|it| it.to_str().ok());
        let is_allowed = |host: &str| match via(parts) {
            Via::Socket => true,
            Via::Admin => Hosts::default().allow(host),
            Via::Api => self.policy().hosts.allow(host),
        };
        // A request line may name a host as well, and some would go by that.
        let is_called =
            host.is_some_and(is_allowed) && parts.uri.authority().is_none_or(|it| is_allowed(it.as_str()));
        if is_called || via(parts) == Via::Socket {
            return Ok(());
        }
        let message = "This listener does not answer to this host: call it 127.0.0.1, [::1] or localhost, or add the name to api.allowed_hosts";
        Err(ApiError::new(ErrorType::Misdirected, message))
    }

    /// Who it is and whether it may, before and after the body. `asked.action` is `None` for a call that does
    /// not exist: who is nobody does not learn even that.
    pub(super) async fn admit(
        &self,
        request: Request,
        asked: &AuditedRequest,
        rule: BodyRule,
    ) -> Result<Admitted, RefusedRequest> {
        let mut asked = asked.clone();
        let (parts, body) = request.into_parts();
        match self.judge(&parts, body, &mut asked, rule).await {
            Ok((principal, body)) => Ok(Admitted { principal, parts, body }),
            Err(error) => Err(RefusedRequest { asked, error }),
        }
    }

    async fn judge(
        &self,
        parts: &Parts,
        body: Body,
        asked: &mut AuditedRequest,
        rule: BodyRule,
    ) -> Result<(Principal, Payload), ApiError> {
        // Browsers send it for pages, and where nobody needs a key nothing else would keep a page out.
        if parts.headers.contains_key(ORIGIN) && changes(asked.action, &parts.method) {
            return Err(ApiError::new(ErrorType::AccessDenied, "A web page may not change anything here"));
        }
        let policy = self.policy();
        let now = SystemTime::now();
        let head = access::head_of(parts);
        let shown = policy.access.look(via(parts), &head, &parts.headers, now);
        let shown = shown.map_err(|denied| self.refuse(denied, parts, &policy))?;
        // Clear from the head alone: whoever may not is sent away before a body is read.
        if let access::ShownCaller::Is(principal) = &shown {
            self.count(principal, parts, &policy)?;
            authorise(principal, asked, &policy)?;
            if rule.streams {
                return Ok((principal.clone(), Payload::Unread(body)));
            }
        }
        let body = self.0.bodies.read(body, rule.bytes_max).await?;
        let is_counted = matches!(shown, access::ShownCaller::Is(_));
        let proven = access::prove(shown, &body.bytes);
        let (principal, signature) = proven.map_err(|denied| self.refuse(denied, parts, &policy))?;
        if !is_counted {
            self.count(&principal, parts, &policy)?;
        }
        authorise(&principal, asked, &policy)?;
        // Last: a request that is refused has used nothing up.
        if let (Some(signature), true) = (signature, asked.action.is_some_and(RequestedAction::is_mutating)) {
            self.0.replays.lock().unwrap_or_else(PoisonError::into_inner).remember(signature, now).admit()?;
        }
        Ok((principal, Payload::Read(body)))
    }

    /// Counts a request of one who is known: by its key where there are keys, else by its address. Whoever is
    /// on this host and needs no key is not counted.
    fn count(&self, principal: &Principal, parts: &Parts, policy: &Policy) -> Result<(), ApiError> {
        match (via(parts), &policy.access) {
            (Via::Socket, _) => Ok(()),
            (Via::Api | Via::Admin, Access::Open) => {
                self.count_peer(&parts.extensions, policy, Peer::is_loopback)
            }
            (Via::Api | Via::Admin, Access::Keys { .. }) => {
                let mut of_keys = self.0.of_keys.lock().unwrap_or_else(PoisonError::into_inner);
                of_keys.take(&principal.key_id, policy.rate, (self.0.clock.0)())
            }
        }
    }

    /// Counts a request of one who did not show who it is. That is never counted to the key it names, which
    /// is another's.
    fn refuse(&self, denied: Denied, parts: &Parts, policy: &Policy) -> ApiError {
        // Who guesses too often is told to wait, and not whether the last guess was wrong.
        self.count_peer(&parts.extensions, policy, |_| false).err().unwrap_or_else(|| denied.into())
    }

    /// Counts a request that nobody needs a key for.
    pub(super) fn count_nobody(&self, extensions: &Extensions) -> Result<(), ApiError> {
        self.count_peer(extensions, &self.policy(), Peer::is_loopback)
    }

    fn count_peer(
        &self,
        extensions: &Extensions,
        policy: &Policy,
        is_free: impl Fn(Peer) -> bool,
    ) -> Result<(), ApiError> {
        match extensions.get::<Peer>() {
            Some(peer) if !is_free(*peer) => {
                let mut of_peers = self.0.of_peers.lock().unwrap_or_else(PoisonError::into_inner);
                of_peers.take(peer, policy.rate, (self.0.clock.0)())
            }
            // Through the socket, by its owner.
            Some(_) | None => Ok(()),
        }
    }

    /// Does what changes something. It goes on when the client hangs up, and when this future is dropped.
    pub(super) async fn carry_out<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, ApiError> {
        let task = {
            let draining = self.draining();
            if *draining {
                return Err(ending());
            }
            // Under the lock: what has begun is waited for.
            self.0.writes.spawn(work)
        };
        task.await.map_err(|_| internal())
    }

    /// The memory for bodies.
    pub(super) fn bodies(&self) -> &Bodies {
        &self.0.bodies
    }
}

/// Runs a handler; a panic in it is an error of ours, and nobody else's concern.
pub(super) async fn caught<T>(
    asked: &AuditedRequest,
    work: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, ApiError> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| {
        error!(code = "FB-0518", request_id = %asked.request_id, "a request was given up: its handler panicked");
        Err(internal())
    })
}

fn authorise(principal: &Principal, asked: &mut AuditedRequest, policy: &Policy) -> Result<(), ApiError> {
    *asked = asked.by(principal);
    match asked.action {
        Some(action) => principal.authorise(action, &asked.resource, &policy.account),
        None => Ok(()),
    }
}

/// Whether a request may change something, here or at the endpoint behind.
fn changes(action: Option<RequestedAction>, method: &Method) -> bool {
    let is_read = *method == Method::GET || *method == Method::HEAD;
    action.is_some_and(RequestedAction::is_mutating) || !is_read
}

/// Which way a request came; one that nobody marked has no rights of its own.
pub(super) fn via(parts: &Parts) -> Via {
    parts.extensions.get::<Via>().copied().unwrap_or(Via::Api)
}

pub(super) fn internal() -> ApiError {
    ApiError::new(ErrorType::Service, "The service encountered an internal error.")
}

fn ending() -> ApiError {
    let message = "The process is ending and changes nothing any more; ask the one that takes its place";
    ApiError::new(ErrorType::Unavailable, message)
}
