//! Signed requests to AWS's services and to servers that speak like them. Credentials are static; nothing is asked of a metadata service.

mod sign;

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use forebay_config::{AwsCredentials, AwsSettings};
use http::header::{HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, Request, Uri};

use crate::address::{ForbiddenAddress, judge_host};
use crate::exchange::{Answer, ExchangeError, Limits};
use crate::http::{HttpClient, HttpClients};
use crate::pieces::Pieces;
use crate::tls::TlsError;

/// The account of ARNs where none is known.
const ACCOUNT: &str = "000000000000";

/// A service cannot be called with these settings.
#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    /// FB-0360
    #[error(
        "there are no credentials for {service}: write `aws.access_key_id` and `aws.secret_access_key`, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )]
    Credentials {
        /// Which service.
        service: &'static str,
    },
    /// FB-0361
    #[error("there is no region for {service}: write `aws.region`, or set AWS_REGION")]
    Region {
        /// Which service.
        service: &'static str,
    },
    /// FB-0362
    #[error("the endpoint {endpoint} of {service} is no http:// or https:// URL of a host and a port")]
    Endpoint {
        /// Which service.
        service: &'static str,
        /// What was written.
        endpoint: String,
    },
    /// FB-0362
    #[error("the endpoint of {service} is a forbidden address")]
    Address {
        /// Which service.
        service: &'static str,
        /// Why.
        #[source]
        cause: ForbiddenAddress,
    },
    /// The code is that of the cause.
    #[error("TLS to {endpoint} cannot be set up")]
    Tls {
        /// Where to.
        endpoint: String,
        /// Why.
        #[source]
        cause: TlsError,
    },
}

impl AwsError {
    /// The page that explains it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Credentials { .. } => "FB-0360",
            Self::Region { .. } => "FB-0361",
            Self::Endpoint { .. } | Self::Address { .. } => "FB-0362",
            Self::Tls { cause, .. } => cause.code(),
        }
    }
}

/// What is called, as far as its own settings say so.
#[derive(Debug, Clone, Copy)]
pub struct AwsTarget<'a> {
    /// `lambda`, `sqs` or `sns`.
    pub service: &'static str,
    /// Its region.
    pub region: Option<&'a str>,
    /// Its endpoint.
    pub endpoint: Option<&'a str>,
    /// The endpoint that its name holds, after which only AWS's own is left.
    pub home: Option<&'a str>,
}

/// Region and credentials of everything that is called: what is configured, then what the environment says.
#[derive(Debug, Clone)]
pub struct Aws {
    settings: AwsSettings,
}

impl Aws {
    /// Fills what the settings leave out. `variable` looks a variable of the environment up; an empty one counts as not set.
    pub fn new(settings: &AwsSettings, variable: impl Fn(&str) -> Option<String>) -> Self {
        let mut settings = settings.clone();
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        settings.region = settings.region.or_else(|| variable("AWS_REGION")).or_else(|| variable("AWS_DEFAULT_REGION"));
        settings.credentials = settings.credentials.or_else(|| {
            Some(AwsCredentials {
                access_key_id: variable("AWS_ACCESS_KEY_ID")?,
                secret_access_key: variable("AWS_SECRET_ACCESS_KEY")?,
                session_token: variable("AWS_SESSION_TOKEN"),
            })
        });
        Self { settings }
    }

    /// The account that an ARN gets whose own is not known.
    pub fn account(&self) -> &str {
        self.settings.account_id.as_deref().unwrap_or(ACCOUNT)
    }

    /// A client for one thing that is called. Nothing is sent. Reads the CA file, so it is meant for start and reload.
    pub fn client(&self, target: AwsTarget<'_>, clients: &HttpClients) -> Result<AwsClient, AwsError> {
        let service = target.service;
        let region = target.region.or(self.settings.region.as_deref()).ok_or(AwsError::Region { service })?;
        let credentials = self.settings.credentials.as_ref().ok_or(AwsError::Credentials { service })?;
        let endpoint = target.endpoint.or(self.settings.endpoint.as_deref()).or(target.home);
        let endpoint = endpoint.map_or_else(|| own_endpoint(service, region), str::to_owned);
        let wrong = || AwsError::Endpoint { service, endpoint: endpoint.clone() };
        let url: Uri = endpoint.parse().map_err(|_| wrong())?;
        let (Some("http" | "https"), Some(authority)) = (url.scheme_str(), url.authority()) else { return Err(wrong()) };
        if authority.as_str().contains('@') || !matches!(url.path_and_query().map_or("/", |it| it.as_str()), "/" | "") {
            return Err(wrong());
        }
        judge_host(authority.host()).map_err(|cause| AwsError::Address { service, cause })?;
        let http = clients.client(&url, self.settings.ca_file.as_deref());
        let http = http.map_err(|cause| AwsError::Tls { endpoint: endpoint.clone(), cause })?;
        let AwsCredentials { access_key_id, secret_access_key, session_token } = credentials.clone();
        let identity = Credentials::new(access_key_id, secret_access_key, session_token, None, "forebay").into();
        Ok(AwsClient { http, endpoint: endpoint.trim_end_matches('/').to_owned(), service, region: region.to_owned(), identity })
    }
}

