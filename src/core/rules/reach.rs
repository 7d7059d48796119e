//! How far back an expression looks: as long as that reaches into time when a source was blind, a missing result
//! says nothing.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    model::Duration,
    promql::{DurationExpr, Expr, ExprKind, Selector},
};

/// How far back recording rules look, by the name that they write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reaches(BTreeMap<Arc<str>, Duration>);

impl Reaches {
    /// From all recording rules of the running configuration, each with the time between its evaluations: after a
    /// blind time its series is missing until it is evaluated again. A rule that reads another's result looks as far
    /// back as both together; rules that read each other in a circle count a bounded number of times.
    pub fn new<'a>(rules: impl IntoIterator<Item = (&'a Arc<str>, &'a Expr, Duration)>) -> Self {
        let rules: Vec<(&Arc<str>, &Expr, Duration)> = rules.into_iter().collect();
        let mut reaches = Self(rules.iter().map(|(name, ..)| (Arc::clone(name), Duration::ZERO)).collect());
        // A chain without a circle is no longer than the list.
        for _ in 0..rules.len() {
            let mut changed = false;
            let mut next = reaches.0.clone();
            for (name, expr, interval) in &rules {
                let found = plus(reach(expr, &reaches), *interval);
                if let Some(known) = next.get_mut(*name)
                    && found > *known
                    && found <= LONGEST
                {
                    *known = found;
                    changed = true;
                }
            }
            reaches.0 = next;
            if !changed {
                break;
            }
        }
        reaches
    }
}

/// A circle of rules with ranges would look back without end.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// How far before the evaluation time an expression reads; zero for plain instant selectors. `@` modifiers look at a
/// fixed time and don't count.
pub fn reach(expr: &Expr, recorded: &Reaches) -> Duration {
    match &expr.kind {
        ExprKind::Number { .. } | ExprKind::String(_) => Duration::ZERO,
        ExprKind::Selector(s) => of_selector(s, recorded),
        ExprKind::Range { selector, range } => plus(of_selector(selector, recorded), fixed(range)),
        ExprKind::Subquery { expr, range, offset, .. } => {
            let own = plus(fixed(range), offset.as_ref().map_or(Duration::ZERO, fixed));
            plus(own, reach(expr, recorded))
        }
        ExprKind::Paren(e) | ExprKind::Unary { expr: e, .. } => reach(e, recorded),
        ExprKind::Binary(b) => reach(&b.lhs, recorded).max(reach(&b.rhs, recorded)),
        ExprKind::Aggregate(a) => {
            let param = a.param.as_ref().map_or(Duration::ZERO, |p| reach(p, recorded));
            reach(&a.expr, recorded).max(param)
        }
        ExprKind::Call { args, .. } => {
            args.iter().map(|a| reach(a, recorded)).max().unwrap_or(Duration::ZERO)
        }
    }
}

fn of_selector(selector: &Selector, recorded: &Reaches) -> Duration {
    let own = selector.offset.as_ref().map_or(Duration::ZERO, fixed);
    let rule = selector.name.as_ref().and_then(|n| recorded.0.get(n)).copied().unwrap_or(Duration::ZERO);
    plus(own.max(Duration::ZERO), rule)
}

fn plus(a: Duration, b: Duration) -> Duration {
    Duration::from_millis(a.as_millis().saturating_add(b.as_millis()))
}

/// The length of a duration expression in an instant query, where `step()` and `range()` are zero.
fn fixed(d: &DurationExpr) -> Duration {
    match d {
        DurationExpr::Fixed(d, _) => *d,
        DurationExpr::Step | DurationExpr::Range => Duration::ZERO,
        DurationExpr::Unary(negative, d) => {
            let d = fixed(d);
            if *negative { Duration::from_millis(-d.as_millis()) } else { d }
        }
        // Arithmetic only ever shortens or lengthens what its parts name: the longer part is the safe side.
        DurationExpr::Binary(_, a, b) => plus(fixed(a).max(Duration::ZERO), fixed(b).max(Duration::ZERO)),
        DurationExpr::Extreme(_, a, b) => fixed(a).max(fixed(b)),
        DurationExpr::Paren(d) => fixed(d),
    }
}
