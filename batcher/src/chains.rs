//! All chains of a machine, each in a slot that its id names: a look is an index, and an id that is over is known by its number.

use crate::chain::{Chain, ChainId};

/// All chains of a machine.
#[derive(Debug, Default)]
pub(crate) struct Chains {
    slots: Vec<Option<Box<(ChainId, Chain)>>>,
    free: Vec<u32>,
}

impl Chains {
    /// `number` is never used twice and grows.
    pub(crate) fn insert(&mut self, number: u64, chain: Chain) -> ChainId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("fewer chains than memory has room for")
        });
        let id = ChainId { number, slot };
        self.slots[slot as usize] = Some(Box::new((id, chain)));
        id
    }

    pub(crate) fn get(&self, id: ChainId) -> Option<&Chain> {
        let (its, chain) = self.slots.get(id.slot as usize)?.as_deref()?;
        (*its == id).then_some(chain)
    }

    pub(crate) fn get_mut(&mut self, id: ChainId) -> Option<&mut Chain> {
        let (its, chain) = self.slots.get_mut(id.slot as usize)?.as_deref_mut()?;
        (*its == id).then_some(chain)
    }

    pub(crate) fn remove(&mut self, id: ChainId) -> Option<Chain> {
        self.get(id)?;
        let (_, chain) = *self.slots[id.slot as usize].take()?;
        self.free.push(id.slot);
        Some(chain)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// All of them, in the order in which they were made.
    pub(crate) fn in_order(&self) -> Vec<(ChainId, &Chain)> {
        let mut all: Vec<(ChainId, &Chain)> = self.slots.iter().flatten().map(|it| (it.0, &it.1)).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }
}
