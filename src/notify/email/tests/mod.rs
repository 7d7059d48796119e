//! Conversations with a server that refuses what real ones refuse; messages read by a MIME parser; charts by a PNG
//! decoder.

mod chart;
mod message;
mod session;
#[expect(unreachable_pub, reason = "shared with the integration tests")]
#[path = "../../../../tests/it/sinks/smtp.rs"]
mod smtp;
mod template;

use super::message::Parts;
use botwatch_core::model::Timestamp;

/// 2025-11-24 03:05:00 UTC.
const NOW: Timestamp = Timestamp(1_763_953_500_000);

/// A small message.
fn parts<'a>() -> Parts<'a> {
    Parts {
        to: "ops@example.org",
        from: "botwatch <alerts@example.org>",
        subject: "[FIRING:1] MemoryHigh (bot critical)",
        headers: &[],
        html: "<p>Memory is at <b>92 %</b></p>",
        text: "Memory is at 92 %\n",
        chart: None,
        delivery: "7-00000000deadbeef",
        group_key: r#"{}:{alertname="MemoryHigh"}"#,
        receiver: "ops",
        urgent: true,
        now: NOW,
    }
}
