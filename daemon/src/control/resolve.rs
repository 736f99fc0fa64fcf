//! Finds what a call names: the function in the config file, else at the Lambda endpoint; the source at its
//! service.

use std::sync::Arc;
use std::time::Duration;

use forebay_api::error::{ApiError, ErrorType};
use forebay_api::mapping::checks::no_function;
use forebay_clients::{AwsError, AwsTarget, Clients, Limits};
use forebay_config::AwsSettings;
use forebay_config::aws::AwsWords;
use forebay_config::function::{LAMBDA, LambdaName};
use forebay_pollers::{Source, SourceError};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::time;

use super::compile::is_listed;
use crate::compiled::{CompiledConfig, CompiledMapping};
use crate::sentence::chain;

/// What Lambda is asked, it answers at once; a longer wait is a fault that the caller should hear of.
const LIMITS: Limits = Limits { time: Duration::from_secs(10), answer_bytes: 1 << 20 };

/// A source that takes longer to answer cannot be reached just now; AWS's clients wait for a minute and then
/// ask again.
const SOURCE_MAX: Duration = Duration::from_secs(10);

/// A function that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundFunction {
    /// Its ARN, with the version or alias that was asked for.
    pub(super) arn: String,
    /// How long it may run.
    pub(super) timeout: Duration,
}

/// The part of Lambda's answer that matters.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FunctionConfiguration {
    function_arn: String,
    timeout: Option<u64>,
}

/// The function that a name means: one of the config file, else one that Lambda knows.
pub(super) async fn function(
    name: &str,
    file: &CompiledConfig,
    clients: &Clients,
) -> Result<FoundFunction, ApiError> {
    let (named, qualifier) = LambdaName::parse(name).ok_or_else(no_function)?;
    // The config file says what runs here, so Lambda is not asked about it.
    if is_listed(&named, file) {
        let function =
            file.functions.values().find(|it| it.name.as_str() == named.bare()).ok_or_else(no_function)?;
        let bare = LambdaName::Bare(named.bare().to_owned());
        let arn = bare.arn(clients.aws.region(), clients.aws.common_account());
        return Ok(FoundFunction {
            arn: with_qualifier(arn, qualifier.as_deref()),
            timeout: function.timeout,
        });
    }
    at_lambda(&named, qualifier.as_deref(), clients).await
}

async fn at_lambda(
    named: &LambdaName,
    qualifier: Option<&str>,
    clients: &Clients,
) -> Result<FoundFunction, ApiError> {
    let nothing = AwsSettings::default();
    let (region, account) = (named.region(), named.account());
    let target = AwsTarget { service: &LAMBDA, own: &nothing, region, account, endpoint: None };
    let client = clients.aws.client(target, &clients.http).await.map_err(|error| match error {
        AwsError::Account { unknown, .. } => ApiError::invalid(format!("{unknown} (FB-0369, FunctionName)")),
        // Without region or credentials nobody can have meant a function of Lambda.
        AwsError::Credentials { .. }
        | AwsError::Region { .. }
        | AwsError::Endpoint { .. }
        | AwsError::Address { .. }
        | AwsError::Tls { .. } => no_function(),
    })?;
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut path = format!("/2015-03-31/functions/{}/configuration", encode(&named.wire(client.region())));
    if let Some(qualifier) = qualifier {
        path = format!("{path}?Qualifier={}", encode(qualifier));
    }
    let endpoint = client.endpoint();
    let down = |why: String| {
        ApiError::new(
            ErrorType::Service,
            format!("The Lambda endpoint {endpoint} cannot be asked for the function: {why}"),
        )
    };
    let answer = client.get(&path, LIMITS).await.map_err(|error| down(chain(&error)))?;
    match answer.head.status.as_u16() {
        200 => {
            let body = answer.body.map_err(|error| down(error.to_string()))?;
            let found: FunctionConfiguration =
                serde_json::from_slice(&body).map_err(|error| down(error.to_string()))?;
            let (bare, _) = LambdaName::parse(&found.function_arn)
                .ok_or_else(|| down("its answer has no ARN".to_owned()))?;
            let arn = with_qualifier(bare.arn("", ""), qualifier);
            // Lambda's default; a server that imitates it may leave the member out.
            Ok(FoundFunction { arn, timeout: Duration::from_secs(found.timeout.unwrap_or(3)) })
        }
        // A server that knows no such path, or no such name, knows no such function.
        400 | 404 => Err(no_function()),
        status => Err(down(format!("it answers {status}"))),
    }
}

