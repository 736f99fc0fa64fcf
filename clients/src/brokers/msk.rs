//! Where the brokers of a cluster of MSK's are: MSK is asked, by `GetBootstrapBrokers`. It has other ports for each
//! way to be somebody.

use std::time::Duration;

use forebay_config::BrokerSettings;
use forebay_config::brokers::{BrokerSasl, MSK, MskCluster, PasswordMechanism};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use super::error::BrokerError;
use crate::aws::{AwsTarget, with_causes};
use crate::exchange::Limits;
use crate::{Clients, shortened};

const LIMITS: Limits = Limits { time: Duration::from_secs(10), answer_bytes: 1 << 20 };
/// How the members of its answer begin that name brokers.
const MEMBER: &str = "bootstrapBrokerString";

/// The brokers for whoever these settings make one to them, as `host:port,host:port`.
pub(super) async fn ask(
    cluster: &MskCluster,
    settings: &BrokerSettings,
    clients: &Clients,
) -> Result<String, BrokerError> {
    let MskCluster { arn, aws } = cluster;
    let target = AwsTarget {
        service: &MSK,
        own: aws,
        region: Some(&arn.region),
        account: Some(&arn.account),
        endpoint: None,
    };
    let client = clients.aws.client(target, &clients.http).await?;
    let path = utf8_percent_encode(&arn.to_string(), NON_ALPHANUMERIC).to_string();
    let failed = |why: String| BrokerError::Cluster { arn: arn.to_string(), why };
    let answer = client.get(&format!("/v1/clusters/{path}/bootstrap-brokers"), LIMITS).await;
    let answer = answer.map_err(|error| failed(format!("MSK cannot be asked: {}", with_causes(&error))))?;
    let status = answer.head.status;
    let body = answer.body.map_err(|error| failed(format!("MSK's answer broke off: {error}")))?;
    if !status.is_success() {
        let said = shortened(&String::from_utf8_lossy(&body));
        return Err(failed(format!("MSK answered {status}: {said}")));
    }
    let told: Map<String, Value> =
        serde_json::from_slice(&body).map_err(|error| failed(format!("MSK's answer is no JSON: {error}")))?;
    choose(settings, &told).map_err(failed)
}

/// Those of a cluster that go with who one is; those that are inside of its network first.
fn choose(settings: &BrokerSettings, told: &Map<String, Value>) -> Result<String, String> {
    let way = way_in(settings)?;
    let named = |member: String| told.get(&member)?.as_str().filter(|it| !it.is_empty());
    let found = ["", "Public"].into_iter().find_map(|from| named(format!("{MEMBER}{from}{way}")));
    found.map(str::to_owned).ok_or_else(|| {
        let offered = |(name, value): (&String, &Value)| {
            let way = name.strip_prefix(MEMBER)?;
            value.as_str().filter(|it| !it.is_empty())?;
            Some(if way.is_empty() { "plain text".to_owned() } else { way.to_owned() })
        };
        let offered: Vec<String> = told.iter().filter_map(offered).collect();
        let wanted = if way.is_empty() { "plain text" } else { way };
        format!("it has no brokers for {wanted}; it has some for: {}", offered.join(", "))
    })
}

/// How MSK calls it.
fn way_in(settings: &BrokerSettings) -> Result<&'static str, String> {
    use PasswordMechanism as P;
    Ok(match (&settings.sasl, settings.tls.is_some()) {
        (Some(BrokerSasl::Iam(_)), true) => "SaslIam",
        (Some(BrokerSasl::Password(P::Scram256 | P::Scram512, _)), true) => "SaslScram",
        (None, true) => "Tls",
        (None, false) => "",
        (Some(BrokerSasl::Iam(_) | BrokerSasl::Password(P::Scram256 | P::Scram512, _)), false) => {
            return Err("its brokers take a user or a role over TLS alone: `tls` is missing".to_owned());
        }
        (Some(BrokerSasl::Password(P::Plain, _) | BrokerSasl::OAuth(_)), _) => {
            return Err(
                "its brokers know users by SCRAM and roles by IAM: no PLAIN and no OAUTHBEARER".to_owned()
            );
        }
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use forebay_config::Fields;
    use forebay_config::document::{Document, Format};
    use serde_json::json;

    use super::*;

    fn chosen(access: &str, told: &Value) -> Result<String, String> {
        let text = format!("{{ bootstrap_servers: ['unused:1'], {access} }}");
        let document = Document::parse("test", &text, Format::Yaml, Path::new("/")).unwrap();
        let read = |fields: &mut Fields<'_>| BrokerSettings::read(fields, Path::new("/"));
        let settings = Fields::read(&document.root, "source", read).unwrap();
        choose(&settings, told.as_object().unwrap())
    }

    const SCRAM: &str = "sasl: { mechanism: SCRAM-SHA-512, secret: 'env:S' }";

    #[test]
    fn brokers_are_those_that_go_with_who_one_is() {
        let all = json!({
            "bootstrapBrokerString": "plain:9092", "bootstrapBrokerStringTls": "tls:9094",
            "bootstrapBrokerStringSaslScram": "scram:9096", "bootstrapBrokerStringSaslIam": "iam:9098",
            "bootstrapBrokerStringPublicSaslIam": "outside:9198",
        });
        for (access, expected) in [
            (String::new(), "plain:9092"),
            ("tls: {}".to_owned(), "tls:9094"),
            (format!("tls: {{}}, {SCRAM}"), "scram:9096"),
            ("tls: {}, sasl: { mechanism: AWS_MSK_IAM }".to_owned(), "iam:9098"),
        ] {
            assert_eq!(chosen(&access, &all).as_deref(), Ok(expected), "{access}");
        }
        let outside = json!({ "bootstrapBrokerStringPublicSaslIam": "outside:9198", "bootstrapBrokerStringSaslIam": "" });
        let iam = "tls: {}, sasl: { mechanism: AWS_MSK_IAM }";
        assert_eq!(chosen(iam, &outside).as_deref(), Ok("outside:9198"));
        assert_eq!(
            chosen("", &outside),
            Err("it has no brokers for plain text; it has some for: PublicSaslIam".to_owned())
        );
        for (access, word) in
            [(SCRAM.to_owned(), "`tls`"), ("sasl: { mechanism: PLAIN, secret: 'env:S' }".to_owned(), "PLAIN")]
        {
            assert!(chosen(&access, &all).unwrap_err().contains(word), "{access}");
        }
    }
}
