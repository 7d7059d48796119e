//! From what was written to each module's own options, one file for each module. Nothing here runs anything; rule
//! files and templates are read from disk, secrets are not.

mod access;
mod addresses;
mod alerting;
mod collect;
mod effective;
mod http;
mod integrations;
mod notify;
mod paths;
mod rules;
mod samples;
mod secrets;
mod templates;
#[cfg(test)]
mod tests;
mod web;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use botwatch_core::{
    alerting as machine,
    diag::{Diagnostic, SourceText, Span, has_errors},
    model::Duration,
    tsdb,
};

pub use rules::{RuleFile, RulesOptions};
pub use web::WebOptions;

use super::{
    env::Env,
    file::{File, Global},
    load::{Written, read_files, sort, written},
    print,
    value::{At, Place, Show, Url},
};

/// Prometheus' default `scrape_interval` (spec S17).
pub(super) const SCRAPE_INTERVAL: Duration = Duration::from_secs(60);
/// Prometheus' default `scrape_timeout` (spec S17).
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(10);
/// Prometheus' default `evaluation_interval`.
const EVALUATION_INTERVAL: Duration = Duration::from_secs(60);
/// How settings from flags are called in messages.
const FLAGS_NAME: &str = "command line";

/// Flags that are settings. They win over files and environment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Flags {
    /// `--web.listen-address`
    pub listen_address: Option<String>,
    /// `--web.external-url`
    pub external_url: Option<String>,
    /// `--web.route-prefix`
    pub route_prefix: Option<String>,
    /// `--storage.path`, relative to the working directory.
    pub storage_path: Option<String>,
    /// `--storage.tsdb.retention.time`
    pub retention: Option<Duration>,
    /// `--query.lookback-delta`
    pub lookback: Option<Duration>,
    /// `--strict-prometheus`: what is missing resolves, and rules run at their slots.
    pub strict_prometheus: bool,
}

/// What became of files, environment and flags.
#[derive(Debug)]
pub struct Loaded {
    /// What to run; `None` when a diagnostic is an error.
    pub configuration: Option<Configuration>,
    /// All problems: those of the whole first, then in the order of the files.
    pub diagnostics: Vec<Diagnostic>,
    /// Files whose change asks for a reload, and folders in which a new file may match a pattern. Secrets are not
    /// among them: they are read at each use.
    pub watched: Vec<PathBuf>,
}

/// Each module's options.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// The bot's name, the label `bot`.
    pub bot: Arc<str>,
    /// What is collected.
    pub collect: crate::collect::Options,
    /// Routes, receivers, inhibitions.
    pub alerting: machine::Options,
    /// What each integration needs to know.
    pub notify: crate::notify::Options,
    /// Rule groups and what they share.
    pub rules: RulesOptions,
    /// The samples' bounds. `hash_seed` is left to whoever starts the process.
    pub samples: tsdb::Options,
    /// The data directory.
    pub storage_path: PathBuf,
    /// What pushed metrics and thresholds need to know.
    pub pushes: crate::collect::push::PushOptions,
    /// Who may ask.
    pub access: crate::api::Access,
    /// What is served.
    pub web: WebOptions,
    /// What only the environment says.
    pub switches: super::Switches,
    /// What is in force as it could have been written, for printing.
    pub written: Written,
}

impl Configuration {
    /// As YAML that can be read again; secrets are masked.
    pub fn yaml(&self) -> String {
        self.written.file.show().map_or(String::new(), |out| print::yaml(&out))
    }

    /// What of it an Alertmanager reads, for its tools.
    pub fn alertmanager_yaml(&self) -> String {
        let shown = self.written.file.show();
        shown.map_or(String::new(), |out| print::yaml(&print::alertmanager(out)))
    }

    /// Who is told: a phrase for each kind of integration. An address that stands in several receivers counts once.
    pub fn told(&self) -> Vec<String> {
        let mut kinds: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for id in self.notify.integrations.keys() {
            kinds.entry(&id.kind).or_default().insert(&id.key);
        }
        let called = |(kind, keys): (&str, BTreeSet<&str>)| match (kind, keys.len()) {
            ("email", 1) => "one list of e-mail recipients".to_owned(),
            ("email", n) => format!("{n} lists of e-mail recipients"),
            ("slack", 1) => "one Slack channel".to_owned(),
            ("slack", n) => format!("{n} Slack channels"),
            (kind, 1) => format!("one {kind}"),
            (kind, n) => format!("{n} {kind}s"),
        };
        kinds.into_iter().map(called).collect()
    }

    /// One `(path, value, origin)` for each value.
    pub fn origins(&self) -> Vec<(String, String, String)> {
        self.written.file.show().map_or(Vec::new(), |out| print::origins(&out))
    }
}

