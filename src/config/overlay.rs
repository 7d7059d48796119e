//! What the environment adds to the files: single values always, receivers and a route only when no file has one
//! (DESIGN §4 "Configuration").

use std::sync::Arc;

use botwatch_core::{
    diag::Diagnostic,
    model::{Duration, Secret},
};

use super::{
    endpoints,
    env::{Known, SEVERITIES, TYPES},
    file::{
        Bot, Email, Evaluation, File, Global, InhibitRule, Matchers, Process, Receiver, Route, Slack,
        Webhook, is_pid,
    },
    value::{At, SecretUrl, Url},
};
use crate::telemetry::Level;

/// Scrape and evaluation interval of an environment-only start (DESIGN §4 "Shipped timings").
const SHIPPED_INTERVAL: Duration = Duration::from_secs(5);
/// Where a bot's metrics are unless said otherwise.
const DEFAULT_METRICS_URL: &str = "http://127.0.0.1:3000/metrics";
/// The alert that says what can't be seen; its labels `bot`, `job` and `instance` are those of the source.
pub(super) const BLIND_ALERT: &str = "SourceBlind";
/// The submission port with STARTTLS.
const SMTP_PORT: u16 = 587;

/// What the environment says besides what goes into sections.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Switches {
    /// `PRODUCTION_ALERTING_ENABLED`.
    pub alerting: Option<At<bool>>,
    /// `BOT_MODE`.
    pub mode: Option<At<Arc<str>>>,
    /// `LOG_LEVEL`.
    pub log_level: Option<At<Arc<str>>>,
    /// `DEBUG`.
    pub debug: Option<At<Arc<str>>>,
    /// `STATE_DIRECTORY`.
    pub state_directory: Option<At<Arc<str>>>,
}

/// Reads what is not part of a section.
pub(super) fn switches(env: &Known, bot_name: &str, found: &mut Vec<Diagnostic>) -> Switches {
    let mode = env.word("BOT_MODE", &["paper", "live"], found);
    if let Some(at) = mode.as_ref().filter(|m| &*m.value == "live") {
        check_live(env, at, bot_name, found);
    }
    if let Some(guard) = env.word("BOT_GUARD", &["enforce", "observe", "off"], found)
        && &*guard.value != "off"
    {
        let d =
            guard.error("not-yet-supported", "not yet supported by this version: the guard (`BOT_GUARD`)");
        found.push(
            d.label("nothing would be kept from reaching a venue").hint("unset BOT_GUARD to start without"),
        );
    }
    Switches {
        alerting: env.bool("PRODUCTION_ALERTING_ENABLED", found),
        mode,
        log_level: log_level(env, found),
        debug: env.text("DEBUG"),
        state_directory: env.text("STATE_DIRECTORY"),
    }
}

/// The bot shares this variable and has a logger with words of its own: no word keeps the watcher from starting.
fn log_level(env: &Known, found: &mut Vec<Diagnostic>) -> Option<At<Arc<str>>> {
    let at = env.text("LOG_LEVEL")?;
    let level = Level::nearest(&at.value);
    if let (Err(_), Some(place)) = (at.value.parse::<Level>(), &at.place) {
        let d = place.warning("invalid-value", format!("`{}` is no log level of botwatch", at.value));
        found.push(
            d.label(format!("taken as `{level}`")).hint("botwatch has error, warn, info, debug and trace"),
        );
    }
    Some(At { value: level.as_str().into(), place: at.place })
}

fn check_live(env: &Known, mode: &At<Arc<str>>, bot_name: &str, found: &mut Vec<Diagnostic>) {
    let problem = match env.text("BOT_LIVE_ACKNOWLEDGED") {
        None => mode.error("live-not-acknowledged", "`BOT_MODE=live` without `BOT_LIVE_ACKNOWLEDGED`"),
        Some(name) if *name.value != *bot_name => {
            name.error("live-not-acknowledged", "`BOT_LIVE_ACKNOWLEDGED` names another bot")
        }
        Some(_) => return,
    };
    found.push(
        problem
            .label(format!("live mode trades real money; this bot is called `{bot_name}`"))
            .hint(format!("set BOT_LIVE_ACKNOWLEDGED={bot_name} if that is meant")),
    );
}

/// Single values over those of the files.
pub(super) fn overlay(file: &mut File, env: &Known, found: &mut Vec<Diagnostic>) {
    overlay_bot(file, env, found);
    let global = file.global.get_or_insert_with(Global::default);
    overlay_smtp(global, env, found);
    overlay_slack(global, env, found);
}

