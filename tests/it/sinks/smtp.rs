//! An SMTP server that keeps what it gets, and refuses what real ones refuse: bad order, bare line feeds, long lines,
//! eight-bit text that wasn't announced, headers twice, mail before the log-in (RFC 5321, 5322, 4954, 3207, 6531).
//!
//! It knows nothing of the product, so that tests of the library and of the whole program can share it: the caller
//! says how tasks are spawned.

use std::{collections::BTreeMap, pin::Pin, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::TcpListener,
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

/// A task as the caller's spawner takes it.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How the server encrypts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// Not.
    None,
    /// Offers STARTTLS.
    StartTls,
    /// Offers STARTTLS and takes no mail without.
    Required,
    /// From the first byte.
    Implicit,
}

/// What happens instead of the usual answer.
#[derive(Debug, Clone)]
pub enum Act {
    /// Answers with this line.
    Say(String),
    /// Says nothing, and keeps the connection.
    Hang,
    /// Closes.
    Close,
}

/// A departure from the usual, for a command that begins so (`.` is the end of a message, `CONNECT` the greeting), as
/// often as said.
#[derive(Debug, Clone)]
pub struct Rule {
    pub command: String,
    pub act: Act,
    pub times: usize,
}

impl Rule {
    /// Answers so once.
    pub fn say(command: &str, line: &str) -> Self {
        Self { command: command.to_owned(), act: Act::Say(line.to_owned()), times: 1 }
    }

    /// Answers so always.
    pub fn always(command: &str, line: &str) -> Self {
        Self { times: usize::MAX, ..Self::say(command, line) }
    }

    /// Does something else once.
    pub fn act(command: &str, act: Act) -> Self {
        Self { command: command.to_owned(), act, times: 1 }
    }
}

/// How the server behaves.
#[derive(Debug, Clone)]
pub struct Script {
    pub encryption: Encryption,
    /// Mechanisms in the order offered; empty: no log-in.
    pub auth: Vec<&'static str>,
    /// Whether they are offered before encryption too.
    pub auth_in_clear: bool,
    pub username: String,
    /// Also CRAM-MD5's secret.
    pub password: String,
    /// Bearer tokens that XOAUTH2 takes.
    pub tokens: Vec<String>,
    pub utf8: bool,
    pub size_max: usize,
    pub rules: Vec<Rule>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            encryption: Encryption::None,
            auth: Vec::new(),
            auth_in_clear: false,
            username: "bot".to_owned(),
            password: "pa$$wörd".to_owned(),
            tokens: Vec::new(),
            utf8: true,
            size_max: 10 * 1024 * 1024,
            rules: Vec::new(),
        }
    }
}

/// A message that was taken.
#[derive(Debug, Clone)]
pub struct Received {
    pub from: String,
    pub to: Vec<String>,
    pub data: Vec<u8>,
    pub encrypted: bool,
    /// User and mechanism.
    pub login: Option<(String, &'static str)>,
}

/// The running server. It ends with the caller's tasks.
#[derive(Clone)]
pub struct Smtp {
    pub port: u16,
    /// The authority that signed its certificate (for `localhost`), PEM.
    pub ca: String,
    script: Arc<Script>,
    rules: Arc<Mutex<Vec<Rule>>>,
    received: Arc<watch::Sender<Vec<Received>>>,
    /// Command lines, as they came.
    log: Arc<Mutex<Vec<String>>>,
    acceptor: TlsAcceptor,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Smtp {
    /// Starts on a free port of 127.0.0.1.
    pub async fn start(script: Script, spawn: impl Fn(Task) + Send + Sync + Clone + 'static) -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").await.unwrap(), script, spawn)
    }

    /// Starts on a port that was kept for it.
    pub fn start_on(
        listener: TcpListener,
        script: Script,
        spawn: impl Fn(Task) + Send + Sync + Clone + 'static,
    ) -> Self {
        let (acceptor, ca) = certificate();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            ca,
            rules: Arc::new(Mutex::new(script.rules.clone())),
            script: Arc::new(script),
            received: Arc::new(watch::Sender::new(Vec::new())),
            log: Arc::default(),
            acceptor,
        };
        let accepting = server.clone();
        let spawn_each = spawn.clone();
        spawn(Box::pin(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = accepting.clone();
                spawn_each(Box::pin(async move { server.serve(Box::new(stream)).await }));
            }
        }));
        server
    }

    /// What was taken so far.
    pub fn received(&self) -> Vec<Received> {
        self.received.borrow().clone()
    }

    /// Waits until so many messages were taken; the caller's deadline ends it.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        let mut watching = self.received.subscribe();
        watching.wait_for(|all| all.len() >= count).await.map(|all| all.clone()).unwrap_or_default()
    }

    /// Every command line that came.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().clone()
    }

    /// Another departure from now on.
    pub fn add(&self, rule: Rule) {
        self.rules.lock().push(rule);
    }

    fn departure(&self, command: &str) -> Option<Act> {
        let mut rules = self.rules.lock();
        let upper = command.to_ascii_uppercase();
        let rule =
            rules.iter_mut().find(|r| r.times > 0 && upper.starts_with(&r.command.to_ascii_uppercase()))?;
        rule.times = rule.times.saturating_sub(usize::from(rule.times != usize::MAX));
        Some(rule.act.clone())
    }

    async fn serve(&self, stream: Box<dyn Stream>) {
        let encrypted = self.script.encryption == Encryption::Implicit;
        let stream = if encrypted {
            let Ok(stream) = self.acceptor.accept(stream).await else { return };
            Box::new(stream) as Box<dyn Stream>
        } else {
            stream
        };
        let mut session = Session {
            server: self.clone(),
            stream: BufReader::new(stream),
            encrypted,
            hello: false,
            login: None,
            from: None,
            eight_bit: false,
            to: Vec::new(),
        };
        // A broken connection ends the session; the client's side shows it.
        let _ = session.run().await;
    }
}

