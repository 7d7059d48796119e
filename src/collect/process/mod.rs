//! The bot's process as a source of samples: found, read from `/proc` and `/sys/fs/cgroup`, committed.
//!
//! [`start`] begins one task; `app` calls it with [`super::BotOptions`] and keeps the [`Watcher`]. Each round finds the
//! process, reads it, and makes one `samples::Store::commit` under the source `process of NAME` (`NAME` is the label
//! `bot`, else `bot`). Three outcomes are kept apart (DESIGN §2.3):
//!
//! - *up*: seeing; `botwatch_process_up` is 1, and what could be read has a sample.
//! - *gone*: seeing, since "it isn't there" is a finding; `botwatch_process_up` is 0, what a process has is stale.
//!   The figures of its last cgroup go on while that exists, so that an OOM kill is still counted. A zombie is gone.
//! - *blind*: it couldn't be looked for (permission, a hung file system); everything is stale but
//!   `botwatch_process_visible` 0, and alerts freeze.
//!
//! What another user may not read (PSS, file descriptors, I/O, environment) is said once with the way to mend it and
//! shows as `botwatch_process_unreadable{what}`. Linux is read directly; other systems give the basics (rows marked ∘).
//! It decides nothing about alerts.
//!
//! All samples carry `BotOptions.labels`. No series is made for what this system doesn't have.
//!
//! | metric | labels | kind | meaning |
//! |---|---|---|---|
//! | `botwatch_process_visible` ∘ | | gauge | 1 if the process could be looked for, 0 if not |
//! | `botwatch_process_up` ∘ | | gauge | 1 if the process runs, 0 if it is gone |
//! | `botwatch_process_matches` ∘ | | gauge | processes that the finder matched at the last search; the oldest is watched |
//! | `botwatch_process_restarts_total` ∘ | | counter | times another process took the place of the one watched, since botwatch's start |
//! | `botwatch_process_pid` ∘ | | gauge | its process id |
//! | `botwatch_process_start_time_seconds` ∘ | | gauge | its start, seconds since the Unix epoch |
//! | `botwatch_process_uptime_seconds` ∘ | | gauge | time since its start |
//! | `botwatch_process_cpu_seconds_total` ∘ | | counter | processor time, user and system |
//! | `botwatch_process_cpu_user_seconds_total` | | counter | processor time in user mode |
//! | `botwatch_process_cpu_system_seconds_total` | | counter | processor time in the kernel |
//! | `botwatch_process_resident_memory_bytes` ∘ | | gauge | RSS |
//! | `botwatch_process_proportional_memory_bytes` | | gauge | PSS: RSS with shared pages divided among their users; read every 15 s |
//! | `botwatch_process_virtual_memory_bytes` ∘ | | gauge | address space |
//! | `botwatch_process_swap_bytes` | | gauge | swapped out |
//! | `botwatch_process_memory_limit_bytes` ∘ | | gauge | the smallest of the limits of its cgroups and the machine's memory |
//! | `botwatch_process_node_heap_limit_bytes` | | gauge | `--max-old-space-size` of the command line, else of `NODE_OPTIONS`; absent without one |
//! | `botwatch_process_threads` | | gauge | threads |
//! | `botwatch_process_open_fds` | | gauge | open file descriptors |
//! | `botwatch_process_max_fds` | | gauge | soft limit of open file descriptors; absent if unlimited |
//! | `botwatch_process_state` | `state`: `running`, `sleeping`, `blocked`, `stopped`, `other` | gauge | 1 for the state it is in; `blocked` waits for a device, `stopped` is halted by a signal or debugger |
//! | `botwatch_process_context_switches_total` | `type`: `voluntary`, `involuntary` | counter | of the main thread |
//! | `botwatch_process_major_page_faults_total` | | counter | page faults that read a disk |
//! | `botwatch_process_read_bytes_total` | | counter | bytes read from storage |
//! | `botwatch_process_write_bytes_total` | | counter | bytes written to storage |
//! | `botwatch_process_oom_score` | | gauge | the kernel's order of killing, 0 to 2000; the highest goes first |
//! | `botwatch_process_unreadable` | `what`: `pss`, `fds`, `io`, `environ`, `cgroup` | gauge | 1 if botwatch may not read it, 0 if it may |
//! | `botwatch_process_cgroup_memory_bytes` | | gauge | `memory.current`, page cache included |
//! | `botwatch_process_cgroup_memory_working_set_bytes` | | gauge | the same without inactive page cache, as the kubelet counts |
//! | `botwatch_process_cgroup_memory_limit_bytes` | | gauge | smallest `memory.max` up the tree; absent without one |
//! | `botwatch_process_cgroup_memory_high_bytes` | | gauge | smallest `memory.high` up the tree; absent without one |
//! | `botwatch_process_cgroup_swap_bytes` | | gauge | `memory.swap.current` |
//! | `botwatch_process_cgroup_oom_events_total` | | counter | times that the limit was reached and memory ran out |
//! | `botwatch_process_cgroup_oom_kills_total` | | counter | processes killed for it |
//! | `botwatch_process_cgroup_memory_high_events_total` | | counter | times throttled at `memory.high` |
//! | `botwatch_process_cgroup_cpu_seconds_total` | | counter | processor time of the cgroup |
//! | `botwatch_process_cgroup_cpu_limit_cores` | | gauge | smallest `cpu.max` up the tree, in processors; absent without one |
//! | `botwatch_process_cgroup_cpu_periods_total` | | counter | enforcement periods |
//! | `botwatch_process_cgroup_cpu_throttled_periods_total` | | counter | those in which it was throttled |
//! | `botwatch_process_cgroup_cpu_throttled_seconds_total` | | counter | time throttled |
//! | `botwatch_process_cgroup_pids` | | gauge | tasks in the cgroup |
//! | `botwatch_process_cgroup_pids_limit` | | gauge | smallest `pids.max` up the tree; absent without one |
//! | `botwatch_process_cgroup_pressure_some_avg10_ratio` | `resource`: `cpu`, `memory`, `io` | gauge | share of the last 10 s in which some task waited, 0 to 1 |
//! | `botwatch_process_cgroup_pressure_waiting_seconds_total` | `resource` | counter | time in which some task waited |
//! | `botwatch_process_cgroup_pressure_stalled_seconds_total` | `resource` | counter | time in which all tasks waited |

mod board;
mod catalogue;
mod cgroup;
mod files;
mod finder;
mod look;
mod notices;
mod parse;
#[cfg(any(not(target_os = "linux"), test))]
mod portable;
mod rounds;
mod start;
#[cfg(test)]
pub(super) mod tests;

pub use board::Definition;
pub use files::Root;
pub use rounds::Watcher;
pub use start::{definitions, source_name, start};

pub(super) use board::{Board, Values, catalogue};
pub(super) use parse::{CPU_MODES, TICKS, bytes, cpu_ticks, keyed, pressure, words};
pub(super) use rounds::{Look, start as start_rounds};
