//! Stories of one member: who has what when, and what the group hears.

use forebay_batcher::{Origin, Position, ShortBytes};

use super::*;

const WITHIN: Duration = Duration::from_secs(10);

fn partition(number: i32) -> KafkaPartition {
    KafkaPartition { topic: "t".into(), number }
}

fn track(number: i32) -> TrackName {
    partition(number).track()
}

fn at(offset: u64) -> Watermark {
    Watermark::At(Position::number(offset))
}

/// A member that has these partitions, and its clock.
fn member(numbers: &[i32]) -> (Ownership, Instant) {
    let zero = Instant::now();
    let mut member = Ownership::new(WITHIN, zero);
    member.handle_assigned(numbers.iter().map(|it| partition(*it)).collect());
    start(&mut member, 1);
    let news = member.take_news();
    assert!(matches!(&news[..], [GroupEvent::Assigned(dealt)] if dealt.len() == numbers.len()), "{news:?}");
    (member, zero)
}

fn start(member: &mut Ownership, epoch: u64) {
    let start = Start::Policy(Watermark::Origin(Origin(ShortBytes::new(b""))));
    let started = |partition| StartedPartition { partition, start: start.clone(), epoch };
    let started = member.starting().into_iter().map(started).collect();
    member.handle_started(started);
}

/// What is committed, as partition and offset.
fn due(member: &mut Ownership, now: Instant) -> Vec<(i32, u64)> {
    let offset = |it: &DueCommit| it.at.position().and_then(Position::as_number).expect("it is an offset");
    member.poll_commit(now).iter().map(|it| (it.partition.number, offset(it))).collect()
}

#[test]
fn what_goes_back_is_committed_before_it_is_given_up_and_all_of_it_together() {
    let (mut member, now) = member(&[0, 1, 2]);
    member.handle_revoked(vec![partition(1), partition(2)], now);
    let revoking = GroupEvent::Revoking { tracks: vec![track(1), track(2)], within: WITHIN };
    assert_eq!(member.take_news(), [revoking]);
    member.handle_finished(&track(1), at(5));
    member.handle_drained(&track(1));
    member.handle_finished(&track(1), at(9));
    assert_eq!(due(&mut member, now), [(1, 5)], "at once, and nothing that is said later");
    assert_eq!(member.poll_unassign(now), None, "the other is not done, and the commit is not answered");
    member.handle_drained(&track(2));
    assert_eq!(member.poll_unassign(now), None, "the commit is not answered");
    assert!(!member.handle_commit_answer(CommitAnswer::Taken, now));
    assert_eq!(member.poll_unassign(now), Some(vec![partition(1), partition(2)]));
    assert_eq!(member.take_news(), [], "the mapping has given them back: it loses nothing");
    assert!(member.has_some(), "it still has the first");
}

#[test]
fn what_is_not_given_back_in_its_time_is_lost_and_nothing_of_it_is_committed() {
    let (mut member, now) = member(&[0]);
    member.handle_revoked(vec![partition(0)], now);
    member.take_news();
    let late = now + WITHIN;
    assert_eq!(member.poll_unassign(late.checked_sub(Duration::from_millis(1)).unwrap()), None);
    assert_eq!(member.poll_unassign(late), Some(vec![partition(0)]));
    assert_eq!(member.take_news(), [GroupEvent::Lost(vec![track(0)])]);
    member.handle_finished(&track(0), at(7));
    assert_eq!(due(&mut member, late + COMMIT_EVERY), []);
}

#[test]
fn what_was_said_in_a_former_ownership_is_never_committed_in_the_next() {
    let (mut member, now) = member(&[0]);
    member.handle_finished(&track(0), at(5));
    let later = now + COMMIT_EVERY;
    assert_eq!(due(&mut member, later), [(0, 5)]);
    member.handle_finished(&track(0), at(6));
    member.handle_lost(vec![partition(0)], later);
    assert_eq!(member.take_news(), [GroupEvent::Lost(vec![track(0)])]);
    assert_eq!(member.poll_unassign(later), None, "what is out must not go out under the next generation");
    assert!(!member.handle_commit_answer(CommitAnswer::NoMember, later), "it is lost already");
    assert_eq!(member.poll_unassign(later), Some(vec![partition(0)]));
    member.handle_assigned(vec![partition(0)]);
    member.handle_finished(&track(0), at(7));
    assert_eq!(due(&mut member, later + COMMIT_EVERY), [], "it has not begun");
    start(&mut member, 2);
    assert_eq!(due(&mut member, later + COMMIT_EVERY * 2), [], "nothing is finished of it yet");
    member.handle_finished(&track(0), at(30));
    assert_eq!(due(&mut member, later + COMMIT_EVERY * 3), [(0, 30)]);
    assert!(member.handle_commit_answer(CommitAnswer::NoMember, later), "this one's place is gone");
}

