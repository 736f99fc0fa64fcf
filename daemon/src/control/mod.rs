//! What is to run, from both owners: the config file says its part whole, the API makes, changes and deletes
//! one mapping after the other. Each change is durable before it is answered, and the fleet is told the whole
//! each time.

mod compile;
mod list;
mod note;
mod resolve;
mod service;
#[cfg(test)]
mod tests;
mod twice;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forebay_batcher::{Fault, UnixMillis};
use forebay_checkpoints::{CheckpointStore, MappingId, StoreError};
use forebay_clients::Clients;
use forebay_config::Code;
use forebay_pollers::Source;
use tracing::{error, info, warn};

use self::compile::CompiledDefinition;
pub use self::note::NoteError;
use self::note::{Definition, Note};
pub use self::service::Service;
pub(crate) use self::view::uuid_of;
use crate::app::{BuildError, StartError};
use crate::clock::Clock;
use crate::compiled::{CompiledConfig, CompiledMapping, Rest};
use crate::feeds::OtherTerms;
use crate::fleet::{Changes, Fleet, erase};
use crate::registry::{Calm, Entry, Lifecycle, Registry};
use crate::sentence::chain;

/// The kind of source of a mapping of which not even that can be told.
const UNFIT_KIND: &str = "api";

/// A mapping that the API made.
struct Made {
    definition: Definition,
    /// What runs; of one that cannot any more, what ran. `None` when it could not from the start.
    compiled: Option<CompiledDefinition>,
    /// Why it cannot be run as it is written.
    unfit: Option<Fault>,
}

impl Made {
    /// Draws a mapping beside a config file; when that fails, what `former` ran stays to be seen.
    fn compile(definition: Definition, file: &CompiledConfig, former: Option<CompiledDefinition>) -> Self {
        match compile::compile(&definition, file) {
            Ok(compiled) => Self { definition, compiled: Some(compiled), unfit: None },
            Err(error) => Self { definition, compiled: former, unfit: Some(error.into()) },
        }
    }

    fn compiled(&self) -> Option<Arc<CompiledMapping>> {
        let compiled = &self.compiled.as_ref()?.compiled;
        Some(match &self.unfit {
            None => Arc::clone(compiled),
            Some(why) => Arc::new(CompiledMapping {
                rest: Some(Rest::Unfit(why.clone())),
                ..CompiledMapping::clone(compiled)
            }),
        })
    }
}

/// All mappings and functions that are to run, and the fleet that runs them.
pub(crate) struct Control {
    fleet: Fleet,
    store: Arc<dyn CheckpointStore>,
    /// What the config file says.
    file: CompiledConfig,
    /// What the API made, by UUID; also what was deleted and is not gone yet.
    made: BTreeMap<String, Made>,
    /// Mappings of either owner that somebody paused.
    paused: BTreeSet<String>,
    /// Mappings of which the store may keep another note than what stands: a write that failed may be on disk
    /// all the same.
    doubtful: BTreeSet<String>,
    clock: Clock,
    /// When the config file was read last.
    read_at: UnixMillis,
    is_ending: bool,
}

/// A change of one mapping that was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// It cannot be run as it is written.
    #[error("{0}")]
    Unfit(String),
    /// There is no such mapping.
    #[error("there is no such mapping")]
    Unknown,
    /// The process ends.
    #[error("the process is draining")]
    Ending,
}

impl Control {
    /// Builds everything and starts what is enabled.
    pub(crate) async fn start(
        file: CompiledConfig,
        store: Arc<dyn CheckpointStore>,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let mut control = Self {
            fleet: Fleet::new(Arc::default(), Arc::clone(&store), clock),
            store,
            file,
            made: BTreeMap::new(),
            paused: BTreeSet::new(),
            doubtful: BTreeSet::new(),
            clock,
            read_at: clock.now().unix,
            is_ending: false,
        };
        control.recall().await?;
        control.check_names(&control.file)?;
        let whole = control.wanted(&control.file, &control.made);
        if control.fleet.apply(whole).await.is_err() {
            control.apply_one_by_one().await?;
        }
        control.show_unfit();
        Ok(control)
    }

    /// What the API made keeps neither the config file from running nor one another.
    async fn apply_one_by_one(&mut self) -> Result<(), BuildError> {
        let all = std::mem::take(&mut self.made);
        let file_alone = self.wanted(&self.file, &self.made);
        self.fleet.apply(file_alone).await?;
        for (uuid, made) in all {
            self.made.insert(uuid.clone(), made);
            let wanted = self.wanted(&self.file, &self.made);
            if let (Err(error), Some(made)) = (self.fleet.apply(wanted).await, self.made.get_mut(&uuid)) {
                (made.compiled, made.unfit) = (None, Some(Fault::new(Code(error.code()), chain(&error))));
            }
        }
        Ok(())
    }

