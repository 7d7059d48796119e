//! The loop of one target, and the one place where its scrapes become commits.

use std::sync::Arc;

use botwatch_core::{
    exposition::Format,
    model::{Duration, Labels, SourceId, Sources, Timestamp, stale_nan},
    tsdb::{Commit, CommitReport, SeriesId, Visibility},
};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{
    Error,
    absorb::{Absorbed, Answer, Counts, absorb},
    cache::Cache,
    health::{Failures, Health, Say},
    report::{PLAIN, Report},
    request::fetch,
    schedule,
};
use crate::{
    collect::{JobOptions, TargetView, discovery::Target, metrics::Metrics},
    net::Client,
    runtime::{Clock, Stop, Tasks},
    samples::Store,
};

/// A larger body is parsed on the blocking pool, so that the sockets of others don't wait.
const LARGE: usize = 256 * 1024;
/// New series asked for under one lock.
const AT_ONCE: usize = 1000;

/// What every loop needs.
#[derive(Clone)]
pub(in crate::collect) struct Surroundings {
    pub(in crate::collect) tasks: Tasks,
    pub(in crate::collect) clock: Clock,
    pub(in crate::collect) store: Store,
    pub(in crate::collect) metrics: Arc<Metrics>,
}

/// What is to be done about one target; changed by a reload.
pub(in crate::collect) struct Plan {
    /// Its job.
    pub(in crate::collect) job: Arc<JobOptions>,
    /// The job's client, or why there is none.
    pub(in crate::collect) client: Result<Client, Arc<str>>,
    /// Where it is.
    pub(in crate::collect) target: Target,
    /// The job's targets, and how many are allowed, when there are too many: all scrapes fail then (spec S16).
    pub(in crate::collect) targets_over: Option<(usize, usize)>,
}

/// A target being scraped.
pub(in crate::collect) struct Running {
    /// What its samples come from.
    pub(in crate::collect) source: SourceId,
    /// That source's name.
    pub(in crate::collect) source_name: Arc<str>,
    plan: watch::Sender<Arc<Plan>>,
    retired: Stop,
    state: Mutex<State>,
    seen: Mutex<Seen>,
}

/// What a scrape changes.
struct State {
    cache: Cache,
    report: Report,
    failures: Failures,
    /// The newest commit's time.
    last: Timestamp,
    /// The head's epoch after it.
    epoch: u64,
    retired: bool,
}

/// What is shown of the last scrape.
#[derive(Default)]
struct Seen {
    health: Health,
    error: String,
    at: Option<Timestamp>,
    took: Duration,
}

/// A scrape that ended.
struct Outcome {
    at: Timestamp,
    took: Duration,
    answer: Result<(Bytes, Format), Arc<Error>>,
}

impl Running {
    /// A target, not yet running.
    pub(in crate::collect) fn new(plan: Arc<Plan>, name: Arc<str>, store: &Store, seed: u64) -> Arc<Self> {
        let state = State {
            cache: Cache::new(seed),
            report: Report::default(),
            failures: Failures::default(),
            last: Timestamp::MIN,
            epoch: 0,
            retired: false,
        };
        Arc::new(Self {
            source: store.source(&name),
            source_name: name,
            plan: watch::Sender::new(plan),
            retired: Stop::new(),
            state: Mutex::new(state),
            seen: Mutex::default(),
        })
    }

