//! The one outbound HTTP client.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use parking_lot::Mutex;
use url::{Host, Url};

use super::{
    Auth, Error, HttpOptions, Reach, Response, TokenSource,
    address::{Resolver, is_public},
    error::{classify, origin},
    redact::{Secrets, Sent},
    response::target,
    tls::{self, Material},
};
use crate::runtime::Clock;

/// Redirects followed, as Go's client does.
const REDIRECTS_MAX: usize = 10;
/// Time for name, connection and TLS handshake within a request's own time (spec alertmanager §1.7).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an idle connection is kept (spec alertmanager §1.7).
const IDLE_TIMEOUT: Duration = Duration::from_mins(5);
/// Idle connections per peer: one scrape or notification at a time, rarely two.
const IDLE_MAX: usize = 2;
/// Ways out (Unix sockets, TLS names) that have their own connections; over that all are opened anew.
const WAYS_MAX: usize = 256;
/// Headers that are credentials, whoever sets them.
const CREDENTIALS: [HeaderName; 3] = [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];
/// Sent when the caller names no other.
const USER_AGENT: &str = concat!("botwatch/", env!("CARGO_PKG_VERSION"));

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Where to; `http` or `https`. May be a secret.
    pub url: String,
    /// Headers beside the configured ones, which win.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
    /// Time for all of it: name, connection, redirects, the whole answer.
    pub timeout: Duration,
    /// How much of an answer is read.
    pub body_max: BodyMax,
    /// Connect to this socket instead of the URL's host.
    pub unix_socket: Option<PathBuf>,
}

/// How much of an answer's body is read, after decompression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyMax {
    /// More is [`Error::TooLarge`].
    Refuse(usize),
    /// More is left unread.
    Cut(usize),
}

/// Sends requests with one set of options. Connections are kept and shared; cheap to clone.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    options: HttpOptions,
    tokens: Option<TokenSource>,
    ways: Mutex<Ways>,
}

/// Connections by the way they go, for certificates as last read.
#[derive(Default)]
struct Ways {
    material: Arc<Material>,
    clients: BTreeMap<Way, reqwest::Client>,
}

/// What tells connections apart beside the URL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// The URL says it all.
    Url,
    /// As `Url`, past the proxy.
    Direct,
    /// A Unix socket.
    Unix(PathBuf),
    /// This host, under the name of `tls.server_name`.
    Named(String),
}

impl Client {
    /// Checks the options as far as that goes without reading files.
    ///
    /// # Errors
    /// [`Error::Option`], [`Error::Url`].
    pub fn new(options: &HttpOptions, clock: &Clock) -> Result<Self, Error> {
        if options.tls.server_name.is_some() && !options.proxy.is_none() {
            let reason = "can't be combined with a proxy".to_owned();
            return Err(Error::Option { option: "tls_config.server_name", reason });
        }
        for name in options.http_headers.keys().chain(options.proxy.connect_headers.keys()) {
            header_name(name)?;
        }
        let tokens = match &options.auth {
            Auth::OAuth2(oauth2) => Some(TokenSource::new((**oauth2).clone(), clock)?),
            _ => None,
        };
        let client = Self(Arc::new(Inner { options: options.clone(), tokens, ways: Mutex::default() }));
        client.0.proxies()?;
        Ok(client)
    }

    /// Sends a request and reads the whole answer. Any status is an answer.
    ///
    /// # Errors
    /// What kept an answer away.
    pub async fn send(&self, request: Request) -> Result<Response, Error> {
        let url = parse(&request.url)?;
        let (peer, timeout) = (origin(&url), request.timeout);
        match tokio::time::timeout(timeout, self.0.exchange(request, url)).await {
            Ok(result) => result,
            Err(_) => Err(Error::Timeout { peer, after: timeout }),
        }
    }
}

fn parse(url: &str) -> Result<Url, Error> {
    let url = Url::parse(url).map_err(|_| Error::Url { reason: "not a URL" })?;
    check(&url)?;
    Ok(url)
}

pub(super) fn check(url: &Url) -> Result<(), Error> {
    match (url.scheme(), url.host_str()) {
        ("http" | "https", Some(host)) if !host.is_empty() => Ok(()),
        ("http" | "https", _) => Err(Error::Url { reason: "no host" }),
        _ => Err(Error::Url { reason: "scheme is not http or https" }),
    }
}

fn header_name(name: &str) -> Result<HeaderName, Error> {
    HeaderName::try_from(name).map_err(|_| Error::Option {
        option: "http_headers",
        reason: format!("`{name}` is not a header name"),
    })
}

