//! The task that waits for slots and data, and hands groups to the threads.

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use botwatch_core::{
    alerting::{Event, Refresh},
    model::{Duration, Labels, MatchOp, Matcher, RuleKey, SourceId, Timestamp, Transition},
    promql::{ExprKind, walk},
    rules::{BlindSource, Blindness, Group, Rule, Schedule},
    tsdb::{Head, SourceState, Visibility},
};
use parking_lot::RwLock;
use prometheus::Registry;
use tokio::sync::mpsc;

use super::{
    Evaluation, Handle, Options, Parts,
    cell::{Cell, Context, commit},
    handle::{Published, Reload},
    metrics::Metrics,
    pool::Pool,
    schedule::{Entry, Rhythms, reads as reads_of, without_circles},
    sight::StoreSight,
};
use crate::{
    dispatch,
    runtime::{Clock, Stop, Stopwatch},
    samples::CommitWatch,
};

/// How often blind sources are looked at when nothing else happens.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Builds the groups, gives them the journal's alerts back, and starts to evaluate once the sources that the store
/// knows by now have been tried.
///
/// # Errors
/// When the dispatcher has stopped.
pub async fn start(parts: Parts, options: Options, registry: &Registry) -> Result<Handle, dispatch::Gone> {
    let now = parts.clock.now();
    let sources = parts.store.stats().sources as u32;
    let metrics = Metrics::new(registry);
    let pool = Pool::new(&parts.tasks, parts.threads_max, metrics.threads.clone());
    let restored = parts.dispatch.read(|machine| {
        machine.rules().flat_map(|rule| machine.rule_alerts(rule).cloned()).collect::<Vec<Transition>>()
    });
    let restored = restored.await?;
    let options = Arc::new(options);
    let cells: Vec<Arc<Cell>> = build(&options).into_iter().map(|g| Arc::new(Cell::new(g))).collect();
    for cell in &cells {
        cell.restore(&restored, now, parts.alive, &mut |name| parts.store.source(name));
    }
    let mut blindness = new_blindness(&options);
    blindness.restore(&restored);
    parts.dispatch.tell(Event::RulesLoaded(keys(&cells, &options))).await?;

    let published = Arc::new(RwLock::new(Published { options: Arc::clone(&options), cells: Vec::new() }));
    let warm = Arc::new(AtomicBool::new(false));
    let (handle, reloads) = Handle::new(Arc::clone(&published), Arc::clone(&warm), parts.store.clone());
    let (ended, endings) = mpsc::channel(ENDINGS_MAX);
    let parts_clock = parts.clock.clone();
    let mut scheduler = Scheduler {
        commits: parts.store.subscribe(),
        context: Arc::new(Context { parts, options, started: now, metrics }),
        entries: Vec::new(),
        cells: Vec::new(),
        rhythms: Rhythms::default(),
        epoch: u64::MAX,
        generation: 0,
        published,
        warm,
        gate: Gate::shut(&parts_clock, (0..sources).map(SourceId).collect(), Timestamp::MIN),
        woke: now,
        blindness,
        looked: Timestamp::MIN,
        look_at: now,
        pool,
        ended,
        endings,
        reloads,
    };
    let places = cells.iter().map(|_| Place::Now).collect();
    scheduler.adopt(cells, places, now);
    let (tasks, stop) = (scheduler.context.parts.tasks.clone(), scheduler.context.parts.tasks.stop_token());
    tasks.spawn("evaluate", async move { scheduler.run(&stop).await });
    Ok(handle)
}

/// Ends of evaluations that nobody has read yet: at most one for each group that runs.
const ENDINGS_MAX: usize = 64;

fn build(options: &Options) -> Vec<Group> {
    options.groups.iter().map(|spec| Group::new(spec.clone(), &options.shared)).collect()
}

fn new_blindness(options: &Options) -> Blindness {
    let hold = options.tell_blind_after.unwrap_or(Duration::ZERO);
    let hold = if options.tell_all_blind { Duration::ZERO } else { hold };
    Blindness::new(hold, options.tell_all_blind, options.external_url())
}

/// The identities of all alerting rules, the built-in one's included.
fn keys(cells: &[Arc<Cell>], options: &Options) -> Vec<RuleKey> {
    let told = options.tell_blind_after.is_some() || options.tell_all_blind;
    let rules = cells.iter().flat_map(|c| c.rules());
    let keys = rules.filter_map(|rule| match rule {
        Rule::Alerting(rule) => Some(rule.spec.key.clone()),
        Rule::Recording(_) => None,
    });
    keys.chain(told.then(Blindness::key)).collect()
}

