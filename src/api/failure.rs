//! What went wrong, and how it is written.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::body;
use crate::dispatch::{Gone, NotDurable};

/// When a sender that found no room should try again, in seconds.
const AGAIN_BUSY: u32 = 1;
/// The same while the disk refuses writes, or at the stop.
const AGAIN_DISK: u32 = 10;

/// A request that could not be answered. A handler returns it; it is written in the shape of its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub status: StatusCode,
    /// Prometheus' `errorType`.
    pub kind: &'static str,
    /// What happened, and where possible what to do.
    pub detail: String,
    /// Alertmanager's `code` where it is not the status.
    pub code: u16,
    /// When to try again, in seconds.
    pub retry_after: Option<u32>,
    /// Of API v2: a bare string.
    pub bare: bool,
    /// What is wrong with which part of the body; of problem documents.
    pub wrong: Vec<Wrong>,
}

/// What is wrong with one part of a body (RFC 9457 §3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Wrong {
    /// Where: a JSON pointer as a fragment, `#/severity`.
    pub pointer: String,
    /// What, and what was expected.
    pub detail: String,
}

/// Whose errors a path has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Prometheus,
    Alertmanager,
    Problem,
}

impl Shape {
    pub(super) fn of(path: &str) -> Self {
        if path.starts_with("/api/v1/") {
            Self::Prometheus
        } else if path.starts_with("/api/v2/") {
            Self::Alertmanager
        } else {
            Self::Problem
        }
    }
}

impl Failure {
    fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        let (detail, code) = (detail.into(), status.as_u16());
        Self { status, kind, detail, code, retry_after: None, bare: false, wrong: Vec::new() }
    }

    pub(super) fn bad_data(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_data", detail)
    }

    /// A parameter that can't be what it is, in Prometheus' words.
    pub(super) fn parameter(name: &str, why: impl std::fmt::Display) -> Self {
        Self::bad_data(format!("invalid parameter {name:?}: {why}"))
    }

    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// Who asks has not said who they are, or not convincingly.
    pub(super) fn log_in(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    pub(super) fn too_often(retry_after: u32) -> Self {
        let failure =
            Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "too many requests: wait");
        Self { retry_after: Some(retry_after), ..failure }
    }

    pub(super) fn not_found(path: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("path {path} was not found"))
    }

    pub(super) fn method(method: &http::Method) -> Self {
        let detail = format!("method {method} is not allowed here; the header Allow says what is");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "bad_data", detail)
    }

    pub(super) fn too_large(max: usize) -> Self {
        let detail = format!("the body is larger than {max} bytes: send less at once");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "bad_data", detail)
    }

    pub(super) fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "timeout", "the body did not arrive in time")
    }

    /// A body of another kind than JSON (spec alertmanager §3.1).
    pub(super) fn media_type(found: &str) -> Self {
        let detail = format!("unsupported media type {found:?}, only [application/json] are allowed");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "bad_data", detail)
    }

    /// A client that takes no JSON (spec alertmanager §3.1).
    pub(super) fn not_acceptable() -> Self {
        let detail = "unsupported media type requested, only [application/json] are available";
        Self::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", detail)
    }

    /// A body that is JSON and breaks the schema: 422 with a code of its own (spec alertmanager §3.1).
    pub(super) fn schema(code: u16, detail: String) -> Self {
        Self { code, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_data", detail) }
    }

    pub(super) fn unavailable(detail: impl Into<String>, retry_after: u32) -> Self {
        let failure = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
        Self { retry_after: Some(retry_after), ..failure }
    }

    /// A body of which parts are wrong.
    pub(super) fn wrong(wrong: Vec<Wrong>) -> Self {
        let first =
            wrong.iter().take(3).map(|w| format!("{}: {}", w.pointer.trim_start_matches("#/"), w.detail));
        let mut detail = first.collect::<Vec<_>>().join("; ");
        if wrong.len() > 3 {
            detail += &format!("; and {} more", wrong.len() - 3);
        }
        Self { wrong, ..Self::bad_data(detail) }
    }

    /// Something that isn't there.
    pub(super) fn missing(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// Something that can't be done as things stand.
    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    /// The answer in a shape. Headers of `response`, which a handler made, are kept.
    pub(super) fn write(&self, shape: Shape, mut response: Response) -> Response {
        let (media, text) = match shape {
            Shape::Prometheus => (
                "application/json",
                body::json_text(&Envelope { status: "error", error_type: self.kind, error: &self.detail }),
            ),
            Shape::Alertmanager if self.bare => ("application/json", body::json_text(&self.detail)),
            Shape::Alertmanager => {
                ("application/json", body::json_text(&Coded { code: self.code, message: &self.detail }))
            }
            Shape::Problem => {
                let title = self.status.canonical_reason().unwrap_or("Error");
                let problem = Problem {
                    r#type: "about:blank",
                    title,
                    status: self.status.as_u16(),
                    detail: &self.detail,
                    errors: &self.wrong,
                };
                ("application/problem+json", body::json_text(&problem))
            }
        };
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        headers.remove(header::CONTENT_LENGTH);
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"botwatch\""));
            headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"botwatch\""));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        *response.body_mut() = Body::from(text);
        response
    }
}

/// What could not be made durable: 503, with the time to try again.
impl From<NotDurable> for Failure {
    fn from(refused: NotDurable) -> Self {
        let again = match refused {
            NotDurable::Busy => AGAIN_BUSY,
            NotDurable::Disk | NotDurable::Gone => AGAIN_DISK,
        };
        Self::unavailable(refused.to_string(), again)
    }
}

impl From<Gone> for Failure {
    fn from(gone: Gone) -> Self {
        Self::unavailable(gone.to_string(), AGAIN_DISK)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    status: &'static str,
    error_type: &'static str,
    error: &'a str,
}

#[derive(Serialize)]
struct Coded<'a> {
    code: u16,
    message: &'a str,
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [Wrong],
}
