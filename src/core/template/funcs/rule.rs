//! Prometheus' functions (spec prometheus §4).

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use super::{Func, Host, MANY, func, humanize, text};
use crate::{
    model::Duration,
    re2,
    template::{
        QuerySample,
        data::wrong_type,
        printf, quote, time,
        value::{List, ListKind, Text, Value},
    },
};

pub(super) static FUNCS: &[Func] = &[
    func("query", 1, 1, query),
    func("first", 1, 1, |_, a| match samples(&a[0])?.items.first() {
        Some(sample) => Ok(sample.clone()),
        None => Err("first() called on vector with no elements".to_owned()),
    }),
    func("label", 2, 2, |_, a| Ok(Value::text(sample(&a[1])?.labels.value(text(a, 0)?)))),
    func("value", 1, 1, |_, a| Ok(Value::Float(sample(&a[0])?.value))),
    func("strvalue", 1, 1, |_, a| Ok(Value::text(sample(&a[0])?.labels.value("__value__")))),
    func("sortByLabel", 2, 2, sort_by_label),
    func("args", 0, MANY, args),
    func("humanize", 1, 1, |_, a| Ok(Value::text(humanize::humanize(humanize::number(&a[0])?)))),
    func("humanize1024", 1, 1, |_, a| Ok(Value::text(humanize::humanize1024(humanize::number(&a[0])?)))),
    func("humanizeDuration", 1, 1, |_, a| Ok(Value::text(humanize::duration(humanize::number(&a[0])?)))),
    func("humanizePercentage", 1, 1, |_, a| Ok(Value::text(humanize::percentage(humanize::number(&a[0])?)))),
    func("humanizeTimestamp", 1, 1, |_, a| humanize::timestamp(humanize::number(&a[0])?).map(Value::text)),
    func("toTime", 1, 1, |_, a| humanize::to_time(humanize::number(&a[0])?)),
    func("toDuration", 1, 1, |_, a| humanize::nanos(humanize::number(&a[0])?).map(Value::Duration)),
    func("now", 0, 0, |host, _| Ok(Value::Float(host.now.as_secs_f64()))),
    func("parseDuration", 1, 1, parse_duration),
    func("title", 1, 1, |_, a| Ok(Value::text(title(text(a, 0)?)))),
    func("toUpper", 1, 1, |_, a| Ok(Value::text(text(a, 0)?.to_uppercase()))),
    func("toLower", 1, 1, |_, a| Ok(Value::text(text(a, 0)?.to_lowercase()))),
    func("match", 2, 2, matches),
    func("reReplaceAll", 3, 3, replace_all),
    func("stripPort", 1, 1, |_, a| {
        let given = text(a, 0)?;
        Ok(Value::text(split_host_port(given).map_or(given, |(host, _)| host)))
    }),
    func("stripDomain", 1, 1, |_, a| Ok(Value::text(strip_domain(text(a, 0)?)))),
    func("graphLink", 1, 1, |_, a| link(text(a, 0)?, 0)),
    func("tableLink", 1, 1, |_, a| link(text(a, 0)?, 1)),
    func("externalURL", 0, 0, |host, _| Ok(Value::Str(Text::Ref(host.external_url)))),
    func("pathPrefix", 0, 0, |host, _| Ok(Value::text(path(host.external_url)))),
    func("urlQueryEscape", 1, 1, |_, a| Ok(Value::text(quote::query(text(a, 0)?)))),
    func("safeHtml", 1, 1, |_, a| Ok(Value::Html(Text::from(text(a, 0)?.to_owned())))),
];

fn query<'a>(host: &mut Host<'a, '_>, args: &[Value<'a>]) -> Result<Value<'a>, String> {
    let Some(run) = host.query.as_mut() else { return Err("no queries here".to_owned()) };
    let found = run(text(args, 0)?)?;
    Value::list(ListKind::Samples, found.into_iter().map(|s| Value::Sample(Arc::new(s))).collect())
}

fn samples<'v, 'a>(value: &'v Value<'a>) -> Result<&'v List<'a>, String> {
    match value {
        Value::List(l) if l.kind == ListKind::Samples => Ok(l),
        other => Err(wrong_type("template.queryResult", other)),
    }
}

fn sample<'v>(value: &'v Value<'_>) -> Result<&'v QuerySample, String> {
    match value {
        Value::Sample(s) => Ok(s),
        other => Err(wrong_type("*template.sample", other)),
    }
}

