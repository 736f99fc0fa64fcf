//! A track of a stream or log: an ordered list of values with positions, gaps, trimming and an end.

use forebay_batcher::{Gap, Origin, Position, ShortBytes, Watermark};

/// How the source writes positions and the bound behind a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Offsets, as Kafka's or a file's: `passed` is the next number.
    Numbers,
    /// A sequence number and the index within an aggregate, as Kinesis': `passed` is the last position and
    /// one zero byte.
    Aggregates,
}

/// A value and its place.
#[derive(Debug, Clone)]
pub struct Item<T> {
    /// Where it stands.
    pub position: Position,
    /// The number that a function would report; values of one aggregate share it.
    pub name: u64,
    /// The value.
    pub value: T,
    kept: bool,
}

/// A track: append at one end, trim at the other, compaction anywhere between.
#[derive(Debug, Clone)]
pub struct Log<T> {
    style: Style,
    items: Vec<Item<T>>,
    n_trimmed: usize,
    next: u64,
    ended: bool,
}

/// One reader's place in a log.
#[derive(Debug, Clone)]
pub struct Cursor {
    next: usize,
    from: Option<Position>,
    passed: Option<Position>,
}

/// What one read brought: the range of items that were passed over, those that are gone included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// Indexes of the items that are there, in order.
    pub items: Vec<usize>,
    /// The bound above all that this cursor has passed.
    pub passed: Option<Position>,
    /// The log has ended and nothing is left behind this read.
    pub ended: bool,
    /// What retention had dropped before it was read.
    pub gap: Option<Gap>,
}

impl<T> Log<T> {
    /// An empty log whose first value gets the number `first`.
    pub fn new(style: Style, first: u64) -> Self {
        Self { style, items: Vec::new(), n_trimmed: 0, next: first, ended: false }
    }

    /// Appends values under one number (several are an aggregate) and tells the index of the first.
    ///
    /// # Panics
    /// When the log has ended, and when an aggregate is appended to a log of plain numbers.
    pub fn append(&mut self, values: impl IntoIterator<Item = T>) -> usize {
        assert!(!self.ended, "an ended log takes no values");
        let first = self.items.len();
        for (sub, value) in values.into_iter().enumerate() {
            assert!(sub == 0 || self.style == Style::Aggregates, "only aggregates share a number");
            let position = self.position(self.next, sub);
            self.items.push(Item { position, name: self.next, value, kept: true });
        }
        self.next += 1;
        first
    }

    /// Takes up a number that no reader will see, as a control record or an aborted transaction does.
    pub fn skip(&mut self) {
        self.next += 1;
    }

    /// The next value gets this number, where it is above all that were given: numbers that several logs
    /// share go up over all of them.
    pub fn skip_to(&mut self, number: u64) {
        self.next = self.next.max(number);
    }

    /// Removes one value, as compaction does. The gap it leaves is not reported.
    pub fn compact(&mut self, idx: usize) {
        self.items[idx].kept = false;
    }

    /// Drops all values before `idx`, as retention does; readers behind it will find a gap.
    pub fn trim(&mut self, idx: usize) {
        self.n_trimmed = self.n_trimmed.max(idx.min(self.items.len()));
    }

    /// Ends the log.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// It takes no more values.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// The value is still there.
    pub fn is_kept(&self, idx: usize) -> bool {
        idx >= self.n_trimmed && self.items[idx].kept
    }

    /// All items ever appended.
    pub fn items(&self) -> &[Item<T>] {
        &self.items
    }

    /// The origin "first record".
    pub fn origin_first(&self) -> Origin {
        Origin(ShortBytes::new(b"first"))
    }

    /// The origin "what comes from now on".
    pub fn origin_latest(&self) -> Origin {
        Origin(ShortBytes::new(format!("end {}", self.items.len()).as_bytes()))
    }

    /// Opens a cursor where a checkpoint says.
    pub fn open(&self, from: &Watermark) -> Cursor {
        match from {
            Watermark::Origin(origin) => Cursor { next: Self::origin_idx(origin), from: None, passed: None },
            Watermark::At(position) => {
                // A bound stands between records: the record at it, when there is one, has not been passed.
                let next = self.items.partition_point(|item| item.position < *position);
                Cursor { next, from: Some(position.clone()), passed: Some(position.clone()) }
            }
        }
    }

    /// The index of the first item that an origin stands before.
    pub fn origin_idx(origin: &Origin) -> usize {
        let text = std::str::from_utf8(origin.0.as_slice()).unwrap_or_default();
        text.strip_prefix("end ").and_then(|idx| idx.parse().ok()).unwrap_or(0)
    }

    /// There is nothing to read: no value behind the cursor, no end to tell.
    pub fn is_idle(&self, cursor: &Cursor) -> bool {
        cursor.next >= self.items.len() && !self.ended
    }

    /// There are values behind the cursor.
    pub fn is_behind(&self, cursor: &Cursor) -> bool {
        cursor.next < self.items.len()
    }

