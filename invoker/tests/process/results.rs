//! Results of handlers, from our bootstraps and from Lambda's own clients side by side: the same bytes, or
//! the same refusal.

use forebay_config::function::Runtime;
use serde_json::Value;

use super::support::{Host, Setup, client, payload};

/// A value for each line: what a handler may return.
const PYTHON_RESULTS: &str = r#"
None
True
12345678901234567890123456789
10 ** 5000
-0.0
1e400
float("nan")
[float("inf"), -float("inf")]
1e16
0.1 + 0.2
decimal.Decimal("12.5")
decimal.Decimal("1E+3")
decimal.Decimal("-0")
decimal.Decimal("NaN")
decimal.Decimal("sNaN")
decimal.Decimal("-NaN123")
decimal.Decimal("Infinity")
{"total": decimal.Decimal("12345678901234567890.123456789"), "items": [decimal.Decimal("0.10")]}
fractions.Fraction(1, 2)
1j
"é 😀 \u2028 \x7f \x00 \" \\ /"
"\ud800"
["\udcff"]
b"raw \xff bytes"
b""
b'{"batchItemFailures": []}'
{"b": b"text"}
[b"\xff"]
{b"key": 1}
{b"\xff": 1}
bytearray(b"x")
memoryview(b"x")
datetime.datetime(2026, 1, 2)
datetime.date(2026, 1, 2)
datetime.timedelta(1)
uuid.UUID(int=1)
pathlib.Path("x")
{1, 2}
frozenset([1])
()
(1, [2, (3,)])
[]
{}
[[], {}, (), ""]
range(3)
iter([1])
(it for it in [1])
{}.keys()
collections.OrderedDict(b=1, a=2)
collections.defaultdict(list, a=[1])
collections.Counter("aab")
collections.ChainMap({"a": 1})
collections.deque([1])
types.MappingProxyType({"a": 1})
Point(1, 2)
[Point(1, decimal.Decimal("2.0"))]
{"p": Point(1, Point(2, 3))}
Point
OnlyAsDict()
WrongAsDict()
FailingAsDict()
Record(1)
Plain()
Text("a")
Whole(3)
Real(1.5)
Numbers([1, 2])
Mapping(a=1)
Couple((1, 2))
Colour.RED
Level.HIGH
Mode.ON
Share.HALF
[True, Level.HIGH, Whole(1)]
{1: "a", 2.5: "b", True: "c", None: "d", "e": "f"}
{float("nan"): 1}
{float("inf"): 1}
{Level.HIGH: 1, Mode.ON: 2, Whole(7): 3, Real(1.5): 4}
{(1, 2): 3}
{decimal.Decimal("1"): 1}
{Colour.RED: 1}
{datetime.date(2026, 1, 2): 1}
{"a": {1: {2: {3: decimal.Decimal("4")}}}}
circular_list
circular_dict
circular_tuple
[shared, shared]
nested(300)
nested(100000)
print
ValueError("x")
type
...
NotImplemented
array.array("i", [1])
re.compile("x")
"x" * 100000
"#;

const PYTHON_APP: &str = r#"
import array, collections, dataclasses, datetime, decimal, enum, fractions, pathlib, re, types, uuid

Point = collections.namedtuple("Point", "x y")
class OnlyAsDict:
    def _asdict(self): return {"only": 1}
class WrongAsDict:
    def _asdict(self): return [1]
class FailingAsDict:
    def _asdict(self): raise LookupError("no fields")
@dataclasses.dataclass
class Record: x: int
class Plain: pass
class Text(str):
    def __str__(self): return "another"
class Whole(int):
    def __repr__(self): return "another"
class Real(float):
    def __repr__(self): return "another"
class Numbers(list): pass
class Mapping(dict): pass
class Couple(tuple): pass
class Colour(enum.Enum): RED = 1
class Level(enum.IntEnum): HIGH = 3
class Mode(str, enum.Enum): ON = "on"
class Share(float, enum.Enum): HALF = 0.5

circular_list = []; circular_list.append(circular_list)
circular_dict = {}; circular_dict["self"] = [circular_dict]
circular_tuple = ([],); circular_tuple[0].append(circular_tuple)
shared = {"a": [1]}
def nested(depth):
    it = []
    for _ in range(depth): it = [it]
    return it

RESULTS = open("results").read().strip().splitlines()
def handler(event, context): return eval(RESULTS[event])
"#;

