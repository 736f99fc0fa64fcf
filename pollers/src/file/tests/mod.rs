//! Stories of the file source: the contract over both file systems, rotations, hostile files, random scripts
//! against the model.

mod ancestry;
mod anew;
mod contract;
mod entries;
mod follower;
mod holes;
mod hostile;
mod mishaps;
mod places;
mod rotation;
mod scripts;
mod told;

pub(super) use follower::Follower;

/// The offset of a bound.
fn number(bound: &forebay_batcher::Watermark) -> Option<u64> {
    super::evidence::FileStart::of(bound).map(|it| it.offset())
}
