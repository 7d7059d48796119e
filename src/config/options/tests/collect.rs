use std::path::PathBuf;

use botwatch_core::{
    exposition::{DEFAULT_PROTOCOLS, Protocol},
    model::Duration,
};

use super::*;
use crate::{
    collect::{ProcessFinder, Scheme},
    net::{Auth, SecretSource},
};

fn secs(n: i64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn a_job_has_prometheus_defaults() {
    let c = own(&with_team(
        "scrape_configs: [{job_name: feed, static_configs: [{targets: ['h:1'], labels: {a: b}}]}]",
    ));
    let [job] = c.collect.jobs.as_slice() else { panic!("{:?}", c.collect.jobs) };
    assert_eq!((&*job.name, job.interval, job.timeout), ("feed", secs(60), secs(10)));
    assert_eq!((&*job.metrics_path, job.scheme), ("/metrics", Scheme::Http));
    assert_eq!(job.protocols, DEFAULT_PROTOCOLS);
    assert!(job.honor_timestamps && job.enable_compression && !job.honor_labels);
    assert!(job.http.follow_redirects && job.http.enable_http2);
    assert_eq!(job.sample_limit + job.body_size_limit + job.label_limit + job.target_limit, 0);
    assert_eq!(&*job.static_targets[0].targets[0], "h:1");
    assert_eq!(job.static_targets[0].labels, labels(&[("a", "b")]));
    assert_eq!((c.collect.process, c.collect.host), (None, None));
}

#[test]
fn a_job_inherits_and_overrides() {
    let c = own(&with_team(
        "global: {scrape_interval: 5s, sample_limit: 7, body_size_limit: 1MB, scrape_protocols: [PrometheusProto]}
scrape_configs:
  - {job_name: a, static_configs: [{targets: [h]}]}
  - job_name: b
    scrape_interval: 20s
    scrape_timeout: 3s
    sample_limit: 0
    scrape_protocols: [PrometheusText0.0.4]
    metrics_path: /m
    scheme: https
    params: {match: [x, y]}
    honor_labels: true
    honor_timestamps: false
    basic_auth: {username: u, password: p}
    relabel_configs: [{source_labels: [__address__], target_label: instance}]
    file_sd_configs: [{files: [targets/*.yml], refresh_interval: 1m}]
",
    ));
    let [a, b] = c.collect.jobs.as_slice() else { panic!() };
    // The default timeout is capped to the interval.
    assert_eq!((a.interval, a.timeout, a.sample_limit, a.body_size_limit), (secs(5), secs(5), 7, 1 << 20));
    assert_eq!(a.protocols, [Protocol::PrometheusProto]);
    assert_eq!((b.interval, b.timeout, b.sample_limit), (secs(20), secs(3), 0));
    assert_eq!(
        (&*b.metrics_path, b.scheme, b.honor_labels, b.honor_timestamps),
        ("/m", Scheme::Https, true, false)
    );
    assert_eq!(b.params.0, [("match".into(), arcs(&["x", "y"]))]);
    let auth = Auth::Basic { username: SecretSource::inline("u"), password: SecretSource::inline("p") };
    assert_eq!(b.http.auth, auth);
    assert_eq!(b.relabel.len(), 1);
    assert_eq!(b.files[0].refresh, secs(60));
    assert!(b.files[0].patterns[0].starts_with('/') && b.files[0].patterns[0].ends_with("/targets/*.yml"));
}

#[test]
fn the_bot_makes_a_job_and_is_watched() {
    let c = own(&with_team(
        "bot: {name: b1, metrics_url: 'http://u:p%40@127.0.0.1:3000/m?x=1', scrape_interval: 2s, labels: {desk: spot}}",
    ));
    let [job] = c.collect.jobs.as_slice() else { panic!() };
    assert_eq!((&*job.name, &*job.metrics_path, job.interval), ("bot", "/m", secs(2)));
    assert_eq!(job.params.0, [("x".into(), arcs(&["1"]))]);
    assert_eq!(job.static_targets[0].targets, arcs(&["127.0.0.1:3000"]));
    assert_eq!(job.static_targets[0].labels, labels(&[("bot", "b1"), ("desk", "spot")]));
    let auth = Auth::Basic { username: SecretSource::inline("u"), password: SecretSource::inline("p@") };
    assert_eq!(job.http.auth, auth);
    let process = c.collect.process.unwrap();
    assert_eq!((process.finder, process.interval), (ProcessFinder::Port(3000), secs(2)));
    let own = [("bot", "b1"), ("desk", "spot"), ("instance", "127.0.0.1:9095"), ("job", "botwatch")];
    assert_eq!(process.labels, labels(&own));
    let host = c.collect.host.unwrap();
    assert_eq!(host.paths.last(), Some(&PathBuf::from("/")));
}

#[test]
fn ways_to_find_the_process() {
    let cases = [
        ("process: {pid: 12}", Some(ProcessFinder::Pid(12))),
        ("process: {pid_file: /run/b.pid}", Some(ProcessFinder::PidFile("/run/b.pid".into()))),
        ("process: {name: node}", Some(ProcessFinder::Name("node".into()))),
        ("process: {port: 9}", Some(ProcessFinder::Port(9))),
        ("process: {cgroup: bot.service}", Some(ProcessFinder::Cgroup("bot.service".into()))),
        ("metrics_url: http://localhost/metrics", Some(ProcessFinder::Port(80))),
        ("metrics_url: 'https://[::1]:4000/metrics'", Some(ProcessFinder::Port(4000))),
        ("metrics_url: http://10.0.0.7:3000/metrics", None),
        ("name: b", None),
    ];
    for (text, finder) in cases {
        let c = own(&with_team(&format!("bot: {{{text}}}")));
        assert_eq!(c.collect.process.map(|p| p.finder), finder, "{text}");
    }
}

#[test]
fn clients_take_their_files_from_beside_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("botwatch.yml");
    let text = with_team(
        "scrape_configs: [{job_name: a, static_configs: [{targets: [h]}], authorization: {credentials_file: t}, \
         tls_config: {ca_file: /dev/null, min_version: TLS13, server_name: n}, http_headers: {X-A: {values: [v]}}, \
         proxy_url: 'http://proxy:1'}]",
    );
    std::fs::write(&path, text).unwrap();
    std::fs::write(dir.path().join("t"), "token\n").unwrap();
    let loaded = load(&[path], &none(), &Flags::default());
    assert_eq!(lines(&loaded.diagnostics), "");
    let http = loaded.configuration.unwrap().collect.jobs[0].http.clone();
    let credentials = SecretSource::File(dir.path().join("t"));
    assert_eq!(http.auth, Auth::Authorization { scheme: "Bearer".into(), credentials });
    assert_eq!(http.tls.ca, Some(SecretSource::File("/dev/null".into())));
    assert_eq!(http.tls.min_version, Some(crate::net::TlsVersion::Tls13));
    assert_eq!(http.http_headers["X-A"], [SecretSource::inline("v")]);
    assert_eq!(http.proxy.https.unwrap().reveal(), "http://proxy:1");
}

#[test]
fn proxies_come_from_the_environment_when_asked() {
    let text = with_team(
        "scrape_configs: [{job_name: a, static_configs: [{targets: [h]}], proxy_from_environment: true}]",
    );
    let env = Env::from_pairs([("http_proxy", "p:1"), ("HTTPS_PROXY", "http://q:2"), ("NO_PROXY", "x")]);
    let loaded = configure(&[SourceText::new("botwatch.yml", text)], &env, &Flags::default());
    let proxy = loaded.configuration.unwrap().collect.jobs[0].http.proxy.clone();
    assert_eq!(proxy.http.unwrap().reveal(), "http://p:1");
    assert_eq!(proxy.https.unwrap().reveal(), "http://q:2");
    assert_eq!(proxy.no_proxy.as_deref(), Some("x"));
}
