//! YAML 1.2: one document, keys that are text, aliases within a budget; merge keys and tags of one's own are
//! refused.

use std::collections::BTreeMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::Lines;
use super::blanks::Blanks;
use super::plain::resolve;
use super::tree::{Stop, Tree};
use crate::document::{DEPTH_MAX, Node, Value};
use crate::error::{Code, Finding};

/// Reads a text as YAML.
pub(crate) fn parse(lines: &Lines<'_>) -> Result<Node, Vec<Finding>> {
    let mut reader = YamlReader {
        tree: Tree::new(lines),
        anchors: BTreeMap::new(),
        n_documents: 0,
        skipped: lines.text.len() - body(lines).len(),
    };
    let mut parser = Parser::new(Blanks::new(body(lines)));
    while let Some(event) = parser.next_event() {
        let step = match event {
            Ok((event, span)) => {
                let span = reader.span(span);
                reader.event(event, span)
            }
            Err(error) => {
                let at = reader.at(error.marker().index());
                // The parser has a limit of its own and tells of it in these words only.
                Err(match error.info() {
                    "recursion limit exceeded" => {
                        let message =
                            format!("more than {DEPTH_MAX} maps and lists stand inside one another");
                        reader.tree.stop(Code::TOO_LARGE, at..at + 1, message)
                    }
                    info => reader.tree.stop(Code::SYNTAX, at..at + 1, format!("this is no YAML: {info}")),
                })
            }
        };
        if let Err(Stop) = step {
            break;
        }
    }
    reader.tree.finish()
}

/// The text without the mark that some editors put in front.
fn body<'t>(lines: &Lines<'t>) -> &'t str {
    lines.text.strip_prefix('\u{feff}').unwrap_or(lines.text)
}

struct YamlReader<'l, 't> {
    tree: Tree<'l, 't>,
    /// What was anchored: the value, its depth and how many values it holds.
    anchors: BTreeMap<usize, Anchored>,
    n_documents: usize,
    /// Bytes of the mark before the text.
    skipped: usize,
}

struct Anchored {
    node: Node,
    depth: usize,
    n_nodes: usize,
}

impl YamlReader<'_, '_> {
    fn at(&self, n_char: usize) -> usize {
        // The parser counts without the mark, which is one character.
        self.tree.lines.byte_of(n_char + usize::from(self.skipped > 0))
    }

    fn span(&self, span: Span) -> Range<usize> {
        self.at(span.start.index())..self.at(span.end.index())
    }

    fn event(&mut self, event: Event<'_>, span: Range<usize>) -> Result<(), Stop> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.n_documents += 1;
                if self.n_documents == 1 {
                    return Ok(());
                }
                Err(self.tree.stop(
                    Code::SYNTAX,
                    span,
                    "a second document begins here; a config file holds one",
                ))
            }
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::Scalar(text, style, anchor, tag) => {
                self.scalar(&text, style, anchor, tag.as_deref(), span)
            }
            Event::SequenceStart(anchor, tag) => {
                self.collection_tag(tag.as_deref(), "seq", span.clone())?;
                self.tree.open_list(span.start, anchor)
            }
            Event::MappingStart(anchor, tag) => {
                self.collection_tag(tag.as_deref(), "map", span.clone())?;
                self.tree.open_map(span.start, anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some((anchor, node)) = self.tree.close(span.end)? {
                    // Measured once: each alias is weighed by it before anything is copied.
                    let (depth, n_nodes) = measure(&node);
                    self.anchors.insert(anchor, Anchored { node, depth, n_nodes });
                }
                Ok(())
            }
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        span: Range<usize>,
    ) -> Result<(), Stop> {
        let is_plain = style == ScalarStyle::Plain;
        if self.tree.wants_key() {
            // In quotes it is a key like any other.
            if is_plain && text == "<<" {
                self.tree.note(
                    Code::SYNTAX,
                    span.clone(),
                    "merge keys (`<<`) are no part of YAML 1.2; write the settings out",
                )?;
            }
            return self.tree.key(text.to_owned(), span);
        }
        let value = match tag {
            None if is_plain => resolve(text),
            None => Value::String(text.to_owned()),
            Some(tag) => self.tagged(text, tag, span.clone())?,
        };
        let node = Node { value, place: self.tree.lines.place(span) };
        if anchor > 0 {
            self.anchors.insert(anchor, Anchored { node: node.clone(), depth: 0, n_nodes: 1 });
        }
        self.tree.value(node)
    }

    /// A scalar with a tag: those of the core schema, where the text fits them.
    fn tagged(&mut self, text: &str, tag: &Tag, span: Range<usize>) -> Result<Value, Stop> {
        let plain = resolve(text);
        let is_core = tag.is_yaml_core_schema();
        match (&plain, tag.suffix.as_str()) {
            (_, "str") if is_core => Ok(Value::String(text.to_owned())),
            (_, "") if tag.handle == "!" => Ok(Value::String(text.to_owned())),
            (Value::Number(_), "int" | "float") | (Value::Bool(_), "bool") | (Value::Null, "null")
                if is_core =>
            {
                Ok(plain)
            }
            _ => {
                // It is read on as what the text says, to find what else is wrong.
                self.tree.note(Code::SYNTAX, span, format!("the tag `{}` does not fit here", shown(tag)))?;
                Ok(plain)
            }
        }
    }

    fn collection_tag(&mut self, tag: Option<&Tag>, core: &str, span: Range<usize>) -> Result<(), Stop> {
        match tag {
            Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == core) => {
                self.tree.note(Code::SYNTAX, span, format!("the tag `{}` does not fit here", shown(tag)))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Repeats an anchored value; its places stay those of the anchor.
    fn alias(&mut self, anchor: usize, span: Range<usize>) -> Result<(), Stop> {
        if self.tree.wants_key() {
            return Err(self.tree.stop(Code::SYNTAX, span, "a key must be text, not an alias"));
        }
        // It is known from its end on; a name that nobody anchored the parser refuses.
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(self.tree.stop(
                Code::SYNTAX,
                span,
                "this alias stands inside the value that it repeats",
            ));
        };
        let (depth, n_nodes) = (anchored.depth, anchored.n_nodes);
        // Both limits stand before the copy: aliases of aliases can ask for more than memory holds.
        if self.tree.depth() + depth > DEPTH_MAX {
            let message =
                format!("with this alias more than {DEPTH_MAX} maps and lists stand inside one another");
            return Err(self.tree.stop(Code::TOO_LARGE, span, message));
        }
        self.tree.spend(n_nodes, span)?;
        let node = self.anchors[&anchor].node.clone();
        self.tree.value(node)
    }
}

fn shown(tag: &Tag) -> String {
    tag.to_string().chars().take(60).flat_map(char::escape_debug).collect()
}

/// How deep a value is and how many values it holds; its depth is bounded already.
fn measure(node: &Node) -> (usize, usize) {
    let children: Vec<&Node> = match &node.value {
        Value::List(nodes) => nodes.iter().collect(),
        Value::Map(entries) => entries.iter().map(|(_, node)| node).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Expanded(_) => {
            return (0, 1);
        }
    };
    children
        .into_iter()
        .map(measure)
        .fold((1, 1), |(depth, n), (below, n_below)| (depth.max(below + 1), n + n_below))
}
