//! The kinds of source of this process: those that are built in, one line each, and those that its binary
//! brings along.

use std::sync::OnceLock;

use forebay_config::aws::{AwsService, AwsWords};
use forebay_config::profile::Setting;
use forebay_config::settings::{SettingSpec, own_services};

use crate::source::SourceKind;

/// The kinds that are built in.
const BUILT_IN: &[&dyn SourceKind] = &[
    #[cfg(feature = "dynamodb")]
    &crate::dynamodb::DynamoKind,
    #[cfg(feature = "file")]
    &crate::file::FileKind,
    #[cfg(feature = "kafka")]
    &crate::kafka::KafkaKind,
    #[cfg(feature = "kinesis")]
    &crate::kinesis::KinesisKind,
    #[cfg(feature = "rabbitmq")]
    &crate::rabbitmq::RabbitKind,
    #[cfg(feature = "sqs")]
    &crate::sqs::SqsKind,
];

/// What everybody asks, the same from the first question on: a kind that came later would be missing from
/// what was answered before.
static KINDS: OnceLock<Vec<&'static dyn SourceKind>> = OnceLock::new();

/// Adds kinds of one's own to those that are built in: once, before anything else runs.
///
/// # Errors
/// A word stands twice, a setting stands elsewhere than under its kind, a service of AWS's is declared twice,
/// or the kinds are known already.
/// Nothing is added then.
pub fn add(kinds: &[&'static dyn SourceKind]) -> Result<(), AddError> {
    let all = with(BUILT_IN, kinds)?;
    KINDS.set(all).map_err(|_| AddError::TooLate)
}

/// All kinds.
pub fn kinds() -> &'static [&'static dyn SourceKind] {
    KINDS.get_or_init(|| BUILT_IN.to_vec())
}

/// What Lambda's API says of each type of event source that they read.
pub fn aws_words() -> impl Iterator<Item = &'static AwsWords> {
    kinds().iter().flat_map(|it| it.aws_words()).copied()
}

/// The services of AWS's that they call.
pub fn services() -> Vec<&'static AwsService> {
    kinds().iter().flat_map(|it| services_of(*it)).collect()
}

/// The settings that they bring along: those under each, and the endpoints of services that only they call.
pub fn settings() -> Vec<SettingSpec> {
    let services = forebay_config::settings::services(services()).into_iter().skip(own_services().count());
    let own = kinds().iter().flat_map(|it| it.settings());
    own.chain(services.map(|it| &it.endpoint)).cloned().collect()
}

/// A kind calls the services whose settings it has.
fn services_of(kind: &dyn SourceKind) -> impl Iterator<Item = &'static AwsService> {
    kind.settings().iter().flat_map(SettingSpec::services).copied()
}

/// Why kinds cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// Somebody asked for them before, or added some.
    #[error(
        "kinds of source are added once, before anything asks for them: add all of them in one call, first in `main`"
    )]
    TooLate,
    /// Two kinds have one word.
    #[error("two kinds of source are called `{0}`: give one of them another `kind` in its profile")]
    Twice(&'static str),
    /// What a service is called with would depend on who calls it.
    #[error(
        "the kind of source `{kind}` declares the service `{service}`, which is declared already: let it call that one, or name its own otherwise"
    )]
    Service {
        /// The kind.
        kind: &'static str,
        /// The service's name.
        service: &'static str,
    },
    /// A setting would be shown, but not under its kind.
    #[error(
        "the kind of source `{kind}` has a setting `{path}`: its path must begin with `event_source_mappings[].source.{kind}.`"
    )]
    Elsewhere {
        /// The kind.
        kind: &'static str,
        /// The path of its setting.
        path: &'static str,
    },
    /// A window is a lane's, and a batch that mixes tracks is of several.
    #[error(
        "the kind of source `{0}` offers tumbling windows and mixes tracks in a batch: let its profile say one of both"
    )]
    Windows(&'static str),
}

