use std::{collections::BTreeMap, sync::Arc, time::Duration as StdDuration};

use botwatch_core::{
    alerting::{Delivery, DeliveryId, IntegrationId, Outcome, Send, Seq},
    model::{Duration, Labels, Timestamp},
    template::{Data, Templates},
};
use mail_parser::MessageParser;

use super::{
    NOW, parts,
    smtp::{Act, Encryption, Rule, Script, Smtp},
};
use crate::{
    net::{self, Grant, OAuth2, ProxyOptions, SecretSource, TlsOptions},
    notify::{
        EmailAuth, EmailOptions, EmailTls,
        email::{
            Error, Mailer,
            mailer::Rendered,
            message::compose,
            session::{self, Refusal},
        },
        tests::Lines,
    },
    runtime::{Clock, Tasks},
};

const PASSWORD: &str = "pa$$wörd";

async fn start(script: Script) -> Smtp {
    let tasks = Tasks::new().0;
    Smtp::start(script, move |task| tasks.spawn("smtp", task)).await
}

fn options(server: &Smtp) -> EmailOptions {
    EmailOptions {
        to: "ops@example.org".into(),
        from: "alerts@example.org".into(),
        host: "localhost".into(),
        port: server.port,
        hello: "bot.example".into(),
        auth: EmailAuth::None,
        tls_mode: EmailTls::Opportunistic,
        tls: TlsOptions::default(),
        headers: Vec::new(),
        html: "x".into(),
        text: "x".into(),
    }
}

fn password() -> EmailAuth {
    EmailAuth::Password {
        username: "bot".into(),
        password: Some(SecretSource::inline(PASSWORD)),
        secret: Some(SecretSource::inline(PASSWORD)),
        identity: "".into(),
    }
}

fn trusting(server: &Smtp, mode: EmailTls) -> EmailOptions {
    let tls = TlsOptions { ca: Some(SecretSource::inline(server.ca.as_str())), ..TlsOptions::default() };
    EmailOptions { tls, tls_mode: mode, ..options(server) }
}

async fn deliver(options: &EmailOptions, to: &str) -> Result<Vec<Refusal>, Error> {
    let (envelope, message) = compose(super::Parts { to, ..parts() }).unwrap();
    session::deliver(options, None, &envelope, &message, StdDuration::from_secs(20)).await
}

#[tokio::test]
async fn every_encryption_and_log_in_delivers() {
    for (encryption, mode, auth, mechanism) in [
        (Encryption::None, EmailTls::Opportunistic, &[][..], None),
        (Encryption::StartTls, EmailTls::Opportunistic, &[], None),
        (Encryption::Required, EmailTls::StartTls, &["PLAIN"], Some("PLAIN")),
        (Encryption::StartTls, EmailTls::StartTls, &["LOGIN", "PLAIN"], Some("LOGIN")),
        (Encryption::Implicit, EmailTls::Implicit, &["GSSAPI", "CRAM-MD5", "PLAIN"], Some("CRAM-MD5")),
        // The loopback is as private as TLS.
        (Encryption::None, EmailTls::Opportunistic, &["PLAIN"], Some("PLAIN")),
    ] {
        let script = Script { encryption, auth: auth.to_vec(), auth_in_clear: true, ..Script::default() };
        let server = start(script).await;
        let options = EmailOptions {
            auth: if auth.is_empty() { EmailAuth::None } else { password() },
            ..trusting(&server, mode)
        };
        let case = format!("{encryption:?} {mode:?} {auth:?}");
        assert_eq!(deliver(&options, "a@example.org, b@example.org").await.expect(&case), [], "{case}");
        let received = server.wait_for(1).await.remove(0);
        assert_eq!(received.from, "alerts@example.org");
        assert_eq!(received.to, ["a@example.org", "b@example.org"]);
        assert_eq!(received.encrypted, encryption != Encryption::None, "{case}");
        assert_eq!(received.login.map(|l| l.1), mechanism, "{case}");
        let message = MessageParser::default().parse(&received.data).unwrap();
        assert_eq!(message.subject(), Some("[FIRING:1] MemoryHigh (bot critical)"));
        assert_eq!(server.log().last().map(String::as_str), Some("QUIT"), "{case}");
    }
}

