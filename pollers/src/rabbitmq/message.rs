//! From what was pushed to what the feed is given.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use forebay_batcher::{Generation, OrderKey, Position, Receipt, RecordId, UnixMillis};

use super::broker::PushedMessage;
use super::event::{RabbitFacts, RabbitFormat};
use crate::source::{Message, RawRecord};

/// What settles a delivery: its tag, under the generation of the channel that pushed it.
pub(super) fn receipt(generation: Generation, tag: u64) -> Receipt {
    Receipt { handle: Bytes::copy_from_slice(&tag.to_be_bytes()), generation }
}

/// The tag of a delivery.
pub(super) fn tag_of(receipt: &Receipt) -> Option<u64> {
    receipt.handle.as_ref().try_into().ok().map(u64::from_be_bytes)
}

/// How messages are made of deliveries.
#[derive(Debug, Clone, Copy)]
pub(super) struct MessageChoice {
    /// Events show the name of each delivery, and functions may report it.
    pub(super) shows_delivery_ids: bool,
}

impl MessageChoice {
    pub(super) fn message(
        self,
        pushed: PushedMessage,
        generation: Generation,
        format: &RabbitFormat,
    ) -> Message {
        let PushedMessage { tag, queue, redelivered, properties, body } = pushed;
        let delivery_id = format!("{}-{tag}", generation.0);
        let named = properties.message_id.as_deref().filter(|it| !it.is_empty() && !self.shows_delivery_ids);
        let id = RecordId::new(named.unwrap_or(&delivery_id).as_bytes());
        // A classic queue counts nothing: of what came before nobody knows how often it did.
        let n_receives = match (properties.n_returns(), redelivered) {
            (Some(n), _) => Some(n.saturating_add(1)),
            (None, false) => Some(1),
            (None, true) => None,
        };
        let arrival = properties.timestamp.filter(|it| *it > 0).map_or_else(now, |seconds| {
            UnixMillis(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000))
        });
        let facts = RabbitFacts {
            section: format.section(queue),
            redelivered,
            properties,
            delivery_id: self.shows_delivery_ids.then_some(delivery_id),
        };
        let record = RawRecord {
            id,
            position: Position::new(b""),
            key: OrderKey::Free,
            arrival,
            data: body,
            facts: Arc::new(facts),
        };
        Message { record, receipt: receipt(generation, tag), receives_left: None, n_receives }
    }
}

fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
