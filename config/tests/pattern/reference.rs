//! A slow matcher written from the rules alone: flatten the event, expand `$or`, try every choice of leaves.
//! Ours must agree.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use forebay_config::pattern::{ParseOptions, explain};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

/// JSON that keeps the order of keys.
#[derive(Debug, Clone, PartialEq)]
enum Json {
    Null,
    Bool(bool),
    Number(&'static str),
    Text(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

use Json::{Array, Bool, Null, Number, Object, Text};

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Null => f.write_str("null"),
            Bool(value) => write!(f, "{value}"),
            Number(text) => f.write_str(text),
            Text(text) => write!(f, "{}", serde_json::to_string(text).unwrap()),
            Array(elements) => {
                write!(f, "[{}]", elements.iter().map(Self::to_string).collect::<Vec<_>>().join(","))
            }
            Object(members) => {
                let members = members
                    .iter()
                    .map(|(key, value)| format!("{}:{value}", serde_json::to_string(key).unwrap()));
                write!(f, "{{{}}}", members.collect::<Vec<_>>().join(","))
            }
        }
    }
}

/// A leaf of the event: its path, its value, and the element of every array on the way.
#[derive(Debug)]
struct Triple<'a> {
    path: String,
    leaf: &'a Json,
    elements: BTreeMap<usize, usize>,
}

/// An array of the event: its name in triples, its path, and the arrays around it.
struct Around {
    array: usize,
    path: String,
    elements: BTreeMap<usize, usize>,
}

#[derive(Default)]
struct Flat<'a> {
    triples: Vec<Triple<'a>>,
    arrays: Vec<Around>,
}

impl<'a> Flat<'a> {
    fn add(&mut self, path: &str, value: &'a Json, elements: &BTreeMap<usize, usize>) {
        match value {
            Object(members) => {
                for (key, value) in members {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    self.add(&path, value, elements);
                }
            }
            Array(values) => {
                let array = self.arrays.len();
                self.arrays.push(Around { array, path: path.to_owned(), elements: elements.clone() });
                for (idx, value) in values.iter().enumerate() {
                    let mut elements = elements.clone();
                    elements.insert(array, idx);
                    self.add(path, value, &elements);
                }
            }
            leaf => self.triples.push(Triple { path: path.to_owned(), leaf, elements: elements.clone() }),
        }
    }

    /// Whether an array and a leaf that is not in it stand at one path in one place: there, and only there,
    /// ours may miss a match.
    fn spells_an_array_twice(&self) -> bool {
        self.arrays.iter().any(|around| {
            self.triples.iter().any(|triple| {
                let is_under =
                    triple.path == around.path || triple.path.starts_with(&format!("{}.", around.path));
                is_under
                    && !triple.elements.contains_key(&around.array)
                    && agree(&triple.elements, &around.elements)
            })
        })
    }
}

fn agree(one: &BTreeMap<usize, usize>, other: &BTreeMap<usize, usize>) -> bool {
    one.iter().all(|(array, element)| other.get(array).is_none_or(|it| it == element))
}

type Alternative<'a> = BTreeMap<String, &'a [Json]>;

fn expand<'a>(
    path: &str,
    members: &'a [(String, Json)],
    mut alternatives: Vec<Alternative<'a>>,
) -> Vec<Alternative<'a>> {
    for (key, value) in members {
        let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            Array(branches) if key == "$or" && branches.iter().all(|branch| matches!(branch, Object(_))) => {
                alternatives = branches
                    .iter()
                    .flat_map(|branch| {
                        if let Object(members) = branch {
                            expand(path, members, alternatives.clone())
                        } else {
                            Vec::new()
                        }
                    })
                    .collect();
            }
            Array(matchers) => alternatives.iter_mut().for_each(|it| {
                it.insert(below.clone(), matchers);
            }),
            Object(members) => alternatives = expand(&below, members, alternatives),
            _ => panic!("the generator makes no such pattern"),
        }
    }
    alternatives
}

