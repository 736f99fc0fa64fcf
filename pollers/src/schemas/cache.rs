//! Schemas by their ids: kept for ever once they are known, what is missing for half a minute, and one request
//! in flight for each.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio::time::Instant;

use super::fault::{RegistryDown, SchemaError, SchemaFault};
use super::frame::SchemaId;
use super::known::KnownSchema;
use super::registry::{FetchError, SchemaRegistry};

/// A schema that is missing or cannot be used is asked for again after this.
pub(super) const MISS_KEPT: Duration = Duration::from_secs(30);
/// Records may name any number: no more of those that are missing are remembered.
const MISSES_MAX: usize = 10_000;

type Fetched = Result<Arc<KnownSchema>, SchemaError>;
type InFlight = Shared<BoxFuture<'static, Fetched>>;

/// What is known of a registry's schemas.
pub(super) struct SchemaCache {
    registry: Arc<dyn SchemaRegistry>,
    entries: Mutex<SchemaEntries>,
}

#[derive(Default)]
struct SchemaEntries {
    known: BTreeMap<SchemaId, Arc<KnownSchema>>,
    missed: BTreeMap<SchemaId, (Instant, SchemaFault)>,
    in_flight: BTreeMap<SchemaId, InFlight>,
}

impl SchemaCache {
    pub(super) fn new(registry: Arc<dyn SchemaRegistry>) -> Self {
        Self { registry, entries: Mutex::default() }
    }

    pub(super) fn registry(&self) -> &dyn SchemaRegistry {
        &*self.registry
    }

    /// What is known of a schema without asking.
    pub(super) fn known(&self, id: SchemaId) -> Option<Result<Arc<KnownSchema>, SchemaFault>> {
        self.lock().known(id)
    }

    /// The schema; asks for it when nothing is known. All who ask at once get what one request brings.
    pub(super) async fn schema(&self, id: SchemaId) -> Fetched {
        let request = {
            let mut entries = self.lock();
            if let Some(known) = entries.known(id) {
                return known.map_err(SchemaError::Record);
            }
            let fetch = || fetch(Arc::clone(&self.registry), id).boxed().shared();
            entries.in_flight.entry(id).or_insert_with(fetch).clone()
        };
        let fetched = request.clone().await;
        let mut entries = self.lock();
        // The first who hears of it writes it down, unless another request has begun since.
        if entries.in_flight.get(&id).is_some_and(|it| it.ptr_eq(&request)) {
            entries.in_flight.remove(&id);
            entries.note(id, &fetched);
        }
        fetched
    }

    fn lock(&self) -> MutexGuard<'_, SchemaEntries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SchemaEntries {
    fn known(&self, id: SchemaId) -> Option<Result<Arc<KnownSchema>, SchemaFault>> {
        if let Some(known) = self.known.get(&id) {
            return Some(Ok(Arc::clone(known)));
        }
        let (until, fault) = self.missed.get(&id)?;
        (Instant::now() < *until).then(|| Err(fault.clone()))
    }

    fn note(&mut self, id: SchemaId, fetched: &Fetched) {
        match fetched {
            Ok(known) => {
                self.missed.remove(&id);
                self.known.insert(id, Arc::clone(known));
            }
            Err(SchemaError::Record(fault)) => {
                let now = Instant::now();
                if self.missed.len() >= MISSES_MAX {
                    self.missed.retain(|_, (until, _)| now < *until);
                }
                if self.missed.len() >= MISSES_MAX {
                    // Whichever it is, it is asked for once more.
                    self.missed.pop_first();
                }
                self.missed.insert(id, (now + MISS_KEPT, fault.clone()));
            }
            // Who asks next asks again.
            Err(SchemaError::Registry(_)) => {}
        }
    }
}

async fn fetch(registry: Arc<dyn SchemaRegistry>, id: SchemaId) -> Fetched {
    let unusable = |why: &str| SchemaFault::unusable(registry.name(), id, why);
    match registry.fetch(id).await {
        Ok(registered) => match KnownSchema::new(id, &registered) {
            Ok(known) => Ok(Arc::new(known)),
            Err(why) => Err(unusable(&why).into()),
        },
        Err(FetchError::Missing(why)) => Err(SchemaFault::not_found(registry.name(), id, &why).into()),
        Err(FetchError::Unusable(why)) => Err(unusable(&why).into()),
        Err(FetchError::Down(why)) => {
            Err(RegistryDown { registry: registry.name().into(), id, why: why.into() }.into())
        }
    }
}

impl fmt::Debug for SchemaCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SchemaCache")
            .field("registry", &self.registry.name())
            .field("n_known", &self.lock().known.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
