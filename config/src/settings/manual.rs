//! The manual's page of settings, as Markdown.

use std::fmt::Write as _;

use super::{AWS_ENDPOINTS, DefaultValue, SettingSpec, Shape, all, seconds};

/// The page: one section a setting, in the order of the table; what the kinds of source bring along
/// (`of_sources`) follows the setting that it stands under.
pub fn manual(of_sources: &[SettingSpec]) -> String {
    let mut page = "# Settings\n\nMade from the table of settings in `config/src/settings/`.\n".to_owned();
    for spec in all() {
        let is_below = |it: &&SettingSpec| {
            let rest = it.path.strip_prefix(spec.path);
            has_more(spec) && rest.is_some_and(|rest| rest.starts_with('.'))
        };
        for it in [spec].into_iter().chain(of_sources.iter().filter(is_below)) {
            // Writing to a string cannot fail.
            let _infallible = section(it, &mut page);
        }
    }
    page
}

/// Whether kinds of source bring settings along that stand under this one.
fn has_more(spec: &SettingSpec) -> bool {
    matches!(spec.shape, Shape::Source) || spec.path == AWS_ENDPOINTS.path
}

fn section(spec: &SettingSpec, page: &mut String) -> std::fmt::Result {
    writeln!(page, "\n## `{}`\n\n{}\n", spec.path, spec.text)?;
    writeln!(page, "- Value: {}", value_of(spec.shape))?;
    writeln!(page, "- Default: {}", default_of(spec))?;
    if let Some(name) = spec.aws_name() {
        writeln!(page, "- AWS's name: `{name}`")?;
    }
    if spec.is_live {
        writeln!(page, "- Changed while the mapping runs: it goes on with the new value")?;
    }
    if spec.needs.is_some() {
        writeln!(page, "- Only for sources that obey it; refused elsewhere")?;
    }
    Ok(())
}

fn value_of(shape: Shape) -> String {
    let words = |words: &[&str]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    match shape {
        Shape::Switch => "`true` or `false`".to_owned(),
        Shape::Integer { min, max } => format!("a whole number from {min} to {max}"),
        Shape::Seconds { min_ms, max_ms } => {
            format!("seconds from {} to {}, fractions allowed", seconds(min_ms), seconds(max_ms))
        }
        Shape::Text => "text".to_owned(),
        Shape::Path => "a path, relative to the config file".to_owned(),
        Shape::Time => "RFC 3339 text or epoch seconds".to_owned(),
        Shape::Word(known) => format!("one of {}", words(known)),
        Shape::Words(known) => format!("a list of {}", words(known)),
        Shape::Texts => "a map of texts".to_owned(),
        Shape::TextList => "a list of texts".to_owned(),
        Shape::Group => "a map of the settings below".to_owned(),
        Shape::Aws(_) => "a map of the settings under [`aws`](#aws) that have a meaning here".to_owned(),
        Shape::Choice => "a map with exactly one of the settings below".to_owned(),
        Shape::List => "a list of maps".to_owned(),
        Shape::Named => "a map of maps under names of your choice".to_owned(),
        Shape::Source => "a map with the kind of source".to_owned(),
    }
}

fn default_of(spec: &SettingSpec) -> String {
    match (spec.default, spec.default_written(None)) {
        (_, Some(value)) => format!("`{value}`"),
        (DefaultValue::Required, None) => "none; it must be written".to_owned(),
        (DefaultValue::RequiredWhereAllowed, None) => {
            "none; it must be written where the source has it".to_owned()
        }
        (DefaultValue::Absent(meaning), None) => meaning.to_owned(),
        (DefaultValue::OfSource(_), None) => "the source's own".to_owned(),
        (
            DefaultValue::Integer(_)
            | DefaultValue::Millis(_)
            | DefaultValue::Switch(_)
            | DefaultValue::Word(_)
            | DefaultValue::Texts(_),
            None,
        ) => String::new(),
    }
}
