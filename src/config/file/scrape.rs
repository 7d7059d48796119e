//! Scrape jobs (spec prometheus §3).

use std::sync::Arc;

use botwatch_core::{
    diag::Span,
    model::Duration,
    yaml::{Node, Reader, Value},
};

use super::{Http, Relabel};
use crate::{
    config::value::{At, Bytes, MASK, Out, Pairs, Place, Read, Show, choice, name_of, over_zero, section},
    net::looks_secret,
};

section! {
    /// The keys of a job besides those of its HTTP client.
    pub struct Job("a scrape job", "scrape_configs[]", check Job::check) {
        /// The label `job`.
        job_name: At<Arc<str>>,
        /// How often.
        scrape_interval: At<Duration>,
        /// How long at most.
        scrape_timeout: At<Duration>,
        /// Formats, best first.
        scrape_protocols: Vec<At<ScrapeProtocol>>,
        /// The format of an answer that names none.
        fallback_scrape_protocol: At<ScrapeProtocol>,
        /// The path.
        metrics_path: At<Arc<str>>,
        /// `http` or `https`.
        scheme: At<Scheme>,
        /// Query parameters.
        params: Params,
        /// Whether exposed labels win over the target's.
        honor_labels: At<bool>,
        /// Whether exposed timestamps are used.
        honor_timestamps: At<bool>,
        /// Whether series with exposed timestamps get stale markers.
        track_timestamps_staleness: At<bool>,
        /// Bytes of an answer at most; 0 for no limit.
        body_size_limit: At<Bytes>,
        /// Samples of an answer at most; 0 for no limit.
        sample_limit: At<u64>,
        /// Labels of a sample at most; 0 for no limit.
        label_limit: At<u64>,
        /// Bytes of a label's name at most; 0 for no limit.
        label_name_length_limit: At<u64>,
        /// Bytes of a label's value at most; 0 for no limit.
        label_value_length_limit: At<u64>,
        /// Targets of the job at most; 0 for no limit.
        target_limit: At<u64>,
        /// Dropped targets that are remembered for the API; 0 for all.
        keep_dropped_targets: At<u64>,
        /// Whether compressed answers are asked for.
        enable_compression: At<bool>,
        /// Whether `scrape_timeout_seconds` and its like are recorded.
        extra_scrape_metrics: At<bool>,
        /// Changes targets before the scrape.
        relabel_configs: Vec<Relabel>,
        /// Changes samples after the scrape.
        metric_relabel_configs: Vec<Relabel>,
        /// Targets by hand.
        static_configs: Vec<StaticConfig>,
        /// Targets from files.
        file_sd_configs: Vec<FileSd>,
    }
}

choice! {
    /// A format of metrics.
    pub enum ScrapeProtocol {
        /// Protobuf.
        Proto = "PrometheusProto",
        /// Text 0.0.4.
        Text004 = "PrometheusText0.0.4",
        /// Text 1.0.0.
        Text100 = "PrometheusText1.0.0",
        /// OpenMetrics 0.0.1.
        OpenMetrics001 = "OpenMetricsText0.0.1",
        /// OpenMetrics 1.0.0.
        OpenMetrics100 = "OpenMetricsText1.0.0",
    }
}

choice! {
    /// How targets are reached.
    pub enum Scheme {
        /// Plain.
        Http = "http",
        /// With TLS.
        Https = "https",
    }
}

section! {
    /// Targets by hand.
    pub struct StaticConfig("`static_configs`", "static_configs[]", check StaticConfig::check) {
        /// Addresses, `host:port`.
        targets: Vec<At<Arc<str>>>,
        /// Labels of all of them.
        labels: Pairs,
    }
}

section! {
    /// Targets from files.
    pub struct FileSd("`file_sd_configs`", "file_sd_configs[]") {
        /// Paths; the last part may have `*`.
        files: Vec<At<Arc<str>>>,
        /// How often the files are read again when no change was seen.
        refresh_interval: At<Duration>,
    }
}

/// Query parameters in the order written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Params(pub Vec<(Arc<str>, Vec<At<Arc<str>>>)>);

