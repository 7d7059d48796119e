//! Parameters of a query string; a name may come several times.

use botwatch_core::model::Timestamp;

use super::failure::Failure;

/// Values of one name at most: each selector is compiled.
const VALUES_MAX: usize = 100;

/// All parameters, decoded.
#[derive(Debug, Default)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    pub(super) fn parse(query: Option<&str>) -> Self {
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Self(pairs.map(|(n, v)| (n.into_owned(), v.into_owned())).collect())
    }

    /// The first value; `None` when there is none or it is empty.
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str()).filter(|v| !v.is_empty())
    }

    /// All values.
    pub(super) fn all(&self, name: &str) -> Result<Vec<&str>, Failure> {
        let values: Vec<&str> = self.0.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect();
        if values.len() > VALUES_MAX {
            return Err(Failure::parameter(name, format!("more than {VALUES_MAX} values")));
        }
        Ok(values)
    }

    /// That no other names come, since one that is misspelt would choose nothing.
    pub(super) fn known(&self, names: &[&str]) -> Result<(), Failure> {
        match self.0.iter().find(|(n, _)| !names.contains(&n.as_str())) {
            Some((unknown, _)) => {
                let why = format!("not known here; there are {}", names.join(", "));
                Err(Failure::parameter(unknown, why))
            }
            None => Ok(()),
        }
    }

    /// A time: RFC 3339, or seconds since 1970.
    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, Failure> {
        let Some(text) = self.first(name) else { return Ok(None) };
        let seconds = text.parse::<f64>().ok().filter(|s| s.abs() < 1e12);
        let time = Timestamp::parse_rfc3339(text).or(seconds.map(|s| Timestamp((s * 1000.0).round() as i64)));
        let why = "expected a time such as 2026-01-31T22:00:00Z, or seconds since 1970";
        time.map(Some).ok_or_else(|| Failure::parameter(name, why))
    }

    /// A boolean as Go's `ParseBool` takes it; false when there is none.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Failure> {
        match self.first(name) {
            None | Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
            Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
            Some(other) => Err(Failure::parameter(name, format!("not a boolean: {other:?}"))),
        }
    }

    /// A number over zero.
    pub(super) fn count(&self, name: &str) -> Result<Option<usize>, Failure> {
        let Some(text) = self.first(name) else { return Ok(None) };
        match text.parse::<usize>() {
            Ok(n) if n > 0 => Ok(Some(n)),
            _ => Err(Failure::parameter(name, "needs to be a whole number greater than 0")),
        }
    }
}
