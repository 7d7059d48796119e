//! One conversation with the server, from the name to "250".

use std::{net::IpAddr, sync::Arc, time::Duration as StdDuration};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::TlsConnector;

use super::{
    Error,
    auth::{self, Credentials},
    message::Envelope,
    smtp::{Dialogue, Stream},
};
use crate::{
    net::{self, TokenSource},
    notify::{EmailAuth, EmailOptions, EmailTls, message::truncate},
};

/// What one of several addresses of a server may take to answer.
const CONNECT_EACH: StdDuration = StdDuration::from_secs(10);
/// Longest list of refused recipients, in characters.
pub(super) const TEXTS_MAX: usize = 2000;
/// What the farewell may take. Nothing depends on it.
const QUIT_MAX: StdDuration = StdDuration::from_secs(1);

/// A recipient whom the server refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// Who.
    pub address: String,
    /// The server's code and words.
    pub text: String,
    /// For good.
    pub permanent: bool,
}

impl Refusal {
    /// All of them, for people; not endless.
    pub(super) fn texts(refused: &[Self]) -> String {
        let all = refused.iter().map(|r| format!("{}: {}", r.address, r.text)).collect::<Vec<_>>();
        truncate(all.join("; "), TEXTS_MAX)
    }
}

/// What the server can do.
#[derive(Debug, Default, PartialEq)]
struct Extensions {
    starttls: bool,
    utf8: bool,
    size: bool,
    auth: Vec<String>,
}

impl Extensions {
    fn parse(lines: &[String]) -> Self {
        let mut found = Self::default();
        // The first line is the server's name.
        for line in lines.iter().skip(1) {
            let upper = line.to_ascii_uppercase();
            // Old servers write `AUTH=LOGIN`.
            let mut words = upper.split([' ', '=']).filter(|w| !w.is_empty());
            match words.next() {
                Some("STARTTLS") => found.starttls = true,
                Some("SMTPUTF8") => found.utf8 = true,
                Some("SIZE") => found.size = true,
                Some("AUTH") => {
                    for word in words.map(str::to_owned) {
                        if !found.auth.contains(&word) {
                            found.auth.push(word);
                        }
                    }
                }
                _ => {}
            }
        }
        found
    }
}

/// Hands a message to the server within `left`. Says who was refused while others were accepted.
///
/// # Errors
/// Why nobody got it.
pub(super) async fn deliver(
    options: &EmailOptions,
    tokens: Option<&TokenSource>,
    envelope: &Envelope,
    message: &[u8],
    left: StdDuration,
) -> Result<Vec<Refusal>, Error> {
    // `sleep` reads the clock for us.
    let deadline = tokio::time::sleep(left).deadline();
    let session = Session { options, tokens, deadline, left };
    // Each step has the deadline and names itself; this one is for what is no step, like a secret in a pipe.
    let whole = session.run(envelope, message);
    timeout_at(deadline, whole).await.unwrap_or(Err(Error::Timeout { step: "the conversation" }))
}

struct Session<'a> {
    options: &'a EmailOptions,
    tokens: Option<&'a TokenSource>,
    deadline: Instant,
    left: StdDuration,
}

