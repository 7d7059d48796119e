//! The application: what is built from a configuration, run, reloaded by difference, and stopped.
//!
//! [`start`] is the map of the whole: read it to see how the modules hang together. Reloads go in the order receivers,
//! routes, rules, targets, each by difference ([`reload`]); [`watch`] asks for one when a file changes. The rest is
//! adaptors: what a module declares as a port, filled with a sibling's or a later module's handle ([`ports`]).

mod alive;
mod notices;
mod options;
mod ports;
mod reload;
mod start;
mod watch;

pub use start::{Error, Fatal, Running, Settings, start};
