//! The files that secrets, certificates and other values of a peer stand in: read at each use, so that a new one
//! holds without a reload, and looked at here, so that a wrong path is known before the first page that needs it.

use super::{Context, paths};
use crate::{
    config::value::{At, Out, Show as _},
    net,
};

/// Warns of files that are named by a key `…_file` or by `files` of a header and can't be read or are empty. They
/// are no errors: they may come later, as mounted secrets do.
pub(super) fn check(context: &mut Context<'_>) {
    if let Some(out) = context.file().show() {
        walk(&out, "", context);
    }
}

fn walk(out: &Out, parent: &str, context: &mut Context<'_>) {
    match out {
        Out::Map(entries) => {
            for (key, value) in entries {
                match value {
                    _ if is_read(key) => look(value, key, context),
                    Out::List(items) if key == "files" && parent == "http_headers" => {
                        for item in items {
                            look(item, key, context);
                        }
                    }
                    // A header's name stands between `http_headers` and `files`.
                    _ if parent == "http_headers" => walk(value, parent, context),
                    _ => walk(value, key, context),
                }
            }
        }
        Out::List(items) => {
            for item in items {
                walk(item, parent, context);
            }
        }
        Out::Raw(..) | Out::Text(..) => {}
    }
}

/// Whether a key names a file that is read at each use. The bot writes its pid file when it starts.
fn is_read(key: &str) -> bool {
    key.ends_with("_file") && key != "pid_file"
}

fn look(path: &Out, key: &str, context: &mut Context<'_>) {
    let Out::Text(path, Some(place)) = path else { return };
    if path.is_empty() {
        return;
    }
    let path = paths::resolve(&At { value: path.as_str().into(), place: Some(place.clone()) });
    if let Some(why) = net::unusable(&path) {
        let d = place.warning("secret-file", format!("`{key}` can't be used as it is: {why}"));
        context.found.push(
            d.label(format!("looked for at {}", path.display()))
                .hint("it is read at each use: what needs it fails until it is there"),
        );
    }
}
