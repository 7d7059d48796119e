//! What needs no peer. Exchanges with real sockets are in `tests/it/net`.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header::RETRY_AFTER};
use rcgen::{CertificateParams, KeyPair};

use super::{
    Client, Error, HttpOptions, ProxyOptions, Response, SecretSource, TlsOptions, TlsVersion,
    redact::Secrets, *,
};
use crate::runtime::Clock;
use botwatch_core::{
    diag::chain,
    model::{Secret, Timestamp},
};

#[test]
fn addresses_that_are_not_public() {
    for (text, public) in [
        ("93.184.216.34", true),
        ("100.63.255.255", true),
        ("172.15.0.1", true),
        ("127.0.0.1", false),
        ("10.1.2.3", false),
        ("172.16.0.1", false),
        ("192.168.1.1", false),
        ("169.254.169.254", false),
        ("100.64.0.1", false),
        ("0.0.0.0", false),
        ("198.18.0.1", false),
        ("192.0.0.8", false),
        ("192.0.2.1", false),
        ("224.0.0.1", false),
        ("255.255.255.255", false),
        ("2606:4700::1111", true),
        ("::1", false),
        ("::", false),
        ("fe80::1", false),
        ("fd00::1", false),
        ("ff02::1", false),
        ("2001:db8::1", false),
        ("2001::1", false),
        ("::ffff:127.0.0.1", false),
        ("::ffff:93.184.216.34", true),
        ("::10.0.0.1", false),
        ("64:ff9b::a9fe:a9fe", false),
        ("64:ff9b::5db8:d822", true),
        ("2002:7f00:1::", false),
        ("2002:5db8:d822::", true),
    ] {
        assert_eq!(is_public(text.parse().expect(text)), public, "{text}");
    }
}

#[test]
fn parameters_that_look_secret_are_masked() {
    for (url, shown) in [
        ("http://h/m?format=json&token=abc&n=1", "http://h/m?format=json&token=xxxxx&n=1"),
        (
            "http://h/m?API_KEY=a&api%5Fkey=b&%74oken=c",
            "http://h/m?API_KEY=xxxxx&api%5Fkey=xxxxx&%74oken=xxxxx",
        ),
        ("http://h/m?token&sig=", "http://h/m?token&sig="),
        ("http://user:p@ss@h:9/m#auth", "http://user:xxxxx@h:9/m#auth"),
        ("http://user@h/a@b:c", "http://user@h/a@b:c"),
        ("http+unix://%2Frun%2Fbot.sock/m?x=1", "http+unix://%2Frun%2Fbot.sock/m?x=1"),
        ("no URL?password=1", "no URL?password=xxxxx"),
        ("", ""),
    ] {
        assert_eq!(mask_url(url), shown);
    }
}

#[test]
fn shown_urls_have_no_secrets() {
    for (url, shown) in [
        ("https://hooks.slack.com/services/T0/B0/XXXX", "https://hooks.slack.com/<secret>"),
        ("http://user:pw@localhost:9/", "http://localhost:9/<secret>"),
        ("https://example.org/?token=abc", "https://example.org/<secret>"),
        ("https://example.org", "https://example.org"),
        ("https://[::1]:8443/", "https://[::1]:8443"),
        ("http//pw", "<invalid URL>"),
    ] {
        assert_eq!(redact_url(url), shown);
    }
}

#[test]
fn retry_after_in_both_forms() {
    let now = Timestamp::parse_rfc3339("2026-11-24T03:00:00Z").expect("constant").0 / 1000;
    for (text, expected) in [
        ("120", Some(Duration::from_mins(2))),
        ("0", Some(Duration::ZERO)),
        ("-5", Some(Duration::ZERO)),
        ("Tue, 24 Nov 2026 03:01:30 GMT", Some(Duration::from_secs(90))),
        ("Tue, 24 Nov 2026 02:00:00 GMT", Some(Duration::ZERO)),
        ("soon", None),
        ("1e300", None),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
        let response = Response { status: 429, headers, ..Response::default() };
        assert_eq!(response.retry_after(now), expected, "{text}");
    }
}

#[test]
fn dates_of_a_certificate() {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("name");
    params.not_before = rcgen::date_time_ymd(2024, 2, 29);
    params.not_after = rcgen::date_time_ymd(2051, 1, 2);
    let der = params.self_signed(&KeyPair::generate().expect("key")).expect("signed").der().to_vec();
    // 29 February 2024 and, past 2049 so in the longer form, 2 January 2051
    assert_eq!(pinned::validity(&der), Some((1_709_164_800, 2_556_230_400)));
    for cut in 0..der.len().min(300) {
        let _ = pinned::validity(&der[..cut]);
    }
}

