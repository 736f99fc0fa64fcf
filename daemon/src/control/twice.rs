//! No source goes to one function twice: what AWS says when it would.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};

use forebay_api::error::{ApiError, ErrorType};
use forebay_api::mapping::MappingConfiguration;
use forebay_config::aws::words::AwsNamed;

use crate::built_in::BuiltIn;

/// What can go to one function twice: the function's ARN and, for what has one, the source's.
type Use = (String, Option<String>);

/// Which mappings bring which source to which function, so that a new one is compared with those alone.
#[derive(Debug, Default)]
pub(super) struct FunctionUses {
    made: BTreeMap<Use, BTreeSet<String>>,
    /// What each of them brings.
    of_made: BTreeMap<String, Use>,
    of_file: BTreeMap<Use, Vec<MappingConfiguration>>,
}

impl FunctionUses {
    /// Those of a config file.
    pub(super) fn of_file(shown: impl Iterator<Item = MappingConfiguration>) -> Self {
        let mut of_file: BTreeMap<Use, Vec<_>> = BTreeMap::new();
        for it in shown {
            of_file.entry(use_of(&it)).or_default().push(it);
        }
        Self { of_file, ..Self::default() }
    }

    /// What a mapping that the API made brings from here on; `None` when it is there no more.
    pub(super) fn note(&mut self, name: &str, configuration: Option<&MappingConfiguration>) {
        if let Some(former) = self.of_made.remove(name)
            && let Entry::Occupied(mut names) = self.made.entry(former)
        {
            names.get_mut().remove(name);
            // Or what comes and goes leaves its key behind for ever.
            if names.get().is_empty() {
                names.remove();
            }
        }
        if let Some(it) = configuration.map(use_of) {
            self.made.entry(it.clone()).or_default().insert(name.to_owned());
            self.of_made.insert(name.to_owned(), it);
        }
    }

    /// Names of those that the API made and that may stand against a new mapping.
    pub(super) fn made_beside(&self, new: &MappingConfiguration) -> impl Iterator<Item = &str> {
        self.made.get(&use_of(new)).into_iter().flatten().map(String::as_str)
    }

    /// Those of the config file that may.
    pub(super) fn of_file_beside(
        &self,
        new: &MappingConfiguration,
    ) -> impl Iterator<Item = &MappingConfiguration> {
        self.of_file.get(&use_of(new)).into_iter().flatten()
    }
}

fn use_of(it: &MappingConfiguration) -> Use {
    (it.function_arn.clone(), it.source.event_source_arn.clone())
}

/// What stands against a mapping beside another one; `None` when both may be there.
pub(super) fn conflict(new: &MappingConfiguration, other: &MappingConfiguration) -> Option<ApiError> {
    if new.uuid == other.uuid || new.function_arn != other.function_arn {
        return None;
    }
    let words = new.source.words(BuiltIn::aws_words()).ok()?;
    let (arn, servers, topics) = match words.named {
        AwsNamed::Arn(_) => {
            let arn = new
                .source
                .event_source_arn
                .as_ref()
                .filter(|arn| other.source.event_source_arn.as_ref() == Some(arn))?;
            (arn.as_str(), String::new(), String::new())
        }
        AwsNamed::Servers => {
            // Of one cluster, different topics are different sources.
            let topics =
                new.source.topics.as_ref().filter(|topics| other.source.topics.as_ref() == Some(topics))?;
            ("", overlap(new, other)?, topics.join(","))
        }
    };
    // AWS's sentence names the function by what stands behind `function:`.
    let function = new.function_arn.split(':').skip(6).collect::<Vec<_>>().join(":");
    let told = [
        ("{function_arn}", new.function_arn.as_str()),
        ("{function}", &function),
        ("{arn}", arn),
        ("{servers}", &servers),
        ("{topics}", &topics),
    ];
    let what =
        told.into_iter().fold(words.twice.to_owned(), |text, (place, value)| text.replace(place, value));
    let uuid = &other.uuid;
    let message =
        format!("{what} already exists. Please update or delete the existing mapping with UUID {uuid}");
    Some(ApiError::new(ErrorType::ResourceConflict, message))
}

/// The servers of the new mapping when both name one of them.
fn overlap(new: &MappingConfiguration, other: &MappingConfiguration) -> Option<String> {
    let servers = |it: &MappingConfiguration| {
        let endpoints = it
            .source
            .self_managed_event_source
            .as_ref()
            .and_then(|it| it.endpoints.clone())
            .unwrap_or_default();
        endpoints.into_values().flatten().collect::<Vec<_>>()
    };
    let (new, other) = (servers(new), servers(other));
    // Any bootstrap server leads to the whole cluster, so one in common is enough.
    new.iter().any(|it| other.contains(it)).then(|| new.join(","))
}
