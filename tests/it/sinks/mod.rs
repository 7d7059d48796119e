//! Receivers for tests: real local servers that record what they are sent and answer by script. They know nothing of
//! botwatch; what they refuse is what the real ones refuse, by their published contract.

pub(crate) mod http;
pub(crate) mod slack;
#[expect(unreachable_pub, dead_code, clippy::unwrap_used, reason = "shared with the library's own tests")]
pub(crate) mod smtp;
mod tests;
