//! What `/metrics` shows.

use std::collections::BTreeSet;

use botwatch_core::{
    exposition::{Entry, Parser, format_of},
    model::{Duration, Sources, Timestamp, stale_nan},
    tsdb::Commit,
};

use super::{
    shapes,
    world::{NOW, World, labels},
};

fn commit(world: &World, series: &[(&[(&str, &str)], Timestamp, f64)]) {
    let sets: Vec<_> = series.iter().map(|(pairs, ..)| labels(pairs)).collect();
    let ids = world.store.series(sets.iter().map(|l| (l, &Sources::NONE)));
    let samples = ids.into_iter().zip(series).map(|(id, (_, t, v))| (id.expect("room"), *t, *v));
    world.store.commit(Commit { samples: samples.collect(), sources: Vec::new() });
}

#[tokio::test]
async fn signals_are_fresh_and_have_plain_names() {
    let world = World::new().await;
    let ago = |seconds| NOW - Duration::from_secs(seconds);
    commit(
        &world,
        &[
            (&[("__name__", "bot:memory_usage:percent"), ("bot", "a")], ago(301), 1.0),
            (&[("__name__", "bot:memory_usage:percent"), ("bot", "b")], ago(10), 81.5),
            (&[("__name__", "bot:feed_latency:p95_ms"), ("bot", "b")], ago(10), 250.0),
            (&[("__name__", "bot:gone")], ago(10), stale_nan()),
            (&[("__name__", "bot_metric"), ("metric", "api_response_time")], ago(5), 12.0),
            (&[("__name__", "ALERTS"), ("alertname", "A"), ("alertstate", "firing")], ago(5), 1.0),
            (&[("__name__", "botwatch_process_restarts_total"), ("bot", "b")], ago(5), 3.0),
            (&[("__name__", "robot:x")], ago(5), 1.0),
            (&[("__name__", "up"), ("job", "bot")], ago(5), 1.0),
        ],
    );
    let answer = world.get("/metrics").await;
    let text = answer.text();
    for expected in [
        "# TYPE bot_memory_usage_percent untyped\nbot_memory_usage_percent{bot=\"b\"} 81.5\n",
        "bot_metric{metric=\"api_response_time\"} 12\n",
        "bot_feed_latency_p95_seconds{bot=\"b\"} 0.25\n",
        "botwatch_alerts{alertname=\"A\",alertstate=\"firing\"} 1\n",
        "# TYPE botwatch_process_restarts_total counter\nbotwatch_process_restarts_total{bot=\"b\"} 3\n",
        "botwatch_api_signals_omitted 0\n",
        "botwatch_build_info{revision=\"abc\",version=\"1.2.3\"} 1\n",
        "prometheus_tsdb_head_series 9\n",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
    for missing in ["bot=\"a\"", "bot_gone", "robot", "up{", "bot:"] {
        let line = text.lines().filter(|l| !l.starts_with('#')).find(|l| l.contains(missing));
        assert_eq!(line, None, "{missing}");
    }
}

#[tokio::test]
async fn rules_and_alerts_have_the_names_of_the_field() {
    let world = World::new().await;
    shapes::set_up(&world);
    world.post(r#"[{"labels":{"alertname":"A"}}]"#).await;
    let answer = world.get("/metrics").await;
    let text = answer.text();
    for expected in [
        "prometheus_rule_group_interval_seconds{rule_group=\"rules/a.yml;memory\"} 5\n",
        "prometheus_rule_group_rules{rule_group=\"rules/a.yml;memory\"} 2\n",
        "prometheus_rule_group_iterations_total{rule_group=\"rules/a.yml;memory\"} 12\n",
        "prometheus_rule_group_iterations_missed_total{rule_group=\"rules/a.yml;memory\"} 2\n",
        "prometheus_rule_evaluations_total{rule_group=\"rules/a.yml;memory\"} 20\n",
        "prometheus_rule_evaluation_failures_total{rule_group=\"rules/a.yml;memory\"} 3\n",
        "prometheus_rule_group_last_evaluation_timestamp_seconds{rule_group=\"rules/a.yml;memory\"} 1.7639424e+09\n",
        "botwatch_rule_group_unhealthy_rules{rule_group=\"rules/a.yml;memory\"} 1\n",
        "botwatch_rule_alerts{state=\"firing\"} 1\n",
        "botwatch_rule_alerts{state=\"pending\"} 1\n",
        "botwatch_rule_alerts{state=\"frozen\"} 1\n",
        "alertmanager_alerts{state=\"active\"} 1\n",
        "alertmanager_alerts{state=\"suppressed\"} 0\n",
        "alertmanager_integrations 1\n",
        "botwatch_alerting_attempts_total{integration=\"webhook\",receiver=\"ops\"} 1\n",
        "botwatch_alerting_deliveries{phase=\"in_flight\"} 1\n",
        "botwatch_alerting_told_open 1\n",
        "prometheus_config_last_reload_successful 1\n",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
}

/// Our own parser reads it in both dialects; no series comes twice, each family has a help and a type, and counters
/// end in `_total`.
#[tokio::test]
async fn what_is_exposed_is_well_formed() {
    let world = World::new().await;
    shapes::set_up(&world);
    world.post(r#"[{"labels":{"alertname":"A"}}]"#).await;
    for accept in ["text/plain", "application/openmetrics-text;version=1.0.0"] {
        let answer = world.ask("GET", "/metrics", &format!("Accept: {accept}\r\n"), "").await;
        let media = answer.header("content-type").to_owned();
        let format = format_of(Some(&media), None).expect("one of ours");
        let mut parser = Parser::new(&answer.body, format);
        let (mut seen, mut count) = (BTreeSet::new(), 0);
        while let Some(entry) = parser.next_entry().expect(accept) {
            if let Entry::Sample(sample) = entry {
                let key = sample.labels().expect("well formed").to_string();
                assert!(seen.insert(key.clone()), "{key} comes twice");
                count += 1;
            }
        }
        assert!(count > 50, "{count} samples");
    }
    let answer = world.get("/metrics").await;
    let of = |prefix: &str| -> Vec<(String, String)> {
        let lines = answer.text().lines().filter_map(|l| l.strip_prefix(prefix)?.split_once(' '));
        lines.map(|(name, rest)| (name.to_owned(), rest.to_owned())).collect()
    };
    let helped: BTreeSet<String> = of("# HELP ").into_iter().map(|(name, _)| name).collect();
    let types = of("# TYPE ");
    assert_eq!(types.iter().map(|(name, _)| name).collect::<BTreeSet<_>>().len(), types.len());
    for (name, kind) in types {
        assert!(helped.contains(&name), "{name} has no help");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
    }
}
