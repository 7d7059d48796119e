//! The only `unsafe` of botwatch: what the standard library has no safe call for. Memory tuning and sizes of file
//! systems, and nothing else.

mod disk;
mod memory;

pub use disk::{FileSystem, file_system};
pub use memory::{drop_text, tune_allocator};