struct Session {
    server: Smtp,
    stream: BufReader<Box<dyn Stream>>,
    encrypted: bool,
    hello: bool,
    login: Option<(String, &'static str)>,
    from: Option<String>,
    eight_bit: bool,
    to: Vec<String>,
}

type Io<T> = std::io::Result<T>;

fn closed<T>() -> Io<T> {
    Err(std::io::ErrorKind::UnexpectedEof.into())
}

impl Session {
    async fn run(&mut self) -> Io<()> {
        if !self.departs("CONNECT").await? {
            self.say("220 localhost ESMTP sink").await?;
        }
        loop {
            let line = self.line(12_288).await?;
            self.server.log.lock().push(line.clone());
            if self.departs(&line).await? {
                continue;
            }
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            let verb = verb.to_ascii_uppercase();
            if verb != "AUTH" && line.len() > 510 {
                self.say("500 5.5.2 line too long").await?;
                continue;
            }
            match verb.as_str() {
                "EHLO" if !rest.is_empty() => self.ehlo().await?,
                "HELO" if !rest.is_empty() => {
                    self.hello = true;
                    self.say("250 localhost").await?;
                }
                "NOOP" => self.say("250 ok").await?,
                "RSET" => {
                    self.reset();
                    self.say("250 ok").await?;
                }
                "QUIT" => {
                    self.say("221 bye").await?;
                    return self.stream.get_mut().shutdown().await;
                }
                _ if !self.hello => self.say("503 5.5.1 say EHLO first").await?,
                "STARTTLS" => self.starttls().await?,
                "AUTH" => self.auth(rest).await?,
                "MAIL" => self.mail(rest).await?,
                "RCPT" => self.rcpt(rest).await?,
                "DATA" => self.data().await?,
                _ => self.say("500 5.5.1 unknown command").await?,
            }
        }
    }

    /// Whether the script has something else in mind.
    async fn departs(&mut self, command: &str) -> Io<bool> {
        match self.server.departure(command) {
            None => return Ok(false),
            Some(Act::Say(line)) => self.say(&line).await?,
            Some(Act::Close) => return closed(),
            Some(Act::Hang) => std::future::pending().await,
        }
        Ok(true)
    }

    async fn say(&mut self, line: &str) -> Io<()> {
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).await?;
        self.stream.get_mut().flush().await
    }

    async fn bytes(&mut self, max: u64) -> Io<Vec<u8>> {
        let mut line = Vec::new();
        (&mut self.stream).take(max).read_until(b'\n', &mut line).await?;
        if line.last() != Some(&b'\n') { closed() } else { Ok(line) }
    }

    async fn line(&mut self, max: u64) -> Io<String> {
        let line = self.bytes(max).await?;
        let Some(text) = line.strip_suffix(b"\r\n").filter(|t| !t.contains(&b'\r')) else {
            self.say("500 5.5.2 bare line end").await?;
            return closed();
        };
        String::from_utf8(text.to_vec()).or(closed())
    }

    fn reset(&mut self) {
        self.from = None;
        self.to.clear();
    }

