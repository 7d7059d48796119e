//! Reloads: read anew, checked whole, put into force by difference; and what is known of the configuration in force.

use std::{future::Future, path::PathBuf, pin::Pin, sync::Arc};

use botwatch_core::{
    alerting::Event,
    diag::{Diagnostic, Level, chain, render_line, render_terminal},
    model::Timestamp,
};
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, watch};

use super::{
    notices, options,
    start::{Error, Settings, load},
    watch::{Watched, print},
};
use crate::{
    api,
    collect::{self, BotOptions, Collector, HostOptions, push::Pushes},
    config::Configuration,
    dispatch, evaluate, notify, platform,
    runtime::{Clock, Tasks},
    samples::Store,
    telemetry,
};

/// What a reload changes.
pub(super) struct Parts {
    pub(super) tasks: Tasks,
    pub(super) clock: Clock,
    pub(super) store: Store,
    pub(super) notifier: notify::Notifier,
    pub(super) dispatch: dispatch::Handle,
    pub(super) collector: Collector,
    pub(super) pushes: Pushes,
    pub(super) access: api::AccessInForce,
    pub(super) rules: evaluate::Handle,
    pub(super) logs: Option<telemetry::Logs>,
}

/// What is known of the configuration in force.
pub(super) struct State {
    text: Arc<str>,
    /// What of it an Alertmanager reads.
    alertmanager: Arc<str>,
    bot: Arc<str>,
    notices: Vec<api::Notice>,
    loaded_at: Timestamp,
    /// What is wrong with the newest attempt.
    error: Option<String>,
    /// What can't change without a restart, as it was at the start.
    fixed: Fixed,
}

/// What can't change without a restart.
#[derive(Debug, Clone, PartialEq)]
struct Fixed {
    storage_path: PathBuf,
    listen: String,
    memory_max: usize,
}

impl Fixed {
    fn of(configuration: &Configuration) -> Self {
        Self {
            storage_path: configuration.storage_path.clone(),
            listen: configuration.web.listen_address(),
            memory_max: configuration.samples.memory_max,
        }
    }
}

impl State {
    pub(super) fn new(configuration: &Configuration, now: Timestamp) -> Self {
        Self {
            text: configuration.yaml().into(),
            alertmanager: configuration.alertmanager_yaml().into(),
            bot: Arc::clone(&configuration.bot),
            notices: notices::of(configuration),
            loaded_at: now,
            error: None,
            fixed: Fixed::of(configuration),
        }
    }
}

/// The collectors that are no scrape jobs: the bot's process and the host.
#[derive(Default)]
pub(super) struct Observers {
    process: Option<(BotOptions, collect::process::Watcher)>,
    host: Option<(HostOptions, collect::process::Watcher)>,
}

impl Observers {
    pub(super) fn start(tasks: &Tasks, clock: &Clock, store: &Store, options: &collect::Options) -> Self {
        let process = |o: &BotOptions| {
            (
                o.clone(),
                collect::process::start(tasks, clock, store, o.clone(), collect::process::Root::default()),
            )
        };
        let host = |o: &HostOptions| {
            (
                o.clone(),
                collect::host::start(tasks, clock, store, o.clone(), collect::process::Root::default()),
            )
        };
        Self { process: options.process.as_ref().map(process), host: options.host.as_ref().map(host) }
    }

    /// Ends those whose options changed and starts their successors.
    async fn change(&mut self, parts: &Parts, options: &collect::Options) {
        let mut wanted = collect::Options::default();
        if self.process.as_ref().map(|(o, _)| o) != options.process.as_ref() {
            if let Some((_, watcher)) = self.process.take() {
                watcher.remove().await;
            }
            wanted.process.clone_from(&options.process);
        }
        if self.host.as_ref().map(|(o, _)| o) != options.host.as_ref() {
            if let Some((_, watcher)) = self.host.take() {
                watcher.remove().await;
            }
            wanted.host.clone_from(&options.host);
        }
        let fresh = Self::start(&parts.tasks, &parts.clock, &parts.store, &wanted);
        self.process = self.process.take().or(fresh.process);
        self.host = self.host.take().or(fresh.host);
    }
}

/// All reloads, one at a time.
pub(super) struct Reloads {
    settings: Settings,
    parts: Parts,
    state: Mutex<State>,
    observers: AsyncMutex<Observers>,
    watched: watch::Sender<Watched>,
}

impl Reloads {
    pub(super) fn new(
        state: State,
        settings: Settings,
        parts: Parts,
        observers: Observers,
        paths: Vec<PathBuf>,
    ) -> Self {
        Self {
            settings,
            parts,
            state: Mutex::new(state),
            observers: AsyncMutex::new(observers),
            watched: watch::Sender::new(Watched { paths, print: None }),
        }
    }

