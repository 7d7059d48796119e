//! How requests are made: the HTTP client section of scrape jobs and receivers (spec S22, alertmanager §1.7).

use std::sync::Arc;

use botwatch_core::{
    diag::Span,
    model::Secret,
    yaml::{Node, Reader, Value},
};

use crate::config::value::{
    At, Out, Place, ProxyUrl, Read, SecretPairs, Show, Url, choice, exclusive, place, section,
};

section! {
    /// How requests are made.
    pub struct Http("an HTTP client section", "*", check Http::check) {
        /// Name and password.
        basic_auth: BasicAuth,
        /// The `Authorization` header.
        authorization: Authorization,
        /// A token that is fetched.
        oauth2: OAuth2,
        /// An older form of `authorization`.
        bearer_token: At<Secret>,
        /// An older form of `authorization`.
        bearer_token_file: At<Arc<str>>,
        /// TLS.
        tls_config: Tls,
        /// Whether redirects are followed.
        follow_redirects: At<bool>,
        /// Whether HTTP/2 is offered.
        enable_http2: At<bool>,
        /// The proxy for all requests.
        proxy_url: At<ProxyUrl>,
        /// Hosts that are reached without the proxy.
        no_proxy: At<Arc<str>>,
        /// Whether `HTTP_PROXY` and its like decide.
        proxy_from_environment: At<bool>,
        /// Headers for the proxy itself.
        proxy_connect_header: ProxyHeaders,
        /// Further headers.
        http_headers: Headers,
    }
}

section! {
    /// Name and password.
    pub struct BasicAuth("`basic_auth`", "basic_auth", check BasicAuth::check) {
        /// The name.
        username: At<Arc<str>>,
        /// A file with the name.
        username_file: At<Arc<str>>,
        /// The password.
        password: At<Secret>,
        /// A file with the password.
        password_file: At<Arc<str>>,
    }
}

section! {
    /// The `Authorization` header.
    pub struct Authorization("`authorization`", "authorization", check Authorization::check) {
        /// The scheme; `Bearer` unless set.
        r#type as "type": At<Arc<str>>,
        /// What follows the scheme.
        credentials: At<Secret>,
        /// A file with what follows the scheme, read on each use.
        credentials_file: At<Arc<str>>,
    }
}

section! {
    /// A token that is fetched by OAuth 2 with the client's own credentials.
    pub struct OAuth2("`oauth2`", "oauth2", check OAuth2::check) {
        /// The client.
        client_id: At<Arc<str>>,
        /// Its secret.
        client_secret: At<Secret>,
        /// A file with its secret.
        client_secret_file: At<Arc<str>>,
        /// What is asked for.
        scopes: Vec<At<Arc<str>>>,
        /// Where the token is.
        token_url: At<Url>,
        /// Further form fields.
        endpoint_params: SecretPairs,
        /// TLS to the token's server.
        tls_config: Tls,
        /// The proxy to the token's server.
        proxy_url: At<ProxyUrl>,
        /// Hosts that are reached without the proxy.
        no_proxy: At<Arc<str>>,
        /// Whether `HTTP_PROXY` and its like decide.
        proxy_from_environment: At<bool>,
        /// Headers for the proxy itself.
        proxy_connect_header: ProxyHeaders,
    }
}

section! {
    /// TLS to a server.
    pub struct Tls("`tls_config`", "tls_config", check Tls::check) {
        /// Trusted roots, PEM.
        ca: At<Arc<str>>,
        /// A file with trusted roots.
        ca_file: At<Arc<str>>,
        /// Our certificate, PEM.
        cert: At<Arc<str>>,
        /// A file with our certificate.
        cert_file: At<Arc<str>>,
        /// Our key, PEM.
        key: At<Secret>,
        /// A file with our key.
        key_file: At<Arc<str>>,
        /// The name that the server's certificate must have.
        server_name: At<Arc<str>>,
        /// Takes any certificate.
        insecure_skip_verify: At<bool>,
        /// The oldest version.
        min_version: At<TlsVersion>,
        /// The newest version.
        max_version: At<TlsVersion>,
    }
}

