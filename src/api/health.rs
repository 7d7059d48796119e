//! `/-/healthy`, `/-/ready`, `/-/reload` (spec prometheus A17).

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::StatusCode;
use tokio::sync::oneshot;

use super::{body, failure::Failure, site::Site};

const PLAIN: &str = "text/plain; charset=utf-8";

/// Alive: it answers.
pub(super) async fn healthy() -> Response {
    body::text(StatusCode::OK, PLAIN, "botwatch is healthy.\n")
}

/// Ready: configuration, journal and alert state are loaded.
pub(super) async fn ready(State(site): State<Arc<Site>>) -> Response {
    match site.status.view().not_ready {
        None => body::text(StatusCode::OK, PLAIN, "botwatch is ready.\n"),
        Some(why) => {
            body::text(StatusCode::SERVICE_UNAVAILABLE, PLAIN, format!("botwatch is not ready: {why}\n"))
        }
    }
}

/// Reloads. It goes on when the client leaves, so that it is never cut in the middle.
pub(super) async fn reload(State(site): State<Arc<Site>>) -> Result<Response, Failure> {
    let stopping = || Failure::unavailable("botwatch is stopping", 10);
    let place = Arc::clone(&site.reloading).acquire_owned().await.map_err(|_| stopping())?;
    let (sender, receiver) = oneshot::channel();
    let reloader = Arc::clone(&site.reloader);
    site.tasks.spawn("reload by request", async move {
        let result = reloader.reload().await;
        drop(place);
        // Nobody waits any more when the client has left.
        let _ = sender.send(result);
    });
    match receiver.await.map_err(|_| stopping())? {
        Ok(()) => Ok(body::text(StatusCode::OK, PLAIN, "")),
        Err(why) => Ok(body::text(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, why)),
    }
}
