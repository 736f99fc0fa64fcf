//! All chains of a machine, each in a slot that its id names: a look is an index, and an id that is over is
//! known by its number.

use super::chain::{Chain, ChainId};

/// All chains of a machine.
#[derive(Debug, Default)]
pub(super) struct Chains {
    slots: Vec<Option<Box<(ChainId, Chain)>>>,
    free: Vec<u32>,
}

impl Chains {
    /// `number` is never used twice and grows.
    pub(super) fn insert(&mut self, number: u64, chain: Chain) -> ChainId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("fewer chains than memory has room for")
        });
        let id = ChainId { number, slot };
        self.slots[slot as usize] = Some(Box::new((id, chain)));
        id
    }

    pub(super) fn get(&self, id: ChainId) -> Option<&Chain> {
        let (its, chain) = self.slots.get(id.slot as usize)?.as_deref()?;
        (*its == id).then_some(chain)
    }

    pub(super) fn get_mut(&mut self, id: ChainId) -> Option<&mut Chain> {
        let (its, chain) = self.slots.get_mut(id.slot as usize)?.as_deref_mut()?;
        (*its == id).then_some(chain)
    }

    pub(super) fn remove(&mut self, id: ChainId) -> Option<Chain> {
        self.get(id)?;
        let (_, chain) = *self.slots[id.slot as usize].take()?;
        self.free.push(id.slot);
        Some(chain)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// All of them, in the order in which they were made.
    pub(super) fn in_order(&self) -> Vec<(ChainId, &Chain)> {
        let mut all: Vec<(ChainId, &Chain)> = self.slots.iter().flatten().map(|it| (it.0, &it.1)).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_is_over_finds_nothing_though_its_slot_is_used_again() {
        let mut chains = Chains::default();
        let first = chains.insert(7, chain());
        let other = chains.insert(8, chain());
        assert!(chains.remove(first).is_some());
        let next = chains.insert(9, chain());
        assert_eq!(next.slot, first.slot);
        assert!(
            chains.get(first).is_none() && chains.get_mut(first).is_none() && chains.remove(first).is_none()
        );
        assert_eq!(chains.in_order().into_iter().map(|(id, _)| id).collect::<Vec<_>>(), [other, next]);
        assert_eq!(chains.len(), 2);
    }

    fn chain() -> Chain {
        Chain::new(crate::attempt::Limits {
            retries_max: None,
            record_age_max: None,
            bisect: false,
            partial_responses: false,
            item_actions: false,
            redelivery: crate::plan::Redelivery::ByUs,
            stop_group_at_first_failure: false,
        })
    }
}
