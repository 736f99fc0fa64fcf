//! Compiles the text of a schema with the files that it imports: others of the registry, Google's, Confluent's.

use prost_reflect::FileDescriptor;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};
use protox::{Compiler, Error};

use crate::schemas::registered::NamedText;

/// What the schema itself is called: nothing that anybody imports.
const ROOT: &str = "schema-of-the-record.proto";
/// A parser goes down with what it reads; no schema is nested so deep.
const NESTING_MAX: usize = 64;

/// What Confluent's registry has of itself, for those who import it.
const CONFLUENT: [(&str, &str); 2] = [
    (
        "confluent/meta.proto",
        r#"syntax = "proto3";
package confluent;
import "google/protobuf/descriptor.proto";
message Meta {
  string doc = 1;
  map<string, string> params = 2;
  repeated string tags = 3;
}
extend google.protobuf.FileOptions { Meta file_meta = 1088; }
extend google.protobuf.MessageOptions { Meta message_meta = 1088; }
extend google.protobuf.FieldOptions { Meta field_meta = 1088; }
extend google.protobuf.EnumOptions { Meta enum_meta = 1088; }
extend google.protobuf.EnumValueOptions { Meta enum_value_meta = 1088; }
"#,
    ),
    (
        "confluent/type/decimal.proto",
        r#"syntax = "proto3";
package confluent.type;
message Decimal {
  bytes value = 1;
  uint32 precision = 2;
  int32 scale = 3;
}
"#,
    ),
];

/// The compiled file. The error says why it cannot be compiled.
pub(super) fn compile(text: &str, imports: &[NamedText]) -> Result<FileDescriptor, String> {
    for (name, text) in imports.iter().map(|it| (&*it.name, &*it.text)).chain([("the schema", text)]) {
        check_nesting(name, text)?;
    }
    let texts = imports.iter().map(|it| (it.name.clone(), it.text.clone()));
    let own = CONFLUENT.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let mut files = ChainFileResolver::new();
    // The registry's own texts come first.
    files.add(Texts(texts.chain([(ROOT.to_owned(), text.to_owned())]).collect()));
    files.add(Texts(own.collect()));
    files.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(files);
    compiler.include_imports(true);
    compiler.open_file(ROOT).map_err(|error| error.to_string())?;
    let file = compiler.descriptor_pool().get_file_by_name(ROOT);
    file.ok_or_else(|| "it is not among what was compiled".to_owned())
}

struct Texts(Vec<(String, String)>);

impl FileResolver for Texts {
    fn open_file(&self, name: &str) -> Result<File, Error> {
        let text = self.0.iter().find(|(it, _)| it == name).map(|(_, text)| text);
        File::from_source(name, text.ok_or_else(|| Error::file_not_found(name))?)
    }
}

/// Refuses brackets within brackets that are more than a parser has room for.
fn check_nesting(name: &str, text: &str) -> Result<(), String> {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'{' | b'[' | b'<' | b'(' => depth += 1,
            b'}' | b']' | b'>' | b')' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        deepest = deepest.max(depth);
    }
    if deepest <= NESTING_MAX { Ok(()) } else { Err(format!("`{name}` is nested deeper than {NESTING_MAX}")) }
}
