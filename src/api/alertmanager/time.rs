//! Times as senders write them.

use botwatch_core::model::Timestamp;
use jiff::{civil, tz::TimeZone};

/// Go's zero time, which its programs send for "not set".
const ZERO: Timestamp = Timestamp(-62_135_596_800_000);

/// RFC 3339 with any offset and fraction; without an offset UTC is meant; seconds and time may be missing. `None`:
/// not set.
pub(super) fn parse(text: &str) -> Result<Option<Timestamp>, ()> {
    if text.is_empty() {
        return Ok(None);
    }
    let at = match Timestamp::parse_rfc3339(text) {
        Some(at) => at,
        None => local(text.strip_suffix(['Z', 'z']).unwrap_or(text)).ok_or(())?,
    };
    Ok((at != ZERO).then_some(at))
}

fn local(text: &str) -> Option<Timestamp> {
    // A bracketed zone or the like is no part of a sender's time.
    if !text.bytes().all(|b| b.is_ascii_digit() || b"-:.Tt ".contains(&b)) {
        return None;
    }
    let at = text.parse::<civil::DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?;
    Some(Timestamp(at.timestamp().as_millisecond()))
}