/// The same function behind our bootstrap and behind Lambda's client.
async fn both(
    runtime: Runtime,
    app: (&'static str, &str),
    results: &str,
    folder: &str,
    command: &str,
) -> [Host; 2] {
    let bootstrap = format!("#!/bin/sh\nexec {command} \"$_HANDLER\"\n");
    let files = vec![(app.0, app.1.to_owned()), ("results", results.to_owned()), ("bootstrap", bootstrap)];
    let ours = Setup::new(runtime, "app.handler", files.clone()).start().await;
    let environment = [("CLIENT".to_owned(), client(folder).to_str().unwrap().to_owned())].into();
    let theirs = Setup { environment, ..Setup::new(Runtime::Provided, "app.handler", files) }.start().await;
    [ours, theirs]
}

/// What a result gave: the bytes that were sent, or the error.
async fn told(host: &Host, event: usize) -> Result<String, (String, String)> {
    let reply = host.invoke(&event.to_string()).await;
    if reply.function_error.is_none() {
        let bytes = reply.payload.unwrap();
        return Ok(String::from_utf8(bytes.to_vec()).unwrap_or_else(|_| format!("{bytes:?}")));
    }
    let error = payload(&reply);
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    Err((text("errorType"), text("errorMessage")))
}

#[tokio::test]
async fn results_of_python_are_encoded_as_awslambdaric_encodes_them() {
    let command = "\"$CLIENT/bin/python\" -m awslambdaric";
    let [ours, theirs] =
        both(Runtime::Python3, ("app.py", PYTHON_APP), PYTHON_RESULTS, "awslambdaric-4.2.2", command).await;
    let mut differing = Vec::new();
    let mut n_refused = 0;
    for (event, value) in PYTHON_RESULTS.trim().lines().enumerate() {
        let (our, their) = (told(&ours, event).await, told(&theirs, event).await);
        n_refused += usize::from(their.is_err());
        // Where nesting ends is the interpreter's business, and so are its words.
        if our != their && !(value == "nested(100000)" && our.is_err() && their.is_err()) {
            differing.push(format!("{value}\n  ours   {our:?}\n  theirs {their:?}"));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert!(n_refused > 20, "the list has values that are refused");
    ours.stop().await;
    theirs.stop().await;
}

const NODE_RESULTS: &str = r#"
undefined
null
0
-0
NaN
Infinity
10n
({ big: 10n })
"é 😀 \u2028 \ud800"
() => 1
Symbol("s")
[undefined, () => 1, Symbol("s")]
({ a: undefined, b: () => 1 })
new Map([["a", 1]])
new Set([1])
Buffer.from("text")
new Uint8Array([1, 2])
new Date(0)
new Date(NaN)
/x/
new Error("x")
circular
[shared, shared]
({ toJSON() { return { mine: 1 }; } })
({ toJSON() { throw new TypeError("no"); } })
({ get a() { throw new TypeError("no"); } })
new Proxy({}, { ownKeys() { throw new TypeError("no"); } })
Object.create({ inherited: 1 })
new (class { x = 1; #y = 2; })()
new String("boxed")
new Number(1)
Object(1n)
[, 1]
({ 1: "a", b: { c: [] } })
Promise.resolve(7)
({ then(resolve) { resolve(8); } })
nested(300)
new WeakMap()
globalThis.Math
"x".repeat(100000)
"#;

const NODE_APP: &str = r#"
const circular = {}; circular.self = [circular];
const shared = { a: 1 };
const nested = (depth) => { let it = []; for (let n = 0; n < depth; n++) it = [it]; return it; };
const results = require("fs").readFileSync("results", "utf8").trim().split("\n");
exports.handler = async (event) => eval(`(${results[event]})`);
"#;

#[tokio::test]
async fn results_of_node_are_encoded_as_aws_lambda_ric_encodes_them() {
    let command = "\"$CLIENT/node\" \"$CLIENT/node_modules/aws-lambda-ric/bin/index.mjs\"";
    let [ours, theirs] =
        both(Runtime::Nodejs, ("app.js", NODE_APP), NODE_RESULTS, "aws-lambda-ric-3.3.0", command).await;
    let mut differing = Vec::new();
    for (event, value) in NODE_RESULTS.trim().lines().enumerate() {
        let (our, their) = (told(&ours, event).await, told(&theirs, event).await);
        match (&our, &their) {
            (Ok(ours), Ok(theirs)) if ours == theirs => {}
            // Both refuse; ours says why, and calls it by the name that the other languages use.
            (Err((kind, message)), Err(_))
                if kind == "Runtime.MarshalError"
                    && message.starts_with("Unable to stringify response body: ") => {}
            _ => differing.push(format!("{value}\n  ours   {our:?}\n  theirs {their:?}")),
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    ours.stop().await;
    theirs.stop().await;
}

/// What a table of DynamoDB gives, and the answer to a batch.
#[tokio::test]
async fn a_decimal_in_an_answer_is_a_number() {
    let app = "
import decimal
def handler(event, context): return {'batchItemFailures': [], 'total': decimal.Decimal('12.5')}
";
    let host = Setup::python(app).start().await;
    assert_eq!(host.answer("{}").await["total"], Value::from(12.5));
    host.stop().await;
}