#[tokio::test]
async fn what_cannot_be_trusted_gets_nothing() {
    let starttls = || Script {
        encryption: Encryption::StartTls,
        auth: vec!["PLAIN"],
        auth_in_clear: true,
        ..Script::default()
    };
    let other = start(Script::default()).await;
    // An authority that signed nothing here.
    let server = start(starttls()).await;
    let strange = TlsOptions { ca: Some(SecretSource::inline(other.ca.as_str())), ..TlsOptions::default() };
    for mode in [EmailTls::StartTls, EmailTls::Opportunistic] {
        let options =
            EmailOptions { tls: strange.clone(), auth: password(), tls_mode: mode, ..options(&server) };
        let error = deliver(&options, "a@example.org").await.unwrap_err();
        assert!(!error.is_permanent() && matches!(error, Error::Net(net::Error::Tls { .. })), "{error}");
    }
    // Another name than the certificate's, and the name that makes up for it.
    let by_name = |name: &str| {
        let mut options = EmailOptions { auth: password(), ..trusting(&server, EmailTls::StartTls) };
        options.tls.server_name = Some(name.to_owned());
        options
    };
    let error = deliver(&by_name("mx.example.org"), "a@example.org").await.unwrap_err();
    assert!(error.to_string().contains("another host name"), "{error}");
    assert!(server.log().iter().all(|line| !line.starts_with("AUTH") && !line.starts_with("MAIL")));
    deliver(&by_name("localhost"), "a@example.org").await.unwrap();
    // Any certificate, because so configured.
    let tls = TlsOptions { insecure_skip_verify: true, ..strange };
    let options = EmailOptions { tls, auth: password(), tls_mode: EmailTls::StartTls, ..options(&server) };
    deliver(&options, "a@example.org").await.unwrap();
    // No STARTTLS where it is demanded.
    let plain = start(Script::default()).await;
    let error = deliver(&trusting(&plain, EmailTls::StartTls), "a@example.org").await.unwrap_err();
    assert!(matches!(error, Error::NoStartTls) && !error.is_permanent());
    assert_eq!(plain.log(), ["EHLO bot.example"]);
}

#[tokio::test]
async fn refusals_at_every_step() {
    for (command, line, permanent, text) in [
        ("CONNECT", "554 no service", false, "the connection: 554 no service"),
        ("CONNECT", "421 busy", false, "the connection: 421 busy"),
        ("EHLO", "421 4.3.2 closing", false, "EHLO: 421"),
        ("STARTTLS", "454 4.7.0 not now", false, "STARTTLS: 454"),
        ("EHLO", "554 5.7.1 not you", false, "offers no STARTTLS"),
        ("AUTH", "535 5.7.8 no", false, "the log-in: 535"),
        ("AUTH", "454 4.7.0 later", false, "the log-in: 454"),
        ("MAIL", "451 4.3.0 later", false, "the sender: 451"),
        ("MAIL", "550 5.7.1 not you", false, "the sender: 550"),
        ("RCPT", "550 5.1.1 unknown", true, "every recipient: a@example.org: 550 5.1.1 unknown"),
        ("RCPT", "450 4.2.1 greylisted", false, "every recipient: a@example.org: 450"),
        ("RCPT", "421 closing", false, "a recipient: 421"),
        ("DATA", "554 no", true, "DATA: 554"),
        ("DATA", "451 later", false, "DATA: 451"),
        (".", "552 5.3.4 too big", true, "the message: 552"),
        (".", "451 4.7.1 later", false, "the message: 451"),
        ("MAIL", "garbage", false, "no SMTP"),
        ("MAIL", "354 odd", false, "unexpected code"),
    ] {
        let script = Script {
            encryption: Encryption::StartTls,
            auth: vec!["PLAIN"],
            rules: vec![Rule::always(command, line)],
            ..Script::default()
        };
        let server = start(script).await;
        let options = EmailOptions { auth: password(), ..trusting(&server, EmailTls::StartTls) };
        let error = deliver(&options, "a@example.org").await.expect_err(command);
        assert_eq!(error.is_permanent(), permanent, "{command} {line}: {error}");
        assert!(error.to_string().contains(text), "{command} {line}: {error}");
        assert_eq!(server.received().len(), 0);
    }
}

