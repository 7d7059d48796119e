//! `botwatch token`: who may ask, and as what.

use std::{path::PathBuf, process::ExitCode};

use botwatch_core::{
    access::Role,
    diag::chain,
    model::{Duration, Timestamp},
};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::{NO, complain, say};
use crate::{
    runtime::Clock,
    store::{Accounts, AccountsError, Token},
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// The data directory [default: $STATE_DIRECTORY, else ./data]
    #[arg(long = "storage.path", global = true, value_name = "DIR")]
    storage: Option<PathBuf>,
    /// Answers as JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes a token and shows it, this once
    Create {
        /// Whose it is: what records say who did it
        name: String,
        /// What it allows: viewer, operator or admin
        #[arg(long, default_value = "viewer")]
        role: Role,
        /// When it ends, such as 90d [default: never]
        #[arg(long, value_name = "DURATION")]
        expires: Option<Duration>,
    },
    /// Lists tokens
    List,
    /// Shows one token's data, not the token: only its hash is kept
    Show {
        /// Its name or id
        which: String,
    },
    /// Takes a token back: it is refused from then on
    Revoke {
        /// Its name or id
        which: String,
    },
}

#[derive(Serialize)]
struct TokenJson {
    id: String,
    name: String,
    role: &'static str,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl TokenJson {
    fn of(token: &Token, text: Option<String>) -> Self {
        Self {
            id: token.id.clone(),
            name: token.name.to_string(),
            role: token.role.as_str(),
            created_at: token.created_at.rfc3339(),
            expires_at: token.expires_at.map(Timestamp::rfc3339),
            token: text,
        }
    }

    fn line(&self) -> String {
        let ends = self.expires_at.as_deref().unwrap_or("never");
        format!("{:<10} {:<9} {:<25} {:<25} {}", self.id, self.role, self.created_at, ends, self.name)
    }
}

pub(super) fn run(arguments: Arguments) -> ExitCode {
    let dir = super::data_directory(arguments.storage);
    if !dir.is_dir() {
        complain(format!("there is no data directory {}: name it with --storage.path", dir.display()));
        return ExitCode::from(NO);
    }
    match act(arguments.command, &dir, arguments.json) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(chain(&error));
            ExitCode::from(NO)
        }
    }
}

fn show_json(value: &impl Serialize) {
    say(serde_json::to_string_pretty(value).expect("texts only"));
}

fn act(command: Command, dir: &std::path::Path, json: bool) -> Result<(), AccountsError> {
    let accounts = Accounts::open(dir)?;
    let now = Clock::system().now();
    match command {
        Command::Create { name, role, expires } => {
            let (token, text) = accounts.create(&name, role, now, expires.map(|d| now + d))?;
            if json {
                show_json(&TokenJson::of(&token, Some(text)));
            } else {
                say(&text);
                complain(format!(
                    "{} may ask as {role}. This is shown once: only its hash is kept.",
                    token.name
                ));
            }
        }
        Command::List => {
            let tokens: Vec<TokenJson> = accounts.tokens().iter().map(|t| TokenJson::of(t, None)).collect();
            if json {
                show_json(&tokens);
            } else {
                say(format!("{:<10} {:<9} {:<25} {:<25} NAME", "ID", "ROLE", "CREATED", "EXPIRES"));
                for token in tokens {
                    say(token.line());
                }
            }
        }
        Command::Show { which } => {
            let tokens = accounts.tokens();
            let found = tokens.iter().find(|t| t.id == which || *t.name == *which);
            let found = TokenJson::of(found.ok_or(AccountsError::NotFound(which))?, None);
            if json {
                show_json(&found);
            } else {
                say(found.line());
            }
        }
        Command::Revoke { which } => {
            let revoked = accounts.revoke(&which)?;
            if json {
                show_json(&TokenJson::of(&revoked, None));
            } else {
                say(format!("the token of {} ({}) is refused from now on", revoked.name, revoked.id));
            }
        }
    }
    Ok(())
}
