//! Patterns made ready to run: the tree of the paths that they ask for, a bit for each alternative.
//!
//! `$or` is expanded into alternatives, each a map from paths to matchers, at most [`ALTERNATIVES_MAX`] for
//! one pattern. Where a path stands twice in one alternative, the one written last is obeyed.

use std::collections::BTreeMap;

use super::bits::{self, Unions};
use super::field::FieldTest;
use super::rule::{Field, Matcher, Part, PatternRule};

/// The most combinations of `$or` branches in one pattern.
pub(super) const ALTERNATIVES_MAX: u64 = 1000;

/// How many alternatives a rule expands to.
pub(super) fn n_alternatives(rule: &PatternRule) -> u64 {
    let of_part = |part: &Part| match part {
        Part::Field(_) => 1,
        Part::Nested(rule) => n_alternatives(rule),
        Part::Or(branches) => branches.iter().map(n_alternatives).fold(0, u64::saturating_add),
    };
    rule.0.iter().map(of_part).fold(1, u64::saturating_mul)
}

/// Patterns ready to run; a record matches when one alternative of one of them does.
#[derive(Debug, Clone)]
pub(super) struct Program {
    /// Words of a row with a bit for each alternative.
    pub(super) width: usize,
    /// A row with every alternative.
    pub(super) all: Vec<u64>,
    /// Paths in preorder: a node, then all below it. The first is the root.
    pub(super) nodes: Vec<ProgramNode>,
    /// What each alternative needs, when every path is there.
    pub(super) needs: LeafNeeds,
    /// Whether an alternative asks for a path to be absent.
    pub(super) asks_for_absence: bool,
}

/// One name on the way to a field.
#[derive(Debug, Clone)]
pub(super) struct ProgramNode {
    /// Nodes below, by name; in this order they are numbered too.
    pub(super) children: Vec<(Box<str>, usize)>,
    /// The first node that is not below this one.
    pub(super) end: usize,
    /// The field at this path.
    pub(super) test: Option<FieldTest>,
    /// The alternatives with a field at this path.
    own: Vec<u64>,
    /// Those that are satisfied when no leaf stands at this path.
    absent: Vec<u64>,
}

impl Program {
    pub(super) fn new<'a>(rules: impl IntoIterator<Item = &'a PatternRule>) -> Self {
        let mut fields = Vec::new();
        let mut alternatives = Vec::new();
        for rule in rules {
            alternatives.extend(expand(rule, vec![Vec::new()], &mut fields));
        }
        // One word at least: also without any pattern there is a row to look at.
        let width = alternatives.len().div_ceil(64).max(1);
        let mut all = vec![0; width];
        let mut root = Sketch::default();
        let mut owners: Vec<Vec<u64>> = vec![vec![0; width]; fields.len()];
        for (alternative_idx, alternative) in alternatives.iter().enumerate() {
            bits::set(&mut all, alternative_idx);
            // Collected in the order written, so that of equal paths the last one stays.
            let obeyed: BTreeMap<&[String], usize> =
                alternative.iter().map(|&field| (fields[field].path.as_slice(), field)).collect();
            obeyed.into_values().for_each(|field| bits::set(&mut owners[field], alternative_idx));
        }
        for (field, owners) in fields.into_iter().zip(&owners) {
            root.at(&field.path).fields.push((field, owners));
        }
        let mut nodes = Vec::new();
        root.number(width, &mut nodes);
        let needs = LeafNeeds::new(&nodes, width, None);
        let asks_for_absence = nodes.iter().any(|node| node.absent.iter().any(|&word| word != 0));
        Self { width, all, nodes, needs, asks_for_absence }
    }

    /// The node under `node` that a member's name leads to; dots in the name are borders.
    pub(super) fn descend(&self, node: usize, name: &str) -> Option<usize> {
        let mut node = node;
        for part in name.split('.') {
            let children = &self.nodes[node].children;
            let child = children.binary_search_by(|(name, _)| name.as_ref().cmp(part)).ok()?;
            node = children[child].1;
        }
        Some(node)
    }
}

