//! The living set of mappings and the functions that they use: what is wanted is said whole, what differs
//! from what runs is started, replaced or ended; the rest never notices.
//!
//! | a mapping that | does |
//! | --- | --- |
//! | is new | starts |
//! | has another batch size, window, number of lanes or retries | goes on with them from its next batch |
//! | has other settings besides, or a function with other settings or other code | finishes what runs, then goes on with the new ones from where it stood |
//! | is disabled, paused or unfit | finishes what runs and takes nothing new |
//! | is gone | the same; its positions stay in the store, unless they are to be erased |
//!
//! A batch that failed and waits for its next try stays in its track's checkpoint with the limits that it was
//! cut with.

mod diff;
mod handle;
mod keeper;
mod wired;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{Close, Plan};
use forebay_checkpoints::{CheckpointStore, MappingId};
use forebay_clients::{Aws, Clients, HttpClients, Mark};
use forebay_config::{AwsSettings, Function, FunctionName, Mapping, SourceProfile};
use forebay_invoker::Gate;
use forebay_invoker::destinations::BrokerProducers;
use forebay_invoker::destinations::file::FileDestinations;
use forebay_lifecycle::DesiredState;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use self::diff::Changes;
use self::diff::{Change, Diff, Set, Stale, used_by};
pub use self::handle::MappingHandle;
pub(crate) use self::keeper::erase;
pub use self::wired::{CommonGround, How, MappingFacts, Wired};
use crate::budget::{Budget, Division};
use crate::build_error::BuildError;
use crate::clock::Clock;
use crate::compiled::{CompiledConfig, CompiledMapping};
use crate::destinations::Destinations;
use crate::feeds::Feeds;
use crate::functions::{self, BuiltFunctions, Functions};
use crate::inspector::SourceInspector;
use crate::mapping_task::Wiring;
use crate::outbox::Outbox;
use crate::registry::Registry;

/// Finished records that may lie ahead of a track's watermark before its reading stops.
const AHEAD_MAX: u32 = 100_000;
/// Records that may wait on a track however small the batches: a read, with its way to the threads that look
/// at files and back, costs as much as fifty records do. How much may be held in all is the budget's to say.
const WAITING_MIN: u32 = 400;

/// What changes for one mapping.
enum MappingChange {
    /// An order in place of the one before.
    Anew(DesiredState<How>),
    /// Other limits for what it does.
    Limits(Box<Plan>),
}

/// What is wanted of one mapping.
pub struct WantedMapping {
    /// What it is; `None` when it is to be gone.
    pub mapping: Option<Arc<CompiledMapping>>,
    /// What the store kept of it goes, too.
    pub is_erased: bool,
    /// Functions that it uses and that may stand nowhere in the config file.
    pub functions: BTreeMap<FunctionName, Function>,
}

/// All mappings and functions that run.
pub struct Fleet {
    ground: Arc<CommonGround>,
    feeds: Arc<Feeds>,
    budget: Arc<Budget>,
    store: Arc<dyn CheckpointStore>,
    clock: Clock,
    files: FileDestinations,
    producers: BrokerProducers,
    functions: Functions,
    /// What AWS is called with, and how that was written; `None` before the first set.
    clients: Option<(AwsSettings, Arc<Clients>)>,
    /// What CA files and AWS's shared files were when connections were made with them.
    marks: BTreeMap<PathBuf, Option<Mark>>,
    /// What the next set begins anew; nothing but after [`Self::look_again`].
    stale: Stale,
    /// How often a set was applied.
    n_applied: u64,
    running: BTreeMap<String, Arc<CompiledMapping>>,
    /// How many of them are to run.
    n_enabled: usize,
    /// How many of them use each function.
    n_users: BTreeMap<FunctionName, usize>,
    /// Also of mappings that are gone and still finish what runs.
    handles: BTreeMap<String, MappingHandle>,
    tasks: JoinSet<()>,
}

