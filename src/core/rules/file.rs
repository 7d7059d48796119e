//! Rule files, to the letter of Prometheus (spec §1.1): groups and rules with every problem at its place.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::NoData;
use crate::{
    diag::{Diagnostic, SourceText, Span, nearest},
    model::{Duration, Labels, METRIC_NAME},
    promql::{Expr, ParseOptions, parse},
    template::{RuleTemplate, TemplateError},
    yaml::{self, Fields, Key, Limits, Node, Reader, Scalar, Spanned, Value},
};

/// Rule files are read from disk by their owner; still no file may take all memory.
const LIMITS: Limits = Limits { nodes_max: 2_000_000, depth_max: 64 };

/// The annotation that says what blindness means for one rule: `keep` or `resolve`.
const NO_DATA: &str = "botwatch_no_data";

/// A group as written.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupSpec {
    /// Unique in its file.
    pub name: Arc<str>,
    /// The file, as configured: with the name, the group's identity.
    pub file: Arc<str>,
    /// `None`: the global evaluation interval.
    pub interval: Option<Duration>,
    /// `None`: the global offset; an explicit `0s` overrides it.
    pub query_offset: Option<Duration>,
    /// Results of one rule at most; 0 is none.
    pub limit: usize,
    /// In file order.
    pub rules: Vec<RuleSpec>,
}

/// A rule as written, the group's labels merged in.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleSpec {
    /// The recorded series' name, or the alert's.
    pub name: Arc<str>,
    /// The expression.
    pub expr: Expr,
    /// Labels; templates in alerting rules.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
    /// What only an alerting rule has.
    pub alert: Option<AlertSpec>,
}

/// What only an alerting rule has.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertSpec {
    /// `for`
    pub hold: Duration,
    /// `keep_firing_for`
    pub keep_firing_for: Duration,
    /// Annotation templates.
    pub annotations: Vec<(Arc<str>, Arc<str>)>,
    /// What blindness means; `None`: as configured for all.
    pub no_data: Option<NoData>,
}

impl RuleSpec {
    /// The configured labels as a set: part of the rule's identity.
    pub fn label_set(&self) -> Labels {
        Labels::from_pairs(self.labels.iter().map(|(n, v)| (n, v)))
    }
}

/// Reads a rule file. Groups and rules that are wrong are left out of the result, and their problems told, all of
/// them; a caller must not run a file with errors.
pub fn parse_file(source: &Arc<SourceText>, options: &ParseOptions) -> (Vec<GroupSpec>, Vec<Diagnostic>) {
    let (document, mut problems) = yaml::parse(Arc::clone(source), &LIMITS);
    let Some(document) = document else { return (Vec::new(), problems) };
    let mut reader = Reader::new(&document);
    let mut groups = Vec::new();
    if !document.root.is_null()
        && let Some(mut fields) = reader.map(&document.root, "a rule file")
    {
        let mut seen = Seen::default();
        groups = fields.each(&mut reader, "groups", |r, node| group(r, node, source, options, &mut seen));
        fields.finish(&mut reader);
    }
    problems.extend(reader.finish());
    (groups, problems)
}

fn group(
    reader: &mut Reader,
    node: &Node,
    source: &Arc<SourceText>,
    options: &ParseOptions,
    seen: &mut Seen,
) -> Option<GroupSpec> {
    let mut fields = reader.map(node, "a rule group")?;
    let name = fields.require(reader, "name", Reader::spanned);
    let shown = name.as_ref().map_or("?", |n| &n.value).to_owned();
    if let Some(name) = &name {
        if name.value.is_empty() {
            reader.invalid("Groupname must not be empty", "a name is needed", name.span);
        } else if !seen.groups.insert(Arc::clone(&name.value)) {
            let message = format!("groupname: \"{shown}\" is repeated in the same file");
            reader.invalid(message, "this name is taken", name.span);
        }
    }
    let interval = fields.get(reader, "interval", Reader::duration).filter(|d| !d.is_zero());
    let query_offset = fields.get(reader, "query_offset", Reader::duration);
    let limit = fields.get(reader, "limit", Reader::int).unwrap_or(0).max(0) as usize;
    let group_labels = label_pairs(reader, &mut fields, "labels", None);
    let mut number = 0;
    let rules = fields.each(reader, "rules", |r, node| {
        number += 1;
        let context = format!("rule {number} of group `{shown}`");
        r.within(context, |r| rule(r, node, &group_labels, &shown, options, seen))
    });
    fields.finish(reader);
    Some(GroupSpec {
        name: name?.value,
        file: Arc::clone(&source.name),
        interval,
        query_offset,
        limit,
        rules,
    })
}

