use botwatch_core::{
    alerting::{GroupBy, SuppressedResolves},
    model::Duration,
};

use super::*;

fn resolved(c: &Configuration) -> Vec<(String, bool)> {
    let all = c.alerting.receivers.values().flatten();
    all.map(|i| (i.id.kind.to_string(), i.send_resolved)).collect()
}

const THREE: &str = "global: {smtp_smarthost: 'h:25', smtp_from: a@b.c, slack_api_url: 'https://h/s'}
route: {receiver: team}
receivers:
  - name: team
    webhook_configs: [{url: 'http://h/a'}]
    email_configs: [{to: x@y.z}]
    slack_configs: [{}]
";

#[test]
fn resolves_are_sent_by_default_but_in_files_of_alertmanager() {
    let kinds = |w, e, s| vec![("webhook".to_owned(), w), ("email".to_owned(), e), ("slack".to_owned(), s)];
    assert_eq!(resolved(&own(THREE)), kinds(true, true, true));
    let plain = loaded("alertmanager.yml", THREE).configuration.unwrap();
    assert_eq!(resolved(&plain), kinds(true, false, false));
    let set = THREE.replace("[{}]", "[{send_resolved: true}]");
    let plain = loaded("alertmanager.yml", &set).configuration.unwrap();
    assert_eq!(resolved(&plain), kinds(true, false, true));
}

#[test]
fn time_intervals_of_both_lists_are_known_to_routes() {
    let text = "route:
  receiver: a
  routes: [{receiver: a, mute_time_intervals: [night, old], active_time_intervals: [workdays]}]
receivers: [{name: a, webhook_configs: [{url: 'http://h/a'}]}]
mute_time_intervals: [{name: old, time_intervals: [{months: ['january:march', '12'], years: [2026]}]}]
time_intervals:
  - name: night
    time_intervals:
      - times: [{start_time: '22:00', end_time: '24:00'}, {start_time: '00:00', end_time: '07:00'}]
        location: Europe/Vienna
  - name: workdays
    time_intervals: [{weekdays: ['monday:friday']}, {days_of_month: ['1', '-2:-1']}]
";
    let c = own(text);
    let child = &c.alerting.route.routes[0];
    assert_eq!(child.mute_time_intervals, arcs(&["night", "old"]));
    assert_eq!(child.active_time_intervals, arcs(&["workdays"]));
    let lies_in = |name: &str, at: &str| {
        let at = botwatch_core::model::Timestamp::parse_rfc3339(at).expect(at);
        c.alerting.time_intervals[name].iter().any(|i| i.contains(at))
    };
    for (name, at, expected) in [
        ("night", "2026-07-01T20:30:00Z", true),
        ("night", "2026-07-01T05:30:00Z", false),
        ("workdays", "2026-11-27T12:00:00Z", true),
        ("workdays", "2026-11-28T12:00:00Z", false),
        ("workdays", "2026-11-29T12:00:00Z", true),
        ("old", "2026-12-01T00:00:00Z", true),
        ("old", "2026-11-30T00:00:00Z", false),
        ("old", "2027-01-01T00:00:00Z", false),
    ] {
        assert_eq!(lies_in(name, at), expected, "{name} {at}");
    }
    // The effective configuration is the same again.
    let plain = loaded("alertmanager.yml", text);
    assert_eq!(plain.configuration.unwrap().alerting.time_intervals, c.alerting.time_intervals);
}

#[test]
fn escalations_and_issues_are_read() {
    let text = "route: {receiver: a}
receivers: [{name: a, webhook_configs: [{url: 'http://h/a'}]}, {name: b, webhook_configs: [{url: 'http://h/b'}]}]
time_intervals: [{name: nap, time_intervals: [{weekdays: [sunday]}]}]
issues: {reopen_within: 1m, still_firing_after: 2m, acknowledged_for: 1h, resolved_max: 7}
escalations:
  - name: night
    matchers: ['severity=\"critical\"']
    steps: [{after: 5m, receiver: b}, {after: 10m, receiver: a}]
    repeat: {every: 30m, backoff: 2, times: 3}
    quiet_hours: [nap]
  - {name: rest, steps: [{after: 1h, receiver: b}]}
";
    let c = own(text);
    let o = &c.alerting;
    let seconds = |d: botwatch_core::model::Duration| d.as_millis() / 1000;
    assert_eq!((seconds(o.reopen_within), seconds(o.still_firing_after), o.limits.past_max), (60, 120, 7));
    assert_eq!(seconds(o.acknowledged_for), 3600);
    let night = &o.escalations[0];
    let steps: Vec<_> = night.steps.iter().map(|s| (seconds(s.after), &*s.receiver)).collect();
    assert_eq!(steps, [(300, "b"), (600, "a")]);
    let repeat = night.repeat.as_ref().expect("set");
    assert_eq!(
        (seconds(repeat.every), repeat.backoff, seconds(repeat.longest), repeat.times),
        (1800, 2, 14_400, Some(3))
    );
    assert_eq!(night.quiet, arcs(&["nap"]));
    assert!(night.matchers[0].matches("critical") && o.escalations[1].repeat.is_none());
    // The effective configuration is the same again.
    let plain = loaded("botwatch.yml", &c.yaml());
    assert_eq!(plain.configuration.expect("it is read again").alerting.escalations.len(), 2);
}