    /// Reads what the store kept, and ends deletions that were begun.
    async fn recall(&mut self) -> Result<(), StartError> {
        for (id, bytes) in self.store.notes().await? {
            let note = Note::decode(&id, &bytes)?;
            match note.definition {
                Some(definition) if definition.deleting => {
                    erase_or_leave(&*self.store, &id).await;
                    continue;
                }
                Some(definition) => {
                    self.made.insert(id.0.clone(), Made::compile(definition, &self.file, None));
                }
                None => {}
            }
            if note.paused {
                self.paused.insert(id.0);
            }
        }
        if !self.made.is_empty() {
            info!(n_mappings = self.made.len(), "mappings that were made over the API go on");
        }
        Ok(())
    }

    /// A name is one mapping's: what is exported may be written into the config file once it is deleted over
    /// the API, and gone.
    fn check_names(&self, file: &CompiledConfig) -> Result<(), BuildError> {
        let mut names = file.mappings.iter().map(|it| it.mapping.name.as_str());
        let taken = names.find(|name| self.made.contains_key(*name));
        taken.map_or(Ok(()), |name| Err(BuildError::NameTaken(name.to_owned())))
    }

    /// The whole of what is to run.
    fn wanted(&self, file: &CompiledConfig, made: &BTreeMap<String, Made>) -> CompiledConfig {
        let mut wanted = file.clone();
        for made in made.values() {
            if made.definition.deleting {
                wanted.erased.insert(made.definition.uuid().to_owned());
                continue;
            }
            let functions = made.compiled.iter().flat_map(|it| &it.functions);
            for (name, function) in functions.filter(|_| made.unfit.is_none()) {
                wanted.functions.entry(name.clone()).or_insert_with(|| function.clone());
            }
            wanted.mappings.extend(made.compiled());
        }
        for it in wanted
            .mappings
            .iter_mut()
            .filter(|it| it.rest.is_none() && self.paused.contains(it.mapping.name.as_str()))
        {
            *it = Arc::new(CompiledMapping { rest: Some(Rest::Paused), ..CompiledMapping::clone(it) });
        }
        wanted
    }

    /// Goes on with another config file. What the API made is compiled anew, for the functions that it names
    /// may be others now.
    pub(crate) async fn change(&mut self, file: CompiledConfig) -> Result<Changes, BuildError> {
        self.forget_gone();
        self.check_names(&file)?;
        let recompiled = |made: &Made| Made::compile(made.definition.clone(), &file, made.compiled.clone());
        let made: BTreeMap<_, _> =
            self.made.iter().map(|(uuid, it)| (uuid.clone(), recompiled(it))).collect();
        self.fleet.look_again();
        let changes = self.fleet.apply(self.wanted(&file, &made)).await?;
        self.file = file;
        self.read_at = self.clock.now().unix;
        self.made = made;
        self.show_unfit();
        Ok(changes)
    }

    /// Mappings that could not be run from the start have no task; they are shown all the same.
    fn show_unfit(&self) {
        for made in self.made.values().filter(|it| !it.definition.deleting) {
            let Some(error) = &made.unfit else { continue };
            let (mapping, it) = (made.definition.uuid(), &made.definition.configuration);
            error!(
                code = "FB-0537",
                mapping,
                error = error.text,
                "a mapping of the API cannot be run as it is written"
            );
            if made.compiled.is_none() {
                let source = it.source.event_source_arn.clone().unwrap_or_default();
                let (entry, _) = Entry::new(mapping, UNFIT_KIND, source, it.function_arn.clone());
                entry.set_lifecycle(Lifecycle::Unfit { error: error.clone() });
                entry.set_calm(Calm::Still);
                self.registry().insert(entry);
            }
        }
    }

    /// Whether a new mapping may read a source beside those that read it.
    fn check_company(&self, source: &Arc<dyn Source>) -> Result<(), OtherTerms> {
        self.fleet.feeds().check(source)
    }

    /// Makes a mapping or puts another in its place, paused or not as it was.
    async fn put(&mut self, definition: Definition) -> Result<(), ChangeError> {
        let is_paused = self.paused.contains(definition.uuid());
        self.put_paused(definition, is_paused).await
    }

    /// Makes a mapping or puts another in its place, and says whether it is paused.
    async fn put_paused(&mut self, definition: Definition, is_paused: bool) -> Result<(), ChangeError> {
        if self.is_ending {
            return Err(ChangeError::Ending);
        }
        self.forget_gone();
        let (uuid, is_deleting) = (definition.uuid().to_owned(), definition.deleting);
        let compiled = match is_deleting {
            true => None,
            false => Some(
                compile::compile(&definition, &self.file)
                    .map_err(|error| ChangeError::Unfit(error.api.message))?,
            ),
        };
        self.hold(&uuid, Some(Made { definition, compiled, unfit: None }), is_paused).await?;
        // One that could not be run from the start has no task that would clear away what it left.
        let is_taskless = self.registry().entry(&uuid).is_some_and(|it| it.source_kind() == UNFIT_KIND);
        if is_deleting && is_taskless {
            erase_or_leave(&*self.store, &MappingId(uuid.clone())).await;
            self.registry().remove(&uuid);
        }
        Ok(())
    }

