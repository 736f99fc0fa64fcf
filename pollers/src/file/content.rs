//! What a file holds that is no lines of text, told by its first bytes: compressed data, UTF-16, binary data.

/// What is told of a file once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ContentNotice {
    /// That it holds no text.
    Content,
    /// That there are NUL bytes before its lines.
    Filler,
}

/// What a file holds instead of lines of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Content {
    #[error("file holds {0} data, no lines: leave it out (`exclude`), or have it unpacked")]
    Packed(&'static str),
    #[error(
        "file is UTF-16, its lines come garbled: have it written as UTF-8, or convert it (`iconv -f UTF-16 -t UTF-8`)"
    )]
    Utf16,
    #[error("file holds binary data, its lines come as base64: leave it out (`exclude`)")]
    Binary,
}

/// How files of a packed format begin.
const MAGIC: [(&[u8], &str); 7] = [
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"PK\x03\x04", "zip"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"PAR1", "Parquet"),
];

/// Fewer bytes than these do not tell binary data, or UTF-16 without its mark.
const SAMPLE_MIN: usize = 16;

/// What a file holds that begins with `head`; `None` for text, as far as one can tell.
pub(super) fn of(head: &[u8]) -> Option<Content> {
    if let Some((_, format)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic) && !is_text(head)) {
        return Some(Content::Packed(format));
    }
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return Some(Content::Utf16);
    }
    // A hole that a truncation left says nothing about the lines behind it.
    let sample = &head[super::lines::leading_nuls(head)..];
    if sample.len() < SAMPLE_MIN {
        return None;
    }
    let pairs = sample.chunks_exact(2);
    let n_pairs = pairs.len();
    let n_halves = pairs.filter(|pair| (pair[0] == 0) != (pair[1] == 0)).count();
    if n_halves * 10 >= n_pairs * 7 {
        return Some(Content::Utf16);
    }
    let n_controls = sample.iter().filter(|byte| is_control(**byte)).count();
    (n_controls * 20 >= sample.len()).then_some(Content::Binary)
}

/// Whether there is nothing in it but printable ASCII and white space, such as a line that begins with `BZh`.
fn is_text(head: &[u8]) -> bool {
    head.iter().all(|byte| byte.is_ascii() && !is_control(*byte))
}

/// No character of a text: what terminals and editors use (tab, line ends, form feed, backspace, escape) is
/// not among them, nor what separates fields (FIX messages have 0x01, others 0x1c to 0x1f).
fn is_control(byte: u8) -> bool {
    matches!(byte, 0 | 2..=7 | 0x0e..=0x1a)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn packed_files_are_named() {
        assert_eq!(of(b"\x1f\x8b\x08\0\0\0\0\0\0\x03"), Some(Content::Packed("gzip")));
        assert_eq!(of(b"BZh91AY&SY\x0c\x1b\xd5\x93"), Some(Content::Packed("bzip2")));
        assert_eq!(of(b"PK\x03\x04\x14\0"), Some(Content::Packed("zip")));
        assert_eq!(of(b"BZh is how this line begins\n"), None);
        assert_eq!(of(b"PAR1SIAN,1\n"), None);
    }

    #[test]
    fn utf_16_is_told_with_and_without_its_mark_in_either_order() {
        let text = "a line of a log\r\nand one more, with caf\u{e9}\r\n";
        for unit in [u16::to_le_bytes as fn(u16) -> [u8; 2], u16::to_be_bytes] {
            assert_eq!(of(&utf16(text, unit)), Some(Content::Utf16));
            assert_eq!(of(&utf16(&format!("\u{feff}{text}"), unit)), Some(Content::Utf16));
            assert_eq!(of(&utf16("\u{feff}", unit)), Some(Content::Utf16), "the mark alone is enough");
        }
    }

    #[test]
    fn binary_data_is_told_and_text_is_not() {
        let binary: Vec<u8> = (0..=255).rev().skip(2).collect();
        assert_eq!(of(&binary), Some(Content::Binary));
        for text in [
            &b"{\"mag\":4.5}\n"[..],
            "\u{1f600} caf\u{e9} \u{4e2d}\u{6587} \u{e9}\u{e9}\u{e9}\u{e9}\n".as_bytes(),
            b"\x1b[31mred\x1b[0m and \x08\x08 so on\t\x0c\n",
            b"caf\xe9 au lait, latin-1, of some length\n",
            b"a\0b in a line that is otherwise a text\n",
            b"8=FIX.4.2\x019=178\x0135=8\x0149=PHLX\x0156=PERS\x0152=20071123-05:30:00.000\x01\n",
            b"",
            b"\x01\x02",
        ] {
            assert_eq!(of(text), None, "{}", String::from_utf8_lossy(text));
        }
        assert_eq!(of(&[&[0; 600][..], b"a line behind a hole of some length\n"].concat()), None);
    }
}
