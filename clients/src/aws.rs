//! Calls of AWS's services and of servers that speak like them: where to, with which credentials, signed.

mod call_failure;
mod credentials;
mod error;
mod failures;
mod identity;
mod json;
mod provider;
mod relay;
mod role;
mod sdk;
mod sign;
mod skew;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

use aws_credential_types::provider::error::CredentialsError;
use bytes::Bytes;
use forebay_config::aws::{AwsRole, AwsService, NamedAccount, STS};
use forebay_config::url::{self, UrlMistake};
use forebay_config::{AwsCredentials, AwsSettings};
use http::header::{HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, Request, Uri};
use tokio::sync::Mutex;
use tracing::warn;

use self::skew::ClockSkew;
use crate::exchange::{Answer, ExchangeError, Limits};
use crate::http::{HttpClient, HttpClients};
use crate::mark::Mark;
use crate::pieces::Pieces;

pub use call_failure::{CallFailure, with_causes};
pub use credentials::KeptCredentials;
pub use error::AwsError;
pub use identity::aws_identity;
pub use json::{
    AnswerText, JsonCall, JsonClient, JsonDialect, JsonStream, Transport, WireText, read_answer,
    read_answer_with,
};
pub use relay::{AwsRelay, RelayError};
use role::RoleTaker;
pub use sdk::sdk_client;

/// The account of ARNs where none is known.
const ACCOUNT: &str = "000000000000";
/// The region of servers of one's own where none is known: it has no meaning there but must be signed for.
const REGION: &str = "us-east-1";

/// The variables that name credentials.
const CREDENTIALS: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

/// The variables that name AWS's shared files, and where these are below the home without them.
const SHARED_FILES: [(&str, &str); 2] =
    [("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"), ("AWS_CONFIG_FILE", ".aws/config")];

/// What is called.
#[derive(Debug, Clone, Copy)]
pub struct AwsTarget<'a> {
    /// The service.
    pub service: &'static AwsService,
    /// What it says itself: goes before all else.
    pub own: &'a AwsSettings,
    /// The region that its name holds: goes before what all share.
    pub region: Option<&'a str>,
    /// The account that its name holds: what is written of that account goes before what all share.
    pub account: Option<&'a str>,
    /// The endpoint that its name holds, after which only AWS's own is left.
    pub endpoint: Option<&'a str>,
}

/// What one service is called with.
#[derive(Debug, Clone)]
pub struct AwsAccess {
    /// The connections.
    pub http: HttpClient,
    /// Scheme, host and port.
    pub endpoint: String,
    /// What requests are signed for.
    pub region: String,
    /// What they are signed with.
    pub credentials: KeptCredentials,
}

impl AwsAccess {
    fn without_credentials(&self, service: &AwsService, cause: CredentialsError) -> AwsError {
        AwsError::Credentials {
            service: service.name,
            advice: self.credentials.advice(),
            tried: self.credentials.tried().to_owned(),
            cause: cause.into(),
        }
    }
}

/// Looks variables up.
#[derive(Clone)]
struct Variables(Arc<dyn LookUp>);

/// A closure that looks a variable up.
trait LookUp: Fn(&str) -> Option<String> + Send + Sync {}

impl<F: Fn(&str) -> Option<String> + Send + Sync> LookUp for F {}

impl Variables {
    /// An empty variable counts as not set.
    fn variable(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }
}

/// None is set.
impl Default for Variables {
    fn default() -> Self {
        Self(Arc::new(|_: &str| None))
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Variables")
    }
}

/// What credentials are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct CredentialsOrigin {
    written: Option<AwsCredentials>,
    ca_file: Option<PathBuf>,
    /// The role that is taken with them; the endpoint of STS, and its region.
    role: Option<(AwsRole, String, String)>,
}

/// Credentials, and what they were made from.
type Provider = (CredentialsOrigin, KeptCredentials);

