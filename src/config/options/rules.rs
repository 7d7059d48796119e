//! Rule files and what their groups share.

use std::sync::Arc;

use botwatch_core::{
    diag::SourceText,
    model::{Duration, Labels},
    promql::ParseOptions,
    rules::{self, GroupSpec, NoData, Reaches, Shared},
};

use super::{Context, EVALUATION_INTERVAL, or, paths};
use crate::config::{
    file::{self, Evaluation},
    load::read_file,
    shipped,
    value::Pairs,
};

/// Prometheus' default `--query.lookback-delta`.
const LOOKBACK: Duration = Duration::from_secs(300);

/// Rule groups and what they share.
#[derive(Debug, Clone)]
pub struct RulesOptions {
    /// In the order given; files that a pattern matches by name.
    pub files: Vec<RuleFile>,
    /// What all groups share. `no_data: alert` is [`NoData::Keep`] here, see `blind_alert_at_once`.
    pub shared: Shared,
    /// When groups run.
    pub evaluation: Evaluation,
    /// `no_data: alert`: what is blind is an alert at once instead of after a while.
    pub blind_alert_at_once: bool,
    /// Labels of everything that leaves; `$externalLabels` in templates.
    pub external_labels: Labels,
    /// Where people reach this botwatch, without a slash at the end.
    pub external_url: Arc<str>,
    /// How far back an instant selector looks.
    pub lookback: Duration,
}

/// A rule file.
#[derive(Debug, Clone)]
pub struct RuleFile {
    /// Its text; the name is its path.
    pub source: Arc<SourceText>,
    /// Its groups.
    pub groups: Vec<GroupSpec>,
}

pub(super) fn rules(context: &mut Context<'_>, external_url: &Arc<str>) -> RulesOptions {
    let global = context.global();
    let mut files: Vec<RuleFile> = Vec::new();
    let strict = context.flags.strict_prometheus;
    for source in sources(context) {
        let (mut groups, found) = rules::parse_file(&source, &ParseOptions::default());
        context.found.extend(found);
        if strict {
            let alerts = groups.iter_mut().flat_map(|g| &mut g.rules).filter_map(|r| r.alert.as_mut());
            alerts.for_each(|alert| alert.no_data = None);
        }
        files.push(RuleFile { source, groups });
    }
    let no_data = context.file().no_data.as_ref().map(|n| n.value).filter(|_| !strict);
    let interval = or(global.evaluation_interval.as_ref(), EVALUATION_INTERVAL);
    let recorded = files.iter().flat_map(|f| &f.groups).flat_map(|g| {
        let recordings = g.rules.iter().filter(|r| r.alert.is_none());
        recordings.map(move |r| (&r.name, &r.expr, g.interval.unwrap_or(interval)))
    });
    let reaches = Reaches::new(recorded);
    let shared = Shared {
        interval,
        query_offset: or(global.rule_query_offset.as_ref(), Duration::ZERO),
        no_data: match no_data {
            Some(file::NoData::Resolve) => NoData::Resolve,
            None if strict => NoData::Resolve,
            Some(file::NoData::Keep | file::NoData::Alert) | None => NoData::Keep,
        },
        external_url: Arc::clone(external_url),
        reaches,
    };
    let evaluation = context.file().evaluation.as_ref().map(|e| e.value).filter(|_| !strict);
    RulesOptions {
        files,
        shared,
        evaluation: evaluation.unwrap_or(Evaluation::Slots),
        blind_alert_at_once: no_data == Some(file::NoData::Alert),
        external_labels: global.external_labels.as_ref().map_or_else(Labels::empty, Pairs::labels),
        external_url: Arc::clone(external_url),
        lookback: context.flags.lookback.filter(|l| !l.is_zero()).unwrap_or(LOOKBACK),
    }
}

/// The files' texts, each once; the shipped ones when the environment alone configures.
fn sources(context: &mut Context<'_>) -> Vec<Arc<SourceText>> {
    if context.written.environment_only {
        return shipped::rule_files();
    }
    let mut sources: Vec<Arc<SourceText>> = Vec::new();
    for at in context.file().rule_files.clone().iter().flatten() {
        for path in paths::files(context, at, "rule file") {
            match read_file(&path) {
                Ok(source) if sources.iter().all(|s| s.name != source.name) => sources.push(source),
                Ok(_) => {}
                Err(diagnostic) => context.found.push(diagnostic),
            }
        }
    }
    sources
}
