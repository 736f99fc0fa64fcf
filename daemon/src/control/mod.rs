//! What is to run, from both owners: the config file says its part whole, the API makes, changes and deletes
//! one mapping after the other. Each change is durable before it is answered, and the fleet is told what
//! differs. The order of these steps is decided in `forebay_lifecycle`; here they are done.

mod compile;
mod handle;
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

use forebay_api::mapping::EpochMillis;
use forebay_batcher::{Fault, UnixMillis};
use forebay_checkpoints::{CheckpointStore, MappingId, StoreError};
use forebay_clients::Clients;
use forebay_config::{Code, Function, FunctionName};
use forebay_lifecycle::{
    ChangeLedger, ChangeRefusal, ChangeStep, KeptNote, MappingChange, NameTaken, StandingMapping,
};
use forebay_pollers::Source;
use tracing::{error, info, warn};

use self::compile::CompiledDefinition;
pub use self::handle::{ControlHandle, StartError};
pub use self::note::NoteError;
use self::note::{Definition, Note};
pub use self::service::Service;
use self::twice::FunctionUses;
use crate::build_error::BuildError;
use crate::clock::Clock;
use crate::compiled::{CompiledConfig, CompiledMapping, Rest};
use crate::feeds::OtherTerms;
use crate::fleet::{Changes, Fleet, WantedMapping, erase};
use crate::lifecycle::{Calm, Lifecycle};
use crate::registry::{Entry, Registry};
use crate::sentence::chain;

/// The kind of source of a mapping of which not even that can be told.
const UNFIT_KIND: &str = "api";

