//! Our HTTP client as AWS's SDK wants it, so that whatever the SDK does uses the same connections, trust
//! store and forbidden addresses.

use std::pin::pin;
use std::time::Duration;

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

use crate::http::HttpClient;
use crate::outgoing::Outgoing;
use crate::pieces::Pieces;

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
