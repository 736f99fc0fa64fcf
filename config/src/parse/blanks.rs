//! A text for the YAML parser that takes a tab between `key:` and its value for the white space that it is.

use saphyr_parser::input::SkipTabs;
use saphyr_parser::{Input, StrInput};

/// A text in which the blanks behind a token count as white space, whatever they are.
///
/// YAML separates tokens of a line by spaces and tabs alike; a tab is refused in an indentation only. The
/// parser asks, behind a `:` that a tab follows and nowhere else, whether a space was among the blanks too,
/// and refuses a word there when none was. What must not stand in the line of a key, a list or a second key,
/// it refuses for itself. Places are counted as ever: no character changes.
pub(super) struct Blanks<'t>(StrInput<'t>);

impl<'t> Blanks<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self(StrInput::new(text))
    }
}

impl Input for Blanks<'_> {
    fn skip_ws_to_eol(&mut self, skip_tabs: SkipTabs) -> (usize, Result<SkipTabs, &'static str>) {
        let (n_chars, skipped) = self.0.skip_ws_to_eol(skip_tabs);
        (
            n_chars,
            skipped.map(|it| SkipTabs::Result(it.found_tabs(), it.found_tabs() || it.has_valid_yaml_ws())),
        )
    }

    fn lookahead(&mut self, count: usize) {
        self.0.lookahead(count);
    }

    fn buflen(&self) -> usize {
        self.0.buflen()
    }

    fn bufmaxlen(&self) -> usize {
        self.0.bufmaxlen()
    }

    fn raw_read_ch(&mut self) -> char {
        self.0.raw_read_ch()
    }

    fn raw_read_non_breakz_ch(&mut self) -> Option<char> {
        self.0.raw_read_non_breakz_ch()
    }

    fn skip(&mut self) {
        self.0.skip();
    }

    fn skip_n(&mut self, count: usize) {
        self.0.skip_n(count);
    }

    fn peek(&self) -> char {
        self.0.peek()
    }

    fn peek_nth(&self, n: usize) -> char {
        self.0.peek_nth(n)
    }

    fn peek_opt(&self) -> Option<char> {
        self.0.peek_opt()
    }

    fn next_is_document_indicator(&self) -> bool {
        self.0.next_is_document_indicator()
    }

    fn next_is_document_start(&self) -> bool {
        self.0.next_is_document_start()
    }

    fn next_is_document_end(&self) -> bool {
        self.0.next_is_document_end()
    }
}
