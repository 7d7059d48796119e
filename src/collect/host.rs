//! The machine as a source of samples, under the source `host`.
//!
//! [`start`] begins one task; `app` calls it with [`super::HostOptions`] and keeps the [`Watcher`]. Linux is read from
//! `/proc`; other systems give the rows marked ∘. It decides nothing about alerts. A file system that hangs makes the
//! whole source blind until it answers; one that is missing has `botwatch_host_filesystem_up` 0.
//!
//! | metric | labels | kind | meaning |
//! |---|---|---|---|
//! | `botwatch_host_load1` ∘ | | gauge | load average over 1 minute |
//! | `botwatch_host_load5` ∘ | | gauge | load average over 5 minutes |
//! | `botwatch_host_load15` ∘ | | gauge | load average over 15 minutes |
//! | `botwatch_host_memory_total_bytes` ∘ | | gauge | memory |
//! | `botwatch_host_memory_available_bytes` ∘ | | gauge | memory that can be had without swapping |
//! | `botwatch_host_swap_total_bytes` ∘ | | gauge | swap space |
//! | `botwatch_host_swap_free_bytes` ∘ | | gauge | unused swap space |
//! | `botwatch_host_boot_time_seconds` ∘ | | gauge | start of the machine, seconds since the Unix epoch |
//! | `botwatch_host_uptime_seconds` ∘ | | gauge | time since its start |
//! | `botwatch_host_cpus` ∘ | | gauge | processors online |
//! | `botwatch_host_cpu_seconds_total` | `mode`: `user`, `nice`, `system`, `idle`, `iowait`, `irq`, `softirq`, `steal` | counter | processor time, all processors together |
//! | `botwatch_host_cpu_usage_ratio` | | gauge | share of all processors' time since the last look that was neither idle nor waiting, 0 to 1 |
//! | `botwatch_host_context_switches_total` | | counter | of all processes |
//! | `botwatch_host_procs_running` | | gauge | tasks that run or could |
//! | `botwatch_host_procs_blocked` | | gauge | tasks that wait for a device |
//! | `botwatch_host_filefd_allocated` | | gauge | open files of all processes |
//! | `botwatch_host_filefd_maximum` | | gauge | the limit of it |
//! | `botwatch_host_oom_kills_total` | | counter | processes killed for want of memory, in cgroups too |
//! | `botwatch_host_pressure_some_avg10_ratio` | `resource`: `cpu`, `memory`, `io` | gauge | share of the last 10 s in which some task waited, 0 to 1 |
//! | `botwatch_host_pressure_waiting_seconds_total` | `resource` | counter | time in which some task waited |
//! | `botwatch_host_pressure_stalled_seconds_total` | `resource` | counter | time in which all tasks waited |
//! | `botwatch_host_filesystem_up` ∘ | `path` | gauge | 1 if the file system could be asked, 0 if not |
//! | `botwatch_host_filesystem_size_bytes` ∘ | `path` | gauge | size of the file system that holds the path |
//! | `botwatch_host_filesystem_free_bytes` ∘ | `path` | gauge | free, also what is kept for root |
//! | `botwatch_host_filesystem_avail_bytes` ∘ | `path` | gauge | free for anyone |
//! | `botwatch_host_filesystem_files` ∘ | `path` | gauge | inodes; absent where there is no such limit |
//! | `botwatch_host_filesystem_files_free` ∘ | `path` | gauge | free inodes; absent where there is no such limit |
//! | `botwatch_host_filesystem_readonly` ∘ | `path` | gauge | 1 if mounted read-only |

mod catalogue;
#[cfg(any(not(target_os = "linux"), test))]
mod portable;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use botwatch_core::{
    model::{Labels, Timestamp},
    tsdb::Visibility,
};

use super::{
    HostOptions,
    process::{self, Board, CPU_MODES, Definition, Look, Root, TICKS, Values, Watcher},
};
use crate::{
    platform::{FileSystem, file_system},
    runtime::{Clock, Tasks},
    samples::{MetricKind, Store},
};
use catalogue::Key;

/// The name of the source that the machine is.
pub const SOURCE: &str = "host";

