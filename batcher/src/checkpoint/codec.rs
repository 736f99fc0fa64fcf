//! A checkpoint as bytes: a version byte, then members of fixed order. Places are written against the one
//! before, for most begin alike, and slices that differ in their places only say the rest once.

mod older;

use super::*;

/// The newest version that this code reads, and writes where windows go on in another track.
pub(super) const VERSION: u8 = 6;
/// Of this version no window goes on in another track. It is written where none does, so that an older binary
/// reads it.
const WITHOUT_HEIR: u8 = 5;
/// Of this version the bound is always a text, and each group of slices says how often it was tried.
const WITHOUT_SHORTCUTS: u8 = 4;
/// What a slice says that is with the function for the first time: no failure, one attempt, no delay.
const FIRST_ATTEMPT: (u32, u32, UnixMillis) = (0, 1, OpenSlice::AT_ONCE);
/// Places further apart than this are told by their bytes.
const DISTANCE_MAX: u64 = 1 << 48;

impl Checkpoint {
    /// Its bytes: a version byte, then members of fixed order. A number takes as many groups of seven bits as
    /// it needs, a text carries its length, a place is told by the place before it.
    pub fn encode(&self) -> Vec<u8> {
        let n_places = 2 * self.finished.len() + self.slices.len();
        let window_bytes: usize =
            self.windows.iter().flat_map(|it| &it.lanes).map(KeptWindow::n_bytes_max).sum();
        let mut out = Writer(Vec::with_capacity(96 + 4 * n_places + window_bytes));
        let (is_at, bound) = match &self.watermark {
            Watermark::Origin(origin) => (false, &origin.0),
            Watermark::At(position) => (true, &position.0),
        };
        let heir = self.windows.as_ref().and_then(|it| it.heir.as_ref());
        out.0.push(if heir.is_some() { VERSION } else { WITHOUT_HEIR });
        let number = short_number_of(bound.as_slice());
        out.members([is_at, self.ended, self.windows.is_some(), number.is_some()]);
        match number {
            Some(number) => out.number(number),
            None => out.text(bound.as_slice()),
        }
        out.number(u64::from(self.lanes));
        out.number(self.plan_generation);
        self.windows.iter().for_each(|it| out.windows(it));
        heir.into_iter().for_each(|it| out.text(it.0.as_bytes()));
        let mut before = bound.as_slice();
        out.number(self.finished.len() as u64);
        for (first, last) in &self.finished {
            out.place(&mut before, first);
            out.place(&mut before, last);
        }
        out.number(self.slices.len() as u64);
        for slices in self.slices.chunk_by(is_alike) {
            out.slices(&mut before, slices);
        }
        out.0
    }

    /// The checkpoint of these bytes.
    ///
    /// # Errors
    /// When they are not exactly what [`Checkpoint::encode`] wrote, or a newer version wrote them.
    pub fn decode(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let mut from = Cursor { bytes, at: 0 };
        let checkpoint = match from.u8()? {
            version @ (VERSION | WITHOUT_HEIR | WITHOUT_SHORTCUTS) => from.checkpoint(version)?,
            newer if newer > VERSION => return Err(CheckpointError::Version(newer)),
            older => from.older_checkpoint(older)?,
        };
        if from.at != bytes.len() || checkpoint.lanes == 0 {
            return Err(from.malformed());
        }
        Ok(checkpoint)
    }
}

/// Whether two slices differ in nothing but their lanes and places.
fn is_alike(one: &OpenSlice, other: &OpenSlice) -> bool {
    one.n_failures == other.n_failures
        && one.n_invokes == other.n_invokes
        && one.not_before == other.not_before
        && one.retries_max == other.retries_max
        && one.record_age_max_ms == other.record_age_max_ms
        && one.bisect == other.bisect
        && one.is_age_pardoned == other.is_age_pardoned
        && one.given_up == other.given_up
        && one.is_one_record() == other.is_one_record()
}

struct Writer(Vec<u8>);

impl Writer {
    /// What is so, one bit each, eight at most.
    fn members<const N: usize>(&mut self, are_so: [bool; N]) {
        let bits: u8 = (0..).zip(are_so).map(|(bit, is_so)| u8::from(is_so) << bit).sum();
        self.0.push(bits);
    }

