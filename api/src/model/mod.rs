//! The constraints of the API's model: what each member may be, and how a violation is told.
//!
//! Lambda publishes this model with its SDKs. It is written down here as tables, a test compares them with
//! that model member by member.

#[cfg(test)]
mod compared;
mod pattern;
mod shape;
mod tables;
mod violation;
mod walk;

pub(crate) use shape::Shape;
pub(crate) use tables::{CREATE, LIST, TAG, TAG_KEYS, TAGGABLE, UPDATE, UUID};
pub(crate) use violation::Violations;
pub(crate) use walk::{Checked, check};
