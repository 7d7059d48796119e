//! One look at the bot's process on Linux.

use botwatch_core::{
    model::{Duration, Timestamp},
    tsdb::Visibility,
};

use super::{
    board::Values,
    catalogue::Key,
    cgroup::Cgroup,
    files::{Root, Unread},
    finder::{self, Blind, Found},
    notices::{Notices, Said, What},
    parse::{self, ProcessStat, TICKS},
    rounds::Look,
};
use crate::collect::ProcessFinder;

/// The kernel walks all page tables for PSS and holds up the process's own mappings meanwhile.
const PSS_EVERY: Duration = Duration::from_secs(15);

/// The process that is watched, or was until it ended.
struct Current {
    pid: u32,
    /// Ticks since the machine's start; with the id it makes an identity.
    start: u64,
    /// Seconds since the epoch. Kept, since the machine's boot time moves when its clock is set.
    start_time: Option<f64>,
    /// When PSS was read, and what it was.
    pss: Option<(Timestamp, f64)>,
    heap: Heap,
    cgroup: Option<Cgroup>,
}

/// Node's heap limit, looked for once for each name that the process has.
#[derive(Default)]
struct Heap {
    limit: Option<u64>,
    known_for: Option<String>,
}

/// What was said of the process itself.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    Up(u32, u64),
    Gone,
    Blind(String),
}

/// Finds and reads the process.
pub(super) struct ProcessLook {
    root: Root,
    finder: ProcessFinder,
    current: Option<Current>,
    restarts: u64,
    matches: u32,
    told: Option<Told>,
    notices: Notices,
}

impl Look for ProcessLook {
    fn look(&mut self, now: Timestamp, values: &mut Values) -> Visibility {
        let identity = self.current.as_ref().map(|current| (current.pid, current.start));
        let found = finder::find(&self.root, &self.finder, identity);
        values.set(Key::Visible, 1.0);
        match found {
            Err(blind) => {
                self.tell_blind(&blind);
                Self::blind(values);
                return Visibility::Blind;
            }
            Ok(Some(found)) if self.read(&found, now, values) => {
                self.tell_up(&found);
                values.set(Key::Up, 1.0);
            }
            Ok(_) => self.gone(values),
        }
        values.set(Key::Restarts, self.restarts as f64);
        values.set(Key::Matches, f64::from(self.matches));
        Visibility::Seeing
    }

    fn blind(values: &mut Values) {
        values.clear();
        values.set(Key::Visible, 0.0);
    }
}

impl ProcessLook {
    pub(super) fn new(root: Root, finder: ProcessFinder) -> Self {
        Self { root, finder, current: None, restarts: 0, matches: 0, told: None, notices: Notices::default() }
    }

    /// The restarts seen so far.
    #[cfg(test)]
    pub(super) const fn restarts(&self) -> u64 {
        self.restarts
    }

    fn gone(&mut self, values: &mut Values) {
        values.clear();
        values.set(Key::Visible, 1.0);
        values.set(Key::Up, 0.0);
        self.matches = 0;
        if let Some(cgroup) = self.current.as_ref().and_then(|current| current.cgroup.as_ref()) {
            // Also unreadable when it was removed: then its series end.
            let _ = cgroup.read(&self.root, values);
        }
        if self.told != Some(Told::Gone) {
            tracing::warn!(
                finder = %Shown(&self.finder),
                "the bot's process isn't there (if it is in another container, share its pid namespace)"
            );
            self.told = Some(Told::Gone);
        }
    }

    /// False when the process ended meanwhile.
    fn read(&mut self, found: &Found, now: Timestamp, values: &mut Values) -> bool {
        let pid = found.pid;
        let Ok(status) = self.root.read(format!("proc/{pid}/status")) else { return false };
        self.begin(found);
        if found.matches > 0 {
            self.matches = found.matches;
        }
        self.times(&found.stat, values);
        of_stat(&found.stat, values);
        of_status(&status, values);
        self.world_readable(pid, values);
        self.owner_readable(pid, now, values);
        self.heap(&found.stat.comm, values);
        self.cgroup(pid, values);
        self.memory_limit(values);
        for what in What::ALL {
            let readable = self.notices.readable(what);
            let unreadable = readable.map(|readable| f64::from(u8::from(!readable)));
            values.put(Key::UnreadablePss as usize + what as usize, unreadable);
        }
        values.set(Key::Pid, f64::from(pid));
        true
    }

