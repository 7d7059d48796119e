//! Who may do what, and how often (DESIGN §4 "Access"). Pure: who asks is found out by `api`.

mod claims;
mod limit;
mod network;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

pub use claims::{ClaimsError, Expected, judge};
pub use limit::{Limit, Limiter};
pub use network::{Network, NetworkError, any_contains, client_address};

/// What somebody is allowed to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees everything that is no secret.
    Viewer,
    /// Deals with alerts: issues, silences, thresholds, tests.
    Operator,
    /// May change who is who.
    Admin,
}

/// What an endpoint needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// Nothing: it answers anybody.
    Open,
    /// To see.
    View,
    /// To say what happens: alerts, reports, metrics.
    Report,
    /// The same for senders that can't log in: whoever may report, and machines nearby where no secret is set.
    Webhook,
    /// To deal with it: acknowledge, silence, set thresholds, test, reload.
    Manage,
    /// To decide who may do what.
    Administer,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// Whether it includes a permission.
    pub const fn allows(self, needed: Permission) -> bool {
        match needed {
            Permission::Open | Permission::View => true,
            Permission::Report | Permission::Webhook | Permission::Manage => {
                matches!(self, Self::Operator | Self::Admin)
            }
            Permission::Administer => matches!(self, Self::Admin),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no role: there are viewer, operator, admin")]
pub struct RoleError(pub String);

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        Self::ALL.into_iter().find(|r| r.as_str() == text).ok_or_else(|| RoleError(text.to_owned()))
    }
}

impl Permission {
    /// The least role that has it; none: nobody needs one.
    pub fn least(self) -> Option<Role> {
        (self != Self::Open).then(|| Role::ALL.into_iter().find(|r| r.allows(self)).unwrap_or(Role::Admin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_includes_the_lesser_ones() {
        use Permission::{Administer, Manage, Open, Report, View};
        let table = [
            (Open, [true, true, true], None),
            (View, [true, true, true], Some(Role::Viewer)),
            (Report, [false, true, true], Some(Role::Operator)),
            (Manage, [false, true, true], Some(Role::Operator)),
            (Administer, [false, false, true], Some(Role::Admin)),
        ];
        for (permission, allowed, least) in table {
            assert_eq!(Role::ALL.map(|r| r.allows(permission)), allowed, "{permission:?}");
            assert_eq!(permission.least(), least);
        }
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert!("root".parse::<Role>().is_err());
    }
}
