//! A checkpoint as bytes: a version byte, then members of fixed order. Places are written against the one
//! before, for most begin alike.

use super::*;

/// The newest version that this code reads, and writes where something waits for an operator or is tried
/// again for one: programs that know nothing of that refuse it by its number.
pub(super) const VERSION: u8 = 3;
/// The version that this code writes of anything else, so that the program before it reads it.
const VERSION_WITHOUT_PAUSES: u8 = 2;
/// An older one that it reads as well: the same members, places and numbers in full.
const VERSION_IN_FULL: u8 = 1;
/// Begins a place of which the lengths do not fit one byte.
const LONG: u8 = 0xff;

impl Checkpoint {
    /// Its bytes: a version byte, then members of fixed order; numbers are big-endian, texts carry their
    /// length, a place carries how much of the place before it begins alike.
    pub fn encode(&self) -> Vec<u8> {
        let has_pauses = self.slices.iter().any(OpenSlice::is_of_operator);
        let n_places = 2 * (self.finished.len() + self.slices.len());
        let mut out = Writer(Vec::with_capacity(64 + 8 * n_places + 16 * self.slices.len()));
        out.0.push(if has_pauses { VERSION } else { VERSION_WITHOUT_PAUSES });
        let mut before: &[u8] = &[];
        match &self.watermark {
            Watermark::Origin(origin) => out.tagged(0, &origin.0),
            Watermark::At(position) => out.tagged(1, &position.0),
        }
        out.flag(self.ended);
        out.u32(self.lanes);
        out.u64(self.plan_generation);
        out.option(self.window.as_deref(), Writer::bytes);
        out.u32(u32::try_from(self.finished.len()).unwrap_or(u32::MAX));
        for (first, last) in &self.finished {
            out.place(&mut before, first);
            out.place(&mut before, last);
        }
        out.u32(u32::try_from(self.slices.len()).unwrap_or(u32::MAX));
        for slice in &self.slices {
            out.slice(&mut before, slice);
        }
        out.0
    }

    /// The checkpoint of these bytes.
    ///
    /// # Errors
    /// When they are not exactly what [`Checkpoint::encode`] wrote, or a newer version wrote them.
    pub fn decode(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let mut from = Cursor { bytes, at: 0 };
        let (is_in_full, members_max) = match from.u8()? {
            VERSION => (false, 0x3f),
            VERSION_WITHOUT_PAUSES => (false, 0x0f),
            VERSION_IN_FULL => (true, 0),
            newer if newer > VERSION => return Err(CheckpointError::Version(newer)),
            _ => return Err(CheckpointError::Malformed(0)),
        };
        let watermark = match (from.u8()?, from.short()?) {
            (0, bytes) => Watermark::Origin(Origin(bytes)),
            (1, bytes) => Watermark::At(Position(bytes)),
            _ => return Err(from.malformed()),
        };
        let ended = from.flag()?;
        let lanes = from.u32()?;
        let plan_generation = from.u64()?;
        let window = from.option(|from| Ok(from.bytes()?.to_vec()))?;
        let mut before = Vec::new();
        let (finished, slices) = if is_in_full {
            (
                from.list(|from| Ok((Position(from.short()?), Position(from.short()?))))?,
                from.list(Cursor::slice_in_full)?,
            )
        } else {
            let finished = from.list(|from| Ok((from.place(&mut before)?, from.place(&mut before)?)))?;
            (finished, from.list(|from| from.slice(&mut before, members_max))?)
        };
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

    /// A number in groups of seven bits, the lowest first.
    fn number(&mut self, mut it: u64) {
        if it <= 0x7f {
            // Most are.
            return self.0.push(it as u8);
        }
        let (mut bytes, mut n) = ([0; 10], 0);
        while it > 0x7f {
            bytes[n] = (it & 0x7f) as u8 | 0x80;
            it >>= 7;
            n += 1;
        }
        bytes[n] = (it & 0x7f) as u8;
        self.0.extend_from_slice(&bytes[..=n]);
    }

    /// A place: how many bytes of the one before it begins with, and what follows them.
    fn place<'a>(&mut self, before: &mut &'a [u8], it: &'a Position) {
        let bytes = it.0.as_slice();
        let n_same = n_alike(before, bytes);
        let rest = &bytes[n_same..];
        if n_same < 16 && rest.len() < 15 {
            self.0.push((n_same << 4 | rest.len()) as u8);
        } else {
            self.0.push(LONG);
            self.number(n_same as u64);
            self.number(rest.len() as u64);
        }
        self.0.extend(rest);
        *before = bytes;
    }

