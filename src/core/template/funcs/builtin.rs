//! Go's own functions.

use super::{Func, Host, MANY, Run, compare, func};
use crate::template::{
    printf, quote,
    value::{Text, Value},
};

pub(super) static FUNCS: &[Func] = &[
    Func { name: "and", min: 1, max: MANY, run: Run::And },
    Func { name: "or", min: 1, max: MANY, run: Run::Or },
    func("not", 1, 1, |_, a| Ok(Value::Bool(!a[0].truth()))),
    func("eq", 1, MANY, |_, a| compare::eq(a).map(Value::Bool)),
    func("ne", 2, 2, |_, a| compare::eq(a).map(|same| Value::Bool(!same))),
    func("lt", 2, 2, |_, a| compare::lt(&a[0], &a[1]).map(Value::Bool)),
    func("le", 2, 2, |_, a| compare::le(&a[0], &a[1]).map(Value::Bool)),
    func("gt", 2, 2, |_, a| compare::le(&a[0], &a[1]).map(|le| Value::Bool(!le))),
    func("ge", 2, 2, |_, a| compare::lt(&a[0], &a[1]).map(|lt| Value::Bool(!lt))),
    func("len", 1, 1, len),
    func("index", 1, MANY, index),
    func("slice", 1, MANY, slice),
    func("print", 0, MANY, |_, a| Ok(Value::text(printf::sprint(a)))),
    func("println", 0, MANY, |_, a| Ok(Value::text(printf::sprintln(a)))),
    func("printf", 1, MANY, |_, a| Ok(Value::text(printf::sprintf(super::text(a, 0)?, &a[1..])))),
    // Its result must not be escaped a second time where the whole is HTML; elsewhere it is a text as any.
    func("html", 0, MANY, |_, a| Ok(Value::Html(Text::from(quote::html(&joined(a)))))),
    func("js", 0, MANY, |_, a| Ok(Value::text(quote::js(&joined(a))))),
    func("urlquery", 0, MANY, |_, a| Ok(Value::text(quote::query(&joined(a))))),
    func("call", 1, MANY, |_, a| match &a[0] {
        Value::Nil => Err("call of nil".to_owned()),
        other => Err(format!("non-function of type {}", other.type_name())),
    }),
];

fn joined(args: &[Value<'_>]) -> String {
    match args {
        [one] if one.as_str().is_some() => one.as_str().unwrap_or_default().to_owned(),
        _ => printf::sprint(args),
    }
}

fn len<'a>(_: &mut Host<'a, '_>, args: &[Value<'a>]) -> Result<Value<'a>, String> {
    let n = match &args[0] {
        Value::Labels(l, _) => l.len(),
        Value::Map(m) => m.entries.len(),
        Value::List(l) => l.items.len(),
        Value::Nil => return Err("len of nil pointer".to_owned()),
        other => match other.as_str() {
            Some(s) => s.len(),
            None => return Err(format!("len of type {}", other.type_name())),
        },
    };
    Ok(Value::Int(n as i64))
}

fn index<'a>(_: &mut Host<'a, '_>, args: &[Value<'a>]) -> Result<Value<'a>, String> {
    let mut value = args[0].clone();
    if let Value::Nil = value {
        return Err("index of untyped nil".to_owned());
    }
    for key in &args[1..] {
        value = match &value {
            Value::Labels(labels, _) => match key.as_str() {
                Some(name) => Value::Str(crate::template::data::label(labels, name)),
                None => return Err(format!("value has type {}; should be string", key.type_name())),
            },
            Value::Map(map) => match key.as_str() {
                Some(name) => map.entries.get(name).cloned().unwrap_or(Value::Nil),
                None => return Err(format!("value has type {}; should be string", key.type_name())),
            },
            Value::List(list) => list.items[position(key, list.items.len(), false)?].clone(),
            Value::Nil => return Err("index of nil pointer".to_owned()),
            other => match other.as_str() {
                Some(s) => Value::Int(i64::from(s.as_bytes()[position(key, s.len(), false)?])),
                None => return Err(format!("can't index item of type {}", other.type_name())),
            },
        };
    }
    Ok(value)
}

/// An index into what is `len` long; `end` when it may be just past the last.
fn position(key: &Value<'_>, len: usize, end: bool) -> Result<usize, String> {
    let n = match key {
        Value::Float(f) if f.fract() == 0.0 => *f as i64,
        Value::Nil => return Err("cannot index slice/array with nil".to_owned()),
        other => match other.as_int() {
            Some(n) => n,
            None => return Err(format!("cannot index slice/array with type {}", other.type_name())),
        },
    };
    match usize::try_from(n) {
        Ok(i) if i < len || (end && i == len) => Ok(i),
        _ => Err(format!("index out of range: {n}")),
    }
}

fn slice<'a>(_: &mut Host<'a, '_>, args: &[Value<'a>]) -> Result<Value<'a>, String> {
    let (item, indexes) = (&args[0], &args[1..]);
    if indexes.len() > 3 {
        return Err(format!("too many slice indexes: {}", indexes.len()));
    }
    let len = match item {
        Value::List(l) => l.items.len(),
        Value::Nil => return Err("slice of untyped nil".to_owned()),
        other => match other.as_str() {
            Some(_) if indexes.len() == 3 => return Err("cannot 3-index slice a string".to_owned()),
            Some(s) => s.len(),
            None => return Err(format!("can't slice item of type {}", other.type_name())),
        },
    };
    let mut bounds = [0, len, len];
    for (i, key) in indexes.iter().enumerate() {
        bounds[i] = position(key, len, true)?;
    }
    let [from, to, cap] = bounds;
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    if to > cap {
        return Err(format!("invalid slice index: {to} > {cap}"));
    }
    match item {
        Value::List(l) => Value::list(l.kind, l.items[from..to].to_vec()),
        // Bytes, as in Go; a character that is cut in two can't be kept.
        other => {
            let bytes = &other.as_str().unwrap_or_default().as_bytes()[from..to];
            Ok(Value::text(String::from_utf8_lossy(bytes).into_owned()))
        }
    }
}
