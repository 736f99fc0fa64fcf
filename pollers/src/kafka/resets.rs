//! Offsets of a consumer group that somebody set while a mapping did not run: which of them it goes on with.

use forebay_batcher::{Origin, Position, Watermark};
use forebay_clients::BrokerFailure;

use super::failure::KafkaFailure;
use super::note::{GroupOffset, GroupWord};
use super::partition::KafkaPartition;
use super::place::KafkaPlace;
use super::source::KafkaSource;
use crate::source::{SourceError, Stand, TrackName};

/// Which of two places a partition goes on with: the one that is kept here, or the one of the consumer group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum ResetChoice {
    /// What others commit for the group counts.
    #[default]
    Followed,
    /// What is kept here counts, whatever the group says.
    Ignored,
}

/// Where the group says that a partition goes on, which is kept at `kept`; `None` where it says nothing else.
///
/// | Whose word the group's offset is | What follows |
/// |---|---|
/// | our own | what is kept counts: the group follows it, and may lag |
/// | our own, taken over of somebody from this place | it counts: that was never kept |
/// | a member's | it counts where it is further, as among members |
/// | somebody else's | it counts |
pub(super) fn place_set(kept: &Watermark, told: &GroupOffset) -> Option<Watermark> {
    let next = KafkaPlace::of(kept)?.next();
    if next == Some(told.next) {
        return None;
    }
    let set = || Watermark::At(Position::number(told.next));
    match told.word() {
        GroupWord::Followed => None,
        GroupWord::Taken => (told.taken_from(kept) == *told).then(set),
        GroupWord::Member(place) => next.is_none_or(|it| it < told.next).then_some(place.at),
        GroupWord::Set => Some(set()),
    }
}

impl KafkaSource {
    /// Where tracks go on by the word of others. It is taken over in the group's eyes before it is anywhere else:
    /// members of a group are nobody's tools, and while it has some, what they commit is no word to us.
    pub(super) async fn take_over(
        &self,
        group: &str,
        stands: &[Stand],
    ) -> Result<Vec<(TrackName, Watermark)>, SourceError> {
        let partition = |it: &'_ Stand| Some((KafkaPartition::of_track(&it.track)?, it.bound.clone()));
        let (partitions, kept): (Vec<_>, Vec<_>) = stands.iter().filter_map(partition).unzip();
        let told = |error: KafkaFailure| error.on(&format!("group {group}"));
        let committed = self.brokers.committed(group, &partitions).await.map_err(told)?;
        let (mut places, mut offers) = (Vec::new(), Vec::new());
        for ((partition, kept), committed) in partitions.into_iter().zip(&kept).zip(committed) {
            let committed = match committed {
                Ok(it) => it,
                // Whoever reads it hears why.
                Err(error) if is_of_topic(&error) => None,
                Err(error) => return Err(told(error)),
            };
            let Some((place, told)) = committed.and_then(|it| Some((place_set(kept, &it)?, it))) else {
                continue;
            };
            places.push((partition.track(), place));
            offers.push((partition, told.taken_from(kept)));
        }
        let is_taken = offers.is_empty() || self.propose_to(group, offers).await?;
        Ok(if is_taken { places } else { Vec::new() })
    }

    /// Makes what others have committed our own, for a mapping that begins there: no later life takes it for an
    /// offset that was set.
    pub(super) async fn sign(
        &self,
        group: &str,
        partitions: &[KafkaPartition],
        committed: &[Option<GroupOffset>],
    ) -> Result<(), SourceError> {
        let signed = |(partition, told): (&KafkaPartition, &Option<GroupOffset>)| {
            let told = told.as_ref().filter(|it| it.word() != GroupWord::Followed)?;
            let origin: Origin = KafkaPlace::Offset(told.next).to_origin();
            Some((partition.clone(), GroupOffset::following(&Watermark::Origin(origin))?))
        };
        let offers: Vec<_> = partitions.iter().zip(committed).filter_map(signed).collect();
        if !offers.is_empty() && self.resets == ResetChoice::Followed {
            self.propose_to(group, offers).await?;
        }
        Ok(())
    }

    /// Whether a group takes these; one that has members does not.
    async fn propose_to(
        &self,
        group: &str,
        offers: Vec<(KafkaPartition, GroupOffset)>,
    ) -> Result<bool, SourceError> {
        match self.brokers.propose(group, offers).await {
            Ok(()) => Ok(true),
            Err(error @ KafkaFailure::Told { kind: BrokerFailure::Down, .. }) => {
                Err(error.on(&format!("group {group}")))
            }
            Err(error) => {
                tracing::warn!(
                    code = "FB-0430",
                    group,
                    %error,
                    "offsets that others have committed for the group are not taken over: reading goes on where it was"
                );
                Ok(false)
            }
        }
    }
}

/// Whether it is about a topic, and not about the group.
fn is_of_topic(error: &KafkaFailure) -> bool {
    matches!(error, KafkaFailure::Told { kind: BrokerFailure::NoTopic, .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::note;

    #[test]
    fn what_others_set_counts_and_what_lags_behind_does_not() {
        let kept = Watermark::At(Position::behind_number(6, *b"abcd"));
        let first = Watermark::Origin(KafkaPlace::First.to_origin());
        let further = Watermark::At(Position::behind_number(8, *b"efgh"));
        let set = |next| GroupOffset { next, note: String::new() };
        let member = |next| {
            let at = Watermark::At(Position::behind_number(next - 1, *b"efgh"));
            GroupOffset { next, note: note::write(&at, 3) }
        };
        let ours = |next| GroupOffset { next, note: note::write(&Watermark::At(Position::number(next)), 0) };
        let at = |next| Some(Watermark::At(Position::number(next)));
        for (kept, told, expected) in [
            (&kept, ours(3), None),
            (&kept, ours(9), None),
            (&kept, set(3), at(3)),
            (&kept, set(9), at(9)),
            (&kept, set(7), None),
            (&first, set(0), at(0)),
            (&first, ours(0), None),
            (&kept, member(3), None),
            (&kept, member(9), Some(further.clone())),
            (&first, member(9), Some(further)),
            (&kept, set(3).taken_from(&kept), at(3)),
            (&kept, set(3).taken_from(&first), None),
        ] {
            assert_eq!(place_set(kept, &told), expected, "{told:?}");
        }
    }
}
