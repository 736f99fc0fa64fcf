//! A server that plays answers drawn from a seed, for tests that compare two clients of a kind.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use forebay_clients::{Aws, AwsAccess, AwsTarget, HttpClients};
use forebay_config::aws::AwsService;
use forebay_config::{AwsCredentials, AwsKey, AwsSettings};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What every connection is answered with, and the requests that came.
#[derive(Default)]
pub(crate) struct Played {
    answer: Mutex<Vec<u8>>,
    requests: Mutex<Vec<(String, Value)>>,
}

impl Played {
    /// Listens; the origin is where.
    pub(crate) async fn start() -> (Arc<Self>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let played = Arc::new(Self::default());
        tokio::spawn(Arc::clone(&played).serve(listener));
        (played, origin)
    }

    /// What calls of a service need to come here.
    pub(crate) async fn access(service: &'static AwsService, origin: &str, region: &str) -> AwsAccess {
        let key = AwsKey {
            access_key_id: "a".into(),
            secret_access_key: "s".into(),
            session_token: Some("t".into()),
        };
        let own = AwsSettings {
            region: Some(region.to_owned()),
            endpoint: Some(origin.to_owned()),
            credentials: Some(AwsCredentials::Key(key)),
            ..AwsSettings::default()
        };
        let target = AwsTarget { service, own: &own, region: None, account: None, endpoint: None };
        Aws::new(&AwsSettings::default(), |_| None).access(target, &HttpClients::new()).await.unwrap()
    }

    /// From now on this is the answer.
    pub(crate) fn play(&self, answer: &[u8]) {
        *self.answer.lock().unwrap() = answer.to_vec();
    }

    /// The requests since this was asked last: operation and parameters.
    pub(crate) fn requests(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }

    async fn serve(self: Arc<Self>, listener: TcpListener) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(Arc::clone(&self).answer(stream));
        }
    }

    async fn answer(self: Arc<Self>, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        while let Some(request) = read(&mut stream).await {
            self.requests.lock().unwrap().push(request);
            let answer = self.answer.lock().unwrap().clone();
            if stream.write_all(&answer).await.is_err() {
                return;
            }
            // So that an answer that says less or more than it has ends.
            if answer.is_empty() || contains(&answer, b"connection: close") {
                return;
            }
        }
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|it| it == part)
}

/// The operation and the parameters.
async fn read(stream: &mut BufReader<TcpStream>) -> Option<(String, Value)> {
    let (mut target, mut n_bytes) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let lower = line.trim_end().to_ascii_lowercase();
        if lower.is_empty() {
            break;
        }
        if let Some(length) = lower.strip_prefix("content-length: ") {
            n_bytes = length.parse().unwrap();
        }
        if lower.starts_with("x-amz-target: ") {
            target = line.trim_end()[14..].to_owned();
        }
    }
    let mut body = vec![0; n_bytes];
    stream.read_exact(&mut body).await.ok()?;
    Some((target, serde_json::from_slice(&body).unwrap()))
}

/// A generator that is the same for a seed.
pub(crate) struct Dice {
    state: u64,
    has_nulls: bool,
}

