//! Tests one leaf of a record against every matcher that any alternative has at its path, all at once.

use core::net::IpAddr;
use std::collections::BTreeMap;

use super::bits::{self, Unions};
use super::cells::{Cells, Interval};
use super::glob::{self, Globs, Piece};
use super::number::{self, Number, NumberRef};
use super::rule::{Excluded, Matcher, Text};

/// The longest text of an IP address.
const ADDRESS_CHARS_MAX: usize = 45;

/// A leaf of a record.
#[derive(Debug, Clone, Copy)]
pub(super) enum Leaf<'a> {
    Null,
    Bool(bool),
    /// As written.
    Number(&'a str),
    Text(&'a str),
}

/// What a test needs, kept from leaf to leaf.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    row: Vec<u64>,
    glob: glob::GlobScratch,
}

/// All matchers at one path. A row has `width` words of alternatives that are satisfied, then a bit for each
/// `anything-but` whose excluded values were met.
#[derive(Debug, Clone)]
pub(super) struct FieldTest {
    width: usize,
    row_width: usize,
    null: Vec<u64>,
    bools: [Vec<u64>; 2],
    present: Vec<u64>,
    numbers: Cells<Number>,
    number_index: number::Index,
    addresses: Cells<IpAddr>,
    /// Texts without a star.
    exact: BTreeMap<Vec<u8>, Vec<u64>>,
    starred: Globs,
    folded: Globs,
    /// A row for each `anything-but`: the alternatives that it satisfies unless its values were met.
    anything_buts: Unions,
    n_anything_buts: usize,
}

impl FieldTest {
    /// Every matcher comes with the alternatives that have it.
    pub(super) fn new(width: usize, matchers: &[(&Matcher, &[u64])]) -> Self {
        let excluding: Vec<&[u64]> = matchers
            .iter()
            .filter_map(|(matcher, row)| matches!(matcher, Matcher::AnythingBut(_)).then_some(*row))
            .collect();
        let row_width = width + excluding.len().div_ceil(64);
        let mut parts = FieldParts::new(width, row_width);
        let mut anything_but_idx = 0;
        for (matcher, row) in matchers {
            parts.add(matcher, row, &mut anything_but_idx);
        }
        let numbers = Cells::new(row_width, &parts.numbers);
        Self {
            width,
            row_width,
            null: parts.null,
            bools: parts.bools,
            present: parts.present,
            number_index: number::Index::new(numbers.points()),
            numbers,
            addresses: Cells::new(row_width, &parts.addresses),
            exact: parts.exact,
            starred: Globs::new(parts.starred),
            folded: Globs::new(parts.folded),
            n_anything_buts: excluding.len(),
            anything_buts: Unions::new(width, excluding.into_iter()),
        }
    }

    /// `into |=` the alternatives that the leaf satisfies at this path; gives the work done.
    pub(super) fn or_matches(&self, leaf: Leaf<'_>, scratch: &mut Scratch, into: &mut [u64]) -> u64 {
        let Scratch { row, glob } = scratch;
        bits::or(into, &self.present);
        // Nothing can be taken back, so the answer may be written where it belongs.
        if self.n_anything_buts == 0 {
            return self.width as u64 + self.read(leaf, glob, into);
        }
        row.clear();
        row.resize(self.row_width, 0);
        let mut steps = self.row_width as u64 + self.read(leaf, glob, row);
        let (satisfied, met) = row.split_at(self.width);
        bits::or(into, satisfied);
        // Every `anything-but` is satisfied but those whose values were met: the runs between them.
        let mut next = 0;
        for anything_but_idx in bits::ones(met) {
            steps += 1;
            if anything_but_idx > next {
                steps += self.anything_buts.or_run(next, anything_but_idx, into);
            }
            next = anything_but_idx + 1;
        }
        steps + self.anything_buts.or_run(next, self.n_anything_buts, into)
    }

    fn read(&self, leaf: Leaf<'_>, glob: &mut glob::GlobScratch, row: &mut [u64]) -> u64 {
        match leaf {
            Leaf::Null => bits::or(row, &self.null),
            Leaf::Bool(value) => bits::or(row, &self.bools[usize::from(value)]),
            Leaf::Number(text) => {
                if !self.numbers.is_empty() {
                    let value = NumberRef::new(text);
                    bits::or(row, self.numbers.row(self.number_index.find(self.numbers.points(), value)));
                }
                return text.len() as u64;
            }
            Leaf::Text(text) => return self.read_text(text, glob, row),
        }
        0
    }

