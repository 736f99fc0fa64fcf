//! The examples, run as a user runs them: the README's first command twice, the one with a queue from
//! beginning to end.

use std::path::Path;
use std::process::Command;

use forebay_tests::daemon::{Daemon, binary, run as forebay};
use forebay_tests::elasticmq::ElasticMq;
use forebay_tests::wait;
use serde_json::json;

#[test]
fn the_demo_stops_half_way_and_goes_on_where_it_was() {
    let folder = example("quickstart");
    let quickstart = folder.path();
    let first = run(quickstart);
    assert!(first.contains("half way"), "the first run stops half way:\n{first}");
    let second = run(quickstart);
    assert!(second.contains("goes on where"), "the second goes on:\n{second}");

    let dead =
        std::fs::read_to_string(quickstart.join("run/dead.ndjson")).expect("the dead-letter file is there");
    let records: Vec<serde_json::Value> =
        dead.lines().map(|line| serde_json::from_str(line).expect("one JSON a line")).collect();
    let sizes: Vec<u64> =
        records.iter().map(|it| it["FileBatchInfo"]["batchSize"].as_u64().expect("a number")).collect();
    assert_eq!(sizes, [1, 1, 1, 1], "three malformed lines and the poison, each alone, none twice:\n{dead}");
    assert!(second.contains("72645") || second.contains("72,645"), "the position is told:\n{second}");
}

#[test]
fn the_example_with_a_queue_ships_all_orders_that_have_an_address() {
    let folder = example("sqs");
    let told = run(folder.path());
    for words in
        ["400 orders sent", "0 orders left, 10 dead letters", "exit code 0", "10 of 10 orders shipped"]
    {
        assert!(told.contains(words), "{words:?} is not in:\n{told}");
    }
}

#[test]
fn the_example_with_a_stream_keeps_each_customer_in_order_and_sums_up_what_was_shipped() {
    let folder = example("kinesis");
    let told = run(folder.path());
    for words in [
        "400 orders of 20 customers written to 2 shards",
        "399 orders shipped, four batches of a shard at once, and each customer's in order",
        "halved until it was alone; 1 failure record",
        "\"batchSize\": 1",
        "are those of all orders: 10952.76",
        "exit code 0",
    ] {
        assert!(told.contains(words), "{words:?} is not in:\n{told}");
    }
}

#[test]
fn the_example_with_topics_keeps_each_customer_in_order_and_leaves_no_lag() {
    let folder = example("kafka");
    let told = run(folder.path());
    for words in [
        "400 orders of 20 customers written to 2 partitions",
        "399 orders shipped, four batches of a partition at once, and each customer's in order",
        "halved until it was alone; 1 failure record",
        "\"batchSize\": 1",
        "exit code 0",
    ] {
        assert!(told.contains(words), "{words:?} is not in:\n{told}");
    }
}

#[test]
fn the_example_with_a_brokers_queue_ships_each_order_once_and_leaves_it_empty() {
    let folder = example("rabbitmq");
    let told = run(folder.path());
    for words in [
        "400 orders in a quorum queue",
        "399 orders shipped, each once",
        "halved until it was alone; 1 failure record",
        "\"batchSize\": 1",
        "the queue is empty",
        "exit code 0",
    ] {
        assert!(told.contains(words), "{words:?} is not in:\n{told}");
    }
}

#[test]
fn the_example_with_a_table_makes_a_copy_of_it_by_its_changes_alone() {
    let folder = example("dynamodb");
    let told = run(folder.path());
    for words in [
        "175 changes: 40 INSERT, 125 MODIFY, 10 REMOVE; each began where the last of its item ended",
        "the copy made of them is the table: 30 articles",
        "5 were deleted by time to live",
        "the filter let 40 changes through",
        "exit code 0",
    ] {
        assert!(told.contains(words), "{words:?} is not in:\n{told}");
    }
}

#[test]
fn the_example_of_the_replacement_ships_by_a_mapping_that_boto3_made() {
    let folder = example("replacement-esm");
    let told = run(folder.path());
    for words in [
        "function deployed: arn:aws:lambda:us-east-1:000000000000:function:ship",
        "100 orders sent",
        "95 orders shipped, 5 without",
        "exit code 0",
    ] {
        assert!(told.contains(words), "{words:?} is not in:\n{told}");
    }
    assert!(told.contains("disabled: Disabling") && told.contains("the mapping is deleted"), "{told}");
}

#[test]
fn the_example_with_a_queue_needs_only_its_endpoint_taken_away_for_aws() {
    let folder = example("sqs");
    let config = folder.path().join("forebay.yaml");
    let text = std::fs::read_to_string(&config).expect("the example has a config");
    let kept: String =
        text.lines().filter(|line| !line.contains("endpoint")).map(|line| format!("{line}\n")).collect();
    assert_eq!(kept.lines().count() + 1, text.lines().count(), "one line names the endpoint");
    std::fs::write(&config, kept).expect("a file can be written");
    let (code, out, err) = forebay(folder.path(), &["validate", "-c", "forebay.yaml"]);
    assert_eq!(code, 0, "{out}{err}");

    // What AWS's own tools go by leads the same file to a server of ours: nothing in it does.
    let server = ElasticMq::start();
    let url = server.create("orders", &json!({ "VisibilityTimeout": "18" }));
    let orders =
        (0..20).map(|n| (json!({ "order": n, "cents": 995, "address": "1 High Street" }).to_string(), None));
    server.send(&url, &orders.collect::<Vec<_>>());
    let variables = [
        ("AWS_ENDPOINT_URL_SQS", server.endpoint()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "x".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "x".to_owned()),
    ];
    let daemon = Daemon::spawn_with(folder.path(), &variables);
    wait::until("an empty queue", || (server.counts(&url) == (0, 0)).then_some(()));
    wait::until("the function's word", || daemon.log().contains("orders shipped").then_some(()));
    daemon.kill();
}

/// A copy of an example.
pub(crate) fn example(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo tells a test its package");
    let root = Path::new(&package).parent().expect("tests/ is in the project");
    copy(&root.join("examples").join(name), folder.path());
    folder
}

fn run(example: &Path) -> String {
    run_with(example, &[])
}

/// The same with further arguments.
pub(crate) fn run_with(example: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("python3");
    command.arg(example.join("demo.py")).arg(binary()).args(arguments);
    let output = command.output().expect("python3 runs");
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the demo failed:\n{text}");
    text
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("the folder is there").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        match path.is_dir() {
            true if name == "run" || name == "__pycache__" => {}
            true => copy(&path, &to.join(name)),
            false => drop(std::fs::copy(&path, to.join(name)).expect("a file can be copied")),
        }
    }
}
