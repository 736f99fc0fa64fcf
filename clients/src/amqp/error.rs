//! Why a broker that speaks AMQP cannot be used, and what its refusals mean to a person.

use std::path::PathBuf;

use lapin::ErrorKind;

use crate::secret::SecretError;
use crate::tls::TlsError;

/// A broker cannot be connected to. Nothing here repeats any part of a secret.
#[derive(Debug, thiserror::Error)]
pub enum AmqpAccessError {
    /// The code is that of the cause.
    #[error("a secret of the broker cannot be had")]
    Secret(#[from] SecretError),
    /// FB-0419
    #[error("the secret {reference} {what}")]
    SecretShape {
        /// Which secret.
        reference: String,
        /// What is wrong with it.
        what: String,
    },
    /// FB-0412
    #[error("the certificates of {path} cannot be read")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// FB-0331
    #[error("TLS with the broker cannot be set up")]
    Tls(#[from] TlsError),
}

impl AmqpAccessError {
    /// The page that explains it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Secret(cause) => cause.code(),
            Self::SecretShape { .. } => "FB-0419",
            Self::File { .. } => AmqpFailure::Tls.code(),
            Self::Tls(cause) => cause.code(),
        }
    }
}

/// What kind of failure it is, as a person meets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AmqpFailure {
    /// No node can be reached, or the connection broke.
    Down,
    /// The broker does not take who one says to be.
    Identity,
    /// TLS: a certificate is not trusted, or the client's is not taken.
    Tls,
    /// The virtual host is not there, or is not for this user.
    VirtualHost,
    /// The queue is not there.
    NoQueue,
    /// The broker knows who one is, and does not let one do this.
    Forbidden,
    /// The broker has ended the consumer: its queue was deleted, or moved.
    Cancelled,
    /// A delivery was not answered for longer than the broker waits.
    Unanswered,
    /// Somebody else has the queue for himself.
    Exclusive,
    /// It is a queue of another kind than can be read.
    Stream,
    /// Anything else.
    Other,
}

impl AmqpFailure {
    /// The page that explains it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Down => "FB-0410",
            Self::Identity => "FB-0411",
            Self::Tls => "FB-0412",
            Self::VirtualHost => "FB-0413",
            Self::NoQueue => "FB-0414",
            Self::Forbidden => "FB-0415",
            Self::Cancelled => "FB-0416",
            Self::Unanswered => "FB-0417",
            Self::Exclusive => "FB-0418",
            Self::Stream => "FB-0421",
            Self::Other => "FB-0420",
        }
    }

    /// What happened, as people say it.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Down => "the broker does not answer, or the connection to it broke",
            Self::Identity => "the broker does not take the credentials",
            Self::Tls => "TLS with the broker failed",
            Self::VirtualHost => "the broker has no such virtual host for this user",
            Self::NoQueue => "the broker has no such queue",
            Self::Forbidden => "the broker does not allow it to this user",
            Self::Cancelled => {
                "the broker cancelled the consumer: its queue was deleted, or moved to another node"
            }
            Self::Unanswered => {
                "the broker closed the channel: a message was held for longer than its consumer timeout"
            }
            Self::Exclusive => "somebody else has the queue for himself alone",
            Self::Stream => "the queue is a stream, which is read by position and not as a queue",
            Self::Other => "the broker refused",
        }
    }

    /// What the reply of a channel or a connection means, by its code and its words.
    pub fn of_reply(code: u16, said: &str) -> Self {
        match code {
            // CONNECTION_FORCED: the node stops, or an operator has closed the connection.
            320 => Self::Down,
            403 if said.contains("exclusive") => Self::Exclusive,
            403 => Self::Forbidden,
            404 => Self::NoQueue,
            405 => Self::Exclusive,
            406 if said.contains("timed out") => Self::Unanswered,
            530 => Self::VirtualHost,
            _ => Self::Other,
        }
    }
}

