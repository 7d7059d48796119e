mod scripts;

use std::{fs, path::PathBuf, sync::Arc};

use super::*;
use crate::{
    diag::SourceText,
    model::{Labels, Matcher, SourceId, Sources, Timestamp, stale_nan},
    promql::{
        ParseOptions, Queryable, SampleValue, SelectError, SelectHints, Series, SeriesValue, eval_instant,
        eval_range, parse, parse_series,
    },
    yaml::{self, Limits, Node},
};

/// Samples in memory.
#[derive(Default)]
struct Memory(Vec<Series>);

impl Memory {
    /// Adds a series described as in promtool's tests, a value each `interval` ms.
    fn load(&mut self, text: &str, interval: i64, source: u32) -> Result<(), &'static str> {
        let (labels, values) = match parse_series(text) {
            Ok(parsed) => parsed,
            // The algebra of histograms is not built yet.
            Err(_) if text.contains("{{") => return Err("native histogram"),
            Err(e) => panic!("{text}: {e:?}"),
        };
        let (mut t, mut v) = (Vec::new(), Vec::new());
        for (i, value) in values.into_iter().enumerate() {
            let value = match value {
                SeriesValue::Omitted => continue,
                SeriesValue::Stale => stale_nan(),
                SeriesValue::Float(v) => v,
                SeriesValue::Histogram(_) => return Err("native histogram"),
            };
            t.push(i as i64 * interval);
            v.push(value);
        }
        self.0.push(Series { labels, sources: Sources::one(SourceId(source)), t, v });
        Ok(())
    }
}

impl Queryable for Memory {
    fn select(
        &self,
        matchers: &[Matcher],
        after: Timestamp,
        until: Timestamp,
        _: SelectHints,
    ) -> Result<Vec<Series>, SelectError> {
        let found = self.0.iter().filter(|s| matchers.iter().all(|m| m.matches_labels(&s.labels)));
        let cut = found.map(|s| {
            let (from, to) = (s.t.partition_point(|t| *t <= after.0), s.t.partition_point(|t| *t <= until.0));
            let (t, v) = if from < to { (&s.t[from..to], &s.v[from..to]) } else { (&[][..], &[][..]) };
            Series { labels: s.labels.clone(), sources: s.sources.clone(), t: t.to_vec(), v: v.to_vec() }
        });
        Ok(cut.collect())
    }
}

fn child<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    match &node.value {
        yaml::Value::Mapping(pairs) => pairs.iter().find(|(k, _)| *k.text == *key).map(|(_, n)| n),
        _ => None,
    }
}

fn list(node: Option<&Node>) -> &[Node] {
    match node.map(|n| &n.value) {
        Some(yaml::Value::Sequence(items)) => items,
        _ => &[],
    }
}

fn text(node: Option<&Node>) -> Arc<str> {
    match node.map(|n| &n.value) {
        Some(yaml::Value::Scalar(s)) => Arc::clone(&s.text),
        _ => "".into(),
    }
}

fn ms(text: &str) -> i64 {
    text.parse::<crate::model::Duration>().unwrap_or_else(|e| panic!("{text}: {e}")).as_millis()
}

fn number(text: &str) -> f64 {
    match text.trim_start_matches('+').to_ascii_lowercase().as_str() {
        ".nan" | "nan" => f64::NAN,
        ".inf" | "inf" => f64::INFINITY,
        "-.inf" | "-inf" => f64::NEG_INFINITY,
        plain => plain.parse().unwrap_or_else(|e| panic!("{text}: {e}")),
    }
}

fn close(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-6 * a.abs().max(b.abs())
}

struct Tally {
    passed: usize,
    histograms: usize,
    failed: Vec<String>,
}