/// The address of one kind displaces that of the other kind, too: a file's token would win over the environment's
/// webhook.
fn overlay_slack(global: &mut Global, env: &Known, found: &mut Vec<Diagnostic>) {
    let webhook = ["SLACK_WEBHOOK_URL", "SLACK_WEBHOOK_URL_FILE"].into_iter().find(|name| env.is_set(name));
    let token = ["SLACK_BOT_TOKEN", "SLACK_BOT_TOKEN_FILE"].into_iter().find(|name| env.is_set(name));
    if webhook.is_some() || token.is_some() {
        (global.slack_api_url, global.slack_api_url_file) = (None, None);
        (global.slack_app_token, global.slack_app_token_file) = (None, None);
    }
    if let (Some(webhook), Some(token)) = (webhook, token)
        && let Some(place) = env.place(webhook)
    {
        let d = place.warning("conflict", format!("both `{webhook}` and `{token}` are set"));
        found.push(d.label("not used: a bot's token goes first").hint("unset one of them"));
    }
    if let Some(url) = env.url("SLACK_WEBHOOK_URL", found) {
        let secret = SecretUrl(Secret::new(&*url.value));
        global.slack_api_url = Some(At { value: secret, place: env.place("SLACK_WEBHOOK_URL") });
        global.slack_api_url_file = None;
    } else if let Some(path) = env.text("SLACK_WEBHOOK_URL_FILE") {
        global.slack_api_url_file = Some(path);
        global.slack_api_url = None;
    }
    if let Some(token) = env.secret("SLACK_BOT_TOKEN") {
        global.slack_app_token = Some(token);
        global.slack_app_token_file = None;
    } else if let Some(path) = env.text("SLACK_BOT_TOKEN_FILE") {
        global.slack_app_token_file = Some(path);
        global.slack_app_token = None;
    }
}

fn overlay_bot(file: &mut File, env: &Known, found: &mut Vec<Diagnostic>) {
    let names = ["BOT_NAME", "BOT_METRICS_URL", "BOT_PID", "BOT_PROCESS"];
    if !names.iter().any(|name| env.is_set(name)) {
        return;
    }
    let bot = file.bot.get_or_insert_with(Bot::default);
    if let Some(name) = env.text("BOT_NAME") {
        bot.name = Some(name);
    }
    if let Some(url) = env.url("BOT_METRICS_URL", found) {
        bot.metrics_url = Some(At { value: Url(url.value), place: url.place });
    }
    if let Some(pid) = env.text("BOT_PID") {
        let mut process = Process::default();
        let digits = pid.value.strip_prefix(['-', '+']).unwrap_or(&pid.value);
        if digits.is_empty() || digits.bytes().any(|b| !b.is_ascii_digit()) {
            process.pid_file = Some(pid);
        } else {
            match pid.value.parse::<u64>().ok().filter(|number| is_pid(*number)) {
                Some(number) => process.pid = Some(At { value: number, place: pid.place }),
                None => {
                    let d = pid.error("invalid-value", format!("`{}` is no process id", pid.value));
                    found.push(d.label("expected a number over 0, or the path of a pid file"));
                }
            }
        }
        bot.process = Some(process);
    } else if let Some(name) = env.text("BOT_PROCESS") {
        bot.process = Some(Process { name: Some(name), ..Process::default() });
    }
}

fn overlay_smtp(global: &mut Global, env: &Known, found: &mut Vec<Diagnostic>) {
    let port = env.port("SMTP_PORT", found);
    if let Some(host) = env.text("SMTP_HOST") {
        global.smtp_smarthost = Some(At { value: smarthost(&host.value, port.as_ref()), place: host.place });
    } else if let Some(port) = port {
        let d = port.error("conflict", "`SMTP_PORT` without `SMTP_HOST`");
        found.push(d.label("the port of no server"));
    }
    if let Some(secure) = env.bool("SMTP_SECURE", found) {
        // On the port that is TLS from the first byte, `false` is a leftover of the example and not a wish.
        let smtps = global.smtp_smarthost.as_ref().is_some_and(|s| s.ends_with(":465"));
        global.smtp_force_implicit_tls = Some(secure).filter(|s| s.value || !smtps);
    }
    if let Some(require) = env.bool("SMTP_REQUIRE_TLS", found) {
        global.smtp_require_tls = Some(require);
    }
    if let Some(user) = env.text("SMTP_USER") {
        global.smtp_auth_username = Some(user);
    }
    if let Some(password) = env.secret("SMTP_PASS") {
        global.smtp_auth_password = Some(password);
        global.smtp_auth_password_file = None;
    } else if let Some(path) = env.text("SMTP_PASS_FILE") {
        global.smtp_auth_password_file = Some(path);
        global.smtp_auth_password = None;
    }
    if let Some(from) = env.text("SMTP_FROM") {
        global.smtp_from = Some(from);
    } else if global.smtp_from.is_none() {
        global.smtp_from = env.text("SMTP_USER").filter(|user| user.contains('@'));
    }
}

