//! MD5 over bodies and message attributes as SQS computes it: the only integrity check there is from sender to receiver.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use md5::{Digest as _, Md5};

use super::client::Attribute;

pub(super) fn of_body(body: &str) -> String {
    hex(Md5::digest(body.as_bytes()).as_slice())
}

/// Names in order; of each its name, its type, how its value travels, and the value, all with their lengths.
pub(super) fn of_attributes(attributes: &BTreeMap<String, Attribute>) -> String {
    let mut bytes = Vec::new();
    for (name, Attribute { data_type, text, binary }) in attributes {
        push(&mut bytes, name.as_bytes());
        push(&mut bytes, data_type.as_bytes());
        match binary {
            Some(binary) => {
                bytes.push(2);
                push(&mut bytes, binary);
            }
            None => {
                bytes.push(1);
                push(&mut bytes, text.as_deref().unwrap_or_default().as_bytes());
            }
        }
    }
    hex(Md5::digest(&bytes).as_slice())
}

fn push(out: &mut Vec<u8>, part: &[u8]) {
    out.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(part);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
        write!(out, "{byte:02x}").expect("a text takes everything");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digests_are_those_that_aws_gives() {
        let attribute = |data_type: &str, text: &str| Attribute { data_type: data_type.into(), text: Some(text.into()), binary: None };
        let attributes = BTreeMap::from([
            ("WeeksOn".to_owned(), attribute("Number", "6")),
            ("Author".to_owned(), attribute("String", "John Grisham")),
            ("Title".to_owned(), attribute("String", "The Whistler")),
        ]);
        assert_eq!(of_attributes(&attributes), "d25a6aea97eb8f585bfa92d314504a92");
        assert_eq!(of_body("hello"), "5d41402abc4b2a76b9719d911017c592");
    }
}
