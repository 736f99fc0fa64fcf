//! Calls to a queue that were sent: several are open at once, and none is dropped.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::source::{BoxFuture, Queue};

/// The calls of one session, each of which comes back as a `T`.
pub(in crate::feed) struct QueueCalls<T> {
    queue: Arc<dyn Queue>,
    open: FuturesUnordered<BoxFuture<'static, T>>,
    answered: Option<T>,
}

impl<T> QueueCalls<T> {
    pub(in crate::feed) fn new(queue: Arc<dyn Queue>) -> Self {
        Self { queue, open: FuturesUnordered::new(), answered: None }
    }

    pub(in crate::feed) fn queue(&self) -> &dyn Queue {
        self.queue.as_ref()
    }

    pub(in crate::feed) fn send<F>(&mut self, call: impl FnOnce(Arc<dyn Queue>) -> F)
    where
        F: Future<Output = T> + Send + 'static,
    {
        self.open.push(Box::pin(call(Arc::clone(&self.queue))));
    }

    /// Ready when one is answered. It stays until it is taken: whoever asks may be dropped meanwhile.
    pub(in crate::feed) fn poll(&mut self, task: &mut Context<'_>) -> Poll<()> {
        if self.answered.is_none() {
            match self.open.poll_next_unpin(task) {
                Poll::Ready(Some(answer)) => self.answered = Some(answer),
                // Whoever sends the next one asks again.
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }

    pub(in crate::feed) fn take(&mut self) -> Option<T> {
        self.answered.take()
    }

    pub(in crate::feed) fn n_open(&self) -> usize {
        self.open.len() + usize::from(self.answered.is_some())
    }
}
