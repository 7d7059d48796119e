//! Building and running it all: the map of how the modules hang together.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration as StdDuration};

use botwatch_core::{
    diag::{Diagnostic, has_errors},
    model::{Duration, SourceId},
};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::mpsc;

use super::{
    options,
    ports::{Courses, Reports, Targets},
    reload::{Observers, Reloads, State},
    watch::Watch,
};
use crate::{
    api,
    collect::{self, push::Pushes},
    config::{self, Configuration, Env, Flags},
    dispatch, evaluate, notify, platform,
    runtime::{self, Clock, Ended, Signal, Signals, Tasks},
    samples::Store,
    store::{Accounts, Audit, DirectoryLock, Journal, Retention},
    telemetry, ui,
};

/// Discovery files that take longer to read are on a disk that hangs; their targets come when they come.
const LISTED_WITHIN: StdDuration = StdDuration::from_secs(2);
/// How long everything may take to finish what it holds.
const STOP_WITHIN: StdDuration = StdDuration::from_secs(15);
/// History beyond need is kept so long, or up to so many bytes (DESIGN §4 "Store").
const KEPT: Retention = Retention { age: Duration::from_secs(30 * 86_400), bytes_max: 256 << 20 };
/// Rule groups at once: more threads than cores would only take turns.
const EVALUATE_THREADS_MAX: usize = 4;
/// The process' memory is looked at again after the start has settled.
const SETTLED: Duration = Duration::from_secs(20);

/// What to run.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Configuration files; none: the environment alone.
    pub files: Vec<PathBuf>,
    /// The environment.
    pub env: Env,
    /// Flags.
    pub flags: Flags,
}

