//! Stories of the file source: the contract over both file systems, rotations, hostile files, random scripts against the model.

mod contract;
mod follower;
mod hostile;
mod places;
mod rotation;
mod scripts;

pub(super) use follower::Follower;