#[tokio::test]
async fn options_that_cannot_work_say_why() {
    let clock = Clock::manual(Timestamp(0));
    let bad = |options: HttpOptions| Client::new(&options, &clock).err().map(|e| chain(&e)).expect("refused");
    let tls = TlsOptions { server_name: Some("bot".into()), ..TlsOptions::default() };
    let proxy = ProxyOptions { http: Some(Secret::new("http://u:pw@p:1")), ..ProxyOptions::default() };
    let both = HttpOptions { tls, proxy, ..HttpOptions::default() };
    assert_eq!(bad(both), "`tls_config.server_name`: can't be combined with a proxy");
    let proxy = ProxyOptions { http: Some(Secret::new("http://user:pw@:::")), ..ProxyOptions::default() };
    let text = bad(HttpOptions { proxy, ..HttpOptions::default() });
    assert_eq!(text, "`proxy_url`: not the URL of a proxy");

    let tls = |change: fn(&mut TlsOptions)| {
        let mut options = TlsOptions::default();
        change(&mut options);
        options
    };
    for (options, expected) in [
        (tls(|o| o.max_version = Some(TlsVersion::Tls11)), "`max_version`: leaves no version of TLS"),
        (tls(|o| o.cert = Some(SecretSource::inline("x"))), "`tls_config`: `cert` and `key` go together"),
        (tls(|o| o.ca = Some(SecretSource::inline("x"))), "`ca`: no PEM certificate in it"),
        (tls(|o| o.ca = Some(SecretSource::File("/nowhere".into()))), "can't read `/nowhere`: No such file"),
    ] {
        let Err(error) = client_config(&options, &[]).await else { panic!("accepted: {expected}") };
        assert!(chain(&error).starts_with(expected), "{}", chain(&error));
        assert_eq!(error.is_permanent(), matches!(error, Error::Option { .. }));
    }
}

#[test]
fn secrets_are_not_in_debug_texts() {
    let options = HttpOptions {
        auth: Auth::Basic {
            username: SecretSource::inline("bob"),
            password: SecretSource::inline("hunter2"),
        },
        proxy: ProxyOptions { https: Some(Secret::new("http://u:hunter2@p")), ..ProxyOptions::default() },
        http_headers: [("X-Key".to_owned(), vec![SecretSource::inline("hunter2")])].into(),
        ..HttpOptions::default()
    };
    let text = format!("{options:?}");
    assert!(!text.contains("hunter2") && !text.contains("bob"), "{text}");
}

#[test]
fn peers_cannot_make_us_repeat_what_was_sent() {
    let mut secrets = Secrets::default();
    let url = "https://joe:hunter22@h.example/services/T0123456/abcdef?key=s3cr3t77&n=1";
    secrets.add_url(&url::Url::parse(url).expect("a URL"));
    // joe-ops:a"b&c d1
    secrets.add_header(&HeaderValue::from_static("Basic am9lLW9wczphImImYyBkMQ=="));
    secrets.add_header(&HeaderValue::from_static("Bearer tok.en-1"));
    secrets.add("overlap");
    secrets.add("lapping");
    for (text, expected) in [
        ("no route /services/T0123456/abcdef?key=s3cr3t77&n=1", "no route <secret>"),
        ("bad key s3cr3t77", "bad key <secret>"),
        ("token T0123456 of hunter22", "token <secret> of <secret>"),
        ("n is 1", "n is 1"),
        ("authorization: Basic am9lLW9wczphImImYyBkMQ==\n", "authorization: <secret>\n"),
        ("`am9lLW9wczphImImYyBkMQ`", "`<secret>`"),
        (r#"{"user":"joe-ops","password":"a\"b&c d1"}"#, r#"{"user":"joe-ops","password":"<secret>"}"#),
        ("<b>a&quot;b&amp;c d1</b>", "<b><secret></b>"),
        ("no joe-ops:a\"b&c d1", "no <secret>"),
        ("tok.en-1 has expired", "<secret> has expired"),
        ("overlapping", "<secret>"),
    ] {
        assert_eq!(secrets.redact(text, false), expected);
    }
    assert!(!format!("{:?}", Response::default()).contains("Secrets"));
}

#[test]
fn excerpts_have_not_even_half_a_secret() {
    let secret = "s3cr3t-of-24-characters!";
    let mut secrets = Secrets::default();
    secrets.add(secret);
    let (long, huge) = ("x".repeat(190), " ".repeat(64 * 1024 - 6));
    for (body, cut, expected) in [
        // Where the excerpt is cut.
        (format!("{long} {secret} and more"), false, format!("{long} <secret> …")),
        // Where the body was cut.
        (format!("bad {}", &secret[..9]), true, "bad <secret>".to_owned()),
        (format!("bad {}", &secret[..9]), false, "bad s3cr3t-of".to_owned()),
        // Where the search ends.
        (format!("a{huge}{secret}"), false, "a <secret>".to_owned()),
        ("one\n  line".to_owned(), false, "one line".to_owned()),
        (String::new(), true, String::new()),
    ] {
        assert_eq!(secrets.excerpt(body.as_bytes(), cut), expected, "{}", body.len());
    }
}

#[test]
fn credentials_stay_with_their_host() {
    for (first, to, expected) in [
        ("http://bot:1/a", "http://bot:2/b", true),
        ("http://bot/a", "https://bot/a", true),
        ("https://bot/a", "https://BOT:8443/a", true),
        ("https://bot/a", "http://bot/a", false),
        ("http://bot/a", "http://bot.example/a", false),
        ("http://127.0.0.1/", "http://localhost/", false),
        ("http://[::1]/", "http://[::1]:9/", true),
    ] {
        let url = |text: &str| url::Url::parse(text).expect("a URL");
        assert_eq!(client::keeps_trust(&url(first), &url(to)), expected, "{first} {to}");
    }
}
