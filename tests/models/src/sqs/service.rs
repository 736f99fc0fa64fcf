//! The queues of one account and what its calls do.

use std::collections::BTreeMap;

use super::limits::{self, DEDUPLICATION_MS, DELAY_MAX, TEN, VISIBILITY_MAX, WAIT_MAX};
use super::{
    Answered, Ask, Attribute, Attributes, Fate, Faults, Received, Redrive, Refusal, Sent, Struck, Taken,
};
use crate::queue::{Handle, Message, Queue, Rules, Void};

const SECOND: u64 = 1_000;
const REGION: &str = "us-east-1";
const ACCOUNT: &str = "000000000000";

/// All queues.
#[derive(Debug, Default)]
pub struct Service {
    /// What goes wrong.
    pub faults: Faults,
    queues: BTreeMap<String, Held>,
    n_queues: u64,
    n_messages: u64,
    epoch_ms: u64,
}

#[derive(Debug)]
struct Held {
    /// A queue that is made again under its name knows no receipt of the former one.
    incarnation: u64,
    is_fifo: bool,
    attributes: Attributes,
    queue: Queue<Kept>,
    groups: BTreeMap<String, u32>,
    /// When and as what a deduplication id was seen.
    seen: BTreeMap<String, (u64, Taken)>,
    n_sent: u128,
}

/// A message as its queue keeps it.
#[derive(Debug, Clone)]
struct Kept {
    id: String,
    sent: Sent,
    sequence: Option<String>,
    sent_at: u64,
    came_from: Option<String>,
}

impl Service {
    /// No queues, at a tick zero that is so many milliseconds after 1970.
    pub fn new(epoch_ms: u64) -> Self {
        Self { epoch_ms, ..Self::default() }
    }

    /// Makes a queue; the same again is no error.
    pub fn create(&mut self, name: &str, attributes: Attributes) -> Result<(), Refusal> {
        let stem = name.strip_suffix(".fifo").unwrap_or(name);
        let is_fine = (1..=80).contains(&name.len())
            && stem.chars().all(|it| it.is_ascii_alphanumeric() || it == '-' || it == '_');
        if !is_fine || stem.is_empty() {
            let message =
                "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
            return Err(Refusal::of("InvalidParameterValue", message));
        }
        check(&attributes)?;
        if let Some(held) = self.queues.get(name) {
            let message = "A queue already exists with the same name and a different value for an attribute";
            return if held.attributes == attributes {
                Ok(())
            } else {
                Err(Refusal::of("QueueNameExists", message))
            };
        }
        self.n_queues += 1;
        let held = Held {
            incarnation: self.n_queues,
            is_fifo: name.ends_with(".fifo"),
            queue: Queue::with(rules(&attributes)),
            attributes,
            groups: BTreeMap::new(),
            seen: BTreeMap::new(),
            n_sent: 0,
        };
        self.queues.insert(name.to_owned(), held);
        Ok(())
    }

    /// Deletes a queue with all that is in it.
    pub fn delete_queue(&mut self, name: &str) -> Result<(), Refusal> {
        self.queues.remove(name).map(|_| ()).ok_or_else(Refusal::no_queue)
    }

    /// Deletes all messages of a queue.
    pub fn purge(&mut self, name: &str) -> Result<(), Refusal> {
        self.held(name)?.queue.purge();
        Ok(())
    }

    /// The names of all queues.
    pub fn names(&self) -> Vec<String> {
        self.queues.keys().cloned().collect()
    }

    /// What a queue was told to be.
    pub fn attributes(&self, name: &str) -> Result<&Attributes, Refusal> {
        self.queues.get(name).map(|it| &it.attributes).ok_or_else(Refusal::no_queue)
    }

    /// Changes what a queue is.
    pub fn set_attributes(&mut self, name: &str, attributes: Attributes) -> Result<(), Refusal> {
        check(&attributes)?;
        let held = self.held(name)?;
        held.queue.set_rules(rules(&attributes));
        held.attributes = attributes;
        Ok(())
    }

    /// The ARN of a queue.
    pub fn arn(name: &str) -> String {
        format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
    }

    /// Messages of a queue that are visible, in flight and delayed.
    pub fn counts(&mut self, name: &str, now: u64) -> Result<(usize, usize, usize), Refusal> {
        Ok(self.held(name)?.queue.counts(now))
    }

