//! Where there are keys: each check of a request over the wire, by a request that fails it and no other.

use std::time::{Duration, SystemTime};

use forebay_api::server::Access;

use crate::service::PATH;
use crate::signed::{self, Request};
use crate::wire::{TOKEN, World, create_body, policy, sign, sign_as};

fn list() -> Request {
    Request::new("GET", PATH, "")
}

fn add(mut request: Request, name: &str, value: &str) -> Request {
    request.headers.push((name.to_owned(), value.as_bytes().to_vec()));
    request
}

fn replace(mut request: Request, from: &str, to: &str) -> Request {
    let (_, value) = request.headers.iter_mut().find(|(name, _)| name == "authorization").unwrap();
    let text = String::from_utf8(value.clone()).unwrap();
    assert!(text.contains(from), "{text} has no {from}");
    *value = text.replace(from, to).into_bytes();
    request
}

fn with_token(mut request: Request, token: &str) -> Request {
    request.headers.retain(|(name, _)| name != "authorization");
    add(request, "Authorization", &format!("Bearer {token}"))
}

#[tokio::test]
async fn signed_requests_of_a_key_and_tokens_are_let_in() {
    let world = World::keyed().await;
    assert_eq!(world.send(&sign(&list())).await.status, 200);
    assert_eq!(world.send(&sign(&Request::new("POST", PATH, &create_body("f")))).await.status, 202);
    assert_eq!(world.send(&with_token(list(), TOKEN)).await.status, 200);
    let hashed = signed::sign(
        &Request::new("POST", PATH, &create_body("g")),
        "eu-west-1",
        None,
        true,
        SystemTime::now(),
    );
    assert_eq!(world.send(&hashed).await.status, 202);
}

#[tokio::test]
async fn every_header_of_aws_must_be_signed_on_every_route() {
    let world = World::keyed().await;
    let arn = "/2017-03-31/tags/arn:aws:lambda:eu-west-1:000000000000:event-source-mapping:14e0db71-5d35-4eb5-b481-8945cf9d10c2";
    let one = format!("{PATH}/14e0db71-5d35-4eb5-b481-8945cf9d10c2");
    for (method, target) in [
        ("GET", PATH),
        ("POST", PATH),
        ("GET", &one),
        ("PUT", &one),
        ("DELETE", &one),
        ("GET", arn),
        ("POST", arn),
        ("DELETE", arn),
        ("POST", "/2015-03-31/functions/f/invocations"),
        ("GET", "/anything/else"),
    ] {
        let answer = world
            .send(&add(sign(&Request::new(method, target, "{}")), "X-Amz-Invocation-Type", "Event"))
            .await;
        assert_eq!(answer.refusal(), (403, "InvalidSignatureException".to_owned()), "{method} {target}");
        let unsigned = world.call(method, target, "{}").await;
        assert_eq!(
            unsigned.refusal(),
            (403, "MissingAuthenticationTokenException".to_owned()),
            "{method} {target}"
        );
    }
    assert_eq!(world.service.n_mappings(), 0);
}

#[tokio::test]
async fn a_body_that_is_not_covered_is_refused() {
    let world = World::keyed().await;
    for hash in [
        "UNSIGNED-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        &"0".repeat(64),
    ] {
        let request = add(Request::new("POST", PATH, &create_body("f")), "x-amz-content-sha256", hash);
        assert_eq!(
            world.send(&sign(&request)).await.refusal(),
            (403, "InvalidSignatureException".to_owned()),
            "{hash}"
        );
    }
    let mut changed = sign(&Request::new("POST", PATH, &create_body("f")));
    changed.body[20] ^= 1;
    assert_eq!(world.send(&changed).await.refusal().0, 403);
    assert_eq!(world.service.n_mappings(), 0);
}

