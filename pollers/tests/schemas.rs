//! Records decoded by the schemas of a real registry, Apicurio, and compared with what Powertools' consumer gives
//! a function of the same records.
#![cfg(feature = "schemas")]

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use forebay_batcher::Condition;
use forebay_clients::Clients;
use forebay_config::{Document, Format, Item, SchemaRegistrySettings};
use forebay_pollers::schemas::{RecordSide, SchemaDecoder, SchemaError};
use forebay_tests::kafka::certificates::TestAuthority;
use forebay_tests::ports::free_port;
use forebay_tests::schema_registry::{ApicurioServer, EncodedRecords, framed};
use forebay_tests::wait;
use serde_json::{Value, json};

/// Statics are not dropped; the server ends with this process all the same, for it holds the other end of a pipe.
static APICURIO: LazyLock<&ApicurioServer> = LazyLock::new(ApicurioServer::shared);

async fn decoder(url: &str, format: &str) -> SchemaDecoder {
    decoder_with(url, format, "", |_| None).await
}

/// The same with more settings, and variables that these refer to.
async fn decoder_with(
    url: &str,
    format: &str,
    more: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> SchemaDecoder {
    let text = format!("{{ url: '{url}', event_record_format: {format}, validate: [KEY, VALUE]{more} }}");
    let document = Document::parse("t.yaml", &text, Format::Yaml, Path::new("/")).expect("it is YAML");
    let mut findings = Vec::new();
    let item = Item::new(&document.root, "schema_registry", &mut findings);
    let settings = SchemaRegistrySettings::read(item, Path::new("/"));
    let settings = settings.unwrap_or_else(|| panic!("{findings:?}"));
    SchemaDecoder::connect(&settings, variable, &Clients::default()).await.expect("its secrets are there")
}

fn sent(id: u32, payload: &[u8]) -> Bytes {
    framed(id, payload).into()
}

async fn json_of(decoder: &SchemaDecoder, record: &Bytes) -> Value {
    let decoded =
        decoder.decode(RecordSide::Value, record).await.expect("it can be decoded").expect("it is validated");
    serde_json::from_slice(decoded.json()).expect("it is JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_with_powertools_finds_in_source_what_json_says() {
    let encoded = EncodedRecords::in_registry(&APICURIO, "compared");
    let records = encoded.records.clone().map(Bytes::from);
    let (json, source) = (decoder(&APICURIO.url(), "JSON").await, decoder(&APICURIO.url(), "SOURCE").await);
    let (mut in_json, mut of_event) = (Vec::new(), Vec::new());
    for (idx, record) in records.iter().enumerate() {
        let decoded = json.decode(RecordSide::Value, record).await.unwrap().unwrap();
        in_json.push(serde_json::from_slice::<Value>(decoded.delivered()).unwrap());
        let decoded = source.decode(RecordSide::Value, record).await.unwrap().unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(decoded.json()).unwrap(),
            in_json[idx],
            "what filters see"
        );
        assert_eq!(decoded.delivered()[..], record[5..]);
        of_event.push(json!({
            "topic": "t", "partition": 0, "offset": idx, "headers": [],
            "value": STANDARD.encode(decoded.delivered()),
            "valueSchemaMetadata": serde_json::from_str::<Value>(decoded.metadata()).unwrap()
        }));
    }
    assert_eq!(encoded.by_powertools(&of_event), in_json);
    assert_eq!(in_json[2]["sub_part"], json!({ "part_ids": [7] }));
    assert_eq!(in_json[1]["order_lines"][0]["item_name"], "é");
    assert_eq!(in_json[0]["id"], json!(i64::MIN));
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_that_others_refer_to_are_fetched_along() {
    let decoder = decoder(&APICURIO.url(), "JSON").await;
    APICURIO.register("color", "AVRO", r#"{"type":"enum","name":"a.Color","symbols":["RED"]}"#, &[]);
    let line = r#"{"type":"record","name":"a.Line","fields":[{"name":"color","type":"a.Color"}]}"#;
    let line = APICURIO.register("line", "AVRO", line, &[("a.Color", "color")]);
    assert_eq!(json_of(&decoder, &sent(line, &[0])).await, json!({ "color": "RED" }));
    APICURIO.register("unit", "PROTOBUF", "syntax = \"proto3\"; enum Unit { NONE = 0; KG = 1; }", &[]);
    let weight = "syntax = \"proto3\"; import \"unit.proto\"; message Weight { Unit unit_of = 1; }";
    let weight = APICURIO.register("weight", "PROTOBUF", weight, &[("unit.proto", "unit")]);
    assert_eq!(json_of(&decoder, &sent(weight, &[0, 8, 1])).await, json!({ "unit_of": "KG" }));
    APICURIO.register(
        "name",
        "JSON",
        r#"{"$schema":"http://json-schema.org/draft-07/schema#","type":"string"}"#,
        &[],
    );
    let person =
        r#"{"$schema":"http://json-schema.org/draft-07/schema#","properties":{"name":{"$ref":"name.json"}}}"#;
    let person = APICURIO.register("person", "JSON", person, &[("name.json", "name")]);
    assert_eq!(json_of(&decoder, &sent(person, br#"{"name":"ann"}"#)).await, json!({ "name": "ann" }));
    let error = decoder.decode(RecordSide::Value, &sent(person, br#"{"name":5}"#)).await.unwrap_err();
    assert!(error.to_string().contains("`/name` breaks the rule"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_is_missing_is_the_records_fault_and_a_registry_that_is_not_there_is_none() {
    let record = sent(999_999, b"x");
    let missing = decoder(&APICURIO.url(), "JSON").await;
    match missing.decode(RecordSide::Key, &record).await.unwrap_err() {
        SchemaError::Record(it) => assert_eq!(it.condition, Condition::SchemaNotFound, "{it}"),
        SchemaError::Registry(down) => panic!("{down}"),
    }
    // The registry itself, at a place where its API is not; and nobody at all.
    for url in
        [format!("http://{}/elsewhere", APICURIO.address()), format!("http://127.0.0.1:{}", free_port())]
    {
        let elsewhere = decoder(&url, "JSON").await;
        let error = elsewhere.decode(RecordSide::Key, &record).await.unwrap_err();
        assert!(error.is_transient() && error.to_string().contains(&url), "{error}");
        assert!(elsewhere.decode_now(RecordSide::Key, &record).is_none(), "the next one asks again");
    }
}

/// OpenSSL's own server, which gives files to those whose certificate it trusts.
struct CertifiedServer(Child);

impl CertifiedServer {
    fn start(folder: &Path, port: u16) -> Self {
        let server = Command::new("openssl")
            .args([
                "s_server",
                "-quiet",
                "-HTTP",
                "-Verify",
                "1",
                "-verify_return_error",
                "-CAfile",
                "ca.crt",
            ])
            .args(["-cert", "server.crt", "-key", "server.key", "-accept", &format!("127.0.0.1:{port}")])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(server.expect("openssl starts"))
    }
}

impl Drop for CertifiedServer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_is_shown_a_certificate_and_trusted_by_a_root_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let authority = TestAuthority::new("authority of the test");
    let roots = fs::read_to_string(authority.write(&path.join("ca.crt"))).unwrap();
    authority.sign(path, "server");
    let client = authority.sign(path, "client");
    let [certificate, key] = [client.certificate, client.key].map(|it| fs::read_to_string(it).unwrap());
    let identity = json!({ "certificate": certificate, "privateKey": key }).to_string();
    fs::create_dir_all(path.join("schemas/ids")).unwrap();
    let schema = r#"{"schema":"\"int\""}"#;
    let answer =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{schema}", schema.len());
    fs::write(path.join("schemas/ids/1"), answer).unwrap();
    let port = free_port();
    let _server = CertifiedServer::start(path, port);
    wait::until("openssl", || TcpStream::connect(("127.0.0.1", port)).ok().map(drop));
    let url = format!("https://localhost:{port}");
    let variable = |name: &str| match name {
        "ROOTS" => Some(roots.clone()),
        "IDENTITY" => Some(identity.clone()),
        _ => None,
    };
    let both = ", access: { ca_certificate: 'env:ROOTS', client_certificate: 'env:IDENTITY' }";
    let decoder = decoder_with(&url, "JSON", both, variable).await;
    assert_eq!(json_of(&decoder, &sent(1, &[2])).await, json!(1));
    for less in
        [", access: { ca_certificate: 'env:ROOTS' }", ", access: { client_certificate: 'env:IDENTITY' }"]
    {
        let decoder = decoder_with(&url, "JSON", less, variable).await;
        let error = decoder.decode(RecordSide::Value, &sent(1, &[2])).await.unwrap_err();
        assert!(error.is_transient() && error.to_string().contains(&url), "{error}");
    }
}
