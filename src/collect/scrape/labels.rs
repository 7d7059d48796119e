//! From an exposed series to the one that is stored (spec S11, S12, S16).

use botwatch_core::{
    exposition::Pair,
    model::{Labels, LabelsBuilder, METRIC_NAME},
    relabel,
};

use super::Error;
use crate::collect::JobOptions;

/// Put before an exposed label that the target has too.
const EXPORTED: &str = "exported_";
/// How much of a name is shown in an error.
const SHOWN_MAX: usize = 50;

/// The labels under which a series is stored; `None` when relabelling drops it.
///
/// # Errors
/// When the whole scrape has to fail: no metric name, or a label over its limit.
pub(in crate::collect) fn stored(
    exposed: &[Pair<'_>],
    target: &Labels,
    job: &JobOptions,
) -> Result<Option<Labels>, Error> {
    let mut labels = merge(exposed, target, job.honor_labels);
    if !relabel::process(&job.metric_relabel, &mut labels) || labels.pairs().is_empty() {
        return Ok(None);
    }
    if labels.value(METRIC_NAME).is_empty() {
        return Err(Error::NoName);
    }
    check(&labels, job)?;
    Ok(Some(labels.finish()))
}

/// The labels of a series that we record about the target itself, such as `up`.
pub(in crate::collect) fn own(name: &str, target: &Labels) -> Labels {
    target.with(METRIC_NAME, name)
}

/// An exposed label without a value keeps the target's away when exposed ones are honored: then it is there, as
/// Prometheus' `Has` tells. Otherwise it clashes with nothing.
fn merge(exposed: &[Pair<'_>], target: &Labels, honor: bool) -> LabelsBuilder {
    let mut labels = LabelsBuilder::from_unique(exposed.iter().map(|(n, v)| (n.as_ref(), v.as_ref())));
    let mut renamed: Vec<(&str, String)> = Vec::new();
    for (name, value) in target {
        let clash = exposed.iter().find(|(n, _)| n == name).map(|(_, value)| value);
        if honor && clash.is_some() {
            continue;
        }
        if let Some(clash) = clash.filter(|value| !value.is_empty()) {
            renamed.push((name, clash.clone().into_owned()));
        }
        labels.set(name, value);
    }
    // Shorter names first, so that `exported_x` is taken before a label that is called so itself.
    renamed.sort_by_key(|(name, _)| name.len());
    for (name, value) in renamed {
        let mut free = format!("{EXPORTED}{name}");
        while !labels.value(&free).is_empty() {
            free.insert_str(0, EXPORTED);
        }
        labels.set(&free, &value);
    }
    labels
}

fn check(labels: &LabelsBuilder, job: &JobOptions) -> Result<(), Error> {
    let over = |found: usize, max: usize| max > 0 && found > max;
    let pairs = labels.pairs();
    let metric = || shown(labels.value(METRIC_NAME));
    if over(pairs.len(), job.label_limit) {
        return Err(Error::Labels { metric: metric(), found: pairs.len(), max: job.label_limit });
    }
    for (name, value) in pairs {
        if over(name.len(), job.label_name_length_limit) {
            let max = job.label_name_length_limit;
            return Err(Error::LabelName { metric: metric(), label: shown(name), found: name.len(), max });
        }
        if over(value.len(), job.label_value_length_limit) {
            let max = job.label_value_length_limit;
            return Err(Error::LabelValue { metric: metric(), label: shown(name), found: value.len(), max });
        }
    }
    Ok(())
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
