//! Walks JSON text in place: tokens, escapes and skipping, without a tree, an allocation per value or
//! recursion.

/// The text is not JSON: where it stops being so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed(pub usize);

/// A string as it stands between its quotes.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawString<'a> {
    body: &'a str,
    is_escaped: bool,
}

impl<'a> RawString<'a> {
    /// The text that the string stands for; `buffer` is used when there are escapes. Half a surrogate pair
    /// becomes U+FFFD.
    pub(super) fn unescape<'b>(self, buffer: &'b mut String) -> &'b str
    where
        'a: 'b,
    {
        if !self.is_escaped {
            return self.body;
        }
        buffer.clear();
        let mut rest = self.body;
        while let Some(at) = rest.find('\\') {
            buffer.push_str(&rest[..at]);
            // The scanner saw each escape to its end, so no index leads past the text.
            let escape = rest.as_bytes()[at + 1];
            rest = &rest[at + 2..];
            buffer.push(match escape {
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                b'u' => {
                    let mut unit = hex4(rest);
                    rest = &rest[4..];
                    // Half of a pair needs the other half right behind it; alone it is no character.
                    if (0xd800..0xdc00).contains(&unit)
                        && rest.starts_with("\\u")
                        && (0xdc00..0xe000).contains(&hex4(&rest[2..]))
                    {
                        unit = 0x1_0000 + ((unit - 0xd800) << 10) + (hex4(&rest[2..]) - 0xdc00);
                        rest = &rest[6..];
                    }
                    char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)
                }
                verbatim => char::from(verbatim),
            });
        }
        buffer.push_str(rest);
        buffer
    }
}

/// Four hexadecimal digits that the scanner has seen.
fn hex4(text: &str) -> u32 {
    u32::from_str_radix(&text[..4], 16).unwrap_or(0xfffd)
}

