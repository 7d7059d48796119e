//! Mail servers, and ports that refuse.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::Command,
};

use botwatch::runtime::Tasks;
use mail_parser::{MessageParser, MimeHeaders as _};
use serde_json::Value;
use tokio::{
    net::TcpSocket,
    runtime::{Builder, Runtime},
};

use super::process::{Process, not_compared};
use crate::sinks::smtp::{Rule, Script, Smtp};

/// A message as a mail client shows it.
#[derive(Debug, Clone)]
pub(super) struct Mail {
    pub(super) to: Vec<String>,
    pub(super) id: String,
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
    /// Bytes of the chart, if it has one.
    pub(super) chart: Option<Vec<u8>>,
}

impl Mail {
    fn of(to: Vec<String>, data: &[u8]) -> Self {
        let message = MessageParser::default().parse(data).expect("a message");
        let chart = message.parts.iter().find(|part| part.content_id() == Some("chart"));
        Self {
            to,
            id: message.message_id().expect("an id").to_owned(),
            subject: message.subject().expect("a subject").to_owned(),
            text: message.body_text(0).expect("a text part").into_owned(),
            html: message.body_html(0).expect("an HTML part").into_owned(),
            chart: chart.map(|part| part.contents().to_vec()),
        }
    }
}

/// A real mail server where there is one: Python's aiosmtpd, which `tests/run` installs.
pub(super) enum Mailbox {
    Real { process: Process, port: u16 },
    Scripted(Box<ScriptedMailbox>),
}

impl Mailbox {
    pub(super) fn start() -> Self {
        let python = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("test-venv").join("bin/python");
        let has = Command::new(&python).args(["-c", "import aiosmtpd"]).output();
        if !has.is_ok_and(|o| o.status.success()) {
            not_compared("aiosmtpd is not installed; a scripted SMTP server takes its place");
            return Self::Scripted(Box::new(ScriptedMailbox::start(Refusing::new(), Script::default())));
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/e2e/smtpd.py");
        let mut process = Process::start("aiosmtpd", Command::new(python).arg(script));
        let port = process.line("its port", |line| {
            serde_json::from_str::<Value>(line).ok()?["port"].as_u64().and_then(|p| u16::try_from(p).ok())
        });
        Self::Real { process, port }
    }

    pub(super) fn port(&self) -> u16 {
        match self {
            Self::Real { port, .. } => *port,
            Self::Scripted(mailbox) => mailbox.smtp.port,
        }
    }

    pub(super) fn mails(&self) -> Vec<Mail> {
        match self {
            Self::Scripted(mailbox) => mailbox.mails(),
            Self::Real { process, .. } => {
                let mail = |line: &String| {
                    let message: Value = serde_json::from_str(line).ok()?;
                    let to = message["to"].as_array()?.iter().filter_map(Value::as_str).map(str::to_owned);
                    let data: Vec<u8> = message["data"].as_str()?.chars().map(|c| c as u8).collect();
                    Some(Mail::of(to.collect(), &data))
                };
                process.lines().iter().filter_map(mail).collect()
            }
        }
    }
}

/// A mail server that fails as it is told.
pub(super) struct ScriptedMailbox {
    smtp: Smtp,
    _runtime: Runtime,
}

impl ScriptedMailbox {
    /// In place of a port that refused.
    pub(super) fn start(port: Refusing, script: Script) -> Self {
        let Refusing { socket, runtime } = port;
        let smtp = runtime.block_on(async {
            let listener = socket.listen(64).expect("listens");
            let tasks = Tasks::new().0;
            Smtp::start_on(listener, script, move |task| tasks.spawn("smtp", task))
        });
        Self { smtp, _runtime: runtime }
    }

    pub(super) fn add(&self, rule: Rule) {
        self.smtp.add(rule);
    }

    pub(super) fn port(&self) -> u16 {
        self.smtp.port
    }

    pub(super) fn mails(&self) -> Vec<Mail> {
        self.smtp.received().into_iter().map(|r| Mail::of(r.to, &r.data)).collect()
    }
}

/// A port that is ours and refuses connections, until it listens.
pub(super) struct Refusing {
    socket: TcpSocket,
    runtime: Runtime,
}

impl Refusing {
    pub(super) fn new() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a port");
        Self { socket, runtime }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("an address")
    }

    /// Takes connections from now on.
    pub(super) fn listen(self) -> TcpListener {
        let Self { socket, runtime } = self;
        let listener =
            runtime.block_on(async { socket.listen(64).and_then(tokio::net::TcpListener::into_std) });
        let listener = listener.expect("listens");
        listener.set_nonblocking(false).expect("blocks");
        listener
    }
}
