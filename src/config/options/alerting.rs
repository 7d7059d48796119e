//! Routes, receivers and inhibitions into the alerting machine's options.

use std::{collections::BTreeMap, sync::Arc};

use botwatch_core::{
    alerting::{
        ACKNOWLEDGED_FOR, Escalation, EscalationRepeat, EscalationStep, GroupBy, InhibitRule,
        IntegrationOptions, Limits, Options, Place as Where, Problem, REOPEN_WITHIN, RESOLVE_TIMEOUT, Route,
        STILL_FIRING_AFTER, SilenceGuards, SuppressedResolves,
    },
    diag::{Diagnostic, Level, has_errors},
    model::{Duration, Labels, Matcher},
    template::Templates,
};

use super::{Context, integrations::Built, or, templates};
use crate::config::{
    file::{self, MatcherMap, Matchers, RegexMap},
    value::{At, Pairs, Place, place},
};

/// Resolved issues that are kept at most, whatever is set: they are in memory, too.
const RESOLVED_MAX: usize = 100_000;
/// The longest wait between repeats of an escalation unless set otherwise.
const LONGEST: Duration = Duration::from_secs(4 * 3600);

pub(super) fn alerting(
    context: &mut Context<'_>,
    built: &[Built],
    templates: &Templates,
    broken: bool,
) -> Options {
    let file = context.file().clone();
    let mut receivers: BTreeMap<Arc<str>, Vec<IntegrationOptions>> = BTreeMap::new();
    for name in file.receivers.iter().flatten().filter_map(|r| r.name.as_ref()) {
        receivers.entry(Arc::clone(&name.value)).or_default();
    }
    for integration in built {
        let options = integration.options.clone();
        receivers.entry(Arc::clone(&options.id.receiver)).or_default().push(options);
    }
    let intervals = file.mute_time_intervals.iter().chain(&file.time_intervals).flatten();
    let named = intervals.filter_map(|i| {
        let pieces = i.time_intervals.iter().flatten().map(file::Piece::interval).collect();
        Some((Arc::clone(&i.name.as_ref()?.value), pieces))
    });
    let issues = file.issues.clone().unwrap_or_default();
    let silences = file.silences.clone().unwrap_or_default();
    let kept = issues.resolved_max.as_ref().map(|n| usize::try_from(n.value).unwrap_or(usize::MAX));
    let usual = Limits::default();
    let options = Options {
        time_intervals: named.collect(),
        route: file.route.as_ref().map_or_else(Route::default, |r| route(context, r, templates)),
        receivers,
        inhibit_rules: file.inhibit_rules.iter().flatten().map(inhibit_rule).collect(),
        resolve_timeout: or(file.global.as_ref().and_then(|g| g.resolve_timeout.as_ref()), RESOLVE_TIMEOUT),
        suppressed_resolves: match file.suppressed_resolves.as_ref().map(|s| s.value) {
            Some(file::SuppressedResolves::Drop) => SuppressedResolves::Drop,
            Some(file::SuppressedResolves::Send) | None => SuppressedResolves::Send,
        },
        enabled: or(context.written.switches.alerting.as_ref(), true),
        escalations: file.escalations.iter().flatten().map(escalation).collect(),
        reopen_within: or(issues.reopen_within.as_ref(), REOPEN_WITHIN),
        still_firing_after: or(issues.still_firing_after.as_ref(), STILL_FIRING_AFTER),
        silence_guards: SilenceGuards {
            max_duration: silences.max_duration.as_ref().map(|d| d.value),
            require_comment: or(silences.require_comment.as_ref(), false),
        },
        acknowledged_for: or(issues.acknowledged_for.as_ref(), ACKNOWLEDGED_FOR),
        limits: Limits { past_max: kept.unwrap_or(usual.past_max).min(RESOLVED_MAX), ..usual },
    };
    // The machine's own checks are a second line behind those of the files: with errors there, they would only
    // say the same again.
    if !broken && !has_errors(&context.found) {
        let problems = options.problems();
        let told: Vec<Diagnostic> = problems.iter().map(|p| diagnostic(p, &file, built)).collect();
        context.found.extend(told);
        nobody_told(context, &options);
    }
    options
}

