//! A source whose mappings are members of consumer groups: each joins its own.

use std::sync::Arc;

use super::source::KafkaSource;
use crate::source::{BoxFuture, Group, Membership, SourceError};

impl Group for KafkaSource {
    fn join<'a>(&'a self, mapping: &'a str) -> BoxFuture<'a, Result<Arc<dyn Membership>, SourceError>> {
        Box::pin(async move {
            // Whoever sees no topic has nothing to subscribe to, and hears why.
            self.must_see_some().await?;
            let group = self.group_of(mapping);
            let Some(terms) = &self.terms else { unreachable!("only a source with terms has a group") };
            let joined = self.brokers.join(group, terms, &self.topics);
            joined.map_err(|error| error.on(&format!("group {group}")))
        })
    }
}
