//! The rows of `src/ARCHITECTURE.md`: a module names only modules of earlier rows, and modules of one row don't
//! know each other. Every module has a place. Every port (a trait that a module declares for its shell or for a
//! sibling to implement) is listed, so that a new one is a reviewed line.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The core package, in rows.
const CORE: &[&[&str]] = &[
    &["diag", "re2"],
    &["model"],
    &["yaml"],
    &["exposition", "promql", "relabel", "template"],
    &["tsdb"],
    &["access", "alerting", "rules", "signals"],
    &["replay"],
];

/// The root package, in rows; all of the core lies before it.
const ROOT: &[&[&str]] = &[
    &["runtime", "platform"],
    &["telemetry"],
    &["net"],
    &["store", "samples"],
    &["dispatch"],
    &["collect", "evaluate", "notify"],
    &["api", "ui"],
    &["config"],
    &["app"],
    &["cli"],
];

/// Traits that somebody else implements: `module::Trait`, with who.
const PORTS: &[&str] = &[
    "api::Reloader",     // app
    "api::Status",       // app
    "api::Targets",      // collect, through app
    "dispatch::Courier", // notify::Notifier
    "notify::Courses",   // evaluate, through app
    "notify::Report",    // dispatch::Handle, through app
    "promql::Queryable", // tsdb::Head, samples::Store, maps of tests
    "rules::Sight",      // evaluate, over the head's sources
    "store::Backend",    // store::Sqlite; PostgreSQL later
    "tsdb::ChunkSink",   // tsdb::Arena; segments on disk later
];

#[derive(Debug, PartialEq)]
struct Import {
    line: usize,
    module: String,
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every `crate::name` of a file, also from `crate::{a, b::{c}}` over several lines. Comments don't count.
fn imports(text: &str) -> Vec<Import> {
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let line = code[..at].matches('\n').count() + 1;
        let rest = &code[at + "crate::".len()..];
        for module in first_names(rest) {
            found.push(Import { line, module });
        }
    }
    found
}

/// The names directly after `crate::`: one, or those at the top level of a brace group.
fn first_names(rest: &str) -> Vec<String> {
    let name = |s: &str| s.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut depth, mut start, mut names) = (0usize, 0usize, Vec::new());
    for (i, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(name(group[start..i].trim_start()));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(name(group[start..i].trim_start()));
                start = i + 1;
            }
            _ => {}
        }
    }
    names.retain(|n| !n.is_empty());
    names
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut entries: Vec<PathBuf> =
        fs::read_dir(dir).expect("a source directory").map(|e| e.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            all.extend(files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            all.push(path);
        }
    }
    all
}

fn rows(layers: &[&[&'static str]]) -> BTreeMap<&'static str, usize> {
    layers.iter().enumerate().flat_map(|(row, names)| names.iter().map(move |n| (*n, row))).collect()
}

/// Problems of one package: `dir` holds its `lib.rs` and a folder for each module.
fn check(dir: &Path, layers: &[&[&'static str]]) -> Vec<String> {
    let rows = rows(layers);
    let mut problems = Vec::new();
    let nested_package = dir.join("core");
    for path in files(dir) {
        if path.starts_with(&nested_package) {
            continue;
        }
        let shown = path.strip_prefix(repository()).unwrap_or(&path).display().to_string();
        let inside = path.strip_prefix(dir).expect("below the directory");
        let first = inside.iter().next().expect("a name").to_string_lossy().into_owned();
        if matches!(first.as_str(), "lib.rs" | "main.rs") {
            continue;
        }
        let Some(own) = rows.get(first.as_str()) else {
            problems.push(format!("{shown}: `{first}` is not placed in a row"));
            continue;
        };
        for import in imports(&fs::read_to_string(&path).expect("a source file")) {
            let at = format!("{shown}:{}", import.line);
            match rows.get(import.module.as_str()) {
                _ if import.module == first => {}
                None => {
                    problems.push(format!("{at}: names `{}`, which is not placed in a row", import.module));
                }
                Some(row) if row >= own => problems
                    .push(format!("{at}: `{first}` (row {own}) names `{}` (row {row})", import.module)),
                Some(_) => {}
            }
        }
    }
    problems.sort();
    problems.dedup();
    problems
}

/// Public traits declared in a module's `mod.rs` or in a file that says `//! The port`.
fn ports(dir: &Path) -> Vec<String> {
    let nested_package = dir.join("core");
    let mut found = Vec::new();
    for path in files(dir) {
        let text = fs::read_to_string(&path).expect("a source file");
        let is_mod = path.file_name().is_some_and(|n| n == "mod.rs");
        let below_core = dir.join("lib.rs").exists() && path.starts_with(&nested_package);
        if below_core || !(is_mod || text.starts_with("//! The port")) {
            continue;
        }
        let inside = path.strip_prefix(dir).expect("below the directory");
        let module = inside.iter().next().expect("a name").to_string_lossy().into_owned();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("pub trait ") {
                let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                found.push(format!("{module}::{name}"));
            }
        }
    }
    found
}

#[test]
fn modules_name_only_modules_of_earlier_rows() {
    let mut problems = check(&repository().join("src/core"), CORE);
    problems.extend(check(&repository().join("src"), ROOT));
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn every_port_is_listed() {
    let mut found = ports(&repository().join("src/core"));
    found.extend(ports(&repository().join("src")));
    let mut listed: Vec<String> = PORTS.iter().map(|p| (*p).to_owned()).collect();
    found.sort();
    listed.sort();
    assert_eq!(found, listed, "ports found in the sources, and ports listed here");
}

#[test]
fn the_core_depends_on_nothing_that_does_io() {
    let manifest = fs::read_to_string(repository().join("src/core/Cargo.toml")).expect("the core's manifest");
    for banned in ["tokio", "rusqlite", "reqwest", "ring", "hyper", "axum", "tracing", "rand", "libc"] {
        let named = manifest.lines().any(|l| l.split(['=', ' ', '.']).next() == Some(banned));
        assert!(!named, "the core depends on {banned}");
    }
}

#[test]
fn the_check_itself_sees_what_it_should() {
    let text =
        "use crate::{a, b::{c, d}, e};\n// crate::comment\nlet x = crate::f::g();\nuse botwatch_core::z;";
    let names: Vec<(usize, String)> = imports(text).into_iter().map(|i| (i.line, i.module)).collect();
    let expected = [(1, "a"), (1, "b"), (1, "e"), (3, "f")].map(|(l, n)| (l, n.to_owned()));
    assert_eq!(names, expected);

    let dir = tempfile::tempdir().expect("a directory");
    for (path, text) in [
        ("low/mod.rs", "use crate::high;\n"),
        ("low/fine.rs", "use crate::low::x;\n"),
        ("high/mod.rs", "use crate::low;\nuse crate::beside;\n"),
        ("beside/mod.rs", ""),
        ("stray/mod.rs", "pub trait Port {}\n"),
    ] {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, text).expect("written");
    }
    let problems = check(dir.path(), &[&["low"], &["high", "beside"]]).join("\n");
    for expected in [
        "high/mod.rs:2: `high` (row 1) names `beside` (row 1)",
        "low/mod.rs:1: `low` (row 0) names `high` (row 1)",
        "stray/mod.rs: `stray` is not placed in a row",
    ] {
        assert!(problems.contains(expected), "{expected} in\n{problems}");
    }
    assert_eq!(problems.lines().count(), 3, "{problems}");
    assert_eq!(ports(dir.path()), ["stray::Port"]);
}
