//! The stream of choices that a world is made of: drawn from a seed or replayed; where a replay runs out,
//! nothing bad happens.

/// A generator that is the same everywhere and for ever: splitmix64.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// The generator of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, n: u32) -> u32 {
        u32::try_from((u128::from(self.draw()) * u128::from(n)) >> 64).expect("a share of n is below n")
    }
}

#[derive(Debug, Clone)]
enum Origin {
    Drawn(Rng),
    Replayed { at: usize, from: Vec<u32> },
}

/// Stands between the streams in the list of a run; far above any number that a world chooses.
const LATER: u32 = u32::MAX;
/// Stands before the stream of a world of another shape, whatever streams come before.
const SHAPES: u32 = u32::MAX - 1;

/// The choices of one run. All that a world leaves to chance goes through here, so the list of numbers is the
/// run.
///
/// What a world has learnt to choose since runs were first kept is drawn from [`Choices::later`], what it
/// learnt after that from [`Choices::latest`], since it knows syncs from [`Choices::power`], what a mapping
/// may ask for beyond AWS from [`Choices::beyond`], since tracks come back from [`Choices::hands`], since what
/// is used up may wait for an operator from [`Choices::pauses`], what there is of tumbling windows from
/// [`Choices::windows`], whether cuts are to last from [`Choices::cuts`], whether windows
/// go on in another track from [`Choices::heirs`], and whether it is a world of another
/// shape, and all of such a world, from [`Choices::shapes`]: streams of their own, so that the runs kept before mean what they meant.
#[derive(Debug, Clone)]
pub struct Choices {
    first: Stream,
    later: Stream,
    latest: Stream,
    power: Stream,
    beyond: Stream,
    hands: Stream,
    pauses: Stream,
    windows: Stream,
    cuts: Stream,
    heirs: Stream,
    shapes: Stream,
}

/// One stream of choices.
#[derive(Debug, Clone)]
pub struct Stream {
    origin: Origin,
    made: Vec<u32>,
}

impl Choices {
    /// Choices drawn from a seed.
    pub fn seeded(seed: u64) -> Self {
        let drawn = |seed, n_expected| Stream::new(Origin::Drawn(Rng::new(seed)), n_expected);
        let mut seeds = Rng::new(seed.rotate_left(32) ^ 0x006c_6174_6572);
        let power = Rng::new(seed.rotate_left(16) ^ 0x0070_6f77_6572).draw();
        let beyond = Rng::new(seed.rotate_left(48) ^ 0x6265_796f_6e64).draw();
        let hands = Rng::new(seed.rotate_left(8) ^ 0x0068_616e_6473).draw();
        let pauses = Rng::new(seed.rotate_left(24) ^ 0x7061_7573_6573).draw();
        let windows = Rng::new(seed.rotate_left(40) ^ 0x0077_696e_646f_7773).draw();
        let cuts = Rng::new(seed.rotate_left(56) ^ 0x6375_7473).draw();
        let heirs = Rng::new(seed.rotate_left(12) ^ 0x0068_6569_7273).draw();
        let shapes = Rng::new(seed.rotate_left(40) ^ 0x7368_6170_6573).draw();
        let (later, latest) = (drawn(seeds.draw(), 128), drawn(seeds.draw(), 16));
        let (power, beyond) = (drawn(power, 64), drawn(beyond, 16));
        let (hands, pauses) = (drawn(hands, 32), drawn(pauses, 16));
        let (windows, cuts, heirs) = (drawn(windows, 16), drawn(cuts, 4), drawn(heirs, 4));
        let (first, shapes) = (drawn(seed, 2048), drawn(shapes, 4));
        Self { first, later, latest, power, beyond, hands, pauses, windows, cuts, heirs, shapes }
    }

    /// Choices made before.
    pub fn replayed(mut from: Vec<u32>) -> Self {
        let rest = |from: &mut Vec<u32>| {
            from.iter()
                .position(|value| *value == LATER)
                .map(|at| from.split_off(at).split_off(1))
                .unwrap_or_default()
        };
        let shapes = from.iter().position(|value| *value == SHAPES).map(|at| from.split_off(at).split_off(1));
        let shapes = shapes.unwrap_or_default();
        let mut later = rest(&mut from);
        let mut latest = rest(&mut later);
        let mut power = rest(&mut latest);
        let mut beyond = rest(&mut power);
        let mut hands = rest(&mut beyond);
        let mut pauses = rest(&mut hands);
        let mut windows = rest(&mut pauses);
        let mut cuts = rest(&mut windows);
        let heirs = rest(&mut cuts);
        let replay = |from| Stream::new(Origin::Replayed { at: 0, from }, 0);
        let (later, latest, power) = (replay(later), replay(latest), replay(power));
        let (beyond, hands, pauses) = (replay(beyond), replay(hands), replay(pauses));
        let (windows, cuts, heirs) = (replay(windows), replay(cuts), replay(heirs));
        let (first, shapes) = (replay(from), replay(shapes));
        Self { first, later, latest, power, beyond, hands, pauses, windows, cuts, heirs, shapes }
    }

