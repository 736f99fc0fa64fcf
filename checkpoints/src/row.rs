//! Rows: how a name becomes a key, and how a value proves that it belongs under its key.
//!
//! | key | value's body |
//! | --- | --- |
//! | `c` mapping track | the track's checkpoint, opaque |
//! | `d` mapping | a note of the mapping, opaque; it may stand without a row `m` |
//! | `e` | the epoch below which no removed mapping was granted one |
//! | `m` mapping | one byte: 1 when the mapping was created, 0 when it was only acquired |
//! | `t` mapping track | the generation under which the source dealt the track, eight bytes, or nothing: it is on the mapping's list |
//! | `z` | the generation row; it sorts last and is written last |
//!
//! In a key a mapping's id follows its length (four bytes, big-endian), so that no id is a prefix of another.
//! A value is: version byte, epoch, mapping id after its length, body, and the CRC-32 of the key and all
//! before.

use std::fmt;

use crate::store::{Epoch, MappingId, TrackKey};

const VERSION: u8 = 1;

/// What a row is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    Checkpoint(MappingId, TrackKey),
    Note(MappingId),
    EpochFloor,
    Mapping(MappingId),
    Listed(MappingId, TrackKey),
    Generation,
}

impl Name {
    pub(crate) fn key(&self) -> Vec<u8> {
        match self {
            Self::Checkpoint(mapping, track) => track_key(b'c', mapping, track),
            Self::Note(mapping) => sized(b'd', mapping),
            Self::EpochFloor => vec![b'e'],
            Self::Mapping(mapping) => sized(b'm', mapping),
            Self::Listed(mapping, track) => track_key(b't', mapping, track),
            Self::Generation => vec![b'z'],
        }
    }

    pub(crate) fn parse(key: &[u8]) -> Option<Self> {
        let (kind, rest) = key.split_first()?;
        match kind {
            b'c' => track_of(rest).map(|(mapping, track)| Self::Checkpoint(mapping, track)),
            b'd' => whole_of(rest).map(Self::Note),
            b'e' if rest.is_empty() => Some(Self::EpochFloor),
            b'm' => whole_of(rest).map(Self::Mapping),
            b't' => track_of(rest).map(|(mapping, track)| Self::Listed(mapping, track)),
            b'z' if rest.is_empty() => Some(Self::Generation),
            _ => None,
        }
    }

    /// Whether the rows of this kind of key may be large: their bodies are others'.
    pub(crate) fn is_large(key: &[u8]) -> bool {
        matches!(key.first(), Some(b'c' | b'd'))
    }

    /// The beginning of the keys of all checkpoints of a mapping.
    pub(crate) fn checkpoints_of(mapping: &MappingId) -> Vec<u8> {
        sized(b'c', mapping)
    }

    /// The beginning of the keys of a mapping's list of tracks.
    pub(crate) fn list_of(mapping: &MappingId) -> Vec<u8> {
        sized(b't', mapping)
    }

    /// The beginning of the keys of all notes.
    pub(crate) fn notes() -> Vec<u8> {
        vec![b'd']
    }

    /// The beginning of the keys of all mappings.
    pub(crate) fn mappings() -> Vec<u8> {
        vec![b'm']
    }

    fn mapping(&self) -> &str {
        match self {
            Self::Checkpoint(mapping, _)
            | Self::Note(mapping)
            | Self::Mapping(mapping)
            | Self::Listed(mapping, _) => &mapping.0,
            Self::EpochFloor | Self::Generation => "",
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checkpoint(mapping, track) => {
                write!(f, "the checkpoint of track {} of mapping {}", track.0, mapping.0)
            }
            Self::Note(mapping) => write!(f, "the note of mapping {}", mapping.0),
            Self::EpochFloor => write!(f, "the epoch floor"),
            Self::Mapping(mapping) => write!(f, "the row of mapping {}", mapping.0),
            Self::Listed(mapping, track) => {
                write!(f, "the list entry of track {} of mapping {}", track.0, mapping.0)
            }
            Self::Generation => write!(f, "the generation row"),
        }
    }
}

fn sized(kind: u8, mapping: &MappingId) -> Vec<u8> {
    let mut key = vec![kind];
    push_sized(&mut key, &mapping.0);
    key
}

fn push_sized(bytes: &mut Vec<u8>, text: &str) {
    let n_bytes = u32::try_from(text.len()).expect("a mapping's id is far shorter than 4 GiB");
    bytes.extend_from_slice(&n_bytes.to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

fn track_key(kind: u8, mapping: &MappingId, track: &TrackKey) -> Vec<u8> {
    let mut key = sized(kind, mapping);
    key.extend_from_slice(track.0.as_bytes());
    key
}

fn track_of(rest: &[u8]) -> Option<(MappingId, TrackKey)> {
    let (mapping, track) = split_sized(rest)?;
    Some((MappingId(text(mapping)?), TrackKey(text(track)?)))
}

/// The mapping of a key that has nothing after it.
fn whole_of(rest: &[u8]) -> Option<MappingId> {
    track_of(rest).filter(|(_, track)| track.0.is_empty()).map(|(mapping, _)| mapping)
}

fn split_sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (n_bytes, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*n_bytes)).ok()?)
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

