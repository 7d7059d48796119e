//! cgroup v2 directories.

use std::{fs, path::PathBuf};

use super::{
    board::Values,
    catalogue::Key,
    files::{Root, Unread},
    parse,
};

/// Nobody nests deeper, and a loop of links ends here.
const DEPTH_MAX: usize = 32;
/// Directories that are searched for processes.
const DIRECTORIES_MAX: usize = 1024;

/// Where cgroup v2 is mounted, below the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hierarchy(&'static str);

impl Hierarchy {
    /// Alone, or beside v1 as systemd's hybrid layout has it.
    pub(super) fn mounted(root: &Root) -> Option<Self> {
        let places = ["sys/fs/cgroup", "sys/fs/cgroup/unified"];
        places.into_iter().find(|place| root.path(place).join("cgroup.controllers").exists()).map(Self)
    }

    /// The processes of a cgroup and of those in it. `path` may begin with the mount point.
    pub(super) fn processes(self, root: &Root, path: &str) -> Result<Vec<u32>, Unread> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_prefix(self.0).unwrap_or(path).trim_matches('/');
        let mut left = vec![PathBuf::from(self.0).join(path)];
        let mut pids = Vec::new();
        let mut seen = 0;
        while let Some(dir) = left.pop() {
            match root.read(dir.join("cgroup.procs")) {
                Ok(text) => pids.extend(text.lines().filter_map(|line| line.parse::<u32>().ok())),
                // Removed in between.
                Err(Unread::Gone) if seen > 0 => continue,
                Err(why) => return Err(why),
            }
            seen += 1;
            let Ok(entries) = fs::read_dir(root.path(&dir)) else { continue };
            let inner = entries.filter_map(Result::ok).filter(|e| e.file_type().is_ok_and(|t| t.is_dir()));
            left.extend(
                inner
                    .map(|e| dir.join(e.file_name()))
                    .take(DIRECTORIES_MAX.saturating_sub(seen + left.len())),
            );
        }
        Ok(pids)
    }

    /// A directory and those above it, up to the mount point.
    fn up(self, path: &str) -> impl Iterator<Item = PathBuf> {
        let whole = PathBuf::from(self.0).join(path);
        let above: Vec<PathBuf> = whole.ancestors().map(PathBuf::from).collect();
        above.into_iter().take_while(move |dir| dir.starts_with(self.0)).take(DEPTH_MAX)
    }
}

/// The cgroup of the process that is, or was, watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cgroup {
    hierarchy: Hierarchy,
    path: String,
}

impl Cgroup {
    /// Where a process is; `None` without cgroup v2.
    pub(super) fn of(root: &Root, pid: u32) -> Option<Self> {
        let hierarchy = Hierarchy::mounted(root)?;
        let text = root.text(format!("proc/{pid}/cgroup"))?;
        Some(Self { hierarchy, path: parse::unified_path(&text)?.to_owned() })
    }

    /// Reads what there is. Files that a controller which isn't on would have are absent. `Denied` if any is.
    pub(super) fn read(&self, root: &Root, values: &mut Values) -> Result<(), Unread> {
        let dir = PathBuf::from(self.hierarchy.0).join(&self.path);
        let mut reading = Reading { root, values, dir, denied: false };
        reading.memory();
        reading.cpu();
        reading.pids();
        for (i, name) in ["cpu", "memory", "io"].into_iter().enumerate() {
            reading.pressure(i, &format!("{name}.pressure"));
        }
        let denied = reading.denied;
        self.limits(root, values);
        if denied { Err(Unread::Denied) } else { Ok(()) }
    }

    /// The smallest limits up the tree are those that bind.
    fn limits(&self, root: &Root, values: &mut Values) {
        let least = |file: &str, parse: fn(&str) -> Option<f64>| {
            let all = self.hierarchy.up(&self.path).filter_map(|dir| parse(&root.text(dir.join(file))?));
            all.min_by(f64::total_cmp)
        };
        let whole = |text: &str| parse::limit(text).map(|n| n as f64);
        let limits = [
            (Key::CgroupMemoryLimit, least("memory.max", whole)),
            (Key::CgroupMemoryHigh, least("memory.high", whole)),
            (Key::CgroupPidsLimit, least("pids.max", whole)),
            (Key::CgroupCpuLimitCores, least("cpu.max", parse::cpu_max)),
        ];
        for (key, limit) in limits {
            values.put(key, limit);
        }
    }
}

struct Reading<'a> {
    root: &'a Root,
    values: &'a mut Values,
    dir: PathBuf,
    denied: bool,
}

impl Reading<'_> {
    fn text(&mut self, file: &str) -> Option<String> {
        let text = self.root.read(self.dir.join(file));
        self.denied |= matches!(text, Err(Unread::Denied));
        text.ok()
    }

    fn number(&mut self, file: &str) -> Option<f64> {
        parse::limit(&self.text(file)?).map(|n| n as f64)
    }

    fn keyed(&mut self, file: &str, keys: &[(Key, &str, f64)]) {
        let Some(text) = self.text(file) else { return };
        for &(key, name, unit) in keys {
            self.values.put(key, parse::keyed(&text, name).map(|n| n as f64 * unit));
        }
    }

    fn memory(&mut self) {
        let current = self.number("memory.current");
        self.values.put(Key::CgroupMemory, current);
        let stat = self.text("memory.stat").unwrap_or_default();
        let inactive = parse::keyed(&stat, "inactive_file").map(|n| n as f64);
        let working_set = current.zip(inactive).map(|(current, inactive)| (current - inactive).max(0.0));
        self.values.put(Key::CgroupMemoryWorkingSet, working_set);
        let swap = self.number("memory.swap.current");
        self.values.put(Key::CgroupSwap, swap);
        let events = [
            (Key::CgroupOomEvents, "oom", 1.0),
            (Key::CgroupOomKills, "oom_kill", 1.0),
            (Key::CgroupMemoryHighEvents, "high", 1.0),
        ];
        self.keyed("memory.events", &events);
    }

    fn cpu(&mut self) {
        let cpu = [
            (Key::CgroupCpu, "usage_usec", 1e-6),
            (Key::CgroupCpuPeriods, "nr_periods", 1.0),
            (Key::CgroupCpuThrottledPeriods, "nr_throttled", 1.0),
            (Key::CgroupCpuThrottled, "throttled_usec", 1e-6),
        ];
        self.keyed("cpu.stat", &cpu);
    }

    fn pids(&mut self) {
        let pids = self.number("pids.current");
        self.values.put(Key::CgroupPids, pids);
    }

    fn pressure(&mut self, resource: usize, file: &str) {
        let Some(pressure) = self.text(file).and_then(|text| parse::pressure(&text)) else { return };
        let mut put = |key: Key, value: f64| self.values.set(key as usize + resource, value);
        put(Key::CgroupPressureSomeAvg10Cpu, pressure.some_avg10);
        put(Key::CgroupPressureWaitingCpu, pressure.waiting);
        if let Some(stalled) = pressure.stalled {
            put(Key::CgroupPressureStalledCpu, stalled);
        }
    }
}