impl Session<'_> {
    async fn run(&self, envelope: &Envelope, message: &[u8]) -> Result<Vec<Refusal>, Error> {
        let (stream, address) = self.connect().await?;
        let local = address.to_canonical().is_loopback();
        let mut encrypted = self.options.tls_mode == EmailTls::Implicit;
        let stream = if encrypted { self.encrypt(Box::new(stream), local).await? } else { Box::new(stream) };
        let mut dialogue = Dialogue::new(stream, self.deadline);
        dialogue.reply("the greeting").await?.expect(2, "the connection")?;
        let mut extensions = self.hello(&mut dialogue).await?;
        if !encrypted && extensions.starttls {
            dialogue.command("STARTTLS", "STARTTLS").await?.expect(2, "STARTTLS")?;
            let stream = self.encrypt(dialogue.into_stream()?, local).await?;
            encrypted = true;
            dialogue = Dialogue::new(stream, self.deadline);
            // What it said in the clear doesn't count (RFC 3207 §4.2).
            extensions = self.hello(&mut dialogue).await?;
        } else if self.options.tls_mode == EmailTls::StartTls && !encrypted {
            return Err(Error::NoStartTls);
        }
        self.log_in(&mut dialogue, &extensions, encrypted || local).await?;
        let result = transact(&mut dialogue, &extensions, envelope, message).await;
        // The server's answer stands, whatever becomes of the farewell.
        let _ = timeout(QUIT_MAX, dialogue.command("QUIT", "QUIT")).await;
        result
    }

    fn peer(&self) -> String {
        format!("{}:{}", self.options.host, self.options.port)
    }

    /// The first address that answers.
    async fn connect(&self) -> Result<(TcpStream, IpAddr), Error> {
        let host = self.options.host.trim_start_matches('[').trim_end_matches(']');
        let dns = |reason: String| Error::from(net::Error::Dns { host: host.to_owned(), reason });
        let lookup = tokio::net::lookup_host((host, self.options.port));
        let found: Vec<_> = match timeout_at(self.deadline, lookup).await {
            Ok(found) => found.map_err(|e| dns(e.to_string()))?.collect(),
            Err(_) => return Err(Error::Timeout { step: "the resolver" }),
        };
        let mut last = dns("no address".to_owned());
        for (i, address) in found.iter().enumerate() {
            let own = if i + 1 == found.len() { self.left } else { CONNECT_EACH };
            let connect = timeout(own, TcpStream::connect(address));
            let reason = match timeout_at(self.deadline, connect).await {
                Ok(Ok(Ok(stream))) => return Ok((stream, address.ip())),
                Ok(Ok(Err(e))) => e.to_string(),
                Ok(Err(_)) => "no answer".to_owned(),
                Err(_) => return Err(Error::Timeout { step: "the connection" }),
            };
            last = net::Error::Connect { peer: self.peer(), reason }.into();
        }
        Err(last)
    }

    /// Encrypts. Opportunistic encryption without a password, or on this machine, takes any certificate: the
    /// alternative is none at all (RFC 7435).
    async fn encrypt(&self, stream: Box<dyn Stream>, local: bool) -> Result<Box<dyn Stream>, Error> {
        let mut tls = self.options.tls.clone();
        if self.options.tls_mode == EmailTls::Opportunistic
            && (self.options.auth == EmailAuth::None || local)
            && tls.ca.is_none()
        {
            tls.insecure_skip_verify = true;
        }
        let config: ClientConfig = net::client_config(&tls, &[]).await?;
        let host = self.options.host.trim_start_matches('[').trim_end_matches(']');
        let name = self.options.tls.server_name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned())
            .map_err(|e| Error::Option { option: "server_name", reason: e.to_string() })?;
        let connector = TlsConnector::from(Arc::new(config));
        match timeout_at(self.deadline, connector.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(e)) => {
                let tls = e.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
                let reason = tls.map_or_else(|| e.to_string(), net::tls_reason);
                Err(net::Error::Tls { peer: self.peer(), reason }.into())
            }
            Err(_) => Err(Error::Timeout { step: "the TLS handshake" }),
        }
    }

    async fn hello(&self, dialogue: &mut Dialogue) -> Result<Extensions, Error> {
        let name = &self.options.hello;
        let reply = dialogue.command("EHLO", &format!("EHLO {name}")).await?;
        if reply.code / 100 == 5 {
            // A server of the old kind.
            dialogue.command("HELO", &format!("HELO {name}")).await?.expect(2, "HELO")?;
            return Ok(Extensions::default());
        }
        Ok(Extensions::parse(&reply.expect(2, "EHLO")?.lines))
    }

    async fn log_in(&self, dialogue: &mut Dialogue, offers: &Extensions, private: bool) -> Result<(), Error> {
        match &self.options.auth {
            EmailAuth::None => Ok(()),
            auth @ EmailAuth::Password { username, password, secret, identity } => {
                let mechanism = auth::choose(auth, &offers.auth, private)?;
                let source = if mechanism == "CRAM-MD5" { secret } else { password };
                let source = source.as_ref().expect("`choose` takes only what has its secret");
                let (username, secret) = (username.to_string(), source.read().await?);
                let login = match mechanism {
                    "CRAM-MD5" => Credentials::CramMd5 { username, secret },
                    "LOGIN" => Credentials::Login { username, password: secret },
                    _ => Credentials::Plain { identity: identity.to_string(), username, password: secret },
                };
                auth::run(dialogue, &login).await
            }
            auth @ EmailAuth::XOAuth2 { username, .. } => {
                auth::choose(auth, &offers.auth, private)?;
                let tokens = self.tokens.expect("made with the options");
                let login = |token| Credentials::XOAuth2 { username: username.to_string(), token };
                let first = auth::run(dialogue, &login(tokens.token(self.left).await?)).await;
                match first {
                    // The token may have been withdrawn before its time: a new one gets one chance.
                    Err(Error::Refused { code: 500.., .. }) => {
                        tokens.forget().await;
                        auth::run(dialogue, &login(tokens.token(self.left).await?)).await
                    }
                    other => other,
                }
            }
        }
    }
}