    fn read_text(&self, text: &str, glob: &mut glob::GlobScratch, row: &mut [u64]) -> u64 {
        let mut steps = 0;
        if !self.addresses.is_empty()
            && text.len() <= ADDRESS_CHARS_MAX
            && let Ok(address) = text.parse::<IpAddr>()
        {
            bits::or(row, self.addresses.row(self.addresses.points().binary_search(&address)));
            steps += text.len() as u64;
        }
        if !self.exact.is_empty() {
            steps += 1;
            if let Some(given) = self.exact.get(text.as_bytes()) {
                bits::or(row, given);
            }
        }
        steps += self.starred.or_matches(text.bytes(), glob, row);
        if self.folded.is_empty() {
            return steps;
        }
        // Byte by byte, for beyond ASCII a letter and its small one may differ in length.
        if text.is_ascii() {
            return steps
                + self.folded.or_matches(text.bytes().map(|byte| byte.to_ascii_lowercase()), glob, row);
        }
        let lower = text.chars().flat_map(char::to_lowercase).flat_map(|char| {
            let mut utf8 = [0; 4];
            let n_bytes = char.encode_utf8(&mut utf8).len();
            utf8.into_iter().take(n_bytes)
        });
        steps + self.folded.or_matches(lower, glob, row)
    }
}

/// Rows for an interval each.
type Intervals<K> = Vec<(Interval<K>, Vec<u64>)>;

/// The matchers sorted by what they look at.
struct FieldParts {
    width: usize,
    row_width: usize,
    null: Vec<u64>,
    bools: [Vec<u64>; 2],
    present: Vec<u64>,
    numbers: Intervals<Number>,
    addresses: Intervals<IpAddr>,
    exact: BTreeMap<Vec<u8>, Vec<u64>>,
    starred: BTreeMap<Vec<Piece>, Vec<u64>>,
    folded: BTreeMap<Vec<Piece>, Vec<u64>>,
}

impl FieldParts {
    fn new(width: usize, row_width: usize) -> Self {
        let row = || vec![0; width];
        Self {
            width,
            row_width,
            null: row(),
            bools: [row(), row()],
            present: row(),
            numbers: Vec::new(),
            addresses: Vec::new(),
            exact: BTreeMap::new(),
            starred: BTreeMap::new(),
            folded: BTreeMap::new(),
        }
    }

    fn add(&mut self, matcher: &Matcher, alternatives: &[u64], anything_but_idx: &mut usize) {
        let row = || {
            let mut row = alternatives.to_vec();
            row.resize(self.row_width, 0);
            row
        };
        match matcher {
            Matcher::Null => bits::or(&mut self.null, alternatives),
            Matcher::Bool(value) => bits::or(&mut self.bools[usize::from(*value)], alternatives),
            Matcher::Present => bits::or(&mut self.present, alternatives),
            // Whether a path is absent is known when the whole record has been seen: `LeafNeeds` answers it.
            Matcher::Absent => {}
            Matcher::Number(interval) => self.numbers.push((interval.clone(), row())),
            Matcher::Address(interval) => self.addresses.push((*interval, row())),
            Matcher::Text(text) => {
                let row = row();
                self.add_text(text, &row);
            }
            Matcher::AnythingBut(excluded) => {
                // A value that is met speaks against its alternatives, so it sets a bit of its own and none
                // of theirs.
                let mut row = vec![0; self.row_width];
                bits::set(&mut row[self.width..], *anything_but_idx);
                *anything_but_idx += 1;
                match excluded {
                    Excluded::Texts(texts) => texts.iter().for_each(|text| self.add_text(text, &row)),
                    Excluded::Numbers(numbers) => self.numbers.extend(numbers.iter().map(|number| {
                        let point = std::ops::Bound::Included(number.clone());
                        ((point.clone(), point), row.clone())
                    })),
                }
            }
        }
    }

    fn add_text(&mut self, text: &Text, row: &[u64]) {
        let known = match (text.ignores_case, text.literal()) {
            (true, _) => self.folded.entry(text.glob.clone()).or_default(),
            (false, Some(literal)) => self.exact.entry(literal).or_default(),
            (false, None) => self.starred.entry(text.glob.clone()).or_default(),
        };
        known.resize(row.len(), 0);
        bits::or(known, row);
    }
}
