//! Builds the tree from events in reading order, on a stack of its own, within the limits of depth and size.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Lines, SYNTAX_FINDINGS_MAX};
use crate::document::{DEPTH_MAX, DocumentKey, NODES_MAX, Node, SourceSpan, Value};
use crate::error::{Code, Finding};

/// A tree on its way.
pub(super) struct Tree<'l, 't> {
    pub(super) lines: &'l Lines<'t>,
    pub(super) findings: Vec<Finding>,
    open: Vec<Open>,
    root: Option<Node>,
    n_nodes: usize,
}

/// A map or list whose end has not come.
struct Open {
    start: usize,
    anchor: usize,
    content: NodeContent,
}

enum NodeContent {
    List(Vec<Node>),
    /// The entries so far, the first place of each key, and the key whose value comes next.
    Map {
        entries: Vec<(DocumentKey, Node)>,
        first: BTreeMap<String, SourceSpan>,
        key: Option<DocumentKey>,
    },
}

/// Reading cannot go on; the reason is among the findings.
pub(super) struct Stop;

impl<'l, 't> Tree<'l, 't> {
    pub(super) fn new(lines: &'l Lines<'t>) -> Self {
        Self { lines, findings: Vec::new(), open: Vec::new(), root: None, n_nodes: 0 }
    }

    /// The tree, or all that was wrong with it. A document without content is null.
    pub(super) fn finish(self) -> Result<Node, Vec<Finding>> {
        if !self.findings.is_empty() {
            return Err(self.findings);
        }
        Ok(self.root.unwrap_or_else(|| Node { value: Value::Null, place: self.lines.place(0..0) }))
    }

    /// Whether the next value is a key.
    pub(super) fn wants_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { content: NodeContent::Map { key: None, .. }, .. }))
    }

    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    /// Notes a finding; after too many, reading stops.
    pub(super) fn note(
        &mut self,
        code: Code,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Result<(), Stop> {
        self.findings.push(Finding::new(code, "", &self.lines.place(span), message));
        if self.findings.len() < SYNTAX_FINDINGS_MAX { Ok(()) } else { Err(Stop) }
    }

    /// Notes a finding after which nothing can be read.
    pub(super) fn stop(&mut self, code: Code, span: Range<usize>, message: impl Into<String>) -> Stop {
        self.findings.push(Finding::new(code, "", &self.lines.place(span), message));
        Stop
    }

    pub(super) fn open_list(&mut self, start: usize, anchor: usize) -> Result<(), Stop> {
        self.open(Open { start, anchor, content: NodeContent::List(Vec::new()) })
    }

    pub(super) fn open_map(&mut self, start: usize, anchor: usize) -> Result<(), Stop> {
        self.open(Open {
            start,
            anchor,
            content: NodeContent::Map { entries: Vec::new(), first: BTreeMap::new(), key: None },
        })
    }

    fn open(&mut self, open: Open) -> Result<(), Stop> {
        let start = open.start;
        if self.open.len() >= DEPTH_MAX {
            let message = format!("more than {DEPTH_MAX} maps and lists stand inside one another");
            return Err(self.stop(Code::TOO_LARGE, start..start + 1, message));
        }
        if self.wants_key() {
            return Err(self.stop(Code::SYNTAX, start..start + 1, "a key must be text, not a map or list"));
        }
        self.open.push(open);
        Ok(())
    }

    /// Ends the innermost map or list; gives it back with its anchor when it has one.
    pub(super) fn close(&mut self, end: usize) -> Result<Option<(usize, Node)>, Stop> {
        let Some(Open { start, anchor, content }) = self.open.pop() else { return Ok(None) };
        let value = match content {
            NodeContent::List(nodes) => Value::List(nodes),
            NodeContent::Map { entries, .. } => Value::Map(entries),
        };
        let node = Node { value, place: self.lines.first_line(start..end) };
        let anchored = (anchor > 0).then(|| (anchor, node.clone()));
        self.value(node)?;
        Ok(anchored)
    }

    /// Takes a key; a second one of the same name in the same map is a finding.
    pub(super) fn key(&mut self, name: String, span: Range<usize>) -> Result<(), Stop> {
        let place = self.lines.place(span);
        let mut twice = None;
        if let Some(Open { content: NodeContent::Map { first, key, .. }, .. }) = self.open.last_mut() {
            match first.get(&name) {
                Some(first) => twice = Some((first.clone(), name.escape_debug().to_string())),
                None => _ = first.insert(name.clone(), place.clone()),
            }
            // Also when it stands twice: its value needs a place, and what follows is still looked at.
            *key = Some(DocumentKey { name, place: place.clone() });
        }
        let Some((first, name)) = twice else { return Ok(()) };
        let message = format!("the key `{name}` is written twice in this map");
        self.findings.push(
            Finding::new(Code::DUPLICATE_KEY, "", &place, message)
                .fix("keep one of them")
                .also(&first, "first written here"),
        );
        if self.findings.len() < SYNTAX_FINDINGS_MAX { Ok(()) } else { Err(Stop) }
    }

    /// Takes a whole value.
    pub(super) fn value(&mut self, node: Node) -> Result<(), Stop> {
        self.spend(1, node.place.span.clone())?;
        match self.open.last_mut().map(|open| &mut open.content) {
            Some(NodeContent::List(nodes)) => nodes.push(node),
            // Readers ask `wants_key` first, so here a key waits for its value.
            Some(NodeContent::Map { entries, key, .. }) => entries.extend(key.take().map(|key| (key, node))),
            None => self.root = Some(node),
        }
        Ok(())
    }

    /// Counts values against the limit of the document.
    pub(super) fn spend(&mut self, n_nodes: usize, span: Range<usize>) -> Result<(), Stop> {
        self.n_nodes += n_nodes;
        if self.n_nodes <= NODES_MAX {
            return Ok(());
        }
        Err(self.stop(
            Code::TOO_LARGE,
            span,
            format!("the document holds more than {NODES_MAX} values, what aliases repeat counted each time"),
        ))
    }
}
