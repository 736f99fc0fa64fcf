//! The limits of SQS: what a call, an entry and a message may be.

use super::{Refusal, Sent};

/// Bytes of a message, and of all messages of one batch.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Entries of a batch, and messages of a receive.
pub(super) const TEN: usize = 10;
/// Seconds that a message may be hidden, from its receive on.
pub const VISIBILITY_MAX: u64 = 43_200;
/// Seconds that a receive may wait.
pub const WAIT_MAX: u64 = 20;
/// Seconds that a message may be delayed.
pub(super) const DELAY_MAX: u64 = 900;
/// Messages in flight.
pub const IN_FLIGHT_MAX: usize = 120_000;
/// Milliseconds for which a message of the same deduplication id is no new one.
pub(super) const DEDUPLICATION_MS: u64 = 300_000;

/// A batch has one to ten entries with different, well-formed ids.
pub(super) fn batch(ids: &[String]) -> Result<(), Refusal> {
    if ids.is_empty() {
        return Err(Refusal::batch(
            "EmptyBatchRequest",
            "There should be at least one entry in the request.",
        ));
    }
    if ids.len() > TEN {
        let message =
            format!("Maximum number of entries per request are {TEN}. You have sent {}.", ids.len());
        return Err(Refusal::batch("TooManyEntriesInBatchRequest", message));
    }
    let is_fine = |id: &String| {
        (1..=80).contains(&id.len())
            && id.chars().all(|it| it.is_ascii_alphanumeric() || it == '-' || it == '_')
    };
    if !ids.iter().all(is_fine) {
        let message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.";
        return Err(Refusal::batch("InvalidBatchEntryId", message));
    }
    if let Some(id) = ids.iter().enumerate().find(|(idx, id)| ids[..*idx].contains(id)).map(|(_, id)| id) {
        return Err(Refusal::batch("BatchEntryIdsNotDistinct", format!("Id {id} repeated.")));
    }
    Ok(())
}

/// All entries of a batch together are no larger than one message may be.
pub(super) fn batch_bytes(sent: &[&Sent]) -> Result<(), Refusal> {
    let n_bytes: usize = sent.iter().map(|it| it.n_bytes()).sum();
    if n_bytes <= MESSAGE_BYTES_MAX {
        return Ok(());
    }
    let message = format!(
        "Batch requests cannot be longer than {MESSAGE_BYTES_MAX} bytes. You have sent {n_bytes} bytes."
    );
    Err(Refusal::batch("BatchRequestTooLong", message))
}

/// A number lies in its range.
pub(super) fn range(value: u64, parameter: &str, min: u64, max: u64) -> Result<(), Refusal> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(Refusal::invalid(
        &value.to_string(),
        parameter,
        &format!("Must be >= {min} and <= {max}, if provided."),
    ))
}

/// A message is not empty, not too long, and made of characters that XML allows.
pub(super) fn message(sent: &Sent) -> Result<(), Refusal> {
    if sent.body.is_empty() {
        return Err(Refusal::missing("MessageBody"));
    }
    if sent.n_bytes() > MESSAGE_BYTES_MAX {
        let reason = format!("Message must be shorter than {MESSAGE_BYTES_MAX} bytes.");
        return Err(Refusal::of(
            "InvalidParameterValue",
            format!("One or more parameters are invalid. Reason: {reason}"),
        ));
    }
    let is_allowed = |it: char| matches!(it, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    if !sent.body.chars().all(is_allowed) {
        return Err(Refusal::of("InvalidMessageContents", "Invalid characters found."));
    }
    if sent.attributes.len() > TEN {
        let message = format!(
            "Number of message attributes [{}] exceeds the allowed maximum [{TEN}].",
            sent.attributes.len()
        );
        return Err(Refusal::of("InvalidParameterValue", message));
    }
    range(sent.delay_s.unwrap_or(0), "DelaySeconds", 0, DELAY_MAX)
}