    /// Another process than before is a restart; an id that was given out again has another start.
    fn begin(&mut self, found: &Found) {
        let (pid, start) = (found.pid, found.stat.start);
        if let Some(current) = &self.current {
            if (current.pid, current.start) == (pid, start) {
                return;
            }
            self.restarts += 1;
        }
        let boot = self.root.text("proc/stat").and_then(|text| parse::keyed(&text, "btime"));
        let start_time = boot.map(|boot| boot as f64 + start as f64 / TICKS);
        self.current =
            Some(Current { pid, start, start_time, pss: None, heap: Heap::default(), cgroup: None });
    }

    fn times(&self, stat: &ProcessStat, values: &mut Values) {
        values.put(Key::StartTime, self.current.as_ref().and_then(|current| current.start_time));
        let machine = self.root.text("proc/uptime").and_then(|text| parse::words::<1>(&text));
        values.put(Key::Uptime, machine.map(|[up]| (up - stat.start as f64 / TICKS).max(0.0)));
    }

    fn world_readable(&self, pid: u32, values: &mut Values) {
        let limits = self.root.text(format!("proc/{pid}/limits"));
        values.put(Key::MaxFds, limits.and_then(|text| parse::max_open_files(&text)).map(|n| n as f64));
        let score = self.root.text(format!("proc/{pid}/oom_score"));
        values.put(Key::OomScore, score.and_then(|text| parse::words::<1>(&text)).map(|[score]| score));
    }

    fn owner_readable(&mut self, pid: u32, now: Timestamp, values: &mut Values) {
        let fds = self.root.open_fds(pid);
        values.put(Key::OpenFds, self.note(What::Fds, fds).map(|n| n as f64));
        let io = self.root.read(format!("proc/{pid}/io"));
        if let Some(io) = self.note(What::Io, io) {
            values.put(Key::Read, parse::labelled(&io, "read_bytes").map(|n| n as f64));
            values.put(Key::Write, parse::labelled(&io, "write_bytes").map(|n| n as f64));
        }
        let pss = self
            .current
            .as_ref()
            .and_then(|current| current.pss)
            .filter(|(at, _)| now.since(*at) < PSS_EVERY);
        let pss = pss.map(|(_, pss)| pss).or_else(|| self.pss(pid, now));
        values.put(Key::ProportionalMemory, pss);
    }

    fn pss(&mut self, pid: u32, now: Timestamp) -> Option<f64> {
        let text = self.root.read(format!("proc/{pid}/smaps_rollup"));
        let pss = parse::bytes(&self.note(What::Pss, text)?, "Pss")? as f64;
        if let Some(current) = &mut self.current {
            current.pss = Some((now, pss));
        }
        Some(pss)
    }

    /// A program may change its title and with it the command line, so a limit once found stays.
    fn heap(&mut self, comm: &str, values: &mut Values) {
        let Some(mut heap) = self.current.as_mut().map(|current| std::mem::take(&mut current.heap)) else {
            return;
        };
        if heap.known_for.as_deref() != Some(comm) {
            let (limit, whole) = self.heap_limit(comm);
            heap.limit = limit.or(heap.limit);
            heap.known_for = whole.then(|| comm.to_owned());
        }
        values.put(Key::NodeHeapLimit, heap.limit.map(|n| n as f64));
        if let Some(current) = &mut self.current {
            current.heap = heap;
        }
    }

    /// The limit, and whether all places could be read.
    fn heap_limit(&mut self, comm: &str) -> (Option<u64>, bool) {
        let Some(pid) = self.current.as_ref().map(|current| current.pid) else { return (None, false) };
        let cmdline = self.root.text(format!("proc/{pid}/cmdline")).unwrap_or_default();
        if let Some(limit) = parse::heap_limit(&cmdline) {
            return (Some(limit), true);
        }
        let environ = self.root.read(format!("proc/{pid}/environ"));
        if parse::is_node(comm, &cmdline) {
            let environ = self.note(What::Environ, environ);
            let whole = environ.is_some();
            (environ.and_then(|text| parse::node_options(&text)), whole)
        } else {
            (environ.ok().and_then(|text| parse::node_options(&text)), true)
        }
    }

