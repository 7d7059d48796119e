//! The only clock, the only spawner, and the way to stop.
//!
//! Everything that needs to know the time gets a [`Clock`]; everything that runs beside something else is started by
//! [`Tasks`], has a name, and is waited for at the end. A task that panics is a bug that the application sees.

mod clock;
mod signals;
mod tasks;
#[cfg(test)]
mod tests;

pub use clock::{Clock, Jump, Stopwatch};
pub use signals::{Signal, Signals};
pub use tasks::{BLOCKING, Ended, Tasks};
/// How a task learns that it should stop: finish what it holds, take nothing new.
pub use tokio_util::sync::CancellationToken as Stop;
