//! Stories of acks: what is deleted, and for whom a message comes again.

use std::time::Duration;

use bytes::Bytes;
use forebay_batcher::{Generation, Receipt, RecordId, Settle, Settlement};

use super::ledger::AckLedger;
use super::round::{Ack, Wish};
use crate::contract::Draw;
use crate::feed::inbox::Consumer;

fn receipt(n: u64) -> Receipt {
    Receipt { handle: Bytes::copy_from_slice(&n.to_be_bytes()), generation: Generation(0) }
}

fn consumer(n: usize) -> Consumer {
    format!("mapping-{n}").into()
}

fn ack(ledger: &mut AckLedger, who: usize, n: u64, how: Settle) -> Ack {
    ledger.ack(&consumer(who), &Settlement { receipt: receipt(n), how })
}

fn settle(n: u64, how: Settle) -> Option<Settlement> {
    Some(Settlement { receipt: receipt(n), how })
}

const ID: [u8; 1] = [7];

fn begin(ledger: &mut AckLedger, n: u64, wishes: &[Wish]) -> Option<Settlement> {
    ledger.begin(
        &RecordId::new(&ID),
        receipt(n),
        wishes.iter().enumerate().map(|(at, wish)| (consumer(at), *wish)),
    )
}

#[test]
fn a_message_is_deleted_with_the_last_vote_and_not_before() {
    let mut ledger = AckLedger::new(9);
    assert_eq!(begin(&mut ledger, 1, &[Wish::Wants, Wish::Wants, Wish::Filters]), None);
    assert_eq!(ack(&mut ledger, 0, 1, Settle::Delete), Ack::Counted(None));
    assert_eq!(ack(&mut ledger, 0, 1, Settle::Delete), Ack::Late, "one ack each");
    assert_eq!(ack(&mut ledger, 1, 1, Settle::Delete), Ack::Counted(settle(1, Settle::Delete)));
    ledger.forget(&receipt(1));
    assert!(ledger.is_empty());
}

#[test]
fn what_nobody_wants_is_deleted_at_once() {
    let mut ledger = AckLedger::new(9);
    assert_eq!(begin(&mut ledger, 1, &[Wish::Filters, Wish::Filters]), settle(1, Settle::Delete));
}

#[test]
fn a_failed_message_comes_again_only_for_those_who_have_not_finished_it() {
    let mut ledger = AckLedger::new(9);
    begin(&mut ledger, 1, &[Wish::Wants, Wish::Wants]);
    ack(&mut ledger, 0, 1, Settle::Delete);
    assert_eq!(ack(&mut ledger, 1, 1, Settle::Leave), Ack::Counted(settle(1, Settle::Leave)));
    assert!(ledger.has_finished(&RecordId::new(&ID), &consumer(0)));
    begin(&mut ledger, 2, &[Wish::Wants, Wish::Wants]);
    assert_eq!(ack(&mut ledger, 0, 2, Settle::Delete), Ack::Late, "it was not given it again");
    assert_eq!(ack(&mut ledger, 1, 1, Settle::Delete), Ack::Late, "that receipt is of the round before");
    assert_eq!(ack(&mut ledger, 1, 2, Settle::Delete), Ack::Counted(settle(2, Settle::Delete)));
}

#[test]
fn one_that_hands_it_back_shows_it_at_once_when_the_others_have_voted() {
    let mut ledger = AckLedger::new(9);
    begin(&mut ledger, 1, &[Wish::Wants, Wish::Wants]);
    assert_eq!(ack(&mut ledger, 1, 1, Settle::Release), Ack::Counted(None));
    assert_eq!(ack(&mut ledger, 0, 1, Settle::Leave), Ack::Counted(settle(1, Settle::Release)));
}

#[test]
fn a_message_is_shown_again_when_the_longest_wait_that_was_asked_for_is_over() {
    let mut ledger = AckLedger::new(9);
    let after = |seconds| Settle::ShowAfter(Duration::from_secs(seconds));
    begin(&mut ledger, 1, &[Wish::Wants, Wish::Wants, Wish::Wants]);
    assert_eq!(ack(&mut ledger, 0, 1, after(5)), Ack::Counted(None));
    assert_eq!(ack(&mut ledger, 1, 1, after(60)), Ack::Counted(None));
    assert_eq!(ack(&mut ledger, 2, 1, Settle::Leave), Ack::Counted(settle(1, after(60))));
    begin(&mut ledger, 2, &[Wish::Wants, Wish::Wants]);
    assert_eq!(ack(&mut ledger, 0, 2, after(5)), Ack::Counted(None));
    assert_eq!(ack(&mut ledger, 1, 2, Settle::Release), Ack::Counted(settle(2, Settle::Release)));
}

