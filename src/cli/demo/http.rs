//! A small HTTP server for this machine: for the simulated bot, and in place of Slack and webhooks.
//!
//! Not `api`'s, whose limits, metrics and access rules are those of botwatch's own address: what it counts there would
//! be said of botwatch.

use std::{convert::Infallible, io, net::Ipv4Addr, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header, request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use crate::runtime::Tasks;

/// Connections at a time: one botwatch and somebody with curl.
pub(super) const CONNECTIONS_MAX: usize = 16;
/// A message is some ten KiB.
const BODY_MAX: usize = 4 << 20;
/// Time for a request's head, and for its body.
const PATIENCE: Duration = Duration::from_secs(10);
/// What can't be accepted just now is tried again.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

pub(super) type Answer = Response<Full<Bytes>>;
/// May block shortly, for a file.
pub(super) type Handler = Arc<dyn Fn(&request::Parts, Bytes) -> Answer + Send + Sync>;

/// An answer.
pub(super) fn answer(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// Serves on a free port of the loopback until `tasks` stop.
///
/// # Errors
/// When there is no port.
pub(super) async fn serve(tasks: &Tasks, name: &'static str, handler: Handler) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let (own, stop) = (tasks.clone(), tasks.stop_token());
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    tasks.spawn(name, async move {
        loop {
            let next = async {
                let place = Arc::clone(&places).acquire_owned().await.ok()?;
                Some((place, listener.accept().await))
            };
            let next = tokio::select! {
                () = stop.cancelled() => return,
                next = next => next,
            };
            match next {
                None => return,
                Some((place, Ok((stream, _)))) => {
                    let (tasks, handler) = (own.clone(), Arc::clone(&handler));
                    own.spawn(name, async move {
                        connection(stream, &tasks, handler).await;
                        drop(place);
                    });
                }
                Some((_, Err(_))) => tokio::time::sleep(ACCEPT_AGAIN).await,
            }
        }
    });
    Ok(address)
}

async fn connection(stream: TcpStream, tasks: &Tasks, handler: Handler) {
    let service = service_fn(|request| respond(tasks.clone(), Arc::clone(&handler), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let stop = tasks.stop_token();
    tokio::select! {
        // What breaks a connection is the client's business.
        _ = connection.as_mut() => {}
        () = stop.cancelled() => {}
    }
}

async fn respond(tasks: Tasks, handler: Handler, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let refused = |status| answer(status, "text/plain; charset=utf-8", Bytes::new());
    let (asked, body) = request.into_parts();
    // No web page has business here.
    if asked.headers.contains_key(header::ORIGIN) {
        return Ok(refused(StatusCode::FORBIDDEN));
    }
    let body = match tokio::time::timeout(PATIENCE, Limited::new(body, BODY_MAX).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => return Ok(refused(StatusCode::PAYLOAD_TOO_LARGE)),
        Err(_) => return Ok(refused(StatusCode::REQUEST_TIMEOUT)),
    };
    let answered = tasks.blocking(move || handler(&asked, body)).await;
    Ok(answered.unwrap_or_else(|| refused(StatusCode::INTERNAL_SERVER_ERROR)))
}