#[tokio::test]
async fn an_old_server_is_greeted_in_the_old_way() {
    let server =
        start(Script { rules: vec![Rule::always("EHLO", "502 unknown")], ..Script::default() }).await;
    deliver(&options(&server), "a@example.org").await.unwrap();
    assert_eq!(server.log()[..2], ["EHLO bot.example", "HELO bot.example"]);
}

#[tokio::test]
async fn silence_ends_at_the_deadline_and_a_lost_answer_says_so() {
    for (command, act, text) in [
        ("CONNECT", Act::Hang, "no answer to the greeting in time"),
        ("EHLO", Act::Hang, "no answer to EHLO in time"),
        ("RCPT", Act::Hang, "no answer to a recipient in time"),
        ("DATA", Act::Hang, "no answer to DATA in time"),
        ("MAIL", Act::Close, "broke during the sender"),
        (".", Act::Hang, "may arrive twice"),
        (".", Act::Close, "may arrive twice"),
    ] {
        let server = start(Script { rules: vec![Rule::act(command, act)], ..Script::default() }).await;
        let (envelope, message) = compose(parts()).unwrap();
        let left = StdDuration::from_millis(300);
        let error = session::deliver(&options(&server), None, &envelope, &message, left).await;
        let error = error.expect_err(command);
        assert!(!error.is_permanent() && error.to_string().contains(text), "{command}: {error}");
        assert_eq!(server.received().len(), usize::from(command == "."));
    }
    // A farewell without an answer costs nothing.
    let server = start(Script { rules: vec![Rule::act("QUIT", Act::Hang)], ..Script::default() }).await;
    assert_eq!(deliver(&options(&server), "a@example.org").await.unwrap(), []);
}

#[tokio::test]
async fn no_secret_comes_back_in_an_error() {
    for auth in ["PLAIN", "LOGIN", "CRAM-MD5"] {
        let script = Script { auth: vec![auth], auth_in_clear: true, ..Script::default() };
        let server = start(Script { password: "other".to_owned(), ..script }).await;
        let options = EmailOptions { auth: password(), ..options(&server) };
        let error = deliver(&options, "a@example.org").await.unwrap_err();
        assert!(!error.is_permanent(), "{error}");
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("535"), "{shown}");
        for secret in [PASSWORD, "AGJvdABwYSQ", "cGEkJHfDtnJk"] {
            assert!(!shown.contains(secret), "{auth}: {shown}");
        }
    }
}

#[tokio::test]
async fn addresses_beyond_ascii_need_a_server_that_takes_them() {
    for (utf8, expected) in [(true, Ok(())), (false, Err("the server takes only ASCII addresses"))] {
        let server = start(Script { utf8, ..Script::default() }).await;
        let got = deliver(&options(&server), "größe@example.org").await;
        assert_eq!(got.map(drop).map_err(|e| e.to_string()), expected.map_err(str::to_owned));
        assert_eq!(server.received().len(), usize::from(utf8));
    }
}

