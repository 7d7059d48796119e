//! The owner of the alerting machine: one thread that takes events, lets the machine decide, journals what it decided,
//! and lets its words go once they are durable (DESIGN §3 "Threads and owners").
//!
//! It decides nothing itself. Callers reach it through a [`Handle`]; attempts go out through the port [`Courier`].

mod handle;

use botwatch_core::alerting::Send;

pub use handle::{Gone, Handle, NotDurable};

/// The port through which attempts are made; `notify` behind it.
pub trait Courier: std::marker::Send + Sync + 'static {
    /// Starts an attempt. Must not block; the end comes back as `Event::Delivered`.
    fn send(&self, send: Send);
}
