//! The bound of the work: adversarial patterns of 4 KB on adversarial records of 1 MB, asserted in steps.
//!
//! Run with `--nocapture` to see the steps and the processor time of each pair.

use forebay_config::pattern::{PATTERN_CHARS_MAX, ParseOptions, Pattern, View};

const RECORD_BYTES: usize = 1 << 20;

/// `open`, then as many pieces as fit, then `close`; a pattern when short, a record when long.
fn fill(n_bytes: usize, open: &str, close: &str, separator: &str, piece: impl Fn(usize) -> String) -> String {
    let mut text = open.to_owned();
    for idx in 0.. {
        let piece = piece(idx);
        if text.len() + piece.len() + separator.len() + close.len() > n_bytes {
            break;
        }
        if idx > 0 {
            text.push_str(separator);
        }
        text.push_str(&piece);
    }
    text + close
}

fn pattern(open: &str, close: &str, piece: impl Fn(usize) -> String) -> String {
    fill(PATTERN_CHARS_MAX, open, close, ",", piece)
}

/// A pattern of a shape, and how many alternatives and bytes of text its bound may count on.
fn patterns() -> Vec<(&'static str, String)> {
    let ten_times =
        |piece: &str| (0..8).map(|idx| piece.replace('#', &idx.to_string())).collect::<Vec<_>>().join(",");
    let product = ten_times(r#""p#":{"$or":[{"a":[1],"c":[9]},{"b":[2],"c":[9]}]}"#);
    vec![
        ("one field", r#"{"x":{"a":["never"]}}"#.to_owned()),
        ("many fields", pattern(r#"{"x":{"#, "}}", |idx| format!(r#""k{idx}":[1]"#))),
        ("many numbers", pattern(r#"{"x":{"a":["#, r#"],"zz":[1]}}"#, |idx| format!("{}", idx + 10))),
        ("many texts", pattern(r#"{"x":{"a":["#, r#"],"zz":[1]}}"#, |idx| format!(r#""aa{idx}""#))),
        (
            "wildcards",
            pattern(r#"{"x":{"a":["#, r#"],"zz":[1]}}"#, |idx| format!(r#"{{"wildcard":"*a*a*a*b{idx}"}}"#)),
        ),
        (
            "one long wildcard",
            format!(r#"{{"x":{{"a":[{{"wildcard":"*{}*b"}}],"zz":[1]}}}}"#, "a".repeat(4040)),
        ),
        (
            "ignoring case",
            pattern(r#"{"x":{"a":["#, r#"],"zz":[1]}}"#, |idx| {
                format!(r#"{{"suffix":{{"equals-ignore-case":"A{idx}"}}}}"#)
            }),
        ),
        (
            "anything but",
            pattern(r#"{"x":{"a":["#, r#"],"zz":[1]}}"#, |idx| {
                format!(r#"{{"anything-but":{{"prefix":["a","{idx}"]}}}}"#)
            }),
        ),
        (
            "networks",
            pattern(r#"{"x":{"a":["#, r#"],"zz":[1]}}"#, |idx| format!(r#"{{"cidr":"10.0.{idx}.0/24"}}"#)),
        ),
        (
            "branches of $or",
            pattern(r#"{"y":[1],"$or":["#, "]}", |idx| format!(r#"{{"x":{{"a":[{idx}],"k{idx}":[1]}}}}"#)),
        ),
        (
            "branches, one without x",
            pattern(r#"{"$or":[{"y":[1]},"#, "]}", |idx| format!(r#"{{"x":{{"a":[{idx}],"k{idx}":[1]}}}}"#)),
        ),
        ("products of $or", format!(r#"{{"x":{{{product}}},"$or":[{{"x":{{"a":[1]}}}},{{"y":[1]}}]}}"#)),
        (
            "nested $or",
            (0..28).fold(r#"{"z":[1]}"#.to_owned(), |inner, idx| {
                format!(r#"{{"x":{{"k{idx}":[1]}},"$or":[{inner},{{"x":{{"a":[{idx}]}}}}]}}"#)
            }),
        ),
        ("absence", pattern(r#"{"x":{"#, "}}", |idx| format!(r#""k{idx}":[{{"exists":false}},1]"#))),
        ("empty names", format!(r#"{{"{}":[1],"x":{{"a":[1]}}}}"#, ".".repeat(127))),
        ("deep path", format!(r#"{{"x":{{"{}":[1]}}}}"#, vec!["a"; 120].join("."))),
    ]
}

fn records() -> Vec<(&'static str, String)> {
    let record = |open: &str, close: &str, piece: &dyn Fn(usize) -> String| {
        fill(RECORD_BYTES, open, close, ",", piece)
    };
    let half = RECORD_BYTES / 2;
    vec![
        ("a long text of a", format!(r#"{{"x":{{"a":"{}"}}}}"#, "a".repeat(RECORD_BYTES - 20))),
        (
            "a long text of escapes",
            format!(r#"{{"x":{{"a":"{}"}}}}"#, r"\u0061".repeat((RECORD_BYTES - 20) / 6)),
        ),
        ("many numbers", record(r#"{"x":{"a":["#, "]}}", &|idx| (idx % 10).to_string())),
        ("many short texts", record(r#"{"x":{"a":["#, "]}}", &|_| r#""a""#.to_owned())),
        ("many objects", record(r#"{"x":["#, "]}", &|idx| format!(r#"{{"a":{}}}"#, idx % 10))),
        ("many objects of texts", record(r#"{"x":["#, "]}", &|_| r#"{"a":"aaaa"}"#.to_owned())),
        (
            "many pairs",
            record(r#"{"x":["#, "]}", &|idx| format!(r#"{{"k{}":1,"k{}":1}}"#, idx % 300, idx % 7)),
        ),
        ("many fields", record(r#"{"x":{"#, "}}", &|idx| format!(r#""k{}":1"#, idx % 400))),
        (
            "products",
            record(r#"{"x":["#, "]}", &|idx| format!(r#"{{"p{}":[{{"a":1,"c":9}},{{"b":2}}]}}"#, idx % 9)),
        ),
        (
            "addresses",
            record(r#"{"x":{"a":["#, "]}}", &|idx| format!(r#""10.1.{}.{}""#, idx % 256, idx / 256 % 256)),
        ),
        ("deep arrays", format!(r#"{{"x":{}{}}}"#, "[".repeat(half - 10), "]".repeat(half - 10))),
        (
            "deep objects",
            format!(
                r#"{{"x":{}1{}}}"#,
                r#"{"a":"#.repeat(RECORD_BYTES / 6 - 10),
                "}".repeat(RECORD_BYTES / 6 - 10)
            ),
        ),
        (
            "deep choices",
            format!(
                r#"{{"x":{}1{}}}"#,
                r#"[{"a":"#.repeat(RECORD_BYTES / 8 - 10),
                "}]".repeat(RECORD_BYTES / 8 - 10)
            ),
        ),
        ("empty names", record(r#"{"":["#, "]}", &|_| format!(r#"{{"{}":2}}"#, ".".repeat(126)))),
        ("not asked for", format!(r#"{{"other":"{}"}}"#, "b".repeat(RECORD_BYTES - 20))),
    ]
}

/// Processor time of this thread, which a busy machine does not change much; zero where Linux does not tell.
fn cpu_micros() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or(0) / 1000
}

#[test]
fn the_worst_patterns_on_the_worst_records_stay_in_the_bound() {
    let options = ParseOptions { allow_complex_wildcards: true };
    let records = records();
    let mut slowest = (0, String::new());
    for (pattern_name, text) in patterns() {
        assert!(text.len() <= PATTERN_CHARS_MAX, "{pattern_name}: {}", text.len());
        let pattern =
            Pattern::parse_with(&text, options).unwrap_or_else(|error| panic!("{pattern_name}: {error}"));
        for (record_name, record) in &records {
            assert!(
                record.len() <= RECORD_BYTES && record.len() > RECORD_BYTES / 2,
                "{record_name}: {}",
                record.len()
            );
            let start = cpu_micros();
            let (_, steps) = pattern.matches_counted(&View::new(record.as_bytes()));
            let micros = cpu_micros() - start;
            println!(
                "{micros:>7} µs {:>6.2} steps a byte  {pattern_name} × {record_name}",
                steps as f64 / record.len() as f64
            );
            slowest = slowest.max((micros, format!("{pattern_name} × {record_name}")));
            assert!(
                steps <= pattern.steps_max(record.len()),
                "{pattern_name} × {record_name}: {steps} steps"
            );
        }
    }
    println!("slowest: {} µs, {}", slowest.0, slowest.1);
}

#[test]
fn work_grows_with_the_record_and_not_faster() {
    let wildcard = Pattern::parse(r#"{"a":[{"wildcard":"*a*a*a*b"}]}"#).unwrap();
    let products =
        Pattern::parse(r#"{"x":{"p":{"$or":[{"a":[1]},{"b":[2]}]},"q":{"$or":[{"a":[1]},{"b":[2]}]}}}"#)
            .unwrap();
    let text = |n: usize| format!(r#"{{"a":"{}"}}"#, "a".repeat(n));
    let choices = |n: usize| {
        fill(n, r#"{"x":["#, "]}", ",", |_| r#"{"p":[{"a":1},{"b":1}],"q":[{"a":2},{"b":1}]}"#.to_owned())
    };
    let steps = |pattern: &Pattern, record: String| pattern.matches_counted(&View::new(record.as_bytes())).1;
    for (pattern, record) in [(&wildcard, &text as &dyn Fn(usize) -> String), (&products, &choices)] {
        let (small, large) = (steps(pattern, record(10_000)), steps(pattern, record(100_000)));
        assert!(large < 11 * small, "{small} steps, then {large}");
    }
}
