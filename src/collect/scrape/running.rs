//! The loop of one target, and the one place where its scrapes become commits.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use botwatch_core::{
    exposition::Format,
    model::{Duration, Labels, SourceId, Sources, Timestamp, stale_nan},
    tsdb::{Commit, CommitReport, SeriesId, Visibility},
};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{
    Error, SourceUsers,
    absorb::{self, Absorbed, Answer, Counts, Make},
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

/// A larger body is parsed on the blocking pool, so that the sockets of others don't wait. Small ones are done in less
/// time than it takes to hand them over.
const LARGE: usize = 16 * 1024;
/// New series asked for under one lock.
const AT_ONCE: usize = 1000;

/// What makes samples of an answer: [`absorb::absorb`], or what a test puts in its place.
pub(in crate::collect) type Read =
    Arc<dyn Fn(&Answer<'_>, &JobOptions, &mut Cache, Make<'_>) -> absorb::Outcome + Send + Sync>;

/// What every loop needs.
#[derive(Clone)]
pub(in crate::collect) struct Surroundings {
    pub(in crate::collect) tasks: Tasks,
    pub(in crate::collect) clock: Clock,
    pub(in crate::collect) store: Store,
    pub(in crate::collect) metrics: Arc<Metrics>,
    pub(in crate::collect) sources: Arc<SourceUsers>,
    pub(in crate::collect) read: Read,
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
    /// Everything stops, or this target is retired.
    stop: Stop,
    seed: u64,
    desk: Mutex<Desk>,
    seen: Mutex<Seen>,
}

/// Where a scrape takes its state from and puts it back. Locked for a move or a commit, never for a parse: whoever
/// retires the target doesn't wait for one.
struct Desk {
    /// Away while a scrape works with it.
    state: Option<State>,
    /// The newest commit's time.
    last: Timestamp,
    /// Since when it is retired. Then the one who has the state ends its series, and nobody commits samples.
    retired: Option<Timestamp>,
}

/// What a scrape changes.
struct State {
    cache: Cache,
    report: Report,
    failures: Failures,
    /// The head's epoch after the last commit.
    epoch: u64,
    /// Whose rules made the labels that the cache knows.
    job: Option<Arc<JobOptions>>,
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
    pub(in crate::collect) fn new(
        plan: Arc<Plan>,
        name: Arc<str>,
        around: &Surroundings,
        seed: u64,
    ) -> Arc<Self> {
        let desk = Desk { state: Some(State::new(seed)), last: Timestamp::MIN, retired: None };
        Arc::new(Self {
            source: around.sources.claim(&around.store, &name),
            source_name: name,
            plan: watch::Sender::new(plan),
            stop: around.tasks.stop_token(),
            seed,
            desk: Mutex::new(desk),
            seen: Mutex::default(),
        })
    }

    /// What is being done.
    pub(in crate::collect) fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan.borrow())
    }

    /// Goes on by another plan, with the cache, the health and the live series of before.
    pub(in crate::collect) fn change(&self, plan: Arc<Plan>) {
        self.plan.send_replace(plan);
    }

    /// Ends for good, on purpose: its series end now (spec S14; DESIGN §2.3: removal is not blindness). A scrape
    /// that is under way is told to stop, and what it has is thrown away; the series then end with it, a moment later.
    pub(in crate::collect) fn retire(&self, around: &Surroundings) {
        let state = {
            let mut desk = self.desk.lock();
            desk.retired = Some(around.clock.now());
            desk.state.take()
        };
        self.stop.cancel();
        if let Some(state) = state {
            self.end(around, state, Vec::new());
        }
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
        let mut plans = self.plan.subscribe();
        let mut slot = None;
        loop {
            let plan = Arc::clone(&plans.borrow_and_update());
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                () = self.scrape(&around, &plan, slot) => {}
            }
            let after = around.clock.now().max(self.desk.lock().last);
            slot = loop {
                let target = plans.borrow_and_update().target.clone();
                let offset = schedule::offset(&target.labels, &target.url, target.interval);
                let next = schedule::next_slot(after, offset, target.interval);
                tokio::select! {
                    biased;
                    () = self.stop.cancelled() => return,
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
        let outcome = Arc::new(outcome);
        let (own, inner, its) = (Arc::clone(self), around.clone(), (Arc::clone(plan), Arc::clone(&outcome)));
        let finished = around.tasks.blocking(move || own.finish(&inner, &its.0, &its.1)).await;
        if finished.is_none() && !self.stop.is_cancelled() {
            let answer = Err(Arc::new(Error::Panic));
            self.finish(around, plan, &Outcome { at: outcome.at, took: outcome.took, answer });
        }
    }

    /// Commits what came of a scrape: samples, stale markers, the report, and whether the target can be seen.
    fn finish(&self, around: &Surroundings, plan: &Plan, outcome: &Outcome) {
        let Some(mut state) = self.begin() else { return };
        state.prepare(&plan.job, &around.store);
        let mut done = self.attempt(around, plan, outcome, &mut state);
        if let Ok(first) = &done
            && !first.report.gone.is_empty()
        {
            // The head made room in between: what it removed is asked for again, once.
            state.forget(&first.report.gone);
            done = self.attempt(around, plan, outcome, &mut state);
        }
        let done = match done {
            Ok(done) => done,
            Err(missing) => return self.put_back(around, state, missing),
        };
        state.forget(&done.report.gone);
        state.epoch = around.store.read(botwatch_core::tsdb::Head::epoch);
        let say = state.failures.note(done.error.is_none(), outcome.at);
        self.put_back(around, state, Vec::new());
        around.metrics.note(&done.counts, &done.report, done.error.as_deref());
        let error = done.error.map(|e| e.to_string()).unwrap_or_default();
        tracing::debug!(
            source = &*self.source_name,
            samples = done.counts.kept,
            added = done.counts.added,
            took_ms = outcome.took.as_millis(),
            error = (!error.is_empty()).then_some(error.as_str()),
            "scraped"
        );
        self.tell(say, &error);
        let health = if error.is_empty() { Health::Up } else { Health::Down };
        *self.seen.lock() = Seen { health, error, at: Some(outcome.at), took: outcome.took };
    }

    /// Takes the state; `None` when the target is retired.
    fn begin(&self) -> Option<State> {
        let mut desk = self.desk.lock();
        if desk.retired.is_some() {
            return None;
        }
        // It is lost only with a scrape that ended by a bug.
        Some(desk.state.take().unwrap_or_else(|| State::new(self.seed)))
    }

    /// Gives the state back. When the target was retired meanwhile, its series end, `missing` with them.
    fn put_back(&self, around: &Surroundings, state: State, missing: Vec<SeriesId>) {
        let mut desk = self.desk.lock();
        if desk.retired.is_none() {
            desk.state = Some(state);
            return;
        }
        drop(desk);
        self.end(around, state, missing);
    }

    /// Ends the series of a retired target as of then: another target may have gone on with one of them since.
    fn end(&self, around: &Surroundings, mut state: State, missing: Vec<SeriesId>) {
        let at = {
            let desk = self.desk.lock();
            desk.retired.unwrap_or(desk.last).max(desk.last + Duration::from_millis(1))
        };
        let ended = missing.into_iter().chain(state.cache.fail()).chain(state.report.end());
        let samples = ended.map(|id| (id, at, stale_nan())).collect();
        around.store.commit(Commit { samples, sources: Vec::new() });
        around.sources.release(&around.store, self.source);
    }

    /// Parses and commits. When the target was retired or everything stops meanwhile: nothing is committed, and the
    /// series come back that the state no longer has, but the last scrape had.
    fn attempt(
        &self,
        around: &Surroundings,
        plan: &Plan,
        outcome: &Outcome,
        state: &mut State,
    ) -> Result<Done, Vec<SeriesId>> {
        let (result, counts) = self.absorb(around, plan, outcome, &mut state.cache);
        let (mut absorbed, error) = match result {
            Ok(absorbed) => (absorbed, None),
            Err(error) => {
                // A bug may have left the cache in any state.
                let broken = matches!(*error, Error::Panic);
                let missing = if broken { state.cache.clear() } else { state.cache.fail() };
                (Absorbed { missing, ..Absorbed::default() }, Some(error))
            }
        };
        if self.stop.is_cancelled() {
            return Err(absorbed.missing);
        }
        let at = outcome.at;
        absorbed.samples.extend(absorbed.missing.iter().map(|&id| (id, at, stale_nan())));
        let values = report_values(plan, outcome, error.as_deref(), &counts);
        let values = if plan.job.extra_scrape_metrics { &values[..] } else { &values[..PLAIN] };
        let labels = &plan.target.labels;
        state.report.write(values, at, (&around.store, labels, self.source), &mut absorbed.samples);
        let visibility = if error.is_none() { Visibility::Seeing } else { Visibility::Blind };
        let sources = vec![(self.source, visibility, at)];
        let mut desk = self.desk.lock();
        if desk.retired.is_some() {
            return Err(absorbed.missing);
        }
        let report = around.store.commit(Commit { samples: absorbed.samples, sources });
        desk.last = desk.last.max(at);
        Ok(Done { counts, report, error })
    }

    fn absorb(
        &self,
        around: &Surroundings,
        plan: &Plan,
        outcome: &Outcome,
        cache: &mut Cache,
    ) -> (Result<Absorbed, Arc<Error>>, Counts) {
        let (body, format) = match &outcome.answer {
            Ok((body, format)) => (body, *format),
            Err(error) => return (Err(Arc::clone(error)), Counts::default()),
        };
        let answer = Answer { body, format, at: outcome.at, target: &plan.target.labels, stop: &self.stop };
        let source = Sources::one(self.source);
        let ask = |labels: &[Labels]| around.store.series(labels.iter().map(|l| (l, &source)));
        let mut make = |labels: &[Labels]| labels.chunks(AT_ONCE).flat_map(ask).collect();
        // A bug that an answer brings to light must show as a target that is down, not as silence.
        let read = catch_unwind(AssertUnwindSafe(|| (around.read)(&answer, &plan.job, cache, &mut make)));
        match read.unwrap_or_else(|_| Err((Error::Panic, Counts::default()))) {
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

/// Whether two jobs make other labels of the same sample, or refuse others.
fn relabels(a: &JobOptions, b: &JobOptions) -> bool {
    let limits =
        |job: &JobOptions| (job.label_limit, job.label_name_length_limit, job.label_value_length_limit);
    a.honor_labels != b.honor_labels || limits(a) != limits(b) || a.metric_relabel != b.metric_relabel
}

impl State {
    fn new(seed: u64) -> Self {
        Self {
            cache: Cache::new(seed),
            report: Report::default(),
            failures: Failures::default(),
            epoch: 0,
            job: None,
        }
    }

    /// Lets go of what no longer holds: labels made by other rules, series that the head has removed.
    fn prepare(&mut self, job: &Arc<JobOptions>, store: &Store) {
        let before = self.job.replace(Arc::clone(job));
        if before.is_some_and(|before| !Arc::ptr_eq(&before, job) && relabels(&before, job)) {
            self.cache.invalidate();
        }
        self.forget_removed(store);
    }

    /// Lets go of series that the head has removed since the last commit, so that they are asked for anew.
    fn forget_removed(&mut self, store: &Store) {
        store.read(|head| {
            if head.epoch() != self.epoch {
                self.cache.forget(|id| head.labels(id).is_none());
            }
        });
    }

    fn forget(&mut self, gone: &[SeriesId]) {
        if gone.is_empty() {
            return;
        }
        let mut gone = gone.to_vec();
        gone.sort_unstable();
        self.cache.forget(|id| gone.binary_search(&id).is_ok());
        self.report.forget(&gone);
    }
}
