//! `GET /api/alerting/issues`.

use std::{cmp::Ordering, sync::Arc};

use axum::{extract::State, response::Response};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use botwatch_core::{
    alerting::{Episode, EpisodeId, Machine, matchers},
    model::{ALERT_NAME, Matcher, SEVERITY, Timestamp, severity_rank},
};
use http::{StatusCode, Uri};
use serde::Serialize;

use super::{
    CATEGORY, SOURCE,
    issue::{Copied, IssueJson, id, status},
};
use crate::api::{body, failure::Failure, params::Params, site::Site};

/// Issues in one answer unless `limit` says otherwise, and at most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1000;
const STATUSES: &[&str] = &["open", "acknowledged", "resolved"];
const SORTS: &[&str] = &["startedAt", "resolvedAt", "severity", "title"];

/// What is asked for.
struct Wanted {
    statuses: Vec<String>,
    types: Vec<String>,
    severities: Vec<String>,
    sources: Vec<String>,
    matchers: Vec<Matcher>,
    text: Option<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    sort: Sort,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    StartedAt,
    ResolvedAt,
    Severity,
    Title,
}

#[derive(Clone, Copy)]
struct Sort {
    by: By,
    falling: bool,
}

/// An issue's place in the order. Equal keys are told apart by the id, so that pages never overlap.
#[derive(Debug, Clone, PartialEq)]
struct Place {
    key: String,
    id: EpisodeId,
}

#[derive(Serialize)]
struct List {
    issues: Vec<IssueJson>,
    /// How many match in all.
    total: usize,
    /// The cursor of the next page; none on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Issues, open and resolved.
pub(in crate::api) async fn issues(State(site): State<Arc<Site>>, uri: Uri) -> Result<Response, Failure> {
    let params = Params::parse(uri.query());
    params.known(&[
        "status", "type", "severity", "source", "match", "q", "since", "until", "sort", "limit", "cursor",
    ])?;
    let wanted = Arc::new(Wanted::of(&params)?);
    let limit = params.count("limit")?.unwrap_or(LIMIT).min(LIMIT_MAX);
    let after = params.first("cursor").map(Place::parse).transpose()?;
    let mut places = places(&site, &wanted).await?;
    let total = places.len();
    let sort = wanted.sort;
    places.sort_unstable_by(|a, b| sort.compare(a, b));
    let start = after.map_or(0, |at| places.partition_point(|p| sort.compare(p, &at) != Ordering::Greater));
    let page: Vec<Place> = places.into_iter().skip(start).take(limit + 1).collect();
    let next = (page.len() > limit).then(|| page[limit - 1].cursor());
    let now = site.clock.now();
    let look = move |machine: &Machine| {
        let shown = page.iter().take(limit).filter_map(|p| machine.episode(p.id));
        shown.map(|e| Copied::of(machine, now, e)).collect::<Vec<_>>()
    };
    let issues = site.read(look).await?.into_iter().map(Copied::json).collect();
    Ok(body::json(StatusCode::OK, &List { issues, total, next }))
}

/// The places of all issues that are wanted.
async fn places(site: &Site, wanted: &Arc<Wanted>) -> Result<Vec<Place>, Failure> {
    let past = wanted.statuses.is_empty() || wanted.statuses.iter().any(|s| s == "resolved");
    let wanted = Arc::clone(wanted);
    let place = move |_: &Machine, e: &Episode| wanted.wants(e).then(|| wanted.sort.place(e));
    let mut all = site.scan(past, place).await?;
    all.sort_unstable_by_key(|place| place.id);
    all.dedup_by(|a, b| a.id == b.id);
    Ok(all)
}

impl Wanted {
    fn of(params: &Params) -> Result<Self, Failure> {
        let words = |name: &str, of: &[&str]| -> Result<Vec<String>, Failure> {
            let all = params.all(name)?;
            let words = all.iter().flat_map(|v| v.split(',')).map(str::trim).filter(|w| !w.is_empty());
            let words: Vec<String> = words.map(str::to_owned).collect();
            match words.iter().find(|w| !of.is_empty() && !of.contains(&w.as_str())) {
                Some(unknown) => {
                    Err(Failure::parameter(name, format!("{unknown:?} is none of {}", of.join(", "))))
                }
                None => Ok(words),
            }
        };
        let mut wanted = Vec::new();
        for text in params.all("match")? {
            wanted.extend(matchers::parse(text).map_err(|e| Failure::parameter("match", e.message))?);
        }
        Ok(Self {
            statuses: words("status", STATUSES)?,
            types: words("type", &[])?,
            severities: words("severity", &[])?,
            sources: words("source", &[])?,
            matchers: wanted,
            text: params.first("q").map(str::to_lowercase),
            since: params.time("since")?,
            until: params.time("until")?,
            sort: Sort::of(params)?,
        })
    }

    fn wants(&self, e: &Episode) -> bool {
        let labels = &e.alert.labels;
        let one = |of: &[String], value: &str| of.is_empty() || of.iter().any(|w| w == value);
        one(&self.statuses, status(e))
            && one(&self.types, labels.value(CATEGORY))
            && one(&self.severities, labels.value(SEVERITY))
            && one(&self.sources, labels.value(SOURCE))
            && self.since.is_none_or(|t| e.id.starts_at >= t)
            && self.until.is_none_or(|t| e.id.starts_at < t)
            && self.matchers.iter().all(|m| m.matches_labels(labels))
            && self.text.as_ref().is_none_or(|text| {
                let texts = labels.iter().chain(e.alert.annotations.iter()).map(|(_, v)| v);
                texts.chain([&*id(e)]).any(|v| v.to_lowercase().contains(text))
            })
    }
}

impl Sort {
    fn of(params: &Params) -> Result<Self, Failure> {
        let text = params.first("sort").unwrap_or("-startedAt");
        let (falling, name) = text.strip_prefix('-').map_or((false, text), |name| (true, name));
        let by = match name {
            "startedAt" => By::StartedAt,
            "resolvedAt" => By::ResolvedAt,
            "severity" => By::Severity,
            "title" => By::Title,
            other => {
                let why = format!(
                    "{other:?} is none of {}, with `-` before it to turn the order",
                    SORTS.join(", ")
                );
                return Err(Failure::parameter("sort", why));
            }
        };
        Ok(Self { by, falling })
    }

    fn place(self, e: &Episode) -> Place {
        let time = |t: Timestamp| format!("{:020}", (t.0 as u64) ^ (1 << 63));
        let key = match self.by {
            By::StartedAt => time(e.id.starts_at),
            By::ResolvedAt => e.ended.map_or_else(String::new, |end| time(end.at)),
            // The worst is the greatest.
            By::Severity => format!("{:03}", 999 - severity_rank(e.alert.labels.value(SEVERITY)).min(999)),
            By::Title => {
                let summary = e.alert.annotations.value("summary");
                if summary.is_empty() { e.alert.labels.value(ALERT_NAME) } else { summary }.to_owned()
            }
        };
        Place { key, id: e.id }
    }

    fn compare(self, a: &Place, b: &Place) -> Ordering {
        let order = a.key.cmp(&b.key).then_with(|| a.id.cmp(&b.id));
        if self.falling { order.reverse() } else { order }
    }
}

impl Place {
    fn cursor(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(format!("{} {}", self.id, self.key))
    }

    fn parse(text: &str) -> Result<Self, Failure> {
        let read = || {
            let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
            let (id, key) = text.split_once(' ')?;
            Some(Self { key: key.to_owned(), id: id.parse().ok()? })
        };
        read().ok_or_else(|| Failure::parameter("cursor", "not a cursor that an answer gave"))
    }
}
