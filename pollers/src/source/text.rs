//! Texts and numbers as they stand in an event's JSON, written many bytes at a time.

/// Bytes looked at together: most of them hold nothing to escape.
const CHUNK_BYTES: usize = 32;
const WORD_BYTES: usize = 8;

/// Appends `text` as a JSON string, in its quotes: escaped is what must be, as `serde_json` does it.
pub fn write_text(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut escaper = Escaper { bytes, n_written: 0, out };
    let (chunks, rest) = bytes.as_chunks::<CHUNK_BYTES>();
    for (idx, chunk) in chunks.iter().enumerate() {
        // Without a way out of its middle, so that it is a few instructions for the whole chunk.
        if chunk.iter().fold(false, |any, byte| any | is_escaped(*byte)) {
            escaper.escape_chunk(idx * CHUNK_BYTES, chunk);
        }
    }
    let rest_at = bytes.len() - rest.len();
    rest.iter()
        .enumerate()
        .filter(|(_, byte)| is_escaped(**byte))
        .for_each(|(at, _)| escaper.escape(rest_at + at));
    escaper.write_up_to(bytes.len());
    out.push(b'"');
}

/// Appends the digits of `number`.
pub fn write_number(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(Digits::of(number).as_slice());
}

/// A number in decimal digits, kept in place.
pub struct Digits {
    digits: [u8; Self::MAX],
    from: usize,
}

impl Digits {
    /// The largest number has so many.
    const MAX: usize = 20;

    /// Those of `number`, without zeros before it.
    pub fn of(number: u64) -> Self {
        let mut digits = [b'0'; Self::MAX];
        let (mut left, mut from) = (number, Self::MAX);
        loop {
            from -= 1;
            digits[from] = b'0' + (left % 10) as u8;
            left /= 10;
            if left == 0 {
                return Self { digits, from };
            }
        }
    }

    /// The digits as text.
    pub fn as_slice(&self) -> &[u8] {
        &self.digits[self.from..]
    }
}

struct Escaper<'a> {
    bytes: &'a [u8],
    /// So many of them are written.
    n_written: usize,
    out: &'a mut Vec<u8>,
}

impl Escaper<'_> {
    /// Escapes what must be in a chunk that begins at `at`.
    fn escape_chunk(&mut self, at: usize, chunk: &[u8; CHUNK_BYTES]) {
        let (words, _) = chunk.as_chunks::<WORD_BYTES>();
        for (idx, word) in words.iter().enumerate() {
            let mut marks = escaped_in(u64::from_le_bytes(*word));
            while marks != 0 {
                self.escape(at + idx * WORD_BYTES + (marks.trailing_zeros() / 8) as usize);
                marks &= marks - 1;
            }
        }
    }

    /// Writes what lies before a byte as it is, and the byte escaped.
    fn escape(&mut self, at: usize) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        self.write_up_to(at);
        self.n_written = at + 1;
        let byte = self.bytes[at];
        let short = match byte {
            b'"' | b'\\' => byte,
            0x08 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            0x0c => b'f',
            b'\r' => b'r',
            _ => {
                let [high, low] = [byte >> 4, byte & 15].map(|half| HEX[usize::from(half)]);
                return self.out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
        };
        self.out.extend_from_slice(&[b'\\', short]);
    }

    fn write_up_to(&mut self, at: usize) {
        self.out.extend_from_slice(&self.bytes[self.n_written..at]);
    }
}

const fn is_escaped(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// The same for eight bytes at once, the first one lowest: the high bit of each byte that must be escaped.
const fn escaped_in(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; WORD_BYTES]);
    const LOW_BITS: u64 = 0x7f * ONES;
    /// The high bit of each byte that is not zero. No byte's sum carries over into the next one.
    const fn not_zero(word: u64) -> u64 {
        ((word & LOW_BITS) + LOW_BITS) | word
    }
    let not_control = ((word & LOW_BITS) + 0x60 * ONES) | word;
    let not_quote = not_zero(word ^ (b'"' as u64 * ONES));
    let not_backslash = not_zero(word ^ (b'\\' as u64 * ONES));
    !(not_control & not_quote & not_backslash) & !LOW_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut out = b"[".to_vec();
        write_text(text, &mut out);
        String::from_utf8(out).unwrap().split_off(1)
    }

    #[test]
    fn every_text_is_written_as_serde_json_writes_it_wherever_its_characters_stand() {
        let characters: Vec<char> = (0..0x180)
            .chain([0x7ff, 0x800, 0x2028, 0xffff, 0x1_0000, 0x10_ffff])
            .filter_map(char::from_u32)
            .collect();
        for n_before in (0..2 * CHUNK_BYTES + 3).chain([200]) {
            let before = "x".repeat(n_before);
            for it in &characters {
                for behind in ["", "y", "\"\\\n", "0123456789 0123456789 0123456789 0123456789"] {
                    let text = format!("{before}{it}{behind}");
                    assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
                }
            }
        }
    }

    #[test]
    fn texts_that_are_mostly_escapes_are_written_as_serde_json_writes_them() {
        let mut state = 7_u64;
        let mut draw = |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % n
        };
        let drawn = ['"', '\\', '\n', '\u{1f}', ' ', '!', '#', '[', ']', '\u{7f}', '\u{e9}', '\u{1f600}'];
        for _ in 0..20_000 {
            let n_characters = draw(100);
            let text: String = (0..n_characters).map(|_| drawn[draw(drawn.len() as u64) as usize]).collect();
            assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
        }
    }

    #[test]
    fn numbers_are_written_in_digits_without_zeros_before_them() {
        let powers = (0..20).map(|it| 10_u64.pow(it));
        for number in powers.flat_map(|it| [it - 1, it, it + 1]).chain([u64::MAX]) {
            let mut out = Vec::new();
            write_number(number, &mut out);
            assert_eq!(out, number.to_string().as_bytes());
        }
    }
}
