//! Lambda's API for mappings over a plain socket, without a signature, as raw as a test wants it: nothing is
//! shared with the code under test.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::http;

/// The path of mappings.
pub const MAPPINGS: &str = "/2015-03-31/event-source-mappings";

/// Where the API is.
#[derive(Debug, Clone)]
pub enum LambdaApi {
    /// `host:port`
    Tcp(String),
    /// A socket of the file system.
    Unix(PathBuf),
}

/// What was answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    /// The body as it came.
    pub body: String,
}

impl Answer {
    /// The body as JSON; null where there is none.
    ///
    /// # Panics
    /// When it is something else.
    pub fn json(&self) -> Value {
        if self.body.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
        }
    }

    /// A header by its name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    /// Status, type and text of an error.
    pub fn refusal(&self) -> (u16, String, String) {
        let body = self.json();
        let text =
            body["message"].as_str().or_else(|| body["Message"].as_str()).unwrap_or_default().to_owned();
        (self.status, self.header("x-amzn-errortype").unwrap_or_default().to_owned(), text)
    }

    /// The answer, which is one of success.
    ///
    /// # Panics
    /// When it is not.
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }
}

impl LambdaApi {
    /// The URL of a listener.
    ///
    /// # Panics
    /// For a socket, which has none.
    pub fn url(&self) -> String {
        match self {
            Self::Tcp(address) => format!("http://{address}"),
            Self::Unix(path) => panic!("{} has no URL", path.display()),
        }
    }

    /// Makes a mapping.
    pub fn create(&self, body: &Value) -> Answer {
        self.send("POST", MAPPINGS, &body.to_string())
    }

    /// Shows one.
    pub fn get(&self, uuid: &str) -> Answer {
        self.send("GET", &format!("{MAPPINGS}/{uuid}"), "")
    }

    /// Lists them; `query` is what follows the question mark.
    pub fn list(&self, query: &str) -> Answer {
        let separator = if query.is_empty() { "" } else { "?" };
        self.send("GET", &format!("{MAPPINGS}{separator}{query}"), "")
    }

    /// All mappings, page after page.
    ///
    /// # Panics
    /// When a page is refused.
    pub fn all(&self) -> Vec<Value> {
        let mut all = Vec::new();
        let mut query = String::new();
        loop {
            let page = self.list(&query).expect(200);
            all.extend(page["EventSourceMappings"].as_array().expect("a page has mappings").iter().cloned());
            match page["NextMarker"].as_str() {
                Some(marker) => query = format!("Marker={}", percent(marker)),
                None => return all,
            }
        }
    }

    /// Changes one.
    pub fn update(&self, uuid: &str, body: &Value) -> Answer {
        self.send("PUT", &format!("{MAPPINGS}/{uuid}"), &body.to_string())
    }

    /// Deletes one.
    pub fn delete(&self, uuid: &str) -> Answer {
        self.send("DELETE", &format!("{MAPPINGS}/{uuid}"), "")
    }

    /// The tags of what has this ARN.
    pub fn tags(&self, arn: &str) -> Answer {
        self.send("GET", &format!("/2017-03-31/tags/{}", percent(arn)), "")
    }

    /// Adds tags.
    pub fn tag(&self, arn: &str, tags: &Value) -> Answer {
        self.send("POST", &format!("/2017-03-31/tags/{}", percent(arn)), &json!({ "Tags": tags }).to_string())
    }

    /// Takes tags away.
    pub fn untag(&self, arn: &str, keys: &[&str]) -> Answer {
        let query = keys.iter().map(|it| format!("tagKeys={}", percent(it))).collect::<Vec<_>>().join("&");
        self.send("DELETE", &format!("/2017-03-31/tags/{}?{query}", percent(arn)), "")
    }

    /// One call.
    ///
    /// # Panics
    /// When nobody answers.
    pub fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        self.try_send(method, path, body).unwrap_or_else(|| panic!("nobody answers {method} {path}"))
    }

    /// One call; `None` when nobody answers it.
    pub fn try_send(&self, method: &str, path: &str, body: &str) -> Option<Answer> {
        let host = match self {
            Self::Tcp(address) => address,
            Self::Unix(_) => "localhost",
        };
        // In one piece: small ones wait for each other's acknowledgement.
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.exchange(request.as_bytes())
    }

    /// Sends these bytes and reads to the end; `None` when nothing whole comes back.
    pub fn exchange(&self, request: &[u8]) -> Option<Answer> {
        let patience = Some(Duration::from_secs(60));
        let mut answer = Vec::new();
        match self {
            Self::Tcp(address) => {
                let mut stream = TcpStream::connect(address).ok()?;
                stream.set_read_timeout(patience).ok()?;
                stream.write_all(request).ok()?;
                stream.read_to_end(&mut answer).ok()?;
            }
            Self::Unix(path) => {
                let mut stream = UnixStream::connect(path).ok()?;
                stream.set_read_timeout(patience).ok()?;
                stream.write_all(request).ok()?;
                stream.read_to_end(&mut answer).ok()?;
            }
        }
        let (status, body) = http::parse(&answer)?;
        let text = String::from_utf8_lossy(&answer);
        let head = text.split_once("\r\n\r\n")?.0;
        let header = |line: &str| {
            line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        Some(Answer { status, headers: head.lines().skip(1).filter_map(header).collect(), body })
    }
}

/// Percent-encodes all but letters, digits and what the RFC leaves alone.
pub fn percent(text: &str) -> String {
    text.bytes()
        .map(|it| {
            if it.is_ascii_alphanumeric() || b"-._~".contains(&it) {
                char::from(it).to_string()
            } else {
                format!("%{it:02X}")
            }
        })
        .collect()
}
