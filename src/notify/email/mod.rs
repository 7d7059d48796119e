//! E-mail: one message per delivery, to all recipients, over SMTP (spec alertmanager §1.6, §4.5).
//!
//! [`Mailer`] renders the templates, `message` makes a MIME message of them, `smtp`, `auth` and `session` hand it
//! to the server, `chart` draws the value against its threshold. The conversation is our own: lettre's client takes
//! no rustls configuration and gives up on all recipients when one is refused; lettre makes the message.
//!
//! **The chart in a template**: an `<img>` whose source is `cid:chart`, written on one line. It gets its picture when
//! the alert's rule compares a value; otherwise the whole `<img …>` is taken out.
//!
//! **Several recipients**: the message goes to all that are addresses and whom the server accepts. What is no address
//! is left out and told. One refused for good (5xx) does not keep
//! it from the others: the delivery counts, and says whom it didn't reach. One refused for now (4xx) makes the
//! attempt transient; the next attempt goes only to those who don't have it yet, as long as this process lives.
//!
//! **Duplicates** follow only a lost answer; both copies have the same `Message-ID`, made of the delivery's id.
//!
//! It must not decide whether or when to send; `notify`'s worker calls it.

mod auth;
mod chart;
mod error;
mod font;
mod mailer;
mod message;
mod png;
mod session;
mod smtp;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use mailer::Mailer;
pub use session::Refusal;
