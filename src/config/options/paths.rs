//! Paths as written: relative ones are looked up beside the file that names them, then in the working directory
//! (spec alertmanager C-6).

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::config::{
    env::SOURCE_NAME,
    value::{At, Place},
};

use super::{Context, FLAGS_NAME};

/// Files that one pattern may match: more are a mistake such as `/*`.
const MATCHES_MAX: usize = 1000;

/// The folder of the file in which something was written; the working directory for flags and environment.
pub(super) fn folder(place: Option<&Place>) -> PathBuf {
    match place.map(|p| &*p.source.name).filter(|n| *n != SOURCE_NAME && *n != FLAGS_NAME) {
        Some(name) => Path::new(name).parent().map_or_else(PathBuf::new, Path::to_owned),
        None => PathBuf::new(),
    }
}

/// The path of a file that must not exist yet: beside the file that names it if that is where something is, or if
/// there is nothing at the same path in the working directory.
pub(super) fn resolve(at: &At<Arc<str>>) -> PathBuf {
    let beside = folder(at.place.as_ref()).join(&*at.value);
    let here = Path::new(&*at.value);
    absolute(if !beside.exists() && here.exists() { here } else { &beside })
}

/// The same path from the root; as it is where there is no working directory.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Whether a path is a pattern.
fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// A pattern from the root. Only its folder can be looked up.
pub(super) fn resolve_pattern(at: &At<Arc<str>>) -> PathBuf {
    if !is_pattern(&at.value) {
        return resolve(at);
    }
    let (parent, name) = split(&at.value);
    let parent_at = At { value: Arc::from(parent), place: at.place.clone() };
    resolve(&parent_at).join(name)
}

fn split(text: &str) -> (&str, &str) {
    match text.rfind('/') {
        Some(0) => ("/", &text[1..]),
        Some(i) => (&text[..i], &text[i + 1..]),
        None => (".", text),
    }
}

/// The files that are meant by a path whose last part may have `*` and `?`, in order. What is wrong is reported;
/// what is to be watched is remembered.
pub(super) fn files(context: &mut Context<'_>, at: &At<Arc<str>>, what: &str) -> Vec<PathBuf> {
    let (parent, name) = split(&at.value);
    if is_pattern(parent) {
        let d = at.error("invalid-value", "`*` is allowed only in the last part of the path");
        context.found.push(d.label("expected `folder/*.yml`"));
        return Vec::new();
    }
    let path = resolve_pattern(at);
    if !is_pattern(name) {
        context.watch(&path);
        if !path.is_file() {
            missing(context, at, &path, what);
            return Vec::new();
        }
        return vec![path];
    }
    let dir = path.parent().map_or_else(PathBuf::new, Path::to_owned);
    context.watch(&dir);
    let mut found: Vec<PathBuf> = list(&dir)
        .into_iter()
        .filter(|p| p.file_name().and_then(|n| n.to_str()).is_some_and(|n| matches(name, n)) && p.is_file())
        .take(MATCHES_MAX + 1)
        .collect();
    found.sort();
    if found.len() > MATCHES_MAX {
        let d = at.error("invalid-value", format!("`{}` matches more than {MATCHES_MAX} files", at.value));
        context.found.push(d.label("expected a narrower pattern"));
        found.clear();
    } else if found.is_empty()
        && let Some(place) = &at.place
    {
        let d = place.warning("no-match", format!("no {what} matches `{}`", at.value));
        context.found.push(d.label("nothing is read").hint(format!("looked in `{}`", dir.display())));
    }
    for path in &found {
        context.watch(path);
    }
    found
}

/// A file that is named and not there. Prometheus and Alertmanager start without, so their own files do here, too.
fn missing(context: &mut Context<'_>, at: &At<Arc<str>>, path: &Path, what: &str) {
    let message = format!("there is no {what} `{}`", at.value);
    let own = context.written.is_own(at.place.as_ref());
    let d = match &at.place {
        Some(place) if !own => place.warning("missing-file", message),
        _ => at.error("missing-file", message),
    };
    context.found.push(d.label("no such file").hint(format!("looked for `{}`", path.display())));
}

fn list(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir).map_or_else(|_| Vec::new(), |all| all.flatten().map(|e| e.path()).collect())
}

/// Whether a name matches a pattern of `*` (any characters) and `?` (any one).
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let (p, n): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut i, mut j) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while j < n.len() {
        match p.get(i) {
            Some('*') => {
                star = Some((i, j));
                i += 1;
            }
            Some(c) if *c == '?' || *c == n[j] => {
                i += 1;
                j += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    i = at + 1;
                    j = from + 1;
                }
                None => return false,
            },
        }
    }
    p[i..].iter().all(|c| *c == '*')
}
