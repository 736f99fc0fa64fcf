//! From bytes and characters of a text to lines and columns, without walking the text again for every value.

use std::ops::Range;
use std::sync::Arc;

use crate::document::SourceSpan;

/// Bytes between two entries of the table of characters.
const STRIDE: usize = 256;

/// A text and where its lines and characters begin.
pub(crate) struct Lines<'t> {
    /// The whole text.
    pub(crate) text: &'t str,
    file: Arc<str>,
    line_starts: Vec<usize>,
    /// For every `STRIDE` bytes: the first character boundary at or after them, and the characters before it.
    marks: Vec<(usize, usize)>,
}

impl<'t> Lines<'t> {
    pub(crate) fn new(file: &str, text: &'t str) -> Self {
        let mut line_starts = vec![0];
        line_starts.extend(text.bytes().enumerate().filter(|(_, it)| *it == b'\n').map(|(at, _)| at + 1));
        let mut marks = vec![(0, 0)];
        for (n_chars, (at, _)) in text.char_indices().enumerate() {
            if at >= marks.len() * STRIDE {
                marks.push((at, n_chars));
            }
        }
        Self { text, file: file.into(), line_starts, marks }
    }

    /// The place of some bytes; ends outside the text or inside a character are moved to the boundary before.
    pub(crate) fn place(&self, span: Range<usize>) -> SourceSpan {
        let start = self.boundary(span.start);
        let end = self.boundary(span.end).max(start);
        let line = self.line_of(start);
        let column = self.char_of(start) - self.char_of(self.line_starts[line]);
        let number = |it: usize| u32::try_from(it + 1).unwrap_or(u32::MAX);
        SourceSpan { file: self.file.clone(), line: number(line), column: number(column), span: start..end }
    }

    /// The place of a map or list: what stands on its first line.
    pub(crate) fn first_line(&self, span: Range<usize>) -> SourceSpan {
        let end = self
            .text
            .get(span.clone())
            .and_then(|text| text.find(['\n', '\r']))
            .map_or(span.end, |at| span.start + at);
        self.place(span.start..end)
    }

    /// The byte at which the n-th character begins.
    pub(crate) fn byte_of(&self, n: usize) -> usize {
        // The first mark is that of the beginning, so there is always one before.
        let (at, n_chars) = self.marks[self.marks.partition_point(|(_, n_chars)| *n_chars <= n) - 1];
        self.text[at..].char_indices().nth(n - n_chars).map_or(self.text.len(), |(offset, _)| at + offset)
    }

    fn line_of(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at) - 1
    }

    fn char_of(&self, at: usize) -> usize {
        let (start, n_chars) = self.marks[self.marks.partition_point(|(start, _)| *start <= at) - 1];
        n_chars + self.text[start..at].chars().count()
    }

    fn boundary(&self, at: usize) -> usize {
        self.text.floor_char_boundary(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_and_spans_count_bytes() {
        let text = format!("a: é\n{}b: 日本\n", "ü".repeat(1000));
        let lines = Lines::new("f", &text);
        for (n, (at, _)) in text.char_indices().enumerate() {
            assert_eq!(lines.byte_of(n), at);
        }
        let at = text.find('本').unwrap();
        let place = lines.place(at..at + 3);
        assert_eq!((place.line, place.column, place.span), (2, 1005, at..at + 3));
        assert_eq!(lines.place(4..99_999).span, 3..text.len(), "moved to a boundary");
        assert_eq!(lines.byte_of(99_999), text.len());
    }

    #[test]
    fn a_map_over_several_lines_shows_its_first() {
        let lines = Lines::new("f", "x: 1\ny: 2\n");
        assert_eq!(lines.first_line(0..10).span, 0..4);
    }
}
