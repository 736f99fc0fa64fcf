//! What every queue must do, as a suite: run over each kind's fake on tokio's paused clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{OrderKey, Place, QueuePlace, Receipt, Record, Settle, Settled, Settlement};
use serde_json::value::RawValue;

use super::Draw;
use crate::source::{Hidden, Message, Queue, Source};

/// A queue and a hand in it.
pub trait QueueSubject: Send {
    /// The source, connected.
    fn source(&self) -> Arc<dyn Source>;
    /// Sends a message. Bodies of one test differ.
    fn send(&mut self, body: &str, group: Option<u32>);
    /// Messages that are not deleted.
    fn n_left(&self) -> usize;
    /// Breaks the way to the queue, or heals it.
    fn set_broken(&mut self, is_broken: bool);
    /// How long a message may be on its way: none where the queue is in this process.
    fn delay(&self) -> Duration {
        Duration::ZERO
    }
    /// From how many seeds random calls are made: fewer where each takes its time.
    fn n_seeds(&self) -> u64 {
        24
    }
    /// Messages of one group keep their order.
    fn has_groups(&self) -> bool {
        true
    }
}

/// Runs the whole suite, each rule on a subject of its own. On tokio's paused clock, or it takes minutes.
pub async fn check_queue(subject: impl Fn() -> Box<dyn QueueSubject>) {
    for seed in 1..=subject().n_seeds() {
        every_message_is_finished_once_or_comes_again(subject(), seed).await;
    }
    if subject().has_groups() {
        a_group_gives_its_messages_in_order(subject()).await;
    }
    what_is_released_comes_at_once(subject()).await;
    // Where receipts do not lapse by time nothing is hidden for a time either.
    if queue(&*subject()).facts().visibility.is_some() {
        what_is_extended_stays_hidden(subject()).await;
        what_is_shown_after_a_time_comes_then_and_not_before(subject()).await;
    }
    a_void_receipt_is_lost(subject()).await;
    an_empty_receive_waits_to_its_end(subject()).await;
    a_broken_queue_says_so_and_heals(subject()).await;
    the_event_of_messages_has_exactly_the_promised_bytes(subject()).await;
}

/// Random receives, deletes, releases and lapses: in the end each message was deleted once, and none was
/// lost.
async fn every_message_is_finished_once_or_comes_again(mut subject: Box<dyn QueueSubject>, seed: u64) {
    let mut draw = Draw(seed);
    let n_messages = 20 + draw.below(30);
    (0..n_messages).for_each(|n| subject.send(&format!("message {n}"), None));
    let queue = queue(subject.as_ref());
    let mut finished: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
    for _ in 0..2_000 {
        if finished.len() == n_messages {
            break;
        }
        let messages = receive(&*queue, 1 + draw.below(10)).await;
        let mut settlements = Vec::new();
        for Message { record, receipt, .. } in messages {
            let how = match draw.below(4) {
                0 => Settle::Release,
                1 => Settle::Leave,
                _ => Settle::Delete,
            };
            if how == Settle::Delete {
                *finished.entry(record.data.to_vec()).or_default() += 1;
            }
            settlements.push(Settlement { receipt, how });
        }
        let n_settled = settlements.len();
        let answers = queue.settle(settlements).await;
        assert_eq!(answers.len(), n_settled, "seed {seed}: every receipt is answered");
        assert!(answers.iter().all(|(_, it)| *it == Settled::Done), "seed {seed}: {answers:?}");
    }
    assert_eq!(
        (finished.len(), subject.n_left()),
        (n_messages, 0),
        "seed {seed}: none is lost, none is left"
    );
    assert!(finished.values().all(|n| *n == 1), "seed {seed}: what was deleted never comes again");
}

