//! One target, over real connections.

use std::{io::Write as _, sync::Arc};

use botwatch_core::{
    exposition::Protocol,
    model::{Duration, Labels},
    tsdb::{self, Visibility},
};
use flate2::{Compression, write::GzEncoder};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};
use tracing_subscriber::layer::SubscriberExt as _;

use super::world::{Answer, World, job_of, options, until};
use crate::{
    collect::{Health, JobOptions, Params, Scheme, TargetGroup, scrape::schedule},
    net::{HttpOptions, SecretSource, TlsOptions},
};

#[tokio::test]
async fn the_first_scrape_comes_at_start_and_tells_all_about_its_target() {
    let world = World::new();
    let bot = world.bot("a{x=\"1\"} 5\nb 6\n").await;
    let job = JobOptions {
        extra_scrape_metrics: true,
        sample_limit: 9,
        params: Params(vec![("q".into(), vec!["1".into()])]),
        ..job_of("bot", &[&bot.address])
    };
    let collector = world.start(vec![job]);
    let targets = world.tried(&collector).await;
    let target = &targets[0];
    assert_eq!((target.health, target.last_error.as_str()), (Health::Up, ""));
    assert_eq!(target.last_scrape, Some(world.clock.now()), "the clock stands still");
    assert_eq!(&*target.source, format!("bot at {}", bot.address));
    assert_eq!(target.scrape_url, format!("http://{}/metrics?q=1", bot.address));
    assert_eq!(world.visibility(target), Visibility::Seeing);
    let own = Labels::from_pairs([("instance", bot.address.as_str()), ("job", "bot")]);
    assert_eq!(target.labels, own);
    assert_eq!(world.series("a"), [(own.with("__name__", "a").with("x", "1"), vec![5.0])]);
    for (metric, value) in [
        ("up", 1.0),
        ("scrape_duration_seconds", 0.0),
        ("scrape_samples_scraped", 2.0),
        ("scrape_samples_post_metric_relabeling", 2.0),
        ("scrape_series_added", 2.0),
        ("scrape_timeout_seconds", 20.0),
        ("scrape_sample_limit", 9.0),
        ("scrape_body_size_bytes", 15.0),
    ] {
        assert_eq!(world.series(metric), [(own.with("__name__", metric), vec![value])]);
    }
    let (url, headers) = bot.asked().remove(0);
    assert_eq!(url, "/metrics?q=1");
    assert_eq!(headers["accept-encoding"], "gzip");
    assert_eq!(headers["x-prometheus-scrape-timeout-seconds"], "20");
    assert!(
        headers["accept"].to_str().expect("text").starts_with("application/openmetrics-text;version=1.0.0")
    );
    world.round(&collector).await;
    assert_eq!(world.value("scrape_series_added"), Some(0.0));
}

#[tokio::test]
async fn a_failure_blinds_and_ends_and_a_success_sees_again() {
    let world = World::new();
    let bot = world.bot("a 1\nb 2\n").await;
    let collector = world.start(vec![job_of("bot", &[&bot.address])]);
    world.tried(&collector).await;
    bot.answer(Answer::text("a 1\n"));
    let targets = world.round(&collector).await;
    assert!(world.ended("b") && world.value("a") == Some(1.0), "b vanished");
    assert_eq!(world.visibility(&targets[0]), Visibility::Seeing, "which is not blindness");
    bot.answer(Answer { status: 503, ..Answer::text("") });
    let targets = world.round(&collector).await;
    assert!(world.ended("a"));
    assert_eq!((world.value("up"), world.value("scrape_samples_scraped")), (Some(0.0), Some(0.0)));
    assert_eq!((targets[0].health, world.visibility(&targets[0])), (Health::Down, Visibility::Blind));
    assert!(targets[0].last_error.contains("503"), "{}", targets[0].last_error);
    bot.answer(Answer::text("a 3\nb 4\n"));
    let targets = world.round(&collector).await;
    assert_eq!((world.value("a"), world.value("b"), world.value("up")), (Some(3.0), Some(4.0), Some(1.0)));
    assert_eq!((targets[0].health, world.visibility(&targets[0])), (Health::Up, Visibility::Seeing));
    assert!(world.own("botwatch_scrapes_failed_total") >= 1.0);
}

