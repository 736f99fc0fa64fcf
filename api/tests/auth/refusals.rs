//! Each check of a signed request, by a request that fails it and no other.

use std::time::{Duration, SystemTime};

use crate::one_key::verifier;
use crate::signed::{self, KEY_ID, Request, sign};
use forebay_api::auth::{Denied, HeaderPart, Key, Keys, Role, Rules, SecretString, Verifier};
use forebay_api::error::{ApiError, ErrorType};

const AT: u64 = 1_795_000_000;
const LIST: &str = "/2015-03-31/event-source-mappings";

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn signed_list() -> Request {
    sign(&Request::new("GET", LIST, ""), "eu-west-1", None, false, at(AT))
}

fn answer(request: &Request) -> Result<String, Denied> {
    request.verify(&verifier(Rules::lambda("eu-west-1"), None), at(AT)).map(|it| it.principal.key_id)
}

fn with(change: impl FnOnce(&mut Request)) -> Request {
    let mut request = signed_list();
    assert_eq!(answer(&request), Ok(KEY_ID.to_owned()));
    change(&mut request);
    request
}

fn replace(request: &mut Request, name: &str, from: &str, to: &str) {
    let (_, value) = request
        .headers
        .iter_mut()
        .find(|(it, _)| it.eq_ignore_ascii_case(name))
        .expect("a request of a test");
    let text = String::from_utf8(value.clone()).expect("a request of a test");
    assert!(text.contains(from), "{text} has no {from}");
    *value = text.replace(from, to).into_bytes();
}

fn add(request: &mut Request, name: &str, value: &str) {
    request.headers.push((name.to_owned(), value.as_bytes().to_vec()));
}

fn check(request: &Request, denied: Denied, error_type: ErrorType, status: u16) {
    assert_eq!(answer(request), Err(denied.clone()), "{request:?}");
    let error = ApiError::from(denied);
    assert_eq!((error.error_type, error.status()), (error_type, status), "{error}");
}

#[test]
fn an_unsigned_request_is_refused() {
    let unsigned = with(|it| it.headers.retain(|(name, _)| name != "authorization"));
    check(&unsigned, Denied::Unsigned, ErrorType::MissingAuthenticationToken, 403);
}

#[test]
fn what_stands_twice_is_refused() {
    let header = |name: &'static str| {
        with(|it| {
            let value =
                it.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).unwrap().1.clone();
            it.headers.push((name.to_uppercase(), value));
        })
    };
    for name in ["authorization", "x-amz-date", "host"] {
        check(&header(name), Denied::Repeated(name), ErrorType::IncompleteSignature, 400);
    }
    let in_both = with(|it| it.query = Some(b"a=b&X-Amz%2dSignature=00".to_vec()));
    check(&in_both, Denied::Repeated("authorization"), ErrorType::IncompleteSignature, 400);
    let in_query = with(|it| {
        it.headers.retain(|(name, _)| name != "authorization");
        it.query = Some(b"X-Amz-Credential=a".to_vec());
    });
    check(&in_query, Denied::QueryForm, ErrorType::IncompleteSignature, 400);
}

#[test]
fn another_algorithm_and_a_broken_header_are_refused() {
    let check_with = |from: &str, to: &str, denied, error_type, status| {
        check(&with(|it| replace(it, "authorization", from, to)), denied, error_type, status);
    };
    check_with("AWS4-HMAC-SHA256", "AWS4-HMAC-Sha256", Denied::Algorithm, ErrorType::InvalidSignature, 403);
    check_with(
        "AWS4-HMAC-SHA256",
        "AWS4-ECDSA-P256-SHA256",
        Denied::Algorithm,
        ErrorType::InvalidSignature,
        403,
    );
    check_with("Signature=", "", Denied::Malformed, ErrorType::IncompleteSignature, 400);
    check_with(
        ", SignedHeaders=",
        "",
        Denied::Missing(HeaderPart::SignedHeaders),
        ErrorType::IncompleteSignature,
        400,
    );
    check_with("/aws4_request", "", Denied::Credential, ErrorType::IncompleteSignature, 400);
}

#[test]
fn a_scope_for_something_else_is_refused() {
    let check_with = |from: &str, to: &str, denied| {
        check(&with(|it| replace(it, "authorization", from, to)), denied, ErrorType::InvalidSignature, 403);
    };
    check_with("/eu-west-1/", "/us-east-1/", Denied::ScopeRegion("us-east-1".to_owned()));
    check_with("/lambda/", "/sqs/", Denied::ScopeService("lambda".to_owned()));
    check_with("/aws4_request", "/aws4", Denied::ScopeTerminator("aws4".to_owned()));
    let days = Denied::ScopeDate { scope: "20261117".to_owned(), header: "20261118".to_owned() };
    check_with("/20261118/", "/20261117/", days);
}

#[test]
fn clocks_may_be_five_minutes_apart() {
    let verify =
        |seconds| signed_list().verify(&verifier(Rules::lambda("eu-west-1"), None), at(seconds)).map(|_| ());
    assert_eq!((verify(AT - 300), verify(AT + 300)), (Ok(()), Ok(())));
    let message = |seconds| ApiError::from(verify(seconds).unwrap_err()).to_string();
    assert_eq!(
        message(AT + 301),
        "InvalidSignatureException: Signature expired: 20261118T110640Z is now earlier than 20261118T110641Z (20261118T111141Z - 5 min.)"
    );
    assert_eq!(
        message(AT - 301),
        "InvalidSignatureException: Signature not yet current: 20261118T110640Z is still later than 20261118T110639Z (20261118T110139Z + 5 min.)"
    );
}

