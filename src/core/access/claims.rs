//! What the claims of a JSON Web Token come to (RFC 7519 §4.1). Pure: its signature was verified before.

use serde_json::{Map, Value};

use super::Role;
use crate::model::{Duration, Timestamp};

/// What claims must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// `iss`; none: not looked at.
    pub issuer: Option<String>,
    /// What `aud` must name; none: a token that names an audience is not for us.
    pub audience: Option<String>,
    /// How far clocks may be apart.
    pub leeway: Duration,
    /// The claim that says who it is: a name, or a JSON pointer.
    pub name_claim: String,
    /// The claim that says what they may do, likewise.
    pub role_claim: String,
    /// What its values mean; a role's own word means that role where this says nothing of it.
    pub roles: Vec<(String, Role)>,
}

impl Default for Expected {
    fn default() -> Self {
        Self {
            issuer: None,
            audience: None,
            leeway: Duration::from_secs(60),
            name_claim: "sub".to_owned(),
            role_claim: "role".to_owned(),
            roles: Vec::new(),
        }
    }
}

/// Why claims let nobody in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsError {
    /// Not an object.
    #[error("its claims are no JSON object")]
    Shape,
    /// A claim of another kind than the standard says, or none where one is needed.
    #[error("its claim `{0}` is missing or not what it should be")]
    Claim(String),
    /// It is over.
    #[error("it expired at {0}")]
    Expired(String),
    /// It has not begun.
    #[error("it is not valid before {0}")]
    Early(String),
    /// Of somebody else.
    #[error("its issuer is not `{0}`")]
    Issuer(String),
    /// For somebody else.
    #[error("it is for another audience")]
    Audience,
    /// Nothing in it says what its holder may do.
    #[error("its claim `{0}` names none of the roles viewer, operator, admin")]
    Role(String),
}

/// Who it is and what they may do.
///
/// # Errors
/// [`ClaimsError`]; a token without an end is refused, too.
pub fn judge(claims: &Value, expected: &Expected, now: Timestamp) -> Result<(String, Role), ClaimsError> {
    let Value::Object(object) = claims else { return Err(ClaimsError::Shape) };
    let end = time(object, "exp")?.ok_or_else(|| ClaimsError::Claim("exp".to_owned()))?;
    if now >= end + expected.leeway {
        return Err(ClaimsError::Expired(end.rfc3339()));
    }
    if let Some(start) = time(object, "nbf")?.filter(|start| now + expected.leeway < *start) {
        return Err(ClaimsError::Early(start.rfc3339()));
    }
    if let Some(issuer) = &expected.issuer
        && object.get("iss").and_then(Value::as_str) != Some(issuer)
    {
        return Err(ClaimsError::Issuer(issuer.clone()));
    }
    audience(object, expected)?;
    let name = match find(claims, &expected.name_claim) {
        Some(Value::String(name)) if is_name(name) => name.trim().to_owned(),
        _ => return Err(ClaimsError::Claim(expected.name_claim.clone())),
    };
    let said = find(claims, &expected.role_claim);
    let role = said.into_iter().flat_map(words).filter_map(|word| role(word, expected)).max();
    Ok((name, role.ok_or_else(|| ClaimsError::Role(expected.role_claim.clone()))?))
}

/// Seconds since 1970, perhaps with a fraction.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, ClaimsError> {
    /// The year 9999: what is later is no time that anybody means, and must not overflow.
    const MAX: f64 = 253_402_300_799.0;
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(n)) if n.as_f64().is_some_and(|s| (0.0..=MAX).contains(&s)) => {
            Ok(n.as_f64().map(|seconds| Timestamp((seconds * 1000.0) as i64)))
        }
        Some(_) => Err(ClaimsError::Claim(name.to_owned())),
    }
}

fn audience(claims: &Map<String, Value>, expected: &Expected) -> Result<(), ClaimsError> {
    let ours = |value: &Value| expected.audience.as_deref().is_some_and(|own| value.as_str() == Some(own));
    let right = match claims.get("aud") {
        None => expected.audience.is_none(),
        Some(Value::Array(all)) => all.iter().any(ours),
        Some(one) => ours(one),
    };
    if right { Ok(()) } else { Err(ClaimsError::Audience) }
}

fn find<'a>(claims: &'a Value, name: &str) -> Option<&'a Value> {
    if name.starts_with('/') { claims.pointer(name) } else { claims.get(name) }
}

/// Names stand in records and logs.
fn is_name(name: &str) -> bool {
    !name.trim().is_empty() && name.chars().count() <= 200 && !name.chars().any(char::is_control)
}

