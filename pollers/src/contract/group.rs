//! What a source whose tracks a group deals out must do beyond what every source of tracks does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::Watermark;

use super::{Subject, data, open, read_rest, room};
use crate::source::{Assignment, Group, GroupEvent, Membership, Source, SourceError, Start, TrackName};

/// A log of two partitions with a group, and a hand in it.
pub trait GroupSubject: Subject {
    /// The name of a partition in the store.
    fn name(&self, track: usize) -> TrackName;
    /// The coordinator has not heard of a mapping for too long.
    fn expire(&mut self, mapping: &str);
}

/// Runs the rules of groups, each on a subject of its own with two partitions. On tokio's paused clock, or it
/// takes minutes.
pub async fn check_group(subject: impl Fn() -> Box<dyn GroupSubject>) {
    a_lone_member_has_every_track_once(subject()).await;
    a_track_goes_over_when_it_was_given_back_and_starts_where_the_group_stands(subject()).await;
    a_member_that_does_not_give_back_loses_the_track(subject()).await;
    whoever_leaves_hands_its_tracks_on(subject()).await;
    a_member_that_was_missed_loses_all_and_may_join_anew(subject()).await;
    an_event_is_not_lost_with_a_wait_that_is_dropped(subject()).await;
}

/// A member and what it has.
struct GroupMember {
    membership: Arc<dyn Membership>,
    has: BTreeMap<TrackName, Assignment>,
    revoking: Vec<TrackName>,
}

impl GroupMember {
    async fn join(source: &dyn Source, mapping: &str) -> Self {
        let membership = group(source).join(mapping).await.expect("the group can be joined");
        Self { membership, has: BTreeMap::new(), revoking: Vec::new() }
    }

    /// Hears what comes within a second.
    async fn hear(&mut self) -> Result<(), SourceError> {
        while let Ok(event) = tokio::time::timeout(Duration::from_secs(1), self.membership.next()).await {
            match event? {
                GroupEvent::Assigned(dealt) => {
                    for it in dealt {
                        let name = it.track.name.clone();
                        assert!(!self.has.contains_key(&name), "{name:?} is the member's already");
                        self.has.insert(name, it);
                    }
                }
                GroupEvent::Revoking { tracks, within } => {
                    assert!(within > Duration::ZERO, "there is time to give back");
                    assert!(
                        tracks.iter().all(|it| self.has.contains_key(it)),
                        "only what one has is asked for"
                    );
                    self.revoking.extend(tracks);
                }
                GroupEvent::Lost(tracks) => {
                    for it in &tracks {
                        assert!(self.has.remove(it).is_some(), "only what one has is lost");
                    }
                }
                GroupEvent::Trouble(trouble) => assert_eq!(trouble, None, "the group is well"),
            }
        }
        Ok(())
    }

    fn names(&self) -> Vec<TrackName> {
        self.has.keys().cloned().collect()
    }

    fn epoch(&self, name: &TrackName) -> u64 {
        self.has[name].epoch
    }
}

fn group(source: &dyn Source) -> &dyn Group {
    source.tracks().and_then(crate::source::Tracks::group).expect("a group deals the tracks out")
}

async fn a_lone_member_has_every_track_once(mut subject: Box<dyn GroupSubject>) {
    let source = subject.source();
    let mut member = GroupMember::join(source.as_ref(), "m").await;
    member.hear().await.expect("the group is well");
    assert_eq!(member.names(), [subject.name(0), subject.name(1)]);
    assert!(member.has.values().all(|it| matches!(it.start, Start::Policy(_))), "nothing was committed");
    let new = subject.add_track();
    member.hear().await.expect("the group is well");
    assert!(member.has.contains_key(&subject.name(new)), "a partition that is made later is dealt out too");
}

