//! Tests of the head as a whole and of its codec.

mod codec;
mod head;
mod limits;
mod model;
mod postings;
#[path = "../../../tests/bench/workload.rs"]
mod workload;

use super::*;
use crate::model::{Labels, MatchOp, Matcher, Sources, Timestamp, stale_nan};
use crate::promql::{SelectHints, Series};

fn matcher(text: (&str, &str, &str)) -> Matcher {
    let (name, op, value) = text;
    let op = match op {
        "=" => MatchOp::Equal,
        "!=" => MatchOp::NotEqual,
        "=~" => MatchOp::Regex,
        "!~" => MatchOp::NotRegex,
        _ => unreachable!("no operator: {op}"),
    };
    Matcher::new(name, op, value).unwrap()
}

fn matchers(list: &[(&str, &str, &str)]) -> Vec<Matcher> {
    list.iter().copied().map(matcher).collect()
}

/// `name{a="b"}` as pairs.
fn series(head: &mut Head, pairs: &[(&str, &str)]) -> SeriesId {
    head.series(&Labels::from_pairs(pairs.iter().copied()), &Sources::NONE).unwrap()
}

fn samples(list: &[(SeriesId, i64, f64)]) -> Commit {
    let samples = list.iter().map(|&(id, t, v)| (id, Timestamp(t), v)).collect();
    Commit { samples, sources: Vec::new() }
}

fn select(head: &Head, list: &[(&str, &str, &str)], after: i64, until: i64) -> Vec<Series> {
    head.select(&matchers(list), Timestamp(after), Timestamp(until), SelectHints::default()).unwrap()
}

/// Everything of one series as bits, so that NaNs compare.
fn bits(series: &Series) -> Vec<(i64, u64)> {
    series.t.iter().copied().zip(series.v.iter().map(|v| v.to_bits())).collect()
}