fn secret_value(text: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(text).map_err(|_| Error::Option {
        option: "http_headers",
        reason: "a value is not a header value".to_owned(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}

impl Inner {
    /// The request, its redirects, the answer. A redirect is followed only where the request stays what it is: a POST
    /// that would become a GET (301, 302, 303) carries nothing any more, and 200 to that says nothing.
    async fn exchange(&self, request: Request, mut url: Url) -> Result<Response, Error> {
        let (first, mut sent) = (url.clone(), Sent::default());
        let (mut trusted, mut renewed, mut redirects) = (true, false, 0);
        let reads = request.method == Method::GET || request.method == Method::HEAD;
        loop {
            let response = self.one(&request, &url, trusted, &mut sent.secrets).await?;
            let status = response.status().as_u16();
            if status == 401
                && trusted
                && let Some(tokens) = &self.tokens
            {
                tokens.forget().await;
                // It may have been withdrawn before its time: a new one gets one chance.
                if !std::mem::replace(&mut renewed, true) {
                    continue;
                }
            }
            let follow = self.options.follow_redirects
                && (matches!(status, 307 | 308) || (reads && matches!(status, 301..=303)));
            let to = if follow { target(response.headers(), &url) } else { None };
            sent.urls.push(url.clone());
            let Some(to) = to else { return read(response, origin(&url), request.body_max, sent).await };
            redirects += 1;
            let to = match to {
                Ok(_) if redirects > REDIRECTS_MAX => Err("more than ten"),
                to => to,
            };
            let mut to = to.map_err(|reason| Error::Redirect { peer: origin(&url), reason })?;
            // Once lost, trust stays lost: whoever was in between chose where it leads now.
            trusted = trusted && keeps_trust(&first, &to);
            if trusted && to.username().is_empty() {
                // Cannot fail for http and https with a host.
                let _ = to.set_username(url.username());
                let _ = to.set_password(url.password());
            }
            url = to;
        }
    }

    /// One request to one URL. `trusted`: the host that the caller asked for, which alone gets credentials. `secrets`
    /// learns what is sent.
    async fn one(
        &self,
        request: &Request,
        url: &Url,
        trusted: bool,
        secrets: &mut Secrets,
    ) -> Result<reqwest::Response, Error> {
        if self.options.reach == Reach::Public {
            deny_private(url)?;
        }
        let peer = origin(url);
        let way = self.way(request, url);
        let mut headers = request.headers.clone();
        if trusted {
            self.add_configured(&mut headers, request.timeout).await?;
        } else {
            for name in CREDENTIALS {
                headers.remove(name);
            }
        }
        headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static(USER_AGENT));
        let mut target = url.clone();
        if let (Way::Named(_), Some(name)) = (&way, &self.options.tls.server_name) {
            let host = url[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
            let host = HeaderValue::from_str(&host)
                .map_err(|_| Error::Url { reason: "the host is no header value" })?;
            headers.entry(header::HOST).or_insert(host);
            target
                .set_host(Some(name))
                .map_err(|_| Error::Url { reason: "`server_name` is not a host name" })?;
        }
        if trusted && !url.username().is_empty() {
            headers.entry(header::AUTHORIZATION).or_insert(user_info(url)?);
        }
        for (name, value) in &headers {
            if value.is_sensitive() || CREDENTIALS.contains(name) {
                secrets.add_header(value);
            }
        }
        self.add_proxies(secrets);
        // Cannot fail for http and https with a host.
        let _ = target.set_username("");
        let _ = target.set_password(None);
        let client = self.client(way).await?;
        let sent =
            client.request(request.method.clone(), target).headers(headers).body(request.body.clone()).send();
        sent.await.map_err(|e| classify(e, &peer))
    }

    /// A proxy may show what it was sent, too.
    fn add_proxies(&self, secrets: &mut Secrets) {
        let options = &self.options.proxy;
        for url in [&options.http, &options.https].into_iter().flatten() {
            if let Ok(url) = Url::parse(url.reveal())
                && let Ok(value) = user_info(&url)
            {
                secrets.add_header(&value);
            }
        }
        for value in options.connect_headers.values().flatten() {
            secrets.add(value.reveal());
        }
    }

    fn way(&self, request: &Request, url: &Url) -> Way {
        if let Some(path) = &request.unix_socket {
            return Way::Unix(path.clone());
        }
        if self.options.tls.server_name.is_some() && url.scheme() == "https" {
            return Way::Named(url.host_str().unwrap_or_default().to_owned());
        }
        if self.options.proxy.no_proxy.is_some() && is_loopback(url) { Way::Direct } else { Way::Url }
    }

    /// Credentials and configured headers.
    async fn add_configured(&self, headers: &mut HeaderMap, timeout: Duration) -> Result<(), Error> {
        let authorization = match &self.options.auth {
            Auth::None => None,
            Auth::Basic { username, password } => {
                let (user, password) = (username.read().await?, password.read().await?);
                let pair = format!("{}:{}", user.reveal(), password.reveal());
                Some(format!("Basic {}", BASE64_STANDARD.encode(pair)))
            }
            Auth::Authorization { scheme, credentials } => {
                Some(format!("{scheme} {}", credentials.read().await?.reveal()))
            }
            Auth::OAuth2(_) => match &self.tokens {
                Some(tokens) => Some(format!("Bearer {}", tokens.token(timeout).await?.reveal())),
                None => None,
            },
        };
        if let Some(text) = authorization {
            headers.insert(header::AUTHORIZATION, secret_value(&text)?);
        }
        for (name, values) in &self.options.http_headers {
            let name = header_name(name)?;
            headers.remove(&name);
            for value in values {
                headers.append(&name, secret_value(value.read().await?.reveal())?);
            }
        }
        Ok(())
    }

    /// Kept connections for a way; none are kept over a change of certificates.
    async fn client(&self, way: Way) -> Result<reqwest::Client, Error> {
        let material = Material::read(&self.options.tls).await?;
        let mut ways = self.ways.lock();
        if *ways.material != material {
            *ways = Ways { material: Arc::new(material), clients: BTreeMap::new() };
        }
        if let Some(client) = ways.clients.get(&way) {
            return Ok(client.clone());
        }
        if ways.clients.len() >= WAYS_MAX {
            ways.clients.clear();
        }
        let client = self.build(&way, &ways.material)?;
        ways.clients.insert(way, client.clone());
        Ok(client)
    }

    fn build(&self, way: &Way, material: &Material) -> Result<reqwest::Client, Error> {
        // The name differs from the host only in HTTP/1.1, where the host is a header of its own.
        let http2 = self.options.enable_http2 && !matches!(way, Way::Named(_));
        let alpn: &[&str] = if http2 { &["h2", "http/1.1"] } else { &["http/1.1"] };
        let instead = match way {
            Way::Named(host) => Some(host.as_str().into()),
            _ => None,
        };
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::build(&self.options.tls, material, alpn)?)
            .dns_resolver(Arc::new(Resolver { reach: self.options.reach, instead }))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_MAX)
            .no_proxy();
        match way {
            Way::Unix(path) => builder = builder.unix_socket(path.as_path()),
            Way::Direct => {}
            Way::Url | Way::Named(_) => {
                for proxy in self.proxies()? {
                    builder = builder.proxy(proxy);
                }
            }
        }
        builder
            .build()
            .map_err(|e| Error::Option { option: "http_config", reason: e.without_url().to_string() })
    }

    fn proxies(&self) -> Result<Vec<reqwest::Proxy>, Error> {
        let options = &self.options.proxy;
        let bad = |_| Error::Option { option: "proxy_url", reason: "not the URL of a proxy".to_owned() };
        let mut connect = HeaderMap::new();
        for (name, values) in &options.connect_headers {
            for value in values {
                connect.append(header_name(name)?, secret_value(value.reveal())?);
            }
        }
        let mut proxies = Vec::new();
        if let Some(url) = &options.http {
            proxies.push(reqwest::Proxy::http(url.reveal()).map_err(bad)?);
        }
        if let Some(url) = &options.https {
            proxies.push(reqwest::Proxy::https(url.reveal()).map_err(bad)?);
        }
        let except = options.no_proxy.as_deref().and_then(reqwest::NoProxy::from_string);
        Ok(proxies.into_iter().map(|p| p.no_proxy(except.clone()).headers(connect.clone())).collect())
    }
}

fn user_info(url: &Url) -> Result<HeaderValue, Error> {
    let decode = |text: &str| {
        url::form_urlencoded::parse(format!("x={}", text.replace('+', "%2B")).as_bytes())
            .next()
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    };
    let pair = format!("{}:{}", decode(url.username()), decode(url.password().unwrap_or_default()));
    secret_value(&format!("Basic {}", BASE64_STANDARD.encode(pair)))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(a)) => a.is_loopback(),
        Some(Host::Ipv6(a)) => a.is_loopback(),
        None => false,
    }
}

