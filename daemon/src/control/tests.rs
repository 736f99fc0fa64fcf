//! Mappings of both owners side by side: made, shown, changed, paused, deleted, recalled. Their queue answers
//! nobody, which keeps none from being.

use forebay_api::error::ErrorType;
use forebay_api::mapping::{
    Call, CreateMapping, EpochMillis, ListMappings, MappingIdentity, Operation, UpdateMapping,
};
use forebay_api::service::MappingService;
use forebay_checkpoints::MemoryStore;
use forebay_config::Format;
use serde_json::{Value, json};

use super::*;
use crate::built_in::BuiltIn;
use crate::compiled;
use crate::config_files::Loaded;
use crate::mapping_uuid::uuid_of;
use crate::why::Why;

const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:q";
const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:f";
const LINES: &str = "  - { name: lines, source: { file: { path: \"/nowhere/*\" } }, function_name: f, starting_position: LATEST, batch_size: 7 }\n";

fn config(mappings: &str, function: &str) -> CompiledConfig {
    let text = format!(
        "aws: {{ region: eu-west-1, account_id: \"123456789012\", endpoint: \"http://127.0.0.1:1\", access_key_id: a, secret_access_key: b }}\n\
         functions:\n  {function}: {{ executor: {{ http: {{ url: \"http://127.0.0.1:1/\" }} }} }}\nevent_source_mappings:{}{mappings}",
        if mappings.is_empty() { " []" } else { "\n" }
    );
    let loaded = Loaded::of_text("c.yaml", &text, Format::Yaml);
    compiled::compile(loaded.check().unwrap(), &loaded).unwrap()
}

/// The same with room for so many mappings that run.
fn roomy(mut file: CompiledConfig, n_mappings: u64) -> CompiledConfig {
    (file.settings.memory_budget_bytes, file.settings.memory_share_bytes) = (n_mappings << 20, Some(1 << 20));
    file
}

struct World {
    control: ControlHandle,
    registry: Arc<Registry>,
    clock: Clock,
    service: Arc<Service>,
    store: Arc<dyn CheckpointStore>,
}

impl World {
    async fn begin(file: CompiledConfig) -> Self {
        Self::recall(file, Arc::new(MemoryStore::default())).await
    }

    async fn recall(file: CompiledConfig, store: Arc<dyn CheckpointStore>) -> Self {
        let (registry, clock) = (Arc::<Registry>::default(), Clock::start());
        let control = ControlHandle::start(file, Arc::clone(&registry), Arc::clone(&store), clock);
        let control = control.await.unwrap();
        Self { service: Service::new(control.clone(), clock), control, registry, clock, store }
    }

    /// The same after the process was killed: nothing is said to anybody.
    async fn again(self, file: CompiledConfig) -> Self {
        self.control.lock().await.ending_fleet().abandon().await;
        Self::recall(file, self.store).await
    }

    /// Makes a mapping whose source nobody asked for first.
    async fn make(&self, uuid: &str, body: Value) {
        let create = created(body);
        let enabled = create.enabled.unwrap_or(true);
        let tags = create.tags.clone().unwrap_or_default();
        let arn = view::arn("eu-west-1", "123456789012", uuid);
        let identity = MappingIdentity { uuid, arn: &arn, function_arn: FUNCTION };
        let words = create.source.words(BuiltIn::aws_words()).unwrap();
        let configuration =
            forebay_api::mapping::MappingConfiguration::created(create, words, identity, EPOCH);
        let definition = Definition { configuration, enabled, tags, deleting: false };
        self.control.lock().await.put(definition).await.unwrap();
    }

    async fn get(&self, uuid: &str) -> Value {
        let shown = self.service.get(uuid).await;
        shown.map_or_else(
            |error| json!(error.to_string()),
            |it| serde_json::from_slice(&it.to_json()).unwrap(),
        )
    }

    async fn update(&self, uuid: &str, body: Value) -> Result<Value, String> {
        let shown = self.service.update(uuid, updated(body)).await.map_err(|error| error.to_string())?;
        Ok(serde_json::from_slice(&shown.to_json()).unwrap())
    }

    async fn await_gone(&self, uuid: &str) {
        while self.service.get(uuid).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }

    async fn listed(&self, asked: ListMappings) -> (Vec<String>, Option<String>) {
        let list = self.service.list(asked).await.unwrap();
        (list.event_source_mappings.into_iter().map(|it| it.uuid).collect(), list.next_marker)
    }
}

const EPOCH: EpochMillis = EpochMillis(0);

fn created(mut body: Value) -> CreateMapping {
    body["FunctionName"] = json!("f");
    body["EventSourceArn"] = json!(QUEUE);
    match Operation::Create.read(None, body.to_string().as_bytes()).unwrap() {
        Call::Create(create) => *create,
        other => panic!("{other:?}"),
    }
}

fn updated(body: Value) -> UpdateMapping {
    match Operation::Update(uuid(1)).read(None, body.to_string().as_bytes()).unwrap() {
        Call::Update(_, update) => *update,
        other => panic!("{other:?}"),
    }
}

fn uuid(n: u128) -> String {
    uuid::Uuid::from_u128(n).to_string()
}

#[tokio::test]
async fn a_mapping_is_kept_with_all_that_was_asked_and_is_there_again_after_a_kill() {
    let world = World::begin(config(LINES, "f")).await;
    world.make(&uuid(1), json!({ "BatchSize": 5, "Enabled": false, "Tags": { "a": "b" }, "FilterCriteria": { "Filters": [{ "Pattern": "{\"body\":[1]}" }] } })).await;
    let world = world.again(config(LINES, "f")).await;
    let shown = world.get(&uuid(1)).await;
    assert_eq!(
        (&shown["BatchSize"], &shown["FunctionArn"], &shown["EventSourceArn"]),
        (&json!(5), &json!(FUNCTION), &json!(QUEUE))
    );
    assert_eq!(
        (&shown["State"], &shown["FilterCriteria"]["Filters"][0]["Pattern"]),
        (&json!("Disabled"), &json!("{\"body\":[1]}"))
    );
    let tags = world.service.tags(shown["EventSourceMappingArn"].as_str().unwrap()).await.unwrap().tags;
    assert_eq!(tags, [("a".to_owned(), "b".to_owned())].into());
    let exported = world.control.exported(&uuid(1)).await.unwrap();
    assert_eq!(
        (&exported["function_name"], &exported["source"]["sqs"]["queue"], &exported["enabled"]),
        (&json!("f"), &json!("q"), &json!(false))
    );
}

#[tokio::test]
async fn an_update_keeps_what_it_leaves_out_and_is_durable() {
    let world = World::begin(config("", "f")).await;
    world.make(&uuid(1), json!({ "BatchSize": 5, "ScalingConfig": { "MaximumConcurrency": 3 } })).await;
    assert_eq!(world.update(&uuid(1), json!({ "BatchSize": 6 })).await.unwrap()["State"], "Updating");
    assert_eq!(
        world.update(&uuid(1), json!({ "Enabled": false, "ScalingConfig": {} })).await.unwrap()["State"],
        "Disabling"
    );
    let world = world.again(config("", "f")).await;
    let shown = world.get(&uuid(1)).await;
    assert_eq!(
        (&shown["BatchSize"], &shown["State"], shown.get("ScalingConfig")),
        (&json!(6), &json!("Disabled"), None)
    );
    assert_eq!(world.update(&uuid(1), json!({ "Enabled": true })).await.unwrap()["State"], "Enabling");
    let refused = world.update(&uuid(1), json!({ "BatchSize": 100 })).await.unwrap_err();
    assert!(refused.contains("Maximum batch window in seconds must be greater than 0"), "{refused}");
    assert_eq!(world.get(&uuid(1)).await["BatchSize"], 6);
}

#[tokio::test]
async fn a_deleted_mapping_leaves_nothing_behind() {
    let world = World::begin(config("", "f")).await;
    world.make(&uuid(1), json!({})).await;
    let deleted = world.service.delete(&uuid(1)).await.unwrap();
    assert_eq!(deleted.state, "Deleting");
    world.await_gone(&uuid(1)).await;
    assert!(world.store.notes().await.unwrap().is_empty());
    assert_eq!(world.store.mappings().await.unwrap(), []);
    assert_eq!(world.service.delete(&uuid(1)).await.unwrap_err().error_type, ErrorType::ResourceNotFound);
    world.make(&uuid(1), json!({})).await;
}