    /// Reads values that are there as long as `has_room` says so of the next one, skipping those that are
    /// gone.
    pub fn read(&self, cursor: &mut Cursor, mut has_room: impl FnMut(&T) -> bool) -> Passage {
        // Before the values: a reader hears of what it lost no later than of what comes behind it.
        let gap = self.gap(cursor);
        let mut items = Vec::new();
        while cursor.next < self.items.len() {
            let idx = cursor.next;
            if self.is_kept(idx) {
                if !has_room(&self.items[idx].value) {
                    break;
                }
                items.push(idx);
            }
            // Also over what is gone: a reader that kept to the records it saw would ask for compacted ones
            // for ever.
            cursor.passed = Some(self.bound_after(idx));
            cursor.next += 1;
        }
        let ended = self.ended && cursor.next >= self.items.len();
        Passage { items, passed: cursor.passed.clone(), ended, gap }
    }

    fn gap(&self, cursor: &mut Cursor) -> Option<Gap> {
        if cursor.next >= self.n_trimmed {
            return None;
        }
        let from = cursor.passed.clone().or_else(|| cursor.from.clone());
        cursor.next = self.n_trimmed;
        cursor.passed = Some(self.bound_after(self.n_trimmed - 1));
        let to = self
            .items
            .get(self.n_trimmed)
            .map_or_else(|| self.bound_after(self.n_trimmed - 1), |item| item.position.clone());
        Some(Gap { from, to })
    }

    fn bound_after(&self, idx: usize) -> Position {
        match self.style {
            Style::Numbers => Position::number(self.items[idx].name + 1),
            Style::Aggregates => {
                let mut bytes = self.items[idx].position.0.as_slice().to_vec();
                bytes.push(0);
                Position::new(&bytes)
            }
        }
    }

    fn position(&self, number: u64, sub: usize) -> Position {
        match self.style {
            Style::Numbers => Position::number(number),
            Style::Aggregates => {
                let mut bytes = [0; 12];
                bytes[..8].copy_from_slice(&number.to_be_bytes());
                bytes[8..].copy_from_slice(&u32::try_from(sub).unwrap_or(u32::MAX).to_be_bytes());
                Position::new(&bytes)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_most(n: usize) -> impl FnMut(&u32) -> bool {
        let mut left = n;
        move |_| {
            let has_room = left > 0;
            left = left.saturating_sub(1);
            has_room
        }
    }

    fn log(n: u32) -> Log<u32> {
        let mut log = Log::new(Style::Numbers, 10);
        (0..n).for_each(|value| {
            log.append([value]);
        });
        log
    }

    #[test]
    fn a_cursor_reads_on_where_it_stopped_and_passes_what_is_gone() {
        let mut log = log(4);
        log.compact(1);
        log.skip();
        log.append([4]);
        let mut cursor = log.open(&Watermark::Origin(log.origin_first()));
        let first = log.read(&mut cursor, at_most(2));
        assert_eq!((first.items, first.passed), (vec![0, 2], Some(Position::number(13))));
        let rest = log.read(&mut cursor, at_most(9));
        assert_eq!((rest.items, rest.passed, rest.ended), (vec![3, 4], Some(Position::number(16)), false));
        assert!(log.is_idle(&cursor));
    }

    #[test]
    fn retention_leaves_a_gap_that_is_told_once() {
        let mut log = log(4);
        let mut cursor = log.open(&Watermark::At(Position::number(11)));
        log.trim(3);
        let read = log.read(&mut cursor, at_most(9));
        assert_eq!(read.gap, Some(Gap { from: Some(Position::number(11)), to: Position::number(13) }));
        assert_eq!(read.items, [3]);
        assert_eq!(log.read(&mut cursor, at_most(9)).gap, None);
    }

    #[test]
    fn the_bound_after_an_aggregate_lies_between_its_positions() {
        let mut log = Log::new(Style::Aggregates, 1);
        log.append([1, 2, 3]);
        let mut cursor = log.open(&Watermark::Origin(log.origin_first()));
        let passed = log.read(&mut cursor, at_most(2)).passed.expect("two were read");
        assert!(log.items()[1].position < passed && passed < log.items()[2].position);
        assert_eq!(log.read(&mut log.open(&Watermark::At(passed)), at_most(9)).items, [2]);
    }

    #[test]
    fn an_end_is_told_with_the_last_value_and_to_whoever_comes_later() {
        let mut log = log(2);
        log.end();
        let mut cursor = log.open(&Watermark::Origin(log.origin_first()));
        assert!(!log.read(&mut cursor, at_most(1)).ended);
        assert!(log.read(&mut cursor, at_most(1)).ended);
        let late = log.read(&mut log.open(&Watermark::At(Position::number(12))), at_most(9));
        assert_eq!((late.items.len(), late.passed, late.ended), (0, Some(Position::number(12)), true));
    }
}