#[tokio::test]
async fn what_stands_twice_or_in_two_places_is_refused() {
    let world = World::keyed().await;
    let signed = sign(&list());
    let value = |name: &str| {
        String::from_utf8(signed.headers.iter().find(|(it, _)| it == name).unwrap().1.clone()).unwrap()
    };
    let incomplete = (400, "IncompleteSignatureException".to_owned());
    for name in ["authorization", "x-amz-date"] {
        assert_eq!(
            world.send(&add(signed.clone(), name, &value(name))).await.refusal(),
            incomplete,
            "{name}"
        );
    }
    assert_eq!(world.send(&add(signed.clone(), "Host", "127.0.0.1:9471")).await.refusal().0, 400);
    let in_query = |mut it: Request| {
        it.query = Some(b"X-Amz-Signature=00".to_vec());
        it
    };
    assert_eq!(world.send(&in_query(signed.clone())).await.refusal(), incomplete);
    assert_eq!(world.send(&in_query(list())).await.refusal(), incomplete);
    assert_eq!(world.send(&in_query(with_token(list(), TOKEN))).await.refusal(), incomplete);
    let two = add(with_token(list(), TOKEN), "Authorization", &value("authorization"));
    assert_eq!(world.send(&two).await.refusal(), incomplete);
}

#[tokio::test]
async fn another_time_scope_or_algorithm_is_refused() {
    let world = World::keyed().await;
    let refused = (403, "InvalidSignatureException".to_owned());
    let ago = |seconds| SystemTime::now() - Duration::from_secs(seconds);
    assert_eq!(world.send(&signed::sign(&list(), "eu-west-1", None, false, ago(290))).await.status, 200);
    let late = world.send(&signed::sign(&list(), "eu-west-1", None, false, ago(302))).await;
    assert!(late.refusal() == refused && late.message().starts_with("Signature expired"), "{late:?}");
    let early = signed::sign(&list(), "eu-west-1", None, false, SystemTime::now() + Duration::from_secs(310));
    assert_eq!(world.send(&early).await.refusal(), refused);
    assert_eq!(
        world.send(&signed::sign(&list(), "us-east-1", None, false, SystemTime::now())).await.refusal(),
        refused
    );
    for (from, to) in [
        ("/lambda/", "/sqs/"),
        ("AWS4-HMAC-SHA256", "aws4-hmac-sha256"),
        ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
        ("aws4_request", "aws4"),
    ] {
        assert_eq!(world.send(&replace(sign(&list()), from, to)).await.refusal(), refused, "{to}");
    }
}

#[tokio::test]
async fn an_unknown_key_and_a_wrong_signature_are_told_alike() {
    let world = World::keyed().await;
    let unknown = world.send(&sign_as("NOBODY", &list())).await;
    let signed = sign(&list());
    let value =
        String::from_utf8(signed.headers.iter().find(|(it, _)| it == "authorization").unwrap().1.clone())
            .unwrap();
    let last = if value.ends_with('0') { "1" } else { "0" };
    let wrong = replace(signed, &value, &format!("{}{last}", &value[..value.len() - 1]));
    let wrong = world.send(&wrong).await;
    assert_eq!(unknown.refusal(), wrong.refusal());
    assert_eq!(unknown.body, wrong.body);
    for token in ["fbt_other", "canary", &TOKEN[4..]] {
        let answer = world.send(&with_token(list(), token)).await;
        assert_eq!(answer.refusal(), (403, "UnrecognizedClientException".to_owned()), "{token}");
    }
}

