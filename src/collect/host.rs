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