#[test]
fn a_date_of_another_form_is_refused() {
    for (from, to) in
        [("20261118T110640Z", "2026-11-18T11:06:40Z"), ("T110640Z", "T116140Z"), ("Z", ""), ("Z", "z")]
    {
        check(
            &with(|it| replace(it, "x-amz-date", from, to)),
            Denied::Date,
            ErrorType::IncompleteSignature,
            400,
        );
    }
    check(
        &with(|it| it.headers.retain(|(name, _)| name != "x-amz-date")),
        Denied::Date,
        ErrorType::IncompleteSignature,
        400,
    );
}

#[test]
fn a_path_that_is_none_is_refused() {
    let request = sign(&Request::new("GET", "/", ""), "eu-west-1", None, false, at(AT));
    assert_eq!(answer(&request), Ok(KEY_ID.to_owned()));
    for path in ["", ".", "a/.."] {
        check(
            &Request { path: path.into(), ..request.clone() },
            Denied::Path,
            ErrorType::IncompleteSignature,
            400,
        );
    }
}

#[test]
fn host_and_every_x_amz_header_must_be_covered() {
    let uncovered = with(|it| replace(it, "authorization", "content-type;host;", "content-type;"));
    check(&uncovered, Denied::NotCovered("Host".to_owned()), ErrorType::InvalidSignature, 403);
    let added = with(|it| add(it, "X-Amz-Target", "x"));
    check(&added, Denied::NotCovered("x-amz-target".to_owned()), ErrorType::InvalidSignature, 403);
    let gone = with(|it| it.headers.retain(|(name, _)| name != "Content-Type"));
    check(&gone, Denied::NotSent("content-type".to_owned()), ErrorType::InvalidSignature, 403);
    // Others may be added on the way.
    assert!(answer(&with(|it| add(it, "X-Amzn-Trace-Id", "Root=1"))).is_ok());
    assert!(answer(&with(|it| add(it, "amz-sdk-request", "attempt=1"))).is_ok());
}

#[test]
fn the_body_is_always_covered() {
    let create = Request::new("POST", LIST, "{}");
    for with_hash in [false, true] {
        let mut request = sign(&create, "eu-west-1", None, with_hash, at(AT));
        assert!(answer(&request).is_ok());
        request.body = b"{ }".to_vec();
        check(
            &request,
            if with_hash { Denied::PayloadHash } else { Denied::Mismatch },
            ErrorType::InvalidSignature,
            403,
        );
    }
    for placeholder in
        ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", ""]
    {
        let mut request = create.clone();
        add(&mut request, "x-amz-content-sha256", placeholder);
        let request = sign(&request, "eu-west-1", None, false, at(AT));
        check(&request, Denied::UnsignedPayload, ErrorType::InvalidSignature, 403);
    }
}

#[test]
fn an_unknown_key_and_a_wrong_secret_are_answered_alike() {
    let request = signed_list();
    let verify = |id: &str, secret: &str| {
        let mut keys = Keys::default();
        keys.insert(
            id.to_owned(),
            Key { role: Role::Admin, secret: SecretString::from(secret.to_owned()), session_token: None },
        );
        request.verify(&Verifier::new(Rules::lambda("eu-west-1"), keys), at(AT)).map_err(ApiError::from)
    };
    let unknown = verify("AKIDOTHER", signed::SECRET).unwrap_err();
    let wrong = verify(KEY_ID, "another secret").unwrap_err();
    assert_eq!(
        (unknown.status(), unknown.headers(), unknown.body()),
        (wrong.status(), wrong.headers(), wrong.body())
    );
    assert_eq!((wrong.error_type, wrong.status()), (ErrorType::InvalidSignature, 403));
    let nobody = request.verify(&Verifier::new(Rules::lambda("eu-west-1"), Keys::default()), at(AT));
    assert_eq!(nobody, Err(Denied::Mismatch), "without any key nobody is let in");
    assert_eq!(verify(KEY_ID, signed::SECRET).unwrap().principal.role, Role::Admin);
}

#[test]
fn a_token_that_is_not_the_keys_is_refused_once_the_signature_is_right() {
    let request = sign(&Request::new("GET", LIST, ""), "eu-west-1", Some("old"), false, at(AT));
    let verified = request.verify(&verifier(Rules::lambda("eu-west-1"), Some("new")), at(AT));
    assert_eq!(verified, Err(Denied::Token));
    let error = ApiError::from(Denied::Token);
    assert_eq!(
        (error.to_string().as_str(), error.status()),
        ("UnrecognizedClientException: The security token included in the request is invalid.", 403)
    );
}

#[test]
fn the_head_alone_is_refused_before_a_body_is_read() {
    let verifier = verifier(Rules::lambda("eu-west-1"), None);
    let head =
        forebay_api::auth::Head { method: "POST", path: LIST, query: None, headers: vec![("host", b"x")] };
    assert_eq!(verifier.check_head(&head, at(AT)).map(|_| ()), Err(Denied::Unsigned));
}
