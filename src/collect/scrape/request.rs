//! Asking a target (spec S1–S3).

use std::sync::Arc;

use botwatch_core::exposition::{Escaping, Format, accept_header, check_offered, format_of};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::{Error, Plan};
use crate::net::{BodyMax, Client, Error as NetError, Request, Response};

/// The bound of an answer where no `body_size_limit` is set: several times the largest exporters.
const BODY_MAX: usize = 32 << 20;

const TIMEOUT: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

/// Gets a target's answer, and in which format it is.
///
/// # Errors
/// When there is none, or none that can be parsed.
pub(super) async fn fetch(plan: &Plan) -> Result<(Bytes, Format), Error> {
    if let Some((found, max)) = plan.targets_over {
        return Err(Error::Targets { found, max });
    }
    let client: &Client = plan.client.as_ref().map_err(|e| Error::Client(Arc::clone(e)))?;
    let max = match plan.job.body_size_limit {
        0 => BODY_MAX,
        limit => limit,
    };
    let request = Request {
        method: Method::GET,
        url: plan.target.url.clone(),
        headers: headers(plan),
        body: Bytes::new(),
        timeout: plan.target.timeout.to_std(),
        body_max: BodyMax::Refuse(max),
        unix_socket: plan.target.socket.clone(),
    };
    let response = client.send(request).await.map_err(|error| match error {
        NetError::TooLarge { max, .. } => Error::BodySize { max },
        other => Error::Fetch(other),
    })?;
    let response = success(response)?;
    let content_type =
        response.headers.get(header::CONTENT_TYPE).map(|v| String::from_utf8_lossy(v.as_bytes()));
    let (content_type, fallback) = (content_type.as_deref(), plan.job.fallback_protocol);
    let format = format_of(content_type, fallback)?;
    check_offered(format, content_type, &plan.job.protocols, fallback)?;
    Ok((response.body, format))
}

fn success(response: Response) -> Result<Response, Error> {
    match response.success().map_err(Error::Fetch)? {
        response if response.status == 200 => Ok(response),
        response => Err(Error::Status { status: response.status }),
    }
}

fn headers(plan: &Plan) -> HeaderMap {
    let mut headers = HeaderMap::new();
    // Both are made of ASCII words and numbers.
    if let Ok(accept) = HeaderValue::from_str(&accept_header(&plan.job.protocols, Escaping::AllowUtf8)) {
        headers.insert(header::ACCEPT, accept);
    }
    if let Ok(timeout) = HeaderValue::from_str(&plan.target.timeout.as_secs_f64().to_string()) {
        headers.insert(TIMEOUT, timeout);
    }
    let encoding = if plan.job.enable_compression { "gzip" } else { "identity" };
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(encoding));
    headers
}
