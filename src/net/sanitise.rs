//! Texts and data of others, before they are kept or go anywhere: what looks like a secret is not in them any more.
//!
//! Secrets are recognised by the name beside them and by their form. A text that is none and looks like one is lost
//! with them; better so than the other way round.

use std::{borrow::Cow, sync::LazyLock};

use regex::{Captures, Regex};
use serde_json::{Map, Value};

use super::mask::mask_url;

/// What stands in a secret's place.
const PLACEHOLDER: &str = "<secret>";
/// Nested deeper, data is cut.
const DEPTH_MAX: usize = 16;

/// Words that name a secret wherever they stand in a name.
const WORDS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "secret",
    "secrets",
    "token",
    "apikey",
    "apisecret",
    "authorization",
    "cookie",
    "credential",
    "credentials",
    "mnemonic",
    "privatekey",
    "otp",
    "pin",
    "sig",
    "signature",
    "bearer",
    "jwt",
];
/// The last word of a name of a secret, after one of [`OF_KEYS`].
const KEYS: &[&str] = &["key", "keys", "phrase"];
/// What makes a key one that nobody may see.
const OF_KEYS: &[&str] =
    &["api", "access", "private", "signing", "secret", "auth", "seed", "encryption", "master", "ssh"];

/// Addresses with a scheme, up to what can't be part of one.
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| regex(r#"[A-Za-z][A-Za-z0-9+.\-]*://[^\s"'<>`]+"#));
/// `name=value`, `name: value`, also in quotes.
static PAIR: LazyLock<Regex> = LazyLock::new(|| {
    regex(r#"(?P<name>[A-Za-z][A-Za-z0-9_.\-]*)(?P<sep>["']?\s*[:=]\s*["']?)(?P<value>[^\s"',;&}<>]+)"#)
});
/// Forms that speak for themselves.
static FORMS: LazyLock<Regex> = LazyLock::new(|| {
    regex(concat!(
        r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\z)",
        r"|(?i:\b(?P<scheme>bearer|basic)\s+)[A-Za-z0-9+/_.~\-]{8,}=*",
        r"|\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*",
        r"|\b(xox[abeoprs]-|xapp-|gh[oprsu]_|github_pat_|glpat-|sk_live_|rk_live_|sk-)[A-Za-z0-9_\-]{8,}",
        r"|\b(AKIA|ASIA)[A-Z0-9]{16}\b",
        r"|\bbw_(admin|[0-9a-f]{8})_[A-Za-z0-9_\-]{20,}",
    ))
});

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant")
}

/// Whether a value with this name is probably a secret: `apiKey`, `DB_PASSWORD`, `x-auth-token`; not `author`, `monkey`
/// or `signal`.
pub fn names_secret(name: &str) -> bool {
    let words = words(name);
    let last_is_key = words.last().is_some_and(|w| KEYS.contains(&&**w));
    let whole: String = words.concat();
    words.iter().any(|w| WORDS.contains(&&**w))
        || WORDS.contains(&&*whole)
        || (last_is_key && words.iter().rev().skip(1).any(|w| OF_KEYS.contains(&&**w)))
}

/// The words of `camelCase`, `SNAKE_CASE`, `kebab-case`, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut before = ' ';
    for c in name.chars() {
        let starts = before == ' ' || (c.is_uppercase() && before.is_lowercase());
        if !c.is_alphanumeric() {
            before = ' ';
            continue;
        }
        if starts {
            all.push(String::new());
        }
        all.last_mut().expect("one was begun").extend(c.to_lowercase());
        before = c;
    }
    all
}

/// A text without what looks like a secret: passwords in addresses, values beside names of secrets, keys and tokens.
pub fn sanitise(text: &str) -> Cow<'_, str> {
    let hide = |c: &Captures<'_>| {
        let scheme = c.name("scheme").map_or("", |m| m.as_str());
        if scheme.is_empty() { PLACEHOLDER.to_owned() } else { format!("{scheme} {PLACEHOLDER}") }
    };
    let text = replaced(&FORMS, Cow::Borrowed(text), hide);
    let text = replaced(&ADDRESS, text, |c| mask_url(&c[0]));
    replaced(&PAIR, text, |c| {
        let (name, value) = (&c["name"], &c["value"]);
        if names_secret(name) && !value.starts_with("xxxxx") {
            format!("{name}{}{PLACEHOLDER}", &c["sep"])
        } else {
            c[0].to_owned()
        }
    })
}

