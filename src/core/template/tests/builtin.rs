//! The built-in notification templates.

use super::{alert, as_html, data, text};
use crate::{
    model::Labels,
    template::{Data, Templates},
};

/// Every name that people call or override (spec alertmanager 4.5), and ours.
const NAMES: &str = "__alertmanager __alertmanagerURL __subject __description __text_alert_list \
    __text_alert_list_markdown slack.default.title slack.default.username slack.default.fallback \
    slack.default.callbackid slack.default.pretext slack.default.titlelink slack.default.iconemoji \
    slack.default.iconurl slack.default.text slack.default.footer slack.default.color \
    pagerduty.default.description pagerduty.default.client pagerduty.default.clientURL \
    pagerduty.default.instances opsgenie.default.message opsgenie.default.description opsgenie.default.source \
    wechat.default.message wechat.default.to_user wechat.default.to_party wechat.default.to_tag \
    wechat.default.agent_id victorops.default.state_message victorops.default.entity_display_name \
    victorops.default.monitoring_tool pushover.default.title pushover.default.message pushover.default.url \
    sns.default.subject sns.default.message telegram.default.message discord.default.content \
    discord.default.title discord.default.message webex.default.message msteams.default.summary \
    msteams.default.title msteams.default.text msteamsv2.default.title msteamsv2.default.text \
    jira.default.summary jira.default.description jira.default.priority rocketchat.default.title \
    rocketchat.default.alias rocketchat.default.titlelink rocketchat.default.emoji rocketchat.default.iconurl \
    rocketchat.default.text mattermost.default.color mattermost.default.username mattermost.default.title \
    mattermost.default.titlelink mattermost.default.fallback mattermost.default.text email.default.subject \
    email.default.text email.default.html slack.botwatch.title slack.botwatch.fallback slack.botwatch.text";

#[test]
fn every_one_renders_all_kinds_of_data() {
    let resolved = Data { alerts: vec![alert("Slow", true)], ..data() };
    let bare = Data {
        alerts: Vec::new(),
        group_labels: Labels::empty(),
        common_labels: Labels::empty(),
        common_annotations: Labels::empty(),
        ..data()
    };
    for name in NAMES.split_whitespace() {
        // These are called with a list of alerts.
        let list = name.starts_with("__text_alert_list") || name == "pagerduty.default.instances";
        let argument = if list { ".Alerts" } else { "." };
        let call = format!("{{{{ template {name:?} {argument} }}}}");
        for data in [&data(), &resolved, &bare] {
            let templates = Templates::builtin();
            for rendered in [templates.text(&call, data), templates.html(&call, data)] {
                let rendered = rendered.unwrap_or_else(|e| panic!("{name}: {e}"));
                assert!(!rendered.contains("<no value>"), "{name}: {rendered}");
            }
        }
    }
}

#[test]
fn what_they_say() {
    let call = |name: &str| text(&format!("{{{{ template {name:?} . }}}}")).unwrap();
    assert_eq!(call("__subject"), "[FIRING:1] <main> (critical)");
    assert_eq!(call("__alertmanagerURL"), "http://host:9093/#/alerts?receiver=desk");
    assert_eq!(call("slack.default.color"), "danger");
    assert_eq!(call("jira.default.priority"), "High");
    let list = text("{{ template \"__text_alert_list\" .Alerts.Firing }}").unwrap();
    assert_eq!(
        list,
        "Labels:\n - alertname = Down\n - account = <main>\n - severity = critical\nAnnotations:\n \
         - summary = Price of <b>BTC</b> & more\nValue: 1.5\nSource: http://host/graph?g0.expr=up%3D%3D0&g0.tab=1\n"
    );
    let html = as_html("{{ template \"email.default.html\" . }}").unwrap();
    assert!(html.contains("&lt;main&gt;") && !html.contains("<main>"), "{html}");
}