    fn slice<'a>(&mut self, before: &mut &'a [u8], it: &'a OpenSlice) {
        let paused_since = it.given_up.as_ref().and_then(|it| it.paused_since);
        let members = [
            it.bisect,
            it.retries_max.is_some(),
            it.record_age_max_ms.is_some(),
            it.given_up.is_some(),
            paused_since.is_some(),
            it.is_age_pardoned,
        ];
        self.0.push((0..).zip(members).map(|(bit, is_so)| u8::from(is_so) << bit).sum());
        self.number(u64::from(it.lane));
        self.place(before, &it.first);
        self.place(before, &it.last);
        self.number(u64::from(it.n_failures));
        self.number(u64::from(it.n_invokes));
        self.number(it.not_before.0.cast_unsigned());
        it.retries_max.into_iter().for_each(|it| self.number(u64::from(it)));
        it.record_age_max_ms.into_iter().for_each(|it| self.number(it));
        if let Some(given_up) = &it.given_up {
            self.0.push(match given_up.condition {
                Condition::RetriesExhausted => 0,
                Condition::AgeExceeded => 1,
                Condition::PayloadTooLarge => 2,
                Condition::Rejected => 3,
            });
            self.option(given_up.reply.as_ref(), Self::reply);
        }
        paused_since.into_iter().for_each(|it| self.number(it.0.cast_unsigned()));
    }

    fn reply(&mut self, it: &Reply) {
        self.bytes(it.request_id.as_bytes());
        self.option(it.status, |out, status| out.u32(u32::from(status)));
        for text in [&it.executed_version, &it.function_error, &it.error] {
            self.option(text.as_deref(), |out, text| out.bytes(text.as_bytes()));
        }
    }
}

