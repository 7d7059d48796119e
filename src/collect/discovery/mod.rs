//! Which targets there are: from the configuration and from files, relabelled (spec S18–S21).
//!
//! [`target`] makes one target of an address and its labels, [`listing`] a job's whole list, [`difference`] says what
//! changed against the list before. [`files`] reads discovery files, [`watcher`] tells when they change.

mod difference;
mod files;
mod listing;
mod target;
#[cfg(test)]
mod tests;
mod watcher;

pub(super) use difference::difference;
pub(super) use files::{FileGroup, Files};
pub(super) use listing::{Listing, list};
pub(super) use target::Target;
pub(super) use watcher::Watcher;
