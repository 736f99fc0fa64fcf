//! A registry's answers, good and bad, from a server that gives those that it was told to.

use std::sync::{Arc, Mutex};

use forebay_clients::SecretString;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Answers each path with a status and a body, and keeps the heads of all requests.
#[derive(Default)]
struct Told {
    answers: Vec<(String, u16, String)>,
    heads: Mutex<Vec<String>>,
}

impl Told {
    async fn start(answers: &[(&str, u16, &str)]) -> (Arc<Self>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/base", listener.local_addr().unwrap());
        let answers = answers.iter().map(|(path, status, body)| ((*path).into(), *status, (*body).into()));
        let told = Arc::new(Self { answers: answers.collect(), heads: Mutex::default() });
        let serving = Arc::clone(&told);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(Arc::clone(&serving).answer(stream));
            }
        });
        (told, url)
    }

    async fn answer(self: Arc<Self>, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
                    return;
                }
            }
            let path = head.split(' ').nth(1).unwrap().to_owned();
            self.heads.lock().unwrap().push(head);
            let known = self.answers.iter().find(|(it, _, _)| *it == path);
            let (status, body) = known.map_or((404, "nothing"), |(_, status, body)| (*status, body.as_str()));
            let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

fn registry(url: &str, secrets: &RegistrySecrets) -> ConfluentRegistry {
    ConfluentRegistry::new(url, secrets, None, &Clients::default()).unwrap()
}

async fn fetched(answers: &[(&str, u16, &str)]) -> Result<RegisteredSchema, FetchError> {
    let (_told, url) = Told::start(answers).await;
    registry(&url, &RegistrySecrets::default()).fetch(SchemaId::Number(7)).await
}

#[tokio::test]
async fn a_schema_comes_with_all_that_it_refers_to_each_once() {
    let reference =
        |name: &str, subject: &str| format!(r#"{{"name":"{name}","subject":"{subject}","version":2}}"#);
    let root = format!(
        r#"{{"schema":"root","schemaType":"PROTOBUF","references":[{},{}]}}"#,
        reference("a", "s/a"),
        reference("b", "b")
    );
    let a = format!(r#"{{"id":1,"version":2,"schema":"A","references":[{}]}}"#, reference("b", "b"));
    // In a circle, which a registry would refuse.
    let b = format!(r#"{{"schema":"B","references":[{}]}}"#, reference("a", "s/a"));
    let answers = [
        ("/base/schemas/ids/7", 200, &*root),
        ("/base/subjects/s%2Fa/versions/2", 200, &*a),
        ("/base/subjects/b/versions/2", 200, &*b),
    ];
    let (told, url) = Told::start(&answers).await;
    let schema = registry(&url, &RegistrySecrets::default()).fetch(SchemaId::Number(7)).await.unwrap();
    let mut names: Vec<_> = schema.references.iter().map(|it| (&*it.name, &*it.text)).collect();
    names.sort_unstable();
    assert_eq!((schema.format, &*schema.text), (SchemaFormat::Protobuf, "root"));
    assert_eq!(names, [("a", "A"), ("b", "B")]);
    let heads = told.heads.lock().unwrap();
    assert_eq!(heads.len(), 3);
    assert!(heads.iter().all(|it| !it.to_ascii_lowercase().contains("authorization")));
    assert!(heads[0].contains("application/vnd.schemaregistry.v1+json"));
}

#[tokio::test]
async fn avro_is_what_says_nothing_else() {
    let schema = fetched(&[("/base/schemas/ids/7", 200, r#"{"schema":"\"int\""}"#)]).await.unwrap();
    assert_eq!((schema.format, &*schema.text), (SchemaFormat::Avro, "\"int\""));
    let other = fetched(&[("/base/schemas/ids/7", 200, r#"{"schema":"","schemaType":"XML"}"#)]).await;
    assert_eq!(other, Err(FetchError::Unusable("it is written in `XML`".to_owned())));
}

#[tokio::test]
async fn only_a_registrys_own_word_says_that_a_schema_is_missing() {
    let at = "/base/schemas/ids/7";
    let missing = r#"{"error_code":40403,"message":"Schema 7 not found"}"#;
    let missing = fetched(&[(at, 404, missing)]).await;
    assert_eq!(missing, Err(FetchError::Missing("Schema 7 not found".to_owned())));
    for (status, body) in [
        (404, "<html>not here</html>"),
        (404, r#"{"error_code":404,"message":"HTTP 404 Not Found"}"#),
        (401, r#"{"error_code":401,"message":"Unauthorized"}"#),
        (500, r#"{"error_code":50001,"message":"Error in the backend data store"}"#),
        (503, ""),
        (302, ""),
        (200, "<html>hello</html>"),
        (200, r#"{"id":7}"#),
    ] {
        let fetched = fetched(&[(at, status, body)]).await;
        assert!(matches!(fetched, Err(FetchError::Down(_))), "{status} {body}: {fetched:?}");
    }
    let lost = r#"{"schema":"s","references":[{"name":"a","subject":"gone","version":2}]}"#;
    let subject = r#"{"error_code":40401,"message":"Subject not found"}"#;
    let lost = fetched(&[(at, 200, lost), ("/base/subjects/gone/versions/2", 404, subject)]).await;
    let told = "it refers to version 2 of `gone`: Subject not found".to_owned();
    assert_eq!(lost, Err(FetchError::Missing(told)));
}

#[tokio::test]
async fn every_request_shows_what_the_registry_asks_for() {
    let (told, url) = Told::start(&[]).await;
    let secret = SecretString::from("Basic YW5uOmh1bnRlcjI=");
    let secrets = RegistrySecrets {
        authorization: Some(HeaderValue::from_str(secret.expose_secret()).unwrap()),
        ..RegistrySecrets::default()
    };
    assert!(registry(&url, &secrets).fetch(SchemaId::Number(7)).await.is_err());
    let heads = told.heads.lock().unwrap();
    assert!(heads[0].contains("authorization: Basic YW5uOmh1bnRlcjI=\r\n"), "{heads:?}");
}
