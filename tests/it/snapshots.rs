//! Every diagnostic, as people see it. Each `tests/snapshots/diag/<code>….yml` (a configuration), `.rules` (a
//! rule file), `.env` (an environment) and `.load` (a folder whose `botwatch.yml` names other files in it) is checked,
//! and what is said is compared with the `.txt` beside it. `UPDATE_SNAPSHOTS=1` writes them anew; the difference is
//! then to be read before it is committed.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use botwatch::config::{self, Env};
use botwatch_core::{
    diag::{CODES, Diagnostic, SourceText, render_terminal},
    promql::ParseOptions,
    rules,
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/diag")
}

fn inputs() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder())
        .expect("the folder of snapshots")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_none_or(|e| e != "txt"))
        .collect();
    found.sort();
    found
}

/// What is said about an input, by the kind of input.
fn diagnostics(path: &Path) -> Vec<Diagnostic> {
    if path.extension().is_some_and(|e| e == "load") {
        let main = path.join("botwatch.yml");
        return config::load(&[main], &Env::default(), &config::Flags::default()).diagnostics;
    }
    let text = fs::read_to_string(path).expect("an input");
    let name = path.file_name().and_then(|n| n.to_str()).expect("a name").to_owned();
    match path.extension().and_then(|e| e.to_str()) {
        Some("env") => {
            let pairs = text.lines().filter_map(|line| line.split_once('='));
            config::written(&[], &Env::from_pairs(pairs)).1
        }
        Some("rules") => {
            let source = SourceText::new(name, text);
            rules::parse_file(&source, &ParseOptions::default()).1
        }
        _ => config::written(&[SourceText::new(name, text)], &Env::default()).1,
    }
}

#[test]
fn diagnostics_look_as_recorded() {
    let update = std::env::var_os("UPDATE_SNAPSHOTS").is_some();
    let mut differences = Vec::new();
    let mut wanted = BTreeSet::new();
    for input in inputs() {
        let mut said: Vec<String> = diagnostics(&input).iter().map(|d| render_terminal(d, false)).collect();
        if said.len() > 100 {
            let count = said.len() - 4;
            said.splice(2..said.len() - 2, [format!("({count} more)\n")]);
        }
        // Folders are read from where the repository lies.
        let said = said.join("\n").replace(&format!("{}/", folder().display()), "");
        let mut golden = input.clone().into_os_string();
        golden.push(".txt");
        let golden = PathBuf::from(golden);
        if update {
            fs::write(&golden, &said).expect("a writable folder");
        }
        let recorded = fs::read_to_string(&golden).unwrap_or_default();
        if recorded != said {
            differences.push(format!("{}:\n--- recorded\n{recorded}\n--- now\n{said}", golden.display()));
        }
        wanted.insert(golden);
    }
    let stray = fs::read_dir(folder()).expect("the folder").map(|e| e.expect("an entry").path());
    let stray: Vec<_> =
        stray.filter(|p| p.extension().is_some_and(|e| e == "txt") && !wanted.contains(p)).collect();
    assert!(stray.is_empty(), "without input: {stray:?}");
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

/// Codes given in the sources: the first argument of whatever makes a diagnostic.
fn codes_in_sources() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).expect("a folder").map(|e| e.expect("an entry").path()));
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
            let text = fs::read_to_string(&path).expect("a source");
            let makers = [
                "error(",
                "warning(",
                "global(",
                "at_or_global(place, ",
                "at_or_global(route.place.as_ref(), ",
            ];
            for maker in makers {
                for (at, _) in text.match_indices(maker) {
                    found.extend(code_at(text[at + maker.len()..].trim_start()));
                }
            }
        }
    }
    found
}

fn code_at(text: &str) -> Option<String> {
    let code = text.strip_prefix('"')?.split('"').next()?;
    let shape = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (code.contains('-') && code.chars().all(shape)).then(|| code.to_owned())
}

#[test]
fn every_code_is_used_explained_and_recorded() {
    let used = codes_in_sources();
    let explained: BTreeSet<String> = CODES.iter().map(|c| c.code.to_owned()).collect();
    let missing: Vec<_> = used.difference(&explained).collect();
    assert!(missing.is_empty(), "not explained in src/core/diag/codes.rs: {missing:?}");
    let recorded: BTreeSet<String> =
        inputs().iter().flat_map(|input| diagnostics(input)).map(|d| d.code.to_owned()).collect();
    let missing: Vec<_> =
        explained.difference(&recorded).filter(|c| !WITHOUT_SNAPSHOT.contains(&c.as_str())).collect();
    assert!(missing.is_empty(), "without a snapshot in tests/snapshots/diag: {missing:?}");
}

/// Codes that no text can cause: they need a file system, or are the alerting machine's second line behind checks of
/// the configuration that have codes of their own.
const WITHOUT_SNAPSHOT: &[&str] = &[
    "file-unreadable",
    "label-name",
    "no-receiver",
    "not-utf8",
    "root-continue",
    "root-intervals",
    "root-matchers",
    "route-depth",
    "zero-interval",
];