    /// The stream of which shape the source has, and of all that happens in a world of such a shape.
    pub fn shapes(&mut self) -> &mut Stream {
        &mut self.shapes
    }

    /// The stream of whether a batch is cut the same again.
    pub fn cuts(&mut self) -> &mut Stream {
        &mut self.cuts
    }

    /// The stream of whether windows go on in another track.
    pub fn heirs(&mut self) -> &mut Stream {
        &mut self.heirs
    }

    /// The stream of tumbling windows.
    pub fn windows(&mut self) -> &mut Stream {
        &mut self.windows
    }

    /// The stream of what waits for an operator, and of what he does.
    pub fn pauses(&mut self) -> &mut Stream {
        &mut self.pauses
    }

    /// The stream of how tracks change hands.
    pub fn hands(&mut self) -> &mut Stream {
        &mut self.hands
    }

    /// The stream of what the store's syncs and the power do.
    pub fn power(&mut self) -> &mut Stream {
        &mut self.power
    }

    /// The stream of what mappings may ask for that AWS's may not, and of what comes of it.
    pub fn beyond(&mut self) -> &mut Stream {
        &mut self.beyond
    }

    /// The stream of what worlds learnt to choose later.
    pub fn later(&mut self) -> &mut Stream {
        &mut self.later
    }

    /// The stream of what they learnt last.
    pub fn latest(&mut self) -> &mut Stream {
        &mut self.latest
    }

    /// A number below `n`; zero is the tame one.
    pub fn below(&mut self, n: u32) -> u32 {
        self.first.below(n)
    }

    /// True `permille` times out of a thousand; zero is "no". A chance of nothing makes no choice.
    pub fn chance(&mut self, permille: u32) -> bool {
        self.first.chance(permille)
    }

    /// One of these; the first is the tame one.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        self.first.pick(of)
    }

    /// A number between both, both included; the lower is the tame one.
    pub fn between(&mut self, low: u32, high: u32) -> u32 {
        self.first.between(low, high)
    }

    /// What was chosen so far.
    pub fn made(&self) -> Vec<u32> {
        let mut made = self.first.made.clone();
        let streams = [
            &self.later,
            &self.latest,
            &self.power,
            &self.beyond,
            &self.hands,
            &self.pauses,
            &self.windows,
            &self.cuts,
            &self.heirs,
        ];
        let n_wild = streams.iter().rposition(|stream| stream.is_wild()).map_or(0, |last| last + 1);
        for stream in &streams[..n_wild] {
            made.push(LATER);
            made.extend(&stream.made);
        }
        if self.shapes.is_wild() {
            made.push(SHAPES);
            made.extend(&self.shapes.made);
        }
        made
    }
}

impl Stream {
    fn new(origin: Origin, n_expected: usize) -> Self {
        Self { origin, made: Vec::with_capacity(n_expected) }
    }

    /// It has chosen something else than what is tame.
    fn is_wild(&self) -> bool {
        self.made.iter().any(|value| *value != 0)
    }

    /// A number below `n`; zero is the tame one.
    pub fn below(&mut self, n: u32) -> u32 {
        let value = self.take(|rng| rng.below(n));
        let value = if n == 0 { 0 } else { value.min(n - 1) };
        self.made.push(value);
        value
    }

    /// True `permille` times out of a thousand; zero is "no". A chance of nothing makes no choice.
    pub fn chance(&mut self, permille: u32) -> bool {
        if permille == 0 {
            return false;
        }
        let value = self.take(|rng| u32::from(rng.below(1000) < permille)).min(1);
        self.made.push(value);
        value == 1
    }

    /// One of these; the first is the tame one.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(u32::try_from(of.len()).expect("short lists")) as usize]
    }

    /// A number between both, both included; the lower is the tame one.
    pub fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high - low + 1)
    }

    fn take(&mut self, draw: impl FnOnce(&mut Rng) -> u32) -> u32 {
        match &mut self.origin {
            Origin::Drawn(rng) => draw(rng),
            Origin::Replayed { at, from } => {
                *at += 1;
                from.get(*at - 1).copied().unwrap_or(0)
            }
        }
    }
}

