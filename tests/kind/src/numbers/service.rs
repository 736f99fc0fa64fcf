//! The service that may be asked how far to count, called as AWS's services are.

use std::time::Duration;

use bytes::Bytes;
use forebay_clients::{AwsTarget, Clients, Limits};
use forebay_config::aws::AwsService;
use forebay_config::{AwsSettings, aws_service};
use forebay_pollers::SourceError;
use http::HeaderMap;

/// The service.
pub(super) static NUMBERS: AwsService =
    aws_service!("numbers", "NUMBERS", "Numbers: it answers a POST with the last number in digits");
const LIMITS: Limits = Limits { time: Duration::from_secs(5), answer_bytes: 100 };

/// What it answers.
pub(super) async fn last_number(own: &AwsSettings, clients: &Clients) -> Result<u64, SourceError> {
    let down = |cause: Box<dyn std::error::Error + Send + Sync>| SourceError::Down {
        what: "the service of numbers".to_owned(),
        code: SourceError::DOWN,
        cause,
    };
    let target = AwsTarget { service: &NUMBERS, own, region: None, account: None, endpoint: None };
    let client = clients.aws_client(target).await.map_err(|error| down(error.into()))?;
    let question = vec![Bytes::from_static(b"{}")];
    let answer = client.post("/", HeaderMap::new(), question, LIMITS).await.map_err(|it| down(it.into()))?;
    let body = answer.body.map_err(|error| down(error.into()))?;
    let digits = std::str::from_utf8(&body).map_err(|error| down(error.into()))?;
    digits.parse().map_err(|error: std::num::ParseIntError| down(error.into()))
}
