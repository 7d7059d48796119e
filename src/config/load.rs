//! Files and environment in, a checked whole out.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use botwatch_core::{
    diag::{Diagnostic, SourceText, Span},
    yaml::{self, Limits, Reader},
};

use super::{
    check,
    env::{Env, Known},
    expand::{self, Dialect},
    file::File,
    merge, overlay,
    value::{Place, Read},
};

/// Larger files are refused: no configuration is written by hand at that size.
const FILE_MAX: u64 = 16 << 20;

/// What was written, as one checked whole.
#[derive(Debug, Clone)]
pub struct Written {
    /// All sections.
    pub file: File,
    /// What only the environment says.
    pub switches: overlay::Switches,
    /// Whether botwatch's own defaults hold: environment-only, or a file of botwatch's own.
    pub own: bool,
    /// Whether there was no file.
    pub environment_only: bool,
    /// Files that only have keys of Prometheus, or only of Alertmanager: what stands in them keeps its defaults.
    /// As places, whose `Debug` shows no text.
    plain: Vec<Place>,
}

impl Written {
    /// Whether botwatch's own defaults hold for what stands at a place: not in a plain file of Prometheus or
    /// Alertmanager.
    pub fn is_own(&self, place: Option<&Place>) -> bool {
        place.is_none_or(|p| !self.plain.iter().any(|plain| Arc::ptr_eq(&plain.source, &p.source)))
    }
}

/// Reads files from disk. Each that can't be read is a diagnostic.
pub fn read_files(paths: &[PathBuf]) -> (Vec<Arc<SourceText>>, Vec<Diagnostic>) {
    let mut sources = Vec::new();
    let mut found = Vec::new();
    for path in paths {
        match read_file(path) {
            Ok(source) => sources.push(source),
            Err(diagnostic) => found.push(diagnostic),
        }
    }
    (sources, found)
}

/// Reads one file from disk.
///
/// # Errors
/// When it can't be read, is too large, or is not UTF-8 (then with the place).
pub fn read_file(path: &Path) -> Result<Arc<SourceText>, Diagnostic> {
    let name = path.display().to_string();
    let unreadable =
        |why: String| Diagnostic::global("file-unreadable", format!("can't read `{name}`: {why}"));
    let size = std::fs::metadata(path).map_err(|e| unreadable(e.to_string()))?.len();
    if size > FILE_MAX {
        return Err(unreadable(format!("{size} bytes are more than {FILE_MAX}")));
    }
    let bytes = std::fs::read(path).map_err(|e| unreadable(e.to_string()))?;
    source_of(&name, bytes)
}

/// A file's text under its name.
///
/// # Errors
/// When the bytes are not UTF-8: the diagnostic points at the first that isn't.
pub(super) fn source_of(name: &str, bytes: Vec<u8>) -> Result<Arc<SourceText>, Diagnostic> {
    match String::from_utf8(bytes) {
        Ok(text) => Ok(SourceText::new(name, text)),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let source = SourceText::new(name, String::from_utf8_lossy(error.as_bytes()).into_owned());
            let span = Span::new(at, at + '\u{fffd}'.len_utf8());
            Err(Diagnostic::error("not-utf8", "the file is not UTF-8 text", &source, span)
                .label("not a UTF-8 character")
                .hint("save the file as UTF-8"))
        }
    }
}

/// Reads and checks everything. Without files the environment alone configures.
pub fn written(files: &[Arc<SourceText>], env: &Env) -> (Written, Vec<Diagnostic>) {
    let mut found = Vec::new();
    let mut parts = Vec::new();
    let mut own = files.is_empty();
    let mut plain = Vec::new();
    for source in files {
        if let Some((file, dialect)) = read_source(source, env, &mut found) {
            own |= dialect == Dialect::Botwatch;
            if dialect != Dialect::Botwatch {
                plain.push(Place { source: Arc::clone(source), span: Span::default() });
            }
            parts.push(file);
        }
    }
    let mut file = merge::merge(parts, &mut found);
    let known = Known::new(env, &mut found);
    overlay::overlay(&mut file, &known, &mut found);
    if files.is_empty() {
        overlay::shipped_defaults(&mut file);
    }
    if file.route.is_none() && !botwatch_core::diag::has_errors(&found) {
        overlay::route_from_environment(&mut file, &known, &mut found);
    }
    let bot =
        file.bot.as_ref().and_then(|b| b.name.as_ref()).map_or("bot".to_owned(), |n| n.value.to_string());
    let switches = overlay::switches(&known, &bot, &mut found);
    check::check(&file, &mut found);
    sort(&mut found, files);
    (Written { file, switches, own, environment_only: files.is_empty(), plain }, found)
}

/// Problems of the whole first, then in the order of the files, then what else was read.
pub(super) fn sort(found: &mut [Diagnostic], files: &[Arc<SourceText>]) {
    found.sort_by_key(|d| match &d.place {
        None => (0, 0),
        Some((source, span)) => {
            let file = files.iter().position(|f| Arc::ptr_eq(f, source));
            (file.map_or(files.len() + 1, |i| i + 1), span.start)
        }
    });
}

/// One file: parsed, its variables expanded, read.
fn read_source(source: &Arc<SourceText>, env: &Env, found: &mut Vec<Diagnostic>) -> Option<(File, Dialect)> {
    let (document, mut problems) = yaml::parse(Arc::clone(source), &Limits::FILE);
    found.append(&mut problems);
    let mut document = document?;
    let dialect = expand::dialect(&document);
    expand::expand(&mut document, dialect, env, found);
    if document.root.is_null() {
        return Some((File::default(), dialect));
    }
    let mut reader = Reader::new(&document);
    let file = File::read(&mut reader, &document.root);
    found.extend(reader.finish());
    let mut file = file?;
    if dialect == Dialect::Prometheus {
        expand::external_labels(&mut file, env, found);
    }
    Some((file, dialect))
}
