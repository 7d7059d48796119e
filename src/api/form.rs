//! JSON bodies read field by field, so that everything that is wrong with one is said at once.

use axum::body::Body;
use botwatch_core::model::Timestamp;
use http::{Request, header};
use serde_json::{Map, Value};

use super::{
    body,
    failure::{Failure, Wrong},
    site::Site,
};

/// Problems that are told of one body.
const WRONG_MAX: usize = 50;

/// An object of a body. What is read is taken out; what is left at the end is not known.
pub(super) struct Form {
    fields: Map<String, Value>,
    /// Where it stands in the body, as a JSON pointer.
    at: String,
    known: Vec<&'static str>,
    wrong: Vec<Wrong>,
}

/// A request's body as JSON; `null` when there is none.
pub(super) async fn json(site: &Site, request: Request<Body>) -> Result<Value, Failure> {
    let (parts, given) = request.into_parts();
    let bytes = body::read(site, given).await?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    let media = parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let essence = media.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(Failure::media_type(essence));
    }
    serde_json::from_slice(&bytes).map_err(|e| Failure::bad_data(format!("the body is not JSON: {e}")))
}

impl Form {
    /// An object; `null` is an empty one.
    pub(super) fn new(value: Value) -> Result<Self, Failure> {
        Self::at(value, String::new()).map_err(|wrong| Failure::wrong(vec![wrong]))
    }

    /// An object inside a body.
    pub(super) fn at(value: Value, at: String) -> Result<Self, Wrong> {
        match value {
            Value::Object(fields) => Ok(Self { fields, at, known: Vec::new(), wrong: Vec::new() }),
            Value::Null if at.is_empty() => {
                Ok(Self { fields: Map::new(), at, known: Vec::new(), wrong: Vec::new() })
            }
            other => {
                let detail = format!("expected an object, found {}", kind(&other));
                Err(Wrong { pointer: format!("#{at}"), detail })
            }
        }
    }

    pub(super) fn complain(&mut self, field: &str, detail: impl Into<String>) {
        if self.wrong.len() < WRONG_MAX {
            let pointer = format!("#{}/{}", self.at, escape(field));
            self.wrong.push(Wrong { pointer, detail: detail.into() });
        }
    }

    /// Whether anything is wrong so far.
    pub(super) fn has_complaints(&self) -> bool {
        !self.wrong.is_empty()
    }

    /// Whether something is wrong about a field.
    pub(super) fn has_complaint(&self, field: &str) -> bool {
        let pointer = format!("#{}/{}", self.at, escape(field));
        self.wrong.iter().any(|w| w.pointer == pointer)
    }

    /// A field's value; `None` also for `null`.
    pub(super) fn take(&mut self, field: &'static str) -> Option<Value> {
        self.known.push(field);
        self.fields.remove(field).filter(|v| !v.is_null())
    }

    /// A text of at most so many bytes.
    pub(super) fn text(&mut self, field: &'static str, max: usize) -> Option<String> {
        match self.take(field)? {
            Value::String(text) if text.len() <= max => Some(text),
            Value::String(text) => {
                self.complain(field, format!("{} bytes, of which {max} are taken", text.len()));
                None
            }
            other => {
                self.complain(field, format!("expected a text, found {}", kind(&other)));
                None
            }
        }
    }

    /// A text that must be there and not be blank.
    pub(super) fn required(&mut self, field: &'static str, max: usize) -> String {
        let before = self.wrong.len();
        let text = self.text(field, max).unwrap_or_default();
        if text.trim().is_empty() && self.wrong.len() == before {
            self.complain(field, "is needed");
        }
        text
    }

