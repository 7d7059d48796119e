//! From the configuration to what modules of the same row as its parts take.

use std::sync::Arc;

use botwatch_core::{model::Duration, promql::EvalOptions};

use crate::{
    api, collect,
    config::{Configuration, file},
    evaluate::{self, Evaluation},
    store::ADMIN_FILE,
};

/// After the slowest first scrape has timed out nothing is waited for any longer (DESIGN §4 "Evaluation").
const WARM_UP_MARGIN: Duration = Duration::from_secs(1);
/// Samples that a rule's query may load and produce: far beyond any rule, far below what would exhaust memory.
const RULE_SAMPLES_MAX: usize = 2_000_000;

pub(super) fn evaluate(configuration: &Configuration, strict: bool) -> evaluate::Options {
    let rules = &configuration.rules;
    let evaluation = match rules.evaluation {
        file::Evaluation::Slots => Evaluation::Slots,
        file::Evaluation::OnData => Evaluation::OnData,
    };
    evaluate::Options {
        groups: rules.files.iter().flat_map(|f| f.groups.iter().cloned()).collect(),
        shared: rules.shared.clone(),
        evaluation,
        external_labels: rules.external_labels.clone(),
        eval: EvalOptions {
            lookback: rules.lookback,
            default_step: rules.shared.interval,
            samples_max: RULE_SAMPLES_MAX,
            ..EvalOptions::prometheus()
        },
        warm_up: warm_up(&configuration.collect),
        tell_blind_after: (!strict).then_some(evaluate::Options::TELL_BLIND_AFTER),
        tell_all_blind: rules.blind_alert_at_once && !strict,
    }
}

fn warm_up(collect: &collect::Options) -> Duration {
    let slowest = collect.jobs.iter().map(|j| j.timeout).max().unwrap_or(Duration::ZERO);
    Duration::from_millis(slowest.as_millis() + WARM_UP_MARGIN.as_millis())
}

pub(super) fn api(configuration: &Configuration) -> api::Options {
    let web = &configuration.web;
    let external = url::Url::parse(&web.external_url).ok();
    let options = api::Options::new(Arc::<str>::from(web.listen_address()), external);
    let admin_file = configuration.storage_path.join(ADMIN_FILE).display().to_string();
    api::Options { admin_file: admin_file.into(), route_prefix: Arc::clone(&web.route_prefix), ..options }
}