/// Tries every choice of a triple for every path.
fn choose(wanted: &[(&String, &&[Json])], chosen: &BTreeMap<usize, usize>, triples: &[Triple<'_>]) -> bool {
    let Some(((path, matchers), rest)) = wanted.split_first() else { return true };
    let mut at_path = triples.iter().filter(|triple| triple.path == **path).peekable();
    if at_path.peek().is_none() {
        return matchers.iter().any(|it| it.to_string() == r#"{"exists":false}"#)
            && choose(rest, chosen, triples);
    }
    at_path.any(|triple| {
        agree(&triple.elements, chosen) && matchers.iter().any(|it| satisfies(it, triple.leaf)) && {
            let chosen =
                chosen.iter().chain(&triple.elements).map(|(array, element)| (*array, *element)).collect();
            choose(rest, &chosen, triples)
        }
    })
}

fn number(text: &str) -> f64 {
    text.parse().unwrap()
}

fn satisfies(matcher: &Json, leaf: &Json) -> bool {
    let Object(members) = matcher else {
        return match (matcher, leaf) {
            (Number(one), Number(other)) => number(one) == number(other),
            _ => matcher == leaf,
        };
    };
    let (operator, operand) = &members[0];
    if operator == "exists" {
        return *operand == Bool(true);
    }
    if operator == "anything-but" {
        return match operand {
            Object(inner) => each(&inner[0].1)
                .iter()
                .all(|it| !satisfies(&Object(vec![(inner[0].0.clone(), (*it).clone())]), leaf)),
            values => each(values).iter().all(|value| !satisfies(value, leaf)),
        };
    }
    match (operator.as_str(), operand, leaf) {
        ("prefix" | "suffix", Object(inner), Text(text)) => {
            let folded = Text(inner[0].1.text().to_lowercase());
            satisfies(&Object(vec![(operator.clone(), folded)]), &Text(text.to_lowercase()))
        }
        ("exactly", Text(other), Text(text)) => text == other,
        ("prefix", Text(prefix), Text(text)) => text.starts_with(prefix.as_str()),
        ("suffix", Text(suffix), Text(text)) => text.ends_with(suffix.as_str()),
        ("equals-ignore-case", Text(other), Text(text)) => text.to_lowercase() == other.to_lowercase(),
        ("wildcard", Text(wildcard), Text(text)) => is_wild(wildcard.as_bytes(), text.as_bytes()),
        ("cidr", Text(cidr), Text(text)) => {
            let bits = |address: &str| address.parse::<std::net::Ipv4Addr>().map(u32::from);
            let (network, mask) = cidr.split_once('/').unwrap();
            let mask: u32 = mask.parse().unwrap();
            bits(text).is_ok_and(|address| address >> (32 - mask) == bits(network).unwrap() >> (32 - mask))
        }
        ("numeric", Array(terms), Number(value)) => terms.chunks(2).all(|term| {
            let (value, Number(bound)) = (number(value), &term[1]) else { panic!("a bound is a number") };
            let bound = number(bound);
            match term[0].text() {
                "=" => value == bound,
                "<" => value < bound,
                "<=" => value <= bound,
                ">" => value > bound,
                _ => value >= bound,
            }
        }),
        _ => false,
    }
}

impl Json {
    fn text(&self) -> &str {
        if let Text(text) = self { text } else { panic!("{self} is no text") }
    }
}

fn each(values: &Json) -> Vec<&Json> {
    if let Array(values) = values { values.iter().collect() } else { vec![values] }
}

fn is_wild(wildcard: &[u8], text: &[u8]) -> bool {
    match wildcard {
        [] => text.is_empty(),
        [b'*', rest @ ..] => (0..=text.len()).any(|skipped| is_wild(rest, &text[skipped..])),
        [b'\\', byte, rest @ ..] | [byte, rest @ ..] => {
            text.first() == Some(byte) && is_wild(rest, &text[1..])
        }
    }
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![8 => Just("a"), 6 => Just("b"), 2 => Just("c"), 1 => Just("a.b"), 1 => Just("b.c")]
        .prop_map(str::to_owned)
}

fn text() -> impl Strategy<Value = String> {
    let texts = ["", "a", "ab", "aB", "ba", "é", "É", "10.0.0.7", "10.1.0.7", "a*b"];
    proptest::sample::select(texts.to_vec()).prop_map(str::to_owned)
}

fn numeral() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec!["0", "1", "1.0", "2", "10e-1", "-3"])
}