/// What all calls share: the settings, then what the environment says. Clones share credentials.
#[derive(Debug, Clone, Default)]
pub struct Aws {
    common: AwsSettings,
    /// Where the endpoint of a service is looked up when it is called.
    variables: Variables,
    /// Whether the settings name an endpoint of all services: it goes before those of the environment.
    is_endpoint_written: bool,
    /// Whether the environment names credentials.
    has_ambient: bool,
    /// AWS's shared files of credentials and settings.
    shared_files: Vec<PathBuf>,
    /// What those were when credentials were first looked for in them.
    marks: Arc<std::sync::Mutex<BTreeMap<PathBuf, Option<Mark>>>>,
    providers: Arc<Mutex<Vec<Provider>>>,
}

impl Aws {
    /// Fills what the settings leave out. `variable` looks a variable of the environment up; an empty one
    /// counts as not set. Endpoints of single services and credentials are looked for when something is
    /// called.
    pub fn new(
        settings: &AwsSettings,
        variable: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let variables = Variables(Arc::new(variable));
        let variable = |name: &str| variables.variable(name);
        let surroundings = AwsSettings {
            region: variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")),
            account_id: None,
            endpoint: variable("AWS_ENDPOINT_URL"),
            endpoints: BTreeMap::new(),
            credentials: None,
            assume_role: None,
            accounts: BTreeMap::new(),
            ca_file: variable("AWS_CA_BUNDLE").map(PathBuf::from),
        };
        let has_ambient = CREDENTIALS.iter().any(|name| variable(name).is_some());
        let home = variable("HOME").map(PathBuf::from).unwrap_or_default();
        let shared_files = SHARED_FILES
            .map(|(name, path)| variable(name).map_or_else(|| home.join(path), PathBuf::from))
            .into();
        let common = settings.over(&surroundings);
        Self {
            common,
            is_endpoint_written: settings.endpoint.is_some(),
            variables,
            has_ambient,
            shared_files,
            ..Self::default()
        }
    }

    /// What all share who call a service.
    fn common_of(&self, service: &AwsService) -> AwsSettings {
        let mut common = self.common.clone();
        // The SDKs' order: what the settings say of one service, what they say of all, then the environment.
        if !self.is_endpoint_written && !common.endpoints.contains_key(service.name) {
            let named = self.variables.variable(service.variable);
            common.endpoints.extend(named.map(|it| (service.name.to_owned(), it)));
        }
        common
    }

    /// AWS's shared files, where credentials were looked for in them, and what they were then.
    pub fn file_marks(&self) -> BTreeMap<PathBuf, Option<Mark>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The region that an ARN gets whose own is not known.
    pub fn region(&self) -> &str {
        self.common.region.as_deref().unwrap_or(REGION)
    }

    /// The account that an ARN gets where nothing else says one.
    pub fn common_account(&self) -> &str {
        self.common.account_id.as_deref().unwrap_or(ACCOUNT)
    }

    /// The account that an ARN gets whose own is not known.
    pub fn account<'a>(&'a self, own: &'a AwsSettings) -> &'a str {
        own.account_id.as_deref().unwrap_or_else(|| self.common_account())
    }

    /// What one thing is called with, its credentials seen to be there. For a source that connects, and tries
    /// again by itself.
    ///
    /// # Errors
    /// What is missing or cannot be used.
    pub async fn access(&self, target: AwsTarget<'_>, clients: &HttpClients) -> Result<AwsAccess, AwsError> {
        let access = self.prepare(target, clients).await?;
        access.credentials.get().await.map_err(|cause| access.without_credentials(target.service, cause))?;
        Ok(access)
    }

    /// A client for one thing that is called. For start and reload: who gives credentials and does not answer
    /// in time is asked again by the first call.
    ///
    /// # Errors
    /// What is missing or cannot be used.
    pub async fn client(&self, target: AwsTarget<'_>, clients: &HttpClients) -> Result<AwsClient, AwsError> {
        let (access, service) = (self.prepare(target, clients).await?, target.service);
        match access.credentials.get().await {
            Err(
                cause @ (CredentialsError::CredentialsNotLoaded(_)
                | CredentialsError::InvalidConfiguration(_)),
            ) => {
                return Err(access.without_credentials(service, cause));
            }
            Err(error) => {
                let tried = access.credentials.tried();
                warn!(
                    code = "FB-0360",
                    service = service.name,
                    tried,
                    error = chain(&error),
                    "no credentials yet; they are asked for again"
                );
            }
            Ok(_) => {}
        }
        Ok(AwsClient { access, service, skew: Arc::default() })
    }

