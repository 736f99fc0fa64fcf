//! An endpoint that gets each failure record as a POST.

use forebay_clients::{ExchangeError, HttpClients, Limits};
use forebay_config::function::HttpSettings;
use http::StatusCode;

use super::DELIVERY_TIME_MAX;
use crate::destination::{DeliveryError, Destination, FailureRecord};
use crate::endpoint::{Endpoint, EndpointError};
use crate::executor::BoxFuture;

/// Answers are not looked at; this much is read so that the connection can be used again.
const ANSWER_BYTES_MAX: usize = 65_536;

/// An endpoint that gets each failure record as a POST. Any 2xx means that it has it; everything else,
/// redirects included, that it has not.
#[derive(Debug)]
pub struct HttpDestination {
    endpoint: Endpoint,
}

#[derive(Debug, thiserror::Error)]
enum HttpError {
    #[error("it answered with status {0}")]
    Status(StatusCode),
    #[error("no answer")]
    NoAnswer(#[source] ExchangeError),
}

impl HttpDestination {
    /// Checks the settings; nothing is sent. Reads the CA file, so it is meant for start and reload.
    pub fn new(settings: &HttpSettings, clients: &HttpClients) -> Result<Self, EndpointError> {
        Ok(Self { endpoint: Endpoint::new(settings, clients)? })
    }

    async fn post(&self, record: FailureRecord) -> Result<(), HttpError> {
        let limits = Limits { time: DELIVERY_TIME_MAX, answer_bytes: ANSWER_BYTES_MAX };
        let answer = self.endpoint.post([], vec![record.json], limits).await.map_err(HttpError::NoAnswer)?;
        if answer.head.status.is_success() { Ok(()) } else { Err(HttpError::Status(answer.head.status)) }
    }
}

impl Destination for HttpDestination {
    fn deliver(&self, record: FailureRecord) -> BoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(async move {
            let refused = |error: HttpError| DeliveryError {
                destination: self.label(),
                code: "FB-0341",
                cause: error.into(),
            };
            self.post(record).await.map_err(refused)
        })
    }

    fn label(&self) -> String {
        self.endpoint.label().to_owned()
    }
}