/// The kinds of both, when they can stand beside each other.
fn with(
    built_in: &[&'static dyn SourceKind],
    more: &[&'static dyn SourceKind],
) -> Result<Vec<&'static dyn SourceKind>, AddError> {
    let mut all = built_in.to_vec();
    for it in more {
        let kind = it.profile().kind;
        if all.iter().any(|other| other.profile().kind == kind) {
            return Err(AddError::Twice(kind));
        }
        let place = format!("event_source_mappings[].source.{kind}.");
        if let Some(spec) = it.settings().iter().find(|spec| !spec.path.starts_with(&place)) {
            return Err(AddError::Elsewhere { kind, path: spec.path });
        }
        if it.profile().mixes_tracks && it.profile().settings.contains(&Setting::TumblingWindow) {
            return Err(AddError::Windows(kind));
        }
        let known = || own_services().chain(all.iter().flat_map(|it| services_of(*it)));
        let is_other =
            |service: &&AwsService| known().any(|it| it == *service && !std::ptr::eq(it, *service));
        if let Some(service) = services_of(*it).find(is_other) {
            return Err(AddError::Service { kind, service: service.name });
        }
        all.push(*it);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use forebay_config::function::LAMBDA;
    use forebay_config::profile::{FilterMismatch, SourceShape};
    use forebay_config::settings::{DefaultValue, SettingSpec, Shape};
    use forebay_config::{AwsScope, Finding, Node, Redelivery, SourceProfile, aws_service};

    use super::*;
    use crate::source::SourceSettings;

    /// A kind that is nothing but its word and its settings.
    struct Named(SourceProfile, &'static [SettingSpec]);

    impl SourceKind for Named {
        fn profile(&self) -> &'static SourceProfile {
            Box::leak(Box::new(self.0.clone()))
        }
        fn settings(&self) -> &'static [SettingSpec] {
            self.1
        }
        fn parse(&self, _: &Node, _: &Path) -> Result<Box<dyn SourceSettings>, Vec<Finding>> {
            Err(Vec::new())
        }
    }

    fn named(kind: &'static str, path: &'static str) -> &'static dyn SourceKind {
        let profile = SourceProfile {
            kind,
            shape: SourceShape::Tracks,
            batch_size_default: 1,
            batch_size_max: 1,
            window_ms_default: 0,
            batch_size_without_window_max: None,
            settings: &[],
            data_key: None,
            filter_mismatch: FilterMismatch::Drop,
            plain_data_patterns: false,
            mixes_tracks: false,
            retries_to_destination: None,
            redelivery: Redelivery::ByUs,
            concurrency_default: None,
            function_timeout_max: 1,
        };
        let spec = SettingSpec::new(path, Shape::Switch, DefaultValue::Switch(false), "");
        Box::leak(Box::new(Named(profile, Box::leak(Box::new([spec])))))
    }

    fn words(kinds: &[&'static dyn SourceKind]) -> Vec<&'static str> {
        kinds.iter().map(|it| it.profile().kind).collect()
    }

    #[test]
    fn kinds_of_ones_own_come_after_those_that_are_built_in() {
        let mine = [
            named("one", "event_source_mappings[].source.one.a"),
            named("two", "event_source_mappings[].source.two.a"),
        ];
        let all = words(&with(BUILT_IN, &mine).unwrap_or_else(|error| panic!("{error}")));
        assert_eq!(all, [words(BUILT_IN), vec!["one", "two"]].concat());
    }

    #[test]
    fn a_word_that_stands_twice_is_refused_by_name() {
        let one = named("one", "event_source_mappings[].source.one.a");
        assert_eq!(with(BUILT_IN, &[one, one]).err(), Some(AddError::Twice("one")));
        for built_in in BUILT_IN {
            assert_eq!(
                with(BUILT_IN, &[one, *built_in]).err(),
                Some(AddError::Twice(built_in.profile().kind))
            );
        }
    }

    #[test]
    fn windows_over_batches_of_several_tracks_are_refused() {
        let one = named("one", "event_source_mappings[].source.one.a");
        let mixing = |mixes_tracks| -> &'static dyn SourceKind {
            let settings: &[Setting] = &[Setting::TumblingWindow];
            let profile = SourceProfile { settings, mixes_tracks, ..one.profile().clone() };
            Box::leak(Box::new(Named(profile, &[])))
        };
        assert_eq!(with(BUILT_IN, &[mixing(true)]).err(), Some(AddError::Windows("one")));
        assert!(with(BUILT_IN, &[mixing(false)]).is_ok());
    }

    #[test]
    fn a_setting_that_stands_elsewhere_than_under_its_kind_is_refused() {
        for path in ["event_source_mappings[].batch_size", "event_source_mappings[].source.ones.a", "a"] {
            let refused = with(BUILT_IN, &[named("one", path)]).err();
            assert_eq!(refused, Some(AddError::Elsewhere { kind: "one", path }));
        }
    }

    #[test]
    fn a_service_that_is_declared_anew_is_refused_and_one_that_is_shared_is_not() {
        static ANEW: AwsService = aws_service!("lambda", "OTHER", "another Lambda");
        let calling = |kind: &'static str,
                       path: &'static str,
                       service: &'static AwsService|
         -> &'static dyn SourceKind {
            let profile = named(kind, "").profile().clone();
            let services: &'static [_] = Box::leak(Box::new([service]));
            let shape = Shape::Aws(AwsScope { services, names_account: false });
            let spec = SettingSpec::new(path, shape, DefaultValue::Absent(""), "");
            Box::leak(Box::new(Named(profile, Box::leak(Box::new([spec])))))
        };
        let anew = calling("one", "event_source_mappings[].source.one.aws", &ANEW);
        let refused = with(BUILT_IN, &[anew]).err();
        assert_eq!(refused, Some(AddError::Service { kind: "one", service: "lambda" }));
        let shared = calling("one", "event_source_mappings[].source.one.aws", &LAMBDA);
        assert_eq!(with(BUILT_IN, &[shared]).err(), None);
    }

    #[test]
    fn nothing_is_added_to_what_was_told_already() {
        let before = words(kinds());
        let late = add(&[named("late", "event_source_mappings[].source.late.a")]);
        assert_eq!((late, words(kinds())), (Err(AddError::TooLate), before));
    }
}