    /// What became of every message that a queue ever had.
    pub fn fates(&self, name: &str) -> Vec<Fate> {
        let fate = |it: &Message<Kept>| Fate {
            id: it.value.id.clone(),
            body: it.value.sent.body.clone(),
            group: it.value.sent.group.clone(),
            n_receives: it.n_receives,
            whereabouts: it.whereabouts,
        };
        self.queues.get(name).map(|it| it.queue.messages().iter().map(fate).collect()).unwrap_or_default()
    }

    /// Sends a message.
    pub fn send(&mut self, name: &str, sent: Sent, now: u64) -> Result<Taken, Refusal> {
        let id = self.n_messages;
        let held = self.held(name)?;
        limits::message(&sent)?;
        let deduplication = held.deduplication(&sent)?;
        if let Some((at, taken)) = deduplication.as_ref().and_then(|it| held.seen.get(it))
            && now < at + DEDUPLICATION_MS
        {
            return Ok(taken.clone());
        }
        let id = format!("{id:08x}-0000-4000-8000-{:012x}", held.incarnation);
        held.n_sent += 1;
        let sequence = held.is_fifo.then(|| (18_849_496_460_467_696_128 + 256 * held.n_sent).to_string());
        let taken = Taken { id: id.clone(), sequence: sequence.clone() };
        if let Some(it) = deduplication.clone() {
            held.seen.insert(it, (now, taken.clone()));
        }
        let group = held.group(&sent);
        let delay = sent.delay_s.unwrap_or(held.attributes.delay_s);
        let visible_at = if delay == 0 { 0 } else { now + delay * SECOND };
        let sent = Sent { deduplication: deduplication.filter(|_| held.is_fifo), ..sent };
        held.queue.send_hidden(Kept { id, sent, sequence, sent_at: now, came_from: None }, group, visible_at);
        self.n_messages += 1;
        Ok(taken)
    }

    /// Sends a batch: each entry has its own answer.
    pub fn send_batch(
        &mut self,
        name: &str,
        entries: Vec<(String, Sent)>,
        struck: &Struck,
        now: u64,
    ) -> Result<Vec<Answered<Taken>>, Refusal> {
        self.held(name)?;
        limits::batch(&ids(&entries))?;
        limits::batch_bytes(&entries.iter().map(|(_, sent)| sent).collect::<Vec<_>>())?;
        Ok(each(entries, struck, |sent| self.send(name, sent, now)))
    }

    /// Receives once, without waiting.
    pub fn receive(
        &mut self,
        name: &str,
        ask: Ask,
        struck: &Struck,
        now: u64,
    ) -> Result<Vec<Received>, Refusal> {
        let epoch_ms = self.epoch_ms;
        let held = self.held(name)?;
        limits::range(ask.n_max, "MaxNumberOfMessages", 1, TEN as u64)?;
        limits::range(ask.wait_s.unwrap_or(0), "WaitTimeSeconds", 0, WAIT_MAX)?;
        limits::range(ask.visibility_s.unwrap_or(0), "VisibilityTimeout", 0, VISIBILITY_MAX)?;
        let waits = ask.wait_s.unwrap_or(held.attributes.wait_s) > 0;
        let room = held.attributes.in_flight_max.saturating_sub(held.queue.counts(now).1);
        if room == 0 {
            // A long poll waits for room; so does every receive of a FIFO queue.
            return if waits || held.is_fifo { Ok(Vec::new()) } else { Err(Refusal::over_limit()) };
        }
        let visibility = Some(ask.visibility_s.unwrap_or(held.attributes.visibility_s) * SECOND);
        let n_max = usize::try_from(ask.n_max).unwrap_or(TEN).min(room);
        let mut got = held.queue.receive(now, n_max, visibility);
        // At-least-once: a copy that another server had not heard the receive of comes beside the first.
        if let Some((first, _)) = got.first().copied().filter(|_| struck.repeat)
            && let Some(handle) = held.queue.repeat(first, now, visibility)
        {
            got.push((first, handle));
        }
        let received = got.into_iter().map(|(idx, handle)| held.received(idx, handle, epoch_ms)).collect();
        // After the receive, which is what finds that a message came too often.
        self.redrive(name, now);
        Ok(received)
    }

    /// When a receive that found nothing may find something without anybody doing anything.
    pub fn next_visible(&self, name: &str, now: u64) -> Option<u64> {
        self.queues.get(name).and_then(|it| it.queue.next_visible(now))
    }

