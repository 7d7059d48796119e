//! The only `unsafe` of botwatch: what the standard library has no safe call for. Memory tuning, and nothing else.

mod memory;

pub use memory::{drop_text, tune_allocator};
