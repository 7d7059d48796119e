//! Scrape jobs, the bot's process and the machine into `collect`'s options (spec S17).

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use botwatch_core::{
    exposition::{DEFAULT_PROTOCOLS, Protocol},
    model::{Duration, Labels},
    relabel,
};

use super::{
    Context, SCRAPE_INTERVAL, SCRAPE_TIMEOUT, WebOptions, http::http, integrations::unzero, or, paths, size,
};
use crate::{
    collect::{
        BotOptions, FileSdOptions, HostOptions, JobOptions, Options, Params, ProcessFinder, Scheme,
        TargetGroup,
    },
    config::{
        file::{self, Bot, Global, Job, Relabel, ScrapeConfig, ScrapeProtocol},
        value::{At, Bytes, Pairs},
    },
    net::{Auth, HttpOptions, SecretSource},
};

/// The job that `bot.metrics_url` makes.
const BOT_JOB: &str = "bot";
/// The job of what botwatch itself sees: as a Prometheus that scrapes botwatch would label it.
const OWN_JOB: &str = "botwatch";
/// Prometheus' default `refresh_interval` (spec S21).
const REFRESH: Duration = Duration::from_secs(300);

pub(super) fn collect(context: &mut Context<'_>, bot: &str, web: &WebOptions, data: &Path) -> Options {
    let global = context.global();
    let mut jobs = Vec::new();
    let mut process = None;
    let mut host = None;
    if let Some(section) = context.file().bot.clone() {
        jobs.extend(bot_job(&section, bot, &global));
        let interval =
            or(section.scrape_interval.as_ref().or(global.scrape_interval.as_ref()), SCRAPE_INTERVAL);
        let instance = web.listen_address();
        let own = [("job", OWN_JOB), ("instance", &*instance), ("bot", bot)];
        let labels = labels_of(&section, &own);
        process = finder(&section).map(|finder| BotOptions { finder, interval, labels: labels.clone() });
        let paths = vec![existing(data), PathBuf::from("/")];
        host = Some(HostOptions { interval, labels, paths });
    }
    for config in context.file().scrape_configs.clone().iter().flatten() {
        jobs.push(job(context, config, &global));
    }
    Options { jobs, process, host }
}

/// The bot's own labels with further ones, which win.
fn labels_of(section: &Bot, more: &[(&str, &str)]) -> Labels {
    let own = section.labels.iter().flat_map(Pairs::iter).map(|(n, v)| (&**n, &**v));
    let mut builder = Labels::from_pairs(own).builder();
    for (name, value) in more {
        builder.set(name, value);
    }
    builder.finish()
}

/// A directory that is not there yet lies on the file system of its nearest ancestor that is.
fn existing(path: &Path) -> PathBuf {
    path.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/")).to_owned()
}

fn bot_job(section: &Bot, name: &str, global: &Global) -> Option<JobOptions> {
    let url = url::Url::parse(&section.metrics_url.as_ref()?.value.0).ok()?;
    let https = url.scheme() == "https";
    let host = url.host_str()?;
    let address = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => format!("{host}:{}", if https { 443 } else { 80 }),
    };
    let interval = section.scrape_interval.as_ref();
    let timeout = section.scrape_timeout.as_ref();
    let mut job = defaults(BOT_JOB.into(), (interval, timeout), global);
    job.metrics_path = url.path().into();
    job.scheme = if https { Scheme::Https } else { Scheme::Http };
    for (key, value) in url.query_pairs() {
        match job.params.0.iter_mut().find(|(k, _)| **k == *key) {
            Some((_, values)) => values.push(value.into()),
            None => job.params.0.push((key.into(), vec![value.into()])),
        }
    }
    if !url.username().is_empty() || url.password().is_some() {
        job.http.auth = Auth::Basic {
            username: SecretSource::inline(percent_decoded(url.username())),
            password: SecretSource::inline(percent_decoded(url.password().unwrap_or_default())),
        };
    }
    let labels = labels_of(section, &[("bot", name)]);
    job.static_targets = vec![TargetGroup { targets: vec![address.into()], labels }];
    Some(job)
}

/// Name and password of a URL are percent-encoded.
fn percent_decoded(text: &str) -> String {
    let plus_safe = text.replace('+', "%2B");
    let query = format!("v={plus_safe}");
    url::form_urlencoded::parse(query.as_bytes()).next().map_or(String::new(), |(_, v)| v.into_owned())
}

/// How the bot's process is found: as written, else by the port of its metrics when that is on this machine.
fn finder(bot: &Bot) -> Option<ProcessFinder> {
    if let Some(process) = &bot.process {
        if let Some(pid) = &process.pid {
            return u32::try_from(pid.value).ok().map(ProcessFinder::Pid);
        }
        if let Some(path) = &process.pid_file {
            return Some(ProcessFinder::PidFile(paths::resolve(path)));
        }
        if let Some(name) = &process.name {
            return Some(ProcessFinder::Name(Arc::clone(&name.value)));
        }
        if let Some(port) = &process.port {
            return u16::try_from(port.value).ok().map(ProcessFinder::Port);
        }
        return process.cgroup.as_ref().map(|c| ProcessFinder::Cgroup(Arc::clone(&c.value)));
    }
    let url = url::Url::parse(&bot.metrics_url.as_ref()?.value.0).ok()?;
    let host = url.host_str()?.trim_matches(['[', ']']);
    let local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|a| a.is_loopback());
    local.then(|| url.port_or_known_default().map(ProcessFinder::Port)).flatten()
}

