//! What Lambda's API says of topics of a Kafka cluster of one's own.

use forebay_config::aws::words::{AwsInConfig, AwsNamed, AwsStarts, AwsWords, no_rule};
use forebay_config::settings::{AwsMembers, is_nothing};
use serde_json::{Value, json};

use super::msk_words::MSK_CLUSTER;
use super::registry_words::registry_in_config;

pub(super) static ALL: [&AwsWords; 2] = [&OWN, &MSK_CLUSTER];

const CONFIG: &str = "SelfManagedKafkaEventSourceConfig";

/// What may be said of topics, whosever cluster it is; `config` is the structure of the source's own members.
pub(super) const fn parameters(config: &'static str) -> [&'static str; 14] {
    [
        "BisectBatchOnFunctionError",
        "DestinationConfig",
        "FilterCriteria",
        "FunctionResponseTypes",
        "KMSKeyArn",
        "LoggingConfig",
        "MaximumRecordAgeInSeconds",
        "MaximumRetryAttempts",
        "MetricsConfig",
        "ProvisionedPollerConfig",
        "ProvisionedPollerConfig.PollerGroupName",
        config,
        "SourceAccessConfigurations",
        "Topics",
    ]
}

pub(super) static OWN: AwsWords = AwsWords {
    what: "Kafka topics",
    named: AwsNamed::Servers,
    is_queue: false,
    // It starts at its first record where nothing is said.
    starts: Some(AwsStarts { at_timestamp: true, first_is_default: true }),
    parameters: &parameters(CONFIG),
    metrics: &["EventCount", "ErrorCount", "KafkaMetrics"],
    required: &["sourceAccessConfigurations", "topics"],
    limits: no_rule,
    pollers_min: 1,
    // Half a second of window, which has no member: it is shown once it was set.
    defaults: |uuid| json!({ "BatchSize": 100, CONFIG: { "ConsumerGroupId": uuid } }),
    user_reason: "USER_INITIATED",
    twice: "An event source mapping with event source (\"{servers}\"), function (\"{function_arn}\"), topics (\"{topics}\")",
    refusals: &[],
    source: Some(AwsInConfig::Members(in_config)),
};

/// What a config file says under `source`.
fn in_config(members: &AwsMembers) -> Result<Value, String> {
    let servers = members.get("SelfManagedEventSource.Endpoints.KAFKA_BOOTSTRAP_SERVERS");
    let source = json!({ "bootstrap_servers": servers, "topics": members.get("Topics") });
    topics_in_config(source, CONFIG, members, |_kind| true)
}

/// The same with all that is said of topics, whosever cluster it is: `config` is the structure of the source's own
/// members, and `takes` says which types of access go with it.
pub(super) fn topics_in_config(
    mut source: Value,
    config: &str,
    members: &AwsMembers,
    takes: impl Fn(&str) -> bool,
) -> Result<Value, String> {
    refuse_what_has_no_meaning(members)?;
    if let Some(group) = members.text(&format!("{config}.ConsumerGroupId")) {
        source["consumer_group_id"] = group.into();
    }
    if let Some(registry) = registry_in_config(members.get(&format!("{config}.SchemaRegistryConfig")))? {
        source["schema_registry"] = registry;
    }
    let accesses = members.get("SourceAccessConfigurations").and_then(Value::as_array);
    for access in accesses.into_iter().flatten() {
        let text = |name: &str| access[name].as_str().unwrap_or_default();
        let kind = text("Type");
        if !takes(kind) {
            return Err(not_for_this(kind));
        }
        put_access(&mut source, kind, text("URI"))?;
    }
    Ok(json!({ "kafka": source }))
}

fn not_for_this(kind: &str) -> String {
    format!("Unsupported SourceAccessConfigurations type {kind} for given event source mapping type.")
}

/// What AWS takes and nothing here obeys is refused and not ignored.
fn refuse_what_has_no_meaning(members: &AwsMembers) -> Result<(), String> {
    if members.text("SelfManagedKafkaEventSourceConfig.ConsumptionMode").is_some_and(|it| it != "Stream") {
        return Err("Unsupported ConsumptionMode parameter: this event source mapping engine reads topics as streams, not as queues of a share group.".to_owned());
    }
    if members.get("ProvisionedPollerConfig.PollerGroupName").is_some_and(|it| !is_nothing(it)) {
        return Err("Unsupported ProvisionedPollerConfig.PollerGroupName parameter: pollers of this event source mapping engine are nothing that mappings pay for together.".to_owned());
    }
    if members.get("LoggingConfig").is_some_and(|it| !is_nothing(it)) {
        return Err("Unsupported LoggingConfig parameter: the log of this event source mapping engine has one level for all mappings.".to_owned());
    }
    Ok(())
}