    /// What is being done.
    pub(in crate::collect) fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan.borrow())
    }

    /// Goes on by another plan, with the cache, the health and the live series of before. `relabelled`: the rules
    /// that make labels have changed.
    pub(in crate::collect) fn change(&self, plan: Arc<Plan>, relabelled: bool) {
        if relabelled {
            self.state.lock().cache.invalidate();
        }
        self.plan.send_replace(plan);
    }

    /// Ends for good, on purpose: its series end now (spec S14; DESIGN §2.3: removal is not blindness). A scrape
    /// that is under way is thrown away.
    pub(in crate::collect) fn retire(&self, store: &Store, now: Timestamp) {
        let mut state = self.state.lock();
        self.retired.cancel();
        state.retired = true;
        let at = now.max(state.last + Duration::from_millis(1));
        let ended = state.cache.fail().into_iter().chain(state.report.end());
        let samples = ended.map(|id| (id, at, stale_nan())).collect();
        store.commit(Commit { samples, sources: Vec::new() });
    }

    /// What is known of it.
    pub(in crate::collect) fn view(&self) -> TargetView {
        let plan = self.plan();
        let seen = self.seen.lock();
        TargetView {
            discovered_labels: plan.target.discovered.clone(),
            labels: plan.target.labels.clone(),
            scrape_pool: Arc::clone(&plan.job.name),
            scrape_url: plan.target.shown_url(),
            last_error: seen.error.clone(),
            last_scrape: seen.at,
            last_scrape_duration: seen.took,
            health: seen.health,
            scrape_interval: plan.target.interval,
            scrape_timeout: plan.target.timeout,
            source: Arc::clone(&self.source_name),
        }
    }

    /// Scrapes at once and then at each slot, until it is retired or everything stops. At a stop no series ends.
    pub(in crate::collect) async fn run(self: Arc<Self>, around: Surroundings) {
        let stop = around.tasks.stop_token();
        let mut plans = self.plan.subscribe();
        let mut slot = None;
        loop {
            let plan = Arc::clone(&plans.borrow_and_update());
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.retired.cancelled() => return,
                () = self.scrape(&around, &plan, slot) => {}
            }
            let after = around.clock.now().max(self.state.lock().last);
            slot = loop {
                let target = plans.borrow_and_update().target.clone();
                let offset = schedule::offset(&target.labels, &target.url, target.interval);
                let next = schedule::next_slot(after, offset, target.interval);
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = self.retired.cancelled() => return,
                    () = around.clock.sleep_until(next) => break Some(next),
                    // The sender lives in `self`. Another plan may have other slots.
                    _ = plans.changed() => {}
                }
            };
        }
    }

    async fn scrape(self: &Arc<Self>, around: &Surroundings, plan: &Arc<Plan>, slot: Option<Timestamp>) {
        let began = around.clock.now();
        let at = schedule::align(began, slot, plan.target.interval);
        let answer = fetch(plan).await.map_err(Arc::new);
        let outcome = Outcome { at, took: around.clock.now().since(began), answer };
        let large = outcome.answer.as_ref().is_ok_and(|(body, _)| body.len() > LARGE);
        if !large {
            return self.finish(around, plan, &outcome);
        }
        let (own, inner, plan) = (Arc::clone(self), around.clone(), Arc::clone(plan));
        // None only when the runtime is going down.
        let _ = around.tasks.blocking(move || own.finish(&inner, &plan, &outcome)).await;
    }

    /// Commits what came of a scrape: samples, stale markers, the report, and whether the target can be seen.
    fn finish(&self, around: &Surroundings, plan: &Plan, outcome: &Outcome) {
        let mut state = self.state.lock();
        if state.retired {
            return;
        }
        state.forget_removed(&around.store);
        let done = self.commit(around, plan, outcome, &mut state);
        if !done.report.gone.is_empty() {
            // The head made room in between: what it removed is asked for again, once.
            state.forget(&done.report.gone);
            let again = self.commit(around, plan, outcome, &mut state);
            state.forget(&again.report.gone);
        }
        state.last = state.last.max(outcome.at);
        state.epoch = around.store.read(botwatch_core::tsdb::Head::epoch);
        around.metrics.note(&done.counts, &done.report, done.error.as_deref());
        let say = state.failures.note(done.error.is_none(), outcome.at);
        drop(state);
        let error = done.error.map(|e| e.to_string()).unwrap_or_default();
        self.tell(say, &error);
        let health = if error.is_empty() { Health::Up } else { Health::Down };
        *self.seen.lock() = Seen { health, error, at: Some(outcome.at), took: outcome.took };
    }

    fn commit(&self, around: &Surroundings, plan: &Plan, outcome: &Outcome, state: &mut State) -> Done {
        let (store, labels) = (&around.store, &plan.target.labels);
        let (result, counts) = self.absorb(store, plan, outcome, state);
        let (mut absorbed, error) = match result {
            Ok(absorbed) => (absorbed, None),
            Err(error) => (Absorbed { missing: state.cache.fail(), ..Absorbed::default() }, Some(error)),
        };
        let at = outcome.at;
        absorbed.samples.extend(absorbed.missing.iter().map(|&id| (id, at, stale_nan())));
        let values = report_values(plan, outcome, error.as_deref(), &counts);
        let values = if plan.job.extra_scrape_metrics { &values[..] } else { &values[..PLAIN] };
        state.report.write(values, at, (store, labels, self.source), &mut absorbed.samples);
        let visibility = if error.is_none() { Visibility::Seeing } else { Visibility::Blind };
        let sources = vec![(self.source, visibility, at)];
        let report = store.commit(Commit { samples: absorbed.samples, sources });
        Done { counts, report, error }
    }

    fn absorb(
        &self,
        store: &Store,
        plan: &Plan,
        outcome: &Outcome,
        state: &mut State,
    ) -> (Result<Absorbed, Arc<Error>>, Counts) {
        let (body, format) = match &outcome.answer {
            Ok((body, format)) => (body, *format),
            Err(error) => return (Err(Arc::clone(error)), Counts::default()),
        };
        let answer = Answer { body, format, at: outcome.at, target: &plan.target.labels };
        let source = Sources::one(self.source);
        let ask = |labels: &[Labels]| store.series(labels.iter().map(|l| (l, &source)));
        let make = |labels: &[Labels]| labels.chunks(AT_ONCE).flat_map(ask).collect();
        match absorb(&answer, &plan.job, &mut state.cache, make) {
            Ok(absorbed) => {
                let counts = absorbed.counts;
                (Ok(absorbed), counts)
            }
            Err((error, counts)) => (Err(Arc::new(error)), counts),
        }
    }

    fn tell(&self, say: Option<Say>, error: &str) {
        let target = &*self.source_name;
        match say {
            None => {}
            Some(Say::Down) => tracing::warn!(source = target, error, "scrape failed"),
            Some(Say::StillDown { failures, since }) => {
                tracing::warn!(source = target, error, failures, %since, "scrape still fails");
            }
            Some(Say::Back { failures, since }) => {
                tracing::info!(source = target, failures, %since, "scrape works again");
            }
        }
    }
}

