//! Lambda's mapping API over what runs: the checks that need more than the call, then one durable change.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_api::error::{ApiError, ErrorType};
use forebay_api::mapping::{
    CreateMapping, EpochMillis, ListMappings, MappingConfiguration, MappingIdentity, MappingList, TagList,
    UpdateMapping, checks,
};
use forebay_api::service::{BoxFuture, MappingService};
use forebay_clients::Clients;
use forebay_config::aws::AwsWords;

use super::note::Definition;
use super::{ChangeError, Control, ControlHandle, compile, list, resolve, twice, view};
use crate::built_in::BuiltIn;
use crate::clock::Clock;
use crate::compiled::{CompiledConfig, CompiledMapping};
use crate::mapping_status::MappingStatus;
use crate::mapping_uuid::uuid_of_written;

/// As many mappings may be there.
const MAPPINGS_MAX: usize = 10_000;
/// As many tags may a mapping have.
const TAGS_MAX: usize = 50;

/// What an update and a change of tags do.
const UPDATE: &str = "update";

/// The mapping API of a process.
pub struct Service {
    control: ControlHandle,
    clock: Clock,
}

/// What the checks of a call look at.
struct Surroundings {
    file: Arc<CompiledConfig>,
    clients: Arc<Clients>,
}

impl Surroundings {
    fn of(control: &Control) -> Self {
        Self { file: Arc::clone(&control.file), clients: control.clients() }
    }
}

impl Service {
    /// The mapping API of what runs.
    pub fn new(control: ControlHandle, clock: Clock) -> Arc<Self> {
        Arc::new(Self { control, clock })
    }

    fn now(&self) -> EpochMillis {
        EpochMillis(self.clock.now().unix.0)
    }

    async fn surroundings(&self) -> Surroundings {
        Surroundings::of(&*self.control.lock().await)
    }

    async fn make(&self, create: CreateMapping) -> Result<MappingConfiguration, ApiError> {
        let source = checks::parameters_of_create(&create, BuiltIn::aws_words())?;
        let around = self.surroundings().await;
        let function = resolve::function(&create.function_name, &around.file, &around.clients).await?;
        checks::position_and_filters(&create, source, self.now())?;
        let uuid = uuid::Uuid::new_v4().to_string();
        let arn = view::arn(around.clients.aws.region(), around.clients.aws.common_account(), &uuid);
        let identity = MappingIdentity { uuid: &uuid, arn: &arn, function_arn: &function.arn };
        let (enabled, tags) = (create.enabled.unwrap_or(true), create.tags.clone().unwrap_or_default());
        check_tags(&tags)?;
        let configuration = MappingConfiguration::created(create, source, identity, self.now());
        let definition = Definition { configuration, enabled, tags, deleting: false };
        let compiled = compile::compile(&definition, &around.file)?;
        let connected =
            resolve::source(source, &compiled.compiled, function.timeout, &around.clients).await?;
        // Not before: the function and the source were asked meanwhile, which may take seconds each.
        let mut control = self.control.lock().await;
        control.forget_gone();
        check_twice(&control, &definition.configuration)?;
        if let Some(connected) = connected {
            control.check_company(&connected).map_err(|error| ApiError::invalid(error.to_string()))?;
        }
        if control.ledger.n_mappings() >= MAPPINGS_MAX {
            return Err(ApiError::invalid(format!(
                "There are {MAPPINGS_MAX} event source mappings already, which is the most."
            )));
        }
        let answer = definition.configuration.clone();
        control.put(definition).await.map_err(refused)?;
        Ok(answer)
    }

    async fn change(&self, uuid: &str, update: UpdateMapping) -> Result<MappingConfiguration, ApiError> {
        let (around, standing) = {
            let control = self.control.lock().await;
            (Surroundings::of(&control), standing(&control, uuid, UPDATE)?)
        };
        let source = standing.configuration.source.words(BuiltIn::aws_words())?;
        checks::parameters_of_update(&update, source, &standing.configuration.settings)?;
        let function = match &update.function_name {
            Some(name) => Some(resolve::function(name, &around.file, &around.clients).await?),
            None => None,
        };
        checks::filters(&update.settings)?;
        let wanted = changed(
            standing.clone(),
            &update,
            source,
            function.as_ref().map(|it| it.arn.clone()),
            self.now(),
        );
        let compiled = compile::compile(&wanted, &around.file)?;
        match &function {
            Some(function) => {
                drop(resolve::source(source, &compiled.compiled, function.timeout, &around.clients).await?)
            }
            // What was there when it was made may be gone by now, which keeps nobody from changing it.
            None if wanted.enabled => {
                if let Ok(function) =
                    resolve::function(&standing.configuration.function_arn, &around.file, &around.clients)
                        .await
                {
                    resolve::visibility(&compiled.compiled, function.timeout, &around.clients).await?;
                }
            }
            None => {}
        }
        let mut control = self.control.lock().await;
        // Another change may have come meanwhile: this one is made to what stands now.
        let standing = self::standing(&control, uuid, UPDATE)?;
        checks::parameters_of_update(&update, source, &standing.configuration.settings)?;
        let (was_enabled, names_function) = (standing.enabled, function.is_some());
        let wanted = changed(standing, &update, source, function.map(|it| it.arn), self.now());
        // A mapping of the config file that came later keeps nobody from changing this one, or from disabling
        // it.
        if names_function {
            check_twice(&control, &wanted.configuration)?;
        }
        // Whoever enables a mapping wants it to run.
        let is_paused = (update.enabled == Some(true)).then_some(false);
        let is_disabled = was_enabled && !wanted.enabled;
        let answer = wanted.configuration.clone();
        control.put_paused(wanted, is_paused).await.map_err(refused)?;
        // Looked up now: a life that ended before this may have been followed by another.
        let entry = control.registry().entry(uuid);
        drop(control);
        if let (true, Some(entry)) = (is_disabled, entry) {
            entry.await_end_of_invocations().await;
        }
        Ok(answer)
    }

