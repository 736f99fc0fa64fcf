//! What Lambda's API says of topics of a cluster of MSK.

use forebay_config::Arn;
use forebay_config::aws::words::{AwsInConfig, AwsNamed, AwsStarts, AwsWords};
use forebay_config::settings::AwsMembers;
use serde_json::{Value, json};

use super::words::{OWN, parameters, topics_in_config};

const CONFIG: &str = "AmazonManagedKafkaEventSourceConfig";
/// Who one may be to its brokers. Nobody is said to be by an empty list: they are spoken to in plain text.
const ACCESSES: [&str; 3] = ["SASL_SCRAM_512_AUTH", "CLIENT_CERTIFICATE_TLS_AUTH", "IAM_AUTH"];

pub(super) static MSK_CLUSTER: AwsWords = AwsWords {
    named: AwsNamed::Arn(is_cluster),
    starts: Some(AwsStarts { at_timestamp: true, first_is_default: false }),
    parameters: &parameters(CONFIG),
    required: &["topics"],
    defaults: |uuid| json!({ "BatchSize": 100, CONFIG: { "ConsumerGroupId": uuid } }),
    twice: "The event source arn (\" {arn} \") and function (\" {function} \") provided mapping",
    source: Some(AwsInConfig::Members(in_config)),
    ..OWN
};

/// Whether it is the ARN of one.
pub(super) fn is_cluster(arn: &Arn) -> bool {
    arn.service == "kafka" && arn.resource.starts_with("cluster/")
}

/// What a config file says under `source`.
fn in_config(members: &AwsMembers) -> Result<Value, String> {
    let source = json!({ "cluster_arn": members.get("EventSourceArn"), "topics": members.get("Topics") });
    topics_in_config(source, CONFIG, members, |kind| ACCESSES.contains(&kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:kafka:eu-west-1:123456789012:cluster/c/id";

    fn said(accesses: &Value) -> Result<Value, String> {
        let members = json!({
            "EventSourceArn": ARN, "Topics": ["orders"], CONFIG: { "ConsumerGroupId": "g" },
            "SourceAccessConfigurations": accesses,
        });
        in_config(&members.as_object().unwrap().clone().into_iter().collect()).map(|it| it["kafka"].clone())
    }

    #[test]
    fn a_cluster_is_asked_for_its_brokers_by_whoever_is_said_to_read() {
        let wanted = json!({ "cluster_arn": ARN, "topics": ["orders"], "consumer_group_id": "g" });
        assert_eq!(said(&json!([])), Ok(wanted));
        let iam = said(&json!([{ "Type": "IAM_AUTH" }])).unwrap();
        assert_eq!((&iam["sasl"]["mechanism"], &iam["tls"]), (&json!("AWS_MSK_IAM"), &json!({})));
        let scram = said(&json!([{ "Type": "SASL_SCRAM_512_AUTH", "URI": "s" }])).unwrap();
        assert_eq!(scram["sasl"], json!({ "mechanism": "SCRAM-SHA-512", "secret": "s" }));
        let certified = said(&json!([{ "Type": "CLIENT_CERTIFICATE_TLS_AUTH", "URI": "s" }])).unwrap();
        assert_eq!(certified["tls"], json!({ "client_secret": "s" }));
        for kind in ["BASIC_AUTH", "SASL_SCRAM_256_AUTH", "SERVER_ROOT_CA_CERTIFICATE", "VPC_SUBNET"] {
            let refused = said(&json!([{ "Type": kind, "URI": "s" }])).unwrap_err();
            let text = format!(
                "Unsupported SourceAccessConfigurations type {kind} for given event source mapping type."
            );
            assert_eq!(refused, text);
        }
    }
}
