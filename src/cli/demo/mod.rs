//! `botwatch demo`: the real application, a simulated bot that gets into trouble, and an inbox, all in this process.
//!
//! What is told is read from the machine and the inbox, never written beforehand: when a rule, a route or a receiver
//! breaks, the story shows it, and `--once` says no. Everything listens on this machine only.

mod bot;
mod files;
mod http;
mod inbox;
mod script;
mod smtp;
mod story;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration as StdDuration,
};

use botwatch_core::{
    model::{Duration, Timestamp},
    promql::{EvalOptions, Expr, ParseOptions, SampleValue, Value, eval_instant, parse},
};
use tokio::sync::mpsc;

use self::{
    inbox::Inbox,
    script::{INCIDENT, QUIET, Script},
    story::{Look, Paint, Story},
};
use super::{BUG, NO, complain, report, run, say};
use crate::{
    app::{self, Running, Settings},
    config::{Env, Flags},
    evaluate::RuleKind,
    runtime::{Clock, Ended, Signals, Tasks},
};

/// A minute of the reader's time for the incident.
const SPEED: u32 = 4;
/// Faster, and what takes real time (a disk, a slow machine) looks like minutes.
const SPEED_MAX: i64 = 60;
/// How often the story looks.
const LOOK_EVERY: StdDuration = StdDuration::from_millis(50);
/// After the incident one `group_interval` and a little, then something is wrong.
const PATIENCE: Duration = Duration::from_secs(180);
/// Nobody waits longer for the end of a demo.
const STOP_WITHIN: StdDuration = StdDuration::from_secs(2);
const HEAP: &str = "bot:memory_usage:percent{memory=\"heap\"}";

/// `botwatch demo`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where botwatch listens [default: 127.0.0.1:9095, or a free port when that is taken]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// A new or empty directory for configuration, data and inbox [default: a fresh temporary one]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// How many times as fast as time the bot's clock runs
    #[arg(long, value_name = "N", default_value_t = SPEED, value_parser = clap::value_parser!(u32).range(1..=SPEED_MAX))]
    speed: u32,
    /// Ends after the incident: 0 if everything arrived as told, else 1
    #[arg(long)]
    once: bool,
}

pub(super) fn run(arguments: Arguments) -> ExitCode {
    let runtime = match run::runtime() {
        Ok(runtime) => runtime,
        Err(error) => return run::failed(NO, &error),
    };
    let code = runtime.block_on(demo(arguments)).unwrap_or_else(|error| match error {
        Failed::Start(app::Error::Configuration { diagnostics, .. }) => {
            report(&diagnostics);
            ExitCode::from(NO)
        }
        error => run::failed(NO, &error),
    });
    runtime.shutdown_timeout(STOP_WITHIN);
    code
}

