//! Self-signed certificates that are trusted by name of the file they are in.
//!
//! What `openssl req -x509` makes is its own authority. As `ca_file` it is trusted by Go, and so by Prometheus and
//! Alertmanager; webpki refuses an authority's certificate as a server's. Here exactly the configured certificate
//! passes, if the host name and the dates fit.

use rustls::{
    CertificateError, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    client::verify_server_name,
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use std::sync::Arc;

/// Verifies against authorities, and lets the pinned certificates themselves pass.
#[derive(Debug)]
pub(super) struct Pinned {
    pub(super) inner: Arc<dyn ServerCertVerifier>,
    pub(super) certificates: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.inner.verify_server_cert(end_entity, intermediates, name, ocsp, now);
        let (Err(refused), true) = (&verified, self.certificates.iter().any(|c| c == end_entity)) else {
            return verified;
        };
        let Some((not_before, not_after)) = validity(end_entity) else { return Err(refused.clone()) };
        if now.as_secs() < not_before {
            return Err(CertificateError::NotValidYet.into());
        }
        if now.as_secs() > not_after {
            return Err(CertificateError::Expired.into());
        }
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// A certificate's first and last second, since the epoch (RFC 5280 §4.1: the fifth element of the first).
pub(super) fn validity(der: &[u8]) -> Option<(u64, u64)> {
    let (_, certificate, _) = element(der)?;
    let (_, mut rest, _) = element(certificate)?;
    let (tag, _, after) = element(rest)?;
    // The version is optional and tagged; then serial number, algorithm, issuer.
    let skip = if tag == 0xa0 { 4 } else { 3 };
    rest = if skip == 4 { after } else { rest };
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (_, dates, _) = element(rest)?;
    let (tag, from, dates) = element(dates)?;
    let from = time(tag, from)?;
    let (tag, to, _) = element(dates)?;
    Some((from, time(tag, to)?))
}

/// Tag, content and what follows of the first DER element.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut len = usize::from(first);
    if first & 0x80 != 0 {
        let (bytes, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if bytes.len() > 4 {
            return None;
        }
        len = bytes.iter().fold(0, |n, b| (n << 8) | usize::from(*b));
        rest = after;
    }
    let (content, after) = rest.split_at_checked(len)?;
    Some((tag, content, after))
}

/// `UTCTime` (years 1950 to 2049) or `GeneralizedTime`, both in UTC.
fn time(tag: u8, text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        0x17 => {
            let short: i64 = text.get(..2)?.parse().ok()?;
            (if short < 50 { 2000 + short } else { 1900 + short }, text.get(2..)?)
        }
        0x18 => (text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => return None,
    };
    let two = |at: usize| rest.get(at..at + 2)?.parse::<i8>().ok();
    let date =
        jiff::civil::DateTime::new(year as i16, two(0)?, two(2)?, two(4)?, two(6)?, two(8)?, 0).ok()?;
    let second = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second();
    u64::try_from(second).ok().or(Some(0))
}
