//! Real servers, a clock set by hand, and the store looked at from outside.

mod held;
mod reload;
mod scrapes;
mod world;

pub(in crate::collect) use world::job;