    fn text(&mut self, it: &[u8]) {
        self.number(it.len() as u64);
        self.0.extend_from_slice(it);
    }

    fn option<T>(&mut self, it: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.0.push(u8::from(it.is_some()));
        if let Some(it) = it {
            write(self, it);
        }
    }

    /// A number in groups of seven bits, the lowest first.
    #[inline]
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

    /// A place: how far it lies behind the one before where both are as long and differ in their last eight
    /// bytes only, as numbers do; else how many bytes of that one it begins with, and what follows them. The
    /// lowest bit says which.
    #[inline]
    fn place<'a>(&mut self, before: &mut &'a [u8], it: &'a Position) {
        let bytes = it.0.as_slice();
        match distance(before, bytes) {
            Some(distance) => self.number(distance << 1),
            None => {
                let n_same = n_alike(before, bytes);
                self.number((n_same as u64) << 1 | 1);
                self.text(&bytes[n_same..]);
            }
        }
        *before = bytes;
    }

    /// Slices that are alike: what all of them say, then the lane and the places of each.
    fn slices<'a>(&mut self, before: &mut &'a [u8], alike: &'a [OpenSlice]) {
        let Some(it) = alike.first() else { return };
        let paused_since = it.given_up.as_ref().and_then(|it| it.paused_since);
        let is_one_record = it.is_one_record();
        // Most slices are with the function for the first time.
        let is_first = (it.n_failures, it.n_invokes, it.not_before) == FIRST_ATTEMPT;
        self.number(alike.len() as u64);
        self.members([
            it.bisect,
            it.retries_max.is_some(),
            it.record_age_max_ms.is_some(),
            it.given_up.is_some(),
            paused_since.is_some(),
            it.is_age_pardoned,
            is_one_record,
            is_first,
        ]);
        if !is_first {
            self.number(u64::from(it.n_failures));
            self.number(u64::from(it.n_invokes));
            self.number(it.not_before.0.cast_unsigned());
        }
        it.retries_max.into_iter().for_each(|it| self.number(u64::from(it)));
        it.record_age_max_ms.into_iter().for_each(|it| self.number(it));
        it.given_up.iter().for_each(|it| self.given_up(it));
        paused_since.into_iter().for_each(|it| self.number(it.0.cast_unsigned()));
        for it in alike {
            self.number(u64::from(it.lane));
            self.place(before, &it.first);
            if !is_one_record {
                let mut first = it.first.0.as_slice();
                self.place(&mut first, &it.last);
            }
            if it.first.0.as_slice().is_empty() {
                self.finale(it.finale);
            }
        }
    }

    /// What a slice without a place is.
    fn finale(&mut self, it: Option<Finale>) {
        self.0.push(match it {
            None => 0,
            Some(Finale::Ended) => 1,
            Some(Finale::TerminatedEarly) => 2,
        });
    }

    fn windows(&mut self, it: &Windows) {
        self.number(it.time.0.cast_unsigned());
        self.number(it.lanes.len() as u64);
        for it in &it.lanes {
            let is_full = it.open.as_ref().is_some_and(|it| it.is_full);
            self.number(u64::from(it.lane));
            self.members([it.floor.is_some(), it.open.is_some(), is_full]);
            it.floor.into_iter().for_each(|it| self.number(it.0.cast_unsigned()));
            if let Some(OpenWindow { span, state, .. }) = &it.open {
                self.number(span.start.0.cast_unsigned());
                self.number(span.end.0.cast_unsigned());
                self.text(state);
            }
        }
    }

    fn given_up(&mut self, it: &GivenUp) {
        self.0.push(match it.condition {
            Condition::RetriesExhausted => 0,
            Condition::AgeExceeded => 1,
            Condition::PayloadTooLarge => 2,
            Condition::Rejected => 3,
            Condition::SchemaNotFound => 4,
            Condition::NotDecoded => 5,
        });
        self.option(it.reply.as_ref(), Self::reply);
    }

    fn reply(&mut self, it: &Reply) {
        self.text(it.request_id.as_bytes());
        self.option(it.status, |out, status| out.number(u64::from(status)));
        for text in [&it.executed_version, &it.function_error, &it.error] {
            self.option(text.as_deref(), |out, text| out.text(text.as_bytes()));
        }
    }
}