/// A job with the defaults of `global`.
fn defaults(
    name: Arc<str>,
    (interval, timeout): (Option<&At<Duration>>, Option<&At<Duration>>),
    global: &Global,
) -> JobOptions {
    let interval = or(interval.or(global.scrape_interval.as_ref()), SCRAPE_INTERVAL);
    let timeout = or(timeout.or(global.scrape_timeout.as_ref()), SCRAPE_TIMEOUT);
    JobOptions {
        name,
        interval: unzero(interval, SCRAPE_INTERVAL),
        timeout: timeout.min(interval),
        protocols: protocols(None, global),
        fallback_protocol: None,
        metrics_path: "/metrics".into(),
        scheme: Scheme::Http,
        params: Params::default(),
        honor_labels: false,
        honor_timestamps: true,
        track_timestamps_staleness: false,
        body_size_limit: bytes(global.body_size_limit.as_ref()),
        sample_limit: size(global.sample_limit.as_ref()),
        label_limit: size(global.label_limit.as_ref()),
        label_name_length_limit: size(global.label_name_length_limit.as_ref()),
        label_value_length_limit: size(global.label_value_length_limit.as_ref()),
        target_limit: size(global.target_limit.as_ref()),
        keep_dropped_targets: size(global.keep_dropped_targets.as_ref()),
        enable_compression: true,
        extra_scrape_metrics: or(global.extra_scrape_metrics.as_ref(), false),
        relabel: Vec::new(),
        metric_relabel: Vec::new(),
        http: HttpOptions::default(),
        static_targets: Vec::new(),
        files: Vec::new(),
    }
}

fn bytes(at: Option<&At<Bytes>>) -> usize {
    at.map_or(0, |b| usize::try_from(b.value.0).unwrap_or(usize::MAX))
}

fn protocols(own: Option<&Vec<At<ScrapeProtocol>>>, global: &Global) -> Vec<Protocol> {
    match own.or(global.scrape_protocols.as_ref()).filter(|p| !p.is_empty()) {
        Some(list) => list.iter().map(|p| protocol(p.value)).collect(),
        None => DEFAULT_PROTOCOLS.to_vec(),
    }
}

fn protocol(written: ScrapeProtocol) -> Protocol {
    match written {
        ScrapeProtocol::Proto => Protocol::PrometheusProto,
        ScrapeProtocol::Text004 => Protocol::PrometheusText0_0_4,
        ScrapeProtocol::Text100 => Protocol::PrometheusText1_0_0,
        ScrapeProtocol::OpenMetrics001 => Protocol::OpenMetricsText0_0_1,
        ScrapeProtocol::OpenMetrics100 => Protocol::OpenMetricsText1_0_0,
    }
}

fn job(context: &mut Context<'_>, config: &ScrapeConfig, global: &Global) -> JobOptions {
    let written: &Job = &config.job;
    let name = super::text(written.job_name.as_ref());
    let times = (written.scrape_interval.as_ref(), written.scrape_timeout.as_ref());
    let mut job = defaults(Arc::clone(&name), times, global);
    job.protocols = protocols(written.scrape_protocols.as_ref(), global);
    job.fallback_protocol = written.fallback_scrape_protocol.as_ref().map(|p| protocol(p.value));
    job.metrics_path = or(written.metrics_path.as_ref(), job.metrics_path);
    job.scheme = match written.scheme.as_ref().map(|s| s.value) {
        Some(file::Scheme::Https) => Scheme::Https,
        _ => Scheme::Http,
    };
    for (key, values) in written.params.iter().flat_map(|p| &p.0) {
        job.params.0.push((Arc::clone(key), values.iter().map(|v| Arc::clone(&v.value)).collect()));
    }
    job.honor_labels = or(written.honor_labels.as_ref(), job.honor_labels);
    job.honor_timestamps = or(written.honor_timestamps.as_ref(), job.honor_timestamps);
    job.track_timestamps_staleness = or(written.track_timestamps_staleness.as_ref(), false);
    job.enable_compression = or(written.enable_compression.as_ref(), job.enable_compression);
    job.extra_scrape_metrics = or(written.extra_scrape_metrics.as_ref(), job.extra_scrape_metrics);
    if let Some(limit) = &written.body_size_limit {
        job.body_size_limit = bytes(Some(limit));
    }
    for (own, slot) in [
        (&written.sample_limit, &mut job.sample_limit),
        (&written.label_limit, &mut job.label_limit),
        (&written.label_name_length_limit, &mut job.label_name_length_limit),
        (&written.label_value_length_limit, &mut job.label_value_length_limit),
        (&written.target_limit, &mut job.target_limit),
        (&written.keep_dropped_targets, &mut job.keep_dropped_targets),
    ] {
        if own.is_some() {
            *slot = size(own.as_ref());
        }
    }
    job.relabel = rules(written.relabel_configs.as_ref());
    job.metric_relabel = rules(written.metric_relabel_configs.as_ref());
    job.http = http(Some(&config.http), context.env);
    for group in written.static_configs.iter().flatten() {
        job.static_targets.push(TargetGroup {
            targets: group.targets.iter().flatten().map(|t| Arc::clone(&t.value)).collect(),
            labels: group.labels.as_ref().map_or_else(Labels::empty, Pairs::labels),
        });
    }
    for files in written.file_sd_configs.iter().flatten() {
        let patterns: Vec<PathBuf> = files.files.iter().flatten().map(paths::resolve_pattern).collect();
        for pattern in &patterns {
            // `collect` watches the files themselves; a new one appears in their folder.
            context.watch(pattern.parent().unwrap_or(pattern));
        }
        job.files.push(FileSdOptions {
            patterns: patterns.iter().map(|p| p.display().to_string().into()).collect(),
            refresh: unzero(or(files.refresh_interval.as_ref(), REFRESH), REFRESH),
        });
    }
    job
}

fn rules(steps: Option<&Vec<Relabel>>) -> Vec<relabel::Rule> {
    steps.into_iter().flatten().filter_map(Relabel::rule).collect()
}
