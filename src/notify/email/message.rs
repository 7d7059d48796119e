//! A MIME message (RFC 5322, 2045–2047, 2387) of rendered texts. Pure: the same parts give the same bytes.

use std::{
    sync::Arc,
    time::{Duration as StdDuration, UNIX_EPOCH},
};

use botwatch_core::model::Timestamp;
use lettre::{
    Address,
    message::{
        Body, Mailbox, Mailboxes, MultiPart, MultiPartKind, SinglePart,
        header::{
            self, ContentDisposition, ContentId, ContentTransferEncoding, ContentType, HeaderName,
            HeaderValue, Headers,
        },
    },
};
use ring::digest::{SHA256, digest};

use super::Error;

/// Longest value of a header; a line has at most 998 characters, and encoding makes it longer.
const HEADER_MAX: usize = 900;
/// Longest subject.
const SUBJECT_MAX: usize = 250;
/// Longest part; servers take 10 MiB or more, encoding triples at worst.
const PART_MAX: usize = 2 * 1024 * 1024;
/// Recipients of one message; servers must take 100 (RFC 5321 §4.5.3.1.8).
const RECIPIENTS_MAX: usize = 100;
/// Longest address that is shown.
const SHOWN_MAX: usize = 80;
const TOO_MANY: &str = "more than 100 recipients";
const UNWRITABLE: &str = "can't be written to";
/// What a chart's `<img>` has in it.
const CHART: &str = "cid:chart";
/// Headers that make the message readable; nobody else may set them.
const RESERVED: &[&str] =
    &["mime-version", "content-type", "content-transfer-encoding", "content-id", "content-disposition"];

/// Everything that becomes a message. Texts are rendered.
pub(super) struct Parts<'a> {
    pub(super) to: &'a str,
    pub(super) from: &'a str,
    pub(super) subject: &'a str,
    pub(super) headers: &'a [(Arc<str>, String)],
    /// Empty: none.
    pub(super) html: &'a str,
    /// Empty: none.
    pub(super) text: &'a str,
    /// PNG.
    pub(super) chart: Option<Vec<u8>>,
    pub(super) delivery: &'a str,
    pub(super) group_key: &'a str,
    pub(super) receiver: &'a str,
    /// Firing, and of a severity that wakes people.
    pub(super) urgent: bool,
    pub(super) now: Timestamp,
}

/// Whom the server is told about.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Envelope {
    pub(super) from: String,
    pub(super) to: Vec<String>,
    /// One of the addresses needs SMTPUTF8.
    pub(super) utf8: bool,
    /// The message to those of them that don't, for a server without it.
    pub(super) ascii: Option<Vec<u8>>,
    /// What was configured and can't be written to.
    pub(super) dropped: Vec<Dropped>,
}

/// A recipient that is none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Dropped {
    /// As written, shortened.
    pub(super) address: String,
    pub(super) reason: &'static str,
}

/// Whether a header of that name may be set.
pub(super) fn may_be_set(name: &str) -> bool {
    let legal =
        !name.is_empty() && name.len() <= 76 && name.bytes().all(|b| b.is_ascii_graphic() && b != b':');
    legal && !RESERVED.iter().any(|r| r.eq_ignore_ascii_case(name))
}

/// Makes the message, and says to whom it goes: to every address that can be written to, and it is told which can't.
///
/// # Errors
/// [`Error::Address`].
pub(super) fn compose(parts: Parts<'_>) -> Result<(Envelope, Vec<u8>), Error> {
    let from = sender(parts.from)?;
    let (to, dropped) = recipients(parts.to)?;
    let mut envelope = envelope(&from, &to, dropped);
    let some: Mailboxes = to.iter().filter(|to| path(to).is_ascii()).cloned().collect();
    let some = Some(some).filter(|some| envelope.utf8 && envelope.from.is_ascii() && some.iter().count() > 0);
    let all = headers(&parts, from.clone(), to);
    let some = some.map(|some| headers(&parts, from, some));
    let boundary = hash(&["boundary", parts.delivery]);
    let body = body(parts, &boundary).formatted();
    let whole = |headers: Headers| {
        let mut message = format!("{headers}MIME-Version: 1.0\r\n").into_bytes();
        message.extend_from_slice(&body);
        message
    };
    envelope.ascii = some.map(whole);
    Ok((envelope, whole(all)))
}

