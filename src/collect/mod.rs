//! Collecting: targets scraped, the bot's process and its host looked at; samples committed with what could be seen.
//!
//! A [`Collector`] runs one loop per target: fetch (`net`), parse (`exposition`), labels and limits, one
//! `samples::Store::commit` that carries the samples, the stale markers, and whether the source is seen or blind
//! (DESIGN §2.3). Semantics: spec/prometheus.md §3 (items S). The process and host collectors are targets of their
//! own, read from `/proc`, `/sys/fs/cgroup` and the file system instead of HTTP.
//!
//! `app` starts it: [`Collector::start`] with [`Options::jobs`], and beside it one task each for [`Options::process`]
//! and [`Options::host`] where they are set. Those commit into the same store under sources of their own, and a reload
//! that changes them stops the one task and starts another; [`Collector`] looks at the jobs only.
//!
//! It decides nothing about alerts and must not know `evaluate`, `notify` or `api`.

mod collector;
mod discovery;
pub mod host;
mod metrics;
mod options;
pub mod process;
pub mod push;
mod scrape;
#[cfg(test)]
mod tests;

pub use collector::{Collector, DroppedTarget, TargetView};
pub use options::{
    BotOptions, FileSdOptions, HostOptions, JobOptions, Options, Params, ProcessFinder, Scheme, TargetGroup,
};
pub use scrape::health::Health;
