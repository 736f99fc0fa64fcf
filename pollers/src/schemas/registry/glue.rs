//! A schema registry of Glue's, over AWS JSON: versions of schemas by their UUIDs.

use std::time::Duration;

use bytes::Bytes;
use forebay_clients::{
    AwsTarget, CallFailure, Clients, JsonCall, JsonClient, JsonDialect, Limits, read_answer, shortened,
};
use forebay_config::schema_registry::GLUE;
use forebay_config::{Arn, AwsSettings};
use serde::Deserialize;

use super::{FetchError, RegistryError, SchemaRegistry};
use crate::schemas::frame::{Framing, SchemaId};
use crate::schemas::registered::{RegisteredSchema, SchemaFormat};
use crate::source::BoxFuture;

static DIALECT: JsonDialect =
    JsonDialect { service: &GLUE, content_type: "application/x-amz-json-1.1", has_query_codes: false };
/// One try. Glue's schemas have 170,000 characters at most.
const LIMITS: Limits = Limits { time: Duration::from_secs(10), answer_bytes: 4 << 20 };
const TRIES: u32 = 3;

/// One registry of Glue's.
pub(in crate::schemas) struct GlueRegistry {
    name: String,
    client: JsonClient,
    /// How the resources of its schemas' ARNs begin: `schema/registry/`.
    schemas: String,
}

/// What `GetSchemaVersion` answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SchemaVersion {
    schema_definition: String,
    data_format: String,
    schema_arn: String,
    status: Option<String>,
}

impl GlueRegistry {
    /// Sees that there are credentials; nothing is asked yet.
    pub(super) async fn connect(
        arn: &Arn,
        own: &AwsSettings,
        clients: &Clients,
    ) -> Result<Self, RegistryError> {
        let target = AwsTarget {
            service: &GLUE,
            own,
            region: Some(&arn.region),
            account: Some(&arn.account),
            endpoint: None,
        };
        let access = clients.aws_access(target).await.map_err(RegistryError::Aws)?;
        let client = JsonClient::new(access, DIALECT).map_err(RegistryError::Aws)?;
        let registry = arn.resource.strip_prefix("registry/").unwrap_or(&arn.resource);
        Ok(Self {
            name: format!("the schema registry {arn}"),
            client,
            schemas: format!("schema/{registry}/"),
        })
    }

    async fn version(&self, id: SchemaId) -> Result<RegisteredSchema, FetchError> {
        let body = serde_json::json!({ "SchemaVersionId": id.to_string() }).to_string();
        let call = JsonCall {
            target: "AWSGlue.GetSchemaVersion",
            body: Bytes::from(body),
            limits: LIMITS,
            tries: TRIES,
        };
        let answer = match self.client.call(call).await {
            Ok(answer) => answer,
            Err(CallFailure::Answered(code, text)) if code == "EntityNotFoundException" => {
                return Err(FetchError::Missing(shortened(&text)));
            }
            Err(
                CallFailure::Answered(_, text)
                | CallFailure::Unusable(text)
                | CallFailure::NoCredentials(text)
                | CallFailure::Unreachable(text),
            ) => return Err(FetchError::Down(text)),
        };
        self.registered(&answer)
    }

    fn registered(&self, answer: &[u8]) -> Result<RegisteredSchema, FetchError> {
        let version: SchemaVersion = read_answer(answer)
            .map_err(|error| FetchError::Down(format!("its answer is no version of a schema: {error}")))?;
        // A version is known in its whole account; the setting names one registry of it.
        if !Arn::parse(&version.schema_arn).is_some_and(|it| it.resource.starts_with(&self.schemas)) {
            let of = shortened(&version.schema_arn);
            return Err(FetchError::Missing(format!("that version is one of `{of}`")));
        }
        if let Some(status) = version.status.filter(|it| it != "AVAILABLE") {
            return Err(FetchError::Missing(format!("that version is {}", shortened(&status))));
        }
        let format = SchemaFormat::of(&version.data_format).ok_or_else(|| {
            FetchError::Unusable(format!("it is written in `{}`", shortened(&version.data_format)))
        })?;
        // Glue knows no references between schemas.
        Ok(RegisteredSchema { format, text: version.schema_definition, references: Vec::new() })
    }
}

