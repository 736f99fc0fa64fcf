//! `ProvisionedPollerConfig` of topics, as Lambda's API asks for it: how many invocations run at once.

use std::sync::{Arc, Condvar, Mutex};

use forebay_tests::daemon::Daemon;
use forebay_tests::function::{Answer, Function};
use forebay_tests::kafka::{Kafka, Sent};
use forebay_tests::wait;
use serde_json::{Value, json};

use crate::kafka_world::Topics;

/// Invocations that are held until the test opens the door.
#[derive(Default)]
struct Held {
    counts: Mutex<Counts>,
    door: Condvar,
}

#[derive(Default)]
struct Counts {
    is_open: bool,
    running: usize,
    running_max: usize,
    done: usize,
}

impl Held {
    fn function(self: &Arc<Self>) -> Function {
        let held = Arc::clone(self);
        Function::start(move |_event| {
            let mut counts = held.counts.lock().expect("nothing panics under this lock");
            counts.running += 1;
            counts.running_max = counts.running_max.max(counts.running);
            let mut counts = held.door.wait_while(counts, |it| !it.is_open).expect("nothing panics");
            counts.running -= 1;
            counts.done += 1;
            Answer::Done(String::new())
        })
    }

    fn of<T>(&self, count: impl Fn(&Counts) -> T) -> T {
        count(&self.counts.lock().expect("nothing panics under this lock"))
    }
}

#[test]
fn one_poller_of_topics_has_five_invocations_out_and_without_any_each_partition_has_one() {
    const PARTITIONS: i32 = 12;
    let it = Topics::of(Kafka::shared());
    it.client.create_topic("polled", PARTITIONS);
    let records: Vec<Sent> =
        (0..PARTITIONS * 3).map(|n| Sent::of("k", &n.to_string()).to(n % PARTITIONS)).collect();
    it.client.send("polled", &records);
    let asked = |more: Value| {
        let mut body = json!({
            "SelfManagedEventSource": { "Endpoints": { "KAFKA_BOOTSTRAP_SERVERS": [it.bootstrap] } },
            "SourceAccessConfigurations": [],
            "Topics": ["polled"],
            "FunctionName": "seen",
            "StartingPosition": "TRIM_HORIZON",
            "BatchSize": 1,
        });
        body.as_object_mut().expect("it is a map").extend(more.as_object().cloned().unwrap_or_default());
        body
    };
    let pollers = json!({ "ProvisionedPollerConfig": { "MinimumPollers": 1, "MaximumPollers": 1 } });
    for (more, n) in [(pollers, 5), (json!({}), PARTITIONS as usize)] {
        let held = Arc::new(Held::default());
        let function = held.function();
        it.config(&function, " []");
        let daemon = Daemon::start(it.scene.folder());
        let api = daemon.socket();
        let made = api.create(&asked(more.clone())).expect(202);
        assert_eq!(made.get("ProvisionedPollerConfig"), more.get("ProvisionedPollerConfig"));
        wait::until_count("invocations at once", n, || held.of(|it| it.running));
        held.counts.lock().expect("nothing panics under this lock").is_open = true;
        held.door.notify_all();
        wait::until_count("all records", records.len(), || held.of(|it| it.done));
        assert_eq!(held.of(|it| it.running_max), n);
        let group = json!({ "ProvisionedPollerConfig": { "PollerGroupName": "g" } });
        let mut grouped = asked(group);
        grouped["Topics"] = json!(["others"]);
        let (status, _, text) = api.create(&grouped).refusal();
        assert!(status == 400 && text.contains("ProvisionedPollerConfig.PollerGroupName"), "{text}");
        let uuid = made["UUID"].as_str().expect("a mapping has an id");
        api.delete(uuid).expect(202);
        assert_eq!(daemon.stop().code(), Some(0));
    }
}
