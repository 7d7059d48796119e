//! The keys of Prometheus, Alertmanager and botwatch's design that this version does not act on: one table for what
//! is still to come, one for what makes no sense here. Nothing else is accepted and ignored.

use botwatch_core::{
    diag::Diagnostic,
    yaml::{Fields, Node, Reader},
};

/// What is done with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// An error: the setting would not be in force.
    Refused,
    /// A warning: leaving it out changes nothing for a bot's watcher.
    Ignored,
}

/// A key that is known and not acted on.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The section: `global`, `scrape_configs[]`, `` for the top level; `*` for any HTTP client section.
    pub section: &'static str,
    /// The keys, by blanks.
    pub keys: &'static str,
    /// Values that ask for nothing and are therefore fine, by blanks.
    pub harmless: &'static str,
    /// What happens.
    pub verdict: Verdict,
    /// What it would do, or why it makes no sense, or what to do instead.
    pub note: &'static str,
}

const fn later(section: &'static str, keys: &'static str, note: &'static str) -> Entry {
    Entry { section, keys, harmless: "", verdict: Verdict::Refused, note }
}

const fn later_unless(
    section: &'static str,
    keys: &'static str,
    harmless: &'static str,
    note: &'static str,
) -> Entry {
    Entry { section, keys, harmless, verdict: Verdict::Refused, note }
}

const fn ignored(section: &'static str, keys: &'static str, note: &'static str) -> Entry {
    Entry { section, keys, harmless: "", verdict: Verdict::Ignored, note }
}

/// What later versions will do: "not yet supported by this version".
pub const NOT_YET: &[Entry] = &[
    later("", "remote_write remote_read", "sending samples to, or reading them from, another database"),
    later("", "scrape_config_files", "scrape jobs in files of their own; put them under `scrape_configs`"),
    later("", "otlp", "OpenTelemetry metrics"),
    later("", "probes", "probing HTTP, TCP, TLS and WebSocket endpoints"),
    later("", "logs", "reading log files"),
    later("", "safety", "safety checks of botwatch's own; the shipped rules watch what the bot exports"),
    later("", "guard", "the egress guard; nothing is kept from reaching a venue"),
    later("", "actions", "automatic actions"),
    later("", "cluster", "several instances"),
    later("", "remote", "a remote query engine"),
    later("global", "query_log_file scrape_failure_log_file", "log files of queries and scrapes"),
    later_unless(
        "global",
        "scrape_native_histograms always_scrape_classic_histograms convert_classic_histograms_to_nhcb",
        "false",
        "native histograms",
    ),
    later_unless("global", "metric_name_validation_scheme", "utf8", "the legacy naming scheme"),
    later_unless("global", "metric_name_escaping_scheme", "allow-utf-8", "other escapings of names"),
    later("global", "pagerduty_url", "PagerDuty"),
    later("global", "opsgenie_api_url opsgenie_api_key opsgenie_api_key_file", "Opsgenie"),
    later("global", "wechat_api_url wechat_api_secret wechat_api_secret_file wechat_api_corp_id", "WeChat"),
    later("global", "victorops_api_url victorops_api_key victorops_api_key_file", "VictorOps"),
    later("global", "telegram_api_url telegram_bot_token telegram_bot_token_file", "Telegram"),
    later("global", "webex_api_url", "Webex"),
    later(
        "global",
        "rocketchat_api_url rocketchat_token rocketchat_token_file rocketchat_token_id rocketchat_token_id_file",
        "Rocket.Chat",
    ),
    later("global", "mattermost_webhook_url mattermost_webhook_url_file", "Mattermost"),
    later("global", "jira_api_url", "Jira"),
    later(
        "scrape_configs[]",
        "http_sd_configs dns_sd_configs docker_sd_configs dockerswarm_sd_configs",
        "this discovery; `static_configs` and `file_sd_configs` work",
    ),
    later_unless(
        "scrape_configs[]",
        "scrape_native_histograms always_scrape_classic_histograms convert_classic_histograms_to_nhcb",
        "false",
        "native histograms",
    ),
    later(
        "scrape_configs[]",
        "native_histogram_bucket_limit native_histogram_min_bucket_factor",
        "native histograms",
    ),
    later("scrape_configs[]", "scrape_failure_log_file", "a log file of failed scrapes"),
    later_unless("scrape_configs[]", "metric_name_validation_scheme", "utf8", "the legacy naming scheme"),
    later_unless(
        "scrape_configs[]",
        "metric_name_escaping_scheme",
        "allow-utf-8",
        "other escapings of names",
    ),
    later("alerting", "alert_relabel_configs", "relabelling alerts before they are routed"),
    later("storage", "tsdb exemplars", "Prometheus' storage settings"),
    later(
        "receivers[]",
        "pagerduty_configs telegram_configs discord_configs opsgenie_configs pushover_configs victorops_configs \
         wechat_configs sns_configs webex_configs msteams_configs msteamsv2_configs jira_configs rocketchat_configs \
         mattermost_configs incidentio_configs ntfy_configs twilio_configs webpush_configs action_configs",
        "this receiver; `webhook_configs`, `email_configs` and `slack_configs` work",
    ),
    later("webhook_configs[]", "payload", "payloads of another shape"),
    later("email_configs[]", "threading", "threads of e-mails"),
    later(
        "oauth2",
        "grant_type client_certificate_key client_certificate_key_file client_certificate_key_id iss audience claims \
         signature_algorithm",
        "the JWT-bearer grant",
    ),
];

