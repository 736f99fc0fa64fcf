//! `forebay health`: asks a running process whether it takes work, for images without curl.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use clap::Args;

use super::{Folder, output};
use crate::admin::{ADDRESS_DEFAULT, ADDRESS_FILE};
use crate::exit::Exit;

/// How long connecting, and each read, may take.
const WAIT_MAX: Duration = Duration::from_secs(3);
/// The most that is read of an answer.
const ANSWER_MAX: u64 = 64 * 1024;

#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    /// The admin listener. Default: what the process wrote into its data folder, else 127.0.0.1:9470.
    #[arg(long, value_name = "ADDRESS")]
    admin_listen: Option<SocketAddr>,
    #[command(flatten)]
    folder: Folder,
}

impl HealthArgs {
    pub(super) fn execute(self) -> Exit {
        let address = match self.admin_listen.map_or_else(|| self.folder.choose().map(|it| written_in(&it)), Ok) {
            Ok(address) => address,
            Err(exit) => return exit,
        };
        match ask(address) {
            Ok((200, body)) => {
                output::print(body.trim_end());
                Exit::Done
            }
            Ok((_, body)) => {
                output::print(body.trim_end());
                Exit::Failed
            }
            Err(error) => {
                output::complain(Some("FB-0507"), format!("{address} does not answer: {error}"));
                Exit::Failed
            }
        }
    }
}

/// The address that the process wrote into its data folder, or the usual one.
fn written_in(folder: &Path) -> SocketAddr {
    let written = std::fs::read_to_string(folder.join(ADDRESS_FILE)).ok();
    written.and_then(|it| it.trim().parse().ok()).unwrap_or(ADDRESS_DEFAULT)
}

/// The status and body of `/readyz?verbose`.
fn ask(address: SocketAddr) -> io::Result<(u16, String)> {
    let mut connection = TcpStream::connect_timeout(&address, WAIT_MAX)?;
    connection.set_read_timeout(Some(WAIT_MAX))?;
    connection.set_write_timeout(Some(WAIT_MAX))?;
    write!(connection, "GET /readyz?verbose HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
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
