//! How many requests a caller may make, over the wire; the clock is the test's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use forebay_api::server::{Access, Guard, PassOn, Policy};

use crate::service::PATH;
use crate::signed::Request;
use crate::wire::{TOKEN, World, keyed, policy, rate, sign, sign_as};

/// A world where each may make three requests, then one a second, and its clock in milliseconds.
async fn world(access: Access) -> (World, Arc<AtomicU64>) {
    let (millis, start) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let clock = Arc::clone(&millis);
    let guard = Guard::with_clock(limited(access), move || {
        start + Duration::from_millis(clock.load(Ordering::SeqCst))
    });
    (World::start_with(guard, PassOn::new(None), Router::new()).await, millis)
}

fn limited(access: Access) -> Policy {
    Policy { rate: rate(1, 3), ..policy(access) }
}

fn list() -> Request {
    Request::new("GET", PATH, "")
}

async fn statuses(world: &World, requests: impl IntoIterator<Item = Request>) -> Vec<u16> {
    let mut statuses = Vec::new();
    for request in requests {
        statuses.push(world.send(&request).await.status);
    }
    statuses
}

fn four(request: impl Fn() -> Request) -> impl Iterator<Item = Request> {
    (0..4).map(move |_| request())
}

fn with_token(token: &str) -> Request {
    let mut request = list();
    request.headers.push(("Authorization".to_owned(), format!("Bearer {token}").into_bytes()));
    request
}

#[tokio::test]
async fn the_last_request_of_a_key_passes_the_next_is_told_when_to_come_back() {
    let (world, millis) = world(keyed()).await;
    assert_eq!(statuses(&world, (0..3).map(|_| sign(&list()))).await, [200; 3]);
    let refused = world.send(&sign(&list())).await;
    assert_eq!(
        (refused.refusal(), refused.header("retry-after")),
        ((429, "TooManyRequestsException".to_owned()), Some("1"))
    );
    assert_eq!(refused.message(), "Rate exceeded");
    // Others are not hit: a second key, a token.
    assert_eq!(statuses(&world, four(|| sign_as("READER", &list()))).await, [200, 200, 200, 429]);
    assert_eq!(statuses(&world, four(|| with_token(TOKEN))).await, [200, 200, 200, 429]);
    millis.store(999, Ordering::SeqCst);
    assert_eq!(world.send(&sign(&list())).await.status, 429);
    millis.store(1000, Ordering::SeqCst);
    assert_eq!(statuses(&world, (0..2).map(|_| sign(&list()))).await, [200, 429]);
    // What is refused changes nothing, and its signature is not used up.
    let create = sign(&Request::new("POST", PATH, &crate::wire::create_body("f")));
    assert_eq!((world.send(&create).await.status, world.service.n_mappings()), (429, 0));
    millis.store(2000, Ordering::SeqCst);
    assert_eq!((world.send(&create).await.status, world.service.n_mappings()), (202, 1));
}

#[tokio::test]
async fn a_flood_of_strangers_is_refused_and_starves_no_key() {
    let (world, _) = world(keyed()).await;
    for idx in 0..20 {
        let expected = if idx < 3 { 403 } else { 429 };
        let id = format!("NOBODY{idx}");
        assert_eq!(world.send(&sign_as(&id, &list())).await.status, expected, "{idx}");
    }
    let wrong = || {
        let mut request = sign(&Request::new("POST", PATH, "{}"));
        request.body.push(b' ');
        request
    };
    for request in [wrong(), list(), with_token("fbt_other")] {
        assert_eq!(world.send(&request).await.refusal().0, 429, "all of them count for their address");
    }
    assert_eq!(
        statuses(&world, four(|| sign(&list()))).await,
        [200, 200, 200, 429],
        "the key that was named has all it may"
    );
}

#[tokio::test]
async fn who_needs_no_key_on_loopback_is_not_counted_and_another_policy_holds_at_once() {
    let (world, _) = world(Access::Open).await;
    assert_eq!(statuses(&world, four(list)).await, [200; 4]);
    world.guard.set(limited(keyed()));
    assert_eq!(statuses(&world, four(|| sign(&list()))).await, [200, 200, 200, 429]);
    world.guard.set(Policy { rate: rate(1, 5), ..policy(keyed()) });
    assert_eq!(statuses(&world, four(|| sign(&list()))).await, [200, 200, 429, 429]);
}
