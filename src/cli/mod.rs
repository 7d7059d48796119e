//! The command line: one file per command.
//!
//! Exit codes: 0 fine, 1 the answer is no, 2 usage, 70 a bug of botwatch. What a command prints is for people on
//! stdout; problems go to stderr; `--json` where a program may read it.

mod audit;
mod check;
mod demo;
mod run;
mod token;

use std::{
    ffi::OsString,
    fmt,
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use botwatch_core::diag::{Diagnostic, Level, render_terminal};
use clap::{Parser, Subcommand};

/// The answer is no.
const NO: u8 = 1;
/// The command was called wrongly.
const USAGE: u8 = 2;
/// A bug of botwatch.
const BUG: u8 = 70;

/// Watches a crypto-trading bot: scrapes it, evaluates Prometheus rules, tells people.
#[derive(Debug, Parser)]
#[command(name = "botwatch", version, max_term_width = 100, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs beside the bot, until it is stopped
    Run(run::Arguments),
    /// Shows what botwatch does: a simulated bot gets into trouble, and you are told
    Demo(demo::Arguments),
    /// Says whether the audit log is as it was written
    Audit(audit::Arguments),
    /// Makes, lists and revokes tokens for the API
    Token(token::Arguments),
    /// Checks files without running anything
    Check(check::Arguments),
}

/// Runs a command.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors; a closed pipe is the reader's affair.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    match arguments.command {
        Command::Run(arguments) => run::run(arguments),
        Command::Demo(arguments) => demo::run(arguments),
        Command::Token(arguments) => token::run(arguments),
        Command::Audit(arguments) => audit::run(arguments),
        Command::Check(arguments) => check::run(&arguments),
    }
}

/// The data directory that a command is about (DESIGN §5).
fn data_directory(given: Option<PathBuf>) -> PathBuf {
    let state = std::env::var_os("STATE_DIRECTORY").filter(|s| !s.is_empty());
    given.or(state.map(PathBuf::from)).unwrap_or_else(|| "data".into())
}

/// Prints to stdout; a closed pipe is the reader's affair.
fn say(text: impl fmt::Display) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Prints to stderr.
fn complain(text: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints problems as people read them; how many are errors.
fn report(diagnostics: &[Diagnostic]) -> usize {
    let color = io::stderr().is_terminal();
    for diagnostic in diagnostics {
        complain(render_terminal(diagnostic, color));
    }
    diagnostics.iter().filter(|d| d.level == Level::Error).count()
}

/// `1 rule`, `2 rules`.
fn count(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}
