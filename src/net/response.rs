//! An answer, and what may be repeated of it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, header};
use url::Url;

use super::{Error, client::check, error::origin, redact::Sent};

/// An answer, whatever its status. It knows what was sent for it, so that nothing secret is repeated.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// Who answered: scheme, host and port after redirects.
    pub peer: String,
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, decompressed.
    pub body: Bytes,
    /// What may come back in it.
    pub(super) sent: Sent,
}

impl Response {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The answer if its status is 2xx.
    ///
    /// # Errors
    /// [`Error::Status`] with the beginning of the text.
    pub fn success(self) -> Result<Self, Error> {
        if self.is_success() {
            return Ok(self);
        }
        let excerpt = self.excerpt();
        Err(Error::Status { peer: self.peer, status: self.status, excerpt })
    }

    /// The beginning of the body on one line, without what was sent to the peer as a secret.
    pub fn excerpt(&self) -> String {
        self.sent.secrets.excerpt(&self.body, self.sent.cut)
    }

    /// A part of the answer without what was sent to the peer as a secret.
    pub fn redact(&self, text: &str) -> String {
        self.sent.secrets.redact(text, false)
    }

    /// From here on the paths and queries of the addresses asked count as secrets too.
    pub fn hide_addresses(&mut self) {
        for url in &self.sent.urls {
            self.sent.secrets.add_url(url);
        }
    }

    /// Where a redirect that was not followed leads: scheme, host and port.
    pub fn moved_to(&self) -> Option<String> {
        if !matches!(self.status, 301 | 302 | 303 | 307 | 308) {
            return None;
        }
        let to = target(&self.headers, self.sent.urls.last()?)?.ok()?;
        Some(origin(&to))
    }

    /// `Retry-After` as seconds or as an HTTP date against `now_secs`, the Unix time; never negative.
    pub fn retry_after(&self, now_secs: i64) -> Option<Duration> {
        let text = self.headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse::<f64>() {
            return Duration::try_from_secs_f64(seconds.max(0.0)).ok();
        }
        let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_second();
        Some(Duration::from_secs(at.saturating_sub(now_secs).max(0) as u64))
    }
}

/// Where a redirect leads; `None` when it names no place and so is an answer.
pub(super) fn target(headers: &HeaderMap, from: &Url) -> Option<Result<Url, &'static str>> {
    let location = headers.get(header::LOCATION)?;
    let to = location.to_str().ok().and_then(|l| from.join(l).ok());
    Some(match to {
        Some(to) if check(&to).is_ok() => Ok(to),
        _ => Err("to no valid http or https URL"),
    })
}
