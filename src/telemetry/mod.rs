//! Logs, and botwatch's own metrics.
//!
//! [`Logs`] writes what `tracing` is told, as text or JSON lines on stderr; the level can be changed while running.
//! [`Changes`] decides when something that goes wrong again and again is worth a line: when it changes, and once an
//! hour with its count. [`Metrics`] is the one registry: each module registers its own metrics there, under
//! `botwatch_<module>_…` or the field's name where there is one; label values must be bounded. `api` writes it out.
//!
//! It must not know what it reports on, and no secret may get here: fields are written as they are given.

mod changes;
mod logs;
mod metrics;

pub use changes::{Changes, Say};
pub use logs::{Format, Level, LevelError, Logs, LogsError, Options};
pub use metrics::{Build, Metrics};
