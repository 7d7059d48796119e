use super::*;
use crate::{
    net::{Auth, Grant, SecretSource},
    notify::{
        EmailAuth, EmailOptions, EmailTls, Integration, SlackAddress, SlackOptions, UrlSource, WebhookOptions,
    },
};

fn one(c: &Configuration) -> &Integration {
    let all: Vec<_> = c.notify.integrations.values().collect();
    let [one] = all.as_slice() else { panic!("{all:?}") };
    one
}

fn receiver(global: &str, list: &str, keys: &str) -> String {
    format!("global: {{{global}}}\nroute: {{receiver: t}}\nreceivers: [{{name: t, {list}: [{{{keys}}}]}}]\n")
}

fn email_in(name: &str, global: &str, keys: &str) -> EmailOptions {
    let loaded = loaded(name, &receiver(global, "email_configs", keys));
    let said = lines(&loaded.diagnostics);
    match one(&loaded.configuration.unwrap_or_else(|| panic!("{said}"))) {
        Integration::Email(e) => (**e).clone(),
        other => panic!("{other:?}"),
    }
}

fn slack_of(global: &str, keys: &str) -> SlackOptions {
    match one(&own(&receiver(global, "slack_configs", keys))) {
        Integration::Slack(s) => (**s).clone(),
        other => panic!("{other:?}"),
    }
}

fn webhook_in(name: &str, global: &str, keys: &str) -> WebhookOptions {
    match one(&loaded(name, &receiver(global, "webhook_configs", keys)).configuration.unwrap()) {
        Integration::Webhook(w) => (**w).clone(),
        other => panic!("{other:?}"),
    }
}

const MAIL: &str = "smtp_smarthost: 'mail.h:587', smtp_from: f@h.org";

#[test]
fn how_mail_is_encrypted() {
    let cases = [
        ("", "", EmailTls::StartTls),
        (", smtp_require_tls: false", "", EmailTls::Opportunistic),
        (", smtp_require_tls: false", ", require_tls: true", EmailTls::StartTls),
        ("", ", smarthost: 'm:465'", EmailTls::Implicit),
        (", smtp_force_implicit_tls: true", "", EmailTls::Implicit),
        ("", ", smarthost: 'm:465', force_implicit_tls: false", EmailTls::StartTls),
    ];
    for (global, keys, mode) in cases {
        let e = email_in("botwatch.yml", &format!("{MAIL}{global}"), &format!("to: a@b.c{keys}"));
        assert_eq!(e.tls_mode, mode, "{global} {keys}");
    }
}