impl KeptWindow {
    /// As many bytes it takes at most.
    fn n_bytes_max(&self) -> usize {
        48 + self.open.as_ref().map_or(0, |it| it.state.len())
    }
}

/// The number that eight bytes are, where it takes less than they do.
fn short_number_of(bytes: &[u8]) -> Option<u64> {
    let number = u64::from_be_bytes(bytes.try_into().ok()?);
    (number < DISTANCE_MAX).then_some(number)
}

/// How far the number that the last eight bytes are lies behind that of a place as long as this one and alike
/// before them; `None` where there is no such, or where it takes more than the bytes themselves.
#[inline]
fn distance(before: &[u8], it: &[u8]) -> Option<u64> {
    let ((start, from), (its_start, to)) = (before.split_last_chunk()?, it.split_last_chunk()?);
    let distance = u64::from_be_bytes(*to).checked_sub(u64::from_be_bytes(*from))?;
    (distance < DISTANCE_MAX && start == its_start).then_some(distance)
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

    fn text(&mut self) -> Result<String, CheckpointError> {
        String::from_utf8(self.bytes_of_text()?.to_vec()).map_err(|_| self.malformed())
    }

    fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, CheckpointError>,
    ) -> Result<Option<T>, CheckpointError> {
        match self.u8()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(self.malformed()),
        }
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

    fn short_number(&mut self) -> Result<u64, CheckpointError> {
        let number = self.number()?;
        if number < DISTANCE_MAX { Ok(number) } else { Err(self.malformed()) }
    }

    fn small_number(&mut self) -> Result<u32, CheckpointError> {
        u32::try_from(self.number()?).map_err(|_| self.malformed())
    }

    fn length(&mut self) -> Result<usize, CheckpointError> {
        usize::try_from(self.number()?).map_err(|_| self.malformed())
    }

    fn members(&mut self, members_max: u8) -> Result<impl Fn(u8) -> bool + use<>, CheckpointError> {
        let members = self.u8()?;
        if members > members_max {
            return Err(self.malformed());
        }
        Ok(move |bit: u8| members & (1 << bit) != 0)
    }

    fn bytes_of_text(&mut self) -> Result<&'a [u8], CheckpointError> {
        let n = self.length()?;
        self.take(n)
    }

    fn checkpoint(&mut self, version: u8) -> Result<Checkpoint, CheckpointError> {
        let has = self.members(if version == WITHOUT_SHORTCUTS { 0x07 } else { 0x0f })?;
        let bound = if has(3) { &self.short_number()?.to_be_bytes()[..] } else { self.bytes_of_text()? };
        let lanes = self.small_number()?;
        let plan_generation = self.number()?;
        let mut windows = if has(2) { Some(Box::new(self.windows()?)) } else { None };
        if version == VERSION {
            windows.as_mut().ok_or_else(|| self.malformed())?.heir = Some(TrackName(self.text()?));
        }
        let mut before = bound.to_vec();
        let n_finished = self.number()?;
        let finished = (0..n_finished)
            .map(|_| Ok((self.place(&mut before)?, self.place(&mut before)?)))
            .collect::<Result<Vec<(Position, Position)>, CheckpointError>>()?;
        let n_slices = self.length()?;
        let mut slices = Vec::new();
        while slices.len() < n_slices {
            self.slices(version, &mut before, n_slices - slices.len(), &mut slices)?;
        }
        let bound = ShortBytes::new(bound);
        let watermark =
            if has(0) { Watermark::At(Position(bound)) } else { Watermark::Origin(Origin(bound)) };
        Ok(Checkpoint { watermark, finished, slices, ended: has(1), lanes, plan_generation, windows })
    }

    fn place(&mut self, before: &mut Vec<u8>) -> Result<Position, CheckpointError> {
        let told = self.number()?;
        if told & 1 == 0 {
            let last = before.last_chunk_mut().ok_or_else(|| self.malformed())?;
            let number = u64::from_be_bytes(*last).checked_add(told >> 1).ok_or_else(|| self.malformed())?;
            *last = number.to_be_bytes();
        } else {
            let n_same = usize::try_from(told >> 1).unwrap_or(usize::MAX);
            let rest = self.bytes_of_text()?;
            if n_same > before.len() || n_same.saturating_add(rest.len()) > Position::BYTES_MAX {
                return Err(self.malformed());
            }
            before.truncate(n_same);
            before.extend(rest);
        }
        Ok(Position::new(before))
    }

    /// Reads slices that are alike, so many at most.
    fn slices(
        &mut self,
        version: u8,
        before: &mut Vec<u8>,
        n_max: usize,
        out: &mut Vec<OpenSlice>,
    ) -> Result<(), CheckpointError> {
        let n = self.length()?;
        let has = self.members(if version == WITHOUT_SHORTCUTS { 0x7f } else { 0xff })?;
        if n == 0 || n > n_max || (has(4) && !has(3)) {
            return Err(self.malformed());
        }
        let (n_failures, n_invokes, not_before) =
            if has(7) { FIRST_ATTEMPT } else { (self.small_number()?, self.small_number()?, self.moment()?) };
        let mut alike = OpenSlice {
            lane: 0,
            first: Position::new(&[]),
            last: Position::new(&[]),
            n_failures,
            n_invokes,
            not_before,
            retries_max: if has(1) { Some(self.small_number()?) } else { None },
            record_age_max_ms: if has(2) { Some(self.number()?) } else { None },
            bisect: has(0),
            is_age_pardoned: has(5),
            given_up: if has(3) { Some(Box::new(self.given_up(Self::reply)?)) } else { None },
            finale: None,
        };
        if let Some(given_up) = alike.given_up.as_mut().filter(|_| has(4)) {
            given_up.paused_since = Some(UnixMillis(self.number()?.cast_signed()));
        }
        for _ in 0..n {
            let lane = self.small_number()?;
            let first = self.place(before)?;
            let last = if has(6) { first.clone() } else { self.place(&mut before.clone())? };
            let finale = if first.0.as_slice().is_empty() { self.finale()? } else { None };
            out.push(OpenSlice { lane, first, last, finale, ..alike.clone() });
        }
        Ok(())
    }

    fn finale(&mut self) -> Result<Option<Finale>, CheckpointError> {
        match self.u8()? {
            0 => Ok(None),
            1 => Ok(Some(Finale::Ended)),
            2 => Ok(Some(Finale::TerminatedEarly)),
            _ => Err(self.malformed()),
        }
    }

    fn windows(&mut self) -> Result<Windows, CheckpointError> {
        let time = self.moment()?;
        let n_lanes = self.small_number()?;
        let lanes = (0..n_lanes).map(|_| self.window()).collect::<Result<Vec<KeptWindow>, _>>()?;
        Ok(Windows { time, lanes, heir: None })
    }

    fn window(&mut self) -> Result<KeptWindow, CheckpointError> {
        let lane = self.small_number()?;
        let has = self.members(0x07)?;
        if has(2) && !has(1) {
            return Err(self.malformed());
        }
        let floor = if has(0) { Some(self.moment()?) } else { None };
        let open = if has(1) {
            let span = WindowSpan { start: self.moment()?, end: self.moment()? };
            Some(OpenWindow { span, state: Bytes::copy_from_slice(self.bytes_of_text()?), is_full: has(2) })
        } else {
            None
        };
        Ok(KeptWindow { lane, floor, open })
    }

    fn moment(&mut self) -> Result<UnixMillis, CheckpointError> {
        Ok(UnixMillis(self.number()?.cast_signed()))
    }

    fn given_up(
        &mut self,
        reply: impl FnOnce(&mut Self) -> Result<Reply, CheckpointError>,
    ) -> Result<GivenUp, CheckpointError> {
        let condition = match self.u8()? {
            0 => Condition::RetriesExhausted,
            1 => Condition::AgeExceeded,
            2 => Condition::PayloadTooLarge,
            3 => Condition::Rejected,
            4 => Condition::SchemaNotFound,
            5 => Condition::NotDecoded,
            _ => return Err(self.malformed()),
        };
        Ok(GivenUp { condition, reply: self.option(reply)?, paused_since: None })
    }

    fn reply(&mut self) -> Result<Reply, CheckpointError> {
        let status = |from: &mut Self| {
            let status = from.number()?;
            u16::try_from(status).map_err(|_| from.malformed())
        };
        Ok(Reply {
            request_id: self.text()?,
            status: self.option(status)?,
            executed_version: self.option(Self::text)?,
            function_error: self.option(Self::text)?,
            error: self.option(Self::text)?,
            payload: None,
            state: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let full = full();
        assert_eq!(Checkpoint::decode(&full.encode()), Ok(full));
        let tumbling = tumbling();
        assert_eq!(Checkpoint::decode(&tumbling.encode()), Ok(tumbling));
        let empty = Checkpoint::at_origin(Origin(ShortBytes::new(b"")));
        assert_eq!(Checkpoint::decode(&empty.encode()), Ok(empty));
    }

    #[test]
    fn a_checkpoint_cut_short_or_prolonged_is_refused_everywhere() {
        for bytes in [full().encode(), tumbling().encode()] {
            for n in 0..bytes.len() {
                assert!(Checkpoint::decode(&bytes[..n]).is_err(), "cut at {n}");
            }
            assert!(Checkpoint::decode(&[bytes.as_slice(), b"x"].concat()).is_err());
        }
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
        assert!(many.encode().len() < 2_100, "{} bytes for 1,000 stretches", many.encode().len());
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
    fn every_condition_is_read_again() {
        for condition in [
            Condition::RetriesExhausted,
            Condition::AgeExceeded,
            Condition::PayloadTooLarge,
            Condition::Rejected,
            Condition::SchemaNotFound,
            Condition::NotDecoded,
        ] {
            let mut full = full();
            for given_up in full.slices.iter_mut().filter_map(|it| it.given_up.as_mut()) {
                given_up.condition = condition;
            }
            assert_eq!(Checkpoint::decode(&full.encode()), Ok(full));
        }
    }

    #[test]
    fn what_is_of_an_operator_is_read_again() {
        let paused = paused();
        assert_eq!(Checkpoint::decode(&paused.encode()), Ok(paused.clone()));
        let slices = vec![OpenSlice { given_up: None, is_age_pardoned: true, ..paused.slices[0].clone() }];
        let pardoned = Checkpoint { slices, ..paused };
        assert_eq!(Checkpoint::decode(&pardoned.encode()), Ok(pardoned));
    }

    #[test]
    fn slices_of_single_records_that_are_alike_take_two_bytes_each() {
        let slice = |n: u64| OpenSlice {
            lane: u32::try_from(n % 100).expect("small"),
            first: Position::number((1 << 40) + 9 * n),
            last: Position::number((1 << 40) + 9 * n),
            given_up: None,
            ..full().slices[0].clone()
        };
        let few = Checkpoint { slices: (0..10).map(slice).collect(), ..full() };
        let many = Checkpoint { slices: (0..100).map(slice).collect(), ..full() };
        assert_eq!(many.encode().len() - few.encode().len(), 2 * 90);
        assert_eq!(Checkpoint::decode(&many.encode()), Ok(many.clone()));
        // One that differs stands between two that are alike.
        let differing: [fn(&mut OpenSlice); 9] = [
            |it| it.n_failures += 1,
            |it| it.n_invokes += 1,
            |it| it.not_before.0 += 1,
            |it| it.retries_max = Some(1),
            |it| it.record_age_max_ms = None,
            |it| it.bisect = !it.bisect,
            |it| it.is_age_pardoned = true,
            |it| it.given_up = full().slices[0].given_up.clone(),
            |it| it.last = Position::number(1 << 41),
        ];
        for change in differing {
            let mut mixed = many.clone();
            change(&mut mixed.slices[50]);
            assert_ne!(mixed, many);
            assert_eq!(Checkpoint::decode(&mixed.encode()), Ok(mixed));
        }
    }

    #[test]
    fn what_is_with_the_function_for_the_first_time_takes_no_byte_to_say_so() {
        let first = OpenSlice {
            n_failures: 0,
            n_invokes: 1,
            not_before: UnixMillis(0),
            given_up: None,
            ..full().slices[0].clone()
        };
        let retried = OpenSlice { n_invokes: 2, ..first.clone() };
        let of = |slice: OpenSlice| Checkpoint { slices: vec![slice], ..full() };
        let (first, retried) = (of(first), of(retried));
        assert_eq!(retried.encode().len() - first.encode().len(), 3);
        for checkpoint in [first, retried] {
            assert_eq!(Checkpoint::decode(&checkpoint.encode()), Ok(checkpoint));
        }
    }

    #[test]
    fn a_bound_that_is_a_number_takes_as_many_bytes_as_it_needs_and_any_comes_back() {
        let with = |bound: &[u8]| Checkpoint { watermark: Watermark::At(Position::new(bound)), ..full() };
        for bound in [&[][..], &[0; 7], &[0; 8], &7_u64.to_be_bytes(), &u64::MAX.to_be_bytes(), &[9; 40]] {
            assert_eq!(Checkpoint::decode(&with(bound).encode()), Ok(with(bound)), "{bound:?}");
        }
        let n_bytes = |n: u64| {
            let alone = Checkpoint { finished: vec![], slices: vec![], ..with(&n.to_be_bytes()) };
            alone.encode().len()
        };
        assert_eq!(n_bytes((1 << 48) - 1) - n_bytes(0), 6);
        assert_eq!(n_bytes(1 << 48) - n_bytes(0), 8, "a text says how long it is");
    }

    fn handed_over() -> Checkpoint {
        let mut it = tumbling();
        it.windows.as_mut().expect("it has some").heir = Some(TrackName("stream/shard-1".to_owned()));
        it
    }

    #[test]
    fn only_what_goes_on_in_another_track_needs_a_reader_that_knows_of_it() {
        assert_eq!(tumbling().encode()[0], WITHOUT_HEIR);
        let bytes = handed_over().encode();
        assert_eq!((bytes[0], Checkpoint::decode(&bytes)), (VERSION, Ok(handed_over())));
        // Such a checkpoint has windows.
        let mut without = Checkpoint { windows: None, ..handed_over() }.encode();
        without[0] = VERSION;
        assert!(matches!(Checkpoint::decode(&without), Err(CheckpointError::Malformed(_))));
    }

    #[test]
    fn any_byte_may_lie_without_harm() {
        full_of_lies(&full().encode());
        full_of_lies(&handed_over().encode());
        full_of_lies(&paused().encode());
        full_of_lies(&tumbling().encode());
    }

    pub(super) fn full_of_lies(bytes: &[u8]) {
        for at in 0..bytes.len() {
            for lie in [0, 1, 0x7f, 0xff] {
                let mut bytes = bytes.to_vec();
                bytes[at] = lie;
                let _ = Checkpoint::decode(&bytes);
            }
        }
    }

    pub(super) fn tumbling() -> Checkpoint {
        let full = full();
        let span = WindowSpan { start: UnixMillis(-60_000), end: UnixMillis(60_000) };
        let open = OpenWindow { span, state: Bytes::from_static(b"{\"n\":1}"), is_full: true };
        let nowhere = Position::new(&[]);
        let finale = |finale| OpenSlice {
            first: nowhere.clone(),
            last: nowhere.clone(),
            finale: Some(finale),
            ..full.slices[1].clone()
        };
        let mut slices = vec![finale(Finale::Ended), finale(Finale::TerminatedEarly)];
        slices.extend(full.slices.clone());
        let lanes = vec![
            KeptWindow { lane: 0, floor: None, open: Some(open.clone()) },
            KeptWindow { lane: 2, floor: Some(UnixMillis(60_000)), open: None },
            KeptWindow {
                lane: 300,
                floor: Some(UnixMillis(0)),
                open: Some(OpenWindow { state: Bytes::new(), is_full: false, ..open }),
            },
        ];
        let windows = Some(Box::new(Windows { time: UnixMillis(61_000), lanes, heir: None }));
        Checkpoint { slices, windows, ..full }
    }

    pub(super) fn paused() -> Checkpoint {
        let mut paused = full();
        for given_up in paused.slices.iter_mut().filter_map(|it| it.given_up.as_mut()) {
            given_up.paused_since = Some(UnixMillis(1_700_000_000_123));
        }
        paused
    }

    pub(super) fn full() -> Checkpoint {
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
            finale: None,
        };
        Checkpoint {
            watermark: Watermark::At(Position::number(7)),
            finished: vec![(Position::number(9), Position::number(12))],
            slices: vec![slice.clone(), OpenSlice { given_up: None, retries_max: Some(3), ..slice }],
            ended: false,
            lanes: 4,
            plan_generation: 17,
            windows: None,
        }
    }
}
