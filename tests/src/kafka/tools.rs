//! Kafka's own command line tools, as an operator runs them.

use super::node::java_arguments;
use crate::java_server::run_java;

const FOLDER: &str = "kafka-tools-4.3.1";

/// What `kafka-consumer-groups.sh --describe` says of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRow {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: i32,
    /// The offset that the group goes on with; `None` for `-`.
    pub committed: Option<i64>,
    /// The offset of the next record.
    pub end: i64,
    /// What is between them; `None` for `-`.
    pub lag: Option<i64>,
}

/// A consumer group as `kafka-consumer-groups.sh --describe` shows it, by topic and partition.
///
/// # Panics
/// When the tool fails, with what it said.
pub fn describe_group(bootstrap: &str, group: &str) -> Vec<GroupRow> {
    let said = run(
        "consumer.group.ConsumerGroupCommand",
        &["--bootstrap-server", bootstrap, "--describe", "--group", group],
    );
    let mut rows: Vec<GroupRow> = said.lines().filter_map(|line| group_row(line, group)).collect();
    rows.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
    rows
}

/// A line of the table: group, topic, partition, committed, end, lag, and who reads it. Others are none.
fn group_row(line: &str, group: &str) -> Option<GroupRow> {
    let mut words = line.split_whitespace();
    let [first, topic, partition, committed, end, lag] = [(); 6].map(|()| words.next());
    if first? != group {
        return None;
    }
    Some(GroupRow {
        topic: topic?.to_owned(),
        partition: partition?.parse().ok()?,
        committed: committed?.parse().ok(),
        end: end?.parse().ok()?,
        lag: lag?.parse().ok(),
    })
}

/// How many partitions each member of a group has, as `kafka-consumer-groups.sh --describe --members` shows it,
/// from few to many.
///
/// # Panics
/// When the tool fails, with what it said.
pub fn describe_members(bootstrap: &str, group: &str) -> Vec<usize> {
    let said = run(
        "consumer.group.ConsumerGroupCommand",
        &["--bootstrap-server", bootstrap, "--describe", "--members", "--group", group],
    );
    // Group, member's id, host, client's id, number of partitions.
    let count = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (words.first() == Some(&group)).then(|| words.last()?.parse().ok()).flatten()
    };
    let mut counts: Vec<usize> = said.lines().filter_map(count).collect();
    counts.sort_unstable();
    counts
}

/// Puts a group at an offset of all partitions of a topic, as `kafka-consumer-groups.sh --reset-offsets` does.
///
/// # Panics
/// When the tool fails, with what it said.
pub fn reset_offsets(bootstrap: &str, group: &str, topic: &str, offset: u64) {
    let offset = offset.to_string();
    let reset = ["--reset-offsets", "--execute", "--group", group, "--topic", topic, "--to-offset", &offset];
    run("consumer.group.ConsumerGroupCommand", &[&["--bootstrap-server", bootstrap][..], &reset].concat());
}

/// Runs a tool to its end; what it said.
///
/// # Panics
/// When it fails, with what it said.
pub fn run(tool: &str, arguments: &[&str]) -> String {
    let mut all = java_arguments(FOLDER);
    all.push(format!("org.apache.kafka.tools.{tool}"));
    all.extend(arguments.iter().map(|it| (*it).to_owned()));
    let (went_well, said) = run_java(64, &all);
    assert!(went_well, "{tool} failed: {said}");
    said
}
