//! `botwatch audit verify`: whether anybody has changed what is written of changes.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};

use super::{NO, complain, say};
use crate::store::verify_audit;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Looks at the whole chain of the audit log
    Verify {
        /// The data directory [default: $STATE_DIRECTORY, else ./data]
        #[arg(long = "storage.path", value_name = "DIR")]
        storage: Option<PathBuf>,
        /// Answers as JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(arguments: Arguments) -> ExitCode {
    let Command::Verify { storage, json } = arguments.command;
    let dir = super::data_directory(storage);
    let verdict = match verify_audit(&dir) {
        Ok(verdict) => verdict,
        Err(error) => {
            complain(format!("can't read the audit log in {}: {error}", dir.display()));
            return ExitCode::from(NO);
        }
    };
    if json {
        say(serde_json::to_string_pretty(&verdict).expect("texts and numbers only"));
    } else {
        for problem in &verdict.problems {
            complain(problem);
        }
        match (verdict.entries, verdict.problems.len()) {
            (0, 0) => say("the audit log is empty"),
            (n, 0) => say(format!(
                "{n} entries from number {} on, unbroken; the last hash is {}",
                verdict.first, verdict.last_hash
            )),
            (_, n) => say(super::count(n, "problem")),
        }
    }
    if verdict.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(NO) }
}
