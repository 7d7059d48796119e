//! Runs the scripts of Prometheus' own suite (promqltest, spec §2.8): all gates on, delayed name removal on. Every
//! instant query is asked once more as the middle step of a range.

use std::{fs, path::PathBuf};

use super::{Memory, close, ms, number};
use crate::{
    model::{Duration, Labels, Timestamp},
    promql::{
        EvalOptions, Evaluated, ParseOptions, SampleValue, SeriesValue, Value, eval_instant, eval_range,
        parse, parse_series,
    },
};

/// Files that test nothing but what needs a gate that isn't built yet.
const GATED: [&str; 5] = [
    "extended_vectors.test",
    "fill-modifier.test",
    "info.test",
    "native_histograms.test",
    "start_timestamps.test",
];

#[test]
fn scripts_hold() {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/promql/scripts"));
    let mut files: Vec<PathBuf> =
        fs::read_dir(root).expect("the data").map(|e| e.expect("a file").path()).collect();
    files.sort();
    let mut failed = Vec::new();
    let mut passed = 0;
    for path in files {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let mut script = Script::default();
        script.run(&fs::read_to_string(&path).expect("a script"));
        let beyond = GATED.contains(&name.as_str());
        println!(
            "{name}: {} passed, {} beyond this version, {} failed",
            script.passed,
            script.beyond + if beyond { script.failed.len() } else { 0 },
            if beyond { 0 } else { script.failed.len() }
        );
        passed += script.passed;
        if !beyond {
            failed
                .extend(script.failed.into_iter().map(|(line, problem)| format!("{name}:{line}: {problem}")));
        }
    }
    assert!(failed.is_empty(), "{passed} passed, {} failed:\n{}", failed.len(), failed.join("\n"));
    assert!(passed >= 468, "{passed} passed");
}

#[derive(Default)]
struct Script {
    memory: Memory,
    /// Whether series of the data are left out.
    has_histograms: bool,
    passed: usize,
    /// Failures that native histograms or experimental functions explain.
    beyond: usize,
    /// Line and problem.
    failed: Vec<(usize, String)>,
}

impl Script {
    fn run(&mut self, text: &str) {
        let lines: Vec<&str> = text
            .lines()
            .map(|l| l.split_once('#').map_or(l, |(before, _)| if before.contains('"') { l } else { before }))
            .collect();
        let mut at = 0;
        while at < lines.len() {
            let begun = at;
            let line = lines[at].trim();
            at += 1;
            if line.is_empty() {
                continue;
            }
            let mut body = Vec::new();
            while at < lines.len() && !lines[at].trim().is_empty() {
                body.push(lines[at].trim());
                at += 1;
            }
            let (command, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            match command {
                "clear" => (self.memory, self.has_histograms) = (Memory::default(), false),
                "load" => self.load(ms(rest.trim()), &body),
                "load_with_nhcb" => {
                    self.load(ms(rest.trim()), &body);
                    self.has_histograms = true;
                }
                _ if command.starts_with("eval") => match eval(command, rest.trim(), &body, &self.memory) {
                    Ok(()) => self.passed += 1,
                    Err(problem)
                        if self.has_histograms || problem.contains("is not supported by this version") =>
                    {
                        self.beyond += 1;
                    }
                    Err(problem) => self.failed.push((begun + 1, format!("{rest}: {problem}"))),
                },
                _ => panic!("line {}: {line}", begun + 1),
            }
        }
    }

    fn load(&mut self, interval: i64, series: &[&str]) {
        for line in series.iter().filter(|l| !l.contains("@st")) {
            let id = self.memory.0.len() as u32;
            self.has_histograms |= self.memory.load(line, interval, id).is_err();
        }
    }
}

/// What a query is expected to say besides its values.
#[derive(Default)]
struct Expected<'t> {
    fails: bool,
    ordered: bool,
    text: Option<String>,
    /// Start, end and step of a matrix.
    range: Option<(i64, i64, i64)>,
    /// Of failures, warnings and infos: `msg:` or `regex:` and the text.
    fail: Vec<&'t str>,
    warn: Option<Vec<&'t str>>,
    info: Option<Vec<&'t str>>,
    no_warn: bool,
    no_info: bool,
    series: Vec<&'t str>,
}