fn sort_by_label<'a>(_: &mut Host<'a, '_>, args: &[Value<'a>]) -> Result<Value<'a>, String> {
    let name = text(args, 0)?;
    let mut items = samples(&args[1])?.items.clone();
    let key = |v: &Value<'a>| sample(v).map(|s| s.labels.value(name).to_owned()).unwrap_or_default();
    items.sort_by_cached_key(key);
    Value::list(ListKind::Samples, items)
}

fn args<'a>(_: &mut Host<'a, '_>, args: &[Value<'a>]) -> Result<Value<'a>, String> {
    let named = args.iter().enumerate().map(|(i, v)| (Text::from(format!("arg{i}")), v.clone()));
    Value::map(named.collect::<BTreeMap<_, _>>())
}

fn parse_duration<'a>(_: &mut Host<'a, '_>, args: &[Value<'a>]) -> Result<Value<'a>, String> {
    let given = text(args, 0)?;
    let (sign, rest) = given.strip_prefix('-').map_or((1.0, given), |rest| (-1.0, rest));
    let parsed: Duration = rest.parse().map_err(|_| format!("not a valid duration string: {given:?}"))?;
    Ok(Value::Float(sign * parsed.as_secs_f64()))
}

/// The first letter of each word in upper case; the rest stays (Go's `strings.Title`).
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if inside {
            out.push(c);
        } else {
            out.extend(c.to_uppercase());
        }
        inside = match c {
            c if c.is_alphanumeric() || c == '_' => true,
            c if c.is_ascii() => false,
            c => !c.is_whitespace(),
        };
    }
    out
}

/// Whether a pattern is found anywhere in a text.
pub(super) fn matches<'a>(_: &mut Host<'a, '_>, args: &[Value<'a>]) -> Result<Value<'a>, String> {
    let (pattern, subject) = (text(args, 0)?, text(args, 1)?);
    let regex = re2::compile(pattern).map_err(|e| e.to_string())?;
    Ok(Value::Bool(regex.is_match(subject)))
}

/// All matches replaced by Go's rules.
pub(super) fn replace_all<'a>(_: &mut Host<'a, '_>, args: &[Value<'a>]) -> Result<Value<'a>, String> {
    let (pattern, replacement, subject) = (text(args, 0)?, text(args, 1)?, text(args, 2)?);
    let regex = re2::compile(pattern).map_err(|e| e.to_string())?;
    match re2::replace_all(&regex, subject, replacement, printf::TEXT_MAX) {
        Some(replaced) => Ok(Value::text(replaced)),
        None => Err(format!("text of more than {} bytes", printf::TEXT_MAX)),
    }
}

/// Go's `net.SplitHostPort`.
fn split_host_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    let clean = |s: &str| !s.contains(['[', ']']);
    (clean(host) && clean(port)).then_some((host, port))
}

fn strip_domain(text: &str) -> String {
    let (host, port) = split_host_port(text).unwrap_or((text, ""));
    if host.parse::<IpAddr>().is_ok() {
        return text.to_owned();
    }
    let name = host.split('.').next().unwrap_or_default();
    match port {
        "" => name.to_owned(),
        _ if name.contains(':') => format!("[{name}]:{port}"),
        _ => format!("{name}:{port}"),
    }
}

fn link<'a>(expr: &str, tab: u8) -> Result<Value<'a>, String> {
    Ok(Value::text(format!("/graph?g0.expr={}&g0.tab={tab}", quote::query(expr))))
}

/// The path of a URL, without the slash that stands for none.
fn path(url: &str) -> String {
    let after = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = after.find(['?', '#']).unwrap_or(after.len());
    let path = after[..end].find('/').map_or("", |i| &after[i..end]);
    path.to_owned()
}

/// A duration for people, of seconds or of a duration.
pub(super) fn humanize_duration<'a>(_: &mut Host<'a, '_>, args: &[Value<'a>]) -> Result<Value<'a>, String> {
    Ok(Value::text(humanize::duration(humanize::number(&args[0])?)))
}

/// The host's clock as a time in UTC.
pub(super) fn now_time<'a>(host: &mut Host<'a, '_>, _: &[Value<'a>]) -> Result<Value<'a>, String> {
    Ok(time::value(host.now))
}
