//! Signals: the first SIGTERM or SIGINT drains, the second quits now; SIGUSR1 tells the state, SIGHUP
//! reloads.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalWish {
    /// End; the exit code when it has to be now.
    End(u8),
    /// Read the config again.
    Reload,
    /// Write the state of everything to the log.
    Dump,
}

/// The signals that the process listens to.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    user: Signal,
}

impl Signals {
    /// Starts listening; from here on these signals do not end the process by themselves.
    ///
    /// # Errors
    /// The system refuses.
    pub fn listen() -> std::io::Result<Self> {
        // A file that may not grow any more is an error of that write and not the end of the process, which
        // is what the system does by itself.
        drop(signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?);
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            user: signal(SignalKind::user_defined1())?,
        })
    }

    /// The next wish. Can be dropped without losing a signal.
    pub async fn next(&mut self) -> SignalWish {
        tokio::select! {
            biased;
            Some(()) = self.terminate.recv() => SignalWish::End(143),
            Some(()) = self.interrupt.recv() => SignalWish::End(130),
            Some(()) = self.user.recv() => SignalWish::Dump,
            Some(()) = self.hangup.recv() => SignalWish::Reload,
            // The streams never end while the runtime lives.
            else => std::future::pending().await,
        }
    }
}
