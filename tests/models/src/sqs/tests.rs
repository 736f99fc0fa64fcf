//! What the model allows, refuses and does, call by call.

use super::*;

const NO_FAULT: Struck = Struck {
    refuse: None,
    unheard: false,
    fail_every: None,
    repeat: false,
    damage_body: false,
    damage_attributes: false,
    late: 0,
};

fn ask(n_max: u64) -> Ask {
    Ask { n_max, wait_s: None, visibility_s: None }
}

fn service(name: &str, attributes: Attributes) -> Service {
    let mut service = Service::default();
    service.create(name, attributes).unwrap();
    service
}

fn in_group(body: &str, group: &str) -> Sent {
    Sent { group: Some(group.to_owned()), deduplication: Some(body.to_owned()), ..Sent::plain(body) }
}

fn code<T: std::fmt::Debug>(answer: Result<T, Refusal>) -> String {
    answer.unwrap_err().code
}

#[test]
fn a_standard_queue_takes_a_delete_by_an_old_receipt_and_keeps_the_message() {
    let mut service = service("q", Attributes::default());
    service.send("q", Sent::plain("a"), 0).unwrap();
    let old = service.receive("q", ask(1), &NO_FAULT, 0).unwrap().remove(0).handle;
    let new = service.receive("q", ask(1), &NO_FAULT, 30_000).unwrap().remove(0).handle;
    service.delete("q", &old, 30_001).unwrap();
    assert_eq!(service.counts("q", 30_001).unwrap(), (0, 1, 0));
    assert_eq!(code(service.hide("q", &old, 0, 30_001)), "InvalidParameterValue");
    service.delete("q", &new, 30_002).unwrap();
    service.delete("q", &new, 30_003).unwrap();
    assert_eq!(service.counts("q", 30_003).unwrap(), (0, 0, 0));
    assert_eq!(code(service.delete("q", "nonsense", 30_004)), "ReceiptHandleIsInvalid");
}

#[test]
fn a_fifo_queue_refuses_a_receipt_that_has_lapsed() {
    let mut service = service("q.fifo", Attributes::default());
    service.send("q.fifo", in_group("a", "g"), 0).unwrap();
    let handle = service.receive("q.fifo", ask(1), &NO_FAULT, 0).unwrap().remove(0).handle;
    assert_eq!(code(service.delete("q.fifo", &handle, 30_000)), "InvalidParameterValue");
    assert_eq!(service.counts("q.fifo", 30_000).unwrap(), (1, 0, 0));
}

#[test]
fn a_duplicate_of_five_minutes_is_the_same_message_and_a_later_one_is_new() {
    let mut service = service("q.fifo", Attributes::default());
    let first = service.send("q.fifo", in_group("a", "g"), 0).unwrap();
    assert_eq!(service.send("q.fifo", in_group("a", "g"), 299_999).unwrap(), first);
    assert_ne!(service.send("q.fifo", in_group("a", "g"), 300_000).unwrap(), first);
    assert_eq!(code(service.send("q.fifo", Sent::plain("a"), 0)), "MissingParameter");
    assert_eq!(
        code(service.send("q.fifo", Sent { deduplication: None, ..in_group("b", "g") }, 0)),
        "InvalidParameterValue"
    );
}

#[test]
fn what_was_received_too_often_goes_to_the_dead_letter_queue_with_its_id_and_count() {
    let redrive = Redrive { queue: "dead".to_owned(), receives_max: 2 };
    let mut service = service("q", Attributes { redrive: Some(redrive), ..Attributes::default() });
    service.create("dead", Attributes::default()).unwrap();
    let id = service.send("q", Sent::plain("a"), 0).unwrap().id;
    for now in [0, 30_000] {
        assert_eq!(service.receive("q", ask(1), &NO_FAULT, now).unwrap().len(), 1);
    }
    assert!(service.receive("q", ask(1), &NO_FAULT, 60_000).unwrap().is_empty());
    let dead = service.receive("dead", ask(1), &NO_FAULT, 60_000).unwrap().remove(0);
    assert_eq!((dead.id, dead.system["ApproximateReceiveCount"].as_str()), (id, "3"));
    assert_eq!(dead.system["DeadLetterQueueSourceArn"], "arn:aws:sqs:us-east-1:000000000000:q");
}

