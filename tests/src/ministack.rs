//! MiniStack on a free loopback port, with permissions and signatures checked, and the few calls that a test
//! makes by itself: nothing is shared with the code under test.
//!
//! Where it differs from AWS, so that no test relies on it:
//! - A key whose id is `test` is root, and its signature is not checked; those of users are.
//! - An old receipt handle is refused after a message was received again; AWS takes it.
//! - A function of Python runs in a process of the machine's own Python, whatever version it asks for.
//! - Invocations beyond a function's reserved concurrency are throttled as on AWS; an account's cap is 10 by
//!   default, not 1,000.
//! - A topic's signature is a word.
//! - Numbers of records of its streams begin with zeros and are compared as texts: who asks for the place of one
//!   without them, as for a number, is shown nothing that is there already.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::ports::free_port;
use crate::{sqs_calls, wait};

/// A running server, ended with the test, and its functions with it.
#[derive(Debug)]
pub struct MiniStack {
    child: Child,
    port: u16,
    /// Where there is TLS, who signed its certificate.
    roots: Option<PathBuf>,
    folder: TempDir,
}

/// An access key of a user or of a role's session.
#[derive(Debug, Clone)]
pub struct Key {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// A session's token; empty for a user.
    pub token: String,
}

/// The account of everything.
pub const ACCOUNT: &str = "000000000000";
/// The region of everything.
pub const REGION: &str = "us-east-1";

impl MiniStack {
    /// Starts it and waits until it answers.
    ///
    /// # Panics
    /// When it was not fetched, naming the command.
    pub fn start() -> Self {
        Self::launch(None, &[])
    }

    /// The same behind TLS with `leaf.pem` and `leaf.key` of this folder, which `roots.pem` there signed.
    ///
    /// # Panics
    /// When it was not fetched, naming the command.
    pub fn start_with_tls(certificates: &Path) -> Self {
        let path = |name: &str| certificates.join(name).display().to_string();
        let tls = [
            ("USE_SSL", "1".to_owned()),
            ("MINISTACK_SSL_CERT", path("leaf.pem")),
            ("MINISTACK_SSL_KEY", path("leaf.key")),
        ];
        Self::launch(Some(certificates.join("roots.pem")), &tls)
    }