fn headers(parts: &Parts<'_>, from: Mailbox, to: Mailboxes) -> Headers {
    let domain = from.email.domain().to_owned();
    let mut headers = Headers::new();
    let sent = UNIX_EPOCH + StdDuration::from_millis(parts.now.0.max(0) as u64);
    headers.set(header::Date::from(sent));
    headers.set(header::From::from(Mailboxes::new().with(from)));
    headers.set(header::To::from(to));
    raw(&mut headers, "Subject", &cut(parts.subject, SUBJECT_MAX));
    raw(&mut headers, "Message-ID", &format!("<botwatch.{}@{domain}>", hash(&["delivery", parts.delivery])));
    // Nobody ever sent the root of the thread; clients put those that refer to it together all the same.
    let root = format!("<botwatch.group.{}@{domain}>", hash(&["group", parts.receiver, parts.group_key]));
    let own_thread = |(name, _): &(Arc<str>, String)| {
        ["references", "in-reply-to"].iter().any(|n| n.eq_ignore_ascii_case(name))
    };
    if !parts.headers.iter().any(own_thread) {
        raw(&mut headers, "In-Reply-To", &root);
        raw(&mut headers, "References", &root);
    }
    // Nobody's holiday notice answers (RFC 3834; the second is what Exchange reads).
    raw(&mut headers, "Auto-Submitted", "auto-generated");
    raw(&mut headers, "X-Auto-Response-Suppress", "All");
    raw(&mut headers, "List-Id", &format!("<{}.botwatch.{domain}>", list_label(parts.receiver)));
    if parts.urgent {
        raw(&mut headers, "Importance", "high");
        raw(&mut headers, "X-Priority", "1 (Highest)");
    }
    raw(&mut headers, "X-Botwatch-Delivery", parts.delivery);
    for (name, value) in parts.headers {
        // Blind copies are the envelope's affair: written here, everybody would see them.
        if may_be_set(name) && !name.eq_ignore_ascii_case("bcc") {
            set(&mut headers, name, value);
        }
    }
    headers
}

/// A configured header. Addresses have their own encoding.
fn set(headers: &mut Headers, name: &str, value: &str) {
    headers.remove_raw(name);
    let addresses = || clean(value).parse::<Mailboxes>();
    match (name.to_ascii_lowercase().as_str(), addresses()) {
        ("from", Ok(list)) => headers.set(header::From::from(list)),
        ("to", Ok(list)) => headers.set(header::To::from(list)),
        ("cc", Ok(list)) => headers.set(header::Cc::from(list)),
        ("reply-to", Ok(list)) => headers.set(header::ReplyTo::from(list)),
        ("subject", _) => raw(headers, name, &cut(value, SUBJECT_MAX)),
        _ => raw(headers, name, value),
    }
}

/// A header of plain text, encoded and folded, on one logical line.
fn raw(headers: &mut Headers, name: &str, value: &str) {
    if let Ok(name) = HeaderName::new_from_ascii(name.to_owned()) {
        headers.insert_raw(HeaderValue::new(name, cut(value, HEADER_MAX)));
    }
}

/// Without control characters: no value can begin another header.
fn clean(value: &str) -> String {
    let spaced: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    spaced.split(' ').filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ")
}

fn cut(value: &str, max: usize) -> String {
    let value = clean(value);
    if value.len() <= max {
        return value;
    }
    let end = (0..=max - '…'.len_utf8()).rev().find(|i| value.is_char_boundary(*i)).unwrap_or(0);
    format!("{}…", &value[..end])
}

/// 32 hexadecimal digits.
fn hash(of: &[&str]) -> String {
    let all = of.iter().flat_map(|s| s.bytes().chain([0])).collect::<Vec<_>>();
    hex(&digest(&SHA256, &all).as_ref()[..16])
}

/// In lower case.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, b| hex + &format!("{b:02x}"))
}

fn list_label(receiver: &str) -> String {
    let label: String = receiver
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .take(60)
        .collect();
    let label = label.trim_matches('-');
    if label.is_empty() { "receiver".to_owned() } else { label.to_owned() }
}

/// The one address that a message is from.
fn sender(text: &str) -> Result<Mailbox, Error> {
    let bad = |reason: String| Error::Address { field: "from", reason };
    let (good, dropped) = mailboxes(text);
    match (good.as_slice(), dropped.as_slice()) {
        ([from], []) => Ok(from.clone()),
        ([], []) => Err(bad("no address".to_owned())),
        ([], [one]) => Err(bad(format!("`{}`: {}", one.address, one.reason))),
        _ => Err(bad("not one address".to_owned())),
    }
}

/// Whom a message goes to, and who is left out.
fn recipients(text: &str) -> Result<(Mailboxes, Vec<Dropped>), Error> {
    let (good, dropped) = mailboxes(text);
    if good.is_empty() {
        let all = dropped.iter().map(|d| format!("`{}`: {}", d.address, d.reason)).collect::<Vec<_>>();
        let reason = if all.is_empty() { "no address".to_owned() } else { cut(&all.join("; "), HEADER_MAX) };
        return Err(Error::Address { field: "to", reason });
    }
    Ok((good.into_iter().collect(), dropped))
}

