//! Trees to text: one line as Prometheus prints it, or laid out for reading. Both parse back to the same tree.

use std::fmt::{self, Write as _};

use super::{
    Aggregate, At, Binary, Cardinality, DurationExpr, Expr, ExprKind, Extended, Selector, parser::quote,
};
use crate::model::{Duration, METRIC_NAME, MatchOp, Matcher, is_legacy_label_name, is_legacy_metric_name};

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Number { value, is_duration } => number(f, *value, *is_duration),
            ExprKind::String(bytes) => f.write_str(&quote(bytes)),
            ExprKind::Selector(s) => {
                name_and_matchers(f, s)?;
                at(f, s.at)?;
                extended(f, s.extended)?;
                offset(f, s.offset.as_ref())
            }
            ExprKind::Range { selector: s, range } => {
                name_and_matchers(f, s)?;
                write!(f, "[{range}]")?;
                extended(f, s.extended)?;
                at(f, s.at)?;
                offset(f, s.offset.as_ref())
            }
            ExprKind::Subquery { expr, .. } => {
                write!(f, "{expr}")?;
                f.write_str(&subquery_suffix(self))
            }
            ExprKind::Paren(e) => write!(f, "({e})"),
            ExprKind::Unary { negative, expr } => write!(f, "{}{expr}", if *negative { "-" } else { "+" }),
            ExprKind::Binary(b) => write!(f, "{} {} {}", b.lhs, operator(b), b.rhs),
            ExprKind::Aggregate(a) => {
                write!(f, "{}(", aggregate_head(a))?;
                if let Some(param) = &a.param {
                    write!(f, "{param}, ")?;
                }
                write!(f, "{})", a.expr)
            }
            ExprKind::Call { func, args, .. } => {
                write!(f, "{func}(")?;
                for (i, arg) in args.iter().enumerate() {
                    write!(f, "{}{arg}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str(")")
            }
        }
    }
}

fn number(f: &mut fmt::Formatter<'_>, value: f64, is_duration: bool) -> fmt::Result {
    if is_duration {
        let sign = if value < 0.0 { "-" } else { "" };
        return write!(f, "{sign}{}", Duration::from_millis((value.abs() * 1000.0).round() as i64));
    }
    if value.is_nan() {
        f.write_str("NaN")
    } else if value.is_infinite() {
        f.write_str(if value > 0.0 { "+Inf" } else { "-Inf" })
    } else {
        write!(f, "{value}")
    }
}

fn label(name: &str) -> String {
    if is_legacy_label_name(name) { name.to_owned() } else { quote(name.as_bytes()) }
}

fn labels(names: &[std::sync::Arc<str>]) -> String {
    names.iter().map(|n| label(n)).collect::<Vec<_>>().join(", ")
}

fn matcher(m: &Matcher) -> String {
    format!("{}{}{}", label(&m.name), m.op.as_str(), quote(m.value.as_bytes()))
}

fn name_and_matchers(f: &mut fmt::Formatter<'_>, s: &Selector) -> fmt::Result {
    let bare = s.name.as_deref().filter(|n| is_legacy_metric_name(n));
    let mut parts: Vec<String> = Vec::new();
    let mut skipped = false;
    for m in &s.matchers {
        let is_name =
            *m.name == *METRIC_NAME && m.op == MatchOp::Equal && s.name.as_deref() == Some(&*m.value);
        if is_name && !skipped && !m.value.is_empty() {
            skipped = true;
        } else {
            parts.push(matcher(m));
        }
    }
    parts.sort();
    match (bare, s.name.as_deref()) {
        (Some(name), _) => f.write_str(name)?,
        (None, Some(name)) => parts.insert(0, quote(name.as_bytes())),
        (None, None) => {}
    }
    if !parts.is_empty() || (bare.is_none()) {
        write!(f, "{{{}}}", parts.join(","))?;
    }
    Ok(())
}

fn at(f: &mut fmt::Formatter<'_>, at: Option<At>) -> fmt::Result {
    match at {
        None => Ok(()),
        Some(At::Time(t)) => write!(f, " @ {:.3}", t.as_secs_f64()),
        Some(At::Start) => f.write_str(" @ start()"),
        Some(At::End) => f.write_str(" @ end()"),
    }
}

fn offset(f: &mut fmt::Formatter<'_>, offset: Option<&DurationExpr>) -> fmt::Result {
    match offset {
        None => Ok(()),
        Some(d) => write!(f, " offset {d}"),
    }
}

fn extended(f: &mut fmt::Formatter<'_>, extended: Option<Extended>) -> fmt::Result {
    f.write_str(match extended {
        None => "",
        Some(Extended::Anchored) => " anchored",
        Some(Extended::Smoothed) => " smoothed",
    })
}

