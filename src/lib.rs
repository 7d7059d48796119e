#![doc = include_str!("ARCHITECTURE.md")]

pub mod config;
pub mod net;
pub mod platform;
pub mod runtime;
pub mod samples;
pub mod store;
