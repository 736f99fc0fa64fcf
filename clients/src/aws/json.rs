//! Calls of services that speak AWS JSON: one signed POST to `/`, the operation in a header, tried again as
//! AWS's SDK tries again.

mod failed;
mod retry;
mod signer;
mod stamp;
mod stream;
#[cfg(test)]
mod tests;
mod text;

use std::time::SystemTime;

use aws_credential_types::Credentials;
use bytes::Bytes;
use forebay_config::aws::AwsService;
use forebay_config::url::UrlMistake;
use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request, Uri};
use tokio::time::{Instant, sleep, timeout_at};

use self::failed::Failed;
use self::retry::RetryBudget;
use self::signer::JsonSigner;
use self::stamp::Stamp;
pub use self::stream::JsonStream;
pub use self::text::{AnswerText, WireText, read_answer, read_answer_with};
use super::skew::{ClockSkew, TELLING_MS};
use super::{AwsAccess, AwsError, CallFailure, KeptCredentials, judged, sign, with_causes};
use crate::exchange::{Answer, Limits};
use crate::http::HttpClient;
use crate::pieces::Pieces;
use crate::pool::host;

const AUTHORIZATION: HeaderName = HeaderName::from_static("authorization");
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const QUERY_MODE: HeaderName = HeaderName::from_static("x-amzn-query-mode");
/// Proxies may change it, so no signature covers it.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("forebay/", env!("CARGO_PKG_VERSION")));
/// Headers that a request has at most, those that the connection adds included.
const HEADERS_MAX: usize = 12;

/// Who makes the calls of a service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Transport {
    /// Our own code.
    #[default]
    Plain,
    /// AWS's SDK.
    Sdk,
}

