//! What the log says about itself: lines made here and not by an event, so that they stand at their place and
//! no filter hides them.

use jiff::Timestamp;
use serde_json::json;

use super::LogFormat;
use super::buffer::Voice;

/// Makes lines in the log's own format.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogNotice(pub(super) LogFormat);

/// The page about all of them.
const CODE: &str = "FB-0541";

impl LogNotice {
    /// Lines are missing at this place.
    pub(super) fn dropped(self, n_lines: u64, voice: Voice) -> Box<[u8]> {
        let what = match voice {
            Voice::Own => "lines of the log were dropped here",
            Voice::Function => "lines that functions printed were dropped here",
        };
        self.line(n_lines, &format!("{n_lines} {what}: the log is not read as fast as it is written"))
    }

    /// Lines came late.
    pub(super) fn unwritable(self, n_failures: u64, error: &str) -> Box<[u8]> {
        self.line(
            n_failures,
            &format!("the log could not be written for a while ({error}; failed tries: {n_failures})"),
        )
    }

    fn line(self, n: u64, message: &str) -> Box<[u8]> {
        let at = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
        let line = match self.0 {
            LogFormat::Text => format!("{at}  WARN {message} code=\"{CODE}\" n={n}\n"),
            LogFormat::Json => {
                let it = json!({ "timestamp": at, "level": "WARN", "message": message, "code": CODE, "n": n, "target": module_path!() });
                format!("{it}\n")
            }
        };
        line.into_bytes().into()
    }
}
