//! A schema of Avro's as a table of shapes, names resolved to their places in it.

use std::collections::BTreeMap;

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, NamespaceRef, UuidSchema};

use crate::schemas::registered::NamedText;
use crate::source::write_text;

/// A schema whose records can be read.
#[derive(Debug)]
pub(in crate::schemas) struct AvroSchema {
    shapes: Vec<AvroShape>,
    pub(super) root: AvroShapeIdx,
}

/// The place of a shape in its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AvroShapeIdx(usize);

/// How a value is encoded; logical types are what they stand on.
#[derive(Debug)]
pub(super) enum AvroShape {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    Text,
    /// So many bytes.
    Fixed(usize),
    /// The symbols, as JSON.
    Enum(Vec<Vec<u8>>),
    Array(AvroShapeIdx),
    Map(AvroShapeIdx),
    Union(Vec<AvroShapeIdx>),
    Record(Vec<AvroMember>),
}

#[derive(Debug)]
pub(super) struct AvroMember {
    /// Its name as a key of JSON, with the comma in front of all but the first: `,"name":`.
    pub(super) key: Vec<u8>,
    pub(super) shape: AvroShapeIdx,
}

impl AvroSchema {
    /// Parses a schema and those that it names types of. The error says why that cannot be done.
    pub(in crate::schemas) fn parse(text: &str, references: &[NamedText]) -> Result<Self, String> {
        let references = references.iter().map(|it| it.text.as_str());
        let (schema, others) =
            Schema::parse_str_with_list(text, references).map_err(|error| error.to_string())?;
        let mut table = ShapeTable::default();
        index(&schema, None, &mut table.named);
        for other in &others {
            index(other, None, &mut table.named);
        }
        let root = table.shape_of(&schema, None)?;
        // Types that are named before they are met are filled in one after the other, not one within the other.
        while let Some((at, schema, namespace)) = table.open.pop() {
            let shape = table.content_of(schema, namespace)?;
            table.shapes[at.0] = shape;
        }
        Ok(Self { shapes: table.shapes, root })
    }

    pub(super) fn shape(&self, at: AvroShapeIdx) -> &AvroShape {
        &self.shapes[at.0]
    }
}

/// A definition, and the namespace that surrounds it.
type NamedDefinition<'s> = (&'s Schema, NamespaceRef<'s>);

#[derive(Default)]
struct ShapeTable<'s> {
    shapes: Vec<AvroShape>,
    named: BTreeMap<String, NamedDefinition<'s>>,
    places: BTreeMap<String, AvroShapeIdx>,
    /// Places that wait for what stands there.
    open: Vec<(AvroShapeIdx, &'s Schema, NamespaceRef<'s>)>,
}

/// Notes where each name is defined.
fn index<'s>(
    schema: &'s Schema,
    namespace: NamespaceRef<'s>,
    named: &mut BTreeMap<String, NamedDefinition<'s>>,
) {
    if let Schema::Ref { .. } = schema {
        return;
    }
    let name = schema.name();
    if let Some(name) = name {
        named.entry(name.fullname(namespace)).or_insert((schema, namespace));
    }
    match schema {
        Schema::Array(it) => index(&it.items, namespace, named),
        Schema::Map(it) => index(&it.types, namespace, named),
        Schema::Union(it) => it.variants().iter().for_each(|it| index(it, namespace, named)),
        Schema::Record(it) => {
            let inner = it.name.namespace().or(namespace);
            it.fields.iter().for_each(|field| index(&field.schema, inner, named));
        }
        _ => {}
    }
}

impl<'s> ShapeTable<'s> {
    /// The place of a schema's shape. That of a name is one place, wherever it is used.
    fn shape_of(&mut self, schema: &'s Schema, namespace: NamespaceRef<'s>) -> Result<AvroShapeIdx, String> {
        let Some(name) = schema.name() else {
            let shape = self.content_of(schema, namespace)?;
            return Ok(self.push(shape));
        };
        let name = name.fullname(namespace);
        if let Some(known) = self.places.get(&name) {
            return Ok(*known);
        }
        let (definition, namespace) =
            *self.named.get(&name).ok_or_else(|| format!("the type `{name}` is defined nowhere"))?;
        let at = self.push(AvroShape::Null);
        self.places.insert(name, at);
        self.open.push((at, definition, namespace));
        Ok(at)
    }

    fn push(&mut self, shape: AvroShape) -> AvroShapeIdx {
        self.shapes.push(shape);
        AvroShapeIdx(self.shapes.len() - 1)
    }

    fn content_of(&mut self, schema: &'s Schema, namespace: NamespaceRef<'s>) -> Result<AvroShape, String> {
        Ok(match schema {
            Schema::Null => AvroShape::Null,
            Schema::Boolean => AvroShape::Boolean,
            Schema::Int | Schema::Date | Schema::TimeMillis => AvroShape::Int,
            Schema::Long
            | Schema::TimeMicros
            | Schema::TimestampMillis
            | Schema::TimestampMicros
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos => AvroShape::Long,
            Schema::Float => AvroShape::Float,
            Schema::Double => AvroShape::Double,
            Schema::Bytes | Schema::BigDecimal | Schema::Uuid(UuidSchema::Bytes) => AvroShape::Bytes,
            Schema::String | Schema::Uuid(UuidSchema::String) => AvroShape::Text,
            Schema::Fixed(it) | Schema::Duration(it) | Schema::Uuid(UuidSchema::Fixed(it)) => {
                AvroShape::Fixed(it.size)
            }
            Schema::Decimal(it) => match &it.inner {
                InnerDecimalSchema::Bytes => AvroShape::Bytes,
                InnerDecimalSchema::Fixed(it) => AvroShape::Fixed(it.size),
            },
            Schema::Enum(it) => AvroShape::Enum(it.symbols.iter().map(|it| as_json(it)).collect()),
            Schema::Array(it) => AvroShape::Array(self.shape_of(&it.items, namespace)?),
            Schema::Map(it) => AvroShape::Map(self.shape_of(&it.types, namespace)?),
            Schema::Union(it) => {
                let branches = it.variants().iter().map(|it| self.shape_of(it, namespace));
                AvroShape::Union(branches.collect::<Result<_, _>>()?)
            }
            Schema::Record(it) => {
                let inner = it.name.namespace().or(namespace);
                let mut members = Vec::with_capacity(it.fields.len());
                for (idx, field) in it.fields.iter().enumerate() {
                    let mut key = if idx == 0 { Vec::new() } else { vec![b','] };
                    key.extend(as_json(&field.name));
                    key.push(b':');
                    members.push(AvroMember { key, shape: self.shape_of(&field.schema, inner)? });
                }
                AvroShape::Record(members)
            }
            Schema::Ref { name } => {
                return Err(format!("the type `{}` is defined nowhere", name.fullname(namespace)));
            }
        })
    }
}

fn as_json(text: &str) -> Vec<u8> {
    let mut json = Vec::new();
    write_text(text, &mut json);
    json
}
