//! What comes by the API instead of a scrape: metrics that a bot pushes, and thresholds.
//!
//! A pushed value is a sample of `bot_metric{bot,metric}` under the source `push/NAME` of who pushes. Who falls silent is
//! blind from then on, so that an alert on what it pushed neither ends nor is forgotten; who never pushed regularly and
//! has no alert is let go. Thresholds are samples of `botwatch_threshold{metric,severity,direction}`, written every
//! round and at once when one changes: rules compare with them, no reload is needed.
//!
//! It keeps no threshold itself: those that people set are in the machine's journal, those of files in the
//! configuration, those that came with a push lapse with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use botwatch_core::{
    alerting::SetThreshold,
    model::{
        Direction, Duration, Labels, METRIC_NAME, PUSHED_METRIC, SourceId, Sources, THRESHOLD_METRIC,
        Threshold, Timestamp, stale_nan,
    },
    signals::{Origin, in_force},
    tsdb::{Commit, SeriesId, Visibility},
};
use parking_lot::Mutex;

use crate::{
    dispatch::{self, Gone},
    runtime::{Clock, Tasks},
    samples::Store,
};

/// The source of thresholds.
const SOURCE: &str = "thresholds";
/// Time between rounds.
const ROUND: Duration = Duration::from_secs(5);
/// Who has pushed nothing for so long is silent: as long as a sample counts (spec prometheus P3).
const SILENT: Duration = Duration::from_secs(5 * 60);
/// Who pushed less often than this does not push regularly.
const REGULAR: u64 = 3;
/// A threshold that came with a push lapses so long after its last push (DESIGN §4 "Signals").
const LAPSES: Duration = Duration::from_secs(10 * 60);
/// A sample may be so far ahead of our clock.
const AHEAD: Duration = Duration::from_secs(60);
/// Metrics that are pushed, at most.
const METRICS_MAX: usize = 2000;
/// Those who push, at most.
const PUSHERS_MAX: usize = 100;

/// A pushed value.
#[derive(Debug, Clone, PartialEq)]
pub struct Push {
    /// The metric's name.
    pub metric: Arc<str>,
    /// The value; finite.
    pub value: f64,
    /// A critical threshold above which the value is trouble, unless something else says one.
    pub threshold: Option<f64>,
    /// When it was measured; none: now.
    pub at: Option<Timestamp>,
}

/// Why a push wasn't taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// There are too many metrics already.
    #[error("there are {METRICS_MAX} metrics already, or {PUSHERS_MAX} who push")]
    TooMany,
    /// A time that can't be kept.
    #[error("the time of `{metric}` is {why}")]
    Time {
        /// Which.
        metric: Arc<str>,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// The newest value of a pushed metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Pushed {
    /// The metric.
    pub metric: Arc<str>,
    /// Its value.
    pub value: f64,
    /// When it was measured.
    pub at: Timestamp,
    /// Who pushed it.
    pub pusher: Arc<str>,
}

/// A threshold in force.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdView {
    /// What.
    pub threshold: Threshold,
    /// Where it comes from.
    pub origin: Origin,
    /// What it would be without what somebody set: the file's, the push's or the shipped one.
    pub otherwise: Option<(f64, Origin)>,
    /// Who set it, and when.
    pub set: Option<(Arc<str>, Timestamp)>,
}

/// What can be set.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PushOptions {
    /// The bot's name.
    pub bot: Arc<str>,
    /// Thresholds of the configuration.
    pub thresholds: Vec<Threshold>,
}

/// Takes pushes and writes thresholds. Cheap to clone.
#[derive(Clone)]
pub struct Pushes(Arc<Inner>);

struct Inner {
    clock: Clock,
    store: Store,
    dispatch: dispatch::Handle,
    state: Mutex<State>,
}