#[test]
fn who_is_absent_keeps_the_message_in_its_queue() {
    let mut ledger = AckLedger::new(9);
    begin(&mut ledger, 1, &[Wish::Wants, Wish::Absent]);
    assert_eq!(ack(&mut ledger, 0, 1, Settle::Delete), Ack::Counted(settle(1, Settle::Leave)));
    ledger.shows_missed = true;
    assert_eq!(
        begin(&mut ledger, 2, &[Wish::Wants, Wish::Absent]),
        settle(2, Settle::Release),
        "it will soon be there"
    );
    assert_eq!(begin(&mut ledger, 2, &[Wish::Wants, Wish::Wants]), None);
    assert_eq!(ledger.leave(&consumer(1)), [Settlement { receipt: receipt(2), how: Settle::Leave }]);
}

#[test]
fn a_deletion_that_did_not_take_effect_is_asked_again_when_the_message_comes() {
    let mut ledger = AckLedger::new(9);
    begin(&mut ledger, 1, &[Wish::Wants]);
    assert_eq!(ack(&mut ledger, 0, 1, Settle::Delete), Ack::Counted(settle(1, Settle::Delete)));
    ledger.lose(&receipt(1));
    assert_eq!(begin(&mut ledger, 2, &[Wish::Wants]), settle(2, Settle::Delete));
}

#[test]
fn the_oldest_of_too_many_is_forgotten() {
    let mut ledger = AckLedger::new(2);
    for n in 1..=3_u64 {
        let id = RecordId::new(&n.to_be_bytes());
        ledger.begin(&id, receipt(n), [(consumer(0), Wish::Wants), (consumer(1), Wish::Wants)]);
        ack(&mut ledger, 0, n, Settle::Delete);
        ack(&mut ledger, 1, n, Settle::Leave);
    }
    assert_eq!(
        (ledger.n_forgotten(), ledger.has_finished(&RecordId::new(&1_u64.to_be_bytes()), &consumer(0))),
        (1, false)
    );
    assert!(ledger.has_finished(&RecordId::new(&3_u64.to_be_bytes()), &consumer(0)));
}

/// Random rounds against the plain statement: deleted if and only if each mapping filtered or finished
/// it, one settlement a round.
#[test]
fn random_rounds_delete_exactly_what_all_have_finished() {
    for seed in 0..2_000 {
        let mut draw = Draw(seed);
        let n_voters = 1 + draw.below(4);
        let mut ledger = AckLedger::new(100);
        let mut finished = vec![false; n_voters];
        let mut is_deleted = false;
        for round in 1..=12_u64 {
            let wishes: Vec<Wish> =
                (0..n_voters).map(|_| [Wish::Wants, Wish::Wants, Wish::Absent][draw.below(3)]).collect();
            let mut settled: Vec<Settle> =
                begin(&mut ledger, round, &wishes).into_iter().map(|it| it.how).collect();
            let mut open: Vec<usize> =
                (0..n_voters).filter(|it| wishes[*it] == Wish::Wants && !finished[*it]).collect();
            while !open.is_empty() && draw.below(20) > 0 {
                let who = open.swap_remove(draw.below(open.len()));
                let how = [Settle::Delete, Settle::Delete, Settle::Leave, Settle::Release][draw.below(4)];
                finished[who] |= how == Settle::Delete;
                match ack(&mut ledger, who, round, how) {
                    Ack::Counted(it) => settled.extend(it.map(|it| it.how)),
                    Ack::Late => panic!("seed {seed}: a first ack on the newest receipt counts"),
                }
            }
            assert_eq!(
                settled.len(),
                usize::from(open.is_empty()),
                "seed {seed}: one settlement when all have acked"
            );
            let is_last = settled.first() == Some(&Settle::Delete);
            assert_eq!(is_last, open.is_empty() && finished.iter().all(|it| *it), "seed {seed}");
            if is_last && draw.below(2) == 0 {
                ledger.forget(&receipt(round));
                is_deleted = true;
                break;
            }
        }
        assert!(!is_deleted || ledger.is_empty(), "seed {seed}: nothing is kept of a deleted message");
    }
}