    /// What all share who call a service, with what is written of the target's account in front of it.
    fn shared_with(&self, service: &AwsService, target: AwsTarget<'_>) -> Result<AwsSettings, AwsError> {
        let common = self.common_of(service);
        let AwsTarget { own, region, .. } = target;
        let account = target.account.or(own.account_id.as_deref()).or(common.account_id.as_deref());
        let Some(account) = account else { return Ok(common) };
        let named = NamedAccount { account, region, own };
        common
            .check_account(named)
            .map_err(|unknown| AwsError::Account { service: target.service.name, unknown })?;
        Ok(common.of_account(named).map_or_else(|| common.clone(), |it| it.over(&common)))
    }

    /// Reads the CA file and AWS's shared files.
    async fn prepare(&self, target: AwsTarget<'_>, clients: &HttpClients) -> Result<AwsAccess, AwsError> {
        let service = target.service;
        let settings = target.own.over(&self.shared_with(service, target)?);
        let written = settings.endpoint_of(service).or(target.endpoint);
        let region = target.own.region.as_deref().or(target.region).or(settings.region.as_deref());
        let region = match region {
            Some(region) => Some(region.to_owned()),
            None => provider::region_of_profile(settings.credentials.as_ref()).await,
        };
        let region = region
            // A server of one's own cares for no region; AWS does, and a guess would read another region's
            // queue.
            .or_else(|| written.map(|_| REGION.to_owned()))
            .ok_or(AwsError::Region { service: service.name })?;
        let endpoint = written.map_or_else(|| own_endpoint(service, &region), str::to_owned);
        let http = http_of(service, &endpoint, &settings, clients)?;
        let beneath = self.credentials(&settings, &region, &http).await;
        let credentials = match &settings.assume_role {
            Some(role) => {
                let of_sts = target.own.over(&self.shared_with(&STS, target)?);
                let endpoint = of_sts.endpoint_of(&STS);
                let endpoint = endpoint.map_or_else(|| own_endpoint(&STS, &region), str::to_owned);
                let endpoint = endpoint.trim_end_matches('/').to_owned();
                let http = http_of(&STS, &endpoint, &settings, clients)?;
                let sts = AwsAccess { http, endpoint, region: region.clone(), credentials: beneath };
                self.role(role, sts, &settings).await
            }
            None => beneath,
        };
        Ok(AwsAccess { http, endpoint: endpoint.trim_end_matches('/').to_owned(), region, credentials })
    }

    /// Credentials are shared by all that name the same.
    async fn credentials(&self, settings: &AwsSettings, region: &str, http: &HttpClient) -> KeptCredentials {
        let origin = CredentialsOrigin {
            written: settings.credentials.clone(),
            ca_file: settings.ca_file.clone(),
            role: None,
        };
        let mut providers = self.providers.lock().await;
        // The lock is held while they are made: many sources that start at once ask the metadata service
        // once.
        if let Some((_, known)) = providers.iter().find(|(it, _)| *it == origin) {
            return known.clone();
        }
        // A key in the config is looked up in no file, so a change of those files concerns nobody who has
        // one.
        if !matches!(settings.credentials, Some(AwsCredentials::Key(_))) {
            let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
            for path in &self.shared_files {
                marks.entry(path.clone()).or_insert_with(|| Mark::of(path));
            }
        }
        let made = provider::credentials(settings.credentials.as_ref(), region, http.clone()).await;
        providers.push((origin, made.clone()));
        made
    }