/// How many bytes both begin with, looked at eight at a time.
fn n_alike(one: &[u8], other: &[u8]) -> usize {
    let mut n = 0;
    while let (Some((ours, _)), Some((theirs, _))) =
        (one[n..].split_first_chunk(), other[n..].split_first_chunk())
    {
        let differing = u64::from_be_bytes(*ours) ^ u64::from_be_bytes(*theirs);
        if differing != 0 {
            return n + differing.leading_zeros() as usize / 8;
        }
        n += 8;
    }
    n + one[n..].iter().zip(&other[n..]).take_while(|(ours, theirs)| ours == theirs).count()
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
        let taken =
            self.bytes.get(self.at..).and_then(|rest| rest.get(..n)).ok_or_else(|| self.malformed())?;
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

    fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, CheckpointError>,
    ) -> Result<Option<T>, CheckpointError> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    /// Grows with what is really there, so that a length that lies allocates nothing.
    fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, CheckpointError>,
    ) -> Result<Vec<T>, CheckpointError> {
        (0..self.u32()?).map(|_| read(self)).collect()
    }

    fn number(&mut self) -> Result<u64, CheckpointError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(self.malformed())
    }

    fn small_number(&mut self) -> Result<u32, CheckpointError> {
        u32::try_from(self.number()?).map_err(|_| self.malformed())
    }

    fn length(&mut self) -> Result<usize, CheckpointError> {
        usize::try_from(self.number()?).map_err(|_| self.malformed())
    }

    fn place(&mut self, before: &mut Vec<u8>) -> Result<Position, CheckpointError> {
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

    fn slice(&mut self, before: &mut Vec<u8>, members_max: u8) -> Result<OpenSlice, CheckpointError> {
        let members = self.u8()?;
        let has = |bit: u8| members & (1 << bit) != 0;
        if members > members_max || (has(4) && !has(3)) {
            return Err(self.malformed());
        }
        let mut slice = OpenSlice {
            lane: self.small_number()?,
            first: self.place(before)?,
            last: self.place(before)?,
            n_failures: self.small_number()?,
            n_invokes: self.small_number()?,
            not_before: UnixMillis(self.number()?.cast_signed()),
            retries_max: if has(1) { Some(self.small_number()?) } else { None },
            record_age_max_ms: if has(2) { Some(self.number()?) } else { None },
            bisect: has(0),
            is_age_pardoned: has(5),
            given_up: if has(3) { Some(Box::new(self.given_up()?)) } else { None },
        };
        if let Some(given_up) = slice.given_up.as_mut().filter(|_| has(4)) {
            given_up.paused_since = Some(UnixMillis(self.number()?.cast_signed()));
        }
        Ok(slice)
    }

    fn given_up(&mut self) -> Result<GivenUp, CheckpointError> {
        let condition = match self.u8()? {
            0 => Condition::RetriesExhausted,
            1 => Condition::AgeExceeded,
            2 => Condition::PayloadTooLarge,
            3 => Condition::Rejected,
            _ => return Err(self.malformed()),
        };
        Ok(GivenUp { condition, reply: self.option(Self::reply)?, paused_since: None })
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
            given_up: self.option(Self::given_up)?.map(Box::new),
        })
    }

    fn reply(&mut self) -> Result<Reply, CheckpointError> {
        let request_id = self.text()?;
        let status = self.option(Self::u32)?.map(u16::try_from).transpose().map_err(|_| self.malformed())?;
        let [executed_version, function_error, error] =
            [self.option(Self::text)?, self.option(Self::text)?, self.option(Self::text)?];
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
    fn what_an_older_program_wrote_in_full_is_read() {
        let full = full();
        let mut out = Writer(vec![VERSION_IN_FULL]);
        out.tagged(1, &ShortBytes::new(&7_u64.to_be_bytes()));
        out.flag(full.ended);
        out.u32(full.lanes);
        out.u64(full.plan_generation);
        out.option(full.window.as_deref(), Writer::bytes);
        out.u32(1);
        full.finished.iter().for_each(|(first, last)| {
            out.bytes(first.0.as_slice());
            out.bytes(last.0.as_slice());
        });
        out.u32(2);
        for it in &full.slices {
            out.u32(it.lane);
            out.bytes(it.first.0.as_slice());
            out.bytes(it.last.0.as_slice());
            out.u32(it.n_failures);
            out.u32(it.n_invokes);
            out.u64(it.not_before.0.cast_unsigned());
            out.option(it.retries_max, Writer::u32);
            out.option(it.record_age_max_ms, Writer::u64);
            out.flag(it.bisect);
            out.option(it.given_up.as_ref(), |out, given_up| {
                out.0.push(1);
                out.option(given_up.reply.as_ref(), Writer::reply);
            });
        }
        assert_eq!(Checkpoint::decode(&out.0), Ok(full));
    }

    #[test]
    fn places_that_begin_alike_take_few_bytes_and_any_place_comes_back() {
        let places = [
            vec![],
            vec![0; 20],
            vec![0; 21],
            vec![7; 300],
            [vec![7; 299], vec![9; 40]].concat(),
            vec![1, 2],
        ]
        .map(|it| Position::new(&it));
        let finished: Vec<(Position, Position)> =
            places.windows(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        let checkpoint = Checkpoint { finished, ..full() };
        assert_eq!(Checkpoint::decode(&checkpoint.encode()), Ok(checkpoint));
        let stretch = |n: u64| (Position::number(1 << 40 | (3 * n)), Position::number(1 << 40 | (3 * n + 1)));
        let many = Checkpoint { finished: (0..1_000).map(stretch).collect(), slices: Vec::new(), ..full() };
        assert!(many.encode().len() < 5_100, "{} bytes for 1,000 stretches", many.encode().len());
    }

    #[test]
    fn how_much_two_places_begin_alike_is_what_their_bytes_say_one_by_one() {
        for n in 0..40 {
            for len in n..40 {
                let (one, mut other) = (vec![5; 40], vec![5; len]);
                other.get_mut(n).into_iter().for_each(|byte| *byte = 6);
                assert_eq!((n_alike(&one, &other), n_alike(&other, &one)), (n, n), "{n} of {len}");
            }
        }
    }

    #[test]
    fn a_newer_version_is_refused_by_its_number() {
        assert_eq!(Checkpoint::decode(&[9, 0, 0]), Err(CheckpointError::Version(9)));
    }

    #[test]
    fn only_a_checkpoint_with_something_of_an_operator_is_new_to_older_programs() {
        assert_eq!(full().encode()[0], VERSION_WITHOUT_PAUSES);
        let paused = paused();
        assert_eq!(paused.encode()[0], VERSION);
        assert_eq!(Checkpoint::decode(&paused.encode()), Ok(paused.clone()));
        let slices = vec![OpenSlice { given_up: None, is_age_pardoned: true, ..paused.slices[0].clone() }];
        let pardoned = Checkpoint { slices, ..paused };
        assert_eq!(pardoned.encode()[0], VERSION);
        assert_eq!(Checkpoint::decode(&pardoned.encode()), Ok(pardoned));
    }

    #[test]
    fn any_byte_may_lie_without_harm() {
        full_of_lies(&full().encode());
        full_of_lies(&paused().encode());
    }

    fn full_of_lies(bytes: &[u8]) {
        for at in 0..bytes.len() {
            for lie in [0, 1, 0x7f, 0xff] {
                let mut bytes = bytes.to_vec();
                bytes[at] = lie;
                let _ = Checkpoint::decode(&bytes);
            }
        }
    }

    fn paused() -> Checkpoint {
        let mut paused = full();
        for given_up in paused.slices.iter_mut().filter_map(|it| it.given_up.as_mut()) {
            given_up.paused_since = Some(UnixMillis(1_700_000_000_123));
        }
        paused
    }

    fn full() -> Checkpoint {
        let reply = Reply {
            request_id: "r-1".into(),
            status: Some(200),
            function_error: Some("Unhandled".into()),
            ..Reply::default()
        };
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
            is_age_pardoned: false,
            given_up: Some(Box::new(GivenUp {
                condition: Condition::AgeExceeded,
                reply: Some(reply),
                paused_since: None,
            })),
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
