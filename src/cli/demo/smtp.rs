//! A small mail server for this machine: takes messages without passing them on.

use std::{io, net::Ipv4Addr, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Semaphore,
};

use super::{
    http::CONNECTIONS_MAX,
    inbox::{Channel, Inbox, Refused, is_resolved},
};
use crate::runtime::Tasks;

/// Bytes of a message.
const MESSAGE_MAX: usize = 8 << 20;
/// Bytes of a line (RFC 5321 §4.5.3.1 asks for a thousand).
const LINE_MAX: u64 = 16 << 10;
/// Recipients of a message (RFC 5321 §4.5.3.1.8).
const RECIPIENTS_MAX: usize = 100;
/// How long a client may say nothing.
const PATIENCE: Duration = Duration::from_secs(30);
/// What can't be accepted just now is tried again.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Serves on a free port of the loopback until `tasks` stop.
///
/// # Errors
/// When there is no port.
pub(super) async fn serve(tasks: &Tasks, inbox: Inbox) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let (own, stop) = (tasks.clone(), tasks.stop_token());
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    tasks.spawn("demo mail", async move {
        loop {
            let next = async {
                let place = Arc::clone(&places).acquire_owned().await.ok()?;
                Some((place, listener.accept().await))
            };
            let next = tokio::select! {
                () = stop.cancelled() => return,
                next = next => next,
            };
            match next {
                None => return,
                Some((place, Ok((stream, _)))) => {
                    let (tasks, inbox, stop) = (own.clone(), inbox.clone(), own.stop_token());
                    own.spawn("demo mail", async move {
                        tokio::select! {
                            // What breaks a connection is the client's business.
                            _ = Session::new(stream, tasks, inbox).run() => {}
                            () = stop.cancelled() => {}
                        }
                        drop(place);
                    });
                }
                Some((_, Err(_))) => tokio::time::sleep(ACCEPT_AGAIN).await,
            }
        }
    });
    Ok(address)
}

struct Session {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    tasks: Tasks,
    inbox: Inbox,
    sender: bool,
    recipients: usize,
}

impl Session {
    fn new(stream: TcpStream, tasks: Tasks, inbox: Inbox) -> Self {
        let (reader, writer) = stream.into_split();
        Self { reader: BufReader::new(reader), writer, tasks, inbox, sender: false, recipients: 0 }
    }

    async fn run(mut self) -> io::Result<()> {
        self.say("220 localhost the inbox of botwatch demo").await?;
        loop {
            let line = String::from_utf8_lossy(&self.line().await?).into_owned();
            let verb: String = line.chars().take(4).collect::<String>().to_ascii_uppercase();
            let rest = line.get(4..).unwrap_or_default().trim();
            match &*verb {
                "EHLO" => {
                    self.reset();
                    self.say(&format!("250-localhost\r\n250-8BITMIME\r\n250 SIZE {MESSAGE_MAX}")).await?;
                }
                "HELO" | "RSET" => {
                    self.reset();
                    self.say("250 fine").await?;
                }
                "MAIL" => self.mail(rest).await?,
                "RCPT" => self.recipient(rest).await?,
                "DATA" if self.recipients > 0 => self.data().await?,
                "DATA" => self.say("503 5.5.1 MAIL and RCPT come first").await?,
                "NOOP" => self.say("250 fine").await?,
                "QUIT" => return self.say("221 bye").await,
                _ => self.say("502 5.5.1 not here").await?,
            }
        }
    }

    async fn mail(&mut self, rest: &str) -> io::Result<()> {
        let upper = rest.to_ascii_uppercase();
        let size =
            upper.split(' ').find_map(|p| p.strip_prefix("SIZE=")).and_then(|s| s.parse::<usize>().ok());
        if !upper.starts_with("FROM:") {
            return self.say("501 5.5.4 MAIL FROM:<address>").await;
        }
        if size.is_some_and(|size| size > MESSAGE_MAX) {
            return self.say("552 5.3.4 too large").await;
        }
        self.reset();
        self.sender = true;
        self.say("250 fine").await
    }

    async fn recipient(&mut self, rest: &str) -> io::Result<()> {
        if !self.sender {
            return self.say("503 5.5.1 MAIL comes first").await;
        }
        if !rest.to_ascii_uppercase().starts_with("TO:") {
            return self.say("501 5.5.4 RCPT TO:<address>").await;
        }
        if self.recipients >= RECIPIENTS_MAX {
            return self.say("452 4.5.3 too many").await;
        }
        self.recipients += 1;
        self.say("250 fine").await
    }

    async fn data(&mut self) -> io::Result<()> {
        self.say("354 go on, a dot ends it").await?;
        let mut message = Vec::new();
        loop {
            let line = self.line().await?;
            if line == b"." {
                break;
            }
            let line = line.strip_prefix(b".").unwrap_or(&line);
            if message.len() + line.len() + 2 > MESSAGE_MAX {
                self.say("552 5.3.4 too large").await?;
                return Err(io::Error::other("message too large"));
            }
            message.extend_from_slice(line);
            message.extend_from_slice(b"\r\n");
        }
        self.reset();
        let inbox = self.inbox.clone();
        let kept = move || {
            let title = subject(&message);
            inbox.put(Channel::Email, &title, is_resolved(&title), &message)
        };
        match self.tasks.blocking(kept).await {
            Some(Ok(())) => self.say("250 2.0.0 in the inbox").await,
            Some(Err(Refused::Full)) => self.say("452 4.2.2 the inbox is full").await,
            Some(Err(Refused::File)) | None => self.say("451 4.3.0 can't be written").await,
        }
    }

    fn reset(&mut self) {
        (self.sender, self.recipients) = (false, 0);
    }

    /// A line without its end.
    async fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.reader).take(LINE_MAX);
        tokio::time::timeout(PATIENCE, bounded.read_until(b'\n', &mut line)).await??;
        if line.pop() != Some(b'\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(line)
    }

    async fn say(&mut self, text: &str) -> io::Result<()> {
        let line = format!("{text}\r\n");
        tokio::time::timeout(PATIENCE, self.writer.write_all(line.as_bytes())).await?
    }
}

/// A message's subject, its folded lines put together.
fn subject(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message);
    let mut lines = text.split("\r\n").take_while(|line| !line.is_empty());
    let Some(first) = lines.by_ref().find(|l| l.get(..8).is_some_and(|n| n.eq_ignore_ascii_case("subject:")))
    else {
        return String::new();
    };
    let folded: Vec<&str> = lines.take_while(|l| l.starts_with([' ', '\t'])).map(str::trim).collect();
    let mut all = first.get(8..).unwrap_or_default().trim().to_owned();
    for line in folded {
        all.push(' ');
        all.push_str(line);
    }
    all
}
