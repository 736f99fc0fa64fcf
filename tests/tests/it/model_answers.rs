//! Answers of AWS JSON, as a model and a real server that are compared give them.

use serde_json::Value;

/// An answer of one of the two.
pub(crate) struct ModelAnswer {
    pub(crate) status: u16,
    pub(crate) value: Value,
}

impl ModelAnswer {
    /// From its status and its body.
    pub(crate) fn of((status, text): (u16, String)) -> Self {
        Self { status, value: serde_json::from_str(&text).unwrap_or(Value::Null) }
    }

    /// The code of a refusal without its namespace.
    pub(crate) fn code(&self) -> String {
        let kind = self.value["__type"].as_str().or_else(|| self.value["Code"].as_str()).unwrap_or_default();
        kind.rsplit(['#', '.']).next().unwrap_or_default().to_owned()
    }

    /// The status, and the code of a refusal.
    pub(crate) fn shown(&self) -> String {
        format!("{} {}", self.status, self.code()).trim().to_owned()
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.value[name].as_str().unwrap_or_else(|| panic!("{} has no {name}", self.value)).to_owned()
    }
}
