//! What Lambda's API says of one type of event source: its ARNs, the parameters that go with it, its defaults
//! and its sentences.
//!
//! Data only. The kind of source that reads such a source keeps these words in its own folder; the API checks
//! and answers by them and knows no kind by name.

use super::Arn;
use crate::error::Code;
use crate::settings::AwsMembers;

/// What Lambda's API says of one type of event source.
#[derive(Debug)]
pub struct AwsWords {
    /// What is read, for people and in the plural, such as `Kinesis streams`.
    pub what: &'static str,
    /// How a request names it.
    pub named: AwsNamed,
    /// It is received from by receipts: it has no position, and a mapping that is made disabled is Disabled
    /// at once.
    pub is_queue: bool,
    /// Where a mapping of it may start; `None` for what has no positions.
    pub starts: Option<AwsStarts>,
    /// The parameters that go with it, by AWS's names, beside those that go with every source; a member of
    /// one by its path.
    pub parameters: &'static [&'static str],
    /// The groups that `MetricsConfig` may name.
    pub metrics: &'static [&'static str],
    /// The parameters without which none is made, as the sentence about it spells them, in the order in which
    /// they are missed.
    pub required: &'static [&'static str],
    /// Which limits exclude each other: the sentence of the first that does.
    pub limits: fn(&AwsLimits) -> Option<&'static str>,
    /// The least that `MinimumPollers` and `MaximumPollers` may be.
    pub pollers_min: u32,
    /// The members of EventSourceMappingConfiguration that are shown of a mapping that asks for nothing; it
    /// is given the mapping's UUID.
    pub defaults: fn(&str) -> serde_json::Value,
    /// `StateTransitionReason` of what a user brought about; AWS has two words for it.
    pub user_reason: &'static str,
    /// How the sentence begins that refuses a second mapping of a source and a function. `{arn}`,
    /// `{function}` (name and qualifier), `{function_arn}`, `{servers}` and `{topics}` stand for those of the
    /// new one.
    pub twice: &'static str,
    /// What is said of a source that is not there or may not be read, by the code of our error. `{cause}`
    /// stands for its text, `{arn}` for the source's ARN, `{timeout}` for the function's time in seconds.
    pub refusals: &'static [(Code, &'static str)],
    /// What a config file says under `source` for it; `None` when no kind that is built in reads it.
    pub source: Option<AwsInConfig>,
}

/// How what a request says of a source is said in a config file.
#[derive(Debug, Clone, Copy)]
pub enum AwsInConfig {
    /// Its ARN says all.
    Arn(fn(&Arn) -> serde_json::Value),
    /// By all members of the mapping, with the defaults that stand in it; or the sentence that refuses them.
    Members(fn(&AwsMembers) -> Result<serde_json::Value, String>),
}

/// How a request names a source.
#[derive(Debug, Clone, Copy)]
pub enum AwsNamed {
    /// By an ARN, if it is one of its own.
    Arn(fn(&Arn) -> bool),
    /// By the servers of a cluster of one's own.
    Servers,
}

/// Where a mapping may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AwsStarts {
    /// `AT_TIMESTAMP` is a start.
    pub at_timestamp: bool,
    /// Where nothing is said it starts at the first record; otherwise a start must be said.
    pub first_is_default: bool,
}

/// The limits that a mapping asks for, what it leaves out as AWS fills it in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AwsLimits {
    /// `BatchSize`
    pub batch_size: u32,
    /// `MaximumBatchingWindowInSeconds`
    pub window_seconds: u32,
}

impl AwsWords {
    /// Whether a parameter of this name goes with it. `StartingPosition` goes with what has positions.
    pub fn has(&self, parameter: &str) -> bool {
        match parameter {
            "StartingPosition" | "StartingPositionTimestamp" => self.starts.is_some(),
            _ => self.parameters.contains(&parameter),
        }
    }

    /// Whether an ARN is one of its own.
    pub fn claims(&self, arn: &Arn) -> bool {
        matches!(self.named, AwsNamed::Arn(claims) if claims(arn))
    }

    /// What is said of a source that is not there or may not be read, by the code of our error.
    pub fn refusal(&self, code: Code, arn: &str, cause: &str, timeout_seconds: u64) -> Option<String> {
        let (_, text) = self.refusals.iter().find(|(it, _)| *it == code)?;
        // The cause comes last: it may hold anything.
        let text = text.replace("{timeout}", &timeout_seconds.to_string()).replace("{arn}", arn);
        Some(text.replace("{cause}", cause))
    }
}

/// The limits of a source that has no rule of its own about them.
pub fn no_rule(_limits: &AwsLimits) -> Option<&'static str> {
    None
}
