//! Requests over a plain socket: enough for the admin listener, and nothing shared with the code under test.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Status and body of `GET path` at `address`; `None` when nobody answers.
pub fn get(address: &str, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    parse(&answer)
}

/// Status and body of a request with a body, JSON or empty; `None` when nobody answers.
pub fn send(address: &str, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    parse(&answer)
}

/// Status and body of a call to SQS at `address`, signed in form only; `None` when nobody answers.
pub fn call_sqs(address: &str, action: &str, body: &str) -> Option<(u16, String)> {
    call_aws(address, "sqs", "1.0", &format!("AmazonSQS.{action}"), body)
}

/// Status and body of a call to Kinesis at `address`, signed in form only; `None` when nobody answers.
pub fn call_kinesis(address: &str, action: &str, body: &str) -> Option<(u16, String)> {
    call_aws(address, "kinesis", "1.1", &format!("Kinesis_20131202.{action}"), body)
}

/// Status and body of a call to DynamoDB or its streams at `address`, signed in form only; `None` when nobody
/// answers.
pub fn call_dynamodb(address: &str, action: &str, body: &str) -> Option<(u16, String)> {
    let is_of_streams = ["DescribeStream", "GetShardIterator", "GetRecords"].contains(&action);
    let api = if is_of_streams { "DynamoDBStreams" } else { "DynamoDB" };
    call_aws(address, "dynamodb", "1.0", &format!("{api}_20120810.{action}"), body)
}

fn call_aws(address: &str, service: &str, version: &str, target: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    // In one piece: small ones wait for each other's acknowledgement.
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/x-amz-json-{version}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=000000000000/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=x\r\n\
         X-Amz-Date: 20260101T000000Z\r\nX-Amz-Target: {target}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    parse(&answer)
}

/// Status and body of a whole answer.
pub fn parse(answer: &[u8]) -> Option<(u16, String)> {
    let answer = String::from_utf8_lossy(answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        unchunk(body)
    } else {
        body.to_owned()
    };
    Some((status, body))
}

fn unchunk(mut body: &str) -> String {
    let mut out = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let Ok(size) = usize::from_str_radix(size.trim(), 16) else { break };
        if size == 0 || rest.len() < size {
            break;
        }
        out.push_str(&rest[..size]);
        body = rest[size..].trim_start_matches("\r\n");
    }
    out
}

/// The sum of a metric's series whose labels contain `label`.
pub fn metric(page: &str, name: &str, label: &str) -> f64 {
    let is_it = |line: &&str| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['{', ' ']) || rest.starts_with("_total"))
            && line.contains(label)
    };
    page.lines()
        .filter(|line| !line.starts_with('#'))
        .filter(is_it)
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// Sends a request to `localhost` over TLS and reads to the end; `None` when whoever answers is not one that
/// `roots` signed. Python has TLS; these tests have none of their own.
///
/// # Panics
/// Where there is no Python.
pub fn exchange_over_tls(port: u16, roots: &Path, request: &str) -> Option<Vec<u8>> {
    let script = "import socket, ssl, sys\n\
                  tls = ssl.create_default_context(cafile=sys.argv[2])\n\
                  stream = tls.wrap_socket(socket.create_connection(('127.0.0.1', int(sys.argv[1])), 30), server_hostname='localhost')\n\
                  stream.sendall(sys.stdin.buffer.read())\n\
                  while piece := stream.recv(65536): sys.stdout.buffer.write(piece)\n";
    let mut child = Command::new("python3")
        .args(["-c", script, &port.to_string()])
        .arg(roots)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("python3 runs");
    // A script that ended early tells by its status.
    let _ = child.stdin.take().map(|mut it| it.write_all(request.as_bytes()));
    let output = child.wait_with_output().ok()?;
    output.status.success().then_some(output.stdout)
}