/// Why it doesn't start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration is wrong; the diagnostics say how.
    #[error("the configuration has errors")]
    Configuration {
        /// What is wrong.
        diagnostics: Vec<Diagnostic>,
        /// The files whose change may mend it.
        watched: Vec<PathBuf>,
    },
    /// The data directory.
    #[error("can't use the data directory `{path}`")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: crate::store::Error,
    },
    /// The journal.
    #[error("can't take up the journal in `{path}`")]
    Journal {
        /// The data directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: dispatch::Error,
    },
    /// A receiver.
    #[error("can't set up the receivers")]
    Notify(#[from] notify::Error),
    /// The listening socket.
    #[error("can't serve")]
    Serve(#[from] api::Error),
    /// The system refuses a thread or a signal handler.
    #[error("the system refuses")]
    System(#[from] std::io::Error),
    /// It was stopped while it started.
    #[error("stopped while starting")]
    Stopped(#[from] dispatch::Gone),
}

/// A part ended by a panic: a bug. Whoever supervises the process should start it anew; the journal has everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fatal {
    /// The part.
    pub part: &'static str,
    /// The panic's message.
    pub message: String,
}

/// Everything, running.
pub struct Running {
    /// Where it listens.
    pub address: std::net::SocketAddr,
    /// Samples.
    pub store: Store,
    /// The alerting machine.
    pub dispatch: dispatch::Handle,
    /// The rules.
    pub rules: evaluate::Handle,
    /// What was found on the way that isn't an error.
    pub warnings: Vec<Diagnostic>,
    reloads: Arc<Reloads>,
    tasks: Tasks,
    ended: mpsc::Receiver<Ended>,
    _lock: DirectoryLock,
}

/// Starts everything, in the order in which it depends on each other.
///
/// # Errors
/// [`Error`]. Nothing is left running then.
pub async fn start(
    settings: Settings,
    clock: Clock,
    logs: Option<telemetry::Logs>,
) -> Result<Running, Error> {
    let (tasks, ended) = Tasks::new();
    let started = assemble(settings, clock, logs, tasks.clone(), ended).await;
    if started.is_err() {
        tasks.stop(STOP_WITHIN).await;
    }
    started
}

async fn assemble(
    mut settings: Settings,
    clock: Clock,
    logs: Option<telemetry::Logs>,
    tasks: Tasks,
    ended: mpsc::Receiver<Ended>,
) -> Result<Running, Error> {
    let (mut configuration, mut warnings, mut watched) = load(&settings, &tasks).await?;
    let mut watch_from = Watch::new(watched.clone());
    let metrics = telemetry::Metrics::new(&clock, telemetry::Build::default());
    let registry = metrics.registry();

    // What the last process left, before anything new.
    let path = configuration.storage_path.clone();
    let in_use = |source| Error::Directory { path: path.clone(), source };
    let lock = DirectoryLock::take(&path).map_err(in_use)?;
    let (accounts, mut findings) = Accounts::start(&path);
    let (audit, found) = Audit::start(&path);
    findings.extend(found);
    for finding in findings {
        tracing::error!("{finding}");
    }
    let accounts = Arc::new(accounts);
    let listening = api::Server::bind(&options::api(&configuration)).await?;
    if configuration.web.port == 0 {
        // The system chose the port. What links here must name it.
        settings.flags.listen_address = Some(configuration.web.at_port(listening.address().port()));
        (configuration, warnings, watched) = load(&settings, &tasks).await?;
        watch_from = Watch::new(watched.clone());
    }
    let api_options = options::api(&configuration);
    let access = api::AccessInForce::new(configuration.access.clone());
    let alive = super::alive::read(&path);
    let (dir, wanted, now) = (path.clone(), Arc::new(configuration.alerting.clone()), clock.now());
    if let Some(ahead) = alive.filter(|alive| *alive > now) {
        let seconds = ahead.since(now).as_secs_f64();
        tracing::warn!(seconds, "the clock was set back since botwatch last ran");
    }
    let restored =
        tasks.blocking(move || dispatch::restore(&dir, wanted, now)).await.ok_or(dispatch::Gone)?;
    let restored = restored.map_err(|source| Error::Journal { path: path.clone(), source })?;
    for finding in &restored.findings {
        tracing::warn!("{}", finding.message);
    }

    // Who tells, then who decides, then who is told of: each needs the one before.
    let (reports, courses) = (Arc::new(Reports::default()), Arc::new(Courses::default()));
    let notifier = notify::Notifier::new(
        tasks.clone(),
        clock.clone(),
        configuration.notify.clone(),
        Arc::clone(&reports) as Arc<dyn notify::Report>,
        Arc::clone(&courses) as Arc<dyn notify::Courses>,
        registry,
    )?;
    let seq = restored.machine.seq();
    let journal = Journal::start(&tasks, Box::new(restored.backend), seq, FIRST_EPOCH, KEPT)?;
    let parts = dispatch::Parts {
        machine: restored.machine,
        journal,
        courier: Arc::new(notifier.clone()),
        clock: clock.clone(),
    };
    let dispatch = dispatch::start(&tasks, parts, registry)?;
    // Nobody else sets it. What the last process left under way may be answered before: it waits for this.
    let _ = reports.0.set(dispatch.clone());

    let store = Store::new(samples(&configuration));
    let pushes = Pushes::start(&tasks, &clock, &store, dispatch.clone(), configuration.pushes.clone());
    let observers = Observers::start(&tasks, &clock, &store, &configuration.collect);
    let collector =
        collect::Collector::start(&tasks, &clock, &store, configuration.collect.clone(), registry);
    // The gate at the rules' start waits for the targets that are known by now.
    let _ = tokio::time::timeout(LISTED_WITHIN, collector.listed()).await;
    let parts = evaluate::Parts {
        tasks: tasks.clone(),
        clock: clock.clone(),
        store: store.clone(),
        dispatch: dispatch.clone(),
        threads_max: threads(),
        alive: alive.map(|alive| alive.min(now)),
    };
    let strict = settings.flags.strict_prometheus;
    let rules = evaluate::start(parts, options::evaluate(&configuration, strict), registry).await?;
    // Nobody else sets it.
    let _ = courses.0.set(rules.clone());
    forget_unknown(&tasks, &store, &collector, &configuration.collect);

    let external_host = api_options.external_url.as_ref().and_then(url::Url::host_str).unwrap_or_default();
    let targets = Targets { collector: collector.clone(), external_host: external_host.into() };
    let reloads = Arc::new(Reloads::new(
        State::new(&configuration, clock.now()),
        settings,
        crate::app::reload::Parts {
            tasks: tasks.clone(),
            clock: clock.clone(),
            store: store.clone(),
            notifier: notifier.clone(),
            dispatch: dispatch.clone(),
            collector,
            pushes: pushes.clone(),
            access: access.clone(),
            rules: rules.clone(),
            logs,
        },
        observers,
        watched.clone(),
    ));
    let parts = api::Parts {
        store: store.clone(),
        dispatch: dispatch.clone(),
        rules: rules.clone(),
        targets: Arc::new(targets),
        reloader: Arc::clone(&reloads) as Arc<dyn api::Reloader>,
        notifier,
        pushes,
        access,
        accounts,
        audit: Arc::new(audit),
        metrics: metrics.clone(),
        status: Arc::clone(&reloads) as Arc<dyn api::Status>,
        pages: ui::router(),
    };
    let bound = api::Server::start(&tasks, &clock, api_options, listening, parts)?;
    super::alive::keep(&tasks, &clock, path);
    watch(&tasks, &clock, &reloads, watch_from);
    settle(&tasks, &clock);
    Ok(Running {
        address: bound.address,
        store,
        dispatch,
        rules,
        warnings,
        reloads,
        tasks,
        ended,
        _lock: lock,
    })
}

/// Removes the sources that alerts of the journal remember and that are no longer configured: what is missing because
/// of them is gone, not unseen. Not before all discovery files are understood: until then a target may be in one.
fn forget_unknown(tasks: &Tasks, store: &Store, collector: &collect::Collector, options: &collect::Options) {
    let (store, collector, stop) = (store.clone(), collector.clone(), tasks.stop_token());
    let process = options.process.as_ref().map(|o| collect::process::source_name(&o.labels));
    let host = options.host.as_ref().map(|_| collect::host::SOURCE.to_owned());
    let observed: Vec<SourceId> = process.into_iter().chain(host).map(|name| store.source(&name)).collect();
    tasks.spawn("old sources", async move {
        tokio::select! {
            () = stop.cancelled() => return,
            () = collector.whole() => {}
        }
        let known: BTreeSet<SourceId> = collector.sources().into_iter().chain(observed).collect();
        let all = (0..store.stats().sources as u32).map(SourceId);
        // One that has reported since the start came by a reload, or was removed where it ended.
        // Who pushes comes when it comes.
        let pushes = |id: SourceId| store.source_name(id).is_some_and(|name| name.starts_with("push/"));
        let old = all.filter(|id| !known.contains(id) && store.visibility(*id).reported.is_none());
        let old = old.filter(|id| !pushes(*id)).collect::<Vec<_>>().into_iter();
        old.for_each(|id| store.remove_source(id));
    });
}

/// The only instance writes under the first epoch.
const FIRST_EPOCH: u64 = 1;

/// Reads the configuration, off the runtime's own threads.
pub(super) async fn load(
    settings: &Settings,
    tasks: &Tasks,
) -> Result<(Configuration, Vec<Diagnostic>, Vec<PathBuf>), Error> {
    let settings = settings.clone();
    let load = move || config::load(&settings.files, &settings.env, &settings.flags);
    let loaded = tasks.blocking(load).await.ok_or(dispatch::Gone)?;
    match loaded.configuration {
        Some(configuration) if !has_errors(&loaded.diagnostics) => {
            Ok((configuration, loaded.diagnostics, loaded.watched))
        }
        _ => Err(Error::Configuration { diagnostics: loaded.diagnostics, watched: loaded.watched }),
    }
}

fn samples(configuration: &Configuration) -> botwatch_core::tsdb::Options {
    let mut seed = [0; 8];
    // Without a random number the hash is only easier to guess.
    let _ = SystemRandom::new().fill(&mut seed);
    botwatch_core::tsdb::Options { hash_seed: u64::from_le_bytes(seed), ..configuration.samples.clone() }
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(EVALUATE_THREADS_MAX)
}

/// Reloads when a file changes.
fn watch(tasks: &Tasks, clock: &Clock, reloads: &Arc<Reloads>, mut watch: Watch) {
    let (reloads, clock, within, stop) =
        (Arc::clone(reloads), clock.clone(), tasks.clone(), tasks.stop_token());
    tasks.spawn("watch", async move {
        let mut reloaded = reloads.watched();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                changed = reloaded.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    let now = reloaded.borrow_and_update().clone();
                    let paths = now.paths.clone();
                    let set = move || {
                        watch.set(now);
                        watch
                    };
                    watch = within.blocking(set).await.unwrap_or_else(|| Watch::new(paths));
                    continue;
                }
                () = watch.stirred() => {}
                () = clock.sleep(super::watch::LOOK_EVERY) => {}
            }
            if watch.has_changed(&within).await {
                // Problems are logged there; what runs goes on.
                let _ = reloads.reload("a file changed").await;
            }
        }
    });
}

