//! Why a body is no exposition.

/// Longest excerpt of the offending text.
const EXCERPT_MAX: usize = 80;
/// Longest message: it may quote a name, and is shown to people and logged.
const MESSAGE_MAX: usize = 300;

/// A parse error: nothing of the body is kept (spec S9).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// In a text format.
    #[error("line {line}, column {column}: {message} in `{text}`")]
    Text {
        /// From 1.
        line: usize,
        /// From 1, in bytes.
        column: usize,
        /// What is wrong.
        message: String,
        /// The line, shortened.
        text: String,
    },
    /// In protobuf.
    #[error("metric family {family} (`{name}`): {message}")]
    Protobuf {
        /// Which one, from 1.
        family: usize,
        /// Its name, as far as it was read.
        name: String,
        /// What is wrong.
        message: String,
    },
}

impl Error {
    /// An error in protobuf, with a name and a message that may be long.
    #[cold]
    pub(super) fn protobuf(family: usize, name: &str, message: impl Into<String>) -> Self {
        let name = shortened(name.to_owned(), EXCERPT_MAX);
        Self::Protobuf { family, name, message: shortened(message.into(), MESSAGE_MAX) }
    }
}

fn shortened(mut text: String, max: usize) -> String {
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max));
        text.push('…');
    }
    text
}

/// What is wrong at an offset; becomes an [`Error`] once the body is at hand.
#[derive(Debug)]
pub(super) struct Wrong {
    /// In bytes from the start of what was parsed.
    pub(super) at: usize,
    /// What is wrong.
    pub(super) message: String,
}

impl Wrong {
    pub(super) fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }

    /// Finds line, column and excerpt. Costs a pass over the body, once per failed parse.
    #[cold]
    pub(super) fn locate(self, body: &[u8]) -> Error {
        let at = self.at.min(body.len());
        let line_start = memchr::memrchr(b'\n', &body[..at]).map_or(0, |i| i + 1);
        let line_end = memchr::memchr(b'\n', &body[at..]).map_or(body.len(), |i| at + i);
        Error::Text {
            line: memchr::memchr_iter(b'\n', &body[..at]).count() + 1,
            column: at - line_start + 1,
            message: shortened(self.message, MESSAGE_MAX),
            text: excerpt(&body[line_start..line_end], at - line_start),
        }
    }
}

/// The line if it is short, else the part around `at`.
fn excerpt(line: &[u8], at: usize) -> String {
    let from = if line.len() > EXCERPT_MAX { at.saturating_sub(EXCERPT_MAX / 2).min(line.len()) } else { 0 };
    let to = line.len().min(from + EXCERPT_MAX);
    let cut = |yes: bool| if yes { "…" } else { "" };
    let shown = String::from_utf8_lossy(&line[from..to]);
    let clean: String = shown
        .chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect();
    format!("{}{clean}{}", cut(from > 0), cut(to < line.len()))
}

/// A byte as an error shows it.
pub(super) fn found(body: &[u8], at: usize) -> String {
    match body.get(at) {
        None => "the end".to_owned(),
        Some(b'\n') => "the end of the line".to_owned(),
        Some(b) if b.is_ascii_graphic() || *b == b' ' => format!("`{}`", *b as char),
        Some(b) if b.is_ascii() => format!("`{}`", b.escape_ascii()),
        Some(_) => {
            let rest = &body[at..body.len().min(at + 4)];
            let text = match std::str::from_utf8(rest) {
                Ok(text) => text,
                Err(e) => std::str::from_utf8(&rest[..e.valid_up_to()]).unwrap_or_default(),
            };
            match text.chars().next() {
                Some(c) => format!("`{c}`"),
                None => "a byte that is not UTF-8".to_owned(),
            }
        }
    }
}
