//! Collecting: targets scraped, the bot's process and its host looked at; samples committed with what could be seen.
//!
//! A [`Collector`] runs one loop per target: fetch (`net`), parse (`exposition`), labels and limits, one
//! `samples::Store::commit` that carries the samples, the stale markers, and whether the source is seen or blind
//! (DESIGN §2.3). Semantics: spec/prometheus.md §3 (items S). The process and host collectors are targets of their
//! own, read from `/proc`, `/sys/fs/cgroup` and the file system instead of HTTP.
//!
//! It decides nothing about alerts and must not know `evaluate`, `notify` or `api`.

pub mod host;
mod options;
pub mod process;

pub use options::{
    BotOptions, FileSdOptions, HostOptions, JobOptions, Options, ProcessFinder, Scheme, TargetGroup,
};
