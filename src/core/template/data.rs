//! Fields and methods of values: `.Labels`, `.Alerts.Firing`, `.StartsAt.Format "15:04"`.

use std::{borrow::Cow, sync::Arc};

use super::{
    AlertData, Data, RuleContext, time,
    value::{ListKind, MapKind, Text, Value},
};
use crate::model::{ALERT_NAME, Labels};

/// A field, a map's entry, or a method's result. The error is Go's, without the place.
pub(super) fn member<'a>(value: &Value<'a>, name: &str, args: &[Value<'a>]) -> Result<Value<'a>, String> {
    if let Some(result) = method(value, name, args) {
        return result.map_err(|e| format!("error calling {name}: {e}"));
    }
    let found = match value {
        Value::Labels(labels, _) => Some(Value::Str(label(labels, name))),
        Value::Map(map) => Some(map.entries.get(name).cloned().unwrap_or(Value::Nil)),
        Value::Alert(alert) => alert_field(alert, name),
        Value::Data(data) => data_field(data, name),
        Value::Rule(context) => rule_field(context, name),
        Value::Sample(sample) => match name {
            "Labels" => Some(Value::Labels(Cow::Owned(sample.labels.clone()), MapKind::Plain)),
            "Value" => Some(Value::Float(sample.value)),
            _ => None,
        },
        Value::Pair(n, v) => match name {
            "Name" => Some(Value::Str(n.clone())),
            "Value" => Some(Value::Str(v.clone())),
            _ => None,
        },
        Value::Nil => return Err(format!("nil pointer evaluating interface {{}}.{name}")),
        _ => None,
    };
    match found {
        None => Err(format!("can't evaluate field {name} in type {}", value.type_name())),
        Some(_) if !args.is_empty() => Err(format!("{name} is not a method but has arguments")),
        Some(found) => Ok(found),
    }
}

/// A label's value, empty when there is none (`missingkey=zero`).
pub(super) fn label<'a>(labels: &Cow<'a, Labels>, name: &str) -> Text<'a> {
    match labels {
        Cow::Borrowed(l) => Text::Ref(l.value(name)),
        Cow::Owned(l) => l.get(name).map_or(Text::Ref(""), |v| Text::Own(v.into())),
    }
}

fn labels(labels: &Labels) -> Value<'_> {
    Value::Labels(Cow::Borrowed(labels), MapKind::Kv)
}

fn alert_field<'a>(alert: &'a AlertData, name: &str) -> Option<Value<'a>> {
    Some(match name {
        "Status" => Value::Str(Text::Ref(status(alert))),
        "Labels" => labels(&alert.labels),
        "Annotations" => labels(&alert.annotations),
        "StartsAt" => time::value(alert.starts_at),
        "EndsAt" => alert.ends_at.map_or_else(time::zero, time::value),
        "GeneratorURL" => Value::Str(Text::Ref(&alert.generator_url)),
        "Fingerprint" => Value::Str(Text::Ref(&alert.fingerprint)),
        "Value" => Value::Str(Text::Ref(&alert.value)),
        "FrozenSince" => alert.frozen_since.map_or(Value::Nil, time::value),
        "IssueID" => Value::Str(Text::Ref(&alert.issue_id)),
        _ => return None,
    })
}

fn status(alert: &AlertData) -> &'static str {
    if alert.ends_at.is_some() { "resolved" } else { "firing" }
}

fn data_field<'a>(data: &'a Data, name: &str) -> Option<Value<'a>> {
    Some(match name {
        "Receiver" => Value::Str(Text::Ref(&data.receiver)),
        "Status" => {
            let firing = data.alerts.iter().any(|a| a.ends_at.is_none());
            Value::Str(Text::Ref(if firing { "firing" } else { "resolved" }))
        }
        "Alerts" => alerts(data.alerts.iter()),
        "NotificationReason" => Value::Str(Text::Ref(&data.notification_reason)),
        "GroupLabels" => labels(&data.group_labels),
        "CommonLabels" => labels(&data.common_labels),
        "CommonAnnotations" => labels(&data.common_annotations),
        "RouteLabels" => labels(&data.route_labels),
        "ExternalURL" => Value::Str(Text::Ref(&data.external_url)),
        _ => return None,
    })
}

fn alerts<'a>(alerts: impl Iterator<Item = &'a AlertData>) -> Value<'a> {
    list(ListKind::Alerts, alerts.map(Value::Alert).collect())
}

