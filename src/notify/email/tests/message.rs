use std::sync::Arc;

use mail_parser::{HeaderValue, MessageParser, MimeHeaders as _};

use super::{chart::leak, parts};
use crate::notify::email::{
    chart::{Size, chart},
    message::{Parts, compose},
};

#[test]
fn the_whole_message_reads_as_it_was_meant() {
    let html = r#"<p>Größe > 5 <img alt="x" src="cid:chart"></p>"#;
    let picture = chart(&leak(), Size::EMAIL).unwrap();
    let (envelope, bytes) = compose(Parts {
        to: "Jörg Ops <ops@example.org>, ops@example.org, night@bücher.example",
        subject: "[FIRING:1] Spread zu groß – BTC/€ sehr lang, damit gefaltet wird, und noch etwas länger",
        html,
        text: "Größe > 5\n.\nEnde = gut\n",
        chart: Some(picture.clone()),
        ..parts()
    })
    .unwrap();
    assert_eq!(envelope.from, "alerts@example.org");
    assert_eq!(envelope.to, ["ops@example.org", "night@xn--bcher-kva.example"]);
    assert!(!envelope.utf8 && bytes.is_ascii());
    let message = MessageParser::default().parse(&bytes).unwrap();
    assert_eq!(
        message.subject(),
        Some("[FIRING:1] Spread zu groß – BTC/€ sehr lang, damit gefaltet wird, und noch etwas länger")
    );
    assert_eq!(message.to().unwrap().first().unwrap().name(), Some("Jörg Ops"));
    assert_eq!(message.date().unwrap().to_rfc3339(), "2025-11-24T03:05:00Z");
    assert_eq!(message.body_text(0).unwrap().replace("\r\n", "\n"), "Größe > 5\n.\nEnde = gut\n");
    assert_eq!(message.body_html(0).unwrap(), html);
    assert_eq!(
        kinds(&message),
        ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png"]
    );
    let image = message.parts.last().unwrap();
    assert_eq!(image.content_id(), Some("chart"));
    assert_eq!(image.contents(), picture);
    for part in [&message.parts[1], &message.parts[3]] {
        assert_eq!(part.content_transfer_encoding(), Some("quoted-printable"));
        assert_eq!(part.content_type().unwrap().attribute("charset"), Some("utf-8"));
    }
    for (name, expected) in [
        ("Auto-Submitted", "auto-generated"),
        ("X-Auto-Response-Suppress", "All"),
        ("X-Botwatch-Delivery", "7-00000000deadbeef"),
        ("Importance", "high"),
    ] {
        assert_eq!(header(&message, name), expected);
    }
}

fn kinds(message: &mail_parser::Message<'_>) -> Vec<String> {
    let kind = |p: &mail_parser::MessagePart<'_>| {
        p.content_type().map(|t| format!("{}/{}", t.ctype(), t.subtype().unwrap_or_default()))
    };
    message.parts.iter().filter_map(kind).collect()
}

fn header(message: &mail_parser::Message<'_>, name: &str) -> String {
    match message.header(name.to_owned()) {
        Some(HeaderValue::Text(text)) => text.trim().to_owned(),
        Some(HeaderValue::TextList(list)) => list.join(" "),
        _ => String::new(),
    }
}

#[test]
fn retries_are_the_same_message_and_a_resolve_joins_the_thread() {
    let ids = |parts: Parts<'_>| {
        let (_, bytes) = compose(parts).unwrap();
        let message = MessageParser::default().parse(&bytes).unwrap();
        let reference = header(&message, "References");
        assert_eq!(header(&message, "In-Reply-To"), reference);
        (message.message_id().unwrap().to_owned(), reference)
    };
    let firing = ids(parts());
    assert!(firing.0.ends_with("@example.org"));
    assert_eq!(firing, ids(parts()), "a retry");
    let resolve = ids(Parts { delivery: "8-0", subject: "[RESOLVED]", ..parts() });
    assert_ne!(firing.0, resolve.0);
    assert_eq!(firing.1, resolve.1);
    assert_ne!(firing.1, ids(Parts { group_key: "{}:{}", ..parts() }).1);
    assert_ne!(firing.1, ids(Parts { receiver: "night", ..parts() }).1);
}