fn with_qualifier(arn: String, qualifier: Option<&str>) -> String {
    qualifier.map_or_else(|| arn.clone(), |it| format!("{arn}:{it}"))
}

/// Whether the source is there, may be read, and goes with the function. A source that cannot be reached just
/// now is no error: the mapping waits for it and says so. The source, where it was reached.
pub(super) async fn source(
    words: &AwsWords,
    compiled: &CompiledMapping,
    timeout: Duration,
    clients: &Clients,
) -> Result<Option<Arc<dyn Source>>, ApiError> {
    match time::timeout(SOURCE_MAX, compiled.source.connect(clients)).await {
        Ok(Ok(source)) => long_enough(&*source, timeout).map(|()| Some(source)),
        Ok(Err(error)) => {
            let arn = compiled.source.arn(clients.aws.region(), clients.aws.common_account());
            refusal(words, &error, &arn.unwrap_or_default(), timeout).map_or(Ok(None), Err)
        }
        Err(_) => Ok(None),
    }
}

/// Whether a queue hides its messages for as long as the function may run, where that can be told now.
pub(super) async fn visibility(
    compiled: &CompiledMapping,
    timeout: Duration,
    clients: &Clients,
) -> Result<(), ApiError> {
    match time::timeout(SOURCE_MAX, compiled.source.connect(clients)).await {
        Ok(Ok(source)) => long_enough(&*source, timeout),
        Ok(Err(_)) | Err(_) => Ok(()),
    }
}

fn long_enough(source: &dyn Source, timeout: Duration) -> Result<(), ApiError> {
    match source.queue().and_then(|queue| queue.facts().visibility_set) {
        Some(visibility) if visibility < timeout => Err(too_short(visibility, timeout)),
        Some(_) | None => Ok(()),
    }
}

/// What AWS says of a source that is not there or may not be read.
fn refusal(words: &AwsWords, error: &SourceError, arn: &str, timeout: Duration) -> Option<ApiError> {
    words.refusal(error.code(), arn, &chain(error), timeout.as_secs()).map(ApiError::invalid)
}

fn too_short(visibility: Duration, timeout: Duration) -> ApiError {
    let (visibility, timeout) = (visibility.as_secs(), timeout.as_secs());
    ApiError::invalid(format!(
        "Queue visibility timeout: {visibility} seconds is less than Function timeout: {timeout} seconds"
    ))
}

#[cfg(test)]
mod tests {
    use forebay_config::Code;

    use super::*;
    use crate::built_in::BuiltIn;

    #[test]
    fn a_stream_that_is_not_there_is_named_by_its_arn() {
        let words =
            BuiltIn::aws_words().iter().find(|it| it.refusals.iter().any(|it| it.0 == Code("FB-0240")));
        let cause = "FB-0240: there is no such stream".into();
        let error = SourceError::Down { what: "stream s".to_owned(), code: Code("FB-0240"), cause };
        let refused = refusal(words.unwrap(), &error, "arn:s", Duration::from_secs(3)).unwrap();
        assert_eq!(refused.message, "Stream not found: arn:s");
    }

    #[test]
    fn a_queue_that_is_called_like_a_code_is_not_taken_for_one_that_is_not_there() {
        let words = BuiltIn::aws_words().iter().find(|it| it.is_queue).unwrap();
        let refused = |what: &str, code, cause: &str| {
            let error = SourceError::Down { what: what.to_owned(), code: Code(code), cause: cause.into() };
            refusal(words, &error, "arn:q", Duration::from_secs(3))
        };
        assert_eq!(
            refused("queue FB-0210", "FB-0212", "FB-0212: no answer from the queue: http://FB-0211"),
            None
        );
        assert_eq!(refused("queue q", "FB-0212", "FB-0210 is what http://FB-0211 is called"), None);
        let missing = refused("queue q", "FB-0210", "FB-0210: the specified queue does not exist").unwrap();
        assert!(missing.message.contains("NonExistentQueue"), "{missing}");
        let hidden = refused("queue q", "FB-0215", "FB-0215: 0 seconds").unwrap();
        assert_eq!(
            hidden.message,
            "Queue visibility timeout: 0 seconds is less than Function timeout: 3 seconds"
        );
    }
}
