use std::{path::Path, sync::Arc};

use botwatch_core::{
    model::{Duration, Labels},
    relabel,
};

use super::{
    Files, Target, difference,
    files::{from_json, from_yaml, matches},
    list,
    target::{Found, populate},
};
use crate::collect::{JobOptions, Params, Scheme, TargetGroup, tests::job};

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied())
}

fn rule(spec: relabel::Spec) -> relabel::Rule {
    relabel::Rule::new(spec, relabel::NameValidation::default()).expect("a valid rule")
}

fn replace(source: &str, target: &str, replacement: &str) -> relabel::Rule {
    rule(relabel::Spec {
        source_labels: Some(vec![source.into()]),
        target_label: Some(target.into()),
        replacement: Some(replacement.into()),
        ..relabel::Spec::default()
    })
}

fn kept(job: &JobOptions, group: &Labels, address: &str) -> Result<Target, String> {
    match populate(job, group, address)? {
        Found::Kept(target) => Ok(*target),
        Found::Dropped(labels) => Err(format!("dropped {labels}")),
    }
}

#[test]
fn a_target_has_an_instance_a_job_and_a_url() {
    let plain = job("bot");
    let https = JobOptions { scheme: Scheme::Https, metrics_path: "/m/x".into(), ..job("bot") };
    let params = JobOptions {
        params: Params(vec![("m".into(), vec!["a b".into(), "c".into()]), ("z".into(), vec![])]),
        ..job("bot")
    };
    for (job, address, url) in [
        (&plain, "10.0.0.1:3000", "http://10.0.0.1:3000/metrics"),
        (&plain, "bot", "http://bot/metrics"),
        (&plain, "[::1]:9", "http://[::1]:9/metrics"),
        (&https, "bot:444", "https://bot:444/m/x"),
        (&params, "bot:1", "http://bot:1/metrics?m=a+b&m=c"),
    ] {
        let target = kept(job, &labels(&[("env", "x")]), address).expect("a target");
        assert_eq!(target.url, url);
        assert_eq!(target.labels, labels(&[("env", "x"), ("instance", address), ("job", "bot")]));
        assert_eq!(target.name(), format!("bot at {address}"));
        assert_eq!(target.discovered.value("__address__"), address);
        assert_eq!(target.discovered.value("__scrape_interval__"), "30s");
        assert_eq!((target.interval, target.timeout), (Duration::from_secs(30), Duration::from_secs(20)));
    }
}

#[test]
fn unix_sockets_are_addresses() {
    let target = kept(&job("bot"), &Labels::empty(), "unix:/run/bot.sock").expect("a target");
    assert_eq!(target.socket.as_deref(), Some(Path::new("/run/bot.sock")));
    assert_eq!(target.labels.value("instance"), "unix:/run/bot.sock");
    assert_eq!(target.url, "http://localhost/metrics");
    assert_eq!(target.shown_url(), "http+unix://%2Frun%2Fbot.sock/metrics");
    let target = kept(&job("bot"), &labels(&[("__unix_socket__", "/run/x")]), "bot:80").expect("S19");
    assert_eq!(
        (target.url.as_str(), target.socket.as_deref()),
        ("http://bot/metrics", Some(Path::new("/run/x")))
    );
    assert!(kept(&job("bot"), &Labels::empty(), "unix:relative").is_err());
}

/// Spec S18: every special label can be set by relabelling.
#[test]
fn relabelling_decides_where_and_how_often() {
    let job = JobOptions {
        relabel: vec![
            replace("__meta_port", "__address__", "bot:$1"),
            replace("__meta_port", "__param_p", "v$1"),
            replace("__meta_port", "__scrape_interval__", "10s"),
            replace("__meta_port", "__scrape_timeout__", "250ms"),
            replace("__meta_port", "__metrics_path__", "/other"),
            replace("__meta_port", "__scheme__", "https"),
            replace("__meta_port", "instance", "named"),
            rule(relabel::Spec {
                action: Some("drop".into()),
                source_labels: Some(vec!["env".into()]),
                regex: Some("old".into()),
                ..relabel::Spec::default()
            }),
        ],
        ..job("bot")
    };
    let target = kept(&job, &labels(&[("__meta_port", "7"), ("env", "new")]), "x:1").expect("a target");
    assert_eq!(target.url, "https://bot:7/other?p=v7");
    assert_eq!((target.interval, target.timeout), (Duration::from_secs(10), Duration::from_millis(250)));
    assert_eq!(target.labels, labels(&[("env", "new"), ("instance", "named"), ("job", "bot")]));
    let old = kept(&job, &labels(&[("__meta_port", "7"), ("env", "old")]), "x:1");
    assert!(old.expect_err("dropped").starts_with("dropped"));
}

