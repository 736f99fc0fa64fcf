//! The data of a record as it came: as it was put, or as Base64, as an event has it. Pure.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::shards::ShardRecord;

/// A record that lay encrypted has this in its index of facts.
pub(super) const ENCRYPTED: usize = 1;
/// One whose data is Base64 has this.
pub(super) const BASE64: usize = 2;

/// How many bytes were put.
pub(super) fn n_bytes(record: &ShardRecord) -> usize {
    let n_bytes = record.data.len();
    match record.facts_idx & BASE64 {
        0 => n_bytes,
        _ => n_bytes / 4 * 3 - record.data.iter().rev().take_while(|it| **it == b'=').count(),
    }
}

/// The data as it was put, where it begins with these bytes.
pub(super) fn beginning_with(record: &ShardRecord, begin: &[u8]) -> Option<Bytes> {
    let whole = match record.facts_idx & BASE64 {
        0 => record.data.clone(),
        // What begins otherwise is not decoded: three bytes are four of the text.
        _ if !record.data.starts_with(STANDARD.encode(&begin[..begin.len() / 3 * 3]).as_bytes()) => {
            return None;
        }
        _ => decoded(&record.data)?.into_owned().into(),
    };
    whole.starts_with(begin).then_some(whole)
}

/// The bytes that a text of Base64 stands for; `None` where it is none, or is written as no encoder does.
pub(super) fn decoded(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    STANDARD.decode(text).ok().map(Cow::Owned)
}

/// Whether a text is Base64 as an encoder writes it, so that it may stand in an event. Each record is asked for it
/// with all of its data, so it is looked at as many bytes at a time as the processor can.
pub(super) fn is_base64(text: &[u8]) -> bool {
    base64_simd::STANDARD.check(text).is_ok()
}

#[cfg(test)]
mod tests {
    use forebay_batcher::RecordId;

    use super::*;

    fn record(data: &[u8], facts_idx: usize) -> ShardRecord {
        let data = Bytes::copy_from_slice(data);
        ShardRecord { id: RecordId::new(b""), key: Bytes::new(), data, arrival_ms: 0, facts_idx }
    }

    #[test]
    fn base64_is_what_an_encoder_writes() {
        for n in 0..20 {
            let data: Vec<u8> = (0..n).map(|it| u8::wrapping_mul(it, 37)).collect();
            let text = STANDARD.encode(&data).into_bytes();
            assert!(is_base64(&text), "{text:?}");
            for idx in 0..text.len() {
                for odd in [b'=', b'-', b' ', b'"', 0x80] {
                    let mut damaged = text.clone();
                    damaged[idx] = odd;
                    assert_eq!(is_base64(&damaged), decoded(&damaged).is_some(), "{damaged:?}");
                }
                assert_eq!(is_base64(&text[..idx]), decoded(&text[..idx]).is_some());
            }
        }
        assert!(!is_base64(b"AB==") && !is_base64(b"AAB=") && !is_base64(b"===="));
    }

    #[test]
    fn data_has_the_bytes_that_were_put_however_it_came() {
        for n in 0..10 {
            let data: Vec<u8> = (0..n).collect();
            for it in [record(&data, 0), record(STANDARD.encode(&data).as_bytes(), BASE64 | ENCRYPTED)] {
                assert_eq!(n_bytes(&it), data.len());
                for n_begin in 0..=data.len() {
                    assert_eq!(beginning_with(&it, &data[..n_begin]).as_deref(), Some(&data[..]));
                }
                assert_eq!(beginning_with(&it, &[&data[..], b"x"].concat()), None);
                assert_eq!(beginning_with(&it, b"xxxx"), None);
            }
        }
    }
}
