//! Whose connection it is: a connection to a Runtime API must come from the process that the API serves, or
//! from a descendant.
//!
//! Linux tells it in `/proc`: the address of the peer leads to a socket's inode, the inode to the process
//! that holds it.

use std::fs;
use std::net::SocketAddr;

use tokio::task::spawn_blocking;

/// Who holds the far end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FarEnd {
    /// The process, one of its group or a descendant.
    Family,
    /// Somebody else, or nobody that can be seen.
    Stranger,
    /// Nobody any more.
    Gone,
}

/// Who holds the connection `from` → `to` on this host, seen from `process`. What cannot be found out is a
/// stranger's.
pub(super) async fn far_end(process: u32, from: SocketAddr, to: SocketAddr) -> FarEnd {
    // The kernel walks its table of sockets for each who reads it, and `/proc` is as long as the host has
    // processes: milliseconds, for which a thread of the runtime is not held up.
    #[expect(clippy::disallowed_methods, reason = "it is waited for right here")]
    let found = spawn_blocking(move || holder(process, from, to));
    found.await.unwrap_or(FarEnd::Stranger)
}

fn holder(process: u32, from: SocketAddr, to: SocketAddr) -> FarEnd {
    // The kernel lists a socket that nobody holds with inode 0.
    let Some(inode) = socket_inode(from, to).filter(|it| *it != 0) else { return FarEnd::Gone };
    let link = format!("socket:[{inode}]");
    // Mostly it is the process itself: one folder to read in place of all of `/proc`.
    if holds(process, &link) {
        return FarEnd::Family;
    }
    let Ok(entries) = fs::read_dir("/proc") else { return FarEnd::Stranger };
    let mut family = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|it| *it != process && is_family(*it, process));
    if family.any(|it| holds(it, &link)) { FarEnd::Family } else { FarEnd::Stranger }
}

fn holds(process: u32, link: &str) -> bool {
    let Ok(entries) = fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).any(|it| it.as_os_str() == link)
}

/// Whether `process` is in the group that `leader` leads, or descends from it.
fn is_family(process: u32, leader: u32) -> bool {
    let mut at = process;
    // A chain of parents is short; the bound is for a table that changes while it is read.
    for _ in 0..64 {
        let Some((parent, group)) = parent_and_group(at) else { return false };
        if at == leader || parent == leader || group == leader {
            return true;
        }
        if parent <= 1 {
            return false;
        }
        at = parent;
    }
    false
}

/// The fields of `/proc/<pid>/stat` that follow the name, which may hold anything but is closed by the last
/// `)`.
fn parent_and_group(process: u32) -> Option<(u32, u32)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(1);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// The inode of the socket whose own end is `from` and whose far end is `to`.
fn socket_inode(from: SocketAddr, to: SocketAddr) -> Option<u64> {
    // A program with an IPv6 socket (Java's default) reaches an IPv4 address as a mapped one.
    let mapped = |it: SocketAddr| format!("0000000000000000FFFF0000{}", hex(it).unwrap_or_default());
    find_socket("/proc/net/tcp", &hex(from)?, &hex(to)?)
        .or_else(|| find_socket("/proc/net/tcp6", &mapped(from), &mapped(to)))
}

fn find_socket(table: &str, from: &str, to: &str) -> Option<u64> {
    let table = fs::read_to_string(table).ok()?;
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        // Behind the addresses: state, queues, timer, retransmits, user, timeout, then the inode.
        (fields.next()? == from && fields.next()? == to).then(|| fields.nth(6)?.parse().ok()).flatten()
    })
}

/// An address as the kernel prints it: the number in the machine's own byte order, then the port.
fn hex(it: SocketAddr) -> Option<String> {
    match it {
        SocketAddr::V4(it) => Some(format!("{:08X}:{:04X}", u32::from_ne_bytes(it.ip().octets()), it.port())),
        SocketAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_of_this_process_is_its_own_and_nobody_elses() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let stream = TcpStream::connect(to).unwrap();
        let from = stream.local_addr().unwrap();
        let mut other =
            std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        assert_eq!(holder(std::process::id(), from, to), FarEnd::Family);
        assert_eq!(holder(other.id(), from, to), FarEnd::Stranger);
        drop(stream);
        // A child that another test has just forked holds it too, until that child runs its program.
        while holder(std::process::id(), from, to) != FarEnd::Gone {
            std::thread::yield_now();
        }
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn whoever_asks_holds_up_no_thread_of_the_runtime() {
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let stream = TcpStream::connect(to).unwrap();
        let from = stream.local_addr().unwrap();
        let (release, held) = std::sync::mpsc::channel::<()>();
        // The only thread for what blocks is taken, so the answer can come from nowhere else.
        let taken = runtime.spawn_blocking(move || held.recv());
        let mut asked = std::pin::pin!(far_end(std::process::id(), from, to));
        let is_answered = runtime.block_on(async {
            tokio::select! {
                biased;
                _ = &mut asked => true,
                () = tokio::task::yield_now() => false,
            }
        });
        assert!(!is_answered);
        release.send(()).unwrap();
        assert_eq!(runtime.block_on(asked), FarEnd::Family);
        runtime.block_on(taken).unwrap().unwrap();
    }

    #[test]
    fn a_mapped_address_is_found_too() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let stream = TcpStream::connect(("::ffff:127.0.0.1", to.port())).unwrap();
        let (_, from) = listener.accept().unwrap();
        assert_eq!(holder(std::process::id(), from, to), FarEnd::Family);
        drop(stream);
    }

    #[test]
    fn a_child_is_family_and_a_parent_is_not() {
        let mut child =
            std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        assert!(is_family(child.id(), std::process::id()));
        assert!(!is_family(std::process::id(), child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