#[tokio::test]
async fn an_address_beyond_ascii_does_not_keep_the_others_from_being_told() {
    let both = "größe@example.org, ops@example.org";
    let server = start(Script { utf8: true, ..Script::default() }).await;
    assert_eq!(deliver(&options(&server), both).await.unwrap(), []);
    let server = start(Script { utf8: false, ..Script::default() }).await;
    let refused = deliver(&options(&server), both).await.unwrap();
    let refused: Vec<_> = refused.iter().map(|r| (&*r.address, &*r.text, r.permanent)).collect();
    assert_eq!(refused, [("größe@example.org", "the server takes only ASCII addresses", true)]);
    let received = server.received();
    assert_eq!(received[0].to, ["ops@example.org"]);
    let message = String::from_utf8_lossy(&received[0].data);
    let head = message.split("\r\n\r\n").next().unwrap();
    assert!(head.is_ascii() && head.contains("To: ops@example.org\r\n"), "{head}");
}

#[tokio::test]
async fn a_withdrawn_token_is_fetched_anew_once() {
    // A token endpoint that gives t1, then t2, …
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let token_url = format!("http://{}/token", listener.local_addr().unwrap());
    let tasks = Tasks::new().0;
    tasks.spawn("tokens", async move {
        for n in 1.. {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            let mut buffer = [0; 8192];
            let _ = stream.read(&mut buffer).await;
            let body = format!(r#"{{"access_token":"t{n}-secret-token","expires_in":3600}}"#);
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
            let answer = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let oauth2 = OAuth2 {
        client_id: "id".to_owned(),
        client_secret: None,
        token_url,
        scopes: Vec::new(),
        endpoint_params: BTreeMap::new(),
        grant: Grant::RefreshToken(SecretSource::inline("refresh")),
        tls: TlsOptions::default(),
        proxy: ProxyOptions::default(),
    };
    for (good, expected) in [(2, true), (1, true), (9, false)] {
        let script = Script {
            encryption: Encryption::StartTls,
            auth: vec!["PLAIN", "XOAUTH2"],
            tokens: vec![format!("t{good}-secret-token")],
            ..Script::default()
        };
        let server = start(script).await;
        let auth = EmailAuth::XOAuth2 { username: "bot".into(), oauth2: Box::new(oauth2.clone()) };
        let options = EmailOptions { auth, ..trusting(&server, EmailTls::StartTls) };
        let mailer = Mailer::new(&options, &Clock::system()).unwrap();
        let outcome = attempt(&mailer, &send("1", &[]), "a@example.org").await;
        let _ = expected;
        match outcome {
            Outcome::Delivered { .. } => assert_eq!(good, 2),
            Outcome::Transient { error, .. } => {
                assert_ne!(good, 2);
                assert!(error.contains("535") && !error.contains("secret-token"), "{error}");
            }
            Outcome::Permanent { error } => panic!("{error}"),
        }
    }
}

fn send(id: &str, receiver_data: &[(&str, &str)]) -> Send {
    let delivery = Delivery {
        id: DeliveryId(id.into()),
        integration: IntegrationId { receiver: "ops".into(), kind: "email".into(), key: "k".into() },
        group_key: "{}:{}".into(),
        group_labels: Labels::default(),
        route_labels: Labels::default(),
        reason: "first notification".into(),
        alerts: Vec::new(),
        planned_at: NOW,
    };
    Send {
        after: Seq(0),
        delivery: Arc::new(delivery),
        attempt: 1,
        deadline: NOW + Duration::from_secs(20),
        receiver_data: receiver_data.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
    }
}

async fn attempt(mailer: &Mailer, send: &Send, to: &str) -> Outcome {
    mailer.perform(send, &data(), rendered(to), None, NOW).await
}

fn rendered(to: &str) -> Rendered {
    Rendered {
        to: to.to_owned(),
        from: "alerts@example.org".to_owned(),
        subject: "s".to_owned(),
        headers: Vec::new(),
        html: "<p>x".to_owned(),
        text: "x".to_owned(),
    }
}

fn data() -> Data {
    Data {
        receiver: "ops".into(),
        alerts: Vec::new(),
        group_labels: Labels::default(),
        common_labels: Labels::default(),
        common_annotations: Labels::default(),
        external_url: "http://localhost:9095".into(),
        notification_reason: "".into(),
        route_labels: Labels::default(),
        now: Timestamp(NOW.0),
    }
}

#[tokio::test]
async fn one_bad_recipient_keeps_it_from_nobody_else() {
    let server =
        start(Script { rules: vec![Rule::always("RCPT TO:<b@", "550 5.1.1 unknown")], ..Script::default() })
            .await;
    let mailer = Mailer::new(&options(&server), &Clock::system()).unwrap();
    let refused = |text: &str| Outcome::Delivered {
        receiver_data: BTreeMap::from([("refused".to_owned(), text.to_owned())]),
    };
    let outcome = attempt(&mailer, &send("1", &[]), "a@example.org, b@example.org").await;
    assert_eq!(outcome, refused("b@example.org: 550 5.1.1 unknown"));
    assert_eq!(server.received()[0].to, ["a@example.org"]);
    // The next message reaches all: what was kept is taken back.
    let outcome = attempt(&mailer, &send("2", &[("refused", "b")]), "a@example.org").await;
    assert_eq!(outcome, refused(""));
    let outcome = attempt(&mailer, &send("3", &[("refused", "")]), "a@example.org").await;
    assert_eq!(outcome, Outcome::Delivered { receiver_data: BTreeMap::new() });
}

#[tokio::test]
async fn whom_it_does_not_reach_is_told_on_change_and_hourly() {
    let server =
        start(Script { rules: vec![Rule::always("RCPT TO:<b@", "550 5.1.1 unknown")], ..Script::default() })
            .await;
    let mailer = Mailer::new(&options(&server), &Clock::system()).unwrap();
    let lines = Lines::default();
    let guard = lines.collect();
    for (minute, to, expected) in [
        (0, "a@example.org", None),
        (1, "a@example.org; nobody", Some("not to everybody: nobody: no address")),
        (2, "a@example.org; nobody", None),
        (3, "a@example.org, b@example.org", Some("not to everybody: b@example.org: 550 5.1.1 unknown")),
        (62, "a@example.org, b@example.org", None),
        (64, "a@example.org, b@example.org", Some("not to everybody: b@example.org: 550")),
        (65, "a@example.org", Some("reaches everybody again")),
        (66, "a@example.org", None),
    ] {
        let now = NOW + Duration::from_secs(minute * 60);
        let mut send = send("1", &[]);
        send.deadline = now + Duration::from_secs(20);
        let rendered = rendered(to);
        let outcome = mailer.perform(&send, &data(), rendered, None, now).await;
        assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
        let told = lines.take();
        assert_eq!(told.lines().count(), usize::from(expected.is_some()), "{minute}: {told}");
        assert!(told.contains(expected.unwrap_or_default()), "{minute}: {told}");
        assert!(expected.is_none() || told.contains("ops/email/k"), "{told}");
    }
    drop(guard);
}

#[tokio::test]
async fn what_is_no_address_keeps_it_from_nobody_else() {
    let server = start(Script::default()).await;
    let mailer = Mailer::new(&options(&server), &Clock::system()).unwrap();
    let outcome = attempt(&mailer, &send("1", &[]), "a@example.org; nobody, c@example.org").await;
    let Outcome::Delivered { receiver_data } = outcome else { panic!("{outcome:?}") };
    assert_eq!(receiver_data["refused"], "nobody: no address");
    assert_eq!(server.received()[0].to, ["a@example.org", "c@example.org"]);
}

#[tokio::test]
async fn a_recipient_refused_for_now_gets_it_later_and_the_others_once() {
    let server =
        start(Script { rules: vec![Rule::say("RCPT TO:<b@", "450 4.2.0 greylisted")], ..Script::default() })
            .await;
    let mailer = Mailer::new(&options(&server), &Clock::system()).unwrap();
    let to = "a@example.org, b@example.org, c@example.org";
    let Outcome::Transient { error, .. } = attempt(&mailer, &send("1", &[]), to).await else { panic!() };
    assert!(error.contains("b@example.org: 450 4.2.0 greylisted"), "{error}");
    server.add(Rule::say("RCPT TO:<b@", "550 5.1.1 unknown after all"));
    let Outcome::Delivered { receiver_data } = attempt(&mailer, &send("1", &[]), to).await else { panic!() };
    assert_eq!(receiver_data["refused"], "b@example.org: 550 5.1.1 unknown after all");
    let got: Vec<_> = server.received().into_iter().map(|m| m.to).collect();
    assert_eq!(got, [["a@example.org", "c@example.org"]]);
    // Another delivery knows nothing of it.
    assert!(matches!(attempt(&mailer, &send("2", &[]), to).await, Outcome::Delivered { .. }));
    assert_eq!(server.received()[1].to.len(), 3);
}

#[tokio::test]
async fn a_broken_template_costs_the_looks_not_the_message() {
    let server = start(Script::default()).await;
    let templates = Templates::builtin();
    let run = async |options: EmailOptions, course| {
        let mailer = Mailer::new(&options, &Clock::system()).unwrap();
        mailer.attempt(&send("1", &[]), &data(), &templates, course, NOW).await
    };
    let broken = "{{ index .Alerts 7 }}";
    let headers = vec![("Subject".into(), broken.into()), ("X-Receiver".into(), "{{ .Receiver }}".into())];
    let bad = EmailOptions { html: broken.into(), text: "".into(), headers, ..options(&server) };
    assert!(matches!(run(bad, None).await, Outcome::Delivered { .. }));
    let html = r#"{{ .Receiver }} <img src="cid:chart">"#;
    let good = EmailOptions { html: html.into(), ..options(&server) };
    assert!(matches!(run(good.clone(), Some(super::chart::leak())).await, Outcome::Delivered { .. }));
    let received = server.received();
    let message = MessageParser::default().parse(&received[0].data).unwrap();
    assert_eq!(message.subject(), Some("[RESOLVED] 0 alerts"));
    assert_eq!(message.header("X-Receiver").unwrap().as_text(), Some("ops"));
    let text = message.body_text(0).unwrap();
    assert!(text.contains("built-in template used: template of `html`:"), "{text}");
    assert!(text.contains("template of `headers: Subject`:"), "{text}");
    assert!(message.body_html(0).unwrap().contains("<!DOCTYPE html>"));
    let message = MessageParser::default().parse(&received[1].data).unwrap();
    assert!(message.parts.last().unwrap().contents().starts_with(b"\x89PNG"));
    // Without an address there is no message.
    match run(EmailOptions { to: broken.into(), ..good }, None).await {
        Outcome::Permanent { error } => assert!(error.starts_with("template of `to`:"), "{error}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let server = start(Script::default()).await;
    let good = options(&server);
    let header = |name: &str| vec![(name.into(), "x".into())];
    for (options, expected) in [
        (EmailOptions { host: "".into(), ..good.clone() }, "`smarthost`: no host"),
        (EmailOptions { hello: "a\r\nMAIL".into(), ..good.clone() }, "`hello`: no host name"),
        (
            EmailOptions { headers: header("Content-Type"), ..good.clone() },
            "`headers`: `Content-Type` can't be set",
        ),
        (EmailOptions { headers: header("X\r\nY"), ..good.clone() }, "`headers`: `X\r\nY` can't be set"),
    ] {
        let error = Mailer::new(&options, &Clock::system()).err().unwrap();
        assert_eq!(error.to_string(), expected);
    }
    // Nobody answers, and nobody has that name.
    let dead = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = dead.local_addr().unwrap().port();
    drop(dead);
    for (host, expected) in
        [("127.0.0.1", "can't connect to 127.0.0.1"), ("nowhere.invalid", "can't resolve")]
    {
        let options = EmailOptions { host: host.into(), port, ..good.clone() };
        let mailer = Mailer::new(&options, &Clock::system()).unwrap();
        match attempt(&mailer, &send("1", &[]), "a@example.org").await {
            Outcome::Transient { error, .. } => assert!(error.starts_with(expected), "{error}"),
            other => panic!("{other:?}"),
        }
    }
}
