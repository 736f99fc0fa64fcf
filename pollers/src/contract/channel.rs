//! What a queue behind a channel must do beyond what every queue does: its receipts die with the channel.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_batcher::{Generation, Settle, Settled};

use super::Draw;
use super::queue::{QueueSubject, queue, receive, settlement};
use crate::source::{Message, Queue};

/// A queue behind a channel, and a hand in it.
pub trait ChannelSubject: QueueSubject {
    /// The connection goes, and with it every channel.
    fn kill(&mut self);
    /// The queue is deleted and made again: the consumer is cancelled.
    fn delete(&mut self);
    /// The most that a channel is owed.
    fn n_owed_max(&self) -> usize;
    /// The most that a channel may be owed.
    fn prefetch(&self) -> usize;
}

/// Runs the rules of channels, each on a subject of its own, on tokio's paused clock.
pub async fn check_channel(subject: impl Fn() -> Box<dyn ChannelSubject>) {
    for seed in 1..=24 {
        every_message_is_finished_over_channels_that_die(subject(), seed).await;
    }
    a_dead_channel_is_told_once_with_its_generation(subject()).await;
    no_more_is_owed_than_the_prefetch(subject()).await;
    what_is_owed_for_too_long_comes_again(subject()).await;
    a_cancelled_consumer_says_why(subject()).await;
}

/// The generations that were told of by now.
async fn told(queue: &dyn Queue) -> Vec<Generation> {
    let mut generations = Vec::new();
    while let Ok(it) = tokio::time::timeout(Duration::from_millis(1), queue.lost()).await {
        generations.push(it);
    }
    generations
}

/// Channels die at random, between a receive and its settlements too: in the end every message was deleted,
/// and what was deleted under a receipt that was good never came again.
async fn every_message_is_finished_over_channels_that_die(mut subject: Box<dyn ChannelSubject>, seed: u64) {
    let mut draw = Draw(seed);
    let n_messages = 20 + draw.below(30);
    (0..n_messages).for_each(|n| subject.send(&format!("message {n}"), None));
    let queue = queue(&*subject);
    let mut finished: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
    let mut held: Vec<Message> = Vec::new();
    for _ in 0..2_000 {
        if finished.len() == n_messages {
            break;
        }
        match draw.below(8) {
            0 => {
                subject.kill();
                let dead = told(&*queue).await;
                for it in held.extract_if(.., |it| dead.contains(&it.receipt.generation)) {
                    let answer = queue.settle(vec![settlement(it.receipt, Settle::Delete)]).await;
                    assert_eq!(answer[0].1, Settled::Lost, "seed {seed}: its receipt is void");
                }
                assert!(held.is_empty(), "seed {seed}: one channel brought them all");
            }
            1..4 => {
                if let Ok(messages) = queue.receive(10, Duration::ZERO).await {
                    for it in &messages {
                        assert!(!finished.contains_key(&it.record.data[..]), "seed {seed}: it was deleted");
                    }
                    held.extend(messages);
                }
            }
            _ => {
                for _ in 0..draw.below(held.len() + 1) {
                    let it = held.swap_remove(draw.below(held.len()));
                    let how = if draw.below(4) == 0 { Settle::Release } else { Settle::Delete };
                    let answer = queue.settle(vec![settlement(it.receipt, how)]).await;
                    assert_eq!(answer[0].1, Settled::Done, "seed {seed}");
                    if how == Settle::Delete {
                        *finished.entry(it.record.data.to_vec()).or_default() += 1;
                    }
                }
            }
        }
    }
    assert_eq!(
        (finished.len(), subject.n_left()),
        (n_messages, 0),
        "seed {seed}: none is lost, none is left"
    );
    assert!(finished.values().all(|n| *n == 1), "seed {seed}");
}

async fn a_dead_channel_is_told_once_with_its_generation(mut subject: Box<dyn ChannelSubject>) {
    subject.send("a", None);
    let queue = queue(&*subject);
    let [first] = <[Message; 1]>::try_from(receive(&*queue, 10).await).expect("one message");
    assert_eq!(told(&*queue).await, [], "nothing has died");
    subject.kill();
    let [dead] = told(&*queue).await[..] else { panic!("it is told once") };
    assert_eq!(dead, first.receipt.generation);
    let [again] = <[Message; 1]>::try_from(receive(&*queue, 10).await).expect("it comes again");
    assert!(again.receipt.generation > dead, "a later channel has a higher generation");
    assert_eq!((again.record.id, again.n_receives), (first.record.id, first.n_receives.map(|n| n + 1)));
    let answers = queue.settle(vec![settlement(first.receipt, Settle::Delete)]).await;
    assert_eq!(answers[0].1, Settled::Lost);
    let answers = queue.settle(vec![settlement(again.receipt, Settle::Delete)]).await;
    assert_eq!(
        (answers[0].1, subject.n_left()),
        (Settled::Done, 0),
        "the void one did not close the channel"
    );
}

async fn no_more_is_owed_than_the_prefetch(mut subject: Box<dyn ChannelSubject>) {
    let n_messages = 3 * subject.prefetch();
    (0..n_messages).for_each(|n| subject.send(&n.to_string(), None));
    let queue = queue(&*subject);
    let mut held = Vec::new();
    loop {
        let messages = queue.receive(10, Duration::ZERO).await.expect("the queue works");
        if messages.is_empty() {
            break;
        }
        held.extend(messages);
    }
    assert_eq!((held.len(), subject.n_owed_max()), (subject.prefetch(), subject.prefetch()));
    let answers =
        queue.settle(held.drain(..7).map(|it| settlement(it.receipt, Settle::Delete)).collect()).await;
    assert!(answers.iter().all(|it| it.1 == Settled::Done));
    assert_eq!(receive(&*queue, 10).await.len(), 7, "as many come as were answered");
}

async fn what_is_owed_for_too_long_comes_again(mut subject: Box<dyn ChannelSubject>) {
    subject.send("slow", None);
    let queue = queue(&*subject);
    let [slow] = <[Message; 1]>::try_from(receive(&*queue, 10).await).expect("one message");
    // Longer than any broker waits.
    tokio::time::sleep(Duration::from_secs(7_200)).await;
    let late = queue.receive(10, Duration::ZERO).await;
    assert!(late.is_err_and(|it| it.is_transient() && it.to_string().contains("queue")));
    assert_eq!(told(&*queue).await, [slow.receipt.generation]);
    assert_eq!(receive(&*queue, 10).await.len(), 1);
}

async fn a_cancelled_consumer_says_why(mut subject: Box<dyn ChannelSubject>) {
    subject.send("a", None);
    let queue = queue(&*subject);
    let [a] = <[Message; 1]>::try_from(receive(&*queue, 10).await).expect("one message");
    subject.delete();
    let error = queue.receive(10, Duration::ZERO).await.expect_err("it is cancelled");
    let forebay_batcher::SourceNotice::Down { error } = error.to_notice() else { panic!("it may come back") };
    assert!(error.text.contains("cancelled"), "{error:?}");
    assert_eq!(told(&*queue).await, [a.receipt.generation]);
    assert_eq!(receive(&*queue, 10).await.len(), 1, "it consumes again when there is a queue");
}