fn leaf() -> impl Strategy<Value = Json> {
    prop_oneof![4 => text().prop_map(Text), 3 => numeral().prop_map(Number), 1 => any::<bool>().prop_map(Bool), 1 => Just(Null)]
}

fn object(members: Vec<(String, Json)>) -> Json {
    Object(members.into_iter().collect::<BTreeMap<_, _>>().into_iter().rev().collect())
}

fn event() -> impl Strategy<Value = Json> {
    let value = leaf().prop_recursive(4, 24, 3, |inner| {
        let member = (name(), inner.clone());
        let objects = proptest::collection::vec(member, 0..4).prop_map(object);
        prop_oneof![2 => objects, 1 => proptest::collection::vec(inner, 0..4).prop_map(Array)]
    });
    proptest::collection::vec((name(), value), 1..4).prop_map(object)
}

fn op(name: &str, operand: Json) -> Json {
    Object(vec![(name.to_owned(), operand)])
}

fn matcher() -> impl Strategy<Value = Json> {
    let wildcard = proptest::sample::select(vec!["", "*", "a*", "*b", "a*b", "*a*", "a\\*b"])
        .prop_map(|text| Text(text.to_owned()));
    let texts = prop_oneof![
        text().prop_map(Text),
        proptest::collection::vec(text().prop_map(Text), 1..3).prop_map(Array)
    ];
    let full =
        text().prop_filter("anything-but takes no empty affix", |text| !text.is_empty()).prop_map(Text);
    let numbers = prop_oneof![
        numeral().prop_map(Number),
        proptest::collection::vec(numeral().prop_map(Number), 1..3).prop_map(Array)
    ];
    let affix = proptest::sample::select(vec!["prefix", "suffix"]);
    let bound = (proptest::sample::select(vec!["=", "<", "<=", ">", ">="]), numeral());
    prop_oneof![
        8 => leaf(),
        2 => (affix.clone(), text()).prop_map(|(affix, text)| op(affix, Text(text))),
        1 => (affix.clone(), text()).prop_map(|(affix, text)| op(affix, op("equals-ignore-case", Text(text)))),
        1 => text().prop_map(|text| op("equals-ignore-case", Text(text))),
        1 => text().prop_map(|text| op("exactly", Text(text))),
        2 => wildcard.clone().prop_map(|text| op("wildcard", text)),
        2 => bound.prop_map(|(operator, bound)| op("numeric", Array(vec![Text(operator.to_owned()), Number(bound)]))),
        1 => Just(op("numeric", Array(vec![Text(">".to_owned()), Number("0"), Text("<=".to_owned()), Number("2")]))),
        1 => Just(op("cidr", Text("10.0.3.0/16".to_owned()))),
        2 => any::<bool>().prop_map(|value| op("exists", Bool(value))),
        2 => prop_oneof![texts.clone(), numbers].prop_map(|values| op("anything-but", values)),
        1 => (affix, full).prop_map(|(affix, text)| op("anything-but", op(affix, text))),
        1 => texts.prop_map(|texts| op("anything-but", op("equals-ignore-case", texts))),
        1 => wildcard.prop_map(|text| op("anything-but", op("wildcard", text))),
    ]
}

fn pattern() -> impl Strategy<Value = Json> {
    let field = proptest::collection::vec(matcher(), 1..5).prop_map(Array);
    let objects =
        |value: BoxedStrategy<Json>| proptest::collection::vec((name(), value), 1..3).prop_map(object);
    let nested = field.prop_recursive(3, 16, 3, move |inner| {
        let or = (
            proptest::collection::vec(objects(inner.clone().boxed()), 2..4),
            any::<bool>(),
            objects(inner.clone().boxed()),
        );
        let with_or = or.prop_map(|(branches, is_first, rest)| {
            let Object(mut members) = rest else { unreachable!("objects are objects") };
            members.insert(if is_first { 0 } else { members.len() }, ("$or".to_owned(), Array(branches)));
            Object(members)
        });
        prop_oneof![2 => objects(inner.boxed()), 1 => with_or]
    });
    nested
        .prop_map(|json| if matches!(json, Object(_)) { json } else { Object(vec![("a".to_owned(), json)]) })
}

