use botwatch_core::{
    exposition::{Dialect, Escaping, write},
    model::Timestamp,
};
use prometheus::{Gauge, Histogram, HistogramOpts, IntCounterVec, Opts};

use super::{Build, Metrics, process};
use crate::runtime::Clock;

fn metrics() -> Metrics {
    let build = Build { version: "1.2.3", revision: "" };
    Metrics::new(&Clock::manual(Timestamp::from_secs(1000)), build)
}

#[test]
fn the_registry_is_written_by_our_own_writer() {
    let metrics = metrics();
    let counter = IntCounterVec::new(Opts::new("x_things_total", "Things."), &["kind"]).expect("a counter");
    counter.with_label_values(&["a\"b"]).inc_by(2);
    let gauge = Gauge::new("x_level", "Level.").expect("a gauge");
    gauge.set(0.5);
    let options = HistogramOpts::new("x_seconds", "Time.").buckets(vec![0.1, 1.0]);
    let histogram = Histogram::with_opts(options).expect("a histogram");
    histogram.observe(0.5);
    histogram.observe(5.0);
    for collector in
        [Box::new(counter) as Box<dyn prometheus::core::Collector>, Box::new(gauge), Box::new(histogram)]
    {
        metrics.registry().register(collector).expect("registered");
    }
    let own: Vec<_> = metrics.families().into_iter().filter(|f| f.name.starts_with("x_")).collect();
    assert_eq!(
        write(&own, Dialect::Text),
        "# HELP x_level Level.\n# TYPE x_level gauge\nx_level 0.5\n\
         # HELP x_seconds Time.\n# TYPE x_seconds histogram\n\
         x_seconds_bucket{le=\"0.1\"} 0\nx_seconds_bucket{le=\"1\"} 1\nx_seconds_bucket{le=\"+Inf\"} 2\n\
         x_seconds_sum 5.5\nx_seconds_count 2\n\
         # HELP x_things_total Things.\n# TYPE x_things_total counter\nx_things_total{kind=\"a\\\"b\"} 2\n"
    );
    let open = write(&own, Dialect::OpenMetrics(Escaping::Underscores));
    assert!(open.contains("# TYPE x_things counter\nx_things_total{kind=\"a\\\"b\"} 2.0\n"), "{open}");
}

#[test]
fn the_process_tells_of_itself() {
    let text = write(&metrics().families(), Dialect::Text);
    for expected in [
        "botwatch_build_info{version=\"1.2.3\"} 1\n",
        "process_start_time_seconds 1000\n",
        "# TYPE process_cpu_seconds_total counter\n",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
    #[cfg(target_os = "linux")]
    for name in ["process_resident_memory_bytes", "process_open_fds", "process_max_fds", "process_threads"] {
        let line = text.lines().find(|l| l.starts_with(&format!("{name} "))).expect(name);
        let value: f64 = line.rsplit(' ').next().and_then(|v| v.parse().ok()).expect("a number");
        assert!(value > 0.0, "{line}");
    }
}

#[test]
fn proc_is_read_as_it_is_written() {
    let stat = "42 (a ) b) S 1 2 3 4 5 6 7 8 9 10 150 50 13 14 15 16 7 18 19";
    assert_eq!(process::cpu_seconds(stat), Some(2.0));
    assert_eq!(process::threads(stat), Some(7.0));
    assert_eq!(process::cpu_seconds(""), None);
    assert_eq!(process::cpu_seconds("1 (x"), None);
    let status = "Name:\tx\nVmRSS:\t    1234 kB\n";
    assert_eq!(process::kilobytes(status, "VmRSS:"), Some(1234.0));
    assert_eq!(process::kilobytes(status, "VmSize:"), None);
    let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024      4096    files\n";
    assert_eq!(process::max_fds(limits), Some(1024.0));
    assert_eq!(process::max_fds("Max open files unlimited unlimited files"), Some(f64::INFINITY));
}
