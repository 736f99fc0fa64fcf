//! Verifies a signed request: first all that the head says of itself, then the signature over head and body.

use std::time::{Duration, SystemTime};

use hmac::Mac;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use super::authorization::{ALGORITHM, Authorization};
use super::canonical::{Paths, canonical_request};
use super::denied::Denied;
use super::keys::{Key, Keys, signing_key};
use super::request::Head;
use super::role::{Principal, Role};

/// What a signature must be made for.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The region of the scope.
    pub region: String,
    /// The service of the scope.
    pub service: String,
    /// How the service signs paths.
    pub paths: Paths,
    /// How far the client's clock may be from ours, either way.
    pub skew: Duration,
}

impl Rules {
    /// Those of Lambda's API: clocks may be five minutes apart.
    pub fn lambda(region: impl Into<String>) -> Self {
        Self {
            region: region.into(),
            service: "lambda".to_owned(),
            paths: Paths::Normalised,
            skew: Duration::from_secs(300),
        }
    }
}

/// Verifies requests by rules and keys.
#[derive(Debug, Clone)]
pub struct Verifier {
    rules: Rules,
    keys: Keys,
    /// Stands in for the key that nobody has, so that an unknown key costs the same work.
    nobody: Key,
}

/// A head that says of itself all that it must. Nothing is proven yet.
#[derive(Debug)]
pub struct HeadChecked<'a> {
    verifier: &'a Verifier,
    head: &'a Head<'a>,
    authorization: Authorization<'a>,
    date: &'a str,
    payload: Option<&'a [u8]>,
    token: Option<&'a [u8]>,
}

/// A request whose signature is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Who signed it.
    pub principal: Principal,
    /// The signature, to be remembered when the request changes something.
    pub signature: [u8; 32],
}

impl Verifier {
    /// A verifier of these rules for these keys.
    pub fn new(rules: Rules, keys: Keys) -> Self {
        let nobody =
            Key { role: Role::Reader, secret: SecretString::from("0".repeat(40)), session_token: None };
        Self { rules, keys, nobody }
    }

    /// Verifies a request whose body is at hand.
    pub fn verify(&self, head: &Head<'_>, body: &[u8], now: SystemTime) -> Result<Verified, Denied> {
        self.check_head(head, now)?.finish(Sha256::digest(body).into())
    }

    /// Checks all that can be checked without the body. A caller refuses here before it reads one.
    pub fn check_head<'a>(&'a self, head: &'a Head<'a>, now: SystemTime) -> Result<HeadChecked<'a>, Denied> {
        let in_query = has_query_signature(head.query);
        let value = match (one(head, "authorization")?, in_query) {
            (Some(value), false) => value,
            (Some(_), true) => return Err(Denied::Repeated("authorization")),
            (None, true) => return Err(Denied::QueryForm),
            (None, false) => return Err(Denied::Unsigned),
        };
        let authorization = Authorization::parse(value)?;
        let date = one(head, "x-amz-date")?
            .and_then(|it| std::str::from_utf8(it.trim_ascii()).ok())
            .ok_or(Denied::Date)?;
        let signed_at = parse_date(date).ok_or(Denied::Date)?.as_second();
        // Of two hosts another one could be signed than is read.
        one(head, "host")?;
        // A path that is none could be cleaned into one that is.
        if !head.path.starts_with('/') {
            return Err(Denied::Path);
        }
        let token = one(head, "x-amz-security-token")?.map(<[u8]>::trim_ascii);
        let payload = one(head, "x-amz-content-sha256")?.map(<[u8]>::trim_ascii);
        self.check_covered(head, &authorization)?;
        self.check_scope(&authorization, date)?;
        self.check_time(date, signed_at, now)?;
        // `UNSIGNED-PAYLOAD` and every `STREAMING-…` too: a hash has 64 digits.
        let is_hash =
            |it: &[u8]| it.len() == 64 && it.iter().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
        if payload.is_some_and(|it| !is_hash(it)) {
            return Err(Denied::UnsignedPayload);
        }
        Ok(HeadChecked { verifier: self, head, authorization, date, payload, token })
    }

    /// `host` and every `x-amz-` header must be covered, and what is covered must be there.
    fn check_covered(&self, head: &Head<'_>, authorization: &Authorization<'_>) -> Result<(), Denied> {
        if !authorization.covers("host") {
            return Err(Denied::NotCovered("Host".to_owned()));
        }
        let is_aws = |name: &str| name.get(..6).is_some_and(|it| it.eq_ignore_ascii_case("x-amz-"));
        if let Some((name, _)) =
            head.headers.iter().find(|(name, _)| is_aws(name) && !authorization.covers(name))
        {
            return Err(Denied::NotCovered(name.to_ascii_lowercase()));
        }
        match authorization.signed_headers.iter().find(|name| head.values(name).next().is_none()) {
            Some(name) => Err(Denied::NotSent((*name).to_owned())),
            None => Ok(()),
        }
    }

    fn check_scope(&self, authorization: &Authorization<'_>, date: &str) -> Result<(), Denied> {
        let scope = &authorization.scope;
        let day = date.get(..8).unwrap_or(date);
        if scope.terminator != "aws4_request" {
            Err(Denied::ScopeTerminator(scope.terminator.to_owned()))
        } else if scope.service != self.rules.service {
            Err(Denied::ScopeService(self.rules.service.clone()))
        } else if scope.region != self.rules.region {
            Err(Denied::ScopeRegion(scope.region.to_owned()))
        } else if scope.date != day {
            Err(Denied::ScopeDate { scope: scope.date.to_owned(), header: day.to_owned() })
        } else {
            Ok(())
        }
    }

    fn check_time(&self, date: &str, signed: i64, now: SystemTime) -> Result<(), Denied> {
        let now = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |it| i64::try_from(it.as_secs()).unwrap_or(i64::MAX));
        let skew = i64::try_from(self.rules.skew.as_secs()).unwrap_or(i64::MAX);
        let (earliest, latest) = (now.saturating_sub(skew), now.saturating_add(skew));
        let minutes = self.rules.skew.as_secs() / 60;
        if signed < earliest {
            Err(Denied::Expired {
                signed: date.to_owned(),
                bound: show_date(earliest),
                now: show_date(now),
                minutes,
            })
        } else if signed > latest {
            Err(Denied::NotYet {
                signed: date.to_owned(),
                bound: show_date(latest),
                now: show_date(now),
                minutes,
            })
        } else {
            Ok(())
        }
    }
}

