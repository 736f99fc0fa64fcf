//! Sides of records from their bytes to what a function gets, with a registry that stands in memory.

use serde_json::json;

use super::super::frame::SchemaId;
use super::super::registered::SchemaFormat;
use super::super::shelf::Shelf;
use super::*;

fn decoder(framing: Framing, format: EventRecordFormat, sides: [bool; 2]) -> SchemaDecoder {
    let person = json!({ "type": "record", "name": "P", "fields": [{ "name": "name", "type": "string" }] });
    let proto = "syntax = \"proto3\"; message A { int32 a_b = 1; message B { int32 c = 1; } }";
    let schemas = [
        (SchemaFormat::Avro, person.to_string()),
        (SchemaFormat::Protobuf, proto.to_owned()),
        (SchemaFormat::Json, json!({ "required": ["a"] }).to_string()),
    ];
    let id = |it: usize| match framing {
        Framing::Confluent => SchemaId::Number(it as u32),
        Framing::Glue => SchemaId::Version(uuid::Uuid::from_u128(it as u128)),
    };
    let schemas = schemas.into_iter().enumerate().map(|(it, schema)| (id(it + 1), schema)).collect();
    let [key, value] = sides;
    Shelf::of(framing, schemas).decoder_of(format, ValidatedSides { key, value })
}

/// What is delivered, what filters see, and the metadata, as text.
async fn value(decoder: &SchemaDecoder, record: &[u8]) -> [String; 3] {
    let record = &Bytes::copy_from_slice(record);
    let decoded = decoder.decode(RecordSide::Value, record).await.unwrap().unwrap();
    let again = decoder.decode_now(RecordSide::Value, record).unwrap().unwrap().unwrap();
    assert_eq!((decoded.delivered(), decoded.json()), (again.delivered(), again.json()));
    let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
    [text(decoded.delivered()), text(decoded.json()), decoded.metadata().to_owned()]
}

const AVRO: &[u8] = b"\0\0\0\0\x01\x06ann";
const PROTOBUF: &[u8] = b"\0\0\0\0\x02\x04\0\0\x08\x07";
const JSON: &[u8] = b"\0\0\0\0\x03 {\"a\": 1}";

#[tokio::test]
async fn with_json_a_function_gets_json() {
    let decoder = decoder(Framing::Confluent, EventRecordFormat::Json, [false, true]);
    assert!(
        decoder.decode_now(RecordSide::Value, &Bytes::from_static(AVRO)).is_none(),
        "its schema is not known yet"
    );
    let avro = r#"{"name":"ann"}"#;
    assert_eq!(value(&decoder, AVRO).await, [avro, avro, r#"{"dataFormat":"AVRO","schemaId":"1"}"#]);
    let proto = r#"{"c":7}"#;
    assert_eq!(
        value(&decoder, PROTOBUF).await,
        [proto, proto, r#"{"dataFormat":"PROTOBUF","schemaId":"2"}"#]
    );
    let same = " {\"a\": 1}";
    assert_eq!(value(&decoder, JSON).await, [same, same, r#"{"dataFormat":"JSON","schemaId":"3"}"#]);
}

#[tokio::test]
async fn with_source_only_the_fixed_header_is_taken_away_and_filters_see_json() {
    let confluent = decoder(Framing::Confluent, EventRecordFormat::Source, [false, true]);
    let [delivered, json, _] = value(&confluent, AVRO).await;
    assert_eq!((&*delivered, &*json), ("\x06ann", r#"{"name":"ann"}"#));
    // The places that lead to the message are kept.
    let [delivered, json, _] = value(&confluent, PROTOBUF).await;
    assert_eq!((&*delivered, &*json), ("\x04\0\0\x08\x07", r#"{"c":7}"#));
    assert_eq!(value(&confluent, JSON).await[0], " {\"a\": 1}");
    // One byte of Glue's, and what it compressed is given as it was before.
    let glue = decoder(Framing::Glue, EventRecordFormat::Source, [false, true]);
    let id = uuid::Uuid::from_u128(2);
    let record = [&[3, 0][..], id.as_bytes(), b"\x01\x08\x07"].concat();
    let [delivered, json, metadata] = value(&glue, &record).await;
    assert_eq!((&*delivered, &*json), ("\x01\x08\x07", r#"{"c":7}"#));
    assert_eq!(metadata, format!(r#"{{"dataFormat":"PROTOBUF","schemaId":"{id}"}}"#));
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut zlib, b"\x01\x08\x07").unwrap();
    let record = [&[3, 5][..], id.as_bytes(), &zlib.finish().unwrap()].concat();
    assert_eq!(value(&glue, &record).await[0], "\x01\x08\x07");
}

#[tokio::test]
async fn a_side_that_is_not_named_is_passed_on() {
    let decoder = decoder(Framing::Confluent, EventRecordFormat::Json, [false, true]);
    for record in [AVRO, b"plain", b""] {
        let record = &Bytes::from_static(record);
        assert!(decoder.decode(RecordSide::Key, record).await.unwrap().is_none());
        assert!(decoder.decode_now(RecordSide::Key, record).unwrap().unwrap().is_none());
    }
}

#[tokio::test]
async fn a_fault_says_which_side_and_why_in_the_words_of_aws() {
    let decoder = decoder(Framing::Confluent, EventRecordFormat::Json, [true, true]);
    for (record, condition, code, text) in [
        (&b"\0\0\0\0\x09x"[..], "SCHEMA_NOT_FOUND", "FB-0391", "the shelf has no schema 9: none"),
        (b"{}", "DESERIALIZATION_ERROR", "FB-0392", "the key names no schema: its first byte is 0x7b"),
        (b"", "DESERIALIZATION_ERROR", "FB-0392", "the key names no schema: it has 0 bytes"),
        (
            b"\0\0\0\0\x01\x06a",
            "DESERIALIZATION_ERROR",
            "FB-0392",
            "the key cannot be decoded by schema 1: it ends too early",
        ),
        (
            b"\0\0\0\0\x03{}",
            "DESERIALIZATION_ERROR",
            "FB-0392",
            "the key cannot be decoded by schema 3: it does not fit its schema",
        ),
    ] {
        let record = &Bytes::from_static(record);
        let error = decoder.decode(RecordSide::Key, record).await.unwrap_err();
        let SchemaError::Record(fault) = error else { panic!("{error}") };
        assert_eq!((fault.condition.as_str(), fault.code.0), (condition, code));
        assert!(fault.to_string().starts_with(text), "{fault}");
        let again = decoder.decode_now(RecordSide::Key, record).unwrap().unwrap_err();
        assert_eq!(again, fault);
    }
}
