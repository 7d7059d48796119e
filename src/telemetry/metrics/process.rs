//! The standard `process_…` metrics, read from `/proc/self`. What can't be read is left out.

use std::fs;

use botwatch_core::{
    exposition::{Family, FamilySample, MetricType},
    model::{Labels, Timestamp},
};

/// Clock ticks a second in `/proc`: a fixed part of Linux' interface on all that Rust builds for.
const TICKS: f64 = 100.0;

pub(super) fn families(started: Timestamp) -> Vec<Family> {
    let mut all = vec![family(
        "process_start_time_seconds",
        MetricType::Gauge,
        "Start time of the process since unix epoch in seconds.",
        started.as_secs_f64(),
    )];
    let mut push = |name, kind, help, value: Option<f64>| {
        all.extend(value.map(|value| family(name, kind, help, value)));
    };
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    push(
        "process_cpu_seconds_total",
        MetricType::Counter,
        "Total user and system CPU time spent in seconds.",
        cpu_seconds(&stat),
    );
    push("process_threads", MetricType::Gauge, "Number of OS threads in the process.", threads(&stat));
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    for (name, help, key) in [
        ("process_resident_memory_bytes", "Resident memory size in bytes.", "VmRSS:"),
        ("process_virtual_memory_bytes", "Virtual memory size in bytes.", "VmSize:"),
    ] {
        push(name, MetricType::Gauge, help, kilobytes(&status, key).map(|k| k * 1024.0));
    }
    // The directory that is being read is itself an open descriptor.
    let open = fs::read_dir("/proc/self/fd").ok().map(|fds| fds.count().saturating_sub(1) as f64);
    push("process_open_fds", MetricType::Gauge, "Number of open file descriptors.", open);
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    push("process_max_fds", MetricType::Gauge, "Maximum number of open file descriptors.", max_fds(&limits));
    all
}

fn family(name: &str, kind: MetricType, help: &str, value: f64) -> Family {
    let samples = vec![FamilySample { suffix: "", labels: Labels::empty(), value, timestamp: None }];
    Family { name: name.to_owned(), kind, help: help.to_owned(), unit: String::new(), samples }
}

/// A field of `/proc/<pid>/stat` by its number in proc(5). The second is a name in brackets that may hold anything.
fn field(stat: &str, number: usize) -> Option<f64> {
    let rest = &stat[stat.rfind(')')? + 1..];
    rest.split_ascii_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

pub(super) fn cpu_seconds(stat: &str) -> Option<f64> {
    Some((field(stat, 14)? + field(stat, 15)?) / TICKS)
}

pub(super) fn threads(stat: &str) -> Option<f64> {
    field(stat, 20)
}

pub(super) fn kilobytes(status: &str, key: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

pub(super) fn max_fds(limits: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_ascii_whitespace().next()? {
        "unlimited" => Some(f64::INFINITY),
        number => number.parse().ok(),
    }
}