/// The addresses of a list, each once and ready for headers and commands, and what is none.
fn mailboxes(text: &str) -> (Vec<Mailbox>, Vec<Dropped>) {
    let (mut good, mut dropped) = (Vec::<Mailbox>::new(), Vec::<Dropped>::new());
    let text = clean(text);
    for written in split(&text) {
        let found = match mailbox(written) {
            Ok(mailbox) if good.iter().any(|known| known.email == mailbox.email) => continue,
            Ok(_) if good.len() == RECIPIENTS_MAX => Err(TOO_MANY),
            found => found,
        };
        match found {
            Ok(mailbox) => good.push(mailbox),
            // A thousand of them say no more than a hundred.
            Err(reason) if dropped.len() < RECIPIENTS_MAX => {
                dropped.push(Dropped { address: shown(written), reason });
            }
            Err(_) => {}
        }
    }
    (good, dropped)
}

fn mailbox(written: &str) -> Result<Mailbox, &'static str> {
    let mailbox: Mailbox = written.parse().map_err(|_| "no address")?;
    let (user, domain) = (mailbox.email.user(), mailbox.email.domain());
    let odd = |s: &str| s.is_empty() || s.contains(|c: char| c.is_control() || "<> ".contains(c));
    if odd(user) || odd(domain) {
        return Err(UNWRITABLE);
    }
    if domain.is_ascii() {
        return Ok(mailbox);
    }
    // Names of hosts are ASCII in headers and commands alike, or servers without SMTPUTF8 would refuse.
    let Ok(url::Host::Domain(domain)) = url::Host::parse(domain) else { return Err(UNWRITABLE) };
    let email = Address::new(user, domain).map_err(|_| UNWRITABLE)?;
    Ok(Mailbox::new(mailbox.name, email))
}

