//! What an invocation says of its batch, so that a function can tell what it has applied: where the batch
//! stands in its track, and the name that a repeat of it has too.
//!
//! | Name | Value |
//! |---|---|
//! | `Forebay-Mapping` | the mapping's name |
//! | `Forebay-Track` | the track, as `track` of `/v1` shows it |
//! | `Forebay-Lane` | the lane, counted from 0, and how many there are: `3/10` |
//! | `Forebay-First-Position` | the position of the first record, in hexadecimal |
//! | `Forebay-Last-Position` | the position of the last record, in hexadecimal |
//! | `Idempotency-Key` | with `batch_identity: durable`: the name of the batch, 32 hexadecimal digits |
//!
//! Whatever is not a visible ASCII character, and `"`, `%` and `\`, stands percent-encoded. The end of a
//! tumbling window holds no record and so has no positions.

use std::fmt::Write as _;
use std::ops::Range;

use bytes::Bytes;
use forebay_batcher::{BatchLane, Finale, Position, TumblingWindow};
use http::{HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sha2::{Digest, Sha256};

/// What neither a header nor a text of JSON holds as it is.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%').add(b'\\');
/// So many headers a hand-off is at most.
pub(crate) const N_FIELDS_MAX: usize = 6;

static MAPPING: HandedField =
    HandedField { name: "Forebay-Mapping", header: HeaderName::from_static("forebay-mapping") };
const TRACK: HandedField =
    HandedField { name: "Forebay-Track", header: HeaderName::from_static("forebay-track") };
const LANE: HandedField =
    HandedField { name: "Forebay-Lane", header: HeaderName::from_static("forebay-lane") };
const FIRST: HandedField =
    HandedField { name: "Forebay-First-Position", header: HeaderName::from_static("forebay-first-position") };
const LAST: HandedField =
    HandedField { name: "Forebay-Last-Position", header: HeaderName::from_static("forebay-last-position") };
const IDENTITY: HandedField =
    HandedField { name: "Idempotency-Key", header: HeaderName::from_static("idempotency-key") };

/// Those that have a text of their own in each hand-off, in their order.
static FIELDS: [HandedField; N_FIELDS_MAX - 1] = [TRACK, LANE, FIRST, LAST, IDENTITY];
/// The texts of a hand-off take so many bytes, mostly.
const TEXT_BYTES: usize = 256;
const HEX: &[u8; 16] = b"0123456789abcdef";
const VISIBLE: &str = "visible ASCII characters are a header value";

struct HandedField {
    /// As a client context and the manual have it.
    name: &'static str,
    header: HeaderName,
}

/// What an invocation says of its batch: its mapping, its lane and its positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandOff {
    mapping: HeaderValue,
    /// The texts of [`FIELDS`] one behind the other, so that an invocation makes one of them and copies none.
    text: Bytes,
    /// Where each of them ends; `None` of one that is not told.
    ends: [Option<usize>; N_FIELDS_MAX - 1],
}

/// Makes the hand-offs of one mapping: what is the same for all of them is made once.
#[derive(Debug, Clone)]
pub struct HandOffs {
    mapping: HeaderValue,
    name: String,
}

/// The batch of an attempt, as its hand-off tells it.
#[derive(Debug, Clone, Copy)]
pub struct HandedBatch<'a> {
    /// The track's name in the store.
    pub track: &'a str,
    /// The lane.
    pub lane: BatchLane,
    /// How many records it holds.
    pub n_records: usize,
    /// The positions of the first and the last one; `None` where it holds none.
    pub positions: Option<(&'a Position, &'a Position)>,
    /// Its tumbling window.
    pub window: Option<&'a TumblingWindow>,
}

impl HandOffs {
    /// Those of a mapping.
    pub fn of(mapping: &str) -> Self {
        let encoded = utf8_percent_encode(mapping, ENCODED).to_string();
        Self { mapping: HeaderValue::try_from(encoded).expect(VISIBLE), name: mapping.to_owned() }
    }

