//! Who may ask (DESIGN §4 "Access").

use std::sync::Arc;

use botwatch_core::access::{Limit, Network};

use super::{Context, http::secret};
use crate::{
    api::{Access, SIGNATURE_HEADER, WebhookSecret},
    config::{file::RateLimit, value::At},
};

pub(super) fn access(context: &Context<'_>) -> Access {
    let auth = context.file().auth.clone().unwrap_or_default();
    let webhooks = auth.webhooks.as_ref();
    let defaults = Access::default();
    let limit = |written: Option<&RateLimit>, default: Limit| written.map_or(default, |l| l.over(default));
    Access {
        loopback: auth.loopback(),
        allow: networks(auth.allow.as_ref()),
        trusted_proxies: networks(auth.trusted_proxies.as_ref()),
        rate_limit: limit(auth.rate_limit.as_ref(), defaults.rate_limit),
        webhook_rate_limit: limit(webhooks.and_then(|w| w.rate_limit.as_ref()), defaults.webhook_rate_limit),
        webhook: webhooks.and_then(|w| {
            let lower = |at: &At<Arc<str>>| Arc::from(at.value.to_ascii_lowercase());
            Some(WebhookSecret {
                secret: secret(w.secret.as_ref(), w.secret_file.as_ref())?,
                signature_header: w.signature_header.as_ref().map_or(SIGNATURE_HEADER.into(), lower),
                timestamp_header: w.timestamp_header.as_ref().map(lower),
            })
        }),
    }
}

/// What is no network was reported where it was read.
fn networks(written: Option<&Vec<At<Arc<str>>>>) -> Vec<Network> {
    written.into_iter().flatten().filter_map(|at| at.value.parse().ok()).collect()
}
