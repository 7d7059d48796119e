//! Types of expressions and their check, with positions; all errors at once.

use super::{ParseError, arity};
use crate::promql::{
    Aggregate, AggregateOp, Binary, Expr, ExprKind, Extended, Selector,
    ValueType::{self, Matrix, Scalar, String as Text, Vector},
    function,
};

/// The type of an expression's value.
pub fn value_type(expr: &Expr) -> ValueType {
    match &expr.kind {
        ExprKind::Number { .. } => Scalar,
        ExprKind::String(_) => Text,
        ExprKind::Selector(_) | ExprKind::Aggregate(_) => Vector,
        ExprKind::Range { .. } | ExprKind::Subquery { .. } => Matrix,
        ExprKind::Paren(e) | ExprKind::Unary { expr: e, .. } => value_type(e),
        ExprKind::Binary(b) => {
            if value_type(&b.lhs) == Scalar && value_type(&b.rhs) == Scalar {
                Scalar
            } else {
                Vector
            }
        }
        ExprKind::Call { func, .. } => function(func).map_or(Vector, |f| f.returns),
    }
}

pub(super) fn check(expr: &Expr) -> Vec<ParseError> {
    let mut errors = Vec::new();
    visit(expr, false, &mut errors);
    errors
}

fn visit(expr: &Expr, empty_selector_allowed: bool, errors: &mut Vec<ParseError>) {
    match &expr.kind {
        ExprKind::Number { .. } | ExprKind::String(_) => {}
        ExprKind::Selector(s) | ExprKind::Range { selector: s, .. } => {
            if !empty_selector_allowed {
                selector(expr, s, errors);
            }
        }
        ExprKind::Subquery { expr: inner, .. } => {
            visit(inner, false, errors);
            let found = value_type(inner);
            if found != Vector {
                let message = format!(
                    "subquery is only allowed on instant vector, got {} in {:?} instead",
                    found.as_str(),
                    inner.to_string()
                );
                errors.push(ParseError::new(inner.span, message));
            }
        }
        ExprKind::Paren(inner) => visit(inner, empty_selector_allowed, errors),
        ExprKind::Unary { expr: inner, .. } => {
            visit(inner, false, errors);
            let found = value_type(inner);
            if found != Scalar && found != Vector {
                let message = format!(
                    "unary expression only allowed on expressions of type scalar or instant vector, got {:?}",
                    found.as_str()
                );
                errors.push(ParseError::new(inner.span, message));
            }
        }
        ExprKind::Binary(b) => binary(b, errors),
        ExprKind::Aggregate(a) => aggregate(a, errors),
        ExprKind::Call { func, args, .. } => call(expr, func, args, errors),
    }
}

fn selector(expr: &Expr, s: &Selector, errors: &mut Vec<ParseError>) {
    if s.matchers.iter().all(|m| m.matches("")) {
        errors.push(
            ParseError::new(expr.span, "vector selector must contain at least one non-empty matcher")
                .hint("name a metric, or a label with a value that is not empty"),
        );
    }
}

fn expect(expr: &Expr, wanted: ValueType, context: &str, errors: &mut Vec<ParseError>) {
    let found = value_type(expr);
    if found == wanted {
        return;
    }
    let message = format!("expected type {} in {context}, got {}", wanted.as_str(), found.as_str());
    let mut error = ParseError::new(expr.span, message).expected(wanted.as_str());
    if wanted == Matrix && matches!(expr.kind, ExprKind::Selector(_)) {
        error = error.hint(format!("add a range: {expr}[5m]"));
    } else if wanted == Matrix {
        error = error.hint("make it a subquery: (…)[5m:]");
    } else if wanted == Vector && found == Matrix {
        error = error.hint("a range needs a function over it, such as rate(…) or max_over_time(…)");
    }
    errors.push(error);
}

fn binary(b: &Binary, errors: &mut Vec<ParseError>) {
    visit(&b.lhs, false, errors);
    visit(&b.rhs, false, errors);
    let (left, right) = (value_type(&b.lhs), value_type(&b.rhs));
    for (side, found) in [(&b.lhs, left), (&b.rhs, right)] {
        if found != Scalar && found != Vector {
            let mut error = ParseError::new(
                side.span,
                "binary expression must contain only scalar and instant vector types",
            );
            if found == Matrix {
                error = error.hint("a range needs a function over it, such as rate(…) or max_over_time(…)");
            }
            errors.push(error);
            return;
        }
    }
    let both = left == Vector && right == Vector;
    if b.op.is_set() && !both {
        let message = format!("set operator {:?} not allowed in binary scalar expression", b.op.as_str());
        errors.push(ParseError::new(b.op_span, message));
        return;
    }
    if b.op.is_comparison() && !b.bool_modifier && left == Scalar && right == Scalar {
        errors.push(
            ParseError::new(b.op_span, "comparisons between scalars must use BOOL modifier")
                .hint(format!("write `{} bool`", b.op.as_str())),
        );
    }
    if !both && b.matching.is_some() {
        errors.push(ParseError::new(b.op_span, "vector matching only allowed between instant vectors"));
    }
}

fn aggregate(a: &Aggregate, errors: &mut Vec<ParseError>) {
    visit(&a.expr, false, errors);
    expect(&a.expr, Vector, "aggregation expression", errors);
    if let Some(param) = &a.param {
        visit(param, false, errors);
        let wanted = if a.op == AggregateOp::CountValues { Text } else { Scalar };
        expect(param, wanted, "aggregation parameter", errors);
    }
}

fn call(expr: &Expr, name: &str, args: &[Expr], errors: &mut Vec<ParseError>) {
    let Some(known) = function(name) else { return };
    let (least, most) = arity(known);
    if args.len() < least || most.is_some_and(|m| args.len() > m) {
        let wanted = match most {
            Some(m) if m == least => {
                format!("expected {least} argument(s) in call to {name:?}, got {}", args.len())
            }
            Some(m) if args.len() > m => {
                format!("expected at most {m} argument(s) in call to {name:?}, got {}", args.len())
            }
            _ => format!("expected at least {least} argument(s) in call to {name:?}, got {}", args.len()),
        };
        errors.push(ParseError::new(expr.span, wanted));
    }
    for (i, arg) in args.iter().enumerate() {
        let label_selector = name == "info" && i == 1;
        visit(arg, label_selector, errors);
        if label_selector && !matches!(arg.kind, ExprKind::Selector(_)) {
            errors.push(ParseError::new(
                arg.span,
                "expected label selectors as the second argument to info function",
            ));
            continue;
        }
        let Some(wanted) = known.args.get(i).or(known.args.last()) else { continue };
        expect(arg, *wanted, &format!("call to function {name:?}"), errors);
        extended(arg, name, errors);
    }
}

/// `anchored` and `smoothed` change the meaning of few functions; elsewhere they would be ignored (spec Q33).
fn extended(arg: &Expr, name: &str, errors: &mut Vec<ParseError>) {
    let ExprKind::Range { selector, .. } = &arg.kind else { return };
    let (word, allowed): (&str, &[&str]) = match selector.extended {
        None => return,
        Some(Extended::Anchored) => ("anchored", &["resets", "changes", "rate", "increase", "delta"]),
        Some(Extended::Smoothed) => ("smoothed", &["rate", "increase", "delta"]),
    };
    if !allowed.contains(&name) {
        let message =
            format!("{word} modifier can only be used with: {} - not with {name}", allowed.join(", "));
        errors.push(ParseError::new(arg.span, message));
    }
}
