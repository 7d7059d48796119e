//! The one integration binary: everything that needs the running product, its files, or real servers.

mod architecture;
mod net;
mod notify;
mod sinks;
mod snapshots;