impl HeadChecked<'_> {
    /// Proves the signature over the head and the body with this hash, and says who made it.
    pub fn finish(self, body_hash: [u8; 32]) -> Result<Verified, Denied> {
        let body_hash = hex::encode(body_hash);
        if self.payload.is_some_and(|it| it != body_hash.as_bytes()) {
            return Err(Denied::PayloadHash);
        }
        let Authorization { key_id, scope, signed_headers, signature } = &self.authorization;
        let request = canonical_request(self.head, signed_headers, self.verifier.rules.paths, &body_hash);
        let scope_text = format!("{}/{}/{}/{}", scope.date, scope.region, scope.service, scope.terminator);
        let text =
            format!("{ALGORITHM}\n{}\n{scope_text}\n{}", self.date, hex::encode(Sha256::digest(&request)));
        let found = self.verifier.keys.find(key_id);
        let key = found.map_or(&self.verifier.nobody, |(_, key)| key);
        // Compares in constant time, for a key that is there and for one that is not.
        let is_right =
            signing_key(&key.secret, scope).chain_update(text.as_bytes()).verify_slice(signature).is_ok();
        match found {
            Some((id, key)) if is_right => {
                // Only who has proven to have the key is told that the token is wrong.
                if !key.has_token(self.token) {
                    return Err(Denied::Token);
                }
                Ok(Verified {
                    principal: Principal { key_id: id.to_owned(), role: key.role },
                    signature: *signature,
                })
            }
            Some(_) | None => Err(Denied::Mismatch),
        }
    }
}

/// The value of a header that may stand once.
fn one<'a>(head: &Head<'a>, name: &'static str) -> Result<Option<&'a [u8]>, Denied> {
    let mut values = head.values(name);
    let first = values.next();
    if values.next().is_some() { Err(Denied::Repeated(name)) } else { Ok(first) }
}

/// Whether the query carries a signature or any part of one. Names are compared as they would be decoded.
pub(crate) fn has_query_signature(query: Option<&str>) -> bool {
    const NAMES: [&[u8]; 7] = [
        b"x-amz-algorithm",
        b"x-amz-credential",
        b"x-amz-date",
        b"x-amz-expires",
        b"x-amz-signature",
        b"x-amz-signedheaders",
        b"x-amz-security-token",
    ];
    query.unwrap_or_default().split('&').any(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        let name: Vec<u8> =
            percent_encoding::percent_decode_str(name).map(|it| it.to_ascii_lowercase()).collect();
        NAMES.contains(&name.as_slice())
    })
}

/// `20150830T123600Z`, which has one spelling.
fn parse_date(text: &str) -> Option<Timestamp> {
    const FORM: &[u8; 16] = b"00000000T000000Z";
    let fits = |(it, form): (u8, &u8)| if *form == b'0' { it.is_ascii_digit() } else { it == *form };
    if text.len() != FORM.len() || !text.bytes().zip(FORM).all(fits) {
        return None;
    }
    DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?.to_zoned(TimeZone::UTC).ok().map(|it| it.timestamp())
}

fn show_date(seconds: i64) -> String {
    Timestamp::from_second(seconds)
        .map_or_else(|_| seconds.to_string(), |it| it.strftime("%Y%m%dT%H%M%SZ").to_string())
}
