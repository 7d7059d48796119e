//! The one integration binary: everything that needs the running product, its files, or real servers.

mod architecture;
mod demo;
mod docs;
mod e2e;
mod net;
mod notify;
mod peers;
mod serve;
mod sinks;
mod snapshots;
