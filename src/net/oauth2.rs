//! Access tokens from an OAuth 2 token endpoint (RFC 6749 §4.4, §5, §6).

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use botwatch_core::model::{Duration as ModelDuration, Secret, Timestamp};
use http::{HeaderMap, HeaderValue, Method, header};
use tokio::sync::Mutex;
use url::form_urlencoded;

use super::{
    BodyMax, Client, Error, Grant, HttpOptions, OAuth2, Request, Response, error::redact_url, redact::Secrets,
};
use crate::runtime::Clock;

/// A token is renewed so long before its end, as Go's oauth2 package does.
const EARLY: ModelDuration = ModelDuration::from_secs(10);
/// Token answers are a few kilobytes.
const ANSWER_MAX: usize = 64 * 1024;

/// Fetches access tokens and keeps one until it ends.
pub struct TokenSource {
    options: OAuth2,
    client: Client,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<(Secret, Option<Timestamp>)>,
    /// A newer refresh token than the configured one.
    refresh: Option<Secret>,
    /// The endpoint takes client credentials only in the body.
    in_body: bool,
}

#[derive(serde::Deserialize)]
struct Answer {
    access_token: Option<String>,
    expires_in: Option<serde_json::Value>,
    refresh_token: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

impl TokenSource {
    /// For one client of one endpoint.
    ///
    /// # Errors
    /// [`Error::Option`], [`Error::Url`].
    pub fn new(options: OAuth2, clock: &Clock) -> Result<Self, Error> {
        let http =
            HttpOptions { tls: options.tls.clone(), proxy: options.proxy.clone(), ..HttpOptions::default() };
        let client = Client::new(&http, clock)?;
        Ok(Self { options, client, clock: clock.clone(), state: Mutex::default() })
    }

    /// The token, fetched if there is none or it is about to end. One fetch at a time.
    ///
    /// # Errors
    /// [`Error::OAuth2`], or why the endpoint can't be reached.
    pub async fn token(&self, timeout: Duration) -> Result<Secret, Error> {
        let mut state = self.state.lock().await;
        let now = self.clock.now();
        if let Some((token, until)) = &state.token
            && until.is_none_or(|until| now < until - EARLY)
        {
            return Ok(token.clone());
        }
        let mut response = self.ask(&state, timeout).await?;
        // The endpoint may not know Basic authentication; RFC 6749 §2.3.1 lets it take the body instead.
        if !state.in_body && self.options.client_secret.is_some() && matches!(response.status, 400 | 401) {
            state.in_body = true;
            response = self.ask(&state, timeout).await?;
            state.in_body = response.status < 400;
        }
        self.take(&mut state, &response, now)
    }

    /// Forgets the token: the peer refused it.
    pub async fn forget(&self) {
        self.state.lock().await.token = None;
    }

    async fn ask(&self, state: &State, timeout: Duration) -> Result<Response, Error> {
        // Encoded at the end: the serializer can't be held over an await of a task.
        let mut form: Vec<(&str, String)> = Vec::new();
        let mut secrets = Secrets::default();
        match &self.options.grant {
            Grant::ClientCredentials => {
                form.push(("grant_type", "client_credentials".to_owned()));
            }
            Grant::RefreshToken(source) => {
                let token = match &state.refresh {
                    Some(newer) => newer.clone(),
                    None => source.read().await?,
                };
                secrets.add(token.reveal());
                form.push(("grant_type", "refresh_token".to_owned()));
                form.push(("refresh_token", token.reveal().to_owned()));
            }
        }
        if !self.options.scopes.is_empty() {
            form.push(("scope", self.options.scopes.join(" ")));
        }
        for (name, value) in &self.options.endpoint_params {
            form.push((name, value.clone()));
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        match &self.options.client_secret {
            Some(secret) if !state.in_body => {
                let secret = secret.read().await?;
                secrets.add(secret.reveal());
                headers.insert(header::AUTHORIZATION, self.basic(&secret)?);
            }
            secret => {
                form.push(("client_id", self.options.client_id.clone()));
                if let Some(secret) = secret {
                    let secret = secret.read().await?;
                    secrets.add(secret.reveal());
                    form.push(("client_secret", secret.reveal().to_owned()));
                }
            }
        }
        let request = Request {
            method: Method::POST,
            url: self.options.token_url.clone(),
            headers,
            body: form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish().into(),
            timeout,
            body_max: BodyMax::Refuse(ANSWER_MAX),
            unix_socket: None,
        };
        let mut response = Box::pin(self.client.send(request)).await?;
        // Those of the body; the headers' are known to the client.
        response.sent.secrets.extend(secrets);
        Ok(response)
    }

    /// Client id and secret are form-encoded before they become user and password (RFC 6749 §2.3.1).
    fn basic(&self, secret: &Secret) -> Result<HeaderValue, Error> {
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encode(&self.options.client_id), encode(secret.reveal()));
        let mut value =
            HeaderValue::from_str(&format!("Basic {}", BASE64_STANDARD.encode(pair))).map_err(|_| {
                Error::Option { option: "client_secret", reason: "not a header value".to_owned() }
            })?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn take(&self, state: &mut State, response: &Response, now: Timestamp) -> Result<Secret, Error> {
        let failed = |reason: String, refused| Error::OAuth2 {
            peer: redact_url(&self.options.token_url),
            reason,
            refused,
        };
        let status = response.status;
        if let Some(to) = response.moved_to() {
            return Err(failed(format!("status {status}, moved to {to}: change `token_url`"), false));
        }
        let Ok(answer) = serde_json::from_slice::<Answer>(&response.body) else {
            return Err(failed(format!("status {status}, not JSON"), false));
        };
        if let Some(code) = answer.error {
            let text = answer.error_description.unwrap_or_default();
            let refused = (400..500).contains(&status) && status != 429 && code != "temporarily_unavailable";
            let words = response.sent.secrets.excerpt(format!("{code} {text}").as_bytes(), false);
            return Err(failed(words, refused));
        }
        let Some(token) = answer.access_token.filter(|t| status < 300 && !t.is_empty()) else {
            return Err(failed(format!("status {status} without a token"), false));
        };
        // Some endpoints write the number as text.
        let seconds = answer.expires_in.and_then(|v| v.as_i64().or_else(|| v.as_str()?.parse().ok()));
        let until = seconds.filter(|s| *s > 0).map(|s| now + ModelDuration::from_secs(s.min(365 * 86_400)));
        let token = Secret::new(token);
        state.token = Some((token.clone(), until));
        if let Some(newer) = answer.refresh_token {
            state.refresh = Some(Secret::new(newer));
        }
        Ok(token)
    }
}