/// While a message of a group is hidden no later one of it comes in another receive; other groups go on.
async fn a_group_gives_its_messages_in_order(mut subject: Box<dyn QueueSubject>) {
    for n in 0..40 {
        subject.send(&format!("{} {}", n % 4, n / 4), Some(n % 4));
    }
    let queue = queue(subject.as_ref());
    let mut seen: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    while subject.n_left() > 0 {
        let first = receive(&*queue, 3).await;
        // Without a wait, or the first would lapse meanwhile.
        let second = queue.receive(3, Duration::ZERO).await.expect("the queue works");
        let groups = |messages: &[Message]| messages.iter().map(group).collect::<BTreeSet<_>>();
        assert!(groups(&first).is_disjoint(&groups(&second)), "two receives never share a group");
        for message in first.iter().chain(&second) {
            let body = String::from_utf8(message.record.data.to_vec()).expect("it is text");
            let (group, n) = body.split_once(' ').expect("two parts");
            seen.entry(group.to_owned()).or_default().push(n.parse().expect("a number"));
        }
        queue
            .settle(
                first.into_iter().chain(second).map(|it| settlement(it.receipt, Settle::Delete)).collect(),
            )
            .await;
    }
    assert!(seen.len() == 4 && seen.values().all(|it| *it == (0..10).collect::<Vec<_>>()), "{seen:?}");
}

/// A message given back is there for the next receive, under another receipt.
async fn what_is_released_comes_at_once(mut subject: Box<dyn QueueSubject>) {
    (0..25).for_each(|n| subject.send(&format!("message {n}"), None));
    let queue = queue(subject.as_ref());
    let mut receipts = Vec::new();
    // What is on its way comes by one of the next.
    let n_receives_max = if subject.delay().is_zero() { 3 } else { 25 };
    for _ in 0..n_receives_max {
        if receipts.len() < 25 {
            let came = receive(&*queue, 10).await;
            assert!(came.len() <= 10, "no more come than were asked for");
            receipts.extend(came.into_iter().map(|it| it.receipt));
        }
    }
    assert_eq!(receipts.len(), 25, "a receive brings what there is");
    let answers =
        queue.settle(receipts.iter().cloned().map(|it| settlement(it, Settle::Release)).collect()).await;
    assert!(answers.len() == 25 && answers.iter().all(|(_, it)| *it == Settled::Done));
    let mut again = queue.receive(10, subject.delay()).await.expect("the queue works");
    while again.len() < 10 && !subject.delay().is_zero() {
        let more = queue.receive(1, subject.delay()).await.expect("the queue works");
        assert!(!more.is_empty(), "they come at once");
        again.extend(more);
    }
    assert_eq!(again.len(), 10, "they come at once");
    assert!(again.iter().all(|it| !receipts.contains(&it.receipt)), "each receive has receipts of its own");
}

/// A message that is extended does not come again; one that is not does.
async fn what_is_extended_stays_hidden(mut subject: Box<dyn QueueSubject>) {
    subject.send("kept", None);
    subject.send("left", None);
    let queue = queue(subject.as_ref());
    let visibility = queue.facts().visibility.expect("this suite is for queues with visibility");
    let messages = receive(&*queue, 10).await;
    let [kept, left] = <[Message; 2]>::try_from(messages).expect("two messages");
    for _ in 0..4 {
        tokio::time::sleep(visibility / 2).await;
        let answers = queue.extend(vec![kept.receipt.clone()], visibility).await;
        assert_eq!(answers, [(kept.receipt.clone(), Hidden::Done)]);
    }
    let again = queue.receive(10, Duration::ZERO).await.expect("the queue works");
    assert_eq!(again.iter().map(|it| &it.record.data).collect::<Vec<_>>(), [&left.record.data]);
    assert_eq!(queue.settle(vec![settlement(kept.receipt, Settle::Delete)]).await[0].1, Settled::Done);
}

