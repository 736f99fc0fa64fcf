//! What `validate` accepts, `run` builds: configs compiled from seeds, up to the point where somebody must
//! answer.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use forebay_clients::{Aws, Clients};
use forebay_config::{Finding, Format};
use forebay_invoker::Gate;
use forebay_invoker::destinations::BrokerProducers;
use forebay_invoker::destinations::file::FileDestinations;
use serde_json::{Value, json};

use crate::budget::Division;
use crate::compiled::{self, CompiledConfig};
use crate::config_files::Loaded;
use crate::destinations::Destinations;
use crate::functions;
use crate::sentence::chain;

/// Values of a setting that are taken, and values that are not.
struct Values {
    good: &'static [&'static str],
    bad: &'static [&'static str],
}

const URL: Values = Values {
    good: &[
        "http://127.0.0.1:1/",
        "https://h.example:8443/a/b?c=d",
        "HTTP://[::1]:9000",
        "http://a_b-c.d/%7E{x}?y=@",
        "http://0177.0.0.1/",
    ],
    bad: &[
        "h:80",
        "ftp://h/",
        "http://",
        "http:///x",
        "http://u:p@h/",
        "http://h#x",
        "http://h h/",
        "http://é/",
        "http://h\n/",
        "http://h:0/",
        "http://h:65536/",
        "http://h:/",
        "http://h\\x",
        "http://h/<x>",
        "http://h/`x",
        "http://a%b/",
        "http://[::1",
        "http://[fe80::1]/",
        "http://169.254.169.254/latest",
        "http://[::ffff:169.254.169.254]/",
        "http://100.100.100.200",
    ],
};
const HEADER: Values = Values {
    good: &["x-key", "Authorization", "a!#$%&'*+-.^_`|~b", "Content-Type"],
    bad: &[
        "",
        "a b",
        "a:b",
        "é",
        "a\n",
        "Host",
        "EXPECT",
        "content-encoding",
        "Proxy-Connection",
        "te",
        "Transfer-Encoding",
        "\u{0}",
    ],
};
const HEADER_VALUE: Values = Values {
    good: &["", "s3cret", "a\tb", "é", " a "],
    bad: &["a\nb", "a\r\nx: 1", "\u{0}", "\u{7f}", "\u{85}"],
};
const ENDPOINT: Values = Values {
    good: &["http://127.0.0.1:1", "https://h/", "http://[::1]:9/", "HTTPS://h.example:443"],
    bad: &[
        "h:1",
        "http://h/x",
        "http://h//",
        "http://h?",
        "http://u:p@h",
        "http://169.254.169.254",
        "http://h:99999",
        "http://h\\",
        "https://",
    ],
};
const REGION: Values = Values {
    good: &["eu-west-1", "us-gov-east-1", "cn-north-1", "local", "a1"],
    bad: &["EU", "-a", "a-", "eu west", "é", "", "a.b", "eu-west-1\n", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"],
};
/// The account in the names below.
const NAMED_ACCOUNT: &str = "123456789012";
const ACCOUNT: Values = Values {
    good: &["123456789012", "000000000000"],
    bad: &["1", "12345678901a", "1234567890123", "", "１２３４５６７８９０１２"],
};
const SOURCE_URL: Values = Values {
    good: &[
        "https://sqs.eu-west-1.amazonaws.com/123456789012/orders",
        "http://127.0.0.1:1/000000000000/orders.fifo",
        "http://[::1]:9324/queue/FB-0210-x",
        "https://sqs.eu-west-1.amazonaws.evil.example/1/q",
    ],
    bad: &[
        "orders",
        "http://",
        "http:// /1/q",
        "http://u:p@h/1/q",
        "http://h",
        "http://h/1/",
        "http://h/1/q?a=b",
        "http://h/1/a.b",
        "http://h:0/1/q",
        "http://h/<1>/q",
        "http://169.254.169.254/1/q",
        "sqs://h/1/q",
    ],
};
const TARGET_URL: Values = Values {
    good: &[
        "https://sqs.eu-west-1.amazonaws.com/123456789012/dead",
        "http://127.0.0.1:1/000000000000/dead",
        "https://sqs.eu-west-1.amazonaws.evil.example/1/q",
    ],
    bad: &[
        "dead",
        "http://h",
        "http://h/1/dead.fifo",
        "http://h/1/q?a",
        "http://u@h/1/q",
        "http://h\\1/q",
        "http://100.100.100.200/1/q",
        "http://h/^`/q",
    ],
};
const QUEUE: Values = Values {
    good: &["orders", "orders.fifo", "FB-0301", "a_b-c"],
    bad: &[
        "a/b",
        "a:b",
        "a b",
        "é",
        "",
        "a.b",
        ".fifo",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    ],
};
const TOPIC: Values = Values {
    good: &["arn:aws:sns:eu-west-1:123456789012:dead", "arn:aws-cn:sns:cn-north-1:123456789012:d_1"],
    bad: &[
        "dead",
        "arn:aws:sns:eu-west-1:123456789012:dead.fifo",
        "arn:aws:sqs:eu-west-1:123456789012:dead",
        "arn:aws:sns:-:123456789012:dead",
        "arn:aws:sns:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx:123456789012:dead",
        "arn:aws:sns:eu-west-1:1:dead",
        "arn:aws:sns:eu-west-1:123456789012:a b",
    ],
};
const BUCKET: Values = Values {
    good: &["arn:aws:s3:::dead", "arn:aws-cn:s3:::dead.records"],
    bad: &["dead", "arn:aws:s3:::b", "arn:aws:s3:::Dead", "arn:aws:s3:eu-west-1::dead", "arn:aws:s3:::a..b"],
};
const BUS: Values = Values {
    good: &["failures", "default", "a.b-c_d", "arn:aws:events:eu-west-1:123456789012:event-bus/failures"],
    bad: &[
        "",
        "a/b",
        "a b",
        "é",
        "arn:aws:events:eu-west-1:123456789012:failures",
        "arn:aws:events:eu-west-1:1:event-bus/failures",
        "arn:aws:sqs:eu-west-1:123456789012:event-bus",
    ],
};
const TARGET_ARN: Values = Values {
    good: &[
        "arn:aws:sqs:eu-west-1:123456789012:dead",
        "arn:aws:sns:eu-west-1:123456789012:dead",
        "arn:aws:s3:::dead",
        "arn:aws:events:eu-west-1:123456789012:event-bus/failures",
    ],
    bad: &[
        "arn:aws:events:eu-west-1:123456789012:rule/failures",
        "arn:aws:s3:::b",
        "kafka://t",
        "arn:aws:sqs:a-:123456789012:dead",
        "arn:aws:sqs:eu-west-1:123456789012:d.fifo",
        "arn:",
    ],
};
const LAMBDA: Values = Values {
    good: &[
        "f",
        "f:$LATEST",
        "123456789012:function:f:7",
        "arn:aws:lambda:eu-west-1:123456789012:function:f:live",
    ],
    bad: &[
        "",
        "a b",
        "f:",
        "f:$HEAD",
        "../f",
        "1:function:f",
        "arn:aws:lambda:-:123456789012:function:f",
        "arn:aws:sqs:eu-west-1:123456789012:f",
    ],
};
const PATH: Values =
    Values { good: &["dead.ndjson", "/var/log/a.log", "é/日 本", "a\nb"], bad: &["", "a\u{0}b"] };
const PATTERN: Values = Values {
    good: &["a.log", "/var/log/*.log", "logs/**/[a-c]?.log"],
    bad: &["", "a\u{0}b", "a/[b", "a**", "a/***/b"],
};
const LISTEN: Values = Values {
    good: &["127.0.0.1:9471", "[::1]:0", "off"],
    bad: &["9471", "localhost:9471", "127.0.0.1", "127.0.0.1:65536", "0.0.0.0:9471", "[::1", ""],
};
const ADMIN: Values =
    Values { good: &["127.0.0.1:9470", "[::1]:0"], bad: &["off", "0.0.0.0:9470", "127.0.0.1:", "::1:1", ""] };
const HOST: Values = Values {
    good: &["lambda.example.com", "[::1]", "10.0.0.1"],
    bad: &["h:80", "a/b", "", "é", "http://h", "[::1]:80"],
};
const SECRET: Values = Values {
    good: &["env:KEY", "file:/run/key", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a"],
    bad: &[
        "hunter2",
        "env:",
        "env:1",
        "file:",
        "file:a\u{0}",
        "arn:aws:secretsmanager:-:123456789012:secret:a",
    ],
};
const KEY: Values = Values { good: &["AKIDEXAMPLE", "a/+=b"], bad: &["a b", "a\n", "é", ""] };
const SIZE: Values = Values {
    good: &["16", "256", "1048576"],
    bad: &["15", "1048577", "-1", "1.5", "1e99", "\"16\"", "99999999999999999999"],
};
const SECONDS: Values = Values { good: &["1", "3", "900"], bad: &["0", "901", "-1", "1.5", "\"1\"", "true"] };

/// Draws by a seed; now and then a value that must not be taken.
struct Draw {
    state: u64,
    /// One value of so many is a bad one; 0 for none.
    bad_every: u64,
    bad: Vec<&'static str>,
}

impl Draw {
    fn below(&mut self, n: u64) -> u64 {
        // SplitMix64.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.state;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (it ^ (it >> 31)) % n
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }

    fn text(&mut self, of: &Values) -> &'static str {
        if self.bad_every > 0 && self.below(self.bad_every) == 0 {
            let bad = self.one(of.bad);
            self.bad.push(bad);
            bad
        } else {
            self.one(of.good)
        }
    }

    /// A number, or what stands in its place.
    fn raw(&mut self, of: &Values) -> Value {
        let text = self.text(of);
        serde_json::from_str(text).unwrap()
    }

    /// Sets it or leaves it out.
    fn maybe(&mut self, map: &mut Value, key: &str, value: impl FnOnce(&mut Self) -> Value) {
        if self.below(2) == 0 {
            map[key] = value(self);
        }
    }

    fn http(&mut self) -> Value {
        let mut http = json!({ "url": self.text(&URL) });
        self.maybe(&mut http, "headers", |it| json!({ it.text(&HEADER): it.text(&HEADER_VALUE) }));
        http
    }

    fn aws(&mut self, service: &str, names_account: bool) -> Value {
        let mut aws = json!({});
        self.maybe(&mut aws, "endpoint", |it| json!(it.text(&ENDPOINT)));
        self.maybe(&mut aws, "endpoints", |it| json!({ service: it.text(&ENDPOINT) }));
        self.maybe(&mut aws, "access_key_id", |it| json!(it.text(&KEY)));
        if !aws["access_key_id"].is_null() {
            aws["secret_access_key"] = json!(self.text(&KEY));
            self.maybe(&mut aws, "session_token", |it| json!(it.text(&KEY)));
        }
        if names_account {
            self.maybe(&mut aws, "region", |it| json!(it.text(&REGION)));
            self.maybe(&mut aws, "account_id", |it| json!(it.text(&ACCOUNT)));
        }
        aws
    }

    fn function(&mut self) -> Value {
        let executor = match self.below(2) {
            0 => json!({ "http": self.http() }),
            _ => {
                let name = self.text(&LAMBDA);
                // A name that says region and account must agree with what is written.
                json!({ "lambda": { "function_name": name, "aws": self.aws("lambda", !name.contains(':')) } })
            }
        };
        let mut function = json!({ "executor": executor });
        self.maybe(&mut function, "timeout", |it| it.raw(&SECONDS));
        function
    }

    fn target(&mut self) -> Value {
        match self.below(8) {
            0 => json!({ "file": { "path": self.text(&PATH) } }),
            1 => json!({ "http": self.http() }),
            2 => json!({ "sqs": { "queue_url": self.text(&TARGET_URL), "aws": self.aws("sqs", false) } }),
            3 => json!({ "sns": { "topic_arn": self.text(&TOPIC), "aws": self.aws("sns", false) } }),
            4 => json!({ "s3": { "bucket_arn": self.text(&BUCKET), "aws": self.aws("s3", false) } }),
            5 => json!({ "event_bus": { "bus": self.text(&BUS), "aws": self.aws("events", false) } }),
            6 => json!({ "destination_arn": self.text(&TARGET_ARN) }),
            _ => json!({ "function": { "function_name": "f" } }),
        }
    }

    fn mapping(&mut self, name: &str) -> Value {
        let mut mapping = json!({ "name": name, "function_name": "f" });
        mapping["source"] = match self.below(3) {
            0 => json!({ "file": { "path": self.text(&PATTERN) } }),
            1 => json!({ "sqs": { "queue_url": self.text(&SOURCE_URL), "aws": self.aws("sqs", false) } }),
            _ => json!({ "sqs": { "queue": self.text(&QUEUE), "aws": self.aws("sqs", true) } }),
        };
        if mapping["source"]["file"].is_object() {
            mapping["starting_position"] = json!("LATEST");
        }
        self.maybe(&mut mapping, "destination_config", |it| json!({ "on_failure": it.target() }));
        mapping
    }

    fn config(&mut self) -> Value {
        // The region of all is written, and so are credentials: neither comes from the machine that the test
        // runs on.
        let mut aws = json!({ "region": self.text(&REGION), "access_key_id": self.text(&KEY), "secret_access_key": self.text(&KEY) });
        self.maybe(&mut aws, "account_id", |it| json!(it.text(&ACCOUNT)));
        // Names of another account than one's own are refused where nothing is said of it.
        if !aws["account_id"].is_null() {
            aws["accounts"] = json!({ NAMED_ACCOUNT: self.aws("sqs", false), ACCOUNT.good[1]: {} });
        }
        self.maybe(&mut aws, "endpoint", |it| json!(it.text(&ENDPOINT)));
        let mut config = json!({
            "aws": aws,
            "functions": { "f": self.function(), "g": self.function() },
            "event_source_mappings": [self.mapping("a"), self.mapping("b")],
        });
        self.maybe(&mut config, "data_dir", |it| json!(it.text(&PATH)));
        self.maybe(&mut config, "memory_budget_mb", |it| it.raw(&SIZE));
        self.maybe(&mut config, "admin", |it| json!({ "listen": it.text(&ADMIN) }));
        self.maybe(
            &mut config,
            "api",
            |it| json!({ "listen": it.text(&LISTEN), "allowed_hosts": [it.text(&HOST)] }),
        );
        self.maybe(
            &mut config,
            "keys",
            |it| json!([{ "id": "k", "secret": it.text(&SECRET), "role": "admin" }]),
        );
        config
    }
}

fn validated(text: &str) -> Result<CompiledConfig, Vec<Finding>> {
    let loaded = Loaded::of_text("compiled.json", text, Format::Json);
    compiled::compile(loaded.check()?, &loaded)
}

/// Builds all that `run` builds before it asks anybody: `Err` says what it would not start with, or would ask
/// in vain for ever.
async fn built(compiled: &CompiledConfig, clients: &mut Clients) -> Result<(), String> {
    clients.aws = Aws::new(&compiled.settings.aws, |_| None);
    let clients = &*clients;
    let (budget, share) = (compiled.settings.memory_budget_bytes, compiled.settings.memory_share_bytes);
    Division::new(budget, share, compiled.mappings.len()).map_err(|error| chain(&error))?;
    let functions = functions::build(compiled.functions.values(), clients)
        .await
        .map_err(|error| format!("{} {error:?}", error.code()))?;
    let (files, producers, gate) = (FileDestinations::new(), BrokerProducers::default(), Gate::new(1));
    let destinations =
        Destinations { files: &files, producers: &producers, clients, functions: &functions, gate: &gate };
    for it in &compiled.mappings {
        if let Some(on_failure) = &it.mapping.on_failure {
            let built =
                destinations.build(it.mapping.name.as_str(), &on_failure.target, it.source.brokers()).await;
            built.map_err(|error| format!("{} {}", error.code(), chain(&error)))?;
        }
        // A file is looked at; a queue is asked once its client stands, which takes nobody's answer.
        if it.mapping.source.kind == "sqs" {
            let connecting = pin!(it.source.connect(clients));
            if let Poll::Ready(Err(error)) = connecting.poll(&mut Context::from_waker(Waker::noop()))
                && error.code().0 != "FB-0212"
            {
                return Err(format!("{} {}", error.code(), chain(&error)));
            }
        }
    }
    functions::scrap(&functions).await;
    Ok(())
}

/// What is wrong with what becomes of the config of a seed.
async fn judged(seed: u64, clients: &mut Clients) -> Result<bool, String> {
    let mut compile =
        Draw { state: seed, bad_every: [0, 12, 40][usize::try_from(seed % 3).unwrap()], bad: Vec::new() };
    let config = serde_json::to_string_pretty(&compile.config()).unwrap();
    let told = |what: String| Err(format!("seed {seed}: {what}\nbad values: {:?}\n{config}", compile.bad));
    match validated(&config) {
        Ok(_) if !compile.bad.is_empty() => told("a bad value was taken".to_owned()),
        Ok(compiled) => match built(&compiled, clients).await {
            Ok(()) => Ok(true),
            Err(error) => told(format!("accepted by `validate` and not built: {error}")),
        },
        Err(findings) if compile.bad.is_empty() => told(format!("a good config was refused: {findings:?}")),
        Err(findings) => {
            // What a value must be is its fix.
            let says_how = |it: &Finding| it.fix.is_some() || it.message.starts_with("must be ");
            let is_helpful = |it: &Finding| {
                it.place.line > 1 && it.place.column > 0 && !it.place.span.is_empty() && says_how(it)
            };
            match findings.iter().find(|it| !is_helpful(it)) {
                None => Ok(false),
                Some(it) => told(format!("refused without place and fix: {it:?}")),
            }
        }
    }
}

#[tokio::test]
async fn what_validate_accepts_run_builds_and_what_it_refuses_has_place_and_fix() {
    let n_seeds: u64 =
        std::env::var("FOREBAY_DRAWN_CONFIGS").ok().and_then(|it| it.parse().ok()).unwrap_or(200);
    // The machine's roots are read once.
    let (mut n_taken, mut wrong, mut clients) = (0, Vec::new(), Clients::default());
    for seed in 0..n_seeds {
        match judged(seed, &mut clients).await {
            Ok(is_taken) => n_taken += u64::from(is_taken),
            Err(what) => wrong.push(what),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {n_seeds}:\n{}",
        wrong.len(),
        wrong.iter().take(5).cloned().collect::<Vec<_>>().join("\n")
    );
    // Both happen often, so that neither is proved of nothing.
    assert!(n_taken > n_seeds / 4 && n_taken < n_seeds * 3 / 4, "{n_taken} of {n_seeds} were taken");
}

#[test]
fn the_values_of_a_config_file_stand_at_their_places() {
    let findings = validated(
        "{\n\"functions\": { \"f\": { \"executor\": { \"http\": { \"url\": \"http://169.254.169.254/\" } } } },\n\"event_source_mappings\": []\n}",
    );
    let Err(findings) = findings else { panic!("a metadata address was taken") };
    let told: Vec<_> =
        findings.iter().map(|it| (it.place.line, it.path.as_str(), it.message.as_str())).collect();
    let message = "169.254.169.254 is the link-local or metadata address 169.254.169.254, which nothing is ever sent to";
    assert_eq!(told, [(2, "functions.f.executor.http.url", message)]);
}
