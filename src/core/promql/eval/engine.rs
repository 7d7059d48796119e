//! One step at a time: a node per kind of expression.

use std::collections::{BTreeMap, HashMap};

use super::{
    Annotations, EvalError, EvalOptions, Evaluated, aggregate, binary, functions,
    select::{Selected, Steps, positive, shifted},
};
use crate::{
    diag::Span,
    model::{Duration, Labels, METRIC_NAME, Sources, Timestamp},
    promql::{Element, Expr, ExprKind, Queryable, RangeSeries, SampleValue, Selector, Value},
};

/// An element on its way.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct El {
    pub(super) labels: Labels,
    pub(super) v: f64,
    pub(super) sources: Sources,
    /// The name goes when the query ends (delayed name removal).
    pub(super) drop_name: bool,
}

/// One series of a range.
#[derive(Debug, Clone)]
pub(super) struct Span1 {
    pub(super) labels: Labels,
    pub(super) sources: Sources,
    pub(super) drop_name: bool,
    pub(super) t: Vec<i64>,
    pub(super) v: Vec<f64>,
}

/// A value on its way.
pub(super) enum Val {
    Scalar(f64, Sources),
    Text(Vec<u8>),
    Vector(Vec<El>),
}

/// The window of a range function: from when (open) to when (closed).
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) after: i64,
    pub(super) until: i64,
}

pub(super) struct Engine<'a> {
    pub(super) options: &'a EvalOptions,
    pub(super) steps: Steps,
    pub(super) selected: Selected,
    pub(super) annotations: Annotations,
    pub(super) range_query: bool,
    produced: usize,
}

pub(super) type Result<T> = std::result::Result<T, EvalError>;

/// Labels that name a series rather than describe it.
pub(super) fn is_name(label: &str) -> bool {
    matches!(label, METRIC_NAME | "__type__" | "__unit__")
}

pub(super) fn without_name(labels: &Labels) -> Labels {
    labels.without(is_name)
}

/// Evaluates at one time.
///
/// # Errors
/// With the place in the query; see [`EvalError`].
pub fn eval_instant(
    expr: &Expr,
    at: Timestamp,
    options: &EvalOptions,
    data: &dyn Queryable,
) -> Result<Evaluated> {
    let steps = Steps { start: at.0, end: at.0, step: 0 };
    let mut engine = Engine::new(expr, steps, options, data, false)?;
    let value = match &inner(expr).kind {
        ExprKind::Range { .. } | ExprKind::Subquery { .. } => {
            let (series, _) = engine.matrix(inner(expr), at.0)?;
            let matrix = series.into_iter().map(|s| RangeSeries {
                labels: s.labels,
                t: s.t,
                v: s.v.into_iter().map(SampleValue::Float).collect(),
                sources: s.sources,
            });
            let mut matrix: Vec<RangeSeries> = matrix.collect();
            matrix.sort_by(|a, b| a.labels.cmp(&b.labels));
            Value::Matrix(matrix)
        }
        _ => match engine.eval(expr, at.0)? {
            Val::Scalar(v, _) => Value::Scalar(v),
            Val::Text(text) => Value::String(text),
            Val::Vector(elements) => Value::Vector(engine.finish(elements, at.0, expr.span)?),
        },
    };
    Ok(engine.done(value))
}

/// Evaluates at `start`, `start + step`, … up to `end`. The result is a matrix, sorted by labels.
///
/// # Errors
/// With the place in the query; see [`EvalError`].
pub fn eval_range(
    expr: &Expr,
    start: Timestamp,
    end: Timestamp,
    step: Duration,
    options: &EvalOptions,
    data: &dyn Queryable,
) -> Result<Evaluated> {
    if step <= Duration::ZERO {
        return Err(EvalError::new(
            expr.span,
            "zero or negative query resolution step widths are not accepted",
        ));
    }
    let steps = Steps { start: start.0, end: end.0, step: step.as_millis() };
    let mut engine = Engine::new(expr, steps, options, data, true)?;
    let mut series: BTreeMap<Labels, RangeSeries> = BTreeMap::new();
    let mut t = start.0;
    while t <= end.0 {
        let elements = match engine.eval(expr, t)? {
            Val::Scalar(v, sources) => {
                vec![El { labels: Labels::empty(), v, sources, drop_name: false }]
            }
            Val::Text(_) => return Err(EvalError::new(expr.span, "a string has no range")),
            Val::Vector(elements) => elements,
        };
        for element in engine.finish(elements, t, expr.span)? {
            let s = series.entry(element.labels.clone()).or_insert_with(|| RangeSeries {
                labels: element.labels,
                t: Vec::new(),
                v: Vec::new(),
                sources: Sources::NONE,
            });
            s.t.push(t);
            s.v.push(element.value);
            s.sources.merge(&element.sources);
        }
        t += step.as_millis();
    }
    let value = Value::Matrix(series.into_values().collect());
    Ok(engine.done(value))
}