    async fn ehlo(&mut self) -> Io<()> {
        self.hello = true;
        self.reset();
        let script = Arc::clone(&self.server.script);
        let mut lines =
            vec!["localhost".to_owned(), format!("SIZE {}", script.size_max), "8BITMIME".to_owned()];
        if script.utf8 {
            lines.push("SMTPUTF8".to_owned());
        }
        if !self.encrypted && matches!(script.encryption, Encryption::StartTls | Encryption::Required) {
            lines.push("STARTTLS".to_owned());
        }
        if !script.auth.is_empty() && (self.encrypted || script.auth_in_clear) {
            lines.push(format!("AUTH {}", script.auth.join(" ")));
        }
        let last = lines.len() - 1;
        for (i, line) in lines.iter().enumerate() {
            self.say(&format!("250{}{line}", if i == last { ' ' } else { '-' })).await?;
        }
        Ok(())
    }

    async fn starttls(&mut self) -> Io<()> {
        if self.encrypted
            || !matches!(self.server.script.encryption, Encryption::StartTls | Encryption::Required)
        {
            return self.say("502 5.5.1 no STARTTLS").await;
        }
        self.say("220 go").await?;
        let plain = std::mem::replace(&mut self.stream, BufReader::new(Box::new(tokio::io::duplex(1).0)));
        let stream = self.server.acceptor.accept(plain.into_inner()).await?;
        self.stream = BufReader::new(Box::new(stream));
        // RFC 3207 §4.2: all that was known is forgotten.
        (self.encrypted, self.hello, self.login) = (true, false, None);
        self.reset();
        Ok(())
    }

    async fn ask(&mut self, challenge: &str) -> Io<String> {
        self.say(&format!("334 {}", BASE64_STANDARD.encode(challenge))).await?;
        let line = self.line(12_288).await?;
        self.server.log.lock().push(line.clone());
        let decoded = BASE64_STANDARD.decode(line).ok().and_then(|b| String::from_utf8(b).ok());
        Ok(decoded.unwrap_or_default())
    }

