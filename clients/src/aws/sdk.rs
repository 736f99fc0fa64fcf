//! Our HTTP client and credentials as AWS's SDKs want them, so that whatever they do uses the same
//! connections, trust store and forbidden addresses.

use std::pin::pin;
use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpClient as SdkClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::AwsAccess;
use crate::http::HttpClient;
use crate::outgoing::Outgoing;
use crate::pieces::Pieces;

impl AwsAccess {
    /// What the SDK of any service is made of. A call may take `call_max`, and is tried up to `tries` times
    /// where it may be repeated.
    pub fn to_sdk(self, call_max: Duration, tries: u32) -> SdkConfig {
        let Self { http, endpoint, region, credentials } = self;
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(sdk_client(http))
            .region(Region::new(region))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            // They are kept where all that sign share them.
            .identity_cache(IdentityCache::no_cache())
            // Each call has its time, and its answer is read whole within it: a timer of the SDK's own for
            // every call watches over nothing.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .endpoint_url(endpoint)
            .retry_config(RetryConfig::standard().with_max_attempts(tries))
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(call_max).build())
            .build()
    }
}

/// Our client, for the SDK.
pub fn sdk_client(http: HttpClient) -> SharedHttpClient {
    SharedHttpClient::new(Ours(http))
}

#[derive(Debug)]
struct Ours(HttpClient);

impl SdkClient for Ours {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        // Connecting is not told apart from waiting for the head of an answer.
        let time = settings.read_timeout().map(|read| read + settings.connect_timeout().unwrap_or_default());
        SharedHttpConnector::new(SdkConnector { http: self.0.clone(), time })
    }
}

#[derive(Debug, Clone)]
struct SdkConnector {
    http: HttpClient,
    /// For the head of the answer; the SDK bounds the whole.
    time: Option<Duration>,
}

#[derive(Debug, thiserror::Error)]
#[error("no answer within {0:?}")]
struct NoAnswer(Duration);

impl HttpConnector for SdkConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connector = self.clone();
        HttpConnectorFuture::new(async move { connector.exchange(request).await })
    }
}

impl SdkConnector {
    async fn exchange(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
        let (head, body) = request.into_parts();
        // All that the SDK sends for us is in memory already.
        let body: Bytes = body.collect().await.map_err(ConnectorError::user)?.to_bytes();
        let request = http::Request::from_parts(head, Outgoing::Pieces(Pieces::new(vec![body])));
        let sending = self.http.pool.send(request);
        let answered = match self.time {
            Some(time) => {
                timeout(time, sending).await.map_err(|_| ConnectorError::timeout(NoAnswer(time).into()))?
            }
            None => sending.await,
        };
        let (mut connection, answer) = answered.map_err(|error| ConnectorError::io(error.into()))?;
        // The SDK reads all of it before it looks at any of it, and it comes while the connection is driven.
        let (head, body) = answer.into_parts();
        let body = connection
            .drive(pin!(body.collect()))
            .await
            .map_err(|error| ConnectorError::io(error.into()))?
            .to_bytes();
        self.http.pool.keep(connection);
        let answer = http::Response::from_parts(head, SdkBody::from(body));
        HttpResponse::try_from(answer).map_err(|error| ConnectorError::other(error.into(), None))
    }
}
