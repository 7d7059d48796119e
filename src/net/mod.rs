//! The way out: the one outbound HTTP client, and the TLS configuration that everything outbound shares (SMTP too).
//!
//! [`HttpOptions`] is Prometheus' and Alertmanager's `http_config` (spec alertmanager §1.7); [`Client`] is built from
//! it once and sends [`Request`]s, each with its own timeout and body limit. Secrets come as [`SecretSource`]s and
//! are read when they are used, so that a rotated file needs no reload. No error, `Debug` or log shows a secret or
//! more of an address than scheme, host and port: paths of webhook URLs are secrets.
//!
//! Trust: the system's roots (`SSL_CERT_FILE`, `SSL_CERT_DIR` honoured), embedded ones only where there are none.
//! A redirect to another host, or from https down to http, gets neither credentials nor configured headers; a POST
//! is never made a GET. Excerpts of answers have none of what was sent as a secret in them: [`Response::excerpt`]. [`Reach::Public`] keeps a client
//! away from private addresses, whatever a name resolves to.
//!
//! Callers: `collect`, `notify`. It decides nothing about retries: it says what happened, in one [`Error`].

mod address;
mod client;
mod error;
mod mask;
mod oauth2;
mod options;
mod pinned;
mod redact;
mod response;
mod sanitise;
mod secret;
#[cfg(test)]
mod tests;
mod tls;

pub use address::is_public;
pub use client::{BodyMax, Client, Request};
pub use error::{Error, redact_url, tls_reason};
pub use mask::{looks_secret, mask_url};
pub use oauth2::TokenSource;
pub use options::{Auth, Grant, HttpOptions, OAuth2, ProxyOptions, Reach, TlsOptions, TlsVersion};
pub use response::Response;
pub use sanitise::{names_secret, sanitise, sanitise_object};
pub use secret::{SecretSource, unusable};
pub use tls::client_config;
