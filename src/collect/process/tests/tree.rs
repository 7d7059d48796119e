//! A made-up `/proc` and `/sys`, and reading back what was committed.

use std::{fs, os::unix::fs::symlink, path::Path};

use botwatch_core::{
    model::{Labels, MatchOp, Matcher, Timestamp, is_stale},
    promql::{Queryable as _, SelectHints},
    tsdb,
};
use tempfile::TempDir;

use crate::{
    collect::process::{Definition, Root},
    samples::{MetricKind, Store},
};

pub(in crate::collect) struct Tree(TempDir);

impl Tree {
    /// Process 1, boot time, uptime, memory.
    pub(in crate::collect) fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        tree.write(
            "proc/stat",
            "cpu  10 0 10 70 10 0 0 0 0 0\ncpu0 10 0 10 70 10 0 0 0 0 0\nctxt 99\nbtime 1700000000\n",
        );
        tree.write("proc/uptime", "5000.00 9000.00\n");
        tree.write("proc/meminfo", "MemTotal:  1000000 kB\nMemFree: 1 kB\nMemAvailable:  400000 kB\n");
        tree.process(1, "init", &["/sbin/init"], 0);
        tree
    }

    pub(in crate::collect) fn root(&self) -> Root {
        Root::at(self.0.path())
    }

    pub(in crate::collect) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(in crate::collect) fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(in crate::collect) fn remove(&self, path: &str) {
        let path = self.0.path().join(path);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    }

    pub(in crate::collect) fn stat(&self, pid: u32, comm: &str, state: char, start: u64) {
        let rest = format!(
            "1 1 1 0 -1 0 0 0 42 0 250 50 0 0 20 0 {} 0 {start} 1048576 0",
            if state == 'Z' { 1 } else { 11 }
        );
        self.write(&format!("proc/{pid}/stat"), &format!("{pid} ({comm}) {state} {rest}\n"));
    }

    /// A process that sleeps, with two open files.
    pub(in crate::collect) fn process(&self, pid: u32, comm: &str, arguments: &[&str], start: u64) {
        let write = |file: &str, text: &str| self.write(&format!("proc/{pid}/{file}"), text);
        self.stat(pid, comm, 'S', start);
        write("comm", &format!("{comm}\n"));
        write("cmdline", &arguments.iter().flat_map(|a| [*a, "\0"]).collect::<String>());
        write(
            "status",
            "VmRSS:\t 512 kB\nVmSwap:\t 8 kB\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t3\n",
        );
        write("limits", "Max open files   1024   4096   files\n");
        write("oom_score", "667\n");
        write("io", "rchar: 1\nread_bytes: 4096\nwrite_bytes: 8192\n");
        write("smaps_rollup", "Pss:   300 kB\n");
        write("environ", "HOME=/\0");
        self.socket(pid, 0, u64::from(pid) * 10);
        self.socket(pid, 1, u64::from(pid) * 10 + 1);
    }

    pub(in crate::collect) fn socket(&self, pid: u32, fd: u32, inode: u64) {
        let dir = self.0.path().join(format!("proc/{pid}/fd"));
        fs::create_dir_all(&dir).unwrap();
        let link = dir.join(fd.to_string());
        if link.is_symlink() {
            fs::remove_file(&link).unwrap();
        }
        symlink(format!("socket:[{inode}]"), link).unwrap();
    }

    /// One listener on port 3000, or none.
    pub(in crate::collect) fn listen(&self, inode: Option<u64>) {
        let line =
            inode.map(|inode| format!(" 0: 00000000:0BB8 00000000:0000 0A 0:0 00:0 0 0 0 {inode} 1\n"));
        self.write("proc/net/tcp", &format!("  sl  local_address\n{}", line.unwrap_or_default()));
    }

    pub(in crate::collect) fn cgroup(&self, path: &str, files: &[(&str, &str)]) {
        self.write("sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
        for (file, text) in files {
            self.write(&format!("sys/fs/cgroup/{path}/{file}"), text);
        }
    }
}

pub(in crate::collect) fn store() -> Store {
    Store::new(tsdb::Options::default())
}

/// The newest sample of a series: `None` when it was never written or ended.
pub(in crate::collect) fn newest(store: &Store, name: &str) -> Option<f64> {
    let all = select(store, name);
    assert!(all.len() <= 1, "{name} has several series: {all:?}");
    all.first().map(|(_, v)| *v).filter(|v| !is_stale(*v))
}

/// Series with their newest samples.
pub(in crate::collect) fn select(store: &Store, name: &str) -> Vec<(Labels, f64)> {
    let by_name = Matcher::new("__name__", MatchOp::Equal, name).unwrap();
    let hints = SelectHints::default();
    let found = store.select(&[by_name], Timestamp(i64::MIN), Timestamp(i64::MAX), hints).unwrap();
    found.into_iter().filter_map(|series| Some((series.labels, *series.v.last()?))).collect()
}

/// Rows `| name | labels | kind | …` of a module's docs against its definitions.
pub(in crate::collect) fn assert_table<'a>(docs: &str, definitions: impl Iterator<Item = &'a Definition>) {
    let rows = docs.lines().filter_map(|line| line.strip_prefix("//! | `"));
    let documented: Vec<(String, String)> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            (cells[0].split('`').next().unwrap().to_owned(), cells[2].to_owned())
        })
        .collect();
    let mut defined: Vec<(String, String)> = definitions
        .inspect(|d| {
            assert!(
                d.help.ends_with('.') && d.name.ends_with("_total") == (d.kind == MetricKind::Counter)
                    || d.name.ends_with("memory_total_bytes")
                    || d.name.ends_with("swap_total_bytes"),
                "{d:?}"
            );
        })
        .map(|d| {
            (d.name.to_owned(), if d.kind == MetricKind::Gauge { "gauge" } else { "counter" }.to_owned())
        })
        .collect();
    defined.dedup();
    assert_eq!(documented, defined);
}
