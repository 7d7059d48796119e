//! The route tree and matchers (spec alertmanager §1.2, §1.3).

use std::sync::Arc;

use botwatch_core::{
    alerting::{
        GroupBy, GroupByError,
        matchers::{self, Mode, Warning},
    },
    diag::Span,
    model::{Duration, MatchOp, Matcher, is_legacy_label_name},
    yaml::{Node, Reader, Value},
};

use crate::config::value::{At, Out, Pairs, Place, Read, Show, over_zero, section};

section! {
    /// A route with its children.
    pub struct Route("a route", "route", named "route to" by "receiver", check Route::check) {
        /// Who is told.
        receiver: At<Arc<str>>,
        /// What makes a group.
        group_by: Vec<At<Arc<str>>>,
        /// How long a new group waits for more alerts.
        group_wait: At<Duration>,
        /// How often a group is looked at after that.
        group_interval: At<Duration>,
        /// When what was told is told again.
        repeat_interval: At<Duration>,
        /// Whether later siblings are tried too.
        r#continue as "continue": At<bool>,
        /// Older form: labels that an alert has.
        r#match as "match": MatcherMap,
        /// Older form: patterns that its labels match.
        match_re: RegexMap,
        /// What an alert matches.
        matchers: Matchers,
        /// Names of time intervals in which nothing new is told.
        mute_time_intervals: Vec<At<Arc<str>>>,
        /// Names of time intervals outside which nothing new is told.
        active_time_intervals: Vec<At<Arc<str>>>,
        /// Labels for messages; values are templates.
        labels: Pairs,
        /// Child routes, tried in order.
        routes: Vec<Route>,
    }
}

impl Route {
    fn check(&self, reader: &mut Reader, _: Span) {
        over_zero(reader, "group_interval", &self.group_interval);
        over_zero(reader, "repeat_interval", &self.repeat_interval);
        if let Some(names) = &self.group_by
            && let Err(error) = GroupBy::from_names(&names.iter().map(|n| &*n.value).collect::<Vec<_>>())
            && let Some(at) = names.iter().rev().find(|n| blamed(&error, n)).and_then(|n| n.place.as_ref())
        {
            reader.report(at.error("invalid-value", error.to_string()).label("not possible in `group_by`"));
        }
        for (name, _) in self.labels.iter().flat_map(|l| &l.0).filter(|(name, _)| name.is_empty()) {
            reader.report(name.error("invalid-value", "a label without a name").label("expected a name"));
        }
    }
}

/// Whether an error of `group_by` is about this name.
fn blamed(error: &GroupByError, name: &str) -> bool {
    match error {
        GroupByError::Mixed => name == "...",
        GroupByError::Duplicate(twice) => name == twice,
        GroupByError::Empty => name.is_empty(),
    }
}

/// A list of matchers. Each item may hold several, separated by commas.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Matchers {
    /// Compiled, in the order written.
    pub matchers: Vec<Matcher>,
    /// As written, for printing.
    written: Vec<At<Arc<str>>>,
}

impl Matchers {
    /// Matchers that botwatch itself writes.
    pub fn shipped(texts: &[&str]) -> Self {
        let parse = |t: &&str| matchers::parse(t).expect("a constant or a word from a fixed list");
        Self {
            matchers: texts.iter().flat_map(parse).collect(),
            written: texts.iter().map(|t| At::default_value((*t).into())).collect(),
        }
    }
}

impl Read for Matchers {
    fn read(reader: &mut Reader, node: &Node) -> Option<Self> {
        let mut all = Self::default();
        for item in reader.list(node)? {
            let Some(scalar) = reader.scalar(item, "a matcher such as `severity=\"critical\"`") else {
                continue;
            };
            match matchers::parse_in(Mode::Fallback, &scalar.text) {
                Ok(parsed) => {
                    all.matchers.extend(parsed.matchers);
                    if let Some(warning) = parsed.warning {
                        warn(reader, item, &warning);
                    }
                }
                Err(error) => {
                    let span = scalar.locate(error.span);
                    let d =
                        reader.error("invalid-matcher", format!("not a matcher: {}", error.message), span);
                    let is_regex = error.message.contains("regular expression");
                    reader.report(if is_regex {
                        d.label("expected RE2 syntax")
                    } else {
                        d.label("expected `label=\"value\"`").hint("operators are = != =~ !~")
                    });
                }
            }
            let place = Some(Place::of(reader, item.span));
            all.written.push(At { value: Arc::clone(&scalar.text), place });
        }
        Some(all)
    }
}

fn warn(reader: &mut Reader, item: &Node, warning: &Warning) {
    let (message, suggestion) = match warning {
        Warning::ClassicOnly { suggestion } => ("a matcher in an older notation", suggestion),
        Warning::Disagreement { suggestion } => {
            ("a matcher that old and new notation read differently", suggestion)
        }
    };
    let d = reader.warning("matcher-notation", message, item.span);
    reader.report(d.label("the older reading is used").hint(format!("write it as {suggestion}")));
}

impl Show for Matchers {
    fn show(&self) -> Option<Out> {
        self.written.show()
    }
}

/// Labels and the values that they must have (older form).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MatcherMap {
    /// Compiled.
    pub matchers: Vec<Matcher>,
    written: Pairs,
}

/// Labels and the patterns that they must match (older form).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RegexMap {
    /// Compiled.
    pub matchers: Vec<Matcher>,
    written: Pairs,
}

impl Read for MatcherMap {
    fn read(reader: &mut Reader, node: &Node) -> Option<Self> {
        let (matchers, written) = read_map(reader, node, MatchOp::Equal)?;
        Some(Self { matchers, written })
    }
}

impl Read for RegexMap {
    fn read(reader: &mut Reader, node: &Node) -> Option<Self> {
        let (matchers, written) = read_map(reader, node, MatchOp::Regex)?;
        Some(Self { matchers, written })
    }
}

impl Show for MatcherMap {
    fn show(&self) -> Option<Out> {
        self.written.show()
    }
}

impl Show for RegexMap {
    fn show(&self) -> Option<Out> {
        self.written.show()
    }
}

/// Keys must be classic label names; a null pattern is an error (spec C-26, §1.8).
fn read_map(reader: &mut Reader, node: &Node, op: MatchOp) -> Option<(Vec<Matcher>, Pairs)> {
    let written = Pairs::read(reader, node)?;
    let Value::Mapping(entries) = &node.value else { return None };
    let mut matchers = Vec::new();
    for (key, value) in entries {
        if !is_legacy_label_name(&key.text) {
            reader.invalid(
                format!("`{}` is no label name", key.text),
                "expected letters, digits and `_`",
                key.span,
            );
        }
        if op == MatchOp::Regex && value.is_null() {
            let message = format!("the pattern of label `{}` is empty", key.text);
            reader.invalid(message, "a pattern is needed", value.span);
            continue;
        }
        let Some(text) = reader.arc(value) else { continue };
        match Matcher::new(Arc::clone(&key.text), op, text) {
            Ok(matcher) => matchers.push(matcher),
            Err(error) => {
                let d =
                    reader.error("invalid-regex", format!("not a regular expression: {error}"), value.span);
                reader.report(d.label("expected RE2 syntax"));
            }
        }
    }
    Some((matchers, written))
}
