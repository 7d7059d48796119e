//! `ALERT_WEBHOOK_ENDPOINTS`: a list of webhooks in JSON.

use std::sync::Arc;

use botwatch_core::{
    diag::{Diagnostic, SourceText},
    model::{Duration, Secret},
    yaml::{self, Limits, Reader, Value},
};

use super::{
    env::Known,
    file::{Header, Headers, Http, Retry, Webhook},
    value::{At, GoDuration, Pairs, Read},
};

/// Reads them as YAML, of which JSON is a part, so that problems have a place.
pub(super) fn read(env: &Known, found: &mut Vec<Diagnostic>) -> Vec<Webhook> {
    const NAME: &str = "ALERT_WEBHOOK_ENDPOINTS";
    let Some(text) = env.text(NAME) else { return Vec::new() };
    // Quotes that a shell needs stay in where no shell reads the file.
    let bare = text.value.strip_prefix('\'').and_then(|t| t.strip_suffix('\'')).unwrap_or(&text.value);
    let source = SourceText::new(NAME, bare);
    let (document, mut problems) = yaml::parse(source, &Limits { nodes_max: 10_000, depth_max: 16 });
    // What is shown in messages has the same length, so that places hold.
    let masked = SourceText::new(NAME, masked(bare));
    for problem in &mut problems {
        if problem.code == "yaml-syntax" {
            problem.code = "json-syntax";
        }
        if let Some((source, _)) = &mut problem.place {
            *source = Arc::clone(&masked);
        }
    }
    found.append(&mut problems);
    let Some(mut document) = document else { return Vec::new() };
    document.source = masked;
    let mut reader = Reader::new(&document);
    let mut webhooks = Vec::new();
    // The original's example is a list; one endpoint by itself is what people try first.
    let items = match &document.root.value {
        Value::Mapping(_) => std::slice::from_ref(&document.root),
        _ => reader.list(&document.root).unwrap_or_default(),
    };
    for item in items {
        webhooks.extend(endpoint(&mut reader, item));
    }
    found.extend(reader.finish());
    webhooks
}

fn endpoint(reader: &mut Reader, node: &yaml::Node) -> Option<Webhook> {
    let mut fields = reader.map(node, "an endpoint")?;
    let url = fields.require(reader, "url", At::read);
    let attempts = fields.get(reader, "retryAttempts", At::<u64>::read);
    let timeout = fields.get(reader, "timeout", At::<u64>::read);
    let headers = fields.get(reader, "headers", read_headers);
    fields.finish(reader);
    if let Some(zero) = timeout.as_ref().filter(|t| t.value == 0) {
        reader.report(
            zero.error("invalid-value", "a timeout of zero").label("expected milliseconds, such as 10000"),
        );
    }
    // Zero retries is one attempt.
    let retry = attempts.map(|a| Retry {
        attempts: Some(At { value: a.value.saturating_add(1), place: a.place }),
        ..Retry::default()
    });
    let timeout = timeout.map(|t| {
        let ms = i64::try_from(t.value).unwrap_or(i64::MAX / 2);
        At { value: GoDuration(Duration::from_millis(ms)), place: t.place }
    });
    Some(Webhook {
        url,
        retry,
        timeout,
        http_config: headers.map(|h| Http { http_headers: Some(h), ..Http::default() }),
        send_resolved: Some(At::default_value(true)),
        botwatch_object: Some(At::default_value(true)),
        ..Webhook::default()
    })
}

/// Headers as plain pairs. All count as secret: tokens are what they are used for.
fn read_headers(reader: &mut Reader, node: &yaml::Node) -> Option<Headers> {
    let pairs = Pairs::read(reader, node)?;
    let mut headers = Vec::new();
    for (name, value) in pairs.0 {
        let secret = At { value: Secret::new(&*value.value), place: value.place };
        headers.push((name, Header { secrets: Some(vec![secret]), ..Header::default() }));
    }
    Some(Headers(headers))
}

/// The text with every value masked but numbers, and of addresses all behind the host: paths and headers are secrets.
pub(super) fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let quoted = matches!(first, '"' | '\'');
        let len = if quoted { quoted_len(rest, first) } else { bare_len(rest) };
        let (token, after) = rest.split_at(len.max(first.len_utf8()));
        let is_key = after.trim_start().starts_with(':');
        let is_plain =
            !quoted && token.chars().all(|c| c.is_ascii_digit() || c.is_whitespace() || "[]{},:".contains(c));
        if is_key || is_plain {
            out.push_str(token);
        } else {
            mask_value(token, &mut out);
        }
        rest = after;
    }
    out
}

/// Bytes of a quoted text with its quotes; all that is left where the end is missing.
fn quoted_len(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' && quote == '"' {
            escaped = true;
        } else if c == quote {
            return i + 1;
        }
    }
    text.len()
}

/// Bytes up to the next thing that means something.
fn bare_len(text: &str) -> usize {
    let ends = |(i, c): (usize, char)| {
        let colon = c == ':' && (i == 0 || text[i + 1..].chars().next().is_none_or(char::is_whitespace));
        (colon || c.is_whitespace() || "[]{},\"'".contains(c)).then_some(i)
    };
    text.char_indices().find_map(ends).unwrap_or(text.len())
}

fn mask_value(value: &str, out: &mut String) {
    let open = value.find("://").map_or(0, |i| {
        let host = i + 3;
        value[host..].find(['/', '?', '#', '"', '\'']).map_or(value.len(), |n| host + n)
    });
    // A name and password before the host are none of the host.
    let open = if value[..open].contains('@') { 0 } else { open };
    out.push_str(&value[..open]);
    for c in value[open..].chars() {
        match c {
            '"' | '\'' | '\n' => out.push(c),
            c => out.extend(std::iter::repeat_n('*', c.len_utf8())),
        }
    }
}
