//! botwatch: the shell around [`botwatch_core`]. Rows in reading order; a module names only modules of earlier rows
//! (`tests/it/architecture.rs` proves it).

pub mod runtime;
pub mod platform;
pub mod net;
pub mod store;
pub mod samples;
