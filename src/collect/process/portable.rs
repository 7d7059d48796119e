//! One look at the bot's process where there is no `/proc`: the basics, by id or name.

use botwatch_core::{model::Timestamp, tsdb::Visibility};
use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

use super::{Root, board::Values, catalogue::Key, parse, rounds::Look};
use crate::collect::ProcessFinder;

/// Finds and reads the process.
pub(super) struct PortableLook {
    root: Root,
    finder: ProcessFinder,
    /// `None` where the library doesn't know the system.
    system: Option<System>,
    current: Option<(Pid, u64)>,
    restarts: u64,
    told: bool,
}

impl Look for PortableLook {
    fn look(&mut self, _: Timestamp, values: &mut Values) -> Visibility {
        let what = ProcessRefreshKind::nothing()
            .with_cpu()
            .with_memory()
            .with_cmd(UpdateKind::OnlyIfNotSet)
            .with_exe(UpdateKind::OnlyIfNotSet);
        if let Some(system) = &mut self.system {
            system.refresh_processes_specifics(ProcessesToUpdate::All, true, what);
            system.refresh_memory();
        }
        let matching = self.matching();
        let (Some(system), Some(mut matching)) = (&self.system, matching) else {
            Self::blind(values);
            return Visibility::Blind;
        };
        matching.sort_unstable_by_key(|(pid, start)| (Some((*pid, *start)) != self.current, *start, *pid));
        values.set(Key::Visible, 1.0);
        values.set(Key::Up, f64::from(u8::from(!matching.is_empty())));
        values.set(Key::Matches, matching.len() as f64);
        if let Some(first) = matching.first() {
            if self.current.replace(*first).is_some_and(|before| before != *first) {
                self.restarts += 1;
            }
            if let Some(process) = system.process(first.0) {
                read(process, values);
            }
            values.set(Key::MemoryLimit, system.total_memory() as f64);
        }
        values.set(Key::Restarts, self.restarts as f64);
        Visibility::Seeing
    }

    fn blind(values: &mut Values) {
        values.clear();
        values.set(Key::Visible, 0.0);
    }
}

impl PortableLook {
    pub(super) fn new(root: Root, finder: ProcessFinder) -> Self {
        Self { root, finder, system: System::new().ok(), current: None, restarts: 0, told: false }
    }

    /// Processes that match, with their start; `None` when that can't be said.
    fn matching(&mut self) -> Option<Vec<(Pid, u64)>> {
        let system = self.system.as_ref()?;
        let wanted = match &self.finder {
            ProcessFinder::Pid(pid) => Ok(*pid),
            ProcessFinder::PidFile(path) => match self.root.read(path) {
                Ok(text) => Ok(text.trim().parse().ok()?),
                Err(super::files::Unread::Gone) => return Some(Vec::new()),
                Err(_) => return None,
            },
            ProcessFinder::Name(name) => Err(name),
            ProcessFinder::Port(_) | ProcessFinder::Cgroup(_) => {
                if !std::mem::replace(&mut self.told, true) {
                    tracing::warn!("on this system the bot's process is found by pid, pid file or name only");
                }
                return None;
            }
        };
        let own = Pid::from_u32(std::process::id());
        let matches = |pid: Pid, process: &Process| match wanted {
            Ok(wanted) => pid.as_u32() == wanted,
            Err(name) => {
                let exe = process.exe().and_then(|path| path.to_str());
                let cmdline = process.cmd().join(std::ffi::OsStr::new("\0"));
                let comm = process.name().to_string_lossy();
                pid != own && parse::is_called(name, &comm, exe, &cmdline.to_string_lossy())
            }
        };
        #[expect(clippy::disallowed_methods, reason = "sorted into a set at once")]
        let ids: std::collections::BTreeSet<Pid> =
            system.processes().iter().filter(|(pid, p)| matches(**pid, p)).map(|(pid, _)| *pid).collect();
        let alive = ids.into_iter().filter_map(|pid| Some((pid, system.process(pid)?)));
        let alive =
            alive.filter(|(_, p)| p.thread_kind().is_none() && p.status() != sysinfo::ProcessStatus::Zombie);
        Some(alive.map(|(pid, process)| (pid, process.start_time())).collect())
    }
}

fn read(process: &Process, values: &mut Values) {
    values.set(Key::Pid, f64::from(process.pid().as_u32()));
    values.set(Key::StartTime, process.start_time() as f64);
    values.set(Key::Uptime, process.run_time() as f64);
    values.set(Key::Cpu, process.accumulated_cpu_time() as f64 / 1000.0);
    values.set(Key::ResidentMemory, process.memory() as f64);
    values.set(Key::VirtualMemory, process.virtual_memory() as f64);
}
