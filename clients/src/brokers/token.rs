//! Tokens for brokers: from an OAuth 2 server by client credentials, or signed with credentials of AWS as MSK
//! takes them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign as signature,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use forebay_config::aws::AwsService;
use forebay_config::brokers::BrokerOAuth;
use forebay_config::{AwsSettings, aws_service};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use http::{Request, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rdkafka::client::OAuthToken;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::runtime::Handle;

use super::error::BrokerError;
use super::secrets::BrokerSecrets;
use crate::aws::{AwsAccess, AwsTarget, with_causes};
use crate::exchange::Limits;
use crate::http::HttpClient;
use crate::pieces::Pieces;
use crate::{BoxError, Clients, shortened};

/// What is not unreserved in a URI stands encoded in a form, too.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What tokens for MSK are signed for; it is never called.
static MSK: AwsService = aws_service!("kafka-cluster", "KAFKA_CLUSTER", "nothing");
/// How long a token for MSK is good: the longest that its brokers take.
const IAM_AGE_MAX: Duration = Duration::from_secs(900);
/// How long a token is good whose server does not say so.
const OAUTH_AGE: u64 = 300;
const LIMITS: Limits = Limits { time: Duration::from_secs(10), answer_bytes: 1 << 20 };

/// Gives tokens.
#[derive(Debug)]
pub(super) struct TokenSource {
    runtime: Handle,
    grant: TokenGrant,
    identity: String,
}

#[derive(Debug)]
enum TokenGrant {
    OAuth { http: HttpClient, url: Uri, form: SecretString, client_id: String },
    Iam(Box<AwsAccess>),
}

impl TokenSource {
    pub(super) fn oauth(
        oauth: &BrokerOAuth,
        secrets: &BrokerSecrets,
        clients: &Clients,
    ) -> Result<Self, BrokerError> {
        let url: Uri = oauth.token_url.parse().expect("the settings hold URLs that a request can be sent to");
        let http = clients.http.client(&url, oauth.ca_file.as_deref())?;
        let secret = secrets.of(&oauth.client_secret);
        let mut pairs = vec![
            ("grant_type", "client_credentials"),
            ("client_id", &oauth.client_id),
            ("client_secret", secret.expose_secret()),
        ];
        pairs.extend(oauth.scope.as_deref().map(|it| ("scope", it)));
        pairs.extend(oauth.audience.as_deref().map(|it| ("audience", it)));
        let pairs =
            pairs.into_iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, ENCODED)));
        let form = pairs.collect::<Vec<_>>().join("&");
        let identity = format!("{} {form} {:?}", oauth.token_url, oauth.ca_file);
        let client_id = oauth.client_id.clone();
        let grant = TokenGrant::OAuth { http, url, form: form.into(), client_id };
        Ok(Self { runtime: Handle::current(), grant, identity })
    }

    pub(super) async fn iam(own: &AwsSettings, clients: &Clients) -> Result<Self, BrokerError> {
        let target = AwsTarget { service: &MSK, own, region: None, account: None, endpoint: None };
        let access = clients.aws_access(target).await?;
        let identity = format!("{} {own:?}", access.region);
        Ok(Self { runtime: Handle::current(), grant: TokenGrant::Iam(Box::new(access)), identity })
    }

    /// The same for sources of the same tokens; it may hold a secret.
    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    /// A new token, or why there is none. Waits, and so must not be called by a worker of tokio's.
    pub(super) fn fetch(&self) -> Result<OAuthToken, String> {
        let fetch = async {
            match &self.grant {
                TokenGrant::OAuth { http, url, form, client_id } => {
                    fetch_oauth(http, url, form, client_id).await
                }
                TokenGrant::Iam(access) => {
                    let credentials = access.credentials.get().await?;
                    iam_token(&access.region, &credentials.into(), SystemTime::now())
                }
            }
        };
        self.runtime.block_on(fetch).map_err(|error| with_causes(&*error))
    }
}

/// What an OAuth 2 server answers (RFC 6749, 5.1 and 5.2).
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Option<String>,
    expires_in: Option<u64>,
    error: Option<String>,
}

async fn fetch_oauth(
    http: &HttpClient,
    url: &Uri,
    form: &SecretString,
    client_id: &str,
) -> Result<OAuthToken, BoxError> {
    let body = Bytes::from(form.expose_secret().to_owned());
    let mut request = Request::post(url.clone()).body(Pieces::new(vec![body]))?;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let asked = SystemTime::now();
    let answer = http.exchange(request, LIMITS).await?;
    let status = answer.head.status;
    let read: Option<TokenAnswer> = serde_json::from_slice(&answer.body?).ok();
    let wrong = |what: String| BoxError::from(format!("the token endpoint answered {status}: {what}"));
    let read = read.ok_or_else(|| wrong("no JSON object with a token".to_owned()))?;
    if let Some(error) = read.error {
        return Err(wrong(shortened(&error)));
    }
    let token = read.access_token.filter(|_| status.is_success());
    let token = token.ok_or_else(|| wrong("no `access_token`".to_owned()))?;
    let ends = asked + Duration::from_secs(read.expires_in.unwrap_or(OAUTH_AGE));
    Ok(OAuthToken { token, principal_name: client_id.to_owned(), lifetime_ms: epoch_ms(ends) })
}

/// A URL that is signed in its query, in Base64: what MSK's brokers take for a token.
pub(super) fn iam_token(region: &str, identity: &Identity, now: SystemTime) -> Result<OAuthToken, BoxError> {
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(IAM_AGE_MAX);
    let params = v4::SigningParams::builder()
        .identity(identity)
        .region(region)
        .name(MSK.signed_for)
        .time(now)
        .settings(settings)
        .build()?
        .into();
    let url = format!("https://kafka.{region}.amazonaws.com/?Action=kafka-cluster%3AConnect");
    let signable = SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::Bytes(&[]))?;
    let (instructions, _) = signature(signable, &params)?.into_parts();
    let mut request = Request::get(url).body(())?;
    instructions.apply_to_request_http1x(&mut request);
    let url = format!("{}&User-Agent=forebay", request.uri());
    // Temporary credentials may end before the token would.
    let ends = now + IAM_AGE_MAX;
    let ends = identity.expiration().map_or(ends, |it| it.min(ends));
    let token = URL_SAFE_NO_PAD.encode(url);
    Ok(OAuthToken { token, principal_name: String::new(), lifetime_ms: epoch_ms(ends) })
}

fn epoch_ms(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
