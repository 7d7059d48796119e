//! `botwatch run`: the daemon.

use std::{path::PathBuf, process::ExitCode};

use botwatch_core::{diag::chain, model::Duration};

use super::{BUG, NO, complain, report};
use crate::{
    api::NoticeKind,
    app::{self, Error, Settings},
    config::{Env, Flags},
    runtime::{Clock, Signals},
    telemetry::{self, Format, Level, Logs},
};

/// The file that is taken when none is named.
const DEFAULT_FILE: &str = "botwatch.yml";
/// Sockets and timers only; what computes has its own threads.
const IO_THREADS: usize = 2;
/// Short file accesses; more wait their turn.
const BLOCKING_THREADS_MAX: usize = 4;

/// `botwatch run`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Configuration: botwatch's own, or prometheus.yml and alertmanager.yml as they are. Without any: ./botwatch.yml,
    /// else the environment alone
    files: Vec<PathBuf>,
    /// As a file named without the flag; the name that Prometheus and Alertmanager give it
    #[arg(long = "config.file", value_name = "FILE")]
    config_file: Vec<PathBuf>,
    /// Where to listen [default: 127.0.0.1:9095]
    #[arg(long = "web.listen-address", value_name = "HOST:PORT")]
    listen_address: Option<String>,
    /// The address under which people reach botwatch, for links in messages
    #[arg(long = "web.external-url", value_name = "URL")]
    external_url: Option<String>,
    /// The path below which everything is served [default: that of the external URL]; `/` behind a proxy that cuts it
    /// off
    #[arg(long = "web.route-prefix", value_name = "PATH")]
    route_prefix: Option<String>,
    /// The data directory [default: $STATE_DIRECTORY, else ./data]
    #[arg(long = "storage.path", alias = "storage.tsdb.path", value_name = "DIR")]
    storage_path: Option<String>,
    /// How far back an instant query looks for a sample [default: 5m]
    #[arg(long = "query.lookback-delta", value_name = "DURATION")]
    lookback: Option<Duration>,
    /// What is missing resolves, rules run at their slots: as Prometheus, also where it errs
    #[arg(long = "strict-prometheus")]
    strict_prometheus: bool,
    /// error, warn, info, debug or trace [default: $LOG_LEVEL, else info]
    #[arg(long = "log.level", value_name = "LEVEL")]
    log_level: Option<Level>,
    /// How log lines look
    #[arg(long = "log.format", value_enum, default_value = "logfmt")]
    log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum LogFormat {
    /// For people.
    Logfmt,
    /// One JSON object a line.
    Json,
}

impl Arguments {
    fn settings(&self, env: Env) -> Settings {
        let mut files: Vec<PathBuf> = self.files.iter().chain(&self.config_file).cloned().collect();
        if files.is_empty() && PathBuf::from(DEFAULT_FILE).exists() {
            files.push(DEFAULT_FILE.into());
        }
        let flags = Flags {
            listen_address: self.listen_address.clone(),
            external_url: self.external_url.clone(),
            route_prefix: self.route_prefix.clone(),
            storage_path: self.storage_path.clone(),
            lookback: self.lookback,
            strict_prometheus: self.strict_prometheus,
            ..Flags::default()
        };
        Settings { files, env, flags }
    }

    fn logs(&self, env: &Env) -> telemetry::Options {
        let from_env = env.get("LOG_LEVEL").map(Level::nearest);
        telemetry::Options {
            level: self.log_level.or(from_env).unwrap_or_default(),
            debug: env.get("DEBUG").unwrap_or_default().to_owned(),
            format: match self.log_format {
                LogFormat::Logfmt => Format::Text,
                LogFormat::Json => Format::Json,
            },
        }
    }
}

/// The runtime that everything runs on.
///
/// # Errors
/// When the system refuses threads.
pub(super) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(IO_THREADS)
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_name("io")
        .enable_all()
        .build()
}

pub(super) fn run(arguments: Arguments) -> ExitCode {
    let env = Env::of_process();
    let clock = Clock::system();
    let logs = match Logs::start(&arguments.logs(&env), clock.clone()) {
        Ok(logs) => logs,
        Err(error) => return failed(NO, &error),
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return failed(NO, &error),
    };
    let settings = arguments.settings(env);
    runtime.block_on(serve(settings, clock, logs))
}

async fn serve(settings: Settings, clock: Clock, logs: Logs) -> ExitCode {
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => return failed(NO, &error),
    };
    let watch = clock.stopwatch();
    let mut running = match app::start(settings, clock, Some(logs)).await {
        Ok(running) => running,
        Err(Error::Configuration { diagnostics, .. }) => {
            report(&diagnostics);
            return ExitCode::from(NO);
        }
        Err(error) => return failed(NO, &error),
    };
    report(&running.warnings);
    let milliseconds = (watch.seconds() * 1000.0).round();
    tracing::info!(address = %running.address, milliseconds, "botwatch {} is up", env!("CARGO_PKG_VERSION"));
    for notice in running.notices() {
        match notice.kind {
            NoticeKind::Watches => tracing::info!("watches {}", notice.text),
            NoticeKind::Tells => tracing::info!("tells {}", notice.text),
            NoticeKind::Cannot | NoticeKind::Off => tracing::warn!("{}", notice.text),
        }
    }
    let ended = running.until_stopped(&mut signals).await;
    tracing::info!("stopping");
    let clean = running.stop().await;
    match ended {
        Err(fatal) => {
            complain(format!("botwatch: bug in `{}`: {}", fatal.part, fatal.message));
            ExitCode::from(BUG)
        }
        Ok(()) if clean => ExitCode::SUCCESS,
        Ok(()) => {
            tracing::warn!("some work did not end in time and was dropped; it is taken up at the next start");
            ExitCode::SUCCESS
        }
    }
}

/// Says what went wrong, with its causes.
pub(super) fn failed(code: u8, error: &dyn std::error::Error) -> ExitCode {
    complain(format!("botwatch: {}", chain(error)));
    ExitCode::from(code)
}
