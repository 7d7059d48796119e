//! Commands and replies (RFC 5321), each within the deadline.

use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader},
    time::{Instant, timeout_at},
};

use super::Error;

/// Longest line of a reply; RFC 5321 allows 512, servers write more.
const LINE_MAX: u64 = 4096;
/// Lines of one reply.
const LINES_MAX: usize = 128;
/// Longest excerpt of the server's words in an error.
const EXCERPT_MAX: usize = 300;

/// What a conversation runs over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A reply.
#[derive(Debug, PartialEq)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// Texts of its lines.
    pub(super) lines: Vec<String>,
}

impl Reply {
    /// Its words on one line, shortened.
    pub(super) fn text(&self) -> String {
        let words = self.lines.iter().flat_map(|l| l.split_whitespace()).collect::<Vec<_>>().join(" ");
        let words: String = words.chars().filter(|c| !c.is_control()).collect();
        match words.char_indices().nth(EXCERPT_MAX) {
            Some((end, _)) => format!("{}…", &words[..end]),
            None => words,
        }
    }

    /// The refusal that it is, of the server or the account: later it may let us in, whatever its code says now (spec
    /// alertmanager §2.10).
    pub(super) fn refused(&self, step: &'static str) -> Error {
        Error::Refused { step, code: self.code, text: self.text(), permanent: false }
    }

    /// As `expect`, of this message: 5xx won't get better by itself.
    pub(super) fn expect_of_message(self, class: u16, step: &'static str) -> Result<Self, Error> {
        self.expect(class, step).map_err(|e| match e {
            Error::Refused { step, code, text, .. } => {
                Error::Refused { step, code, text, permanent: code >= 500 }
            }
            other => other,
        })
    }

    /// Itself, if it has the code's first digit.
    pub(super) fn expect(self, class: u16, step: &'static str) -> Result<Self, Error> {
        match self.code {
            code if code / 100 == class => Ok(self),
            400..=599 => Err(self.refused(step)),
            _ => Err(Error::Protocol { step, reason: "unexpected code" }),
        }
    }
}

/// A line of a reply: code, whether more follow, text.
fn parse_line(line: &[u8]) -> Option<(u16, bool, String)> {
    let line = line.strip_suffix(b"\n")?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (code, rest) = line.split_at_checked(3)?;
    let code = std::str::from_utf8(code).ok()?.parse().ok().filter(|c| (200..600).contains(c))?;
    let more = match rest.first() {
        None | Some(b' ') => false,
        Some(b'-') => true,
        Some(_) => return None,
    };
    Some((code, more, String::from_utf8_lossy(rest.get(1..).unwrap_or_default()).into_owned()))
}

/// One side of a conversation.
pub(super) struct Dialogue {
    stream: BufReader<Box<dyn Stream>>,
    deadline: Instant,
}

impl Dialogue {
    pub(super) fn new(stream: Box<dyn Stream>, deadline: Instant) -> Self {
        Self { stream: BufReader::with_capacity(1024, stream), deadline }
    }

    /// The stream, to encrypt it. What the server said before that must not count after it, or somebody on the way
    /// could put words into its mouth.
    pub(super) fn into_stream(self) -> Result<Box<dyn Stream>, Error> {
        if self.stream.buffer().is_empty() {
            Ok(self.stream.into_inner())
        } else {
            Err(Error::Protocol { step: "STARTTLS", reason: "words before the handshake" })
        }
    }

    /// The next reply.
    pub(super) async fn reply(&mut self, step: &'static str) -> Result<Reply, Error> {
        let read = read_reply(&mut self.stream, step);
        timeout_at(self.deadline, read).await.unwrap_or(Err(Error::Timeout { step }))
    }

    /// Sends a line and reads the reply. `line` must have no line end in it.
    pub(super) async fn command(&mut self, step: &'static str, line: &str) -> Result<Reply, Error> {
        debug_assert!(!line.contains(['\r', '\n']), "one line is one command");
        self.write(step, format!("{line}\r\n").as_bytes()).await?;
        self.reply(step).await
    }