/// What all parts of the conversion share.
struct Context<'a> {
    written: &'a Written,
    env: &'a Env,
    flags: &'a Flags,
    found: Vec<Diagnostic>,
    watched: Vec<PathBuf>,
}

impl Context<'_> {
    fn file(&self) -> &File {
        &self.written.file
    }

    fn global(&self) -> Global {
        self.written.file.global.clone().unwrap_or_default()
    }

    fn watch(&mut self, path: &Path) {
        if !self.watched.iter().any(|w| w == path) {
            self.watched.push(path.to_owned());
        }
    }
}

/// Reads and checks everything: files from disk, the environment, the flags. Without paths the environment alone
/// configures.
pub fn load(paths: &[PathBuf], env: &Env, flags: &Flags) -> Loaded {
    let (sources, diagnostics) = read_files(paths);
    if has_errors(&diagnostics) {
        // What the missing file says is unknown, and everything that refers to it would be reported.
        return Loaded { configuration: None, diagnostics, watched: paths.to_vec() };
    }
    configure(&sources, env, flags)
}

/// As [`load`], from texts. Rule files, templates and the like are still read from disk.
pub fn configure(sources: &[Arc<SourceText>], env: &Env, flags: &Flags) -> Loaded {
    let (mut written, mut found) = written(sources, env);
    overlay_flags(&mut written.file, flags);
    let mut context = Context {
        written: &written,
        env,
        flags,
        found: Vec::new(),
        watched: sources.iter().map(|s| PathBuf::from(&*s.name)).collect(),
    };
    let configuration = build(&mut context, has_errors(&found));
    let Context { found: more, watched, .. } = context;
    found.extend(more);
    sort(&mut found, sources);
    let configuration = configuration.filter(|_| !has_errors(&found));
    Loaded { configuration, diagnostics: found, watched }
}

/// Builds all options. With `broken` input some of it is a guess, made only to find the other problems.
fn build(context: &mut Context<'_>, broken: bool) -> Option<Configuration> {
    let web = web::web(context);
    secrets::check(context);
    let storage_path = samples::storage_path(context);
    let bot = context.file().bot.as_ref().and_then(|b| b.name.as_ref());
    let bot: Arc<str> = bot.map_or("bot".into(), |n| Arc::clone(&n.value));
    let collect = collect::collect(context, &bot, &web, &storage_path);
    let rules = rules::rules(context, &web.external_url);
    let samples = samples::samples(context);
    let templates = templates::load(context)?;
    let integrations = integrations::integrations(context, &templates);
    let alerting = alerting::alerting(context, &integrations, &templates, broken);
    let mut effective = context.written.clone();
    effective::fill_in(&mut effective.file, context.flags, &web, &storage_path);
    let notify = notify::options(integrations, templates, Arc::clone(&web.external_url));
    let limits = context.file().thresholds.iter().flat_map(|t| &t.0);
    let thresholds = limits.flat_map(|(metric, limits)| limits.thresholds(metric)).collect();
    Some(Configuration {
        access: access::access(context),
        pushes: crate::collect::push::PushOptions { bot: Arc::clone(&bot), thresholds },
        bot,
        collect,
        alerting,
        notify,
        rules,
        samples,
        storage_path,
        web,
        switches: context.written.switches.clone(),
        written: effective,
    })
}

/// Flags as if they stood in the file, with a place of their own for messages.
fn overlay_flags(file: &mut File, flags: &Flags) {
    let at = |flag: &str, value: &str| {
        let source = SourceText::new(FLAGS_NAME, format!("{flag}={value}\n"));
        let span = Span::new(flag.len() + 1, flag.len() + 1 + value.len());
        Some(Place { source, span })
    };
    if let Some(address) = &flags.listen_address {
        let place = at("--web.listen-address", address);
        file.web.get_or_insert_default().listen_address = Some(At { value: address.as_str().into(), place });
    }
    if let Some(url) = &flags.external_url {
        let place = at("--web.external-url", url);
        file.web.get_or_insert_default().external_url = Some(At { value: Url(url.as_str().into()), place });
    }
    if let Some(path) = &flags.storage_path {
        let place = at("--storage.path", path);
        file.storage.get_or_insert_default().path = Some(At { value: path.as_str().into(), place });
    }
}

/// The value, or a default.
fn or<T: Clone>(at: Option<&At<T>>, default: T) -> T {
    at.map_or(default, |at| at.value.clone())
}

/// A text; empty unless set.
fn text(at: Option<&At<Arc<str>>>) -> Arc<str> {
    or(at, "".into())
}

/// A number as a size; what doesn't fit is no limit in practice.
fn size(at: Option<&At<u64>>) -> usize {
    usize::try_from(or(at, 0)).unwrap_or(usize::MAX)
}