/// Says when no receiver of any route tells anybody.
fn nobody_told(context: &mut Context<'_>, options: &Options) {
    fn tells(options: &Options, route: &Route) -> bool {
        route.receiver.as_ref().is_some_and(|r| !options.integrations(r).is_empty())
            || route.routes.iter().any(|child| tells(options, child))
    }
    if tells(options, &options.route) {
        return;
    }
    let message = "no receiver tells anybody: alerts are only to be seen here";
    let receiver = context.file().route.as_ref().and_then(|r| place(&r.receiver));
    let d = match receiver {
        Some(at) => at.warning("nobody-told", message).label("this receiver has no integration"),
        None => Diagnostic { level: Level::Warning, ..Diagnostic::global("nobody-told", message) },
    };
    let channels = "set ALERT_EMAIL_RECIPIENTS and SMTP_HOST, SLACK_WEBHOOK_URL, or ALERT_WEBHOOK_ENDPOINTS";
    context.found.push(if context.written.environment_only {
        d.hint(channels)
    } else {
        d.hint("add `webhook_configs`, `email_configs` or `slack_configs` to it")
    });
}

fn route(context: &mut Context<'_>, written: &file::Route, templates: &Templates) -> Route {
    for (name, value) in written.labels.iter().flat_map(|l| &l.0) {
        let of = format!("label `{}` of a route", name.value);
        templates::check(templates, value, &name.value, &of, &mut context.found);
    }
    let names = written.group_by.as_ref().map(|g| g.iter().map(|n| &*n.value).collect::<Vec<_>>());
    Route {
        matchers: all(written.matchers.as_ref(), written.r#match.as_ref(), written.match_re.as_ref()),
        receiver: written.receiver.as_ref().filter(|r| !r.is_empty()).map(|r| Arc::clone(&r.value)),
        // A list that makes no sense was reported when it was read.
        group_by: names.and_then(|n| GroupBy::from_names(&n).ok()),
        group_wait: written.group_wait.as_ref().map(|d| d.value),
        group_interval: written.group_interval.as_ref().map(|d| d.value),
        repeat_interval: written.repeat_interval.as_ref().map(|d| d.value),
        continue_matching: or(written.r#continue.as_ref(), false),
        mute_time_intervals: values(written.mute_time_intervals.as_ref()),
        active_time_intervals: values(written.active_time_intervals.as_ref()),
        labels: written.labels.as_ref().map_or_else(Labels::empty, Pairs::labels),
        routes: written.routes.iter().flatten().map(|r| route(context, r, templates)).collect(),
    }
}

fn values(list: Option<&Vec<At<Arc<str>>>>) -> Vec<Arc<str>> {
    list.into_iter().flatten().map(|at| Arc::clone(&at.value)).collect()
}

/// The three notations together (spec alertmanager C-26).
fn all(new: Option<&Matchers>, exact: Option<&MatcherMap>, pattern: Option<&RegexMap>) -> Vec<Matcher> {
    let exact = exact.iter().flat_map(|m| &m.matchers);
    let pattern = pattern.iter().flat_map(|m| &m.matchers);
    exact.chain(pattern).chain(new.iter().flat_map(|m| &m.matchers)).cloned().collect()
}

fn inhibit_rule(written: &file::InhibitRule) -> InhibitRule {
    InhibitRule {
        name: super::text(written.name.as_ref()),
        source: all(
            written.source_matchers.as_ref(),
            written.source_match.as_ref(),
            written.source_match_re.as_ref(),
        ),
        target: all(
            written.target_matchers.as_ref(),
            written.target_match.as_ref(),
            written.target_match_re.as_ref(),
        ),
        equal: values(written.equal.as_ref()),
    }
}

fn escalation(written: &file::Escalation) -> Escalation {
    let step = |s: &file::Step| EscalationStep {
        after: or(s.after.as_ref(), Duration::ZERO),
        receiver: super::text(s.receiver.as_ref()),
    };
    let number = |n: &At<u64>| u32::try_from(n.value).unwrap_or(u32::MAX);
    let repeat = written.repeat.as_ref().map(|r| {
        let every = or(r.every.as_ref(), Duration::ZERO);
        EscalationRepeat {
            every,
            backoff: r.backoff.as_ref().map_or(1, number),
            longest: or(r.longest.as_ref(), every.max(LONGEST)),
            times: r.times.as_ref().map(number),
        }
    });
    Escalation {
        name: super::text(written.name.as_ref()),
        matchers: all(written.matchers.as_ref(), None, None),
        steps: written.steps.iter().flatten().map(step).collect(),
        repeat,
        quiet: values(written.quiet_hours.as_ref()),
    }
}

/// A problem of the options at its place in the file.
fn diagnostic(problem: &Problem, file: &file::File, built: &[Built]) -> Diagnostic {
    let (at, of) = match &problem.place {
        Where::Route { path, field } => (route_place(file, path, field), String::new()),
        Where::Integration { receiver, index, field } => {
            let integration = built.iter().filter(|b| b.options.id.receiver == *receiver).nth(*index);
            let at = integration.and_then(|b| match *field {
                "fallback" => b.fallback.clone().or(b.place.clone()),
                _ => b.place.clone(),
            });
            (at, format!("receiver `{receiver}`"))
        }
        Where::Escalation { index, step, field } => {
            (escalation_place(file, *index, *step, field), String::new())
        }
        Where::InhibitRule { index, .. } => {
            let rule = file.inhibit_rules.iter().flatten().nth(*index);
            (rule.and_then(|r| r.0.place.clone()), String::new())
        }
    };
    let message = problem.message.clone();
    let d = match (at, problem.level) {
        (Some(at), Level::Error) => at.error(problem.code, message),
        (Some(at), Level::Warning) => at.warning(problem.code, message),
        (None, level) => Diagnostic { level, ..Diagnostic::global(problem.code, message) },
    };
    d.label(label(problem.code)).context(of)
}

/// What is said under the caret.
fn label(code: &str) -> &'static str {
    match code {
        "empty-fallback" => "expected a receiver with an integration",
        "fallback-circle" => "expected a receiver that doesn't lead back",
        "short-repeat" => "not in force",
        _ => "",
    }
}

fn escalation_place(file: &file::File, index: usize, step: Option<usize>, field: &str) -> Option<Place> {
    let escalation = file.escalations.iter().flatten().nth(index)?;
    let whole = escalation.place.as_ref();
    let Some(step) = step else {
        let field = match field {
            "name" => place(&escalation.name),
            "repeat" => escalation.repeat.as_ref().and_then(|r| place(&r.every)),
            "quiet_hours" => escalation.quiet_hours.iter().flatten().find_map(|q| q.place.as_ref()),
            _ => None,
        };
        return field.or(whole).cloned();
    };
    let step = escalation.steps.iter().flatten().nth(step)?;
    let field = if field == "after" { place(&step.after) } else { place(&step.receiver) };
    field.or(step.place.as_ref()).or(whole).cloned()
}

fn route_place(file: &file::File, path: &[usize], field: &str) -> Option<Place> {
    let mut at = file.route.as_ref()?;
    for index in path {
        at = at.routes.as_ref()?.get(*index)?;
    }
    let field = match field {
        "receiver" => place(&at.receiver),
        "group_interval" => place(&at.group_interval),
        "repeat_interval" => place(&at.repeat_interval),
        "continue" => place(&at.r#continue),
        _ => None,
    };
    field.or(at.place.as_ref()).cloned()
}