#[test]
fn routes_keep_their_order_and_what_is_not_set() {
    let c = own("route:
  receiver: a
  group_by: [bot]
  group_wait: 5s
  routes:
    - match: {x: '1'}
      match_re: {y: a|b}
      matchers: [z!=\"q\"]
      group_by: []
      continue: true
      labels: {l: v}
      routes: [{receiver: b, repeat_interval: 1h, group_by: ['...']}]
receivers: [{name: a, webhook_configs: [{url: 'http://h/a'}]}, {name: b}]
inhibit_rules: [{name: n, source_match: {s: '1'}, target_matchers: ['t=1'], equal: [e]}]
suppressed_resolves: drop
global: {resolve_timeout: 7m}
");
    let root = &c.alerting.route;
    assert_eq!(root.receiver.as_deref(), Some("a"));
    assert_eq!(root.group_by, Some(GroupBy::Labels(arcs(&["bot"]))));
    assert_eq!((root.group_wait, root.group_interval), (Some(Duration::from_secs(5)), None));
    let child = &root.routes[0];
    let matchers: Vec<String> = child.matchers.iter().map(|m| m.name.to_string()).collect();
    assert_eq!(matchers, ["x", "y", "z"]);
    assert_eq!((child.group_by.clone(), child.continue_matching), (Some(GroupBy::default()), true));
    assert_eq!(child.labels, labels(&[("l", "v")]));
    assert_eq!(child.routes[0].group_by, Some(GroupBy::All));
    let rule = &c.alerting.inhibit_rules[0];
    assert_eq!((&*rule.name, rule.source.len(), rule.target.len()), ("n", 1, 1));
    assert_eq!(rule.equal, arcs(&["e"]));
    assert_eq!(c.alerting.suppressed_resolves, SuppressedResolves::Drop);
    assert_eq!(c.alerting.resolve_timeout, Duration::from_secs(420));
    assert!(c.alerting.enabled);
    assert_eq!(c.alerting.problems(), []);
}

#[test]
fn an_identity_is_a_name_or_a_hash_and_never_the_address() {
    let c = own("route: {receiver: team}
receivers:
  - name: team
    webhook_configs:
      - {name: hook, url: 'http://h/secret-a', timeout: 1500ms, retry: {attempts: 3}, fallback_receiver: two}
      - {url: 'http://h/secret-b'}
      - {url: 'http://h/secret-c'}
  - {name: two, webhook_configs: [{url: 'http://h/secret-b'}]}
");
    let team = &c.alerting.receivers["team"];
    assert_eq!(&*team[0].id.key, "hook");
    assert_eq!(team[0].attempt_timeout, Duration::from_millis(1500));
    assert_eq!((team[0].retry.attempts, team[0].fallback.as_deref()), (3, Some("two")));
    assert_eq!(team[0].retry.give_up_after_end, Duration::from_secs(86_400));
    let (b, other) = (&team[1].id.key, &team[2].id.key);
    assert!(b.len() == 12 && b.bytes().all(|c| c.is_ascii_hexdigit()) && b != other, "{b} {other}");
    // The same address under another receiver has the same key; the receiver tells them apart.
    assert_eq!(*b, c.alerting.receivers["two"][0].id.key);
    assert!(c.alerting.receivers.values().flatten().all(|i| c.notify.integrations.contains_key(&i.id)));
    let debug = format!("{:?}", c.alerting);
    assert!(!debug.contains("secret-"), "{debug}");
}

#[test]
fn twins_are_numbered_and_told() {
    let text = "route: {receiver: t}\nreceivers: [{name: t, webhook_configs: [{url: 'http://h/a'}, {url: 'http://h/a'}]}]";
    let loaded = loaded("botwatch.yml", text);
    assert!(lines(&loaded.diagnostics).contains("duplicate-integration"), "{}", lines(&loaded.diagnostics));
    let c = loaded.configuration.unwrap();
    let keys: Vec<&str> = c.alerting.receivers["t"].iter().map(|i| &*i.id.key).collect();
    assert_eq!(keys[1], format!("{}-2", keys[0]));
}

#[test]
fn retries_and_paths_of_problems() {
    let cases = [
        ("url: 'http://h/a', retry: {attempts: 0}", "invalid-value"),
        ("url: 'http://h/a', fallback_receiver: empty", "empty-fallback"),
    ];
    for (keys, code) in cases {
        let text = format!(
            "route: {{receiver: t}}\nreceivers:\n  - name: t\n    webhook_configs: [{{{keys}}}]\n  - name: empty\n"
        );
        let loaded = loaded("botwatch.yml", &text);
        assert!(loaded.configuration.is_none());
        let [d] = loaded.diagnostics.as_slice() else { panic!("{}", lines(&loaded.diagnostics)) };
        assert_eq!(d.code, code);
        assert_eq!(d.place.as_ref().map(|(s, span)| s.position(span.start).0), Some(4), "{code}");
    }
}
