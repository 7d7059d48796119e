//! The deciding half of botwatch. No clock, no I/O, no async, no randomness, no logging: time, chance and data
//! come in as arguments; results, records and effects go out. The rows below are in reading order, and a module
//! names only modules of earlier rows; `tests/it/architecture.rs` proves it.

// row 0: roots
pub mod diag;
pub mod re2;
// row 1: words, and their reading out of files
pub mod model;
pub mod yaml;
// row 2: languages
pub mod exposition;
pub mod promql;
pub mod relabel;
pub mod template;
// row 3: data
pub mod tsdb;
// row 4: decisions
pub mod access;
pub mod alerting;
pub mod rules;
pub mod signals;
// row 5: replay
pub mod replay;
