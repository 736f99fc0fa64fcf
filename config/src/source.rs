//! What this crate must know about the sources that are built in, without knowing any of them.

use std::path::Path;

use crate::aws::AwsService;
use crate::document::Node;
use crate::error::Finding;
use crate::profile::SourceProfile;

/// The kinds of source that are built in.
pub trait Sources {
    /// Their names, in the order of the manual.
    fn kinds(&self) -> Vec<&'static str>;
    /// What a source of this kind with these settings can do; `None` when no such kind is built in.
    fn profile(&self, kind: &str, settings: &Node) -> Option<&'static SourceProfile>;
    /// The services of AWS's that they call.
    fn services(&self) -> Vec<&'static AwsService>;
    /// What is wrong with the settings of a source; the paths of the findings begin with the kind.
    fn check(&self, kind: &str, settings: &Node, base: &Path) -> Vec<Finding>;
}
