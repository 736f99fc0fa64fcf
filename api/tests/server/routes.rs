//! Routes of one's own behind the same guard.

use axum::body::Bytes;
use axum::extract::RawQuery;
use axum::http::Method;
use axum::routing::{get, post};
use axum::{Extension, Router};
use forebay_api::auth::{Principal, RequestedAction};
use forebay_api::server::{Access, Guard, Listener, Needs, PassOn, RouteRule, Tls, Via};
use tokio::net::TcpListener;

use crate::signed::Request;
use crate::wire::{TOKEN, World, bytes_of, exchange, keyed, policy, sign, sign_as};

static RULES: &[RouteRule] = &[
    (Method::GET, "/livez", Needs::Nothing),
    (Method::GET, "/metrics", Needs::ButOnAdmin(RequestedAction::Inspect)),
    (Method::GET, "/v1/{name}", Needs::Action(RequestedAction::Inspect)),
    (Method::POST, "/v1/{name}", Needs::Action(RequestedAction::Steer)),
];

async fn who(Extension(principal): Extension<Principal>, body: Bytes) -> String {
    format!("{} {}", principal.key_id, body.len())
}

fn own(guard: &Guard) -> Router {
    let router = Router::new()
        .route("/livez", get(|RawQuery(query): RawQuery| async { query.unwrap_or_else(|| "ok".to_owned()) }))
        .route("/metrics", get(|| async { "1" }))
        .route("/v1/{name}", get(who).post(who).put(who))
        .route("/v1/{name}/forgotten", post(who))
        .route("/v1/panics", get(who));
    guard.over(router, RULES.iter().cloned())
}

async fn world(access: Access) -> World {
    let guard = Guard::new(policy(access));
    let own = own(&guard);
    World::start_with(guard, PassOn::new(None), own).await
}

fn text(body: &[u8]) -> String {
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn a_route_needs_what_its_rule_says() {
    let world = world(keyed()).await;
    let live = world.call("GET", "/livez?verbose", "").await;
    assert_eq!(
        (live.status, text(&live.body)),
        (200, "ok".to_owned()),
        "a query asks for more than everybody is told"
    );
    for (method, target) in [("GET", "/metrics"), ("HEAD", "/metrics"), ("GET", "/v1/a"), ("POST", "/v1/a")] {
        assert_eq!(world.call(method, target, "").await.status, 403, "{method} {target}");
    }
    let steer = Request::new("POST", "/v1/a", "abc");
    assert_eq!(
        world.send(&sign_as("READER", &steer)).await.refusal(),
        (403, "AccessDeniedException".to_owned())
    );
    let done = world.send(&sign(&steer)).await;
    assert_eq!((done.status, text(&done.body)), (200, "AKIDEXAMPLE 3".to_owned()));
    let mut look = Request::new("GET", "/v1/a", "");
    look.headers.push(("Authorization".to_owned(), format!("bearer {TOKEN}").into_bytes()));
    let looked = world.send(&look).await;
    assert_eq!((looked.status, text(&looked.body)), (200, "token:curl 0".to_owned()));
    // What is ours and has no route is nobody else's.
    assert_eq!(
        world.send(&sign(&Request::new("GET", "/v1/a/b/c", ""))).await.refusal(),
        (404, "UnknownOperationException".to_owned())
    );
    assert_eq!(world.call("GET", "/v1/a/b/c", "").await.refusal().0, 403);
    // What no route has goes on to the calls of Lambda.
    assert_eq!(world.send(&sign_as("ADMIN", &Request::new("GET", "/v2/a", ""))).await.refusal().0, 404);
}

#[tokio::test]
async fn a_route_or_method_without_a_rule_is_never_run() {
    let world = world(Access::Open).await;
    assert_eq!(
        world.call("POST", "/v1/a/forgotten", "").await.refusal(),
        (500, "ServiceException".to_owned())
    );
    assert_eq!(world.call("GET", "/v1/panics", "").await.refusal().0, 500);
    assert_eq!(world.call("PUT", "/v1/a", "").await.refusal().0, 405);
    let open = world.call("POST", "/v1/a", "").await;
    assert_eq!(text(&open.body), "loopback 0");
}

#[tokio::test]
async fn what_changes_something_is_refused_while_the_process_ends() {
    let world = world(Access::Open).await;
    world.guard.drain();
    assert_eq!(
        world.call("POST", "/v1/a", "").await.refusal(),
        (503, "ServiceUnavailableException".to_owned())
    );
    assert_eq!(world.call("GET", "/v1/a", "").await.status, 200);
}

#[tokio::test]
async fn the_admin_listener_needs_no_key_for_what_watchers_read() {
    let guard = Guard::new(policy(keyed()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let _server = Listener::Tcp(listener, Tls::default()).serve(Via::Admin, guard.door(own(&guard)));
    let call = async |request: &Request| {
        let connection = tokio::net::TcpStream::connect(address).await.unwrap();
        exchange(connection, &bytes_of(request)).await.status
    };
    let get = |target: &str| Request::new("GET", target, "");
    assert_eq!(call(&get("/metrics")).await, 200);
    assert_eq!(call(&get("/v1/a")).await, 403);
    assert_eq!(call(&sign(&get("/v1/a"))).await, 200);
    let mut named = get("/metrics");
    named.headers[0].1 = b"lambda.example.com".to_vec();
    assert_eq!(call(&named).await, 421, "names of the API's listener are none of this one's");
}
