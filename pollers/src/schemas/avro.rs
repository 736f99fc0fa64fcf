//! Avro records as JSON: schemas are parsed by `apache-avro` and kept as a table, records are read straight
//! into JSON by it. So no record, whatever it says of itself, takes more than its JSON.

mod table;

use super::json::{JsonOut, check_depth};
use super::wire::WireReader;

pub(super) use table::AvroSchema;
use table::{AvroShape, AvroShapeIdx};

impl AvroSchema {
    /// A record as JSON. What follows it is not looked at, as other readers of Avro do.
    ///
    /// | Avro | JSON |
    /// |---|---|
    /// | null, boolean, int, long, string | the same |
    /// | float, double | a number; `"NaN"`, `"Infinity"`, `"-Infinity"` |
    /// | bytes, fixed | text with a character for each byte, U+0000 to U+00FF |
    /// | enum | its symbol |
    /// | union | the value of the branch alone |
    /// | logical types | what they are encoded as |
    pub(super) fn json(&self, record: &[u8]) -> Result<Vec<u8>, String> {
        let mut out = JsonOut::default();
        let mut reader = WireReader::new(record);
        self.write(self.root, &mut reader, &mut out, 0)?;
        Ok(out.into_bytes())
    }

    fn write(
        &self,
        at: AvroShapeIdx,
        reader: &mut WireReader<'_>,
        out: &mut JsonOut,
        depth: usize,
    ) -> Result<(), String> {
        check_depth(depth)?;
        match self.shape(at) {
            AvroShape::Null => out.raw(b"null"),
            AvroShape::Boolean => match reader.array()? {
                [0] => out.raw(b"false"),
                [1] => out.raw(b"true"),
                [other] => Err(format!("a boolean in it is {other:#04x}")),
            },
            AvroShape::Int => {
                let value = reader.zigzag()?;
                let value = i32::try_from(value).map_err(|_| "an int in it is longer than 32 bits")?;
                out.shown(value)
            }
            AvroShape::Long => out.shown(reader.zigzag()?),
            AvroShape::Float => out.short_float(f32::from_le_bytes(reader.array()?)),
            AvroShape::Double => out.float(f64::from_le_bytes(reader.array()?)),
            AvroShape::Bytes => {
                let length = reader.length()?;
                write_bytes(reader.take(length)?, out)
            }
            AvroShape::Fixed(length) => write_bytes(reader.take(*length)?, out),
            AvroShape::Text => out.text(read_text(reader)?),
            AvroShape::Enum(symbols) => {
                let symbol = reader.length().ok().and_then(|it| symbols.get(it));
                out.raw(symbol.ok_or("an enum in it has no such symbol")?)
            }
            AvroShape::Union(branches) => {
                let branch = reader.length().ok().and_then(|it| branches.get(it));
                self.write(*branch.ok_or("a union in it has no such branch")?, reader, out, depth + 1)
            }
            AvroShape::Record(fields) => {
                out.raw(b"{")?;
                for field in fields {
                    out.raw(&field.key)?;
                    self.write(field.shape, reader, out, depth + 1)?;
                }
                out.raw(b"}")
            }
            AvroShape::Array(items) => {
                out.raw(b"[")?;
                let mut is_first = true;
                self.blocks(reader, |reader| {
                    out.next(&mut is_first);
                    self.write(*items, reader, out, depth + 1)
                })?;
                out.raw(b"]")
            }
            AvroShape::Map(values) => {
                out.raw(b"{")?;
                let mut is_first = true;
                self.blocks(reader, |reader| {
                    out.next(&mut is_first);
                    out.text(read_text(reader)?)?;
                    out.raw(b":")?;
                    self.write(*values, reader, out, depth + 1)
                })?;
                out.raw(b"}")
            }
        }
    }

    /// Blocks of items up to one of none. An item may have no bytes, and however many of those a block says it
    /// has: each writes at least one byte of JSON, whose limit ends it.
    fn blocks<'a>(
        &self,
        reader: &mut WireReader<'a>,
        mut item: impl FnMut(&mut WireReader<'a>) -> Result<(), String>,
    ) -> Result<(), String> {
        loop {
            let mut n_items = reader.zigzag()?;
            if n_items == 0 {
                return Ok(());
            }
            // Below zero its length in bytes follows, for those who skip it.
            if n_items < 0 {
                n_items = n_items.checked_neg().ok_or("a block in it has no count")?;
                reader.length()?;
            }
            for _ in 0..n_items {
                item(reader)?;
            }
        }
    }
}

fn read_text<'a>(reader: &mut WireReader<'a>) -> Result<&'a str, String> {
    let length = reader.length()?;
    std::str::from_utf8(reader.take(length)?).map_err(|_| "a text in it is not UTF-8".to_owned())
}

/// As Avro's own encoding in JSON has them.
fn write_bytes(bytes: &[u8], out: &mut JsonOut) -> Result<(), String> {
    out.text(&bytes.iter().map(|byte| char::from(*byte)).collect::<String>())
}

#[cfg(test)]
#[path = "avro_tests.rs"]
mod tests;