struct Scheduler {
    context: Arc<Context>,
    cells: Vec<Arc<Cell>>,
    /// One for each cell.
    entries: Vec<Entry>,
    rhythms: Rhythms,
    /// The head's epoch for which the entries' sources hold.
    epoch: u64,
    /// Of the cells: an evaluation's end belongs to one.
    generation: u64,
    published: Arc<RwLock<Published>>,
    warm: Arc<AtomicBool>,
    gate: Gate,
    /// When the loop last turned.
    woke: Timestamp,
    blindness: Blindness,
    /// When blind sources were last looked at, and when they are next at the latest.
    looked: Timestamp,
    look_at: Timestamp,
    commits: CommitWatch,
    pool: Pool,
    ended: mpsc::Sender<(u64, usize)>,
    endings: mpsc::Receiver<(u64, usize)>,
    reloads: mpsc::Receiver<Reload>,
}

/// A pause of the loop that a busy machine doesn't explain: it turns every few seconds.
const GAP: Duration = Duration::from_secs(15);

/// What rules wait for.
struct Gate {
    /// Each of these …
    sources: Vec<SourceId>,
    /// … must have been tried since then, …
    since: Timestamp,
    /// … but no longer than the warm-up time, which the wall clock has no part in.
    watch: Stopwatch,
}

impl Gate {
    fn shut(clock: &Clock, sources: Vec<SourceId>, since: Timestamp) -> Self {
        Self { sources, since, watch: clock.stopwatch() }
    }

    /// A source that was removed is not waited for.
    fn is_tried(&self, state: &SourceState) -> bool {
        match state.reported {
            Some(at) => at >= self.since,
            None => state.visibility == Visibility::Seeing,
        }
    }

    fn left(&self, warm_up: Duration) -> Duration {
        let passed = Duration::from_millis((self.watch.seconds() * 1000.0) as i64);
        Duration::from_millis((warm_up.as_millis() - passed.as_millis()).max(0))
    }
}

enum Wake {
    Something,
    Ended(u64, usize),
    Reload(Reload),
    Stop,
}

impl Scheduler {
    async fn run(&mut self, stop: &Stop) {
        loop {
            match self.wait(stop).await {
                Wake::Stop => break,
                Wake::Something => {}
                Wake::Ended(generation, nth) => self.ended(generation, nth),
                Wake::Reload((options, done)) => {
                    if self.reload(*options).await.is_err() {
                        break;
                    }
                    // Who asked may have gone away.
                    let _ = done.send(());
                }
            }
            let now = self.context.parts.clock.now();
            if self.is_warm(now) {
                if now >= self.look_at && self.look(now).await.is_err() {
                    break;
                }
                self.start_due(now);
            }
        }
        self.pool.close();
    }

