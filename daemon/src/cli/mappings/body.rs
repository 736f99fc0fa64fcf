//! The body of a call, from flags in AWS's words and from JSON: flags go over what the JSON says.

use std::io::Read;

use clap::Args;
use forebay_config::settings::AwsMembers;
use serde_json::{Map, Value, json};

use super::flags::SettingFlags;

/// What an update can say, and a create too.
#[derive(Debug, Default, Args)]
pub(super) struct SettingsArgs {
    /// AWS's JSON body from a file, `-` for standard input; flags go over it.
    #[arg(long, value_name = "FILE")]
    json: Option<String>,
    #[command(flatten)]
    flags: SettingFlags<false>,
    /// A secret or address by which the source is reached; may be given more than once.
    #[arg(long = "source-access-configuration", value_name = "TYPE=URI", value_parser = pair)]
    source_access_configurations: Vec<(String, String)>,
}

/// What only a create can say, and the settings.
#[derive(Debug, Default, Args)]
pub(super) struct CreateArgs {
    /// The source.
    #[arg(long, value_name = "ARN")]
    event_source_arn: Option<String>,
    /// A server of a Kafka cluster of one's own; may be given more than once.
    #[arg(long = "kafka-bootstrap-server", value_name = "HOST:PORT")]
    kafka_bootstrap_servers: Vec<String>,
    /// The topic of Kafka.
    #[arg(long, value_name = "TOPIC")]
    topics: Vec<String>,
    /// The queue of a broker.
    #[arg(long, value_name = "QUEUE")]
    queues: Vec<String>,
    #[command(flatten)]
    flags: SettingFlags<true>,
    /// A tag; may be given more than once.
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = pair)]
    tags: Vec<(String, String)>,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl SettingsArgs {
    /// The body; `Err` says what stands against it.
    pub(super) fn body(self) -> Result<Value, String> {
        let mut body = self.json.as_deref().map_or_else(|| Ok(Map::new()), read)?;
        let it = self;
        body.extend(owned(&it.flags.0));
        let access = it
            .source_access_configurations
            .into_iter()
            .map(|(kind, uri)| json!({ "Type": kind, "URI": uri }));
        let access: Vec<Value> = access.collect();
        if !access.is_empty() {
            body.insert("SourceAccessConfigurations".to_owned(), Value::Array(access));
        }
        match body.is_empty() {
            true => Err("nothing is said: give flags, or AWS's JSON with --json FILE".to_owned()),
            false => Ok(Value::Object(body)),
        }
    }
}

impl CreateArgs {
    /// The body; `Err` says what stands against it.
    pub(super) fn body(self) -> Result<Value, String> {
        let mut body = Map::new();
        let it = self;
        let mut put =
            |name: &str, value: Option<Value>| body.extend(value.map(|value| (name.to_owned(), value)));
        put("EventSourceArn", it.event_source_arn.map(Value::from));
        let servers = listed(&it.kafka_bootstrap_servers);
        put(
            "SelfManagedEventSource",
            servers.map(|it| json!({ "Endpoints": { "KAFKA_BOOTSTRAP_SERVERS": it } })),
        );
        put("Topics", listed(&it.topics).map(|it| json!(it)));
        put("Queues", listed(&it.queues).map(|it| json!(it)));
        let tags: Map<_, _> = it.tags.into_iter().map(|(key, value)| (key, Value::from(value))).collect();
        put("Tags", (!tags.is_empty()).then_some(Value::Object(tags)));
        body.extend(owned(&it.flags.0));
        // What only a create says is enough to send: the process names what is missing.
        let has_some = !body.is_empty();
        match it.settings.body() {
            Ok(Value::Object(settings)) => Ok(Value::Object(settings.into_iter().chain(body).collect())),
            Err(_) if has_some => Ok(Value::Object(body)),
            other => other,
        }
    }
}

