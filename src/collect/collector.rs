//! The jobs and their targets, and how a reload changes them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use botwatch_core::{
    diag::chain,
    model::{Duration, Labels, SourceId, Timestamp},
};
use parking_lot::Mutex;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::Notify;

use super::{
    FileSdOptions, JobOptions, Options,
    discovery::{Files, Listing, Target, Watcher, difference, list},
    metrics::Metrics,
    scrape::{Plan, Read, Running, SourceUsers, Surroundings, absorb::absorb, health::Health},
};
use crate::{
    net::Client,
    runtime::{Clock, Stop, Tasks},
    samples::Store,
};

/// After a change of a discovery file, whoever writes it may need a moment more.
const SETTLE: std::time::Duration = std::time::Duration::from_millis(50);
/// A refresh interval of zero would never rest.
const REFRESH_MIN: Duration = Duration::from_secs(1);

/// A target for `/api/v1/targets` (spec A10).
#[derive(Debug, Clone, PartialEq)]
pub struct TargetView {
    /// Its labels before relabelling.
    pub discovered_labels: Labels,
    /// Its labels.
    pub labels: Labels,
    /// Its job.
    pub scrape_pool: Arc<str>,
    /// Its URL. `globalUrl` is the same but for the host, which only the one who serves knows.
    pub scrape_url: String,
    /// Why the last scrape failed; empty when it didn't.
    pub last_error: String,
    /// When the last scrape began.
    pub last_scrape: Option<Timestamp>,
    /// How long it took.
    pub last_scrape_duration: Duration,
    /// Whether it answers.
    pub health: Health,
    /// Time between scrapes.
    pub scrape_interval: Duration,
    /// Time for one.
    pub scrape_timeout: Duration,
    /// What its samples come from, as the head names it.
    pub source: Arc<str>,
}

/// A target that relabelling dropped, for `/api/v1/targets`.
#[derive(Debug, Clone, PartialEq)]
pub struct DroppedTarget {
    /// Its labels before relabelling.
    pub discovered_labels: Labels,
    /// Its job.
    pub scrape_pool: Arc<str>,
}

/// A handle to all scrape loops; cheap to clone.
#[derive(Clone)]
pub struct Collector(Arc<Inner>);

struct Inner {
    around: Surroundings,
    jobs: Mutex<Jobs>,
    /// What is shown of the jobs, in their order; replaced after each change, so that who looks waits for none.
    shown: Mutex<Arc<[Shown]>>,
    /// The patterns of discovery files may have changed.
    files_changed: Notify,
    /// Cancelled when the discovery files were read.
    listed: Stop,
    /// Cancelled when each of them could be.
    whole: Stop,
}

/// A job as it is shown.
struct Shown {
    name: Arc<str>,
    running: Vec<Arc<Running>>,
    dropped: Arc<[Labels]>,
    dropped_count: usize,
}

#[derive(Default)]
struct Jobs {
    by_name: BTreeMap<Arc<str>, Job>,
    /// As configured.
    order: Vec<Arc<str>>,
}

struct Job {
    options: Arc<JobOptions>,
    client: Result<Client, Arc<str>>,
    files: Files,
    running: Vec<Arc<Running>>,
    dropped: Arc<[Labels]>,
    dropped_count: usize,
}