impl Read for Params {
    fn read(reader: &mut Reader, node: &Node) -> Option<Self> {
        let Value::Mapping(entries) = &node.value else {
            reader.expected("a mapping of names to lists", node);
            return None;
        };
        let mut params = Vec::new();
        for (key, value) in entries {
            params.extend(Vec::read(reader, value).map(|values| (Arc::clone(&key.text), values)));
        }
        Some(Self(params))
    }
}

impl Show for Params {
    fn show(&self) -> Option<Out> {
        let show = |(name, values): &(Arc<str>, Vec<At<Arc<str>>>)| {
            let shown = if looks_secret(name) {
                Out::List(values.iter().map(|v| Out::Text(MASK.to_owned(), v.place.clone())).collect())
            } else {
                values.show()?
            };
            Some((name.to_string(), shown))
        };
        Some(Out::Map(self.0.iter().filter_map(show).collect()))
    }
}

/// A scrape job.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ScrapeConfig {
    /// Its own keys.
    pub job: Job,
    /// Those of its HTTP client.
    pub http: Http,
}

impl ScrapeConfig {
    /// Where it stands.
    pub fn place(&self) -> Option<&Place> {
        self.job.place.as_ref()
    }
}

impl Read for ScrapeConfig {
    fn read(reader: &mut Reader, node: &Node) -> Option<Self> {
        let mut fields = reader.map(node, "a scrape job")?;
        let context = name_of(node, "job_name").map_or(String::new(), |name| format!("job `{name}`"));
        Some(reader.within(context, |reader| {
            let job = Job::read_fields(reader, &mut fields);
            let http = Http::read_fields(reader, &mut fields);
            fields.finish(reader);
            Self { job, http }
        }))
    }
}

impl Job {
    fn check(&self, reader: &mut Reader, span: Span) {
        if self.job_name.as_ref().map_or(self.lacks(&["job_name"]), |n| n.is_empty()) {
            let d = reader.error("missing-key", "a scrape job has no `job_name`", span);
            reader.report(d.label("`job_name` is needed here"));
        }
        over_zero(reader, "scrape_interval", &self.scrape_interval);
        over_zero(reader, "scrape_timeout", &self.scrape_timeout);
        for file in self.file_sd_configs.iter().flatten().flat_map(|c| c.files.iter().flatten()) {
            check_file_pattern(reader, file);
        }
    }
}

impl StaticConfig {
    fn check(&self, reader: &mut Reader, _: Span) {
        for target in self.targets.iter().flatten() {
            let problem = if target.starts_with("unix:/") {
                continue;
            } else if target.is_empty() {
                "an empty address"
            } else if target.contains("://") {
                "a target is an address without scheme"
            } else if target.contains('/') {
                "a target is an address without path"
            } else {
                continue;
            };
            let d = target.error("invalid-value", format!("{problem}: `{}`", target.value));
            reader.report(
                d.label("expected `host:port`").hint("scheme and path go into `scheme` and `metrics_path`"),
            );
        }
        for (name, _) in self.labels.iter().flat_map(|l| &l.0) {
            if name.is_empty() {
                reader.report(name.error("invalid-value", "a label without a name").label("expected a name"));
            }
        }
    }
}

/// Discovery takes `*` in the last part of a path only, and only YAML and JSON (spec S21).
fn check_file_pattern(reader: &mut Reader, file: &At<Arc<str>>) {
    let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
    let extension = name.rsplit_once('.').map_or("", |(_, e)| e);
    if folder.contains('*') {
        let d = file.error("invalid-value", "`*` is allowed only in the last part of the path");
        reader.report(d.label("expected `folder/*.yml`"));
    } else if !matches!(extension.to_ascii_lowercase().as_str(), "yml" | "yaml" | "json") {
        let d = file
            .error("invalid-value", format!("discovery files end in .yml, .yaml or .json: `{}`", file.value));
        reader.report(d.label("expected another ending"));
    }
}

impl Show for ScrapeConfig {
    fn show(&self) -> Option<Out> {
        let mut out = Vec::new();
        self.job.show_fields(&mut out);
        self.http.show_fields(&mut out);
        Some(Out::Map(out))
    }
}
