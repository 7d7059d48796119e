//! Binary operators and vector matching (spec Q19–Q24).

use std::collections::{HashMap, HashSet};

use super::{
    EvalError,
    engine::{El, Engine, Result, Val, unique, without_name},
};
use crate::{
    model::{Labels, Sources},
    promql::{Binary, BinaryOp, Cardinality, VectorMatching},
};

/// `None`: a comparison that fails.
fn scalar_op(op: BinaryOp, l: f64, r: f64) -> Option<f64> {
    let compare = |holds: bool| holds.then_some(l);
    match op {
        BinaryOp::Add => Some(l + r),
        BinaryOp::Sub => Some(l - r),
        BinaryOp::Mul => Some(l * r),
        BinaryOp::Div => Some(l / r),
        BinaryOp::Mod => Some(l % r),
        BinaryOp::Pow => Some(l.powf(r)),
        BinaryOp::Atan2 => Some(l.atan2(r)),
        BinaryOp::Eq => compare(l == r),
        BinaryOp::Ne => compare(l != r),
        BinaryOp::Lt => compare(l < r),
        BinaryOp::Le => compare(l <= r),
        BinaryOp::Gt => compare(l > r),
        BinaryOp::Ge => compare(l >= r),
        BinaryOp::Or | BinaryOp::And | BinaryOp::Unless | BinaryOp::TrimUpper | BinaryOp::TrimLower => None,
    }
}

pub(super) fn eval(engine: &mut Engine<'_>, b: &Binary, t: i64) -> Result<Val> {
    let lhs = engine.eval(&b.lhs, t)?;
    let rhs = engine.eval(&b.rhs, t)?;
    match (lhs, rhs) {
        (Val::Scalar(l, mut sources), Val::Scalar(r, other)) => {
            sources.merge(&other);
            let result = scalar_op(b.op, l, r);
            let v =
                if b.op.is_comparison() { f64::from(result.is_some()) } else { result.unwrap_or(f64::NAN) };
            Ok(Val::Scalar(v, sources))
        }
        (Val::Vector(l), Val::Scalar(r, sources)) => with_scalar(engine, b, l, (r, sources), false),
        (Val::Scalar(l, sources), Val::Vector(r)) => with_scalar(engine, b, r, (l, sources), true),
        (Val::Vector(l), Val::Vector(r)) => {
            let default = VectorMatching {
                card: Cardinality::OneToOne,
                labels: Vec::new(),
                on: false,
                include: Vec::new(),
                fill_left: None,
                fill_right: None,
            };
            let matching = b.matching.as_ref().unwrap_or(&default);
            match b.op {
                BinaryOp::And => Ok(Val::Vector(and(l, &r, matching))),
                BinaryOp::Or => Ok(Val::Vector(or(l, r, matching))),
                BinaryOp::Unless => Ok(Val::Vector(unless(l, &r, matching))),
                _ => vectors(engine, b, matching, l, r).map(Val::Vector),
            }
        }
        _ => Err(EvalError::new(
            b.op_span,
            "binary expression must contain only scalar and instant vector types",
        )),
    }
}

fn with_scalar(
    engine: &mut Engine<'_>,
    b: &Binary,
    vector: Vec<El>,
    (scalar, sources): (f64, Sources),
    scalar_left: bool,
) -> Result<Val> {
    if matches!(b.op, BinaryOp::TrimUpper | BinaryOp::TrimLower) {
        incompatible(engine, b);
        return Ok(Val::Vector(Vec::new()));
    }
    let mut out = Vec::with_capacity(vector.len());
    for mut e in vector {
        let (l, r) = if scalar_left { (scalar, e.v) } else { (e.v, scalar) };
        let result = scalar_op(b.op, l, r);
        if b.op.is_comparison() {
            if b.bool_modifier {
                e.v = f64::from(result.is_some());
            } else if result.is_none() {
                continue;
            }
        } else {
            e.v = result.unwrap_or(f64::NAN);
        }
        if !b.op.is_comparison() || b.bool_modifier {
            engine.drop_name(&mut e);
        }
        e.sources.merge(&sources);
        out.push(e);
    }
    unique(out.iter().map(|e| &e.labels), b.op_span)?;
    Ok(Val::Vector(out))
}

/// Trimming needs a histogram.
fn incompatible(engine: &mut Engine<'_>, b: &Binary) {
    let op = b.op.as_str();
    let text = format!("incompatible sample types encountered for binary operator {op:?}: float {op} float");
    engine.annotations.info(b.op_span, text);
}

/// What two elements must share.
fn signature(labels: &Labels, m: &VectorMatching) -> Labels {
    if m.on {
        labels.without(|n| !m.labels.iter().any(|l| **l == *n))
    } else {
        labels.without(|n| n == crate::model::METRIC_NAME || m.labels.iter().any(|l| **l == *n))
    }
}

fn and(l: Vec<El>, r: &[El], m: &VectorMatching) -> Vec<El> {
    let mut right: HashMap<Labels, Sources> = HashMap::new();
    for e in r {
        right.entry(signature(&e.labels, m)).or_default().merge(&e.sources);
    }
    l.into_iter()
        .filter_map(|mut e| {
            e.sources.merge(right.get(&signature(&e.labels, m))?);
            Some(e)
        })
        .collect()
}