impl<'t> Expected<'t> {
    fn read(command: &str, body: &[&'t str]) -> Self {
        let mut all = Self {
            fails: command == "eval_fail",
            ordered: command == "eval_ordered",
            warn: (command == "eval_warn").then(Vec::new),
            info: (command == "eval_info").then(Vec::new),
            ..Self::default()
        };
        for line in body {
            let Some(rest) =
                line.strip_prefix("expect ").or_else(|| line.strip_prefix("expected_fail_message "))
            else {
                all.series.push(line);
                continue;
            };
            let (what, text) = rest.split_once(' ').unwrap_or((rest, ""));
            let text = Some(text.trim()).filter(|t| !t.is_empty());
            match what {
                "fail" => {
                    all.fails = true;
                    all.fail.extend(text);
                }
                "warn" => all.warn.get_or_insert_default().extend(text),
                "info" => all.info.get_or_insert_default().extend(text),
                "no_warn" => all.no_warn = true,
                "no_info" => all.no_info = true,
                "ordered" => all.ordered = true,
                "string" => all.text = text.map(unquoted),
                "range" => {
                    let words: Vec<&str> = rest.split_whitespace().collect();
                    all.range = Some((time(words[3]), time(words[5]), time(words[7])));
                }
                _ => panic!("{line}"),
            }
        }
        all
    }
}

fn unquoted(text: &str) -> String {
    let inner = &text[1..text.len() - 1];
    if text.starts_with('"') { serde_json::from_str(text).expect("a text") } else { inner.to_owned() }
}

fn time(text: &str) -> i64 {
    text.parse::<f64>().map_or_else(|_| ms(text), |seconds| (seconds * 1000.0) as i64)
}

fn options() -> EvalOptions {
    EvalOptions { delayed_name_removal: true, samples_max: 10_000, ..EvalOptions::prometheus() }
}

fn eval(command: &str, rest: &str, body: &[&str], memory: &Memory) -> Result<(), String> {
    let expected = Expected::read(command, body);
    let mut words = rest.splitn(4, ' ');
    let kind = words.next().expect("a kind");
    if kind == "instant" {
        let at = time(words.nth(1).expect("a time"));
        let query = words.next().expect("a query").trim();
        let result = check(query, &expected, |expr| eval_instant(expr, Timestamp(at), &options(), memory))?;
        let Some(result) = result else { return Ok(()) };
        instant(result.value, &expected, at)?;
        let own_range = ["start()", "end()", "step()", "range()"].iter().any(|f| query.contains(f));
        if !expected.ordered && expected.range.is_none() && expected.text.is_none() && !own_range {
            let expr = parse(query, &ParseOptions::all()).expect("parsed before");
            let (from, to) = (Timestamp(at - 60_000), Timestamp(at + 60_000));
            let again = eval_range(&expr, from, to, Duration::from_secs(60), &options(), memory)
                .map_err(|e| format!("as a range: {e}"))?;
            let Value::Matrix(series) = again.value else {
                return Err(format!("as a range: {:?}", again.value));
            };
            let middle = series.into_iter().filter_map(|s| {
                let i = s.t.iter().position(|t| *t == at)?;
                Some((s.labels, float(&s.v[i])))
            });
            let scalar = expected.series.len() == 1 && is_number(expected.series[0]);
            compare(middle.collect(), wanted(&expected, scalar)?, false)
                .map_err(|e| format!("as a range: {e}"))?;
        }
        return Ok(());
    }
    let words: Vec<&str> = rest.split_whitespace().collect();
    let ["range", "from", from, "to", to, "step", step, ..] = words[..] else { panic!("{rest}") };
    let after = rest.split_once(" step ").expect("seen").1.trim_start();
    let query = after[step.len()..].trim();
    let (from, to, step) = (time(from), time(to), time(step));
    let result = check(query, &expected, |expr| {
        eval_range(expr, Timestamp(from), Timestamp(to), Duration::from_millis(step), &options(), memory)
    })?;
    let Some(result) = result else { return Ok(()) };
    matrix(result.value, &expected, (from, to, step))
}

/// Evaluates; none when it failed as expected.
fn check(
    query: &str,
    expected: &Expected<'_>,
    eval: impl FnOnce(&crate::promql::Expr) -> Result<Evaluated, super::EvalError>,
) -> Result<Option<Evaluated>, String> {
    let result = parse(query, &ParseOptions::all())
        .map_err(|e| e[0].message.clone())
        .and_then(|expr| eval(&expr).map_err(|e| e.to_string()));
    let result = match result {
        Err(error) if expected.fails => {
            let told = expected.fail.iter().all(|want| is_told(want, &error));
            return if told {
                Ok(None)
            } else {
                Err(format!("fails with `{error}`, not {:?}", expected.fail))
            };
        }
        Err(error) => return Err(error),
        Ok(result) if expected.fails => return Err(format!("does not fail: {:?}", result.value)),
        Ok(result) => result,
    };
    let (warnings, infos) = (result.annotations.warnings(query), result.annotations.infos(query));
    for (kind, got, want, none) in [
        ("warning", &warnings, &expected.warn, expected.no_warn),
        ("info", &infos, &expected.info, expected.no_info),
    ] {
        if none && !got.is_empty() {
            return Err(format!("unexpected {kind}: {got:?}"));
        }
        let Some(want) = want else { continue };
        // Expected with its place, or without.
        let told = |want: &str, got: &str| {
            is_told(want, got) || got.rsplit_once(" (").is_some_and(|(bare, _)| is_told(want, bare))
        };
        let covered = want.is_empty() || got.iter().all(|g| want.iter().any(|w| told(w, g)));
        if got.is_empty() || !covered || !want.iter().all(|w| got.iter().any(|g| told(w, g))) {
            return Err(format!("{kind}s {got:?}, expected {want:?}"));
        }
    }
    Ok(Some(result))
}

fn is_told(want: &str, got: &str) -> bool {
    if let Some(pattern) = want.strip_prefix("regex:") {
        return regex::Regex::new(pattern.trim()).expect("a pattern").is_match(got);
    }
    got == want.trim_start_matches("msg:").trim()
}

fn is_number(text: &str) -> bool {
    let plain = text.trim_start_matches(['+', '-']).to_ascii_lowercase();
    matches!(plain.as_str(), "nan" | "inf") || plain.parse::<f64>().is_ok() || plain.starts_with("0x")
}

fn float(value: &SampleValue) -> f64 {
    let SampleValue::Float(v) = value;
    *v
}

/// The expected elements of a vector; of a scalar, one without labels.
fn wanted(expected: &Expected<'_>, scalar: bool) -> Result<Vec<(Labels, f64)>, String> {
    if scalar {
        return Ok(vec![(Labels::empty(), number(expected.series[0]))]);
    }
    let read = expected.series.iter().map(|line| {
        let (labels, values) = parse_series(line).map_err(|e| format!("{line}: {e:?}"))?;
        match values.first() {
            Some(SeriesValue::Float(v)) => Ok((labels, *v)),
            other => Err(format!("expected {other:?}")),
        }
    });
    read.collect()
}

fn instant(value: Value, expected: &Expected<'_>, at: i64) -> Result<(), String> {
    match value {
        Value::String(text) => {
            let want = expected.text.as_deref().unwrap_or_default();
            if text == want.as_bytes() {
                Ok(())
            } else {
                Err(format!("{:?}, expected {want:?}", String::from_utf8_lossy(&text)))
            }
        }
        Value::Scalar(v) => compare(vec![(Labels::empty(), v)], wanted(expected, true)?, false),
        Value::Vector(elements) => {
            let stray = elements.iter().find(|e| e.t.0 != at);
            if let Some(stray) = stray {
                return Err(format!("{} at {}", stray.labels, stray.t.0));
            }
            let got = elements.iter().map(|e| (e.labels.clone(), float(&e.value))).collect();
            compare(got, wanted(expected, false)?, expected.ordered)
        }
        matrix_value @ Value::Matrix(_) => {
            let range = expected.range.ok_or("a matrix")?;
            matrix(matrix_value, expected, range)
        }
    }
}

fn compare(mut got: Vec<(Labels, f64)>, mut want: Vec<(Labels, f64)>, ordered: bool) -> Result<(), String> {
    if !ordered {
        got.sort_by(|a, b| a.0.cmp(&b.0));
        want.sort_by(|a, b| a.0.cmp(&b.0));
    }
    let equal = got.len() == want.len() && got.iter().zip(&want).all(|(a, b)| a.0 == b.0 && close(a.1, b.1));
    if equal { Ok(()) } else { Err(format!("\n   got {got:?}\n  want {want:?}")) }
}

fn matrix(value: Value, expected: &Expected<'_>, (from, to, step): (i64, i64, i64)) -> Result<(), String> {
    let Value::Matrix(series) = value else { return Err(format!("{value:?}")) };
    if !series.windows(2).all(|w| w[0].labels < w[1].labels) {
        return Err("series are out of order".to_owned());
    }
    let mut got: Vec<(Labels, i64, f64)> = Vec::new();
    for s in &series {
        got.extend(s.t.iter().zip(&s.v).map(|(t, v)| (s.labels.clone(), *t, float(v))));
    }
    let mut want = Vec::new();
    for line in &expected.series {
        let (labels, values) = if is_number(line.split(' ').next().unwrap_or_default()) {
            parse_series(&format!("{{}} {line}"))
        } else {
            parse_series(line)
        }
        .map_err(|e| format!("{line}: {e:?}"))?;
        for (i, value) in values.iter().enumerate() {
            let t = from + i as i64 * step;
            match value {
                SeriesValue::Float(v) if t <= to => want.push((labels.clone(), t, *v)),
                SeriesValue::Omitted => {}
                other => return Err(format!("expected {other:?} at {t}")),
            }
        }
    }
    let order = |a: &(Labels, i64, f64), b: &(Labels, i64, f64)| (&a.0, a.1).cmp(&(&b.0, b.1));
    got.sort_by(order);
    want.sort_by(order);
    let equal = got.len() == want.len()
        && got.iter().zip(&want).all(|(a, b)| (&a.0, a.1) == (&b.0, b.1) && close(a.2, b.2));
    if equal { Ok(()) } else { Err(format!("\n   got {got:?}\n  want {want:?}")) }
}