/// The parts of a list between `,` or `;`, which count neither in quotes nor in angle brackets. Templates that range
/// over names leave separators at the end, or two in a row.
fn split(list: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped, mut angle) = (Vec::new(), 0, false, false, false);
    for (at, c) in list.char_indices() {
        match c {
            _ if std::mem::take(&mut escaped) => {}
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '<' | '>' if !quoted => angle = c == '<',
            ',' | ';' if !quoted && !angle => {
                parts.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[start..]);
    if quoted || angle {
        // What is never closed would swallow all that follows.
        parts = list.split([',', ';']).collect();
    }
    parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect()
}

fn shown(address: &str) -> String {
    cut(address, SHOWN_MAX)
}

fn envelope(from: &Mailbox, to: &Mailboxes, dropped: Vec<Dropped>) -> Envelope {
    let (from, to) = (path(from), to.iter().map(path).collect::<Vec<_>>());
    let utf8 = to.iter().chain([&from]).any(|a| !a.is_ascii());
    Envelope { from, to, utf8, ascii: None, dropped }
}

fn path(mailbox: &Mailbox) -> String {
    format!("{}@{}", mailbox.email.user(), mailbox.email.domain())
}

fn body(parts: Parts<'_>, boundary: &str) -> MultiPart {
    // `=_` occurs in no quoted-printable line.
    let part = |kind, name: &str| MultiPart::builder().kind(kind).boundary(format!("=_{name}_{boundary}"));
    let mut all = part(MultiPartKind::Alternative, "alternative").build();
    let (html, pictured) = place_chart(parts.html, parts.chart.is_some());
    // A page of that size is not read; the text says the same.
    let html = if html.len() > PART_MAX { String::new() } else { html };
    let text = tidy(parts.text);
    if !text.is_empty() || html.is_empty() {
        all = all.singlepart(printable(ContentType::TEXT_PLAIN, text));
    }
    if html.is_empty() {
        return all;
    }
    let page = printable(ContentType::TEXT_HTML, html);
    let Some(chart) = parts.chart.filter(|_| pictured) else { return all.singlepart(page) };
    let picture = SinglePart::builder()
        .header(ContentType::parse("image/png").expect("a MIME type"))
        .header(ContentDisposition::inline_with_name("chart.png"))
        .header(ContentId::from("<chart>".to_owned()))
        .body(Body::new(chart));
    all.multipart(part(MultiPartKind::Related, "related").build().singlepart(page).singlepart(picture))
}

fn printable(kind: ContentType, text: String) -> SinglePart {
    let encoding = ContentTransferEncoding::QuotedPrintable;
    let body = Body::new_with_encoding(text, encoding).expect("quoted-printable takes everything");
    SinglePart::builder().header(kind).body(body)
}

/// Without the blank lines that template actions leave behind, and not endless.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(PART_MAX));
    let mut blank = 0;
    for line in text.trim().lines().map(str::trim_end) {
        blank = if line.is_empty() { blank + 1 } else { 0 };
        if blank > 1 {
            continue;
        }
        if out.len() + line.len() > PART_MAX {
            out.push_str("… (cut)\n");
            break;
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// Keeps the chart's `<img …>` if there is a chart, otherwise takes it out. Says whether one is in the page.
fn place_chart(html: &str, has_chart: bool) -> (String, bool) {
    let mut out = String::with_capacity(html.len());
    let (mut rest, mut placed) = (html, false);
    while let Some(start) = find_img(rest) {
        let end = start + tag_len(&rest[start..]);
        let tag = &rest[start..end];
        let is_chart = tag.contains(CHART);
        out.push_str(&rest[..start]);
        if !is_chart || has_chart {
            out.push_str(tag);
        }
        placed |= is_chart && has_chart;
        rest = &rest[end..];
    }
    out.push_str(rest);
    (out, placed)
}

fn find_img(html: &str) -> Option<usize> {
    html.as_bytes()
        .windows(5)
        .position(|w| w[..4].eq_ignore_ascii_case(b"<img") && w[4].is_ascii_whitespace())
}

/// Length of the tag that begins here; quoted values may have `>` in them.
fn tag_len(tag: &str) -> usize {
    let mut quote = None;
    for (i, c) in tag.char_indices() {
        match (c, quote) {
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(q)) if c == q => quote = None,
            ('>', None) => return i + 1,
            _ => {}
        }
    }
    tag.len()
}

#[cfg(test)]
mod tests {
    use super::{cut, list_label, mailboxes, may_be_set, place_chart, tidy};

    #[test]
    fn only_safe_header_names_may_be_set() {
        for (name, expected) in [
            ("Subject", true),
            ("X-Team", true),
            ("", false),
            ("X Team", false),
            ("X:Team", false),
            ("X\r\nBcc", false),
            ("Content-type", false),
            ("MIME-Version", false),
            ("Größe", false),
        ] {
            assert_eq!(may_be_set(name), expected, "{name:?}");
        }
    }

    #[test]
    fn values_stay_on_one_line_and_short() {
        assert_eq!(cut("a\r\nBcc: b@c.de\0\td", 100), "a Bcc: b@c.de d");
        assert_eq!(cut("ääääää", 8), "ää…");
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(list_label("Team Ops/night!"), "team-ops-night");
        assert_eq!(list_label("夜"), "receiver");
    }

    #[test]
    fn addresses_one_by_one() {
        for (text, good, dropped) in [
            ("a@b.de", "a@b.de", ""),
            ("a@b.de,\n c@d.de,\n", "a@b.de c@d.de", ""),
            ("a@b.de; c@d.de;", "a@b.de c@d.de", ""),
            ("\"Doe; J., \\\" K.\" <j@b.de>, Ops <ops@b.de>", "j@b.de ops@b.de", ""),
            ("ops@bücher.example, A <ops@bücher.example>", "ops@xn--bcher-kva.example", ""),
            ("nobody, a@b.de", "a@b.de", "nobody"),
            ("a@b.de, a@@b.de; <c@d.de>", "a@b.de c@d.de", "a@@b.de"),
            ("a@b.de c@d.de, e@f.de", "e@f.de", "a@b.de c@d.de"),
            ("\"Doe <j@b.de>, ops@b.de", "ops@b.de", "\"Doe <j@b.de>"),
            ("<j@b.de, ops@b.de", "ops@b.de", "<j@b.de"),
            (" , ;", "", ""),
            ("", "", ""),
        ] {
            let (got, bad) = mailboxes(text);
            assert_eq!(got.iter().map(|m| m.email.to_string()).collect::<Vec<_>>().join(" "), good, "{text}");
            assert_eq!(bad.iter().map(|d| &*d.address).collect::<Vec<_>>().join("|"), dropped, "{text}");
        }
        let (_, bad) = mailboxes(&"nobody,".repeat(1000));
        assert_eq!(bad.len(), 100);
    }

    #[test]
    fn the_chart_stays_only_when_there_is_one() {
        let page = r#"<p>x</p><IMG alt="a > b" src="cid:chart"><img src="logo.png"><p>"#;
        assert_eq!(place_chart(page, true), (page.to_owned(), true));
        assert_eq!(place_chart(page, false), (r#"<p>x</p><img src="logo.png"><p>"#.to_owned(), false));
        assert_eq!(place_chart("<img src='cid:chart'", false), (String::new(), false));
        assert!(!place_chart("<imgs src='cid:chart'>", true).1);
        assert_eq!(place_chart("é<img", true), ("é<img".to_owned(), false));
    }

    #[test]
    fn texts_lose_the_blank_lines_of_templates() {
        assert_eq!(tidy("\n\na  \n\n\n\nb\n c\n\n"), "a\n\nb\n c\n");
        assert_eq!(tidy(" \n "), "");
    }
}
