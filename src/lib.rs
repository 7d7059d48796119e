//! botwatch: the shell around [`botwatch_core`].
pub mod platform;
pub mod runtime;
pub mod samples;
pub mod store;