/// Messages that are to be shown after a time come when each one's is over, however long they would have been
/// hidden.
async fn what_is_shown_after_a_time_comes_then_and_not_before(mut subject: Box<dyn QueueSubject>) {
    ["at once", "soon", "late"].into_iter().for_each(|body| subject.send(body, None));
    let queue = queue(subject.as_ref());
    let visibility = queue.facts().visibility.expect("this suite is for queues with visibility");
    let messages = receive(&*queue, 10).await;
    assert_eq!(messages.len(), 3);
    let waits = [Duration::ZERO, visibility / 2, visibility * 2];
    let settlements = messages
        .iter()
        .zip(waits)
        .map(|(it, wait)| settlement(it.receipt.clone(), Settle::ShowAfter(wait)))
        .collect();
    assert!(queue.settle(settlements).await.iter().all(|(_, answer)| *answer == Settled::Done));
    let mut come = Vec::new();
    for _ in 0..3 {
        let again = queue.receive(10, Duration::ZERO).await.expect("the queue works");
        // What came is deleted, so that it does not come once more.
        queue.settle(again.iter().map(|it| settlement(it.receipt.clone(), Settle::Delete)).collect()).await;
        come.push(again.into_iter().map(|it| it.record.data).collect::<Vec<_>>());
        tokio::time::sleep(visibility + Duration::from_millis(1)).await;
    }
    let data: Vec<_> = messages.into_iter().map(|it| vec![it.record.data]).collect();
    assert_eq!(come, data);
}

/// A receipt whose message is gone cannot hide it for longer, and takes nothing else with it. Deleting what
/// is deleted may be called done.
async fn a_void_receipt_is_lost(mut subject: Box<dyn QueueSubject>) {
    subject.send("a", None);
    subject.send("b", None);
    let queue = queue(subject.as_ref());
    let mut both = receive(&*queue, 10).await;
    if both.len() < 2 {
        both.extend(receive(&*queue, 1).await);
    }
    let [a, b] = <[Message; 2]>::try_from(both).expect("two messages");
    queue.settle(vec![settlement(a.receipt.clone(), Settle::Delete)]).await;
    let visibility = Duration::from_secs(30);
    let extended: BTreeMap<_, _> =
        queue.extend(vec![a.receipt.clone(), b.receipt.clone()], visibility).await.into_iter().collect();
    assert_eq!((extended[&a.receipt], extended[&b.receipt]), (Hidden::Lost, Hidden::Done));
    let both = [a.receipt.clone(), b.receipt.clone()].map(|it| settlement(it, Settle::Delete)).to_vec();
    let settled: BTreeMap<_, _> = queue.settle(both).await.into_iter().collect();
    assert_ne!(settled[&a.receipt], Settled::Failed, "it would be asked again without end");
    assert_eq!(settled[&b.receipt], Settled::Done);
}

/// An order that brings nothing is answered when its wait is over, fractions of a second too: an empty queue
/// is not asked in a circle.
async fn an_empty_receive_waits_to_its_end(subject: Box<dyn QueueSubject>) {
    let queue = queue(subject.as_ref());
    for wait in [Duration::from_millis(2_700), Duration::from_millis(300)] {
        let began = tokio::time::Instant::now();
        assert!(queue.receive(10, wait).await.expect("the queue works").is_empty());
        assert!((wait..wait * 2).contains(&began.elapsed()), "{wait:?} became {:?}", began.elapsed());
    }
}

/// While the queue is broken a receive is an error that may heal, and nothing is settled; then all goes on. Where
/// receipts die with the way, the message comes again.
async fn a_broken_queue_says_so_and_heals(mut subject: Box<dyn QueueSubject>) {
    subject.send("a", None);
    let queue = queue(subject.as_ref());
    let [message] = <[Message; 1]>::try_from(receive(&*queue, 10).await).expect("one message");
    subject.set_broken(true);
    let error = queue.receive(10, subject.delay()).await.expect_err("it is broken");
    assert!(error.is_transient(), "{error}");
    let delete = || vec![settlement(message.receipt.clone(), Settle::Delete)];
    let [(_, settled)] = queue.settle(delete()).await[..] else { panic!("every receipt is answered") };
    if settled == Settled::Lost && queue.facts().visibility.is_none() {
        subject.set_broken(false);
        let [again] = <[Message; 1]>::try_from(receive(&*queue, 10).await).expect("it comes again");
        let settled = queue.settle(vec![settlement(again.receipt, Settle::Delete)]).await;
        return assert_eq!((settled[0].1, subject.n_left()), (Settled::Done, 0));
    }
    assert_eq!(settled, Settled::Failed);
    assert_eq!(
        queue.extend(vec![message.receipt.clone()], Duration::from_secs(9)).await,
        [(message.receipt.clone(), Hidden::Failed)]
    );
    subject.set_broken(false);
    assert_eq!(queue.settle(delete()).await, [(message.receipt.clone(), Settled::Done)]);
    assert_eq!(subject.n_left(), 0);
}

