//! Senders of webhooks that know the secret: it is sent along, or the message is signed with it, as Grafana does (spec
//! field §5c): the hexadecimal HMAC-SHA256 of the body, or of the time, a colon and the body where a header has the time.

use botwatch_core::model::{Duration, Timestamp};
use http::HeaderMap;
use ring::{
    digest::{SHA256, digest},
    hmac,
};

use super::WebhookSecret;

/// How far a signed time may be from ours.
const WINDOW: Duration = Duration::from_secs(300);

/// Whether two secrets are the same. Hashes are compared, so that the time it takes says nothing of them.
pub(in crate::api) fn same(given: &str, secret: &str) -> bool {
    let hash = |text: &str| digest(&SHA256, text.as_bytes());
    !secret.is_empty() && hash(given).as_ref() == hash(secret).as_ref()
}

/// Whether a message says that it is signed.
pub(in crate::api) fn is_signed(headers: &HeaderMap, wanted: &WebhookSecret) -> bool {
    headers.contains_key(&*wanted.signature_header)
}

/// Whether a message was signed by somebody who knows the secret, and not long ago.
///
/// # Errors
/// What is wrong, for whoever sent it.
pub(in crate::api) fn verify(
    headers: &HeaderMap,
    body: &[u8],
    wanted: &WebhookSecret,
    secret: &str,
    now: Timestamp,
) -> Result<(), &'static str> {
    let only = |name: &str| {
        let mut all = headers.get_all(name).iter();
        all.next().filter(|_| all.next().is_none()).and_then(|v| v.to_str().ok())
    };
    let given = only(&wanted.signature_header).and_then(unhex).ok_or("a signature that is none")?;
    if secret.is_empty() {
        return Err("a signature, and the secret to check it with is empty");
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let unknown = "a signature that was not made with the secret";
    let Some(name) = &wanted.timestamp_header else {
        return hmac::verify(&key, body, &given).map_err(|_| unknown);
    };
    let text = only(name).ok_or("no time, which must be signed, too")?;
    let signed = [text.as_bytes(), b":", body].concat();
    hmac::verify(&key, &signed, &given).map_err(|_| unknown)?;
    let seconds: i64 = text.parse().map_err(|_| "a signed time that is no number of seconds")?;
    let apart = now.0.abs_diff(seconds.saturating_mul(1000));
    if apart > WINDOW.as_millis().unsigned_abs() {
        return Err("a signed time more than five minutes from botwatch's");
    }
    Ok(())
}

/// The 32 bytes of a signature.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = Some(text).filter(|t| t.len() == 64 && t.bytes().all(|b| b.is_ascii_hexdigit()))?;
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;
    use crate::net::SecretSource;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);
    // printf '%s' '{"status":"firing"}' | openssl dgst -sha256 -hmac 'the secret'
    const BODY: &str = r#"{"status":"firing"}"#;
    const PLAIN: &str = "c95bdf752dec80fad6b4346191c6bbfab160dbcb474489c556aae7078c532262";
    // The same of `1700000000:` and the body.
    const TIMED: &str = "e567fcc6c84e2ea3bfeef5f127715dc4e585072575cdd987a9b0dc68a7057be7";

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut all = HeaderMap::new();
        for (name, value) in pairs {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            all.append(name, HeaderValue::from_str(value).expect("a value"));
        }
        all
    }

    fn wanted(timestamp: Option<&str>) -> WebhookSecret {
        WebhookSecret {
            secret: SecretSource::inline("the secret"),
            signature_header: super::super::SIGNATURE_HEADER.into(),
            timestamp_header: timestamp.map(Into::into),
        }
    }

    #[test]
    fn bodies_are_signed() {
        let name = "X-Grafana-Alerting-Signature";
        let check = |pairs: &[(&str, &str)], body: &str, secret: &str| {
            verify(&headers(pairs), body.as_bytes(), &wanted(None), secret, NOW)
        };
        assert_eq!(check(&[(name, PLAIN)], BODY, "the secret"), Ok(()));
        assert_eq!(check(&[(name, &PLAIN.to_uppercase())], BODY, "the secret"), Ok(()));
        let other = format!("0{}", &PLAIN[1..]);
        let made = "a signature that was not made with the secret";
        let none = "a signature that is none";
        for (pairs, body, secret, why) in [
            (&[(name, PLAIN)][..], "{}", "the secret", made),
            (&[(name, PLAIN)], BODY, "another", made),
            (&[(name, &*other)], BODY, "the secret", made),
            (&[(name, TIMED)], BODY, "the secret", made),
            (&[(name, &PLAIN[..62])], BODY, "the secret", none),
            (&[(name, "")], BODY, "the secret", none),
            (&[(name, PLAIN), (name, PLAIN)], BODY, "the secret", none),
            (&[], BODY, "the secret", none),
            (&[(name, PLAIN)], BODY, "", "a signature, and the secret to check it with is empty"),
        ] {
            assert_eq!(check(pairs, body, secret), Err(why), "{pairs:?}");
        }
    }

    #[test]
    fn signed_times_are_near() {
        let name = super::super::SIGNATURE_HEADER;
        let check = |pairs: &[(&str, &str)], now: Timestamp| {
            verify(&headers(pairs), BODY.as_bytes(), &wanted(Some("x-time")), "the secret", now)
        };
        let signed = [(name, TIMED), ("X-Time", "1700000000")];
        for (seconds, fine) in [(0, true), (300, true), (-300, true), (301, false), (-301, false)] {
            assert_eq!(check(&signed, Timestamp(NOW.0 + seconds * 1000)).is_ok(), fine, "{seconds}");
        }
        assert_eq!(check(&[(name, TIMED)], NOW), Err("no time, which must be signed, too"));
        let moved = check(&[(name, TIMED), ("x-time", "1700000001")], NOW);
        assert_eq!(moved, Err("a signature that was not made with the secret"));
        assert!(check(&[(name, PLAIN), ("x-time", "1700000000")], NOW).is_err(), "the body alone");
    }

    #[test]
    fn an_empty_secret_is_nobodys() {
        assert!(same("a", "a") && !same("a", "b") && !same("", ""));
    }
}
