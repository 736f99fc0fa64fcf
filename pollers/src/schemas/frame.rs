//! What a producer writes in front of a record: which schema it is encoded by, in one of two forms.

use std::borrow::Cow;
use std::fmt;
use std::io::Read;

use forebay_config::plan::EVENT_BYTES_MAX;
use uuid::Uuid;

/// No record is decoded that is longer, as it is sent or decompressed: no event can hold it.
pub(super) const RECORD_BYTES_MAX: usize = EVENT_BYTES_MAX as usize;

const CONFLUENT_MAGIC: u8 = 0;
const GLUE_VERSION: u8 = 3;
const GLUE_PLAIN: u8 = 0;
const GLUE_ZLIB: u8 = 5;

/// How producers say which schema it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// `00`, and four bytes with a number, the highest first.
    Confluent,
    /// `03`, one byte for how the rest is compressed, and sixteen with the UUID of a version of a schema.
    Glue,
}

/// What a registry knows a schema by. It never changes what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SchemaId {
    /// A number.
    Number(u32),
    /// A version of a schema of Glue's.
    Version(Uuid),
}

impl fmt::Display for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Version(uuid) => uuid.fmt(f),
        }
    }
}

/// A record taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RecordFrame<'a> {
    pub(super) schema: SchemaId,
    /// What follows, decompressed.
    pub(super) payload: Cow<'a, [u8]>,
}

/// Takes a record apart. The error says what is wrong with it and repeats nothing of it.
pub(super) fn unframed(framing: Framing, record: &[u8]) -> Result<RecordFrame<'_>, String> {
    if record.len() > RECORD_BYTES_MAX {
        return Err(format!("it has {} bytes; {RECORD_BYTES_MAX} is the most", record.len()));
    }
    match framing {
        Framing::Confluent => confluent(record),
        Framing::Glue => glue(record),
    }
}

fn confluent(record: &[u8]) -> Result<RecordFrame<'_>, String> {
    match record {
        [CONFLUENT_MAGIC, a, b, c, d, payload @ ..] => Ok(RecordFrame {
            schema: SchemaId::Number(u32::from_be_bytes([*a, *b, *c, *d])),
            payload: Cow::Borrowed(payload),
        }),
        [first, ..] if *first != CONFLUENT_MAGIC => {
            Err(format!("its first byte is {first:#04x}, not 0x00 and the id of a schema"))
        }
        _ => Err(format!("it has {} bytes, fewer than the five that name a schema", record.len())),
    }
}

fn glue(record: &[u8]) -> Result<RecordFrame<'_>, String> {
    if let Some(first) = record.first().filter(|it| **it != GLUE_VERSION) {
        return Err(format!("its first byte is {first:#04x}, not 0x03 and the version of a schema"));
    }
    let Some((head, payload)) = record.split_first_chunk::<18>() else {
        return Err(format!("it has {} bytes, fewer than the eighteen that name a schema", record.len()));
    };
    let [_, compression, uuid @ ..] = *head;
    let payload = match compression {
        GLUE_PLAIN => Cow::Borrowed(payload),
        GLUE_ZLIB => Cow::Owned(decompressed(payload)?),
        _ => return Err(format!("it is compressed in a form that is not known, {compression:#04x}")),
    };
    Ok(RecordFrame { schema: SchemaId::Version(Uuid::from_bytes(uuid)), payload })
}

/// Never more than a record may have, however little it was compressed to.
fn decompressed(payload: &[u8]) -> Result<Vec<u8>, String> {
    let mut whole = Vec::new();
    let mut limited = flate2::read::ZlibDecoder::new(payload).take(RECORD_BYTES_MAX as u64 + 1);
    limited.read_to_end(&mut whole).map_err(|error| format!("it cannot be decompressed: {error}"))?;
    if whole.len() > RECORD_BYTES_MAX {
        return Err(format!("it has more than {RECORD_BYTES_MAX} bytes when it is decompressed"));
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn zlib(payload: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(payload).unwrap();
        encoder.finish().unwrap()
    }

    fn glue_record(compression: u8, payload: &[u8]) -> Vec<u8> {
        [&[3, compression], Uuid::from_u128(7).as_bytes().as_slice(), payload].concat()
    }

    #[test]
    fn both_forms_are_taken_apart() {
        let frame = unframed(Framing::Confluent, &[0, 0, 0, 1, 2, 9, 9]).unwrap();
        assert_eq!((frame.schema.to_string(), &*frame.payload), ("258".to_owned(), &[9, 9][..]));
        let id = SchemaId::Version(Uuid::from_u128(7));
        for record in [glue_record(0, b"hello"), glue_record(5, &zlib(b"hello"))] {
            let frame = unframed(Framing::Glue, &record).unwrap();
            assert_eq!((frame.schema, &*frame.payload), (id, &b"hello"[..]));
        }
        assert_eq!(id.to_string(), "00000000-0000-0000-0000-000000000007");
    }

    #[test]
    fn what_is_no_frame_is_told_by_what_is_wrong_with_it() {
        for (framing, record, part) in [
            (Framing::Confluent, vec![], "has 0 bytes"),
            (Framing::Confluent, vec![0, 0, 0, 1], "has 4 bytes"),
            (Framing::Confluent, b"{\"a\":1}".to_vec(), "first byte is 0x7b"),
            (Framing::Confluent, glue_record(0, b""), "first byte is 0x03"),
            (Framing::Glue, vec![0, 0, 0, 0, 1], "first byte is 0x00"),
            (Framing::Glue, vec![3, 0, 1], "has 3 bytes"),
            (Framing::Glue, glue_record(1, b""), "not known, 0x01"),
            (Framing::Glue, glue_record(5, b"hello"), "cannot be decompressed"),
            (Framing::Glue, glue_record(5, &zlib(b"hello")[..6]), "cannot be decompressed"),
            (Framing::Confluent, vec![0; RECORD_BYTES_MAX + 1], "is the most"),
        ] {
            let error = unframed(framing, &record).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_bomb_is_not_decompressed_beyond_its_limit() {
        let bomb = glue_record(5, &zlib(&vec![0; RECORD_BYTES_MAX + 1]));
        assert!(bomb.len() < 200_000, "{} bytes are no bomb", bomb.len());
        assert!(unframed(Framing::Glue, &bomb).unwrap_err().contains("more than"));
        let most = glue_record(5, &zlib(&vec![0; RECORD_BYTES_MAX]));
        assert_eq!(unframed(Framing::Glue, &most).unwrap().payload.len(), RECORD_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn what_was_framed_is_there_again(id: u32, payload: Vec<u8>) {
            let record = [&[0][..], &id.to_be_bytes(), &payload].concat();
            let frame = unframed(Framing::Confluent, &record).unwrap();
            prop_assert_eq!((frame.schema, &*frame.payload), (SchemaId::Number(id), &payload[..]));
            let record = glue_record(5, &zlib(&payload));
            prop_assert_eq!(&*unframed(Framing::Glue, &record).unwrap().payload, &payload[..]);
        }

        #[test]
        fn no_bytes_make_it_panic(record: Vec<u8>) {
            let _ = unframed(Framing::Confluent, &record);
            let _ = unframed(Framing::Glue, &[&[3, 5][..], &record].concat());
        }
    }
}
