//! What the API asks of whoever keeps the mappings: the daemon implements it.

use std::collections::BTreeMap;

use crate::error::ApiError;
use crate::mapping::{
    CreateMapping, ListMappings, MappingConfiguration, MappingList, TagList, UpdateMapping,
};
pub use futures_util::future::BoxFuture;

/// Keeps mappings and runs them.
///
/// What changes something is durable and holds when its future is ready. Whoever calls sees to it that the
/// future ends, also when the client hangs up: one that is dropped in its middle may have kept a change that
/// does not hold yet.
pub trait MappingService: Send + Sync {
    /// Makes a mapping, after every check in AWS's order.
    ///
    /// # Errors
    /// In AWS's words; nothing was made then.
    fn create(&self, create: CreateMapping) -> BoxFuture<'_, Result<MappingConfiguration, ApiError>>;
    /// A page of mappings, those of the config file too.
    ///
    /// # Errors
    /// A marker that is none.
    fn list(&self, list: ListMappings) -> BoxFuture<'_, Result<MappingList, ApiError>>;
    /// One mapping.
    ///
    /// # Errors
    /// There is none of this id.
    fn get<'a>(&'a self, uuid: &'a str) -> BoxFuture<'a, Result<MappingConfiguration, ApiError>>;
    /// Changes a mapping; it goes on with the change before its next batch.
    ///
    /// # Errors
    /// In AWS's words; nothing has changed then.
    fn update<'a>(
        &'a self,
        uuid: &'a str,
        update: UpdateMapping,
    ) -> BoxFuture<'a, Result<MappingConfiguration, ApiError>>;
    /// Deletes a mapping: it finishes what runs, then it is gone with its positions.
    ///
    /// # Errors
    /// There is none of this id, or it belongs to the config file.
    fn delete<'a>(&'a self, uuid: &'a str) -> BoxFuture<'a, Result<MappingConfiguration, ApiError>>;
    /// The tags of a mapping.
    ///
    /// # Errors
    /// There is none of this ARN.
    fn tags<'a>(&'a self, arn: &'a str) -> BoxFuture<'a, Result<TagList, ApiError>>;
    /// Adds tags to a mapping.
    ///
    /// # Errors
    /// There is none of this ARN, it belongs to the config file, or it would have more than 50.
    fn tag<'a>(&'a self, arn: &'a str, tags: BTreeMap<String, String>)
    -> BoxFuture<'a, Result<(), ApiError>>;
    /// Takes tags from a mapping; those that it does not have do not matter.
    ///
    /// # Errors
    /// There is none of this ARN, or it belongs to the config file.
    fn untag<'a>(&'a self, arn: &'a str, keys: Vec<String>) -> BoxFuture<'a, Result<(), ApiError>>;
}