struct Modifiers<'a>(Option<At>, Option<&'a DurationExpr>);

impl fmt::Display for Modifiers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        at(f, self.0)?;
        offset(f, self.1)
    }
}

fn subquery_suffix(expr: &Expr) -> String {
    let ExprKind::Subquery { range, step, offset, at, .. } = &expr.kind else { return String::new() };
    let step = step.as_ref().map_or(String::new(), ToString::to_string);
    format!("[{range}:{step}]{}", Modifiers(*at, offset.as_ref()))
}

fn aggregate_head(a: &Aggregate) -> String {
    let op = a.op.as_str();
    match (a.without, a.grouping.is_empty()) {
        (true, _) => format!("{op} without ({}) ", labels(&a.grouping)),
        (false, false) => format!("{op} by ({}) ", labels(&a.grouping)),
        (false, true) => op.to_owned(),
    }
}

fn operator(b: &Binary) -> String {
    let mut out = b.op.as_str().to_owned();
    if b.bool_modifier {
        out.push_str(" bool");
    }
    let Some(m) = &b.matching else { return out };
    let grouped = matches!(m.card, Cardinality::ManyToOne | Cardinality::OneToMany);
    if !m.labels.is_empty() || m.on || grouped {
        let _ = write!(out, " {} ({})", if m.on { "on" } else { "ignoring" }, labels(&m.labels));
    }
    if grouped {
        let side = if m.card == Cardinality::ManyToOne { "left" } else { "right" };
        let _ = write!(out, " group_{side} ({})", labels(&m.include));
    }
    match (m.fill_left, m.fill_right) {
        (Some(l), Some(r)) if l.to_bits() == r.to_bits() => {
            let _ = write!(out, " fill ({l})");
        }
        (l, r) => {
            if let Some(l) = l {
                let _ = write!(out, " fill_left ({l})");
            }
            if let Some(r) = r {
                let _ = write!(out, " fill_right ({r})");
            }
        }
    }
    out
}

impl fmt::Display for DurationExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(d, _) if *d < Duration::ZERO => {
                write!(f, "-{}", Duration::from_millis(-d.as_millis()))
            }
            Self::Fixed(d, _) => write!(f, "{d}"),
            Self::Step => f.write_str("step()"),
            Self::Range => f.write_str("range()"),
            Self::Unary(negative, d) => write!(f, "{}{d}", if *negative { "-" } else { "" }),
            Self::Binary(op, a, b) => write!(f, "{a} {} {b}", op.as_str()),
            Self::Extreme(max, a, b) => write!(f, "{}({a}, {b})", if *max { "max_of" } else { "min_of" }),
            Self::Paren(d) => write!(f, "({d})"),
        }
    }
}

/// Longer lines than this are broken.
const WIDTH: usize = 100;

/// The expression laid out over lines, as Prometheus' `format_query` does: what fits in a line stays in one.
pub fn pretty(expr: &Expr) -> String {
    lay_out(expr, 0)
}

fn indent(level: usize) -> String {
    "  ".repeat(level)
}

fn lay_out(expr: &Expr, level: usize) -> String {
    let flat = expr.to_string();
    let pad = indent(level);
    if flat.chars().count() <= WIDTH {
        return format!("{pad}{flat}");
    }
    match &expr.kind {
        ExprKind::Paren(e) => format!("{pad}(\n{}\n{pad})", lay_out(e, level + 1)),
        ExprKind::Unary { negative, expr } => {
            format!("{pad}{}{}", if *negative { "-" } else { "+" }, lay_out(expr, level).trim_start())
        }
        ExprKind::Binary(b) => {
            format!(
                "{}\n{}{}\n{}",
                lay_out(&b.lhs, level + 1),
                indent(level),
                operator(b),
                lay_out(&b.rhs, level + 1)
            )
        }
        ExprKind::Subquery { expr: inner, .. } => {
            format!("{}{}", lay_out(inner, level), subquery_suffix(expr))
        }
        ExprKind::Aggregate(a) => {
            let args = a.param.iter().chain([&a.expr]).map(|e| lay_out(e, level + 1)).collect::<Vec<_>>();
            format!("{pad}{}(\n{}\n{pad})", aggregate_head(a), args.join(",\n"))
        }
        ExprKind::Call { func, args, .. } => {
            let args = args.iter().map(|e| lay_out(e, level + 1)).collect::<Vec<_>>();
            format!("{pad}{func}(\n{}\n{pad})", args.join(",\n"))
        }
        _ => format!("{pad}{flat}"),
    }
}
