//! Chains of a track that is closed or lost: what of them begins no more, and what is not theirs any more.

use super::*;

impl Runs {
    /// C-2: a track was closed; what of it is not out begins no more.
    pub(crate) fn handle_drain(&mut self, idx: TrackIdx, books: &mut Books) {
        for id in books.tracks.chains_of(idx) {
            if self.chains.get(id).is_some_and(|chain| !chain.is_out()) {
                self.advance(id, books);
            }
        }
    }

    /// Whether anything of these chains is with the function or a destination.
    pub(crate) fn is_any_out(&self, mut ids: impl Iterator<Item = ChainId>) -> bool {
        ids.any(|id| self.chains.get(id).is_some_and(Chain::is_out))
    }

    /// A track is lost: its lanes are not this chain's any more, nor are its records.
    pub(super) fn lose_records(&mut self, id: ChainId, idx: TrackIdx) {
        let Some(chain) = self.chains.get_mut(id) else { return };
        chain.lost.insert(idx);
        chain.holds.retain(|hold| !matches!(hold, Hold::Lane(it, _) if *it == idx));
    }
}

/// Whether a chain holds a lane of a track that was closed.
pub(super) fn is_draining(chain: &Chain, books: &Books) -> bool {
    chain.holds.iter().any(|hold| matches!(hold, Hold::Lane(idx, _) if books.tracks.is_draining(*idx)))
}
