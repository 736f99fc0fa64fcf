//! Calls of the mapping API: first which one, from method and path alone, then the whole of it, from query
//! and body.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::request::{CreateMapping, ListMappings, UpdateMapping};
use crate::auth::RequestedAction;
use crate::error::{ApiError, ErrorType};
use crate::model::{self, Checked, ModelShape, Violations};

/// Longer bodies are refused.
pub const BODY_BYTES_MAX: usize = 6 * 1024 * 1024;
/// Deeper JSON is refused.
const JSON_DEPTH_MAX: usize = 64;

/// Which call a request is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// POST `/2015-03-31/event-source-mappings`
    Create,
    /// GET `/2015-03-31/event-source-mappings`
    List,
    /// GET `/2015-03-31/event-source-mappings/{UUID}`
    Get(String),
    /// PUT `/2015-03-31/event-source-mappings/{UUID}`
    Update(String),
    /// DELETE `/2015-03-31/event-source-mappings/{UUID}`
    Delete(String),
    /// GET `/2017-03-31/tags/{ARN}`
    ListTags(String),
    /// POST `/2017-03-31/tags/{ARN}`
    Tag(String),
    /// DELETE `/2017-03-31/tags/{ARN}`
    Untag(String),
}

/// A call whose every member keeps the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Makes a mapping.
    Create(Box<CreateMapping>),
    /// Lists mappings.
    List(ListMappings),
    /// Shows one.
    Get(String),
    /// Changes one.
    Update(String, Box<UpdateMapping>),
    /// Deletes one.
    Delete(String),
    /// Shows the tags of a mapping, by its ARN.
    ListTags(String),
    /// Adds tags to a mapping.
    Tag(String, BTreeMap<String, String>),
    /// Takes tags from a mapping.
    Untag(String, Vec<String>),
}

impl Operation {
    /// The call of a method and a raw path; `None` when it is not about mappings: such calls are passed on to
    /// Lambda. Tags of other things than mappings are among those.
    pub fn find(method: &str, path: &str) -> Result<Option<Self>, ApiError> {
        if let Some(rest) = path
            .strip_prefix("/2015-03-31/event-source-mappings")
            .filter(|it| it.is_empty() || it.starts_with('/'))
        {
            let id = rest.strip_prefix('/').unwrap_or_default();
            if id.contains('/') {
                return Err(no_such_call());
            }
            return Self::of_mapping(method, decoded(id)?).map(Some);
        }
        // The ARN is one segment: it is decoded after the path was split.
        let Some(segment) = path.strip_prefix("/2017-03-31/tags/").filter(|it| !it.contains('/')) else {
            return Ok(None);
        };
        let arn = decoded(segment)?;
        let mut checked = Checked::default();
        model::check(&model::TAGGABLE, &Value::from(arn.as_str()), "resource", &mut checked)?;
        checked.violations.into_result()?;
        // Functions have tags, too, which are Lambda's to answer for.
        if arn.split(':').nth(5) != Some("event-source-mapping") {
            return Ok(None);
        }
        match method {
            "GET" => Ok(Some(Self::ListTags(arn))),
            "POST" => Ok(Some(Self::Tag(arn))),
            "DELETE" => Ok(Some(Self::Untag(arn))),
            _ => Err(no_such_call()),
        }
    }

    fn of_mapping(method: &str, id: String) -> Result<Self, ApiError> {
        if id.is_empty() {
            return match method {
                "GET" => Ok(Self::List),
                "POST" => Ok(Self::Create),
                _ => Err(no_such_call()),
            };
        }
        let make = match method {
            "GET" => Self::Get,
            "PUT" => Self::Update,
            "DELETE" => Self::Delete,
            _ => return Err(no_such_call()),
        };
        let mut checked = Checked::default();
        model::check(&model::UUID, &Value::from(id.as_str()), "uUID", &mut checked)?;
        checked.violations.into_result()?;
        Ok(make(id))
    }

    /// What a key must be allowed to do for it.
    pub fn action(&self) -> RequestedAction {
        match self {
            Self::Create => RequestedAction::CreateMapping,
            Self::List => RequestedAction::ListMappings,
            Self::Get(_) => RequestedAction::GetMapping,
            Self::Update(_) => RequestedAction::UpdateMapping,
            Self::Delete(_) => RequestedAction::DeleteMapping,
            Self::ListTags(_) => RequestedAction::ListTags,
            Self::Tag(_) => RequestedAction::TagResource,
            Self::Untag(_) => RequestedAction::UntagResource,
        }
    }

    /// The status of its answer when it is done.
    pub fn status(&self) -> u16 {
        match self {
            Self::Create | Self::Update(_) | Self::Delete(_) => 202,
            Self::List | Self::Get(_) | Self::ListTags(_) => 200,
            Self::Tag(_) | Self::Untag(_) => 204,
        }
    }