#[test]
fn what_cannot_be_scraped_is_said() {
    let with = |name: &str, value: &str| labels(&[(name, value)]);
    for (group, address, expected) in [
        (Labels::empty(), "", "no address"),
        (Labels::empty(), "bot/metrics", "with a path"),
        (Labels::empty(), "bot\\metrics", "with a path"),
        (Labels::empty(), "bot\t:1", "blanks"),
        (Labels::empty(), "bot:port", "is no address"),
        (Labels::empty(), "me@bot:1", "more than an address"),
        (with("__scheme__", "ftp"), "bot", "expected `http` or `https`"),
        (with("__scrape_interval__", "soon"), "bot", "`__scrape_interval__`"),
        (with("__scrape_timeout__", "0"), "bot", "`__scrape_timeout__` is zero"),
        (with("__scrape_interval__", "1s"), "bot", "longer than the interval"),
    ] {
        let problem = kept(&job("bot"), &group, address).expect_err(expected);
        assert!(problem.contains(expected), "{problem}");
    }
}

#[test]
fn a_list_has_each_target_once_and_remembers_what_was_dropped() {
    let drop = rule(relabel::Spec {
        action: Some("drop".into()),
        source_labels: Some(vec!["__address__".into()]),
        regex: Some("no.*".into()),
        ..relabel::Spec::default()
    });
    let targets = ["a:1", "a:1", "no:1", "no:2", "b/c"].map(Arc::from).to_vec();
    let job = JobOptions {
        relabel: vec![drop],
        keep_dropped_targets: 1,
        static_targets: vec![TargetGroup { targets, labels: Labels::empty() }],
        ..job("bot")
    };
    let listing = list(&job, &[]);
    assert_eq!(listing.targets.iter().map(|t| t.url.as_str()).collect::<Vec<_>>(), ["http://a:1/metrics"]);
    assert_eq!((listing.dropped.len(), listing.dropped_count, listing.failed), (1, 2, 1));
}

#[test]
fn targets_are_the_same_while_their_labels_are() {
    let target = |instance: &str, url: &str| Target {
        discovered: Labels::empty(),
        labels: labels(&[("instance", instance)]),
        url: url.to_owned(),
        socket: None,
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
    };
    let old = [target("a", "1"), target("a", "2"), target("b", "3"), target("c", "4")];
    let new = [target("d", "9"), target("a", "2"), target("a", "5"), target("c", "8")];
    let found = difference(&old.iter().collect::<Vec<_>>(), &new);
    assert_eq!(found.kept, [(1, 1), (0, 2), (3, 3)]);
    assert_eq!((found.gone, found.fresh), (vec![2], vec![0]));
}

#[test]
fn discovery_files_are_strict() {
    let expected = [TargetGroup {
        targets: vec!["a:1".into(), "b:2".into()],
        labels: labels(&[("env", "prod"), ("n", "1")]),
    }];
    let yaml = "- targets: [a:1, 'b:2']\n  labels:\n    env: prod\n    n: 1\n";
    let json = r#"[{"targets": ["a:1", "b:2"], "labels": {"env": "prod", "n": "1"}}]"#;
    assert_eq!(from_yaml(Path::new("x.yml"), yaml).expect("yaml"), expected);
    assert_eq!(from_json(json).expect("json"), expected);
    assert_eq!(from_yaml(Path::new("x.yml"), "").expect("empty"), []);
    for bad in [
        "targets: [a]",
        "- target: [a]",
        "- [a]",
        "- targets: a",
        "- targets: [a\n",
        "- labels: [a]",
        "- labels: {'': a}",
    ] {
        let problem = from_yaml(Path::new("x.yml"), bad).expect_err(bad);
        assert!(problem.starts_with("line "), "{bad:?}: {problem}");
    }
    for bad in ["{}", r#"[{"target": []}]"#, "[", r#"[{"targets": [1]}]"#, r#"[{"labels": {"": "a"}}]"#] {
        assert!(from_json(bad).is_err(), "{bad}");
    }
}

#[test]
fn patterns_fit_names() {
    for (pattern, name, fits) in [
        ("*.yml", "a.yml", true),
        ("*.yml", "a.yaml", false),
        ("a*b*c.json", "a1b2c.json", true),
        ("a*b*c.json", "a1c.json", false),
        ("x*", "x", true),
        ("*ab", "aab", true),
        ("ab*ba", "aba", false),
        ("x.yml", "x.yml", true),
        ("x.yml", "x.yml2", false),
    ] {
        assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
    }
}

#[test]
fn a_broken_file_keeps_its_targets_and_a_missing_one_loses_them() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.yml");
    let pattern: Arc<str> = dir.path().join("*.yml").to_string_lossy().into();
    let patterns = [pattern];
    std::fs::write(&path, "- targets: [a:1]\n").expect("written");
    let good = Files::default().read(&patterns);
    assert_eq!((good.groups().len(), good.broken()), (1, 0));
    assert_eq!(&*good.groups()[0].path, path.to_string_lossy());
    std::fs::write(&path, "- targets: [a:1\n").expect("written");
    let broken = good.read(&patterns);
    assert_eq!((broken.groups(), broken.broken()), (good.groups(), 1));
    assert_eq!(broken.new_problems(&good).len(), 1);
    assert_eq!(broken.read(&patterns).new_problems(&broken), []);
    std::fs::remove_file(&path).expect("removed");
    assert_eq!(broken.read(&patterns), Files::default());
}
