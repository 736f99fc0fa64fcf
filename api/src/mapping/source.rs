//! Which source a mapping names, and which parameters go with it: by the words that each kind of source
//! brings along.

use forebay_config::Arn;
use forebay_config::aws::words::{AwsNamed, AwsWords};

use super::parts::StartingPositionMember;
use super::request::{CreateMapping, SourceMembers};
use crate::error::ApiError;

impl SourceMembers {
    /// The words of the source that it names, among those that are known.
    ///
    /// # Errors
    /// It names none that is known, or two.
    pub fn words(&self, known: &[&'static AwsWords]) -> Result<&'static AwsWords, ApiError> {
        let found = match (&self.event_source_arn, &self.self_managed_event_source) {
            (None, Some(cluster)) if cluster.endpoints.is_some() => {
                known.iter().find(|it| matches!(it.named, AwsNamed::Servers))
            }
            (Some(arn), None) => Arn::parse(arn).and_then(|arn| known.iter().find(|it| it.claims(&arn))),
            (None, Some(_) | None) | (Some(_), Some(_)) => None,
        };
        found.copied().ok_or_else(|| ApiError::invalid("Unrecognized event source."))
    }
}

/// The parameters of a create that ask for something. Empty ones ask for nothing.
pub(super) fn asked_of_create(create: &CreateMapping) -> Vec<&str> {
    let it = &create.source;
    let own = [
        ("Queues", it.queues.is_some()),
        ("StartingPosition", it.starting_position.is_some()),
        ("StartingPositionTimestamp", it.starting_position_timestamp.is_some()),
        ("Topics", it.topics.is_some()),
    ];
    let own = own.into_iter().filter(|(_, is_asked)| *is_asked).map(|(name, _)| name);
    create.settings.asked().chain(own).collect()
}

/// Whether a starting position goes with a source.
pub(super) fn has_position(source: &AwsWords, position: StartingPositionMember) -> bool {
    match position {
        StartingPositionMember::TrimHorizon | StartingPositionMember::Latest => source.starts.is_some(),
        StartingPositionMember::AtTimestamp => source.starts.is_some_and(|it| it.at_timestamp),
    }
}