/// What there is for each path, in the order of the module's table.
const FILE_SYSTEM: [Definition; 7] = [
    of_path("botwatch_host_filesystem_up", "1 if the file system could be asked, 0 if not."),
    of_path("botwatch_host_filesystem_size_bytes", "Size of the file system that holds the path."),
    of_path("botwatch_host_filesystem_free_bytes", "Free, also what is kept for root."),
    of_path("botwatch_host_filesystem_avail_bytes", "Free for anyone."),
    of_path("botwatch_host_filesystem_files", "Inodes; absent where there is no such limit."),
    of_path("botwatch_host_filesystem_files_free", "Free inodes; absent where there is no such limit."),
    of_path("botwatch_host_filesystem_readonly", "1 if mounted read-only."),
];

const fn of_path(name: &'static str, help: &'static str) -> Definition {
    Definition { name, label: None, kind: MetricKind::Gauge, help }
}

/// All metrics of the machine, those of one name together; those of file systems have a label `path` too.
pub fn definitions() -> impl Iterator<Item = &'static Definition> {
    Key::ALL.iter().chain(&FILE_SYSTEM)
}

/// Starts watching the machine. `root` is where `proc` lies, [`Root::default`] but in tests; the watched paths are those
/// of the machine itself.
pub fn start(tasks: &Tasks, clock: &Clock, store: &Store, options: HostOptions, root: Root) -> Watcher {
    let board = Board::new(store.clone(), SOURCE, series(&options.labels, &options.paths));
    #[cfg(target_os = "linux")]
    let look = HostLook::new(root, options.paths);
    #[cfg(not(target_os = "linux"))]
    let look = {
        let _ = root;
        portable::PortableLook::new(options.paths)
    };
    process::start_rounds("host", tasks, clock, options.interval, board, look)
}

/// The series in the order of their places: the catalogue's, then those of each path.
fn series<'a>(labels: &'a Labels, paths: &'a [PathBuf]) -> impl Iterator<Item = Labels> {
    let of_paths = paths.iter().flat_map(move |path| {
        let labels = labels.with("path", &path.to_string_lossy());
        FILE_SYSTEM.iter().map(move |definition| definition.labels(&labels))
    });
    Key::ALL.iter().map(move |definition| definition.labels(labels)).chain(of_paths)
}

/// The watched file systems.
struct FileSystems {
    paths: Vec<PathBuf>,
    /// Whether it was said that one can't be asked.
    told: Vec<bool>,
}

impl FileSystems {
    fn new(paths: Vec<PathBuf>) -> Self {
        Self { told: vec![false; paths.len()], paths }
    }

    fn look(&mut self, values: &mut Values) {
        for (i, path) in self.paths.iter().enumerate() {
            let first = Key::ALL.len() + i * FILE_SYSTEM.len();
            let asked = file_system(path);
            values.set(first, f64::from(u8::from(asked.is_ok())));
            let failed = asked.is_err();
            match asked {
                Ok(found) => put_file_system(first + 1, &found, values),
                Err(why) if !self.told[i] => {
                    tracing::warn!(path = %path.display(), %why, "a watched file system can't be asked");
                }
                Err(_) => {}
            }
            if self.told[i] && !failed {
                tracing::info!(path = %path.display(), "the watched file system can be asked again");
            }
            self.told[i] = failed;
        }
    }
}

fn put_file_system(at: usize, found: &FileSystem, values: &mut Values) {
    for (i, bytes) in [found.size, found.free, found.available].into_iter().enumerate() {
        values.set(at + i, bytes as f64);
    }
    // btrfs and others have no fixed number of inodes.
    if found.files > 0 {
        values.set(at + 3, found.files as f64);
        values.set(at + 4, found.files_free as f64);
    }
    values.set(at + 5, f64::from(u8::from(found.read_only)));
}

/// Reads the machine on Linux.
struct HostLook {
    root: Root,
    file_systems: FileSystems,
    /// Ticks at work and of all modes, at the last look.
    before: Option<(u64, u64)>,
    told: bool,
}

