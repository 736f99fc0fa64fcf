//! The canonical form of a request: the text that both sides make of it, so that a signature covers every
//! part that counts.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::request::Head;

/// All but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// Whether a service signs a path as sent, or without empty and dot segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paths {
    /// `/a//./b/../c` is signed as `/a/c`: every service but S3.
    Normalised,
    /// `/a//./b/../c` is signed as it stands.
    AsSent,
}

/// The canonical request over the headers named by the signature, with the hash of the body in hexadecimal
/// digits.
pub(super) fn canonical_request(
    head: &Head<'_>,
    signed_headers: &[&str],
    paths: Paths,
    body_hash: &str,
) -> Vec<u8> {
    let mut text =
        format!("{}\n{}\n{}\n", head.method, canonical_path(head.path, paths), canonical_query(head.query))
            .into_bytes();
    for name in signed_headers {
        text.extend_from_slice(name.as_bytes());
        text.push(b':');
        // A header that repeats is signed as one list, in the order sent.
        for (idx, value) in head.values(name).enumerate() {
            if idx > 0 {
                text.push(b',');
            }
            push_collapsed(&mut text, value);
        }
        text.push(b'\n');
    }
    text.extend_from_slice(format!("\n{}\n{body_hash}", signed_headers.join(";")).as_bytes());
    text
}

/// The path on the wire is encoded once more, so that it is encoded twice in all.
fn canonical_path(path: &str, paths: Paths) -> String {
    let path = match paths {
        Paths::Normalised => Cow::Owned(without_dots(path)),
        Paths::AsSent => Cow::Borrowed(path),
    };
    let path = if path.is_empty() { "/" } else { &*path };
    percent_encode(path.as_bytes(), RESERVED_IN_PATH).to_string()
}

/// A path without empty segments, `.` and `..`; a slash at its end stays.
fn without_dots(path: &str) -> String {
    let mut kept = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    let is_folder = path.ends_with('/') && !kept.is_empty();
    format!("/{}{}", kept.join("/"), if is_folder { "/" } else { "" })
}

/// Every name and value decoded and encoded again in one spelling, then put in order. A `+` is a plus, as
/// clients that sign have it.
fn canonical_query(query: Option<&str>) -> String {
    let again = |text: &str| percent_encode(&unescaped(text.as_bytes()), RESERVED).to_string();
    let mut pairs: Vec<(String, String)> = query
        .unwrap_or_default()
        .split('&')
        .filter(|it| !it.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (again(name), again(value)))
        .collect();
    // By their encoded form, which is what both sides compare.
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// The bytes behind escapes in capitals, which is how every client that signs writes them. `%3a` stays as it
/// is and so has a signature of its own: of two spellings only one is what was signed.
fn unescaped(mut text: &[u8]) -> Vec<u8> {
    let digit = |it: u8| match it {
        b'0'..=b'9' => Some(it - b'0'),
        b'A'..=b'F' => Some(it - b'A' + 10),
        _ => None,
    };
    let mut bytes = Vec::with_capacity(text.len());
    while let [first, rest @ ..] = text {
        let escaped = match rest {
            [high, low, ..] if *first == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        text = if escaped.is_some() { &rest[2..] } else { rest };
        bytes.push(escaped.map_or(*first, |(high, low)| high << 4 | low));
    }
    bytes
}

/// A value without spaces at its ends, and with one where several stood.
fn push_collapsed(text: &mut Vec<u8>, value: &[u8]) {
    let words = value.split(|it| matches!(it, b' ' | b'\t' | b'\r' | b'\n')).filter(|it| !it.is_empty());
    for (idx, word) in words.enumerate() {
        if idx > 0 {
            text.push(b' ');
        }
        text.extend_from_slice(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_encoded_once_more_and_cleaned_where_the_service_does() {
        for (path, normalised, as_sent) in [
            ("", "/", "/"),
            ("/", "/", "/"),
            ("/a//./b/../c", "/a/c", "/a//./b/../c"),
            ("/a/b/..", "/a", "/a/b/.."),
            ("/../../a/", "/a/", "/../../a/"),
            ("//", "/", "//"),
            ("/arn%3Aaws", "/arn%253Aaws", "/arn%253Aaws"),
            ("/%2e%2E/a", "/%252e%252E/a", "/%252e%252E/a"),
            ("/-._~", "/-._~", "/-._~"),
        ] {
            assert_eq!(canonical_path(path, Paths::Normalised), normalised, "{path}");
            assert_eq!(canonical_path(path, Paths::AsSent), as_sent, "{path}");
        }
    }

    #[test]
    fn a_query_has_one_spelling_and_one_order() {
        for (query, canonical) in [
            ("", ""),
            ("b=2&a=1&a=0&A=x", "A=x&a=0&a=1&b=2"),
            ("a", "a="),
            ("a=b=c&&", "a=b%3Dc"),
            ("EventSourceArn=arn%3Aaws&x=%41+ ~", "EventSourceArn=arn%3Aaws&x=A%2B%20~"),
            ("x=%3a%&y=%4", "x=%253a%25&y=%254"),
            ("%E1%88%B4=ሴ", "%E1%88%B4=%E1%88%B4"),
        ] {
            assert_eq!(canonical_query(Some(query)), canonical, "{query}");
        }
        assert_eq!(canonical_query(None), "");
    }
}
