//! Asks the admin listener of a running process, for commands that need no client library.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use clap::Args;

use super::Folder;
use crate::admin::{ADDRESS_DEFAULT, ADDRESS_FILE};
use crate::exit::Exit;

/// The most that is read of an answer.
const ANSWER_MAX: u64 = 4 << 20;

/// Which process.
#[derive(Debug, Args)]
pub(super) struct Listener {
    /// The admin listener. Default: what the process wrote into its data folder, else 127.0.0.1:9470.
    #[arg(long, value_name = "ADDRESS")]
    admin_listen: Option<SocketAddr>,
    #[command(flatten)]
    folder: Folder,
}

impl Listener {
    /// Where it stands; `Err` when that cannot be told and was said.
    pub(super) fn address(&self) -> Result<SocketAddr, Exit> {
        self.admin_listen.map_or_else(|| self.folder.choose().map(|it| written_in(&it)), Ok)
    }
}

/// The address that the process wrote into its data folder, or the usual one.
fn written_in(folder: &Path) -> SocketAddr {
    let written = std::fs::read_to_string(folder.join(ADDRESS_FILE)).ok();
    written.and_then(|it| it.trim().parse().ok()).unwrap_or(ADDRESS_DEFAULT)
}

/// Status and body of the answer. `wait_max` bounds connecting and each read.
pub(super) fn ask(address: SocketAddr, method: &str, path: &str, wait_max: Duration) -> io::Result<(u16, String)> {
    let mut connection = TcpStream::connect_timeout(&address, wait_max)?;
    connection.set_read_timeout(Some(wait_max))?;
    connection.set_write_timeout(Some(wait_max))?;
    write!(connection, "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    connection.take(ANSWER_MAX).read_to_string(&mut answer)?;
    parse(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
}

fn parse(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_status_and_a_body() {
        assert_eq!(parse("HTTP/1.1 503 Service Unavailable\r\na: b\r\n\r\ndraining\n"), Some((503, "draining\n".into())));
        assert_eq!(parse("SSH-2.0-something\r\n"), None);
    }
}