impl SchemaRegistry for GlueRegistry {
    fn name(&self) -> &str {
        &self.name
    }

    fn framing(&self) -> Framing {
        Framing::Glue
    }

    fn fetch(&self, id: SchemaId) -> BoxFuture<'_, Result<RegisteredSchema, FetchError>> {
        Box::pin(self.version(id))
    }
}

#[cfg(test)]
mod tests {
    use forebay_config::{AwsCredentials, AwsKey};
    use serde_json::json;

    use super::*;
    use crate::played::Played;

    const ARN: &str = "arn:aws:glue:eu-west-1:123456789012:registry/ours";

    /// What comes of an answer of Glue's to a request for version 7; none of its tries is a second one.
    async fn fetched(status: u16, body: &serde_json::Value) -> Result<RegisteredSchema, FetchError> {
        let (played, origin) = Played::start().await;
        let key = AwsKey { access_key_id: "a".into(), secret_access_key: "s".into(), session_token: None };
        let own = AwsSettings {
            endpoint: Some(origin),
            credentials: Some(AwsCredentials::Key(key)),
            ..AwsSettings::default()
        };
        let arn = Arn::parse(ARN).unwrap();
        let registry = GlueRegistry::connect(&arn, &own, &Clients::default()).await.unwrap();
        let body = body.to_string();
        let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        played.play(head.as_bytes());
        let id = uuid::Uuid::from_u128(7);
        let fetched = registry.fetch(SchemaId::Version(id)).await;
        let asked = ("AWSGlue.GetSchemaVersion".to_owned(), json!({ "SchemaVersionId": id.to_string() }));
        assert_eq!(played.requests(), [asked]);
        fetched
    }

    fn version(schema: &str, format: &str, status: &str) -> serde_json::Value {
        json!({
            "SchemaVersionId": uuid::Uuid::from_u128(7).to_string(), "SchemaDefinition": "\"int\"",
            "DataFormat": format, "SchemaArn": format!("arn:aws:glue:eu-west-1:123456789012:schema/{schema}"),
            "VersionNumber": 1, "Status": status, "CreatedTime": "2026-11-30T00:00:00Z"
        })
    }

    #[tokio::test]
    async fn a_version_of_the_registrys_own_is_a_schema() {
        let schema = fetched(200, &version("ours/orders", "AVRO", "AVAILABLE")).await.unwrap();
        assert_eq!((schema.format, &*schema.text), (SchemaFormat::Avro, "\"int\""));
        for (of, status, part) in [
            ("others/orders", "AVAILABLE", "schema/others/orders"),
            ("ours2/orders", "AVAILABLE", "schema/ours2/orders"),
            ("ours/orders", "DELETING", "DELETING"),
        ] {
            let error = fetched(200, &version(of, "AVRO", status)).await.unwrap_err();
            assert!(matches!(&error, FetchError::Missing(text) if text.contains(part)), "{error:?}");
        }
        let other = fetched(200, &version("ours/orders", "XML", "AVAILABLE")).await;
        assert_eq!(other, Err(FetchError::Unusable("it is written in `XML`".to_owned())));
    }

    #[tokio::test]
    async fn only_glues_own_word_says_that_a_version_is_missing() {
        let refused = |code: &str| json!({ "__type": code, "Message": "Schema is not found." });
        let missing = fetched(400, &refused("EntityNotFoundException")).await;
        assert!(matches!(missing, Err(FetchError::Missing(_))), "{missing:?}");
        for (status, body) in
            [(400, refused("AccessDeniedException")), (200, json!({ "Status": "AVAILABLE" }))]
        {
            let fetched = fetched(status, &body).await;
            assert!(matches!(fetched, Err(FetchError::Down(_))), "{fetched:?}");
        }
    }
}