/// What a file has so far: names of groups, and rules by what they write or raise.
#[derive(Default)]
struct Seen {
    groups: BTreeSet<Arc<str>>,
    rules: BTreeMap<(bool, Arc<str>, Labels), Span>,
}

impl Seen {
    /// Warns of a rule that would write or raise the same as an earlier one (promtool's lint `duplicate-rules`).
    fn rule(&mut self, reader: &mut Reader, rule: &RuleSpec, span: Span) {
        let key = (rule.alert.is_some(), Arc::clone(&rule.name), rule.label_set());
        let first = *self.rules.entry(key).or_insert(span);
        if first != span {
            let labels = match rule.label_set() {
                labels if labels.is_empty() => "without labels".to_owned(),
                labels => format!("with the labels {labels}"),
            };
            let message = format!("rule `{}` {labels} is there twice", rule.name);
            let (line, _) = reader.source().position(first.start);
            let d = reader.warning("duplicate-rule", message, span);
            reader.report(d.label(format!("the first is in line {line}")));
        }
    }
}

type Pairs = Vec<(Key, Spanned<Arc<str>>)>;

/// Labels or annotations; their values are templates when they belong to an alert.
fn label_pairs(
    reader: &mut Reader,
    fields: &mut Fields<'_>,
    key: &'static str,
    alert: Option<&str>,
) -> Pairs {
    let read = |reader: &mut Reader, node: &Node| {
        if let Some(alert) = alert {
            templates(reader, node, key, alert);
        }
        reader.string_map(node)
    };
    let pairs = fields.get(reader, key, read).unwrap_or_default();
    for (name, _) in &pairs {
        if name.text.is_empty() {
            reader.invalid("invalid label name: \"\"", "a name is needed", name.span);
        } else if *name.text == *METRIC_NAME && key == "labels" {
            let message = format!("invalid label name: {METRIC_NAME}");
            reader.invalid(message, "the name is set by `record`", name.span);
        }
    }
    pairs
}

fn rule(
    reader: &mut Reader,
    node: &Node,
    group_labels: &Pairs,
    group: &str,
    options: &ParseOptions,
    seen: &mut Seen,
) -> Option<RuleSpec> {
    let mut fields = reader.map(node, "a rule")?;
    let record = fields.get(reader, "record", Reader::spanned);
    let alert = fields.get(reader, "alert", Reader::spanned);
    let name = match (&record, &alert) {
        (Some(_), Some(a)) => {
            reader.invalid("only one of 'record' and 'alert' must be set", "remove one", a.span);
            None
        }
        (None, None) => {
            fields.missing(reader, "record or alert");
            None
        }
        (record, alert) => record.clone().or_else(|| alert.clone()),
    };
    let kind = if alert.is_some() { "alert" } else { "record" };
    let context = format!("{kind} `{}` in group `{group}`", name.as_ref().map_or("?", |n| &n.value));
    reader.within(context, |reader| {
        if let (Some(record), None) = (&record, &alert) {
            check_record(reader, record);
        }
        let expr = expression(reader, &mut fields, options);
        let alert = alert.as_ref().map(|a| &*a.value);
        let labels = label_pairs(reader, &mut fields, "labels", alert);
        let spec = alert_fields(reader, &mut fields, alert);
        fields.finish(reader);
        let Spanned { value: name, span } = name?;
        let rule = RuleSpec { name, expr: expr?, labels: merged(group_labels, &labels), alert: spec };
        seen.rule(reader, &rule, span);
        Some(rule)
    })
}

/// Checks the values of a mapping as templates: they are parsed, not executed (spec R15).
fn templates(reader: &mut Reader, node: &Node, key: &str, alert: &str) {
    let Value::Mapping(entries) = &node.value else { return };
    let kind = key.trim_end_matches('s');
    for (name, value) in entries {
        let Some(scalar) = value.as_scalar() else { continue };
        if let Err(e) = RuleTemplate::parse(&format!("__alert_{alert}"), &scalar.text) {
            let message = format!("{kind} \"{}\": {}", name.text, e.message);
            let mut d = reader.error("template-syntax", message, scalar.locate(template_span(scalar, &e)));
            if let Some(hint) = template_hint(&e.message) {
                d = d.hint(hint);
            }
            reader.report(d);
        }
    }
}