#[tokio::test]
async fn a_deletion_that_a_kill_cut_off_is_ended_by_the_next_start() {
    let world = World::begin(config("", "f")).await;
    world.make(&uuid(1), json!({})).await;
    let mut definition = world.control.lock().await.standing(&uuid(1)).unwrap().made.definition.clone();
    world.control.lock().await.ending_fleet().abandon().await;
    definition.deleting = true;
    world.store.note(&MappingId(uuid(1)), Note::new(false, Some(definition)).encode()).await.unwrap();
    let world = World::recall(config("", "f"), world.store).await;
    assert!(world.get(&uuid(1)).await.as_str().unwrap().contains("ResourceNotFound"));
    assert!(world.store.notes().await.unwrap().is_empty());
}

#[tokio::test]
async fn mappings_of_the_config_file_are_shown_and_name_their_line_to_whoever_would_change_them() {
    let world = World::begin(config(LINES, "f")).await;
    let (uuids, _) = world.listed(ListMappings::default()).await;
    assert_eq!(uuids, [uuid_of("lines")]);
    let shown = world.get(&uuids[0]).await;
    assert_eq!(
        (&shown["BatchSize"], &shown["StartingPosition"], &shown["FunctionArn"]),
        (&json!(7), &json!("LATEST"), &json!(FUNCTION))
    );
    for refused in [
        world.update(&uuids[0], json!({ "BatchSize": 1 })).await.unwrap_err(),
        world.service.delete(&uuids[0]).await.unwrap_err().to_string(),
    ] {
        assert_eq!(
            refused,
            "ResourceConflictException: The event source mapping lines is written in c.yaml:5: change it there and reload."
        );
    }
}

#[tokio::test]
async fn a_list_has_pages_and_filters_and_a_marker_belongs_to_its_list() {
    let world = World::begin(config(LINES, "f")).await;
    for n in 1..=5 {
        world.make(&uuid(n), json!({ "Enabled": false })).await;
    }
    let asked = |marker, function: Option<&str>| ListMappings {
        marker,
        max_items: Some(2),
        function_name: function.map(str::to_owned),
        event_source_arn: Some(QUEUE.to_owned()),
    };
    let mut all = Vec::new();
    let mut marker = None;
    loop {
        let (page, next) = world.listed(asked(marker, None)).await;
        assert!(page.len() <= 2);
        all.extend(page);
        marker = next;
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(all, [1, 2, 3, 4, 5].map(uuid));
    let (_, marker) = world.listed(asked(None, Some("f"))).await;
    for wrong in [marker, Some("!".to_owned()), Some(String::new())] {
        let error = world.service.list(asked(wrong, None)).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "InvalidParameterValueException: Invalid marker: it is none of this list."
        );
    }
    assert_eq!(world.listed(asked(None, Some("123456789012:function:f:1"))).await, (Vec::new(), None));
    assert_eq!(world.listed(asked(None, Some("g"))).await, (Vec::new(), None));
}

