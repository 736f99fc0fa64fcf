//! What a message says beside its body, in its order in the event.

/// The properties of a message; `None` for what it does not say.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Properties {
    pub(super) content_type: Option<String>,
    pub(super) content_encoding: Option<String>,
    /// By name.
    pub(super) headers: Option<Vec<(String, HeaderValue)>>,
    pub(super) delivery_mode: Option<u8>,
    pub(super) priority: Option<u8>,
    pub(super) correlation_id: Option<String>,
    pub(super) reply_to: Option<String>,
    pub(super) expiration: Option<String>,
    pub(super) message_id: Option<String>,
    /// In seconds.
    pub(super) timestamp: Option<u64>,
    pub(super) kind: Option<String>,
    pub(super) user_id: Option<String>,
    pub(super) app_id: Option<String>,
    pub(super) cluster_id: Option<String>,
}

/// A value of a header.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum HeaderValue {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    /// A number with so many digits behind the point.
    Decimal(u8, u32),
    /// Text, which AMQP keeps as bytes: `{"bytes":[…]}`, as Lambda writes it.
    Text(Vec<u8>),
    /// Bytes that are no text: `[…]`.
    Bytes(Vec<u8>),
    /// In seconds.
    Time(u64),
    List(Vec<Self>),
    Table(Vec<(String, Self)>),
}

/// The header by which a quorum queue tells how often a message came back.
const DELIVERY_COUNT: &str = "x-delivery-count";
/// The header of what comes from a stream.
const STREAM_OFFSET: &str = "x-stream-offset";

impl Properties {
    fn header(&self, name: &str) -> Option<&HeaderValue> {
        self.headers.iter().flatten().find(|(it, _)| it == name).map(|(_, value)| value)
    }

    /// How often the message came back, where its queue counts that.
    pub(super) fn n_returns(&self) -> Option<u32> {
        match self.header(DELIVERY_COUNT) {
            Some(HeaderValue::Integer(n)) => u32::try_from(*n).ok(),
            Some(_) | None => None,
        }
    }

    /// It comes from a stream.
    pub(super) fn is_of_stream(&self) -> bool {
        self.header(STREAM_OFFSET).is_some()
    }

    /// About what it takes in memory.
    pub(super) fn n_bytes(&self) -> usize {
        let headers = self.headers.iter().flatten();
        256 + headers.map(|(name, value)| name.len() + value.n_bytes()).sum::<usize>()
    }
}

impl HeaderValue {
    fn n_bytes(&self) -> usize {
        32 + match self {
            Self::Null
            | Self::Bool(_)
            | Self::Integer(_)
            | Self::Float(_)
            | Self::Decimal(..)
            | Self::Time(_) => 0,
            Self::Text(bytes) | Self::Bytes(bytes) => bytes.len(),
            Self::List(all) => all.iter().map(Self::n_bytes).sum(),
            Self::Table(all) => all.iter().map(|(name, it)| name.len() + it.n_bytes()).sum(),
        }
    }
}