impl Look for HostLook {
    fn look(&mut self, _: Timestamp, values: &mut Values) -> Visibility {
        self.file_systems.look(values);
        let Some(stat) = self.root.text("proc/stat") else {
            if !std::mem::replace(&mut self.told, true) {
                tracing::warn!(mend = "mount /proc", "the machine can't be seen: there is no /proc/stat");
            }
            Self::blind(values);
            return Visibility::Blind;
        };
        if std::mem::take(&mut self.told) {
            tracing::info!("the machine can be seen again");
        }
        self.processors(&stat, values);
        self.load(values);
        self.memory(values);
        self.kernel(&stat, values);
        for (i, resource) in ["cpu", "memory", "io"].into_iter().enumerate() {
            self.pressure(i, resource, values);
        }
        Visibility::Seeing
    }

    fn blind(values: &mut Values) {
        values.clear();
    }
}

impl HostLook {
    fn new(root: Root, paths: Vec<PathBuf>) -> Self {
        Self { root, file_systems: FileSystems::new(paths), before: None, told: false }
    }

    fn processors(&mut self, stat: &str, values: &mut Values) {
        let Some((ticks, processors)) = process::cpu_ticks(stat) else { return };
        values.set(Key::Cpus, processors as f64);
        for (i, ticks) in ticks.iter().enumerate() {
            values.set(Key::CpuUser as usize + i, *ticks as f64 / TICKS);
        }
        let idle = |mode: &str| matches!(mode, "idle" | "iowait");
        let sum = |pairs: &mut dyn Iterator<Item = u64>| pairs.fold(0u64, u64::saturating_add);
        let all = sum(&mut ticks.iter().copied());
        let busy =
            sum(&mut CPU_MODES.iter().zip(ticks).filter(|(mode, _)| !idle(mode)).map(|(_, ticks)| ticks));
        if let Some((busy_before, all_before)) = self.before.replace((busy, all))
            && all > all_before
        {
            // The kernel's idle time may run backwards a little.
            let share = busy.saturating_sub(busy_before) as f64 / (all - all_before) as f64;
            values.set(Key::CpuUsage, share.min(1.0));
        }
    }

    fn load(&self, values: &mut Values) {
        if let Some(load) = self.root.text("proc/loadavg").and_then(|text| process::words::<3>(&text)) {
            for (key, load) in [Key::Load1, Key::Load5, Key::Load15].into_iter().zip(load) {
                values.set(key, load);
            }
        }
        let uptime = self.root.text("proc/uptime").and_then(|text| process::words::<1>(&text));
        values.put(Key::Uptime, uptime.map(|[uptime]| uptime));
    }

    fn memory(&self, values: &mut Values) {
        let Some(meminfo) = self.root.text("proc/meminfo") else { return };
        for (key, name) in [
            (Key::MemoryTotal, "MemTotal"),
            (Key::MemoryAvailable, "MemAvailable"),
            (Key::SwapTotal, "SwapTotal"),
            (Key::SwapFree, "SwapFree"),
        ] {
            values.put(key, process::bytes(&meminfo, name).map(|n| n as f64));
        }
    }

    fn kernel(&self, stat: &str, values: &mut Values) {
        for (key, name) in [
            (Key::BootTime, "btime"),
            (Key::ContextSwitches, "ctxt"),
            (Key::ProcsRunning, "procs_running"),
            (Key::ProcsBlocked, "procs_blocked"),
        ] {
            values.put(key, process::keyed(stat, name).map(|n| n as f64));
        }
        let kills = self.root.text("proc/vmstat").and_then(|text| process::keyed(&text, "oom_kill"));
        values.put(Key::OomKills, kills.map(|n| n as f64));
        let files = self.root.text("proc/sys/fs/file-nr").and_then(|text| process::words::<3>(&text));
        if let Some([allocated, free, maximum]) = files {
            values.set(Key::FilefdAllocated, allocated - free);
            values.set(Key::FilefdMaximum, maximum);
        }
    }

    fn pressure(&self, at: usize, resource: &str, values: &mut Values) {
        let text = self.root.text(format!("proc/pressure/{resource}"));
        let Some(pressure) = text.and_then(|text| process::pressure(&text)) else { return };
        values.set(Key::PressureSomeAvg10Cpu as usize + at, pressure.some_avg10);
        values.set(Key::PressureWaitingCpu as usize + at, pressure.waiting);
        values.put(Key::PressureStalledCpu as usize + at, pressure.stalled);
    }
}
