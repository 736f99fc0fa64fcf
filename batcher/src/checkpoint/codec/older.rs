//! Checkpoints as older programs wrote them, which are read and not written any more: numbers in four and eight
//! bytes, each slice by itself.

use super::*;

/// They say what waits for an operator.
const WITH_PAUSES: u8 = 3;
/// They write places against the one before.
const BY_THE_PLACE_BEFORE: u8 = 2;
/// They write places and numbers in full.
const IN_FULL: u8 = 1;
/// Begins a place of which the lengths do not fit one byte.
const LONG: u8 = 0xff;

impl<'a> Cursor<'a> {
    /// The checkpoint behind the byte of an older version.
    pub(super) fn older_checkpoint(&mut self, version: u8) -> Result<Checkpoint, CheckpointError> {
        let watermark = match (version, self.u8()?, self.short()?) {
            (WITH_PAUSES | BY_THE_PLACE_BEFORE | IN_FULL, 0, bytes) => Watermark::Origin(Origin(bytes)),
            (WITH_PAUSES | BY_THE_PLACE_BEFORE | IN_FULL, 1, bytes) => Watermark::At(Position(bytes)),
            _ => return Err(self.malformed()),
        };
        let ended = self.flag()?;
        let lanes = self.u32()?;
        let plan_generation = self.u64()?;
        // They kept nothing of windows.
        self.option(|from| from.bytes().map(drop))?;
        let mut before = Vec::new();
        let (finished, slices) = if version == IN_FULL {
            (
                self.list(|from| Ok((Position(from.short()?), Position(from.short()?))))?,
                self.list(Self::slice_in_full)?,
            )
        } else {
            let members_max = if version == WITH_PAUSES { 0x3f } else { 0x0f };
            let finished =
                self.list(|from| Ok((from.older_place(&mut before)?, from.older_place(&mut before)?)))?;
            (finished, self.list(|from| from.older_slice(&mut before, members_max))?)
        };
        Ok(Checkpoint { watermark, finished, slices, ended, lanes, plan_generation, windows: None })
    }

    fn u32(&mut self) -> Result<u32, CheckpointError> {
        Ok(u32::from_be_bytes(self.take(4)?.try_into().expect("four bytes were taken")))
    }

    fn u64(&mut self) -> Result<u64, CheckpointError> {
        Ok(u64::from_be_bytes(self.take(8)?.try_into().expect("eight bytes were taken")))
    }

