//! Access (DESIGN §4 "Access").

use std::sync::Arc;

use botwatch_core::{access::Role, diag::Span, yaml::Reader};

use crate::config::value::{At, section};

section! {
    /// Who may ask.
    pub struct Auth("`auth`", "auth", check Auth::check) {
        /// What callers on this machine may do without a token: `viewer`, `operator`, or `off`.
        loopback: At<Arc<str>>,
    }
}

impl Auth {
    fn check(&self, reader: &mut Reader, _: Span) {
        if let Some(written) =
            self.loopback.as_ref().filter(|l| !matches!(&*l.value, "viewer" | "operator" | "off"))
        {
            let d = written.error("invalid-value", format!("`loopback` is `{}`", written.value));
            reader.report(
                d.label("expected `viewer`, `operator` or `off`").hint("admins need a token, also here"),
            );
        }
    }

    /// The role of callers on this machine; `None`: they need a token.
    pub fn loopback(&self) -> Option<Role> {
        match self.loopback.as_ref().map(|l| &*l.value) {
            Some("viewer") => Some(Role::Viewer),
            Some("off") => None,
            _ => Some(Role::Operator),
        }
    }
}
