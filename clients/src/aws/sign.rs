//! Signature version 4 over a request whose body is known by its hash.

use std::time::SystemTime;

use crate::BoxError;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign as signature};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use http::Request;
use sha2::{Digest, Sha256};

/// What a signature is good for.
pub(super) struct Scope<'a> {
    pub(super) service: &'a str,
    pub(super) region: &'a str,
    pub(super) identity: &'a Identity,
}

/// The hash of a body, in hexadecimal digits.
pub(super) fn hash(pieces: &[Bytes]) -> String {
    let mut hash = Sha256::new();
    pieces.iter().for_each(|piece| hash.update(piece));
    hex::encode(hash.finalize())
}

/// Adds the signature's headers. All headers that the request has by then are covered.
pub(super) fn sign<B>(
    request: &mut Request<B>,
    body_hash: String,
    scope: &Scope<'_>,
    now: SystemTime,
) -> Result<(), BoxError> {
    let params = v4::SigningParams::builder()
        .identity(scope.identity)
        .region(scope.region)
        .name(scope.service)
        .time(now)
        .settings(SigningSettings::default())
        .build()?
        .into();
    let mut headers = Vec::with_capacity(request.headers().len());
    for (name, value) in request.headers() {
        headers.push((name.as_str(), value.to_str()?));
    }
    let url = request.uri().to_string();
    let signable = SignableRequest::new(
        request.method().as_str(),
        &url,
        headers.into_iter(),
        SignableBody::Precomputed(body_hash),
    )?;
    let (instructions, _) = signature(signable, &params)?.into_parts();
    instructions.apply_to_request_http1x(request);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_credential_types::Credentials;

    use super::*;

    fn signed(
        service: &'static str,
        token: Option<&str>,
        mut request: Request<()>,
        body: &'static [u8],
    ) -> Request<()> {
        let key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let identity = Credentials::new("AKIDEXAMPLE", key, token.map(str::to_owned), None, "test").into();
        // 2015-08-30T12:36:00Z, the moment of AWS's test suite.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
        let scope = Scope { service, region: "us-east-1", identity: &identity };
        sign(&mut request, hash(&[Bytes::from_static(body)]), &scope, now).unwrap();
        request
    }

    fn authorization(request: &Request<()>) -> &str {
        request.headers()["authorization"].to_str().unwrap()
    }

    #[test]
    fn the_post_of_awss_test_suite_has_its_signature() {
        let request = Request::post("https://example.amazonaws.com/").body(()).unwrap();
        assert_eq!(
            authorization(&signed("service", None, request, b"")),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, \
             Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
        );
    }

    #[test]
    fn headers_token_path_and_body_are_covered() {
        let request = |path: &str| {
            let request = Request::post(format!("http://127.0.0.1:4566{path}"))
                .header("x-amz-target", "AmazonSQS.SendMessage");
            request.body(()).unwrap()
        };
        let first = signed("sqs", Some("token"), request("/"), b"a");
        assert!(
            authorization(&first).contains("SignedHeaders=host;x-amz-date;x-amz-security-token;x-amz-target"),
            "{first:?}"
        );
        assert_eq!(first.headers()["x-amz-security-token"], "token");
        for other in [
            signed("sqs", Some("token"), request("/"), b"b"),
            signed("sqs", Some("token"), request("/x"), b"a"),
        ] {
            assert_ne!(authorization(&first), authorization(&other));
        }
    }
}
