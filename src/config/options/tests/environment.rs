use std::fs;

use botwatch_core::{
    alerting::{GroupBy, Route},
    model::Duration,
};

use super::*;
use crate::{
    collect::ProcessFinder,
    config::{
        endpoints::masked,
        env::{VARIABLES, names_of},
        file::Evaluation,
    },
    net::SecretSource,
    notify::{EmailAuth, EmailTls, Integration},
};

fn secs(n: i64) -> Option<Duration> {
    Some(Duration::from_secs(n))
}

fn text_of_example() -> String {
    fs::read_to_string(repository().join(".env.alerting.example")).unwrap()
}

/// `NAME=value` and `#NAME=value`.
fn assignments(text: &str) -> Vec<(&str, &str)> {
    let name = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    text.lines()
        .filter_map(|line| line.strip_prefix('#').unwrap_or(line).split_once('='))
        .filter(|(n, _)| name(n))
        .collect()
}

#[test]
fn the_example_has_every_variable_and_loads_with_all_of_them() {
    let text = text_of_example();
    let pairs = assignments(&text);
    let given: Vec<&str> = pairs.iter().map(|(n, _)| *n).collect();
    let known: Vec<String> = VARIABLES.iter().flat_map(names_of).collect();
    assert_eq!(given, known, "in the order of `VARIABLES`");
    let env = Env::from_pairs(pairs);
    let loaded = configure(&[], &env, &Flags::default());
    let said = lines(&loaded.diagnostics);
    assert!(
        said.lines().count() == 1 && said.contains("`SLACK_WEBHOOK_URL` and `SLACK_BOT_TOKEN`"),
        "{said}"
    );
    let c = loaded.configuration.unwrap();
    let critical = &c.alerting.receivers["critical"];
    let kinds: Vec<&str> = critical.iter().map(|i| &*i.id.kind).collect();
    assert_eq!(kinds, ["webhook", "email", "slack"]);
    assert!(c.alerting.receivers.values().flatten().all(|i| i.send_resolved));
}

#[test]
fn each_variable_of_the_example_is_explained() {
    let text = text_of_example();
    let lines: Vec<&str> = text.lines().collect();
    let is_assignment = |line: &str| !assignments(line).is_empty();
    for (i, line) in lines.iter().enumerate().filter(|(_, l)| is_assignment(l)) {
        // Variables of one kind share an explanation.
        let above = lines[..i].iter().rev().find(|l| !is_assignment(l)).unwrap();
        assert!(above.starts_with("# ") && !above.starts_with("# ---"), "{line}: {above}");
    }
}

#[test]
fn an_empty_environment_watches_the_usual_bot_by_the_shipped_rules() {
    let c = environment(&[]);
    let [job] = c.collect.jobs.as_slice() else { panic!() };
    assert_eq!((secs(5), secs(5)), (Some(job.interval), Some(job.timeout)));
    assert_eq!(job.static_targets[0].targets, arcs(&["127.0.0.1:3000"]));
    assert_eq!(c.collect.process.map(|p| p.finder), Some(ProcessFinder::Port(3000)));
    assert_eq!(c.rules.files.len(), 3);
    assert_eq!((c.rules.evaluation, Some(c.rules.shared.interval)), (Evaluation::OnData, secs(5)));
    let loaded = configure(&[], &none(), &Flags::default());
    assert!(lines(&loaded.diagnostics).contains("nobody-told"));
}

/// The route that an alert takes first.
fn takes<'r>(route: &'r Route, labels: &Labels) -> Vec<&'r Route> {
    let child = route.routes.iter().find(|r| r.matchers.iter().all(|m| m.matches(labels.value(&m.name))));
    let mut path = vec![route];
    path.extend(child.map(|c| takes(c, labels)).unwrap_or_default());
    path
}