impl Collector {
    /// Starts scraping: each target at once, then at its slots. Registers its own metrics.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(
        tasks: &Tasks,
        clock: &Clock,
        store: &Store,
        options: Options,
        registry: &prometheus::Registry,
    ) -> Self {
        Self::reading(Arc::new(absorb), tasks, clock, store, options, registry)
    }

    /// As [`Collector::start`], with what makes samples of answers.
    pub(super) fn reading(
        read: Read,
        tasks: &Tasks,
        clock: &Clock,
        store: &Store,
        options: Options,
        registry: &prometheus::Registry,
    ) -> Self {
        let around = Surroundings {
            tasks: tasks.clone(),
            clock: clock.clone(),
            store: store.clone(),
            metrics: Arc::new(Metrics::new(registry)),
            sources: Arc::new(SourceUsers::default()),
            read,
        };
        let inner = Inner {
            around,
            jobs: Mutex::default(),
            shown: Mutex::new(Arc::new([])),
            files_changed: Notify::new(),
            listed: Stop::new(),
            whole: Stop::new(),
        };
        let collector = Self(Arc::new(inner));
        collector.reload(options);
        tasks.spawn("discovery", collector.clone().discover());
        collector
    }

    /// Changes to other options by difference: targets that stay keep their loop, cache and health; those that go
    /// end their series before this returns, or, while their answer is parsed, soon after. Never fails: what can't be scraped is shown as a target that is down.
    pub fn reload(&self, options: Options) {
        let mut jobs = self.0.jobs.lock();
        let names: BTreeSet<Arc<str>> = options.jobs.iter().map(|job| Arc::clone(&job.name)).collect();
        // Sources that keep their name go on: they must not be called removed in between.
        let mut retired = Vec::new();
        let before = std::mem::take(&mut jobs.by_name);
        for (name, job) in before {
            if names.contains(&name) {
                jobs.by_name.insert(name, job);
            } else {
                self.0.around.metrics.forget(&name);
                retired.extend(job.running);
            }
        }
        jobs.order = options.jobs.iter().map(|job| Arc::clone(&job.name)).collect();
        for options in options.jobs {
            let name = Arc::clone(&options.name);
            let mut job = match jobs.by_name.remove(&name) {
                Some(job) => job.with(options, &self.0.around.clock),
                None => Job::new(options, &self.0.around.clock),
            };
            let taken = jobs.sources();
            retired.extend(self.sync(&mut job, taken));
            jobs.by_name.insert(name, job);
        }
        self.show(&jobs);
        drop(jobs);
        self.retire(retired);
        self.0.files_changed.notify_one();
    }

    /// What all targets' samples come from, as the head numbers it; in the order of [`Collector::targets`]. Known from
    /// the start on, before the first scrape; for targets from files after [`Collector::listed`].
    pub fn sources(&self) -> Vec<SourceId> {
        self.shown().iter().flat_map(|job| &job.running).map(|target| target.source).collect()
    }

    /// Waits until the discovery files that the configuration names were read once, whether they could be or not.
    /// Without any it comes soon after the start. Not at all while a disk hangs, so have something else to wait for.
    /// Cancel safe.
    pub async fn listed(&self) {
        self.0.listed.cancelled().await;
    }

    /// Waits until every discovery file that is there could be read at once, for the first time: what isn't a target
    /// then is none. Cancel safe.
    pub async fn whole(&self) {
        self.0.whole.cancelled().await;
    }

    /// All targets, in the order of the jobs and of their discovery.
    pub fn targets(&self) -> Vec<TargetView> {
        self.shown().iter().flat_map(|job| &job.running).map(|target| target.view()).collect()
    }

    /// Targets that relabelling dropped, as many as are remembered.
    pub fn dropped(&self) -> Vec<DroppedTarget> {
        let of = |job: &Shown| {
            let pool = Arc::clone(&job.name);
            let dropped = Arc::clone(&job.dropped);
            (0..dropped.len()).map(move |i| DroppedTarget {
                discovered_labels: dropped[i].clone(),
                scrape_pool: Arc::clone(&pool),
            })
        };
        self.shown().iter().flat_map(of).collect()
    }

    /// How many targets relabelling dropped, by job in order.
    pub fn dropped_counts(&self) -> Vec<(Arc<str>, usize)> {
        self.shown().iter().map(|job| (Arc::clone(&job.name), job.dropped_count)).collect()
    }

    fn shown(&self) -> Arc<[Shown]> {
        Arc::clone(&self.0.shown.lock())
    }

    fn show(&self, jobs: &Jobs) {
        let shown = jobs.in_order().map(|job| Shown {
            name: Arc::clone(&job.options.name),
            running: job.running.clone(),
            dropped: Arc::clone(&job.dropped),
            dropped_count: job.dropped_count,
        });
        let shown: Arc<[Shown]> = shown.collect();
        *self.0.shown.lock() = shown;
    }

    /// Brings a job's loops in line with its list; those that have to end.
    fn sync(&self, job: &mut Job, taken: BTreeSet<Arc<str>>) -> Vec<Arc<Running>> {
        let around = &self.0.around;
        let listing = list(&job.options, &job.files.groups());
        report(job, &listing, &around.metrics);
        let limit = job.options.target_limit;
        let found = listing.targets.len();
        let targets_over = (limit > 0 && found > limit).then_some((found, limit));
        let plan = |target: Target| {
            let (job, client) = (Arc::clone(&job.options), job.client.clone());
            Arc::new(Plan { job, client, target, targets_over })
        };
        let plans: Vec<Arc<Plan>> = job.running.iter().map(|r| r.plan()).collect();
        let old: Vec<&Target> = plans.iter().map(|plan| &plan.target).collect();
        let difference = difference(&old, &listing.targets);
        let mut next: Vec<Option<Arc<Running>>> = vec![None; listing.targets.len()];
        let mut taken = taken;
        for &(i, n) in &difference.kept {
            let running = &job.running[i];
            let target = &listing.targets[n];
            let unchanged = Arc::ptr_eq(&plans[i].job, &job.options)
                && plans[i].target == *target
                && plans[i].targets_over == targets_over;
            if !unchanged {
                running.change(plan(target.clone()));
            }
            taken.insert(Arc::clone(&running.source_name));
            next[n] = Some(Arc::clone(running));
        }
        for &n in &difference.fresh {
            let target = listing.targets[n].clone();
            let name = free_name(&target, &mut taken);
            let running = Running::new(plan(target), name, around, random());
            around.tasks.spawn("scrape", Arc::clone(&running).run(around.clone()));
            next[n] = Some(running);
        }
        tracing::debug!(
            job = &*job.options.name,
            targets = found,
            new = difference.fresh.len(),
            gone = difference.gone.len(),
            dropped = listing.dropped_count,
            "targets listed"
        );
        let gone = difference.gone.iter().map(|i| Arc::clone(&job.running[*i])).collect();
        job.running = next.into_iter().flatten().collect();
        (job.dropped, job.dropped_count) = (listing.dropped.into(), listing.dropped_count);
        gone
    }

    /// Ends targets. Not under the lock of the jobs: it may wait for a commit.
    fn retire(&self, retired: Vec<Arc<Running>>) {
        for target in retired {
            target.retire(&self.0.around);
        }
    }

    /// Reads discovery files when they change, and at their refresh interval.
    async fn discover(self) {
        let around = &self.0.around;
        let stop = around.tasks.stop_token();
        let mut watcher = Watcher::new();
        loop {
            let wanted = self.file_patterns();
            let patterns: Vec<Arc<str>> = wanted.iter().flat_map(|(_, files)| patterns(files)).collect();
            let mut given = watcher;
            let watch = move || {
                let errors = given.watch(&patterns);
                (given, errors)
            };
            let watched = around.tasks.blocking(watch).await;
            let (kept, errors) = watched.unwrap_or_else(|| (Watcher::new(), Vec::new()));
            watcher = kept;
            for error in errors {
                around.metrics.watch_errors.inc();
                tracing::warn!(%error, "can't watch a folder of discovery files, they are read at the refresh interval");
            }
            for (job, files) in &wanted {
                self.read_files(job, files).await;
            }
            // After a reload in between there may be others, and the next pass comes at once.
            if self.file_patterns() == wanted {
                self.0.listed.cancel();
                if self.files_broken() == 0 {
                    self.0.whole.cancel();
                }
            }
            let refresh =
                wanted.iter().flat_map(|(_, files)| files).map(|f| f.refresh.max(REFRESH_MIN)).min();
            let due = async {
                match refresh {
                    Some(refresh) => around.clock.sleep(refresh).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.0.files_changed.notified() => {}
                () = watcher.changed() => tokio::time::sleep(SETTLE).await,
                () = due => {}
            }
        }
    }

    fn file_patterns(&self) -> Vec<(Arc<str>, Vec<FileSdOptions>)> {
        let jobs = self.0.jobs.lock();
        let with_files = jobs.by_name.iter().filter(|(_, job)| !job.options.files.is_empty());
        with_files.map(|(name, job)| (Arc::clone(name), job.options.files.clone())).collect()
    }

    fn files_broken(&self) -> usize {
        self.0.jobs.lock().by_name.values().map(|job| job.files.broken()).sum()
    }

    async fn read_files(&self, name: &Arc<str>, options: &[FileSdOptions]) {
        let around = &self.0.around;
        let before = match self.0.jobs.lock().by_name.get(name) {
            Some(job) => job.files.clone(),
            None => return,
        };
        let patterns = patterns(options);
        let old = before.clone();
        let Some(files) = around.tasks.blocking(move || old.read(&patterns)).await else { return };
        around.metrics.file_errors.inc_by(files.broken() as u64);
        for (path, problem) in files.new_problems(&before) {
            let path = path.display();
            tracing::warn!(job = &**name, file = %path, problem, "broken discovery file, its old targets stay");
        }
        let mut jobs = self.0.jobs.lock();
        let Some(mut job) = jobs.by_name.remove(name) else { return };
        // A reload in between has other patterns, and reads again.
        let retired = if job.options.files == options && job.files != files {
            job.files = files;
            let taken = jobs.sources();
            self.sync(&mut job, taken)
        } else {
            Vec::new()
        };
        jobs.by_name.insert(Arc::clone(name), job);
        self.show(&jobs);
        drop(jobs);
        around.metrics.files_broken.set(self.files_broken() as i64);
        self.retire(retired);
    }
}

