//! The `Authorization` header of Signature Version 4, taken apart. Every character counts: what no client
//! sends is refused.

use super::denied::{Denied, HeaderPart};

/// The one algorithm.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// Longer headers are no signature.
const HEADER_BYTES_MAX: usize = 4096;

/// What the header says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Authorization<'a> {
    pub(super) key_id: &'a str,
    pub(super) scope: CredentialScope<'a>,
    /// In lower case, in order, none twice.
    pub(super) signed_headers: Vec<&'a str>,
    pub(super) signature: [u8; 32],
}

/// What a signature is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CredentialScope<'a> {
    pub(super) date: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    pub(super) terminator: &'a str,
}

impl<'a> Authorization<'a> {
    /// Takes the header apart; fails when a part is missing, stands twice or has another form.
    pub(super) fn parse(value: &'a [u8]) -> Result<Self, Denied> {
        let text = std::str::from_utf8(value)
            .ok()
            .filter(|it| it.len() <= HEADER_BYTES_MAX)
            .ok_or(Denied::Malformed)?;
        let (algorithm, rest) = text.split_once(' ').unwrap_or((text, ""));
        if algorithm != ALGORITHM {
            return Err(Denied::Algorithm);
        }
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for part in rest.split(',') {
            let (name, value) = part.trim_matches(' ').split_once('=').ok_or(Denied::Malformed)?;
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return Err(Denied::Malformed),
            };
            // Of two that differ each side could take another one.
            if slot.replace(value).is_some() {
                return Err(Denied::Malformed);
            }
        }
        let credential = credential.ok_or(Denied::Missing(HeaderPart::Credential))?;
        let signature = signature.ok_or(Denied::Missing(HeaderPart::Signature))?;
        let signed_headers = signed_headers.ok_or(Denied::Missing(HeaderPart::SignedHeaders))?;
        let (key_id, scope) = parse_credential(credential)?;
        Ok(Self {
            key_id,
            scope,
            signed_headers: parse_names(signed_headers)?,
            signature: parse_signature(signature)?,
        })
    }

    /// Whether the signature covers a header.
    pub(super) fn covers(&self, name: &str) -> bool {
        self.signed_headers.iter().any(|it| it.eq_ignore_ascii_case(name))
    }
}

/// `key/date/region/service/aws4_request`. No part is empty and none has a slash.
fn parse_credential(text: &str) -> Result<(&str, CredentialScope<'_>), Denied> {
    let mut parts = text.split('/');
    let mut next = || parts.next().filter(|it| !it.is_empty()).ok_or(Denied::Credential);
    let (key_id, date, region, service, terminator) = (next()?, next()?, next()?, next()?, next()?);
    match parts.next() {
        None => Ok((key_id, CredentialScope { date, region, service, terminator })),
        Some(_) => Err(Denied::Credential),
    }
}

fn parse_names(text: &str) -> Result<Vec<&str>, Denied> {
    let names: Vec<&str> = text.split(';').collect();
    let is_name =
        |it: &&str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_graphic() && !it.is_ascii_uppercase());
    let in_order = names.windows(2).all(|pair| pair[0] < pair[1]);
    if names.iter().all(is_name) && in_order { Ok(names) } else { Err(Denied::Malformed) }
}

/// 64 digits in lower case: a signature has one spelling.
fn parse_signature(text: &str) -> Result<[u8; 32], Denied> {
    let digit = |it: u8| match it {
        b'0'..=b'9' => Ok(it - b'0'),
        b'a'..=b'f' => Ok(it - b'a' + 10),
        _ => Err(Denied::Mismatch),
    };
    let mut signature = [0; 32];
    // Whatever is wrong with its form, a stranger learns no more than that it does not match.
    if text.len() != 64 {
        return Err(Denied::Mismatch);
    }
    for (byte, pair) in signature.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNATURE: &str = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b";

    fn header(credential: &str, names: &str, signature: &str) -> String {
        format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}")
    }

    #[test]
    fn a_header_is_taken_apart() {
        let text = header("AKID/20150830/us-east-1/lambda/aws4_request", "host;x-amz-date", SIGNATURE);
        let whole = Authorization::parse(text.as_bytes()).unwrap();
        assert_eq!((whole.key_id, whole.scope.date, whole.scope.region), ("AKID", "20150830", "us-east-1"));
        assert_eq!((whole.scope.service, whole.scope.terminator), ("lambda", "aws4_request"));
        assert_eq!(whole.signed_headers, ["host", "x-amz-date"]);
        assert_eq!((whole.signature[0], whole.signature[31]), (0x5d, 0x6b));
        assert!(whole.covers("Host") && !whole.covers("x-amz"));
        // Some clients send no space after the comma.
        assert_eq!(Authorization::parse(text.replace(", ", ",").as_bytes()).unwrap(), whole);
    }

    #[test]
    fn what_no_client_sends_is_refused() {
        let scope = "AKID/20150830/us-east-1/lambda/aws4_request";
        let whole = header(scope, "host;x-amz-date", SIGNATURE);
        let twice = format!("{whole}, Signature={SIGNATURE}");
        for (text, denied) in [
            (whole.replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), Denied::Algorithm),
            (whole.replace("AWS4-HMAC-SHA256", "aws4-hmac-sha256"), Denied::Algorithm),
            ("Bearer abc".to_owned(), Denied::Algorithm),
            ("AWS4-HMAC-SHA256".to_owned(), Denied::Malformed),
            (whole.replace(", Signature=", " Signature="), Denied::Missing(HeaderPart::Signature)),
            (whole.replace(&format!("Credential={scope}, "), ""), Denied::Missing(HeaderPart::Credential)),
            (
                whole.replace("SignedHeaders=host;x-amz-date, ", ""),
                Denied::Missing(HeaderPart::SignedHeaders),
            ),
            (whole.replace("Credential", "credential"), Denied::Malformed),
            (twice, Denied::Malformed),
            (header("AKID/20150830/us-east-1/lambda", "host", SIGNATURE), Denied::Credential),
            (header("A/KID/20150830/us-east-1/lambda/aws4_request", "host", SIGNATURE), Denied::Credential),
            (header("/20150830/us-east-1/lambda/aws4_request", "host", SIGNATURE), Denied::Credential),
            (header(scope, "x-amz-date;host", SIGNATURE), Denied::Malformed),
            (header(scope, "host;host", SIGNATURE), Denied::Malformed),
            (header(scope, "Host", SIGNATURE), Denied::Malformed),
            (header(scope, "host;", SIGNATURE), Denied::Malformed),
            (header(scope, "host", &SIGNATURE.to_uppercase()), Denied::Mismatch),
            (header(scope, "host", &SIGNATURE[1..]), Denied::Mismatch),
            (header(scope, "host", ""), Denied::Mismatch),
            (header(scope, &"a".repeat(HEADER_BYTES_MAX), SIGNATURE), Denied::Malformed),
        ] {
            assert_eq!(Authorization::parse(text.as_bytes()), Err(denied), "{text}");
        }
        assert_eq!(Authorization::parse(b"AWS4-HMAC-SHA256 \xff"), Err(Denied::Malformed));
    }
}