choice! {
    /// A version of TLS, oldest first.
    pub enum TlsVersion {
        /// 1.0, which nothing here speaks.
        Tls10 = "TLS10",
        /// 1.1, which nothing here speaks.
        Tls11 = "TLS11",
        /// 1.2
        Tls12 = "TLS12",
        /// 1.3
        Tls13 = "TLS13",
    }
}

/// Headers of requests by name, in the order written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Headers(pub Vec<(At<Arc<str>>, Header)>);

/// Headers for a proxy by name, each with its secret values, in the order written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProxyHeaders(pub Vec<(Arc<str>, Vec<At<Secret>>)>);

impl Read for ProxyHeaders {
    fn read(reader: &mut Reader, node: &Node) -> Option<Self> {
        let Value::Mapping(entries) = &node.value else {
            reader.expected("a mapping of header names to lists", node);
            return None;
        };
        let mut headers = Vec::new();
        for (key, value) in entries {
            headers.extend(Vec::read(reader, value).map(|values| (Arc::clone(&key.text), values)));
        }
        Some(Self(headers))
    }
}

impl Show for ProxyHeaders {
    fn show(&self) -> Option<Out> {
        Some(Out::Map(self.0.iter().filter_map(|(n, v)| Some((n.to_string(), v.show()?))).collect()))
    }
}

section! {
    /// The values of one header.
    pub struct Header("a header of `http_headers`", "http_headers") {
        /// Values. Not shown either: tokens are what headers are mostly set for.
        values: Vec<At<Secret>>,
        /// Values that must not be shown.
        secrets: Vec<At<Secret>>,
        /// Files with a value each.
        files: Vec<At<Arc<str>>>,
    }
}

/// Headers that the client sets itself (prometheus/common `ReservedHeaders`).
const RESERVED: &[&str] = &[
    "authorization",
    "host",
    "content-encoding",
    "content-length",
    "content-type",
    "user-agent",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "www-authenticate",
    "accept-encoding",
    "x-prometheus-remote-write-version",
    "x-prometheus-remote-read-version",
    "x-prometheus-scrape-timeout-seconds",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-content-sha256",
];

/// Whether a text can name a header that a configuration may set; why not.
pub fn check_header_name(name: &str) -> Result<(), String> {
    if RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
        return Err(format!("the header `{name}` is set by the client itself"));
    }
    if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Err(format!("`{name}` is no header name"));
    }
    Ok(())
}

impl Read for Headers {
    fn read(reader: &mut Reader, node: &Node) -> Option<Self> {
        let Value::Mapping(entries) = &node.value else {
            reader.expected("a mapping of header names to `values`, `secrets` or `files`", node);
            return None;
        };
        let mut headers = Vec::new();
        for (key, value) in entries {
            if let Err(why) = check_header_name(&key.text) {
                reader.invalid(why, "choose another header", key.span);
            }
            let name = At { value: Arc::clone(&key.text), place: Some(Place::of(reader, key.span)) };
            headers.extend(Header::read(reader, value).map(|header| (name, header)));
        }
        Some(Self(headers))
    }
}

impl Show for Headers {
    fn show(&self) -> Option<Out> {
        Some(Out::Map(self.0.iter().filter_map(|(n, h)| Some((n.value.to_string(), h.show()?))).collect()))
    }
}

