//! Records that the Kinesis Producer Library packed into one: taken apart, or left whole when damaged. Pure.
//!
//! Four magic bytes, a message of Protocol Buffers, its MD5. The message holds a table of partition keys
//! (field 1), one of explicit hash keys (2), and records (3): the index of a partition key (1), of a hash key
//! (2), the data (3), tags (4).

use bytes::Bytes;
use md5::{Digest as _, Md5};

use crate::shards::Part;

/// What an aggregate begins with.
pub(super) const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];
const DIGEST_BYTES: usize = 16;
/// An aggregate of more records is left whole: each takes memory beside its data.
const RECORDS_MAX: usize = 100_000;

/// The records of an aggregate; `None` for what is none, or a damaged one. Nothing is copied.
pub(super) fn split(record: &Bytes) -> Option<Vec<Part>> {
    let message = record.strip_prefix(&MAGIC)?;
    let n_bytes = message.len().checked_sub(DIGEST_BYTES)?;
    let (message, digest) = message.split_at(n_bytes);
    if Md5::digest(message).as_slice() != digest {
        return None;
    }
    parts(record, message)
}

fn parts(record: &Bytes, message: &[u8]) -> Option<Vec<Part>> {
    let (mut keys, mut parts) = (Vec::new(), Vec::new());
    let mut fields = ProtoFields(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, ProtoValue::Bytes(key)) => {
                std::str::from_utf8(key).ok()?;
                keys.push(key);
            }
            (3, ProtoValue::Bytes(part)) if parts.len() < RECORDS_MAX => parts.push(part_of(part)?),
            (3, ProtoValue::Bytes(_)) => return None,
            // Explicit hash keys, and what later versions may add.
            (_, ProtoValue::Bytes(_) | ProtoValue::Number(_) | ProtoValue::Fixed) => {}
        }
    }
    let whole = |(key, data): (u64, &[u8])| {
        let key = keys.get(usize::try_from(key).ok()?)?;
        Some(Part { key: record.slice_ref(key), data: record.slice_ref(data) })
    };
    parts.into_iter().map(whole).collect()
}

/// The index of a record's partition key, and its data.
fn part_of(message: &[u8]) -> Option<(u64, &[u8])> {
    let (mut key, mut data) = (None, None);
    let mut fields = ProtoFields(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, ProtoValue::Number(idx)) => key = Some(idx),
            (3, ProtoValue::Bytes(bytes)) => data = Some(bytes),
            (_, ProtoValue::Bytes(_) | ProtoValue::Number(_) | ProtoValue::Fixed) => {}
        }
    }
    Some((key?, data?))
}

enum ProtoValue<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Four or eight bytes, which have no meaning here.
    Fixed,
}

/// The fields of a message of Protocol Buffers, one after the other.
struct ProtoFields<'a>(&'a [u8]);

impl<'a> ProtoFields<'a> {
    /// The next field and its number; `Some(None)` at the end, `None` where it is damaged.
    fn next(&mut self) -> Option<Option<(u64, ProtoValue<'a>)>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let tag = self.number()?;
        let value = match tag & 7 {
            0 => ProtoValue::Number(self.number()?),
            1 => self.take(8).map(|_| ProtoValue::Fixed)?,
            2 => {
                let n_bytes = usize::try_from(self.number()?).ok()?;
                ProtoValue::Bytes(self.take(n_bytes)?)
            }
            5 => self.take(4).map(|_| ProtoValue::Fixed)?,
            _ => return None,
        };
        Some(Some((tag >> 3, value)))
    }

    fn take(&mut self, n_bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n_bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn field(number: u8, value: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2];
        let mut left = value.len();
        while left >= 0x80 {
            out.push((left & 0x7f) as u8 | 0x80);
            left >>= 7;
        }
        out.push(left as u8);
        out.extend_from_slice(value);
        out
    }

    /// An aggregate as the producer library makes it: partition keys and data.
    pub(in crate::kinesis) fn aggregate(records: &[(&str, &[u8])]) -> Bytes {
        let mut message = Vec::new();
        records.iter().for_each(|(key, _)| message.extend(field(1, key.as_bytes())));
        message.extend(field(2, b"12345"));
        for (idx, (_, data)) in records.iter().enumerate() {
            let part = [vec![8, idx as u8, 16, 0], field(3, data)].concat();
            message.extend(field(3, &part));
        }
        let digest = Md5::digest(&message);
        [&MAGIC[..], &message, digest.as_slice()].concat().into()
    }

    #[test]
    fn an_aggregate_is_its_records_in_order() {
        let long = vec![b'x'; 300];
        let whole = aggregate(&[("a", b"1"), ("b", b""), ("a", &long)]);
        let parts = split(&whole).unwrap();
        let part =
            |key: &'static str, data: &[u8]| Part { key: key.into(), data: Bytes::copy_from_slice(data) };
        assert_eq!(parts, [part("a", b"1"), part("b", b""), part("a", &long)]);
    }

    #[test]
    fn what_is_damaged_anywhere_is_left_whole() {
        let whole = aggregate(&[("a", b"1"), ("b", b"2")]);
        for idx in 0..whole.len() {
            let mut damaged = whole.to_vec();
            damaged[idx] ^= 1;
            assert_eq!(split(&damaged.into()), None, "byte {idx}");
            assert_eq!(split(&whole.slice(..idx)), None, "cut at {idx}");
        }
        assert_eq!(split(&Bytes::from_static(b"plain")), None);
    }

    #[test]
    fn a_message_with_a_right_digest_and_wrong_content_is_left_whole() {
        let signed = |message: &[u8]| {
            let digest = Md5::digest(message);
            split(&[&MAGIC[..], message, digest.as_slice()].concat().into())
        };
        let key = field(1, b"k");
        assert_eq!(signed(&[key.clone(), field(3, &[8, 1, 26, 0])].concat()), None, "no key of that index");
        assert_eq!(signed(&[key.clone(), field(3, &[8, 0])].concat()), None, "no data");
        assert_eq!(signed(&[10, 200]), None, "longer than it is");
        assert_eq!(signed(&[&[0xff; 11][..], &key].concat()), None, "a number without end");
        let many = [&key[..], &field(3, &[8, 0, 26, 0]).repeat(RECORDS_MAX + 1)].concat();
        assert_eq!(signed(&many), None, "too many");
        let most = [&key[..], &field(3, &[8, 0, 26, 0]).repeat(RECORDS_MAX)].concat();
        assert_eq!(signed(&most).map(|it| it.len()), Some(RECORDS_MAX));
        let later = [&key[..], &[0x29, 1, 2, 3, 4, 5, 6, 7, 8], &field(3, &[8, 0, 26, 0])].concat();
        assert_eq!(signed(&later).map(|it| it.len()), Some(1), "what is not known is passed over");
    }
}