/// The choices as one word: numbers with commas, `n*m` for m times n, without the zeros at the end; the later
/// ones each after a `/`, those of a world of another shape after a `|`.
pub fn format_choices(choices: &[u32]) -> String {
    if let Some(at) = choices.iter().position(|value| *value == SHAPES) {
        return format!("{}|{}", format_choices(&choices[..at]), format_choices(&choices[at + 1..]));
    }
    if let Some(at) = choices.iter().position(|value| *value == LATER) {
        return format!("{}/{}", format_choices(&choices[..at]), format_choices(&choices[at + 1..]));
    }
    let used = choices.iter().rposition(|value| *value != 0).map_or(0, |last| last + 1);
    let mut words = Vec::new();
    let mut rest = &choices[..used];
    while let Some(first) = rest.first() {
        let run = rest.iter().take_while(|value| *value == first).count();
        words.push(if run > 2 { format!("{first}*{run}") } else { vec![first.to_string(); run].join(",") });
        rest = &rest[run..];
    }
    words.join(",")
}

/// The choices of such a word; `None` when it is none.
pub fn parse_choices(text: &str) -> Option<Vec<u32>> {
    if let Some((first, shapes)) = text.split_once('|') {
        return Some([parse_choices(first)?, vec![SHAPES], parse_choices(shapes)?].concat());
    }
    if let Some((first, later)) = text.split_once('/') {
        return Some([parse_choices(first)?, vec![LATER], parse_choices(later)?].concat());
    }
    let mut choices = Vec::new();
    for word in text.split(',').filter(|word| !word.is_empty()) {
        match word.split_once('*') {
            Some((value, run)) => {
                choices.extend(std::iter::repeat_n(value.parse::<u32>().ok()?, run.parse().ok()?))
            }
            None => choices.push(word.parse().ok()?),
        }
    }
    Some(choices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_makes_the_same_choices_and_then_none_that_hurt() {
        let mut drawn = Choices::seeded(7);
        let values: Vec<u32> = (0..20).map(|_| drawn.below(9)).collect();
        let mut replayed = Choices::replayed(drawn.made());
        assert_eq!(values, (0..20).map(|_| replayed.below(9)).collect::<Vec<_>>());
        assert_eq!((replayed.below(9), replayed.chance(999)), (0, false));
    }

    #[test]
    fn what_is_chosen_later_moves_nothing_that_was_chosen_first() {
        let (mut plain, mut both) = (Choices::seeded(7), Choices::seeded(7));
        let later: Vec<u32> = (0..9).map(|_| both.later().below(9)).collect();
        let latest: Vec<u32> = (0..9).map(|_| both.latest().below(9)).collect();
        let first: Vec<u32> = (0..9).map(|_| both.below(9)).collect();
        assert_eq!(first, (0..9).map(|_| plain.below(9)).collect::<Vec<_>>());
        let mut replayed =
            Choices::replayed(parse_choices(&format_choices(&both.made())).expect("it was written so"));
        assert_eq!(later, (0..9).map(|_| replayed.later().below(9)).collect::<Vec<_>>());
        assert_eq!(latest, (0..9).map(|_| replayed.latest().below(9)).collect::<Vec<_>>());
        assert_eq!(first, (0..9).map(|_| replayed.below(9)).collect::<Vec<_>>());
        assert_eq!(Choices::replayed(plain.made()).later().below(9), 0);
        let mut last = Choices::seeded(7);
        let power: Vec<u32> = (0..9).map(|_| last.power().below(9)).collect();
        let mut replayed =
            Choices::replayed(parse_choices(&format_choices(&last.made())).expect("it was written so"));
        assert_eq!(power, (0..9).map(|_| replayed.power().below(9)).collect::<Vec<_>>());
        assert_eq!(replayed.later().below(9), 0);
        let mut last = Choices::seeded(7);
        let hands: Vec<u32> = (0..9).map(|_| last.hands().below(9)).collect();
        let mut replayed =
            Choices::replayed(parse_choices(&format_choices(&last.made())).expect("it was written so"));
        assert_eq!(hands, (0..9).map(|_| replayed.hands().below(9)).collect::<Vec<_>>());
        let mut last = Choices::seeded(7);
        let pauses: Vec<u32> = (0..9).map(|_| last.pauses().below(9)).collect();
        let mut replayed =
            Choices::replayed(parse_choices(&format_choices(&last.made())).expect("it was written so"));
        assert_eq!(pauses, (0..9).map(|_| replayed.pauses().below(9)).collect::<Vec<_>>());
        let mut last = Choices::seeded(7);
        let shapes: Vec<u32> = (0..9).map(|_| last.shapes().below(9)).collect();
        let mut replayed =
            Choices::replayed(parse_choices(&format_choices(&last.made())).expect("it was written so"));
        assert_eq!(shapes, (0..9).map(|_| replayed.shapes().below(9)).collect::<Vec<_>>());
    }

    #[test]
    fn choices_survive_being_written() {
        let choices = vec![3, 0, 0, 0, 0, 1, 1, 7];
        assert_eq!(format_choices(&choices), "3,0*4,1,1,7");
        assert_eq!(parse_choices(&format_choices(&choices)), Some(choices));
        assert_eq!(parse_choices("3,x"), None);
        assert_eq!(format_choices(&[0, 0]), "");
    }
}
