//! What can go wrong between a delivery and a server's "250".

use super::session::Refusal;
use crate::net;

/// Why a message was not delivered. No text has a secret in it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection, or a certificate, secret or token that can't be had.
    #[error(transparent)]
    Net(#[from] net::Error),
    /// A setting can't work.
    #[error("`{option}`: {reason}")]
    Option {
        /// Key.
        option: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A template that addresses or heads the message did not execute.
    #[error("template of `{field}`: {reason}")]
    Template {
        /// Key.
        field: String,
        /// As the engine words it.
        reason: String,
    },
    /// No address, or none that can be written to.
    #[error("`{field}`: {reason}")]
    Address {
        /// `to` or `from`.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The server refused a step.
    #[error("the server refused {step}: {code} {text}")]
    Refused {
        /// What we asked for.
        step: &'static str,
        /// Its code.
        code: u16,
        /// Its words.
        text: String,
        /// Whether the refusal is of this message, not of the moment.
        permanent: bool,
    },
    /// The server refused every recipient.
    #[error("the server refused every recipient: {}", Refusal::texts(refused))]
    Recipients {
        /// Who, and its words.
        refused: Vec<Refusal>,
        /// All for good.
        permanent: bool,
    },
    /// The server's answer is no SMTP.
    #[error("the server's answer to {step} is no SMTP: {reason}")]
    Protocol {
        /// What we asked for.
        step: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The time was up.
    #[error("no answer to {step} in time")]
    Timeout {
        /// What we waited for.
        step: &'static str,
    },
    /// The connection broke.
    #[error("the connection broke during {step}: {reason}")]
    Broken {
        /// What we were doing.
        step: &'static str,
        /// The system's words.
        reason: String,
    },
    /// The whole message was sent, and no answer came: it may have been taken.
    #[error("no answer after the message was sent, it may arrive twice: {reason}")]
    Unanswered {
        /// What happened instead.
        reason: String,
    },
    /// Encryption is demanded, and the server has none to offer.
    #[error("the server offers no STARTTLS, and `require_tls` is set")]
    NoStartTls,
    /// The server offers no way to log in that we have the secrets for.
    #[error("no way to log in: the server offers {offered}")]
    NoMechanism {
        /// What it offers.
        offered: String,
    },
    /// Credentials would cross the network in the clear.
    #[error("the connection is not encrypted: credentials are not sent over it")]
    Unencrypted,
    /// A recipient's or our address needs SMTPUTF8.
    #[error("the server takes only ASCII addresses")]
    NoUtf8,
}

impl Error {
    /// Whether trying again can't help. What the server offers and whom it lets in is its own affair, and may be mended
    /// there: that is tried again, as Alertmanager does (spec alertmanager §2.10).
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Net(e) => e.is_permanent(),
            Self::Option { .. } | Self::Template { .. } | Self::Address { .. } | Self::NoUtf8 => true,
            Self::Refused { permanent, .. } | Self::Recipients { permanent, .. } => *permanent,
            Self::Protocol { .. }
            | Self::Timeout { .. }
            | Self::Broken { .. }
            | Self::Unanswered { .. }
            | Self::NoStartTls
            | Self::NoMechanism { .. }
            | Self::Unencrypted => false,
        }
    }
}