fn or(l: Vec<El>, r: Vec<El>, m: &VectorMatching) -> Vec<El> {
    let left: HashSet<Labels> = l.iter().map(|e| signature(&e.labels, m)).collect();
    let mut out = l;
    out.extend(r.into_iter().filter(|e| !left.contains(&signature(&e.labels, m))));
    out
}

fn unless(l: Vec<El>, r: &[El], m: &VectorMatching) -> Vec<El> {
    let right: HashSet<Labels> = r.iter().map(|e| signature(&e.labels, m)).collect();
    l.into_iter().filter(|e| !right.contains(&signature(&e.labels, m))).collect()
}

/// Arithmetic and comparison between vectors.
fn vectors(
    engine: &mut Engine<'_>,
    b: &Binary,
    m: &VectorMatching,
    l: Vec<El>,
    r: Vec<El>,
) -> Result<Vec<El>> {
    let swapped = m.card == Cardinality::OneToMany;
    let (many, one) = if swapped { (r, l) } else { (l, r) };
    let (fill_many, fill_one) =
        if swapped { (m.fill_right, m.fill_left) } else { (m.fill_left, m.fill_right) };
    let op_span = b.op_span;
    let mut ones: HashMap<Labels, El> = HashMap::new();
    for e in one {
        let sig = signature(&e.labels, m);
        if let Some(first) = ones.get(&sig) {
            let side = if swapped { "left" } else { "right" };
            let (a, b) = if first.labels <= e.labels { (first, &e) } else { (&e, first) };
            let message = format!(
                "found duplicate series for the match group {sig} on the {side} hand-side of the operation: [{}, {}];many-to-many matching not allowed: matching labels must be unique on one side",
                a.labels, b.labels
            );
            return Err(EvalError::new(op_span, message));
        }
        ones.insert(sig, e);
    }
    let mut state =
        Join { b, m, swapped, seen_groups: HashSet::new(), seen: HashSet::new(), out: Vec::new() };
    let mut met: HashSet<Labels> = HashSet::new();
    for e in many {
        let sig = signature(&e.labels, m);
        match (ones.get(&sig), fill_one) {
            (Some(other), _) => {
                let other = other.clone();
                met.insert(sig.clone());
                state.pair(engine, &e, &other, sig)?;
            }
            (None, Some(fill)) => {
                let other = El { labels: sig.clone(), v: fill, sources: Sources::NONE, drop_name: false };
                state.pair(engine, &e, &other, sig)?;
            }
            (None, None) => {}
        }
    }
    if let Some(fill) = fill_many {
        let mut left_over: Vec<(Labels, El)> =
            ones.into_iter().filter(|(sig, _)| !met.contains(sig)).collect();
        left_over.sort_by(|a, b| a.0.cmp(&b.0));
        for (sig, other) in left_over {
            let e = El { labels: sig.clone(), v: fill, sources: Sources::NONE, drop_name: false };
            state.pair(engine, &e, &other, sig)?;
        }
    }
    Ok(state.out)
}

struct Join<'b> {
    b: &'b Binary,
    m: &'b VectorMatching,
    swapped: bool,
    seen_groups: HashSet<Labels>,
    seen: HashSet<Labels>,
    out: Vec<El>,
}

impl Join<'_> {
    fn pair(&mut self, engine: &mut Engine<'_>, many: &El, one: &El, sig: Labels) -> Result<()> {
        let (l, r) = if self.swapped { (one.v, many.v) } else { (many.v, one.v) };
        let op = self.b.op;
        if matches!(op, BinaryOp::TrimUpper | BinaryOp::TrimLower) {
            incompatible(engine, self.b);
            return Ok(());
        }
        // Also of what the comparison leaves out: an error must not come and go with the values.
        let one_to_one = self.m.card == Cardinality::OneToOne;
        if one_to_one && !self.seen_groups.insert(sig) {
            let message =
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)";
            return Err(EvalError::new(self.b.op_span, message));
        }
        let result = scalar_op(op, l, r);
        let v = match (op.is_comparison(), self.b.bool_modifier, result) {
            (true, true, result) => f64::from(result.is_some()),
            (_, _, Some(v)) => v,
            (_, _, None) => return Ok(()),
        };
        let drops = !op.is_comparison() || self.b.bool_modifier;
        let delayed = engine.options.delayed_name_removal;
        let labels = self.result_labels(many, one, drops && !delayed);
        if !one_to_one && !self.seen.insert(labels.clone()) {
            let message = "multiple matches for labels: grouping labels must ensure unique matches";
            return Err(EvalError::new(self.b.op_span, message));
        }
        let mut sources = many.sources.clone();
        sources.merge(&one.sources);
        self.out.push(El { labels, v, sources, drop_name: many.drop_name || (drops && delayed) });
        Ok(())
    }

    fn result_labels(&self, many: &El, one: &El, drop_name: bool) -> Labels {
        let mut labels = if drop_name { without_name(&many.labels) } else { many.labels.clone() };
        if self.m.card == Cardinality::OneToOne {
            let named = |n: &str| self.m.labels.iter().any(|l| **l == *n);
            labels = if self.m.on { labels.without(|n| !named(n)) } else { labels.without(named) };
        }
        if self.m.include.is_empty() {
            return labels;
        }
        let mut builder = labels.builder();
        for name in &self.m.include {
            builder.set(name, one.labels.value(name));
        }
        builder.finish()
    }
}
