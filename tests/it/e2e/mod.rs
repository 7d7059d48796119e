//! The real binary as a child process, beside the real Express bot and real receivers, killed at bad moments.

mod access;
mod bot;
mod breach;
mod crash;
mod described;
mod environment;
mod inbox;
mod outage;
mod process;
mod reload;
mod signals;
mod targets;
mod world;
