//! Avro records as JSON: against `apache-avro`'s own encoding, and hostile ones.

use apache_avro::Schema;
use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::json::{DEPTH_MAX, JSON_BYTES_MAX};
use super::super::registered::NamedText;
use super::super::wire::zigzag_bytes;
use super::AvroSchema;

fn schema(json: &Value) -> AvroSchema {
    AvroSchema::parse(&json.to_string(), &[]).unwrap()
}

fn decoded(schema: &AvroSchema, record: &[u8]) -> Value {
    serde_json::from_slice(&schema.json(record).unwrap()).unwrap()
}

/// A value as the crate encodes it, decoded here.
fn there_and_back(written: &Value, value: Avro) -> Value {
    let encoder = Schema::parse(written).unwrap();
    let encoder = GenericDatumWriter::builder(&encoder).build().unwrap();
    let record = encoder.write_value_to_vec(value).unwrap();
    decoded(&schema(written), &record)
}

#[test]
fn every_shape_is_read_as_it_was_encoded() {
    let all = json!({
        "type": "record", "name": "All", "namespace": "n", "fields": [
            { "name": "nothing", "type": "null" },
            { "name": "yes", "type": "boolean" },
            { "name": "int", "type": "int" },
            { "name": "long", "type": "long" },
            { "name": "float", "type": "float" },
            { "name": "double", "type": "double" },
            { "name": "bytes", "type": "bytes" },
            { "name": "text", "type": "string" },
            { "name": "fixed", "type": { "type": "fixed", "name": "F", "size": 2 } },
            { "name": "enum", "type": { "type": "enum", "name": "E", "symbols": ["A", "B"] } },
            { "name": "list", "type": { "type": "array", "items": "E" } },
            { "name": "map", "type": { "type": "map", "values": "int" } },
            { "name": "some", "type": ["null", "string"] },
            { "name": "none", "type": ["null", "string"] },
            { "name": "at", "type": { "type": "long", "logicalType": "timestamp-millis" } },
            { "name": "id", "type": { "type": "string", "logicalType": "uuid" } },
            { "name": "price", "type": { "type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2 } },
        ]
    });
    let fields = vec![
        ("nothing", Avro::Null),
        ("yes", Avro::Boolean(true)),
        ("int", Avro::Int(i32::MIN)),
        ("long", Avro::Long(i64::MIN)),
        ("float", Avro::Float(0.1)),
        ("double", Avro::Double(0.1)),
        ("bytes", Avro::Bytes(vec![0, 65, 255])),
        ("text", Avro::String("é\n\"".to_owned())),
        ("fixed", Avro::Fixed(2, vec![66, 200])),
        ("enum", Avro::Enum(1, "B".to_owned())),
        ("list", Avro::Array(vec![Avro::Enum(0, "A".to_owned()), Avro::Enum(1, "B".to_owned())])),
        ("map", Avro::Map([("k".to_owned(), Avro::Int(7))].into())),
        ("some", Avro::Union(1, Box::new(Avro::String("s".to_owned())))),
        ("none", Avro::Union(0, Box::new(Avro::Null))),
        ("at", Avro::TimestampMillis(1_545_084_650_987)),
        ("id", Avro::Uuid(uuid::Uuid::from_u128(7))),
        ("price", Avro::Decimal(vec![1, 0].into())),
    ];
    let record = Avro::Record(fields.into_iter().map(|(name, it)| (name.to_owned(), it)).collect());
    assert_eq!(
        there_and_back(&all, record),
        json!({
            "nothing": null, "yes": true, "int": i32::MIN, "long": i64::MIN, "float": 0.1, "double": 0.1,
            "bytes": "\u{0}A\u{ff}", "text": "é\n\"", "fixed": "B\u{c8}", "enum": "B", "list": ["A", "B"],
            "map": { "k": 7 }, "some": "s", "none": null, "at": 1_545_084_650_987_i64,
            "id": "00000000-0000-0000-0000-000000000007", "price": "\u{1}\u{0}"
        })
    );
}

#[test]
fn a_schema_refers_to_itself_and_to_others() {
    let list = json!({
        "type": "record", "name": "n.List", "fields": [
            { "name": "value", "type": "int" }, { "name": "next", "type": ["null", "List"] }
        ]
    });
    assert_eq!(
        decoded(&schema(&list), &[2, 2, 4, 0]),
        json!({ "value": 1, "next": { "value": 2, "next": null } })
    );
    let other = |name: &str, text: Value| NamedText { name: name.to_owned(), text: text.to_string() };
    let color = other("color", json!({ "type": "enum", "name": "a.Color", "symbols": ["RED"] }));
    let line = other(
        "line",
        json!({ "type": "record", "name": "a.Line", "fields": [{ "name": "c", "type": "Color" }] }),
    );
    let order = json!({
        "type": "record", "name": "b.Order", "fields": [
            { "name": "lines", "type": { "type": "array", "items": "a.Line" } },
            { "name": "color", "type": "a.Color" }
        ]
    });
    // In whatever order the registry gives them.
    for references in [[color.clone(), line.clone()], [line, color.clone()]] {
        let order = AvroSchema::parse(&order.to_string(), &references).unwrap();
        assert_eq!(decoded(&order, &[2, 0, 0, 0]), json!({ "lines": [{ "c": "RED" }], "color": "RED" }));
    }
    assert!(AvroSchema::parse(&order.to_string(), &[color]).unwrap_err().contains("Line"));
    assert!(AvroSchema::parse("{", &[]).is_err());
}

#[test]
fn blocks_may_come_with_their_length() {
    let ints = schema(&json!({ "type": "array", "items": "int" }));
    let record = [zigzag_bytes(-2), zigzag_bytes(2), vec![2, 4], zigzag_bytes(1), vec![6], vec![0]].concat();
    assert_eq!(decoded(&ints, &record), json!([1, 2, 3]));
    assert_eq!(decoded(&ints, &[0]), json!([]));
}

#[test]
fn a_record_that_does_not_fit_is_told_by_what_is_wrong() {
    let of = |kind: Value, record: &[u8]| schema(&kind).json(record).unwrap_err();
    let check = |kind: Value, record: &[u8], part: &str| {
        let error = of(kind, record);
        assert!(error.contains(part), "{error}");
    };
    check(json!("string"), &[], "ends too early");
    check(json!("string"), &[6, b'a'], "3 bytes should follow, and there are 1");
    check(json!("string"), &[1], "a length in it is -1");
    check(json!("string"), &[2, 0xff], "not UTF-8");
    check(json!("boolean"), &[2], "a boolean in it is 0x02");
    check(json!("int"), &zigzag_bytes(1 << 40), "longer than 32 bits");
    check(json!("long"), &[0xff; 11], "longer than 64 bits");
    check(json!("double"), &[0; 7], "8 bytes should follow");
    check(json!(["null", "int"]), &[4], "no such branch");
    check(json!({ "type": "enum", "name": "E", "symbols": ["A"] }), &[2], "no such symbol");
    check(json!({ "type": "array", "items": "int" }), &zigzag_bytes(i64::MIN), "has no count");
    // No length in it makes it take memory.
    check(json!("bytes"), &zigzag_bytes(i64::MAX), "bytes should follow");
}

#[test]
fn few_bytes_that_claim_to_be_many_values_end_at_the_limit() {
    let many = [zigzag_bytes(i64::MAX), vec![0]].concat();
    for items in [json!("null"), json!({ "type": "record", "name": "R", "fields": [] })] {
        let error = schema(&json!({ "type": "array", "items": items })).json(&many).unwrap_err();
        assert!(error.contains(&JSON_BYTES_MAX.to_string()), "{error}");
    }
}

#[test]
fn a_record_that_is_nested_without_end_ends() {
    let endless = json!({ "type": "record", "name": "R", "fields": [{ "name": "r", "type": "R" }] });
    let error = schema(&endless).json(&[]).unwrap_err();
    assert!(error.contains("nested deeper"), "{error}");
    let list = json!({ "type": "record", "name": "L", "fields": [{ "name": "n", "type": ["null", "L"] }] });
    let nested = |n: usize| schema(&list).json(&[vec![2; n], vec![0]].concat());
    assert!(nested(DEPTH_MAX / 2 - 1).is_ok());
    assert!(nested(100_000).unwrap_err().contains("nested deeper"));
    // So is a schema.
    let deep = "{\"type\":\"array\",\"items\":".repeat(10_000);
    assert!(AvroSchema::parse(&deep, &[]).is_err());
}

proptest! {
    #[test]
    fn what_was_encoded_is_there_again(
        n: i64, x: f64, text: String, bytes: Vec<u8>, items: Vec<i32>, branch: bool
    ) {
        let written = json!({ "type": "record", "name": "R", "fields": [
            { "name": "n", "type": "long" }, { "name": "x", "type": "double" },
            { "name": "t", "type": "string" }, { "name": "b", "type": "bytes" },
            { "name": "i", "type": { "type": "array", "items": "int" } },
            { "name": "u", "type": ["string", "long"] }
        ]});
        let union = if branch {
            Avro::Union(0, Box::new(Avro::String(text.clone())))
        } else {
            Avro::Union(1, Box::new(Avro::Long(n)))
        };
        let record = Avro::Record(vec![
            ("n".to_owned(), Avro::Long(n)),
            ("x".to_owned(), Avro::Double(x)),
            ("t".to_owned(), Avro::String(text.clone())),
            ("b".to_owned(), Avro::Bytes(bytes.clone())),
            ("i".to_owned(), Avro::Array(items.iter().map(|it| Avro::Int(*it)).collect())),
            ("u".to_owned(), union),
        ]);
        let read = there_and_back(&written, record);
        prop_assert_eq!(&read["n"], &json!(n));
        if x.is_finite() {
            prop_assert_eq!(read["x"].as_f64(), Some(x));
        }
        prop_assert_eq!(&read["t"], &json!(text));
        let as_text: String = bytes.iter().map(|it| char::from(*it)).collect();
        prop_assert_eq!(&read["b"], &json!(as_text));
        prop_assert_eq!(&read["i"], &json!(items));
        prop_assert_eq!(&read["u"], &if branch { json!(text) } else { json!(n) });
    }

    #[test]
    fn no_bytes_make_it_panic(record: Vec<u8>) {
        let written = json!({ "type": "record", "name": "R", "fields": [
            { "name": "m", "type": { "type": "map", "values": ["null", "R", "bytes", "float"] } },
            { "name": "a", "type": { "type": "array", "items": { "type": "enum", "name": "E", "symbols": ["A"] } } }
        ]});
        if let Ok(json) = schema(&written).json(&record) {
            prop_assert!(serde_json::from_slice::<Value>(&json).is_ok());
        }
    }
}
