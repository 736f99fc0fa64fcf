//! One walk over a record, which descends only into paths that the patterns ask for.
//!
//! The rule of arrays, that the fields of an alternative must agree on one element of every array they share,
//! makes an array a choice: *some* element satisfies all that the alternative needs at that path and below.
//! So the walk works in scopes: the record, and each array element. Leaves of a scope are put together by
//! path; at its end every alternative whose needs below the scope's node are all met keeps its bit; an array
//! ors the bits of its elements. Nothing is tried twice and nothing backtracks: the work is bytes of the
//! record times words of a row.
//!
//! When a record spells one path in two ways in one object (`"a": [...]` beside `"a.b"`), leaves beside an
//! array do not complete what an element of that array lacks. Keys that stand twice in a record both count.

use std::borrow::Cow;

use super::field::{self, Leaf};
use super::json::{Malformed, Scanner};
use super::program::{LeafNeeds, Program};

/// What stands at the data key.
#[derive(Debug, Clone, Copy)]
pub(super) enum DataPart<'a> {
    /// What the record has there.
    AsDelivered,
    /// This JSON.
    Json(&'a str),
    /// This text, as a string.
    Text(&'a str),
    /// Nothing.
    Nothing,
}

/// A record as patterns see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct MatchInput<'a> {
    pub(super) record: &'a str,
    pub(super) data_key: &'a str,
    pub(super) data: DataPart<'a>,
    /// Alternatives whose needs at the data key are taken as met.
    pub(super) met: Option<&'a [u64]>,
}

/// Which alternatives a record satisfies, and the work done.
#[derive(Debug)]
pub(super) struct MatchResult {
    pub(super) satisfied: Vec<u64>,
    pub(super) steps: u64,
}

/// Runs a program over a record; `Malformed` when a part is not JSON.
pub(super) fn run(program: &Program, input: MatchInput<'_>) -> Result<MatchResult, Malformed> {
    let mut steps = 0;
    let mut needs = Cow::Borrowed(&program.needs);
    // What is absent is known when all was seen, so the record is walked once before.
    if program.asks_for_absence {
        let mut look = PatternWalk::new(program, &program.needs, Some(vec![false; program.nodes.len()]));
        look.input(input)?;
        steps += look.steps + (program.nodes.len() * program.width) as u64;
        needs = Cow::Owned(LeafNeeds::new(&program.nodes, program.width, look.seen.as_deref()));
    }
    let mut walk = PatternWalk::new(program, &needs, None);
    walk.input(input)?;
    let row = walk.close_scope(0, 0);
    Ok(MatchResult { satisfied: walk.rows[row..][..program.width].to_vec(), steps: steps + walk.steps })
}

/// What a scope has found at a node: a row of `rows`.
#[derive(Debug, Clone, Copy)]
struct FoundRow {
    node: usize,
    what: StepKind,
    row: usize,
}

#[derive(Debug, Clone, Copy)]
enum StepKind {
    /// A leaf: alternatives whose field at the node it satisfies.
    Leaf,
    /// An array, or data that is taken as met: alternatives whose needs at the node and below are met.
    Whole,
}

struct PatternWalk<'p> {
    program: &'p Program,
    needs: &'p LeafNeeds,
    /// When present, the walk only notes where leaves stand.
    seen: Option<Vec<bool>>,
    found: Vec<FoundRow>,
    /// A stack of rows.
    rows: Vec<u64>,
    leaf: field::Scratch,
    buffer: String,
    steps: u64,
}

impl<'p> PatternWalk<'p> {
    fn new(program: &'p Program, needs: &'p LeafNeeds, seen: Option<Vec<bool>>) -> Self {
        let leaf = field::Scratch::default();
        Self {
            program,
            needs,
            seen,
            found: Vec::new(),
            rows: Vec::new(),
            leaf,
            buffer: String::new(),
            steps: 0,
        }
    }

