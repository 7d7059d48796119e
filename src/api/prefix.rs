//! The path before all paths (`web.external_url`, `--web.route-prefix`). Pure.
//!
//! As in Prometheus everything is below it, health and metrics too; without it `/` leads there and all else is not
//! found. A proxy that cuts the prefix off needs `--web.route-prefix=/`, there as here.

use http::{Uri, uri::PathAndQuery};

/// Where a request leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// To a path of ours.
    Inside(Uri),
    /// To the page, which stands elsewhere.
    Elsewhere(String),
    /// Nowhere.
    Outside,
}

/// Takes the prefix off; it is empty, or has a slash at its start and none at its end.
pub(super) fn enter(uri: &Uri, prefix: &str) -> Entry {
    if prefix.is_empty() {
        return Entry::Inside(uri.clone());
    }
    let path = uri.path();
    if path == "/" || path == prefix {
        return Entry::Elsewhere(format!("{prefix}/"));
    }
    match path.strip_prefix(prefix).filter(|rest| rest.starts_with('/')) {
        Some(rest) => replaced(uri, rest).map_or(Entry::Outside, Entry::Inside),
        None => Entry::Outside,
    }
}

fn replaced(uri: &Uri, path: &str) -> Option<Uri> {
    let target = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target.parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_below_the_prefix() {
        let inside = |uri: &str| Entry::Inside(uri.parse().expect("a URI"));
        let root = || Entry::Elsewhere("/bots/watch/".to_owned());
        for (uri, expected) in [
            ("/bots/watch/", inside("/")),
            ("/bots/watch/api/v1/rules?type=alert", inside("/api/v1/rules?type=alert")),
            ("http://localhost/bots/watch/metrics", inside("http://localhost/metrics")),
            ("/bots/watch", root()),
            ("/", root()),
            ("/?x", root()),
            ("/metrics", Entry::Outside),
            ("/-/healthy", Entry::Outside),
            ("/bots/watcher/", Entry::Outside),
            ("/bots", Entry::Outside),
        ] {
            assert_eq!(enter(&uri.parse().expect("a URI"), "/bots/watch"), expected, "{uri}");
        }
        for uri in ["/", "/metrics", "/bots/watch/", "*"] {
            assert_eq!(enter(&uri.parse().expect("a URI"), ""), inside(uri));
        }
        assert_eq!(enter(&"*".parse().expect("a URI"), "/p"), Entry::Outside);
    }
}
