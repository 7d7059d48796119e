//! Discovery files (spec S21).

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use botwatch_core::{
    diag::SourceText,
    model::Labels,
    yaml::{self, Limits, Node, Reader},
};
use serde::Deserialize;

use crate::collect::TargetGroup;

/// Longest file: room for some 100 000 targets.
const BYTES_MAX: u64 = 8 << 20;
/// Files of one pattern.
const FILES_MAX: usize = 1000;
/// Longest problem that is shown.
const PROBLEM_MAX: usize = 300;
const NAMELESS: &str = "a label without a name";

/// Targets from a file.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::collect) struct FileGroup {
    /// Its path, `__meta_filepath`.
    pub(in crate::collect) path: Arc<str>,
    /// Them.
    pub(in crate::collect) group: TargetGroup,
}

/// What the files of a job said last. A file that can't be read or understood keeps what it said before.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::collect) struct Files(BTreeMap<PathBuf, File>);

#[derive(Debug, Clone, Default, PartialEq)]
struct File {
    groups: Vec<TargetGroup>,
    problem: Option<String>,
}

impl Files {
    /// Reads the files of these patterns. A file that is gone takes its targets with it. Blocks.
    pub(in crate::collect) fn read(&self, patterns: &[Arc<str>]) -> Self {
        let mut files = BTreeMap::new();
        for path in patterns.iter().flat_map(|pattern| expand(pattern)) {
            let file = match load(&path) {
                Ok(groups) => File { groups, problem: None },
                Err(problem) => {
                    let groups = self.0.get(&path).map(|f| f.groups.clone()).unwrap_or_default();
                    File { groups, problem: Some(problem) }
                }
            };
            files.insert(path, file);
        }
        Self(files)
    }

    /// All groups, in order of path.
    pub(in crate::collect) fn groups(&self) -> Vec<FileGroup> {
        let groups = self.0.iter().flat_map(|(path, file)| {
            let path: Arc<str> = path.to_string_lossy().into();
            file.groups.iter().map(move |group| FileGroup { path: Arc::clone(&path), group: group.clone() })
        });
        groups.collect()
    }

    /// How many files couldn't be read.
    pub(in crate::collect) fn broken(&self) -> usize {
        self.0.values().filter(|file| file.problem.is_some()).count()
    }

    /// What is wrong now and wasn't, or was otherwise, before.
    pub(in crate::collect) fn new_problems<'a>(&'a self, before: &Self) -> Vec<(&'a Path, &'a str)> {
        let fresh = self.0.iter().filter_map(|(path, file)| {
            let problem = file.problem.as_deref()?;
            let known = before.0.get(path).and_then(|f| f.problem.as_deref()) == Some(problem);
            (!known).then_some((path.as_path(), problem))
        });
        fresh.collect()
    }
}

/// The files of a pattern, sorted. A plain path is its own file, also when nothing is there yet: then there is
/// nothing to read.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let (folder, name) = pattern.rsplit_once('/').unwrap_or((".", pattern));
    if !name.contains('*') {
        let path = PathBuf::from(pattern);
        return if path.exists() { vec![path] } else { Vec::new() };
    }
    let folder = if folder.is_empty() { "/" } else { folder };
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let names = entries.filter_map(|e| e.ok()?.file_name().into_string().ok());
    let mut found: Vec<PathBuf> =
        names.filter(|n| matches(name, n)).take(FILES_MAX).map(|n| Path::new(folder).join(n)).collect();
    found.sort();
    found
}

/// Whether a name fits a pattern in which `*` is any run of characters.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

fn load(path: &Path) -> Result<Vec<TargetGroup>, String> {
    let size = fs::metadata(path).map_err(shown)?.len();
    if size > BYTES_MAX {
        return Err(format!("longer than {BYTES_MAX} bytes"));
    }
    let text = fs::read_to_string(path).map_err(shown)?;
    let is_json = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
    if is_json { from_json(&text) } else { from_yaml(path, &text) }
}

fn shown(error: io::Error) -> String {
    error.to_string()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonGroup {
    #[serde(default)]
    targets: Vec<Arc<str>>,
    #[serde(default)]
    labels: Labels,
}

pub(super) fn from_json(text: &str) -> Result<Vec<TargetGroup>, String> {
    let groups: Vec<JsonGroup> = serde_json::from_str(text).map_err(|e| e.to_string())?;
    if groups.iter().any(|g| g.labels.iter().any(|(name, _)| name.is_empty())) {
        return Err(NAMELESS.to_owned());
    }
    Ok(groups.into_iter().map(|g| TargetGroup { targets: g.targets, labels: g.labels }).collect())
}

pub(super) fn from_yaml(path: &Path, text: &str) -> Result<Vec<TargetGroup>, String> {
    let source = SourceText::new(path.to_string_lossy(), text);
    let (document, mut problems) = yaml::parse(Arc::clone(&source), &Limits::FILE);
    let mut groups = Vec::new();
    if let Some(document) = document {
        let mut reader = Reader::new(&document);
        if !document.root.is_null() {
            groups = reader
                .list(&document.root)
                .unwrap_or_default()
                .iter()
                .filter_map(|n| group(&mut reader, n))
                .collect();
        }
        problems.extend(reader.finish());
    }
    match problems.iter().find(|d| d.level == botwatch_core::diag::Level::Error) {
        None => Ok(groups),
        Some(first) => {
            let place = first.place.as_ref().map(|(source, span)| source.position(span.start));
            let at =
                place.map(|(line, column)| format!("line {line}, column {column}: ")).unwrap_or_default();
            Err(format!("{at}{}", first.message).chars().take(PROBLEM_MAX).collect())
        }
    }
}

fn group(reader: &mut Reader, node: &Node) -> Option<TargetGroup> {
    let mut fields = reader.map(node, "a target group")?;
    let targets = fields.get(reader, "targets", Reader::strings).unwrap_or_default();
    let labels = fields.get(reader, "labels", Reader::string_map).unwrap_or_default();
    fields.finish(reader);
    if let Some((key, _)) = labels.iter().find(|(key, _)| key.text.is_empty()) {
        reader.invalid(NAMELESS, "expected a name", key.span);
    }
    let targets = targets.into_iter().map(|t| t.value).collect();
    let labels = Labels::from_pairs(labels.into_iter().map(|(key, value)| (key.text, value.value)));
    Some(TargetGroup { targets, labels })
}