/// `SMTP_HOST` and `SMTP_PORT` as one; a host may bring its port along, and IPv6 gets its brackets.
fn smarthost(host: &str, port: Option<&At<u16>>) -> Arc<str> {
    let number = port.map_or(SMTP_PORT, |p| p.value);
    match host.matches(':').count() {
        0 => format!("{host}:{number}").into(),
        1 if port.is_none() => host.into(),
        1 => format!("{}:{number}", host.split(':').next().unwrap_or_default()).into(),
        _ if host.starts_with('[') => format!("{host}:{number}").into(),
        _ => format!("[{host}]:{number}").into(),
    }
}

/// What an environment-only start sets: the shipped timings and the bot's usual address.
pub(super) fn shipped_defaults(file: &mut File) {
    let global = file.global.get_or_insert_with(Global::default);
    global.scrape_interval.get_or_insert_with(|| At::default_value(SHIPPED_INTERVAL));
    global.scrape_timeout.get_or_insert_with(|| At::default_value(SHIPPED_INTERVAL));
    global.evaluation_interval.get_or_insert_with(|| At::default_value(SHIPPED_INTERVAL));
    file.evaluation.get_or_insert_with(|| At::default_value(Evaluation::OnData));
    let bot = file.bot.get_or_insert_with(Bot::default);
    bot.metrics_url.get_or_insert_with(|| At::default_value(Url(DEFAULT_METRICS_URL.into())));
}

/// Receivers, route and inhibitions from the environment.
pub(super) fn route_from_environment(file: &mut File, env: &Known, found: &mut Vec<Diagnostic>) {
    let channels = Channels::read(env, found);
    let mut receivers = Vec::new();
    let mut root = channels.route("warning", &mut receivers);
    root.group_by = Some(["bot", "alertname"].map(|n| At::default_value(n.into())).to_vec());
    root.group_interval = Some(At::default_value(Duration::from_secs(60)));
    root.repeat_interval = Some(At::default_value(Duration::from_secs(4 * 3600)));
    root.group_wait = Some(At::default_value(Duration::from_secs(30)));
    let mut children = Vec::new();
    for (severity, wait) in [("emergency", 0), ("critical", 5)] {
        let mut child = channels.route(severity, &mut receivers);
        child.matchers = Some(Matchers::shipped(&[&format!("severity=\"{severity}\"")]));
        child.group_wait = Some(At::default_value(Duration::from_secs(wait)));
        if severity == "emergency" {
            child.repeat_interval = Some(At::default_value(Duration::from_secs(30 * 60)));
        }
        children.push(child);
    }
    // What is left after the two is a warning: its types come after them.
    children.extend(root.routes.take().unwrap_or_default());
    root.routes = Some(children);
    file.route = Some(root);
    file.receivers.get_or_insert_with(Vec::new).extend(receivers);
    file.inhibit_rules.get_or_insert_with(Vec::new).extend(shipped_inhibitions());
}

/// Worse severity inhibits lesser of the same signal; a bot that is down or silent inhibits all of it but safety; what
/// is blind inhibits what reads it (DESIGN §4 "Shipped timings").
fn shipped_inhibitions() -> Vec<InhibitRule> {
    let rule = |name: &str, source: &[&str], target: &[&str], equal: &[&str]| {
        let mut rule = InhibitRule::default();
        rule.0.name = Some(At::default_value(name.into()));
        rule.0.source_matchers = Some(Matchers::shipped(source));
        rule.0.target_matchers = Some(Matchers::shipped(target));
        rule.0.equal = Some(equal.iter().map(|e| At::default_value((*e).into())).collect());
        rule
    };
    vec![
        rule(
            "emergency over the rest of its signal",
            &["severity=\"emergency\"", "signal!=\"\""],
            &["severity=~\"critical|warning\"", "signal!=\"\""],
            &["bot", "signal"],
        ),
        rule(
            "critical over the warning of its signal",
            &["severity=\"critical\"", "signal!=\"\""],
            &["severity=\"warning\"", "signal!=\"\""],
            &["bot", "signal"],
        ),
        rule(
            "a bot that is down explains its other alerts",
            &["alertname=~\"BotDown|BotSilent\""],
            &[
                "alertname!~\"BotDown|BotSilent\"",
                "category!=\"paper_trading_violation\"",
                "botwatch_safety!=\"true\"",
            ],
            &["bot"],
        ),
        rule(
            "what can't be seen explains what depends on it",
            &[&format!("alertname=\"{BLIND_ALERT}\"")],
            &[
                &format!("alertname!~\"{BLIND_ALERT}|BotDown|BotSilent\""),
                "category!=\"paper_trading_violation\"",
                "botwatch_safety!=\"true\"",
            ],
            &["bot", "job", "instance"],
        ),
    ]
}

