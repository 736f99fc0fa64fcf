//! The destination S3 against a server on loopback: what it sends, what each answer means, and where it goes
//! when the bucket is elsewhere.
#![allow(clippy::unwrap_used)] // a test

#[allow(dead_code, reason = "the tests of HTTP functions use more of it")]
mod server;

use bytes::Bytes;
use forebay_batcher::UnixMillis;
use forebay_clients::{Aws, Clients, HttpClients};
use forebay_config::aws::Bucket;
use forebay_config::destination::S3Target;
use forebay_config::{AwsCredentials, AwsKey, AwsSettings};
use forebay_invoker::destinations::S3Destination;
use forebay_invoker::outcome::chain;
use forebay_invoker::{Destination, FailureRecord};
use server::{Act, Seen, Server, answer};
use sha2::{Digest, Sha256};

const MAPPING: &str = "11111111-1111-4111-8111-111111111111";

fn clients(endpoint: String) -> Clients {
    let key =
        AwsKey { access_key_id: "AKID".into(), secret_access_key: "s3cret".into(), session_token: None };
    let settings = AwsSettings {
        region: Some("eu-west-1".into()),
        endpoint: Some(endpoint),
        credentials: Some(AwsCredentials::Key(key)),
        ..AwsSettings::default()
    };
    Clients { http: HttpClients::new(), aws: Aws::new(&settings, |_| None) }
}

async fn bucket(endpoint: String) -> S3Destination {
    let bucket = Bucket::parse("arn:aws:s3:::dead").unwrap();
    let target = S3Target { bucket, addressing: None, aws: Box::default() };
    S3Destination::new(&target, MAPPING.to_owned(), &clients(endpoint)).await.unwrap()
}

async fn started(acts: impl IntoIterator<Item = Act>) -> (Server, S3Destination) {
    let server = Server::start(acts).await;
    let bucket = bucket(format!("http://{}", server.address)).await;
    (server, bucket)
}

async fn deliver(destination: &S3Destination, json: &'static str) -> Result<(), String> {
    let record = FailureRecord {
        json: Bytes::from_static(json.as_bytes()),
        original_key: None,
        headers: Vec::new(),
        shard: Some("shardId-000000000001".to_owned()),
        at: UnixMillis(1_573_691_886_021),
    };
    destination.deliver(record).await.map_err(|error| format!("{} {}", error.code, chain(&error)))
}

fn header<'a>(seen: &'a Seen, name: &str) -> &'a str {
    let line = seen.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name} in {}", seen.head))
}

fn elsewhere(status: &str, region: &str) -> Act {
    let text = "<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message></Error>";
    Act::Answer(answer(status, &[&format!("x-amz-bucket-region: {region}")], text))
}

fn taken() -> Act {
    Act::Answer(answer("200 OK", &[], ""))
}

#[tokio::test]
async fn a_record_is_put_whole_and_signed_under_the_key_that_aws_writes() {
    let (server, bucket) = started([taken()]).await;
    let json = "{\"version\":\"1.0\",\"payload\":\"{\\\"Records\\\":[]}\"}";
    for _ in 0..2 {
        assert_eq!(deliver(&bucket, json).await, Ok(()));
    }
    let seen = server.seen();
    let key = format!("put /dead/aws/lambda/{MAPPING}/shardid-000000000001/2019/11/14/2019-11-14t00.38.06-");
    assert!(seen[0].head.starts_with(&key), "{}", seen[0].head);
    let first_line = |it: &Seen| it.head.lines().next().unwrap().to_owned();
    assert_ne!(first_line(&seen[0]), first_line(&seen[1]), "each record has a key of its own");
    assert_eq!(seen[0].body, json.as_bytes());
    assert_eq!(header(&seen[0], "content-type"), "application/json");
    assert_eq!(header(&seen[0], "x-amz-content-sha256"), hex::encode(Sha256::digest(json)));
    // `printf '{"version":…}' | openssl md5 -binary | base64`, in the lower case of the server's heads.
    assert_eq!(header(&seen[0], "content-md5"), "sievjtmmhaxngp38zfib+a==");
    let signature = header(&seen[0], "authorization");
    assert!(signature.contains("/eu-west-1/s3/aws4_request"), "{signature}");
    assert!(
        signature.contains("=content-md5;content-type;host;x-amz-content-sha256;x-amz-date,"),
        "{signature}"
    );
}

#[tokio::test]
async fn a_bucket_that_is_elsewhere_is_followed_once_and_found_there_from_then_on() {
    for status in ["301 Moved Permanently", "307 Temporary Redirect", "400 Bad Request"] {
        let (server, bucket) = started([elsewhere(status, "us-west-2"), taken()]).await;
        for _ in 0..2 {
            assert_eq!(deliver(&bucket, "{}").await, Ok(()));
        }
        let regions: Vec<_> =
            server.seen().iter().map(|it| header(it, "authorization").contains("/us-west-2/s3/")).collect();
        assert_eq!(regions, [false, true, true], "{status}");
    }
    let (server, bucket) = started([
        elsewhere("301 Moved Permanently", "us-west-2"),
        elsewhere("301 Moved Permanently", "us-east-2"),
    ])
    .await;
    let error = deliver(&bucket, "{}").await.unwrap_err();
    assert!(error.ends_with("301 Moved Permanently: PermanentRedirect: elsewhere"), "{error}");
    assert_eq!(server.counts().requests, 2, "followed once");
    // It would go into a host's name.
    let (server, bucket) = started([elsewhere("301 Moved Permanently", "evil.example/")]).await;
    assert!(deliver(&bucket, "{}").await.is_err());
    assert_eq!(server.counts().requests, 1, "no region");
}

#[tokio::test]
async fn what_a_bucket_did_not_take_is_told_with_bucket_key_and_code() {
    let denied = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Access &quot;denied&quot;</Message></Error>";
    let missing =
        "<Error><Code>NoSuchBucket</Code><Message>none</Message><BucketName>dead</BucketName></Error>";
    let acts = [
        Act::Answer(answer("403 Forbidden", &[], denied)),
        Act::Answer(answer("404 Not Found", &[], missing)),
        Act::Answer(answer("204 No Content", &[], "")),
        Act::Reset,
    ];
    let (_server, bucket) = started(acts).await;
    for expected in [
        "it answered with status 403 Forbidden: AccessDenied: Access \"denied\"",
        "it answered with status 404 Not Found: NoSuchBucket: none",
        "it answered with status 204 No Content: ",
        "no answer",
    ] {
        let error = deliver(&bucket, "{}").await.unwrap_err();
        let start = format!(
            "FB-0368 destination bucket arn:aws:s3:::dead did not take a failure record: object aws/lambda/{MAPPING}/"
        );
        assert!(error.starts_with(&start) && error.contains(expected), "{error}");
    }
}