/// A word, several with spaces between as in `scope` (RFC 8693 §4.2), or a list.
fn words(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => text.split_whitespace().chain([text.as_str()]).collect(),
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn role(word: &str, expected: &Expected) -> Option<Role> {
    let mapped = expected.roles.iter().filter(|(value, _)| value == word).map(|(_, role)| *role).max();
    // Once it is said what means what, nothing else does.
    mapped.or_else(|| word.parse().ok().filter(|_| expected.roles.is_empty()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    const SOON: i64 = 1_800_000_600;

    fn judged(claims: &Value, expected: &Expected) -> Result<(String, Role), String> {
        judge(claims, expected, NOW).map_err(|e| e.to_string())
    }

    #[test]
    fn times_issuers_and_audiences_are_checked() {
        let ours = Expected {
            issuer: Some("https://id.example".into()),
            audience: Some("botwatch".into()),
            ..Expected::default()
        };
        let with = |changes: Value| {
            let mut claims = json!({"sub": "ann", "role": "viewer", "exp": SOON,
                "iss": "https://id.example", "aud": "botwatch"});
            for (name, value) in changes.as_object().expect("changes") {
                if value.is_null() {
                    claims.as_object_mut().expect("claims").remove(name);
                } else {
                    claims[name] = value.clone();
                }
            }
            claims
        };
        let secs = NOW.0 / 1000;
        for (changes, problem) in [
            (json!({}), None),
            (json!({"exp": secs - 59}), None),
            (json!({"exp": secs - 60}), Some("expired")),
            (json!({"exp": secs as f64 + 0.5}), None),
            (json!({"exp": null}), Some("`exp`")),
            (json!({"exp": "2099-01-01"}), Some("`exp`")),
            (json!({"exp": SOON.to_string()}), Some("`exp`")),
            (json!({"exp": 1e300}), Some("`exp`")),
            (json!({"exp": -1}), Some("`exp`")),
            (json!({"nbf": secs + 60}), None),
            (json!({"nbf": secs + 61}), Some("not valid before")),
            (json!({"nbf": "soon"}), Some("`nbf`")),
            (json!({"iss": null}), Some("issuer")),
            (json!({"iss": "https://id.example.evil.example"}), Some("issuer")),
            (json!({"iss": ["https://id.example"]}), Some("issuer")),
            (json!({"aud": null}), Some("audience")),
            (json!({"aud": "other"}), Some("audience")),
            (json!({"aud": ["other", "botwatch"]}), None),
            (json!({"aud": [["botwatch"]]}), Some("audience")),
            (json!({"aud": {"botwatch": true}}), Some("audience")),
            (json!({"sub": null}), Some("`sub`")),
            (json!({"sub": "a\nb"}), Some("`sub`")),
            (json!({"sub": 7}), Some("`sub`")),
            (json!({"role": null}), Some("`role`")),
            (json!({"role": "root"}), Some("`role`")),
            (json!({"role": true}), Some("`role`")),
        ] {
            let found = judged(&with(changes.clone()), &ours);
            match problem {
                None => assert_eq!(found, Ok(("ann".to_owned(), Role::Viewer)), "{changes}"),
                Some(says) => {
                    assert!(found.as_ref().is_err_and(|e| e.contains(says)), "{changes}: {found:?}");
                }
            }
        }
        assert!(judged(&json!([]), &ours).is_err());
        let open = Expected::default();
        assert!(judged(&json!({"sub": "a", "role": "admin", "exp": SOON}), &open).is_ok());
        let foreign = judged(&json!({"sub": "a", "role": "admin", "exp": SOON, "aud": "shop"}), &open);
        assert!(foreign.is_err_and(|e| e.contains("audience")), "a token for another service");
    }

    #[test]
    fn roles_come_from_words_lists_and_maps() {
        let token =
            |role: Value| json!({"sub": "a", "exp": SOON, "role": role.clone(), "realm": {"roles": role}});
        let plain = Expected::default();
        let mapped = Expected {
            role_claim: "/realm/roles".into(),
            roles: vec![
                ("sre".into(), Role::Admin),
                ("traders".into(), Role::Viewer),
                ("on call".into(), Role::Operator),
            ],
            ..Expected::default()
        };
        for (role, by_word, by_map) in [
            (json!("admin"), Some(Role::Admin), None),
            (json!(["viewer", "operator", 7]), Some(Role::Operator), None),
            (json!("openid viewer"), Some(Role::Viewer), None),
            (json!(["sre", "traders"]), None, Some(Role::Admin)),
            (json!("traders"), None, Some(Role::Viewer)),
            (json!("on call"), None, Some(Role::Operator)),
            (json!("Admin"), None, None),
        ] {
            let role_of = |expected| judged(&token(role.clone()), expected).ok().map(|(_, role)| role);
            assert_eq!((role_of(&plain), role_of(&mapped)), (by_word, by_map), "{role}");
        }
    }
}
