//! Signature version 4 of a POST to `/` without a query. The key of a day is derived once: that is half of
//! what a signature costs.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_credential_types::Credentials;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use super::stamp::Stamp;

type Hmac256 = Hmac<Sha256>;

/// Signs for one service in one region.
pub(super) struct JsonSigner {
    service: &'static str,
    region: String,
    kept: Mutex<Option<Arc<DayKey>>>,
}

/// What signs for a day, and for whom it was derived.
struct DayKey {
    credentials: Credentials,
    day: String,
    key: Hmac256,
}

impl JsonSigner {
    pub(super) fn new(service: &'static str, region: String) -> Self {
        Self { service, region, kept: Mutex::default() }
    }

    /// The header that signs a request. `covered` is all headers that are signed, by name; their values have
    /// no blanks at their ends and no two in a row. `body_hash` is hexadecimal.
    pub(super) fn authorization(
        &self,
        covered: &[(&str, &str)],
        body_hash: &str,
        credentials: &Credentials,
        stamp: &Stamp,
    ) -> String {
        debug_assert!(covered.is_sorted(), "{covered:?}");
        let names = names(covered);
        let mut canonical =
            String::with_capacity(512 + covered.iter().map(|(_, it)| it.len()).sum::<usize>());
        canonical.push_str("POST\n/\n\n");
        for (name, value) in covered {
            [name, ":", value, "\n"].iter().for_each(|it| canonical.push_str(it));
        }
        ["\n", &names, "\n", body_hash].iter().for_each(|it| canonical.push_str(it));
        let scope = [stamp.day(), "/", &self.region, "/", self.service, "/aws4_request"].concat();
        let hash = hex::encode(Sha256::digest(canonical.as_bytes()));
        let mut mac = self.key(credentials, stamp).key.clone();
        for part in ["AWS4-HMAC-SHA256\n", stamp.time(), "\n", &scope, "\n", &hash] {
            mac.update(part.as_bytes());
        }
        let signature = hex::encode(mac.finalize().into_bytes());
        [
            "AWS4-HMAC-SHA256 Credential=",
            credentials.access_key_id(),
            "/",
            &scope,
            ", SignedHeaders=",
            &names,
            ", Signature=",
            &signature,
        ]
        .concat()
    }

    fn key(&self, credentials: &Credentials, stamp: &Stamp) -> Arc<DayKey> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some(it) if it.day == stamp.day() && it.credentials == *credentials => Arc::clone(it),
            Some(_) | None => Arc::clone(kept.insert(Arc::new(self.derive(credentials, stamp)))),
        }
    }

    fn derive(&self, credentials: &Credentials, stamp: &Stamp) -> DayKey {
        let secret = ["AWS4", credentials.secret_access_key()].concat();
        let parts = [stamp.day(), self.region.as_str(), self.service, "aws4_request"];
        let key = parts.iter().fold(secret.into_bytes(), |key, part| {
            let mut mac = keyed(&key);
            mac.update(part.as_bytes());
            mac.finalize().into_bytes().to_vec()
        });
        DayKey { credentials: credentials.clone(), day: stamp.day().to_owned(), key: keyed(&key) }
    }
}

/// Never what signs.
impl fmt::Debug for JsonSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonSigner")
            .field("service", &self.service)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

fn keyed(key: &[u8]) -> Hmac256 {
    Hmac256::new_from_slice(key).expect("a key of any length will do")
}

fn names(covered: &[(&str, &str)]) -> String {
    let mut names = String::with_capacity(128);
    for (name, _) in covered {
        if !names.is_empty() {
            names.push(';');
        }
        names.push_str(name);
    }
    names
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use http::Request;

    use super::*;
    use crate::aws::sign;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn the_post_of_awss_test_suite_has_its_signature() {
        let key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let credentials = Credentials::new("AKIDEXAMPLE", key, None, None, "test");
        let stamp = Stamp::of(at(1_440_938_160));
        let covered = [("host", "example.amazonaws.com"), ("x-amz-date", stamp.time())];
        let signer = JsonSigner::new("service", "us-east-1".to_owned());
        assert_eq!(
            signer.authorization(&covered, &sign::hash(&[]), &credentials, &stamp),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, \
             Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
        );
    }

    #[test]
    fn it_signs_as_awss_own_code_does_whatever_it_signs() {
        let mut random = fastrand::Rng::with_seed(7);
        let signer = JsonSigner::new("sqs", "eu-west-1".to_owned());
        for n in 0..500 {
            let token = (n % 3 == 0).then(|| "t".repeat(1 + random.usize(..600)));
            // Now and then another key, and another day of one key.
            let secret = format!("secret {}", n / 50);
            let credentials = Credentials::new("AKID", secret, token.clone(), None, "test");
            let now = at(1_700_000_000 + random.u64(..10) * 40_000);
            let host = format!("h{}.example:{}", random.u8(..), random.u16(1..));
            let body = bytes::Bytes::from("b".repeat(random.usize(..2_000)));
            let stamp = Stamp::of(now);
            let mut covered = vec![
                ("content-type", "application/x-amz-json-1.0"),
                ("host", &host),
                ("x-amz-date", stamp.time()),
            ];
            covered.extend(token.as_deref().map(|it| ("x-amz-security-token", it)));
            covered.push(("x-amz-target", "AmazonSQS.ReceiveMessage"));
            let hash = sign::hash(&[body]);
            let ours = signer.authorization(&covered, &hash, &credentials, &stamp);
            let request = Request::post(format!("http://{host}/"))
                .header("content-type", "application/x-amz-json-1.0")
                .header("x-amz-target", "AmazonSQS.ReceiveMessage");
            let mut request = request.body(()).unwrap();
            let scope = sign::Scope { service: "sqs", region: "eu-west-1", identity: &credentials.into() };
            sign::sign(&mut request, hash, &scope, now).unwrap();
            assert_eq!(ours, request.headers()["authorization"].to_str().unwrap());
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        let signer = JsonSigner::new("sqs", "r".to_owned());
        let stamp = Stamp::of(at(0));
        signer.authorization(&[], "", &Credentials::new("a", "s3cret", None, None, "test"), &stamp);
        assert!(!format!("{signer:?}").contains("s3cret"));
    }
}