    fn input(&mut self, input: MatchInput<'_>) -> Result<(), Malformed> {
        // Where the data comes beside the record, what the record itself has there is passed over.
        let replaced = match input.data {
            DataPart::AsDelivered => None,
            DataPart::Json(_) | DataPart::Text(_) | DataPart::Nothing => Some(input.data_key),
        };
        let mut scanner = Scanner::new(input.record);
        self.object(0, &mut scanner, replaced)?;
        scanner.finish()?;
        self.steps += input.record.len() as u64;
        let Some(node) = self.program.descend(0, input.data_key).filter(|_| !input.data_key.is_empty())
        else {
            return Ok(());
        };
        // As a whole, so that no leaf of the data can fail what is taken as met.
        if let Some(met) = input.met {
            let row = self.push_row(0);
            self.rows[row..].copy_from_slice(met);
            self.found.push(FoundRow { node, what: StepKind::Whole, row });
        }
        match input.data {
            DataPart::AsDelivered | DataPart::Nothing => {}
            DataPart::Text(text) => self.note_leaf(node, Leaf::Text(text)),
            DataPart::Json(text) => {
                let mut scanner = Scanner::new(text);
                self.value(node, &mut scanner)?;
                scanner.finish()?;
                self.steps += text.len() as u64;
            }
        }
        Ok(())
    }

    fn push_row(&mut self, fill: u64) -> usize {
        let row = self.rows.len();
        self.rows.resize(row + self.program.width, fill);
        row
    }

    fn object(
        &mut self,
        node: usize,
        scanner: &mut Scanner<'_>,
        replaced: Option<&str>,
    ) -> Result<(), Malformed> {
        let mut has_more = scanner.open(b'{')?;
        while has_more {
            let key = scanner.key()?;
            let name = key.unescape(&mut self.buffer);
            self.steps += 1;
            match self.program.descend(node, name).filter(|_| replaced != Some(name)) {
                Some(child) => self.value(child, scanner)?,
                None => scanner.skip()?,
            }
            has_more = scanner.has_more(b'{')?;
        }
        Ok(())
    }

    fn value(&mut self, node: usize, scanner: &mut Scanner<'_>) -> Result<(), Malformed> {
        match scanner.peek()? {
            // Nothing below is asked for, and an object itself is no leaf.
            b'{' if self.program.nodes[node].children.is_empty() => scanner.skip(),
            b'{' => self.object(node, scanner, None),
            b'[' => self.array(node, scanner),
            _ => {
                // The leaf borrows it, so it is taken out for that long, and made once for the whole walk.
                let mut buffer = std::mem::take(&mut self.buffer);
                let leaf = read_leaf(scanner, &mut buffer).map(|leaf| self.note_leaf(node, leaf));
                self.buffer = buffer;
                leaf
            }
        }
    }

    /// A leaf of the scope itself.
    fn note_leaf(&mut self, node: usize, leaf: Leaf<'_>) {
        // Patterns lead through this path and ask for nothing at it.
        if self.program.nodes[node].test.is_none() {
            return;
        }
        if let Some(seen) = &mut self.seen {
            seen[node] = true;
            return;
        }
        let row = self.push_row(0);
        self.test(node, leaf, row);
        self.found.push(FoundRow { node, what: StepKind::Leaf, row });
    }

    fn test(&mut self, node: usize, leaf: Leaf<'_>, row: usize) {
        if let Some(test) = &self.program.nodes[node].test {
            self.steps += test.or_matches(leaf, &mut self.leaf, &mut self.rows[row..][..self.program.width]);
        }
    }

    /// An array and the arrays right inside it, which are one choice: some element of some of them.
    fn array(&mut self, node: usize, scanner: &mut Scanner<'_>) -> Result<(), Malformed> {
        let row = self.push_row(0);
        let mut depth = 0_usize;
        loop {
            match scanner.peek()? {
                b'[' => {
                    if scanner.open(b'[')? {
                        depth += 1;
                        continue;
                    }
                }
                b'{' => self.element(node, row, scanner)?,
                _ => self.leaf_element(node, row, scanner)?,
            }
            while depth > 0 && !scanner.has_more(b'[')? {
                depth -= 1;
            }
            if depth == 0 {
                break;
            }
        }
        // The look for absence notes where leaves stand and keeps no rows.
        if self.seen.is_some() {
            self.rows.truncate(row);
        } else {
            self.found.push(FoundRow { node, what: StepKind::Whole, row });
        }
        Ok(())
    }

