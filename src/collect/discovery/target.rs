//! One target: its labels before and after relabelling, and its URL (spec S18, S19).

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use botwatch_core::{
    model::{Duration, Labels, LabelsBuilder},
    relabel,
};
use url::Url;

use crate::collect::JobOptions;

/// Before an address: the rest is the path of a Unix socket.
const UNIX: &str = "unix:";
const PARAM: &str = "__param_";

/// A target that is to be scraped.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::collect) struct Target {
    /// Its labels before relabelling.
    pub(in crate::collect) discovered: Labels,
    /// Its labels; none begins with `__`.
    pub(in crate::collect) labels: Labels,
    /// What is asked for.
    pub(in crate::collect) url: String,
    /// Connected to instead of the URL's host.
    pub(in crate::collect) socket: Option<PathBuf>,
    /// Time between scrapes.
    pub(in crate::collect) interval: Duration,
    /// Time for one.
    pub(in crate::collect) timeout: Duration,
}

impl Target {
    /// How a person calls what its samples come from: `bot at 127.0.0.1:3000`.
    pub(in crate::collect) fn name(&self) -> String {
        let or = |label, other| match self.labels.value(label) {
            "" => other,
            value => value,
        };
        format!("{} at {}", or("job", "a target"), or("instance", &self.url))
    }

    /// Its URL; over a Unix socket with the socket's path as host.
    pub(in crate::collect) fn shown_url(&self) -> String {
        let Some(socket) = &self.socket else { return self.url.clone() };
        let path = socket.to_string_lossy().replace('%', "%25").replace('/', "%2F");
        let (scheme, rest) = self.url.split_once("://").unwrap_or(("http", ""));
        let after = rest.find('/').map_or("", |at| &rest[at..]);
        format!("{scheme}+unix://{path}{after}")
    }
}

/// What became of an address.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found {
    /// To be scraped.
    Kept(Box<Target>),
    /// Relabelling drops it; its labels before.
    Dropped(Labels),
}

/// Makes a target of an address. `group` are the labels that come with it, meta labels of discovery among them.
///
/// # Errors
/// When what relabelling left can't be scraped.
pub(super) fn populate(job: &JobOptions, group: &Labels, address: &str) -> Result<Found, String> {
    let discovered = discovered(job, group, address);
    let mut labels = discovered.builder();
    if !relabel::process(&job.relabel, &mut labels) || labels.pairs().is_empty() {
        return Ok(Found::Dropped(discovered));
    }
    let address = labels.value("__address__").to_owned();
    let (interval, timeout) = timing(&labels)?;
    let (url, socket) = place(job, &labels, &address)?;
    if labels.value("instance").is_empty() {
        labels.set("instance", &address);
    }
    labels.retain(|name, _| !name.starts_with("__"));
    let labels = labels.finish();
    Ok(Found::Kept(Box::new(Target { discovered, labels, url, socket, interval, timeout })))
}

fn discovered(job: &JobOptions, group: &Labels, address: &str) -> Labels {
    let mut labels = group.builder();
    labels.set("__address__", address);
    let mut default = |name: &str, value: &str| {
        if labels.value(name).is_empty() {
            labels.set(name, value);
        }
    };
    default("job", &job.name);
    default("__scrape_interval__", &job.interval.to_string());
    default("__scrape_timeout__", &job.timeout.to_string());
    default("__metrics_path__", &job.metrics_path);
    default("__scheme__", job.scheme.as_str());
    for (name, values) in &job.params.0 {
        if let Some(first) = values.first() {
            default(&format!("{PARAM}{name}"), first);
        }
    }
    labels.finish()
}

fn timing(labels: &LabelsBuilder) -> Result<(Duration, Duration), String> {
    let read = |label| match labels.value(label).parse::<Duration>() {
        Ok(time) if !time.is_zero() => Ok(time),
        Ok(_) => Err(format!("`{label}` is zero")),
        Err(error) => Err(format!("`{label}`: {error}")),
    };
    let (interval, timeout) = (read("__scrape_interval__")?, read("__scrape_timeout__")?);
    if timeout > interval {
        return Err(format!("the scrape timeout {timeout} is longer than the interval {interval}"));
    }
    Ok((interval, timeout))
}

fn place(
    job: &JobOptions,
    labels: &LabelsBuilder,
    address: &str,
) -> Result<(String, Option<PathBuf>), String> {
    let socket = match (address.strip_prefix(UNIX), labels.value("__unix_socket__")) {
        (Some(path), _) => Some(path.trim_start_matches("//")),
        (None, "") => None,
        (None, path) => Some(path),
    };
    let host = match address {
        _ if address.starts_with(UNIX) => "localhost",
        "" if socket.is_some() => "localhost",
        "" => return Err("no address".to_owned()),
        address if address.contains(['/', '\\']) => {
            return Err(format!("`{address}` is an address with a path"));
        }
        address if address.contains(char::is_whitespace) => {
            return Err(format!("`{address}` has blanks in it"));
        }
        address => address,
    };
    if socket.is_some_and(|path| !path.starts_with('/')) {
        return Err(format!("`{address}`: the path of a Unix socket begins with `/`"));
    }
    let scheme = labels.value("__scheme__");
    if !matches!(scheme, "http" | "https") {
        return Err(format!("`__scheme__` is `{scheme}`, expected `http` or `https`"));
    }
    let wrong = |_| format!("`{address}` is no address, expected `host:port`");
    let mut url = Url::parse(&format!("{scheme}://{host}")).map_err(wrong)?;
    if !url.username().is_empty() || url.query().is_some() || url.fragment().is_some() {
        return Err(format!("`{}` is more than an address", url.host_str().unwrap_or_default()));
    }
    url.set_path(labels.value("__metrics_path__"));
    let params = params(job, labels);
    if params.values().any(|values| !values.is_empty()) {
        let pairs = params.iter().flat_map(|(name, values)| values.iter().map(move |v| (&**name, &**v)));
        url.query_pairs_mut().extend_pairs(pairs);
    }
    Ok((url.into(), socket.map(PathBuf::from)))
}

/// Query parameters by name; a label `__param_<name>` is the first value of its parameter.
fn params(job: &JobOptions, labels: &LabelsBuilder) -> BTreeMap<Arc<str>, Vec<Arc<str>>> {
    let mut params: BTreeMap<Arc<str>, Vec<Arc<str>>> = job.params.0.iter().cloned().collect();
    for (label, value) in labels.pairs() {
        let Some(name) = label.strip_prefix(PARAM) else { continue };
        let values = params.entry(name.into()).or_default();
        match values.first_mut() {
            Some(first) => *first = value.as_str().into(),
            None => values.push(value.as_str().into()),
        }
    }
    params
}
