//! What is made of a block of brokers: rows of librdkafka's configuration, tokens, and errors without secrets.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use forebay_config::document::{Document, Format};
use forebay_config::{BrokerSettings, Fields};
use rdkafka::client::ClientContext as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

fn settings(text: &str) -> BrokerSettings {
    let document = Document::parse("test", text, Format::Yaml, Path::new("/")).expect("it is YAML");
    Fields::read(&document.root, "source", |fields| BrokerSettings::read(fields, Path::new("/")))
        .unwrap_or_else(|found| panic!("{found:?}"))
}

async fn access(text: impl AsRef<str>) -> Result<BrokerAccess, BrokerError> {
    BrokerAccess::look_up(&settings(text.as_ref()), &Clients::default()).await
}

/// A file that only its owner may read.
fn secret(content: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file
}

/// Some rows of the configuration.
fn rows(access: &BrokerAccess, names: &[&str]) -> Vec<Option<String>> {
    let config = access.config();
    names.iter().map(|it| config.get(it).map(str::to_owned)).collect()
}

const SECURITY: [&str; 4] = ["security.protocol", "sasl.mechanism", "sasl.username", "sasl.password"];

#[tokio::test]
async fn every_way_to_be_somebody_is_a_configuration() {
    let some = |it: &str| Some(it.to_owned());
    let plain = access("bootstrap_servers: ['a:1', 'b:2']").await.unwrap();
    assert_eq!(rows(&plain, &SECURITY), [some("plaintext"), None, None, None]);
    assert_eq!((plain.servers(), rows(&plain, &["bootstrap.servers"])), ("a:1,b:2", vec![some("a:1,b:2")]));

    let password = secret("hunter2");
    let path = password.path().display();
    let named = access(format!(
        "{{ bootstrap_servers: ['a:1'], tls: {{}}, sasl: {{ mechanism: SCRAM-SHA-512, username: alice, password: 'file:{path}' }} }}"
    ));
    let named = named.await.unwrap();
    let expected = [some("sasl_ssl"), some("SCRAM-SHA-512"), some("alice"), some("hunter2")];
    assert_eq!(rows(&named, &SECURITY), expected);
    assert!(!format!("{named:?}").contains("hunter2"));

    let user = secret(r#"{"username":"bob","password":"hunter3"}"#);
    let path = user.path().display();
    let kept = access(format!(
        "{{ bootstrap_servers: ['a:1'], sasl: {{ mechanism: PLAIN, secret: 'file:{path}' }} }}"
    ));
    let kept = kept.await.unwrap();
    let expected = [some("sasl_plaintext"), some("PLAIN"), some("bob"), some("hunter3")];
    assert_eq!(rows(&kept, &SECURITY), expected);
    assert_ne!(named.digest(), kept.digest());
}

#[tokio::test]
async fn certificates_are_taken_from_files_and_from_secrets_as_aws_keeps_them() {
    let file = secret("-----BEGIN CERTIFICATE-----\n");
    let kept = secret(r#"{"certificate":"C","privateKey":"K","privateKeyPassword":"P"}"#);
    let (file, kept) = (file.path().display(), kept.path().display());
    let tls = access(format!(
        "{{ bootstrap_servers: ['a:1'], tls: {{ ca_file: {file}, client_secret: 'file:{kept}' }} }}"
    ));
    let names = ["security.protocol", "ssl.ca.pem", "ssl.certificate.pem", "ssl.key.pem", "ssl.key.password"];
    let expected = ["ssl", "-----BEGIN CERTIFICATE-----\n", "C", "K", "P"].map(|it| Some(it.to_owned()));
    assert_eq!(rows(&tls.await.unwrap(), &names), expected);
    let tls = access(format!("{{ bootstrap_servers: ['a:1'], tls: {{ ca_secret: 'file:{kept}' }} }}"));
    assert_eq!(rows(&tls.await.unwrap(), &["ssl.ca.pem"]), [Some("C".to_owned())]);
}

#[tokio::test]
async fn what_cannot_be_had_is_told_by_name_and_without_the_secret() {
    let no_json = secret("hunter2");
    let path = no_json.path().display();
    let error = access(format!(
        "{{ bootstrap_servers: ['a:1'], sasl: {{ mechanism: PLAIN, secret: 'file:{path}' }} }}"
    ));
    let error = error.await.unwrap_err();
    assert_eq!(error.code(), "FB-0387");
    assert!(error.to_string().contains("is no JSON object") && !format!("{error:?}").contains("hunter2"));
    let error = access("{ bootstrap_servers: ['a:1'], tls: { ca_file: /nonexistent/ca.pem } }").await;
    let error = error.unwrap_err();
    assert_eq!((error.code(), error.is_transient()), ("FB-0382", false));
    assert_eq!(error.to_string(), "the certificates of /nonexistent/ca.pem cannot be read");
}

/// Answers one request with this body, and gives the request.
async fn serve(listener: TcpListener, status: &'static str, body: &'static str) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    while !String::from_utf8_lossy(&request).contains("grant_type") {
        let mut piece = [0; 4_096];
        let n_bytes = stream.read(&mut piece).await.unwrap();
        assert!(n_bytes > 0, "the request is whole");
        request.extend_from_slice(&piece[..n_bytes]);
    }
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(answer.as_bytes()).await.unwrap();
    String::from_utf8(request).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_fetched_by_client_credentials_and_a_refusal_is_told() {
    let client_secret = secret("s&cret");
    let path = client_secret.path().display().to_string();
    for (status, body, expected) in [
        ("200 OK", r#"{"access_token":"t0ken","expires_in":60}"#, Ok("t0ken")),
        ("401 Unauthorized", r#"{"error":"invalid_client"}"#, Err("invalid_client")),
        ("200 OK", "<html>", Err("no JSON object")),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        let access = access(format!(
            "{{ bootstrap_servers: ['a:1'], sasl: {{ mechanism: OAUTHBEARER, oauth: {{ token_url: '{url}', client_id: me, client_secret: 'file:{path}', scope: 'a b' }} }} }}"
        ));
        let context = access.await.unwrap().context();
        let server = tokio::spawn(serve(listener, status, body));
        #[expect(clippy::disallowed_methods, reason = "it is waited for right here")]
        let fetched = tokio::task::spawn_blocking(move || {
            let token = context.generate_oauth_token(None).map_err(|error| error.to_string());
            (token, context.trouble().map(|it| it.failure))
        });
        let (token, trouble) = fetched.await.unwrap();
        let request = server.await.unwrap();
        let form = "grant_type=client_credentials&client_id=me&client_secret=s%26cret&scope=a%20b";
        assert!(request.ends_with(form), "{request}");
        match (token, expected) {
            (Ok(token), Ok(expected)) => {
                assert_eq!((token.token.as_str(), token.principal_name.as_str()), (expected, "me"));
                let in_a_minute = SystemTime::now() + Duration::from_secs(60);
                let ends = SystemTime::UNIX_EPOCH + Duration::from_millis(token.lifetime_ms.unsigned_abs());
                assert!(ends <= in_a_minute && ends + Duration::from_secs(30) > in_a_minute);
                assert_eq!(trouble, None);
            }
            (Err(said), Err(expected)) => {
                assert!(said.contains(expected) && !said.contains("s&cret"), "{said}");
                assert_eq!(trouble, Some(BrokerFailure::Identity));
            }
            (token, expected) => panic!("{:?}, not {expected:?}", token.map(|it| it.token)),
        }
    }
}

#[test]
fn a_token_for_msk_is_a_signed_url() {
    let credentials =
        aws_credential_types::Credentials::new("AKID", "secret", Some("session".to_owned()), None, "test");
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
    let token = token::iam_token("eu-west-1", &credentials.into(), now).unwrap();
    assert_eq!(token.lifetime_ms, (1_440_938_160 + 900) * 1_000);
    let url = String::from_utf8(URL_SAFE_NO_PAD.decode(token.token).unwrap()).unwrap();
    assert!(
        url.starts_with("https://kafka.eu-west-1.amazonaws.com/?Action=kafka-cluster%3AConnect&"),
        "{url}"
    );
    for part in [
        "X-Amz-Algorithm=AWS4-HMAC-SHA256",
        "X-Amz-Credential=AKID%2F20150830%2Feu-west-1%2Fkafka-cluster%2Faws4_request",
        "X-Amz-Expires=900",
        "X-Amz-SignedHeaders=host",
        "X-Amz-Security-Token=session",
        "X-Amz-Signature=",
        "&User-Agent=forebay",
    ] {
        assert!(url.contains(part), "{part} is not in {url}");
    }
}

#[tokio::test]
async fn only_what_concerns_all_brokers_is_a_trouble_and_its_cause_is_kept() {
    let context = access("bootstrap_servers: ['a:1']").await.unwrap().context();
    let tell = |code, said: &str| context.error(KafkaError::Global(code), said);
    tell(RDKafkaErrorCode::BrokerTransportFailure, "a:1/bootstrap: connection refused");
    assert!(context.trouble().is_none(), "another broker may do");
    tell(RDKafkaErrorCode::AllBrokersDown, "1/1 brokers are down");
    let trouble = context.trouble().unwrap();
    assert_eq!(
        (trouble.failure, trouble.said.as_str()),
        (BrokerFailure::Down, "a:1/bootstrap: connection refused")
    );
    context.succeed();
    assert!(context.trouble().is_none());
    tell(RDKafkaErrorCode::TopicAuthorizationFailed, "no");
    assert!(context.trouble().is_none(), "it concerns a topic");
    tell(RDKafkaErrorCode::Authentication, "wrong password");
    assert_eq!(context.trouble().unwrap().failure, BrokerFailure::Identity);
    // With TLS 1.3 a client's certificate is refused on a connection that seemed to stand.
    let alert = "ssl://b:1/bootstrap: Receive failed: error:0A000416:SSL routines::sslv3 alert certificate unknown: SSL alert number 46";
    tell(RDKafkaErrorCode::BrokerTransportFailure, alert);
    assert_eq!(context.trouble().unwrap().failure, BrokerFailure::Tls);
}