#[test]
fn limits_are_kept_at_n_and_broken_at_n_and_one() {
    let mut service = service("q", Attributes { in_flight_max: 1, ..Attributes::default() });
    let long = |n_bytes: usize| Sent::plain(&"x".repeat(n_bytes));
    service.send("q", long(MESSAGE_BYTES_MAX), 0).unwrap();
    assert_eq!(code(service.send("q", long(MESSAGE_BYTES_MAX + 1), 0)), "InvalidParameterValue");
    assert_eq!(code(service.send("q", Sent::plain("\u{1}"), 0)), "InvalidMessageContents");
    let mut batch = |n: usize, n_bytes: usize, same: bool| {
        let entries =
            (0..n).map(|idx| (if same { "0".to_owned() } else { idx.to_string() }, long(n_bytes))).collect();
        service.send_batch("q", entries, &NO_FAULT, 0).map(|it| it.len())
    };
    assert_eq!((batch(10, 1, false), batch(2, MESSAGE_BYTES_MAX / 2, false)), (Ok(10), Ok(2)));
    assert!(code(batch(11, 1, false)).ends_with("TooManyEntriesInBatchRequest"));
    assert!(code(batch(0, 1, false)).ends_with("EmptyBatchRequest"));
    assert!(code(batch(2, 1, true)).ends_with("BatchEntryIdsNotDistinct"));
    assert!(code(batch(2, MESSAGE_BYTES_MAX / 2 + 1, false)).ends_with("BatchRequestTooLong"));
    assert_eq!(code(service.receive("q", ask(11), &NO_FAULT, 0)), "InvalidParameterValue");
    let handle = service.receive("q", ask(10), &NO_FAULT, 0).unwrap().remove(0).handle;
    assert_eq!(code(service.receive("q", ask(1), &NO_FAULT, 0)), "OverLimit");
    assert!(service.receive("q", Ask { wait_s: Some(1), ..ask(1) }, &NO_FAULT, 0).unwrap().is_empty());
    service.hide("q", &handle, VISIBILITY_MAX, 0).unwrap();
    assert_eq!(code(service.hide("q", &handle, VISIBILITY_MAX, 1)), "InvalidParameterValue");
    assert_eq!(code(service.hide("q", &handle, VISIBILITY_MAX + 1, 0)), "InvalidParameterValue");
    assert!(code(service.receive("other", ask(1), &NO_FAULT, 0)).ends_with("NonExistentQueue"));
}

#[test]
fn a_queue_made_again_knows_no_receipt_of_the_former_one() {
    let mut service = service("q", Attributes::default());
    service.send("q", Sent::plain("a"), 0).unwrap();
    let handle = service.receive("q", ask(1), &NO_FAULT, 0).unwrap().remove(0).handle;
    service.delete_queue("q").unwrap();
    service.create("q", Attributes::default()).unwrap();
    assert_eq!(code(service.delete("q", &handle, 0)), "ReceiptHandleIsInvalid");
}

#[test]
fn planted_faults_strike_so_often_and_only_what_they_name() {
    let mut service = service("q", Attributes::default());
    for body in ["a", "b", "c", "d"] {
        service.send("q", Sent::plain(body), 0).unwrap();
    }
    service.faults.plant(Some(Action::DeleteMessageBatch), Fault::FailEvery(2), Some(1));
    service.faults.plant(Some(Action::ReceiveMessage), Fault::Repeat, Some(1));
    let struck = service.faults.strike(Action::ReceiveMessage);
    let received = service.receive("q", ask(4), &struck, 0).unwrap();
    assert_eq!(received.len(), 5);
    assert_eq!(
        (&received[0].id, received[4].system["ApproximateReceiveCount"].as_str()),
        (&received[4].id, "2")
    );
    let entries =
        || received[1..].iter().enumerate().map(|(idx, it)| (idx.to_string(), it.handle.clone())).collect();
    let struck = service.faults.strike(Action::DeleteMessageBatch);
    let answers = service.delete_batch("q", entries(), &struck, 0).unwrap();
    assert_eq!(answers.iter().map(|it| it.answer.is_ok()).collect::<Vec<_>>(), [true, false, true, false]);
    assert!(service.faults.strike(Action::DeleteMessageBatch).fail_every.is_none());
    assert_eq!(service.counts("q", 0).unwrap(), (0, 2, 0));
}
