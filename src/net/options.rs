//! What can be set: `http_config` and its parts (spec alertmanager §1.7).

use std::collections::BTreeMap;

use botwatch_core::model::Secret;

use super::SecretSource;

/// Settings of one HTTP client. The default is Prometheus': redirects followed, HTTP/2 on, no credentials.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpOptions {
    /// Credentials.
    pub auth: Auth,
    /// TLS towards the peer.
    pub tls: TlsOptions,
    /// Proxy.
    pub proxy: ProxyOptions,
    /// Whether redirects are followed, ten at most.
    pub follow_redirects: bool,
    /// Whether HTTP/2 is offered in the TLS handshake.
    pub enable_http2: bool,
    /// Headers sent with each request, each with its values; treated as secrets.
    pub http_headers: BTreeMap<String, Vec<SecretSource>>,
    /// Which addresses may be connected to.
    pub reach: Reach,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            auth: Auth::None,
            tls: TlsOptions::default(),
            proxy: ProxyOptions::default(),
            follow_redirects: true,
            enable_http2: true,
            http_headers: BTreeMap::new(),
            reach: Reach::Any,
        }
    }
}

/// Credentials of a request; at most one kind.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Auth {
    /// None.
    #[default]
    None,
    /// `basic_auth`.
    Basic {
        /// User name.
        username: SecretSource,
        /// Password.
        password: SecretSource,
    },
    /// `authorization`, and the older `bearer_token`: `Authorization: <scheme> <credentials>`.
    Authorization {
        /// `Bearer` unless set.
        scheme: String,
        /// What follows it.
        credentials: SecretSource,
    },
    /// `oauth2`: a token fetched and kept until it expires.
    OAuth2(Box<OAuth2>),
}

/// How a token is got from an OAuth 2 token endpoint (RFC 6749).
#[derive(Debug, Clone, PartialEq)]
pub struct OAuth2 {
    /// Client.
    pub client_id: String,
    /// Its secret; public clients have none.
    pub client_secret: Option<SecretSource>,
    /// Token endpoint.
    pub token_url: String,
    /// Scopes asked for.
    pub scopes: Vec<String>,
    /// Further form fields.
    pub endpoint_params: BTreeMap<String, String>,
    /// What is exchanged for a token.
    pub grant: Grant,
    /// TLS towards the token endpoint.
    pub tls: TlsOptions,
    /// Proxy towards the token endpoint.
    pub proxy: ProxyOptions,
}

/// What is exchanged for an access token.
#[derive(Debug, Clone, PartialEq)]
pub enum Grant {
    /// The client's own credentials (RFC 6749 §4.4).
    ClientCredentials,
    /// A refresh token (RFC 6749 §6). If the answer brings a new one, that is used from then on.
    RefreshToken(SecretSource),
}

/// `tls_config`. Certificates and keys are PEM, and files are read anew when they change.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TlsOptions {
    /// Trust these authorities, and only these.
    pub ca: Option<SecretSource>,
    /// Our certificate chain.
    pub cert: Option<SecretSource>,
    /// Its key.
    pub key: Option<SecretSource>,
    /// The name to ask for and to verify, where it differs from the host that is connected to.
    pub server_name: Option<String>,
    /// Accept any certificate.
    pub insecure_skip_verify: bool,
    /// Lowest version; TLS 1.0 and 1.1 are never spoken.
    pub min_version: Option<TlsVersion>,
    /// Highest version.
    pub max_version: Option<TlsVersion>,
}

/// A version of TLS, as `TLS10` … `TLS13` are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.0.
    Tls10,
    /// TLS 1.1.
    Tls11,
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// Proxies, by scheme of the request. `proxy_url` sets both; `proxy_from_environment` sets what the environment says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProxyOptions {
    /// Proxy of `http:` requests; may hold a password.
    pub http: Option<Secret>,
    /// Proxy of `https:` requests; may hold a password.
    pub https: Option<Secret>,
    /// Hosts that are reached directly: names, suffixes, addresses, CIDR blocks, comma-separated. When set, even to
    /// nothing, the loopback is reached directly too.
    pub no_proxy: Option<String>,
    /// Headers of the `CONNECT` request.
    pub connect_headers: BTreeMap<String, Vec<Secret>>,
}

impl ProxyOptions {
    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.http.is_none() && self.https.is_none()
    }
}

/// Which addresses a client may connect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// All.
    #[default]
    Any,
    /// Only public ones: against requests that others make us send into our own network.
    Public,
}
