//! From an order key to its lane on a track: a fixed hash, so that checkpoints of one version can be read by
//! the next.

use crate::record::{OrderKey, Position};

/// The lane of a record on a track of `n_lanes`: FNV-1a (64 bits) of its key, folded, modulo the lanes. A
/// record without a key takes its position as one, so that it is ordered with no other but still counts
/// against a lane.
pub fn lane_of(key: &OrderKey, position: &Position, n_lanes: u32) -> u32 {
    if n_lanes <= 1 {
        return 0;
    }
    let hash = match key {
        OrderKey::Key(key) => fnv1a(key),
        OrderKey::Free => fnv1a(position.0.as_slice()),
    };
    let folded = (hash >> 32) ^ (hash & 0xffff_ffff);
    u32::try_from(folded % u64::from(n_lanes)).expect("a remainder is below the u32 it was divided by")
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_documented_one_for_ever() {
        let lane =
            |key: &'static str, n| lane_of(&OrderKey::Key(key.as_bytes().into()), &Position::number(0), n);
        assert_eq!([lane("", 10), lane("a", 10), lane("device-17", 10), lane("device-17", 1)], [1, 4, 2, 0]);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
    }
}