    /// Deletes a message. A receipt that is void is taken, and deletes nothing, but one of a FIFO queue that
    /// has lapsed.
    pub fn delete(&mut self, name: &str, handle: &str, now: u64) -> Result<(), Refusal> {
        let held = self.held(name)?;
        let number = held.number(handle)?;
        match held.queue.delete(number, now) {
            Ok(_) | Err(Void::Gone) => Ok(()),
            // SQS says so of an old receipt, and whether the message is deleted then is left open. The strict
            // answer: it is not.
            Err(Void::Superseded) if !held.is_fifo => Ok(()),
            Err(Void::Superseded | Void::Lapsed) => {
                Err(Refusal::invalid(handle, "ReceiptHandle", "The receipt handle has expired."))
            }
            Err(Void::Unknown | Void::TooLong) => Err(Refusal::bad_handle(handle)),
        }
    }

    /// Hides a message from now on for so many seconds.
    pub fn hide(&mut self, name: &str, handle: &str, seconds: u64, now: u64) -> Result<(), Refusal> {
        let held = self.held(name)?;
        limits::range(seconds, "VisibilityTimeout", 0, VISIBILITY_MAX)?;
        let number = held.number(handle)?;
        match held.queue.hide(number, now, seconds * SECOND) {
            Ok(_) => Ok(()),
            Err(Void::Gone | Void::Superseded | Void::Lapsed) => {
                let reason = "Message does not exist or is not available for visibility timeout change.";
                Err(Refusal::invalid(handle, "ReceiptHandle", reason))
            }
            Err(Void::TooLong) => {
                let reason = "Total VisibilityTimeout for the message is beyond the limit [43200 seconds].";
                Err(Refusal::invalid(&seconds.to_string(), "VisibilityTimeout", reason))
            }
            Err(Void::Unknown) => Err(Refusal::bad_handle(handle)),
        }
    }

    /// Deletes a batch: each entry has its own answer.
    pub fn delete_batch(
        &mut self,
        name: &str,
        entries: Vec<(String, String)>,
        struck: &Struck,
        now: u64,
    ) -> Result<Vec<Answered<()>>, Refusal> {
        self.held(name)?;
        limits::batch(&ids(&entries))?;
        Ok(each(entries, struck, |handle| self.delete(name, &handle, now)))
    }

    /// Hides a batch, each entry for its own seconds and with its own answer.
    pub fn hide_batch(
        &mut self,
        name: &str,
        entries: Vec<(String, (String, u64))>,
        struck: &Struck,
        now: u64,
    ) -> Result<Vec<Answered<()>>, Refusal> {
        self.held(name)?;
        limits::batch(&ids(&entries))?;
        Ok(each(entries, struck, |(handle, seconds)| self.hide(name, &handle, seconds, now)))
    }

    /// Takes what was received too often to the dead-letter queue, where it keeps its id, its attributes and
    /// its count.
    fn redrive(&mut self, name: &str, now: u64) {
        let Some(held) = self.queues.get_mut(name) else { return };
        let dead: Vec<Message<Kept>> =
            held.queue.take_dead().into_iter().map(|idx| held.queue.messages()[idx].clone()).collect();
        let Some(Redrive { queue, .. }) = held.attributes.redrive.clone() else { return };
        let Some(target) = self.queues.get_mut(&queue) else { return };
        for message in dead {
            let kept = Kept {
                came_from: Some(Self::arn(name)),
                sent_at: message.value.sent_at.min(now),
                ..message.value
            };
            let group = target.group(&kept.sent);
            target.queue.take_over(kept, group, message.n_receives);
        }
    }

    fn held(&mut self, name: &str) -> Result<&mut Held, Refusal> {
        self.queues.get_mut(name).ok_or_else(Refusal::no_queue)
    }
}

impl Held {
    /// By what a message is deduplicated.
    fn deduplication(&self, sent: &Sent) -> Result<Option<String>, Refusal> {
        if !self.is_fifo {
            // A group on a standard queue is for fairness only; a deduplication id means nothing there.
            let text = sent.deduplication.as_deref().unwrap_or_default();
            let reason = "The request include parameter that is not valid for this queue type";
            return if text.is_empty() {
                Ok(None)
            } else {
                Err(Refusal::invalid(text, "MessageDeduplicationId", reason))
            };
        }
        if sent.group.as_deref().unwrap_or_default().is_empty() {
            return Err(Refusal::missing("MessageGroupId"));
        }
        if let Some(delay) = sent.delay_s.filter(|it| *it > 0) {
            let reason = "The request include parameter that is not valid for this queue type";
            return Err(Refusal::invalid(&delay.to_string(), "DelaySeconds", reason));
        }
        match &sent.deduplication {
            Some(id) => Ok(Some(id.clone())),
            // SQS takes the body's hash, and leaves the attributes out of it as well.
            None if self.attributes.content_deduplication => Ok(Some(format!("content of {}", sent.body))),
            None => {
                let message = "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly";
                Err(Refusal::of("InvalidParameterValue", message))
            }
        }
    }

