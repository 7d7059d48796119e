//! Lists of matchers as Alertmanager's users write them (`{severity="critical", bot=~"a|b"}`): both grammars with
//! the fallback between them (spec alertmanager §1.3), printing, and Go's quoting, on which group keys depend.

mod classic;
mod parse;
mod print;
mod utf8;

#[cfg(test)]
mod tests;

pub use parse::{Error, Mode, Parsed, Warning, parse, parse_in, parse_one};
pub use print::{print_list, print_one};