struct State {
    options: PushOptions,
    metrics: BTreeMap<Arc<str>, Metric>,
    pushers: BTreeMap<Arc<str>, Pusher>,
    source: SourceId,
    /// The series of thresholds that have one now.
    written: BTreeMap<Labels, SeriesId>,
    /// When thresholds were last written.
    last: Timestamp,
}

struct Metric {
    newest: Pushed,
    series: Option<SeriesId>,
    threshold: Option<(f64, Timestamp)>,
    /// Its newest sample is a stale marker.
    ended: bool,
}

struct Pusher {
    source: SourceId,
    last: Timestamp,
    count: u64,
    silent: bool,
}

impl Pushes {
    /// Starts writing thresholds.
    pub fn start(
        tasks: &Tasks,
        clock: &Clock,
        store: &Store,
        dispatch: dispatch::Handle,
        options: PushOptions,
    ) -> Self {
        let state = State {
            options,
            metrics: BTreeMap::new(),
            pushers: BTreeMap::new(),
            source: store.source(SOURCE),
            written: BTreeMap::new(),
            last: Timestamp::MIN,
        };
        let inner = Inner { clock: clock.clone(), store: store.clone(), dispatch, state: Mutex::new(state) };
        let pushes = Self(Arc::new(inner));
        let (rounds, clock, stop) = (pushes.clone(), clock.clone(), tasks.stop_token());
        tasks.spawn("pushes", async move {
            loop {
                // The dispatcher ends before us at the stop.
                if rounds.refresh().await.is_err() {
                    return;
                }
                rounds.notice_silence().await;
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = clock.sleep(ROUND) => {}
                }
            }
        });
        pushes
    }

    /// Takes new options.
    pub fn reload(&self, options: PushOptions) {
        let mut state = self.0.state.lock();
        if state.options.bot != options.bot {
            // Other labels are other series.
            for metric in state.metrics.values_mut() {
                metric.series = None;
            }
        }
        state.options = options;
    }

    /// Takes pushes in: all of them, or none. They are to be seen when this returns.
    ///
    /// # Errors
    /// [`PushError`].
    pub fn push(&self, pusher: &str, pushes: &[Push]) -> Result<(), PushError> {
        let inner = &self.0;
        let now = inner.clock.now();
        let mut state = inner.state.lock();
        state.admit(pusher, pushes, now)?;
        let pusher: Arc<str> = pusher.into();
        let source = inner.store.source(&format!("push/{pusher}"));
        let bot = Arc::clone(&state.options.bot);
        let mut samples: Vec<(Arc<str>, Timestamp, f64)> = Vec::with_capacity(pushes.len());
        for push in pushes {
            let at = push.at.unwrap_or(now);
            let newest = Pushed {
                metric: Arc::clone(&push.metric),
                value: push.value,
                at,
                pusher: Arc::clone(&pusher),
            };
            let metric = state.metrics.entry(Arc::clone(&push.metric)).or_insert_with(|| Metric {
                newest: newest.clone(),
                series: None,
                threshold: None,
                ended: false,
            });
            metric.newest = newest;
            if let Some(threshold) = push.threshold {
                metric.threshold = Some((threshold, now));
            } else if let Some((_, at)) = &mut metric.threshold {
                *at = now;
            }
            samples.push((Arc::clone(&push.metric), at, push.value));
        }
        samples.sort_by_key(|(_, at, _)| *at);
        state.write(&inner.store, source, &bot, &samples, now);
        let entry =
            state.pushers.entry(pusher).or_insert(Pusher { source, last: now, count: 0, silent: false });
        (entry.source, entry.last, entry.silent) = (source, now, false);
        entry.count += 1;
        Ok(())
    }

    /// The newest values, by metric.
    pub fn pushed(&self) -> Vec<Pushed> {
        self.0.state.lock().metrics.values().map(|m| m.newest.clone()).collect()
    }

    /// The thresholds in force, by metric and severity.
    ///
    /// # Errors
    /// When the dispatcher has stopped.
    pub async fn thresholds(&self) -> Result<Vec<ThresholdView>, Gone> {
        let set: Vec<SetThreshold> =
            self.0.dispatch.read(|machine| machine.thresholds().cloned().collect()).await?;
        let state = self.0.state.lock();
        let pushed = state.pushed_thresholds(self.0.clock.now());
        let file = &state.options.thresholds;
        let without = in_force(&[], file, &pushed);
        let all = in_force(set.iter().map(|s| &s.threshold), file, &pushed);
        let views = all.into_iter().map(|(threshold, origin)| {
            let same = |t: &Threshold| t.metric == threshold.metric && t.severity == threshold.severity;
            let set = set.iter().find(|s| same(&s.threshold)).map(|s| (Arc::clone(&s.by), s.at));
            let otherwise = without.iter().find(|(t, _)| same(t)).map(|(t, origin)| (t.value, *origin));
            let otherwise = otherwise.filter(|_| origin == Origin::Set);
            ThresholdView { set: set.filter(|_| origin == Origin::Set), threshold, origin, otherwise }
        });
        Ok(views.collect())
    }

    /// Writes the thresholds in force, so that rules see them from now on.
    ///
    /// # Errors
    /// When the dispatcher has stopped.
    pub async fn refresh(&self) -> Result<(), Gone> {
        let views = self.thresholds().await?;
        let mut state = self.0.state.lock();
        let now = self.0.clock.now().max(state.last + Duration::from_millis(1));
        state.last = now;
        state.write_thresholds(&self.0.store, &views, now);
        Ok(())
    }

    /// Who fell silent is blind; who is of no concern to any alert and never pushed regularly is let go.
    async fn notice_silence(&self) {
        let now = self.0.clock.now();
        let silent: Vec<Arc<str>> = {
            let state = self.0.state.lock();
            let silent = state.pushers.iter().filter(|(_, p)| !p.silent && now.since(p.last) > SILENT);
            silent.map(|(name, _)| Arc::clone(name)).collect()
        };
        if silent.is_empty() {
            return;
        }
        let look = |machine: &botwatch_core::alerting::Machine| {
            let alerts = machine.rules().flat_map(|rule| machine.rule_alerts(rule));
            alerts.flat_map(|alert| alert.sources.iter().cloned()).collect::<BTreeSet<Arc<str>>>()
        };
        let Ok(needed) = self.0.dispatch.read(look).await else { return };
        let mut state = self.0.state.lock();
        for name in silent {
            state.fall_silent(&self.0.store, &name, &needed, now);
        }
    }
}

