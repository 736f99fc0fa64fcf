//! A fetch of credentials that failed, told to all who waited for it.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_credential_types::provider::error::CredentialsError;

/// How many fetches have failed, and how the last one did.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<(u64, Option<Arc<CredentialsError>>)>);

impl Failures {
    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.lock().0
    }

    /// Takes one more; the same error, for who fetched.
    pub(super) fn note(&self, error: CredentialsError) -> CredentialsError {
        let error = Arc::new(error);
        let mut failed = self.lock();
        *failed = (failed.0 + 1, Some(Arc::clone(&error)));
        again(&error)
    }

    /// The last one, where there were fewer before.
    pub(super) fn since(&self, count: u64) -> Option<CredentialsError> {
        let failed = self.lock();
        failed.1.as_ref().filter(|_| failed.0 > count).map(again)
    }

    fn lock(&self) -> MutexGuard<'_, (u64, Option<Arc<CredentialsError>>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same error once more: of its kind, with its causes.
fn again(error: &Arc<CredentialsError>) -> CredentialsError {
    let cause = FailureCause(Arc::clone(error));
    match &**error {
        CredentialsError::CredentialsNotLoaded(_) if error.source().is_none() => {
            CredentialsError::not_loaded_no_source()
        }
        CredentialsError::CredentialsNotLoaded(_) => CredentialsError::not_loaded(cause),
        CredentialsError::ProviderTimedOut(it) => CredentialsError::provider_timed_out(it.timeout_duration()),
        CredentialsError::InvalidConfiguration(_) => CredentialsError::invalid_configuration(cause),
        CredentialsError::ProviderError(_) => CredentialsError::provider_error(cause),
        // Unhandled, and kinds that may come.
        _ => CredentialsError::unhandled(cause),
    }
}

/// What stands behind an error's own text.
#[derive(Debug)]
struct FailureCause(Arc<CredentialsError>);

impl fmt::Display for FailureCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.source() {
            Some(cause) => fmt::Display::fmt(cause, f),
            None => fmt::Display::fmt(&self.0, f),
        }
    }
}

impl Error for FailureCause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source().and_then(Error::source)
    }
}
