//! Exactly what may be written, one file per section. Everything is optional here and keeps its place; what must be
//! there, how sections refer to each other and what is the default is decided in [`super::load`].

mod auth;
mod bot;
mod escalation;
mod global;
mod http;
mod inhibit;
mod interval;
mod receiver;
mod relabel;
mod route;
mod scrape;
mod threshold;
mod top;

pub use auth::{Auth, RateLimit, Webhooks};
pub use bot::{Bot, Evaluation, NoData, Process, Storage, SuppressedResolves, Web, is_pid};
pub use escalation::{Escalation, Issues, Repeat, Silences, Step};
pub use global::{Global, SLACK_APP_URL, split_smarthost};
pub use http::{
    Authorization, BasicAuth, Header, Headers, Http, OAuth2, ProxyHeaders, Tls, TlsVersion, check_header_name,
};
pub use inhibit::InhibitRule;
pub use interval::{Piece, TimeInterval};
pub use receiver::{Email, Receiver, Retry, Slack, SlackAction, SlackConfirm, SlackField, Webhook, XOAuth2};
pub use relabel::Relabel;
pub use route::{MatcherMap, Matchers, RegexMap, Route};
pub use scrape::{FileSd, Job, Params, Scheme, ScrapeConfig, ScrapeProtocol, StaticConfig};
pub use threshold::{Limits, Thresholds};
pub use top::{Alerting, Alertmanager, File};