    /// What is told of a batch. A name it has only where its cut is durable: any other may come back as
    /// another batch.
    pub fn tell(&self, batch: HandedBatch<'_>, has_identity: bool) -> HandOff {
        let BatchLane { lane, n_lanes, .. } = batch.lane;
        let mut text = String::with_capacity(TEXT_BYTES);
        text.extend(utf8_percent_encode(batch.track, ENCODED));
        let track = Some(text.len());
        write!(text, "{lane}/{n_lanes}").expect("a text takes everything");
        let lane = Some(text.len());
        let mut write_position = |position: &Position| {
            position.0.as_slice().iter().for_each(|byte| {
                text.extend([byte >> 4, byte & 15].map(|half| char::from(HEX[usize::from(half)])));
            });
            text.len()
        };
        let (first, last) =
            batch.positions.map(|(first, last)| (write_position(first), write_position(last))).unzip();
        let identity = has_identity.then(|| {
            text.push_str(&self.identity(&batch));
            text.len()
        });
        HandOff {
            mapping: self.mapping.clone(),
            text: text.into(),
            ends: [track, lane, first, last, identity],
        }
    }

    /// The same for the same batch, in whatever life of the mapping. Each part has its length before it, so
    /// that no two lists of parts read the same.
    fn identity(&self, batch: &HandedBatch<'_>) -> String {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        part(self.name.as_bytes());
        part(batch.track.as_bytes());
        part(&batch.lane.lane.to_be_bytes());
        part(&batch.lane.n_lanes.to_be_bytes());
        match (batch.positions, batch.window) {
            (Some((first, last)), _) => {
                part(first.0.as_slice());
                part(last.0.as_slice());
                // A function that names what failed may leave both ends and a hole between them.
                part(&(batch.n_records as u64).to_be_bytes());
            }
            (None, window) => {
                let span = window.map(|it| it.span);
                part(&span.map_or([0; 8], |it| it.start.0.to_be_bytes()));
                part(&span.map_or([0; 8], |it| it.end.0.to_be_bytes()));
                match window.and_then(|it| it.finale.as_ref()) {
                    // A window may be ended early more than once, each time over another state.
                    Some(Finale::TerminatedEarly) => part(window.map_or(&[][..], |it| &it.state)),
                    Some(Finale::Ended) | None => {}
                }
            }
        }
        hex::encode(&hash.finalize()[..16])
    }
}

impl HandOff {
    /// The name of the batch, where its cut is durable.
    pub fn identity(&self) -> Option<&str> {
        self.ranges().find(|(field, _)| field.name == IDENTITY.name).map(|(_, range)| self.text(range))
    }

    /// As headers of a request.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let mapping = (MAPPING.header.clone(), self.mapping.clone());
        // Parts of what was written once.
        let value = |range| HeaderValue::from_maybe_shared(self.text.slice(range)).expect(VISIBLE);
        std::iter::once(mapping)
            .chain(self.ranges().map(move |(field, range)| (field.header.clone(), value(range))))
    }

    /// As the `custom` of a client context, as JSON. Its values are texts: so the clients of typed languages
    /// read them, and an invocation with anything else fails there.
    pub(crate) fn client_context(&self) -> String {
        let mapping = self.mapping.to_str().unwrap_or_default();
        let mut json = String::with_capacity(384);
        json.push_str("{\"custom\":{");
        for (idx, (field, text)) in std::iter::once((&MAPPING, mapping)).chain(self.texts()).enumerate() {
            json.push_str(if idx == 0 { "\"" } else { ",\"" });
            json.push_str(field.name);
            json.push_str("\":\"");
            // Percent-encoded, none of its characters means anything in JSON.
            json.push_str(text);
            json.push('"');
        }
        json.push_str("}}");
        json
    }

    fn texts(&self) -> impl Iterator<Item = (&'static HandedField, &str)> {
        self.ranges().map(|(field, range)| (field, self.text(range)))
    }

    /// What is told, and where its text stands.
    fn ranges(&self) -> impl Iterator<Item = (&'static HandedField, Range<usize>)> {
        let mut start = 0;
        FIELDS.iter().zip(self.ends).filter_map(move |(field, end)| {
            let end = end?;
            Some((field, std::mem::replace(&mut start, end)..end))
        })
    }

    fn text(&self, range: Range<usize>) -> &str {
        std::str::from_utf8(&self.text[range]).expect(VISIBLE)
    }
}

#[cfg(test)]
mod tests {
    use forebay_batcher::{TrackIdx, UnixMillis, WindowSpan};

    use super::*;
    use crate::executors::rows_below;

    fn batch<'a>(track: &'a str, positions: Option<&'a (Position, Position)>) -> HandedBatch<'a> {
        HandedBatch {
            track,
            lane: BatchLane { track: TrackIdx(4), lane: 3, n_lanes: 10 },
            n_records: 2,
            positions: positions.map(|(first, last)| (first, last)),
            window: None,
        }
    }

