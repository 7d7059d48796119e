//! `http_config` and its parts into `net`'s options (spec alertmanager §1.7).

use std::{collections::BTreeMap, sync::Arc};

use botwatch_core::model::Secret;

use super::{or, paths, text};
use crate::{
    config::{
        env::Env,
        file::{BasicAuth, Http, OAuth2, ProxyHeaders, Tls, TlsVersion, XOAuth2},
        value::{At, ProxyUrl},
    },
    net::{self, Auth, Grant, HttpOptions, ProxyOptions, SecretSource, TlsOptions},
};

/// A secret in place or in a file.
pub(super) fn secret(inline: Option<&At<Secret>>, file: Option<&At<Arc<str>>>) -> Option<SecretSource> {
    match (inline, file) {
        (Some(at), _) => Some(SecretSource::Inline(at.value.clone())),
        (None, Some(path)) => Some(SecretSource::File(paths::resolve(path))),
        (None, None) => None,
    }
}

fn open(inline: Option<&At<Arc<str>>>, file: Option<&At<Arc<str>>>) -> Option<SecretSource> {
    match inline {
        Some(at) => Some(SecretSource::inline(&*at.value)),
        None => file.map(|path| SecretSource::File(paths::resolve(path))),
    }
}

/// A client's options; Prometheus' defaults without a section.
pub(super) fn http(section: Option<&Http>, env: &Env) -> HttpOptions {
    let Some(http) = section else { return HttpOptions::default() };
    let mut headers: BTreeMap<String, Vec<SecretSource>> = BTreeMap::new();
    for (name, header) in http.http_headers.iter().flat_map(|h| &h.0) {
        let values = headers.entry(name.value.to_string()).or_default();
        values.extend(header.values.iter().flatten().map(|v| SecretSource::Inline(v.value.clone())));
        values.extend(header.secrets.iter().flatten().map(|v| SecretSource::Inline(v.value.clone())));
        values.extend(header.files.iter().flatten().map(|f| SecretSource::File(paths::resolve(f))));
    }
    let proxy = Proxy {
        url: http.proxy_url.as_ref(),
        no_proxy: http.no_proxy.as_ref(),
        from_environment: or(http.proxy_from_environment.as_ref(), false),
        headers: http.proxy_connect_header.as_ref(),
    };
    HttpOptions {
        auth: auth(http, env),
        tls: tls(http.tls_config.as_ref()),
        proxy: proxy.options(env),
        follow_redirects: or(http.follow_redirects.as_ref(), true),
        enable_http2: or(http.enable_http2.as_ref(), true),
        http_headers: headers,
        reach: net::Reach::Any,
    }
}

fn auth(http: &Http, env: &Env) -> Auth {
    if let Some(basic) = &http.basic_auth {
        return basic_auth(basic);
    }
    if let Some(authorization) = &http.authorization {
        let credentials = secret(authorization.credentials.as_ref(), authorization.credentials_file.as_ref());
        let scheme = authorization.r#type.as_ref().filter(|t| !t.is_empty());
        return Auth::Authorization {
            scheme: scheme.map_or("Bearer".to_owned(), |s| s.value.to_string()),
            credentials: credentials.unwrap_or_else(|| SecretSource::inline("")),
        };
    }
    if let Some(section) = &http.oauth2 {
        return Auth::OAuth2(Box::new(oauth2(section, env)));
    }
    match secret(http.bearer_token.as_ref(), http.bearer_token_file.as_ref()) {
        Some(credentials) => Auth::Authorization { scheme: "Bearer".to_owned(), credentials },
        None => Auth::None,
    }
}

fn basic_auth(basic: &BasicAuth) -> Auth {
    let empty = || SecretSource::inline("");
    Auth::Basic {
        username: open(basic.username.as_ref(), basic.username_file.as_ref()).unwrap_or_else(empty),
        password: secret(basic.password.as_ref(), basic.password_file.as_ref()).unwrap_or_else(empty),
    }
}

fn strings(list: Option<&Vec<At<Arc<str>>>>) -> Vec<String> {
    list.into_iter().flatten().map(|s| s.value.to_string()).collect()
}

