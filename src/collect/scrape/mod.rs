//! Scraping one target: what is asked, what is made of the answer, and when.
//!
//! The deciding parts are plain functions: [`schedule`] (slots), [`labels`] (from an exposed series to a stored one),
//! [`cache`] (which series the last scrape had), [`absorb`] (a body to samples), [`health`] (what is worth a line in
//! the log), [`sources`] (whose they are). [`running`] is the loop around them. It must not know how a target was found; `collect` starts and
//! retires loops.

pub(super) mod absorb;
pub(super) mod cache;
mod error;
pub(super) mod health;
pub(super) mod labels;
mod report;
mod request;
pub(super) mod running;
pub(super) mod schedule;
mod sources;
#[cfg(test)]
mod tests;

pub(super) use error::Error;
pub(super) use running::{Plan, Read, Running, Surroundings};
pub(super) use sources::SourceUsers;