/// The channels that the environment configures.
struct Channels<'e> {
    env: &'e Known,
    email: bool,
    slack: bool,
    webhooks: Vec<Webhook>,
}

impl<'e> Channels<'e> {
    fn read(env: &'e Known, found: &mut Vec<Diagnostic>) -> Self {
        let has_recipients = env.is_set("ALERT_EMAIL_RECIPIENTS")
            || TYPES.iter().any(|t| env.is_set(&typed("ALERT_EMAIL_RECIPIENTS", t)));
        let has_host = env.is_set("SMTP_HOST");
        let email = enabled(env, "EMAIL_ALERTS_ENABLED", has_recipients && has_host, found);
        if email && !has_recipients {
            missing(env, "EMAIL_ALERTS_ENABLED", "ALERT_EMAIL_RECIPIENTS", found);
        }
        if email && !has_host {
            missing(env, "EMAIL_ALERTS_ENABLED", "SMTP_HOST", found);
        }
        if !email && !env.is_set("EMAIL_ALERTS_ENABLED") {
            half(env, "ALERT_EMAIL_RECIPIENTS", has_host, "SMTP_HOST", found);
            half(env, "SMTP_HOST", has_recipients, "ALERT_EMAIL_RECIPIENTS", found);
        }
        let addresses =
            ["SLACK_WEBHOOK_URL", "SLACK_WEBHOOK_URL_FILE", "SLACK_BOT_TOKEN", "SLACK_BOT_TOKEN_FILE"];
        let has_slack = addresses.iter().any(|name| env.is_set(name));
        let slack = enabled(env, "SLACK_ALERTS_ENABLED", has_slack, found);
        if slack && !has_slack {
            missing(env, "SLACK_ALERTS_ENABLED", "SLACK_WEBHOOK_URL", found);
        }
        if !slack && !env.is_set("SLACK_ALERTS_ENABLED") {
            half(env, "SLACK_CHANNEL", has_slack, "SLACK_WEBHOOK_URL or SLACK_BOT_TOKEN", found);
            half(env, "SLACK_CRITICAL_CHANNEL", has_slack, "SLACK_WEBHOOK_URL or SLACK_BOT_TOKEN", found);
        }
        let webhooks =
            match enabled(env, "WEBHOOK_ALERTS_ENABLED", env.is_set("ALERT_WEBHOOK_ENDPOINTS"), found) {
                true if env.is_set("ALERT_WEBHOOK_ENDPOINTS") => endpoints(env, found),
                true => {
                    missing(env, "WEBHOOK_ALERTS_ENABLED", "ALERT_WEBHOOK_ENDPOINTS", found);
                    Vec::new()
                }
                false => Vec::new(),
            };
        // What is missing is reported; half a channel would only be reported again.
        Self { env, email: email && has_recipients && has_host, slack: slack && has_slack, webhooks }
    }

    /// The route of one severity: a receiver for it, and a child with its own receiver for each type of issue that
    /// has recipients or a channel of its own.
    fn route(&self, severity: &str, receivers: &mut Vec<Receiver>) -> Route {
        let mut route =
            Route { receiver: Some(self.receiver(severity, None, receivers)), ..Route::default() };
        let mut children = Vec::new();
        for kind in TYPES {
            let own = (self.email && self.env.is_set(&typed("ALERT_EMAIL_RECIPIENTS", kind)))
                || (self.slack && self.env.is_set(&typed("SLACK_CHANNEL", kind)));
            if own {
                children.push(Route {
                    receiver: Some(self.receiver(severity, Some(kind), receivers)),
                    matchers: Some(Matchers::shipped(&[&format!("category=\"{kind}\"")])),
                    ..Route::default()
                });
            }
        }
        route.routes = (!children.is_empty()).then_some(children);
        route
    }