impl Http {
    /// What excludes what (spec alertmanager §1.7).
    fn check(&self, reader: &mut Reader, _: Span) {
        let auths = [
            ("basic_auth", self.basic_auth.as_ref().and_then(|b| b.place.as_ref())),
            ("authorization", self.authorization.as_ref().and_then(|a| a.place.as_ref())),
            ("oauth2", self.oauth2.as_ref().and_then(|o| o.place.as_ref())),
            ("bearer_token", place(&self.bearer_token)),
            ("bearer_token_file", place(&self.bearer_token_file)),
        ];
        let given: Vec<_> = auths.iter().filter_map(|(name, place)| place.map(|p| (*name, p))).collect();
        if let [(first, _), (second, place), ..] = given.as_slice() {
            let d = place.error("conflict", format!("`{first}` and `{second}` exclude each other"));
            reader.report(d.label("one way to log in is enough"));
        }
        if let Some(url) = self.proxy_url.as_ref().filter(|u| !u.0.is_empty())
            && !["http://", "https://", "socks5://"].iter().any(|scheme| url.0.starts_with(scheme))
        {
            reader.report(
                url.error("invalid-url", "not the URL of a proxy").label("expected `http://host:port`"),
            );
        }
        self.check_proxy(reader);
    }

    fn check_proxy(&self, reader: &mut Reader) {
        let from_environment = self.proxy_from_environment.as_ref().filter(|p| p.value);
        if let Some(place) = from_environment.and(place(&self.proxy_url).or_else(|| place(&self.no_proxy))) {
            let d = place.error("conflict", "`proxy_from_environment` excludes `proxy_url` and `no_proxy`");
            reader.report(d.label("remove one"));
        }
        if let (Some(place), None) = (place(&self.no_proxy), &self.proxy_url)
            && from_environment.is_none()
        {
            reader.report(
                place
                    .error("conflict", "`no_proxy` without `proxy_url`")
                    .label("there is no proxy to pass by"),
            );
        }
    }
}

impl BasicAuth {
    fn check(&self, reader: &mut Reader, _: Span) {
        exclusive(reader, ("username", &self.username), ("username_file", &self.username_file));
        exclusive(reader, ("password", &self.password), ("password_file", &self.password_file));
    }
}

impl OAuth2 {
    fn check(&self, reader: &mut Reader, span: Span) {
        for (key, missing) in [
            ("client_id", self.client_id.as_ref().map_or(self.lacks(&["client_id"]), |v| v.is_empty())),
            ("token_url", self.lacks(&["token_url"])),
        ] {
            if missing {
                let d = reader.error("missing-key", format!("`oauth2` has no `{key}`"), span);
                reader.report(d.label(format!("`{key}` is needed here")));
            }
        }
        exclusive(
            reader,
            ("client_secret", &self.client_secret),
            ("client_secret_file", &self.client_secret_file),
        );
    }
}

impl Authorization {
    fn check(&self, reader: &mut Reader, _: Span) {
        exclusive(reader, ("credentials", &self.credentials), ("credentials_file", &self.credentials_file));
        if let Some(kind) = self.r#type.as_ref().filter(|t| t.eq_ignore_ascii_case("basic")) {
            let d = kind.error("conflict", "`authorization` can't be of type `basic`");
            reader.report(d.label("use `basic_auth`"));
        }
    }
}

impl Tls {
    fn check(&self, reader: &mut Reader, _: Span) {
        exclusive(reader, ("ca", &self.ca), ("ca_file", &self.ca_file));
        exclusive(reader, ("cert", &self.cert), ("cert_file", &self.cert_file));
        exclusive(reader, ("key", &self.key), ("key_file", &self.key_file));
        let cert = place(&self.cert).or_else(|| place(&self.cert_file));
        let key = place(&self.key).or_else(|| place(&self.key_file));
        match (cert, key) {
            (Some(place), None) => {
                reader
                    .report(place.error("conflict", "a certificate without its key").label("add `key_file`"));
            }
            (None, Some(place)) => {
                reader.report(
                    place.error("conflict", "a key without its certificate").label("add `cert_file`"),
                );
            }
            _ => {}
        }
        // As a lower bound the broken versions do no harm: they are never spoken.
        if let Some(version) =
            self.max_version.as_ref().filter(|v| matches!(v.value, TlsVersion::Tls10 | TlsVersion::Tls11))
        {
            let d = version.error("not-supported", format!("`{}` is not supported", version.as_str()));
            reader.report(d.label("TLS 1.0 and 1.1 are broken; use `TLS12` or `TLS13`"));
        }
    }
}