#[test]
fn one_commit_is_out_at_a_time_and_one_that_failed_is_told_again() {
    let (mut member, now) = member(&[0]);
    member.handle_finished(&track(0), at(1));
    assert_eq!(due(&mut member, now), [], "not each by itself");
    let now = now + COMMIT_EVERY;
    assert_eq!(due(&mut member, now), [(0, 1)]);
    member.handle_finished(&track(0), at(2));
    let now = now + COMMIT_EVERY;
    assert_eq!(due(&mut member, now), [], "the first is not answered");
    member.handle_commit_answer(CommitAnswer::Again, now);
    let now = now + COMMIT_AGAIN;
    assert_eq!(due(&mut member, now), [(0, 2)]);
    member.handle_finished(&track(0), at(3));
    member.handle_commit_answer(CommitAnswer::Taken, now);
    assert!(!member.is_told(), "what was finished meanwhile is not told by it");
    member.leave();
    assert_eq!(due(&mut member, now), [(0, 3)], "who leaves does not wait");
    member.handle_commit_answer(CommitAnswer::Taken, now);
    assert!(member.is_told());
}

#[test]
fn nothing_is_given_up_before_the_group_has_taken_what_was_finished() {
    let (mut member, now) = member(&[0]);
    member.handle_revoked(vec![partition(0)], now);
    member.handle_finished(&track(0), at(5));
    member.handle_drained(&track(0));
    assert_eq!(member.poll_unassign(now), None, "it is not told yet");
    assert_eq!(due(&mut member, now), [(0, 5)]);
    member.handle_commit_answer(CommitAnswer::Again, now);
    assert_eq!(member.poll_unassign(now), None, "nor was it taken");
    assert_eq!(due(&mut member, now), [(0, 5)]);
    member.handle_commit_answer(CommitAnswer::Taken, now);
    assert_eq!(member.poll_unassign(now), Some(vec![partition(0)]));
}

#[test]
fn an_answer_to_a_former_ownership_says_nothing_of_this_one() {
    let (mut member, now) = member(&[0]);
    member.handle_finished(&track(0), at(5));
    assert_eq!(due(&mut member, now + COMMIT_EVERY), [(0, 5)]);
    member.handle_all_lost(now);
    member.handle_assigned(vec![partition(0)]);
    start(&mut member, 2);
    assert!(
        !member.handle_commit_answer(CommitAnswer::NoMember, now),
        "the place that is gone is the former"
    );
    member.handle_finished(&track(0), at(5));
    assert_eq!(due(&mut member, now + COMMIT_EVERY * 2), [(0, 5)], "and this one tells by itself");
}

#[test]
fn what_is_asked_back_before_it_began_is_given_up_without_a_word() {
    let now = Instant::now();
    let mut member = Ownership::new(WITHIN, now);
    member.handle_assigned(vec![partition(0)]);
    member.handle_revoked(vec![partition(0)], now);
    assert_eq!(member.starting(), []);
    assert_eq!(member.poll_unassign(now), Some(vec![partition(0)]));
    assert_eq!(member.take_news(), []);
}

#[test]
fn a_place_that_is_lost_while_partitions_go_back_takes_all_of_them() {
    let (mut member, now) = member(&[0, 1]);
    member.handle_revoked(vec![partition(1)], now);
    member.take_news();
    member.handle_all_lost(now);
    assert_eq!(member.take_news(), [GroupEvent::Lost(vec![track(0), track(1)])]);
    assert_eq!(member.poll_unassign(now), Some(vec![partition(1)]), "and without waiting");
    member.handle_drained(&track(1));
    assert_eq!(member.poll_unassign(now), None);
}

#[test]
fn a_word_that_comes_too_late_does_not_give_back_what_came_again() {
    let (mut member, now) = member(&[0]);
    member.handle_lost(vec![partition(0)], now);
    member.poll_unassign(now);
    member.handle_assigned(vec![partition(0)]);
    start(&mut member, 2);
    member.take_news();
    member.handle_drained(&track(0));
    member.handle_finished(&track(0), at(4));
    assert_eq!(due(&mut member, now + COMMIT_EVERY), [(0, 4)], "it is the member's");
}