#[tokio::test]
async fn later_scrapes_come_at_their_slots() {
    let world = World::new();
    let bot = world.bot("a 1\n").await;
    let collector = world.start(vec![job_of("bot", &[&bot.address])]);
    let target = world.tried(&collector).await.remove(0);
    let offset = schedule::offset(&target.labels, &target.scrape_url, target.scrape_interval);
    for (late, stamped) in [(2, 0), (0, 0), (3, 3)] {
        let before = collector.targets()[0].last_scrape;
        let slot = schedule::next_slot(world.clock.now(), offset, target.scrape_interval);
        world.clock.set(slot + Duration::from_millis(late));
        until(|| collector.targets()[0].last_scrape > before).await;
        let expected = slot + Duration::from_millis(stamped);
        assert_eq!(collector.targets()[0].last_scrape, Some(expected), "{late} ms late");
    }
    assert_eq!(bot.asked().len(), 4);
}

/// The head removes what is long unwritten; the first success after that has to bring everything back at once.
#[tokio::test]
async fn series_that_the_head_removed_come_back_with_the_first_success() {
    let retention = Duration::from_secs(120);
    let world = World::with(tsdb::Options { retention, ..tsdb::Options::default() });
    let bot = world.bot("a 1\nb 2\n").await;
    let collector = world.start(vec![job_of("bot", &[&bot.address])]);
    world.tried(&collector).await;
    bot.answer(Answer { status: 503, ..Answer::text("") });
    for _ in 0..60 {
        world.round(&collector).await;
        if world.series("a").is_empty() && world.series("b").is_empty() {
            break;
        }
    }
    assert_eq!((world.series("a"), world.series("b")), (Vec::new(), Vec::new()), "removed");
    bot.answer(Answer::text("a 3\nb 4\n"));
    world.round(&collector).await;
    assert_eq!((world.value("a"), world.value("b")), (Some(3.0), Some(4.0)));
}

#[tokio::test]
async fn extra_metrics_end_when_they_are_switched_off() {
    let world = World::new();
    let bot = world.bot("a 1\n").await;
    let job = job_of("bot", &[&bot.address]);
    let collector = world.start(vec![JobOptions { extra_scrape_metrics: true, ..job.clone() }]);
    world.tried(&collector).await;
    assert_eq!(world.value("scrape_body_size_bytes"), Some(4.0));
    collector.reload(options(vec![job]));
    world.round(&collector).await;
    assert!(world.ended("scrape_body_size_bytes") && world.ended("scrape_timeout_seconds"));
    let ended = world.series("scrape_body_size_bytes")[0].1.len();
    world.round(&collector).await;
    assert_eq!(world.series("scrape_body_size_bytes")[0].1.len(), ended, "they end once");
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).expect("in memory");
    encoder.finish().expect("in memory")
}

/// One gauge `a` with value 7, as a delimited `MetricFamily`.
fn protobuf() -> Vec<u8> {
    let gauge = [&[0x09][..], &7f64.to_le_bytes()].concat();
    let metric = [&[0x12, gauge.len() as u8][..], &gauge].concat();
    let family = [&[0x0a, 1, b'a', 0x18, 1, 0x22, metric.len() as u8][..], &metric].concat();
    [&[family.len() as u8][..], &family].concat()
}

#[tokio::test]
async fn every_format_is_read() {
    let open = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let proto =
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
    let elsewhere = World::new();
    let other = elsewhere.bot("a 7\n").await;
    let redirect = Answer { status: 302, ..Answer::text("") };
    let redirect = redirect.with("location", &format!("http://{}/there", other.address));
    for answer in [
        Answer::text("# TYPE a gauge\na 7\n"),
        Answer::typed(open, b"# TYPE a gauge\na 7\n# EOF\n"),
        Answer::typed(proto, &protobuf()),
        Answer::typed("text/plain", &gzip(b"a 7\n")).with("content-encoding", "gzip"),
        redirect,
    ] {
        let world = World::new();
        let bot = world.bot("").await;
        bot.answer(answer.clone());
        let job = JobOptions { protocols: Protocol::ALL.to_vec(), ..job_of("bot", &[&bot.address]) };
        let collector = world.start(vec![job]);
        let targets = world.tried(&collector).await;
        assert_eq!(world.value("a"), Some(7.0), "{:?}: {}", answer.headers, targets[0].last_error);
    }
}

