//! The one place where TLS towards others is configured.

use std::sync::{Arc, OnceLock};

use botwatch_core::model::Secret;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};

use super::{Error, TlsOptions, TlsVersion, pinned::Pinned};

/// PEM texts as read, compared to see whether a file was rotated.
#[derive(PartialEq, Default)]
pub(super) struct Material {
    ca: Option<Secret>,
    cert: Option<Secret>,
    key: Option<Secret>,
}

impl Material {
    pub(super) async fn read(options: &TlsOptions) -> Result<Self, Error> {
        let mut material = Self::default();
        for (source, into) in [
            (&options.ca, &mut material.ca),
            (&options.cert, &mut material.cert),
            (&options.key, &mut material.key),
        ] {
            if let Some(source) = source {
                *into = Some(source.read().await?);
            }
        }
        Ok(material)
    }
}

/// A configuration for one connection or client, certificates read now. `alpn` as offered, most wanted first.
///
/// # Errors
/// [`Error::File`] and [`Error::Option`].
pub async fn client_config(options: &TlsOptions, alpn: &[&str]) -> Result<ClientConfig, Error> {
    build(options, &Material::read(options).await?, alpn)
}

/// As [`client_config`], from what was read already.
pub(super) fn build(options: &TlsOptions, material: &Material, alpn: &[&str]) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions(options)?)
        .map_err(|e| invalid("min_version", &e))?;
    let builder =
        builder.dangerous().with_custom_certificate_verifier(verifier(options, material, &provider)?);
    let mut config = match (&material.cert, &material.key) {
        (Some(cert), Some(key)) => {
            let chain = certificates("cert", cert)?;
            let key =
                PrivateKeyDer::from_pem_slice(key.reveal().as_bytes()).map_err(|e| invalid("key", &e))?;
            builder.with_client_auth_cert(chain, key).map_err(|e| invalid("cert", &e))?
        }
        (None, None) => builder.with_no_client_auth(),
        _ => {
            return Err(Error::Option {
                option: "tls_config",
                reason: "`cert` and `key` go together".into(),
            });
        }
    };
    config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
    Ok(config)
}

fn invalid(option: &'static str, reason: &dyn std::fmt::Display) -> Error {
    Error::Option { option, reason: reason.to_string() }
}

fn versions(options: &TlsOptions) -> Result<Vec<&'static SupportedProtocolVersion>, Error> {
    let low = options.min_version.unwrap_or(TlsVersion::Tls12);
    let high = options.max_version.unwrap_or(TlsVersion::Tls13);
    let all = [(TlsVersion::Tls13, &rustls::version::TLS13), (TlsVersion::Tls12, &rustls::version::TLS12)];
    let chosen: Vec<_> = all.into_iter().filter(|(v, _)| (low..=high).contains(v)).map(|(_, v)| v).collect();
    if chosen.is_empty() {
        let reason = "leaves no version of TLS that is spoken (1.2 and 1.3 are)".to_owned();
        return Err(Error::Option { option: "max_version", reason });
    }
    Ok(chosen)
}

fn certificates(option: &'static str, pem: &Secret) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found = CertificateDer::pem_slice_iter(pem.reveal().as_bytes()).collect::<Result<Vec<_>, _>>();
    match found {
        Ok(found) if found.is_empty() => {
            Err(Error::Option { option, reason: "no PEM certificate in it".into() })
        }
        Ok(found) => Ok(found),
        Err(e) => Err(invalid(option, &e)),
    }
}

fn verifier(
    options: &TlsOptions,
    material: &Material,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    if options.insecure_skip_verify {
        return Ok(Arc::new(AcceptAll(Arc::clone(provider))));
    }
    let Some(ca) = &material.ca else { return system_verifier(provider) };
    let configured = certificates("ca", ca)?;
    let mut roots = RootCertStore::empty();
    for certificate in &configured {
        roots.add(certificate.clone()).map_err(|e| invalid("ca", &e))?;
    }
    let inner = webpki(Arc::new(roots), provider)?;
    Ok(Arc::new(Pinned { inner, certificates: configured }))
}

fn webpki(
    roots: Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, Error> {
    WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider))
        .build()
        .map_err(|e| invalid("ca", &e))
}

/// One verifier for all that trust the system: some hundred roots are read once and kept once.
fn system_verifier(provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    static SYSTEM: OnceLock<Arc<WebPkiServerVerifier>> = OnceLock::new();
    if let Some(verifier) = SYSTEM.get() {
        return Ok(Arc::clone(verifier) as _);
    }
    let mut roots = RootCertStore::empty();
    // Single unreadable certificates are common in distributions' stores and cost nothing.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let verifier = webpki(Arc::new(roots), provider)?;
    Ok(Arc::clone(SYSTEM.get_or_init(|| verifier)) as _)
}

/// `insecure_skip_verify`: any certificate will do, but the peer must own its key.
#[derive(Debug)]
struct AcceptAll(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
