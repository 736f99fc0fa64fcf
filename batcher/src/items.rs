//! What a function may ask for one record that failed: to be tried again no sooner than it says, or to be
//! given up at once.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::value::RawValue;

use crate::record::{Record, RecordId};

/// The longest that a function may ask a record to wait: a quarter of an hour, as long as SQS delays a
/// message.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(900);

/// What a function asks for one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemAction {
    /// Tried again no sooner than after this long, at most [`RETRY_AFTER_MAX`]; it spends a retry as any
    /// failure does.
    RetryAfter(Duration),
    /// Given up at once, whatever retries are left.
    Reject,
}

/// What it asks for, by name. What it does not ask anything for is not in it.
pub type ItemActions = BTreeMap<RecordId, ItemAction>;

/// Reads what an entry of `batchItemFailures` asks for beside its name; a member that is null counts as
/// absent.
pub(crate) fn read_action(entry: &BTreeMap<String, &RawValue>) -> Result<Option<ItemAction>, String> {
    let member = |name: &str| entry.get(name).map(|value| value.get()).filter(|text| *text != "null");
    match (member("retryAfterSeconds"), member("action")) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => {
            Err("an entry of batchItemFailures has both retryAfterSeconds and action".to_owned())
        }
        (None, Some(text)) if serde_json::from_str::<String>(text).is_ok_and(|word| word == "reject") => {
            Ok(Some(ItemAction::Reject))
        }
        (None, Some(_)) => Err("the action of an entry of batchItemFailures is not \"reject\"".to_owned()),
        (Some(text), None) => match text.parse::<u64>().map(Duration::from_secs) {
            Ok(wait) if wait <= RETRY_AFTER_MAX => Ok(Some(ItemAction::RetryAfter(wait))),
            Ok(_) | Err(_) => Err(format!(
                "retryAfterSeconds of an entry of batchItemFailures is not a whole number from 0 to {}",
                RETRY_AFTER_MAX.as_secs()
            )),
        },
    }
}

/// How long a record is to wait, as was asked for it.
pub(crate) fn wait_of(actions: &ItemActions, record: &Record) -> Option<Duration> {
    match actions.get(&record.id)? {
        ItemAction::RetryAfter(wait) => Some(*wait),
        ItemAction::Reject => None,
    }
}

/// How long records that are tried together are to wait: as long as was asked for any of them.
pub(crate) fn longest_wait(actions: &ItemActions, records: &[Record]) -> Duration {
    if actions.is_empty() {
        return Duration::ZERO;
    }
    records.iter().filter_map(|record| wait_of(actions, record)).max().unwrap_or_default()
}

pub(crate) fn is_rejected(actions: &ItemActions, record: &Record) -> bool {
    actions.get(&record.id) == Some(&ItemAction::Reject)
}