    async fn end(&self, uuid: &str) -> Result<MappingConfiguration, ApiError> {
        let mut control = self.control.lock().await;
        let mut standing = standing(&control, uuid, "delete")?;
        standing.deleting = true;
        standing.configuration.state = "Deleting".to_owned();
        standing.configuration.last_modified = self.now();
        let answer = standing.configuration.clone();
        // That it is being deleted is kept first: after a crash the next start ends what was begun.
        control.put(standing).await.map_err(refused)?;
        // Looked up now: a life that ended before this may have been followed by another.
        let entry = control.registry().entry(uuid);
        drop(control);
        if let Some(entry) = entry {
            entry.await_end_of_invocations().await;
        }
        Ok(answer)
    }

    /// Every mapping as the API shows it, by UUID.
    async fn all(&self) -> BTreeMap<String, MappingConfiguration> {
        let mut control = self.control.lock().await;
        control.forget_gone();
        let clients = control.clients();
        let made =
            control.ledger.made().iter().map(|(uuid, it)| {
                view::of_definition(&it.made.definition, status_of(&control, uuid).as_ref())
            });
        let of_file = control.file.mappings.iter().map(|it| show(&control, it, &clients));
        made.chain(of_file).map(|it| (it.uuid.clone(), it)).collect()
    }

    async fn one(&self, uuid: &str) -> Result<MappingConfiguration, ApiError> {
        let mut control = self.control.lock().await;
        control.forget_gone();
        if let Some(it) = control.standing(uuid) {
            return Ok(view::of_definition(&it.made.definition, status_of(&control, uuid).as_ref()));
        }
        let of_file = of_file(&control, uuid).ok_or_else(ApiError::no_mapping)?;
        Ok(show(&control, &of_file, &control.clients()))
    }

    /// Changes the tags of a mapping of the API.
    async fn retag(
        &self,
        arn: &str,
        change: impl FnOnce(&mut BTreeMap<String, String>) + Send,
    ) -> Result<(), ApiError> {
        let mut control = self.control.lock().await;
        let uuid = tagged(&control, arn)?;
        let mut definition = standing(&control, &uuid, UPDATE)?;
        change(&mut definition.tags);
        check_tags(&definition.tags)?;
        control.put(definition).await.map_err(refused)
    }
}

/// A mapping of the config file as the API shows it.
fn show(control: &Control, it: &CompiledMapping, clients: &Clients) -> MappingConfiguration {
    let status = status_of(control, it.mapping.name.as_str());
    view::of_file(it, status.as_ref(), clients, EpochMillis(control.read_at.0))
}

fn status_of(control: &Control, name: &str) -> Option<MappingStatus> {
    Some(control.registry().entry(name)?.status())
}

/// The mapping of the API with this id, if it can be changed. `verb` is what is asked for, for AWS's sentence
/// about one that is being deleted.
fn standing(control: &Control, uuid: &str, verb: &str) -> Result<Definition, ApiError> {
    match control.standing(uuid) {
        Some(it) if it.is_deleted => Err(ApiError::in_use(verb)),
        Some(it) => {
            let mut definition = it.made.definition.clone();
            // What an update answers follows from what it was told last, not from what it is doing.
            let runs = definition.enabled && !control.ledger.is_paused(uuid);
            definition.configuration.state = if runs { "Enabled" } else { "Disabled" }.to_owned();
            Ok(definition)
        }
        None => Err(of_file(control, uuid).map_or_else(ApiError::no_mapping, |it| {
            let (name, place) = (&it.mapping.name, &it.mapping.place);
            ApiError::new(
                ErrorType::ResourceConflict,
                format!(
                    "The event source mapping {name} is written in {}:{}: change it there and reload.",
                    place.file, place.line
                ),
            )
        })),
    }
}

