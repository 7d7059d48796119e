//! The top level of a file.

use std::sync::Arc;

use super::{
    Auth, Bot, Escalation, Evaluation, Global, Http, InhibitRule, Issues, NoData, Receiver, Route,
    ScrapeConfig, Silences, StaticConfig, Storage, SuppressedResolves, Thresholds, TimeInterval, Web,
};
use crate::config::value::{At, section};

section! {
    /// A whole file, or the union of several.
    pub struct File("the configuration", "") {
        /// Defaults of both halves.
        global: Global,
        /// The bot.
        bot: Bot,
        /// Paths of rule files; the last part may have `*`.
        rule_files: Vec<At<Arc<str>>>,
        /// Scrape jobs.
        scrape_configs: Vec<ScrapeConfig>,
        /// Where Prometheus would send alerts.
        alerting: Alerting,
        /// When rules are evaluated.
        evaluation: At<Evaluation>,
        /// What a blind source means.
        no_data: At<NoData>,
        /// What becomes of resolves of inhibited alerts.
        suppressed_resolves: At<SuppressedResolves>,
        /// The route tree.
        route: Route,
        /// Who can be told.
        receivers: Vec<Receiver>,
        /// Which alerts quieten which.
        inhibit_rules: Vec<InhibitRule>,
        /// When routes are mute or active.
        time_intervals: Vec<TimeInterval>,
        /// Older name of `time_intervals`.
        mute_time_intervals: Vec<TimeInterval>,
        /// What rules compare signals and pushed metrics with.
        thresholds: Thresholds,
        /// How issues are kept.
        issues: Issues,
        /// What silences must be.
        silences: Silences,
        /// Who is told when nobody answers; the first that matches an alert is its only one.
        escalations: Vec<Escalation>,
        /// Paths of template files; the last part may have `*`.
        templates: Vec<At<Arc<str>>>,
        /// Where and how much is kept.
        storage: Storage,
        /// Who may ask.
        auth: Auth,
        /// What is served.
        web: Web,
    }
}

section! {
    /// Where Prometheus would send alerts.
    pub struct Alerting("`alerting`", "alerting") {
        /// Alertmanagers.
        alertmanagers: Vec<Alertmanager>,
    }
}

section! {
    /// An Alertmanager. Read only to be told apart from a mistake: botwatch routes alerts itself.
    pub struct Alertmanager("`alertmanagers`", "alertmanagers[]") {
        /// Targets.
        static_configs: Vec<StaticConfig>,
        /// `http` or `https`.
        scheme: At<Arc<str>>,
        /// Before `/api/v2/alerts`.
        path_prefix: At<Arc<str>>,
        /// How long a request may take.
        timeout: At<botwatch_core::model::Duration>,
        /// `v2`.
        api_version: At<Arc<str>>,
        /// The HTTP client, when written as a section.
        http_config: Http,
    }
}