/// How long refusals take tells nobody which keys there are.
#[test]
fn an_unknown_key_and_a_wrong_signature_take_as_long() {
    let n_rounds = if std::env::var_os("FOREBAY_LONG").is_some() { 20_000 } else { 500 };
    let Access::Keys { verifier, .. } = crate::wire::keyed() else { unreachable!("it has keys") };
    let wrong = {
        let mut request = sign(&list());
        request.path.push(b'/');
        request
    };
    let unknown = replace(wrong.clone(), signed::KEY_ID, "AKIDEXAMPLF");
    let mut took = [Vec::with_capacity(n_rounds), Vec::with_capacity(n_rounds)];
    for _ in 0..n_rounds {
        for (request, took) in [&wrong, &unknown].into_iter().zip(&mut took) {
            let start = std::time::Instant::now();
            let refused = request.verify(&verifier, SystemTime::now());
            took.push(start.elapsed());
            assert_eq!(refused, Err(forebay_api::auth::Denied::Mismatch));
        }
    }
    let [wrong, unknown] = took.map(|mut it| {
        it.sort_unstable();
        it[n_rounds / 2].as_secs_f64()
    });
    // A machine that does other things meanwhile blurs few rounds more than many.
    let bound = if n_rounds > 1_000 { 0.05 } else { 0.5 };
    assert!(
        (wrong / unknown - 1.0).abs() < bound,
        "{wrong} s with a wrong signature, {unknown} s with an unknown key"
    );
}

#[tokio::test]
async fn each_role_may_what_its_row_says() {
    let world = World::keyed().await;
    let create = Request::new("POST", PATH, &create_body("f"));
    let refused = world.send(&sign_as("READER", &create)).await;
    assert_eq!(refused.refusal(), (403, "AccessDeniedException".to_owned()));
    assert_eq!(
        refused.message(),
        "User: arn:aws:iam::000000000000:user/READER is not authorized to perform: lambda:CreateEventSourceMapping on resource: * because the \
         key's role is reader"
    );
    assert_eq!(world.send(&with_token(create.clone(), TOKEN)).await.refusal().0, 403);
    assert_eq!(world.service.n_mappings(), 0);
    assert_eq!(world.send(&sign_as("READER", &list())).await.status, 200);
    let invoke = Request::new("POST", "/2015-03-31/functions/f/invocations", "{}");
    assert_eq!(world.send(&sign(&invoke)).await.refusal(), (403, "AccessDeniedException".to_owned()));
    // An admin comes as far as the endpoint that is not there.
    assert_eq!(
        world.send(&sign_as("ADMIN", &invoke)).await.refusal(),
        (404, "UnknownOperationException".to_owned())
    );
}

#[tokio::test]
async fn a_write_counts_once() {
    let world = World::keyed().await;
    let create = sign(&Request::new("POST", PATH, &create_body("f")));
    assert_eq!(world.send(&create).await.status, 202);
    let again = world.send(&create).await;
    assert!(
        again.refusal() == (403, "InvalidSignatureException".to_owned())
            && again.message().contains("was used before"),
        "{again:?}"
    );
    // A reload of the keys forgets none.
    world.guard.set(policy(crate::wire::keyed()));
    assert_eq!(world.send(&create).await.refusal().0, 403);
    assert_eq!(world.service.n_mappings(), 1);
    let read = sign(&list());
    assert_eq!((world.send(&read).await.status, world.send(&read).await.status), (200, 200));
}

#[tokio::test]
async fn keys_come_and_go_with_a_reload() {
    let world = World::open().await;
    assert_eq!(world.send(&list()).await.status, 200);
    world.guard.set(policy(crate::wire::keyed()));
    assert_eq!(world.send(&list()).await.status, 403);
    assert_eq!(world.send(&sign(&list())).await.status, 200);
    world.guard.set(policy(Access::Open));
    assert_eq!(world.send(&list()).await.status, 200);
}

#[tokio::test]
async fn one_changed_bit_of_a_signed_request_is_refused() {
    let world = World::keyed().await;
    let signed = sign(&Request::new("POST", PATH, &create_body("f")));
    for idx in 0..signed.n_parts() {
        for bit in [0, 3] {
            let mut request = signed.clone();
            let (is_body, part) = (idx == 3, request.part(idx));
            let at = if is_body { part.len() / 2 } else { part.len().saturating_sub(1) };
            match part.get_mut(at) {
                Some(byte) => *byte ^= 1 << bit,
                None => part.push(b'a'),
            }
            let answer = world.send(&request).await;
            assert!([400, 403, 421].contains(&answer.status), "part {idx} bit {bit}: {answer:?}");
        }
    }
    assert_eq!(world.service.n_mappings(), 0);
}
