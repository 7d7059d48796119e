//! Reloads by difference, and discovery by files.

use std::sync::Arc;

use botwatch_core::{model::Duration, relabel, tsdb::Visibility};

use super::world::{Answer, PATIENCE, World, job_of, options, until};
use crate::collect::{FileSdOptions, Health, JobOptions, Scheme};

#[tokio::test]
async fn unchanged_targets_go_on_and_removed_ones_end() {
    let world = World::new();
    let (a, b, c) = (world.bot("a 1\n").await, world.bot("b 1\n").await, world.bot("c 1\n").await);
    let collector = world.start(vec![job_of("one", &[&a.address, &b.address]), job_of("two", &[&c.address])]);
    let before = world.tried(&collector).await;
    collector.reload(options(vec![job_of("one", &[&a.address])]));
    let after = collector.targets();
    assert_eq!(after, before[..1], "health and times stay");
    assert!(world.ended("b") && world.ended("c") && world.value("a") == Some(1.0));
    for gone in &before[1..] {
        let state = world.store.visibility(world.store.source(&gone.source));
        assert_eq!((state.visibility, state.reported), (Visibility::Seeing, None), "removed, not blind");
    }
    let ups = world.series("up");
    assert_eq!(ups.iter().filter(|(_, v)| botwatch_core::model::is_stale(v[v.len() - 1])).count(), 2);
    world.round(&collector).await;
    assert_eq!(a.asked().len(), 2, "no scrape because of the reload");
    assert_eq!(world.own("prometheus_target_scrape_pool_targets"), 1.0);
    assert_eq!((b.asked().len(), c.asked().len()), (1, 1), "retired");
    collector.reload(options(vec![job_of("one", &[&a.address, &b.address])]));
    world.tried(&collector).await;
    assert_eq!(world.value("b"), Some(1.0), "back, and at once");
}

#[tokio::test]
async fn a_changed_job_keeps_its_series_and_ends_those_it_renames() {
    let world = World::new();
    let bot = world.bot("a 1\nb 1\n").await;
    let job = job_of("bot", &[&bot.address]);
    let collector = world.start(vec![job.clone()]);
    world.tried(&collector).await;
    let spec = relabel::Spec {
        source_labels: Some(vec!["__name__".into()]),
        regex: Some("b".into()),
        target_label: Some("__name__".into()),
        replacement: Some("renamed".into()),
        ..relabel::Spec::default()
    };
    let rule = relabel::Rule::new(spec, relabel::NameValidation::default()).expect("a rule");
    let interval = Duration::from_secs(25);
    let changed = JobOptions { metric_relabel: vec![rule], interval, metrics_path: "/other".into(), ..job };
    collector.reload(options(vec![changed]));
    let target = &collector.targets()[0];
    assert_eq!((target.health, target.scrape_interval), (Health::Up, interval));
    assert!(!world.ended("a") && !world.ended("b"), "nothing ends before the next scrape");
    world.round(&collector).await;
    assert!(world.ended("b"));
    assert_eq!(
        (world.value("a"), world.value("renamed"), world.value("up")),
        (Some(1.0), Some(1.0), Some(1.0))
    );
    assert_eq!(bot.asked().last().expect("asked").0, "/other");
}

#[tokio::test]
async fn a_job_that_changes_hands_keeps_its_source() {
    let world = World::new();
    let bot = world.bot("a 1\n").await;
    let collector = world.start(vec![job_of("bot", &[&bot.address])]);
    world.tried(&collector).await;
    let mut labelled = job_of("bot", &[&bot.address]);
    labelled.static_targets[0].labels = labelled.static_targets[0].labels.with("env", "x");
    let source = Arc::clone(&collector.targets()[0].source);
    collector.reload(options(vec![labelled]));
    let targets = world.tried(&collector).await;
    assert_eq!(targets.len(), 1);
    assert_eq!(targets[0].source, source);
    assert_eq!(world.visibility(&targets[0]), Visibility::Seeing);
    assert_eq!(world.series("a").len(), 2);
}

#[tokio::test]
async fn too_many_targets_all_fail() {
    let world = World::new();
    let bot = world.bot("a 1\n").await;
    let job = JobOptions { target_limit: 1, ..job_of("bot", &[&bot.address, "127.0.0.1:1"]) };
    let collector = world.start(vec![job]);
    for target in world.tried(&collector).await {
        assert!(target.last_error.contains("2 targets, and 1 are allowed"), "{}", target.last_error);
    }
    assert_eq!(bot.asked().len(), 0);
    assert_eq!(world.own("prometheus_target_scrape_pool_target_limit"), 1.0);
    collector.reload(options(vec![job_of("bot", &[&bot.address])]));
    world.round(&collector).await;
    assert_eq!(world.value("a"), Some(1.0));
}