/// The way to a broker, or the broker, said no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}: {said}", .kind.code(), .kind.sentence())]
pub struct AmqpError {
    /// What a person makes of it.
    pub kind: AmqpFailure,
    /// What was said.
    pub said: String,
}

impl AmqpError {
    /// A failure with what was said of it.
    pub fn new(kind: AmqpFailure, said: impl Into<String>) -> Self {
        Self { kind, said: said.into() }
    }

    /// Nobody answers.
    pub fn down(said: impl Into<String>) -> Self {
        Self::new(AmqpFailure::Down, said)
    }

    /// The same, said by one of the nodes.
    #[must_use]
    pub fn at(self, host: &str) -> Self {
        Self { said: format!("{host}: {}", self.said), ..self }
    }

    /// What an error means while a connection is made: whoever is refused then is not known.
    pub fn connecting(error: &lapin::Error) -> Self {
        let told = Self::of(error);
        match told.kind {
            AmqpFailure::Forbidden => Self { kind: AmqpFailure::Identity, ..told },
            _ => told,
        }
    }

    /// What an error of a connection or a channel means.
    pub fn of(error: &lapin::Error) -> Self {
        match error.kind() {
            ErrorKind::ProtocolError(told) => {
                let said = told.get_message().to_string();
                Self::new(AmqpFailure::of_reply(told.get_id(), &said), said)
            }
            ErrorKind::IOError(cause) => Self::of_io(cause),
            ErrorKind::AuthProviderError(said) => Self::new(AmqpFailure::Identity, said.clone()),
            ErrorKind::MissingHeartbeatError => Self::down("it fell silent: no heartbeat came"),
            ErrorKind::InvalidChannelState(..)
            | ErrorKind::InvalidConnectionState(_)
            | ErrorKind::InvalidChannel(_)
            | ErrorKind::RuntimeShutdownError(_) => Self::down(error.to_string()),
            _ => Self::new(AmqpFailure::Other, error.to_string()),
        }
    }

    fn of_io(cause: &std::io::Error) -> Self {
        let is_tls = cause.get_ref().is_some_and(|it| it.is::<rustls::Error>());
        Self::new(if is_tls { AmqpFailure::Tls } else { AmqpFailure::Down }, cause.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind as Io};
    use std::sync::Arc;

    use super::*;

    #[test]
    fn replies_of_brokers_are_what_people_call_them() {
        for (code, said, kind) in [
            (
                320,
                "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'",
                AmqpFailure::Down,
            ),
            (
                403,
                "ACCESS_REFUSED - access to queue 'q' in vhost '/' refused for user 'u'",
                AmqpFailure::Forbidden,
            ),
            (403, "ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use", AmqpFailure::Exclusive),
            (404, "NOT_FOUND - no queue 'q' in vhost '/'", AmqpFailure::NoQueue),
            (
                405,
                "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q'",
                AmqpFailure::Exclusive,
            ),
            (
                406,
                "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 3000 ms",
                AmqpFailure::Unanswered,
            ),
            (406, "PRECONDITION_FAILED - unknown delivery tag 7", AmqpFailure::Other),
            (530, "NOT_ALLOWED - vhost nov not found", AmqpFailure::VirtualHost),
            (541, "INTERNAL_ERROR", AmqpFailure::Other),
        ] {
            assert_eq!(AmqpFailure::of_reply(code, said), kind, "{said}");
        }
    }

    #[test]
    fn whoever_is_refused_while_connecting_is_not_known_and_tls_is_told_from_a_broken_way() {
        let lapin = |error: io::Error| lapin::Error::from(ErrorKind::IOError(Arc::new(error)));
        let tls = io::Error::new(Io::InvalidData, rustls::Error::DecryptError);
        assert_eq!(AmqpError::of(&lapin(tls)).kind, AmqpFailure::Tls);
        assert_eq!(AmqpError::of(&lapin(Io::ConnectionRefused.into())).kind, AmqpFailure::Down);
        let text = AmqpError::down("no").at("a:1").to_string();
        assert_eq!(text, "FB-0410: the broker does not answer, or the connection to it broke: a:1: no");
    }
}