/// Runs promtool's unit-test files (spec §6.2) of a directory.
fn run_directory(dir: &str, options: &EvalOptions) -> Tally {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/promql")).join(dir);
    let mut tally = Tally { passed: 0, histograms: 0, failed: Vec::new() };
    let mut paths: Vec<PathBuf> =
        fs::read_dir(root).expect("the data").map(|e| e.expect("an entry").path()).collect();
    paths.sort();
    for path in paths.iter().filter(|p| p.extension().is_some_and(|e| e == "yml")) {
        let source = SourceText::new(path.display().to_string(), fs::read_to_string(path).expect("a file"));
        let (document, problems) = yaml::parse(source, &Limits { nodes_max: 1_000_000, depth_max: 50 });
        assert!(problems.is_empty(), "{problems:?}");
        let document = document.expect("a document");
        for test in list(child(&document.root, "tests")) {
            run_test(test, options, &mut tally);
        }
    }
    tally
}

fn run_test(test: &Node, options: &EvalOptions, tally: &mut Tally) {
    let interval = ms(&text(child(test, "interval")));
    let mut memory = Memory::default();
    for (i, series) in list(child(test, "input_series")).iter().enumerate() {
        let line = format!("{} {}", text(child(series, "series")), text(child(series, "values")));
        // Histogram series are left out; the float series of the block are still there for the queries over them.
        let _ = memory.load(&line, interval, i as u32);
    }
    let has_histograms = memory.0.len() < list(child(test, "input_series")).len();
    for case in list(child(test, "promql_expr_test")) {
        let query = text(child(case, "expr"));
        let name = format!("{} `{query}`", text(child(test, "name")));
        match run_case(case, &query, &memory, options) {
            Ok(()) => tally.passed += 1,
            Err(_) if has_histograms => tally.histograms += 1,
            Err(problem) => tally.failed.push(format!("{name}: {problem}")),
        }
    }
}

fn run_case(case: &Node, query: &str, memory: &Memory, options: &EvalOptions) -> Result<(), String> {
    let at = Timestamp(ms(&text(child(case, "eval_time"))));
    let expr = parse(query, &ParseOptions::all()).map_err(|e| format!("{e:?}"))?;
    let result = eval_instant(&expr, at, options, memory).map_err(|e| e.to_string())?;
    let mut got: Vec<(Labels, f64)> = match result.value {
        Value::Scalar(v) => vec![(Labels::empty(), v)],
        Value::Vector(elements) => elements
            .into_iter()
            .map(|e| {
                let SampleValue::Float(v) = e.value;
                (e.labels, v)
            })
            .collect(),
        other => return Err(format!("{other:?}")),
    };
    let mut wanted = Vec::new();
    for sample in list(child(case, "exp_samples")) {
        if child(sample, "histogram").is_some() {
            return Err("a histogram is expected".to_owned());
        }
        let labels = parse_series(&text(child(sample, "labels"))).map_err(|e| format!("{e:?}"))?.0;
        wanted.push((labels, number(&text(child(sample, "value")))));
    }
    let order = |a: &(Labels, f64), b: &(Labels, f64)| a.0.cmp(&b.0);
    got.sort_by(order);
    wanted.sort_by(order);
    let equal =
        got.len() == wanted.len() && got.iter().zip(&wanted).all(|(a, b)| a.0 == b.0 && close(a.1, b.1));
    if equal { Ok(()) } else { Err(format!("\n   got {got:?}\n  want {wanted:?}")) }
}

fn options(delayed_name_removal: bool) -> EvalOptions {
    EvalOptions { delayed_name_removal, ..EvalOptions::prometheus() }
}

fn assert_directory(dir: &str, delayed: bool, passed_at_least: usize) {
    let tally = run_directory(dir, &options(delayed));
    let shown = tally.failed.iter().take(12).cloned().collect::<Vec<_>>().join("\n");
    assert!(
        tally.failed.is_empty(),
        "{} of {} failed:\n{shown}",
        tally.failed.len(),
        tally.failed.len() + tally.passed
    );
    assert!(tally.passed >= passed_at_least, "{} passed, {} with histograms", tally.passed, tally.histograms);
}

#[test]
fn conformance_classic() {
    assert_directory("classic", false, 300);
}

#[test]
fn conformance_delayed_name_removal() {
    assert_directory("delayed-name-removal", true, 10);
}

