//! What a line looks like.

use std::fmt::{self, Write as _};

use botwatch_core::{diag::chain, model::Timestamp};
use serde_json::{Map, Value};
use tracing::{
    Event, Level,
    field::{Field, Visit},
};

/// A line, taken apart.
pub(super) struct Line {
    at: Timestamp,
    level: Level,
    target: String,
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl Line {
    pub(super) fn of(at: Timestamp, event: &Event<'_>) -> Self {
        let meta = event.metadata();
        let target = meta.target().strip_prefix("botwatch::").unwrap_or(meta.target()).to_owned();
        let mut line = Self { at, level: *meta.level(), target, message: String::new(), fields: Vec::new() };
        event.record(&mut line);
        line
    }

    /// `2026-11-24T03:00:00.123Z INFO  collect: message key=value`
    pub(super) fn text(&self, colour: bool) -> String {
        let (paint, dim, plain) = match (colour, self.level) {
            (false, _) => ("", "", ""),
            (true, Level::ERROR) => ("\x1b[31m", "\x1b[2m", "\x1b[0m"),
            (true, Level::WARN) => ("\x1b[33m", "\x1b[2m", "\x1b[0m"),
            (true, Level::INFO) => ("\x1b[32m", "\x1b[2m", "\x1b[0m"),
            (true, _) => ("\x1b[36m", "\x1b[2m", "\x1b[0m"),
        };
        let mut out = format!(
            "{dim}{}{plain} {paint}{:<5}{plain} {dim}{}:{plain} ",
            time(self.at),
            self.level.as_str(),
            self.target
        );
        push_plain(&mut out, &self.message);
        for (name, value) in &self.fields {
            let _ = write!(out, " {dim}{name}={plain}");
            match value {
                Value::String(text) => push_value(&mut out, text),
                other => {
                    let _ = write!(out, "{other}");
                }
            }
        }
        out.push('\n');
        out
    }

    pub(super) fn json(&self) -> String {
        let mut object = Map::new();
        object.insert("time".to_owned(), time(self.at).into());
        object.insert("level".to_owned(), self.level.as_str().to_ascii_lowercase().into());
        object.insert("target".to_owned(), self.target.as_str().into());
        object.insert("message".to_owned(), self.message.as_str().into());
        for (name, value) in &self.fields {
            // A field named like one of the four must not hide it.
            let name = if object.contains_key(*name) { format!("field_{name}") } else { (*name).to_owned() };
            object.insert(name, value.clone());
        }
        let mut out = Value::Object(object).to_string();
        out.push('\n');
        out
    }

    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => self.fields.push((name, value)),
        }
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        let number = serde_json::Number::from_f64(value).map(Value::Number);
        self.put(field, number.unwrap_or_else(|| value.to_string().into()));
    }

    /// With its causes, since errors don't repeat them.
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, chain(value).into());
    }
}

/// Always with milliseconds, so that columns line up.
fn time(at: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(t) => format!("{t:.3}"),
        Err(_) => at.to_string(),
    }
}

/// A message: control characters escaped, so that nobody's text can forge a line or steer a terminal.
fn push_plain(out: &mut String, text: &str) {
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_debug()) } else { out.push(c) }
    }
}

/// A value: quoted where it would not read as one word.
fn push_value(out: &mut String, text: &str) {
    let is_word = !text.is_empty()
        && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "\"=".contains(c));
    if is_word {
        out.push_str(text);
    } else {
        let _ = write!(out, "{text:?}");
    }
}
