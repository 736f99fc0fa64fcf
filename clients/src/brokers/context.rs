//! What hears of a client of librdkafka's: its log goes into ours, its last trouble is kept, tokens are fetched.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::error::BrokerFailure;
use super::token::TokenSource;
use crate::shortened;

/// A cause is taken for that of "all brokers are down" when it is no older.
const CAUSE_AGE_MAX: Duration = Duration::from_secs(30);

/// The last thing that concerned all brokers, and that no success has followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerTrouble {
    /// What kind of failure it is.
    pub failure: BrokerFailure,
    /// What librdkafka or the broker said.
    pub said: String,
}

/// What was heard of troubles.
#[derive(Default)]
struct HeardTroubles {
    /// Why the connection to some broker failed last.
    cause: Option<(BrokerTrouble, Instant)>,
    trouble: Option<BrokerTrouble>,
}

/// Hears of a client's errors, and gives it tokens. Shared with whoever wants to know why nothing comes.
pub struct BrokerContext {
    servers: String,
    tokens: Option<Arc<TokenSource>>,
    heard: Mutex<HeardTroubles>,
}

impl BrokerContext {
    pub(super) fn new(servers: String, tokens: Option<Arc<TokenSource>>) -> Self {
        Self { servers, tokens, heard: Mutex::default() }
    }

    /// The last trouble, as long as nothing succeeded after it.
    pub fn trouble(&self) -> Option<BrokerTrouble> {
        self.heard().trouble.clone()
    }

    /// Something succeeded: whoever asks why nothing comes hears of no trouble before it.
    pub fn succeed(&self) {
        *self.heard() = HeardTroubles::default();
    }

    fn heard(&self) -> MutexGuard<'_, HeardTroubles> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One broker that is down is no trouble while another does; a refusal of the credentials or of a
    /// certificate is all brokers'. What concerns a topic or a group is told to whoever asked for it.
    fn note(&self, code: RDKafkaErrorCode, said: &str) {
        let told = BrokerTrouble { failure: BrokerFailure::heard(code, said), said: shortened(said) };
        let mut heard = self.heard();
        match told.failure {
            BrokerFailure::Identity | BrokerFailure::Tls => heard.trouble = Some(told),
            BrokerFailure::Down if code == RDKafkaErrorCode::AllBrokersDown => {
                let cause = heard.cause.as_ref().filter(|(_, at)| at.elapsed() < CAUSE_AGE_MAX);
                let cause = cause.map(|(cause, _)| cause.clone());
                // Why they are down says more than that they are.
                heard.trouble = heard.trouble.take().or(cause).or(Some(told));
            }
            BrokerFailure::Down => heard.cause = Some((told, Instant::now())),
            BrokerFailure::NoTopic
            | BrokerFailure::Forbidden
            | BrokerFailure::Fenced
            | BrokerFailure::Group
            | BrokerFailure::Other => {}
        }
    }
}

impl ClientContext for BrokerContext {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    /// What concerns one broker of several is no more than a word for the curious: what concerns all is told as
    /// a trouble.
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let message = shortened(message);
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::warn!(servers = %self.servers, facility, message, "librdkafka");
            }
            RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning
            | RDKafkaLogLevel::Notice
            | RDKafkaLogLevel::Info
            | RDKafkaLogLevel::Debug => {
                tracing::debug!(servers = %self.servers, facility, message, "librdkafka");
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(code) = error.rdkafka_error_code() {
            tracing::debug!(servers = %self.servers, %error, reason, "an error of the brokers'");
            self.note(code, reason);
        }
    }

    /// Waits: it is called by the thread that polls the client's main queue.
    fn generate_oauth_token(&self, _config: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        let Some(tokens) = &self.tokens else { return Err("no token is asked for".into()) };
        tokens.fetch().map_err(|error| {
            // What stands in the message goes to C, which ends a text at a NUL.
            let said = error.replace('\0', " ");
            self.note(RDKafkaErrorCode::Authentication, &said);
            said.into()
        })
    }
}

impl ConsumerContext for BrokerContext {}
