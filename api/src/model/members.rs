//! The members of create and update: those that are settings of ours follow from their rows, the others
//! stand in a table.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use forebay_config::settings::{self, DefaultValue, SettingSpec};

use super::shape::{Member, ModelShape};
use super::tables::{ANY, OTHERS, TEXTS};

/// CreateEventSourceMappingRequest.
pub(crate) static CREATE: LazyLock<ModelShape> = LazyLock::new(|| request(true));

/// UpdateEventSourceMappingRequest without the id, which stands in the path.
pub(crate) static UPDATE: LazyLock<ModelShape> = LazyLock::new(|| request(false));

/// A member with the names that lead to it.
#[derive(Clone, Copy)]
struct MemberEntry {
    path: &'static str,
    what: MemberKind,
    required: bool,
}

#[derive(Clone, Copy)]
enum MemberKind {
    Whole(ModelShape),
    /// Its members are entries of their own.
    Structure,
    /// A list of structures, whose members are entries of their own.
    List,
}

fn request(is_create: bool) -> ModelShape {
    let of_rows = settings::rows().filter_map(|row| {
        let member = row.aws.filter(|it| is_create || !it.is_create_only)?;
        let required =
            is_create && matches!(row.default, DefaultValue::Required) && !member.name.contains('.');
        Some(MemberEntry { path: member.name, what: of_row(row), required })
    });
    let others = OTHERS.iter().filter(|it| is_create || !it.is_create_only);
    let others =
        others.map(|it| MemberEntry { path: it.path, what: MemberKind::Whole(it.shape), required: false });
    ModelShape::Structure(structure(&of_rows.chain(others).collect::<Vec<_>>()))
}

/// What a setting may be at AWS.
fn of_row(row: &SettingSpec) -> MemberKind {
    use settings::Shape as Ours;
    if let Some((min, max)) = row.aws.and_then(|it| it.range) {
        return MemberKind::Whole(ModelShape::Integer { min, max });
    }
    MemberKind::Whole(match row.shape {
        Ours::Group | Ours::Choice => return MemberKind::Structure,
        Ours::List => return MemberKind::List,
        Ours::Switch => ModelShape::Boolean,
        Ours::Integer { min, max } => ModelShape::Integer { min, max },
        // AWS counts whole seconds: those within our range.
        Ours::Seconds { min_ms, max_ms } => ModelShape::Integer {
            min: min_ms.div_ceil(1000).cast_signed(),
            max: (max_ms / 1000).cast_signed(),
        },
        Ours::Time => ModelShape::Timestamp,
        Ours::Word(words) => ModelShape::Enum(words),
        Ours::Words(words) => {
            ModelShape::List { member: for_good(ModelShape::Enum(words)), min: 0, max: words.len() }
        }
        Ours::TextList => ModelShape::List { member: &ANY, min: 0, max: usize::MAX },
        Ours::Texts => ModelShape::Map { key: &ANY, value: &ANY, min: 0, max: usize::MAX },
        Ours::Text | Ours::Path | Ours::Aws(_) | Ours::Named | Ours::Source => {
            let text = TEXTS.iter().find(|(path, _)| row.aws_name() == Some(path));
            text.map_or(ANY, |(_, shape)| **shape)
        }
    })
}

/// The members of a structure, in the order of their names.
fn structure(entries: &[MemberEntry]) -> &'static [Member] {
    let mut members: BTreeMap<&'static str, (Option<MemberEntry>, Vec<MemberEntry>)> = BTreeMap::new();
    for entry in entries {
        match entry.path.split_once('.') {
            None => members.entry(entry.path).or_default().0 = Some(*entry),
            Some((first, path)) => members.entry(first).or_default().1.push(MemberEntry { path, ..*entry }),
        }
    }
    let member = |(name, (whole, inner)): (&'static str, (Option<MemberEntry>, Vec<MemberEntry>))| {
        let of = |inner: &[MemberEntry]| ModelShape::Structure(structure(inner));
        let shape = match whole.map_or(MemberKind::Structure, |it| it.what) {
            MemberKind::Whole(shape) => shape,
            MemberKind::Structure => of(&inner),
            MemberKind::List => ModelShape::List { member: for_good(of(&inner)), min: 0, max: usize::MAX },
        };
        Member { name, shape: for_good(shape), required: whole.is_some_and(|it| it.required) }
    };
    Box::leak(members.into_iter().map(member).collect())
}

/// The tables are made once and stay as long as the process.
fn for_good(shape: ModelShape) -> &'static ModelShape {
    Box::leak(Box::new(shape))
}
