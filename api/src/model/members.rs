//! The members of create and update: those that are settings of ours follow from their rows, the others
//! stand in a table.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use forebay_config::settings::{self, DefaultValue, SettingSpec};

use super::shape::{Member, Shape};
use super::tables::{ANY, OTHERS, TEXTS};

/// CreateEventSourceMappingRequest.
pub(crate) static CREATE: LazyLock<Shape> = LazyLock::new(|| request(true));

/// UpdateEventSourceMappingRequest without the id, which stands in the path.
pub(crate) static UPDATE: LazyLock<Shape> = LazyLock::new(|| request(false));

/// A member with the names that lead to it.
#[derive(Clone, Copy)]
struct Entry {
    path: &'static str,
    what: What,
    required: bool,
}

#[derive(Clone, Copy)]
enum What {
    Whole(Shape),
    /// Its members are entries of their own.
    Structure,
    /// A list of structures, whose members are entries of their own.
    List,
}

fn request(is_create: bool) -> Shape {
    let of_rows = settings::rows().filter_map(|row| {
        let member = row.aws.filter(|it| is_create || !it.is_create_only)?;
        let required =
            is_create && matches!(row.default, DefaultValue::Required) && !member.name.contains('.');
        Some(Entry { path: member.name, what: of_row(row), required })
    });
    let others = OTHERS.iter().filter(|it| is_create || !it.is_create_only);
    let others = others.map(|it| Entry { path: it.path, what: What::Whole(it.shape), required: false });
    Shape::Structure(structure(&of_rows.chain(others).collect::<Vec<_>>()))
}

/// What a setting may be at AWS.
fn of_row(row: &SettingSpec) -> What {
    use settings::Shape as Ours;
    if let Some((min, max)) = row.aws.and_then(|it| it.range) {
        return What::Whole(Shape::Integer { min, max });
    }
    What::Whole(match row.shape {
        Ours::Group | Ours::Choice => return What::Structure,
        Ours::List => return What::List,
        Ours::Switch => Shape::Boolean,
        Ours::Integer { min, max } => Shape::Integer { min, max },
        Ours::Seconds { min_ms, max_ms } => {
            Shape::Integer { min: min_ms.div_ceil(1000).cast_signed(), max: (max_ms / 1000).cast_signed() }
        }
        Ours::Time => Shape::Timestamp,
        Ours::Word(words) => Shape::Enum(words),
        Ours::Words(words) => Shape::List { member: for_good(Shape::Enum(words)), min: 0, max: words.len() },
        Ours::TextList => Shape::List { member: &ANY, min: 0, max: usize::MAX },
        Ours::Texts => Shape::Map { key: &ANY, value: &ANY, min: 0, max: usize::MAX },
        Ours::Text | Ours::Path | Ours::Aws(_) | Ours::Named | Ours::Source => {
            let text = TEXTS.iter().find(|(path, _)| row.aws_name() == Some(path));
            text.map_or(ANY, |(_, shape)| **shape)
        }
    })
}

/// The members of a structure, in the order of their names.
fn structure(entries: &[Entry]) -> &'static [Member] {
    let mut members: BTreeMap<&'static str, (Option<Entry>, Vec<Entry>)> = BTreeMap::new();
    for entry in entries {
        match entry.path.split_once('.') {
            None => members.entry(entry.path).or_default().0 = Some(*entry),
            Some((first, path)) => members.entry(first).or_default().1.push(Entry { path, ..*entry }),
        }
    }
    let member = |(name, (whole, inner)): (&'static str, (Option<Entry>, Vec<Entry>))| {
        let of = |inner: &[Entry]| Shape::Structure(structure(inner));
        let shape = match whole.map_or(What::Structure, |it| it.what) {
            What::Whole(shape) => shape,
            What::Structure => of(&inner),
            What::List => Shape::List { member: for_good(of(&inner)), min: 0, max: usize::MAX },
        };
        Member { name, shape: for_good(shape), required: whole.is_some_and(|it| it.required) }
    };
    Box::leak(members.into_iter().map(member).collect())
}

/// The tables are made once and stay as long as the process.
fn for_good(shape: Shape) -> &'static Shape {
    Box::leak(Box::new(shape))
}
