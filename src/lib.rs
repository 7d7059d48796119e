//! botwatch: the shell around [`botwatch_core`].
pub mod platform;
pub mod runtime;

pub mod net;

pub mod store;
