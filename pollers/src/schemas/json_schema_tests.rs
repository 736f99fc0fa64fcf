//! JSON records against their schemas, and hostile ones.

use serde_json::{Value, json};

use super::super::registered::NamedText;
use super::JsonSchema;

fn schema(schema: &Value) -> JsonSchema {
    JsonSchema::parse(&schema.to_string(), &[]).unwrap()
}

fn reference(name: &str, schema: &Value) -> NamedText {
    NamedText { name: name.to_owned(), text: schema.to_string() }
}

#[test]
fn a_record_fits_its_schema_or_is_told_where_it_does_not() {
    let schema = schema(&json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object", "required": ["id"],
        "properties": { "id": { "type": "integer", "minimum": 1 }, "tags": { "items": { "type": "string" } } }
    }));
    assert_eq!(schema.check(br#" {"id": 5, "tags": ["a"], "more": null} "#), Ok(()));
    for (record, part) in [
        (&br#"{"id": 0}"#[..], "`/id` breaks the rule at `/properties/id/minimum`"),
        (br#"{"id": 1, "tags": ["a", 5]}"#, "`/tags/1` breaks"),
        (br#"{}"#, "`` breaks the rule at `/required`"),
        (br#"{"id": "hunter2"}"#, "`/id` breaks"),
        (br#"{"id": hunter2}"#, "it is no JSON: it is not well formed in line 1, column 8"),
        (br#"{"id": 1"#, "ends too early"),
        (b"\xff", "it is no JSON"),
        (b"", "ends too early"),
    ] {
        let error = schema.check(record).unwrap_err();
        assert!(error.contains(part), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn schemas_refer_to_those_that_the_registry_gives_along_and_to_no_others() {
    let person = json!({ "type": "object", "properties": { "home": { "$ref": "address.json" } } });
    let address = json!({ "type": "object", "properties": { "city": { "$ref": "types.json#/$defs/name" } } });
    let types = json!({ "$defs": { "name": { "type": "string" } } });
    let references = [reference("address.json", &address), reference("types.json", &types)];
    let schema = JsonSchema::parse(&person.to_string(), &references).unwrap();
    assert_eq!(schema.check(br#"{"home": {"city": "Bonn"}}"#), Ok(()));
    assert!(schema.check(br#"{"home": {"city": 5}}"#).unwrap_err().contains("/home/city"));
    // A base of its own goes before the names of the others.
    let based = json!({ "$id": "http://schemas.invalid/a/person.json", "$ref": "address.json" });
    let schema = JsonSchema::parse(&based.to_string(), &references).unwrap();
    assert!(schema.check(br#"{"city": 5}"#).is_err());
    let alone = JsonSchema::parse(&person.to_string(), &references[..1]);
    assert!(alone.is_err());
    let file = json!({ "$ref": "file:///etc/passwd" });
    assert!(JsonSchema::parse(&file.to_string(), &[]).is_err());
    assert!(JsonSchema::parse("{", &[]).is_err());
    assert!(JsonSchema::parse(r#"{"type": 5}"#, &[]).is_err());
}

#[test]
fn a_schema_that_refers_to_itself_checks_what_is_nested_and_ends() {
    let tree = schema(&json!({
        "type": "object", "properties": { "kids": { "type": "array", "items": { "$ref": "#" } } }
    }));
    assert_eq!(tree.check(br#"{"kids": [{"kids": [{}]}]}"#), Ok(()));
    assert!(tree.check(br#"{"kids": [{"kids": [5]}]}"#).is_err());
    for circle in [
        json!({ "$ref": "#" }),
        json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } } }),
        json!({ "allOf": [{ "$ref": "#" }], "anyOf": [{ "$ref": "#" }, { "not": { "$ref": "#" } }] }),
        json!({ "$dynamicRef": "#a", "$defs": { "a": { "$dynamicAnchor": "a", "$dynamicRef": "#a" } } }),
    ] {
        // Whether it lets everything through or nothing; it ends.
        let _ = JsonSchema::parse(&circle.to_string(), &[]).map(|it| it.check(b"{}"));
    }
    let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    assert!(tree.check(&deep).unwrap_err().contains("it is no JSON"));
}

/// The deepest record that is taken, by the schema that goes furthest down for each value of it, on a stack
/// of half the size that a thread has.
#[test]
fn the_deepest_that_is_taken_fits_into_half_a_stack() {
    let check = |chain: usize, depth: usize| {
        let defs: serde_json::Map<String, Value> = (0..chain)
            .map(|it| {
                let next = json!({ "$ref": format!("#/$defs/d{}", it + 1) });
                // Each of the ways down.
                let way =
                    if it % 2 == 0 { json!({ "allOf": [next] }) } else { json!({ "anyOf": [next, false] }) };
                (format!("d{it}"), way)
            })
            .chain([(format!("d{chain}"), json!({ "properties": { "a": { "$ref": "#" } } }))])
            .collect();
        let text = json!({ "$ref": "#/$defs/d0", "$defs": defs }).to_string();
        let record = format!("{}0{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        let run = move || JsonSchema::parse(&text, &[]).and_then(|it| it.check(record.as_bytes()));
        std::thread::Builder::new().stack_size(1 << 20).spawn(run).unwrap().join().unwrap()
    };
    for chain in [1, 10, 50, 90] {
        let taken = (1..=100).take_while(|depth| check(chain, *depth).is_ok()).last().unwrap_or(0);
        assert!(taken >= 4, "{taken} with {chain}");
    }
    assert!(check(1, 100).is_ok(), "a schema that goes straight down takes whatever is taken at all");
}
