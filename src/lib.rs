//! botwatch: the shell around [`botwatch_core`].
pub mod config;
pub mod platform;
pub mod runtime;
pub mod store;
