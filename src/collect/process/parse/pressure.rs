//! Pressure stall information.

/// How long tasks waited for a resource.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::collect) struct Pressure {
    /// Share of the last ten seconds in which some task waited, 0 to 1.
    pub some_avg10: f64,
    /// Seconds in which some task waited.
    pub waiting: f64,
    /// Seconds in which all tasks waited; absent for the processor on older kernels.
    pub stalled: Option<f64>,
}

/// Parses `some avg10=0.00 avg60=0.00 avg300=0.00 total=0` and `full …`; totals are microseconds.
pub(in crate::collect) fn pressure(text: &str) -> Option<Pressure> {
    let value = |kind: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(' '))?;
        let mut pairs = line.split_ascii_whitespace().filter_map(|pair| pair.split_once('='));
        pairs.find(|(n, _)| *n == name).map(|(_, v)| v)
    };
    let seconds = |kind| Some(value(kind, "total")?.parse::<u64>().ok()? as f64 / 1e6);
    let percent: f64 = value("some", "avg10")?.parse().ok().filter(|p: &f64| p.is_finite())?;
    Some(Pressure { some_avg10: percent / 100.0, waiting: seconds("some")?, stalled: seconds("full") })
}