/// Why there is no demo.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Files(#[from] files::Error),
    #[error(transparent)]
    Start(#[from] app::Error),
    #[error("the system refuses")]
    System(#[from] io::Error),
}

/// How it ended.
enum End {
    Stopped,
    Told,
    Missing,
    Bug(&'static str, String),
}

async fn demo(arguments: Arguments) -> Result<ExitCode, Failed> {
    let mut signals = Signals::new()?;
    let mut stage = Stage::set(&arguments).await?;
    let flags = Flags { listen_address: Some(files::listen(arguments.listen)), ..Flags::default() };
    let settings = Settings { files: vec![stage.file.clone()], env: Env::default(), flags };
    let mut running = app::start(settings, stage.clock.clone(), None).await?;
    report(&running.warnings);
    let color = io::stdout().is_terminal() && Env::of_process().get("NO_COLOR").is_none_or(str::is_empty);
    let teller = Teller::new(&stage, &running, Paint(color), arguments.speed);
    let end = tokio::select! {
        stopped = running.until_stopped(&mut signals) => match stopped {
            Ok(()) => End::Stopped,
            Err(fatal) => End::Bug(fatal.part, fatal.message),
        },
        Some(Ended { name, message }) = stage.ended.recv() => End::Bug(name, message),
        end = teller.tell(arguments.once) => end,
    };
    // What is not finished by then has nobody left who waits for it.
    let _ = tokio::time::timeout(STOP_WITHIN, running.stop()).await;
    stage.tasks.stop(STOP_WITHIN).await;
    Ok(match end {
        End::Told => ExitCode::SUCCESS,
        End::Stopped if !arguments.once => ExitCode::SUCCESS,
        End::Stopped | End::Missing => ExitCode::from(NO),
        End::Bug(part, message) => {
            complain(format!("botwatch: bug in `{part}`: {message}"));
            ExitCode::from(BUG)
        }
    })
}

/// Everything around the application.
struct Stage {
    clock: Clock,
    tasks: Tasks,
    ended: mpsc::Receiver<Ended>,
    script: Arc<Script>,
    inbox: Inbox,
    bot: SocketAddr,
    dir: PathBuf,
    /// The configuration.
    file: PathBuf,
}

impl Stage {
    async fn set(arguments: &Arguments) -> Result<Self, Failed> {
        let dir = files::directory(arguments.dir.as_deref())?;
        let clock = Clock::fast(arguments.speed);
        let (tasks, ended) = Tasks::new();
        let script = Arc::new(Script::new(clock.now()));
        let inbox = Inbox::new(dir.join("inbox"))?;
        let handler = bot::handler(clock.clone(), Arc::clone(&script));
        let bot = http::serve(&tasks, "demo bot", handler).await?;
        let mail = smtp::serve(&tasks, inbox.clone()).await?;
        let sink = http::serve(&tasks, "demo inbox", inbox.handler()).await?;
        let file = files::write(&dir, bot, mail, sink)?;
        Ok(Self { clock, tasks, ended, script, inbox, bot, dir, file })
    }
}

/// Tells the story.
struct Teller {
    clock: Clock,
    script: Arc<Script>,
    inbox: Inbox,
    store: crate::samples::Store,
    dispatch: crate::dispatch::Handle,
    heap: Option<Expr>,
    paint: Paint,
    speed: u32,
    /// Alerting rules by name and severity, with their `for`.
    holds: BTreeMap<(Arc<str>, String), Duration>,
    page: String,
    bot: String,
    dir: PathBuf,
}

impl Teller {
    fn new(stage: &Stage, running: &Running, paint: Paint, speed: u32) -> Self {
        let rules = running.rules.groups().into_iter().flat_map(|g| g.rules);
        let holds = rules.filter_map(|rule| match rule.kind {
            RuleKind::Alerting { hold, .. } => {
                Some(((rule.name, rule.labels.value("severity").to_owned()), hold))
            }
            RuleKind::Recording => None,
        });
        Self {
            clock: stage.clock.clone(),
            script: Arc::clone(&stage.script),
            inbox: stage.inbox.clone(),
            store: running.store.clone(),
            dispatch: running.dispatch.clone(),
            heap: parse(HEAP, &ParseOptions::default()).ok(),
            paint,
            speed,
            holds: holds.collect(),
            page: format!("http://{}", reached(running.address)),
            bot: format!("http://{}", stage.bot),
            dir: stage.dir.clone(),
        }
    }

    async fn tell(self, once: bool) -> End {
        let begun = self.clock.now();
        self.script.leak(begun + QUIET);
        self.introduce();
        let mut story = Story::new(self.paint, begun, self.holds.clone());
        let text = format!("quiet: {} alerts are watched for, every 5s; none should fire", self.holds.len());
        say(story.line(begun, &text));
        let last = begun + QUIET + INCIDENT + PATIENCE;
        let mut is_over = false;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let known = story.done();
            // Before the machine, so that who sent it is told before what arrived.
            let arrivals = self.inbox.arrived();
            let Ok(look) = self.dispatch.read(move |machine| Look::at(machine, known)).await else {
                return End::Stopped;
            };
            let now = self.clock.now();
            let bot = (self.script.leaks_since(), self.heap_percent(now));
            for line in story.tell(now, bot, &look, &arrivals) {
                say(line);
            }
            if is_over {
                continue;
            }
            let missing = story.missing();
            if !missing.is_empty() && now < last {
                continue;
            }
            is_over = true;
            self.conclude(&missing, now.since(begun), once);
            match (once, missing.is_empty()) {
                (true, true) => return End::Told,
                (true, false) => return End::Missing,
                (false, _) => {}
            }
        }
    }

    /// How full the rules see the heap.
    fn heap_percent(&self, now: Timestamp) -> Option<f64> {
        let found = eval_instant(self.heap.as_ref()?, now, &EvalOptions::prometheus(), &self.store).ok()?;
        let Value::Vector(elements) = found.value else { return None };
        match elements.first()?.value {
            SampleValue::Float(value) => Some(value),
            _ => None,
        }
    }

    fn introduce(&self) {
        let (paint, speed) = (self.paint, self.speed);
        say(format!(
            "\n{}\n\n  \
             A simulated bot, the botwatch that watches it, and an inbox in place of a mail server, Slack and a webhook,\n  \
             all in this process. Rules and timings are those that botwatch ships. Times are the bot's, since the start;\n  \
             its clock runs {speed} times as fast as yours, from {}.\n",
            paint.bold("botwatch demo: a paper-trading bot leaks memory"),
            self.clock.now(),
        ));
        say(format!("  page   {}/", self.page));
        say(format!("  files  {}\n", self.dir.display()));
    }

    fn conclude(&self, missing: &[String], took: Duration, once: bool) {
        let seconds = (took.as_secs_f64() / f64::from(self.speed)).round();
        if missing.is_empty() {
            let done = self.paint.green("Everything arrived:");
            say(format!(
                "\n{done} the breach and its end were told by e-mail, Slack and webhook, in {seconds} s of your time.\n"
            ));
        } else {
            let text = format!("Not everything arrived; missing: {}", missing.join(", "));
            say(format!("\n{}\n", self.paint.red(&text)));
        }
        if once {
            say(format!("All files are in {}", self.dir.display()));
            return;
        }
        self.show_around();
    }

    fn show_around(&self) {
        let Self { page, bot, speed, .. } = self;
        let path = |name: &str| Path::new(&self.dir).join(name).display().to_string();
        let alert = r#"[{"labels":{"alertname":"TryMe","severity":"critical"},"annotations":{"summary":"sent by hand"}}]"#;
        say(self.paint.bold("Look around; all of it stays up, and the story goes on, until Ctrl-C:"));
        say(format!(
            "  page      {page}/\n  \
             metrics   {page}/metrics (the bot's: {bot}/metrics)\n  \
             inbox     {} (an .eml opens in a mail program)\n  \
             settings  {} (in force when saved, as are the files in rules/)\n",
            self.inbox.dir().display(),
            path("botwatch.yml"),
        ));
        say(self.paint.bold("Try:"));
        say(format!(
            "  curl -s {page}/api/v1/alerts\n  \
             curl -s {page}/api/v1/rules\n  \
             curl -s {page}/api/alerting/notifications\n  \
             curl -X POST {bot}/leak              # the incident once more\n  \
             curl -X POST {page}/api/v2/alerts -H 'Content-Type: application/json' -d '{alert}'\n  \
             {}\n",
            self.paint.dim(&format!("# as any Alertmanager: told after 5s, over after 5m of the bot's time ({speed} times faster for you)")),
        ));
    }
}

/// Where people on this machine reach what listens at an address.
fn reached(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    address
}