#[tokio::test]
async fn what_is_no_exposition_fails() {
    let html = Answer::typed("text/html", b"<p>");
    let bare = Answer { headers: Vec::new(), ..Answer::text("a 7\n") };
    let moved = Answer { status: 302, ..Answer::text("") }.with("location", "/again");
    let bomb = Answer::typed("text/plain", &gzip(&vec![b'\n'; 1 << 20])).with("content-encoding", "gzip");
    type Change = fn(&mut JobOptions);
    let cases: Vec<(Answer, Change, &str)> = vec![
        (Answer { status: 404, ..Answer::text("") }, |_| {}, "404"),
        (Answer { status: 204, ..Answer::text("") }, |_| {}, "204, only 200"),
        (html, |_| {}, "unsupported Content-Type `text/html`"),
        (Answer::typed("application/vnd.google.protobuf", &protobuf()), |_| {}, "was not asked for"),
        (
            Answer::typed("application/vnd.google.protobuf", &protobuf()),
            |j| j.fallback_protocol = Some(Protocol::PrometheusProto),
            "",
        ),
        (bare.clone(), |_| {}, "no Content-Type"),
        (bare, |j| j.fallback_protocol = Some(Protocol::PrometheusText0_0_4), ""),
        (moved.clone(), |_| {}, "more than ten"),
        (moved, |j| j.http.follow_redirects = false, "302"),
        (Answer::text("a 7\nb\n"), |_| {}, "line 2"),
        (Answer::text("a 7\nb 1\n"), |j| j.sample_limit = 1, "`sample_limit`"),
        (Answer::text("a{x=\"yy\"} 7\n"), |j| j.label_value_length_limit = 1, "`label_value_length_limit`"),
        (Answer::text(&"#\n".repeat(100)), |j| j.body_size_limit = 100, "longer than 100 bytes"),
        (bomb, |j| j.body_size_limit = 1000, "longer than 1000 bytes"),
        (
            Answer { stalls: true, ..Answer::text("") },
            |j| j.timeout = Duration::from_millis(150),
            "within 150ms",
        ),
        (
            Answer::text("a 7\n"),
            |j| j.static_targets[0].targets = vec!["127.0.0.1:1".into()],
            "can't connect",
        ),
    ];
    for (answer, change, expected) in cases {
        let world = World::new();
        let bot = world.bot("").await;
        bot.answer(answer);
        let mut job = JobOptions { extra_scrape_metrics: true, ..job_of("bot", &[&bot.address]) };
        change(&mut job);
        let collector = world.start(vec![job]);
        let error = world.tried(&collector).await.remove(0).last_error;
        assert!(error.contains(expected) && error.is_empty() == expected.is_empty(), "{error} / {expected}");
        let up = if expected.is_empty() { 1.0 } else { 0.0 };
        assert_eq!(world.value("up"), Some(up), "{error}");
        assert_eq!(world.value("a"), Some(7.0).filter(|_| expected.is_empty()), "{error}");
        if expected.contains("longer") {
            assert_eq!(world.value("scrape_body_size_bytes"), Some(-1.0));
            assert_eq!(world.own("prometheus_target_scrapes_exceeded_body_size_limit_total"), 1.0);
        }
        if expected == "`sample_limit`" {
            assert_eq!(world.value("scrape_samples_scraped"), Some(2.0));
            assert_eq!(world.own("prometheus_target_scrapes_exceeded_sample_limit_total"), 1.0);
        }
    }
}

/// `LOG_LEVEL=debug` and `DEBUG=alerting:scrape` promise them.
#[tokio::test]
async fn each_scrape_is_told_to_who_debugs() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
    let world = World::new();
    let bot = world.bot("a 1\nb 1\n").await;
    let collector = world.start(vec![job_of("bot", &[&bot.address])]);
    world.tried(&collector).await;
    bot.answer(Answer { status: 503, ..Answer::text("") });
    world.round(&collector).await;
    let lines = lines.0.lock();
    let scraped: Vec<&String> = lines.iter().filter(|line| line.contains("scraped")).collect();
    assert!(scraped.iter().all(|line| line.starts_with("DEBUG botwatch::collect::")), "{scraped:?}");
    assert!(scraped[0].contains("samples=2") && scraped[0].contains("took_ms=0"), "{scraped:?}");
    assert!(scraped.iter().any(|line| line.contains("503")), "{scraped:?}");
}

#[derive(Clone, Default)]
struct Lines(Arc<parking_lot::Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        let mut line = format!("{} {}", event.metadata().level(), event.metadata().target());
        event.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            line += &format!(" {field}={value:?}");
        });
        self.0.lock().push(line);
    }
}

