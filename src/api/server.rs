//! Sockets: accepting, limits, the way through a request, and the stop.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    response::{IntoResponse as _, Response},
};
use botwatch_core::{access::any_contains, diag::chain, model::Secret};
use http::{HeaderValue, Request, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tower::ServiceExt as _;

use super::{
    Options, Parts,
    access::{self, Caller},
    admission::{self, Elsewhere},
    body,
    failure::{Failure, Shape},
    prefix::{self, Entry},
    router,
    site::Site,
    stream::Steady,
};
use crate::{
    net::is_public,
    runtime::{Clock, Tasks},
};

/// Wait after an accept that failed for want of file descriptors or memory.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// Time for a head while few connections are left.
const HEAD_TIMEOUT_BUSY: Duration = Duration::from_secs(1);
/// The head of a request at most; the rest of hyper's buffer is for its body.
const HEAD_MAX: usize = 64 << 10;

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address can't be listened on.
    #[error("can't listen on `{address}`")]
    Listen {
        /// As configured.
        address: Arc<str>,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A metric of this module is registered already.
    #[error("metrics of the server")]
    Metrics(#[from] prometheus::Error),
}

/// A server that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Where it listens.
    pub address: SocketAddr,
}

/// A socket that is listened on; connections wait until they are served.
pub struct Listening {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listening {
    /// The address, with the port that the system chose where none was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The server.
pub struct Server;

impl Server {
    /// Listens. To be done before anything is said to anybody: a second botwatch must fail here.
    ///
    /// # Errors
    /// When the address can't be listened on.
    pub async fn bind(options: &Options) -> Result<Listening, Error> {
        let failed = |source| Error::Listen { address: Arc::clone(&options.listen), source };
        let listener = listen(&options.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Listening { listener, address })
    }

    /// Serves until `tasks` stop: then no connection is taken any more, answers under way are finished
    /// within [`Options::drain`].
    ///
    /// # Errors
    /// When a server was started with the same metrics before.
    pub fn start(
        tasks: &Tasks,
        clock: &Clock,
        options: Options,
        listening: Listening,
        parts: Parts,
    ) -> Result<Bound, Error> {
        let site = Site::new(tasks.clone(), clock.clone(), options, parts)?;
        Ok(Self::serve(listening, Arc::new(site)))
    }

    pub(super) fn serve(listening: Listening, site: Arc<Site>) -> Bound {
        let Listening { listener, address } = listening;
        let tasks = site.tasks.clone();
        tasks.spawn("http", accept(listener, site));
        Bound { address }
    }
}

/// An empty host is every address, IPv6 and IPv4 where the system has both.
pub(super) async fn listen(address: &str) -> io::Result<TcpListener> {
    match address.strip_prefix(':') {
        None => TcpListener::bind(address).await,
        Some(port) => match TcpListener::bind(format!("[::]:{port}")).await {
            Ok(listener) => Ok(listener),
            Err(_) => TcpListener::bind(format!("0.0.0.0:{port}")).await,
        },
    }
}

async fn accept(listener: TcpListener, site: Arc<Site>) {
    let stop = site.tasks.stop_token();
    let places = Arc::new(Semaphore::new(site.options.connections_max));
    let elsewhere = Arc::new(Mutex::new(Elsewhere::new(&site.options)));
    let router = router::router(Arc::clone(&site));
    loop {
        // Who finds no place waits in the system's queue.
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
            Some((place, Ok((stream, peer)))) => {
                let admitted = match admission::admit(&elsewhere, peer.ip()) {
                    Ok(admitted) => admitted,
                    // Closed without a word: an answer would cost what there is too little of.
                    Err(full) => {
                        site.counts.turned_away.with_label_values(&[full.reason()]).inc();
                        continue;
                    }
                };
                let few = places.available_permits() <= site.options.connections_max / 4;
                let patience = if few || elsewhere.lock().is_nearly_full() {
                    site.options.head_timeout.min(HEAD_TIMEOUT_BUSY)
                } else {
                    site.options.head_timeout
                };
                let (site, router) = (Arc::clone(&site), router.clone());
                let tasks = site.tasks.clone();
                tasks.spawn("http connection", async move {
                    site.counts.connections.inc();
                    connection(stream, peer.ip(), patience, &site, router).await;
                    site.counts.connections.dec();
                    drop(admitted);
                    drop(place);
                });
            }
            // The peer has gone already, or we are short of something: both pass.
            Some((_, Err(_))) => tokio::time::sleep(ACCEPT_AGAIN).await,
        }
    }
}

async fn connection(stream: TcpStream, peer: IpAddr, patience: Duration, site: &Arc<Site>, router: Router) {
    // Small answers must not wait for more to be written; failing to say so only costs time.
    let _ = stream.set_nodelay(true);
    let io = TokioIo::new(Steady::new(stream, site.options.stall_timeout));
    let service = service_fn(|request| answer(peer, Arc::clone(site), router.clone(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_buf_size(HEAD_MAX)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    let stop = site.tasks.stop_token();
    tokio::select! {
        // What breaks a connection is the client's business.
        _ = connection.as_mut() => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = tokio::time::timeout(site.options.drain, connection).await;
}

async fn answer(
    peer: IpAddr,
    site: Arc<Site>,
    router: Router,
    mut request: Request<Incoming>,
) -> Result<Response, Infallible> {
    let watch = site.clock.stopwatch();
    let entry = prefix::enter(request.uri(), &site.options.route_prefix);
    if let Entry::Inside(uri) = &entry {
        *request.uri_mut() = uri.clone();
    }
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let packed = body::takes_gzip(request.headers());
    let mut reason = None;
    let response = match (asks(peer, &request, &site).await, entry) {
        (Err(failure), _) => failure.into_response(),
        (Ok(caller), Entry::Inside(_)) => {
            reason = Some(caller.reason());
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(caller);
            match router.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        }
        (Ok(_), Entry::Elsewhere(page)) => (StatusCode::FOUND, [(header::LOCATION, page)]).into_response(),
        (Ok(_), Entry::Outside) => Failure::not_found(&path).into_response(),
    };
    let mut response = finish(response, &path);
    if let Some(reason) = reason
        && matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
    {
        site.counts.refused.with_label_values(&[reason]).inc();
    }
    let handler = router::handler(&path);
    site.counts.requests.with_label_values(&[handler, response.status().as_str()]).inc();
    let (status, milliseconds) = (response.status().as_u16(), (watch.seconds() * 1000.0).round());
    // Without the query: it may hold a secret.
    tracing::debug!(%method, path, status, milliseconds, "answered");
    if packed {
        response = body::gzip(response).await;
    }
    Ok(response)
}

/// Who asks. Wrong credentials are refused at once, also where none are needed.
async fn asks(peer: IpAddr, request: &Request<Incoming>, site: &Site) -> Result<Caller, Failure> {
    let access = site.access.get();
    let (client, forwarded) = access::client(peer, request.headers(), &access.trusted_proxies);
    let outside = !access.allow.is_empty() && !any_contains(&access.allow, client);
    // Who asks by way of a proxy that isn't believed asks from the proxy's address.
    if outside && !(client.is_loopback() && forwarded.is_none()) {
        site.counts.refused.with_label_values(&["network"]).inc();
        return Err(Failure::forbidden(format!("`auth.allow` does not have the address {client}")));
    }
    let webhook = request.uri().path().starts_with(WEBHOOKS);
    if webhook || !(client.is_loopback() && forwarded.is_none()) {
        site.may_ask(client, webhook, &access)
            .inspect_err(|_| site.counts.refused.with_label_values(&["rate"]).inc())?;
    }
    let caller = identify(client, forwarded.as_deref(), request, site, &access).await?;
    Ok(caller.from(client))
}

async fn identify(
    peer: IpAddr,
    forwarded: Option<&str>,
    request: &Request<Incoming>,
    site: &Site,
    policy: &access::Access,
) -> Result<Caller, Failure> {
    let headers = request.headers();
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = match (request.uri().authority(), hosts.next(), hosts.next()) {
        // Two are one too many: who stands in between may have looked at the other.
        (_, _, Some(_)) => None,
        (Some(authority), ..) => Some(authority.as_str()),
        (None, host, None) => host.and_then(|h| h.to_str().ok()),
    };
    let origin = headers.get(header::ORIGIN).map(|o| o.to_str().unwrap_or_default());
    let asked = access::Asked { peer, host, origin, forwarded };
    let external = site.options.external_url.as_ref();
    // A proxy may stand for anybody, a page in somebody's browser for whoever made it.
    let nearby = policy.webhook.is_none()
        && forwarded.is_none()
        && origin.is_none()
        && !is_public(peer.to_canonical());
    let local = access::check(asked, external);
    let Some(token) = access::token(headers) else {
        return Ok(match local {
            Ok(()) => match policy.loopback {
                Some(role) => Caller::local(role),
                None => Caller::unknown(nearby, log_in(site, request), "credentials"),
            },
            Err(refused) => {
                Caller::unknown(nearby && refused.is_place(), refused.failure(), refused.reason())
            }
        });
    };
    // A browser sends what it has remembered along with what another's page asks.
    if let Err(refused @ access::Refused::Origin(_)) = access::check_origin(asked, external) {
        site.counts.refused.with_label_values(&[refused.reason()]).inc();
        return Err(refused.failure());
    }
    if let (Some(webhook), Some(Ok(token))) = (&policy.webhook, Some(&token))
        && request.uri().path().starts_with(WEBHOOKS)
        && access::same(token, read_secret(webhook).await?.reveal())
    {
        return Ok(Caller::sender());
    }
    let now = site.clock.now();
    let holder = token.and_then(|token| {
        let accounts = site.accounts.as_ref().ok_or("a token, and none are known here")?;
        accounts.holder(&token, now).ok_or("a token that is not known, has expired, or was revoked")
    });
    match holder {
        Ok(holder) => Ok(Caller::holder(holder, nearby)),
        Err(why) => {
            site.counts.refused.with_label_values(&["credentials"]).inc();
            Err(site.wrong_credentials(now, peer, why))
        }
    }
}

/// Where webhooks come in.
const WEBHOOKS: &str = "/api/alerting/webhook/";

/// The webhooks' secret at this moment.
pub(super) async fn read_secret(webhook: &access::WebhookSecret) -> Result<Secret, Failure> {
    webhook.secret.read().await.map_err(|error| {
        tracing::error!(error = %chain(&error), "the webhooks' secret can't be read");
        Failure::unavailable("the webhooks' secret can't be read: the log says why", 10)
    })
}

/// The exact next command of somebody on this machine.
fn log_in(site: &Site, request: &Request<Incoming>) -> Failure {
    let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let host = request.headers().get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or("localhost:9095");
    let method = match request.method().as_str() {
        "GET" => String::new(),
        other => format!(" -X {other}"),
    };
    Failure::log_in(format!(
        "say who you are: curl{method} -H \"Authorization: Bearer $(cat {})\" 'http://{host}{path}'; or set \
         `auth: {{loopback: operator}}` to let callers on this machine in",
        site.options.admin_file
    ))
}

/// Writes a failure in the shape of its path, and adds what every answer says.
fn finish(mut response: Response, path: &str) -> Response {
    if let Some(failure) = response.extensions_mut().remove::<Failure>() {
        response = failure.write(Shape::of(path), response);
    }
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
