//! Alertmanager's functions (spec alertmanager §4.3).

use std::{collections::BTreeMap, sync::Arc};

use jiff::Zoned;

use super::{Dialect, Func, Host, MANY, func, rule, text};
use crate::template::{
    data::{self, wrong_type},
    exec, json,
    parse::parse,
    quote, time,
    value::{ListKind, Text, Value},
};

pub(super) static FUNCS: &[Func] = &[
    func("toUpper", 1, 1, |_, a| Ok(Value::text(text(a, 0)?.to_uppercase()))),
    func("toLower", 1, 1, |_, a| Ok(Value::text(text(a, 0)?.to_lowercase()))),
    func("title", 1, 1, |_, a| Ok(Value::text(title(text(a, 0)?)))),
    func("trimSpace", 1, 1, |_, a| Ok(Value::text(text(a, 0)?.trim()))),
    func("join", 2, 2, join),
    func("match", 2, 2, rule::matches),
    func("safeHtml", 1, 1, |_, a| Ok(Value::Html(Text::from(text(a, 0)?.to_owned())))),
    func("safeUrl", 1, 1, |_, a| Ok(Value::Url(Text::from(text(a, 0)?.to_owned())))),
    func("urlUnescape", 1, 1, |_, a| quote::unquery(text(a, 0)?).map(Value::text)),
    func("reReplaceAll", 3, 3, rule::replace_all),
    func("stringSlice", 0, MANY, |_, a| {
        (0..a.len()).try_for_each(|i| text(a, i).map(|_| ()))?;
        Value::list(ListKind::Strings, a.to_vec())
    }),
    func("routeLabels", 1, 1, route_label),
    func("date", 2, 2, |_, a| Ok(Value::text(time::format(text(a, 0)?, instant(&a[1])?)))),
    func("tz", 2, 2, |_, a| time::in_zone(instant(&a[1])?, text(a, 0)?)),
    func("now", 0, 0, rule::now_time),
    func("since", 1, 1, |host, a| {
        let now = i128::from(host.now.0) * 1_000_000;
        let past = now - instant(&a[0])?.timestamp().as_nanosecond();
        Ok(Value::Duration(past.clamp(i64::MIN.into(), i64::MAX.into()) as i64))
    }),
    func("humanizeDuration", 1, 1, rule::humanize_duration),
    func("toDate", 2, 2, |_, a| {
        Ok(time::parse(text(a, 0)?, text(a, 1)?).map_or_else(|_| time::zero(), time::from))
    }),
    func("mustToDate", 2, 2, |_, a| time::parse(text(a, 0)?, text(a, 1)?).map(time::from)),
    func("toJson", 1, 1, |_, a| json::encode(&a[0]).map(Value::text)),
    func("base64encode", 1, 1, |_, a| Ok(Value::text(quote::base64_encode(text(a, 0)?)))),
    func("base64decode", 1, 1, |_, a| quote::base64_decode(text(a, 0)?).map(Value::text)),
    func("list", 0, MANY, |_, a| Value::list(ListKind::Any, a.to_vec())),
    func("append", 1, MANY, append),
    func("dict", 0, MANY, dict),
];

fn instant<'v>(value: &'v Value<'_>) -> Result<&'v Arc<Zoned>, String> {
    match value {
        Value::Time(t) => Ok(t),
        other => Err(wrong_type("time.Time", other)),
    }
}

fn join<'a>(_: &mut Host<'a, '_>, args: &[Value<'a>]) -> Result<Value<'a>, String> {
    match &args[1] {
        Value::List(l) if l.items.iter().all(|v| v.as_str().is_some()) => {
            Ok(Value::text(data::join(text(args, 0)?, &l.items)))
        }
        other => Err(wrong_type("[]string", other)),
    }
}

fn append<'a>(_: &mut Host<'a, '_>, args: &[Value<'a>]) -> Result<Value<'a>, String> {
    match &args[0] {
        Value::List(l) => {
            let items = l.items.iter().chain(&args[1..]).cloned().collect();
            Value::list(if l.kind == ListKind::Strings { ListKind::Strings } else { ListKind::Any }, items)
        }
        other => Err(wrong_type("[]interface {}", other)),
    }
}

fn dict<'a>(_: &mut Host<'a, '_>, args: &[Value<'a>]) -> Result<Value<'a>, String> {
    if !args.len().is_multiple_of(2) {
        return Err("dict needs an even number of arguments".to_owned());
    }
    let mut map = BTreeMap::new();
    for pair in args.chunks(2) {
        let key = pair[0]
            .as_text()
            .ok_or_else(|| format!("dict keys must be strings, got {}", pair[0].type_name()))?;
        map.insert(key.clone(), pair[1].clone());
    }
    Value::map(map)
}

/// A route's label, which is a template itself and may use others.
fn route_label<'a>(host: &mut Host<'a, '_>, args: &[Value<'a>]) -> Result<Value<'a>, String> {
    let name = text(args, 0)?;
    let Some((set, data)) = host.message else { return Ok(Value::text("")) };
    let template = data.route_labels.value(name);
    if !template.contains("{{") {
        return Ok(Value::Str(Text::Ref(template)));
    }
    if host.routes.iter().any(|n| n == name) {
        return Err(format!("route label cycle: {} -> {name}", host.routes.join(" -> ")));
    }
    let (file, source) = (Arc::from(name), Arc::from(template));
    let mut own = set.clone();
    own.add(parse(&file, &source, Dialect::Message, &[]).map_err(|e| e.message)?);
    let Some(tree) = own.trees.get(&file) else { return Ok(Value::text("")) };
    let mut inner = Host {
        now: host.now,
        external_url: host.external_url,
        query: None,
        message: Some((&own, data)),
        routes: host.routes.iter().cloned().chain([name.to_owned()]).collect(),
        steps: host.steps,
        depth: host.depth + 1,
    };
    let dot = Value::Data(data);
    let result = exec::execute(&own, tree, &dot, vec![dot.clone()], &mut inner);
    host.steps = inner.steps;
    result.map(Value::text).map_err(|e| e.message)
}

/// Each word with one capital at its start, all else in lower case. Signs within a word (`it's`, `a.b`, `a_b`) don't
/// begin another, as Unicode's word boundaries have it.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_alphanumeric() {
            if inside {
                out.extend(c.to_lowercase());
            } else {
                out.extend(c.to_uppercase());
            }
            inside = inside || c.is_alphabetic();
        } else {
            out.push(c);
            let joins =
                matches!(c, '\'' | '’' | '.' | ':' | '·') && chars.peek().is_some_and(|c| c.is_alphabetic());
            inside = inside && (joins || c == '_');
        }
    }
    out
}