async fn a_track_goes_over_when_it_was_given_back_and_starts_where_the_group_stands(
    mut subject: Box<dyn GroupSubject>,
) {
    (0..2).for_each(|it| subject.append(it, 10));
    let source = subject.source();
    let mut one = GroupMember::join(source.as_ref(), "one").await;
    one.hear().await.expect("the group is well");
    let mut two = GroupMember::join(source.as_ref(), "two").await;
    one.hear().await.expect("the group is well");
    two.hear().await.expect("the group is well");
    let [given] = &one.revoking[..] else { panic!("one of two is asked back: {:?}", one.revoking) };
    assert!(two.has.is_empty(), "what was not given back is not dealt out");
    let Start::Policy(from) = &one.has[given].start else { panic!("nothing was committed") };
    let mut reader = open(source.as_ref(), given, from).await;
    let read = reader.read(room(4)).await.expect("the source works");
    let at = Watermark::At(read.passed.clone().expect("four were read"));
    one.membership.committed(given, &at);
    one.membership.drained(given);
    two.hear().await.expect("the group is well");
    assert_eq!(two.names(), std::slice::from_ref(given));
    assert_eq!(two.has[given].start, Start::Committed(at.clone()));
    assert!(two.epoch(given) > one.epoch(given), "a later ownership has a higher epoch");
    let track = usize::from(*given == subject.name(1));
    let rest = read_rest(source.as_ref(), given, &at).await;
    assert_eq!([data(&read.records), data(&rest)].concat(), subject.written(track));
}

async fn a_member_that_does_not_give_back_loses_the_track(subject: Box<dyn GroupSubject>) {
    let source = subject.source();
    let mut one = GroupMember::join(source.as_ref(), "one").await;
    one.hear().await.expect("the group is well");
    let mut two = GroupMember::join(source.as_ref(), "two").await;
    one.hear().await.expect("the group is well");
    let given = one.revoking[0].clone();
    // Longer than any coordinator waits; both are heard of all the time.
    for _ in 0..60 {
        one.hear().await.expect("the group is well");
        two.hear().await.expect("the group is well");
    }
    assert!(!one.has.contains_key(&given), "it is told of the loss");
    assert_eq!(two.names(), std::slice::from_ref(&given));
    let before = two.has[&given].start.clone();
    one.membership.committed(&given, &Watermark::At(forebay_batcher::Position::number(9)));
    one.hear().await.expect("the group is well");
    two.membership.leave().await;
    let mut three = GroupMember::join(source.as_ref(), "three").await;
    one.hear().await.expect("the group is well");
    one.revoking.iter().for_each(|it| one.membership.drained(it));
    three.hear().await.expect("the group is well");
    let starts = one.has.get(&given).or_else(|| three.has.get(&given)).map(|it| it.start.clone());
    assert_eq!(starts, Some(before), "what a former owner commits does not count");
}

async fn whoever_leaves_hands_its_tracks_on(subject: Box<dyn GroupSubject>) {
    let source = subject.source();
    let mut one = GroupMember::join(source.as_ref(), "one").await;
    one.hear().await.expect("the group is well");
    let name = subject.name(0);
    one.membership.committed(&name, &Watermark::At(forebay_batcher::Position::number(3)));
    let mut two = GroupMember::join(source.as_ref(), "two").await;
    one.membership.leave().await;
    two.hear().await.expect("the group is well");
    assert_eq!(two.names(), [subject.name(0), subject.name(1)], "at once, not after a silence");
    assert_eq!(
        two.has[&name].start,
        Start::Committed(Watermark::At(forebay_batcher::Position::number(3))),
        "the last commits are told before"
    );
}

async fn a_member_that_was_missed_loses_all_and_may_join_anew(mut subject: Box<dyn GroupSubject>) {
    let source = subject.source();
    let mut one = GroupMember::join(source.as_ref(), "one").await;
    one.hear().await.expect("the group is well");
    let before = one.epoch(&subject.name(0));
    subject.expire("one");
    match one.hear().await {
        Ok(()) => {}
        Err(error) => {
            assert!(error.is_transient(), "it may join anew: {error}");
            one = GroupMember::join(source.as_ref(), "one").await;
            one.hear().await.expect("the group is well");
        }
    }
    assert!(one.epoch(&subject.name(0)) > before, "it has it under a new epoch");
}

async fn an_event_is_not_lost_with_a_wait_that_is_dropped(subject: Box<dyn GroupSubject>) {
    let source = subject.source();
    let mut member = GroupMember::join(source.as_ref(), "m").await;
    for wait in [0, 1, 10, 30] {
        // Dropped before or while something comes.
        let waited = tokio::time::timeout(Duration::from_millis(wait), member.membership.next()).await;
        if let Ok(Ok(GroupEvent::Assigned(dealt))) = waited {
            member.has.extend(dealt.into_iter().map(|it| (it.track.name.clone(), it)));
        }
    }
    member.hear().await.expect("the group is well");
    assert_eq!(member.has.len(), 2);
}
