//! A bucket of S3 that gets each failure record as an object.

mod key;

use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_clients::xml::said;
use forebay_clients::{Answer, AwsClient, AwsError, AwsTarget, Clients, ExchangeError, Limits};
use forebay_config::aws::{Bucket, is_region};
use forebay_config::destination::{S3, S3Addressing, S3Target};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use md5::{Digest, Md5};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use self::key::object_key;
use super::DELIVERY_TIME_MAX;
use super::aws::{ANSWER_BYTES_MAX, refusal};
use crate::destination::{DeliveryError, Destination, FailureRecord};
use crate::executor::BoxFuture;

/// A bucket. It has a record when it answers a put with 200; that what it has is what was sent is proven by
/// the hash, which the signature covers.
#[derive(Debug)]
pub struct S3Destination {
    bucket: Bucket,
    addressing: S3Addressing,
    mapping: String,
    /// For the region that the bucket was found in last.
    client: Mutex<AwsClient>,
}

/// A bucket did not take a failure record, or nobody knows.
#[derive(Debug, thiserror::Error)]
enum PutError {
    #[error("object {key}: no answer")]
    NoAnswer {
        key: String,
        #[source]
        cause: ExchangeError,
    },
    #[error("object {key}: no answer within {DELIVERY_TIME_MAX:?}")]
    TimedOut { key: String },
    #[error("object {key}: it answered with status {status}: {said}")]
    Refused { key: String, status: StatusCode, said: String },
}

impl S3Destination {
    /// Checks the settings and looks for credentials; the bucket is not called. `mapping` is the UUID of the
    /// mapping. Meant for start and reload.
    ///
    /// # Errors
    /// What is missing or cannot be used.
    pub async fn new(target: &S3Target, mapping: String, clients: &Clients) -> Result<Self, AwsError> {
        let service =
            AwsTarget { service: &S3, own: &target.aws, region: None, account: None, endpoint: None };
        let client = clients.aws_client(service).await?;
        let bucket = target.bucket.clone();
        let addressing = match target.addressing {
            Some(written) => written,
            None if client.is_at_aws() && bucket.fits_host() => S3Addressing::VirtualHost,
            None => S3Addressing::Path,
        };
        Ok(Self { bucket, addressing, mapping, client: Mutex::new(client) })
    }

    /// Puts the record under a new key; where the bucket turns out to be in another region, once more there.
    async fn put(&self, record: FailureRecord) -> Result<(), PutError> {
        let key = object_key(&self.mapping, record.shard.as_deref(), record.at, Uuid::new_v4());
        let until = Instant::now() + DELIVERY_TIME_MAX;
        let both = async {
            let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let answer = self.put_once(&client, &key, &record).await?;
            let Some(region) = region_of(&answer).filter(|it| *it != client.region()) else {
                return judged(&key, answer);
            };
            let there = client.in_region(region);
            judged(&key, self.put_once(&there, &key, &record).await?)?;
            *self.client.lock().unwrap_or_else(PoisonError::into_inner) = there;
            Ok(())
        };
        timeout_at(until, both).await.unwrap_or(Err(PutError::TimedOut { key: key.clone() }))
    }

    async fn put_once(
        &self,
        client: &AwsClient,
        key: &str,
        record: &FailureRecord,
    ) -> Result<Answer, PutError> {
        let no_answer = |cause| PutError::NoAnswer { key: key.to_owned(), cause };
        let digest = STANDARD.encode(Md5::digest(&record.json));
        let digest = HeaderValue::from_str(&digest)
            .map_err(|error| no_answer(ExchangeError::NotSent(error.into())))?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // Buckets that lock their objects take none without it.
        headers.insert("content-md5", digest);
        let limits = Limits { time: DELIVERY_TIME_MAX, answer_bytes: ANSWER_BYTES_MAX };
        let body = vec![record.json.clone()];
        let (client, path) = self.place(client, key);
        client.put(&path, headers, body, limits).await.map_err(no_answer)
    }