    async fn wait(&mut self, stop: &Stop) -> Wake {
        let now = self.context.parts.clock.now();
        let due = if self.warm.load(Ordering::Relaxed) {
            let groups = self.entries.iter().filter_map(|e| e.wake(now));
            groups.chain([self.look_at]).min()
        } else {
            Some(now + self.gate.left(self.context.options.warm_up))
        };
        let clock = self.context.parts.clock.clone();
        let sleep = async move {
            match due {
                Some(at) => clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => Wake::Stop,
            Some((generation, nth)) = self.endings.recv() => Wake::Ended(generation, nth),
            Some(reload) = self.reloads.recv() => Wake::Reload(reload),
            _ = self.commits.changed() => Wake::Something,
            () = sleep => Wake::Something,
        }
    }

    /// Whether rules may run. The gate is shut at the start, until each target was tried, so that nothing is decided
    /// from an empty head; and again after a gap (the machine slept, the clock was set), until each was tried anew.
    fn is_warm(&mut self, now: Timestamp) -> bool {
        let gap = now.since(std::mem::replace(&mut self.woke, now));
        let store = &self.context.parts.store;
        if self.warm.load(Ordering::Relaxed) {
            if gap <= GAP {
                return true;
            }
            let sources = (0..store.stats().sources as u32).map(SourceId).collect();
            self.gate = Gate::shut(&self.context.parts.clock, sources, now);
            self.warm.store(false, Ordering::Relaxed);
            tracing::warn!(
                seconds = gap.as_secs_f64(),
                "time went on without botwatch; rules wait for fresh samples"
            );
        }
        let tried =
            store.read(|head| self.gate.sources.iter().all(|id| self.gate.is_tried(&head.visibility(*id))));
        if !tried && !self.gate.left(self.context.options.warm_up).is_zero() {
            return false;
        }
        self.warm.store(true, Ordering::Relaxed);
        true
    }

    fn ended(&mut self, generation: u64, nth: usize) {
        if generation == self.generation
            && let Some(entry) = self.entries.get_mut(nth)
        {
            entry.ended();
        }
    }

    /// Hands every group that is due to the threads.
    fn start_due(&mut self, now: Timestamp) {
        self.learn();
        let evaluation = self.context.options.evaluation;
        for nth in 0..self.entries.len() {
            let reads = reads_of(&self.entries, nth);
            let missed = self.entries[nth].missed;
            let Some(at) = self.entries[nth].due(now, evaluation, &self.rhythms, reads) else { continue };
            if self.entries[nth].missed != missed {
                self.published.write().cells[nth].1 = self.entries[nth].missed;
            }
            let (context, cell, ended) =
                (Arc::clone(&self.context), Arc::clone(&self.cells[nth]), self.ended.clone());
            let generation = self.generation;
            self.pool.run(move || {
                // A bug in one rule must not take the others' pages with it.
                if std::panic::catch_unwind(AssertUnwindSafe(|| cell.evaluate(&context, at))).is_err() {
                    cell.broke();
                }
                // A scheduler that is gone needs no news.
                let _ = ended.blocking_send((generation, nth));
            });
        }
    }

    /// What the groups depend on now, and the rhythm of it.
    fn learn(&mut self) {
        let store = self.context.parts.store.clone();
        store.read(|head| {
            if head.epoch() != self.epoch && self.context.options.evaluation == Evaluation::OnData {
                self.epoch = head.epoch();
                for (entry, cell) in self.entries.iter_mut().zip(&self.cells) {
                    // One that runs holds its lock; it is asked after its end, before its next slot.
                    if entry.running {
                        self.epoch = u64::MAX;
                    } else {
                        entry.sources = cell.sources(head);
                    }
                }
            }
            let mut ids: Vec<SourceId> =
                self.entries.iter().flat_map(|e| e.sources.iter().copied()).collect();
            ids.sort_unstable();
            ids.dedup();
            for id in ids {
                self.rhythms.learn(id, &head.visibility(id));
            }
        });
    }

    /// Looks for blind sources and tells of those on which alerts depend.
    async fn look(&mut self, now: Timestamp) -> Result<(), dispatch::Gone> {
        self.looked = now;
        self.look_at = now + LOOK_EVERY;
        if self.context.options.tell_blind_after.is_none() && !self.context.options.tell_all_blind {
            return Ok(());
        }
        let blind = self.blind();
        if let Some(next) = self.blindness.next(&blind) {
            self.look_at = self.look_at.min(next.max(now + Duration::from_millis(100)));
        }
        let (changes, refreshed) = self.blindness.step(now, &blind);
        let dispatch = &self.context.parts.dispatch;
        if !changes.is_empty() {
            dispatch.tell(Event::Transitions(changes)).await?;
        }
        if !refreshed.is_empty() {
            let texts = refreshed.into_iter().map(|r| Refresh {
                labels: r.labels,
                annotations: r.annotations,
                value: r.value,
            });
            dispatch.tell(Event::Refresh(texts.collect())).await?;
        }
        Ok(())
    }

    fn blind(&self) -> Vec<BlindSource> {
        let store = &self.context.parts.store;
        let all = store.stats().sources as u32;
        let blind: Vec<(SourceId, Arc<str>, Labels, Timestamp)> = store.read(|head| {
            let ids = (0..all).map(SourceId);
            ids.filter_map(|id| {
                let since = head.visibility(id).blind_since(Timestamp::MAX)?;
                let labels = common_labels(head, id);
                Some((id, Arc::clone(head.source_name(id)?), labels, since.max(self.context.started)))
            })
            .collect()
        });
        if blind.is_empty() {
            return Vec::new();
        }
        let mut frozen = BTreeMap::new();
        self.cells.iter().for_each(|cell| cell.count_frozen(&mut frozen));
        let count = |id| frozen.get(&id).copied().unwrap_or(0);
        let source = |(id, name, labels, since)| BlindSource { name, labels, since, frozen: count(id) };
        blind.into_iter().map(source).collect()
    }

    /// Other rules: what is the same goes on, what is gone ends.
    async fn reload(&mut self, options: Options) -> Result<(), dispatch::Gone> {
        while self.entries.iter().any(|e| e.running) {
            let Some((generation, nth)) = self.endings.recv().await else { return Ok(()) };
            self.ended(generation, nth);
        }
        let options = Arc::new(options);
        let old: BTreeMap<_, _> =
            self.cells.drain(..).zip(self.entries.drain(..)).map(|(c, e)| (c.key.clone(), (c, e))).collect();
        let now = self.context.parts.clock.now();
        let mut old = old;
        let mut gone: Vec<Rule> = Vec::new();
        let mut cells = Vec::new();
        let mut places = Vec::new();
        let same_mode = options.evaluation == self.context.options.evaluation;
        for group in build(&options) {
            let key = (Arc::clone(&group.spec.file), Arc::clone(&group.spec.name));
            let cell = match old.remove(&key) {
                Some((before, entry)) => {
                    let (cell, left) = before.succeed(group);
                    gone.extend(left);
                    // What was edited runs at once; a new group may be about targets that are not tried yet.
                    let keeps = same_mode && cell.is_like(&before);
                    places.push(if keeps { Place::Kept(entry) } else { Place::Now });
                    cell
                }
                None => {
                    places.push(Place::Later);
                    Cell::new(group)
                }
            };
            cells.push(Arc::new(cell));
        }
        gone.extend(old.into_values().flat_map(|(cell, _)| cell.rules()));
        let context = Context {
            parts: self.context.parts.clone(),
            options: Arc::clone(&options),
            started: self.context.started,
            metrics: self.context.metrics.clone(),
        };
        self.context = Arc::new(context);
        self.end(gone, now);
        let fresh = new_blindness(&options);
        (self.blindness.hold, self.blindness.always) = (fresh.hold, fresh.always);
        self.blindness.external_url = fresh.external_url;
        let keys = keys(&cells, &options);
        self.adopt(cells, places, now);
        // The machine ends the alerts of rules that are gone.
        self.context.parts.dispatch.tell(Event::RulesLoaded(keys)).await
    }

    /// Marks the series of rules that are gone as ended.
    fn end(&self, gone: Vec<Rule>, now: Timestamp) {
        let sight = StoreSight { store: &self.context.parts.store };
        for rule in gone {
            let written = match rule {
                Rule::Recording(mut rule) => rule.end(),
                Rule::Alerting(mut rule) => rule.end(now, &sight).written,
            };
            commit(&self.context, now, &written);
        }
    }

    /// Takes cells into the schedule, each at its place.
    fn adopt(&mut self, cells: Vec<Arc<Cell>>, places: Vec<Place>, now: Timestamp) {
        let on_data = self.context.options.evaluation == Evaluation::OnData;
        let schedule = |cell: &Cell, interval: Duration| {
            if on_data {
                Schedule::aligned(interval)
            } else {
                Schedule::new(interval, &cell.key.0, &cell.key.1)
            }
        };
        let specs: Vec<_> = self.context.options.groups.iter().collect();
        let reads = without_circles(&reads(&specs));
        let shared = self.context.options.shared.interval;
        self.entries = cells
            .iter()
            .zip(&specs)
            .zip(reads)
            .zip(places)
            .map(|(((cell, spec), reads), place)| {
                let schedule = schedule(cell, spec.interval.unwrap_or(shared));
                let entry = match place {
                    Place::Kept(entry) => entry,
                    Place::Now => Entry::new(schedule, now),
                    Place::Later => Entry::later(schedule, now),
                };
                Entry { reads, sources: Vec::new(), ..entry }
            })
            .collect();
        self.cells = cells;
        self.generation += 1;
        self.epoch = u64::MAX;
        let missed = self.entries.iter().map(|e| e.missed);
        let cells = self.cells.iter().cloned().zip(missed).collect();
        *self.published.write() = Published { options: Arc::clone(&self.context.options), cells };
    }
}

/// The labels by which what a source writes is told apart from what others write: those of the series that each kind
/// of source writes even when it can't be seen.
fn common_labels(head: &Head, source: SourceId) -> Labels {
    const ALWAYS: &str = "up|botwatch_process_visible|botwatch_host_cpus";
    const KEPT: [&str; 3] = ["bot", "instance", "job"];
    let Ok(always) = Matcher::new("__name__", MatchOp::Regex, ALWAYS) else { return Labels::empty() };
    let found = head.series_of(&[always], source);
    found.map_or_else(Labels::empty, |labels| labels.without(|name| !KEPT.contains(&name)))
}

/// Where a group comes into the schedule.
enum Place {
    /// As it was.
    Kept(Entry),
    /// At once.
    Now,
    /// At its next slot.
    Later,
}

/// Which groups each group reads: those that record a name that it selects.
fn reads(specs: &[&botwatch_core::rules::GroupSpec]) -> Vec<Vec<usize>> {
    let mut writers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (nth, spec) in specs.iter().enumerate() {
        for rule in spec.rules.iter().filter(|r| r.alert.is_none()) {
            writers.entry(&rule.name).or_default().push(nth);
        }
    }
    let of = |spec: &&botwatch_core::rules::GroupSpec| {
        let mut found = Vec::new();
        for rule in &spec.rules {
            walk(&rule.expr, &mut |e| {
                if let ExprKind::Selector(s) | ExprKind::Range { selector: s, .. } = &e.kind
                    && let Some(name) = &s.name
                {
                    found.extend(writers.get(&**name).into_iter().flatten().copied());
                }
            });
        }
        found.sort_unstable();
        found.dedup();
        found
    };
    specs.iter().map(of).collect()
}
