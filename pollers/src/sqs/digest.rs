//! MD5 over bodies and message attributes as SQS computes it: the only integrity check there is from sender
//! to receiver.

use std::fmt::{self, Write as _};

use md5::{Digest as _, Md5};

use super::message::{Attribute, Attributes};

/// A digest as SQS writes it: small hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Digest([u8; 32]);

impl Digest {
    fn new(md5: Md5) -> Self {
        let mut digits = [0; 32];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(md5.finalize()) {
            pair.copy_from_slice(&[byte >> 4, byte & 15].map(|it| b"0123456789abcdef"[usize::from(it)]));
        }
        Self(digits)
    }

    pub(super) fn is(&self, text: &str) -> bool {
        self.0 == text.as_bytes()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|digit| f.write_char(char::from(*digit)))
    }
}

pub(super) fn of_body(body: &[u8]) -> Digest {
    Digest::new(Md5::new_with_prefix(body))
}

/// Names in order; of each its name, its type, how its value travels, and the value, all with their lengths.
pub(super) fn of_attributes(attributes: &Attributes) -> Digest {
    let mut md5 = Md5::new();
    for (name, Attribute { data_type, text, binary }) in attributes.iter() {
        push(&mut md5, name.as_bytes());
        push(&mut md5, data_type.as_bytes());
        match binary {
            Some(binary) => {
                // How SQS marks what travels as bytes; 1 is a text.
                md5.update([2]);
                push(&mut md5, binary);
            }
            None => {
                md5.update([1]);
                push(&mut md5, text.as_deref().unwrap_or_default().as_bytes());
            }
        }
    }
    Digest::new(md5)
}

fn push(md5: &mut Md5, part: &[u8]) {
    md5.update(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
    md5.update(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digests_are_those_that_aws_gives() {
        let attribute = |data_type: &str, text: &str| Attribute {
            data_type: data_type.into(),
            text: Some(text.into()),
            binary: None,
        };
        let attributes = Attributes::from_iter([
            ("WeeksOn".to_owned(), attribute("Number", "6")),
            ("Author".to_owned(), attribute("String", "John Grisham")),
            ("Title".to_owned(), attribute("String", "The Whistler")),
        ]);
        assert_eq!(of_attributes(&attributes).to_string(), "d25a6aea97eb8f585bfa92d314504a92");
        let hello = of_body(b"hello");
        assert_eq!(hello.to_string(), "5d41402abc4b2a76b9719d911017c592");
        assert!(
            hello.is("5d41402abc4b2a76b9719d911017c592")
                && !hello.is("5d41402abc4b2a76b9719d911017c593")
                && !hello.is("")
        );
    }
}