    /// Who is called for an object, and by which path.
    fn place(&self, client: &AwsClient, key: &str) -> (AwsClient, String) {
        let name = self.bucket.name();
        match self.addressing {
            S3Addressing::Path => (client.clone(), format!("/{name}/{key}")),
            S3Addressing::VirtualHost => (client.below_host(name), format!("/{key}")),
        }
    }
}

impl Destination for S3Destination {
    fn deliver(&self, record: FailureRecord) -> BoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(async move {
            let refused = |error: PutError| DeliveryError {
                destination: self.label(),
                code: "FB-0368",
                cause: error.into(),
            };
            self.put(record).await.map_err(refused)
        })
    }

    fn label(&self) -> String {
        format!("bucket {}", self.bucket)
    }
}

/// The region that the bucket is in, of an answer that refuses for not being there.
fn region_of(answer: &Answer) -> Option<&str> {
    let status = answer.head.status;
    let region = answer.head.headers.get("x-amz-bucket-region")?.to_str().ok()?;
    let is_elsewhere = status.is_redirection() || status == StatusCode::BAD_REQUEST;
    // It goes into a host's name.
    (is_elsewhere && is_region(region)).then_some(region)
}

fn judged(key: &str, answer: Answer) -> Result<(), PutError> {
    let Answer { head, body } = answer;
    if head.status == StatusCode::OK {
        return Ok(());
    }
    let said = refusal(&head, &body.unwrap_or_default(), said);
    Err(PutError::Refused { key: key.to_owned(), status: head.status, said })
}

#[cfg(test)]
mod tests {
    use forebay_clients::{Aws, HttpClients};
    use forebay_config::{AwsCredentials, AwsKey, AwsSettings};

    use super::*;

    /// Where an object is put, in the bucket's own region and in another.
    async fn places(name: &str, addressing: Option<S3Addressing>, endpoint: Option<&str>) -> [String; 2] {
        let key = AwsKey { access_key_id: "a".into(), secret_access_key: "b".into(), session_token: None };
        let settings = AwsSettings {
            region: Some("eu-west-1".into()),
            endpoint: endpoint.map(str::to_owned),
            credentials: Some(AwsCredentials::Key(key)),
            ..AwsSettings::default()
        };
        let clients = Clients { http: HttpClients::new(), aws: Aws::new(&settings, |_| None) };
        let bucket = Bucket::parse(&format!("arn:aws:s3:::{name}")).unwrap();
        let target = S3Target { bucket, addressing, aws: Box::default() };
        let destination = S3Destination::new(&target, "m".to_owned(), &clients).await.unwrap();
        let client = destination.client.lock().unwrap().clone();
        [client.clone(), client.in_region("cn-north-1")].map(|client| {
            let (client, path) = destination.place(&client, "k");
            format!("{}{path}", client.endpoint())
        })
    }

    #[tokio::test]
    async fn a_bucket_stands_in_front_of_the_host_at_aws_and_in_the_path_elsewhere() {
        use S3Addressing::{Path, VirtualHost};
        let own = Some("http://store:9000");
        for (name, addressing, endpoint, expected) in [
            (
                "dead",
                None,
                None,
                [
                    "https://dead.s3.eu-west-1.amazonaws.com/k",
                    "https://dead.s3.cn-north-1.amazonaws.com.cn/k",
                ],
            ),
            (
                "d.ead",
                None,
                None,
                [
                    "https://s3.eu-west-1.amazonaws.com/d.ead/k",
                    "https://s3.cn-north-1.amazonaws.com.cn/d.ead/k",
                ],
            ),
            (
                "dead",
                Some(Path),
                None,
                [
                    "https://s3.eu-west-1.amazonaws.com/dead/k",
                    "https://s3.cn-north-1.amazonaws.com.cn/dead/k",
                ],
            ),
            ("dead", None, own, ["http://store:9000/dead/k"; 2]),
            ("dead", Some(VirtualHost), own, ["http://dead.store:9000/k"; 2]),
        ] {
            assert_eq!(places(name, addressing, endpoint).await, expected, "{name} {addressing:?}");
        }
    }
}
