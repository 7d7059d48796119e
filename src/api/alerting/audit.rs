//! `GET /api/alerting/audit`: what people changed, the newest first.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::{StatusCode, Uri};
use serde::Serialize;

use crate::{
    api::{body, failure::Failure, params::Params, site::Site},
    dispatch::Gone,
    store::AuditEntry,
};

/// Entries in one answer unless `limit` says otherwise, and at most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1000;

#[derive(Serialize)]
struct Entries {
    entries: Vec<AuditEntry>,
    /// The `before` of the next page; none on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// The newest changes; `before` goes on where an answer ended.
pub(in crate::api) async fn audit(State(site): State<Arc<Site>>, uri: Uri) -> Result<Response, Failure> {
    let params = Params::parse(uri.query());
    params.known(&["limit", "before"])?;
    let limit = params.count("limit")?.unwrap_or(LIMIT).min(LIMIT_MAX);
    let before = params.count("before")?.map(|n| n as u64);
    let Some(audit) = site.audit.clone() else { return Err(Failure::missing("no audit log is kept here")) };
    let read = site.tasks.blocking(move || audit.newest(limit + 1, before)).await.ok_or(Gone)?;
    let mut entries =
        read.map_err(|e| Failure::unavailable(format!("the audit log can't be read: {e}"), 10))?;
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().map(|e| e.n).filter(|_| more);
    Ok(body::json(StatusCode::OK, &Entries { entries, next }))
}
