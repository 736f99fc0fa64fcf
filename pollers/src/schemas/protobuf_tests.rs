//! Protobuf records as JSON: against `prost-reflect`'s own, and hostile ones.

use proptest::prelude::*;
use prost_reflect::prost::Message as _;
use prost_reflect::{DynamicMessage, SerializeOptions};
use serde_json::{Value, json};

use super::super::frame::Framing;
use super::super::registered::NamedText;
use super::super::wire::zigzag_bytes;
use super::ProtobufSchema;

const ORDER: &str = r#"
syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";

message Order {
  message Line {
    string item_name = 1;
    uint32 n = 2;
    message Part { bool is_heavy = 1; }
    repeated Part parts = 3;
  }
  int64 order_id = 1;
  repeated Line order_lines = 2;
  map<string, int32> tag_counts = 3;
  oneof way { string by_ship = 4; double byTrain = 5; }
  bytes seal = 6;
  Color color = 7;
  google.protobuf.Timestamp sent_at = 8;
  google.protobuf.StringValue note = 9;
  google.protobuf.Struct free = 10;
  google.protobuf.Any detail = 11;
  google.protobuf.Duration took = 12;
  float weight = 13;
  uint64 big = 14;
  optional int32 maybe = 15;
  repeated google.protobuf.Value values = 16;
  Order within = 17;
}
enum Color { NONE = 0; RED = 1; }
message Alone { int32 a = 1; }
"#;

fn order() -> ProtobufSchema {
    ProtobufSchema::compile(ORDER, &[]).unwrap()
}

/// A message of a schema by its full name, from its JSON.
fn message(schema: &ProtobufSchema, name: &str, json: &Value) -> DynamicMessage {
    let descriptor = schema.file.parent_pool().get_message_by_name(name).unwrap();
    DynamicMessage::deserialize(descriptor, json).unwrap()
}

fn confluent(path: &[i64], message: &DynamicMessage) -> Vec<u8> {
    let count = zigzag_bytes(path.len() as i64);
    let steps = path.iter().copied().flat_map(zigzag_bytes);
    count.into_iter().chain(steps).chain(message.encode_to_vec()).collect()
}

fn decoded(schema: &ProtobufSchema, framing: Framing, record: &[u8]) -> Result<Value, String> {
    schema.json(framing, record).map(|it| serde_json::from_slice(&it).unwrap())
}

/// As the crate writes it, with the names of the schema.
fn expected(message: &DynamicMessage) -> Value {
    let options = SerializeOptions::new().use_proto_field_name(true);
    let mut json = Vec::new();
    message.serialize_with_options(&mut serde_json::Serializer::new(&mut json), &options).unwrap();
    serde_json::from_slice(&json).unwrap()
}

fn whole_order() -> Value {
    json!({
        "order_id": "9223372036854775807",
        "order_lines": [
            { "item_name": "tea", "n": 2, "parts": [{ "is_heavy": true }, {}] }, { "item_name": "é\"" }
        ],
        "tag_counts": { "b": 2, "a": 1, "c": 0 },
        "byTrain": 0.5, "seal": "AP8=", "color": "RED", "sent_at": "2026-11-30T15:00:00.250Z",
        "note": "n", "free": { "x": [1.0, null, "s", { "y": true }] },
        "detail": { "@type": "type.googleapis.com/shop.Alone", "a": 7 },
        "took": "1.500s", "weight": 0.1, "big": "18446744073709551615", "maybe": 0,
        "values": [null, 1.0], "within": { "detail":
            { "@type": "type.googleapis.com/google.protobuf.Duration", "value": "3s" } }
    })
}

