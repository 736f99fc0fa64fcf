//! Lambda's API for mappings over HTTP: which call it is, whether it may, the call itself, the answer.

use std::sync::{Arc, PoisonError, RwLock};

use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use axum::{Router, routing};
use serde::Serialize;

use super::answer;
use super::audit::{AuditedRequest, plain};
use super::bounds::PASSED_BYTES_MAX;
use super::guard::{Admitted, BodyRule, Guard, Payload, RefusedRequest, caught, internal};
use super::pass_on::{PassOn, stays_here};
use super::routes::id_of;
use crate::auth::RequestedAction;
use crate::error::{ApiError, ErrorType};
use crate::mapping::{BODY_BYTES_MAX, Call, Operation};
use crate::service::MappingService;

/// Lambda's API: the calls about mappings are answered by a service, all others passed on. Clones are the
/// same front.
#[derive(Clone)]
pub struct Front(Arc<FrontState>);

struct FrontState {
    guard: Guard,
    service: Arc<dyn MappingService>,
    pass_on: RwLock<Arc<PassOn>>,
}

impl std::fmt::Debug for Front {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Front").field("guard", &self.0.guard).finish_non_exhaustive()
    }
}

impl Front {
    /// Puts a service behind a guard.
    pub fn new(guard: Guard, service: Arc<dyn MappingService>, pass_on: PassOn) -> Self {
        Self(Arc::new(FrontState { guard, service, pass_on: RwLock::new(Arc::new(pass_on)) }))
    }

    /// Passes calls on to somewhere else from the next request on.
    pub fn set_pass_on(&self, pass_on: PassOn) {
        *self.0.pass_on.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pass_on);
    }

    /// The router of all that has no route in `own`, with `own` beside it, behind the door.
    pub fn router(&self, own: Router) -> Router {
        let front = self.clone();
        let answer = move |request: Request| {
            let front = front.clone();
            async move { front.answer(request).await }
        };
        self.0.guard.door(own.fallback(routing::any(answer)))
    }

    async fn answer(&self, request: Request) -> Response<Body> {
        let request_id = id_of(&request);
        let path = request.uri().path();
        let found = match Operation::find(request.method().as_str(), path) {
            Ok(None) if stays_here(path) => {
                Err(ApiError::new(ErrorType::UnknownOperation, "There is no such path."))
            }
            found => found,
        };
        let (action, resource) = match &found {
            Ok(Some(operation)) => (Some(operation.action()), self.resource_of(operation)),
            Ok(None) => (Some(RequestedAction::PassOn), format!("{} {}", request.method(), plain(path))),
            Err(_) => (None, plain(path)),
        };
        let asked = AuditedRequest { principal: None, action, resource, request_id };
        let answered = match found {
            Ok(Some(operation)) => self.call(request, &asked, operation).await,
            Ok(None) => self.pass(request, &asked).await,
            // Who may not come in does not even learn which calls there are.
            Err(error) => {
                let rule = BodyRule { bytes_max: BODY_BYTES_MAX, streams: false };
                self.admit(request, &asked, rule).await.and(Err(error))
            }
        };
        answered.unwrap_or_else(|error| answer::of_error(&error))
    }

    /// Lets a request in; who is sent away is in the audit.
    async fn admit(
        &self,
        request: Request,
        asked: &AuditedRequest,
        rule: BodyRule,
    ) -> Result<Admitted, ApiError> {
        self.0.guard.admit(request, asked, rule).await.map_err(|RefusedRequest { asked, error }| {
            asked.failed(&error);
            error
        })
    }

    /// A call about mappings.
    async fn call(
        &self,
        request: Request,
        asked: &AuditedRequest,
        operation: Operation,
    ) -> Result<Response<Body>, ApiError> {
        let action = operation.action();
        let rule = BodyRule { bytes_max: BODY_BYTES_MAX, streams: false };
        let Admitted { principal, parts, body } = self.admit(request, asked, rule).await?;
        let asked = asked.by(&principal);
        // Only a rule that streams leaves a body unread.
        let Payload::Read(body) = body else { return Err(internal()) };
        let status = operation.status();
        let service = Arc::clone(&self.0.service);
        let work = {
            let asked = asked.clone();
            async move {
                let answered = caught(&asked, async {
                    let call = operation.read(parts.uri.query(), &body.bytes)?;
                    // What was read of it has its own memory: its share of that for bodies is free again.
                    drop(body);
                    perform(&*service, call).await
                });
                let answered = answered.await;
                if action.is_mutating() {
                    match &answered {
                        Ok(_) => asked.ended(status, "ok"),
                        Err(error) => asked.failed(error),
                    }
                }
                answered
            }
        };
        let body = if action.is_mutating() {
            match self.0.guard.carry_out(work).await {
                Ok(answered) => answered?,
                Err(error) => {
                    asked.failed(&error);
                    return Err(error);
                }
            }
        } else {
            work.await?
        };
        Ok(answer::of_json(status, body))
    }

    /// Any other call.
    async fn pass(&self, request: Request, asked: &AuditedRequest) -> Result<Response<Body>, ApiError> {
        let pass_on = Arc::clone(&self.0.pass_on.read().unwrap_or_else(PoisonError::into_inner));
        let rule = BodyRule { bytes_max: PASSED_BYTES_MAX, streams: true };
        let Admitted { principal, parts, body } = self.admit(request, asked, rule).await?;
        let asked = asked.by(&principal);
        let is_told = !parts.method.is_safe() && !is_invoke(parts.uri.path());
        let answered = caught(&asked, pass_on.pass(parts, body, self.0.guard.bodies())).await;
        if is_told {
            match &answered {
                Ok(response) => asked.ended(response.status().as_u16(), "passed on"),
                Err(error) => asked.failed(error),
            }
        }
        answered
    }

    /// What a call is about, as a refusal and the audit name it.
    fn resource_of(&self, operation: &Operation) -> String {
        match operation {
            Operation::Create | Operation::List => "*".to_owned(),
            Operation::Get(uuid) | Operation::Update(uuid) | Operation::Delete(uuid) => {
                format!("event-source-mapping:{}", plain(uuid))
            }
            Operation::ListTags(arn) | Operation::Tag(arn) | Operation::Untag(arn) => plain(arn),
        }
    }
}

/// Whether a call runs a function: there are too many of these for the audit, and the endpoint behind keeps
/// their log.
fn is_invoke(path: &str) -> bool {
    ["/invocations", "/invoke-async", "/invoke-async/", "/response-streaming-invocations"]
        .iter()
        .any(|end| path.ends_with(end))
}

async fn perform(service: &dyn MappingService, call: Call) -> Result<Vec<u8>, ApiError> {
    match call {
        Call::Create(create) => json(&service.create(*create).await?),
        Call::List(list) => json(&service.list(list).await?),
        Call::Get(uuid) => json(&service.get(&uuid).await?),
        Call::Update(uuid, update) => json(&service.update(&uuid, *update).await?),
        Call::Delete(uuid) => json(&service.delete(&uuid).await?),
        Call::ListTags(arn) => json(&service.tags(&arn).await?),
        Call::Tag(arn, tags) => service.tag(&arn, tags).await.map(|()| Vec::new()),
        Call::Untag(arn, keys) => service.untag(&arn, keys).await.map(|()| Vec::new()),
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(value).map_err(|_| internal())
}