/// What a row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// The epoch that it was written under; in a mapping's row the highest granted.
    pub(crate) epoch: Epoch,
    pub(crate) body: Vec<u8>,
}

impl Row {
    pub(crate) fn encode(&self, name: &Name) -> Vec<u8> {
        let mut value = vec![VERSION];
        value.extend_from_slice(&self.epoch.0.to_be_bytes());
        push_sized(&mut value, name.mapping());
        value.extend_from_slice(&self.body);
        let checksum = checksum(&name.key(), &value);
        value.extend_from_slice(&checksum.to_be_bytes());
        value
    }

    /// Reads a value back; the error says how one can tell that it is damaged.
    pub(crate) fn decode(name: &Name, value: &[u8]) -> Result<Self, String> {
        let Some((content, kept)) = value.split_last_chunk::<4>() else {
            return Err(format!("it has {} bytes, too few for its checksum", value.len()));
        };
        // Before anything is taken out of it: lengths in damaged bytes lead anywhere.
        if checksum(&name.key(), content) != u32::from_be_bytes(*kept) {
            return Err("its checksum does not match its key and content".to_owned());
        }
        let parts = content.split_first().and_then(|(version, rest)| {
            let (epoch, rest) = rest.split_first_chunk::<8>()?;
            let (mapping, body) = split_sized(rest)?;
            Some((*version, Epoch(u64::from_be_bytes(*epoch)), mapping, body))
        });
        let Some((version, epoch, mapping, body)) = parts else {
            return Err("it is too short".to_owned());
        };
        if version != VERSION {
            return Err(format!(
                "it was written in version {version}, and this program reads version {VERSION}"
            ));
        }
        if mapping != name.mapping().as_bytes() {
            return Err(format!("it belongs to mapping {}", String::from_utf8_lossy(mapping)));
        }
        Ok(Self { epoch, body: body.to_vec() })
    }
}

fn checksum(key: &[u8], content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(content);
    hasher.finalize()
}

/// A number for a value such that the sum over all rows tells whether one of them is missing or older: its
/// checksum, spread over 64 bits.
pub(crate) fn fingerprint(value: &[u8]) -> u64 {
    let checksum = value.last_chunk::<4>().map_or(0, |kept| u32::from_be_bytes(*kept));
    // Plain checksums could make up for one another in a sum; spread by splitmix64 they do not by chance.
    let mut it = u64::from(checksum).wrapping_add(0x9e37_79b9_7f4a_7c15);
    it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    it ^ (it >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<Name> {
        let mapping = MappingId("quakes".to_owned());
        let track = TrackKey("8:1f\0é".to_owned());
        vec![
            Name::Checkpoint(mapping.clone(), track.clone()),
            Name::Note(mapping.clone()),
            Name::EpochFloor,
            Name::Mapping(mapping.clone()),
            Name::Listed(mapping, track),
            Name::Generation,
        ]
    }

    #[test]
    fn a_name_comes_back_from_its_key() {
        for name in names() {
            assert_eq!(Name::parse(&name.key()), Some(name));
        }
        assert_eq!(Name::parse(b""), None);
        assert_eq!(Name::parse(b"q"), None);
        for damaged in
            [&b"m\0\0\0\x09short"[..], b"m\0\0\0\x01along", b"d\0\0\0\x09short", b"d\0\0\0\x01along", b"d"]
        {
            assert_eq!(Name::parse(damaged), None, "{}", damaged.escape_ascii());
        }
    }

    #[test]
    fn keys_sort_with_the_generation_row_last() {
        let generation = Name::Generation.key();
        assert!(names().iter().all(|name| name.key() <= generation));
    }

    #[test]
    fn every_single_bit_of_a_value_counts() {
        for name in names() {
            let row = Row { epoch: Epoch(7), body: b"place".to_vec() };
            let value = row.encode(&name);
            assert_eq!(Row::decode(&name, &value), Ok(row));
            for bit in 0..value.len() * 8 {
                let mut flipped = value.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(Row::decode(&name, &flipped).is_err(), "bit {bit} of {name}");
            }
            for n_bytes in 0..value.len() {
                assert!(Row::decode(&name, &value[..n_bytes]).is_err(), "{n_bytes} bytes of {name}");
            }
        }
    }

    #[test]
    fn a_value_under_another_key_is_refused() {
        let mut names = names();
        names.push(Name::Checkpoint(MappingId("quakes".to_owned()), TrackKey("another".to_owned())));
        for own in &names {
            let value = Row { epoch: Epoch(7), body: Vec::new() }.encode(own);
            for other in names.iter().filter(|other| *other != own) {
                assert!(Row::decode(other, &value).is_err(), "{own} under the key of {other}");
            }
        }
    }
}
