//! The environment: which variables there are, their values with a place for messages, and where it is read.

use std::{collections::BTreeMap, sync::Arc};

use botwatch_core::{
    diag::{Diagnostic, SourceText, Span, nearest},
    model::Secret,
    yaml::parse_bool,
};

use super::value::{At, Place};

/// How the environment is called in messages. Its text there is one line for each variable that is known and set,
/// secrets masked.
pub const SOURCE_NAME: &str = "environment";

/// The variables of a process.
#[derive(Debug, Clone, Default)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// This process' environment. The one place that reads it; values that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        // `vars` panics on what is not UTF-8.
        Self(
            std::env::vars_os()
                .filter_map(|(n, v)| Some((n.into_string().ok()?, v.into_string().ok()?)))
                .collect(),
        )
    }

    /// From pairs.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        Self(pairs.into_iter().map(|(n, v)| (n.into(), v.into())).collect())
    }

    /// A variable's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// A kind of issue, as in the label `category` and in variable names.
pub const TYPES: &[&str] =
    &["system_failure", "paper_trading_violation", "performance_degradation", "security_breach"];

/// The severities, worst first, as in the label `severity`.
pub const SEVERITIES: &[&str] = &["emergency", "critical", "warning"];

/// A variable that is known.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name; `<TYPE>` stands for each of [`TYPES`] in upper case.
    pub name: &'static str,
    /// Whether its value must not be shown.
    pub secret: bool,
    /// What it does, one sentence.
    pub about: &'static str,
}

const fn open(name: &'static str, about: &'static str) -> Variable {
    Variable { name, secret: false, about }
}

const fn secret(name: &'static str, about: &'static str) -> Variable {
    Variable { name, secret: true, about }
}

/// All variables, in the order of `.env.alerting.example`.
pub const VARIABLES: &[Variable] = &[
    open("PRODUCTION_ALERTING_ENABLED", "false: collect and evaluate, but send nothing; unset means true"),
    open("BOT_NAME", "the label `bot`; default `bot`"),
    open("BOT_METRICS_URL", "where the bot's metrics are; default http://127.0.0.1:3000/metrics"),
    open("BOT_PID", "the bot's process id, or the path of its pid file"),
    open("BOT_PROCESS", "the name of the bot's process, when there is no pid"),
    open("BOT_MODE", "paper or live; unset switches the safety checks off"),
    open("BOT_LIVE_ACKNOWLEDGED", "the bot's name once more, needed with BOT_MODE=live"),
    open("BOT_GUARD", "enforce, observe or off: the egress guard"),
    open("EMAIL_ALERTS_ENABLED", "unset: on when ALERT_EMAIL_RECIPIENTS and SMTP_HOST are set"),
    open("ALERT_EMAIL_RECIPIENTS", "recipients, separated by commas or semicolons"),
    open("ALERT_EMAIL_RECIPIENTS_<TYPE>", "recipients of one type of issue in place of the general ones"),
    open("SMTP_HOST", "the SMTP server"),
    open("SMTP_PORT", "its port; default 587; 465 means TLS from the first byte"),
    open("SMTP_SECURE", "true: TLS from the first byte whatever the port"),
    open("SMTP_REQUIRE_TLS", "false: send unencrypted when the server offers nothing better"),
    open("SMTP_USER", "the name to log in with"),
    secret("SMTP_PASS", "the password"),
    open("SMTP_PASS_FILE", "a file with the password"),
    open("SMTP_FROM", "the sender; default SMTP_USER"),
    open("SLACK_ALERTS_ENABLED", "unset: on when SLACK_WEBHOOK_URL or SLACK_BOT_TOKEN is set"),
    secret("SLACK_WEBHOOK_URL", "an incoming webhook, bound to its channel"),
    open("SLACK_WEBHOOK_URL_FILE", "a file with the incoming webhook"),
    secret("SLACK_BOT_TOKEN", "a bot's token, which can post to several channels"),
    open("SLACK_BOT_TOKEN_FILE", "a file with the bot's token"),
    open("SLACK_CHANNEL", "the channel of all that has no other"),
    open("SLACK_WARNING_CHANNEL", "the channel of warnings"),
    open("SLACK_CRITICAL_CHANNEL", "the channel of critical alerts, and of emergencies without their own"),
    open("SLACK_EMERGENCY_CHANNEL", "the channel of emergencies"),
    open("SLACK_CHANNEL_<TYPE>", "the channel of one type of issue, whatever its severity"),
    open("WEBHOOK_ALERTS_ENABLED", "unset: on when ALERT_WEBHOOK_ENDPOINTS is set"),
    secret("ALERT_WEBHOOK_ENDPOINTS", "a JSON list of {url, retryAttempts, timeout in ms, headers}"),
    open("LOG_LEVEL", "error, warn, info, debug or trace; other words mean the nearest of them"),
    open("DEBUG", "alerting:* for debug output of alerting"),
    open("STATE_DIRECTORY", "the data directory; default ./data"),
];

/// The names that a variable stands for.
pub fn names_of(variable: &Variable) -> Vec<String> {
    match variable.name.strip_suffix("<TYPE>") {
        Some(prefix) => TYPES.iter().map(|t| format!("{prefix}{}", t.to_ascii_uppercase())).collect(),
        None => vec![variable.name.to_owned()],
    }
}