fn inner(expr: &Expr) -> &Expr {
    match &expr.kind {
        ExprKind::Paren(e) => inner(e),
        _ => expr,
    }
}

impl<'a> Engine<'a> {
    fn new(
        expr: &Expr,
        steps: Steps,
        options: &'a EvalOptions,
        data: &dyn Queryable,
        range_query: bool,
    ) -> Result<Self> {
        let selected = Selected::read(expr, steps, options, data)?;
        Ok(Self { options, steps, selected, annotations: Annotations::default(), range_query, produced: 0 })
    }

    fn done(self, value: Value) -> Evaluated {
        Evaluated { value, annotations: self.annotations, samples_read: self.selected.samples }
    }

    /// Drops what names were to be dropped late; two elements must not end up equal.
    fn finish(&mut self, elements: Vec<El>, t: i64, span: Span) -> Result<Vec<Element>> {
        self.count(elements.len(), span)?;
        let out: Vec<Element> = elements
            .into_iter()
            .map(|e| Element {
                labels: if e.drop_name { without_name(&e.labels) } else { e.labels },
                value: SampleValue::Float(e.v),
                t: Timestamp(t),
                sources: e.sources,
            })
            .collect();
        unique(out.iter().map(|e| &e.labels), span)?;
        Ok(out)
    }

    fn count(&mut self, n: usize, span: Span) -> Result<()> {
        self.produced += n;
        if self.produced + self.selected.samples > self.options.samples_max {
            return Err(EvalError::new(
                span,
                "query processing would load too many samples into memory in query execution",
            ));
        }
        Ok(())
    }

    pub(super) fn eval(&mut self, expr: &Expr, t: i64) -> Result<Val> {
        match &expr.kind {
            ExprKind::Number { value, .. } => Ok(Val::Scalar(*value, Sources::NONE)),
            ExprKind::String(bytes) => Ok(Val::Text(bytes.to_vec())),
            ExprKind::Selector(s) => Ok(Val::Vector(self.instant(s, t, expr.span)?)),
            ExprKind::Range { .. } | ExprKind::Subquery { .. } => {
                Err(EvalError::new(expr.span, "invalid expression type \"range vector\" here"))
            }
            ExprKind::Paren(e) => self.eval(e, t),
            ExprKind::Unary { negative, expr: e } => {
                let val = self.eval(e, t)?;
                Ok(if *negative { self.negate(val, expr.span)? } else { val })
            }
            ExprKind::Binary(b) => binary::eval(self, b, t),
            ExprKind::Aggregate(a) => aggregate::eval(self, a, t),
            ExprKind::Call { func, args, .. } => functions::call(self, func, args, t, expr.span),
        }
    }

    fn negate(&mut self, val: Val, span: Span) -> Result<Val> {
        Ok(match val {
            Val::Scalar(v, sources) => Val::Scalar(-v, sources),
            Val::Vector(mut elements) => {
                for e in &mut elements {
                    e.v = -e.v;
                    self.drop_name(e);
                }
                unique(elements.iter().map(|e| &e.labels), span)?;
                Val::Vector(elements)
            }
            text @ Val::Text(_) => text,
        })
    }

    /// Drops an element's name, now or later.
    pub(super) fn drop_name(&self, e: &mut El) {
        if self.options.delayed_name_removal {
            e.drop_name = true;
        } else {
            e.labels = without_name(&e.labels);
        }
    }

    pub(super) fn vector(&mut self, expr: &Expr, t: i64) -> Result<Vec<El>> {
        match self.eval(expr, t)? {
            Val::Vector(elements) => Ok(elements),
            _ => Err(EvalError::new(expr.span, "expected an instant vector")),
        }
    }

    pub(super) fn scalar(&mut self, expr: &Expr, t: i64) -> Result<(f64, Sources)> {
        match self.eval(expr, t)? {
            Val::Scalar(v, sources) => Ok((v, sources)),
            _ => Err(EvalError::new(expr.span, "expected a scalar")),
        }
    }

    pub(super) fn text(&mut self, expr: &Expr, t: i64) -> Result<String> {
        match self.eval(expr, t)? {
            Val::Text(bytes) => {
                String::from_utf8(bytes).map_err(|_| EvalError::new(expr.span, "string is not valid UTF-8"))
            }
            _ => Err(EvalError::new(expr.span, "expected a string")),
        }
    }

