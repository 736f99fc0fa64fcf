//! Stories of the file source: the contract over both file systems, rotations, hostile files, random scripts against the model.

mod contract;
mod follower;
mod hostile;
mod mishaps;
mod places;
mod rotation;
mod scripts;
mod told;

pub(super) use follower::Follower;
