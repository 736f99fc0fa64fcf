//! A service that keeps mappings in memory, panics when asked to, and can be held.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use forebay_api::error::{ApiError, ErrorType};
use forebay_api::mapping::{
    CreateMapping, EpochMillis, ListMappings, MappingConfiguration, MappingIdentity, MappingList, TagList,
    UpdateMapping, checks, known_sources,
};
use forebay_api::service::{BoxFuture, MappingService};
use tokio::sync::Semaphore;

pub(crate) const ID: &str = "14e0db71-5d35-4eb5-b481-8945cf9d10c2";
/// A mapping that nobody can look at.
pub(crate) const PANICS: &str = "00000000-0000-4eb5-b481-8945cf9d10c2";
pub(crate) const PATH: &str = "/2015-03-31/event-source-mappings";

#[derive(Default)]
pub(crate) struct Fake {
    pub(crate) mappings: Mutex<BTreeMap<String, MappingConfiguration>>,
    /// A create of the function `held` begins, then waits for a permit.
    pub(crate) begun: Held,
    pub(crate) go_on: Held,
}

pub(crate) struct Held(pub(crate) Semaphore);

impl Default for Held {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

impl Fake {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn n_mappings(&self) -> usize {
        self.mappings.lock().unwrap().len()
    }

    fn find(&self, uuid: &str) -> Result<MappingConfiguration, ApiError> {
        self.mappings.lock().unwrap().get(uuid).cloned().ok_or_else(ApiError::no_mapping)
    }
}

impl MappingService for Fake {
    fn create(&self, create: CreateMapping) -> BoxFuture<'_, Result<MappingConfiguration, ApiError>> {
        Box::pin(async move {
            let source = checks::parameters_of_create(&create, &known_sources(forebay_pollers::aws_words()))?;
            assert_ne!(create.function_name, "panics", "this one panics");
            if create.function_name == "held" {
                self.begun.0.add_permits(1);
                self.go_on.0.acquire().await.unwrap().forget();
            }
            let n = self.n_mappings();
            let uuid = if n == 0 { ID.to_owned() } else { format!("{n:08x}-5d35-4eb5-b481-8945cf9d10c2") };
            let arn = format!("arn:aws:lambda:eu-west-1:000000000000:event-source-mapping:{uuid}");
            let identity = MappingIdentity {
                uuid: &uuid,
                arn: &arn,
                function_arn: "arn:aws:lambda:eu-west-1:000000000000:function:f",
            };
            let made = MappingConfiguration::created(create, source, identity, EpochMillis(0));
            self.mappings.lock().unwrap().insert(uuid.clone(), made.clone());
            Ok(made)
        })
    }

    fn list(&self, list: ListMappings) -> BoxFuture<'_, Result<MappingList, ApiError>> {
        Box::pin(async move {
            if list.marker.is_some() {
                return Err(ApiError::invalid("Invalid Marker"));
            }
            Ok(MappingList {
                next_marker: None,
                event_source_mappings: self.mappings.lock().unwrap().values().cloned().collect(),
            })
        })
    }

    fn get<'a>(&'a self, uuid: &'a str) -> BoxFuture<'a, Result<MappingConfiguration, ApiError>> {
        Box::pin(async move {
            assert_ne!(uuid, PANICS, "this one panics");
            self.find(uuid)
        })
    }

    fn update<'a>(
        &'a self,
        uuid: &'a str,
        _: UpdateMapping,
    ) -> BoxFuture<'a, Result<MappingConfiguration, ApiError>> {
        Box::pin(async move { self.find(uuid) })
    }

    fn delete<'a>(&'a self, uuid: &'a str) -> BoxFuture<'a, Result<MappingConfiguration, ApiError>> {
        Box::pin(async move { self.mappings.lock().unwrap().remove(uuid).ok_or_else(ApiError::no_mapping) })
    }

    fn tags<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<TagList, ApiError>> {
        Box::pin(async move { Ok(TagList { tags: BTreeMap::new() }) })
    }

    fn tag<'a>(&'a self, _: &'a str, _: BTreeMap<String, String>) -> BoxFuture<'a, Result<(), ApiError>> {
        Box::pin(async move { Ok(()) })
    }

    fn untag<'a>(&'a self, _: &'a str, keys: Vec<String>) -> BoxFuture<'a, Result<(), ApiError>> {
        Box::pin(async move {
            if keys.contains(&"conflict".to_owned()) {
                Err(ApiError::new(ErrorType::ResourceConflict, "no"))
            } else {
                Ok(())
            }
        })
    }
}
