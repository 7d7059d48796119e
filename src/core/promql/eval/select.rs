//! All selectors of a query, read once, in one pass before anything is computed.

use std::collections::HashMap;

use super::{EvalError, EvalOptions};
use crate::{
    diag::Span,
    model::{Duration, Timestamp, is_stale},
    promql::{At, DurationExpr, Expr, ExprKind, Queryable, SelectError, SelectHints, Selector, Series},
};

/// The steps of the query as a whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Steps {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) step: i64,
}

/// The samples of each selector, found by the selector's address in the tree (which doesn't move while evaluated).
pub(super) struct Selected {
    by_selector: HashMap<usize, Vec<Loaded>>,
    pub(super) samples: usize,
}

/// One series.
pub(super) struct Loaded {
    pub(super) series: Series,
    /// The columns without stale markers, where there are any.
    clean: Option<(Vec<i64>, Vec<f64>)>,
}

impl Loaded {
    /// Samples in `(after, until]` without stale markers.
    pub(super) fn window(&self, after: i64, until: i64) -> (&[i64], &[f64]) {
        let (t, v) = match &self.clean {
            Some((t, v)) => (t, v),
            None => (&self.series.t, &self.series.v),
        };
        let from = t.partition_point(|x| *x <= after);
        let to = t.partition_point(|x| *x <= until);
        if from >= to { (&[], &[]) } else { (&t[from..to], &v[from..to]) }
    }

    /// The newest sample in `(after, until]`, unless it is a stale marker.
    pub(super) fn newest(&self, after: i64, until: i64) -> Option<(i64, f64)> {
        let to = self.series.t.partition_point(|x| *x <= until);
        let i = to.checked_sub(1)?;
        let (t, v) = (self.series.t[i], self.series.v[i]);
        (t > after && !is_stale(v)).then_some((t, v))
    }
}

impl Selected {
    pub(super) fn of(&self, selector: &Selector) -> &[Loaded] {
        self.by_selector.get(&address(selector)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn read(
        expr: &Expr,
        steps: Steps,
        options: &EvalOptions,
        data: &dyn Queryable,
    ) -> Result<Self, EvalError> {
        let mut all = Self { by_selector: HashMap::new(), samples: 0 };
        let mut reader = Reader { all: &mut all, steps, options, data };
        reader.visit(expr, steps.start, steps.end)?;
        Ok(all)
    }
}

fn address(selector: &Selector) -> usize {
    std::ptr::from_ref(selector) as usize
}

struct Reader<'a> {
    all: &'a mut Selected,
    steps: Steps,
    options: &'a EvalOptions,
    data: &'a dyn Queryable,
}

impl Reader<'_> {
    /// `from` and `to` bound the times at which `expr` is evaluated.
    fn visit(&mut self, expr: &Expr, from: i64, to: i64) -> Result<(), EvalError> {
        match &expr.kind {
            ExprKind::Number { .. } | ExprKind::String(_) => Ok(()),
            ExprKind::Selector(s) => self.load(s, self.options.lookback, from, to, expr.span),
            ExprKind::Range { selector, range } => {
                let range = positive(range, self.steps, expr.span)?;
                self.load(selector, range, from, to, expr.span)
            }
            ExprKind::Subquery { expr: inner, range, offset, at, .. } => {
                let range = positive(range, self.steps, expr.span)?;
                let (from, to) = shifted(*at, offset.as_ref(), self.steps, from, to, expr.span)?;
                self.visit(inner, from.saturating_sub(range.as_millis()), to)
            }
            ExprKind::Paren(e) | ExprKind::Unary { expr: e, .. } => self.visit(e, from, to),
            ExprKind::Binary(b) => {
                self.visit(&b.lhs, from, to)?;
                self.visit(&b.rhs, from, to)
            }
            ExprKind::Aggregate(a) => {
                if let Some(param) = &a.param {
                    self.visit(param, from, to)?;
                }
                self.visit(&a.expr, from, to)
            }
            ExprKind::Call { args, .. } => args.iter().try_for_each(|a| self.visit(a, from, to)),
        }
    }

    fn load(
        &mut self,
        s: &Selector,
        window: Duration,
        from: i64,
        to: i64,
        span: Span,
    ) -> Result<(), EvalError> {
        let (from, to) = shifted(s.at, s.offset.as_ref(), self.steps, from, to, span)?;
        let left = self.options.samples_max.saturating_sub(self.all.samples).max(1);
        let hints = SelectHints { newest_only: false, samples_max: left };
        let after = Timestamp(from.saturating_sub(window.as_millis()));
        let found = self.data.select(&s.matchers, after, Timestamp(to), hints).map_err(|e| {
            let message = match e {
                SelectError::TooManySamples => e.to_string(),
                SelectError::Storage(_) => format!("expanding series: {e}"),
            };
            EvalError::new(span, message)
        })?;
        self.all.samples += found.iter().map(|s| s.t.len()).sum::<usize>();
        if self.all.samples > self.options.samples_max {
            return Err(EvalError::new(span, SelectError::TooManySamples.to_string()));
        }
        let mut loaded: Vec<Loaded> = found.into_iter().map(clean).collect();
        loaded.sort_by(|a, b| a.series.labels.cmp(&b.series.labels));
        self.all.by_selector.insert(address(s), loaded);
        Ok(())
    }
}

fn clean(series: Series) -> Loaded {
    let clean = series.v.iter().any(|v| is_stale(*v)).then(|| {
        let kept = series.t.iter().zip(&series.v).filter(|(_, v)| !is_stale(**v));
        kept.map(|(t, v)| (*t, *v)).unzip()
    });
    Loaded { series, clean }
}

/// The length of a range or step: must be positive.
pub(super) fn positive(d: &DurationExpr, steps: Steps, span: Span) -> Result<Duration, EvalError> {
    let length = fixed(d, steps, span)?;
    if length > Duration::ZERO {
        return Ok(length);
    }
    Err(EvalError::new(span, "duration must be greater than 0"))
}

pub(super) fn fixed(d: &DurationExpr, steps: Steps, span: Span) -> Result<Duration, EvalError> {
    let step = Duration::from_millis(steps.step);
    let range = Duration::from_millis(steps.end - steps.start);
    d.eval(step, range).map_err(|e| EvalError::new(span, e))
}

/// Where a selector evaluated between `from` and `to` really looks: `@` first, then the offset (spec Q25).
pub(super) fn shifted(
    at: Option<At>,
    offset: Option<&DurationExpr>,
    steps: Steps,
    from: i64,
    to: i64,
    span: Span,
) -> Result<(i64, i64), EvalError> {
    let (from, to) = match at {
        None => (from, to),
        Some(At::Time(t)) => (t.0, t.0),
        Some(At::Start) => (steps.start, steps.start),
        Some(At::End) => (steps.end, steps.end),
    };
    let offset = match offset {
        None => 0,
        Some(d) => fixed(d, steps, span)?.as_millis(),
    };
    Ok((from.saturating_sub(offset), to.saturating_sub(offset)))
}
