//! What is in force, as it could have been written: values that nobody wrote filled in, for printing.

use botwatch_core::{
    alerting::{GROUP_INTERVAL, GROUP_WAIT, REPEAT_INTERVAL, RESOLVE_TIMEOUT},
    model::Duration,
    tsdb,
};

use super::{EVALUATION_INTERVAL, Flags, SCRAPE_INTERVAL, SCRAPE_TIMEOUT, WebOptions};
use crate::config::{
    file::{Evaluation, File, NoData, Scheme, SuppressedResolves},
    value::{At, Bytes, Url, fill},
};

/// Fills what is inherited or a default; a value that is inherited keeps the place where it was written.
pub(super) fn fill_in(file: &mut File, flags: &Flags, web: &WebOptions, storage_path: &std::path::Path) {
    let global = file.global.get_or_insert_default();
    let interval = fill(&mut global.scrape_interval, None, || SCRAPE_INTERVAL);
    fill(&mut global.scrape_timeout, None, || SCRAPE_TIMEOUT.min(interval));
    fill(&mut global.evaluation_interval, None, || EVALUATION_INTERVAL);
    fill(&mut global.rule_query_offset, None, || Duration::ZERO);
    fill(&mut global.resolve_timeout, None, || RESOLVE_TIMEOUT);
    let (interval, timeout) = (global.scrape_interval.clone(), global.scrape_timeout.clone());
    for job in file.scrape_configs.iter_mut().flatten().map(|c| &mut c.job) {
        times(&mut job.scrape_interval, &mut job.scrape_timeout, interval.as_ref(), timeout.as_ref());
        fill(&mut job.metrics_path, None, || "/metrics".into());
        fill(&mut job.scheme, None, || Scheme::Http);
    }
    if let Some(bot) = &mut file.bot {
        fill(&mut bot.name, None, || "bot".into());
        times(&mut bot.scrape_interval, &mut bot.scrape_timeout, interval.as_ref(), timeout.as_ref());
    }
    if let Some(route) = &mut file.route {
        fill(&mut route.group_wait, None, || GROUP_WAIT);
        fill(&mut route.group_interval, None, || GROUP_INTERVAL);
        fill(&mut route.repeat_interval, None, || REPEAT_INTERVAL);
    }
    if flags.strict_prometheus {
        file.evaluation = Some(At::default_value(Evaluation::Slots));
        file.no_data = Some(At::default_value(NoData::Resolve));
    }
    fill(&mut file.evaluation, None, || Evaluation::Slots);
    fill(&mut file.no_data, None, || NoData::Keep);
    fill(&mut file.suppressed_resolves, None, || SuppressedResolves::Send);
    let storage = file.storage.get_or_insert_default();
    fill(&mut storage.path, None, || storage_path.display().to_string().into());
    fill(&mut storage.memory_max, None, || Bytes(tsdb::Options::MEMORY_MAX as u64));
    let section = file.web.get_or_insert_default();
    fill(&mut section.listen_address, None, || web.listen_address().into());
    fill(&mut section.external_url, None, || Url(web.external_url.clone()));
}

/// An inherited timeout is capped by the interval (spec S17).
fn times(
    interval: &mut Option<At<Duration>>,
    timeout: &mut Option<At<Duration>>,
    inherited: Option<&At<Duration>>,
    inherited_timeout: Option<&At<Duration>>,
) {
    let interval = fill(interval, inherited, || SCRAPE_INTERVAL);
    let fits = inherited_timeout.filter(|t| t.value <= interval);
    fill(timeout, fits, || interval);
}