fn oauth2(section: &OAuth2, env: &Env) -> net::OAuth2 {
    let proxy = Proxy {
        url: section.proxy_url.as_ref(),
        no_proxy: section.no_proxy.as_ref(),
        from_environment: or(section.proxy_from_environment.as_ref(), false),
        headers: section.proxy_connect_header.as_ref(),
    };
    net::OAuth2 {
        client_id: text(section.client_id.as_ref()).to_string(),
        client_secret: secret(section.client_secret.as_ref(), section.client_secret_file.as_ref()),
        token_url: section.token_url.as_ref().map_or(String::new(), |u| u.value.0.to_string()),
        scopes: strings(section.scopes.as_ref()),
        endpoint_params: section
            .endpoint_params
            .iter()
            .flat_map(|pairs| pairs.0.iter())
            .map(|(n, v)| (n.to_string(), v.to_string()))
            .collect(),
        grant: Grant::ClientCredentials,
        tls: tls(section.tls_config.as_ref()),
        proxy: proxy.options(env),
    }
}

/// Access to a mailbox with a refresh token.
pub(super) fn xoauth2(section: &XOAuth2) -> net::OAuth2 {
    let token = secret(section.refresh_token.as_ref(), section.refresh_token_file.as_ref());
    net::OAuth2 {
        client_id: text(section.client_id.as_ref()).to_string(),
        client_secret: secret(section.client_secret.as_ref(), section.client_secret_file.as_ref()),
        token_url: section.token_url.as_ref().map_or(String::new(), |u| u.value.0.to_string()),
        scopes: strings(section.scopes.as_ref()),
        endpoint_params: BTreeMap::new(),
        grant: Grant::RefreshToken(token.unwrap_or_else(|| SecretSource::inline(""))),
        tls: TlsOptions::default(),
        proxy: ProxyOptions::default(),
    }
}

/// TLS towards a peer.
pub(super) fn tls(section: Option<&Tls>) -> TlsOptions {
    let Some(tls) = section else { return TlsOptions::default() };
    let version = |at: &At<TlsVersion>| match at.value {
        TlsVersion::Tls10 => net::TlsVersion::Tls10,
        TlsVersion::Tls11 => net::TlsVersion::Tls11,
        TlsVersion::Tls12 => net::TlsVersion::Tls12,
        TlsVersion::Tls13 => net::TlsVersion::Tls13,
    };
    TlsOptions {
        ca: open(tls.ca.as_ref(), tls.ca_file.as_ref()),
        cert: open(tls.cert.as_ref(), tls.cert_file.as_ref()),
        key: secret(tls.key.as_ref(), tls.key_file.as_ref()),
        server_name: tls.server_name.as_ref().filter(|n| !n.is_empty()).map(|n| n.value.to_string()),
        insecure_skip_verify: or(tls.insecure_skip_verify.as_ref(), false),
        min_version: tls.min_version.as_ref().map(version),
        max_version: tls.max_version.as_ref().map(version),
    }
}

struct Proxy<'a> {
    url: Option<&'a At<ProxyUrl>>,
    no_proxy: Option<&'a At<Arc<str>>>,
    from_environment: bool,
    headers: Option<&'a ProxyHeaders>,
}

impl Proxy<'_> {
    fn options(&self, env: &Env) -> ProxyOptions {
        let connect_headers = self
            .headers
            .iter()
            .flat_map(|h| &h.0)
            .map(|(n, values)| (n.to_string(), values.iter().map(|v| v.value.clone()).collect()))
            .collect();
        if self.from_environment {
            return ProxyOptions {
                http: variable(env, "HTTP_PROXY").map(proxy_of_variable),
                https: variable(env, "HTTPS_PROXY").map(proxy_of_variable),
                no_proxy: Some(variable(env, "NO_PROXY").unwrap_or_default().to_owned()),
                connect_headers,
            };
        }
        let url = self.url.filter(|u| !u.0.is_empty()).map(|u| Secret::new(&*u.value.0));
        ProxyOptions {
            http: url.clone(),
            https: url,
            no_proxy: self.no_proxy.map(|n| n.value.to_string()),
            connect_headers,
        }
    }
}

/// `HTTP_PROXY` and its like, in upper case before lower case.
fn variable<'e>(env: &'e Env, name: &str) -> Option<&'e str> {
    let of = |name: &str| env.get(name).map(str::trim).filter(|v| !v.is_empty());
    of(name).or_else(|| of(&name.to_ascii_lowercase()))
}

/// A proxy in the environment may come without its scheme.
fn proxy_of_variable(value: &str) -> Secret {
    if value.contains("://") { Secret::new(value) } else { Secret::new(format!("http://{value}")) }
}