/// An event that the pattern likely matches: every field gets a value that one of its matchers takes, and
/// some values stand in an array beside others.
fn witness(members: &[(String, Json)], picks: &mut impl Iterator<Item = u8>) -> Vec<(String, Json)> {
    let mut event = Vec::new();
    for (key, value) in members {
        let pick = usize::from(picks.next().unwrap_or(0));
        let value = match value {
            Array(branches) if key == "$or" => {
                let Object(branch) = &branches[pick % branches.len()] else { panic!("branches are objects") };
                event.extend(witness(branch, picks));
                continue;
            }
            Array(matchers) => taken(&matchers[pick % matchers.len()]),
            Object(members) => Object(witness(members, picks)),
            _ => panic!("the generator makes no such pattern"),
        };
        let value = match pick % 5 {
            0 => Array(vec![Number("7"), value]),
            1 => Array(vec![value.clone(), value]),
            2 => Array(vec![object(vec![("b".to_owned(), Number("1"))]), Array(vec![value])]),
            _ => value,
        };
        event.push((key.clone(), value));
    }
    let mut unique: Vec<(String, Json)> = Vec::new();
    for (key, value) in event {
        unique.retain(|(other, _)| *other != key);
        unique.push((key, value));
    }
    unique
}

fn taken(matcher: &Json) -> Json {
    let Object(members) = matcher else { return matcher.clone() };
    match &members[0] {
        (operator, Text(text)) if operator == "wildcard" => Text(text.replace('*', "x")),
        (operator, _) if operator == "numeric" => Number("1"),
        (operator, _) if operator == "cidr" => Text("10.0.0.7".to_owned()),
        (operator, _) if operator == "anything-but" => Bool(true),
        (operator, _) if operator == "exists" => Null,
        (_, Object(inner)) => inner[0].1.clone(),
        (_, operand) => operand.clone(),
    }
}

#[test]
fn ours_agrees_with_the_slow_reference() {
    let config = ProptestConfig {
        cases: 4_000,
        rng_seed: RngSeed::Fixed(3),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let (n_matches, n_missed) = (Cell::new(0), Cell::new(0));
    let picks = proptest::collection::vec(any::<u8>(), 40);
    let outcome = TestRunner::new(config).run(
        &(pattern(), proptest::collection::vec(event(), 2), picks),
        |(pattern, events, picks)| {
            let Object(members) = &pattern else { panic!("{pattern} is no object") };
            let alternatives = expand("", members, vec![BTreeMap::new()]);
            let text = pattern.to_string();
            if text.len() > 4096 || alternatives.len() > 1000 {
                return Ok(());
            }
            let mut picks = picks.into_iter();
            let witnesses = [Object(witness(members, &mut picks)), Object(witness(members, &mut picks))];
            for event in events.into_iter().chain(witnesses) {
                let mut flat = Flat::default();
                flat.add("", &event, &BTreeMap::new());
                let expected = alternatives
                    .iter()
                    .any(|it| choose(&it.iter().collect::<Vec<_>>(), &BTreeMap::new(), &flat.triples));
                let answer = explain(&text, event.to_string().as_bytes(), ParseOptions::default());
                n_matches.set(n_matches.get() + u32::from(expected));
                if expected && answer == Ok(false) && flat.spells_an_array_twice() {
                    n_missed.set(n_missed.get() + 1);
                    continue;
                }
                prop_assert_eq!(answer, Ok(expected), "{} on {}", text, event);
            }
            Ok(())
        },
    );
    outcome.unwrap();
    // The cases must be worth something: both answers often, the documented difference only where names with
    // dots meet arrays, which witnesses are made to do.
    assert!((3_000..13_000).contains(&n_matches.get()), "{} of 16,000 match", n_matches.get());
    assert!(n_missed.get() < 800, "{} of 16,000 differ where an array is spelled twice", n_missed.get());
}
