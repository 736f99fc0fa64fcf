//! Ends the process when nothing else does: a thread of its own that hears the same signals as the runtime
//! and knows when the process has to be gone, whatever any other thread waits for.
//!
//! | what came | the process is gone | with |
//! | --- | --- | --- |
//! | a first signal to end | [`RESERVE`] after `shutdown_grace` | 70 |
//! | a second one | within [`SECOND_MAX`] | 130 or 143 |
//! | a third one | at once | 130 or 143 |
//! | its own end | within [`END_MAX`] | the code that it chose |

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};
use tracing::error;

use crate::exit::Exit;
use crate::lock::lock;
use crate::logs;

/// What a drain may take beyond `shutdown_grace`: listeners, feeds and the store are closed in it.
pub const RESERVE: Duration = Duration::from_secs(4);
/// How long after a second signal the process is there at most: functions are killed in it.
pub const SECOND_MAX: Duration = Duration::from_secs(3);
/// How long the process is there at most once it has chosen its exit code.
pub const END_MAX: Duration = Duration::from_secs(3);
/// How long the last words may take to be written.
const LAST_WORDS_MAX: Duration = Duration::from_millis(500);
/// What the process writes to the bell when it ends by itself; a signal writes something else.
const END: u8 = b'E';

/// The way to the watchdog's thread, which lives as long as the process.
#[derive(Debug)]
pub struct Watchdog {
    bell: UnixStream,
    shared: Arc<WatchdogState>,
}

#[derive(Debug)]
struct WatchdogState {
    grace: Mutex<Duration>,
    /// What the process chose.
    exit: Mutex<Option<Exit>>,
    /// The last signal that came.
    signal: Arc<AtomicUsize>,
}

impl Watchdog {
    /// Starts the thread. Signals reach it after [`Watchdog::listen`].
    ///
    /// # Errors
    /// The system has no thread or no socket to give.
    pub fn start(grace: Duration) -> io::Result<Self> {
        // A socket and no channel: a handler of signals may write to it, and may do little else.
        let (bell, ear) = UnixStream::pair()?;
        let shared = Arc::new(WatchdogState {
            grace: Mutex::new(grace),
            exit: Mutex::default(),
            signal: Arc::default(),
        });
        let its = Arc::clone(&shared);
        std::thread::Builder::new().name("watchdog".to_owned()).spawn(move || end(its.watch(ear)))?;
        Ok(Self { bell, shared })
    }

    /// Hears SIGTERM and SIGINT from here on, beside whoever else does.
    ///
    /// # Errors
    /// The system refuses.
    pub fn listen(&self) -> io::Result<()> {
        for signal in [SIGTERM, SIGINT] {
            // First which one, then that there is one.
            flag::register_usize(signal, Arc::clone(&self.shared.signal), signal.unsigned_abs() as usize)?;
            low_level::pipe::register(signal, self.bell.try_clone()?)?;
        }
        Ok(())
    }

    /// Another `shutdown_grace` holds for a signal that comes after this.
    pub fn set_grace(&self, grace: Duration) {
        *lock(&self.shared.grace) = grace;
    }

    /// The process ends now by itself, with this.
    pub fn ends(&self, exit: Exit) {
        *lock(&self.shared.exit) = Some(exit);
        // A bell that is full has been rung.
        let _ = (&self.bell).write(&[END]);
    }
}

impl WatchdogState {
    /// Waits until the process is overdue; the code it ends with then.
    fn watch(&self, mut ear: UnixStream) -> Exit {
        let mut countdown = Countdown::default();
        loop {
            let left = countdown.until.map(|(at, _)| at.saturating_duration_since(Instant::now()));
            if let (Some(Duration::ZERO), Some((_, exit))) = (left, countdown.until) {
                return exit;
            }
            let mut rung = [0];
            // Only a time of zero is refused, which it is not.
            let _ = ear.set_read_timeout(left);
            match ear.read(&mut rung) {
                Ok(1..) if rung[0] == END => countdown.handle_end(*lock(&self.exit), Instant::now()),
                Ok(1..) => countdown.handle_signal(self.exit_of_signal(), *lock(&self.grace), Instant::now()),
                // The time is over, or a signal interrupted the wait.
                Err(error)
                    if [ErrorKind::WouldBlock, ErrorKind::TimedOut, ErrorKind::Interrupted]
                        .contains(&error.kind()) => {}
                // Whoever rings lives as long as the process.
                Ok(0) | Err(_) => std::thread::park_timeout(left.unwrap_or(END_MAX)),
            }
        }
    }