#[test]
fn elements_carry_what_they_were_made_from() {
    let mut memory = Memory::default();
    for (i, line) in ["a{x=\"1\"} 1x9", "a{x=\"2\"} 2x9", "b{x=\"1\"} 3x9", "c 0x9"].iter().enumerate() {
        memory.load(line, 60_000, i as u32).expect("floats");
    }
    for (query, expected) in [
        ("a", vec!["x=1:0", "x=2:1"]),
        ("a + on(x) b", vec!["x=1:0,2"]),
        ("sum(a)", vec!["x=:0,1"]),
        ("a and on(x) b", vec!["x=1:0,2"]),
        ("a unless on(x) b", vec!["x=2:1"]),
        ("a > scalar(c)", vec!["x=1:0,3", "x=2:1,3"]),
        ("absent(nothing)", vec!["x=:"]),
        ("sum_over_time(a[5m:1m])", vec!["x=1:0", "x=2:1"]),
    ] {
        let expr = parse(query, &ParseOptions::all()).expect(query);
        let result = eval_instant(&expr, Timestamp(300_000), &options(false), &memory).expect(query);
        let Value::Vector(elements) = result.value else { panic!("{query}") };
        let mut got: Vec<String> = elements
            .iter()
            .map(|e| {
                let ids: Vec<String> = e.sources.iter().map(|s| s.0.to_string()).collect();
                format!("x={}:{}", e.labels.value("x"), ids.join(","))
            })
            .collect();
        got.sort();
        assert_eq!(got, expected, "{query}");
    }
}

#[test]
fn a_range_query_is_an_instant_query_at_each_step() {
    let mut memory = Memory::default();
    for (i, line) in
        ["a_total{x=\"1\"} 0+7x60", "a_total{x=\"2\"} 5+3x20 _x10 0+1x30", "g 1 5 2 8 stale 3x40"]
            .iter()
            .enumerate()
    {
        memory.load(line, 30_000, i as u32).expect("floats");
    }
    for query in [
        "rate(a_total[5m])",
        "sum by (x) (a_total)",
        "topk(1, a_total)",
        "g",
        "max_over_time(g[3m])",
        "rate(a_total[5m:1m])",
        "a_total offset 1m > 20",
        "quantile_over_time(0.5, g[10m])",
        "a_total @ 300",
        "sum(a_total) / count(a_total)",
    ] {
        let expr = parse(query, &ParseOptions::all()).expect(query);
        let (start, end, step) = (0, 1_800_000, 45_000);
        let d = crate::model::Duration::from_millis(step);
        let range =
            eval_range(&expr, Timestamp(start), Timestamp(end), d, &options(false), &memory).expect(query);
        let Value::Matrix(matrix) = range.value else { panic!("{query}") };
        let mut from_range: Vec<String> = matrix
            .iter()
            .flat_map(|s| s.t.iter().zip(&s.v).map(move |(t, v)| format!("{} {t} {v:?}", s.labels)))
            .collect();
        let mut from_instants = Vec::new();
        for t in (start..=end).step_by(step as usize) {
            let result = eval_instant(&expr, Timestamp(t), &options(false), &memory).expect(query);
            let Value::Vector(elements) = result.value else { panic!("{query}") };
            from_instants.extend(elements.iter().map(|e| format!("{} {t} {:?}", e.labels, e.value)));
        }
        from_range.sort();
        from_instants.sort();
        assert_eq!(from_range, from_instants, "{query}");
        assert!(!from_range.is_empty(), "{query}");
    }
}

#[test]
fn the_samples_limit_stops_a_query() {
    let mut memory = Memory::default();
    memory.load("a 1x1000", 1000, 0).expect("floats");
    let few = EvalOptions { samples_max: 100, ..options(false) };
    let expr = parse("sum_over_time(a[1000s])", &ParseOptions::all()).expect("parses");
    let error = eval_instant(&expr, Timestamp(1_000_000), &few, &memory).expect_err("too many");
    assert!(error.message.contains("too many samples"), "{error}");
}