impl Jobs {
    fn in_order(&self) -> impl Iterator<Item = &Job> {
        self.order.iter().filter_map(|name| self.by_name.get(name))
    }

    /// The names of all sources.
    fn sources(&self) -> BTreeSet<Arc<str>> {
        self.by_name.values().flat_map(|job| &job.running).map(|r| Arc::clone(&r.source_name)).collect()
    }
}

impl Job {
    fn new(options: JobOptions, clock: &Clock) -> Self {
        Self {
            client: client(&options, clock),
            options: Arc::new(options),
            files: Files::default(),
            running: Vec::new(),
            dropped: Arc::new([]),
            dropped_count: 0,
        }
    }

    /// The job with other options. Unchanged ones stay the same, and so does the client with its connections.
    fn with(mut self, options: JobOptions, clock: &Clock) -> Self {
        if *self.options == options {
            return self;
        }
        if self.options.http != options.http {
            self.client = client(&options, clock);
        }
        if options.files.is_empty() {
            self.files = Files::default();
        }
        self.options = Arc::new(options);
        self
    }
}

fn client(options: &JobOptions, clock: &Clock) -> Result<Client, Arc<str>> {
    Client::new(&options.http, clock).map_err(|error| chain(&error).into())
}

fn patterns(files: &[FileSdOptions]) -> Vec<Arc<str>> {
    files.iter().flat_map(|f| f.patterns.iter().cloned()).collect()
}

