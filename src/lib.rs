#![doc = include_str!("ARCHITECTURE.md")]

pub mod platform;
pub mod runtime;

pub mod telemetry;

pub mod net;

pub mod samples;
pub mod store;

pub mod dispatch;

pub mod collect;
pub mod evaluate;
pub mod notify;

pub mod api;
pub mod ui;

pub mod config;

pub mod app;

pub mod cli;
