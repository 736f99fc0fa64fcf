//! The accounts that a mapping's names hold, against those that the config knows.

use forebay_config::aws::NamedAccount;
use forebay_config::destination::{DestinationTarget, QueueName, SqsTarget};
use forebay_config::{Arn, AwsSettings, Code, ExecutorSettings, Finding, Function, FunctionName};

use crate::compiled::CompiledMapping;

/// A finding for each thing of an account that nobody has written of, where one's own is known: it is not
/// called with credentials that are meant for another.
pub(crate) fn unknown<'a>(
    it: &CompiledMapping,
    function: impl Fn(&FunctionName) -> Option<&'a Function>,
    aws: &AwsSettings,
) -> Vec<Finding> {
    let on_failure = it.mapping.on_failure.as_ref().map(|it| &it.target);
    let of_target = match on_failure {
        Some(DestinationTarget::Function(name)) => function(name).and_then(of_function),
        Some(target) => of_destination(target),
        None => None,
    };
    let named = [
        ("source", it.source.account()),
        ("function_name", function(&it.mapping.function).and_then(of_function)),
        ("destination_config.on_failure", of_target),
    ];
    let unknown = |(path, named): (&str, Option<NamedAccount<'_>>)| {
        let unknown = aws.check_account(named?).err()?;
        Some(
            Finding::new(Code::UNKNOWN_ACCOUNT, path, &it.mapping.place, unknown.to_string())
                .fix(unknown.fix()),
        )
    };
    named.into_iter().filter_map(unknown).collect()
}

fn of_function(it: &Function) -> Option<NamedAccount<'_>> {
    match &it.executor {
        ExecutorSettings::Lambda(settings) => settings.account(),
        ExecutorSettings::Process(_) | ExecutorSettings::Http(_) => None,
    }
}

fn of_arn<'a>(arn: &'a Arn, own: &'a AwsSettings) -> NamedAccount<'a> {
    NamedAccount { account: &arn.account, region: Some(&arn.region), own }
}

fn of_destination(it: &DestinationTarget) -> Option<NamedAccount<'_>> {
    match it {
        DestinationTarget::Sqs(SqsTarget { queue: QueueName::Arn(arn), aws }) => Some(of_arn(arn, aws)),
        DestinationTarget::Sqs(SqsTarget { queue: QueueName::Url(url), aws: own }) => {
            Some(NamedAccount { account: url.account_at_aws()?, region: url.region(), own })
        }
        DestinationTarget::Sns(target) => Some(of_arn(&target.topic, &target.aws)),
        DestinationTarget::EventBus(target) => Some(of_arn(target.bus.arn()?, &target.aws)),
        // The ARN of a bucket holds no account, and brokers are of none.
        DestinationTarget::S3(_)
        | DestinationTarget::Kafka(_)
        | DestinationTarget::File(_)
        | DestinationTarget::Http(_)
        | DestinationTarget::Function(_) => None,
    }
}

#[cfg(test)]
#[path = "accounts_tests.rs"]
mod tests;
