//! JSON of a record as it is written, never longer than an event can hold.

use std::fmt::Display;

use forebay_config::plan::EVENT_BYTES_MAX;

use crate::source::write_text;

/// No record has more JSON: no event can hold it.
pub(super) const JSON_BYTES_MAX: usize = EVENT_BYTES_MAX as usize;
/// Records are nested no deeper, however their schema refers to itself.
pub(super) const DEPTH_MAX: usize = 100;

/// JSON that grows, up to [`JSON_BYTES_MAX`].
#[derive(Debug, Default)]
pub(super) struct JsonOut(Vec<u8>);

impl JsonOut {
    /// Appends text that is JSON.
    pub(super) fn raw(&mut self, json: &[u8]) -> Result<(), String> {
        self.0.extend_from_slice(json);
        self.check()
    }

    /// Appends a string.
    pub(super) fn text(&mut self, text: &str) -> Result<(), String> {
        write_text(text, &mut self.0);
        self.check()
    }

    /// Appends what is written as JSON has it: a whole number, `true`.
    pub(super) fn shown(&mut self, value: impl Display) -> Result<(), String> {
        use std::io::Write;
        write!(self.0, "{value}").map_err(|error| error.to_string())?;
        self.check()
    }

    /// Appends a number with its fraction, shortest; what JSON has no number for as text.
    pub(super) fn float(&mut self, value: f64) -> Result<(), String> {
        self.any_float(&value, value)
    }

    /// The same with the fewer digits that tell a number of four bytes from its neighbours.
    pub(super) fn short_float(&mut self, value: f32) -> Result<(), String> {
        self.any_float(&value, f64::from(value))
    }

    fn any_float(&mut self, written: &impl serde::Serialize, value: f64) -> Result<(), String> {
        if value.is_nan() {
            self.raw(b"\"NaN\"")
        } else if value.is_infinite() {
            self.raw(if value > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" })
        } else {
            serde_json::to_writer(&mut self.0, written).map_err(|error| error.to_string())?;
            self.check()
        }
    }

    /// Appends a comma in front of all but the first of several.
    pub(super) fn next(&mut self, is_first: &mut bool) {
        if !std::mem::replace(is_first, false) {
            self.0.push(b',');
        }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn check(&self) -> Result<(), String> {
        if self.0.len() <= JSON_BYTES_MAX {
            Ok(())
        } else {
            Err(format!("as JSON it has more than {JSON_BYTES_MAX} bytes"))
        }
    }
}

/// Refuses what is nested too deep.
pub(super) fn check_depth(depth: usize) -> Result<(), String> {
    if depth <= DEPTH_MAX { Ok(()) } else { Err(format!("it is nested deeper than {DEPTH_MAX}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_json_does_not_have_are_texts() {
        let mut out = JsonOut::default();
        let mut is_first = true;
        for value in [1.0, 0.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            out.next(&mut is_first);
            out.float(value).unwrap();
        }
        out.next(&mut is_first);
        out.short_float(0.1).unwrap();
        let text = String::from_utf8(out.into_bytes()).unwrap();
        assert_eq!(text, r#"1.0,0.1,"NaN","Infinity","-Infinity",0.1"#);
    }

    #[test]
    fn it_ends_at_its_limit() {
        let mut out = JsonOut::default();
        assert_eq!(out.raw(&vec![b' '; JSON_BYTES_MAX]), Ok(()));
        assert!(out.shown(1).unwrap_err().contains("more than"));
    }
}