    fn receiver(&self, severity: &str, kind: Option<&str>, receivers: &mut Vec<Receiver>) -> At<Arc<str>> {
        let name: Arc<str> = match kind {
            None => severity.into(),
            Some(kind) => format!("{severity}-{kind}").into(),
        };
        let mut receiver =
            Receiver { name: Some(At::default_value(Arc::clone(&name))), ..Receiver::default() };
        let resolved = || Some(At::default_value(true));
        let own = |variable: &str| kind.and_then(|k| self.env.text(&typed(variable, k)));
        if self.email
            && let Some(to) =
                own("ALERT_EMAIL_RECIPIENTS").or_else(|| self.env.text("ALERT_EMAIL_RECIPIENTS"))
        {
            let to = At { value: recipients(&to.value), place: to.place };
            let email = Email { to: Some(to), send_resolved: resolved(), ..Email::default() };
            receiver.email_configs = Some(vec![email]);
        }
        if self.slack {
            let channel = own("SLACK_CHANNEL").or_else(|| self.severity_channel(severity));
            let slack = Slack { channel, send_resolved: resolved(), ..Slack::default() };
            receiver.slack_configs = Some(vec![slack]);
        }
        if !self.webhooks.is_empty() {
            receiver.webhook_configs = Some(self.webhooks.clone());
        }
        receivers.push(receiver);
        At::default_value(name)
    }

    /// The channel of a severity: its own, for emergencies also that of critical alerts, else the general one.
    fn severity_channel(&self, severity: &str) -> Option<At<Arc<str>>> {
        let of = |severity: &str| self.env.text(&format!("SLACK_{}_CHANNEL", severity.to_ascii_uppercase()));
        let worse = (severity == SEVERITIES[0]).then(|| of(SEVERITIES[1])).flatten();
        of(severity).or(worse).or_else(|| self.env.text("SLACK_CHANNEL"))
    }
}

/// The endpoints; none where some are asked for is as good as a mistake.
fn endpoints(env: &Known, found: &mut Vec<Diagnostic>) -> Vec<Webhook> {
    let before = found.len();
    let webhooks = endpoints::read(env, found);
    if let (true, true, Some(place)) =
        (webhooks.is_empty(), found.len() == before, env.place("WEBHOOK_ALERTS_ENABLED"))
    {
        let message = "`WEBHOOK_ALERTS_ENABLED` is true, but `ALERT_WEBHOOK_ENDPOINTS` is an empty list";
        found.push(
            place.warning("missing-variable", message).label("no webhook is told").hint(
                r#"set ALERT_WEBHOOK_ENDPOINTS='[{"url":"https://…"}]', or WEBHOOK_ALERTS_ENABLED=false"#,
            ),
        );
    }
    webhooks
}

/// Recipients may be separated by semicolons, as mail programs do it.
fn recipients(text: &str) -> Arc<str> {
    let mut quoted = false;
    let comma = |c| {
        quoted ^= c == '"';
        if c == ';' && !quoted { ',' } else { c }
    };
    text.chars().map(comma).collect::<String>().into()
}

fn typed(variable: &str, kind: &str) -> String {
    format!("{variable}_{}", kind.to_ascii_uppercase())
}

fn enabled(env: &Known, switch: &str, unset: bool, found: &mut Vec<Diagnostic>) -> bool {
    env.bool(switch, found).map_or(unset, |at| at.value)
}

/// A channel of which one variable is set and the other isn't: nobody hears of it, which is worth a word.
fn half(env: &Known, variable: &str, has_other: bool, other: &str, found: &mut Vec<Diagnostic>) {
    if let (Some(place), false) = (env.place(variable), has_other) {
        let d = place.warning("no-effect", format!("`{variable}` has no effect without {other}"));
        found.push(d.label("nobody is told through this").hint(format!("set {other}, too")));
    }
}

fn missing(env: &Known, switch: &str, variable: &str, found: &mut Vec<Diagnostic>) {
    let message = format!("`{switch}` is true, but `{variable}` is not set");
    let d = match env.place(switch) {
        Some(place) => place.error("missing-variable", message),
        None => Diagnostic::global("missing-variable", message),
    };
    found.push(d.label(format!("needs {variable}")).hint(format!("set {variable}, or {switch}=false")));
}
