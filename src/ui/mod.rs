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
use http::{HeaderValue, StatusCode, header};

use markdown::escape;
use pages::{PAGES, RUNBOOKS};

/// All paths below `/docs`.
pub fn router() -> Router {
    Router::new()
        .route("/docs", get(list))
        .route("/docs/", get(list))
        .route("/docs/{*path}", get(async |Path(path): Path<String>| document(&path)))
}

/// One document; a list of all where there is none of that name.
fn document(path: &str) -> Response {
    match PAGES.iter().find(|(name, _)| *name == path) {
        Some((_, text)) => page(StatusCode::OK, title(text), &markdown::html(text)),
        None => {
            let body = format!("<h1>There is no page “{}”</h1>\n{}", escape(path), contents());
            page(StatusCode::NOT_FOUND, "No such page", &body)
        }
    }
}

async fn list() -> Response {
    page(StatusCode::OK, "Documentation", &format!("<h1>Documentation</h1>\n{}", contents()))
}

fn contents() -> String {
    let mut out = String::new();
    let (runbooks, general): (Vec<_>, Vec<_>) =
        PAGES.iter().partition(|(name, _)| name.starts_with(RUNBOOKS));
    for (heading, pages) in [("", general), ("<h2>What to do about an alert</h2>\n", runbooks)] {
        out.push_str(heading);
        out.push_str("<ul>\n");
        for (path, text) in pages {
            let about = markdown::inline(about(text));
            let _ = writeln!(out, "<li><a href=\"/docs/{path}\">{}</a> {about}</li>", escape(title(text)));
        }
        out.push_str("</ul>\n");
    }
    out
}

/// The first heading.
fn title(text: &str) -> &str {
    text.lines().next().unwrap_or_default().trim_start_matches('#').trim()
}

/// The first line below the heading: one sentence.
fn about(text: &str) -> &str {
    text.lines().skip(1).find(|line| !line.is_empty()).unwrap_or_default()
}

fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let text = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{} · botwatch</title>\
         <style>{}</style></head>\n<body><main><nav><a href=\"/\">botwatch</a> <a href=\"/docs\">Documentation</a></nav>\n\
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
