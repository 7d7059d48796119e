//! The configuration in force as text: masked YAML for the API, and a list of values with their origins.

use super::value::Out;

/// What of a configuration an Alertmanager reads: without the keys of Prometheus' half and of botwatch's own.
pub(super) fn alertmanager(out: Out) -> Out {
    const TOP: [&str; 7] = [
        "global",
        "route",
        "receivers",
        "inhibit_rules",
        "templates",
        "time_intervals",
        "mute_time_intervals",
    ];
    const OWN: [&str; 4] = ["name", "fallback_receiver", "retry", "botwatch_object"];
    let global = |key: &str| {
        matches!(key, "resolve_timeout" | "http_config")
            || key.starts_with("smtp_")
            || key.starts_with("slack_")
    };
    let each = |list: Out, change: &dyn Fn(Out) -> Out| match list {
        Out::List(items) => Out::List(items.into_iter().map(change).collect()),
        other => other,
    };
    let receiver = |receiver: Out| match receiver {
        Out::Map(entries) => Out::Map(
            entries
                .into_iter()
                .map(|(key, value)| (key, each(value, &|one| only(one, &|key| !OWN.contains(&key)))))
                .collect(),
        ),
        other => other,
    };
    let Out::Map(entries) = only(out, &|key| TOP.contains(&key)) else { return Out::Map(Vec::new()) };
    let part = |(key, value): (String, Out)| {
        let value = match key.as_str() {
            "global" => only(value, &global),
            "receivers" => each(value, &receiver),
            "inhibit_rules" => each(value, &|rule| only(rule, &|key| key != "name")),
            _ => value,
        };
        (key, value)
    };
    Out::Map(entries.into_iter().map(part).collect())
}

/// The entries of a mapping whose keys are wanted.
fn only(out: Out, wanted: &dyn Fn(&str) -> bool) -> Out {
    match out {
        Out::Map(entries) => Out::Map(entries.into_iter().filter(|(key, _)| wanted(key)).collect()),
        other => other,
    }
}

/// YAML that can be read again; secrets are masked.
pub fn yaml(out: &Out) -> String {
    let mut text = String::new();
    block(out, 0, &mut text);
    text
}

fn block(out: &Out, indent: usize, text: &mut String) {
    match out {
        Out::Map(entries) if !entries.is_empty() => {
            for (i, (key, value)) in entries.iter().enumerate() {
                // The first key of a list item stands behind its dash.
                if i > 0 || !text.ends_with("- ") {
                    pad(indent, text);
                }
                text.push_str(&quote(key));
                text.push(':');
                child(value, indent, text);
            }
        }
        Out::List(items) if !items.is_empty() => {
            for item in items {
                pad(indent, text);
                text.push_str("- ");
                match item {
                    Out::Map(entries) if !entries.is_empty() => block(item, indent + 2, text),
                    _ => line(item, text),
                }
            }
        }
        other => line(other, text),
    }
}

fn child(value: &Out, indent: usize, text: &mut String) {
    match value {
        Out::Map(entries) if !entries.is_empty() => {
            text.push('\n');
            block(value, indent + 2, text);
        }
        Out::List(items) if !items.is_empty() => {
            text.push('\n');
            block(value, indent, text);
        }
        _ => {
            text.push(' ');
            line(value, text);
        }
    }
}

fn line(value: &Out, text: &mut String) {
    match value {
        Out::Raw(raw, _) => text.push_str(raw),
        Out::Text(plain, _) => text.push_str(&quote(plain)),
        Out::List(items) if items.is_empty() => text.push_str("[]"),
        Out::Map(entries) if entries.is_empty() => text.push_str("{}"),
        nested => {
            // A list in a list: on one line.
            text.push('[');
            if let Out::List(items) = nested {
                for (i, item) in items.iter().enumerate() {
                    text.push_str(if i > 0 { ", " } else { "" });
                    let mut inner = String::new();
                    line(item, &mut inner);
                    text.push_str(inner.trim_end());
                }
            }
            text.push(']');
        }
    }
    text.push('\n');
}

fn pad(indent: usize, text: &mut String) {
    text.push_str(&" ".repeat(indent));
}

/// Quotes a text that YAML could take for something else.
fn quote(text: &str) -> String {
    let plain_chars = |c: char| c.is_alphanumeric() || "_-./@<>()+$".contains(c);
    let safe = text.starts_with(|c: char| c.is_alphabetic() || "_/.<$(".contains(c))
        && text.chars().all(|c| plain_chars(c) || c == ':')
        && !text.ends_with(':')
        && botwatch_core::yaml::parse_bool(text).is_none()
        && botwatch_core::yaml::parse_float(text).is_none()
        && !matches!(text, "null" | "Null" | "NULL" | "~" | "<<");
    if safe { text.to_owned() } else { serde_json::Value::String(text.to_owned()).to_string() }
}

/// One line for each value: `path = value`, then where it came from.
pub fn origins(out: &Out) -> Vec<(String, String, String)> {
    let mut lines = Vec::new();
    walk(out, String::new(), &mut lines);
    lines
}

fn walk(out: &Out, path: String, lines: &mut Vec<(String, String, String)>) {
    let mut leaf = |value: String, place: &Option<super::value::Place>| {
        let origin = place.as_ref().map_or("default".to_owned(), ToString::to_string);
        lines.push((path.clone(), value, origin));
    };
    match out {
        Out::Raw(raw, place) => leaf(raw.clone(), place),
        Out::Text(text, place) => leaf(quote(text), place),
        Out::List(items) if items.iter().all(|i| matches!(i, Out::Raw(..) | Out::Text(..))) => {
            let values: Vec<String> = items
                .iter()
                .map(|i| match i {
                    Out::Raw(raw, _) => raw.clone(),
                    Out::Text(text, _) => quote(text),
                    Out::List(_) | Out::Map(_) => String::new(),
                })
                .collect();
            let place = out.first_place();
            leaf(format!("[{}]", values.join(", ")), &place);
        }
        Out::List(items) => {
            for (i, item) in items.iter().enumerate() {
                walk(item, format!("{path}[{i}]"), lines);
            }
        }
        Out::Map(entries) => {
            for (key, value) in entries {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(value, path, lines);
            }
        }
    }
}