/// The word at which a template goes wrong.
fn template_span(scalar: &Scalar, error: &TemplateError) -> Span {
    let start = error.offset.unwrap_or_default().min(scalar.text.len());
    let rest = &scalar.text[start..];
    let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').unwrap_or(rest.len());
    let end = if word > 0 { word } else { rest.chars().next().map_or(0, char::len_utf8) };
    Span::new(start, start + end)
}

fn template_hint(message: &str) -> Option<String> {
    if ["*", "/", "+", "-", "<", ">"]
        .iter()
        .any(|c| message.ends_with(&format!("unexpected \"{c}\" in operand")))
    {
        return Some("templates don't compute; do it in the expression, or in one for `query`".to_owned());
    }
    let unknown = message.contains("undefined variable") || message.ends_with("not defined");
    let name = message.split('"').nth(1).filter(|_| unknown)?;
    nearest(name, RuleTemplate::names()).map(|n| format!("did you mean `{n}`?"))
}

/// The rule's labels win over the group's (spec R6).
fn merged(group: &Pairs, rule: &Pairs) -> Vec<(Arc<str>, Arc<str>)> {
    let own = |name: &str| rule.iter().any(|(k, _)| *k.text == *name);
    let kept = group.iter().filter(|(k, _)| !own(&k.text)).chain(rule);
    kept.map(|(k, v)| (Arc::clone(&k.text), Arc::clone(&v.value))).collect()
}

fn check_record(reader: &mut Reader, record: &Spanned<Arc<str>>) {
    if record.value.is_empty() || record.value.contains(['{', '}']) {
        let message = format!("invalid recording rule name: {}", record.value);
        reader.invalid(message, "braces belong into `labels`", record.span);
    }
}

fn expression(reader: &mut Reader, fields: &mut Fields<'_>, options: &ParseOptions) -> Option<Expr> {
    let node = fields.take("expr");
    let Some(node) = node else {
        fields.missing(reader, "expr");
        return None;
    };
    let scalar = if node.is_null() { None } else { Some(reader.scalar(node, "a PromQL expression")?) };
    let Some(scalar) = scalar.filter(|s| !s.text.is_empty()) else {
        reader.invalid("field 'expr' must be set in rule", "an expression is needed", node.span);
        return None;
    };
    match parse(&scalar.text, options) {
        Ok(expr) => Some(expr),
        Err(errors) => {
            for e in errors {
                let message = format!("could not parse expression: {}", e.message);
                let mut d = reader.error("promql-syntax", message, scalar.locate(e.span)).label(&*e.expected);
                if let Some(hint) = e.hint {
                    d = d.hint(hint);
                }
                reader.report(d);
            }
            None
        }
    }
}

fn alert_fields(reader: &mut Reader, fields: &mut Fields<'_>, alert: Option<&str>) -> Option<AlertSpec> {
    let hold = fields.get(reader, "for", Reader::duration).unwrap_or(Duration::ZERO);
    let keep = fields.get(reader, "keep_firing_for", Reader::duration).unwrap_or(Duration::ZERO);
    let annotations = label_pairs(reader, fields, "annotations", alert);
    if alert.is_none() {
        for (key, set) in [
            ("for", !hold.is_zero()),
            ("keep_firing_for", !keep.is_zero()),
            ("annotations", !annotations.is_empty()),
        ] {
            if set {
                let message = format!("invalid field '{key}' in recording rule");
                reader.invalid(message, "only alerts have it", fields.key_span(key));
            }
        }
        return None;
    }
    let no_data = annotations.iter().find(|(k, _)| &*k.text == NO_DATA).and_then(|(_, v)| no_data(reader, v));
    let annotations = annotations.iter().map(|(k, v)| (Arc::clone(&k.text), Arc::clone(&v.value))).collect();
    Some(AlertSpec { hold, keep_firing_for: keep, annotations, no_data })
}

fn no_data(reader: &mut Reader, value: &Spanned<Arc<str>>) -> Option<NoData> {
    match &*value.value {
        "keep" => Some(NoData::Keep),
        "resolve" => Some(NoData::Resolve),
        other => {
            let message = format!("unknown value `{other}` of {NO_DATA}");
            reader.invalid(message, "expected keep or resolve", value.span);
            None
        }
    }
}
