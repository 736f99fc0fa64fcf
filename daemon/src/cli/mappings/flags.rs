//! The flags of create and update that are settings: one or two for each row that Lambda's API has a member
//! for.

use std::sync::LazyLock;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};
use forebay_config::settings::{self, AwsMember, AwsMembers, SettingSpec, Shape};
use serde_json::{Value, json};

/// The members that flags ask for, in AWS's words: those of create alone, or those of both.
#[derive(Debug, Default)]
pub(super) struct SettingFlags<const OF_CREATE_ALONE: bool>(pub(super) AwsMembers);

/// A flag of one setting.
struct SettingFlag {
    spec: &'static SettingSpec,
    member: AwsMember,
    name: String,
    /// The flag that switches off.
    off: String,
    /// What stands for its value.
    value: &'static str,
}

/// All flags, in the order of the manual.
static FLAGS: LazyLock<Vec<SettingFlag>> =
    LazyLock::new(|| settings::rows().filter_map(SettingFlag::of).collect());

impl SettingFlag {
    /// The flag of a row; `None` for one that AWS has no member for, and for maps and lists of maps.
    fn of(spec: &'static SettingSpec) -> Option<Self> {
        let member = spec.aws?;
        let value = match spec.shape {
            Shape::Integer { .. } if !spec.key().ends_with("_in_seconds") => "N",
            Shape::Integer { .. } | Shape::Seconds { .. } | Shape::Time => "SECONDS",
            Shape::Switch | Shape::Text | Shape::Word(_) | Shape::Words(_) | Shape::TextList => "TEXT",
            Shape::Path
            | Shape::Texts
            | Shape::Group
            | Shape::Aws(_)
            | Shape::Choice
            | Shape::List
            | Shape::Named
            | Shape::Source => return None,
        };
        let name = member.flag.name.map_or_else(|| spec.key().replace('_', "-"), str::to_owned);
        let off = format!("no-{name}");
        Some(Self { spec, member, name, off, value: member.flag.value.unwrap_or(value) })
    }

    /// The list that holds a member of this kind in each of its items: `FilterCriteria.Filters` of `Pattern`.
    fn list(&self) -> Option<(&'static str, &'static str)> {
        let (list, _) = self.spec.path.rsplit_once("[].")?;
        settings::rows().any(|it| it.path == list).then(|| self.member.name.rsplit_once('.'))?
    }

    fn is_repeated(&self) -> bool {
        self.list().is_some() || matches!(self.spec.shape, Shape::Words(_) | Shape::TextList)
    }

    /// What clap is told of it.
    fn add_to(&'static self, command: Command) -> Command {
        let text = self.spec.text;
        // The short help has a line for each flag; the manual's first sentence is written to stand alone.
        let sentence = text.split_once(". ").map_or_else(|| text.trim_end_matches('.'), |(first, _)| first);
        let arg = Arg::new(self.name.as_str()).long(self.name.as_str()).help(sentence).long_help(text);
        if matches!(self.spec.shape, Shape::Switch) {
            let off = Arg::new(self.off.as_str()).long(self.off.as_str()).action(ArgAction::SetTrue);
            // The later of the two counts, so that a script can append to what it was given.
            let off = off.help(format!("The opposite of --{}", self.name)).overrides_with(self.name.as_str());
            return command.arg(arg.action(ArgAction::SetTrue)).arg(off);
        }
        let mut arg = arg.value_name(self.value);
        arg = match self.spec.shape {
            // -1 means without end, and clap would take it for a flag.
            Shape::Integer { min, .. } if min < 0 => arg
                .allow_hyphen_values(true)
                .value_parser(value_parser!(i64).range(i64::from(i32::MIN)..=i64::from(i32::MAX))),
            Shape::Integer { .. } | Shape::Seconds { .. } => {
                arg.value_parser(value_parser!(i64).range(0..=i64::from(u32::MAX)))
            }
            Shape::Time => arg.value_parser(value_parser!(f64)),
            Shape::Switch
            | Shape::Text
            | Shape::Path
            | Shape::Word(_)
            | Shape::Words(_)
            | Shape::Texts
            | Shape::TextList
            | Shape::Group
            | Shape::Aws(_)
            | Shape::Choice
            | Shape::List
            | Shape::Named
            | Shape::Source => arg.value_parser(value_parser!(String)),
        };
        if self.is_repeated() {
            arg = arg.action(ArgAction::Append);
        }
        let Some(none) = self.member.flag.none else { return command.arg(arg) };
        let help = format!("Takes away what --{} says", self.name);
        let none_arg = Arg::new(none).long(none).action(ArgAction::SetTrue).help(help);
        command.arg(arg.conflicts_with(none)).arg(none_arg)
    }

