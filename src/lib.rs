//! botwatch: the shell around [`botwatch_core`]. Rows in reading order; a module names only modules of earlier rows
//! (`tests/it/architecture.rs` proves it).

pub mod net;
pub mod platform;
pub mod runtime;
pub mod samples;
pub mod store;
