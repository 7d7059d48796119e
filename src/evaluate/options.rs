//! What is evaluated, and how.

use std::sync::Arc;

use botwatch_core::{
    model::{Duration, Labels, Timestamp},
    promql::EvalOptions,
    rules::{GroupSpec, Shared},
};

use crate::{
    dispatch,
    runtime::{Clock, Tasks},
    samples::Store,
};

/// When rules are evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evaluation {
    /// At the slots of their interval, as Prometheus does.
    Slots,
    /// When the last source that they depend on has been scraped, at the latest at the slot's end.
    OnData,
}

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Options {
    /// Groups of all rule files.
    pub groups: Vec<GroupSpec>,
    /// What they share.
    pub shared: Shared,
    /// When they run.
    pub evaluation: Evaluation,
    /// `$externalLabels`
    pub external_labels: Labels,
    /// How queries read.
    pub eval: EvalOptions,
    /// No rule runs before each target was tried once, or this time has passed since the start.
    pub warm_up: Duration,
    /// How long a source on which alerts depend may be blind before that is told; `None`: never.
    pub tell_blind_after: Option<Duration>,
    /// Whether a blind source is told of at once, and though no alert depends on it (`no_data: alert`).
    pub tell_all_blind: bool,
}

impl Options {
    /// How long a source on which alerts depend may be blind before that is told: a few scrapes, so that one lost
    /// answer wakes nobody.
    pub const TELL_BLIND_AFTER: Duration = Duration::from_secs(30);
}

/// What the evaluator works with.
#[derive(Clone)]
pub struct Parts {
    /// Tasks and threads.
    pub tasks: Tasks,
    /// The clock.
    pub clock: Clock,
    /// Samples.
    pub store: Store,
    /// Where transitions go.
    pub dispatch: dispatch::Handle,
    /// Threads at most.
    pub threads_max: usize,
    /// When the last process last ran; no timer counts the time since then.
    pub alive: Option<Timestamp>,
}

impl Options {
    /// Where people reach this botwatch.
    pub(super) fn external_url(&self) -> Arc<str> {
        Arc::clone(&self.shared.external_url)
    }
}
