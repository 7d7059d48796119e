//! The alerting machine: episodes, routes, groups, inhibition, told-ledger, deliveries.

mod types;

pub use types::*;
