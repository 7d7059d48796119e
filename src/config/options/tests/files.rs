use std::{fs, path::PathBuf};

use botwatch_core::{model::Duration, rules::NoData};

use super::*;
use crate::config::{file::Evaluation, options::paths::matches};

#[test]
fn patterns() {
    let cases = [
        ("*.yml", "a.yml", true),
        ("*.yml", "a.yaml", false),
        ("a?.yml", "ab.yml", true),
        ("a?.yml", "a.yml", false),
        ("*a*b*", "xxaxxbxx", true),
        ("*", "", true),
        ("", "a", false),
        ("a**b", "ab", true),
    ];
    for (pattern, name, expected) in cases {
        assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
    }
}

const RULES: &str =
    "groups: [{name: g, rules: [{alert: A, expr: up == 0, annotations: {botwatch_no_data: resolve}}]}]\n";

#[test]
fn rule_files_are_found_beside_the_configuration_in_order_and_once() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("rules")).unwrap();
    for name in ["b.yml", "a.yml", "c.txt"] {
        fs::write(dir.path().join("rules").join(name), RULES).unwrap();
    }
    let path = dir.path().join("botwatch.yml");
    fs::write(
        &path,
        with_team("rule_files: [rules/*.yml, rules/a.yml]\nno_data: alert\nevaluation: on_data\n"),
    )
    .unwrap();
    let loaded = load(std::slice::from_ref(&path), &none(), &Flags::default());
    assert_eq!(lines(&loaded.diagnostics), "");
    let rules = loaded.configuration.unwrap().rules;
    let names: Vec<String> = rules.files.iter().map(|f| f.source.name.to_string()).collect();
    let in_rules = |n: &str| dir.path().join("rules").join(n);
    assert_eq!(names, [in_rules("a.yml").display().to_string(), in_rules("b.yml").display().to_string()]);
    for watched in [path.clone(), dir.path().join("rules"), in_rules("a.yml"), in_rules("b.yml")] {
        assert!(loaded.watched.contains(&watched), "{watched:?} not in {:?}", loaded.watched);
    }
    assert_eq!(
        (rules.evaluation, rules.blind_alert_at_once, rules.shared.no_data),
        (Evaluation::OnData, true, NoData::Keep)
    );

    let strict = Flags { strict_prometheus: true, ..Flags::default() };
    let rules = load(&[path], &none(), &strict).configuration.unwrap().rules;
    assert_eq!((rules.evaluation, rules.shared.no_data), (Evaluation::Slots, NoData::Resolve));
    assert_eq!(rules.files[0].groups[0].rules[0].alert.as_ref().unwrap().no_data, None);
}

#[test]
fn all_problems_of_all_files_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("botwatch.yml");
    fs::write(dir.path().join("r.yml"), "groups: [{name: g, rules: [{alert: A, expr: 'up =='}]}]\n").unwrap();
    fs::write(
        &path,
        "rule_files: [r.yml, gone.yml]\nroute: {receiver: nobody}\nweb: {listen_address: '9095'}\n",
    )
    .unwrap();
    let loaded = load(&[path], &none(), &Flags::default());
    assert!(loaded.configuration.is_none());
    let codes: Vec<&str> = loaded.diagnostics.iter().map(|d| d.code).collect();
    assert_eq!(
        codes,
        ["missing-file", "undefined-receiver", "invalid-value", "promql-syntax"],
        "{}",
        lines(&loaded.diagnostics)
    );
}

#[test]
fn a_missing_file_stops_only_files_of_our_own() {
    let dir = tempfile::tempdir().unwrap();
    for (name, starts) in [("botwatch.yml", false), ("prometheus.yml", true)] {
        let path = dir.path().join(name);
        fs::write(&path, "rule_files: [gone.yml]\n").unwrap();
        let loaded = load(&[path], &none(), &Flags::default());
        assert_eq!(loaded.configuration.is_some(), starts, "{name}: {}", lines(&loaded.diagnostics));
        assert!(lines(&loaded.diagnostics).contains("missing-file"), "{name}");
    }
    let loaded = load(&[dir.path().join("none.yml")], &none(), &Flags::default());
    assert_eq!((loaded.configuration.is_none(), loaded.diagnostics[0].code), (true, "file-unreadable"));
}