    /// Pauses a mapping of either owner, or lets it go on; durably.
    pub(crate) async fn set_paused(&mut self, name: &str, is_paused: bool) -> Result<(), ChangeError> {
        if self.is_ending {
            return Err(ChangeError::Ending);
        }
        let is_made = self.made.get(name).is_some_and(|it| !it.definition.deleting);
        if !is_made && !self.file.mappings.iter().any(|it| it.mapping.name.as_str() == name) {
            return Err(ChangeError::Unknown);
        }
        if self.paused.contains(name) == is_paused {
            return Ok(());
        }
        self.hold(name, None, is_paused).await
    }

    /// Makes this hold of one mapping, which stays as it was made where `made` is `None`: durable first, then
    /// running. What cannot run is taken back from both.
    async fn hold(&mut self, name: &str, made: Option<Made>, is_paused: bool) -> Result<(), ChangeError> {
        // What is not known of a change that failed must not outlive this one.
        self.settle_doubts().await?;
        let definition = made.as_ref().or_else(|| self.made.get(name)).map(|it| it.definition.clone());
        self.doubtful.insert(name.to_owned());
        self.keep(name, &Note::new(is_paused, definition)).await?;
        let (former, was_paused) =
            (made.map(|made| self.made.insert(name.to_owned(), made)), self.paused.contains(name));
        self.pause_is(name, is_paused);
        let wanted = self.wanted(&self.file, &self.made);
        if let Err(error) = self.fleet.apply(wanted).await {
            match former {
                Some(Some(former)) => drop(self.made.insert(name.to_owned(), former)),
                Some(None) => drop(self.made.remove(name)),
                None => {}
            }
            self.pause_is(name, was_paused);
            self.settle_doubts().await?;
            return Err(error.into());
        }
        self.doubtful.remove(name);
        Ok(())
    }

    /// Has the store keep what stands, where a write that failed may be kept instead.
    async fn settle_doubts(&mut self) -> Result<(), StoreError> {
        while let Some(name) = self.doubtful.first() {
            let definition = self.made.get(name).map(|it| it.definition.clone());
            self.keep(name, &Note::new(self.paused.contains(name), definition)).await?;
            self.doubtful.pop_first();
        }
        Ok(())
    }

    async fn keep(&self, name: &str, note: &Note) -> Result<(), StoreError> {
        let id = MappingId(name.to_owned());
        match note.is_empty() {
            true => self.store.unnote(&id).await,
            false => self.store.note(&id, note.encode()).await,
        }
    }

    fn pause_is(&mut self, name: &str, is_paused: bool) {
        match is_paused {
            true => self.paused.insert(name.to_owned()),
            false => self.paused.remove(name),
        };
    }

    /// A mapping in the words of a config file.
    pub(crate) fn exported(&self, uuid: &str) -> Option<serde_json::Value> {
        let definition = &self.made.get(uuid).filter(|it| !it.definition.deleting)?.definition;
        compile::config(definition, &self.file).ok()
    }

    /// Deleted mappings that are gone altogether are known no more. A pause of a mapping that left the config
    /// file stays, as its note does: it may come back.
    fn forget_gone(&mut self) {
        let registry = Arc::clone(self.registry());
        let Self { made, paused, .. } = self;
        made.retain(|uuid, it| {
            let stays = !it.definition.deleting || registry.entry(uuid).is_some();
            if !stays {
                paused.remove(uuid);
            }
            stays
        });
    }

    /// The mappings.
    pub(crate) fn registry(&self) -> &Arc<Registry> {
        self.fleet.registry()
    }

    /// What AWS is called with.
    fn clients(&self) -> Arc<Clients> {
        self.fleet.clients().unwrap_or_default()
    }

    /// All that runs, to end it. Nothing is changed from here on.
    pub(crate) fn ending_fleet(&mut self) -> &mut Fleet {
        self.is_ending = true;
        &mut self.fleet
    }
}

/// Ends a deletion that has no task. What the store refuses is ended by the next start, which reads in the
/// note that it was begun.
async fn erase_or_leave(store: &dyn CheckpointStore, id: &MappingId) {
    if let Err(error) = erase(store, id).await {
        let (code, mapping) = (error.code(), &id.0);
        warn!(
            code,
            mapping,
            error = chain(&error),
            "a deleted mapping's positions cannot be removed yet; the next start tries again"
        );
    }
}