    fn flag(&mut self) -> Result<bool, CheckpointError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.malformed()),
        }
    }

    fn bytes(&mut self) -> Result<&'a [u8], CheckpointError> {
        let n = self.u32()? as usize;
        self.take(n)
    }

    fn short(&mut self) -> Result<ShortBytes, CheckpointError> {
        Ok(ShortBytes::new(self.bytes()?))
    }

    /// Grows with what is really there, so that a length that lies allocates nothing.
    fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, CheckpointError>,
    ) -> Result<Vec<T>, CheckpointError> {
        (0..self.u32()?).map(|_| read(self)).collect()
    }

    fn older_text(&mut self) -> Result<String, CheckpointError> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| self.malformed())
    }

    fn older_place(&mut self, before: &mut Vec<u8>) -> Result<Position, CheckpointError> {
        let (n_same, n_rest) = match self.u8()? {
            LONG => (self.length()?, self.length()?),
            lengths => (usize::from(lengths >> 4), usize::from(lengths & 0x0f)),
        };
        if n_same > before.len() || n_same.saturating_add(n_rest) > Position::BYTES_MAX {
            return Err(self.malformed());
        }
        let rest = self.take(n_rest)?;
        before.truncate(n_same);
        before.extend(rest);
        Ok(Position::new(before))
    }

    fn older_slice(&mut self, before: &mut Vec<u8>, members_max: u8) -> Result<OpenSlice, CheckpointError> {
        let members = self.u8()?;
        let has = |bit: u8| members & (1 << bit) != 0;
        if members > members_max || (has(4) && !has(3)) {
            return Err(self.malformed());
        }
        let mut slice = OpenSlice {
            lane: self.small_number()?,
            first: self.older_place(before)?,
            last: self.older_place(before)?,
            n_failures: self.small_number()?,
            n_invokes: self.small_number()?,
            not_before: UnixMillis(self.number()?.cast_signed()),
            retries_max: if has(1) { Some(self.small_number()?) } else { None },
            record_age_max_ms: if has(2) { Some(self.number()?) } else { None },
            bisect: has(0),
            is_age_pardoned: has(5),
            given_up: if has(3) { Some(Box::new(self.given_up(Self::older_reply)?)) } else { None },
            finale: None,
        };
        if let Some(given_up) = slice.given_up.as_mut().filter(|_| has(4)) {
            given_up.paused_since = Some(UnixMillis(self.number()?.cast_signed()));
        }
        Ok(slice)
    }

    fn slice_in_full(&mut self) -> Result<OpenSlice, CheckpointError> {
        Ok(OpenSlice {
            lane: self.u32()?,
            first: Position(self.short()?),
            last: Position(self.short()?),
            n_failures: self.u32()?,
            n_invokes: self.u32()?,
            not_before: UnixMillis(self.u64()?.cast_signed()),
            retries_max: self.option(Self::u32)?,
            record_age_max_ms: self.option(Self::u64)?,
            bisect: self.flag()?,
            is_age_pardoned: false,
            given_up: self.option(|from| from.given_up(Self::older_reply))?.map(Box::new),
            finale: None,
        })
    }

    fn older_reply(&mut self) -> Result<Reply, CheckpointError> {
        let request_id = self.older_text()?;
        let status = self.option(Self::u32)?.map(u16::try_from).transpose().map_err(|_| self.malformed())?;
        let [executed_version, function_error, error] =
            [self.option(Self::older_text)?, self.option(Self::older_text)?, self.option(Self::older_text)?];
        Ok(Reply { request_id, status, executed_version, function_error, error, payload: None, state: None })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{full, full_of_lies, paused, tumbling};
    use super::*;

    const BY_THE_PLACE_BEFORE_BYTES: &str = "02010000000800000000000000070000000004000000000000001101000000027b7d0000000108000000000000000971\
        0c000000020d037107ff003c010101010101010101010101010101010101010101010101010101010101010101010101\
        0101010101010101010101010101010101010101010101010205ffffffffffffffffff01e0d403010100000003722d31\
        01000000c8000100000009556e68616e646c6564000703080000000000000007ff003c01010101010101010101010101\
        010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010102\
        05ffffffffffffffffff0103e0d403";
    const WITH_PAUSES_BYTES: &str = "03010000000800000000000000070000000004000000000000001101000000027b7d0000000108000000000000000971\
        0c000000021d037107ff003c010101010101010101010101010101010101010101010101010101010101010101010101\
        0101010101010101010101010101010101010101010101010205ffffffffffffffffff01e0d403010100000003722d31\
        01000000c8000100000009556e68616e646c656400fbd095ffbc310703080000000000000007ff003c01010101010101\
        010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101\
        01010101010205ffffffffffffffffff0103e0d403";

    #[test]
    fn what_older_programs_wrote_is_read() {
        for (bytes, checkpoint) in [
            (BY_THE_PLACE_BEFORE_BYTES, full()),
            (WITH_PAUSES_BYTES, paused()),
            (WITHOUT_SHORTCUTS_BYTES, full()),
            (PAUSED_WITHOUT_SHORTCUTS_BYTES, paused()),
            (TUMBLING_WITHOUT_SHORTCUTS_BYTES, tumbling()),
        ] {
            let bytes = from_hex(bytes);
            assert_eq!(Checkpoint::decode(&bytes), Ok(checkpoint));
            for n in 0..bytes.len() {
                assert!(Checkpoint::decode(&bytes[..n]).is_err(), "cut at {n}");
            }
            full_of_lies(&bytes);
        }
    }

    const WITHOUT_SHORTCUTS_BYTES: &str = "0401080000000000000007041101040602010d0205ffffffffffffffffff01e0d403010103722d3101c801000109556e\
        68616e646c656400030f0107013c01010101010101010101010101010101010101010101010101010101010101010101\
        010101010101010101010101010101010101010101010101010101070205ffffffffffffffffff0103e0d4030300013c\
        010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101\
        010101010101010101010101";
    const PAUSED_WITHOUT_SHORTCUTS_BYTES: &str = "0401080000000000000007041101040602011d0205ffffffffffffffffff01e0d403010103722d3101c801000109556e\
        68616e646c656400fbd095ffbc31030f0107013c01010101010101010101010101010101010101010101010101010101\
        010101010101010101010101010101010101010101010101010101010101010101070205ffffffffffffffffff0103e0\
        d4030300013c010101010101010101010101010101010101010101010101010101010101010101010101010101010101\
        010101010101010101010101010101010101";
    const TUMBLING_WITHOUT_SHORTCUTS_BYTES: &str = "04050800000000000000070411c8dc03030006a0abfcffffffffffff01e0d403077b226e223a317d0201e0d403ac0203\
        00a0abfcffffffffffff01e0d403000104060402470205ffffffffffffffffff0103e0d4030301000103010002010d02\
        05ffffffffffffffffff01e0d403010103722d3101c801000109556e68616e646c656400030108000000000000000701\
        3c0101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101\
        0101010101010101010101010101070205ffffffffffffffffff0103e0d4030300013c01010101010101010101010101\
        0101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101";

    #[test]
    fn a_pause_is_no_member_of_a_version_that_knows_none() {
        let mut bytes = from_hex(WITH_PAUSES_BYTES);
        bytes[0] = BY_THE_PLACE_BEFORE;
        assert!(Checkpoint::decode(&bytes).is_err());
    }

    #[test]
    fn what_the_first_program_wrote_in_full_is_read() {
        let full = full();
        let number = |it: u32| it.to_be_bytes().to_vec();
        let text = |it: &[u8]| [number(u32::try_from(it.len()).expect("short")), it.to_vec()].concat();
        let option = |it: Option<Vec<u8>>| it.map_or_else(|| vec![0], |it| [vec![1], it].concat());
        let mut bytes = [vec![IN_FULL, 1], text(&7_u64.to_be_bytes()), vec![0], number(full.lanes)].concat();
        bytes.extend(full.plan_generation.to_be_bytes());
        bytes.extend([option(Some(text(b"{}"))), number(1)].concat());
        for (first, last) in &full.finished {
            bytes.extend([text(first.0.as_slice()), text(last.0.as_slice())].concat());
        }
        bytes.extend(number(2));
        for it in &full.slices {
            bytes.extend([number(it.lane), text(it.first.0.as_slice()), text(it.last.0.as_slice())].concat());
            bytes.extend([number(it.n_failures), number(it.n_invokes)].concat());
            bytes.extend(it.not_before.0.to_be_bytes());
            bytes.extend(option(it.retries_max.map(number)));
            bytes.extend(option(it.record_age_max_ms.map(|it| it.to_be_bytes().to_vec())));
            bytes.push(u8::from(it.bisect));
            let reply = |it: &Reply| {
                let texts = [&it.executed_version, &it.function_error, &it.error];
                let texts = texts.map(|it| option(it.as_deref().map(|it| text(it.as_bytes())))).concat();
                let status = option(it.status.map(|it| number(u32::from(it))));
                [text(it.request_id.as_bytes()), status, texts].concat()
            };
            bytes.extend(option(
                it.given_up.as_ref().map(|it| [vec![1], option(it.reply.as_ref().map(reply))].concat()),
            ));
        }
        assert_eq!(Checkpoint::decode(&bytes), Ok(full));
    }

    fn from_hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
    }
}