impl Transport {
    /// Each by its word, the default first.
    pub const ALL: [(&'static str, Self); 2] = [("plain", Self::Plain), ("sdk", Self::Sdk)];
    /// Their words alone.
    pub const WORDS: [&'static str; 2] = [Self::ALL[0].0, Self::ALL[1].0];
}

/// How a service that speaks AWS JSON is called.
#[derive(Debug, Clone, Copy)]
pub struct JsonDialect {
    /// The service.
    pub service: &'static AwsService,
    /// `application/x-amz-json-1.0` or `-1.1`.
    pub content_type: &'static str,
    /// It spoke another protocol before, and is asked for the error codes of that one.
    pub has_query_codes: bool,
}

/// One call.
#[derive(Debug, Clone)]
pub struct JsonCall {
    /// What the header `X-Amz-Target` says, such as `Service_20131202.Operation`.
    pub target: &'static str,
    /// The parameters, as JSON.
    pub body: Bytes,
    /// What each try may take.
    pub limits: Limits,
    /// How often it is tried at most.
    pub tries: u32,
}

/// Calls one service with AWS JSON. What it learns of the service's clock, and how many retries it may still
/// spend, is shared by all its calls.
#[derive(Debug)]
pub struct JsonClient {
    http: HttpClient,
    credentials: KeptCredentials,
    dialect: JsonDialect,
    url: Uri,
    host: HeaderValue,
    signer: JsonSigner,
    skew: ClockSkew,
    budget: RetryBudget,
}

impl JsonClient {
    /// Nothing is called yet.
    ///
    /// # Errors
    /// The endpoint is no URL.
    pub fn new(access: AwsAccess, dialect: JsonDialect) -> Result<Self, AwsError> {
        let AwsAccess { http, endpoint, region, credentials } = access;
        let url = judged(dialect.service, &endpoint)?;
        let host = host(&url)
            .ok_or(AwsError::Endpoint { service: dialect.service.name, cause: UrlMistake::NoHost })?;
        let signer = JsonSigner::new(dialect.service.signed_for, region);
        let (skew, budget) = (ClockSkew::default(), RetryBudget::default());
        Ok(Self { http, credentials, dialect, url, host, signer, skew, budget })
    }

    /// Calls, and again after a pause while the failure may pass: no connection, no whole answer in time, a
    /// status of 500, 502, 503 or 504, a throttle, or a clock that is off by what the answer shows; what is refused
    /// for the clock is called again at once, whatever tries are left. Gives the body of an answer that says that
    /// it worked, as it came.
    ///
    /// # Errors
    /// The failure of the last try.
    pub async fn call(&self, call: JsonCall) -> Result<Bytes, CallFailure> {
        let (mut n_tries, mut is_corrected) = (0, false);
        loop {
            let failed = match self.once(&call).await {
                Ok(body) => {
                    self.budget.worked();
                    return Ok(body);
                }
                Err(failed) => failed,
            };
            // Once, and no try of the caller's: what was wrong with it is mended, and who is refused so is counted
            // for nothing.
            if failed.is_clock_mended && !std::mem::replace(&mut is_corrected, true) {
                continue;
            }
            n_tries += 1;
            if !failed.retry_cost().is_some_and(|cost| n_tries < call.tries && self.budget.take(cost)) {
                return Err(failed.failure);
            }
            sleep(retry::pause(n_tries, failed.retry_after, fastrand::f64())).await;
        }
    }

    async fn once(&self, call: &JsonCall) -> Result<Bytes, Failed> {
        let until = Instant::now() + call.limits.time;
        let signed_with = self.skew.millis();
        let (request, sent) = self.signed(call, until).await?;
        let limits = Limits { time: until - Instant::now(), ..call.limits };
        let Answer { head, body } =
            self.http.exchange(request, limits).await.map_err(|error| Failed::lost(&error))?;
        let skew = self.skew.learn(&head.headers, sent, SystemTime::now());
        let was_off = skew.is_some_and(|it| it.abs_diff(signed_with) > TELLING_MS);
        failed::judged(head, body, skew).map_err(|mut it| {
            it.is_clock_mended &= was_off;
            it
        })
    }

    /// The signed request, and when it was signed.
    async fn signed(&self, call: &JsonCall, until: Instant) -> Result<(Request<Pieces>, SystemTime), Failed> {
        let credentials = match timeout_at(until, self.credentials.get()).await {
            Ok(Ok(it)) => it,
            Ok(Err(error)) => return Err(Failed::final_one(CallFailure::NoCredentials(with_causes(&error)))),
            Err(_) => {
                let text = format!("none within {:?}; tried: {}", call.limits.time, self.credentials.tried());
                return Err(Failed::final_one(CallFailure::NoCredentials(text)));
            }
        };
        let sent = SystemTime::now();
        let request = self.request(call, &credentials, self.skew.correct(sent));
        let request = request.map_err(|text| Failed::final_one(CallFailure::NoCredentials(text)))?;
        Ok((request, sent))
    }

    /// The signed request. The error is for people: credentials that no header can hold.
    fn request(
        &self,
        call: &JsonCall,
        credentials: &Credentials,
        now: SystemTime,
    ) -> Result<Request<Pieces>, String> {
        let stamp = Stamp::of(now);
        let host = self.host.to_str().unwrap_or_default();
        let token = credentials.session_token();
        let mut covered = Vec::with_capacity(6);
        covered.extend([
            ("content-type", self.dialect.content_type),
            ("host", host),
            ("x-amz-date", stamp.time()),
        ]);
        covered.extend(token.map(|it| ("x-amz-security-token", it)));
        covered.push(("x-amz-target", call.target));
        covered.extend(self.dialect.has_query_codes.then_some(("x-amzn-query-mode", "true")));
        let hash = sign::hash(std::slice::from_ref(&call.body));
        let authorization = self.signer.authorization(&covered, &hash, credentials, &stamp);
        let mut headers = HeaderMap::with_capacity(HEADERS_MAX);
        headers.insert(HOST, self.host.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.dialect.content_type));
        headers.insert(TARGET, HeaderValue::from_static(call.target));
        headers.insert(DATE, stamp.header());
        headers.insert(AUTHORIZATION, secret(&authorization)?);
        if let Some(token) = token {
            headers.insert(TOKEN, secret(token)?);
        }
        if self.dialect.has_query_codes {
            headers.insert(QUERY_MODE, HeaderValue::from_static("true"));
        }
        headers.insert(USER_AGENT, AGENT);
        let mut request = Request::new(Pieces::new(vec![call.body.clone()]));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// A value that is never shown. The error is for people.
fn secret(text: &str) -> Result<HeaderValue, String> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| "they hold what a header cannot hold".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}
