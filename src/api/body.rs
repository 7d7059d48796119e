//! Bodies in and out: limits, JSON, gzip.

use std::io::Write as _;

use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body as _;
use serde::Serialize;

use super::{failure::Failure, site::Site};

/// Below this gzip makes it longer or hardly shorter.
const GZIP_MIN: u64 = 1024;

/// Reads a request's body within the limits. Few are read at a time, so that bodies can't take all memory.
pub(super) async fn read(site: &Site, body: Body) -> Result<Bytes, Failure> {
    let max = site.options.body_max;
    if body.size_hint().lower() > max as u64 {
        return Err(Failure::too_large(max));
    }
    let _place = site.bodies.acquire().await;
    let whole = Limited::new(body, max).collect();
    match tokio::time::timeout(site.options.body_timeout, whole).await {
        Err(_) => Err(Failure::too_slow()),
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(e)) if e.is::<LengthLimitError>() => Err(Failure::too_large(max)),
        Ok(Err(_)) => Err(Failure::bad_data("the body broke off")),
    }
}

/// A value as JSON.
pub(super) fn json_text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("maps have string keys, and numbers are finite or null")
}

/// An answer with a value as JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    text(status, "application/json", json_text(value))
}

/// An answer with a text.
pub(super) fn text(status: StatusCode, media: &'static str, text: impl Into<Body>) -> Response {
    let media = [(header::CONTENT_TYPE, HeaderValue::from_static(media))];
    (status, media, text.into()).into_response()
}

/// Whether the client takes gzip (RFC 9110 §12.5.3).
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let (mut named, mut any) = (None, None);
    for value in headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok()) {
        for part in value.split(',') {
            let (coding, rest) = part.split_once(';').unwrap_or((part, ""));
            let q = rest.split(';').find_map(|f| f.trim().strip_prefix("q=")?.trim().parse::<f32>().ok());
            let wanted = q.unwrap_or(1.0) > 0.0;
            match coding.trim().to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => named = Some(wanted),
                "*" => any = Some(wanted),
                _ => {}
            }
        }
    }
    named.or(any).unwrap_or(false)
}

/// Compresses an answer that is whole in memory and long enough.
pub(super) async fn gzip(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    parts.headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if body.size_hint().exact().is_none_or(|n| n < GZIP_MIN)
        || parts.headers.contains_key(header::CONTENT_ENCODING)
    {
        return Response::from_parts(parts, body);
    }
    let Ok(whole) = body.collect().await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let whole = whole.to_bytes();
    let mut encoder = GzEncoder::new(Vec::with_capacity(whole.len() / 4), Compression::fast());
    let packed = encoder.write_all(&whole).and_then(|()| encoder.finish());
    let body = match packed {
        Ok(packed) => {
            parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            parts.headers.remove(header::CONTENT_LENGTH);
            Body::from(packed)
        }
        Err(_) => Body::from(whole),
    };
    Response::from_parts(parts, body)
}