    fn group(&mut self, sent: &Sent) -> Option<u32> {
        let group = sent.group.as_ref().filter(|_| self.is_fifo)?;
        let next = u32::try_from(self.groups.len()).expect("few groups");
        Some(*self.groups.entry(group.clone()).or_insert(next))
    }

    /// A receipt names its queue and its number.
    fn number(&self, handle: &str) -> Result<Handle, Refusal> {
        let parts = handle.strip_prefix("AQEB").and_then(|it| it.split_once('-'));
        let numbers =
            parts.and_then(|(queue, number)| Some((queue.parse::<u64>().ok()?, number.parse().ok()?)));
        match numbers {
            Some((queue, number)) if queue == self.incarnation => Ok(Handle(number)),
            Some(_) | None => Err(Refusal::bad_handle(handle)),
        }
    }

    fn received(&self, idx: usize, handle: Handle, epoch_ms: u64) -> Received {
        let Message {
            value: Kept { id, sent, sequence, sent_at, came_from },
            n_receives,
            first_received_at,
            ..
        } = &self.queue.messages()[idx];
        let time = |at: u64| (epoch_ms + at).to_string();
        let mut system = BTreeMap::from([
            ("ApproximateReceiveCount".to_owned(), n_receives.to_string()),
            ("SentTimestamp".to_owned(), time(*sent_at)),
            ("SenderId".to_owned(), "AIDAIENQZJOLO23YVJ4VO".to_owned()),
            ("ApproximateFirstReceiveTimestamp".to_owned(), time(first_received_at.unwrap_or(*sent_at))),
        ]);
        let more = [
            ("AWSTraceHeader", &sent.trace),
            ("MessageGroupId", &sent.group),
            ("MessageDeduplicationId", &sent.deduplication),
            ("SequenceNumber", sequence),
            ("DeadLetterQueueSourceArn", came_from),
        ];
        system.extend(more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?))));
        Received {
            id: id.clone(),
            handle: format!("AQEB{}-{}", self.incarnation, handle.0),
            body: sent.body.clone(),
            attributes: sent.attributes.clone(),
            system,
        }
    }
}

impl Received {
    /// Damages what was received, as a fault says.
    pub fn damage(&mut self, struck: &Struck) {
        if struck.damage_body {
            self.body.push('x');
        }
        if struck.damage_attributes {
            let attribute =
                Attribute { data_type: "String".to_owned(), text: Some("x".to_owned()), binary: None };
            self.attributes.insert("Damage".to_owned(), attribute);
        }
    }
}

fn check(attributes: &Attributes) -> Result<(), Refusal> {
    limits::range(attributes.visibility_s, "VisibilityTimeout", 0, VISIBILITY_MAX)?;
    limits::range(attributes.delay_s, "DelaySeconds", 0, DELAY_MAX)?;
    limits::range(attributes.wait_s, "ReceiveMessageWaitTimeSeconds", 0, WAIT_MAX)?;
    attributes
        .redrive
        .as_ref()
        .map_or(Ok(()), |it| limits::range(it.receives_max.into(), "RedrivePolicy", 1, 1_000))
}

fn rules(attributes: &Attributes) -> Rules {
    Rules {
        receives_max: attributes.redrive.as_ref().map(|it| it.receives_max),
        hidden_max: Some(VISIBILITY_MAX * SECOND),
    }
}

fn ids<T>(entries: &[(String, T)]) -> Vec<String> {
    entries.iter().map(|(id, _)| id.clone()).collect()
}

/// Does a batch entry by entry; those that a fault names fail by the server's doing and have no effect.
fn each<T, A>(
    entries: Vec<(String, T)>,
    struck: &Struck,
    mut act: impl FnMut(T) -> Result<A, Refusal>,
) -> Vec<Answered<A>> {
    let answer = |(idx, (id, it)): (usize, (String, T))| {
        let answer = if struck.fails(idx) { Err(Refusal::internal()) } else { act(it) };
        Answered { id, answer }
    };
    entries.into_iter().enumerate().map(answer).collect()
}