fn of_file(control: &Control, uuid: &str) -> Option<Arc<CompiledMapping>> {
    // Their ids follow from their names, so that none has to be kept.
    control.file.mappings.iter().find(|it| uuid_of_written(it.mapping.name.as_str()) == uuid).cloned()
}

/// No source goes to one function twice, whoever owns the mappings.
fn check_twice(control: &Control, new: &MappingConfiguration) -> Result<(), ApiError> {
    let made = control.uses.made_beside(new).filter_map(|it| control.standing(it));
    let mut made = made.map(|it| &it.made.definition.configuration);
    let conflict = made.find_map(|it| twice::conflict(new, it));
    let of_file = || control.uses.of_file_beside(new).find_map(|it| twice::conflict(new, it));
    conflict.or_else(of_file).map_or(Ok(()), Err)
}

/// What an update makes of a mapping.
fn changed(
    mut it: Definition,
    update: &UpdateMapping,
    source: &AwsWords,
    function_arn: Option<String>,
    now: EpochMillis,
) -> Definition {
    it.configuration.update(update, source, function_arn, now);
    it.enabled = update.enabled.unwrap_or(it.enabled);
    it
}

/// The id of the mapping that an ARN names.
fn tagged(control: &Control, arn: &str) -> Result<String, ApiError> {
    let unknown =
        || ApiError::new(ErrorType::ResourceNotFound, format!("Event source mapping not found: {arn}"));
    let uuid = arn.rsplit(':').next().unwrap_or_default();
    // The whole ARN must be its own: the same id under another account names nothing here.
    let is_made = control
        .standing(uuid)
        .is_some_and(|it| !it.is_deleted && it.made.definition.configuration.event_source_mapping_arn == arn);
    let clients = control.clients();
    // Those of the config file have no tags, which is an answer as well.
    let is_of_file = || {
        view::arn(clients.aws.region(), clients.aws.common_account(), uuid) == arn
            && of_file(control, uuid).is_some()
    };
    if is_made || is_of_file() { Ok(uuid.to_owned()) } else { Err(unknown()) }
}

fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), ApiError> {
    if tags.len() > TAGS_MAX {
        return Err(ApiError::invalid(format!(
            "Number of tags exceeds function tag limit. Number of tags: {}, limit: {TAGS_MAX}",
            tags.len()
        )));
    }
    tags.keys().find(|key| key.starts_with("aws:")).map_or(Ok(()), |key| {
        Err(ApiError::invalid(format!("The tag key {key} is reserved: it must not begin with aws:")))
    })
}

fn refused(error: ChangeError) -> ApiError {
    match error {
        ChangeError::Unfit(text) => ApiError::invalid(text),
        ChangeError::Build(error) => {
            ApiError::invalid(format!("{}: {}", error.code(), crate::sentence::chain(&error)))
        }
        ChangeError::Store(error) => {
            ApiError::new(ErrorType::Service, format!("{}: {}", error.code(), crate::sentence::chain(&error)))
        }
        ChangeError::Ending => {
            ApiError::new(ErrorType::Unavailable, "The process is draining; ask again when it is back.")
        }
        ChangeError::Unknown => ApiError::no_mapping(),
    }
}

impl MappingService for Service {
    fn create(&self, create: CreateMapping) -> BoxFuture<'_, Result<MappingConfiguration, ApiError>> {
        Box::pin(self.make(create))
    }

    fn list(&self, asked: ListMappings) -> BoxFuture<'_, Result<MappingList, ApiError>> {
        Box::pin(async move { list::page(&self.all().await, &asked) })
    }

    fn get<'a>(&'a self, uuid: &'a str) -> BoxFuture<'a, Result<MappingConfiguration, ApiError>> {
        Box::pin(self.one(uuid))
    }

    fn update<'a>(
        &'a self,
        uuid: &'a str,
        update: UpdateMapping,
    ) -> BoxFuture<'a, Result<MappingConfiguration, ApiError>> {
        Box::pin(self.change(uuid, update))
    }

    fn delete<'a>(&'a self, uuid: &'a str) -> BoxFuture<'a, Result<MappingConfiguration, ApiError>> {
        Box::pin(self.end(uuid))
    }

    fn tags<'a>(&'a self, arn: &'a str) -> BoxFuture<'a, Result<TagList, ApiError>> {
        Box::pin(async move {
            let control = self.control.lock().await;
            let uuid = tagged(&control, arn)?;
            let tags = control.standing(&uuid).map(|it| it.made.definition.tags.clone()).unwrap_or_default();
            Ok(TagList { tags })
        })
    }

    fn tag<'a>(
        &'a self,
        arn: &'a str,
        tags: BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<(), ApiError>> {
        Box::pin(self.retag(arn, |all| all.extend(tags)))
    }

    fn untag<'a>(&'a self, arn: &'a str, keys: Vec<String>) -> BoxFuture<'a, Result<(), ApiError>> {
        Box::pin(self.retag(arn, move |all| all.retain(|key, _| !keys.contains(key))))
    }
}