    fn launch(roots: Option<PathBuf>, variables: &[(&str, String)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let port = free_port();
        let log = File::create(folder.path().join("log")).expect("a file can be made");
        let child = Command::new(program("ministack"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", folder.path())
            .env("TMPDIR", folder.path())
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("AUTH", "true")
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .current_dir(folder.path())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file handle can be doubled"))
            .stderr(log)
            .spawn()
            .expect("MiniStack starts");
        let mut server = Self { child, port, roots, folder };
        wait::until("MiniStack", || {
            let ended = server.child.try_wait().expect("it can be waited for");
            assert!(ended.is_none(), "MiniStack ended with {ended:?}: {}", server.log());
            server
                .send("GET", "/_ministack/health", "sqs", &[], "")
                .filter(|(status, _)| *status == 200)
                .map(|_| ())
        });
        server
    }

    /// Where its calls go.
    pub fn endpoint(&self) -> String {
        let scheme = if self.roots.is_some() { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.port)
    }

    /// A new role that may do everything and that root may take, or who has a token of
    /// `https://tokens.example`; its ARN.
    pub fn role(&self, name: &str) -> String {
        let provider = format!("arn:aws:iam::{ACCOUNT}:oidc-provider/tokens.example");
        let statement = json!({ "Effect": "Allow", "Principal": { "AWS": "*", "Federated": provider },
                                "Action": ["sts:AssumeRole", "sts:AssumeRoleWithWebIdentity"] });
        self.role_with_trust(name, &statement, "*")
    }

    /// A new role that may do this, and that anybody of AWS may take who says the external id; its ARN.
    pub fn role_for(&self, name: &str, external_id: &str, actions: &str) -> String {
        let statement = json!({ "Effect": "Allow", "Principal": { "AWS": "*" }, "Action": "sts:AssumeRole",
                                "Condition": { "StringEquals": { "sts:ExternalId": external_id } } });
        self.role_with_trust(name, &statement, actions)
    }

    fn role_with_trust(&self, name: &str, statement: &Value, actions: &str) -> String {
        let trust = json!({ "Version": "2012-10-17", "Statement": [statement] });
        self.form(
            "iam",
            "CreateRole",
            &[("RoleName", name), ("AssumeRolePolicyDocument", &trust.to_string())],
        );
        self.allow("Role", name, actions);
        format!("arn:aws:iam::{ACCOUNT}:role/{name}")
    }

    /// A new stream of Kinesis with one shard, as soon as it can be written to; its ARN.
    pub fn stream(&self, name: &str) -> String {
        self.kinesis("CreateStream", &json!({ "StreamName": name, "ShardCount": 1 }));
        wait::until("an active stream", || {
            let shown = self.kinesis("DescribeStreamSummary", &json!({ "StreamName": name }));
            let shown = &shown["StreamDescriptionSummary"];
            let arn = shown["StreamARN"].as_str().expect("a stream has an ARN").to_owned();
            (shown["StreamStatus"] == "ACTIVE").then_some(arn)
        })
    }

    /// One call of Kinesis.
    pub fn kinesis(&self, action: &str, body: &Value) -> Value {
        let target = format!("Kinesis_20131202.{action}");
        let headers = [("Content-Type", "application/x-amz-json-1.1"), ("X-Amz-Target", &target)];
        let answer = self.must("POST", "/", "kinesis", &headers, &body.to_string());
        serde_json::from_str(&answer).unwrap_or(Value::Null)
    }

    /// Takes a role.
    pub fn session(&self, role_arn: &str) -> Key {
        let answer = self.form("sts", "AssumeRole", &[("RoleArn", role_arn), ("RoleSessionName", "test")]);
        Key {
            id: element(&answer, "AccessKeyId"),
            secret: element(&answer, "SecretAccessKey"),
            token: element(&answer, "SessionToken"),
        }
    }

    /// A new user who may do this, such as `sqs:*`, or nothing; its key.
    pub fn user(&self, name: &str, actions: &str) -> Key {
        self.form("iam", "CreateUser", &[("UserName", name)]);
        if !actions.is_empty() {
            self.allow("User", name, actions);
        }
        let answer = self.form("iam", "CreateAccessKey", &[("UserName", name)]);
        Key {
            id: element(&answer, "AccessKeyId"),
            secret: element(&answer, "SecretAccessKey"),
            token: String::new(),
        }
    }

    /// Lets a `User` or a `Role` do this and nothing else.
    pub fn allow(&self, whom: &str, name: &str, actions: &str) {
        let policy = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": [actions], "Resource": "*" }] });
        let parameters =
            [(&*format!("{whom}Name"), name), ("PolicyName", "all"), ("PolicyDocument", &policy.to_string())];
        self.form("iam", &format!("Put{whom}Policy"), &parameters);
    }

    /// A new function of Python; its ARN. The code has a `handler`; a version of it stands behind the alias
    /// `live`.
    pub fn function(&self, name: &str, code: &str) -> String {
        let zip = self.folder.path().join(format!("{name}.py"));
        std::fs::write(&zip, code).expect("a file can be written");
        let pack = "import base64,io,sys,zipfile\nout=io.BytesIO()\nwith zipfile.ZipFile(out,'w') as it: it.write(sys.argv[1],'app.py')\n\
                    print(base64.b64encode(out.getvalue()).decode(),end='')";
        let packed = Command::new("python3").args(["-c", pack]).arg(&zip).output().expect("python3 runs");
        let zip = String::from_utf8(packed.stdout).expect("base64 is text");
        let role = self.role(&format!("of-{name}"));
        let function = json!({ "FunctionName": name, "Runtime": "python3.11", "Handler": "app.handler", "Role": role, "Timeout": 10,
                               "Code": { "ZipFile": zip } });
        let made = self.rest("POST", "/2015-03-31/functions", &function);
        self.rest("POST", &format!("/2015-03-31/functions/{name}/versions"), &json!({}));
        self.rest(
            "POST",
            &format!("/2015-03-31/functions/{name}/aliases"),
            &json!({ "Name": "live", "FunctionVersion": "1" }),
        );
        made["FunctionArn"].as_str().expect("a function has an ARN").to_owned()
    }

    /// Its own mappings.
    pub fn mappings(&self) -> Value {
        self.rest("GET", "/2015-03-31/event-source-mappings", &json!({}))["EventSourceMappings"].take()
    }

    /// So many invocations of a function run at once, and the others are throttled; `None` lifts that.
    pub fn reserve(&self, function: &str, n: Option<u32>) {
        let path = format!("/2017-10-31/functions/{function}/concurrency");
        match n {
            Some(n) => drop(self.rest("PUT", &path, &json!({ "ReservedConcurrentExecutions": n }))),
            None => drop(self.rest("DELETE", &path, &json!({}))),
        }
    }

    /// A new topic and a queue that is subscribed to it; the topic's ARN and the queue's URL.
    pub fn topic(&self, name: &str) -> (String, String) {
        let topic = element(&self.form("sns", "CreateTopic", &[("Name", name)]), "TopicArn");
        let policy = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*" }] });
        let queue = self.queue(name, &json!({ "Policy": policy.to_string() }));
        let endpoint = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}");
        self.form("sns", "Subscribe", &[("TopicArn", &topic), ("Protocol", "sqs"), ("Endpoint", &endpoint)]);
        (topic, queue)
    }

    /// A new queue; its URL.
    pub fn queue(&self, name: &str, attributes: &Value) -> String {
        let answer = self.sqs("CreateQueue", &json!({ "QueueName": name, "Attributes": attributes }));
        answer["QueueUrl"].as_str().expect("a queue has a URL").to_owned()
    }

    /// Sends messages, ten a call, each with its group for a FIFO queue.
    pub fn send_messages(&self, url: &str, messages: &[(String, Option<String>)]) {
        sqs_calls::send(|action, body| self.sqs(action, body), url, messages);
    }

    /// The bodies of the messages that can be received now; they are deleted.
    pub fn take(&self, url: &str) -> Vec<String> {
        let answer = self.sqs("ReceiveMessage", &json!({ "QueueUrl": url, "MaxNumberOfMessages": 10 }));
        let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
        for it in &messages {
            self.sqs("DeleteMessage", &json!({ "QueueUrl": url, "ReceiptHandle": it["ReceiptHandle"] }));
        }
        messages.iter().map(|it| it["Body"].as_str().expect("a message has a body").to_owned()).collect()
    }

    /// Messages that can be received now, and messages in flight.
    pub fn counts(&self, url: &str) -> (u64, u64) {
        sqs_calls::counts(|action, body| self.sqs(action, body), url)
    }

    /// One call of SQS.
    ///
    /// # Panics
    /// When it is refused.
    pub fn sqs(&self, action: &str, body: &Value) -> Value {
        let target = format!("AmazonSQS.{action}");
        let headers = [("Content-Type", "application/x-amz-json-1.0"), ("X-Amz-Target", &target)];
        let answer = self.must("POST", "/", "sqs", &headers, &body.to_string());
        serde_json::from_str(&answer).unwrap_or(Value::Null)
    }

    /// A new secret of Secrets Manager; its ARN.
    ///
    /// # Panics
    /// When it is refused.
    pub fn secret(&self, name: &str, value: &str) -> String {
        let headers =
            [("Content-Type", "application/x-amz-json-1.1"), ("X-Amz-Target", "secretsmanager.CreateSecret")];
        let answer = self.must(
            "POST",
            "/",
            "secretsmanager",
            &headers,
            &json!({ "Name": name, "SecretString": value }).to_string(),
        );
        let answer: Value = serde_json::from_str(&answer).unwrap_or(Value::Null);
        answer["ARN"].as_str().expect("a secret has an ARN").to_owned()
    }

    /// A new event bus, and a rule that hands what matches the pattern to a queue. Events that are put before
    /// the rule is there are dropped.
    pub fn bus_to_queue(&self, bus: &str, pattern: &Value, queue: &str) {
        let call = |action: &str, body: &Value| {
            let target = format!("AWSEvents.{action}");
            let headers = [("Content-Type", "application/x-amz-json-1.1"), ("X-Amz-Target", &*target)];
            self.must("POST", "/", "events", &headers, &body.to_string());
        };
        call("CreateEventBus", &json!({ "Name": bus }));
        call("PutRule", &json!({ "Name": "all", "EventBusName": bus, "EventPattern": pattern.to_string() }));
        let target = json!({ "Id": "queue", "Arn": format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}") });
        call("PutTargets", &json!({ "Rule": "all", "EventBusName": bus, "Targets": [target] }));
    }

    /// A new bucket of S3.
    pub fn bucket(&self, name: &str) {
        self.must("PUT", &format!("/{name}"), "s3", &[], "");
    }

    /// The objects of a bucket by their keys, up to a thousand.
    pub fn objects(&self, bucket: &str) -> BTreeMap<String, String> {
        let list = self.must("GET", &format!("/{bucket}?list-type=2"), "s3", &[], "");
        let keys = list.split("<Key>").skip(1).filter_map(|it| it.split_once("</Key>"));
        let object = |key: &str| self.must("GET", &format!("/{bucket}/{key}"), "s3", &[], "");
        keys.map(|(key, _)| (key.to_owned(), object(key))).collect()
    }

    /// One call of Lambda.
    fn rest(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer =
            self.must(method, path, "lambda", &[("Content-Type", "application/json")], &body.to_string());
        serde_json::from_str(&answer).unwrap_or(Value::Null)
    }

    /// One call of a service that takes forms.
    fn form(&self, service: &str, action: &str, parameters: &[(&str, &str)]) -> String {
        let version = match service {
            "iam" => "2010-05-08",
            "sts" => "2011-06-15",
            _ => "2010-03-31",
        };
        let encoded = |text: &str| text.bytes().map(|it| format!("%{it:02X}")).collect::<String>();
        let parameters: String =
            parameters.iter().map(|(name, value)| format!("&{name}={}", encoded(value))).collect();
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        self.must("POST", "/", service, &headers, &format!("Action={action}&Version={version}{parameters}"))
    }

    fn must(&self, method: &str, path: &str, service: &str, headers: &[(&str, &str)], body: &str) -> String {
        let (status, answer) = self.send(method, path, service, headers, body).expect("MiniStack answers");
        assert!((200..300).contains(&status), "{method} {path} {body:.200}: {status} {answer}");
        answer
    }

    /// As root, whose signature is not looked at.
    fn send(
        &self,
        method: &str,
        path: &str,
        service: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<(u16, String)> {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\nX-Amz-Date: 20260101T000000Z\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=0\r\n\
             {headers}Content-Length: {}\r\n\r\n{body}",
            self.port,
            body.len()
        );
        let answer = match &self.roots {
            None => exchange(self.port, &request),
            Some(roots) => crate::http::exchange_over_tls(self.port, roots, &request),
        };
        crate::http::parse(&answer?)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for MiniStack {
    fn drop(&mut self) {
        // With the processes of its functions, which are of its group.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.child.wait();
    }
}

fn exchange(port: u16, request: &str) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    Some(answer)
}

fn program(name: &str) -> PathBuf {
    let home = PathBuf::from(std::env::var_os("HOME").expect("a user has a home"));
    let program = home.join(".cache/forebay/servers/ministack-1.5.33/bin").join(name);
    assert!(program.exists(), "{} is missing: dev/servers.sh", program.display());
    program
}

/// What the first element of this name holds.
fn element(xml: &str, name: &str) -> String {
    let found =
        xml.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once(&format!("</{name}>")));
    found.unwrap_or_else(|| panic!("no {name} in {xml}")).0.to_owned()
}
