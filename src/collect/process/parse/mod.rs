//! The formats of `/proc` and cgroup v2 (Linux `Documentation/filesystems/proc.rst`, `admin-guide/cgroup-v2.rst`,
//! `accounting/psi.rst`): text in, numbers out. Nothing here opens a file, and no text makes it panic.

mod cgroup;
mod command;
mod fields;
mod net;
mod pressure;
mod stat;
#[cfg(test)]
mod tests;

pub(in crate::collect) use cgroup::{cpu_max, limit, unified_path};
pub(in crate::collect) use command::{heap_limit, is_called, is_node, is_shell, node_options};
pub(in crate::collect) use fields::{bytes, keyed, labelled, max_open_files, words};
pub(in crate::collect) use net::listener;
pub(in crate::collect) use pressure::pressure;
pub(in crate::collect) use stat::{CPU_MODES, ProcessStat, cpu_ticks, process_stat};

/// Clock ticks in a second as Linux shows them to programs; the same on every architecture that Rust has.
pub(in crate::collect) const TICKS: f64 = 100.0;
