//! Documents in three languages: one tree, exact places, clear refusals, and no input that breaks the reader.

use std::fmt::Write as _;
use std::path::Path;

use expect_test::{Expect, expect};
use forebay_config::{Document, Format, Node, Value};
use proptest::prelude::*;

fn show(node: &Node, indent: usize, out: &mut String) {
    let place = format!("{}:{} {:?}", node.place.line, node.place.column, node.place.span);
    match &node.value {
        Value::List(nodes) => {
            writeln!(out, "list {place}").unwrap();
            for node in nodes {
                write!(out, "{:indent$}- ", "").unwrap();
                show(node, indent + 2, out);
            }
        }
        Value::Map(entries) => {
            writeln!(out, "map {place}").unwrap();
            for (key, node) in entries {
                write!(out, "{:indent$}{} {}:{} = ", "", key.name, key.place.line, key.place.column).unwrap();
                show(node, indent + 2, out);
            }
        }
        scalar => writeln!(out, "{scalar:?} {place}").unwrap(),
    }
}

fn read(text: &str, format: Format) -> String {
    let mut out = String::new();
    match Document::parse("f", text, format, Path::new("")) {
        Ok(document) => show(&document.root, 0, &mut out),
        Err(findings) => {
            assert!(!findings.is_empty());
            for it in findings {
                let also = it
                    .also
                    .map(|(place, what)| format!(" [{what} {}:{}]", place.line, place.column))
                    .unwrap_or_default();
                writeln!(out, "{} {}:{} {}{also}", it.code, it.place.line, it.place.column, it.message)
                    .unwrap();
            }
        }
    }
    out
}

fn check(text: &str, format: Format, expected: &Expect) {
    expected.assert_eq(&read(text, format));
}

