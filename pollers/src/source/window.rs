//! The event of a tumbling window: what Lambda adds to an event of records, byte for byte.

use bytes::Bytes;
use forebay_batcher::{Finale, TumblingWindow, UnixMillis};

/// What the event of a tumbling window says of the track that it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowFacts {
    /// The name that its shard has at its source.
    pub shard_id: String,
    /// The stream.
    pub event_source_arn: String,
}

/// The most bytes that the name of a shard takes.
const SHARD_ID_BYTES_MAX: usize = 128;

impl WindowFacts {
    /// Bytes that the members of a window add to an event at most, but for those of its state.
    pub fn n_bytes_max(event_source_arn: &str) -> u64 {
        let facts = Self { shard_id: String::new(), event_source_arn: event_source_arn.to_owned() };
        let (before, after) = facts.members((UnixMillis(0), UnixMillis(0)), None);
        // The longest words are those of no last invocation.
        (before.len() + EMPTY.len() + after.len() + SHARD_ID_BYTES_MAX) as u64
    }

    /// The event of a batch with the members of its window before the brace that ends it. The state is not
    /// copied.
    pub fn add_window(&self, event: Vec<Bytes>, window: &TumblingWindow) -> Vec<Bytes> {
        let mut pieces = event;
        if let Some(last) = pieces.last_mut() {
            debug_assert!(last.ends_with(b"}"), "an event is an object");
            last.truncate(last.len().saturating_sub(1));
        }
        let (before, after) = self.members((window.span.start, window.span.end), window.finale);
        let state = Some(&window.state).filter(|it| !it.is_empty()).cloned();
        pieces.extend([before.into(), state.unwrap_or(Bytes::from_static(EMPTY)), after.into()]);
        pieces
    }

    /// What stands before the state, and what behind it.
    fn members(&self, (start, end): (UnixMillis, UnixMillis), finale: Option<Finale>) -> (String, String) {
        let text = |it: &str| serde_json::Value::from(it).to_string();
        let before = format!(
            ",\"window\":{{\"start\":\"{}\",\"end\":\"{}\"}},\"state\":",
            iso_seconds(start),
            iso_seconds(end)
        );
        let (is_final, is_early) = (finale.is_some(), finale == Some(Finale::TerminatedEarly));
        let after = format!(
            ",\"shardId\":{},\"eventSourceARN\":{},\"isFinalInvokeForWindow\":{is_final},\"isWindowTerminatedEarly\":{is_early}}}",
            text(&self.shard_id),
            text(&self.event_source_arn)
        );
        (before, after)
    }
}

/// The state of a window before its first answer.
const EMPTY: &[u8] = b"{}";

/// `2020-12-09T07:04:00Z`
pub fn iso_seconds(at: UnixMillis) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use forebay_batcher::{TrackIdx, WindowSpan};

    use super::*;

    #[test]
    fn the_members_of_a_window_are_lambdas_byte_for_byte_and_no_longer_than_is_promised() {
        let facts = WindowFacts {
            shard_id: "shardId-000000000006".into(),
            event_source_arn: "arn:aws:kinesis:us-east-1:123456789012:stream/lambda-stream".into(),
        };
        let event = |state: &'static str, finale| {
            let window = TumblingWindow {
                track: TrackIdx(0),
                lane: 0,
                span: WindowSpan { start: UnixMillis(1_607_497_440_000), end: UnixMillis(1_607_497_560_000) },
                state: state.into(),
                finale,
                state_bytes_max: 0,
            };
            let pieces = [&b"{\"Records\":["[..], b"1", b"]}"].map(Bytes::from_static);
            let event = facts.add_window(pieces.into(), &window).concat();
            let n_added = event.len() - "{\"Records\":[1]}".len() - state.len();
            assert!(n_added as u64 <= WindowFacts::n_bytes_max(&facts.event_source_arn));
            String::from_utf8(event).unwrap()
        };
        let start = "{\"Records\":[1],\"window\":{\"start\":\"2020-12-09T07:04:00Z\",\"end\":\"2020-12-09T07:06:00Z\"},\"state\":";
        let middle = ",\"shardId\":\"shardId-000000000006\",\"eventSourceARN\":\"arn:aws:kinesis:us-east-1:123456789012:stream/lambda-stream\"";
        let end = |is_final, is_early| {
            format!(",\"isFinalInvokeForWindow\":{is_final},\"isWindowTerminatedEarly\":{is_early}}}")
        };
        assert_eq!(event("", None), format!("{start}{{}}{middle}{}", end(false, false)));
        assert_eq!(
            event("{\"a\" :1.0}", Some(Finale::Ended)),
            format!("{start}{{\"a\" :1.0}}{middle}{}", end(true, false))
        );
        assert_eq!(
            event("{}", Some(Finale::TerminatedEarly)),
            format!("{start}{{}}{middle}{}", end(true, true))
        );
    }
}