fn deny_private(url: &Url) -> Result<(), Error> {
    let address: Option<IpAddr> = match url.host() {
        Some(Host::Ipv4(a)) => Some(a.into()),
        Some(Host::Ipv6(a)) => Some(a.into()),
        // The resolver looks at names.
        _ => None,
    };
    match address.filter(|a| !is_public(*a)) {
        Some(address) => Err(Error::Denied { host: url.host_str().unwrap_or_default().to_owned(), address }),
        None => Ok(()),
    }
}

/// Whether credentials for `first` may go to `to`: to no other host, and in the clear only where they began so (spec
/// prometheus S1).
pub(super) fn keeps_trust(first: &Url, to: &Url) -> bool {
    first.host() == to.host() && (first.scheme() != "https" || to.scheme() == "https")
}

async fn read(
    mut response: reqwest::Response,
    peer: String,
    max: BodyMax,
    mut sent: Sent,
) -> Result<Response, Error> {
    let (BodyMax::Refuse(limit) | BodyMax::Cut(limit)) = max;
    let mut body = Vec::with_capacity(response.content_length().unwrap_or(0).min(limit as u64) as usize);
    while let Some(chunk) = response.chunk().await.map_err(|e| classify(e, &peer))? {
        let room = limit - body.len();
        if chunk.len() > room {
            if matches!(max, BodyMax::Refuse(_)) {
                return Err(Error::TooLarge { peer, max: limit });
            }
            body.extend_from_slice(&chunk[..room]);
            sent.cut = true;
            break;
        }
        body.extend_from_slice(&chunk);
    }
    let status = response.status().as_u16();
    Ok(Response { peer, status, headers: std::mem::take(response.headers_mut()), body: body.into(), sent })
}