fn own_endpoint(service: &str, region: &str) -> String {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://{service}.{region}.{domain}")
}

/// Sends signed requests to one service in one region.
#[derive(Debug, Clone)]
pub struct AwsClient {
    http: HttpClient,
    endpoint: String,
    service: &'static str,
    region: String,
    identity: Identity,
}

impl AwsClient {
    /// The region that requests are signed for.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Scheme, host and port.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Posts once, signed with the time of now. `path` is encoded already. Redirects are answers like any other.
    pub async fn post(&self, path: &str, headers: HeaderMap, pieces: Vec<Bytes>, limits: Limits) -> Result<Answer, ExchangeError> {
        let hash = sign::hash(&pieces);
        let mut request = Request::new(Pieces::new(pieces));
        *request.method_mut() = Method::POST;
        *request.uri_mut() =
            format!("{}{path}", self.endpoint).parse().map_err(|error: http::uri::InvalidUri| ExchangeError::NotSent(error.into()))?;
        *request.headers_mut() = headers;
        let scope = sign::Scope { service: self.service, region: &self.region, identity: &self.identity };
        sign::sign(&mut request, hash, &scope, std::time::SystemTime::now()).map_err(ExchangeError::NotSent)?;
        // After the signature, which does not cover it: proxies change it.
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(concat!("forebay/", env!("CARGO_PKG_VERSION"))));
        self.http.exchange(request, limits).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> AwsSettings {
        let credentials = AwsCredentials { access_key_id: "a".into(), secret_access_key: "s3cret".into(), session_token: None };
        AwsSettings { region: Some("eu-west-1".into()), credentials: Some(credentials), ..AwsSettings::default() }
    }

    fn client(settings: &AwsSettings, endpoint: Option<&str>, home: Option<&str>) -> Result<AwsClient, AwsError> {
        let target = AwsTarget { service: "sqs", region: None, endpoint, home };
        Aws::new(settings, |_| None).client(target, &HttpClients::new())
    }

    #[test]
    fn the_nearest_endpoint_is_taken() {
        let common = AwsSettings { endpoint: Some("http://common:1".into()), ..settings() };
        let endpoint = |settings, own, home| client(settings, own, home).unwrap().endpoint().to_owned();
        assert_eq!(endpoint(&common, Some("http://own:1/"), Some("http://home:1")), "http://own:1");
        assert_eq!(endpoint(&common, None, Some("http://home:1")), "http://common:1");
        assert_eq!(endpoint(&settings(), None, Some("http://home:1")), "http://home:1");
        assert_eq!(own_endpoint("sqs", "eu-west-1"), "https://sqs.eu-west-1.amazonaws.com");
        assert_eq!(own_endpoint("sns", "cn-north-1"), "https://sns.cn-north-1.amazonaws.com.cn");
    }

    #[test]
    fn what_is_not_configured_comes_from_the_environment_and_never_in_halves() {
        let aws = |set: &'static [(&str, &str)]| {
            Aws::new(&AwsSettings::default(), |name| set.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned())).settings
        };
        let whole =
            aws(&[("AWS_DEFAULT_REGION", "r"), ("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b"), ("AWS_SESSION_TOKEN", "")]);
        let credentials = whole.credentials.unwrap();
        assert_eq!((whole.region.as_deref(), credentials.access_key_id.as_str(), credentials.session_token), (Some("r"), "a", None));
        assert_eq!(aws(&[("AWS_ACCESS_KEY_ID", "a")]).credentials, None);
        let configured = Aws::new(&settings(), |_| Some("other".to_owned())).settings;
        assert_eq!((configured.region, configured.credentials), (settings().region, settings().credentials));
    }

    #[test]
    fn what_is_missing_or_cannot_be_called_is_refused_by_its_code() {
        let code = |settings: &AwsSettings, endpoint| client(settings, endpoint, None).unwrap_err().code();
        assert_eq!(code(&AwsSettings { credentials: None, ..settings() }, None), "FB-0360");
        assert_eq!(code(&AwsSettings { region: None, ..settings() }, None), "FB-0361");
        for endpoint in ["h", "ftp://h", "http://h/path", "http://u:p@h", "http://169.254.169.254"] {
            assert_eq!(code(&settings(), Some(endpoint)), "FB-0362", "{endpoint}");
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        assert!(
            !format!("{:?} {:?}", client(&settings(), Some("http://h"), None).unwrap(), Aws::new(&settings(), |_| None)).contains("s3cret")
        );
    }
}