/// What makes no sense beside one bot, or is deliberately left to Prometheus and Alertmanager.
pub const NOT_HERE: &[Entry] = &[
    ignored("", "tracing", "botwatch sends no traces"),
    ignored("", "runtime", "settings of Go's runtime"),
    Entry {
        section: "",
        keys: "event_recorder",
        harmless: "",
        verdict: Verdict::Refused,
        note: "botwatch keeps its own journal of all that happens",
    },
    Entry {
        section: "scrape_configs[]",
        keys: "azure_sd_configs aws_sd_configs consul_sd_configs digitalocean_sd_configs ec2_sd_configs \
            ecs_sd_configs eureka_sd_configs gce_sd_configs hetzner_sd_configs ionos_sd_configs \
            kubernetes_sd_configs kuma_sd_configs lightsail_sd_configs linode_sd_configs marathon_sd_configs \
            nerve_sd_configs nomad_sd_configs openstack_sd_configs ovhcloud_sd_configs puppetdb_sd_configs \
            scaleway_sd_configs serverset_sd_configs stackit_sd_configs triton_sd_configs uyuni_sd_configs \
            vultr_sd_configs",
        harmless: "",
        verdict: Verdict::Refused,
        note: "botwatch runs beside its bot and needs no discovery in a cloud; use `static_configs` or a \
            `file_sd_configs` file that another tool writes",
    },
];

/// Reports and takes the keys of a section that are known and not acted on.
pub fn refuse(reader: &mut Reader, fields: &mut Fields<'_>, section: &str) {
    let found = fields.take_rest(|key| lookup(section, key).is_some());
    for (key, node) in found {
        if let Some((entry, later)) = lookup(section, &key.text)
            && !is_harmless(entry, node)
        {
            let d = diagnose(reader, entry, later, key);
            reader.report(d);
        }
    }
}

fn is_harmless(entry: &Entry, node: &Node) -> bool {
    node.is_null()
        || node
            .as_scalar()
            .is_some_and(|s| entry.harmless.split_whitespace().any(|harmless| harmless == &*s.text))
}

fn diagnose(reader: &Reader, entry: &Entry, later: bool, key: &botwatch_core::yaml::Key) -> Diagnostic {
    let name = &key.text;
    match (later, entry.verdict) {
        (true, _) => reader
            .error("not-yet-supported", format!("not yet supported by this version: `{name}`"), key.span)
            .label(entry.note)
            .hint("remove it to start without; a setting that is not in force is never accepted silently"),
        (false, Verdict::Refused) => {
            reader.error("not-supported", format!("`{name}` is not supported"), key.span).label(entry.note)
        }
        (false, Verdict::Ignored) => {
            reader.warning("no-effect", format!("`{name}` has no effect here"), key.span).label(entry.note)
        }
    }
}

/// The entry of a key and whether it is still to come.
pub fn lookup(section: &str, key: &str) -> Option<(&'static Entry, bool)> {
    let find = |table: &'static [Entry]| {
        table.iter().find(|e| e.section == section && e.keys.split_whitespace().any(|k| k == key))
    };
    find(NOT_YET).map(|e| (e, true)).or_else(|| find(NOT_HERE).map(|e| (e, false)))
}