/// A mapping that the API made.
#[derive(Clone)]
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

    /// Functions of Lambda that it names and that stand nowhere in the config file.
    fn functions(&self) -> impl Iterator<Item = (&FunctionName, &Function)> {
        self.compiled.iter().filter(|_| self.unfit.is_none()).flat_map(|it| &it.functions)
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
    file: Arc<CompiledConfig>,
    /// What stands of both owners, and the change that is under way.
    ledger: ChangeLedger<Arc<Made>>,
    /// Mappings that were deleted and are not gone yet.
    deleted: BTreeSet<String>,
    /// Which source goes to which function, of what the API made and of the config file.
    uses: FunctionUses,
    clock: Clock,
    /// When the config file was read last.
    read_at: UnixMillis,
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
        registry: Arc<Registry>,
        store: Arc<dyn CheckpointStore>,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let file = Arc::new(file);
        let kept = recall(&*store, &file).await?;
        let mut control = Self {
            fleet: Fleet::new(registry, Arc::clone(&store), clock),
            store,
            ledger: ChangeLedger::new(file.names(), kept),
            deleted: BTreeSet::new(),
            uses: FunctionUses::default(),
            file,
            clock,
            read_at: clock.now().unix,
        };
        control.check_names(&control.file)?;
        let whole = control.wanted(&control.file, control.made());
        if control.fleet.apply(whole).await.is_err() {
            control.apply_one_by_one().await?;
        }
        control.show_unfit();
        control.note_uses();
        Ok(control)
    }

    /// What the API made keeps neither the config file from running nor one another.
    async fn apply_one_by_one(&mut self) -> Result<(), BuildError> {
        let file_alone = self.wanted(&self.file, []);
        self.fleet.apply(file_alone).await?;
        let names: Vec<String> = self.ledger.made().keys().cloned().collect();
        for name in names {
            if let (Err(error), Some(made)) = (self.apply(&name).await, self.ledger.standing_mut(&name)) {
                let unfit = Some(Fault::new(Code(error.code()), chain(&error)));
                let definition = made.definition.clone();
                *made = Arc::new(Made { definition, compiled: None, unfit });
            }
        }
        Ok(())
    }

    /// A name is one mapping's: what is exported may be written into the config file once it is deleted over
    /// the API, and gone.
    fn check_names(&self, file: &CompiledConfig) -> Result<(), BuildError> {
        let names = file.mappings.iter().map(|it| it.mapping.name.as_str());
        self.ledger.check_file(names).map_err(|NameTaken(name)| BuildError::NameTaken(name))
    }

    /// What the API made and nobody deleted, by name.
    fn made(&self) -> impl Iterator<Item = (&str, &Arc<Made>)> {
        let standing = self.ledger.made().iter().filter(|(_, it)| !it.is_deleted);
        standing.map(|(name, it)| (name.as_str(), &it.made))
    }

    /// What the API made under this name; also what was deleted and is not gone yet.
    fn standing(&self, name: &str) -> Option<&StandingMapping<Arc<Made>>> {
        self.ledger.standing(name)
    }

    /// The whole of what is to run.
    fn wanted<'a>(
        &self,
        file: &CompiledConfig,
        made: impl IntoIterator<Item = (&'a str, &'a Arc<Made>)>,
    ) -> CompiledConfig {
        let mut wanted = file.clone();
        wanted.erased.extend(self.deleted.iter().cloned());
        for (_, made) in made {
            for (name, function) in made.functions() {
                wanted.functions.entry(name.clone()).or_insert_with(|| function.clone());
            }
            wanted.mappings.extend(made.compiled());
        }
        for it in &mut wanted.mappings {
            self.pause(it);
        }
        wanted
    }

    /// A paused mapping rests, unless it does for another reason.
    fn pause(&self, it: &mut Arc<CompiledMapping>) {
        if it.rest.is_none() && self.ledger.is_paused(it.mapping.name.as_str()) {
            *it = Arc::new(CompiledMapping { rest: Some(Rest::Paused), ..CompiledMapping::clone(it) });
        }
    }

    /// Makes what runs of one mapping what stands of it.
    async fn apply(&mut self, name: &str) -> Result<(), BuildError> {
        let standing = self.ledger.standing(name);
        let is_erased = standing.is_some_and(|it| it.is_deleted);
        let made = standing.filter(|it| !it.is_deleted).map(|it| &it.made);
        let mut mapping = match made {
            Some(made) => made.compiled(),
            None => self.file.mapping(name).filter(|_| !is_erased).cloned(),
        };
        mapping.iter_mut().for_each(|it| self.pause(it));
        let functions = made.into_iter().flat_map(|it| it.functions());
        let functions = functions.map(|(name, it)| (name.clone(), it.clone())).collect();
        let wanted = WantedMapping { mapping, is_erased, functions };
        self.fleet.apply_one(name, wanted, &self.file).await
    }

    /// Goes on with another config file. What the API made is compiled anew, for the functions that it names
    /// may be others now.
    pub(crate) async fn change(&mut self, file: CompiledConfig) -> Result<Changes, BuildError> {
        self.forget_gone();
        self.ledger.take_back();
        self.check_names(&file)?;
        let recompiled =
            |it: &Arc<Made>| Arc::new(Made::compile(it.definition.clone(), &file, it.compiled.clone()));
        let made: BTreeMap<String, _> =
            self.made().map(|(name, it)| (name.to_owned(), recompiled(it))).collect();
        self.fleet.look_again();
        let wanted = self.wanted(&file, made.iter().map(|(name, it)| (name.as_str(), it)));
        let changes = self.fleet.apply(wanted).await?;
        self.file = Arc::new(file);
        self.read_at = self.clock.now().unix;
        for (name, made) in made {
            if let Some(standing) = self.ledger.standing_mut(&name) {
                *standing = made;
            }
        }
        self.ledger.take_file(self.file.names());
        self.show_unfit();
        self.note_uses();
        Ok(changes)
    }

    /// Mappings that could not be run from the start have no task; they are shown all the same.
    fn show_unfit(&self) {
        for (_, made) in self.made() {
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

    /// Makes a mapping or puts another in its place, paused or not as it was; or deletes it.
    async fn put(&mut self, definition: Definition) -> Result<(), ChangeError> {
        self.put_paused(definition, None).await
    }

    /// The same, and says whether it is paused.
    async fn put_paused(
        &mut self,
        definition: Definition,
        is_paused: Option<bool>,
    ) -> Result<(), ChangeError> {
        let uuid = definition.uuid().to_owned();
        if definition.deleting {
            return self.delete(&uuid, definition).await;
        }
        let compiled = compile::compile(&definition, &self.file)
            .map_err(|error| ChangeError::Unfit(error.api.message))?;
        let made = Made { definition, compiled: Some(compiled), unfit: None };
        self.make(&uuid, MappingChange::Put(Arc::new(made), is_paused)).await
    }

    async fn delete(&mut self, uuid: &str, definition: Definition) -> Result<(), ChangeError> {
        let made = Made { definition, compiled: None, unfit: None };
        self.make(uuid, MappingChange::Delete(Arc::new(made))).await?;
        self.deleted.insert(uuid.to_owned());
        // One that could not be run from the start has no task that would clear away what it left.
        if self.registry().entry(uuid).is_some_and(|it| it.source_kind() == UNFIT_KIND) {
            erase_or_leave(&*self.store, &MappingId(uuid.to_owned())).await;
            self.registry().remove(uuid);
        }
        Ok(())
    }

    /// Pauses a mapping of either owner, or lets it go on; durably.
    pub(crate) async fn set_paused(&mut self, name: &str, is_paused: bool) -> Result<(), ChangeError> {
        self.make(name, MappingChange::Pause(is_paused)).await
    }

    /// Makes one change: does its steps until one says that it is over. May be dropped; then it was not made.
    async fn make(&mut self, name: &str, change: MappingChange<Arc<Made>>) -> Result<(), ChangeError> {
        self.forget_gone();
        let mut cause = None;
        let mut step = self.ledger.begin(name, change);
        let made = loop {
            step = match step {
                ChangeStep::Keep(name, kept) => {
                    let answer = self.keep(&name, kept).await.map_err(|error| cause = Some(error.into()));
                    self.ledger.handle_kept(answer.is_ok())
                }
                ChangeStep::Apply(name) => {
                    let answer = self.apply(&name).await.map_err(|error| cause = Some(error.into()));
                    self.ledger.handle_applied(answer.is_ok())
                }
                ChangeStep::Made => break Ok(()),
                ChangeStep::Refused(ChangeRefusal::Unknown) => break Err(ChangeError::Unknown),
                ChangeStep::Refused(ChangeRefusal::Ending) => break Err(ChangeError::Ending),
                ChangeStep::Refused(ChangeRefusal::NotKept | ChangeRefusal::NotApplied) => {
                    break Err(cause.take().unwrap_or(ChangeError::Ending));
                }
            };
        };
        self.note_use(name);
        made
    }

    async fn keep(&self, name: &str, kept: Option<KeptNote<Arc<Made>>>) -> Result<(), StoreError> {
        let id = MappingId(name.to_owned());
        match kept {
            None => self.store.unnote(&id).await,
            Some(kept) => {
                let definition = kept.standing.map(|it| it.made.definition.clone());
                self.store.note(&id, Note::new(kept.is_paused, definition).encode()).await
            }
        }
    }

    /// Which source goes to which function, of all.
    fn note_uses(&mut self) {
        let clients = self.clients();
        let of_file = self.file.mappings.iter().map(|it| view::of_file(it, None, &clients, EpochMillis(0)));
        let mut uses = FunctionUses::of_file(of_file);
        for (name, made) in self.made() {
            uses.note(name, Some(&made.definition.configuration));
        }
        self.uses = uses;
    }

    /// The same of one mapping that the API made, changed or deleted.
    fn note_use(&mut self, name: &str) {
        let standing = self.ledger.standing(name).filter(|it| !it.is_deleted);
        self.uses.note(name, standing.map(|it| &it.made.definition.configuration));
    }

    /// A mapping in the words of a config file.
    pub(crate) fn exported(&self, uuid: &str) -> Option<serde_json::Value> {
        let definition = &self.standing(uuid).filter(|it| !it.is_deleted)?.made.definition;
        compile::config(definition, &self.file).ok()
    }

    /// Deleted mappings that are gone altogether are known no more. A pause of a mapping that left the config
    /// file stays, as its note does: it may come back.
    fn forget_gone(&mut self) {
        let registry = Arc::clone(self.registry());
        let Self { deleted, ledger, .. } = self;
        deleted.retain(|uuid| {
            let stays = registry.entry(uuid).is_some();
            if !stays {
                ledger.forget(uuid);
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
        self.ledger.end();
        &mut self.fleet
    }
}

/// Reads what the store kept, and ends deletions that were begun.
async fn recall(
    store: &dyn CheckpointStore,
    file: &CompiledConfig,
) -> Result<Vec<(String, KeptNote<Arc<Made>>)>, StartError> {
    let mut all = Vec::new();
    let mut n_made = 0;
    for (id, bytes) in store.notes().await? {
        let Note { paused, definition, .. } = Note::decode(&id, &bytes)?;
        if definition.as_ref().is_some_and(|it| it.deleting) {
            erase_or_leave(store, &id).await;
            continue;
        }
        let made = definition.map(|it| Arc::new(Made::compile(it, file, None)));
        n_made += usize::from(made.is_some());
        let standing = made.map(|made| StandingMapping { made, is_deleted: false });
        all.push((id.0, KeptNote { is_paused: paused, standing }));
    }
    if n_made > 0 {
        info!(n_mappings = n_made, "mappings that were made over the API go on");
    }
    Ok(all)
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
