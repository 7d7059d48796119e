//! What a peer must not make us repeat: a page of an error often shows the request that led to it.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::HeaderValue;
use url::{Position, Url};

/// Shorter texts would be found by chance.
const SECRET_MIN: usize = 6;
/// Shorter beginnings of a secret at the end of a cut text are left there.
const CUT_MIN: usize = 3;
/// What stands in a secret's place.
const PLACEHOLDER: &str = "<secret>";
/// Longest excerpt of a peer's text.
const EXCERPT_MAX: usize = 200;
/// How much of a peer's text is searched for secrets.
const SEARCH_MAX: usize = 64 * 1024;

/// Texts that nobody may read. `Debug` shows none of them.
#[derive(Clone, Default)]
pub(super) struct Secrets(Vec<String>);

/// What went to a peer and may come back.
#[derive(Clone, Default)]
pub(super) struct Sent {
    /// Credentials, and what was configured to be sent.
    pub(super) secrets: Secrets,
    /// The addresses asked, in order.
    pub(super) urls: Vec<Url>,
    /// The answer's body is not whole.
    pub(super) cut: bool,
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sent").field("urls", &self.urls.len()).field("cut", &self.cut).finish_non_exhaustive()
    }
}

impl Secrets {
    /// One more, as written and as JSON and HTML write it.
    pub(super) fn add(&mut self, text: &str) {
        let text = text.trim();
        let json = serde_json::to_string(text).unwrap_or_default();
        let json = json.trim_start_matches('"');
        let html = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let html = html.replace('"', "&quot;").replace('\'', "&#39;");
        for form in [text, json.strip_suffix('"').unwrap_or(json), &html] {
            if form.len() >= SECRET_MIN && !self.0.iter().any(|known| known == form) {
                self.0.push(form.to_owned());
            }
        }
    }

    /// All of another's.
    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// A header's value: whole, without its scheme, and what Basic authentication hides in it.
    pub(super) fn add_header(&mut self, value: &HeaderValue) {
        let text = String::from_utf8_lossy(value.as_bytes());
        self.add(&text);
        let Some((scheme, credentials)) = text.split_once(' ') else { return };
        self.add(credentials);
        if !scheme.eq_ignore_ascii_case("basic") {
            return;
        }
        self.add(credentials.trim().trim_end_matches('='));
        let pair = BASE64_STANDARD.decode(credentials.trim()).ok().and_then(|p| String::from_utf8(p).ok());
        if let Some(pair) = pair {
            self.add(&pair);
            self.add(pair.split_once(':').map_or("", |(_, password)| password));
        }
    }

    /// An address's path, query, user and password, whole and in parts.
    pub(super) fn add_url(&mut self, url: &Url) {
        self.add(url.as_str());
        self.add(&url[Position::BeforePath..]);
        for part in url.path().split('/').chain([url.username(), url.password().unwrap_or_default()]) {
            self.add(part);
        }
        for (_, value) in url.query_pairs() {
            self.add(&value);
        }
        self.add(url.query().unwrap_or_default());
    }

    /// A text without secrets. `cut`: it is the beginning of a longer one, so a secret may stand half at its end.
    pub(super) fn redact(&self, text: &str, cut: bool) -> String {
        let mut found: Vec<(usize, usize)> = Vec::new();
        for secret in &self.0 {
            found.extend(text.match_indices(secret.as_str()).map(|(at, s)| (at, at + s.len())));
            let begins = |n: &usize| secret.is_char_boundary(*n) && text.ends_with(&secret[..*n]);
            if cut && let Some(n) = (CUT_MIN..secret.len()).rev().find(begins) {
                found.push((text.len() - n, text.len()));
            }
        }
        // All at once, so that of two secrets that overlap nothing is left.
        found.sort_unstable();
        let (mut out, mut done) = (String::with_capacity(text.len()), 0);
        for (from, to) in found {
            if from >= done {
                out.push_str(&text[done..from]);
                out.push_str(PLACEHOLDER);
            }
            done = done.max(to);
        }
        out.push_str(&text[done..]);
        out
    }

    /// The beginning of a peer's text on one line, without secrets: they are looked for before it is shortened, or
    /// half of one would be left.
    pub(super) fn excerpt(&self, body: &[u8], cut: bool) -> String {
        let searched = &body[..body.len().min(SEARCH_MAX)];
        let cut = cut || searched.len() < body.len();
        let text = String::from_utf8_lossy(searched);
        let text = self.redact(if cut { text.trim_end_matches('\u{fffd}') } else { &text }, cut);
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match words.char_indices().nth(EXCERPT_MAX) {
            Some((end, _)) => format!("{}…", &words[..end]),
            None => words,
        }
    }
}
