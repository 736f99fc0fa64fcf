//! Every page of the admin listener in one table: how it is asked for, what the asker must be allowed to do,
//! who answers.

use axum::Router;
use axum::http::Method;
use axum::routing::{MethodRouter, get, post, put};
use forebay_api::auth::RequestedAction;
use forebay_api::server::{Needs, RouteRule};

use super::{Shown, backlog, decide, health, list, metrics, peek, positions, reload, steer};

/// One page.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// How it is asked for.
    pub method: &'static Method,
    /// Where it stands; a part in braces is any one part.
    pub path: &'static str,
    /// What whoever asks must be allowed to do; `None` is for everybody.
    pub action: Option<RequestedAction>,
    handler: fn() -> MethodRouter<Shown>,
}

impl Route {
    const fn get(
        path: &'static str,
        action: Option<RequestedAction>,
        handler: fn() -> MethodRouter<Shown>,
    ) -> Self {
        Self { method: &Method::GET, path, action, handler }
    }

    const fn post(path: &'static str, action: RequestedAction, handler: fn() -> MethodRouter<Shown>) -> Self {
        Self { method: &Method::POST, path, action: Some(action), handler }
    }

    const fn put(path: &'static str, action: RequestedAction, handler: fn() -> MethodRouter<Shown>) -> Self {
        Self { method: &Method::PUT, path, action: Some(action), handler }
    }
}

/// Every page.
pub static ROUTES: [Route; 17] = [
    Route::get("/livez", None, || get(health::livez)),
    Route::get("/readyz", None, || get(health::readyz)),
    Route::get("/startupz", None, || get(health::startupz)),
    Route::get("/metrics", Some(RequestedAction::Inspect), || get(metrics)),
    Route::get("/v1/mappings", Some(RequestedAction::Inspect), || get(list::all)),
    Route::get("/v1/mappings/{name}/status", Some(RequestedAction::Inspect), || get(list::status)),
    Route::get("/v1/mappings/{name}/config", Some(RequestedAction::Inspect), || get(steer::config)),
    Route::get("/v1/mappings/{name}/backlog", Some(RequestedAction::Inspect), || get(backlog::backlog)),
    Route::get("/v1/mappings/{name}/positions", Some(RequestedAction::Inspect), || get(positions::show)),
    Route::get("/v1/mappings/{name}/paused", Some(RequestedAction::Inspect), || get(decide::paused)),
    Route::get("/v1/mappings/{name}/peek", Some(RequestedAction::Peek), || get(peek::peek)),
    Route::put("/v1/mappings/{name}/positions", RequestedAction::Reposition, || put(positions::set)),
    Route::post("/v1/mappings/{name}/replay", RequestedAction::Reposition, || post(positions::replay)),
    Route::post("/v1/mappings/{name}/pause", RequestedAction::Steer, || post(steer::pause)),
    Route::post("/v1/mappings/{name}/resume", RequestedAction::Steer, || post(steer::resume)),
    Route::post("/v1/mappings/{name}/decide", RequestedAction::Steer, || post(decide::decide)),
    Route::post("/v1/reload", RequestedAction::Reload, || post(reload::reload)),
];

/// All pages of the table.
pub(super) fn router() -> Router<Shown> {
    ROUTES.iter().fold(Router::new(), |router, route| router.route(route.path, (route.handler)()))
}

/// What the guard asks for each. Who collects metrics on loopback needs no key.
pub(super) fn rules() -> impl Iterator<Item = RouteRule> {
    ROUTES.iter().map(|it| {
        let needs = match it.action {
            None => Needs::Nothing,
            Some(action) if it.path == "/metrics" => Needs::ButOnAdmin(action),
            Some(action) => Needs::Action(action),
        };
        (it.method.clone(), it.path, needs)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_beyond_health_asks_for_a_right_and_what_is_posted_or_put_changes_something() {
        for route in &ROUTES {
            assert_eq!(
                route.action.is_none(),
                route.path.ends_with('z') && route.path.matches('/').count() == 1,
                "{}",
                route.path
            );
            let is_mutating = route.action.is_some_and(RequestedAction::is_mutating);
            assert_eq!(is_mutating, *route.method != Method::GET, "{} {}", route.method, route.path);
        }
    }
}
