//! The documentation, embedded: `/docs`, its pages, and the runbooks that alerts link to.
//!
//! The texts are Markdown in `docs/`, so that they can be read in the repository, too; [`markdown`] makes plain HTML of
//! them. No scripts, nothing from elsewhere: a page must open on a telephone at night when nothing else works.
//!
//! It knows nothing of what runs. `app` hands [`router`] to `api`, whose limits and access rules hold here as well.

mod markdown;
mod pages;
mod style;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use axum::{
    Router,
    body::Body,
    extract::Path,
    response::{IntoResponse as _, Response},
    routing::get,
};
use botwatch_core::template::escape_html as escape;
use http::{HeaderValue, StatusCode, Uri, header};

use pages::{PAGES, RUNBOOKS};

/// All paths below `/docs`.
pub fn router() -> Router {
    Router::new()
        .route("/docs", get(async |uri: Uri| document(uri.path(), "")))
        .route("/docs/", get(async |uri: Uri| document(uri.path(), "")))
        .route("/docs/{*path}", get(async |uri: Uri, Path(path): Path<String>| document(uri.path(), &path)))
}

/// One document, or a list of them; a list of all where there is none of that name.
fn document(address: &str, path: &str) -> Response {
    let root = root(address);
    if let Some((_, text)) = PAGES.iter().find(|(name, _)| *name == path) {
        return page(&root, StatusCode::OK, title(text), &markdown::html(text));
    }
    let (status, name, heading) = match path.trim_end_matches('/') {
        "" => (StatusCode::OK, "Documentation", "Documentation".to_owned()),
        "runbooks" => (StatusCode::OK, "Runbooks", String::new()),
        _ => (StatusCode::NOT_FOUND, "No such page", format!("There is no page “{}”", escape(path))),
    };
    let mut body = String::new();
    if !heading.is_empty() {
        let _ = writeln!(body, "<h1>{heading}</h1>");
        list(&mut body, &root, |name| !name.starts_with(RUNBOOKS));
    }
    body.push_str("<h2>What to do about an alert</h2>\n");
    list(&mut body, &root, |name| name.starts_with(RUNBOOKS));
    page(&root, status, name, &body)
}

fn list(out: &mut String, root: &str, which: impl Fn(&str) -> bool) {
    out.push_str("<ul>\n");
    for (path, text) in PAGES.iter().filter(|(name, _)| which(name)) {
        let (title, about) = (escape(title(text)), markdown::inline(about(text)));
        let _ = writeln!(out, "<li><a href=\"{root}docs/{path}\">{title}</a> {about}</li>");
    }
    out.push_str("</ul>\n");
}

/// The way from an address to the root, so that links hold below the prefix of a proxy, which isn't known here.
fn root(address: &str) -> String {
    match address.matches('/').count() {
        0 | 1 => "./".to_owned(),
        depth => "../".repeat(depth - 1),
    }
}

/// The first heading.
fn title(text: &str) -> &str {
    text.lines().next().unwrap_or_default().trim_start_matches('#').trim()
}

/// The first line below the heading: one sentence.
fn about(text: &str) -> &str {
    text.lines().skip(1).find(|line| !line.is_empty()).unwrap_or_default()
}

fn page(root: &str, status: StatusCode, title: &str, body: &str) -> Response {
    let text = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{} · botwatch</title>\
         <style>{}</style></head>\n<body><main><nav><a href=\"{root}\">botwatch</a> <a href=\"{root}docs\">Documentation</a></nav>\n\
         {body}</main></body></html>\n",
        escape(title),
        style::STYLE,
    );
    let mut response = (status, Body::from(text)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    if let Ok(policy) = HeaderValue::from_str(&style::policy()) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
