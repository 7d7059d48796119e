use botwatch_core::access::{Limit, Role};

use super::{lines, loaded, own, with_team};
use crate::{
    api::{Access, SIGNATURE_HEADER, WebhookSecret},
    net::SecretSource,
};

#[test]
fn who_may_ask_is_read() {
    assert_eq!(own(&with_team("")).access, Access::default());
    let text = "\
auth:
  loopback: viewer
  allow: [10.0.0.0/8, '2001:db8::/32']
  trusted_proxies: [127.0.0.1]
  rate_limit: {burst: 5}
  webhooks: {secret: s3cret, timestamp_header: X-Time, rate_limit: {per_second: 0.5}}
";
    let written = own(&with_team(text));
    let networks = |texts: &[&str]| texts.iter().map(|t| t.parse().expect("a network")).collect::<Vec<_>>();
    let expected = Access {
        loopback: Some(Role::Viewer),
        allow: networks(&["10.0.0.0/8", "2001:db8::/32"]),
        trusted_proxies: networks(&["127.0.0.1/32"]),
        rate_limit: Limit { per_second: 100.0, burst: 5.0 },
        webhook_rate_limit: Limit { per_second: 0.5, burst: 500.0 },
        webhook: Some(WebhookSecret {
            secret: SecretSource::inline("s3cret"),
            signature_header: SIGNATURE_HEADER.into(),
            timestamp_header: Some("x-time".into()),
        }),
    };
    assert_eq!(written.access, expected);
    let shown = written.yaml();
    assert!(!shown.contains("s3cret") && shown.contains("secret: <secret>"), "{shown}");
    assert_eq!(own(&shown).access.allow, expected.allow, "it is read again");
    assert_eq!(own(&with_team("auth: {loopback: off}")).access.loopback, None);
}

#[test]
fn all_that_is_wrong_with_access_is_said_at_once() {
    let text = "\
auth:
  loopback: admin
  allow: [10.0.0.1/8, office]
  trusted_proxies: [10.0.0.0/33]
  rate_limit: {per_second: 0, burst: .nan}
  webhooks: {secret: '', secret_file: f, signature_header: 'a b'}
";
    let said = lines(&loaded("botwatch.yml", &with_team(text)).diagnostics);
    for problem in [
        "`loopback` is `admin`",
        "did you mean 10.0.0.0/8?",
        "`office` is no address",
        "`/33` is no length from 0 to 32",
        "`per_second` is 0",
        "`burst` is NaN",
        "`secret` and `secret_file` exclude each other",
        "the webhooks' secret is empty",
        "`a b` is no name of a header",
    ] {
        assert!(said.contains(problem), "{problem}:\n{said}");
    }
    let said =
        lines(&loaded("botwatch.yml", &with_team("auth: {webhooks: {timestamp_header: x}}")).diagnostics);
    assert!(said.contains("no secret to sign with"), "{said}");
}
