//! The verifier against AWS's own suite of signatures, against two signers that others wrote, and against
//! requests changed by one bit.

use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::one_key::verifier;
use crate::signed::{KEY_ID, Request, SECRET, sign};
use forebay_api::auth::{Denied, Paths, Rules};
use serde_json::Value;

/// The folder of AWS's suite, as the crate `aws-sigv4` brings it along (Apache-2.0).
fn suite() -> std::path::PathBuf {
    let cargo = std::env::var_os("CARGO").expect("cargo tells a test where it is");
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .current_dir(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo tells a test its package"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("a list");
    let package = packages.iter().find(|it| it["name"] == "aws-sigv4").expect("aws-sigv4 is a dependency");
    std::path::Path::new(package["manifest_path"].as_str().expect("a path"))
        .with_file_name("aws-signing-test-suite")
        .join("v4")
}

#[test]
fn every_vector_of_awss_suite_is_verified() {
    let mut n_verified = 0;
    for folder in std::fs::read_dir(suite()).unwrap().map(|it| it.unwrap().path()) {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
        // Two older folders say no key and no time; one signs with a key that was never published.
        let Ok(context) = std::fs::read_to_string(folder.join("context.json")) else { continue };
        let context: Value = serde_json::from_str(&context).unwrap();
        assert_eq!(
            (&context["credentials"]["secret_access_key"], &context["timestamp"]),
            (&Value::from(SECRET), &"2015-08-30T12:36:00Z".into())
        );
        let rules = Rules {
            region: context["region"].as_str().unwrap().to_owned(),
            service: context["service"].as_str().unwrap().to_owned(),
            paths: if context["normalize"] == true { Paths::Normalised } else { Paths::AsSent },
            skew: Duration::from_secs(300),
        };
        let token = context["credentials"]["token"].as_str();
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
        let mut request = Request::parse(&read("header-signed-request.txt"));
        let verified = if context["omit_session_token"] == true {
            // The token was added after the signature. We want every x-amz- header covered; without the token
            // the signature is right.
            let with_token = verifier(rules.clone(), token);
            assert_eq!(
                request.verify(&with_token, at),
                Err(Denied::NotCovered("x-amz-security-token".to_owned())),
                "{name}"
            );
            request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("x-amz-security-token"));
            assert_eq!(request.verify(&with_token, at), Err(Denied::Token), "{name}");
            request.verify(&verifier(rules, None), at)
        } else {
            request.verify(&verifier(rules, token), at)
        };
        assert_eq!(verified.as_ref().map(|it| it.principal.key_id.as_str()), Ok(KEY_ID), "{name}");
        n_verified += 1;
        let in_query = Request::parse(&read("query-signed-request.txt"));
        let rules =
            Rules { region: "us-east-1".to_owned(), service: "service".to_owned(), ..Rules::lambda("") };
        assert_eq!(in_query.verify(&verifier(rules, token), at), Err(Denied::QueryForm), "{name}");
    }
    assert!(n_verified >= 36, "only {n_verified} vectors were found");
}

#[test]
fn a_path_with_an_encoded_arn_is_encoded_twice_as_in_awss_suite() {
    let request = Request::parse(
        &std::fs::read_to_string(suite().join("double-url-encode/header-signed-request.txt")).unwrap(),
    );
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_620_747_645);
    let verified = request.verify(&verifier(Rules::lambda("us-east-2"), None), at);
    assert_eq!(verified.map(|it| it.principal.key_id), Ok(KEY_ID.to_owned()));
}

#[test]
fn requests_signed_by_botocore_are_verified() {
    let text = include_str!("../data/botocore.json");
    let recorded: Value = serde_json::from_str(text).unwrap();
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(recorded["unix"].as_u64().unwrap());
    let requests = recorded["requests"].as_array().unwrap();
    assert_eq!(requests.len(), 16);
    for (idx, it) in requests.iter().enumerate() {
        let request = Request::of_json(it);
        let token = (idx >= 8).then_some("AQoDYXdzEPT//////////wEXAMPLE==");
        let verified = request.verify(&verifier(Rules::lambda("eu-west-1"), token), at);
        assert_eq!(verified.map(|it| it.principal.key_id), Ok(KEY_ID.to_owned()), "{it}");
        let other = if token.is_some() { None } else { Some("a token") };
        assert_eq!(
            request.verify(&verifier(Rules::lambda("eu-west-1"), other), at),
            Err(Denied::Token),
            "{it}"
        );
    }
}

/// Requests of every shape that the API knows. None has segments of dots, which are signed as if they were
/// not there.
fn requests() -> Vec<Request> {
    let mapping = "/2015-03-31/event-source-mappings/14e0db71-5d35-4eb5-b481-8945cf9d10c2";
    let tags = "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Aevent-source-mapping%3A14e0db71-5d35-4eb5-b481-8945cf9d10c2";
    let list = "/2015-03-31/event-source-mappings/?EventSourceArn=arn%3Aaws%3Asqs%3Aeu-west-1%3A123456789012%3Aq&FunctionName=f&MaxItems=5";
    let body =
        r#"{"EventSourceArn":"arn:aws:sqs:eu-west-1:123456789012:q","FunctionName":"f","BatchSize":5}"#;
    [
        ("GET", list, ""),
        ("POST", "/2015-03-31/event-source-mappings", body),
        ("PUT", mapping, r#"{"Enabled":false}"#),
        ("DELETE", mapping, ""),
        ("GET", tags, ""),
        ("DELETE", &format!("{tags}?tagKeys=a%20b&tagKeys=%C3%A9%2B"), ""),
        ("GET", "/", ""),
    ]
    .map(|(method, target, body)| Request::new(method, target, body))
    .into()
}

#[test]
fn requests_signed_by_the_sdks_signer_are_verified() {
    let with_dots = Request::new("POST", "/a//b/./c/../d/?x", "x");
    for request in requests().into_iter().chain([with_dots]) {
        for token in [None, Some("a token/+=")] {
            for with_hash in [false, true] {
                let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000);
                let request = sign(&request, "eu-west-1", token, with_hash, at);
                let verified = request.verify(&verifier(Rules::lambda("eu-west-1"), token), at);
                assert_eq!(verified.map(|it| it.principal.key_id), Ok(KEY_ID.to_owned()), "{request:?}");
            }
        }
    }
}

/// 6. of the security requirements: method, path, query, host, every signed header, the signature itself and
///    the body.
#[test]
fn ten_thousand_requests_changed_by_one_bit_are_all_refused() {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000);
    let verifier = verifier(Rules::lambda("eu-west-1"), Some("a token/+="));
    let signed: Vec<Request> =
        requests().iter().map(|it| sign(it, "eu-west-1", Some("a token/+="), true, at)).collect();
    // A fixed seed: the same bits every time.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 16).unwrap() % below
    };
    let mut n_refused = 0;
    while n_refused < 10_000 {
        let whole = &signed[draw(signed.len())];
        let mut changed = whole.clone();
        let (part, bit) = (draw(changed.n_parts()), draw(8));
        let bytes = changed.part(part);
        if bytes.is_empty() {
            continue;
        }
        let at_byte = draw(bytes.len());
        bytes[at_byte] ^= 1 << bit;
        let answer = changed.verify(&verifier, at);
        assert!(
            answer.is_err(),
            "accepted with bit {bit} of byte {at_byte} of part {part} changed: {changed:?}\nit was {whole:?}"
        );
        n_refused += 1;
    }
    signed.iter().for_each(|it| assert!(it.verify(&verifier, at).is_ok(), "{it:?}"));
}
