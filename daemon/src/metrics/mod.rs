//! What `/metrics` shows: Lambda's metric names in snake case and a few of our own. Series live and vanish
//! with their mapping.

mod collector;
mod counts;
mod mapping;
mod series;

pub use collector::Exporter;
pub use counts::{COUNTERS, Counter};
pub use mapping::{Gauges, MappingMetrics};
