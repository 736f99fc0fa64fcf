//! Reads encoded records: bytes, fixed numbers and the variable ones that Avro and Protobuf share.

/// What is left of a record. Errors say what is missing and repeat nothing of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct WireReader<'a>(&'a [u8]);

impl<'a> WireReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// All that was not read.
    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// The next `n` bytes.
    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or_else(|| truncated(n, self.0.len()))?;
        self.0 = rest;
        Ok(taken)
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or_else(|| truncated(N, self.0.len()))?;
        self.0 = rest;
        Ok(*taken)
    }

    /// Seven bits a byte, the lowest first; the high bit says that another byte follows.
    pub(super) fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            // The tenth byte has room for the highest bit alone.
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("a number in it is longer than 64 bits".to_owned())
    }

    /// A number with a sign, as zigzag: 0, -1, 1, -2.
    pub(super) fn zigzag(&mut self) -> Result<i64, String> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// The same for what counts something.
    pub(super) fn length(&mut self) -> Result<usize, String> {
        let length = self.zigzag()?;
        usize::try_from(length).map_err(|_| format!("a length in it is {length}"))
    }
}

fn truncated(n_wanted: usize, n_left: usize) -> String {
    format!("it ends too early: {n_wanted} bytes should follow, and there are {n_left}")
}

/// A number as zigzag, for what is encoded in tests.
#[cfg(test)]
pub(super) fn zigzag_bytes(value: i64) -> Vec<u8> {
    let mut left = ((value << 1) ^ (value >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    while left >= 0x80 {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_read_to_their_edges_and_no_further() {
        let read = |bytes: &[u8]| WireReader::new(bytes).zigzag();
        for (bytes, value) in [(&[0][..], 0), (&[1], -1), (&[2], 1), (&[3], -2), (&[0x80, 1], 64)] {
            assert_eq!(read(bytes), Ok(value));
        }
        for value in [i64::MIN, i64::MAX] {
            assert_eq!(read(&zigzag_bytes(value)), Ok(value));
        }
        assert!(read(&[0x80]).unwrap_err().contains("too early"));
        assert!(read(&[0xff; 20]).unwrap_err().contains("64 bits"));
        assert!(read(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]).is_err());
        assert!(WireReader::new(&[1]).length().unwrap_err().contains("is -1"));
    }

    proptest! {
        #[test]
        fn a_number_is_there_again(value: i64) {
            prop_assert_eq!(WireReader::new(&zigzag_bytes(value)).zigzag(), Ok(value));
        }
    }
}
