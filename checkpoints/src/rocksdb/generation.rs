//! The generation row: written as the last row of every write, it says how often the store was opened and
//! written, and what all rows sum up to.

use crate::row::{Name, Row, fingerprint};
use crate::staged::damaged;
use crate::store::{Epoch, StoreError};

/// What the generation row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct StoreGeneration {
    /// When this store was made, in nanoseconds since 1970: its identity.
    pub(super) born: u64,
    /// How often it was opened.
    pub(super) opened: u64,
    /// How many writes it took.
    pub(super) n_writes: u64,
    pub(super) sum: Sum,
}

/// How many rows there are but the generation row, and the sum of their fingerprints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sum {
    pub(super) n_rows: u64,
    fingerprints: u64,
}

impl Sum {
    pub(super) fn add(&mut self, value: &[u8]) {
        self.n_rows = self.n_rows.wrapping_add(1);
        self.fingerprints = self.fingerprints.wrapping_add(fingerprint(value));
    }

    /// Takes the row with this fingerprint off.
    pub(super) fn take(&mut self, fingerprint: u64) {
        self.n_rows = self.n_rows.wrapping_sub(1);
        self.fingerprints = self.fingerprints.wrapping_sub(fingerprint);
    }
}

impl StoreGeneration {
    pub(super) fn encode(&self) -> Vec<u8> {
        let Sum { n_rows, fingerprints } = self.sum;
        let body = [self.born, self.opened, self.n_writes, n_rows, fingerprints]
            .iter()
            .flat_map(|number| number.to_be_bytes())
            .collect();
        Row { epoch: Epoch(0), body }.encode(&Name::Generation)
    }

    pub(super) fn decode(folder: &str, value: &[u8]) -> Result<Self, StoreError> {
        let row =
            Row::decode(&Name::Generation, value).map_err(|why| damaged(folder, &Name::Generation, why))?;
        let numbers: Vec<u64> =
            row.body.as_chunks::<8>().0.iter().map(|bytes| u64::from_be_bytes(*bytes)).collect();
        let &[born, opened, n_writes, n_rows, fingerprints] = &numbers[..] else {
            return Err(damaged(folder, &Name::Generation, format!("it has {} bytes", row.body.len())));
        };
        Ok(Self { born, opened, n_writes, sum: Sum { n_rows, fingerprints } })
    }
}