/// An event of n messages has `envelope_bytes`, theirs and n − 1 commas; it is valid JSON, and each message
/// answers to its name.
async fn the_event_of_messages_has_exactly_the_promised_bytes(mut subject: Box<dyn QueueSubject>) {
    for body in ["plain", "{\"a\": 1}", "\"\\\n\u{7f}", "\u{1f600}", " "] {
        subject.send(body, None);
    }
    let source = subject.source();
    let messages = receive(&*queue(subject.as_ref()), 10).await;
    for has_window in [false, true] {
        let renderer = source.format().renderer(has_window);
        let render = |Message { record, receipt, .. }: &Message| {
            let mut bytes = b"before".to_vec();
            renderer.render(record, &mut bytes);
            assert!(bytes.starts_with(b"before"), "rendering appends");
            let place = Place::Queue(Box::new(QueuePlace {
                receipt: receipt.clone(),
                visible_until: None,
                receives_left: None,
                n_receives: None,
            }));
            let (id, key, arrival) = (record.id.clone(), record.key.clone(), record.arrival);
            Record {
                id,
                place,
                key,
                arrival,
                bytes: bytes.split_off(6).into(),
                section: renderer.section(record),
            }
        };
        let records: Vec<Record> = messages.iter().map(render).collect();
        let event = source.format().wrap(&records).concat();
        let sections: BTreeMap<u32, u64> =
            records.iter().map(|it| (it.section.idx, it.section.bytes.into())).collect();
        let promised = source.format().envelope_bytes()
            + records.iter().map(Record::n_bytes).sum::<u64>()
            + sections.values().sum::<u64>()
            + records.len() as u64
            - 1;
        assert_eq!(event.len() as u64, promised);
        serde_json::from_slice::<serde_json::Value>(&event).expect("an event is valid JSON");
        let (key, info) = source.format().batch_info(&records);
        assert!(key.ends_with("BatchInfo") && info["batchSize"] == records.len(), "{key}: {info}");
        for record in &records {
            let name = serde_json::value::to_raw_value(&String::from_utf8_lossy(record.id.0.as_slice()))
                .expect("a text is JSON");
            assert_eq!(
                source.format().identify(&name).as_ref(),
                Some(&record.id),
                "a message answers to its name"
            );
        }
    }
    for other in ["null", "{}", "[]", "true", "\"\"", "7"] {
        let other = RawValue::from_string(other.to_owned()).expect("it is JSON");
        assert_eq!(source.format().identify(&other), None, "{other} names no message");
    }
}

pub(super) fn queue(subject: &(impl QueueSubject + ?Sized)) -> Arc<dyn Queue> {
    subject.source().queue().expect("the source is a queue")
}

pub(super) async fn receive(queue: &dyn Queue, n: usize) -> Vec<Message> {
    let n = u32::try_from(n).expect("it is small");
    queue.receive(n, Duration::from_secs(40)).await.expect("the queue works")
}

pub(super) fn settlement(receipt: Receipt, how: Settle) -> Settlement {
    Settlement { receipt, how }
}

fn group(message: &Message) -> Vec<u8> {
    match &message.record.key {
        OrderKey::Key(key) => key.to_vec(),
        OrderKey::Free => Vec::new(),
    }
}