#[test]
fn yaml_gives_a_tree_with_places() {
    check(
        "# comment\nname: é\nsizes: [1, 0x10, '3']\nnested:\n  - on: true\n    off: ~\n  - |\n    text\nempty:\n",
        Format::Yaml,
        &expect![[r#"
            map 2:1 10..18
            name 2:1 = String("é") 2:7 16..18
            sizes 3:1 = list 3:8 26..40
              - Number("1") 3:9 27..28
              - Number("0x10") 3:12 30..34
              - String("3") 3:18 36..39
            nested 4:1 = list 5:3 51..61
              - map 5:5 53..61
                on 5:5 = Bool(true) 5:9 57..61
                off 6:5 = Null 6:10 71..72
              - String("text\n") 8:5 83..88
            empty 9:1 = Null 9:6 93..93
        "#]],
    );
}

#[test]
fn json_gives_a_tree_with_places() {
    check(
        "{\n\t\"a\": [1.50, -0, 12345678901234567890123, true, null],\n\t\"\\u00e9\": \"\\ud83d\\ude00\\/\\n\",\n\t\"e\": {}, \"l\": []\n}\n",
        Format::Json,
        &expect![[r#"
            map 1:1 0..1
            a 2:2 = list 2:7 8..55
              - Number("1.50") 2:8 9..13
              - Number("-0") 2:14 15..17
              - Number("12345678901234567890123") 2:18 19..42
              - Bool(true) 2:43 44..48
              - Null 2:49 50..54
            é 3:2 = String("😀/\n") 3:12 68..86
            e 4:2 = map 4:7 94..96
            l 4:11 = list 4:16 103..105
        "#]],
    );
}

#[test]
fn toml_gives_a_tree_in_the_order_written() {
    check(
        "z = 1_000\nat = 2024-01-01T00:00:00Z\n[functions.b]\ntimeout = 0x10\n[[event_source_mappings]]\nname = 'x'\nsource.file.path = \"p\"\nwindow = 0.5\n[functions.a]\n",
        Format::Toml,
        &expect![[r#"
            map 1:1 0..0
            z 1:1 = Number("1000") 1:5 4..9
            at 2:1 = String("2024-01-01T00:00:00Z") 2:6 15..35
            functions 3:2 = map 3:2 37..46
              b 3:12 = map 3:1 36..49
                timeout 4:1 = Number("0x10") 4:11 60..64
              a 9:12 = map 9:1 138..151
            event_source_mappings 5:3 = list 5:1 65..90
              - map 5:1 65..90
                name 6:1 = String("x") 6:8 98..101
                source 7:1 = map 7:1 102..108
                  file 7:8 = map 7:8 109..113
                    path 7:13 = String("p") 7:20 121..124
                window 8:1 = Number("0.5") 8:10 134..137
        "#]],
    );
}

#[test]
fn a_tab_parts_a_key_from_its_value_as_a_space_does() {
    let with_spaces = |text: &str| text.replace('\t', " ");
    for text in [
        "key:\tvalue\n",
        "key:\t\tvalue\t# said\n",
        "key: \tvalue\n",
        "a:\t-5\nb:\t_c\nc:\t\"d\"\nd:\t[e,\tf]\n",
        "a:\n  b:\tc\n  d:\te f\tg\n",
        "a:\t&x b\nc:\t*x\n",
        "a:\t!!str b\n",
        "a:\t|\n  b\n",
        "a:\t# said\n  b: c\n",
        "{a:\tb,\tc:\td}\n",
        "-\ta\n-\tb: c\n",
        "- a:\tb\n  c:\td\n",
        "? a\n:\tb\n",
    ] {
        let (tabs, spaces) = (read(text, Format::Yaml), read(&with_spaces(text), Format::Yaml));
        // A tab within a text stays one.
        assert_eq!(with_spaces(&tabs).replace("\\t", " "), spaces, "{text:?}");
        assert!(!tabs.contains("FB-"), "{text:?}: {tabs}");
    }
    // What may not stand behind a key in its line may not stand there behind a tab either, and what is wrong
    // has its place.
    let mut out = String::new();
    for text in ["a:\t- b\n", "a:\tb: c\n", "a:\n\tb: c\n", "a:\tb\n\tc: d\n", "a:\tb\nc:\t!secret d\n"] {
        write!(out, "{text:?}: {}", read(text, Format::Yaml)).unwrap();
    }
    expect![[r#"
        "a:\t- b\n": FB-0101 1:4 this is no YAML: block sequence entries are not allowed in this context
        "a:\tb: c\n": FB-0101 1:5 this is no YAML: mapping values are not allowed in this context
        "a:\n\tb: c\n": FB-0101 2:2 this is no YAML: tabs disallowed within this context (block indentation)
        "a:\tb\n\tc: d\n": FB-0101 1:4 this is no YAML: while scanning a plain scalar, found a tab
        "a:\tb\nc:\t!secret d\n": FB-0101 2:4 the tag `!secret` does not fit here
    "#]]
    .assert_eq(&out);
}

#[test]
fn aliases_repeat_values() {
    check(
        "a: &x {k: [1]}\nb: *x\nc: &s text\nd: *s\n",
        Format::Yaml,
        &expect![[r#"
        map 1:1 0..14
        a 1:1 = map 1:4 3..14
          k 1:8 = list 1:11 10..13
            - Number("1") 1:12 11..12
        b 2:1 = map 1:4 3..14
          k 1:8 = list 1:11 10..13
            - Number("1") 1:12 11..12
        c 3:1 = String("text") 3:4 24..31
        d 4:1 = String("text") 3:4 24..31
    "#]],
    );
}

#[test]
fn what_a_document_may_not_be_is_refused_with_its_place() {
    let cases = [
        ("duplicate", "a: 1\nb:\n  c: 1\n  c: 2\na: 3\n"),
        ("two documents", "a: 1\n---\nb: 2\n"),
        ("tab", "a:\n\tb: 1\n"),
        ("unclosed", "a: [1, 2\n"),
        ("merge", "a: &x {k: 1}\nb:\n  <<: *x\n"),
        ("tag", "a: !secret x\nb: !!int abc\nc: !!str 5\n"),
        ("map as key", "{a: 1}: 2\n"),
        ("alias as key", "a: &x k\n*x : 2\n"),
        ("cyclic alias", "a: &x [1, *x]\n"),
        ("unknown alias", "a: *nope\n"),
        ("nul", "a: \"x\0y\"\n"),
        ("bad escape", "a: \"\\q\"\n"),
    ];
    let mut out = String::new();
    for (name, text) in cases {
        write!(out, "{name}: {}", read(text, Format::Yaml)).unwrap();
    }
    expect![[r#"
        duplicate: FB-0102 4:3 the key `c` is written twice in this map [first written here 3:3]
        FB-0102 5:1 the key `a` is written twice in this map [first written here 1:1]
        two documents: FB-0101 2:1 a second document begins here; a config file holds one
        tab: FB-0101 2:2 this is no YAML: tabs disallowed within this context (block indentation)
        unclosed: FB-0101 2:1 this is no YAML: while parsing a flow sequence, expected ',' or ']'
        merge: FB-0101 3:3 merge keys (`<<`) are no part of YAML 1.2; write the settings out
        tag: FB-0101 1:4 the tag `!secret` does not fit here
        FB-0101 2:4 the tag `tag:yaml.org,2002:!int` does not fit here
        map as key: FB-0101 1:1 a key must be text, not a map or list
        alias as key: FB-0101 2:1 a key must be text, not an alias
        cyclic alias: FB-0101 1:11 this alias stands inside the value that it repeats
        unknown alias: FB-0101 1:4 this is no YAML: while parsing node, found unknown anchor
        nul: FB-0101 1:6 the document holds a NUL character
        bad escape: FB-0101 1:4 this is no YAML: while parsing a quoted scalar, found unknown escape character
    "#]]
    .assert_eq(&out);
}

#[test]
fn json_and_toml_mistakes_have_their_places() {
    let mut out = String::new();
    for text in [
        "{\"a\": 1,}",
        "{\"a\": 1 \"b\"}",
        "[1,]",
        "{a: 1}",
        "{\"a\" 1}",
        "{\"a\": 01}",
        "\"x",
        "\"\\ud83d\"",
        "\"a\nb\"",
        "[1",
        "{} x",
        "'a'",
        "{\"a\": 1, \"a\": 2}",
        "nul",
        "\u{feff}[é]",
        "-",
        "1e",
    ] {
        write!(out, "{text:?}: {}", read(text, Format::Json)).unwrap();
    }
    for text in ["a = 1\na = 2\n", "a = \n", "a = [1\n", "[a]\n[a]\n", "\u{feff}é = 1", "a = 1979-13-01"] {
        write!(out, "{text:?}: {}", read(text, Format::Toml)).unwrap();
    }
    expect![[r#"
        "{\"a\": 1,}": FB-0101 1:9 a comma stands before the end; remove it
        "{\"a\": 1 \"b\"}": FB-0101 1:9 `,` or `}` is expected here
        "[1,]": FB-0101 1:4 a comma stands before the end; remove it
        "{a: 1}": FB-0101 1:2 a key in quotes is expected here
        "{\"a\" 1}": FB-0101 1:6 `:` is expected here
        "{\"a\": 01}": FB-0101 1:7 this number is no JSON
        "\"x": FB-0101 1:1 this text has no closing quote
        "\"\\ud83d\"": FB-0101 1:1 this text is no JSON: a control character or an escape that JSON does not know
        "\"a\nb\"": FB-0101 1:1 this text is no JSON: a control character or an escape that JSON does not know
        "[1": FB-0101 1:3 the document ends too early
        "{} x": FB-0101 1:4 nothing may follow the value
        "'a'": FB-0101 1:1 a value is expected here
        "{\"a\": 1, \"a\": 2}": FB-0102 1:10 the key `a` is written twice in this map [first written here 1:2]
        "nul": FB-0101 1:1 a value is expected here
        "\u{feff}[é]": FB-0101 1:3 a value is expected here
        "-": FB-0101 1:1 this number is no JSON
        "1e": FB-0101 1:1 this number is no JSON
        "a = 1\na = 2\n": FB-0102 2:1 this key is written twice in its table
        "a = \n": FB-0101 1:5 this is no TOML: string values must be quoted, expected literal string
        "a = [1\n": FB-0101 1:7 this is no TOML: unclosed array, expected `]`
        "[a]\n[a]\n": FB-0102 2:2 this key is written twice in its table
        "\u{feff}é = 1": FB-0101 1:2 this is no TOML: invalid unquoted key, expected letters, numbers, `-`, `_`
        "a = 1979-13-01": FB-0101 1:5 this is no TOML: invalid date, expected month between 01 and 12
    "#]]
    .assert_eq(&out);
}

#[test]
fn an_empty_document_is_null() {
    for format in [Format::Yaml, Format::Json] {
        assert_eq!(read("", format), "Null 1:1 0..0\n");
        assert_eq!(read("\n  \n", format), "Null 1:1 0..0\n");
    }
    assert_eq!(read("# nothing\n", Format::Yaml), "Null 1:1 0..0\n");
    assert!(read("", Format::Toml).starts_with("map"));
}

#[test]
fn hostile_documents_are_refused_and_break_nothing() {
    let bomb = {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..20 {
            let aliases = vec![format!("*a{}", n - 1); 10].join(", ");
            writeln!(text, "a{n}: &a{n} [{aliases}]").unwrap();
        }
        text
    };
    let deep_aliases = {
        let mut text = "a0: &a0 [x]\n".to_owned();
        for n in 1..100 {
            writeln!(text, "a{n}: &a{n} [*a{}]", n - 1).unwrap();
        }
        text
    };
    let block = |n: usize| (0..n).map(|depth| format!("{:depth$}a:\n", "")).collect::<String>();
    let cases = [
        ("flow yaml", "[".repeat(1_000_000), Format::Yaml),
        ("flow map yaml", "{a: ".repeat(1_000_000), Format::Yaml),
        ("block yaml", block(1000), Format::Yaml),
        ("sequence yaml", "- ".repeat(100_000), Format::Yaml),
        ("question yaml", "? ".repeat(100_000), Format::Yaml),
        ("bomb", bomb, Format::Yaml),
        ("deep aliases", deep_aliases, Format::Yaml),
        ("deep json", "[".repeat(1_000_000), Format::Json),
        ("deep json map", "{\"a\":".repeat(100_000), Format::Json),
        ("deep toml", format!("a = {}", "[".repeat(1_000_000)), Format::Toml),
        ("deep toml keys", format!("{} = 1", vec!["a"; 1_000_000].join(".")), Format::Toml),
        ("deep toml inline", format!("a = {}", "{a = ".repeat(100_000)), Format::Toml),
        (
            "deep toml mixed",
            format!("a = {}", format!("{{{} = ", vec!["a"; 70].join(".")).repeat(70)),
            Format::Toml,
        ),
        ("10 MB string", format!("a: \"{}\"", "x".repeat(10_000_000)), Format::Yaml),
        ("many values", format!("[{}]", "1,".repeat(600_000)), Format::Yaml),
        ("many duplicates", "a: 1\n".repeat(100_000), Format::Yaml),
    ];
    let mut out = String::new();
    for (name, text, format) in cases {
        let found = read(&text, format);
        let first = found.lines().next().unwrap();
        writeln!(out, "{name}: {} of {}", first, found.lines().count()).unwrap();
    }
    expect![[r#"
        flow yaml: FB-0103 1:256 more than 64 maps and lists stand inside one another of 1
        flow map yaml: FB-0103 1:1021 more than 64 maps and lists stand inside one another of 1
        block yaml: FB-0103 65:65 more than 64 maps and lists stand inside one another of 1
        sequence yaml: FB-0103 1:129 more than 64 maps and lists stand inside one another of 1
        question yaml: FB-0101 1:3 a key must be text, not a map or list of 1
        bomb: FB-0103 6:25 the document holds more than 500000 values, what aliases repeat counted each time of 1
        deep aliases: FB-0103 64:12 with this alias more than 64 maps and lists stand inside one another of 1
        deep json: FB-0103 1:65 more than 64 maps and lists stand inside one another of 1
        deep json map: FB-0103 1:321 more than 64 maps and lists stand inside one another of 1
        deep toml: FB-0103 1:85 too many tables and lists stand inside one another of 20
        deep toml keys: FB-0103 1:1 too many tables and lists stand inside one another of 1
        deep toml inline: FB-0103 1:405 too many tables and lists stand inside one another of 20
        deep toml mixed: FB-0101 1:10014 this is no TOML: unclosed inline table, expected `}` of 20
        10 MB string: FB-0103 1:1 the document has 10000005 bytes; 4194304 is the most of 1
        many values: FB-0103 1:1000002 the document holds more than 500000 values, what aliases repeat counted each time of 1
        many duplicates: FB-0102 2:1 the key `a` is written twice in this map [first written here 1:1] of 20
    "#]]
    .assert_eq(&out);
}

#[test]
fn the_deepest_document_allowed_is_read() {
    let nested = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
    for format in [Format::Yaml, Format::Json] {
        assert!(Document::parse("f", &nested(64), format, Path::new("")).is_ok());
        assert!(Document::parse("f", &nested(65), format, Path::new("")).is_err());
    }
    let toml = |n: usize| format!("a = {}", nested(n));
    assert!(Document::parse("f", &toml(63), Format::Toml, Path::new("")).is_ok());
    assert!(Document::parse("f", &toml(64), Format::Toml, Path::new("")).is_err());
}

#[test]
fn a_large_document_on_one_line_is_read_in_linear_time() {
    // Quadratic places would need 10^11 steps here: minutes instead of a blink.
    let text = format!("[{}1]", "\"é\",".repeat(300_000));
    assert!(Document::parse("f", &text, Format::Json, Path::new("")).is_ok());
}

#[test]
fn the_extension_tells_the_format() {
    for (path, format) in [
        ("a.json", Format::Json),
        ("a.TOML", Format::Toml),
        ("a.yaml", Format::Yaml),
        ("a", Format::Yaml),
        ("-", Format::Yaml),
    ] {
        assert_eq!(Format::of_path(Path::new(path)), format);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_breaks_a_reader(text in "[-:,{}\\[\\]\"'&*!|>#?%@`~. \\n\\r\\tab01é日\\\\=\u{feff}\u{85}]{0,60}|\\PC{0,60}") {
        for format in [Format::Yaml, Format::Json, Format::Toml] {
            read(&text, format);
        }
    }

    #[test]
    fn json_means_what_serde_json_says(text in "[-:,{}\\[\\]\"0123.eE+ \\\\unltrfas]{0,30}|(\\[(\"[a-z]{0,3}\"|-?[0-9]{1,3}|true|null|,| ){0,6}\\])") {
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        let ours = Document::parse("f", &text, Format::Json, Path::new(""));
        match ours {
            Ok(document) if !text.trim_matches([' ', '\t', '\n', '\r']).is_empty() => {
                // Numbers beyond f64 are text to us and an error to serde_json.
                prop_assert!(theirs.is_ok() || theirs.unwrap_err().to_string().contains("number out of range"), "{:?}", document.root);
            }
            Ok(_) => {}
            Err(findings) => prop_assert!(theirs.is_err() || findings[0].message.contains("twice"), "{:?}", findings),
        }
    }
}