fn replaced<'t>(of: &Regex, text: Cow<'t, str>, with: impl Fn(&Captures<'_>) -> String) -> Cow<'t, str> {
    let new = match of.replace_all(&text, |c: &Captures<'_>| with(c)) {
        Cow::Owned(new) => Some(new),
        Cow::Borrowed(_) => None,
    };
    new.map_or(text, Cow::Owned)
}

/// Data without what looks like a secret, by names and by forms.
pub fn sanitise_object(object: Map<String, Value>) -> Map<String, Value> {
    fields(object, 0)
}

fn fields(object: Map<String, Value>, depth: usize) -> Map<String, Value> {
    object
        .into_iter()
        .map(|(name, v)| {
            let hidden = names_secret(&name) && !matches!(v, Value::Null | Value::Bool(_));
            let name = sanitise(&name).into_owned();
            (name, if hidden { PLACEHOLDER.into() } else { value(v, depth) })
        })
        .collect()
}

fn value(v: Value, depth: usize) -> Value {
    match v {
        Value::Object(_) | Value::Array(_) if depth >= DEPTH_MAX => "…".into(),
        Value::Object(object) => Value::Object(fields(object, depth + 1)),
        Value::Array(all) => Value::Array(all.into_iter().map(|v| value(v, depth + 1)).collect()),
        Value::String(text) => Value::String(sanitise(&text).into_owned()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_recognised_by_name() {
        for name in [
            "password",
            "DB_PASSWORD",
            "apiKey",
            "API-KEY",
            "apiSecret",
            "secretKey",
            "x-auth-token",
            "passphrase",
            "privateKey",
            "private_key",
            "seedPhrase",
            "mnemonic",
            "Authorization",
            "set-cookie",
            "accessKey",
            "apikey",
            "binance.api.secret",
            "pin",
            "signature",
            "SLACK_BOT_TOKEN",
            "sshKey",
        ] {
            assert!(names_secret(name), "{name}");
        }
        for name in [
            "author",
            "monkey",
            "signal",
            "passed",
            "key",
            "keyboard",
            "spinning",
            "tokenizer",
            "authority",
            "opinion",
            "symbol",
            "primaryKey",
        ] {
            assert!(!names_secret(name), "{name}");
        }
    }

    #[test]
    fn texts_lose_what_looks_secret() {
        for (text, expected) in [
            ("nothing of that kind", "nothing of that kind"),
            (
                "can't reach postgresql://bot:hunter2@db:5432/prod?sslmode=require",
                "can't reach postgresql://bot:xxxxx@db:5432/prod?sslmode=require",
            ),
            ("GET https://h/x?apikey=abc&n=1 failed", "GET https://h/x?apikey=xxxxx&n=1 failed"),
            ("redis://:pw@cache/0", "redis://:xxxxx@cache/0"),
            ("password=hunter2, user=bot", "password=<secret>, user=bot"),
            (r#"{"apiKey": "abcdef", "symbol": "BTC"}"#, r#"{"apiKey": "<secret>", "symbol": "BTC"}"#),
            ("Authorization: Bearer abcdefgh.ijk", "Authorization: <secret> <secret>"),
            ("sent bearer abcdefghijkl to it", "sent bearer <secret> to it"),
            ("jwt eyJhbGciOiJI.eyJzdWIiOiIx.abc-def", "jwt <secret>"),
            ("key -----BEGIN EC PRIVATE KEY-----\nabc\n-----END EC PRIVATE KEY----- end", "key <secret> end"),
            ("xoxb-1234567890-abc", "<secret>"),
            ("AKIAIOSFODNN7EXAMPLE", "<secret>"),
            ("ratio: 3, monkey: banana", "ratio: 3, monkey: banana"),
        ] {
            assert_eq!(sanitise(text), expected);
            assert_eq!(sanitise(expected), expected, "once is enough");
        }
    }

    #[test]
    fn data_loses_what_looks_secret() {
        let data = serde_json::json!({
            "connectionString": "postgresql://bot:hunter2@db/prod",
            "nested": [{"apiSecret": "x", "token": 5, "hasToken": true, "list": ["Bearer abcdefghijk"]}],
            "secrets": {"a": 1},
            "count": 3,
        });
        let Value::Object(object) = data else { unreachable!() };
        let expected = serde_json::json!({
            "connectionString": "postgresql://bot:xxxxx@db/prod",
            "nested": [{"apiSecret": "<secret>", "token": "<secret>", "hasToken": true, "list": ["Bearer <secret>"]}],
            "secrets": "<secret>",
            "count": 3,
        });
        assert_eq!(Value::Object(sanitise_object(object)), expected);
        let mut deep = Value::Null;
        for _ in 0..200 {
            deep = serde_json::json!([deep]);
        }
        let object = Map::from_iter([("deep".to_owned(), deep)]);
        assert!(Value::Object(sanitise_object(object)).to_string().len() < 100);
    }
}
