//! Attempts: deadlines, broken connections, reload, stop, bugs. Each ends in exactly one report.

use botwatch::{
    dispatch::Courier as _,
    net::{HttpOptions, ProxyOptions, TlsOptions},
    notify::{Error, Integration, WebhookOptions},
};
use botwatch_core::{
    alerting::Outcome,
    model::{Duration, Secret},
};

use super::{
    Bench, DEADLINE, NOW, SOON, alert, attempt, delivered, error_of, gate, hook, memory_high, options,
    webhook,
};
use crate::sinks::http::{Answer, HttpSink};

fn is_transient(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Transient { .. })
}

#[tokio::test]
async fn a_receiver_that_is_down_fails_for_now() {
    let sink = HttpSink::accepting();
    let address = sink.address();
    let mut bench = Bench::new(vec![hook(&sink.url("/"))]);
    sink.next([Answer::Close]);
    let lost = bench.attempt(attempt("webhook", 0, memory_high())).await;
    assert!(is_transient(&lost) && error_of(&lost).contains("broke"), "{lost:?}");
    drop(sink);
    let down = bench.attempt(attempt("webhook", 0, memory_high())).await;
    assert!(is_transient(&down) && error_of(&down).contains("can't connect"), "{down:?}");
    let _back = HttpSink::start_at(address, |_| Answer::new(200, ""));
    assert_eq!(bench.attempt(attempt("webhook", 0, memory_high())).await, delivered());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_ends_at_its_deadline() {
    let sink = HttpSink::start(|_| Answer::Hang);
    let mut bench = Bench::new(vec![hook(&sink.url("/"))]);
    bench.notifier.send(attempt("webhook", 0, memory_high()));
    sink.wait_for(1, SOON);
    bench.clock.set(NOW + DEADLINE);
    let (_, outcome) = bench.report().await;
    assert_eq!(outcome, Outcome::Transient { error: "no answer in time".to_owned(), retry_after: None });
    // One that comes too late isn't made.
    let outcome = bench.attempt(attempt("webhook", 0, memory_high())).await;
    assert!(is_transient(&outcome) && error_of(&outcome).contains("before the attempt"), "{outcome:?}");
    // The receiver's time is real time, whatever the clock shows.
    let mut short = attempt("webhook", 0, memory_high());
    short.deadline = NOW + DEADLINE + Duration::from_millis(50);
    let outcome = bench.attempt(short).await;
    assert_eq!(error_of(&outcome), format!("no answer from {} in time", sink.url("")));
    assert_eq!(sink.requests().len(), 2);
}

#[tokio::test]
async fn what_is_not_configured_is_refused() {
    let mut bench = Bench::new(Vec::new());
    let outcome = bench.attempt(attempt("webhook", 5, memory_high())).await;
    assert_eq!(outcome, Outcome::Permanent { error: "the integration is no longer configured".to_owned() });
}

#[tokio::test]
async fn the_dispatcher_sends_from_a_thread_of_its_own() {
    let sink = HttpSink::accepting();
    let mut bench = Bench::new(vec![hook(&sink.url("/"))]);
    let notifier = bench.notifier.clone();
    std::thread::scope(|scope| {
        scope.spawn(move || notifier.send(attempt("webhook", 0, memory_high())));
    });
    assert_eq!(bench.report().await.1, delivered());
}

#[tokio::test]
async fn a_reload_lets_attempts_end_and_keeps_connections() {
    let (wait, open) = gate();
    let old = HttpSink::start(move |request| {
        if request.text().contains("Slow") {
            wait.lock().expect("no panic").recv().expect("opened");
        }
        Answer::new(200, "")
    });
    let new = HttpSink::accepting();
    let mut bench = Bench::new(vec![hook(&old.url("/")), hook(&new.url("/"))]);
    assert_eq!(bench.attempt(attempt("webhook", 1, memory_high())).await, delivered());

    bench.notifier.send(attempt("webhook", 0, vec![alert("Slow", "critical", false)]));
    bench
        .notifier
        .reload(options(vec![hook(&new.url("/moved")), hook(&new.url("/"))]))
        .expect("options that work");
    assert_eq!(bench.attempt(attempt("webhook", 0, memory_high())).await, delivered());
    assert_eq!(bench.attempt(attempt("webhook", 1, memory_high())).await, delivered());
    let paths: Vec<String> = new.requests().into_iter().map(|r| r.path).collect();
    assert_eq!((paths, new.connections()), (vec!["/".into(), "/moved".into(), "/".into()], 1));
    open.send(()).expect("the script waits");
    assert_eq!(bench.report().await.1, delivered());
    assert!(old.requests()[0].text().contains("Slow"));

    // What can't work changes nothing.
    let tls = TlsOptions { server_name: Some("x".to_owned()), ..TlsOptions::default() };
    let proxy = ProxyOptions { http: Some(Secret::new("http://p:1")), ..ProxyOptions::default() };
    let http = HttpOptions { tls, proxy, ..HttpOptions::default() };
    let bad = Integration::Webhook(Box::new(WebhookOptions { http, ..webhook(&new.url("/bad")) }));
    let Err(Error::Integration { integration, reason }) = bench.notifier.reload(options(vec![bad])) else {
        panic!("accepted");
    };
    assert_eq!(integration.to_string(), "team.a/webhook/0");
    assert!(reason.contains("can't be combined with a proxy"), "{reason}");
    assert_eq!(bench.attempt(attempt("webhook", 0, memory_high())).await, delivered());
}

#[tokio::test]
async fn a_stop_lets_attempts_end() {
    let (wait, open) = gate();
    let sink = HttpSink::start(move |_| {
        wait.lock().expect("no panic").recv().expect("opened");
        Answer::new(200, "")
    });
    let mut bench = Bench::new(vec![hook(&sink.url("/"))]);
    bench.notifier.send(attempt("webhook", 0, memory_high()));
    let tasks = bench.tasks.clone();
    let stop = tasks.stop(SOON);
    let then = async {
        assert!(tasks.stop_token().is_cancelled());
        open.send(()).expect("the script waits");
    };
    let (clean, ()) = tokio::join!(stop, then);
    assert!(clean);
    assert_eq!(bench.report().await.1, delivered());
}

#[tokio::test]
async fn a_bug_is_reported_before_it_is_told() {
    let sink = HttpSink::accepting();
    let mut bench = Bench::new(vec![hook(&sink.url("/"))]);
    let outcome = bench.attempt(attempt("webhook", 0, vec![alert("Bug", "critical", false)])).await;
    assert!(is_transient(&outcome) && error_of(&outcome).contains("a bug in botwatch"), "{outcome:?}");
    let ended = tokio::time::timeout(SOON, bench.ended.recv()).await.expect("in time").expect("an end");
    assert_eq!((ended.name, &*ended.message), ("notify", "a bug in a course"));
    assert_eq!(bench.attempt(attempt("webhook", 0, memory_high())).await, delivered());
}

#[tokio::test]
async fn attempts_are_counted() {
    let sink = HttpSink::accepting();
    let mut bench = Bench::new(vec![hook(&sink.url("/"))]);
    sink.next([Answer::new(200, ""), Answer::new(429, ""), Answer::new(500, "")]);
    for _ in 0..3 {
        bench.attempt(attempt("webhook", 0, memory_high())).await;
    }
    let value = |name: &str, reason: Option<&str>| {
        let families = bench.registry.gather();
        let family = families.iter().find(|f| f.name() == name).expect(name);
        let of = |m: &&prometheus::proto::Metric| {
            reason.is_none_or(|r| m.get_label().iter().any(|l| l.value() == r))
        };
        family.get_metric().iter().filter(of).map(|m| m.get_counter().get_value()).sum::<f64>()
    };
    for (name, reason, expected) in [
        ("alertmanager_notifications_total", None, 3.0),
        ("alertmanager_notifications_failed_total", None, 2.0),
        ("alertmanager_notifications_failed_total", Some("rateLimited"), 1.0),
        ("alertmanager_notifications_failed_total", Some("serverError"), 1.0),
        ("alertmanager_notification_requests_total", None, 3.0),
        ("alertmanager_notification_requests_failed_total", None, 2.0),
    ] {
        assert_eq!(value(name, reason), expected, "{name} {reason:?}");
    }
}
