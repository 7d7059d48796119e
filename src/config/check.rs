//! Checks across sections and files: names that refer to others, values that bound each other, what a channel needs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use botwatch_core::{
    diag::{Diagnostic, nearest},
    model::Duration,
};

use super::{
    file::{Email, File, Global, Receiver, Route, ScrapeConfig, Slack},
    value::{At, Place},
};

/// Reports everything that is wrong with the whole.
pub(super) fn check(file: &File, found: &mut Vec<Diagnostic>) {
    let empty = Global::default();
    let global = file.global.as_ref().unwrap_or(&empty);
    jobs(file, global, found);
    let receivers = receivers(file, global, found);
    let intervals = intervals(file, found);
    if let Some(route) = &file.route {
        root(route, found);
        routes(route, &receivers, &intervals, found);
    }
    fallbacks(file, &receivers, found);
    alertmanagers(file, found);
}

fn jobs(file: &File, global: &Global, found: &mut Vec<Diagnostic>) {
    timeout_fits(&global.scrape_timeout, &global.scrape_interval, None, found);
    let mut seen: BTreeMap<&str, &At<Arc<str>>> = BTreeMap::new();
    for config in file.scrape_configs.iter().flatten() {
        let job = &config.job;
        if let Some(name) = &job.job_name {
            if let Some(first) = seen.get(&*name.value) {
                let d = name.error("duplicate-name", format!("two scrape jobs are called `{}`", name.value));
                found.push(d.label(first_at(first.place.as_ref())));
            } else {
                seen.insert(&name.value, name);
            }
        }
        timeout_fits(&job.scrape_timeout, &job.scrape_interval, global.scrape_interval.as_ref(), found);
        targets(config, found);
    }
    if let (Some(name), true) = (seen.get("bot"), file.bot.as_ref().is_some_and(|b| b.metrics_url.is_some()))
    {
        let d = name.error(
            "duplicate-name",
            "a scrape job is called `bot`, as is the one that `bot.metrics_url` makes",
        );
        found.push(d.label("give it another name, or remove `bot.metrics_url`"));
    }
    if let Some(bot) = &file.bot {
        timeout_fits(&bot.scrape_timeout, &bot.scrape_interval, global.scrape_interval.as_ref(), found);
    }
}

/// A timeout over the interval would let scrapes overlap (spec S17). A default timeout is capped instead.
fn timeout_fits(
    timeout: &Option<At<Duration>>,
    interval: &Option<At<Duration>>,
    inherited: Option<&At<Duration>>,
    found: &mut Vec<Diagnostic>,
) {
    let Some(timeout) = timeout else { return };
    let interval = interval.as_ref().or(inherited).map_or(super::options::SCRAPE_INTERVAL, |i| i.value);
    if timeout.value > interval {
        let message =
            format!("`scrape_timeout` ({}) is longer than `scrape_interval` ({interval})", timeout.value);
        found.push(timeout.error("conflict", message).label(format!("expected at most {interval}")));
    }
}

fn targets(config: &ScrapeConfig, found: &mut Vec<Diagnostic>) {
    let job = &config.job;
    let none = job.static_configs.iter().flatten().all(|s| s.targets.as_ref().is_none_or(Vec::is_empty))
        && job.file_sd_configs.iter().flatten().all(|s| s.files.as_ref().is_none_or(Vec::is_empty));
    if let (true, Some(place)) = (none, config.place()) {
        let d = place.warning("no-targets", "a scrape job without targets");
        found.push(d.label("nothing is scraped").hint("add `static_configs` or `file_sd_configs`"));
    }
}

fn first_at(place: Option<&Place>) -> String {
    place.map_or("the first is a built-in one".to_owned(), |p| format!("the first is at {p}"))
}

fn receivers<'f>(
    file: &'f File,
    global: &Global,
    found: &mut Vec<Diagnostic>,
) -> BTreeMap<&'f str, &'f Receiver> {
    let mut by_name: BTreeMap<&str, &Receiver> = BTreeMap::new();
    for receiver in file.receivers.iter().flatten() {
        let Some(name) = receiver.name.as_ref().filter(|n| !n.is_empty()) else { continue };
        if let Some(first) = by_name.get(&*name.value) {
            let d = name.error("duplicate-name", format!("two receivers are called `{}`", name.value));
            found.push(d.label(first_at(first.place.as_ref())));
        } else {
            by_name.insert(&name.value, receiver);
        }
        let context = format!("receiver `{}`", name.value);
        let mut more = Vec::new();
        for email in receiver.email_configs.iter().flatten() {
            check_email(email, global, &mut more);
        }
        for slack in receiver.slack_configs.iter().flatten() {
            check_slack(slack, global, &mut more);
        }
        found.extend(more.into_iter().map(|d| d.context(context.clone())));
    }
    by_name
}

