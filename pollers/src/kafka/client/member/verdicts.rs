//! What errors of librdkafka mean to a member of a group: whether it is in the group still, and may be again.

use forebay_clients::BrokerFailure;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::ask;
use super::ownership::CommitAnswer;
use crate::kafka::failure::KafkaFailure;

/// What an answer to a commit means. A generation that is over is no loss by itself: a member keeps its
/// partitions over a rebalance, and where it does not, librdkafka says so.
pub(super) fn answer_of(error: &KafkaError) -> CommitAnswer {
    use RDKafkaErrorCode as E;
    match error.rdkafka_error_code() {
        Some(E::UnknownMemberId | E::FencedInstanceId | E::FencedMemberEpoch) => CommitAnswer::NoMember,
        _ => CommitAnswer::Again,
    }
}

/// An error after which the member is not in the group, and cannot be as it is.
pub(super) fn refusal(error: &KafkaError) -> Option<KafkaFailure> {
    use RDKafkaErrorCode as E;
    let code = error.rdkafka_error_code()?;
    let is_out = [
        E::FencedInstanceId,
        E::UnreleasedInstanceId,
        E::GroupAuthorizationFailed,
        E::TopicAuthorizationFailed,
        E::InconsistentGroupProtocol,
        E::InvalidSessionTimeout,
        E::GroupMaxSizeReached,
        E::UnsupportedVersion,
        E::UnsupportedFeature,
        E::UnsupportedAssignor,
        E::InvalidGroupId,
        E::SaslAuthenticationFailed,
    ]
    .contains(&code);
    is_out.then(|| ask::failure(error))
}

/// An error by which librdkafka has given the client up.
pub(super) fn fatal(code: RDKafkaErrorCode, said: &str) -> KafkaFailure {
    KafkaFailure::Told { kind: BrokerFailure::of(code), said: ask::said(&said) }
}