    /// The credentials of a role are shared by all that take it at the same STS with the same credentials.
    async fn role(&self, role: &AwsRole, sts: AwsAccess, settings: &AwsSettings) -> KeptCredentials {
        let taken = Some((role.clone(), sts.endpoint.clone(), sts.region.clone()));
        let origin = CredentialsOrigin {
            written: settings.credentials.clone(),
            ca_file: settings.ca_file.clone(),
            role: taken,
        };
        let mut providers = self.providers.lock().await;
        if let Some((_, known)) = providers.iter().find(|(it, _)| *it == origin) {
            return known.clone();
        }
        let tried =
            format!("role {} of STS at {} with {}", role.role_arn, sts.endpoint, sts.credentials.tried());
        let taker = RoleTaker {
            role: role.clone(),
            sts: AwsClient { access: sts, service: &STS, skew: Arc::default() },
        };
        let made = KeptCredentials::of_role(taker, tried);
        providers.push((origin, made.clone()));
        made
    }
}

/// The connections to a server.
fn http_of(
    service: &AwsService,
    endpoint: &str,
    settings: &AwsSettings,
    clients: &HttpClients,
) -> Result<HttpClient, AwsError> {
    let url = judged(service, endpoint)?;
    let http = clients.client(&url, settings.ca_file.as_deref());
    http.map_err(|cause| AwsError::Tls { endpoint: endpoint.to_owned(), cause })
}

/// Scheme, host and port of a server that may be called.
fn judged(service: &AwsService, endpoint: &str) -> Result<Uri, AwsError> {
    let service = service.name;
    let (url, _) = url::endpoint(endpoint).map_err(|mistake| match mistake {
        UrlMistake::Forbidden(cause) => AwsError::Address { service, cause },
        cause => AwsError::Endpoint { service, cause },
    })?;
    Ok(url)
}