#[tokio::test]
async fn dropped_targets_are_shown() {
    let world = World::new();
    let spec = relabel::Spec {
        source_labels: Some(vec!["__address__".into()]),
        regex: Some("no.*".into()),
        action: Some("drop".into()),
        ..relabel::Spec::default()
    };
    let rule = relabel::Rule::new(spec, relabel::NameValidation::default()).expect("a rule");
    let job = JobOptions { relabel: vec![rule], ..job_of("bot", &["no:1", "bad/path"]) };
    let collector = world.start(vec![job]);
    assert_eq!(collector.targets(), []);
    let dropped = collector.dropped();
    assert_eq!((dropped.len(), dropped[0].discovered_labels.value("__address__")), (1, "no:1"));
    assert_eq!(collector.dropped_counts(), [("bot".into(), 1)]);
    assert_eq!(world.own("prometheus_target_sync_failed_total"), 1.0);
}

#[tokio::test]
async fn files_add_keep_and_remove_targets() {
    let world = World::new();
    let (a, b) = (world.bot("a 1\n").await, world.bot("b 1\n").await);
    let dir = tempfile::tempdir().expect("a directory");
    let write = |text: String| {
        // As an editor saves: a new file takes the place of the old one.
        let new = dir.path().join("new");
        std::fs::write(&new, text).expect("written");
        std::fs::rename(&new, dir.path().join("bots.yml")).expect("renamed");
    };
    write(format!("- targets: ['{}']\n  labels: {{env: x}}\n", a.address));
    let pattern: Arc<str> = dir.path().join("*.yml").to_string_lossy().into();
    let files = vec![FileSdOptions { patterns: vec![pattern], refresh: Duration::from_secs(300) }];
    let collector = world.start(vec![JobOptions { files, ..super::job("bot") }]);
    tokio::time::timeout(PATIENCE, collector.listed()).await.expect("the files are read");
    assert_eq!((collector.targets().len(), collector.sources().len()), (1, 1));
    let first = world.tried(&collector).await;
    assert_eq!(first[0].labels.value("env"), "x");
    assert!(first[0].discovered_labels.value("__meta_filepath").ends_with("/bots.yml"));
    write(format!("- targets: ['{}', '{}']\n  labels: {{env: x}}\n", a.address, b.address));
    until(|| collector.targets().len() == 2).await;
    let both = world.tried(&collector).await;
    assert_eq!(both[0], first[0], "it goes on");
    write("- target: [typo]\n".to_owned());
    until(|| world.own("botwatch_sd_files_broken") == 1.0).await;
    assert_eq!(collector.targets(), both);
    assert!(world.own("prometheus_sd_file_read_errors_total") >= 1.0);
    write(format!("- targets: ['{}']\n  labels: {{env: x}}\n", b.address));
    until(|| collector.targets().len() == 1).await;
    assert!(world.ended("a") && world.value("b") == Some(1.0));
    std::fs::remove_file(dir.path().join("bots.yml")).expect("removed");
    until(|| collector.targets().is_empty()).await;
    assert!(world.ended("b"));
}

#[tokio::test]
async fn what_is_no_target_is_not_known_while_a_file_is_broken() {
    let world = World::new();
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("bots.yml");
    std::fs::write(&path, "- target: [typo]\n").expect("written");
    let files = vec![FileSdOptions {
        patterns: vec![path.to_string_lossy().into()],
        refresh: Duration::from_secs(300),
    }];
    let collector = world.start(vec![JobOptions { files, ..super::job("bot") }]);
    tokio::time::timeout(PATIENCE, collector.listed()).await.expect("the file is read");
    let mut whole = Box::pin(collector.whole());
    assert!(futures_util::poll!(&mut whole).is_pending());
    std::fs::write(&path, "- targets: [127.0.0.1:1]\n").expect("written");
    tokio::time::timeout(PATIENCE, whole).await.expect("it is understood");
    assert_eq!(collector.targets().len(), 1);
}

#[tokio::test]
async fn a_client_that_cannot_be_made_is_shown_as_down() {
    let world = World::new();
    let bot = world.bot("a 1\n").await;
    let mut job = JobOptions { scheme: Scheme::Http, ..job_of("bot", &[&bot.address]) };
    job.http.proxy.http = Some(botwatch_core::model::Secret::new("no url"));
    let collector = world.start(vec![job]);
    let targets = world.tried(&collector).await;
    assert!(targets[0].last_error.contains("proxy_url"), "{}", targets[0].last_error);
    bot.answer(Answer::text("a 2\n"));
    collector.reload(options(vec![job_of("bot", &[&bot.address])]));
    world.round(&collector).await;
    assert_eq!(world.value("a"), Some(2.0));
}
