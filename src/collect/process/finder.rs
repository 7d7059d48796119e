//! Finding the process. What isn't there and what may not be seen are told apart.

use std::{
    fs,
    io::{self, BufRead as _, Read as _},
    path::PathBuf,
};

use super::{
    cgroup::Hierarchy,
    files::{Root, Unread},
    parse::{self, ProcessStat},
};
use crate::collect::ProcessFinder;

/// A connection table longer than this is cut: some 400 000 sockets.
const SOCKETS_BYTES_MAX: u64 = 64 << 20;

/// A process that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub pid: u32,
    pub stat: ProcessStat,
    /// How many processes matched.
    pub matches: u32,
}

/// Why it can't be said whether the process runs.
#[derive(Debug, thiserror::Error)]
pub(super) enum Blind {
    #[error("/proc can't be read: {0}")]
    NoProc(Unread),
    #[error("other users' processes are hidden from botwatch")]
    Hidden,
    #[error("the pid file {path} can't be read: {why}")]
    PidFile { path: PathBuf, why: Unread },
    #[error("the pid file {0} holds no process id")]
    NoPid(PathBuf),
    #[error("something listens on port {0}, but botwatch may not see which process")]
    PortOwner(u16),
    #[error("no cgroup v2 is mounted")]
    NoCgroup,
    #[error("the cgroup can't be read: {0}")]
    Cgroup(Unread),
    #[error("the cgroup's processes are in another pid namespace")]
    OtherNamespace,
}

impl Blind {
    /// How to mend it.
    pub(super) const fn mend(&self) -> &'static str {
        match self {
            Self::NoProc(_) => "mount /proc",
            Self::Hidden => {
                "run botwatch as the bot's user, or in the group of /proc's mount option gid=, or mount /proc without \
                 hidepid="
            }
            Self::PidFile { .. } => "let botwatch's user read the file and enter its directories",
            Self::NoPid(_) => "write one decimal process id into the file",
            Self::PortOwner(_) => {
                "run botwatch as the bot's user, give it CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, or find the process by \
                 name or pid file; in containers share the pid namespace"
            }
            Self::NoCgroup => {
                "boot with cgroup v2 (systemd.unified_cgroup_hierarchy=1), or find the process by name"
            }
            Self::Cgroup(_) => "let botwatch's user read /sys/fs/cgroup",
            Self::OtherNamespace => "run botwatch in the bot's pid namespace (docker: --pid=container:NAME)",
        }
    }
}

/// The process, or `None` when there is positively none. `current` is the one that was watched in the round before: as
/// long as it lives and still is the answer it is kept, so that a second match doesn't take its place.
pub(super) fn find(
    root: &Root,
    finder: &ProcessFinder,
    current: Option<(u32, u64)>,
) -> Result<Option<Found>, Blind> {
    let search = Search { root };
    let kept = || match current {
        Some((pid, start)) => search.same(pid, start),
        None => Ok(None),
    };
    match finder {
        ProcessFinder::Pid(pid) => search.one(*pid),
        ProcessFinder::PidFile(path) => search.by_pid_file(path),
        ProcessFinder::Name(name) => match kept()? {
            Some(found) => Ok(Some(found)),
            None => search.by_name(name),
        },
        // A port may be closed for a moment, or be handed to a successor: then there is another listener.
        ProcessFinder::Port(port) => match kept()? {
            Some(found) if search.may_own(found.pid, *port) => Ok(Some(found)),
            _ => search.by_port(*port),
        },
        ProcessFinder::Cgroup(path) => search.by_cgroup(path, current),
    }
}

struct Search<'a> {
    root: &'a Root,
}