/// What only the start needed goes back to the system once it is over.
fn settle(tasks: &Tasks, clock: &Clock) {
    let (clock, stop) = (clock.clone(), tasks.stop_token());
    tasks.spawn("settle", async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = clock.sleep(SETTLED) => platform::drop_text(),
        }
    });
}

/// Parts whose end by a panic concerns one request or one look only; they are logged.
const EXPENDABLE: [&str; 5] =
    ["notify", "http connection", "reload by request", "reload by signal", runtime::BLOCKING];

impl Running {
    /// Runs until a signal asks for the end. SIGHUP reloads.
    ///
    /// # Errors
    /// [`Fatal`] when a part ended by a panic.
    pub async fn until_stopped(&mut self, signals: &mut Signals) -> Result<(), Fatal> {
        loop {
            tokio::select! {
                signal = signals.next() => match signal {
                    Signal::Stop => return Ok(()),
                    Signal::Reload => {
                        let reloads = Arc::clone(&self.reloads);
                        self.tasks.spawn("reload by signal", async move {
                            // Problems are logged there; what runs goes on.
                            let _ = reloads.reload("SIGHUP").await;
                        });
                    }
                },
                Some(Ended { name, message }) = self.ended.recv() => {
                    tracing::error!(part = name, message, "a part of botwatch ended by a bug");
                    if !EXPENDABLE.contains(&name) {
                        return Err(Fatal { part: name, message });
                    }
                }
            }
        }
    }

    /// Finishes what is held, and ends. True if everything ended by itself.
    pub async fn stop(self) -> bool {
        let Self { tasks, reloads, dispatch, rules, store, .. } = self;
        drop((reloads, dispatch, rules, store));
        tasks.stop(STOP_WITHIN).await
    }

    /// What a person should know: what is watched, what can't be, what is off.
    pub fn notices(&self) -> Vec<api::Notice> {
        api::Status::view(&*self.reloads).notices
    }
}

/// The log level that the environment asks for.
pub(super) fn log_level(configuration: &Configuration) -> (telemetry::Level, String) {
    let switches = &configuration.switches;
    let level = switches.log_level.as_ref().and_then(|l| l.value.parse().ok()).unwrap_or_default();
    (level, switches.debug.as_ref().map_or_else(String::new, |d| d.value.to_string()))
}