#[tokio::test]
async fn a_function_that_a_reload_takes_away_makes_its_mapping_unfit_and_its_return_fit_again() {
    let world = World::begin(config("", "f")).await;
    world.make(&uuid(1), json!({ "BatchSize": 5 })).await;
    // Without credentials of Lambda's the ARN means nothing; here it means a function of Lambda, so the
    // mapping goes on with that.
    world
        .control
        .change(config(LINES.replace("function_name: f", "function_name: g").as_str(), "g"))
        .await
        .unwrap();
    assert_eq!(world.get(&uuid(1)).await["FunctionArn"], FUNCTION);
    let mut control = world.control.lock().await;
    let made = Arc::make_mut(control.ledger.standing_mut(&uuid(1)).unwrap());
    made.definition.configuration.settings.put("KMSKeyArn", json!("key"));
    control.change(config("", "f")).await.unwrap();
    drop(control);
    while world.get(&uuid(1)).await["StateTransitionReason"] != "ESM_CONFIG_NOT_VALID" {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.get(&uuid(1)).await["State"], "Disabled");
    let mut control = world.control.lock().await;
    let made = Arc::make_mut(control.ledger.standing_mut(&uuid(1)).unwrap());
    made.definition.configuration.settings.remove("KMSKeyArn");
    control.change(config("", "f")).await.unwrap();
    drop(control);
    while world.get(&uuid(1)).await["State"] == "Disabled" {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.store.notes().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_pause_outlives_the_process_for_both_owners_and_enabling_ends_it() {
    let world = World::begin(config(LINES, "f")).await;
    world.make(&uuid(1), json!({})).await;
    for name in ["lines", &uuid(1)] {
        world.control.pause(name).await.unwrap();
    }
    assert!(matches!(world.control.pause("other").await, Err(ChangeError::Unknown)));
    let world = world.again(config(LINES, "f")).await;
    for name in ["lines", &uuid(1)] {
        let entry = world.registry.entry(name).unwrap();
        while entry.lifecycle() != Lifecycle::Paused {
            tokio::task::yield_now().await;
        }
    }
    let shown = world.get(&uuid(1)).await;
    assert_eq!(shown["State"], "Disabled");
    assert!(shown["StateTransitionReason"].as_str().unwrap().starts_with("Paused"), "{shown}");
    assert_eq!(world.update(&uuid(1), json!({ "Enabled": true })).await.unwrap()["State"], "Enabling");
    world.control.resume("lines").await.unwrap();
    let world = world.again(config(LINES, "f")).await;
    let control = world.control.lock().await;
    assert!(!control.ledger.is_paused("lines") && !control.ledger.is_paused(&uuid(1)));
    drop(control);
    assert_eq!(
        world.store.notes().await.unwrap().len(),
        1,
        "a mapping of the config file that is not paused has no note"
    );
}

#[tokio::test]
async fn a_mapping_of_the_file_cannot_take_the_name_of_one_of_the_api() {
    let world = World::begin(config("", "f")).await;
    world.make(&uuid(1), json!({})).await;
    let taken = LINES.replace("name: lines", &format!("name: {}", uuid(1)));
    let error = world.control.change(config(&taken, "f")).await.unwrap_err();
    assert_eq!(error.code(), "FB-0535");
    world.service.delete(&uuid(1)).await.unwrap();
    world.await_gone(&uuid(1)).await;
    world.control.change(config(&taken, "f")).await.unwrap();
}

#[tokio::test]
async fn connections_are_shared_until_the_config_is_read_again() {
    let world = World::begin(config("", "f")).await;
    let clients = async || world.control.lock().await.clients();
    let first = clients().await;
    world.make(&uuid(1), json!({})).await;
    assert!(Arc::ptr_eq(&first, &clients().await), "a mapping more is no reason to read certificates again");
    world.control.change(config(LINES, "f")).await.unwrap();
    assert!(!Arc::ptr_eq(&first, &clients().await), "certificates may have changed with the config");
}

#[tokio::test]
async fn one_queue_goes_to_one_function_once() {
    let world = World::begin(config("", "f")).await;
    world.make(&uuid(1), json!({})).await;
    let error = world.service.create(created(json!({}))).await.unwrap_err();
    assert_eq!((error.error_type, error.status()), (ErrorType::ResourceConflict, 409));
    let text = format!(
        "An event source mapping with SQS arn (\" {QUEUE} \") and function (\" f \") already exists. Please update or delete the existing \
         mapping with UUID {}",
        uuid(1)
    );
    assert_eq!(error.message, text);
}

#[tokio::test]
async fn a_pause_that_cannot_be_ended_holds_after_a_kill_too() {
    let file = || roomy(config(LINES, "f"), 1);
    let world = World::begin(file()).await;
    world.control.pause("lines").await.unwrap();
    world.make(&uuid(1), json!({})).await;
    assert!(matches!(world.control.resume("lines").await, Err(ChangeError::Build(BuildError::Memory(_)))));
    let world = world.again(file()).await;
    assert!(world.control.lock().await.ledger.is_paused("lines"));
    world.control.pause(&uuid(1)).await.unwrap();
    world.control.resume("lines").await.unwrap();
    let refused = world.update(&uuid(1), json!({ "Enabled": true, "BatchSize": 3 })).await.unwrap_err();
    assert!(refused.contains("FB-0515"), "{refused}");
    let world = world.again(file()).await;
    assert!(world.control.lock().await.ledger.is_paused(&uuid(1)));
    assert_eq!(world.get(&uuid(1)).await["BatchSize"], 10, "the update was taken back with it");
}

#[tokio::test]
async fn a_pause_stays_while_its_mapping_is_away_from_the_config_file() {
    let world = World::begin(config(LINES, "f")).await;
    world.control.pause("lines").await.unwrap();
    world.control.change(config("", "f")).await.unwrap();
    assert_eq!(world.listed(ListMappings::default()).await.0, [""; 0]);
    world.control.change(config(LINES, "f")).await.unwrap();
    let entry = world.registry.entry("lines").unwrap();
    while !entry.lifecycle().is_resting() {
        tokio::task::yield_now().await;
        assert_ne!(entry.lifecycle(), Lifecycle::Enabled);
    }
    assert_eq!(entry.lifecycle(), Lifecycle::Paused);
}

#[tokio::test]
async fn of_what_the_api_made_only_what_cannot_run_rests_after_a_start() {
    let world = World::begin(roomy(config(LINES, "f"), 3)).await;
    for n in [1, 2] {
        world.make(&uuid(n), json!({})).await;
    }
    let world = world.again(roomy(config(LINES, "f"), 2)).await;
    let reason = async |n| world.get(&uuid(n)).await["StateTransitionReason"].clone();
    assert_eq!((reason(1).await, reason(2).await), (json!("USER_INITIATED"), json!("ESM_CONFIG_NOT_VALID")));
    world.service.delete(&uuid(2)).await.unwrap();
    world.await_gone(&uuid(2)).await;
    assert_eq!(world.store.notes().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_mapping_of_the_config_file_was_modified_when_the_file_was_read() {
    let world = World::begin(config(LINES, "f")).await;
    while world.get(&uuid_of("lines")).await["State"] != "Enabled" {
        tokio::task::yield_now().await;
    }
    let (first, began) = (world.get(&uuid_of("lines")).await, world.clock.now().unix.0);
    while world.clock.now().unix.0 <= began + 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.get(&uuid_of("lines")).await["LastModified"], first["LastModified"]);
}

#[tokio::test]
async fn a_later_mapping_of_the_file_keeps_nobody_from_disabling_the_one_of_the_api() {
    let world = World::begin(config("", "f")).await;
    world.make(&uuid(1), json!({})).await;
    world
        .control
        .change(config("  - { name: same, source: { sqs: { queue: q } }, function_name: f }\n", "f"))
        .await
        .unwrap();
    assert_eq!(world.update(&uuid(1), json!({ "Enabled": false })).await.unwrap()["State"], "Disabling");
    let deleted = world.service.delete(&uuid(1)).await.unwrap();
    assert_eq!(deleted.state, "Deleting");
}

#[tokio::test]
async fn a_deletion_that_the_store_refuses_holds_up_no_start_and_frees_no_name() {
    let store = Arc::new(MemoryStore::default());
    let world = World::recall(config("", "f"), Arc::clone(&store) as _).await;
    world.make(&uuid(1), json!({})).await;
    let mut control = world.control.lock().await;
    let mut definition = control.standing(&uuid(1)).unwrap().made.definition.clone();
    definition.deleting = true;
    control.put(definition).await.unwrap();
    store.fill();
    drop(control);
    let taken = config(&LINES.replace("name: lines", &format!("name: {}", uuid(1))), "f");
    assert_eq!(world.control.change(taken).await.unwrap_err().code(), "FB-0535");
    let world = world.again(config("", "f")).await;
    assert!(world.get(&uuid(1)).await.as_str().unwrap().contains("ResourceNotFound"));
    store.empty();
    assert_eq!(store.notes().await.unwrap().len(), 1, "it is known that it was deleted");
    world.again(config("", "f")).await;
    assert!(store.notes().await.unwrap().is_empty() && store.mappings().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_a_queue_or_a_folder_is_called_chooses_no_page() {
    let mappings = "  - { name: queue, source: { sqs: { queue: FB-0210-x } }, function_name: f }\n  \
                    - { name: file, source: { file: { path: \"/nowhere/FB-0301/*.log\" } }, function_name: f, starting_position: LATEST }\n";
    let world = World::begin(config(mappings, "f")).await;
    let code = async |name: &str| loop {
        let entry = world.registry.entry(name).unwrap();
        let why = Why::of(&entry.whole_status().await);
        if let Some(code) = why.code {
            break (code.0, why.why);
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    let (of_queue, told) = code("queue").await;
    assert!(of_queue == "FB-0212" && told.contains("FB-0210-x"), "{of_queue}: {told}");
    let (of_file, told) = code("file").await;
    assert!(of_file == "FB-0201" && told.contains("/nowhere/FB-0301"), "{of_file}: {told}");
}

#[tokio::test]
async fn a_mapping_that_is_being_deleted_is_in_use_in_the_words_of_aws() {
    let store = Arc::new(MemoryStore::default());
    let world = World::recall(config("", "f"), Arc::clone(&store) as _).await;
    world.make(&uuid(1), json!({})).await;
    let mut control = world.control.lock().await;
    let mut definition = control.standing(&uuid(1)).unwrap().made.definition.clone();
    definition.deleting = true;
    control.put(definition).await.unwrap();
    // It cannot be forgotten while the store takes nothing.
    store.fill();
    drop(control);
    let refused = world.service.delete(&uuid(1)).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "ResourceInUseException: Cannot delete the event source mapping because it is in use."
    );
    let refused = world.update(&uuid(1), json!({ "BatchSize": 1 })).await.unwrap_err();
    assert_eq!(
        refused,
        "ResourceInUseException: Cannot update the event source mapping because it is in use."
    );
}

#[tokio::test]
async fn a_keeper_that_dies_over_its_work_begins_it_anew() {
    let store = Arc::new(MemoryStore::default());
    let world = World::recall(config("", "f"), Arc::clone(&store) as _).await;
    world.make(&uuid(1), json!({ "Enabled": false })).await;
    store.panic_at_removal();
    world.service.delete(&uuid(1)).await.unwrap();
    world.await_gone(&uuid(1)).await;
    assert!(store.notes().await.unwrap().is_empty() && store.mappings().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_was_refused_is_not_there_after_a_kill_once_another_change_was_taken() {
    let store = Arc::new(MemoryStore::default());
    let world = World::recall(config(LINES, "f"), Arc::clone(&store) as _).await;
    world.make(&uuid(1), json!({ "BatchSize": 5, "Enabled": false })).await;
    store.doubt_next(1);
    world.update(&uuid(1), json!({ "BatchSize": 6 })).await.unwrap_err();
    assert_eq!(world.get(&uuid(1)).await["BatchSize"], 5);
    world.control.pause("lines").await.unwrap();
    let world = world.again(config(LINES, "f")).await;
    assert_eq!(world.get(&uuid(1)).await["BatchSize"], 5);
    store.doubt_next(1);
    world.control.resume("lines").await.unwrap_err();
    store.fail_next(1);
    assert!(world.update(&uuid(1), json!({ "BatchSize": 7 })).await.is_err(), "the doubt is settled first");
    world.update(&uuid(1), json!({ "BatchSize": 7 })).await.unwrap();
    let world = world.again(config(LINES, "f")).await;
    assert!(world.control.lock().await.ledger.is_paused("lines"));
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_does_not_answer_is_not_waited_for_until_the_client_gives_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut file = config("", "f");
    file.settings.aws.endpoint = Some(format!("http://{}", silent.local_addr().unwrap()));
    let world = World::begin(file).await;
    let began = tokio::time::Instant::now();
    let made = world.service.create(created(json!({}))).await.unwrap();
    world.service.update(&made.uuid, updated(json!({ "BatchSize": 3 }))).await.unwrap();
    // AWS's clients wait for a minute.
    assert!(began.elapsed() < std::time::Duration::from_secs(30), "{:?}", began.elapsed());
}