impl Dice {
    /// The same for a seed above 0, whatever was drawn before.
    pub(crate) fn of(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15), has_nulls: true }
    }

    /// The same, and no member is `null`.
    pub(crate) fn without_nulls(self) -> Self {
        Self { has_nulls: false, ..self }
    }

    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % sides
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len() as u64) as usize].clone()
    }

    pub(crate) fn text(&mut self) -> String {
        let parts = ["", "a", "\"", "\\", "\n", "é", "\u{1F600}", "\u{7}", "</", "{\"a\":1}", "0", "x y"];
        (0..self.roll(6)).map(|_| self.pick(&parts)).collect()
    }

    /// A member now and then is absent, `null` or of another type.
    pub(crate) fn member(&mut self, value: Value) -> Option<Value> {
        match self.roll(60) {
            0 | 1 => None,
            2 | 3 if self.has_nulls => Some(Value::Null),
            4 => Some(self.pick(&[json!(3), json!(true), json!([]), json!({}), json!("other")])),
            _ => Some(value),
        }
    }

    pub(crate) fn object(&mut self, members: Vec<(&str, Value)>) -> Value {
        let mut object = serde_json::Map::new();
        if self.roll(9) == 0 {
            object.insert("Unknown".into(), json!({ "a": [1, null, { "b": "c" }] }));
        }
        for (name, value) in members {
            if let Some(value) = self.member(value) {
                object.insert(name.to_owned(), value);
            }
        }
        Value::Object(object)
    }

    /// An answer of an error: code here, there or nowhere.
    fn error(&mut self, codes: &[&str]) -> (Vec<String>, String) {
        let mut headers = Vec::new();
        if self.roll(3) == 0 {
            headers.push(format!("x-amzn-query-error: {};Sender", self.pick(codes)));
        }
        if self.roll(4) == 0 {
            headers.push(format!("x-amzn-errortype: {}", self.pick(codes)));
        }
        let text = self.text();
        let (code, kind) = (self.pick(codes), self.pick(codes));
        let message = self.pick(&["message", "Message", "errorMessage"]);
        // The SDK reads the errors that it knows twice, and knows none whose message is no text.
        let body = json!({ "__type": kind, message: text });
        let coded = json!({ "code": code, "message": null });
        let body = match self.roll(8) {
            0 => String::new(),
            1 => "<html>503</html>".to_owned(),
            2 => coded.to_string(),
            _ => body.to_string(),
        };
        (headers, body)
    }

    /// The bytes of an answer: this body or an error with one of these codes, whole or damaged.
    pub(crate) fn answer(&mut self, body: &Value, codes: &[&str]) -> Vec<u8> {
        let (mut status, mut headers, mut body) = ("200 OK", Vec::new(), body.to_string());
        if self.roll(3) == 0 {
            body = escaped(&body);
        }
        if self.roll(3) == 0 {
            status = self.pick(&[
                "400 x", "403 x", "404 x", "413 x", "429 x", "500 x", "502 x", "503 x", "307 x", "204 x",
            ]);
            (headers, body) = self.error(codes);
        }
        // So that no retry waits.
        headers.push("x-amz-retry-after: 0".to_owned());
        let mut bytes = match self.roll(12) {
            0 => body.as_bytes()[..body.len() / 2].to_vec(),
            // Of an error one client reads no further than its end.
            1 if status.starts_with("200") => [body.as_bytes(), b" {}"].concat(),
            2 => [b"\n ", body.as_bytes(), b"\n"].concat(),
            3 => Vec::new(),
            4 => [b"\xff", body.as_bytes()].concat(),
            _ => body.into_bytes(),
        };
        let says = match self.roll(14) {
            // The connection ends before the answer does.
            0 => bytes.len() + 7,
            _ => bytes.len(),
        };
        if says != bytes.len() || self.roll(6) == 0 {
            headers.push("connection: close".to_owned());
        }
        let head = headers.iter().map(|it| format!("{it}\r\n")).collect::<String>();
        if says == bytes.len() && self.roll(4) == 0 {
            let chunk = format!("{:x}\r\n", bytes.len());
            let chunks =
                if bytes.is_empty() { Vec::new() } else { [chunk.as_bytes(), &bytes, b"\r\n"].concat() };
            bytes = [&chunks[..], b"0\r\n\r\n"].concat();
            return [
                format!("HTTP/1.1 {status}\r\n{head}transfer-encoding: chunked\r\n\r\n").as_bytes(),
                &bytes,
            ]
            .concat();
        }
        [format!("HTTP/1.1 {status}\r\n{head}content-length: {says}\r\n\r\n").as_bytes(), &bytes].concat()
    }
}

/// All that is not ASCII, and every `a`, as `\u…`.
fn escaped(json: &str) -> String {
    let escape = |it: char| {
        let mut units = [0; 2];
        let units = it.encode_utf16(&mut units);
        units.iter().map(|it| format!("\\u{it:04x}")).collect::<String>()
    };
    json.chars().map(|it| if it.is_ascii() && it != 'a' { it.to_string() } else { escape(it) }).collect()
}

/// Where two clients, plain and sdk, did not make the same of an answer: how they differ.
pub(crate) fn difference<T: PartialEq + Debug>(
    call: &str,
    answer: &[u8],
    [plain, sdk]: [T; 2],
) -> Option<String> {
    let shown = String::from_utf8_lossy(answer);
    (plain != sdk).then(|| format!("{call} of:\n{shown}\nplain: {plain:?}\n  sdk: {sdk:?}\n"))
}

/// Fails where there are differences, and shows some.
pub(crate) fn assert_none(differences: &[String]) {
    let shown = differences[..differences.len().min(5)].concat();
    assert!(differences.is_empty(), "{} answers are taken differently:\n{shown}", differences.len());
}