/// Every way through the branches of `$or`, as the fields met on it in the order written.
fn expand<'a>(
    rule: &'a PatternRule,
    mut ways: Vec<Vec<usize>>,
    fields: &mut Vec<&'a Field>,
) -> Vec<Vec<usize>> {
    for part in &rule.0 {
        match part {
            Part::Field(field) => {
                ways.iter_mut().for_each(|way| way.push(fields.len()));
                fields.push(field);
            }
            Part::Nested(rule) => ways = expand(rule, ways, fields),
            // Each branch goes on from every way so far.
            Part::Or(branches) => {
                ways = branches.iter().flat_map(|branch| expand(branch, ways.clone(), fields)).collect()
            }
        }
    }
    ways
}

/// A node while the tree grows.
#[derive(Default)]
struct Sketch<'a> {
    children: BTreeMap<&'a str, Self>,
    fields: Vec<(&'a Field, &'a Vec<u64>)>,
}

impl<'a> Sketch<'a> {
    fn at(&mut self, path: &'a [String]) -> &mut Self {
        path.iter().fold(self, |node, name| node.children.entry(name).or_default())
    }

    fn number(self, width: usize, nodes: &mut Vec<ProgramNode>) -> usize {
        let (mut own, mut absent) = (vec![0; width], vec![0; width]);
        let mut matchers: Vec<(&Matcher, &[u64])> = Vec::new();
        for (field, owners) in self.fields {
            bits::or(&mut own, owners);
            for matcher in &field.matchers {
                matchers.push((matcher, owners));
                if matches!(matcher, Matcher::Absent) {
                    bits::or(&mut absent, owners);
                }
            }
        }
        let test = (!matchers.is_empty()).then(|| FieldTest::new(width, &matchers));
        // It takes its number before its children take theirs: preorder.
        let node = nodes.len();
        nodes.push(ProgramNode { children: Vec::new(), end: 0, test, own, absent });
        let children = self
            .children
            .into_iter()
            .map(|(name, child)| (name.into(), child.number(width, nodes)))
            .collect();
        nodes[node].children = children;
        nodes[node].end = nodes.len();
        node
    }
}

/// Which alternatives need a leaf where: a row for each node.
#[derive(Debug, Clone)]
pub(super) struct LeafNeeds {
    width: usize,
    own: Vec<u64>,
    below: Vec<u64>,
    total: Vec<u64>,
    /// For each node, over its children, the alternatives that need something in them.
    pub(super) children: Vec<Unions>,
}

impl LeafNeeds {
    /// `seen` tells at which nodes the record has a leaf: where it has none, those that ask for absence need
    /// nothing.
    pub(super) fn new(nodes: &[ProgramNode], width: usize, seen: Option<&[bool]>) -> Self {
        let rows = || vec![0; nodes.len() * width];
        let mut needs = Self {
            width,
            own: rows(),
            below: rows(),
            total: rows(),
            children: vec![Unions::default(); nodes.len()],
        };
        // Children come after their parent, so backwards they are complete when the parent asks.
        for (idx, node) in nodes.iter().enumerate().rev() {
            let row = idx * width..(idx + 1) * width;
            let is_absent = seen.is_some_and(|seen| !seen[idx]);
            for (word, at) in row.clone().enumerate() {
                needs.own[at] = if is_absent { node.own[word] & !node.absent[word] } else { node.own[word] };
                needs.below[at] = node
                    .children
                    .iter()
                    .fold(0, |below, (_, child)| below | needs.total[child * width + word]);
                needs.total[at] = needs.own[at] | needs.below[at];
            }
            let children = node.children.iter().map(|(_, child)| &needs.total[child * width..][..width]);
            needs.children[idx] = Unions::new(width, children);
        }
        needs
    }

    /// The alternatives that need a leaf at the node itself.
    pub(super) fn own(&self, node: usize) -> &[u64] {
        &self.own[node * self.width..][..self.width]
    }

    /// The alternatives that need a leaf below the node.
    pub(super) fn below(&self, node: usize) -> &[u64] {
        &self.below[node * self.width..][..self.width]
    }

    /// The alternatives that need a leaf at the node or below.
    pub(super) fn total(&self, node: usize) -> &[u64] {
        &self.total[node * self.width..][..self.width]
    }
}