/// A place in JSON text.
#[derive(Debug, Clone)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    /// Bytes behind us.
    pub(super) pos: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, pos: 0 }
    }

    /// The next byte that is not white space, which is left in place.
    pub(super) fn peek(&mut self) -> Result<u8, Malformed> {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.pos) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Ok(byte);
            }
            self.pos += 1;
        }
        Err(self.malformed())
    }

    /// Takes `byte`, after white space.
    pub(super) fn take(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.peek()? != byte {
            return Err(self.malformed());
        }
        self.pos += 1;
        Ok(())
    }

    /// Takes what opens a container; false when the container is closed at once, which is taken too.
    pub(super) fn open(&mut self, opener: u8) -> Result<bool, Malformed> {
        self.take(opener)?;
        let is_empty = self.peek()? == closer(opener);
        self.pos += usize::from(is_empty);
        Ok(!is_empty)
    }

    /// Takes what follows an element: true for a comma, false for the end of the container.
    pub(super) fn has_more(&mut self, opener: u8) -> Result<bool, Malformed> {
        let byte = self.peek()?;
        if byte != b',' && byte != closer(opener) {
            return Err(self.malformed());
        }
        self.pos += 1;
        Ok(byte == b',')
    }

    /// Takes a key and its colon.
    pub(super) fn key(&mut self) -> Result<RawString<'a>, Malformed> {
        let key = self.string()?;
        self.take(b':')?;
        Ok(key)
    }

    /// Takes a string.
    pub(super) fn string(&mut self) -> Result<RawString<'a>, Malformed> {
        self.take(b'"')?;
        let bytes = self.text.as_bytes();
        let start = self.pos;
        let mut is_escaped = false;
        loop {
            self.pos += plain_run(&bytes[self.pos..]);
            match bytes.get(self.pos) {
                Some(b'"') => {
                    let body = &self.text[start..self.pos];
                    self.pos += 1;
                    return Ok(RawString { body, is_escaped });
                }
                Some(b'\\') => {
                    is_escaped = true;
                    self.escape()?;
                }
                Some(_) | None => return Err(self.malformed()),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Malformed> {
        let bytes = self.text.as_bytes();
        self.pos += 1;
        match bytes.get(self.pos) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.pos += 1,
            Some(b'u') => {
                self.pos += 1;
                for _ in 0..4 {
                    if !bytes.get(self.pos).is_some_and(u8::is_ascii_hexdigit) {
                        return Err(self.malformed());
                    }
                    self.pos += 1;
                }
            }
            Some(_) | None => return Err(self.malformed()),
        }
        Ok(())
    }

    /// Takes a number and gives its text.
    pub(super) fn number(&mut self) -> Result<&'a str, Malformed> {
        let bytes = self.text.as_bytes();
        let start = self.pos;
        self.pos += usize::from(bytes.get(self.pos) == Some(&b'-'));
        // A zero in front stands alone: `01` is two tokens, and so is refused behind this one.
        if bytes.get(self.pos) == Some(&b'0') {
            self.pos += 1;
        } else {
            self.digits()?;
        }
        if bytes.get(self.pos) == Some(&b'.') {
            self.pos += 1;
            self.digits()?;
        }
        if matches!(bytes.get(self.pos), Some(b'e' | b'E')) {
            self.pos += 1;
            self.pos += usize::from(matches!(bytes.get(self.pos), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(&self.text[start..self.pos])
    }

    fn digits(&mut self) -> Result<(), Malformed> {
        let start = self.pos;
        while self.text.as_bytes().get(self.pos).is_some_and(u8::is_ascii_digit) {
            self.pos += 1;
        }
        if self.pos == start { Err(self.malformed()) } else { Ok(()) }
    }

    /// Takes `true`, `false` or `null`.
    pub(super) fn word(&mut self, word: &str) -> Result<(), Malformed> {
        if !self.text.as_bytes()[self.pos..].starts_with(word.as_bytes()) {
            return Err(self.malformed());
        }
        self.pos += word.len();
        Ok(())
    }

    /// Takes a value that nobody asks for. Depth costs a byte of heap a level; there is no recursion.
    pub(super) fn skip(&mut self) -> Result<(), Malformed> {
        let mut open: Vec<u8> = Vec::new();
        loop {
            match self.peek()? {
                opener @ (b'{' | b'[') => {
                    if self.open(opener)? {
                        open.push(opener);
                        self.skip_key(opener)?;
                        continue;
                    }
                }
                b'"' => drop(self.string()?),
                b't' => self.word("true")?,
                b'f' => self.word("false")?,
                b'n' => self.word("null")?,
                _ => drop(self.number()?),
            }
            loop {
                let Some(&opener) = open.last() else { return Ok(()) };
                if self.has_more(opener)? {
                    self.skip_key(opener)?;
                    break;
                }
                open.pop();
            }
        }
    }

    fn skip_key(&mut self, opener: u8) -> Result<(), Malformed> {
        if opener == b'{' {
            self.key()?;
        }
        Ok(())
    }

    /// Only white space may be left.
    pub(super) fn finish(&mut self) -> Result<(), Malformed> {
        // It fails at the end of the text only.
        match self.peek() {
            Ok(_) => Err(self.malformed()),
            Err(_) => Ok(()),
        }
    }

    pub(super) fn malformed(&self) -> Malformed {
        Malformed(self.pos)
    }
}

fn closer(opener: u8) -> u8 {
    if opener == b'{' { b'}' } else { b']' }
}

/// How many bytes from the start need no look: no quote, no backslash, no control character. Eight bytes at a
/// time.
fn plain_run(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = ONES << 7;
    // The high bit of a byte is set where the byte is zero, and above that perhaps where it is not.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let mut at = 0;
    for chunk in bytes.chunks_exact(8) {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        let word = u64::from_le_bytes(word);
        let stops = zeros(word ^ (ONES * 0x22))
            | zeros(word ^ (ONES * 0x5c))
            | (word.wrapping_sub(ONES * 0x20) & !word & HIGHS);
        if stops != 0 {
            // The lowest stop is exact; only those above it may be false.
            return at + (stops.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    at + bytes[at..]
        .iter()
        .position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\')
        .unwrap_or(bytes.len() - at)
}

/// Whether `text` is one JSON object or array from end to end.
pub(super) fn is_container(text: &str) -> bool {
    let mut scanner = Scanner::new(text);
    matches!(scanner.peek(), Ok(b'{' | b'[')) && scanner.skip().is_ok() && scanner.finish().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    #[test]
    fn any_depth_is_skipped_without_recursion() {
        let depth = 500_000;
        let deep = "[".repeat(depth) + &"]".repeat(depth);
        assert!(is_container(&deep));
        assert!(!is_container(&deep[..deep.len() - 1]));
    }

    #[test]
    fn half_a_surrogate_pair_becomes_the_replacement_character() {
        let mut buffer = String::new();
        let unescape = |text: &'static str, buffer: &mut String| {
            Scanner::new(text).string().unwrap().unescape(buffer).to_owned()
        };
        assert_eq!(
            unescape(r#""\ud83d\ude00|\ud83d|\ud83d\u0041|\/\"\u00e9""#, &mut buffer),
            "😀|\u{fffd}|\u{fffd}A|/\"é"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn what_counts_as_json_agrees_with_serde(text in r#"[\[\]{}:,"0-9eE.+\-truefalsn\\ u\x01é]{0,24}"#) {
            let wrapped = format!("[{text}]");
            let ours = is_container(&wrapped);
            let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&wrapped).is_ok();
            prop_assert_eq!(ours, theirs, "{}", wrapped);
        }

        #[test]
        fn strings_are_read_as_serde_reads_them(text in any::<String>()) {
            let written = serde_json::to_string(&text).unwrap();
            let mut buffer = String::new();
            prop_assert_eq!(Scanner::new(&written).string().unwrap().unescape(&mut buffer), text);
        }
    }
}