    /// Puts what was asked for under its member.
    fn put(&self, matches: &ArgMatches, members: &mut AwsMembers) {
        if let Some(none) = self.member.flag.none
            && matches.get_flag(none)
        {
            members.put(self.member.top(), json!({}));
        }
        if let Some(value) = self.asked(matches) {
            members.put(self.list().map_or(self.member.name, |(list, _)| list), value);
        }
    }

    fn asked(&self, matches: &ArgMatches) -> Option<Value> {
        let name = self.name.as_str();
        match self.spec.shape {
            Shape::Switch => match (matches.get_flag(name), matches.get_flag(&self.off)) {
                (true, false) => Some(json!(true)),
                (_, true) => Some(json!(false)),
                (false, false) => None,
            },
            Shape::Integer { .. } | Shape::Seconds { .. } => matches.get_one::<i64>(name).map(|it| json!(it)),
            Shape::Time => matches.get_one::<f64>(name).map(|it| json!(it)),
            _ if self.is_repeated() => {
                let words: Vec<&String> = matches.get_many(name)?.collect();
                Some(match self.list() {
                    Some((_, member)) => words.iter().map(|it| json!({ member: it })).collect(),
                    // One empty word stands for an empty list.
                    None => words.iter().filter(|it| !it.is_empty()).map(|it| json!(it)).collect(),
                })
            }
            Shape::Text
            | Shape::Path
            | Shape::Word(_)
            | Shape::Words(_)
            | Shape::Texts
            | Shape::TextList
            | Shape::Group
            | Shape::Aws(_)
            | Shape::Choice
            | Shape::List
            | Shape::Named
            | Shape::Source => matches.get_one::<String>(name).map(|it| json!(it)),
        }
    }
}

impl<const OF_CREATE_ALONE: bool> SettingFlags<OF_CREATE_ALONE> {
    fn flags() -> impl Iterator<Item = &'static SettingFlag> {
        FLAGS.iter().filter(|it| it.member.is_create_only == OF_CREATE_ALONE)
    }
}

impl<const OF_CREATE_ALONE: bool> Args for SettingFlags<OF_CREATE_ALONE> {
    fn augment_args(command: Command) -> Command {
        Self::flags().fold(command, |command, flag| flag.add_to(command))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<const OF_CREATE_ALONE: bool> FromArgMatches for SettingFlags<OF_CREATE_ALONE> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut members = AwsMembers::default();
        for flag in Self::flags() {
            flag.put(matches, &mut members);
        }
        Ok(Self(members))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for flag in Self::flags() {
            flag.put(matches, &mut self.0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;
    use forebay_config::settings::DefaultValue;

    use super::*;

    /// A row that is in no table.
    static ECHO_LIMIT: SettingSpec = SettingSpec::new(
        "event_source_mappings[].echo_limit",
        Shape::Integer { min: 1, max: 50 },
        DefaultValue::Integer(7),
        "How often a record may echo. Nobody wants that.",
    )
    .aws(AwsMember::new("EchoConfig.EchoLimit"));
    static FLAG: LazyLock<SettingFlag> =
        LazyLock::new(|| SettingFlag::of(&ECHO_LIMIT).expect("AWS has a member for it"));

    #[test]
    fn a_row_is_a_flag_with_the_text_of_the_manual() {
        let command = || FLAG.add_to(Command::new("create"));
        let matches = command().try_get_matches_from(["create", "--echo-limit=5"]).unwrap();
        let mut members = AwsMembers::default();
        FLAG.put(&matches, &mut members);
        assert_eq!(members.integer("EchoConfig.EchoLimit"), Some(5));
        let help = command().render_help().to_string();
        assert!(help.contains("--echo-limit <N>") && help.contains("How often a record may echo"), "{help}");
        let wrong = command().try_get_matches_from(["create", "--echo-limit=x"]).unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::ValueValidation);
    }

    #[test]
    fn every_setting_that_awss_api_takes_has_a_flag() {
        let of_values = settings::rows().filter(|it| it.aws.is_some());
        let of_values = of_values.filter(|it| !matches!(it.shape, Shape::Group | Shape::List));
        let without: Vec<_> = of_values
            .filter(|row| !FLAGS.iter().any(|it| it.spec.path == row.path))
            .map(|it| it.path)
            .collect();
        assert!(without.is_empty(), "{without:?}");
    }
}
