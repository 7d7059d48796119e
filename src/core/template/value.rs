//! What a template computes with. Texts and label sets are borrowed from the data where they can be.

use std::{borrow::Cow, collections::BTreeMap, ops::Deref, sync::Arc};

use jiff::Zoned;

use super::{AlertData, Data, QuerySample, RuleContext};
use crate::model::Labels;

/// A text: borrowed, or shared.
#[derive(Clone)]
pub(super) enum Text<'a> {
    Ref(&'a str),
    Own(Arc<str>),
}

impl Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        match self {
            Text::Ref(s) => s,
            Text::Own(s) => s,
        }
    }
}

impl From<String> for Text<'_> {
    fn from(s: String) -> Self {
        Text::Own(s.into())
    }
}

/// What a label set is to Go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum MapKind {
    /// Prometheus' `map[string]string`.
    Plain,
    /// Alertmanager's `template.KV`, with methods.
    Kv,
}

/// What a list is to Go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ListKind {
    Any,
    Strings,
    Pairs,
    Alerts,
    Samples,
}

/// A list; `height` bounds how deep lists and maps lie in each other.
pub(super) struct List<'a> {
    pub(super) kind: ListKind,
    pub(super) height: usize,
    pub(super) items: Vec<Value<'a>>,
}

/// A map from texts to anything (`dict`, `args`).
pub(super) struct Map<'a> {
    pub(super) height: usize,
    pub(super) entries: BTreeMap<Text<'a>, Value<'a>>,
}

#[derive(Clone)]
pub(super) enum Value<'a> {
    /// Go's untyped nil: what a missing key of a `dict` gives.
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Text<'a>),
    /// A text that is HTML, not to be escaped (`template.HTML`).
    Html(Text<'a>),
    /// A text that is a safe URL (`template.URL`).
    Url(Text<'a>),
    Labels(Cow<'a, Labels>, MapKind),
    Map(Arc<Map<'a>>),
    List(Arc<List<'a>>),
    Pair(Text<'a>, Text<'a>),
    Time(Arc<Zoned>),
    /// Nanoseconds.
    Duration(i64),
    /// From 1.
    Month(i64),
    /// From 0, Sunday.
    Weekday(i64),
    Alert(&'a AlertData),
    Data(&'a Data),
    Rule(&'a RuleContext<'a>),
    Sample(Arc<QuerySample>),
}

/// Lists and maps within each other at most.
const HEIGHT_MAX: usize = 100;
/// Elements of a list at most.
const LIST_MAX: usize = 10_000;

impl<'a> Value<'a> {
    pub(super) fn text(s: impl Into<String>) -> Self {
        Value::Str(Text::from(s.into()))
    }

    /// A list, unless it is too long or lies too deep.
    pub(super) fn list(kind: ListKind, items: Vec<Value<'a>>) -> Result<Self, String> {
        let height = height(items.iter())?;
        if items.len() > LIST_MAX {
            return Err(format!("list of more than {LIST_MAX} elements"));
        }
        Ok(Value::List(Arc::new(List { kind, height, items })))
    }

    pub(super) fn map(entries: BTreeMap<Text<'a>, Value<'a>>) -> Result<Self, String> {
        Ok(Value::Map(Arc::new(Map { height: height(entries.values())?, entries })))
    }

    /// A list of texts.
    pub(super) fn strings(items: impl Iterator<Item = Text<'a>>) -> Self {
        let items = items.map(Value::Str).collect();
        Value::List(Arc::new(List { kind: ListKind::Strings, height: 1, items }))
    }

    /// The text of any kind of text.
    pub(super) fn as_str(&self) -> Option<&str> {
        self.as_text().map(|t| &**t)
    }

    pub(super) fn as_text(&self) -> Option<&Text<'a>> {
        match self {
            Value::Str(s) | Value::Html(s) | Value::Url(s) => Some(s),
            _ => None,
        }
    }

    /// The number of anything that is an integer to Go.
    pub(super) fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(i) | Value::Duration(i) | Value::Month(i) | Value::Weekday(i) => Some(*i),
            _ => None,
        }
    }

    /// Whether `if` takes it for true.
    pub(super) fn truth(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Bool(b) => *b,
            Value::Int(i) | Value::Duration(i) | Value::Month(i) | Value::Weekday(i) => *i != 0,
            Value::Float(f) => *f != 0.0,
            Value::Str(s) | Value::Html(s) | Value::Url(s) => !s.is_empty(),
            Value::Labels(l, _) => !l.is_empty(),
            Value::Map(m) => !m.entries.is_empty(),
            Value::List(l) => !l.items.is_empty(),
            Value::Pair(..)
            | Value::Time(_)
            | Value::Alert(_)
            | Value::Data(_)
            | Value::Rule(_)
            | Value::Sample(_) => true,
        }
    }

    /// The type's name in Go.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Value::Nil => "<nil>",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float64",
            Value::Str(_) => "string",
            Value::Html(_) => "template.HTML",
            Value::Url(_) => "template.URL",
            Value::Labels(_, MapKind::Plain) => "map[string]string",
            Value::Labels(_, MapKind::Kv) => "template.KV",
            Value::Map(_) => "map[string]interface {}",
            Value::List(l) => match l.kind {
                ListKind::Any => "[]interface {}",
                ListKind::Strings => "template.Strings",
                ListKind::Pairs => "template.Pairs",
                ListKind::Alerts => "template.Alerts",
                ListKind::Samples => "template.queryResult",
            },
            Value::Pair(..) => "template.Pair",
            Value::Time(_) => "time.Time",
            Value::Duration(_) => "time.Duration",
            Value::Month(_) => "time.Month",
            Value::Weekday(_) => "time.Weekday",
            Value::Alert(_) => "template.Alert",
            Value::Data(_) => "*template.Data",
            Value::Rule(_) => {
                "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }"
            }
            Value::Sample(_) => "*template.sample",
        }
    }
}

fn height<'v, 'a: 'v>(items: impl Iterator<Item = &'v Value<'a>>) -> Result<usize, String> {
    let below = items.map(|v| match v {
        Value::List(l) => l.height,
        Value::Map(m) => m.height,
        _ => 0,
    });
    let height = below.max().unwrap_or_default() + 1;
    if height > HEIGHT_MAX { Err("lists are nested too deeply".to_owned()) } else { Ok(height) }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Text<'_> {}

impl PartialOrd for Text<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (**self).cmp(&**other)
    }
}

impl std::borrow::Borrow<str> for Text<'_> {
    fn borrow(&self) -> &str {
        self
    }
}