    fn numbers(first: u64, last: u64) -> (Position, Position) {
        (Position::number(first), Position::number(last))
    }

    fn ended(window: &TumblingWindow) -> HandedBatch<'_> {
        HandedBatch { window: Some(window), ..batch("t", None) }
    }

    #[test]
    fn a_batch_tells_where_it_stands() {
        let positions = numbers(1, 255);
        let told = HandOffs::of("orders").tell(batch("shard-0", Some(&positions)), false);
        assert_eq!(
            told.client_context(),
            r#"{"custom":{"Forebay-Mapping":"orders","Forebay-Track":"shard-0","Forebay-Lane":"3/10","Forebay-First-Position":"0000000000000001","Forebay-Last-Position":"00000000000000ff"}}"#
        );
        let headers: Vec<_> =
            told.headers().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        assert_eq!(
            headers,
            [
                "forebay-mapping: orders",
                "forebay-track: shard-0",
                "forebay-lane: 3/10",
                "forebay-first-position: 0000000000000001",
                "forebay-last-position: 00000000000000ff",
            ]
        );
    }

    #[test]
    fn whatever_a_track_is_called_it_is_told_whole() {
        for name in ["/var/log/ü b.log", "a\nb\0", "100% \"sure\" \\ ", "\u{7f}😀", ""] {
            let told = HandOffs::of("m").tell(batch(name, None), false);
            let json: serde_json::Value = serde_json::from_str(&told.client_context()).unwrap();
            let in_header = told.headers().find(|it| it.0 == TRACK.header).unwrap().1;
            for text in [json["custom"]["Forebay-Track"].as_str().unwrap(), in_header.to_str().unwrap()] {
                let decoded = percent_encoding::percent_decode_str(text).decode_utf8().unwrap();
                assert_eq!(decoded, name, "{text}");
            }
        }
    }

    #[test]
    fn a_batch_has_its_name_in_every_life_and_shares_it_with_no_other() {
        let (first, other) = (numbers(1, 9), numbers(1, 8));
        let name = |mapping: &str, batch: HandedBatch<'_>| {
            HandOffs::of(mapping).tell(batch, true).identity().unwrap().to_owned()
        };
        let one = batch("t", Some(&first));
        // Kept by functions over years: it must not change.
        assert_eq!(name("m", one), "388ed3b8fa86a05c6d026e244e7fee39");
        let window = |end, finale, state: &'static str| TumblingWindow {
            track: TrackIdx(4),
            lane: 3,
            span: WindowSpan { start: UnixMillis(0), end: UnixMillis(end) },
            state: state.into(),
            finale: Some(finale),
            state_bytes_max: 100,
        };
        let (short, long) = (window(30_000, Finale::Ended, "{}"), window(60_000, Finale::Ended, "{}"));
        let early = ["1", "2"].map(|state| window(30_000, Finale::TerminatedEarly, state));
        let lane = |lane, n_lanes| BatchLane { lane, n_lanes, ..one.lane };
        let all = [
            name("m", one),
            name("n", one),
            name("m", batch("u", Some(&first))),
            name("m", batch("t", Some(&other))),
            name("m", HandedBatch { n_records: 3, ..one }),
            name("m", HandedBatch { lane: lane(2, 10), ..one }),
            name("m", HandedBatch { lane: lane(3, 11), ..one }),
            name("m", ended(&short)),
            name("m", ended(&long)),
            name("m", ended(&early[0])),
            name("m", ended(&early[1])),
        ];
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len(), "{all:?}");
        assert!(all.iter().all(|it| it.len() == 32), "{all:?}");
        // The number that a track has in this process is no part of it.
        let renumbered = HandedBatch { lane: BatchLane { track: TrackIdx(9), ..one.lane }, ..one };
        assert_eq!(name("m", renumbered), all[0]);
        // Its state may be another one after a repeat of what it was carried over.
        assert_eq!(name("m", ended(&window(30_000, Finale::Ended, "[]"))), name("m", ended(&short)));
        // A batch of a window is named by its records: what it carries may differ.
        assert_eq!(name("m", HandedBatch { window: Some(&short), ..one }), all[0]);
    }

    #[test]
    fn the_manual_has_the_table_of_this_file() {
        let ours = rows_below("| Name", include_str!("hand_off.rs"));
        assert_eq!(ours.len(), 8);
        assert_eq!(ours, rows_below("| Name", include_str!("../../docs/exactly-once.md")));
    }
}