fn at_or_global(place: Option<&Place>, code: &'static str, message: String) -> Diagnostic {
    match place {
        Some(place) => place.error(code, message),
        None => Diagnostic::global(code, message),
    }
}

/// Server and sender must be known here or globally (spec alertmanager §1.6).
fn check_email(email: &Email, global: &Global, found: &mut Vec<Diagnostic>) {
    let has = |own: &Option<At<Arc<str>>>, inherited: &Option<At<Arc<str>>>| {
        own.as_ref().or(inherited.as_ref()).is_some_and(|v| !v.is_empty())
    };
    let place = email.place.as_ref().or_else(|| email.to.as_ref().and_then(|t| t.place.as_ref()));
    for (known, own, inherited, variable) in [
        (has(&email.smarthost, &global.smtp_smarthost), "smarthost", "smtp_smarthost", "SMTP_HOST"),
        (has(&email.from, &global.smtp_from), "from", "smtp_from", "SMTP_FROM"),
    ] {
        if !known && email.lacks(&[own]) {
            let d = at_or_global(place, "missing-key", format!("an e-mail without `{own}`"));
            found.push(
                d.label(format!("`{own}` is needed here or as `global.{inherited}`"))
                    .hint(format!("{variable} in the environment sets it, too")),
            );
        }
    }
}

/// An address or a token must be known here or globally; updating messages needs a token.
fn check_slack(slack: &Slack, global: &Global, found: &mut Vec<Diagnostic>) {
    let url = slack.api_url.is_some() || slack.api_url_file.is_some();
    let token = slack.app_token.is_some() || slack.app_token_file.is_some();
    let global_token = global.slack_app_token.is_some() || global.slack_app_token_file.is_some();
    let global_url = global.slack_api_url.is_some() || global.slack_api_url_file.is_some();
    let place = slack.place.as_ref().or_else(|| slack.channel.as_ref().and_then(|c| c.place.as_ref()));
    let addresses = ["api_url", "api_url_file", "app_token", "app_token_file"];
    if !(url || token || global_token || global_url) && slack.lacks(&addresses) {
        let d =
            at_or_global(place, "missing-key", "a Slack channel without `api_url` or `app_token`".to_owned());
        found.push(d.label("needed here, or as `global.slack_api_url` or `global.slack_app_token`"));
    }
    let by_token = token || (!url && global_token);
    if by_token && slack.channel.as_ref().map_or(slack.lacks(&["channel"]), |c| c.is_empty()) {
        let d = at_or_global(place, "missing-key", "a Slack bot needs a `channel` to post to".to_owned());
        found.push(
            d.label("`channel` is needed here").hint("SLACK_CHANNEL sets it for an environment-only start"),
        );
    }
    if by_token {
        return;
    }
    let incoming = slack.api_url.as_ref().or(global.slack_api_url.as_ref());
    let is_app = incoming.is_some_and(|u| u.0.reveal().starts_with("https://hooks.slack.com/"));
    if let (true, Some(channel)) = (is_app, slack.channel.as_ref().filter(|c| !c.is_empty()))
        && let Some(place) = &channel.place
    {
        let d = place.warning("slack-webhook", "an app's incoming webhook is bound to its own channel");
        found.push(
            d.label("Slack ignores this")
                .hint("use a bot's token (`app_token`, SLACK_BOT_TOKEN) to post to several channels"),
        );
    }
    if let Some(update) = slack.update_message.as_ref().filter(|u| u.value) {
        let d = update.error("conflict", "an incoming webhook can't update messages");
        found.push(d.label("`update_message` needs `app_token`"));
    }
}

/// The root takes every alert (spec alertmanager C-20, C-25, C-26).
fn root(route: &Route, found: &mut Vec<Diagnostic>) {
    if route.receiver.as_ref().map_or(route.lacks(&["receiver"]), |r| r.is_empty()) {
        let d =
            at_or_global(route.place.as_ref(), "missing-key", "the root route has no `receiver`".to_owned());
        found.push(d.label("`receiver` is needed here: it is told of what no child route takes"));
    }
    let matchers = route.matchers.as_ref().map_or(0, |m| m.matchers.len())
        + route.r#match.as_ref().map_or(0, |m| m.matchers.len())
        + route.match_re.as_ref().map_or(0, |m| m.matchers.len());
    if matchers > 0 {
        let message = "the root route matches every alert and can't have matchers".to_owned();
        let d = at_or_global(route.place.as_ref(), "conflict", message);
        found.push(d.label("move them into a route under `routes`"));
    }
    if let Some(at) = route.r#continue.as_ref().filter(|c| c.value) {
        let d = at.error("conflict", "the root route has no siblings to continue with");
        found.push(d.label("remove `continue`"));
    }
    for (key, names) in [
        ("mute_time_intervals", &route.mute_time_intervals),
        ("active_time_intervals", &route.active_time_intervals),
    ] {
        if let Some(first) = names.iter().flatten().next() {
            let d = first.error(
                "conflict",
                format!("the root route can't have `{key}`: it takes what no other takes"),
            );
            found.push(d.label("move it into a route under `routes`"));
        }
    }
}

