//! Files of one field a line: `status`, `smaps_rollup`, `meminfo`, `io`, `limits`, and cgroup's flat-keyed ones.

/// The first word after `name:`.
fn after<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// The number of a line `name: 12` (`status`, `io`).
pub(in crate::collect) fn labelled(text: &str, name: &str) -> Option<u64> {
    after(text, name)?.parse().ok()
}

/// The bytes of a line `name:  12 kB` (`status`, `smaps_rollup`, `meminfo`), where kB are 1024 bytes.
pub(in crate::collect) fn bytes(text: &str, name: &str) -> Option<u64> {
    after(text, name)?.strip_suffix("kB")?.trim_end().parse::<u64>().ok()?.checked_mul(1024)
}

/// The number of a line `name 12` (`memory.events`, `cpu.stat`, `vmstat`, `/proc/stat`).
pub(in crate::collect) fn keyed(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?.trim().parse().ok()
}

/// The soft limit of open files in `limits`; `None` when unlimited.
pub(in crate::collect) fn max_open_files(limits: &str) -> Option<u64> {
    let mut lines = limits.lines();
    let soft = lines.find_map(|line| line.strip_prefix("Max open files"))?;
    soft.split_ascii_whitespace().next()?.parse().ok()
}

/// The first `N` numbers of a line (`loadavg`, `uptime`, `file-nr`).
pub(in crate::collect) fn words<const N: usize>(text: &str) -> Option<[f64; N]> {
    let mut found = [0.0; N];
    let mut words = text.split_ascii_whitespace();
    for place in &mut found {
        *place = words.next()?.parse().ok().filter(|n: &f64| n.is_finite())?;
    }
    Some(found)
}
