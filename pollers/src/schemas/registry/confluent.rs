//! A registry with Confluent's API, over HTTP: schemas by their ids, and by subject and version those that they
//! refer to.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use forebay_clients::{
    Answer, BodyError, Clients, ExposeSecret as _, HttpClient, Limits, Pieces, TlsExtras, coding_of,
    compressed, shortened, with_causes,
};
use http::header::{ACCEPT, AUTHORIZATION, HeaderValue, USER_AGENT};
use http::{Request, Uri};
use serde::Deserialize;

use super::secrets::RegistrySecrets;
use super::{FetchError, RegistryError, SchemaRegistry};
use crate::schemas::frame::{Framing, SchemaId};
use crate::schemas::registered::{NamedText, RegisteredSchema, SchemaFormat};
use crate::source::BoxFuture;

/// One call; a schema is a file that people write.
const LIMITS: Limits = Limits { time: Duration::from_secs(10), answer_bytes: 4 << 20 };
/// A schema refers to no more others, those that they refer to included.
const REFERENCES_MAX: usize = 200;
const ACCEPTED: HeaderValue =
    HeaderValue::from_static("application/vnd.schemaregistry.v1+json, application/json");
const AGENT: HeaderValue = HeaderValue::from_static(concat!("forebay/", env!("CARGO_PKG_VERSION")));
/// A registry's own words for schemas, subjects and versions that it does not have. Any other 404 comes from
/// something that is no registry, or from another place of it.
const NOT_FOUND: [u32; 3] = [40_401, 40_402, 40_403];

/// A registry over HTTP.
pub(in crate::schemas) struct ConfluentRegistry {
    name: String,
    http: HttpClient,
    base: String,
    authorization: Option<HeaderValue>,
}

/// A schema as the API gives it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SchemaAnswer {
    schema: String,
    /// Left out for Avro.
    schema_type: Option<String>,
    #[serde(default)]
    references: Option<Vec<SchemaReference>>,
}

/// A schema that another refers to.
#[derive(Debug, Clone, Deserialize)]
struct SchemaReference {
    name: String,
    subject: String,
    version: i32,
}

#[derive(Deserialize)]
struct ErrorAnswer {
    error_code: Option<u32>,
    message: Option<String>,
}

impl ConfluentRegistry {
    /// Nothing is asked yet. Reads the CA file.
    pub(super) fn new(
        url: &str,
        secrets: &RegistrySecrets,
        ca_file: Option<&Path>,
        clients: &Clients,
    ) -> Result<Self, RegistryError> {
        let uri: Uri = url.parse().map_err(|_| RegistryError::Url)?;
        let ca = secrets.ca.as_ref().map(|it| it.expose_secret());
        let identity = secrets.identity.as_ref().map(|(it, key)| (it.expose_secret(), key.expose_secret()));
        let http = if ca.is_none() && identity.is_none() {
            clients.http.client(&uri, ca_file)
        } else {
            let what = "the secret of the schema registry's `access`";
            clients.http.own_client(&uri, TlsExtras { ca_file, ca, identity }, what)
        };
        Ok(Self {
            name: format!("the schema registry at {url}"),
            http: http.map_err(RegistryError::Tls)?,
            base: url.to_owned(),
            authorization: secrets.authorization.clone(),
        })
    }

    async fn whole(&self, id: u32) -> Result<RegisteredSchema, FetchError> {
        let answer = self.ask(&format!("/schemas/ids/{id}")).await?;
        let word = answer.schema_type.as_deref().unwrap_or("AVRO");
        let format = SchemaFormat::of(word)
            .ok_or_else(|| FetchError::Unusable(format!("it is written in `{}`", shortened(word))))?;
        let references = self.references(answer.references.unwrap_or_default()).await?;
        Ok(RegisteredSchema { format, text: answer.schema, references })
    }

    /// The schemas that these and those behind them refer to, each once.
    async fn references(&self, mut open: Vec<SchemaReference>) -> Result<Vec<NamedText>, FetchError> {
        let (mut met, mut texts) = (BTreeSet::new(), Vec::new());
        while let Some(SchemaReference { name, subject, version }) = open.pop() {
            if !met.insert(name.clone()) {
                continue;
            }
            if met.len() > REFERENCES_MAX {
                return Err(FetchError::Unusable(format!("it refers to more than {REFERENCES_MAX} others")));
            }
            let path = format!("/subjects/{}/versions/{version}", in_path(&subject));
            let answer = self.ask(&path).await.map_err(|error| match error {
                FetchError::Missing(why) => {
                    FetchError::Missing(format!("it refers to version {version} of `{subject}`: {why}"))
                }
                FetchError::Unusable(_) | FetchError::Down(_) => error,
            })?;
            open.extend(answer.references.unwrap_or_default());
            texts.push(NamedText { name, text: answer.schema });
        }
        Ok(texts)
    }

    async fn ask(&self, path: &str) -> Result<SchemaAnswer, FetchError> {
        let mut request = Request::get(format!("{}{path}", self.base))
            .header(ACCEPT, ACCEPTED)
            .header(USER_AGENT, AGENT)
            .body(Pieces::new(Vec::new()))
            .map_err(|error| FetchError::Unusable(error.to_string()))?;
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let answer = self.http.exchange(request, LIMITS).await;
        read_schema(answer.map_err(|error| FetchError::Down(with_causes(&error)))?)
    }
}

fn read_schema(answer: Answer) -> Result<SchemaAnswer, FetchError> {
    let status = answer.head.status;
    let body = match answer.body {
        Ok(body) => body,
        Err(BodyError::TooLarge { bytes_max }) if status.is_success() => {
            return Err(FetchError::Unusable(format!("it has more than {bytes_max} bytes")));
        }
        Err(error) => return Err(FetchError::Down(with_causes(&error))),
    };
    if let Some(coding) = coding_of(&answer.head) {
        return Err(FetchError::Down(compressed(coding)));
    }
    if status.is_success() {
        return serde_json::from_slice(&body)
            .map_err(|error| FetchError::Down(format!("its answer is no schema: {error}")));
    }
    let error: Option<ErrorAnswer> = serde_json::from_slice(&body).ok();
    let code = error.as_ref().and_then(|it| it.error_code);
    let message = error.and_then(|it| it.message);
    let message = message.as_deref().map(shortened).unwrap_or_default();
    if status.as_u16() == 404 && code.is_some_and(|it| NOT_FOUND.contains(&it)) {
        return Err(FetchError::Missing(message));
    }
    let told = if message.is_empty() { String::new() } else { format!(", `{message}`") };
    Err(FetchError::Down(format!("it answered with {}{told}", status.as_u16())))
}

/// A subject as one part of a path: it may hold a `/`.
fn in_path(subject: &str) -> String {
    let mut part = String::with_capacity(subject.len());
    for byte in subject.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            part.push(char::from(byte));
        } else {
            part.push_str(&format!("%{byte:02X}"));
        }
    }
    part
}

impl SchemaRegistry for ConfluentRegistry {
    fn name(&self) -> &str {
        &self.name
    }

    fn framing(&self) -> Framing {
        Framing::Confluent
    }

    fn fetch(&self, id: SchemaId) -> BoxFuture<'_, Result<RegisteredSchema, FetchError>> {
        Box::pin(async move {
            match id {
                SchemaId::Number(number) => self.whole(number).await,
                SchemaId::Version(_) => Err(FetchError::Missing("its schemas have numbers".to_owned())),
            }
        })
    }
}

#[cfg(test)]
#[path = "confluent_tests.rs"]
mod tests;
