//! The constraints of the API's model: what each member may be, and how a violation is told.
//!
//! Lambda publishes this model with its SDKs. It is written down here as tables, but for what the rows of
//! our settings say already; a test compares all of it with that model member by member.

#[cfg(test)]
mod compared;
mod members;
mod pattern;
mod shape;
mod tables;
mod violation;
mod walk;

pub(crate) use members::{CREATE, UPDATE};
pub(crate) use shape::ModelShape;
pub(crate) use tables::{LIST, TAG, TAG_KEYS, TAGGABLE, UUID};
pub(crate) use violation::Violations;
pub(crate) use walk::{Checked, check};