#[test]
fn configured_headers_win_and_can_inject_nothing() {
    let headers: Vec<(Arc<str>, String)> = [
        ("Reply-To", "Team Größe <team@example.org>"),
        ("to", "undisclosed-recipients:;"),
        ("references", "<own@example.org>"),
        ("X-Team", "a\r\nBcc: evil@example.org\r\n\r\nbody"),
        ("Bcc", "hidden@example.org"),
        ("Auto-Submitted", "no"),
    ]
    .map(|(n, v)| (n.into(), v.to_owned()))
    .to_vec();
    let (envelope, bytes) = compose(Parts {
        headers: &headers,
        subject: "a\r\nX-Evil: 1\n\tb",
        receiver: "x\r\nX-Evil: 1",
        from: "\"a\r\nX-Evil: 1\" <a@example.org>",
        ..parts()
    })
    .unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let head = text.split("\r\n\r\n").next().unwrap();
    for line in head.split("\r\n") {
        let name = line.split(':').next().unwrap().to_ascii_lowercase();
        assert!(!["bcc", "x-evil"].contains(&name.as_str()), "{line}");
    }
    let message = MessageParser::default().parse(&bytes).unwrap();
    assert_eq!(envelope.to, ["ops@example.org"]);
    assert_eq!(message.subject(), Some("a X-Evil: 1 b"));
    assert_eq!(header(&message, "X-Team"), "a Bcc: evil@example.org body");
    assert_eq!(header(&message, "References"), "own@example.org");
    assert_eq!(header(&message, "In-Reply-To"), "");
    assert_eq!(header(&message, "Auto-Submitted"), "no");
    assert_eq!(message.reply_to().unwrap().first().unwrap().name(), Some("Team Größe"));
    assert_eq!(head.to_ascii_lowercase().matches("\r\nto:").count(), 1);
}

#[test]
fn parts_that_are_empty_are_left_out() {
    for (html, text, expected) in [
        ("<p>", "", &["multipart/alternative", "text/html"][..]),
        ("", "x", &["multipart/alternative", "text/plain"]),
        ("", "", &["multipart/alternative", "text/plain"]),
        // A page without a place for the chart carries none.
        ("<p>", "x", &["multipart/alternative", "text/plain", "text/html"]),
    ] {
        let picture = Some(vec![1, 2, 3]);
        let (_, bytes) = compose(Parts { html, text, chart: picture, ..parts() }).unwrap();
        assert_eq!(kinds(&MessageParser::default().parse(&bytes).unwrap()), expected, "{html:?} {text:?}");
    }
}

#[test]
fn addresses_that_cannot_be_written_to_are_refused() {
    for (to, from, expected) in [
        ("", "a@b.de", "`to`: no address"),
        ("a@b.de", "", "`from`: no address"),
        ("a@b.de", "a@b.de, c@d.de", "`from`: not one address"),
        ("a@b.de", "nobody", "`from`: `nobody`: no address"),
        ("nobody; a@@b.de", "a@b.de", "`to`: `nobody`: no address; `a@@b.de`: no address"),
    ] {
        let error = compose(Parts { to, from, ..parts() }).unwrap_err();
        assert!(error.is_permanent());
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn the_others_get_it_when_one_cannot_be_written_to() {
    let (envelope, bytes) = compose(Parts { to: "a@b.de; nobody, c@d.de", ..parts() }).unwrap();
    assert_eq!(envelope.to, ["a@b.de", "c@d.de"]);
    assert_eq!((envelope.dropped.len(), &*envelope.dropped[0].address), (1, "nobody"));
    let message = MessageParser::default().parse(&bytes).unwrap();
    assert_eq!(message.to().unwrap().iter().count(), 2);
    let many = (0..103).map(|i| format!("a{i}@example.org")).collect::<Vec<_>>().join(",");
    let (envelope, _) = compose(Parts { to: &many, ..parts() }).unwrap();
    let dropped: Vec<_> = envelope.dropped.iter().map(|d| (&*d.address, d.reason)).collect();
    assert_eq!(envelope.to.len(), 100);
    assert_eq!((dropped.len(), dropped[0]), (3, ("a100@example.org", "more than 100 recipients")));
}