async fn transact(
    dialogue: &mut Dialogue,
    extensions: &Extensions,
    envelope: &Envelope,
    message: &[u8],
) -> Result<Vec<Refusal>, Error> {
    let ascii_only = envelope.utf8 && !extensions.utf8;
    let message = if ascii_only { envelope.ascii.as_deref().ok_or(Error::NoUtf8)? } else { message };
    let mut mail = format!("MAIL FROM:<{}>", envelope.from);
    if extensions.size {
        mail.push_str(&format!(" SIZE={}", message.len()));
    }
    if envelope.utf8 && extensions.utf8 {
        mail.push_str(" BODY=8BITMIME SMTPUTF8");
    }
    dialogue.command("the sender", &mail).await?.expect(2, "the sender")?;
    let mut refused = Vec::new();
    for address in &envelope.to {
        if ascii_only && !address.is_ascii() {
            let text = Error::NoUtf8.to_string();
            refused.push(Refusal { address: address.clone(), text, permanent: true });
            continue;
        }
        let reply = dialogue.command("a recipient", &format!("RCPT TO:<{address}>")).await?;
        match reply.code {
            200..=299 => {}
            // The server is about to close.
            421 => return Err(reply.refused("a recipient")),
            400..=599 => refused.push(Refusal {
                address: address.clone(),
                text: format!("{} {}", reply.code, reply.text()),
                permanent: reply.code >= 500,
            }),
            _ => return Err(Error::Protocol { step: "a recipient", reason: "unexpected code" }),
        }
    }
    if refused.len() == envelope.to.len() {
        let permanent = refused.iter().all(|r| r.permanent);
        return Err(Error::Recipients { refused, permanent });
    }
    let reply = dialogue.command("DATA", "DATA").await?.expect_of_message(3, "DATA")?;
    debug_assert_eq!(reply.code / 100, 3);
    dialogue.message(message).await?.expect_of_message(2, "the message")?;
    Ok(refused)
}

#[cfg(test)]
mod tests {
    use super::Extensions;

    #[test]
    fn extensions_are_read_from_the_greeting() {
        let lines =
            ["mx.example.org", "STARTTLS", "size 1000", "AUTH PLAIN LOGIN", "AUTH=LOGIN XOAUTH2", "X-ODD"];
        let expected = Extensions {
            starttls: true,
            utf8: false,
            size: true,
            auth: ["PLAIN", "LOGIN", "XOAUTH2"].map(str::to_owned).to_vec(),
        };
        assert_eq!(Extensions::parse(&lines.map(str::to_owned)), expected);
        assert_eq!(Extensions::parse(&["STARTTLS".to_owned()]), Extensions::default());
    }
}
