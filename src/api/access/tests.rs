use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::{Asked, Caller, Refused, check, client, forwarded, token};
use crate::store::Holder;
use botwatch_core::access::{Permission, Role};

fn reason(peer: &str, host: Option<&str>, origin: Option<&str>, external: Option<&str>) -> &'static str {
    let peer: IpAddr = peer.parse().expect("an address");
    let external = external.map(|e| Url::parse(e).expect("a URL"));
    match check(Asked { peer, host, origin, forwarded: None }, external.as_ref()) {
        Ok(()) => "ok",
        Err(refused) => {
            let says = ["http://localhost", "botwatch token create", "Origin"];
            assert!(says.iter().any(|s| refused.failure().detail.contains(s)));
            refused.reason()
        }
    }
}

#[test]
fn peers_are_of_this_machine() {
    for (peer, expected) in [
        ("127.0.0.1", "ok"),
        ("127.8.8.8", "ok"),
        ("::1", "ok"),
        ("::ffff:127.0.0.1", "ok"),
        ("::ffff:10.0.0.1", "peer"),
        ("10.0.0.1", "peer"),
        ("172.17.0.1", "peer"),
        ("fe80::1", "peer"),
        ("0.0.0.0", "peer"),
    ] {
        assert_eq!(reason(peer, Some("localhost:9095"), None, None), expected, "{peer}");
    }
}

#[test]
fn hosts_are_the_loopback_or_the_external_one() {
    let external = Some("https://watch.example:8443/botwatch");
    for (host, expected) in [
        (Some("localhost"), "ok"),
        (Some("LocalHost:9095"), "ok"),
        (Some("localhost.:9095"), "ok"),
        (Some("bot.localhost:9095"), "ok"),
        (Some("127.0.0.1:9095"), "ok"),
        (Some("[::1]:9095"), "ok"),
        (Some("watch.example"), "ok"),
        (Some("WATCH.example:1"), "ok"),
        (Some("localhost.example"), "host"),
        (Some("127.0.0.1.example"), "host"),
        (Some("evil.example:9095"), "host"),
        (Some("10.0.0.1"), "host"),
        (Some("user@localhost"), "host"),
        (Some("local host"), "host"),
        (Some(""), "host"),
        (None, "host"),
    ] {
        assert_eq!(reason("127.0.0.1", host, None, external), expected, "{host:?}");
    }
    assert_eq!(reason("127.0.0.1", Some("watch.example"), None, None), "host");
}

#[test]
fn origins_are_our_own_pages() {
    let external = Some("https://watch.example");
    for (host, origin, expected) in [
        ("localhost:9095", "http://localhost:9095", "ok"),
        ("[::1]:9095", "http://[::1]:9095", "ok"),
        ("localhost", "http://localhost", "ok"),
        ("localhost:80", "http://localhost", "ok"),
        ("localhost:9095", "http://localhost:3000", "origin"),
        ("localhost:9095", "http://127.0.0.1:9095", "origin"),
        ("localhost:9095", "https://watch.example", "ok"),
        ("watch.example", "https://watch.example", "ok"),
        ("watch.example", "https://watch.example.evil.example", "origin"),
        ("localhost:9095", "null", "origin"),
        ("localhost:9095", "", "origin"),
        ("localhost:9095", "file://", "origin"),
        ("localhost:9095", "chrome-extension://abc", "origin"),
        ("localhost:9095", "https://evil.example", "origin"),
    ] {
        assert_eq!(reason("127.0.0.1", Some(host), Some(origin), external), expected, "{host} {origin}");
    }
}

#[test]
fn refusals_name_what_was_sent() {
    let failure = Refused::Host("evil.example".to_owned()).failure();
    assert!(failure.detail.contains("`evil.example`"), "{}", failure.detail);
}

#[test]
fn what_a_proxy_passes_on_is_refused() {
    for (header, refused) in [
        ("Forwarded", true),
        ("X-Forwarded-For", true),
        ("X-Forwarded-Proto", true),
        ("X-Real-IP", true),
        ("Via", true),
        ("X-Request-Id", false),
        ("X-Forward", false),
    ] {
        let name = HeaderName::from_bytes(header.as_bytes()).expect("a name");
        let headers = HeaderMap::from_iter([(name, HeaderValue::from_static("127.0.0.1"))]);
        let asked = Asked {
            peer: "127.0.0.1".parse().expect("an address"),
            host: Some("localhost"),
            origin: None,
            forwarded: forwarded(&headers),
        };
        assert_eq!(check(asked, None).is_err(), refused, "{header}");
        if let Err(why) = check(asked, None) {
            assert_eq!(why.reason(), "peer");
            assert!(why.failure().detail.contains(&format!("`{}`", header.to_ascii_lowercase())));
        }
    }
}

#[test]
fn tokens_come_as_bearer_or_as_basics_password() {
    let headers = |values: &[&str]| {
        let mut all = HeaderMap::new();
        for value in values {
            all.append("authorization", HeaderValue::from_str(value).expect("a value"));
        }
        all
    };
    for (values, expected) in [
        (&[][..], None),
        (&["Bearer abc"], Some(Ok("abc"))),
        (&["bearer  abc "], Some(Ok("abc"))),
        (&["Basic YWRtaW46YTpi"], Some(Ok("a:b"))),
        (&["Basic YWRtaW4="], Some(Err(()))),
        (&["Basic ???"], Some(Err(()))),
        (&["Digest x"], Some(Err(()))),
        (&["abc"], Some(Err(()))),
        (&["Bearer a", "Bearer b"], Some(Err(()))),
    ] {
        let found = token(&headers(values)).map(|t| t.map_err(|_| ()));
        assert_eq!(found, expected.map(|e| e.map(str::to_owned)), "{values:?}");
    }
}

#[test]
fn webhooks_are_taken_from_nearby_or_with_a_role() {
    let refusal = || Refused::Peer.failure();
    let holder = |role| Holder { name: "x".into(), role };
    for (caller, may) in [
        (Caller::unknown(true, refusal(), "peer"), true),
        (Caller::unknown(false, refusal(), "peer"), false),
        (Caller::holder(holder(Role::Viewer), false), false),
        (Caller::holder(holder(Role::Viewer), true), true),
        (Caller::holder(holder(Role::Operator), false), true),
        (Caller::local(Role::Viewer), true),
    ] {
        assert_eq!(caller.may(Permission::Webhook).is_ok(), may, "{caller:?}");
    }
    let refused = Caller::holder(holder(Role::Viewer), true).may(Permission::Manage).expect_err("too little");
    assert!(refused.detail.ends_with("(it needs operator)"), "{}", refused.detail);
}

/// Sockets that listen on IPv6 show IPv4 callers as mapped addresses.
#[test]
fn mapped_addresses_are_what_they_stand_for() {
    let trusted = ["127.0.0.1".parse().expect("a network")];
    for (peer, expected) in
        [("::ffff:127.0.0.1", "127.0.0.1"), ("::ffff:10.0.0.1", "10.0.0.1"), ("::1", "::1")]
    {
        for proxies in [&trusted[..], &[]] {
            let found = client(peer.parse().expect("an address"), &HeaderMap::new(), proxies);
            assert_eq!(found, (expected.parse().expect("an address"), None), "{peer}");
        }
    }
}