impl Search<'_> {
    /// A process that lives; `None` when there is none of this id. `Blind` when it might only be hidden.
    fn alive(&self, pid: u32) -> Result<Option<ProcessStat>, Blind> {
        match self.root.read(format!("proc/{pid}/stat")) {
            // A text that doesn't parse is one cut off by the process's end.
            Ok(text) => Ok(parse::process_stat(&text).filter(|stat| !stat.is_dead())),
            Err(Unread::Gone) => self.sees_others().map(|()| None),
            Err(Unread::Denied) => Err(Blind::Hidden),
            Err(why) => Err(Blind::NoProc(why)),
        }
    }

    /// The process that was watched before, if it still lives.
    fn same(&self, pid: u32, start: u64) -> Result<Option<Found>, Blind> {
        let stat = self.alive(pid)?.filter(|stat| stat.start == start);
        Ok(stat.map(|stat| Found { pid, stat, matches: 0 }))
    }

    /// A process's file; `None` when the process is gone or the file is denied. Other failures (no file handle left)
    /// say nothing about the process.
    fn text(&self, pid: u32, file: &str) -> Result<Option<String>, Blind> {
        match self.root.read(format!("proc/{pid}/{file}")) {
            Ok(text) => Ok(Some(text)),
            Err(Unread::Gone | Unread::Denied) => Ok(None),
            Err(why) => Err(Blind::NoProc(why)),
        }
    }

    /// Process 1 is always there, so whoever can't see it can't see others (`hidepid`).
    fn sees_others(&self) -> Result<(), Blind> {
        match self.root.read("proc/1/stat") {
            Ok(_) => Ok(()),
            Err(why) => match self.root.read("proc/stat") {
                Ok(_) => Err(Blind::Hidden),
                Err(_) => Err(Blind::NoProc(why)),
            },
        }
    }

    fn one(&self, pid: u32) -> Result<Option<Found>, Blind> {
        Ok(self.alive(pid)?.map(|stat| Found { pid, stat, matches: 1 }))
    }

    fn by_pid_file(&self, path: &PathBuf) -> Result<Option<Found>, Blind> {
        let text = match self.root.read(path) {
            Ok(text) => text,
            // A bot that isn't running has no pid file.
            Err(Unread::Gone) => return Ok(None),
            Err(why) => return Err(Blind::PidFile { path: path.clone(), why }),
        };
        let word = text.split_ascii_whitespace().next().and_then(|word| word.parse().ok());
        self.one(word.filter(|pid| *pid > 0).ok_or_else(|| Blind::NoPid(path.clone()))?)
    }

    /// The best of several: no shell, then the oldest; it is the one that started the others.
    fn best(&self, pids: impl IntoIterator<Item = u32>) -> Result<Option<Found>, Blind> {
        let mut best: Option<((bool, u64, u32), Found)> = None;
        let mut matches = 0;
        for pid in pids {
            let stat = self.text(pid, "stat")?.and_then(|text| parse::process_stat(&text));
            let Some(stat) = stat.filter(|stat| !stat.is_dead()) else { continue };
            matches += 1;
            let cmdline = self.text(pid, "cmdline")?.unwrap_or_default();
            let rank = (parse::is_shell(&cmdline), stat.start, pid);
            if best.as_ref().is_none_or(|(other, _)| rank < *other) {
                best = Some((rank, Found { pid, stat, matches: 0 }));
            }
        }
        Ok(best.map(|(_, found)| Found { matches, ..found }))
    }

    fn by_name(&self, name: &str) -> Result<Option<Found>, Blind> {
        let own = self.root.is_real().then(std::process::id);
        let mut hidden = false;
        let mut called = Vec::new();
        for pid in self.root.pids().map_err(Blind::NoProc)?.filter(|pid| Some(*pid) != own) {
            let comm = match self.root.read(format!("proc/{pid}/comm")) {
                Ok(comm) => comm,
                Err(Unread::Gone) => continue,
                Err(Unread::Denied) => {
                    hidden = true;
                    continue;
                }
                Err(why) => return Err(Blind::NoProc(why)),
            };
            let cmdline = self.text(pid, "cmdline")?.unwrap_or_default();
            let exe = fs::read_link(self.root.path(format!("proc/{pid}/exe"))).ok();
            let exe = exe.as_ref().and_then(|path| path.to_str());
            if parse::is_called(name, comm.trim_end_matches('\n'), exe, &cmdline) {
                called.push(pid);
            }
        }
        match self.best(called)? {
            Some(found) => Ok(Some(found)),
            None if hidden => Err(Blind::Hidden),
            None => self.sees_others().map(|()| None),
        }
    }

    /// The socket inodes that listen on a port.
    fn listeners(&self, port: u16) -> Result<Vec<u64>, Blind> {
        let mut inodes = Vec::new();
        let mut tables = 0;
        for table in ["proc/net/tcp", "proc/net/tcp6"] {
            let file = match fs::File::open(self.root.path(table)).map_err(Unread::from) {
                Ok(file) => file,
                // No IPv6 here.
                Err(Unread::Gone) => continue,
                Err(why) => return Err(Blind::NoProc(why)),
            };
            tables += 1;
            let lines = io::BufReader::new(file.take(SOCKETS_BYTES_MAX)).lines();
            inodes.extend(lines.map_while(Result::ok).filter_map(|line| parse::listener(&line, port)));
        }
        if tables == 0 { Err(Blind::NoProc(Unread::Gone)) } else { Ok(inodes) }
    }

    /// Whether a process has one of these sockets.
    fn owns(&self, pid: u32, inodes: &[u64]) -> Result<bool, Unread> {
        for target in self.root.links(&format!("proc/{pid}/fd"))? {
            let inode =
                target.to_str().and_then(|t| t.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
            if inode.is_some_and(|inode| inodes.contains(&inode)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether nothing speaks against a living process being the owner still: nobody listens now, or it does.
    fn may_own(&self, pid: u32, port: u16) -> bool {
        let Ok(inodes) = self.listeners(port) else { return true };
        inodes.is_empty() || !matches!(self.owns(pid, &inodes), Ok(false))
    }

    fn by_port(&self, port: u16) -> Result<Option<Found>, Blind> {
        let inodes = self.listeners(port)?;
        if inodes.is_empty() {
            return Ok(None);
        }
        let mut owners = Vec::new();
        for pid in self.root.pids().map_err(Blind::NoProc)? {
            if matches!(self.owns(pid, &inodes), Ok(true)) {
                owners.push(pid);
            }
        }
        match self.best(owners)? {
            Some(found) => Ok(Some(found)),
            // Closed in between: gone. Still there: somebody has it whom we may not look at.
            None if self.listeners(port)?.is_empty() => Ok(None),
            None => Err(Blind::PortOwner(port)),
        }
    }

    fn by_cgroup(&self, path: &str, current: Option<(u32, u64)>) -> Result<Option<Found>, Blind> {
        let hierarchy = Hierarchy::mounted(self.root).ok_or(Blind::NoCgroup)?;
        let pids = match hierarchy.processes(self.root, path) {
            Ok(pids) => pids,
            // systemd removes the cgroup of a service that stopped.
            Err(Unread::Gone) => return Ok(None),
            Err(why) => return Err(Blind::Cgroup(why)),
        };
        // A process outside of our pid namespace is shown as 0.
        let foreign = pids.contains(&0);
        let best = self.best(pids.iter().copied().filter(|pid| *pid > 0))?;
        let kept = match current.filter(|(pid, _)| pids.contains(pid)) {
            Some((pid, start)) => self.same(pid, start)?,
            None => None,
        };
        match (kept, best) {
            (Some(kept), Some(best)) => Ok(Some(Found { matches: best.matches, ..kept })),
            (_, None) if foreign => Err(Blind::OtherNamespace),
            (_, None) if !pids.is_empty() => self.sees_others().map(|()| None),
            (_, best) => Ok(best),
        }
    }
}