/// The known variables that are set, with places. Empty values count as unset, as compose files give them.
#[derive(Debug, Clone)]
pub struct Known {
    source: Arc<SourceText>,
    values: BTreeMap<String, (String, Span)>,
}

impl Known {
    /// Picks the known variables out of an environment; near misses are warned of.
    pub fn new(env: &Env, found: &mut Vec<Diagnostic>) -> Self {
        let mut text = String::new();
        let mut values = BTreeMap::new();
        let mut line = |name: &str, shown: &str, value: &str| {
            let start = text.len() + name.len() + 1;
            text.push_str(&format!("{name}={shown}\n"));
            values.insert(name.to_owned(), (value.to_owned(), Span::new(start, start + shown.len())));
        };
        let mut names = Vec::new();
        for variable in VARIABLES {
            for name in names_of(variable) {
                if let Some(value) = env.get(&name).map(str::trim).filter(|v| !v.is_empty()) {
                    let shown = if variable.secret {
                        super::value::MASK.to_owned()
                    } else {
                        value.replace('\n', " ")
                    };
                    line(&name, &shown, value);
                }
                names.push(name);
            }
        }
        let strays: Vec<(&str, &str)> = env
            .names()
            .filter(|n| !names.iter().any(|known| known == n) && looks_like_ours(n))
            .filter_map(|n| Some((n, nearest(n, names.iter().map(String::as_str))?)))
            .filter(|(_, near)| env.get(near).is_none())
            .collect();
        for (stray, _) in &strays {
            line(stray, super::value::MASK, "");
        }
        let known = Self { source: SourceText::new(SOURCE_NAME, text), values };
        for (stray, near) in strays {
            let d = known
                .place(stray)
                .map(|p| Place { span: Span::new(p.span.start - stray.len() - 1, p.span.start - 1), ..p })
                .map(|p| p.warning("unknown-variable", format!("unknown variable `{stray}`")));
            found.extend(d.map(|d| d.label(format!("did you mean `{near}`?"))));
        }
        known
    }

    /// Where a variable's value stands.
    pub fn place(&self, name: &str) -> Option<Place> {
        let (_, span) = self.values.get(name)?;
        Some(Place { source: Arc::clone(&self.source), span: *span })
    }

    /// Whether a variable is set.
    pub fn is_set(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// A variable's value.
    pub fn text(&self, name: &str) -> Option<At<Arc<str>>> {
        let (value, _) = self.values.get(name)?;
        Some(At { value: value.as_str().into(), place: self.place(name) })
    }

    /// A secret.
    pub fn secret(&self, name: &str) -> Option<At<Secret>> {
        self.text(name).map(|at| At { value: Secret::new(&*at.value), place: at.place })
    }

    /// `true` or `false`, also `1`, `0`, `yes`, `no`, `on`, `off`.
    pub fn bool(&self, name: &str, found: &mut Vec<Diagnostic>) -> Option<At<bool>> {
        let at = self.text(name)?;
        let value = match &*at.value {
            "1" => Some(true),
            "0" => Some(false),
            text => parse_bool(text),
        };
        if value.is_none() {
            let d = at.error("wrong-type", format!("expected `true` or `false`, found `{}`", at.value));
            found.push(d.label("expected `true` or `false`"));
        }
        value.map(|value| At { value, place: at.place })
    }

    /// A port.
    pub fn port(&self, name: &str, found: &mut Vec<Diagnostic>) -> Option<At<u16>> {
        let at = self.text(name)?;
        let value = at.value.parse::<u16>().ok().filter(|p| *p > 0);
        if value.is_none() {
            let d = at.error("invalid-value", format!("`{}` is no port", at.value));
            found.push(d.label("expected a number from 1 to 65535"));
        }
        value.map(|value| At { value, place: at.place })
    }

    /// One of a few words.
    pub fn word(&self, name: &str, words: &[&str], found: &mut Vec<Diagnostic>) -> Option<At<Arc<str>>> {
        let at = self.text(name)?;
        if words.iter().any(|w| w.eq_ignore_ascii_case(&at.value)) {
            return Some(At { value: at.value.to_ascii_lowercase().into(), place: at.place });
        }
        let label = match nearest(&at.value, words.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("expected {}", super::value::listed(words)),
        };
        found.push(
            at.error("invalid-value", format!("unknown value `{}` of `{name}`", at.value)).label(label),
        );
        None
    }

    /// An absolute web address.
    pub fn url(&self, name: &str, found: &mut Vec<Diagnostic>) -> Option<At<Arc<str>>> {
        let at = self.text(name)?;
        match botwatch_core::yaml::check_url(&at.value) {
            Ok(()) => Some(at),
            Err(why) => {
                found.push(at.error("invalid-url", why).label("expected `http://…` or `https://…`"));
                None
            }
        }
    }
}

/// Whether an unknown name is worth comparing with the known ones: the bot's own variables share the environment.
fn looks_like_ours(name: &str) -> bool {
    ["SMTP_", "SLACK_", "ALERT_", "BOT_", "EMAIL_ALERT", "WEBHOOK_ALERT", "PRODUCTION_ALERT"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}
