//! Roles that are taken of an STS of our own, and accounts that name them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_config::aws::{AwsPlace, AwsSettings};
use forebay_config::destination::{SNS, SQS};
use forebay_config::{AwsCredentials, AwsKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::aws::credentials::KeptCredentials;
use crate::aws::{Aws, AwsAccess, AwsError, AwsTarget, CredentialsOrigin};
use crate::http::HttpClients;

/// The moment that the clock of these tests begins at: 2026-01-01T00:00:00Z.
const START: u64 = 1_767_225_600;

/// An STS that gives keys `ROLE1`, `ROLE2` and so on, each good until an hour after the one before, or
/// nothing.
struct Sts {
    endpoint: String,
    seen: Arc<Mutex<Vec<String>>>,
    refuses: Arc<Mutex<bool>>,
}

impl Sts {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let it = Self { endpoint, seen: Arc::default(), refuses: Arc::default() };
        let (seen, refuses) = (Arc::clone(&it.seen), Arc::clone(&it.refuses));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                // The form is the end of a request, and all of them hold this.
                while !String::from_utf8_lossy(&request).contains("RoleSessionName=") {
                    assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
                }
                let n = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(String::from_utf8(request).unwrap());
                    seen.len()
                };
                let refuses = *refuses.lock().unwrap();
                let (status, body) =
                    if refuses { ("403 Forbidden", REFUSED.to_owned()) } else { ("200 OK", given(n)) };
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        it
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

const REFUSED: &str = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User &lt;u&gt; may not</Message></Error></ErrorResponse>";

fn given(n: usize) -> String {
    let end =
        Timestamp::from_second(i64::try_from(START).unwrap() + 3_600 * i64::try_from(n).unwrap()).unwrap();
    format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><AssumedRoleUser><Arn>a</Arn></AssumedRoleUser>\
         <Credentials><AccessKeyId>ROLE{n}</AccessKeyId><SecretAccessKey>s3cret/{n}</SecretAccessKey><SessionToken>token+{n}</SessionToken>\
         <Expiration>{end}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
    )
}

fn key(id: &str) -> Option<AwsCredentials> {
    Some(AwsCredentials::Key(AwsKey {
        access_key_id: id.to_owned(),
        secret_access_key: "beneath".to_owned(),
        session_token: None,
    }))
}

fn role(name: &str) -> Option<AwsRole> {
    Some(AwsRole {
        role_arn: format!("arn:aws:iam::222222222222:role/{name}"),
        external_id: Some("ex/1".to_owned()),
        session_name: "forebay".to_owned(),
    })
}

/// Settings of account 1 with a key, and what is written of others.
fn aws(endpoint: &str, accounts: &[(&str, Option<&str>, AwsSettings)]) -> Aws {
    let place = |account: &str, region: &Option<&str>| AwsPlace {
        account: account.to_owned(),
        region: region.map(str::to_owned),
    };
    let settings = AwsSettings {
        region: Some("eu-west-1".to_owned()),
        account_id: Some("111111111111".to_owned()),
        endpoint: Some(endpoint.to_owned()),
        credentials: key("COMMON"),
        accounts: accounts.iter().map(|(account, region, it)| (place(account, region), it.clone())).collect(),
        ..AwsSettings::default()
    };
    Aws::new(&settings, |_| None)
}

async fn access(aws: &Aws, own: &AwsSettings, account: &str, region: &str) -> Result<AwsAccess, AwsError> {
    let target =
        AwsTarget { service: &SQS, own, region: Some(region), account: Some(account), endpoint: None };
    aws.access(target, &HttpClients::new()).await
}

async fn key_at(access: &AwsAccess, second: u64) -> String {
    let at = access.credentials.at(|| SystemTime::UNIX_EPOCH + Duration::from_secs(START + second)).await;
    at.map_or_else(|error| crate::aws::chain(&error), |it| it.access_key_id().to_owned())
}

#[tokio::test]
async fn a_role_is_taken_with_the_credentials_beneath_and_anew_before_its_hour_ends() {
    let sts = Sts::start().await;
    let of_account = AwsSettings { assume_role: role("r"), ..AwsSettings::default() };
    let aws = aws(&sts.endpoint, &[("222222222222", None, of_account)]);
    let nothing = AwsSettings::default();
    // The keys that STS gives are of a time that is over for the machine's clock: the test has its own.
    let target = |service| AwsTarget {
        service,
        own: &nothing,
        region: Some("us-east-1"),
        account: Some("222222222222"),
        endpoint: None,
    };
    let clients = HttpClients::new();
    let (queue, topic) = (
        aws.prepare(target(&SQS), &clients).await.unwrap(),
        aws.prepare(target(&SNS), &clients).await.unwrap(),
    );
    assert_eq!(key_at(&queue, 0).await, "ROLE1");
    assert_eq!(key_at(&topic, 3_299).await, "ROLE1", "shared by all who take it");
    assert_eq!(key_at(&queue, 3_300).await, "ROLE2");
    *sts.refuses.lock().unwrap() = true;
    assert_eq!(key_at(&topic, 7_199).await, "ROLE2", "good until its end, whatever STS says");
    let told = key_at(&queue, 7_200).await;
    let expected = format!(
        "STS at {} did not give role arn:aws:iam::222222222222:role/r: 403 Forbidden: AccessDenied: User <u> may not",
        sts.endpoint
    );
    assert!(told.ends_with(&expected), "{told}");
    let seen = sts.seen();
    assert_eq!(seen.len(), 4);
    for it in &seen {
        assert!(it.contains("Credential=COMMON/") && it.contains("/us-east-1/sts/aws4_request"), "{it}");
        let form = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A222222222222%3Arole%2Fr&RoleSessionName=forebay&ExternalId=ex%2F1";
        assert!(it.ends_with(form), "{it}");
    }
    assert!(!format!("{queue:?} {aws:?}").contains("s3cret"), "what STS gave is shown to nobody");
}

