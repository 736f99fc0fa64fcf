//! Why the process cannot be built from its config.

use forebay_clients::AwsError;
use forebay_invoker::EndpointError;
use forebay_invoker::destinations::UnfitDestination;
use forebay_invoker::executors::process::ProcessError;

use crate::budget::BudgetTooSmall;

/// The process cannot be built from its config.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An endpoint's settings cannot be used.
    #[error("{who} cannot be built")]
    Endpoint {
        /// Which function or destination.
        who: String,
        /// Why.
        #[source]
        cause: EndpointError,
    },
    /// A service of AWS cannot be called with these settings.
    #[error("{who} cannot be built")]
    Aws {
        /// Which function or destination.
        who: String,
        /// Why.
        #[source]
        cause: AwsError,
    },
    /// A destination cannot be made of its settings.
    #[error("{who} cannot be built")]
    Unfit {
        /// Which destination.
        who: String,
        /// Why.
        #[source]
        cause: UnfitDestination,
    },
    /// A function's program cannot be run.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Some functions cannot be built; none is missing here.
    #[error("{} of the functions cannot be run", .0.len())]
    Functions(Vec<Self>),
    /// A mapping of the config file has the name of one that was made over the API.
    #[error(
        "the mapping {0} was made over the API: delete it there first, or give the one of the config file another name"
    )]
    NameTaken(String),
    /// The memory does not suffice.
    #[error(transparent)]
    Memory(#[from] BudgetTooSmall),
}

impl BuildError {
    /// The code that an operator looks up.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Endpoint { cause, .. } => cause.code(),
            Self::Aws { cause, .. } => cause.code(),
            Self::Unfit { cause, .. } => cause.code(),
            Self::Process(it) => it.code().0,
            Self::Functions(all) => all.first().map_or("FB-0513", Self::code),
            Self::NameTaken(_) => "FB-0535",
            Self::Memory(_) => "FB-0515",
        }
    }
}