impl Fleet {
    /// Nothing runs yet.
    pub fn new(registry: Arc<Registry>, store: Arc<dyn CheckpointStore>, clock: Clock) -> Self {
        let gate = Gate::new(uuid::Uuid::new_v4().as_u64_pair().0);
        Self {
            ground: CommonGround::new(registry, gate, Arc::clone(&store)),
            feeds: Arc::default(),
            budget: Arc::default(),
            store,
            clock,
            files: FileDestinations::new(),
            producers: BrokerProducers::default(),
            functions: Functions::default(),
            clients: None,
            marks: BTreeMap::new(),
            stale: Stale::default(),
            n_applied: 0,
            running: BTreeMap::new(),
            n_enabled: 0,
            n_users: BTreeMap::new(),
            handles: BTreeMap::new(),
            tasks: JoinSet::new(),
        }
    }

    /// What AWS is called with, and over which connections; `None` before the first set.
    pub fn clients(&self) -> Option<Arc<Clients>> {
        self.clients.as_ref().map(|(_, clients)| Arc::clone(clients))
    }

    /// Looks at the files that the settings name: functions whose code or interpreter is another are begun
    /// anew by the next set, and everything when a CA file or one of AWS's shared files is another. What is
    /// built from here on reads certificates again and makes its own connections.
    pub fn look_again(&mut self) {
        let Some((_, clients)) = &mut self.clients else { return };
        for (path, mark) in clients.http.ca_marks().into_iter().chain(clients.aws.file_marks()) {
            // The first mark stays: it is what connections were made with, and a file that changed since must
            // differ from it.
            self.marks.entry(path).or_insert(mark);
        }
        *clients = Arc::new(Clients { http: HttpClients::new(), aws: clients.aws.clone() });
        let has_another = self.marks.iter().any(|(path, mark)| Mark::of(path) != *mark);
        self.stale = Stale { all: has_another, functions: self.functions.stale() };
    }

    /// What its mappings read.
    pub(crate) fn feeds(&self) -> &Feeds {
        &self.feeds
    }

