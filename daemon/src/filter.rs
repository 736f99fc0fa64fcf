//! A mapping's filter patterns as the feed asks them.

use std::sync::Arc;

use forebay_config::SourceProfile;
use forebay_config::pattern::{Filter, FilterError, FilterRules, Pattern};
use forebay_pollers::RecordFilter;

struct Patterns(Filter);

impl RecordFilter for Patterns {
    fn needs_data(&self) -> bool {
        self.0.needs_data()
    }

    fn needs_metadata(&self) -> bool {
        self.0.needs_metadata()
    }

    fn passes(&self, metadata: &[u8], data: Option<&[u8]>) -> bool {
        self.0.passes(metadata, data)
    }
}

/// The filter of a mapping; `None` when it has no pattern.
///
/// # Errors
/// A pattern that this source cannot have.
pub fn of(
    patterns: &[Pattern],
    profile: &SourceProfile,
) -> Result<Option<Arc<dyn RecordFilter>>, FilterError> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let filter = Filter::new(patterns, FilterRules::from(profile))?;
    Ok(Some(Arc::new(Patterns(filter))))
}
