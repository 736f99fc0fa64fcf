//! Work that runs beside a mapping's loop and comes back as values: invocations, deliveries, commits.

use std::future::{Future, pending};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_batcher::{
    AttemptId, Checkpoint, CommitId, Committed, Delivery, Failure, NoticeId, Outcome, Reply, TrackIdx,
};
use forebay_checkpoints::WriteNumber;
use forebay_clients::caught::Caught;
use forebay_pollers::{Assignment, TrackName};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;

use super::refusals::{GrantError, RefusedCommit};

/// What a job brought back.
#[derive(Debug)]
pub(crate) enum Done {
    /// An invocation ended.
    Invoked {
        /// Which attempt.
        id: AttemptId,
        /// How it ended.
        outcome: Outcome,
        /// How long it took; `None` when its task died.
        took: Option<Duration>,
    },
    /// A destination answered.
    Delivered {
        /// Which notice.
        id: NoticeId,
        /// What it said.
        answer: Delivery,
    },
    /// The store answered to a commit.
    Committed {
        /// Which commit.
        id: CommitId,
        /// Of which track.
        track: TrackIdx,
        /// What is written when the answer says so.
        checkpoint: Option<Box<Checkpoint>>,
        /// What it said.
        written: Result<WriteNumber, RefusedCommit>,
    },
    /// Ended tracks that the source does not list any more, and that the store has forgotten.
    Forgotten(Vec<TrackName>),
    /// The store answered to a grant of tracks that a group dealt.
    Granted(Vec<Assignment>, Result<(), GrantError>),
}

/// What a job is about, so that one that dies still gets an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum About {
    /// An attempt.
    Invoke(AttemptId),
    /// A notice.
    Deliver(NoticeId),
    /// A commit.
    Commit(CommitId, TrackIdx),
    /// Ended tracks to be forgotten.
    Forget,
    /// Tracks that a group dealt.
    Grant,
}

/// All jobs of one mapping, run by whoever asks for the next answer: a job costs no task and no thread's
/// wake. They outlive the loop: a loop that dies is not replaced before its jobs have ended, so that two
/// attempts of one key never run at once (O-1).
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    running: FuturesUnordered<BoxedJob>,
    n_invocations: u64,
}

/// One job, in a box that it does not leave: what it holds is large.
struct BoxedJob {
    about: About,
    work: Caught<BoxFuture<'static, Done>>,
}

impl Future for BoxedJob {
    type Output = Done;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Done> {
        let done = Pin::new(&mut self.work).poll(context);
        done.map(|done| done.unwrap_or_else(|panic| died(self.about, panic)))
    }
}

impl Jobs {
    /// Starts a job, which goes on while [`Jobs::next`] is awaited.
    pub(crate) fn start(&mut self, about: About, job: impl Future<Output = Done> + Send + 'static) {
        // Counted beside the set: each turn of the loop asks for it, and the set may hold a thousand.
        self.n_invocations += u64::from(matches!(about, About::Invoke(_)));
        self.running.push(BoxedJob { about, work: Caught::new(Box::pin(job)) });
    }

    /// The next answer; waits for ever while no job runs. Can be dropped without losing anything: a job stays
    /// in the set.
    pub(crate) async fn next(&mut self) -> Done {
        match self.running.next().await {
            Some(done) => {
                self.n_invocations -= u64::from(matches!(done, Done::Invoked { .. }));
                done
            }
            None => pending().await,
        }
    }

    /// How many jobs run or wait to be fetched.
    pub(crate) fn n_running(&self) -> usize {
        self.running.len()
    }

    /// How many of them are invocations.
    pub(crate) fn n_invocations(&self) -> u64 {
        self.n_invocations
    }
}

/// The answer for a job that panicked: nobody knows what it did.
fn died(about: About, text: String) -> Done {
    match about {
        About::Invoke(id) => {
            // The function may have had it, so a retry is spent, as for an answer that was lost.
            let reply = Reply { error: Some(text), ..Reply::default() };
            Done::Invoked { id, outcome: Outcome::Failed { how: Failure::Unknown, reply }, took: None }
        }
        // It is offered again: a destination has it twice rather than never.
        About::Deliver(id) => Done::Delivered { id, answer: Delivery::Refused { error: text.into() } },
        // It may be written all the same; the next one says the whole of the track again.
        About::Commit(id, track) => Done::Committed {
            id,
            track,
            checkpoint: None,
            written: Err(RefusedCommit {
                answer: Committed::Failed,
                error: text.into(),
                takes_mapping: false,
                overtaken: None,
            }),
        },
        // They stay on the list, and the next look asks for them again.
        About::Forget => Done::Forgotten(Vec::new()),
        About::Grant => Done::Granted(Vec::new(), Err(GrantError::Died(text))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_job_that_panics_is_answered_for() {
        let mut jobs = Jobs::default();
        jobs.start(About::Commit(CommitId(3), TrackIdx(1)), async { panic!("store broke") });
        let Done::Committed {
            id: CommitId(3),
            track: TrackIdx(1),
            written: Err(RefusedCommit { answer, error, takes_mapping: false, .. }),
            ..
        } = jobs.next().await
        else {
            panic!("a commit must be answered")
        };
        assert_eq!(answer, Committed::Failed);
        assert!(error.text.contains("store broke"), "{error}");
        jobs.start(About::Invoke(AttemptId(5)), async { panic!("executor broke") });
        assert_eq!(jobs.n_invocations(), 1);
        let Done::Invoked {
            id: AttemptId(5),
            outcome: Outcome::Failed { how: Failure::Unknown, .. },
            took: None,
        } = jobs.next().await
        else {
            panic!("an attempt must be answered")
        };
        assert_eq!(jobs.n_running(), 0);
    }
}
