//! What can go wrong on the way out.

use std::{error::Error as StdError, net::IpAddr, path::PathBuf, time::Duration};

/// Why there is no answer. Peers are named by scheme, host and port.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting can't work.
    #[error("`{option}`: {reason}")]
    Option {
        /// Key.
        option: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A file with a secret or certificate can't be read.
    #[error("can't read `{path}`")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No URL that can be fetched.
    #[error("invalid URL: {reason}")]
    Url {
        /// What is wrong with it, without the URL.
        reason: &'static str,
    },
    /// The time was up.
    #[error("no answer from {peer} within {after:?}")]
    Timeout {
        /// Peer.
        peer: String,
        /// The time it had.
        after: Duration,
    },
    /// The name has no address.
    #[error("can't resolve `{host}`: {reason}")]
    Dns {
        /// Name.
        host: String,
        /// The resolver's words.
        reason: String,
    },
    /// No connection. Nothing was sent.
    #[error("can't connect to {peer}: {reason}")]
    Connect {
        /// Peer.
        peer: String,
        /// The system's words.
        reason: String,
    },
    /// The peer's certificate or TLS version was not accepted, or ours was not. Nothing was sent.
    #[error("TLS with {peer}: {reason}")]
    Tls {
        /// Peer.
        peer: String,
        /// What TLS says.
        reason: String,
    },
    /// The connection broke after the request began: it may have been taken.
    #[error("connection to {peer} broke: {reason}")]
    Broken {
        /// Peer.
        peer: String,
        /// What happened.
        reason: String,
    },
    /// The answer is longer than allowed.
    #[error("answer of {peer} is longer than {max} bytes")]
    TooLarge {
        /// Peer.
        peer: String,
        /// What was allowed.
        max: usize,
    },
    /// The peer answered with a status that is no success.
    #[error("{peer} answered {status}{}", after_colon(excerpt))]
    Status {
        /// Peer.
        peer: String,
        /// HTTP status.
        status: u16,
        /// The beginning of its text.
        excerpt: String,
    },
    /// Redirected more than ten times, or to nowhere.
    #[error("redirect by {peer}: {reason}")]
    Redirect {
        /// Peer.
        peer: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The address is private, and the client is kept to public ones.
    #[error("`{host}` has the private address {address}, which may not be reached")]
    Denied {
        /// Host asked for.
        host: String,
        /// Its address.
        address: IpAddr,
    },
    /// The token endpoint gives no token.
    #[error("no token from {peer}: {reason}")]
    OAuth2 {
        /// Peer.
        peer: String,
        /// The endpoint's error code and description.
        reason: String,
        /// It refused the credentials: trying again won't help.
        refused: bool,
    },
}

impl Error {
    /// Whether only a change of the configuration can help. A redirect that leads nowhere is the peer's doing.
    pub fn is_permanent(&self) -> bool {
        matches!(
            self,
            Self::Option { .. } | Self::Url { .. } | Self::Denied { .. } | Self::OAuth2 { refused: true, .. }
        )
    }
}

fn after_colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

/// What of a URL may be shown: scheme, host and port. User, path and query can each be a secret.
pub fn redact_url(url: &str) -> String {
    url::Url::parse(url).map_or_else(|_| "<invalid URL>".to_owned(), |url| redact(&url))
}

/// As [`redact_url`].
pub(super) fn redact(url: &url::Url) -> String {
    let origin = origin(url);
    let more = url.path().len() > 1
        || url.query().is_some()
        || !url.username().is_empty()
        || url.password().is_some();
    if more { format!("{origin}/<secret>") } else { origin }
}

/// Scheme, host and port, the port where it is not the scheme's.
pub(super) fn origin(url: &url::Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}

/// Sorts what the HTTP library reports.
pub(super) fn classify(error: reqwest::Error, peer: &str) -> Error {
    let error = error.without_url();
    let peer = peer.to_owned();
    let mut reason = error.to_string();
    let mut tls = None;
    let mut cause: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(e) = cause {
        if let Some(ours) = e.downcast_ref::<super::address::ResolveError>() {
            return ours.clone().into();
        }
        // An I/O error hides the error that it carries from `source`.
        let inner = e.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let inner = inner.map(|e| e as &(dyn StdError + 'static));
        if let Some(found) =
            [Some(e), inner].into_iter().flatten().find_map(|e| e.downcast_ref::<rustls::Error>())
        {
            tls = Some(tls_reason(found));
        }
        reason = e.to_string();
        cause = inner.or_else(|| e.source());
    }
    match tls {
        Some(reason) => Error::Tls { peer, reason },
        None if error.is_connect() => Error::Connect { peer, reason },
        None => Error::Broken { peer, reason },
    }
}

/// What TLS says, in words that help.
pub fn tls_reason(error: &rustls::Error) -> String {
    use rustls::{AlertDescription as A, CertificateError as C, Error as E};
    let known = match error {
        E::InvalidCertificate(C::UnknownIssuer) => {
            "certificate signed by an unknown authority (set `ca_file` for a private one)"
        }
        E::InvalidCertificate(C::Expired | C::ExpiredContext { .. }) => "certificate has expired",
        E::InvalidCertificate(C::NotValidYet | C::NotValidYetContext { .. }) => {
            "certificate is not valid yet (is the clock right?)"
        }
        E::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => {
            "certificate is for another host name"
        }
        E::InvalidCertificate(C::Revoked) => "certificate was revoked",
        E::InvalidCertificate(C::BadSignature) => "certificate's signature is wrong",
        E::InvalidCertificate(C::BadEncoding) => "certificate can't be read",
        E::NoCertificatesPresented => "the peer shows no certificate",
        E::InvalidMessage(_) => "the peer doesn't speak TLS on this port",
        E::AlertReceived(A::CertificateRequired) => {
            "the peer wants a client's certificate (set `cert_file` and `key_file`)"
        }
        E::AlertReceived(alert) => return format!("the peer refused: {}", words(&format!("{alert:?}"))),
        other => return other.to_string(),
    };
    known.to_owned()
}

/// `HandshakeFailure` as `handshake failure`.
fn words(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() && text.ends_with(|last: char| last.is_ascii_lowercase()) {
            text.push(' ');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}