    /// The whole call. Fails with all violations of the model at once.
    pub fn read(self, query: Option<&str>, body: &[u8]) -> Result<Call, ApiError> {
        if body.len() > BODY_BYTES_MAX {
            let name = self.action().name().trim_start_matches("lambda:");
            let message =
                format!("Request must be smaller than {BODY_BYTES_MAX} bytes for the {name} operation");
            return Err(ApiError::new(ErrorType::RequestTooLarge, message));
        }
        let pairs = parse_query(query)?;
        let allowed: &[&str] = match self {
            Self::List => &["EventSourceArn", "FunctionName", "Marker", "MaxItems"],
            Self::Untag(_) => &["tagKeys"],
            Self::Create
            | Self::Get(_)
            | Self::Update(_)
            | Self::Delete(_)
            | Self::ListTags(_)
            | Self::Tag(_) => &[],
        };
        if let Some((name, _)) = pairs.iter().find(|(name, _)| !allowed.contains(&name.as_str())) {
            return Err(ApiError::invalid(format!("Unsupported {name} parameter.")));
        }
        match self {
            Self::Create => {
                let (mut create, unknown): (CreateMapping, _) = typed(&model::CREATE, parse_body(body)?)?;
                create.unknown = unknown;
                Ok(Call::Create(Box::new(create)))
            }
            Self::Update(id) => {
                let (mut update, unknown): (UpdateMapping, _) = typed(&model::UPDATE, parse_body(body)?)?;
                update.unknown = unknown;
                Ok(Call::Update(id, Box::new(update)))
            }
            Self::List => typed(&model::LIST, list_query(pairs)?).map(|(list, _)| Call::List(list)),
            Self::Get(id) => Ok(Call::Get(id)),
            Self::Delete(id) => Ok(Call::Delete(id)),
            Self::ListTags(arn) => Ok(Call::ListTags(arn)),
            Self::Tag(arn) => {
                let (tags, unknown): (Tags, _) = typed(&model::TAG, parse_body(body)?)?;
                match unknown.first() {
                    Some(name) => Err(ApiError::invalid(format!("Unsupported {name} parameter."))),
                    None => Ok(Call::Tag(arn, tags.tags)),
                }
            }
            Self::Untag(arn) => untag(arn, pairs),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tags {
    tags: BTreeMap<String, String>,
}

/// A value that keeps its shape as the type that was made for it, and the members that the shape does not
/// have.
fn typed<T: DeserializeOwned>(shape: &ModelShape, value: Value) -> Result<(T, Vec<String>), ApiError> {
    let mut checked = Checked::default();
    model::check(shape, &value, "", &mut checked)?;
    checked.violations.into_result()?;
    // The types have every member of the tables (a test holds them together), so what fails here is a number
    // beyond its type.
    let typed = serde_json::from_value(value)
        .map_err(|it| ApiError::new(ErrorType::Serialization, it.to_string()))?;
    Ok((typed, checked.unknown))
}

/// A body that is a JSON object, not too deep. No body at all is an object without members.
fn parse_body(body: &[u8]) -> Result<Value, ApiError> {
    let refuse = |message: &str| Err(ApiError::new(ErrorType::Serialization, message));
    // As a request without members: what is missing is then told by name.
    if body.trim_ascii().is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    if depth(body) > JSON_DEPTH_MAX {
        return refuse("The request body is nested too deeply.");
    }
    match serde_json::from_slice(body) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(Value::Array(_)) => refuse("Start of list found where not expected."),
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            refuse("The request body must be a JSON object.")
        }
        Err(error) => refuse(&format!("Could not parse request body into json: {error}")),
    }
}

/// How deep brackets stand in each other, those of texts left out.
fn depth(body: &[u8]) -> usize {
    // Texts are followed through their escapes: a bracket inside of one opens nothing.
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Names and values, decoded. A `+` is a plus.
fn parse_query(query: Option<&str>) -> Result<Vec<(String, String)>, ApiError> {
    let pairs = query.unwrap_or_default().split('&').filter(|it| !it.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| Ok((decoded(name)?, decoded(value)?)))
        .collect()
}

/// The query of a list as the members that it stands for.
fn list_query(pairs: Vec<(String, String)>) -> Result<Value, ApiError> {
    let mut members = Map::new();
    for (name, value) in pairs {
        let value = if name == "MaxItems" {
            let number = value.parse::<i64>();
            Value::from(number.map_err(|_| {
                ApiError::new(ErrorType::Serialization, "STRING_VALUE cannot be converted to Integer")
            })?)
        } else {
            Value::from(value)
        };
        if members.insert(name.clone(), value).is_some() {
            return Err(ApiError::invalid(format!("The parameter {name} must be given once.")));
        }
    }
    Ok(Value::Object(members))
}

fn untag(arn: String, pairs: Vec<(String, String)>) -> Result<Call, ApiError> {
    let keys: Vec<String> = pairs.into_iter().map(|(_, key)| key).collect();
    if keys.is_empty() {
        let mut violations = Violations::default();
        violations.add_null("tagKeys");
        violations.into_result()?;
    }
    let mut checked = Checked::default();
    model::check(&model::TAG_KEYS, &Value::from(keys.clone()), "tagKeys", &mut checked)?;
    checked.violations.into_result()?;
    Ok(Call::Untag(arn, keys))
}

fn decoded(text: &str) -> Result<String, ApiError> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded
        .map(|it| it.into_owned())
        .map_err(|_| ApiError::new(ErrorType::Serialization, "The request's address is not UTF-8."))
}

fn no_such_call() -> ApiError {
    ApiError::new(ErrorType::UnknownOperation, "There is no such call of the event source mapping API.")
}
