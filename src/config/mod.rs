//! Configuration: files and environment in, each module's options out, with every problem at its place.
//!
//! Three layers (STYLE §2.7): [`file`] is exactly what may be written; the modules' `Options` are what holds;
//! what runs is the modules' own. This module reads the first into the second, prints what is in force with secrets
//! masked, and is the only place that reads the environment. It runs nothing and keeps nothing.

mod check;
mod endpoints;
pub mod env;
mod expand;
pub mod file;
mod load;
mod merge;
mod options;
mod overlay;
mod print;
pub mod shipped;
#[cfg(test)]
mod tests;
pub mod unsupported;
pub mod value;

pub use env::Env;
pub use load::{Written, read_file, read_files, written};
pub use options::{Configuration, Flags, Loaded, RuleFile, RulesOptions, WebOptions, configure, load};
pub use overlay::Switches;
pub use print::{origins, yaml};