    async fn auth(&mut self, rest: &str) -> Io<()> {
        let script = Arc::clone(&self.server.script);
        let (name, initial) = rest.split_once(' ').unwrap_or((rest, ""));
        let offered = self.encrypted || script.auth_in_clear;
        let Some(name) = script.auth.iter().find(|m| offered && m.eq_ignore_ascii_case(name)).copied() else {
            return self.say("504 5.5.4 no such mechanism").await;
        };
        if self.login.is_some() || self.from.is_some() {
            return self.say("503 5.5.1 not here").await;
        }
        let decoded = |text: &str| BASE64_STANDARD.decode(text).ok().and_then(|b| String::from_utf8(b).ok());
        let (user, password) = (&script.username, &script.password);
        let good = match name {
            "PLAIN" => {
                let given = if initial.is_empty() {
                    self.ask("").await?
                } else {
                    decoded(initial).unwrap_or_default()
                };
                let parts: Vec<_> = given.split('\0').collect();
                parts.len() == 3 && parts[1] == user && parts[2] == password
            }
            "LOGIN" => {
                let (u, p) = (self.ask("User Name").await?, self.ask("Password:").await?);
                u == *user && p == *password
            }
            "CRAM-MD5" => {
                // The digest of one challenge, computed by Python's hmac module for the default password.
                let given = self.ask("<1.2@localhost>").await?;
                given == format!("{user} {CRAM_DIGEST}") && *password == Script::default().password
            }
            "XOAUTH2" => {
                let given = decoded(initial).unwrap_or_default();
                let good =
                    script.tokens.iter().any(|t| given == format!("user={user}\x01auth=Bearer {t}\x01\x01"));
                if !good {
                    self.ask(r#"{"status":"401"}"#).await?;
                }
                good
            }
            _ => false,
        };
        if good {
            self.login = Some((user.clone(), name));
            self.say("235 2.7.0 welcome").await
        } else {
            // Some servers repeat what they got; secrets must not come out at the other end.
            self.say(&format!("535 5.7.8 bad credentials {initial}")).await
        }
    }

    async fn mail(&mut self, rest: &str) -> Io<()> {
        let script = Arc::clone(&self.server.script);
        if script.encryption == Encryption::Required && !self.encrypted {
            return self.say("530 5.7.0 STARTTLS first").await;
        }
        if !script.auth.is_empty() && self.login.is_none() {
            return self.say("530 5.7.0 log in first").await;
        }
        if self.from.is_some() {
            return self.say("503 5.5.1 nested MAIL").await;
        }
        let Some((address, parameters)) = path(rest, "FROM:") else {
            return self.say("501 5.1.7 bad sender").await;
        };
        self.eight_bit = false;
        for parameter in parameters.split_whitespace() {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match (key.to_ascii_uppercase().as_str(), value) {
                ("SIZE", n) if n.parse::<usize>().is_ok_and(|n| n > script.size_max) => {
                    return self.say("552 5.3.4 too big").await;
                }
                ("SIZE", n) if n.parse::<usize>().is_ok() => {}
                ("BODY", "8BITMIME") => self.eight_bit = true,
                ("BODY", "7BIT") => {}
                ("SMTPUTF8", "") if script.utf8 => {}
                _ => return self.say("555 5.5.4 unknown parameter").await,
            }
        }
        if !address.is_ascii() && !parameters.to_ascii_uppercase().contains("SMTPUTF8") {
            return self.say("553 5.6.7 SMTPUTF8 needed").await;
        }
        self.from = Some(address);
        self.say("250 2.1.0 ok").await
    }

    async fn rcpt(&mut self, rest: &str) -> Io<()> {
        if self.from.is_none() {
            return self.say("503 5.5.1 MAIL first").await;
        }
        match path(rest, "TO:") {
            Some((address, "")) if address.contains('@') => {
                self.to.push(address);
                self.say("250 2.1.5 ok").await
            }
            _ => self.say("501 5.1.3 bad recipient").await,
        }
    }

    async fn data(&mut self) -> Io<()> {
        if self.to.is_empty() {
            return self.say("503 5.5.1 RCPT first").await;
        }
        self.say("354 end with a dot").await?;
        let (mut data, mut fault) = (Vec::new(), None);
        loop {
            let line = self.bytes(1 << 20).await?;
            if line == b".\r\n" {
                break;
            }
            let line = line.strip_prefix(b".").unwrap_or(&line);
            if !line.ends_with(b"\r\n")
                || line[..line.len() - 2].iter().any(|b| matches!(b, b'\r' | b'\n' | 0))
            {
                fault = Some("550 5.6.11 bare line end or NUL");
            } else if line.len() > 1000 {
                fault = Some("500 5.6.0 line too long");
            } else if !line.is_ascii() && !self.eight_bit {
                fault = Some("554 5.6.1 eight-bit text");
            }
            data.extend_from_slice(line);
        }
        let fault = fault.or_else(|| header_fault(&data));
        let fault = fault.or((data.len() > self.server.script.size_max).then_some("552 5.3.4 too big"));
        if let Some(fault) = fault {
            self.reset();
            return self.say(fault).await;
        }
        let departure = self.server.departure(".");
        // Lost answers are lost after the message was taken.
        if !matches!(departure, Some(Act::Say(_))) {
            let received = Received {
                from: self.from.take().unwrap_or_default(),
                to: std::mem::take(&mut self.to),
                data,
                encrypted: self.encrypted,
                login: self.login.clone(),
            };
            self.server.received.send_modify(|all| all.push(received));
        }
        self.reset();
        match departure {
            None => self.say("250 2.0.0 taken").await,
            Some(Act::Say(line)) => self.say(&line).await,
            Some(Act::Close) => closed(),
            Some(Act::Hang) => std::future::pending().await,
        }
    }
}

/// HMAC-MD5 of `<1.2@localhost>` under the default password.
const CRAM_DIGEST: &str = "5e1cc4a6b33a57eda29283880c1acf0c";

/// `FROM:<a@b> SIZE=1` → address and parameters.
fn path<'a>(rest: &'a str, prefix: &str) -> Option<(String, &'a str)> {
    let (given, rest) = rest.split_at_checked(prefix.len())?;
    let (address, parameters) = rest.strip_prefix('<')?.split_once('>')?;
    let good = given.eq_ignore_ascii_case(prefix) && !address.contains([' ', '<']);
    good.then(|| (address.to_owned(), parameters.trim()))
}

/// RFC 5322 §3.6: some headers must be there, many only once. Large providers refuse what breaks this.
fn header_fault(data: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(data);
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for line in head.split("\r\n").filter(|l| !l.starts_with([' ', '\t'])) {
        let Some((name, _)) = line.split_once(':') else { return Some("550 5.6.0 no header line") };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic()) {
            return Some("550 5.6.0 no header name");
        }
        *counts.entry(name.to_ascii_lowercase()).or_default() += 1;
    }
    let count = |name: &str| counts.get(name).copied().unwrap_or(0);
    let once = ["date", "from", "message-id", "mime-version", "content-type"];
    if once.iter().any(|name| count(name) != 1) {
        return Some("550 5.7.1 Date, From, Message-ID and the MIME headers are needed once");
    }
    let at_most = ["to", "cc", "subject", "reply-to", "in-reply-to", "references", "sender"];
    at_most.iter().any(|name| count(name) > 1).then_some("550 5.7.1 a header twice")
}

/// A certificate for `localhost` and 127.0.0.1, and the authority that signed it.
pub fn certificate() -> (TlsAcceptor, String) {
    let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), authority.pem())
}
