//! A signed call as headers: signature version 4 of a POST to `/`, with the day's key derived once.

use hmac::{Hmac, Mac as _};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{ACCESS_KEY, REGION, SECRET_KEY};

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
const NAMES: &str = "content-type;host;x-amz-date;x-amz-target";

/// Who signs for Kinesis on one day.
pub(super) struct DaySigner {
    host: String,
    scope: String,
    key: Hmac<Sha256>,
}

impl DaySigner {
    pub(super) fn new(host: &str) -> Self {
        let day = Timestamp::now().strftime("%Y%m%d").to_string();
        let first = format!("AWS4{SECRET_KEY}").into_bytes();
        let key = [&day, REGION, "kinesis", "aws4_request"].iter().fold(first, |key, part| {
            let mut mac = keyed(&key);
            mac.update(part.as_bytes());
            mac.finalize().into_bytes().to_vec()
        });
        Self {
            host: host.to_owned(),
            scope: format!("{day}/{REGION}/kinesis/aws4_request"),
            key: keyed(&key),
        }
    }

    /// The headers of a call but for its host, each with the end of its line.
    pub(super) fn headers(&self, action: &str, body: &[u8]) -> String {
        let Self { host, scope, key } = self;
        let time = Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
        let target = format!("Kinesis_20131202.{action}");
        let body = hex::encode(Sha256::digest(body));
        let canonical = format!(
            "POST\n/\n\ncontent-type:{CONTENT_TYPE}\nhost:{host}\nx-amz-date:{time}\nx-amz-target:{target}\n\n{NAMES}\n{body}"
        );
        let canonical = hex::encode(Sha256::digest(canonical));
        let mut mac = key.clone();
        mac.update(format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{canonical}").as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        format!(
            "content-type: {CONTENT_TYPE}\r\nx-amz-date: {time}\r\nx-amz-target: {target}\r\n\
             authorization: AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope}, SignedHeaders={NAMES}, Signature={signature}\r\n"
        )
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("a key of any length will do")
}