#[test]
fn where_it_listens_and_is_reached() {
    let cases = [
        ("", "127.0.0.1:9095", "http://127.0.0.1:9095", ""),
        ("listen_address: '127.0.0.1:0'", "127.0.0.1:0", "http://127.0.0.1:0", ""),
        ("listen_address: '[::1]:80'", "[::1]:80", "http://[::1]:80", ""),
        ("listen_address: ':80', external_url: 'https://h.org/bw/'", "0.0.0.0:80", "https://h.org/bw", "/bw"),
    ];
    for (keys, address, url, prefix) in cases {
        let web = own(&with_team(&format!("web: {{{keys}}}"))).web;
        assert_eq!(
            (&*web.listen_address(), &*web.external_url, &*web.route_prefix),
            (address, url, prefix),
            "{keys}"
        );
    }
    for wrong in ["9095", "h:99999", "::1:80", "[x]:1", "a b:1"] {
        let loaded = loaded("botwatch.yml", &with_team(&format!("web: {{listen_address: '{wrong}'}}")));
        assert_eq!(
            loaded.diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(),
            ["invalid-value"],
            "{wrong}"
        );
    }
}

#[test]
fn flags_win_and_have_a_place() {
    let flags = Flags {
        listen_address: Some("0.0.0.0:1".into()),
        external_url: Some("https://h.org/x".into()),
        route_prefix: Some("/".into()),
        storage_path: Some("/var/lib/b".into()),
        retention: Some(Duration::from_secs(60)),
        lookback: Some(Duration::from_secs(9)),
        strict_prometheus: false,
    };
    let text = with_team("web: {listen_address: 'h:2'}\nstorage: {path: /p, memory_max: 32MiB}");
    let sources = [SourceText::new("botwatch.yml", text)];
    let c = configure(&sources, &none(), &flags).configuration.unwrap();
    assert_eq!((c.web.port, &*c.web.external_url, &*c.web.route_prefix), (1, "https://h.org/x", ""));
    assert_eq!(c.storage_path, std::path::Path::new("/var/lib/b"));
    assert_eq!((c.samples.memory_max, c.samples.retention), (32 << 20, Duration::from_secs(60)));
    assert_eq!(c.rules.lookback, Duration::from_secs(9));
    assert!(c.yaml().contains("/var/lib/b"), "{}", c.yaml());

    let flags = Flags { external_url: Some("nonsense".into()), ..Flags::default() };
    let loaded = configure(&sources, &none(), &flags);
    assert!(lines(&loaded.diagnostics).starts_with("command line:1"), "{}", lines(&loaded.diagnostics));
}

#[test]
fn the_quickstart_loads() {
    let path = repository().join("examples/quickstart/botwatch.yml");
    let loaded = load(&[path], &none(), &Flags::default());
    assert_eq!(lines(&loaded.diagnostics), "");
    let c = loaded.configuration.unwrap();
    assert_eq!((&*c.bot, c.rules.files.len(), c.collect.jobs.len()), ("paper-bot", 3, 1));
    assert_eq!(c.alerting.inhibit_rules, environment(&[]).alerting.inhibit_rules, "as without a file");
    assert_eq!(c.storage_path, repository().join("examples/quickstart/data"));
}

#[test]
fn what_is_printed_is_complete_and_loads_again() {
    let text = with_team(
        "bot: {metrics_url: 'http://127.0.0.1:3000/m'}\nglobal: {scrape_interval: 5s}\n\
         scrape_configs: [{job_name: a, static_configs: [{targets: [h]}]}]\n",
    );
    let first = own(&text);
    let yaml = first.yaml();
    for line in
        ["scrape_timeout: 5s", "group_interval: 5m", "no_data: keep", "memory_max: 64MiB", "name: bot"]
    {
        assert!(yaml.contains(line), "{line}: {yaml}");
    }
    // The address of the webhook is masked.
    assert!(!yaml.contains("http://h/a"), "{yaml}");
    let again = own(&yaml);
    assert_eq!(again.yaml(), yaml);
    assert_eq!(again.alerting.route.routes, first.alerting.route.routes);
    assert_eq!((again.collect.jobs.len(), again.storage_path), (2, first.storage_path.clone()));
    let origins = first.origins();
    let origin = |path: &str| origins.iter().find(|o| o.0 == path).map(|o| o.2.clone());
    assert_eq!(origin("global.evaluation_interval").as_deref(), Some("default"));
    assert_eq!(origin("scrape_configs[0].scrape_interval").as_deref(), Some("botwatch.yml:4"));
}