    /// An object in an array: a scope of its own.
    fn element(&mut self, node: usize, array_row: usize, scanner: &mut Scanner<'_>) -> Result<(), Malformed> {
        if self.program.nodes[node].children.is_empty() {
            return scanner.skip();
        }
        let (n_found, n_words) = (self.found.len(), self.rows.len());
        self.object(node, scanner, None)?;
        if self.seen.is_none() && self.found.len() > n_found {
            let row = self.close_scope(node, n_found);
            for word in 0..self.program.width {
                self.rows[array_row + word] |= self.rows[row + word];
            }
        }
        self.found.truncate(n_found);
        self.rows.truncate(n_words);
        Ok(())
    }

    /// A leaf in an array: it satisfies those that need nothing below.
    fn leaf_element(
        &mut self,
        node: usize,
        array_row: usize,
        scanner: &mut Scanner<'_>,
    ) -> Result<(), Malformed> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let leaf = read_leaf(scanner, &mut buffer);
        if let (Ok(leaf), Some(_)) = (leaf, &self.program.nodes[node].test) {
            if let Some(seen) = &mut self.seen {
                seen[node] = true;
            } else {
                let row = self.push_row(0);
                self.test(node, leaf, row);
                let needs = self.needs;
                for (word, below) in needs.below(node).iter().enumerate() {
                    self.rows[array_row + word] |= self.rows[row + word] & !below;
                }
                self.rows.truncate(row);
            }
        }
        let read = leaf.map(drop);
        self.buffer = buffer;
        read
    }

    /// Puts together what a scope found at and below its node, from `found[first..]`: a row of alternatives
    /// whose needs are met.
    fn close_scope(&mut self, node: usize, first: usize) -> usize {
        // Members that come in the order of their names need no sorting.
        if !self.found[first..].is_sorted_by_key(|found| found.node) {
            self.found[first..].sort_by_key(|found| found.node);
        }
        self.combine(node, first, self.found.len())
    }

    /// The row for `node` from `found[first..end]`, all of which lie at or below it, in the order of nodes.
    fn combine(&mut self, node: usize, first: usize, end: usize) -> usize {
        let (program, needs) = (self.program, self.needs);
        let width = program.width;
        // All ones: every child takes away what it does not meet.
        let met = self.push_row(!0);
        let (own, whole, missing) = (self.push_row(0), self.push_row(0), self.push_row(0));
        let mut at = first;
        while at < end && self.found[at].node == node {
            let FoundRow { what, row, .. } = self.found[at];
            let into = match what {
                StepKind::Leaf => own,
                StepKind::Whole => whole,
            };
            for word in 0..width {
                self.rows[into + word] |= self.rows[row + word];
            }
            at += 1;
        }
        let children = &program.nodes[node].children;
        let mut slot = 0;
        while at < end {
            let reached = children.partition_point(|(_, child)| *child <= self.found[at].node) - 1;
            // Nothing was found in the children between: whoever needs something in them misses it.
            self.steps += needs.children[node].or_run(slot, reached, &mut self.rows[missing..][..width]);
            slot = reached + 1;
            let child = children[reached].1;
            let child_end = program.nodes[child].end;
            let stop = at + self.found[at..end].partition_point(|found| found.node < child_end);
            let row = self.combine(child, at, stop);
            for word in 0..width {
                self.rows[met + word] &= self.rows[row + word];
            }
            // The child's rows are done with, so the stack grows with depth only.
            self.rows.truncate(row);
            at = stop;
        }
        self.steps += needs.children[node].or_run(slot, children.len(), &mut self.rows[missing..][..width]);
        // Met are those whose children are, who miss nothing and whose own field, where they have one, is
        // satisfied; and those of whom one element of an array met all.
        for (word, needed) in needs.own(node).iter().enumerate() {
            let is_met =
                self.rows[met + word] & !self.rows[missing + word] & (self.rows[own + word] | !needed);
            self.rows[met + word] = (is_met | self.rows[whole + word]) & program.all[word];
        }
        self.steps += (6 * width) as u64;
        self.rows.truncate(own);
        met
    }
}

fn read_leaf<'a: 'b, 'b>(scanner: &mut Scanner<'a>, buffer: &'b mut String) -> Result<Leaf<'b>, Malformed> {
    Ok(match scanner.peek()? {
        b'"' => Leaf::Text(scanner.string()?.unescape(buffer)),
        b't' => scanner.word("true").map(|()| Leaf::Bool(true))?,
        b'f' => scanner.word("false").map(|()| Leaf::Bool(false))?,
        b'n' => scanner.word("null").map(|()| Leaf::Null)?,
        _ => Leaf::Number(scanner.number()?),
    })
}
