//! A checkpoint as bytes: a version byte, then members of fixed order.

use super::*;

/// The version that this code writes; it reads this one only.
pub(super) const VERSION: u8 = 1;

impl Checkpoint {
    /// Its bytes: a version byte, then members of fixed order; numbers are big-endian, texts carry their length.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer(vec![VERSION]);
        match &self.watermark {
            Watermark::Origin(origin) => out.tagged(0, &origin.0),
            Watermark::At(position) => out.tagged(1, &position.0),
        }
        out.flag(self.ended);
        out.u32(self.lanes);
        out.u64(self.plan_generation);
        out.option(self.window.as_deref(), Writer::bytes);
        out.list(&self.finished, |out, (first, last)| {
            out.bytes(first.0.as_slice());
            out.bytes(last.0.as_slice());
        });
        out.list(&self.slices, Writer::slice);
        out.0
    }

    /// The checkpoint of these bytes.
    ///
    /// # Errors
    /// When they are not exactly what [`Checkpoint::encode`] wrote, or a newer version wrote them.
    pub fn decode(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let mut from = Cursor { bytes, at: 0 };
        match from.u8()? {
            VERSION => {}
            newer if newer > VERSION => return Err(CheckpointError::Version(newer)),
            _ => return Err(CheckpointError::Malformed(0)),
        }
        let watermark = match (from.u8()?, from.short()?) {
            (0, bytes) => Watermark::Origin(Origin(bytes)),
            (1, bytes) => Watermark::At(Position(bytes)),
            _ => return Err(from.malformed()),
        };
        let ended = from.flag()?;
        let lanes = from.u32()?;
        let plan_generation = from.u64()?;
        let window = from.option(|from| Ok(from.bytes()?.to_vec()))?;
        let finished = from.list(|from| Ok((Position(from.short()?), Position(from.short()?))))?;
        let slices = from.list(Cursor::slice)?;
        if from.at != bytes.len() || lanes == 0 {
            return Err(from.malformed());
        }
        Ok(Self { watermark, finished, slices, ended, lanes, plan_generation, window })
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn u32(&mut self, it: u32) {
        self.0.extend(it.to_be_bytes());
    }

    fn u64(&mut self, it: u64) {
        self.0.extend(it.to_be_bytes());
    }

    fn flag(&mut self, it: bool) {
        self.0.push(u8::from(it));
    }

    fn bytes(&mut self, it: &[u8]) {
        self.u32(u32::try_from(it.len()).expect("a member of a checkpoint is far below 4 GiB"));
        self.0.extend(it);
    }

    fn tagged(&mut self, tag: u8, it: &ShortBytes) {
        self.0.push(tag);
        self.bytes(it.as_slice());
    }

    fn option<T>(&mut self, it: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.flag(it.is_some());
        if let Some(it) = it {
            write(self, it);
        }
    }

    fn list<T>(&mut self, them: &[T], write: impl Fn(&mut Self, &T)) {
        self.u32(u32::try_from(them.len()).expect("a checkpoint has far fewer than 4 G members"));
        them.iter().for_each(|it| write(self, it));
    }

    fn slice(&mut self, it: &OpenSlice) {
        self.u32(it.lane);
        self.bytes(it.first.0.as_slice());
        self.bytes(it.last.0.as_slice());
        self.u32(it.n_failures);
        self.u32(it.n_invokes);
        self.u64(it.not_before.0.cast_unsigned());
        self.option(it.retries_max, Self::u32);
        self.option(it.record_age_max_ms, Self::u64);
        self.flag(it.bisect);
        self.option(it.given_up.as_ref(), |out, given_up| {
            out.0.push(match given_up.condition {
                Condition::RetriesExhausted => 0,
                Condition::AgeExceeded => 1,
                Condition::PayloadTooLarge => 2,
            });
            out.option(given_up.reply.as_ref(), Self::reply);
        });
    }

    fn reply(&mut self, it: &Reply) {
        self.bytes(it.request_id.as_bytes());
        self.option(it.status, |out, status| out.u32(u32::from(status)));
        for text in [&it.executed_version, &it.function_error, &it.error] {
            self.option(text.as_deref(), |out, text| out.bytes(text.as_bytes()));
        }
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn malformed(&self) -> CheckpointError {
        CheckpointError::Malformed(self.at)
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], CheckpointError> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.get(..n)).ok_or_else(|| self.malformed())?;
        self.at += n;
        Ok(taken)
    }

    fn u8(&mut self) -> Result<u8, CheckpointError> {
        Ok(self.take(1)?[0])
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

    fn text(&mut self) -> Result<String, CheckpointError> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| self.malformed())
    }

    fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, CheckpointError>) -> Result<Option<T>, CheckpointError> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    /// Grows with what is really there, so that a length that lies allocates nothing.
    fn list<T>(&mut self, read: impl Fn(&mut Self) -> Result<T, CheckpointError>) -> Result<Vec<T>, CheckpointError> {
        (0..self.u32()?).map(|_| read(self)).collect()
    }

    fn slice(&mut self) -> Result<OpenSlice, CheckpointError> {
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
            given_up: self.option(|from| {
                let condition = match from.u8()? {
                    0 => Condition::RetriesExhausted,
                    1 => Condition::AgeExceeded,
                    2 => Condition::PayloadTooLarge,
                    _ => return Err(from.malformed()),
                };
                Ok(GivenUp { condition, reply: from.option(Self::reply)? })
            })?,
        })
    }

    fn reply(&mut self) -> Result<Reply, CheckpointError> {
        let request_id = self.text()?;
        let status = self.option(Self::u32)?.map(u16::try_from).transpose().map_err(|_| self.malformed())?;
        let [executed_version, function_error, error] = [self.option(Self::text)?, self.option(Self::text)?, self.option(Self::text)?];
        Ok(Reply { request_id, status, executed_version, function_error, error, payload: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let full = full();
        assert_eq!(Checkpoint::decode(&full.encode()), Ok(full));
        let empty = Checkpoint::at_origin(Origin(ShortBytes::new(b"")));
        assert_eq!(Checkpoint::decode(&empty.encode()), Ok(empty));
    }

    #[test]
    fn a_checkpoint_cut_short_or_prolonged_is_refused_everywhere() {
        let bytes = full().encode();
        for n in 0..bytes.len() {
            assert!(Checkpoint::decode(&bytes[..n]).is_err(), "cut at {n}");
        }
        assert!(Checkpoint::decode(&[bytes.as_slice(), b"x"].concat()).is_err());
    }

    #[test]
    fn a_newer_version_is_refused_by_its_number() {
        assert_eq!(Checkpoint::decode(&[9, 0, 0]), Err(CheckpointError::Version(9)));
    }

    #[test]
    fn any_byte_may_lie_without_harm() {
        let bytes = full().encode();
        for at in 0..bytes.len() {
            for lie in [0, 1, 0x7f, 0xff] {
                let mut bytes = bytes.clone();
                bytes[at] = lie;
                let _ = Checkpoint::decode(&bytes);
            }
        }
    }

    fn full() -> Checkpoint {
        let reply = Reply { request_id: "r-1".into(), status: Some(200), function_error: Some("Unhandled".into()), ..Reply::default() };
        let slice = OpenSlice {
            lane: 3,
            first: Position::number(7),
            last: Position::new(&[1; 60]),
            n_failures: 2,
            n_invokes: 5,
            not_before: UnixMillis(-1),
            retries_max: None,
            record_age_max_ms: Some(60_000),
            bisect: true,
            given_up: Some(GivenUp { condition: Condition::AgeExceeded, reply: Some(reply) }),
        };
        Checkpoint {
            watermark: Watermark::At(Position::number(7)),
            finished: vec![(Position::number(9), Position::number(12))],
            slices: vec![slice.clone(), OpenSlice { given_up: None, retries_max: Some(3), ..slice }],
            ended: false,
            lanes: 4,
            plan_generation: 17,
            window: Some(b"{}".to_vec()),
        }
    }
}