    /// One of a few words.
    pub(super) fn choice(&mut self, field: &'static str, of: &[&'static str]) -> Option<&'static str> {
        let text = self.text(field, 1000)?;
        let found = of.iter().find(|word| **word == text).copied();
        if found.is_none() {
            self.complain(field, format!("{text:?} is none of {}", of.join(", ")));
        }
        found
    }

    /// One of a few words that must be there.
    pub(super) fn required_choice(&mut self, field: &'static str, of: &[&'static str]) -> &'static str {
        if self.fields.get(field).is_none_or(Value::is_null) {
            self.known.push(field);
            self.complain(field, format!("is needed: one of {}", of.join(", ")));
            return of[0];
        }
        self.choice(field, of).unwrap_or(of[0])
    }

    /// A finite number.
    pub(super) fn number(&mut self, field: &'static str) -> Option<f64> {
        let value = self.take(field)?;
        let number = value.as_f64().filter(|n| n.is_finite());
        if number.is_none() {
            self.complain(field, format!("expected a number, found {}", kind(&value)));
        }
        number
    }

    /// A time: RFC 3339, or milliseconds since 1970 as JavaScript has them.
    pub(super) fn time(&mut self, field: &'static str) -> Option<Timestamp> {
        let value = self.take(field)?;
        let time = match &value {
            Value::String(text) => Timestamp::parse_rfc3339(text),
            Value::Number(n) => n.as_f64().filter(|n| (0.0..1e15).contains(n)).map(|n| Timestamp(n as i64)),
            _ => None,
        };
        if time.is_none() {
            self.complain(
                field,
                "expected a time such as \"2026-01-31T22:00:00Z\", or milliseconds since 1970",
            );
        }
        time
    }

    /// An object of texts.
    pub(super) fn texts(&mut self, field: &'static str, items: usize, max: usize) -> Vec<(String, String)> {
        let Some(value) = self.take(field) else { return Vec::new() };
        let Value::Object(object) = value else {
            self.complain(field, format!("expected an object of texts, found {}", kind(&value)));
            return Vec::new();
        };
        if object.len() > items {
            self.complain(field, format!("{} entries, of which {items} are taken", object.len()));
            return Vec::new();
        }
        let mut all = Vec::new();
        for (name, value) in object {
            let path = format!("{field}/{}", escape(&name));
            let text = match value {
                Value::String(text) => text,
                Value::Number(_) | Value::Bool(_) => value.to_string(),
                Value::Null => continue,
                other => {
                    self.complain_at(&path, format!("expected a text, found {}", kind(&other)));
                    continue;
                }
            };
            if name.is_empty() || name.len().max(text.len()) > max {
                self.complain_at(&path, format!("expected a name, and at most {max} bytes"));
                continue;
            }
            all.push((name, text));
        }
        all
    }

    /// An object of anything, of at most so many bytes as JSON.
    pub(super) fn object(&mut self, field: &'static str, max: usize) -> Option<Map<String, Value>> {
        match self.take(field)? {
            Value::Object(object) => {
                let bytes = body::json_text(&object).len();
                if bytes > max {
                    self.complain(field, format!("{bytes} bytes, of which {max} are taken"));
                    return None;
                }
                Some(object)
            }
            other => {
                self.complain(field, format!("expected an object, found {}", kind(&other)));
                None
            }
        }
    }

    /// About something inside a field; names in the path are escaped already.
    pub(super) fn complain_at(&mut self, path: &str, detail: String) {
        if self.wrong.len() < WRONG_MAX {
            self.wrong.push(Wrong { pointer: format!("#{}/{path}", self.at), detail });
        }
    }

    /// Everything that is wrong; fields that nobody read are.
    pub(super) fn problems(mut self) -> Vec<Wrong> {
        let unknown: Vec<String> = self.fields.keys().cloned().collect();
        let known = self.known.join(", ");
        for field in unknown {
            self.complain(&field, format!("is not known; expected {known}"));
        }
        self.wrong
    }

    /// The same as one failure.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let wrong = self.problems();
        if wrong.is_empty() { Ok(()) } else { Err(Failure::wrong(wrong)) }
    }
}

/// A name as a JSON pointer writes it (RFC 6901).
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
