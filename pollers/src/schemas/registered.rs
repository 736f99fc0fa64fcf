//! A schema as a registry gives it, with those that it refers to.

/// What a schema is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SchemaFormat {
    Avro,
    Protobuf,
    Json,
}

impl SchemaFormat {
    /// Each by AWS's word, which is Confluent's and Glue's as well.
    const ALL: [(&'static str, Self); 3] =
        [("AVRO", Self::Avro), ("PROTOBUF", Self::Protobuf), ("JSON", Self::Json)];

    pub(super) fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(it, _)| *it == word).map(|(_, format)| format)
    }

    /// Its word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Avro => "AVRO",
            Self::Protobuf => "PROTOBUF",
            Self::Json => "JSON",
        }
    }
}

/// A schema as a registry gives it, with all that it refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RegisteredSchema {
    pub(super) format: SchemaFormat,
    pub(super) text: String,
    /// Also those that the others refer to. Each name stands once.
    pub(super) references: Vec<NamedText>,
}

/// A schema under the name by which another refers to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedText {
    pub(super) name: String,
    pub(super) text: String,
}