fn own_endpoint(service: &AwsService, region: &str) -> String {
    // AWS's partition of China has a domain of its own; all other public regions share this one.
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://{}.{region}.{domain}", service.host)
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |it| it.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Sends signed requests to one service in one region. What answers show of the service's clock, clones share:
/// what is refused because this machine's clock is off may be sent again.
#[derive(Debug, Clone)]
pub struct AwsClient {
    access: AwsAccess,
    service: &'static AwsService,
    skew: Arc<ClockSkew>,
}

impl AwsClient {
    /// The region that requests are signed for.
    pub fn region(&self) -> &str {
        &self.access.region
    }

    /// Scheme, host and port.
    pub fn endpoint(&self) -> &str {
        &self.access.endpoint
    }

    /// Whether it calls the service where AWS has it, and no endpoint that was set.
    pub fn is_at_aws(&self) -> bool {
        self.access.endpoint == own_endpoint(self.service, &self.access.region)
    }

    /// The same for another region: signed for that, and sent to AWS's host there unless an endpoint was set.
    #[must_use]
    pub fn in_region(&self, region: &str) -> Self {
        let mut other = self.clone();
        if self.is_at_aws() {
            other.access.endpoint = own_endpoint(self.service, region);
        }
        region.clone_into(&mut other.access.region);
        other
    }

    /// The same with `label` in front of the host.
    #[must_use]
    pub fn below_host(&self, label: &str) -> Self {
        let mut other = self.clone();
        if let Some((scheme, host)) = self.access.endpoint.split_once("://") {
            other.access.endpoint = format!("{scheme}://{label}.{host}");
        }
        other
    }

    /// Puts once, signed in the same way as a post; the hash of the body goes as `x-amz-content-sha256` too,
    /// as S3 wants it. Of `path` the signature is right where it has letters, digits, `-`, `_`, `.`, `~` and
    /// `/` only.
    ///
    /// # Errors
    /// No answer came.
    pub async fn put(
        &self,
        path: &str,
        mut headers: HeaderMap,
        pieces: Vec<Bytes>,
        limits: Limits,
    ) -> Result<Answer, ExchangeError> {
        let hash = HeaderValue::from_str(&sign::hash(&pieces))
            .map_err(|error| ExchangeError::NotSent(error.into()))?;
        headers.insert("x-amz-content-sha256", hash);
        self.send(Method::PUT, path, headers, pieces, limits).await
    }

    /// Posts once, signed with the time of now. `path` is encoded already. Redirects are answers like any
    /// other. Without credentials nothing is sent.
    pub async fn post(
        &self,
        path: &str,
        headers: HeaderMap,
        pieces: Vec<Bytes>,
        limits: Limits,
    ) -> Result<Answer, ExchangeError> {
        self.send(Method::POST, path, headers, pieces, limits).await
    }

    /// Asks once, signed in the same way. `path` may have a query.
    pub async fn get(&self, path: &str, limits: Limits) -> Result<Answer, ExchangeError> {
        self.send(Method::GET, path, HeaderMap::new(), Vec::new(), limits).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        pieces: Vec<Bytes>,
        limits: Limits,
    ) -> Result<Answer, ExchangeError> {
        let AwsAccess { http, endpoint, region, credentials } = &self.access;
        let hash = sign::hash(&pieces);
        let none =
            |cause| ExchangeError::NotSent(self.access.without_credentials(self.service, cause).into());
        let identity = credentials.get().await.map_err(none)?;
        let mut request = Request::new(Pieces::new(pieces));
        *request.method_mut() = method;
        *request.uri_mut() = format!("{endpoint}{path}")
            .parse()
            .map_err(|error: http::uri::InvalidUri| ExchangeError::NotSent(error.into()))?;
        *request.headers_mut() = headers;
        let scope = sign::Scope { service: self.service.signed_for, region, identity: &identity.into() };
        let sent = SystemTime::now();
        sign::sign(&mut request, hash, &scope, self.skew.correct(sent)).map_err(ExchangeError::NotSent)?;
        // After the signature, which does not cover it: proxies change it.
        request
            .headers_mut()
            .insert(USER_AGENT, HeaderValue::from_static(concat!("forebay/", env!("CARGO_PKG_VERSION"))));
        let answer = http.exchange(request, limits).await?;
        self.skew.learn(&answer.head.headers, sent, SystemTime::now());
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use forebay_config::AwsKey;
    use forebay_config::destination::{SNS, SQS};

    use super::*;

    fn settings() -> AwsSettings {
        let key =
            AwsKey { access_key_id: "a".into(), secret_access_key: "s3cret".into(), session_token: None };
        AwsSettings {
            region: Some("eu-west-1".into()),
            credentials: Some(AwsCredentials::Key(key)),
            ..AwsSettings::default()
        }
    }

    fn at(endpoint: &str) -> AwsSettings {
        AwsSettings { endpoint: Some(endpoint.into()), ..AwsSettings::default() }
    }

    async fn access(aws: &Aws, own: &AwsSettings, home: Option<&str>) -> Result<AwsAccess, AwsError> {
        aws.access(
            AwsTarget { service: &SQS, own, region: None, account: None, endpoint: home },
            &HttpClients::new(),
        )
        .await
    }

    fn aws(settings: AwsSettings) -> Aws {
        Aws::new(&settings, |_| None)
    }

    fn variables(set: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<String> + Copy {
        |name| set.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned())
    }

    #[tokio::test]
    async fn the_nearest_endpoint_is_taken() {
        let nothing = AwsSettings::default();
        let common = aws(AwsSettings { endpoint: Some("http://common:1".into()), ..settings() });
        let endpoint = async |aws: &Aws, own: &AwsSettings| {
            access(aws, own, Some("http://home:1")).await.unwrap().endpoint
        };
        assert_eq!(endpoint(&common, &at("http://own:1/")).await, "http://own:1");
        assert_eq!(endpoint(&common, &nothing).await, "http://common:1");
        assert_eq!(endpoint(&aws(settings()), &nothing).await, "http://home:1");
        let environment = variables(&[
            ("AWS_ENDPOINT_URL", "http://variable:1"),
            ("AWS_ENDPOINT_URL_SQS", "http://queues:1"),
            ("AWS_REGION", ""),
        ]);
        assert_eq!(endpoint(&Aws::new(&settings(), environment), &nothing).await, "http://queues:1");
        let common = AwsSettings { endpoint: Some("http://common:1".into()), ..settings() };
        assert_eq!(endpoint(&Aws::new(&common, environment), &nothing).await, "http://common:1");
        assert_eq!(own_endpoint(&SQS, "eu-west-1"), "https://sqs.eu-west-1.amazonaws.com");
        assert_eq!(own_endpoint(&SNS, "cn-north-1"), "https://sns.cn-north-1.amazonaws.com.cn");
    }

    #[tokio::test]
    async fn the_region_is_its_own_then_the_names_then_what_all_share() {
        let region = async |aws: &Aws, own: Option<&str>, named: Option<&str>| {
            let own = AwsSettings { region: own.map(str::to_owned), ..at("http://h") };
            let target = AwsTarget { service: &SQS, own: &own, region: named, account: None, endpoint: None };
            aws.access(target, &HttpClients::new()).await.unwrap().region
        };
        let common = aws(settings());
        assert_eq!(region(&common, Some("own"), Some("named")).await, "own");
        assert_eq!(region(&common, None, Some("named")).await, "named");
        assert_eq!(region(&common, None, None).await, "eu-west-1");
        let none = AwsSettings { region: None, ..settings() };
        assert_eq!(
            region(&Aws::new(&none, variables(&[("AWS_DEFAULT_REGION", "r")])), None, None).await,
            "r"
        );
    }

    #[tokio::test]
    async fn what_is_missing_or_cannot_be_called_is_refused_by_its_code() {
        for endpoint in ["h", "ftp://h", "http://h/path", "http://u:p@h", "http://169.254.169.254"] {
            assert_eq!(
                access(&aws(settings()), &at(endpoint), None).await.unwrap_err().code(),
                "FB-0362",
                "{endpoint}"
            );
        }
        let unknown = AwsSettings {
            credentials: Some(AwsCredentials::Profile("no-such-profile".to_owned())),
            ..settings()
        };
        let error = access(&aws(unknown), &at("http://h"), None).await.unwrap_err();
        assert_eq!(error.code(), "FB-0360");
        assert!(error.to_string().contains("tried: profile no-such-profile"), "{error}");
    }

    #[tokio::test]
    async fn whoever_names_the_same_credentials_shares_them() {
        let aws = aws(settings());
        for own in [
            at("http://a"),
            at("http://b"),
            AwsSettings { credentials: settings().credentials, ..at("http://c") },
        ] {
            access(&aws, &own, None).await.unwrap();
        }
        assert_eq!(aws.providers.lock().await.len(), 1);
    }

    #[tokio::test]
    async fn shared_files_are_marked_once_credentials_are_looked_for_in_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials");
        let (file, home) = (path.display().to_string(), folder.path().display().to_string());
        let variable = move |name: &str| match name {
            "AWS_SHARED_CREDENTIALS_FILE" => Some(file.clone()),
            "HOME" => Some(home.clone()),
            _ => None,
        };
        let profile = AwsSettings {
            credentials: Some(AwsCredentials::Profile("p".to_owned())),
            ..AwsSettings::default()
        };
        let aws = Aws::new(&settings(), variable);
        aws.prepare(
            AwsTarget { service: &SQS, own: &at("http://h"), region: None, account: None, endpoint: None },
            &HttpClients::new(),
        )
        .await
        .unwrap();
        assert!(aws.file_marks().is_empty(), "a key that is written needs no file");
        let own = AwsSettings { endpoint: Some("http://h".into()), ..profile };
        aws.prepare(
            AwsTarget { service: &SQS, own: &own, region: None, account: None, endpoint: None },
            &HttpClients::new(),
        )
        .await
        .unwrap();
        assert_eq!(
            aws.file_marks(),
            [(folder.path().join(".aws/config"), None), (path.clone(), None)].into()
        );
        std::fs::write(&path, "[p]").unwrap();
        assert_ne!(Mark::of(&path), aws.file_marks()[&path]);
    }

    #[tokio::test]
    async fn nothing_secret_is_shown() {
        let aws = aws(settings());
        let access = access(&aws, &at("http://h"), None).await.unwrap();
        access.credentials.get().await.unwrap();
        assert!(!format!("{access:?} {aws:?}").contains("s3cret"));
    }
}