/// What a commit came to.
struct Done {
    counts: Counts,
    report: CommitReport,
    error: Option<Arc<Error>>,
}

/// The values of all series about the target (spec S15).
fn report_values(plan: &Plan, outcome: &Outcome, error: Option<&Error>, counts: &Counts) -> [f64; 8] {
    let body = match (&outcome.answer, error) {
        (_, Some(Error::BodySize { .. })) => -1.0,
        (Ok((body, _)), _) => body.len() as f64,
        (Err(_), _) => 0.0,
    };
    [
        if error.is_none() { 1.0 } else { 0.0 },
        outcome.took.as_secs_f64(),
        counts.scraped as f64,
        counts.kept as f64,
        counts.added as f64,
        plan.target.timeout.as_secs_f64(),
        plan.job.sample_limit as f64,
        body,
    ]
}

impl State {
    /// Lets go of series that the head has removed since the last commit, so that they are asked for anew.
    fn forget_removed(&mut self, store: &Store) {
        store.read(|head| {
            if head.epoch() != self.epoch {
                self.cache.forget(|id| head.labels(id).is_none());
            }
        });
    }

    fn forget(&mut self, gone: &[SeriesId]) {
        let mut gone = gone.to_vec();
        gone.sort_unstable();
        self.cache.forget(|id| gone.binary_search(&id).is_ok());
        self.report.forget(&gone);
    }
}
