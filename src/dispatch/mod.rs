//! The owner of the alerting machine: one thread that takes events, lets the machine decide, journals what it decided,
//! and lets its words go once they are durable (DESIGN §3 "Threads and owners").
//!
//! A round takes up to [`ROUND_MAX`] waiting events, `handle`s each, `advance`s once, and hands all records to the
//! journal as one batch: a breach that arrives with `group_wait: 0` is alert, group and delivery in one commit.
//! It decides nothing itself. Callers reach it through a [`Handle`]; attempts go out through the port [`Courier`].
//!
//! **When the disk refuses** (DESIGN §2.10) events that want an acknowledgement are refused, everything else is decided
//! and sent from memory, and a checkpoint is tried until one succeeds; only then are records appended again.

mod feed;
mod handle;
mod metrics;
mod news;
mod owner;
mod restore;
#[cfg(test)]
mod tests;

use botwatch_core::alerting::Send;

pub use feed::{Event as FeedEvent, Feed, Since, What};
pub use handle::{Gone, Handle, NotDurable};
pub use owner::{Parts, start};
pub use restore::{Error, Restored, restore};

/// Events taken in one round: enough for one commit to carry a burst, few enough that none waits long.
const ROUND_MAX: usize = 64;

/// The port through which attempts are made; `notify` behind it.
pub trait Courier: std::marker::Send + Sync + 'static {
    /// Starts an attempt. Must not block; the end comes back as `Event::Delivered`.
    fn send(&self, send: Send);
}