    /// Sends a message after the server's 354, and reads what becomes of it. Lines must end in CR LF.
    pub(super) async fn message(&mut self, message: &[u8]) -> Result<Reply, Error> {
        const STEP: &str = "the message";
        let mut stuffed = stuff(message);
        let end = stuffed.split_off(stuffed.len() - 3);
        self.write(STEP, &stuffed).await?;
        // From here on the server may have it all.
        let lost = |e: Error| match e {
            Error::Timeout { .. } => Error::Unanswered { reason: "the time was up".to_owned() },
            Error::Broken { reason, .. } => Error::Unanswered { reason },
            Error::Protocol { reason, .. } => Error::Unanswered { reason: reason.to_owned() },
            other => other,
        };
        self.write(STEP, &end).await.map_err(lost)?;
        self.reply(STEP).await.map_err(lost)
    }

    async fn write(&mut self, step: &'static str, bytes: &[u8]) -> Result<(), Error> {
        let stream = self.stream.get_mut();
        let write = async {
            stream.write_all(bytes).await?;
            stream.flush().await
        };
        match timeout_at(self.deadline, write).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => Err(Error::Broken { step, reason: e.to_string() }),
            Err(_) => Err(Error::Timeout { step }),
        }
    }
}

async fn read_reply(stream: &mut BufReader<Box<dyn Stream>>, step: &'static str) -> Result<Reply, Error> {
    let mut reply = Reply { code: 0, lines: Vec::new() };
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut *stream).take(LINE_MAX).read_until(b'\n', &mut line).await;
        match read {
            Ok(0) => return Err(Error::Broken { step, reason: "closed by the server".to_owned() }),
            Ok(_) => {}
            Err(e) => return Err(Error::Broken { step, reason: e.to_string() }),
        }
        let Some((code, more, text)) = parse_line(&line) else {
            return Err(Error::Protocol { step, reason: "no reply line" });
        };
        if reply.lines.len() == LINES_MAX || (reply.code != 0 && reply.code != code) {
            return Err(Error::Protocol { step, reason: "lines that don't belong together" });
        }
        reply.code = code;
        reply.lines.push(text);
        if !more {
            return Ok(reply);
        }
    }
}

/// A message as it goes over the wire: dots at line beginnings doubled, the closing dot at the end (RFC 5321 §4.5.2).
fn stuff(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + message.len() / 64 + 8);
    for line in message.split_inclusive(|b| *b == b'\n') {
        if line.first() == Some(&b'.') {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::{parse_line, stuff};

    #[test]
    fn reply_lines() {
        for (line, expected) in [
            ("250 ok\r\n", Some((250, false, "ok"))),
            ("250-SIZE 10\r\n", Some((250, true, "SIZE 10"))),
            ("250\r\n", Some((250, false, ""))),
            ("354 go\n", Some((354, false, "go"))),
            ("250 cut off", None),
            ("25\r\n", None),
            ("999 x\r\n", None),
            ("+50 x\r\n", None),
            ("250_x\r\n", None),
            ("é50 x\r\n", None),
        ] {
            let expected = expected.map(|(c, m, t): (u16, bool, &str)| (c, m, t.to_owned()));
            assert_eq!(parse_line(line.as_bytes()), expected, "{line:?}");
        }
    }

    #[test]
    fn dots_are_doubled() {
        for (message, expected) in [
            ("a\r\n", "a\r\n.\r\n"),
            ("a", "a\r\n.\r\n"),
            (".\r\n..b\r\nc.\r\n", "..\r\n...b\r\nc.\r\n.\r\n"),
            ("", "\r\n.\r\n"),
        ] {
            assert_eq!(String::from_utf8(stuff(message.as_bytes())).unwrap(), expected);
        }
    }
}
