//! The page as HTML.

use std::fmt::Write as _;

use botwatch_core::{
    model::{Duration, Timestamp},
    template::escape_html as escape,
};

use super::{Facts, ROWS_MAX, style::STYLE};
use crate::api::NoticeKind;

/// Relative, so that they hold below a prefix.
const LINKS: &[(&str, &str)] = &[
    ("api/v1/alerts", "Alerts"),
    ("api/v1/rules", "Rules"),
    ("api/v1/targets", "Targets"),
    ("api/alerting/notifications", "Notifications"),
    ("api/v1/status/config", "Configuration"),
    ("metrics", "Metrics"),
    ("docs", "Documentation"),
    ("-/ready", "Ready"),
];

pub(super) fn write(facts: &Facts) -> String {
    let sentence = escape(&facts.sentence());
    let mood = if facts.firing > 0 {
        "bad"
    } else if facts.not_ready.is_some() || !facts.doubts().is_empty() {
        "warn"
    } else {
        "good"
    };
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta http-equiv=\"refresh\" content=\"15\"><title>{sentence}</title><style>{STYLE}</style></head>\n\
         <body><main><header><b>botwatch</b><span>{}</span><span>{}</span></header>\n<h1 class=\"{mood}\">{sentence}</h1>\n",
        escape(facts.version),
        facts.now.rfc3339().split('.').next().unwrap_or_default().trim_end_matches('Z').replace('T', " ")
            + " UTC",
    );
    alerts(&mut out, facts);
    untold(&mut out, facts);
    blind(&mut out, facts);
    troubles(&mut out, facts);
    notices(&mut out, facts);
    out.push_str("<nav>");
    for (path, text) in LINKS {
        let _ = write!(out, "<a href=\"{path}\">{text}</a>");
    }
    out.push_str("</nav>\n</main></body></html>\n");
    out
}

fn alerts(out: &mut String, facts: &Facts) {
    if facts.alerts.is_empty() {
        return;
    }
    out.push_str("<h2>Firing</h2>\n<ul>\n");
    for alert in &facts.alerts {
        let _ = write!(out, "<li><b>{}</b>", escape(&alert.name));
        if !alert.severity.is_empty() {
            let mood = match alert.severity.as_str() {
                "emergency" | "critical" | "page" => "bad",
                "warning" => "warn",
                _ => "",
            };
            let _ = write!(out, "<span class=\"tag {mood}\">{}</span>", escape(&alert.severity));
        }
        if alert.frozen.is_some() {
            out.push_str("<span class=\"tag\">frozen</span>");
        }
        if !alert.summary.is_empty() {
            let _ = write!(out, "<p>{}</p>", escape(&alert.summary));
        }
        let _ = write!(out, "<p class=\"soft\">for {}", age(facts.now, alert.since));
        if let Some(since) = alert.frozen {
            let _ = write!(out, ", frozen for {}: its source could not be seen", age(facts.now, since));
        }
        if alert.runbook.starts_with("https://") || alert.runbook.starts_with("http://") {
            let _ = write!(out, " · <a href=\"{}\">what to do</a>", escape(&alert.runbook));
        }
        out.push_str("</p></li>\n");
    }
    more(out, facts.firing);
    out.push_str("</ul>\n");
}

fn blind(out: &mut String, facts: &Facts) {
    if facts.blind.is_empty() {
        return;
    }
    out.push_str("<h2>Can’t be seen</h2>\n<ul>\n");
    for target in facts.blind.iter().take(ROWS_MAX) {
        let _ = write!(
            out,
            "<li><b>{}</b> <span class=\"soft\">{}</span><p>{}</p>",
            escape(&target.pool),
            escape(&target.url),
            escape(&target.error)
        );
        if let Some(last) = target.last {
            let _ = write!(out, "<p class=\"soft\">tried {} ago</p>", age(facts.now, last));
        }
        out.push_str("</li>\n");
    }
    more(out, facts.blind.len());
    out.push_str("</ul>\n");
}

fn untold(out: &mut String, facts: &Facts) {
    if facts.untold.is_empty() {
        return;
    }
    out.push_str("<h2>Can’t be told</h2>\n<ul>\n");
    for it in facts.untold.iter().take(ROWS_MAX) {
        let messages = super::counted(it.messages, "message");
        let then = match it.next {
            _ if it.refused => "refused; made anew when its alerts change, and every few minutes".to_owned(),
            None => "being tried now".to_owned(),
            Some(at) if at <= facts.now => "tried again now".to_owned(),
            Some(at) => format!("tried again in {}", age(at, facts.now)),
        };
        let (name, key, error) = (escape(&it.name), escape(&it.key), escape(&it.error));
        let _ = writeln!(
            out,
            "<li><b>{name}</b> <span class=\"soft\">{key}: {messages}, {then}</span><p>{error}</p></li>"
        );
    }
    more(out, facts.untold.len());
    out.push_str("</ul>\n");
}

fn more(out: &mut String, all: usize) {
    if all > ROWS_MAX {
        let _ = writeln!(out, "<li class=\"soft\">and {} more</li>", all - ROWS_MAX);
    }
}

/// What is wrong with botwatch itself.
fn troubles(out: &mut String, facts: &Facts) {
    let mut found = Vec::new();
    if let Some(error) = &facts.reload_error {
        found.push(format!("The newest configuration was refused; the one before it is in force. {error}"));
    }
    if !facts.durable {
        found.push(
            "The journal can’t be written: alerts are sent, but nothing from outside is accepted.".to_owned(),
        );
    }
    if facts.broken_rules > 0 {
        found.push(format!("{} ended with an error.", super::counted(facts.broken_rules, "rule")));
    }
    list(out, "Trouble", found.iter().map(String::as_str));
}

fn notices(out: &mut String, facts: &Facts) {
    for (kind, title) in [
        (NoticeKind::Off, "Switched off"),
        (NoticeKind::Cannot, "Not covered"),
        (NoticeKind::Watches, "Watches"),
        (NoticeKind::Tells, "Tells"),
    ] {
        list(out, title, facts.notices.iter().filter(|(k, _)| *k == kind).map(|(_, text)| text.as_str()));
    }
}

fn list<'a>(out: &mut String, title: &str, items: impl Iterator<Item = &'a str>) {
    let mut items = items.take(ROWS_MAX).peekable();
    if items.peek().is_none() {
        return;
    }
    let _ = write!(out, "<h2>{title}</h2>\n<ul>\n");
    for item in items {
        let _ = writeln!(out, "<li>{}</li>", quoted(item));
    }
    out.push_str("</ul>\n");
}

/// What stands between back-ticks, as our messages quote names, becomes code.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, (name, after))) =
        rest.split_once('`').and_then(|(b, r)| Some((b, r.split_once('`')?)))
    {
        let _ = write!(out, "{}<code>{}</code>", escape(before), escape(name));
        rest = after;
    }
    out + &escape(rest)
}

/// A length of time in its two largest units.
pub(super) fn age(now: Timestamp, then: Timestamp) -> String {
    let seconds = now.since(then).max(Duration::ZERO).as_millis() / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds / 3600 % 24),
    }
}
