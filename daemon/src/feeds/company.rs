//! Several mappings of one source, however their settings name it: who shares it, who competes for it, and
//! who must not do either.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use forebay_config::Code;
use forebay_pollers::{Feed, Source};

use super::KnownSource;

/// As many others are named.
const NAMED_MAX: usize = 3;

/// Two mappings read a queue and want different things of it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "FB-0221: another mapping reads the same queue with other settings (it has {theirs}, here is {ours}). Write the same for both, or \
     `share: compete`, which is the default, for all that read it"
)]
pub struct OtherTerms {
    theirs: String,
    ours: String,
}

impl OtherTerms {
    /// The page of the manual.
    pub const CODE: Code = Code("FB-0221");
}

/// Whom a mapping that reads a connected source finds there.
pub(super) enum Company {
    /// Nobody, or those who compete for it, as it does: it reads alone.
    None,
    /// Those with whom it shares this feed.
    Same(Feed),
    /// Somebody who wants something else of it, and is about to leave.
    Leaving,
    /// Somebody who wants something else of it.
    Differs(OtherTerms),
}

impl Company {
    /// | those who read it | it shares | it competes |
    /// | --- | --- | --- |
    /// | share, on the same terms | the same feed | differs |
    /// | share, on other terms | differs | differs |
    /// | compete | differs | a feed of its own |
    pub(super) fn of(places: &BTreeMap<String, KnownSource>, source: &Arc<dyn Source>) -> Self {
        let mut found = Self::None;
        for (place, feed) in places.values().filter_map(|place| Some((place, place.feed.as_ref()?))) {
            let theirs = feed.source();
            if theirs.name().is_none()
                || theirs.name() != source.name()
                || (theirs.is_competed_for() && source.is_competed_for())
            {
                continue;
            }
            if theirs.terms() == source.terms() {
                found = Self::Same(feed.clone());
            } else if place.is_stale || place.expected.is_empty() {
                // Nobody is expected there any more: the feed ends with those who still hold it.
                found = Self::Leaving;
            } else {
                return Self::Differs(OtherTerms {
                    theirs: theirs.terms().to_owned(),
                    ours: source.terms().to_owned(),
                });
            }
        }
        found
    }
}

/// Mappings compete for a queue and do not let the same messages through: what one of them receives and does
/// not want is deleted, as on AWS, and those who want it never see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trap {
    /// The others, by name.
    others: Vec<Arc<str>>,
}

impl Trap {
    pub(super) fn of(places: &BTreeMap<String, KnownSource>, identity: &str, mapping: &str) -> Option<Self> {
        let here = places.get(identity)?;
        let own = here.expected.get(mapping)?;
        let source = here.feed.as_ref()?.source();
        // Where each mapping gets every record, nobody takes anything away.
        if !source.is_competed_for() {
            return None;
        }
        let reads_it = |(key, place): &(&String, &KnownSource)| {
            *key == identity
                || place
                    .feed
                    .as_ref()
                    .is_some_and(|it| it.source().name().is_some() && it.source().name() == source.name())
        };
        let readers = places.iter().filter(reads_it).flat_map(|(_, place)| &place.expected);
        let others: Vec<Arc<str>> = readers
            .filter(|(name, filters)| &***name != mapping && *filters != own)
            .map(|it| Arc::clone(it.0))
            .collect();
        (!others.is_empty()).then_some(Self { others })
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named =
            self.others.iter().take(NAMED_MAX).map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ");
        let more = match self.others.len().saturating_sub(NAMED_MAX) {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        write!(
            f,
            "It competes for its queue with {named}{more}, whose filters are others: what one of them receives and its filter does not want is \
             deleted for all, as on AWS (FB-0222). `share: fan_out` in each gives each every message."
        )
    }
}