#[test]
fn a_message_is_the_json_that_protobuf_says_with_the_names_of_its_schema() {
    let schema = order();
    let message = message(&schema, "shop.Order", &whole_order());
    let record = [vec![0], message.encode_to_vec()].concat();
    let read = decoded(&schema, Framing::Confluent, &record).unwrap();
    assert_eq!(read, whole_order());
    assert_eq!(read, expected(&message));
    // The same each time, for maps as well.
    let text = String::from_utf8(schema.json(Framing::Confluent, &record).unwrap()).unwrap();
    assert!(text.contains(r#""tag_counts":{"a":1,"b":2,"c":0}"#), "{text}");
    for _ in 0..10 {
        assert_eq!(schema.json(Framing::Confluent, &record).unwrap(), text.as_bytes());
    }
}

#[test]
fn a_path_or_a_number_leads_to_a_message_within_others() {
    let schema = order();
    let part = message(&schema, "shop.Order.Line.Part", &json!({ "is_heavy": true }));
    let alone = message(&schema, "shop.Alone", &json!({ "a": 1 }));
    let read = |framing, record: &[u8]| decoded(&schema, framing, record);
    assert_eq!(read(Framing::Confluent, &confluent(&[0, 0, 0], &part)), Ok(json!({ "is_heavy": true })));
    assert_eq!(read(Framing::Confluent, &confluent(&[1], &alone)), Ok(json!({ "a": 1 })));
    let line = message(&schema, "shop.Order.Line", &json!({ "n": 3 }));
    assert_eq!(read(Framing::Confluent, &confluent(&[0, 0], &line)), Ok(json!({ "n": 3 })));
    // By name: Alone, Order, Order.Line, Order.Line.Part, Order.TagCountsEntry.
    for (number, message, json) in [
        (0, &alone, json!({ "a": 1 })),
        (3, &part, json!({ "is_heavy": true })),
        (2, &line, json!({ "n": 3 })),
    ] {
        let record = [vec![number], message.encode_to_vec()].concat();
        assert_eq!(read(Framing::Glue, &record), Ok(json));
    }
    // A compiler makes a message of each map: Confluent's library does not count it, and Glue's does.
    let text = "syntax = \"proto3\"; message M { map<string, int32> a = 1; message Z { int32 z = 1; } }";
    let with_map = ProtobufSchema::compile(text, &[]).unwrap();
    assert_eq!(decoded(&with_map, Framing::Confluent, &[4, 0, 0, 8, 7]), Ok(json!({ "z": 7 })));
    assert_eq!(decoded(&with_map, Framing::Glue, &[2, 8, 7]), Ok(json!({ "z": 7 })));
    for path in [&[2][..], &[0, 9], &[0, 0, 0, 0], &[-1]] {
        let error = read(Framing::Confluent, &confluent(path, &part)).unwrap_err();
        assert!(error.contains("does not have") || error.contains("is -1"), "{error}");
    }
    assert!(read(Framing::Glue, &[5]).unwrap_err().contains("does not have"));
}

#[test]
fn schemas_import_each_other_and_what_google_and_confluent_have() {
    let import = |name: &str, text: &str| NamedText { name: name.to_owned(), text: text.to_owned() };
    let root = r#"
        syntax = "proto3";
        import "shop/line.proto";
        import "confluent/meta.proto";
        import "confluent/type/decimal.proto";
        message Order {
          shop.Line line = 1 [(confluent.field_meta) = { doc: "the line" }];
          confluent.type.Decimal price = 2;
        }
    "#;
    let line = import(
        "shop/line.proto",
        "syntax = \"proto3\"; package shop; import \"unit.proto\"; message Line { Unit unit = 1; }",
    );
    let unit = import("unit.proto", "syntax = \"proto3\"; enum Unit { NONE = 0; KG = 1; }");
    let schema = ProtobufSchema::compile(root, &[line.clone(), unit]).unwrap();
    let json = json!({ "line": { "unit": "KG" }, "price": { "value": "AQ==", "scale": 2 } });
    let record = confluent(&[], &message(&schema, "Order", &json));
    assert_eq!(decoded(&schema, Framing::Confluent, &record), Ok(json));
    assert!(ProtobufSchema::compile(root, &[line]).unwrap_err().contains("unit.proto"));
    for (text, part) in [
        ("", "no message"),
        ("syntax = \"proto3\"; message A { B b = 1; }", "B"),
        ("message {", "expected"),
        ("syntax = \"proto3\"; import \"etc/passwd\"; message A {}", "passwd"),
        ("syntax = \"proto3\"; import \"/etc/passwd\"; message A {}", ""),
        ("syntax = \"proto3\"; import \"schema-of-the-record.proto\"; message A {}", "cycle"),
    ] {
        let error = ProtobufSchema::compile(text, &[]).unwrap_err();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn old_schemas_have_groups_extensions_and_numbers_without_names() {
    let text = r#"
        syntax = "proto2";
        package old;
        message M {
          required int32 a = 1;
          optional group Inner = 2 { optional string s = 1; }
          extensions 100 to 200;
          optional E e = 3 [default = Y];
        }
        enum E { X = 0; Y = 1; }
        extend M { optional int32 extra = 100; }
    "#;
    let schema = ProtobufSchema::compile(text, &[]).unwrap();
    let json = json!({ "a": 1, "inner": { "s": "t" }, "[old.extra]": 5 });
    let record = confluent(&[0], &message(&schema, "old.M", &json));
    assert_eq!(decoded(&schema, Framing::Confluent, &record), Ok(json));
    let open = ProtobufSchema::compile("syntax = \"proto3\"; enum E { X = 0; } message M { E e = 1; }", &[]);
    assert_eq!(decoded(&open.unwrap(), Framing::Confluent, &[0, 8, 9]), Ok(json!({ "e": 9 })));
}

#[test]
fn hostile_records_end_with_an_error() {
    let schema = order();
    let error = |record: &[u8]| decoded(&schema, Framing::Confluent, record).unwrap_err();
    assert!(error(&[]).contains("too early"));
    assert!(error(&[0xff; 12]).contains("64 bits"));
    // A path of more steps than the record has bytes.
    assert!(error(&zigzag_bytes(i64::MAX)).contains("too early"));
    assert!(error(&[0, 0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]).contains("no such message"));
    // Messages within messages, `Order.within` a hundred times over.
    let mut nested = Vec::new();
    for _ in 0..5_000 {
        nested = [vec![0x8a, 1], varint(nested.len()), nested].concat();
    }
    assert!(error(&[vec![0], nested].concat()).contains("recursion"));
}

fn varint(n: usize) -> Vec<u8> {
    let mut left = n;
    let mut bytes = Vec::new();
    while left >= 0x80 {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes
}

#[test]
fn an_any_within_an_any_without_end_ends() {
    let schema = order();
    let url = b"/google.protobuf.Any";
    let within = |value: Vec<u8>| {
        let head = [&[0x0a, url.len() as u8][..], url].concat();
        [head, vec![0x12], varint(value.len()), value].concat()
    };
    let nested = (0..20_000).fold(Vec::new(), |nested, _| within(nested));
    let record = [vec![0, 0x5a], varint(nested.len()), nested].concat();
    let error = decoded(&schema, Framing::Confluent, &record).unwrap_err();
    assert!(error.contains("nested deeper"), "{error}");
}

#[test]
fn a_schema_that_is_nested_too_deep_is_refused() {
    let deep = format!("syntax = \"proto3\"; {}", "message A { ".repeat(100_000));
    assert!(ProtobufSchema::compile(&deep, &[]).unwrap_err().contains("nested deeper"));
    let deep = format!("syntax = \"proto3\"; {}{}", "message A { ".repeat(20), "}".repeat(20));
    assert!(ProtobufSchema::compile(&deep, &[]).is_ok());
}

proptest! {
    #[test]
    fn what_was_encoded_is_there_again(id: i64, names: Vec<String>, seal: Vec<u8>, x: f64) {
        let schema = order();
        let lines: Vec<Value> = names.iter().map(|it| json!({ "item_name": it })).collect();
        let mut message = message(&schema, "shop.Order", &json!({ "order_lines": lines }));
        message.set_field_by_name("order_id", prost_reflect::Value::I64(id));
        message.set_field_by_name("seal", prost_reflect::Value::Bytes(seal.into()));
        message.set_field_by_name("byTrain", prost_reflect::Value::F64(x));
        let read = decoded(&schema, Framing::Confluent, &confluent(&[], &message)).unwrap();
        prop_assert_eq!(read, expected(&message));
    }

    #[test]
    fn no_bytes_make_it_panic(record: Vec<u8>) {
        let _ = order().json(Framing::Confluent, &[&[0][..], &record].concat());
        let _ = order().json(Framing::Glue, &record);
    }
}