    fn cgroup(&mut self, pid: u32, values: &mut Values) {
        let Some(cgroup) = Cgroup::of(&self.root, pid) else { return };
        let read = cgroup.read(&self.root, values);
        self.note(What::Cgroup, read);
        if let Some(current) = &mut self.current {
            current.cgroup = Some(cgroup);
        }
    }

    fn memory_limit(&self, values: &mut Values) {
        let machine = self.root.text("proc/meminfo").and_then(|text| parse::bytes(&text, "MemTotal"));
        let limits = [values.get(Key::CgroupMemoryLimit), machine.map(|n| n as f64)];
        values.put(Key::MemoryLimit, limits.into_iter().flatten().min_by(f64::total_cmp));
    }

    /// Says once that something can't be read, and once that it can again.
    fn note<T>(&mut self, what: What, result: Result<T, Unread>) -> Option<T> {
        let denied = matches!(result, Err(Unread::Denied));
        if denied || result.is_ok() {
            match self.notices.note(what, !denied) {
                Some(Said::Unreadable) => tracing::warn!(
                    what = what.name(),
                    mend = what.mend(),
                    "botwatch may not read a part of what the bot's process shows"
                ),
                Some(Said::Readable) => {
                    tracing::info!(
                        what = what.name(),
                        "what couldn't be read of the bot's process now can be"
                    );
                }
                None => {}
            }
        }
        result.ok()
    }

    fn tell_blind(&mut self, blind: &Blind) {
        let told = Told::Blind(blind.to_string());
        if self.told.as_ref() != Some(&told) {
            tracing::warn!(
                finder = %Shown(&self.finder),
                why = %blind,
                mend = blind.mend(),
                "it can't be seen whether the bot's process runs"
            );
            self.told = Some(told);
        }
    }

    fn tell_up(&mut self, found: &Found) {
        let told = Told::Up(found.pid, found.stat.start);
        if self.told.as_ref() != Some(&told) {
            tracing::info!(
                finder = %Shown(&self.finder),
                pid = found.pid,
                name = found.stat.comm,
                matches = self.matches,
                restarts = self.restarts,
                "the bot's process is watched"
            );
            self.told = Some(told);
        }
    }
}

fn of_stat(stat: &ProcessStat, values: &mut Values) {
    let (user, system) = (stat.user as f64 / TICKS, stat.system as f64 / TICKS);
    values.set(Key::Cpu, user + system);
    values.set(Key::CpuUser, user);
    values.set(Key::CpuSystem, system);
    values.set(Key::Threads, stat.threads as f64);
    values.set(Key::VirtualMemory, stat.virtual_bytes as f64);
    values.set(Key::MajorPageFaults, stat.major_faults as f64);
    let state = match stat.state {
        'R' => Key::StateRunning,
        'S' => Key::StateSleeping,
        'D' => Key::StateBlocked,
        'T' | 't' => Key::StateStopped,
        _ => Key::StateOther,
    };
    for key in [Key::StateRunning, Key::StateSleeping, Key::StateBlocked, Key::StateStopped, Key::StateOther]
    {
        values.set(key, f64::from(u8::from(key == state)));
    }
}

fn of_status(status: &str, values: &mut Values) {
    let bytes = |name| parse::bytes(status, name).map(|n| n as f64);
    values.put(Key::ResidentMemory, bytes("VmRSS"));
    values.put(Key::Swap, bytes("VmSwap"));
    let count = |name| parse::labelled(status, name).map(|n| n as f64);
    values.put(Key::ContextSwitchesVoluntary, count("voluntary_ctxt_switches"));
    values.put(Key::ContextSwitchesInvoluntary, count("nonvoluntary_ctxt_switches"));
}

/// A finder in a message.
struct Shown<'a>(&'a ProcessFinder);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            ProcessFinder::Pid(pid) => write!(f, "pid {pid}"),
            ProcessFinder::PidFile(path) => write!(f, "pid file {}", path.display()),
            ProcessFinder::Name(name) => write!(f, "name {name}"),
            ProcessFinder::Port(port) => write!(f, "port {port}"),
            ProcessFinder::Cgroup(path) => write!(f, "cgroup {path}"),
        }
    }
}