    /// The registry in which its mappings stand.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.ground.registry
    }

    /// Makes what runs what `wanted` says. All that can fail comes first: after an error nothing has changed.
    /// It does not wait for what still finishes; it may be dropped, and then all or nothing has happened.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub async fn apply(&mut self, wanted: CompiledConfig) -> Result<Changes, BuildError> {
        self.forget_vanished();
        let settings = wanted.settings;
        let n_enabled = wanted.mappings.iter().filter(|it| it.runs()).count();
        let division = Division::new(settings.memory_budget_bytes, settings.memory_share_bytes, n_enabled)?;
        let mut stale = std::mem::take(&mut self.stale);
        let clients = match &self.clients {
            // Credentials are made with a CA file, too.
            Some((written, clients)) if *written == settings.aws && !stale.all => Arc::clone(clients),
            Some(_) | None => {
                let aws = Aws::new(&settings.aws, |name| std::env::var(name).ok());
                stale.all = true;
                Arc::new(Clients { http: HttpClients::new(), aws })
            }
        };
        let mappings: BTreeMap<String, Arc<CompiledMapping>> =
            wanted.mappings.into_iter().map(|it| (it.mapping.name.as_str().to_owned(), it)).collect();
        let set = Set {
            functions: wanted.functions.iter().collect(),
            mappings: mappings.iter().map(|(name, it)| (name.as_str(), it)).collect(),
        };
        let diff = Diff::between(&self.running_set(), &set, &stale);
        // Beside those that run: a mapping is handed a new function only when the whole set could be built.
        let new = functions::build(diff.rebuilt.iter().map(|name| &wanted.functions[name]), &clients).await?;
        let mut shelf = self.functions.running().clone();
        shelf.extend(new.iter().map(|(name, it)| (name.clone(), Arc::clone(it))));
        let orders = match self.orders(&diff, &mappings, &wanted.erased, &shelf, &clients).await {
            Ok(orders) => orders,
            Err(error) => {
                functions::scrap(&new).await;
                return Err(error);
            }
        };
        // From here on nothing fails and nothing waits.
        self.n_applied += 1;
        if stale.all {
            self.marks.clear();
        }
        self.budget.divide(division);
        self.clients = Some((settings.aws, Arc::clone(&clients)));
        self.feeds.set_clients(clients);
        self.functions.install(new, &wanted.functions.keys().cloned().collect(), &self.ground.gate);
        self.command(&diff, &mappings, orders);
        self.n_enabled = n_enabled;
        self.n_users.clear();
        mappings.values().for_each(|it| self.count_users(it));
        self.running = mappings;
        Ok(diff.told())
    }

    /// Makes what runs of one mapping what is wanted of it, beside a config file that was applied. It costs
    /// the same however many mappings there are. Errors and dropping are as with [`Self::apply`].
    ///
    /// # Errors
    /// See [`BuildError`].
    pub async fn apply_one(
        &mut self,
        name: &str,
        wanted: WantedMapping,
        file: &CompiledConfig,
    ) -> Result<(), BuildError> {
        self.forget_vanished();
        let WantedMapping { mapping, is_erased, functions: own } = wanted;
        let former = self.running.get(name).cloned();
        let runs = |it: Option<&Arc<CompiledMapping>>| usize::from(it.is_some_and(|it| it.runs()));
        let n_enabled = self.n_enabled - runs(former.as_ref()) + runs(mapping.as_ref());
        let settings = &file.settings;
        let division = Division::new(settings.memory_budget_bytes, settings.memory_share_bytes, n_enabled)?;
        let clients = self.clients().unwrap_or_default();
        let names: BTreeSet<FunctionName> =
            mapping.iter().chain(&former).flat_map(|it| used_by(&it.mapping)).cloned().collect();
        // What the config file says goes first, then what runs already.
        let running = self.functions.running();
        let functions: BTreeMap<FunctionName, Function> = names
            .iter()
            .filter_map(|it| {
                let said = file.functions.get(it).or_else(|| running.get(it).map(|it| &it.function));
                Some((it.clone(), said.or_else(|| own.get(it))?.clone()))
            })
            .collect();
        let shelf: BuiltFunctions =
            names.iter().filter_map(|it| Some((it.clone(), Arc::clone(running.get(it)?)))).collect();
        let mappings: BTreeMap<String, Arc<CompiledMapping>> =
            mapping.into_iter().map(|it| (name.to_owned(), it)).collect();
        let diff = Diff::between(
            &Set {
                functions: shelf.iter().map(|(name, it)| (name, &it.function)).collect(),
                mappings: former.iter().map(|it| (name, it)).collect(),
            },
            &Set {
                functions: functions.iter().collect(),
                mappings: mappings.values().map(|it| (name, it)).collect(),
            },
            &Stale::default(),
        );
        let new = functions::build(diff.rebuilt.iter().map(|name| &functions[name]), &clients).await?;
        let mut shelf = shelf;
        shelf.extend(new.iter().map(|(name, it)| (name.clone(), Arc::clone(it))));
        let erased = is_erased.then(|| name.to_owned()).into_iter().collect();
        let orders = match self.orders(&diff, &mappings, &erased, &shelf, &clients).await {
            Ok(orders) => orders,
            Err(error) => {
                functions::scrap(&new).await;
                return Err(error);
            }
        };
        // From here on nothing fails and nothing waits.
        self.n_applied += 1;
        self.budget.divide(division);
        self.functions.put(new, &self.ground.gate);
        self.command(&diff, &mappings, orders);
        self.n_enabled = n_enabled;
        // Counted before the former one is discounted: a function that both use never comes to have no user.
        mappings.values().for_each(|it| self.count_users(it));
        let gone = former.map(|it| self.discount_users(&it)).unwrap_or_default();
        // What the config file names stays, used or not: only a reload takes it away.
        let gone: Vec<_> = gone.into_iter().filter(|it| !file.functions.contains_key(it)).collect();
        self.functions.end(&gone, &self.ground.gate);
        match mappings.into_values().next() {
            Some(it) => drop(self.running.insert(name.to_owned(), it)),
            None => drop(self.running.remove(name)),
        }
        Ok(())
    }

    fn count_users(&mut self, mapping: &CompiledMapping) {
        for name in used_by(&mapping.mapping) {
            *self.n_users.entry(name.clone()).or_default() += 1;
        }
    }

    /// A mapping is there no more, or is another; the functions that nobody uses any more.
    fn discount_users(&mut self, mapping: &CompiledMapping) -> Vec<FunctionName> {
        let mut gone = Vec::new();
        for name in used_by(&mapping.mapping) {
            let n = self.n_users.entry(name.clone()).or_default();
            *n = n.saturating_sub(1);
            if *n == 0 {
                self.n_users.remove(name);
                gone.push(name.clone());
            }
        }
        gone
    }

    /// Of a mapping that is gone nothing stays.
    fn forget_vanished(&mut self) {
        for name in self.ground.take_vanished() {
            // One that was made again under its name since has a handle that follows a later order.
            if self.handles.get(&name).is_some_and(MappingHandle::is_gone) {
                self.handles.remove(&name);
            }
        }
        // Or the set keeps each keeper that ever ended.
        while self.tasks.try_join_next().is_some() {}
    }

    fn running_set(&self) -> Set<'_> {
        Set {
            functions: self.functions.running().iter().map(|(name, it)| (name, &it.function)).collect(),
            mappings: self.running.iter().map(|(name, it)| (name.as_str(), it)).collect(),
        }
    }

    /// What each mapping that changes is told.
    async fn orders(
        &self,
        diff: &Diff,
        mappings: &BTreeMap<String, Arc<CompiledMapping>>,
        erased: &BTreeSet<String>,
        functions: &BuiltFunctions,
        clients: &Clients,
    ) -> Result<Vec<(String, MappingChange)>, BuildError> {
        let destinations = Destinations {
            files: &self.files,
            producers: &self.producers,
            clients,
            functions,
            gate: &self.ground.gate,
        };
        let mut told = Vec::new();
        for (name, change) in &diff.mappings {
            let order = match (change, mappings.get(name)) {
                (Change::Unchanged, _) => continue,
                (Change::Removed, _) | (_, None) => DesiredState::Gone { erase: erased.contains(name) },
                (Change::Replanned, Some(it)) => {
                    let function = &functions[&it.mapping.function];
                    let has_outbox = it.mapping.on_failure.is_some();
                    let plan =
                        // The number that this set has once it is applied: orders are made before that, for
                        // they may fail.
                        plan(&it.mapping, it.profile, function.n_slots, has_outbox, self.n_applied + 1);
                    told.push((name.clone(), MappingChange::Limits(Box::new(plan))));
                    continue;
                }
                (Change::Added | Change::Changed | Change::Enabled | Change::Disabled, Some(it))
                    if it.runs() =>
                {
                    How::Run(Arc::new(self.wire(it, functions, &destinations).await?)).order()
                }
                (Change::Added | Change::Changed | Change::Enabled | Change::Disabled, Some(it)) => {
                    How::Rest(Arc::new(self.facts(it))).order()
                }
            };
            told.push((name.clone(), MappingChange::Anew(order)));
        }
        Ok(told)
    }

    async fn wire(
        &self,
        it: &CompiledMapping,
        functions: &BuiltFunctions,
        destinations: &Destinations<'_>,
    ) -> Result<Wired, BuildError> {
        let mapping = &it.mapping;
        let function = &functions[&mapping.function];
        let outbox = match &mapping.on_failure {
            Some(settings) => {
                let destination =
                    destinations.build(mapping.name.as_str(), &settings.target, it.source.brokers()).await?;
                let arn = match &mapping.function_qualifier {
                    Some(qualifier) => format!("{}:{qualifier}", function.executor.function_arn()),
                    None => function.executor.function_arn().to_owned(),
                };
                Some(Outbox::new(destination, arn, settings.include_payload))
            }
            None => None,
        };
        let wiring = Wiring {
            id: MappingId(mapping.name.as_str().to_owned()),
            plan: watch::Sender::new(plan(
                mapping,
                it.profile,
                function.n_slots,
                outbox.is_some(),
                self.n_applied + 1,
            )),
            budget: Arc::clone(&self.budget),
            start: mapping.starting_position,
            pollers: mapping.pollers,
            source: Arc::clone(&it.source),
            feeds: Arc::clone(&self.feeds),
            filter: it.filter.clone(),
            function_timeout: (!mapping.function.is_arn()).then_some(function.function.timeout),
            executor: Arc::clone(&function.executor),
            outbox,
            store: Arc::clone(&self.store),
            clock: self.clock,
        };
        Ok(Wired {
            facts: self.facts(it),
            wiring: Arc::new(wiring),
            function: mapping.function.clone(),
            concurrency_max: mapping.concurrency_max,
            uses: used_by(mapping).map(|it| functions[it].token()).collect(),
        })
    }

    fn facts(&self, it: &CompiledMapping) -> MappingFacts {
        let inspector = SourceInspector {
            source: Arc::clone(&it.source),
            feeds: Arc::clone(&self.feeds),
            filter: it.filter.clone(),
            has_window: !it.mapping.batch.window.is_zero(),
            start: it.mapping.starting_position,
            told: tokio::sync::Mutex::default(),
        };
        MappingFacts {
            name: it.mapping.name.as_str().to_owned(),
            source_kind: it.profile.kind,
            source: it.source.identity(),
            function: it.mapping.function.to_string(),
            rest: it.rest.clone(),
            inspector: Arc::new(inspector),
        }
    }

    /// Gives the orders. Whoever will read a source is expected before anybody begins.
    fn command(
        &mut self,
        diff: &Diff,
        mappings: &BTreeMap<String, Arc<CompiledMapping>>,
        told: Vec<(String, MappingChange)>,
    ) {
        // Before anybody is expected or begins: nobody joins a feed with the former settings in between.
        for identity in &diff.renewed {
            self.feeds.renew(identity);
        }
        let reads = |it: &Arc<CompiledMapping>| it.runs().then(|| it.source.identity());
        for (name, it) in mappings
            .iter()
            .filter(|(name, _)| !matches!(diff.mappings[*name], Change::Unchanged | Change::Replanned))
        {
            if let Some(identity) = reads(it) {
                let filters: Vec<_> = it.mapping.filters.iter().map(|it| it.text()).collect();
                self.feeds.expect(&identity, name, &filters.join("\n"));
            }
        }
        for (name, told) in told {
            match (told, self.handles.get(&name)) {
                (MappingChange::Limits(plan), Some(handle)) => handle.replan(*plan),
                // Limits change only of what runs, and that has a handle.
                (MappingChange::Limits(_), None) => {}
                (MappingChange::Anew(order), Some(handle)) => handle.tell(order),
                (MappingChange::Anew(order), None) => {
                    let (handle, keep) = MappingHandle::new(&self.ground, &name, order);
                    self.tasks.spawn(keep);
                    self.handles.insert(name.clone(), handle);
                }
            }
            let former = self.running.get(&name).and_then(reads);
            if let Some(former) = former.filter(|it| mappings.get(&name).and_then(reads).as_ref() != Some(it))
            {
                self.feeds.dismiss(&former, &name);
            }
        }
    }

    /// Tells all mappings to end.
    pub fn end(&self, how: Close) {
        self.handles.values().for_each(|handle| handle.end(how));
    }

    /// Waits until all have ended. May be dropped.
    pub async fn ended(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    /// How many mappings have not ended.
    pub fn n_tasks(&self) -> usize {
        self.tasks.len()
    }

    /// Ends the tasks that have not ended.
    pub async fn abandon(&mut self) {
        self.tasks.shutdown().await;
    }

    /// Stops all functions.
    pub async fn stop_functions(&mut self, grace: Duration) {
        self.functions.stop(grace).await;
    }

    /// Ends all feeds and waits for them.
    pub async fn stop_feeds(&self) {
        self.feeds.stop().await;
    }
}

fn plan(
    mapping: &Mapping,
    profile: &SourceProfile,
    n_slots: u32,
    has_destination: bool,
    generation: u64,
) -> Plan {
    let function = NonZeroU32::new(n_slots);
    // Of a queue nothing is received that the function has no slot for: it would be hidden and wait here.
    let concurrency_max = match (mapping.concurrency_max, function) {
        (Some(own), Some(function)) => Some(own.min(function)),
        (own, function) => own.or(function),
    };
    Plan {
        generation,
        batch: mapping.batch.clone(),
        retry: mapping.retry.clone(),
        window: mapping.window.clone(),
        lanes: mapping.lanes,
        // The source's own number comes with its connection.
        envelope_bytes: 0,
        // A name is of one track.
        mixes_tracks: profile.mixes_tracks && !mapping.durable_cuts,
        concurrency_max,
        rate: mapping.rate,
        has_destination,
        // The mapping's allowance comes with its task.
        held_bytes_max: 0,
        ahead_max: AHEAD_MAX,
        waiting_min: WAITING_MIN,
        durable_cuts: mapping.durable_cuts,
        queue: None,
    }
}
