//! Calls of others, passed on to a service as they came, or signed anew.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, Request, Response};
use hyper::body::Incoming;

use super::{Aws, AwsAccess, AwsError, AwsTarget, sign};
use crate::http::HttpClients;
use crate::outgoing::StreamBody;
use crate::stream::StreamError;
use forebay_config::AwsSettings;
use forebay_config::aws::AwsService;

/// The headers of a signature.
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// Passes calls on to one service.
#[derive(Debug, Clone)]
pub struct AwsRelay {
    access: AwsAccess,
    service: &'static AwsService,
    signs: bool,
}

/// A call that could not be passed on.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// There are no credentials to sign it with.
    #[error(transparent)]
    Credentials(AwsError),
    /// It cannot be signed or addressed as it is.
    #[error("the request cannot be passed on as it is")]
    Request(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer came.
    #[error(transparent)]
    Stream(#[from] StreamError),
}

impl Aws {
    /// Whoever passes calls on to the endpoint that is written for a service, or named by the environment;
    /// `None` where neither says one: nothing is ever sent to AWS itself unasked. It signs anew where
    /// credentials are written or named by the environment.
    ///
    /// # Errors
    /// What cannot be used.
    pub async fn relay(
        &self,
        service: &'static AwsService,
        clients: &HttpClients,
    ) -> Result<Option<AwsRelay>, AwsError> {
        if self.common_of(service).endpoint_of(service).is_none() {
            return Ok(None);
        }
        let own = AwsSettings::default();
        let access = self
            .prepare(AwsTarget { service, own: &own, region: None, account: None, endpoint: None }, clients)
            .await?;
        let is_written = self.common.credentials.is_some() || self.common.assume_role.is_some();
        let signs = is_written || self.has_ambient;
        Ok(Some(AwsRelay { access, service, signs }))
    }
}

impl AwsRelay {
    /// Scheme, host and port.
    pub fn endpoint(&self) -> &str {
        &self.access.endpoint
    }

    /// Whether calls are signed anew; the hash of the body must be known then.
    pub fn signs(&self) -> bool {
        self.signs
    }

    /// Sends a request. Its address is path and query only, and they go out as they are; `body_hash` is that
    /// of its body in hexadecimal digits. Nothing but connecting has a deadline.
    ///
    /// # Errors
    /// See [`RelayError`].
    pub async fn send(
        &self,
        mut request: Request<StreamBody>,
        body_hash: Option<String>,
    ) -> Result<Response<Incoming>, RelayError> {
        let target = request.uri().path_and_query().map_or("/", |it| it.as_str());
        let url = format!("{}{target}", self.access.endpoint);
        *request.uri_mut() =
            url.parse().map_err(|error: http::uri::InvalidUri| RelayError::Request(error.into()))?;
        if let (true, Some(hash)) = (self.signs, body_hash) {
            let credentials = self.access.credentials.get().await;
            let credentials = credentials.map_err(|cause| {
                RelayError::Credentials(self.access.without_credentials(self.service, cause))
            })?;
            self.sign(&mut request, hash, credentials, SystemTime::now()).map_err(RelayError::Request)?;
        }
        Ok(self.access.http.stream(request).await?)
    }

    /// Puts our signature in place of the client's. It covers what a service looks at: who knows what else a
    /// client sends.
    fn sign<B>(
        &self,
        request: &mut Request<B>,
        hash: String,
        credentials: Credentials,
        now: SystemTime,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        for name in [AUTHORIZATION, DATE, TOKEN] {
            request.headers_mut().remove(name);
        }
        let is_covered = |name: &HeaderName| *name == CONTENT_TYPE || name.as_str().starts_with("x-amz-");
        let covered: HeaderMap = request
            .headers()
            .iter()
            .filter(|(name, _)| is_covered(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let mut signed = Request::builder().method(request.method()).uri(request.uri()).body(())?;
        *signed.headers_mut() = covered;
        let scope = sign::Scope {
            service: self.service.signed_for,
            region: &self.access.region,
            identity: &credentials.into(),
        };
        sign::sign(&mut signed, hash, &scope, now)?;
        for name in [AUTHORIZATION, DATE, TOKEN] {
            if let Some(value) = signed.headers_mut().remove(&name) {
                request.headers_mut().insert(name, value);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use forebay_config::aws::AwsRole;
    use forebay_config::function::LAMBDA;
    use forebay_config::{AwsCredentials, AwsKey};

    use super::*;

    async fn relay(
        settings: &AwsSettings,
        variables: &'static [(&'static str, &'static str)],
    ) -> Option<AwsRelay> {
        let variable = move |name: &str| {
            variables.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned())
        };
        Aws::new(settings, variable).relay(&LAMBDA, &HttpClients::new()).await.unwrap()
    }

    #[tokio::test]
    async fn nothing_is_passed_on_to_aws_unasked() {
        assert!(
            relay(&AwsSettings::default(), &[("AWS_REGION", "eu-west-1"), ("AWS_ACCESS_KEY_ID", "a")])
                .await
                .is_none()
        );
        let named =
            relay(&AwsSettings::default(), &[("AWS_ENDPOINT_URL_LAMBDA", "http://h:1")]).await.unwrap();
        assert_eq!((named.endpoint(), named.signs()), ("http://h:1", false));
        let key = &[("AWS_ENDPOINT_URL", "http://h:1/"), ("AWS_ACCESS_KEY_ID", "a")];
        assert!(relay(&AwsSettings::default(), key).await.unwrap().signs());
        let role = AwsRole {
            role_arn: "arn:aws:iam::222222222222:role/r".into(),
            external_id: None,
            session_name: "forebay".into(),
        };
        let taken = AwsSettings {
            endpoint: Some("http://h:1".into()),
            assume_role: Some(role),
            ..AwsSettings::default()
        };
        assert!(relay(&taken, &[]).await.unwrap().signs(), "with the role's");
    }

    #[tokio::test]
    async fn our_signature_takes_the_place_of_the_clients() {
        let key = AwsKey {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: "s".into(),
            session_token: None,
        };
        let settings = AwsSettings {
            endpoint: Some("http://h:1".into()),
            credentials: Some(AwsCredentials::Key(key)),
            ..AwsSettings::default()
        };
        let relay = relay(&settings, &[]).await.unwrap();
        let request = Request::post("http://h:1/2015-03-31/functions/a%2Fb/invocations?Qualifier=1")
            .header("authorization", "AWS4-HMAC-SHA256 theirs")
            .header("x-amz-security-token", "theirs")
            .header("x-amz-invocation-type", "Event")
            .header("x-other", &b"\xff"[..]);
        let mut request = request.body(()).unwrap();
        let credentials = relay.access.credentials.get().await.unwrap();
        relay
            .sign(
                &mut request,
                "0".repeat(64),
                credentials,
                SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160),
            )
            .unwrap();
        let authorization = request.headers()["authorization"].to_str().unwrap();
        let expected = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/lambda/aws4_request, \
                        SignedHeaders=host;x-amz-date;x-amz-invocation-type, Signature=";
        assert!(authorization.starts_with(expected), "{authorization}");
        assert_eq!(request.headers().get("x-amz-security-token"), None);
        assert_eq!(request.headers()["x-other"].as_bytes(), b"\xff");
    }
}