/// A target's source is called after job and instance; where that is taken, by its URL too.
fn free_name(target: &Target, taken: &mut BTreeSet<Arc<str>>) -> Arc<str> {
    let plain = target.name();
    let long = format!("{plain} ({})", target.shown_url());
    let numbered = (2..).map(|n| format!("{long} #{n}"));
    let free = [plain, long.clone()].into_iter().chain(numbered).find(|name| !taken.contains(name.as_str()));
    let name: Arc<str> = free.unwrap_or(long).into();
    taken.insert(Arc::clone(&name));
    name
}

fn report(job: &Job, listing: &Listing, metrics: &Metrics) {
    let name: &str = &job.options.name;
    metrics.targets.with_label_values(&[name]).set(listing.targets.len() as i64);
    metrics.target_limit.with_label_values(&[name]).set(job.options.target_limit as i64);
    metrics.sync_failed.with_label_values(&[name]).inc_by(listing.failed as u64);
    for problem in &listing.problems {
        tracing::warn!(job = name, problem = problem.as_str(), "a target can't be scraped");
    }
}

/// Keys the scrape caches, so that a target can't choose series that collide.
fn random() -> u64 {
    let mut bytes = [0; 8];
    // Without the system's randomness TLS doesn't start either; collisions then need only be accidental.
    let _ = SystemRandom::new().fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
