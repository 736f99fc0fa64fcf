//! Names of invocations: UUIDs that are told apart, not secrets, so that one costs no call into the system.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::{Builder, Uuid};

/// Random once a process: two processes do not make the same names.
static SEED: LazyLock<(u64, u64)> = LazyLock::new(|| Uuid::new_v4().as_u64_pair());
static N_MADE: AtomicU64 = AtomicU64::new(0);

/// The next name, in the form of a random UUID.
pub(crate) fn next() -> String {
    let n = N_MADE.fetch_add(1, Ordering::Relaxed);
    // Either half is another one for each number, so a name comes once in a process.
    let (high, low) = (mix(SEED.0.wrapping_add(n)), mix(SEED.1 ^ n));
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&high.to_be_bytes());
    bytes[8..].copy_from_slice(&low.to_be_bytes());
    Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// A permutation of all numbers that looks like chance: splitmix64.
fn mix(number: u64) -> u64 {
    let mut it = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    it ^ (it >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_random_uuids_and_none_comes_twice() {
        let names: BTreeSet<String> = (0..10_000).map(|_| next()).collect();
        assert_eq!(names.len(), 10_000);
        for name in names {
            let name = Uuid::parse_str(&name).unwrap();
            assert_eq!((name.get_version_num(), name.get_variant()), (4, uuid::Variant::RFC4122));
        }
    }
}