#[test]
fn shipped_timings() {
    let c = environment(&[("ALERT_WEBHOOK_ENDPOINTS", r#"[{"url":"http://h/a"}]"#)]);
    let root = &c.alerting.route;
    assert_eq!(root.group_by, Some(GroupBy::Labels(arcs(&["bot", "alertname"]))));
    assert_eq!(root.group_interval, secs(60));
    for (severity, wait, repeat) in [("emergency", 0, 1800), ("critical", 5, 14_400), ("warning", 30, 14_400)]
    {
        let path = takes(root, &labels(&[("severity", severity)]));
        let of = |f: fn(&Route) -> Option<Duration>| path.iter().rev().find_map(|r| f(r));
        assert_eq!(of(|r| r.group_wait), secs(wait), "{severity}");
        assert_eq!(of(|r| r.repeat_interval), secs(repeat), "{severity}");
    }
    let names: Vec<&str> = c.alerting.inhibit_rules.iter().map(|r| &*r.name).collect();
    assert_eq!(names.len(), 4, "{names:?}");
}

#[test]
fn who_is_told_by_type_and_severity() {
    let c = environment(&[
        ("SMTP_HOST", "mail.h"),
        ("SMTP_FROM", "f@h.org"),
        ("ALERT_EMAIL_RECIPIENTS", "all@h.org"),
        ("ALERT_EMAIL_RECIPIENTS_SECURITY_BREACH", "sec@h.org"),
        ("SLACK_BOT_TOKEN", "xoxb"),
        ("SLACK_CHANNEL", "#all"),
        ("SLACK_CRITICAL_CHANNEL", "#critical"),
        ("SLACK_CHANNEL_SYSTEM_FAILURE", "#ops"),
    ]);
    let cases = [
        ("warning", "other", "all@h.org", "#all"),
        ("critical", "other", "all@h.org", "#critical"),
        ("emergency", "other", "all@h.org", "#critical"),
        ("critical", "security_breach", "sec@h.org", "#critical"),
        ("warning", "system_failure", "all@h.org", "#ops"),
        ("emergency", "system_failure", "all@h.org", "#ops"),
    ];
    for (severity, category, to, channel) in cases {
        let path = takes(&c.alerting.route, &labels(&[("severity", severity), ("category", category)]));
        let receiver = path.iter().rev().find_map(|r| r.receiver.clone()).unwrap();
        let mut found = (String::new(), String::new());
        for i in &c.alerting.receivers[&receiver] {
            match &c.notify.integrations[&i.id] {
                Integration::Email(e) => found.0 = e.to.to_string(),
                Integration::Slack(s) => found.1 = s.channel.to_string(),
                Integration::Webhook(_) => {}
            }
        }
        assert_eq!(found, (to.to_owned(), channel.to_owned()), "{severity} {category}");
    }
}

#[test]
fn endpoints_of_webhooks() {
    let list = r#"[{"url":"https://h/a","retryAttempts":3,"timeout":10000,"headers":{"X-Key":"k"}},{"url":"https://h/b"}]"#;
    for written in [list.to_owned(), format!("'{list}'")] {
        let c = environment(&[("ALERT_WEBHOOK_ENDPOINTS", &written)]);
        let [a, b] = c.alerting.receivers["warning"].as_slice() else { panic!() };
        assert_eq!((a.retry.attempts, Some(a.attempt_timeout)), (4, secs(10)));
        assert_eq!(Some(b.attempt_timeout), secs(30));
        match &c.notify.integrations[&a.id] {
            Integration::Webhook(w) => {
                assert_eq!(w.http.http_headers["X-Key"], [SecretSource::inline("k")]);
                assert!(w.botwatch_object);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn switches() {
    let c = environment(&[
        ("PRODUCTION_ALERTING_ENABLED", "false"),
        ("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"),
    ]);
    assert!(!c.alerting.enabled);
    assert_eq!(c.storage_path, std::path::Path::new("/var/lib/a"));
    for (value, finder) in
        [("17", ProcessFinder::Pid(17)), ("/run/b.pid", ProcessFinder::PidFile("/run/b.pid".into()))]
    {
        let c = environment(&[("BOT_PID", value), ("BOT_NAME", "b9")]);
        assert_eq!((c.collect.process.map(|p| p.finder), &*c.bot), (Some(finder), "b9"));
    }
}

#[test]
fn how_mail_is_encrypted() {
    let cases = [
        ("587", "", EmailTls::StartTls),
        ("587", "false", EmailTls::StartTls),
        ("587", "true", EmailTls::Implicit),
        ("465", "", EmailTls::Implicit),
        ("465", "false", EmailTls::Implicit),
    ];
    for (port, secure, mode) in cases {
        let c = environment(&[
            ("SMTP_HOST", "mail.h"),
            ("SMTP_PORT", port),
            ("SMTP_SECURE", secure),
            ("SMTP_USER", "u@h.org"),
            ("SMTP_PASS_FILE", "/run/p"),
            ("ALERT_EMAIL_RECIPIENTS", "a@h.org"),
        ]);
        let id = &c.alerting.receivers["critical"][0].id;
        let Integration::Email(email) = &c.notify.integrations[id] else { panic!("{id:?}") };
        assert_eq!((email.tls_mode, &*email.from), (mode, "u@h.org"), "{port} {secure}");
        let password = Some(SecretSource::File("/run/p".into()));
        assert!(matches!(&email.auth, EmailAuth::Password { password: p, .. } if *p == password));
    }
}

#[test]
fn values_are_masked_in_place() {
    let cases = [
        (r#"[{"url":"https://h.org/a","timeout":10}]"#, r#"[{"url":"https://h.org**","timeout":10}]"#),
        (r#"{"headers": {"X-K" : "a\"b"}}"#, r#"{"headers": {"X-K" : "**"*"}}"#),
        ("[{url: https://u:p@h/x, n: 5}]", "[{url: ***************, n: 5}]"),
        (r#"[{"url":"https://h/s"#, r#"[{"url":"https://h**"#),
        ("'sécret", "'*******"),
        ("", ""),
    ];
    for (text, expected) in cases {
        assert_eq!(masked(text), expected);
        assert_eq!(masked(text).len(), text.len());
    }
}

/// What an environment is told, over files of one name and text.
fn said(file: Option<&str>, pairs: &[(&str, &str)]) -> (String, Option<Configuration>) {
    let sources: Vec<_> = file.map(|text| SourceText::new("botwatch.yml", text)).into_iter().collect();
    let loaded = configure(&sources, &Env::from_pairs(pairs.iter().copied()), &Flags::default());
    (lines(&loaded.diagnostics), loaded.configuration)
}

#[test]
fn the_environments_slack_address_displaces_the_files_whatever_its_kind() {
    let file = |global: &str| {
        format!(
            "global: {{{global}}}\nroute: {{receiver: t}}\n\
             receivers: [{{name: t, slack_configs: [{{channel: '#a'}}]}}]\n"
        )
    };
    let hook = "https://chat.example.org/hook";
    for (global, pair, by_token) in [
        ("slack_app_token: xoxb-file", ("SLACK_WEBHOOK_URL", hook), false),
        ("slack_app_token_file: /run/t", ("SLACK_WEBHOOK_URL", hook), false),
        ("slack_app_token: xoxb-file", ("SLACK_WEBHOOK_URL_FILE", "/dev/null"), false),
        ("slack_api_url: 'https://chat.example.org/old'", ("SLACK_BOT_TOKEN", "xoxb-env"), true),
        ("slack_api_url_file: /run/old", ("SLACK_BOT_TOKEN_FILE", "/dev/null"), true),
    ] {
        let (told, c) = said(Some(&file(global)), &[pair]);
        assert_eq!(told, "", "{global} {pair:?}");
        let c = c.unwrap();
        let Some(Integration::Slack(slack)) = c.notify.integrations.values().next() else {
            panic!("{global}")
        };
        let is_bot = matches!(slack.address, crate::notify::SlackAddress::Bot { .. });
        assert_eq!(is_bot, by_token, "{global} {pair:?}");
        assert!(!c.yaml().contains("/run/old"), "{}", c.yaml());
    }
    let both = [("SLACK_WEBHOOK_URL", hook), ("SLACK_BOT_TOKEN", "xoxb-env"), ("SLACK_CHANNEL", "#a")];
    let (told, c) = said(None, &both);
    assert!(told.contains("both `SLACK_WEBHOOK_URL` and `SLACK_BOT_TOKEN` are set") && c.is_some(), "{told}");
}

#[test]
fn no_log_level_of_the_bot_keeps_the_watcher_from_starting() {
    for (word, level, warns) in [
        ("debug", "debug", false),
        ("WARN", "warn", false),
        ("warning", "warn", false),
        ("http", "info", true),
        ("verbose", "info", true),
        ("silly", "info", true),
        ("silent", "error", true),
        ("fatal", "error", true),
        ("30", "info", true),
    ] {
        let (told, c) = said(None, &[("LOG_LEVEL", word)]);
        assert_eq!(
            c.unwrap().switches.log_level.map(|l| l.value.to_string()).as_deref(),
            Some(level),
            "{word}"
        );
        assert_eq!(told.contains("is no log level of botwatch"), warns, "{told}");
    }
}

#[test]
fn process_ids_are_over_zero() {
    for value in ["-1", "0", "+0", "99999999999", "99999999999999999999999"] {
        let (told, c) = said(None, &[("BOT_PID", value)]);
        assert!(c.is_none() && told.contains(&format!("`{value}` is no process id")), "{told}");
    }
    for value in ["/run/-1", "-", "bot.pid"] {
        assert!(said(None, &[("BOT_PID", value)]).1.is_some(), "{value}");
    }
}

#[test]
fn recipients_are_addresses() {
    let mail = |to: &str| {
        said(None, &[("SMTP_HOST", "h"), ("SMTP_FROM", "Bot <bot@h.org>"), ("ALERT_EMAIL_RECIPIENTS", to)])
    };
    let (_, c) = mail("a@h.org; \"Doe; J.\" <j@h.org>,b@h.org;");
    let c = c.unwrap();
    let Some(Integration::Email(email)) = c.notify.integrations.values().next() else { panic!("no e-mail") };
    assert_eq!(&*email.to, "a@h.org, \"Doe; J.\" <j@h.org>,b@h.org,");
    let (told, c) = mail("a@h.org;nobody");
    assert!(
        c.is_none() && told.lines().filter(|l| l.contains("`nobody` is no e-mail address")).count() == 1,
        "{told}"
    );
}

#[test]
fn an_empty_list_of_webhooks_is_warned_of() {
    let empty = ("ALERT_WEBHOOK_ENDPOINTS", "[]");
    let (told, c) = said(None, &[empty, ("WEBHOOK_ALERTS_ENABLED", "true")]);
    assert!(c.is_some() && told.contains("`ALERT_WEBHOOK_ENDPOINTS` is an empty list"), "{told}");
    assert!(!said(None, &[empty]).0.contains("empty list"));
}

#[test]
fn each_address_is_told_of_once() {
    let c = environment(&[
        ("SMTP_HOST", "h"),
        ("SMTP_FROM", "a@h.org"),
        ("ALERT_EMAIL_RECIPIENTS", "b@h.org"),
        ("ALERT_WEBHOOK_ENDPOINTS", r#"[{"url":"https://h.org/a"},{"url":"https://h.org/b"}]"#),
    ]);
    assert_eq!(c.told(), ["one list of e-mail recipients", "2 webhooks"]);
    assert!(environment(&[]).told().is_empty());
}