/// Gives nothing, as where no place has any.
#[derive(Debug)]
struct Nobody;

impl ProvideCredentials for Nobody {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded_no_source()))
    }
}

#[tokio::test]
async fn without_credentials_to_take_a_role_with_sts_is_not_asked() {
    let sts = Sts::start().await;
    let of_account = AwsSettings { assume_role: role("r"), ..AwsSettings::default() };
    let aws = aws(&sts.endpoint, &[("222222222222", None, of_account)]);
    // As it is where the common settings write no key.
    let origin = CredentialsOrigin { written: key("COMMON"), ca_file: None, role: None };
    aws.providers.lock().await.push((origin, KeptCredentials::new(Nobody, "nowhere".to_owned())));
    let error = access(&aws, &AwsSettings::default(), "222222222222", "eu-west-1").await.unwrap_err();
    let told = crate::aws::chain(&error);
    let (role, at) = ("role arn:aws:iam::222222222222:role/r", &sts.endpoint);
    assert!(
        told.starts_with("there are no credentials for sqs: the role's trust policy must name"),
        "{told}"
    );
    assert!(
        told.contains(&format!("tried: {role} of STS at {at} with nowhere: the credential provider")),
        "{told}"
    );
    assert!(
        matches!(&error, AwsError::Credentials { cause, .. } if cause.is::<CredentialsError>()),
        "{error:?}"
    );
    assert_eq!(sts.seen().len(), 0);
}

#[tokio::test]
async fn a_thing_of_another_account_or_region_is_called_as_is_written_of_them() {
    let [nothing, one, two, three, own] = [None, Some("ONE"), Some("TWO"), Some("THREE"), Some("OWN")]
        .map(|it| AwsSettings { credentials: it.and_then(key), ..AwsSettings::default() });
    let two = AwsSettings { endpoint: Some("http://two:1".to_owned()), ..two };
    let aws = aws(
        "http://common:1",
        &[
            ("222222222222", None, one),
            ("222222222222", Some("us-east-1"), two),
            ("111111111111", Some("us-east-1"), three),
            ("333333333333", None, nothing.clone()),
        ],
    );
    for (account, region, own, expected) in [
        ("111111111111", "eu-west-1", &nothing, "COMMON http://common:1"),
        ("111111111111", "us-east-1", &nothing, "THREE http://common:1"),
        ("222222222222", "eu-west-1", &nothing, "ONE http://common:1"),
        ("222222222222", "us-east-1", &nothing, "TWO http://two:1"),
        ("222222222222", "us-east-1", &own, "OWN http://two:1"),
        ("333333333333", "eu-west-1", &nothing, "COMMON http://common:1"),
        ("444444444444", "eu-west-1", &own, "OWN http://common:1"),
    ] {
        let access = access(&aws, own, account, region).await.unwrap();
        assert_eq!(
            format!("{} {}", key_at(&access, 0).await, access.endpoint),
            expected,
            "{account} {region}"
        );
        assert_eq!(access.region, region);
    }
}

#[tokio::test]
async fn an_account_that_nobody_has_written_of_is_refused_by_name_where_ones_own_is_known() {
    let nothing = AwsSettings::default();
    let common = aws("http://common:1", &[]);
    // In the name, and beside a name without one.
    let beside = AwsSettings { account_id: Some("444444444444".to_owned()), ..nothing.clone() };
    let target = |own, account| AwsTarget { service: &SQS, own, region: None, account, endpoint: None };
    for target in [target(&nothing, Some("444444444444")), target(&beside, None)] {
        let error = common.access(target, &HttpClients::new()).await.unwrap_err();
        assert_eq!(error.code(), "FB-0369");
        assert_eq!(
            error.to_string(),
            "sqs is not called with credentials of another account: account `444444444444` is not known: `aws.account_id` is `111111111111`; \
             write `aws.accounts.\"444444444444\"` with its credentials or its `assume_role`, or with `{}` if those that all share are meant"
        );
    }
    // Emulators have whatever account a name holds.
    let settings = AwsSettings {
        endpoint: Some("http://common:1".to_owned()),
        credentials: key("COMMON"),
        ..AwsSettings::default()
    };
    let aws = Aws::new(&settings, |_| None);
    let access = access(&aws, &nothing, "444444444444", "eu-west-1").await.unwrap();
    assert_eq!(key_at(&access, 0).await, "COMMON");
}