    fn instant(&self, s: &Selector, t: i64, span: Span) -> Result<Vec<El>> {
        let (t, _) = shifted(s.at, s.offset.as_ref(), self.steps, t, t, span)?;
        let after = t.saturating_sub(self.options.lookback.as_millis());
        let found = self.selected.of(s).iter().filter_map(|l| {
            let (_, v) = l.newest(after, t)?;
            Some(El {
                labels: l.series.labels.clone(),
                v,
                sources: l.series.sources.clone(),
                drop_name: false,
            })
        });
        Ok(found.collect())
    }

    /// The times of a plain selector's samples: what `timestamp()` gives (spec Q12).
    pub(super) fn sample_times(&self, s: &Selector, t: i64, span: Span) -> Result<Vec<El>> {
        let (t, _) = shifted(s.at, s.offset.as_ref(), self.steps, t, t, span)?;
        let after = t.saturating_sub(self.options.lookback.as_millis());
        let found = self.selected.of(s).iter().filter_map(|l| {
            let (at, _) = l.newest(after, t)?;
            let (labels, sources) = (l.series.labels.clone(), l.series.sources.clone());
            Some(El { labels, v: at as f64 / 1000.0, sources, drop_name: false })
        });
        Ok(found.collect())
    }

    /// The series of a range vector at `t`, with samples, and the window that they lie in.
    pub(super) fn matrix(&mut self, expr: &Expr, t: i64) -> Result<(Vec<Span1>, Window)> {
        match &expr.kind {
            ExprKind::Paren(e) => self.matrix(e, t),
            ExprKind::Range { selector, range } => {
                let range = positive(range, self.steps, expr.span)?;
                let (until, _) = shifted(selector.at, selector.offset.as_ref(), self.steps, t, t, expr.span)?;
                let window = Window { after: until.saturating_sub(range.as_millis()), until };
                let found = self.selected.of(selector).iter().filter_map(|l| {
                    let (t, v) = l.window(window.after, window.until);
                    (!t.is_empty()).then(|| Span1 {
                        labels: l.series.labels.clone(),
                        sources: l.series.sources.clone(),
                        drop_name: false,
                        t: t.to_vec(),
                        v: v.to_vec(),
                    })
                });
                Ok((found.collect(), window))
            }
            ExprKind::Subquery { .. } => self.subquery(expr, t),
            _ => Err(EvalError::new(expr.span, "expected a range vector")),
        }
    }

    /// Points at absolute multiples of the step in `(t − offset − range, t − offset]` (spec Q28).
    fn subquery(&mut self, whole: &Expr, t: i64) -> Result<(Vec<Span1>, Window)> {
        let ExprKind::Subquery { expr, range, step, offset, at } = &whole.kind else {
            return Err(EvalError::new(whole.span, "expected a subquery"));
        };
        let range = positive(range, self.steps, whole.span)?.as_millis();
        let step = match step {
            Some(step) => positive(step, self.steps, whole.span)?,
            None => self.options.default_step,
        };
        let step = step.as_millis().max(1);
        let (until, _) = shifted(*at, offset.as_ref(), self.steps, t, t, whole.span)?;
        let window = Window { after: until.saturating_sub(range), until };
        let mut order: Vec<Span1> = Vec::new();
        let mut index: HashMap<(Labels, bool), usize> = HashMap::new();
        let mut at = window.after.div_euclid(step) * step + step;
        while at <= until {
            let elements = match self.eval(expr, at)? {
                Val::Vector(elements) => elements,
                Val::Scalar(v, sources) => vec![El { labels: Labels::empty(), v, sources, drop_name: false }],
                Val::Text(_) => return Err(EvalError::new(expr.span, "a string has no range")),
            };
            self.count(elements.len(), whole.span)?;
            for e in elements {
                let key = (e.labels.clone(), e.drop_name);
                let i = *index.entry(key).or_insert_with(|| {
                    let (labels, drop_name) = (e.labels.clone(), e.drop_name);
                    order.push(Span1 { labels, sources: Sources::NONE, drop_name, t: vec![], v: vec![] });
                    order.len() - 1
                });
                order[i].sources.merge(&e.sources);
                order[i].t.push(at);
                order[i].v.push(e.v);
            }
            at += step;
        }
        Ok((order, window))
    }
}

/// No two equal label sets.
pub(super) fn unique<'l>(labels: impl Iterator<Item = &'l Labels>, span: Span) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    for l in labels {
        if !seen.insert(l) {
            return Err(EvalError::new(span, "vector cannot contain metrics with the same labelset"));
        }
    }
    Ok(())
}
