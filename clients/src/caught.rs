//! Panics as values: what runs beside others ends alone, is told, and begins anew.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

/// A life that panicked is followed by the next one after this.
const NEXT_LIFE: Duration = Duration::from_millis(100);

/// Runs `future`; `Err` is the text of its panic. The future is dropped where it stood: what it borrowed must
/// stay good without it.
pub async fn caught<T>(future: impl Future<Output = T>) -> Result<T, String> {
    Caught::new(pin!(future)).await
}

/// A future whose panic is a value: its text. As [`caught`], for one that lies in a box and stays there.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct Caught<F>(F);

impl<F: Future + Unpin> Caught<F> {
    /// Contains the panics of `future`, which must not be polled any more once it has ended.
    pub fn new(future: F) -> Self {
        Self(future)
    }
}

impl<F: Future + Unpin> Future for Caught<F> {
    type Output = Result<F::Output, String>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let future = Pin::new(&mut self.get_mut().0);
        // The future is never polled again after a panic, so nothing half changed inside it is ever seen.
        match catch_unwind(AssertUnwindSafe(|| future.poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(panic) => Poll::Ready(Err(text(&*panic))),
        }
    }
}

/// Runs a life of `what` to its end. One that panics is told and followed by another.
pub async fn kept_alive<F: Future<Output = ()>>(what: &str, mut life: impl FnMut() -> F) {
    while let Err(error) = caught(life()).await {
        tracing::error!(code = "FB-0501", what, error, "a task died and is started again");
        tokio::time::sleep(NEXT_LIFE).await;
    }
}

/// What a panic said.
pub fn text(panic: &(dyn Any + Send)) -> String {
    if let Some(it) = panic.downcast_ref::<&str>() {
        format!("panicked: {it}")
    } else if let Some(it) = panic.downcast_ref::<String>() {
        format!("panicked: {it}")
    } else {
        "panicked".into()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_value_with_its_text() {
        assert_eq!(caught(async { 5 }).await, Ok(5));
        let died: Result<(), _> = caught(async {
            tokio::task::yield_now().await;
            panic!("lane {} is held twice", 3)
        })
        .await;
        assert_eq!(died, Err("panicked: lane 3 is held twice".into()));
    }

    #[tokio::test]
    async fn a_life_that_panics_is_followed_by_another_until_one_ends() {
        let n_lives = AtomicU32::new(0);
        kept_alive("a test", || async {
            let n = n_lives.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            assert!(n == 2, "the test wants it to die");
        })
        .await;
        assert_eq!(n_lives.load(Ordering::SeqCst), 3);
    }
}