/// Puts one of `SourceAccessConfigurations` into what a config file says. A user and a certificate go over TLS
/// alone, as on AWS; without any of them the brokers are spoken to in plain text.
fn put_access(source: &mut Value, kind: &str, uri: &str) -> Result<(), String> {
    let (place, value) = match kind {
        "BASIC_AUTH" => ("/sasl", json!({ "mechanism": "PLAIN", "secret": uri })),
        "SASL_SCRAM_256_AUTH" => ("/sasl", json!({ "mechanism": "SCRAM-SHA-256", "secret": uri })),
        "SASL_SCRAM_512_AUTH" => ("/sasl", json!({ "mechanism": "SCRAM-SHA-512", "secret": uri })),
        "IAM_AUTH" => ("/sasl", json!({ "mechanism": "AWS_MSK_IAM" })),
        "CLIENT_CERTIFICATE_TLS_AUTH" => ("/tls/client_secret", uri.into()),
        "SERVER_ROOT_CA_CERTIFICATE" => ("/tls/ca_secret", uri.into()),
        "VPC_SUBNET" | "VPC_SECURITY_GROUP" => {
            return Err(format!(
                "Unsupported SourceAccessConfigurations type {kind}: this event source mapping engine reaches brokers over the network of its own machine. Leave it out; an empty list asks for plain text."
            ));
        }
        _ => return Err(not_for_this(kind)),
    };
    if source.pointer(place).is_some() {
        return Err(format!("SourceAccessConfigurations say twice who reads: {kind} stands beside another."));
    }
    if source.get("tls").is_none() {
        source["tls"] = json!({});
    }
    match place.rsplit_once('/') {
        Some(("", key)) => source[key] = value,
        Some((parent, key)) => {
            if let Some(parent) = source.pointer_mut(parent) {
                parent[key] = value;
            }
        }
        None => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(accesses: Value) -> AwsMembers {
        let members = json!({
            "SelfManagedEventSource": { "Endpoints": { "KAFKA_BOOTSTRAP_SERVERS": ["a:9092", "b:9092"] } },
            "Topics": ["orders"],
            "SelfManagedKafkaEventSourceConfig": { "ConsumerGroupId": "g" },
            "SourceAccessConfigurations": accesses,
        });
        members.as_object().expect("it is a structure").clone().into_iter().collect()
    }

    fn said(accesses: Value) -> Result<Value, String> {
        in_config(&asked(accesses)).map(|it| it["kafka"].clone())
    }

    #[test]
    fn servers_topics_and_group_stand_as_they_are_and_nothing_is_plain_text() {
        let source = said(json!([])).expect("it is taken");
        let wanted = json!({ "bootstrap_servers": ["a:9092", "b:9092"], "topics": ["orders"], "consumer_group_id": "g" });
        assert_eq!(source, wanted);
    }

    #[test]
    fn who_reads_is_said_over_tls() {
        let secret = "arn:aws:secretsmanager:eu-west-1:000000000000:secret:it";
        for (kind, sasl) in [
            ("BASIC_AUTH", json!({ "mechanism": "PLAIN", "secret": secret })),
            ("SASL_SCRAM_256_AUTH", json!({ "mechanism": "SCRAM-SHA-256", "secret": secret })),
            ("SASL_SCRAM_512_AUTH", json!({ "mechanism": "SCRAM-SHA-512", "secret": secret })),
            ("IAM_AUTH", json!({ "mechanism": "AWS_MSK_IAM" })),
        ] {
            let access = json!({ "Type": kind, "URI": secret });
            let root = json!({ "Type": "SERVER_ROOT_CA_CERTIFICATE", "URI": "root" });
            let source = said(json!([access])).expect("it is taken");
            assert_eq!((&source["sasl"], &source["tls"]), (&sasl, &json!({})), "{kind}");
            let source = said(json!([root, access])).expect("it is taken");
            assert_eq!((&source["sasl"], &source["tls"]), (&sasl, &json!({ "ca_secret": "root" })), "{kind}");
        }
        let source =
            said(json!([{ "Type": "CLIENT_CERTIFICATE_TLS_AUTH", "URI": secret }])).expect("it is taken");
        assert_eq!((&source["tls"], source.get("sasl")), (&json!({ "client_secret": secret }), None));
    }

    #[test]
    fn what_is_not_obeyed_is_refused_by_name() {
        for kind in
            ["VPC_SUBNET", "VPC_SECURITY_GROUP", "VIRTUAL_HOST", "OAUTHBEARER_AUTH", "IAM_OAUTHBEARER_AUTH"]
        {
            let refused = said(json!([{ "Type": kind, "URI": "it" }])).expect_err("it is refused");
            assert!(refused.contains(kind), "{refused}");
        }
        let twice =
            json!([{ "Type": "BASIC_AUTH", "URI": "a" }, { "Type": "SASL_SCRAM_512_AUTH", "URI": "b" }]);
        assert!(said(twice).is_err());
        for (path, value, name) in [
            ("SelfManagedKafkaEventSourceConfig.ConsumptionMode", json!("Queue"), "ConsumptionMode"),
            ("LoggingConfig.SystemLogLevel", json!("DEBUG"), "LoggingConfig"),
            (
                "ProvisionedPollerConfig.PollerGroupName",
                json!("g"),
                "ProvisionedPollerConfig.PollerGroupName",
            ),
        ] {
            let mut members = asked(json!([]));
            members.put(path, value);
            let refused = in_config(&members).expect_err("it is refused");
            assert!(refused.starts_with(&format!("Unsupported {name} parameter")), "{refused}");
        }
    }
}