fn list(kind: ListKind, items: Vec<Value<'_>>) -> Value<'_> {
    Value::List(Arc::new(super::value::List { kind, height: 1, items }))
}

fn rule_field<'a>(context: &'a RuleContext<'a>, name: &str) -> Option<Value<'a>> {
    let map = |l: &'a Labels| Value::Labels(Cow::Borrowed(l), MapKind::Plain);
    Some(match name {
        "Labels" => map(context.labels),
        "ExternalLabels" => map(context.external_labels),
        "ExternalURL" => Value::Str(Text::Ref(context.external_url)),
        "Value" => Value::Float(context.value),
        _ => return None,
    })
}

/// The result of a method; `None` when the value has none of that name.
fn method<'a>(value: &Value<'a>, name: &str, args: &[Value<'a>]) -> Option<Result<Value<'a>, String>> {
    match value {
        Value::Labels(l, MapKind::Kv) => kv_method(l, name, args),
        Value::List(l) => match (l.kind, name) {
            (ListKind::Pairs, "Names") => Some(none(args).map(|()| Value::strings(names(&l.items)))),
            (ListKind::Pairs, "Values") => Some(none(args).map(|()| Value::strings(values(&l.items)))),
            (ListKind::Pairs, "String") => Some(none(args).map(|()| Value::text(joined(&l.items)))),
            (ListKind::Strings, "Join") => Some(match args {
                [sep] => match sep.as_str() {
                    Some(sep) => Ok(Value::text(join(sep, &l.items))),
                    None => Err(wrong_type("string", sep)),
                },
                _ => Err(format!("wrong number of args for Join: want 1 got {}", args.len())),
            }),
            (ListKind::Alerts, "Firing" | "Resolved") => {
                let firing = name == "Firing";
                let of = l.items.iter().filter_map(|a| match a {
                    Value::Alert(a) if a.ends_at.is_none() == firing => Some(*a),
                    _ => None,
                });
                Some(none(args).map(|()| alerts(of)))
            }
            _ => None,
        },
        Value::Time(t) => time::time_method(t, name, args),
        Value::Duration(d) => time::duration_method(*d, name, args),
        Value::Month(_) | Value::Weekday(_) if name == "String" => {
            Some(none(args).map(|()| Value::text(super::printf::sprint(std::slice::from_ref(value)))))
        }
        _ => None,
    }
}

fn kv_method<'a>(
    labels: &Cow<'a, Labels>,
    name: &str,
    args: &[Value<'a>],
) -> Option<Result<Value<'a>, String>> {
    let result = match name {
        "SortedPairs" => none(args).map(|()| list(ListKind::Pairs, sorted_pairs(labels))),
        "Names" => none(args).map(|()| Value::strings(names(&sorted_pairs(labels)))),
        "Values" => none(args).map(|()| Value::strings(values(&sorted_pairs(labels)))),
        "String" => none(args).map(|()| Value::text(joined(&sorted_pairs(labels)))),
        "Remove" => match args {
            [Value::List(without)] => {
                let gone = |n: &str| without.items.iter().any(|v| v.as_str() == Some(n));
                Ok(Value::Labels(Cow::Owned(labels.without(gone)), MapKind::Kv))
            }
            [other] => Err(wrong_type("[]string", other)),
            _ => Err(format!("wrong number of args for Remove: want 1 got {}", args.len())),
        },
        _ => return None,
    };
    Some(result)
}

/// That a method without parameters gets none.
pub(super) fn none(args: &[Value<'_>]) -> Result<(), String> {
    if args.is_empty() { Ok(()) } else { Err(format!("wrong number of args: want 0 got {}", args.len())) }
}

/// Go's complaint about an argument.
pub(super) fn wrong_type(expected: &str, found: &Value<'_>) -> String {
    format!("wrong type for value; expected {expected}; got {}", found.type_name())
}

/// Pairs by name, `alertname` first.
pub(super) fn sorted_pairs<'a>(labels: &Cow<'a, Labels>) -> Vec<Value<'a>> {
    fn pairs(labels: &Labels) -> impl Iterator<Item = (&str, &str)> {
        let first = labels.iter().filter(|(n, _)| *n == ALERT_NAME);
        first.chain(labels.iter().filter(|(n, _)| *n != ALERT_NAME))
    }
    match labels {
        Cow::Borrowed(l) => pairs(l).map(|(n, v)| Value::Pair(Text::Ref(n), Text::Ref(v))).collect(),
        Cow::Owned(l) => {
            pairs(l).map(|(n, v)| Value::Pair(Text::Own(n.into()), Text::Own(v.into()))).collect()
        }
    }
}

fn names<'a>(pairs: &[Value<'a>]) -> impl Iterator<Item = Text<'a>> {
    pairs.iter().filter_map(|p| if let Value::Pair(n, _) = p { Some(n.clone()) } else { None })
}

fn values<'a>(pairs: &[Value<'a>]) -> impl Iterator<Item = Text<'a>> {
    pairs.iter().filter_map(|p| if let Value::Pair(_, v) = p { Some(v.clone()) } else { None })
}

/// `k=v, k=v`
pub(super) fn joined(pairs: &[Value<'_>]) -> String {
    let each = pairs
        .iter()
        .filter_map(|p| if let Value::Pair(n, v) = p { Some(format!("{}={}", &**n, &**v)) } else { None });
    each.collect::<Vec<_>>().join(", ")
}

/// The texts of a list, `sep` between them.
pub(super) fn join(sep: &str, items: &[Value<'_>]) -> String {
    items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(sep)
}

/// The fields of a struct in Go's order, for printing and JSON; `None` when it is no struct.
pub(super) fn fields<'a>(value: &Value<'a>) -> Option<Vec<(&'static str, Value<'a>)>> {
    let names: &[&'static str] = match value {
        Value::Alert(_) => {
            &["Status", "Labels", "Annotations", "StartsAt", "EndsAt", "GeneratorURL", "Fingerprint"]
        }
        Value::Data(_) => &[
            "Receiver",
            "Status",
            "Alerts",
            "NotificationReason",
            "GroupLabels",
            "CommonLabels",
            "CommonAnnotations",
            "RouteLabels",
            "ExternalURL",
        ],
        Value::Rule(_) => &["Labels", "ExternalLabels", "ExternalURL", "Value"],
        Value::Sample(_) => &["Labels", "Value"],
        Value::Pair(..) => &["Name", "Value"],
        _ => return None,
    };
    Some(names.iter().filter_map(|n| member(value, n, &[]).ok().map(|v| (*n, v))).collect())
}