#[test]
fn nothing_printed_or_debugged_has_a_secret() {
    let text = "bot: {metrics_url: 'http://u:hidden1@127.0.0.1:3000/m'}
global: {smtp_smarthost: 'h:25', smtp_from: a@b.c, smtp_auth_username: u, smtp_auth_password: hidden2}
scrape_configs:
  - job_name: a
    static_configs: [{targets: [h]}]
    proxy_url: 'http://p:hidden3@proxy:1'
    basic_auth: {username: u, password: hidden4}
    http_headers: {X-A: {secrets: [hidden5]}}
route: {receiver: team}
receivers:
  - name: team
    webhook_configs: [{url: 'http://h/hidden6'}]
    slack_configs: [{api_url: 'http://h/hidden7'}]
    email_configs: [{to: a@b.c}]
";
    let environment = Env::from_pairs([("SLACK_BOT_TOKEN", "hidden8")]);
    for name in ["botwatch.yml", "own.yml"] {
        let loaded = configure(&[SourceText::new(name, text)], &environment, &Flags::default());
        assert_eq!(lines(&loaded.diagnostics), "");
        let c = loaded.configuration.unwrap();
        for shown in [c.yaml(), format!("{:?}", c.origins()), format!("{c:?}")] {
            // The shipped templates have the word by itself.
            let secret = (1..=8).find(|n| shown.contains(&format!("hidden{n}")));
            assert_eq!(secret, None, "{name}");
        }
    }
}

#[test]
fn what_addresses_parameters_and_headers_hold_is_not_printed() {
    let text = with_team(
        "bot: {metrics_url: 'http://127.0.0.1:3000/m?format=json&api_key=hidden1'}
scrape_configs:
  - job_name: a
    static_configs: [{targets: [h]}]
    params: {token: [hidden2], module: [http_2xx]}
    http_headers: {X-A: {values: [hidden3]}}
    oauth2:
      client_id: c
      token_url: 'https://h.org/token?sig=hidden4&tenant=t'
      endpoint_params: {audience: hidden5}
",
    );
    let c = own(&text);
    let (yaml, origins) = (c.yaml(), format!("{:?}", c.origins()));
    for shown in [&yaml, &origins] {
        assert!(!shown.contains("hidden"), "{shown}");
        for kept in ["format=json", "http_2xx", "tenant=t", "audience", "X-A"] {
            assert!(shown.contains(kept), "{kept}: {shown}");
        }
    }
    assert_eq!(own(&yaml).yaml(), yaml, "what is printed loads again");
    let [job] = c.collect.jobs.iter().filter(|j| &*j.name == "a").collect::<Vec<_>>()[..] else { panic!() };
    assert_eq!(job.params.0[0].1[0].as_ref(), "hidden2", "in use it is whole");
    assert_eq!(job.http.http_headers["X-A"], [crate::net::SecretSource::inline("hidden3")]);
}

#[test]
fn every_example_loads() {
    let mut seen = 0;
    for folder in fs::read_dir(repository().join("examples")).unwrap() {
        let folder = folder.unwrap().path();
        let names = ["botwatch.yml", "prometheus.yml", "alertmanager.yml"];
        let files: Vec<PathBuf> = names.iter().map(|n| folder.join(n)).filter(|p| p.exists()).collect();
        if files.is_empty() {
            continue;
        }
        let loaded = load(&files, &none(), &Flags::default());
        assert!(loaded.configuration.is_some(), "{}: {}", folder.display(), lines(&loaded.diagnostics));
        seen += 1;
    }
    assert!(seen > 0);
}
