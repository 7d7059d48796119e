//! Parameters of a query string; a name may come several times.

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
