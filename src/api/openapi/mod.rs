//! `/api/docs/openapi.json` (OpenAPI 3.1): `/api/alerting` for programs that read descriptions, and `/api/docs`, the same
//! for people.
//!
//! What an endpoint needs comes from the table of routes; the rest is written in `operations.json` (parameters, bodies,
//! answers) and `schemas.json`. A test holds table and texts together, and `schemathesis` holds them and the running
//! program together.

use std::{collections::BTreeMap, fmt::Write as _, sync::OnceLock};

use axum::response::Response;
use botwatch_core::access::Permission;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use super::{
    body,
    router::{Endpoint, endpoints},
};

const OPERATIONS: &str = include_str!("operations.json");
const SCHEMAS: &str = include_str!("schemas.json");

/// Paths that are described: botwatch's own API.
pub(super) const DESCRIBED: &str = "/api/alerting/";

/// The description.
pub(super) fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| build(&endpoints()))
}

fn build(endpoints: &[Endpoint]) -> Value {
    let written: BTreeMap<String, Value> = serde_json::from_str(OPERATIONS).expect("checked by a test");
    let schemas: Value = serde_json::from_str(SCHEMAS).expect("checked by a test");
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in endpoints.iter().filter(|e| e.path.starts_with(DESCRIBED)) {
        let name = format!("{} {}", endpoint.method, endpoint.path);
        let Some(operation) = written.get(&name) else { continue };
        let path = paths.entry(endpoint.path.to_owned()).or_insert_with(|| json!({}));
        path[endpoint.method.as_str().to_lowercase()] = describe(endpoint, operation.clone());
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "botwatch",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Issues, metrics, thresholds and webhooks of botwatch. Errors are problem documents (RFC 9457). \
                            What changes something answers once it is on disk; 503 means that nothing was taken.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {"Problem": {
                "description": "What went wrong, and where.",
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            }},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A token of `botwatch token create`."},
                "basic": {"type": "http", "scheme": "basic", "description": "The token as password, any user name."},
            },
        },
    })
}

/// Adds what every operation has: who may, and how it fails.
fn describe(endpoint: &Endpoint, mut operation: Value) -> Value {
    let mut failing = vec!["400", "405", "503"];
    if endpoint.needs != Permission::Open {
        failing.extend(["401", "403", "429"]);
    }
    if operation.get("requestBody").is_some() {
        failing.extend(["408", "413", "415"]);
    }
    if let Some(more) = operation.get("fails").and_then(Value::as_array).cloned() {
        failing.extend(more.iter().filter_map(Value::as_str).map(|code| match code {
            "404" => "404",
            "409" => "409",
            _ => "400",
        }));
    }
    if let Some(fields) = operation.as_object_mut() {
        fields.remove("fails");
    }
    for code in failing {
        // Health answers 503 with a report.
        if operation["responses"].get(code).is_none() {
            operation["responses"][code] = json!({"$ref": "#/components/responses/Problem"});
        }
    }
    let role = endpoint.needs.least().map_or("nobody", |role| role.as_str());
    operation["x-role"] = role.into();
    operation["security"] = match endpoint.needs {
        Permission::Open => json!([]),
        Permission::Webhook => json!([{}, {"bearer": []}, {"basic": []}]),
        _ => json!([{"bearer": []}, {"basic": []}]),
    };
    operation
}

/// The description as JSON.
pub(super) async fn openapi() -> Response {
    body::json(StatusCode::OK, document())
}

/// The description as a page without scripts.
pub(super) async fn page() -> Response {
    let mut html = String::from(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>\
         <title>botwatch API</title><style>body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;\
         padding:0 1rem;color-scheme:light dark}code,pre{font:13px/1.4 ui-monospace,monospace}pre{overflow:auto;\
         padding:.6rem;border:1px solid #8884;border-radius:4px}h2{margin-top:2rem;border-top:1px solid #8884;\
         padding-top:1rem}table{border-collapse:collapse}td,th{text-align:left;padding:.1rem 1rem .1rem 0;\
         vertical-align:top}</style><h1>botwatch API</h1><p>For programs: <a href=docs/openapi.json>openapi.json</a>. \
         Errors are problem documents (RFC 9457). What changes something answers once it is on disk.</p>",
    );
    for (path, methods) in document()["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            section(&mut html, method, path, operation);
        }
    }
    html += "<h2>Schemas</h2>";
    for (name, schema) in document()["components"]["schemas"].as_object().into_iter().flatten() {
        let text = serde_json::to_string_pretty(schema).unwrap_or_default();
        let _ = write!(html, "<h3 id='{0}'>{0}</h3><pre>{1}</pre>", escape(name), escape(&text));
    }
    let mut response = body::text(StatusCode::OK, "text/html; charset=utf-8", html);
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'");
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

fn section(html: &mut String, method: &str, path: &str, operation: &Value) {
    let text = |value: &Value| escape(value.as_str().unwrap_or_default());
    let _ = write!(
        html,
        "<h2><code>{} {}</code></h2><p>{} <small>(role: {})</small></p>",
        method.to_uppercase(),
        escape(path),
        text(&operation["summary"]),
        text(&operation["x-role"]),
    );
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    if !parameters.is_empty() {
        *html += "<table>";
        for p in &parameters {
            let _ = write!(html, "<tr><td><code>{}</code><td>{}", text(&p["name"]), text(&p["description"]));
        }
        *html += "</table>";
    }
    let body = &operation["requestBody"]["content"]["application/json"];
    if let Some(example) = body.get("example") {
        let example = serde_json::to_string_pretty(example).unwrap_or_default();
        let _ = write!(html, "<pre>{}</pre>", escape(&example));
    }
    let codes: Vec<String> =
        operation["responses"].as_object().into_iter().flatten().map(|(c, _)| c.clone()).collect();
    let _ = write!(html, "<p>Answers: {}</p>", codes.join(", "));
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
