//! A request in pieces that a test can read, sign and spoil.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign as signature,
};
use aws_sigv4::sign::v4;
use forebay_api::auth::{Denied, Head, Verified, Verifier};
use serde_json::Value;

/// The key of AWS's suite.
pub(crate) const KEY_ID: &str = "AKIDEXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// A request; all of it bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: Vec<u8>,
    pub(crate) path: Vec<u8>,
    pub(crate) query: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str, body: &str) -> Self {
        let (path, query) = target
            .split_once('?')
            .map_or((target, None), |(path, query)| (path, Some(query.as_bytes().to_vec())));
        let headers = vec![
            ("Host".to_owned(), b"127.0.0.1:9471".to_vec()),
            ("Content-Type".to_owned(), b"application/json".to_vec()),
        ];
        Self { method: method.into(), path: path.into(), query, headers, body: body.into() }
    }

    /// Reads the form of AWS's suite: a line that begins with a space goes on with the value before it.
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap_or_else(|| (text.trim_end_matches('\n'), ""));
        let (first, lines) = head.split_once('\n').expect("a request of a test");
        let (method, target) = first.split_once(' ').expect("a request of a test");
        let mut request = Self::new(
            method,
            target.strip_suffix(" HTTP/1.1").unwrap_or(target),
            body.trim_end_matches('\n'),
        );
        request.headers.clear();
        for line in lines.lines() {
            if line.starts_with(' ') {
                let (_, value) = request.headers.last_mut().expect("a request of a test");
                value.extend_from_slice(format!("\n{line}").as_bytes());
            } else {
                let (name, value) = line.split_once(':').expect("a request of a test");
                request.headers.push((name.to_owned(), value.trim_start_matches(' ').into()));
            }
        }
        request
    }

    /// Reads the form of `data/botocore.json`.
    pub(crate) fn of_json(value: &Value) -> Self {
        let text = |it: &Value| it.as_str().expect("a request of a test").to_owned();
        let headers = value["headers"]
            .as_array()
            .expect("a request of a test")
            .iter()
            .map(|it| (text(&it[0]), text(&it[1]).into_bytes()))
            .collect();
        let query = value["query"].as_str().map(|it| it.as_bytes().to_vec());
        Self {
            method: text(&value["method"]).into(),
            path: text(&value["path"]).into(),
            query,
            headers,
            body: text(&value["body"]).into(),
        }
    }

    /// Verifies it. A head that is no text never comes out of an HTTP server; it counts as malformed.
    pub(crate) fn verify(&self, verifier: &Verifier, now: SystemTime) -> Result<Verified, Denied> {
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| Denied::Malformed);
        let head = Head {
            method: text(&self.method)?,
            path: text(&self.path)?,
            query: self.query.as_deref().map(text).transpose()?,
            headers: self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect(),
        };
        verifier.verify(&head, &self.body, now)
    }

    /// How many parts can be changed: method, path, query, body, the values of headers.
    pub(crate) fn n_parts(&self) -> usize {
        4 + self.headers.len()
    }

    /// One of the parts.
    pub(crate) fn part(&mut self, idx: usize) -> &mut Vec<u8> {
        match idx {
            0 => &mut self.method,
            1 => &mut self.path,
            2 => self.query.get_or_insert_default(),
            3 => &mut self.body,
            _ => &mut self.headers[idx - 4].1,
        }
    }
}

/// Signs it with the signer of AWS's SDK for Rust, which is the one our clients use.
pub(crate) fn sign(
    request: &Request,
    region: &str,
    token: Option<&str>,
    with_hash: bool,
    at: SystemTime,
) -> Request {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("a request of a test");
    let identity = Credentials::new(KEY_ID, SECRET, token.map(str::to_owned), None, "test").into();
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind =
        if with_hash { PayloadChecksumKind::XAmzSha256 } else { PayloadChecksumKind::NoHeader };
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("lambda")
        .time(at)
        .settings(settings)
        .build()
        .expect("a request of a test");
    let query = request.query.as_deref().map(|it| format!("?{}", text(it))).unwrap_or_default();
    let url = format!("http://127.0.0.1:9471{}{query}", text(&request.path));
    let headers: Vec<(&str, String)> =
        request.headers.iter().map(|(name, value)| (name.as_str(), text(value))).collect();
    let method = text(&request.method);
    let headers = headers.iter().map(|(name, value)| (*name, value.as_str()));
    let signable = SignableRequest::new(&method, &url, headers, SignableBody::Bytes(&request.body))
        .expect("a request of a test");
    let (instructions, _) = signature(signable, &params.into()).expect("a request of a test").into_parts();
    let mut signed = request.clone();
    signed
        .headers
        .extend(instructions.headers().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())));
    signed
}