impl State {
    fn admit(&self, pusher: &str, pushes: &[Push], now: Timestamp) -> Result<(), PushError> {
        let names: BTreeSet<&Arc<str>> = pushes.iter().map(|p| &p.metric).collect();
        let new = names.iter().filter(|m| !self.metrics.contains_key(**m)).count();
        if self.metrics.len() + new > METRICS_MAX
            || (self.pushers.len() >= PUSHERS_MAX && !self.pushers.contains_key(pusher))
        {
            return Err(PushError::TooMany);
        }
        for push in pushes {
            let newest = self.metrics.get(&push.metric).map(|m| m.newest.at);
            let why = match push.at {
                Some(at) if at > now + AHEAD => "in the future",
                Some(at) if now.since(at) > SILENT => "more than five minutes ago",
                Some(at) if newest.is_some_and(|newest| at < newest) => "before that of its newest value",
                _ => continue,
            };
            return Err(PushError::Time { metric: Arc::clone(&push.metric), why });
        }
        Ok(())
    }

    fn write(
        &mut self,
        store: &Store,
        source: SourceId,
        bot: &Arc<str>,
        values: &[(Arc<str>, Timestamp, f64)],
        now: Timestamp,
    ) {
        let sources = Sources::one(source);
        // Twice at most: the head may have let go of series that were not written for long.
        for _ in 0..2 {
            let mut samples = Vec::with_capacity(values.len());
            for (name, at, value) in values {
                let Some(metric) = self.metrics.get_mut(name) else { continue };
                if metric.series.is_none() {
                    let labels = pushed_labels(bot, name);
                    metric.series = store.series([(&labels, &sources)]).into_iter().next().flatten();
                }
                metric.ended = false;
                samples.extend(metric.series.map(|id| (id, *at, *value)));
            }
            let report = store.commit(Commit { samples, sources: vec![(source, Visibility::Seeing, now)] });
            if report.gone.is_empty() {
                return;
            }
            for metric in self.metrics.values_mut() {
                metric.series = metric.series.filter(|id| !report.gone.contains(id));
            }
        }
    }

