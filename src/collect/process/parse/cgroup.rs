//! cgroup v2: where a process is, and limits.

/// The cgroup v2 path in `/proc/<pid>/cgroup`, without the leading slash. `None` where there is no v2, or it lies
/// outside of what our cgroup namespace shows.
pub(in crate::collect) fn unified_path(text: &str) -> Option<&str> {
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    // The directory of a cgroup that was removed has this after its name.
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    (!path.split('/').any(|part| part == "..")).then_some(path)
}

/// A limit (`memory.max`, `memory.high`, `pids.max`) or a plain number; `None` for `max`.
pub(in crate::collect) fn limit(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// `cpu.max` in processors; `None` for `max`.
pub(in crate::collect) fn cpu_max(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period) = (quota.parse::<u64>().ok()?, period.parse::<u64>().ok()?);
    (period > 0).then(|| quota as f64 / period as f64)
}
