//! Runs a future and turns its panic into a value.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// Runs `future`; `Err` is the text of its panic. The future is dropped where it stood: what it borrowed must stay good without it.
pub(crate) async fn caught<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        // The future is never polled again after a panic, so nothing half changed inside it is ever seen.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(panic) => Poll::Ready(Err(text(&*panic))),
        }
    })
    .await
}

/// What a panic said.
pub(crate) fn text(panic: &(dyn Any + Send)) -> String {
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
}