    fn pushed_thresholds(&self, now: Timestamp) -> Vec<Threshold> {
        let live = self.metrics.iter().filter_map(|(name, m)| {
            let (value, at) = m.threshold?;
            (now.since(at) < LAPSES).then(|| Threshold {
                metric: Arc::clone(name),
                severity: "critical".into(),
                direction: Direction::Above,
                value,
            })
        });
        live.collect()
    }

    fn write_thresholds(&mut self, store: &Store, views: &[ThresholdView], now: Timestamp) {
        let sources = Sources::one(self.source);
        for _ in 0..2 {
            let mut samples = Vec::with_capacity(views.len());
            let mut gone = std::mem::take(&mut self.written);
            for view in views {
                let labels = threshold_labels(&view.threshold);
                let id = gone.remove(&labels);
                let id = id.or_else(|| store.series([(&labels, &sources)]).into_iter().next().flatten());
                if let Some(id) = id {
                    samples.push((id, now, view.threshold.value));
                    self.written.insert(labels, id);
                }
            }
            samples.extend(gone.into_values().map(|id| (id, now, stale_nan())));
            let report =
                store.commit(Commit { samples, sources: vec![(self.source, Visibility::Seeing, now)] });
            if report.gone.is_empty() {
                return;
            }
            self.written.retain(|_, id| !report.gone.contains(id));
        }
    }

    fn fall_silent(&mut self, store: &Store, name: &Arc<str>, needed: &BTreeSet<Arc<str>>, now: Timestamp) {
        let Some(pusher) = self.pushers.get_mut(name) else { return };
        let (source, regular) = (pusher.source, pusher.count >= REGULAR);
        pusher.silent = true;
        let own = self.metrics.values_mut().filter(|m| m.newest.pusher == *name && !m.ended);
        let mut samples = Vec::new();
        for metric in own {
            metric.ended = true;
            let at = now.max(metric.newest.at + Duration::from_millis(1));
            samples.extend(metric.series.map(|id| (id, at, stale_nan())));
        }
        let is_needed = needed.contains(&Arc::from(format!("push/{name}")));
        if regular || is_needed {
            tracing::warn!(pusher = %name, "nothing was pushed for five minutes: what it pushed can't be seen");
            store.commit(Commit { samples, sources: vec![(source, Visibility::Blind, now)] });
        } else {
            store.commit(Commit { samples, sources: Vec::new() });
            store.remove_source(source);
            self.pushers.remove(name);
            self.metrics.retain(|_, m| m.newest.pusher != *name);
        }
    }
}

fn pushed_labels(bot: &str, metric: &str) -> Labels {
    let pairs = [(METRIC_NAME, PUSHED_METRIC), ("bot", bot), ("metric", metric)];
    Labels::from_pairs(pairs.into_iter().filter(|(_, value)| !value.is_empty()))
}

fn threshold_labels(t: &Threshold) -> Labels {
    Labels::from_pairs([
        (METRIC_NAME, THRESHOLD_METRIC),
        ("direction", t.direction.as_str()),
        ("metric", &*t.metric),
        ("severity", &*t.severity),
    ])
}