#[test]
fn how_one_logs_in_to_a_mail_server() {
    let password = |p: &str| EmailAuth::Password {
        username: "u".into(),
        password: Some(SecretSource::inline(p)),
        secret: None,
        identity: "".into(),
    };
    let global = format!("{MAIL}, smtp_auth_username: u, smtp_auth_password: p");
    assert_eq!(email_in("botwatch.yml", MAIL, "to: a@b.c").auth, EmailAuth::None);
    assert_eq!(email_in("botwatch.yml", &global, "to: a@b.c").auth, password("p"));
    assert_eq!(email_in("botwatch.yml", &global, "to: a@b.c, auth_password: q").auth, password("q"));
    let keys =
        "to: a@b.c, auth_oauth2: {client_id: c, refresh_token: r, token_url: 'https://h/t', scopes: [s]}";
    match email_in("botwatch.yml", &global, keys).auth {
        EmailAuth::XOAuth2 { username, oauth2 } => {
            assert_eq!((&*username, &*oauth2.client_id, &*oauth2.token_url), ("u", "c", "https://h/t"));
            assert_eq!(oauth2.grant, Grant::RefreshToken(SecretSource::inline("r")));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn texts_of_mail_have_defaults() {
    let e = email_in("botwatch.yml", MAIL, "to: '{{ .x }}@b.c', headers: {X-A: b}");
    assert_eq!((&*e.host, e.port, &*e.hello, &*e.from), ("mail.h", 587, "localhost", "f@h.org"));
    assert_eq!(&*e.html, r#"{{ template "email.default.html" . }}"#);
    assert_eq!(&*e.text, r#"{{ template "email.default.text" . }}"#);
    let names: Vec<&str> = e.headers.iter().map(|(n, _)| &**n).collect();
    assert_eq!(names, ["X-A", "Subject"]);
    let plain = email_in("alertmanager.yml", MAIL, "to: a@b.c, html: '', headers: {subject: s}");
    assert_eq!((&*plain.html, &*plain.text), ("", ""));
    assert_eq!(plain.headers, [("subject".into(), "s".into())]);
}

#[test]
fn slack_has_an_address_or_a_bot() {
    let hook = |u: &str| SlackAddress::Webhook(UrlSource(SecretSource::inline(u)));
    let cases = [
        ("slack_api_url: 'https://h/g'", "", hook("https://h/g")),
        ("slack_api_url: 'https://h/g'", "api_url: 'https://h/l'", hook("https://h/l")),
    ];
    for (global, keys, address) in cases {
        assert_eq!(format!("{:?}", slack_of(global, keys).address), format!("{address:?}"));
    }
    match slack_of("slack_app_token: xoxb", "channel: '#c'").address {
        SlackAddress::Bot { token, url } => {
            assert_eq!(token, SecretSource::inline("xoxb"));
            assert_eq!(&*url, "https://slack.com/api/chat.postMessage");
        }
        other @ SlackAddress::Webhook(_) => panic!("{other:?}"),
    }
    let s = slack_of(
        "slack_api_url: 'https://h/g'",
        "title: t, fields: [{title: a, value: b, short: true}], \
         actions: [{type: button, text: x, url: 'http://h', name: gone}], timeout: 2s",
    );
    assert_eq!((&*s.title, &*s.color), ("t", ""));
    assert_eq!(&*s.text, r#"{{ template "slack.botwatch.text" . }}"#);
    assert_eq!(&*s.title_link, r#"{{ template "slack.default.titlelink" . }}"#);
    assert_eq!(s.mrkdwn_in, arcs(&["fallback", "pretext", "text"]));
    assert_eq!((s.fields[0].short, &*s.actions[0].name), (Some(true), ""));
}

#[test]
fn a_webhook_inherits_the_client_as_a_whole() {
    let global = "http_config: {follow_redirects: false, authorization: {credentials: c}}";
    let w = webhook_in("botwatch.yml", global, "url: 'http://h/a', max_alerts: 3");
    assert!(!w.http.follow_redirects && w.botwatch_object);
    assert_eq!(w.max_alerts, 3);
    let w = webhook_in("botwatch.yml", global, "url: 'http://h/a', http_config: {enable_http2: false}");
    assert!(w.http.follow_redirects && !w.http.enable_http2);
    assert_eq!(w.http.auth, Auth::None);
    assert!(!webhook_in("alertmanager.yml", "", "url: 'http://h/a'").botwatch_object);
    let w = webhook_in("alertmanager.yml", "", "url: 'http://h/a'");
    assert_eq!(w.url, UrlSource(SecretSource::inline("http://h/a")));
}

#[test]
fn texts_that_are_no_templates_are_reported_in_the_file() {
    let text = receiver("slack_api_url: 'https://h/g'", "slack_configs", "title: 'a {{ .Status'");
    let loaded = loaded("botwatch.yml", &text);
    assert!(loaded.configuration.is_none());
    let [d] = loaded.diagnostics.as_slice() else { panic!("{}", lines(&loaded.diagnostics)) };
    assert_eq!((d.code, &*d.context), ("template-syntax", "receiver `t`"));
    let (source, span) = d.place.clone().unwrap();
    assert_eq!(source.position(span.start).0, 3);
}

#[test]
fn addresses_are_checked_where_they_stand() {
    for (global, keys, expected) in [
        (
            "smtp_from: f@h.org",
            "to: 'a@h.org, nobody, b@h.org'",
            Some("botwatch.yml:3:54: error[invalid-value]: receiver `t`: `nobody` is no e-mail address"),
        ),
        ("smtp_from: f@h.org", "to: a@@h.org", Some("`a@@h.org` is no e-mail address")),
        ("smtp_from: f@h.org", "to: a@h.org b@h.org", Some("`a@h.org b@h.org` is no e-mail address")),
        ("smtp_from: bot", "to: a@h.org", Some("botwatch.yml:1:")),
        ("smtp_from: 'a@h.org, b@h.org'", "to: a@h.org", Some("more than one sender")),
        ("smtp_from: 'Bot <f@h.org>'", "to: '\"Doe, J.\" <j@h.org>, a@h.org,'", None),
        ("smtp_from: f@h.org", "to: '{{ template \"to\" . }}'", None),
    ] {
        let text = receiver(&format!("smtp_smarthost: 'h:25', {global}"), "email_configs", keys);
        let loaded = loaded("botwatch.yml", &text);
        let said = lines(&loaded.diagnostics);
        assert_eq!(loaded.configuration.is_none(), expected.is_some(), "{keys}: {said}");
        assert!(said.contains(expected.unwrap_or_default()), "{keys}: {said}");
    }
}

#[test]
fn messages_about_templates_name_the_key() {
    let loaded =
        loaded("botwatch.yml", &receiver("", "slack_configs", "api_url: 'http://h/', title: '{{ .A '"));
    let said = lines(&loaded.diagnostics);
    assert!(said.contains("template: title:1:"), "{said}");
}
