//! Asks a running process over its Unix socket or its admin listener, for commands that need no client
//! library.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::Folder;
use crate::admin::{ADDRESS_DEFAULT, ADDRESS_FILE};
use crate::exit::Exit;

/// The socket in the data folder on which a process answers those who may read the folder.
const SOCKET_FILE: &str = "forebay.sock";
/// The most that is read of an answer.
const ANSWER_MAX: u64 = 64 << 20;

/// Which process.
#[derive(Debug, Args)]
pub(super) struct ProcessListener {
    /// The admin listener. Default: the socket in the data folder, else the address that the process wrote
    /// there, else 127.0.0.1:9470.
    #[arg(long, value_name = "ADDRESS")]
    admin_listen: Option<SocketAddr>,
    #[command(flatten)]
    pub(super) folder: Folder,
}

impl ProcessListener {
    /// Where it answers; `Err` when that cannot be told and was said.
    pub(super) fn address(&self) -> Result<Address, Exit> {
        match self.admin_listen {
            Some(admin) => Ok(Address::at(admin)),
            None => {
                self.folder.choose().map(|folder| Address::in_folder(&folder, ADDRESS_FILE, ADDRESS_DEFAULT))
            }
        }
    }
}

/// Where a process answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// Asked first where it stands; a process that was killed leaves it behind.
    socket: Option<PathBuf>,
    listener: SocketAddr,
}

impl Address {
    /// A listener that was named: the socket is not asked.
    pub(super) fn at(listener: SocketAddr) -> Self {
        Self { socket: None, listener }
    }

    /// What the process with this data folder left in it: its socket, and in this file the address of a
    /// listener; else the usual address.
    pub(super) fn in_folder(folder: &Path, address_file: &str, usual: SocketAddr) -> Self {
        let socket = folder.join(SOCKET_FILE);
        let written = std::fs::read_to_string(folder.join(address_file)).ok();
        let listener = written.and_then(|it| it.trim().parse().ok()).unwrap_or(usual);
        Self { socket: socket.exists().then_some(socket), listener }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.socket {
            Some(socket) => write!(f, "{} and {}", socket.display(), self.listener),
            None => self.listener.fmt(f),
        }
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) method: &'a str,
    /// With its query; what has a meaning in a URL is escaped.
    pub(super) path: &'a str,
    /// JSON, where the call takes something.
    pub(super) body: Option<&'a str>,
    /// Bounds connecting and each read.
    pub(super) wait_max: Duration,
}

/// Status and body of the answer.
pub(super) fn ask(address: &Address, question: Question<'_>) -> io::Result<(u16, String)> {
    if let Some(socket) = &address.socket {
        match UnixStream::connect(socket) {
            Ok(stream) => {
                stream.set_read_timeout(Some(question.wait_max))?;
                stream.set_write_timeout(Some(question.wait_max))?;
                return converse(stream, question);
            }
            // Left behind by a process that was killed; another may listen at the address.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    let stream = TcpStream::connect_timeout(&address.listener, question.wait_max)?;
    stream.set_read_timeout(Some(question.wait_max))?;
    stream.set_write_timeout(Some(question.wait_max))?;
    converse(stream, question)
}

/// Any address of the loopback is answered to under this name, a socket too.
const HOST: &str = "localhost";

fn converse(mut stream: impl Read + Write, question: Question<'_>) -> io::Result<(u16, String)> {
    let Question { method, path, body, .. } = question;
    let body = body.unwrap_or_default();
    let kind = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
    let length = body.len();
    // In one piece: small ones wait for each other's acknowledgement.
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {HOST}\r\n{kind}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    // To the end of the connection, which closes behind the answer.
    stream.take(ANSWER_MAX).read_to_string(&mut answer)?;
    parse(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
}

/// Answers have a length: none of those who answer here sends a body in chunks.
fn parse(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// A part of a path or query, with everything escaped that may have a meaning there.
pub(super) fn escaped(part: &str) -> String {
    let mut text = String::with_capacity(part.len());
    for byte in part.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(byte))
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    const QUESTION: Question<'_> =
        Question { method: "PUT", path: "/p", body: Some("{}"), wait_max: Duration::from_secs(10) };

    #[test]
    fn an_answer_is_a_status_and_a_body() {
        assert_eq!(
            parse("HTTP/1.1 503 Service Unavailable\r\na: b\r\n\r\ndraining\n"),
            Some((503, "draining\n".into()))
        );
        assert_eq!(parse("SSH-2.0-something\r\n"), None);
    }

    #[test]
    fn what_has_a_meaning_in_a_path_is_escaped() {
        assert_eq!(escaped("a/b c?%ä-1_x.~"), "a%2Fb%20c%3F%25%C3%A4-1_x.~");
    }

    #[test]
    fn the_socket_is_asked_before_the_address_and_one_left_behind_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let answered = |mut stream: Box<dyn ReadWrite>, word: &str| {
            let mut request = [0; 512];
            let n = stream.read(&mut request).unwrap();
            assert!(request[..n].ends_with(b"content-length: 2\r\nconnection: close\r\n\r\n{}"));
            stream.write_all(format!("HTTP/1.1 200 OK\r\n\r\n{word}").as_bytes()).unwrap();
        };
        let admin = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        std::fs::write(folder.path().join(ADDRESS_FILE), format!("{}\n", admin.local_addr().unwrap()))
            .unwrap();
        let socket = UnixListener::bind(folder.path().join(SOCKET_FILE)).unwrap();
        let address = Address::in_folder(folder.path(), ADDRESS_FILE, ADDRESS_DEFAULT);
        let asking = std::thread::spawn({
            let address = address.clone();
            move || ask(&address, QUESTION)
        });
        answered(Box::new(socket.accept().unwrap().0), "socket");
        assert_eq!(asking.join().unwrap().unwrap(), (200, "socket".into()));
        drop(socket);
        let asking = std::thread::spawn(move || ask(&address, QUESTION));
        answered(Box::new(admin.accept().unwrap().0), "admin");
        assert_eq!(asking.join().unwrap().unwrap(), (200, "admin".into()));
    }

    trait ReadWrite: Read + Write {}

    impl<T: Read + Write> ReadWrite for T {}
}