/// The names of time intervals, each once over both lists (spec alertmanager §1.5).
fn intervals<'f>(file: &'f File, found: &mut Vec<Diagnostic>) -> BTreeSet<&'f str> {
    let mut seen: BTreeMap<&str, &At<Arc<str>>> = BTreeMap::new();
    let all = file.mute_time_intervals.iter().chain(&file.time_intervals).flatten();
    for name in all.filter_map(|i| i.name.as_ref()).filter(|n| !n.is_empty()) {
        if let Some(first) = seen.get(&*name.value) {
            let d = name.error("duplicate-name", format!("two time intervals are called `{}`", name.value));
            found.push(d.label(first_at(first.place.as_ref())));
        } else {
            seen.insert(&name.value, name);
        }
    }
    seen.into_keys().collect()
}

fn known_interval(name: &At<Arc<str>>, intervals: &BTreeSet<&str>, found: &mut Vec<Diagnostic>) {
    if intervals.contains(&*name.value) {
        return;
    }
    let d = name.error("undefined-interval", format!("there is no time interval `{}`", name.value));
    found.push(match nearest(&name.value, intervals.iter().copied()) {
        Some(near) => d.label(format!("did you mean `{near}`?")),
        None if intervals.is_empty() => d.label("there are no `time_intervals`"),
        None => d.label("not among `time_intervals`"),
    });
}

fn routes(
    route: &Route,
    receivers: &BTreeMap<&str, &Receiver>,
    intervals: &BTreeSet<&str>,
    found: &mut Vec<Diagnostic>,
) {
    for name in route.mute_time_intervals.iter().chain(&route.active_time_intervals).flatten() {
        known_interval(name, intervals, found);
    }
    if let Some(name) = route.receiver.as_ref().filter(|r| !r.is_empty()) {
        known_receiver(name, receivers, found);
    }
    for child in route.routes.iter().flatten() {
        routes(child, receivers, intervals, found);
    }
}

fn known_receiver(name: &At<Arc<str>>, receivers: &BTreeMap<&str, &Receiver>, found: &mut Vec<Diagnostic>) {
    if receivers.contains_key(&*name.value) {
        return;
    }
    let d = name.error("undefined-receiver", format!("there is no receiver `{}`", name.value));
    found.push(match nearest(&name.value, receivers.keys().copied()) {
        Some(near) => d.label(format!("did you mean `{near}`?")),
        None if receivers.is_empty() => d.label("there are no `receivers`"),
        None => {
            let names: Vec<&str> = receivers.keys().copied().take(20).collect();
            d.label("not among `receivers`").hint(format!("receivers: {}", names.join(", ")))
        }
    });
}

fn fallbacks(file: &File, receivers: &BTreeMap<&str, &Receiver>, found: &mut Vec<Diagnostic>) {
    for receiver in file.receivers.iter().flatten() {
        let own = receiver.name.as_ref().map(|n| &*n.value);
        let webhooks = receiver.webhook_configs.iter().flatten().map(|c| &c.fallback_receiver);
        let emails = receiver.email_configs.iter().flatten().map(|c| &c.fallback_receiver);
        let slacks = receiver.slack_configs.iter().flatten().map(|c| &c.fallback_receiver);
        for fallback in webhooks.chain(emails).chain(slacks).flatten() {
            known_receiver(fallback, receivers, found);
            if own == Some(&fallback.value) {
                let d = fallback.error("conflict", "a receiver can't be its own fallback");
                found.push(d.label("name another receiver"));
            }
        }
    }
}

/// botwatch routes alerts itself. Beside an `alertmanager.yml` the address of the Alertmanager that it replaces
/// means nothing; without one the alerts would reach nobody.
fn alertmanagers(file: &File, found: &mut Vec<Diagnostic>) {
    let Some(first) = file.alerting.as_ref().and_then(|a| a.alertmanagers.as_ref()?.first()) else { return };
    let Some(place) = &first.place else { return };
    found.push(match file.route {
        Some(_) => place
            .warning("no-effect", "`alertmanagers` has no effect here: botwatch routes alerts itself")
            .label("alerts go to this configuration's `route`"),
        None => place
            .error(
                "not-yet-supported",
                "not yet supported by this version: sending alerts to an Alertmanager",
            )
            .label("nobody would be told")
            .hint("give the Alertmanager's own file, too: botwatch run prometheus.yml alertmanager.yml"),
    });
}
