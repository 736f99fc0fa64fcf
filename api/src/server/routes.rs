//! Routes of one's own behind the same guard: each has a line that says what it needs, and one without is
//! never run.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, Response, StatusCode};
use axum::middleware::{self, Next};
use tracing::error;

use super::access::Via;
use super::answer;
use super::audit::{AuditedRequest, plain};
use super::guard::{Admitted, BodyRule, Guard, Payload, caught, internal};
use super::request_id::RequestId;
use crate::auth::RequestedAction;
use crate::error::{ApiError, ErrorType};
use crate::mapping::BODY_BYTES_MAX;

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing. Where there are keys, its query is dropped for whoever comes over the API's listener.
    Nothing,
    /// Nothing on the admin listener, which stands on loopback, so that those who watch processes need no
    /// key; this elsewhere.
    ButOnAdmin(RequestedAction),
    /// That one may do this.
    Action(RequestedAction),
}

/// Method, path as the router has it, and what it needs.
pub type RouteRule = (Method, &'static str, Needs);

impl Guard {
    /// Stands before every route of a router. A route without a rule is never run.
    pub fn over<S: Clone + Send + Sync + 'static>(
        &self,
        router: Router<S>,
        rules: impl IntoIterator<Item = RouteRule>,
    ) -> Router<S> {
        let rules: Arc<[RouteRule]> = rules.into_iter().collect();
        router.layer(middleware::from_fn_with_state((self.clone(), rules), check))
    }

    /// Stands before all that a listener serves: bounds, hosts, the id of the request. Goes on last.
    pub fn door(&self, router: Router) -> Router {
        router.layer(middleware::from_fn_with_state(self.clone(), door))
    }
}

async fn door(State(guard): State<Guard>, request: Request, next: Next) -> Response<Body> {
    let id = RequestId::new();
    let (mut parts, body) = request.into_parts();
    let response = match guard.check_door(&parts) {
        Ok(()) => {
            parts.extensions.insert(id);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(error) => answer::of_error(&error),
    };
    answer::with_id(response, id)
}

/// The id that the door gave a request.
pub(super) fn id_of(request: &Request) -> RequestId {
    request.extensions().get::<RequestId>().copied().unwrap_or_else(RequestId::new)
}

async fn check(
    State((guard, rules)): State<(Guard, Arc<[RouteRule]>)>,
    mut request: Request,
    next: Next,
) -> Response<Body> {
    let Some(path) = request.extensions().get::<MatchedPath>().map(|it| it.as_str().to_owned()) else {
        // No route is here: the fallback says so.
        return next.run(request).await;
    };
    // The router gives HEAD to the handler of GET, so the same rule holds.
    let method = if *request.method() == Method::HEAD { Method::GET } else { request.method().clone() };
    let needs = match rules.iter().find(|(it, of, _)| *it == method && *of == path) {
        Some((_, _, needs)) => *needs,
        None if rules.iter().any(|(_, of, _)| *of == path) => {
            let mut response = answer::of_error(&ApiError::new(
                ErrorType::UnknownOperation,
                "There is no such method here.",
            ));
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            return response;
        }
        None => {
            error!(code = "FB-0518", path, "a route has no rule that says who may use it: it is not run");
            return answer::of_error(&internal());
        }
    };
    let action = match (needs, request.extensions().get::<Via>()) {
        (Needs::Nothing, Some(Via::Admin | Via::Socket)) | (Needs::ButOnAdmin(_), Some(Via::Admin)) => {
            return next.run(request).await;
        }
        (Needs::Nothing, Some(Via::Api) | None) => {
            if let Err(error) = guard.count_nobody(request.extensions()) {
                return answer::of_error(&error);
            }
            // Who shows no key is told the least: a query asks for more.
            if guard.asks_for_keys()
                && let Ok(path) = request.uri().path().parse()
            {
                *request.uri_mut() = path;
            }
            return next.run(request).await;
        }
        (Needs::ButOnAdmin(action) | Needs::Action(action), _) => action,
    };
    let asked = AuditedRequest {
        principal: None,
        action: Some(action),
        resource: plain(request.uri().path()),
        request_id: id_of(&request),
    };
    let rule = BodyRule { bytes_max: BODY_BYTES_MAX, streams: false };
    match guard.admit(request, &asked, rule).await {
        Ok(admitted) => run(&guard, &asked, action, admitted, next).await,
        Err(refused) => {
            refused.asked.failed(&refused.error);
            answer::of_error(&refused.error)
        }
    }
}

async fn run(
    guard: &Guard,
    asked: &AuditedRequest,
    action: RequestedAction,
    admitted: Admitted,
    next: Next,
) -> Response<Body> {
    let Admitted { principal, mut parts, body } = admitted;
    let asked = asked.by(&principal);
    parts.extensions.insert(principal);
    let (body, memory) = match body {
        Payload::Read(body) => (Body::from(body.bytes), body.memory),
        Payload::Unread(body) => (body, None),
    };
    let request = Request::from_parts(parts, body);
    let answered = {
        let asked = asked.clone();
        async move {
            // The body is in memory as long as the handler may hold it.
            let _memory = memory;
            let answered = caught(&asked, async { Ok(next.run(request).await) }).await;
            if action.is_mutating() {
                match &answered {
                    Ok(response) if response.status().is_success() => {
                        asked.ended(response.status().as_u16(), "ok")
                    }
                    Ok(response) => asked.ended(response.status().as_u16(), "refused"),
                    Err(error) => asked.failed(error),
                }
            }
            answered
        }
    };
    let answered =
        if action.is_mutating() { guard.carry_out(answered).await.and_then(|it| it) } else { answered.await };
    answered.unwrap_or_else(|error| {
        // It was never begun, so nothing else has told of it.
        if error.error_type == ErrorType::Unavailable {
            asked.failed(&error);
        }
        answer::of_error(&error)
    })
}
