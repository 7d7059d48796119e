//! Addresses as they may be shown where their path and query matter: pages, the API, printed configurations.

/// What stands for a secret inside an address, as in Go's `URL.Redacted`.
const HIDDEN: &str = "xxxxx";

/// Parts of names whose values are secrets more often than not.
const SECRET: &[&str] = &["key", "token", "secret", "pass", "pwd", "sig", "auth", "cred"];

/// Whether a parameter of this name probably holds a secret.
pub fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET.iter().any(|part| name.contains(part))
}

/// An address with its password and the values of parameters that look secret masked. All else stays as it is
/// written.
pub fn mask_url(address: &str) -> String {
    let (whole, fragment) = match address.split_once('#') {
        Some((whole, fragment)) => (whole, Some(fragment)),
        None => (address, None),
    };
    let (place, query) = match whole.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (whole, None),
    };
    let mut shown = without_password(place);
    if let Some(query) = query {
        let pairs: Vec<String> = query.split('&').map(mask_pair).collect();
        shown.push('?');
        shown.push_str(&pairs.join("&"));
    }
    if let Some(fragment) = fragment {
        shown.push('#');
        shown.push_str(fragment);
    }
    shown
}

fn mask_pair(pair: &str) -> String {
    let secret = |name: &str| {
        let decoded = url::form_urlencoded::parse(name.as_bytes()).next();
        decoded.is_some_and(|(name, _)| looks_secret(&name))
    };
    match pair.split_once('=') {
        Some((name, value)) if !value.is_empty() && secret(name) => format!("{name}={HIDDEN}"),
        _ => pair.to_owned(),
    }
}

/// The password stands between the first colon and the last `@` of the authority.
fn without_password(place: &str) -> String {
    let start = place.find("://").map_or(0, |at| at + 3);
    let end = place[start..].find('/').map_or(place.len(), |at| start + at);
    let Some(at) = place[start..end].rfind('@').map(|at| start + at) else { return place.to_owned() };
    match place[start..at].find(':') {
        Some(colon) => format!("{}:{HIDDEN}{}", &place[..start + colon], &place[at..]),
        None => place.to_owned(),
    }
}