    fn exit_of_signal(&self) -> Exit {
        let signal = u8::try_from(self.signal.load(Ordering::SeqCst)).unwrap_or_default();
        Exit::Signal(128_u8.saturating_add(signal))
    }
}

/// When the process has to be gone, and with which code.
#[derive(Debug, Default)]
struct Countdown {
    n_signals: u32,
    until: Option<(Instant, Exit)>,
}

impl Countdown {
    fn handle_signal(&mut self, exit: Exit, grace: Duration, now: Instant) {
        self.n_signals += 1;
        let (within, exit) = match self.n_signals {
            1 => (grace.saturating_add(RESERVE), Exit::Overdue),
            2 => (SECOND_MAX, exit),
            _ => (Duration::ZERO, exit),
        };
        self.shorten(within, exit, now);
    }

    fn handle_end(&mut self, exit: Option<Exit>, now: Instant) {
        self.shorten(END_MAX, exit.unwrap_or(Exit::Failed), now);
    }

    /// What came last says the code, and never more time than there was.
    fn shorten(&mut self, within: Duration, exit: Exit, now: Instant) {
        // A time that no clock can tell is none.
        let at = now.checked_add(within);
        self.until = match (self.until, at) {
            (Some((before, _)), Some(at)) => Some((before.min(at), exit)),
            (Some((at, _)), None) | (None, Some(at)) => Some((at, exit)),
            (None, None) => None,
        };
    }
}

/// Ends the process without asking anybody: no destructor and no other thread can hold it. Its functions'
/// processes end with it.
fn end(exit: Exit) {
    error!(
        code = "FB-0542",
        exit_code = exit.code(),
        "the process did not end within its time: it is ended by force"
    );
    logs::flush(LAST_WORDS_MAX);
    low_level::exit(exit.code().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(25);

    #[test]
    fn each_signal_leaves_less_time() {
        let now = Instant::now();
        let mut countdown = Countdown::default();
        countdown.handle_signal(Exit::Signal(143), GRACE, now);
        assert_eq!(countdown.until, Some((now + GRACE + RESERVE, Exit::Overdue)));
        countdown.handle_signal(Exit::Signal(130), GRACE, now);
        assert_eq!(countdown.until, Some((now + SECOND_MAX, Exit::Signal(130))));
        countdown.handle_signal(Exit::Signal(143), GRACE, now);
        assert_eq!(countdown.until, Some((now, Exit::Signal(143))));
    }

    #[test]
    fn an_end_of_its_own_keeps_its_code_and_gets_no_more_time_than_is_left() {
        let now = Instant::now();
        let mut countdown = Countdown::default();
        countdown.handle_end(Some(Exit::Config), now);
        assert_eq!(countdown.until, Some((now + END_MAX, Exit::Config)));
        let mut countdown = Countdown::default();
        countdown.handle_signal(Exit::Signal(143), Duration::ZERO, now);
        countdown.handle_end(Some(Exit::Done), now + RESERVE - Duration::from_secs(1));
        assert_eq!(countdown.until, Some((now + RESERVE, Exit::Done)));
    }

    #[test]
    fn a_grace_without_end_gives_none() {
        let now = Instant::now();
        let mut countdown = Countdown::default();
        countdown.handle_signal(Exit::Signal(143), Duration::MAX, now);
        assert_eq!(countdown.until, None);
        countdown.handle_signal(Exit::Signal(143), Duration::MAX, now);
        assert_eq!(countdown.until, Some((now + SECOND_MAX, Exit::Signal(143))));
    }

    #[test]
    fn it_wakes_for_what_the_process_says_and_for_nothing_else() {
        let watchdog = |shared: &Arc<WatchdogState>| {
            let (bell, ear) = UnixStream::pair().unwrap();
            let its = Arc::clone(shared);
            (bell, std::thread::spawn(move || its.watch(ear)))
        };
        let shared = Arc::new(WatchdogState {
            grace: Mutex::new(Duration::MAX),
            exit: Mutex::default(),
            signal: Arc::default(),
        });
        shared.signal.store(15, Ordering::SeqCst);
        let (mut bell, watching) = watchdog(&shared);
        bell.write_all(b"XXX").unwrap();
        assert_eq!(watching.join().unwrap(), Exit::Signal(143), "a third signal ends at once");
    }
}