fn read(from: &str) -> Result<Map<String, Value>, String> {
    let mut text = String::new();
    let read = match from {
        "-" => std::io::stdin().lock().read_to_string(&mut text).map(|_| ()),
        path => std::fs::read_to_string(path).map(|it| text = it),
    };
    read.map_err(|error| format!("{from} cannot be read: {error}"))?;
    match serde_json::from_str(&text) {
        Ok(Value::Object(body)) => Ok(body),
        Ok(_) => Err(format!("{from} holds JSON, but no object: AWS's body is {{\"FunctionName\": …}}")),
        Err(error) => Err(format!("{from} is not JSON: {error}")),
    }
}

fn owned(members: &AwsMembers) -> impl Iterator<Item = (String, Value)> + '_ {
    members.iter().map(|(name, value)| (name.to_owned(), value.clone()))
}

/// What was listed; one empty word stands for an empty list.
fn listed(words: &[String]) -> Option<Vec<&str>> {
    (!words.is_empty()).then(|| words.iter().map(String::as_str).filter(|it| !it.is_empty()).collect())
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("there is no `=` in it")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Create {
        #[command(flatten)]
        it: CreateArgs,
    }

    #[derive(Parser)]
    struct Update {
        #[command(flatten)]
        it: SettingsArgs,
    }

    fn create(flags: &[&str]) -> Result<Value, String> {
        Create::try_parse_from([&["create"], flags].concat()).unwrap().it.body()
    }

    fn update(flags: &[&str]) -> Result<Value, String> {
        Update::try_parse_from([&["update"], flags].concat()).unwrap().it.body()
    }

    #[test]
    fn flags_become_members_in_awss_words() {
        let flags = [
            "--event-source-arn=arn:q",
            "--function-name=f",
            "--batch-size=5",
            "--no-enabled",
            "--filter={\"a\":[1]}",
            "--filter={}",
            "--maximum-concurrency=3",
            "--function-response-types=ReportBatchItemFailures",
            "--on-failure=arn:d",
            "--tag=team=blue=ish",
            "--maximum-retry-attempts=-1",
        ];
        let body = json!({
            "EventSourceArn": "arn:q", "FunctionName": "f", "BatchSize": 5, "Enabled": false,
            "FilterCriteria": { "Filters": [{ "Pattern": "{\"a\":[1]}" }, { "Pattern": "{}" }] },
            "ScalingConfig": { "MaximumConcurrency": 3 }, "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "DestinationConfig": { "OnFailure": { "Destination": "arn:d" } }, "Tags": { "team": "blue=ish" }, "MaximumRetryAttempts": -1,
        });
        assert_eq!(create(&flags), Ok(body));
    }

    #[test]
    fn what_is_cleared_is_sent_empty() {
        let flags =
            ["--no-filters", "--no-maximum-concurrency", "--on-failure=", "--function-response-types="];
        let body = json!({
            "FilterCriteria": {}, "ScalingConfig": {}, "FunctionResponseTypes": [], "DestinationConfig": { "OnFailure": { "Destination": "" } },
        });
        assert_eq!(update(&flags), Ok(body));
    }

    #[test]
    fn the_last_of_two_opposite_switches_counts() {
        assert_eq!(update(&["--no-enabled", "--enabled"]), Ok(json!({ "Enabled": true })));
        assert_eq!(update(&["--enabled", "--no-enabled"]), Ok(json!({ "Enabled": false })));
    }

    #[test]
    fn flags_go_over_the_json_and_what_they_do_not_say_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("body.json");
        std::fs::write(&file, r#"{"FunctionName": "f", "BatchSize": 1, "KMSKeyArn": "arn:k"}"#).unwrap();
        let json = format!("--json={}", file.display());
        assert_eq!(
            create(&[&json, "--batch-size=2"]),
            Ok(json!({ "FunctionName": "f", "BatchSize": 2, "KMSKeyArn": "arn:k" }))
        );
    }

    #[test]
    fn what_is_no_body_is_said() {
        assert!(update(&[]).unwrap_err().contains("nothing is said"));
        assert!(update(&["--json=/nowhere"]).unwrap_err().contains("/nowhere cannot be read"));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("body.json");
        for (text, words) in [("[]", "no object"), ("{", "not JSON")] {
            std::fs::write(&file, text).unwrap();
            assert!(update(&[&format!("--json={}", file.display())]).unwrap_err().contains(words));
        }
    }
}
