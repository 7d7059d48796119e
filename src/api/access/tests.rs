use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::{Asked, Refused, check, forwarded};

fn reason(
    peer: &str,
    path: &str,
    host: Option<&str>,
    origin: Option<&str>,
    external: Option<&str>,
) -> &'static str {
    let peer: IpAddr = peer.parse().expect("an address");
    let external = external.map(|e| Url::parse(e).expect("a URL"));
    match check(Asked { peer, path, host, origin, forwarded: None }, external.as_ref()) {
        Ok(()) => "ok",
        Err(refused) => {
            assert!(refused.failure().detail.contains("http://localhost") || refused.reason() == "origin");
            refused.reason()
        }
    }
}

#[test]
fn open_paths_answer_everybody() {
    for path in ["/metrics", "/-/healthy", "/-/ready"] {
        assert_eq!(reason("203.0.113.7", path, Some("bot.example"), Some("https://x.example"), None), "ok");
    }
    for path in ["/", "/metrics/", "/-/reload", "/api/v1/rules", "//metrics"] {
        assert_eq!(reason("203.0.113.7", path, Some("localhost"), None, None), "peer", "{path}");
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
        assert_eq!(reason(peer, "/", Some("localhost:9095"), None, None), expected, "{peer}");
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
        assert_eq!(reason("127.0.0.1", "/", host, None, external), expected, "{host:?}");
    }
    assert_eq!(reason("127.0.0.1", "/", Some("watch.example"), None, None), "host");
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
        assert_eq!(reason("127.0.0.1", "/", Some(host), Some(origin), external), expected, "{host} {origin}");
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
        let asked = |path| Asked {
            peer: "127.0.0.1".parse().expect("an address"),
            path,
            host: Some("localhost"),
            origin: None,
            forwarded: forwarded(&headers),
        };
        assert_eq!(check(asked("/"), None).is_err(), refused, "{header}");
        assert_eq!(check(asked("/metrics"), None), Ok(()), "{header}: open to everybody anyway");
        if let Err(why) = check(asked("/"), None) {
            assert_eq!(why.reason(), "peer");
            assert!(why.failure().detail.contains(&format!("`{}`", header.to_ascii_lowercase())));
        }
    }
}