    /// Tells of the files to watch after each attempt.
    pub(super) fn watched(&self) -> watch::Receiver<Watched> {
        self.watched.subscribe()
    }

    /// Reads everything anew and puts it into force. On any problem nothing changes.
    pub(super) async fn reload(&self, why: &'static str) -> Result<(), String> {
        let mut observers = self.observers.lock().await;
        // Before anything is read: what is written from now on must not count as read.
        let before = self.watched.borrow().paths.clone();
        let of = before.clone();
        let seen = self.parts.tasks.blocking(move || print(&of)).await;
        let result = load(&self.settings, &self.parts.tasks).await;
        let (configuration, warnings, paths) = match result {
            Ok(loaded) => loaded,
            Err(error) => {
                // A file that a broken configuration names may be what mends it.
                if let Error::Configuration { watched, .. } = &error
                    && *watched != before
                {
                    self.watched.send_replace(Watched { paths: watched.clone(), print: None });
                }
                return Err(self.failed(why, &error));
            }
        };
        if let Err(error) = self.parts.notifier.reload(configuration.notify.clone()) {
            return Err(self.failed(why, &error.into()));
        }
        self.put_into_force(&configuration, &mut observers).await;
        // Of files that are new there is no print from before: they are read once more.
        let print = seen.filter(|_| paths == before);
        self.watched.send_replace(Watched { paths, print });
        for warning in &warnings {
            tracing::warn!("{}", render_line(warning));
        }
        tracing::info!(why, "configuration reloaded");
        platform::drop_text();
        Ok(())
    }

    /// Receivers are in place; routes, rules and targets follow.
    async fn put_into_force(&self, configuration: &Configuration, observers: &mut Observers) {
        let parts = &self.parts;
        let alerting = Arc::new(configuration.alerting.clone());
        // A dispatcher that is gone routes nothing any more.
        let _ = parts.dispatch.tell(Event::Reloaded(alerting)).await;
        let strict = self.settings.flags.strict_prometheus;
        parts.rules.reload(options::evaluate(configuration, strict)).await;
        parts.collector.reload(configuration.collect.clone());
        parts.pushes.reload(configuration.pushes.clone());
        parts.access.set(configuration.access.clone());
        observers.change(parts, &configuration.collect).await;
        if let Some(logs) = &parts.logs {
            let (level, debug) = super::start::log_level(configuration);
            logs.set(level, &debug);
        }
        let now = parts.clock.now();
        let mut state = self.state.lock();
        let fixed = state.fixed.clone();
        if fixed != Fixed::of(configuration) {
            tracing::warn!("`storage`, `web.listen_address` and `memory_max` change at the next start only");
        }
        *state = State { fixed, ..State::new(configuration, now) };
    }

    /// Logs what is wrong; the text for whoever asked.
    fn failed(&self, why: &'static str, error: &Error) -> String {
        let Error::Configuration { diagnostics, .. } = error else {
            let text = chain(error);
            self.state.lock().error = Some(text.clone());
            tracing::error!(why, error = text, "the configuration was not reloaded; what ran before goes on");
            return text;
        };
        let errors: Vec<&Diagnostic> = diagnostics.iter().filter(|d| d.level == Level::Error).collect();
        for error in errors.iter().take(SHOWN_MAX) {
            tracing::error!("{}", render_line(error));
        }
        let problems = errors.len();
        self.state.lock().error = errors.first().map(|first| match problems {
            1 => render_line(first),
            _ => format!("{} ({} more)", render_line(first), problems - 1),
        });
        tracing::error!(why, problems, "the configuration was not reloaded; what ran before goes on");
        let shown: Vec<String> = diagnostics.iter().map(|d| render_terminal(d, false)).collect();
        shown.join("\n")
    }
}

/// Lines in the log for one failed reload; all problems are in the answer and in `check config`.
const SHOWN_MAX: usize = 10;

impl api::Reloader for Reloads {
    fn reload(&self) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>> {
        Box::pin(self.reload("asked by HTTP"))
    }
}

impl api::Status for Reloads {
    fn view(&self) -> api::StatusView {
        let state = self.state.lock();
        let waits = "waiting for the first scrapes; rules don't run yet";
        api::StatusView {
            not_ready: (!self.parts.rules.is_warm()).then(|| waits.to_owned()),
            loaded_at: Some(state.loaded_at),
            reload_error: state.error.clone(),
            notices: state.notices.clone(),
        }
    }

    fn bot(&self) -> Arc<str> {
        Arc::clone(&self.state.lock().bot)
    }

    fn config(&self) -> Arc<str> {
        Arc::clone(&self.state.lock().text)
    }

    fn alertmanager_config(&self) -> Arc<str> {
        Arc::clone(&self.state.lock().alertmanager)
    }
}
