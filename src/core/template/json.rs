//! Values as Go's `encoding/json` writes them (`toJson`).

use super::{
    data,
    exec::OUTPUT_MAX,
    printf, time,
    value::{MapKind, Value},
};

/// A value as JSON.
pub(super) fn encode(value: &Value<'_>) -> Result<String, String> {
    let mut out = String::new();
    write(&mut out, value)?;
    Ok(out)
}

fn write(out: &mut String, value: &Value<'_>) -> Result<(), String> {
    if out.len() > OUTPUT_MAX {
        return Err(format!("text of more than {OUTPUT_MAX} bytes"));
    }
    match value {
        Value::Nil => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Float(f) => out.push_str(&float(*f)?),
        Value::Str(s) | Value::Html(s) | Value::Url(s) => string(out, s),
        Value::Labels(l, MapKind::Plain | MapKind::Kv) => {
            object(out, l.iter().map(|(n, v)| (n, Value::text(v))))?;
        }
        Value::Map(m) => object(out, m.entries.iter().map(|(n, v)| (&**n, v.clone())))?,
        Value::List(l) => {
            out.push('[');
            for (i, item) in l.items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(out, item)?;
            }
            out.push(']');
        }
        Value::Time(t) => string(out, &time::format("2006-01-02T15:04:05.999999999Z07:00", t)),
        other => match (data::fields(other), other.as_int()) {
            // Alertmanager's structs have names of their own in JSON, Prometheus' have not.
            (Some(fields), _) => {
                let renamed = matches!(other, Value::Alert(_) | Value::Data(_));
                let names: Vec<String> = fields
                    .iter()
                    .map(|(n, _)| if renamed { json_name(n) } else { (*n).to_owned() })
                    .collect();
                object(out, names.iter().map(String::as_str).zip(fields.into_iter().map(|(_, v)| v)))?;
            }
            (None, Some(n)) => out.push_str(&n.to_string()),
            (None, None) => return Err(format!("json: unsupported type: {}", other.type_name())),
        },
    }
    Ok(())
}

fn json_name(field: &str) -> String {
    if field == "NotificationReason" {
        return "notification_reason".to_owned();
    }
    let mut chars = field.chars();
    chars.next().map(|c| c.to_ascii_lowercase()).into_iter().chain(chars).collect()
}

fn object<'v, 'a>(
    out: &mut String,
    entries: impl Iterator<Item = (&'v str, Value<'a>)>,
) -> Result<(), String> {
    out.push('{');
    for (i, (name, value)) in entries.enumerate() {
        if i > 0 {
            out.push(',');
        }
        string(out, name);
        out.push(':');
        write(out, &value)?;
    }
    out.push('}');
    Ok(())
}

fn float(f: f64) -> Result<String, String> {
    if !f.is_finite() {
        return Err(format!("json: unsupported value: {}", printf::sprint(&[Value::Float(f)])));
    }
    // ECMAScript's bounds for the exponent, and Go's `e-9` instead of `e-09`.
    if f != 0.0 && (f.abs() < 1e-6 || f.abs() >= 1e21) {
        let text = format!("{f:e}");
        return Ok(if f.abs() >= 1e21 { text.replace('e', "e+") } else { text });
    }
    Ok(format!("{f}"))
}

fn string(out: &mut String, text: &str) {
    use std::fmt::Write as _;
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
