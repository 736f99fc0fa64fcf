//! A wire to a server of any protocol that can be cut: nothing comes through then in either direction, and nobody
//! is told, as when a network fails and no connection is closed.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::loopback::{Listening, Serves};

/// Who waits looks this often whether he is to wait on.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const PIECE_BYTES: usize = 64 << 10;

/// A wire from a loopback port of its own. It ends with the test.
#[derive(Debug)]
pub struct Wire {
    listening: Listening,
    shared: Arc<WireShared>,
}

#[derive(Debug, Default)]
struct WireShared {
    /// The server at its other end, once that is known.
    to: Mutex<Option<String>>,
    is_cut: Mutex<bool>,
    changed: Condvar,
}

impl Wire {
    /// A wire that leads nowhere yet: who comes waits.
    pub fn new() -> Self {
        let shared = Arc::<WireShared>::default();
        let listening = Listening::anywhere(Arc::clone(&shared) as Arc<dyn Serves>);
        Self { listening, shared }
    }

    /// Where it begins.
    pub fn port(&self) -> u16 {
        self.listening.address.port()
    }

    /// From here on it leads to this `host:port`.
    pub fn lead_to(&self, server: &str) {
        *self.shared.to.lock().unwrap_or_else(PoisonError::into_inner) = Some(server.to_owned());
    }

    /// Nothing comes through any more. What is under way is kept.
    pub fn cut(&self) {
        self.shared.set(true);
    }

    /// All goes on as if nothing had been.
    pub fn mend(&self) {
        self.shared.set(false);
    }
}

impl Default for Wire {
    fn default() -> Self {
        Self::new()
    }
}

impl WireShared {
    fn set(&self, is_cut: bool) {
        *self.is_cut.lock().unwrap_or_else(PoisonError::into_inner) = is_cut;
        self.changed.notify_all();
    }

    /// Waits while it is cut; `false` when the connection is over meanwhile.
    fn is_whole(&self, is_over: &dyn Fn() -> bool) -> bool {
        let mut is_cut = self.is_cut.lock().unwrap_or_else(PoisonError::into_inner);
        while *is_cut && !is_over() {
            let waited = self.changed.wait_timeout(is_cut, LOOK_EVERY);
            is_cut = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        !is_over()
    }

    /// The server, as soon as it is known.
    fn server(&self, is_over: &dyn Fn() -> bool) -> Option<String> {
        loop {
            let to = self.to.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if to.is_some() || is_over() {
                return to;
            }
            thread::park_timeout(LOOK_EVERY);
        }
    }

    /// What one end says, to the other, until one of them is gone.
    fn carry(
        &self,
        mut from: &TcpStream,
        mut to: &TcpStream,
        is_over: &dyn Fn() -> bool,
    ) -> std::io::Result<()> {
        from.set_read_timeout(Some(LOOK_EVERY))?;
        let mut piece = vec![0; PIECE_BYTES];
        while self.is_whole(is_over) {
            let n = match from.read(&mut piece) {
                Ok(0) => break,
                Ok(n) => n,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
                Err(error) => return Err(error),
            };
            if !self.is_whole(is_over) {
                break;
            }
            to.write_all(&piece[..n])?;
        }
        Ok(())
    }
}

impl Serves for WireShared {
    fn serve(&self, stream: &TcpStream, is_closed: &dyn Fn() -> bool) -> std::io::Result<()> {
        if !self.is_whole(is_closed) {
            return Ok(());
        }
        let Some(server) = self.server(is_closed) else { return Ok(()) };
        let server = TcpStream::connect(server)?;
        server.set_nodelay(true)?;
        let is_over = AtomicBool::new(false);
        thread::scope(|threads| {
            threads.spawn(|| {
                let _ = self.carry(&server, stream, &|| is_over.load(Ordering::SeqCst));
                let _ = stream.shutdown(Shutdown::Both);
            });
            let carried = self.carry(stream, &server, is_closed);
            is_over.store(true, Ordering::SeqCst);
            let _ = server.shutdown(Shutdown::Both);
            carried
        })
    }
}