#[tokio::test]
async fn a_large_body_is_read_too() {
    let world = World::new();
    let body: String = (0..30_000).fold(String::new(), |body, i| body + &format!("a{{n=\"{i}\"}} {i}\n"));
    let bot = world.bot(&body).await;
    let collector = world.start(vec![job_of("bot", &[&bot.address])]);
    world.tried(&collector).await;
    assert_eq!(world.series("a").len(), 30_000);
}

#[tokio::test]
async fn a_unix_socket_is_scraped() {
    let world = World::new();
    let dir = tempfile::tempdir().expect("a directory");
    let bot = world.unix_bot(&dir.path().join("bot.sock"), "a 7\n");
    let collector = world.start(vec![job_of("bot", &[&bot.address])]);
    let targets = world.tried(&collector).await;
    assert_eq!(world.value("a"), Some(7.0), "{}", targets[0].last_error);
    assert_eq!(targets[0].labels.value("instance"), bot.address);
    assert_eq!(bot.asked()[0].1["host"], "localhost");
}

#[tokio::test]
async fn tls_needs_a_trusted_certificate() {
    let world = World::new();
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(signing_key.serialize_pem().as_bytes()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("a server");
    let bot = world.tls_bot("a 7\n", Arc::new(config).into()).await;
    let tls = TlsOptions { ca: Some(SecretSource::inline(cert.pem())), ..TlsOptions::default() };
    let trusting = JobOptions {
        scheme: Scheme::Https,
        http: HttpOptions { tls, ..HttpOptions::default() },
        ..job_of("trusting", &[&bot.address])
    };
    let doubting = JobOptions { scheme: Scheme::Https, ..job_of("doubting", &[&bot.address]) };
    let collector = world.start(vec![trusting, doubting]);
    let targets = world.tried(&collector).await;
    assert_eq!(world.value("a"), Some(7.0), "{}", targets[0].last_error);
    assert_eq!((targets[0].health, targets[1].health), (Health::Up, Health::Down));
    assert!(targets[1].last_error.contains("TLS"), "{}", targets[1].last_error);
}

/// Spec S10, S13: such samples are dropped and counted, and the scrape stays up.
#[tokio::test]
async fn samples_at_impossible_times_are_counted() {
    let world = World::new();
    let now = world.clock.now().0;
    let bot = world.bot(&format!("a 1 {now}\nb 1 {}\nc 1\nc 2\n", now + 3_600_000)).await;
    let collector = world.start(vec![job_of("bot", &[&bot.address])]);
    world.tried(&collector).await;
    bot.answer(Answer::text(&format!("a 2 {}\n", now - 1000)));
    world.round(&collector).await;
    assert_eq!((world.value("a"), world.value("b"), world.value("up")), (Some(1.0), None, Some(1.0)));
    assert!(world.ended("c"));
    assert!(world.own("prometheus_target_scrapes_sample_out_of_order_total") >= 1.0);
    assert_eq!(world.own("prometheus_target_scrapes_sample_out_of_bounds_total"), 1.0);
    assert_eq!(world.own("prometheus_target_scrapes_sample_duplicate_timestamp_total"), 1.0);
}

#[tokio::test]
async fn two_targets_of_one_name_are_two_sources() {
    let world = World::new();
    let bot = world.bot("a 1\n").await;
    let group = |env: &str| TargetGroup {
        targets: vec![bot.address.as_str().into()],
        labels: Labels::from_pairs([("env", env)]),
    };
    let job = JobOptions { static_targets: vec![group("x"), group("y")], ..super::job("bot") };
    let collector = world.start(vec![job]);
    let targets = world.tried(&collector).await;
    assert_eq!(&*targets[0].source, format!("bot at {}", bot.address));
    assert_eq!(&*targets[1].source, format!("bot at {0} (http://{0}/metrics)", bot.address));
    assert_eq!(world.series("a").len(), 2);
}

/// Spec S14: a stop of the process is no end of any series.
#[tokio::test]
async fn a_stop_ends_nothing() {
    let world = World::new();
    let bot = world.bot("a 1\n").await;
    let collector = world.start(vec![job_of("bot", &[&bot.address])]);
    world.tried(&collector).await;
    world.tasks.stop(std::time::Duration::from_millis(200)).await;
    assert_eq!(world.value("a"), Some(1.0));
    until(|| collector.targets()[0].health == Health::Up).await;
}
