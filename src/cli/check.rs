//! `botwatch check`: files checked without running anything.

use std::{path::PathBuf, process::ExitCode};

use botwatch_core::{
    diag::{self, CODES, Diagnostic, render_json},
    promql::ParseOptions,
    rules,
};
use clap::Subcommand;

use super::{NO, USAGE, complain, count, report, say};
use crate::config::{self, Configuration, Env, Flags};

/// `botwatch check`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    /// Explains a code that a diagnostic bears, e.g. `unknown-key`; `all` lists them
    #[arg(long, value_name = "CODE")]
    explain: Option<String>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Checks configuration files as one whole, with their rule files and templates; without FILE the environment
    Config {
        /// As for `botwatch run`
        files: Vec<PathBuf>,
        /// Prints the values in force (secrets masked) and where each comes from
        #[arg(long)]
        print: bool,
        /// Problems as JSON, one a line
        #[arg(long)]
        json: bool,
    },
    /// Checks rule files
    Rules {
        /// Prometheus rule files
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Problems as JSON, one a line
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match (&arguments.what, &arguments.explain) {
        (Some(What::Config { files, print, json }), None) => check_config(files, *print, *json),
        (Some(What::Rules { files, json }), None) => check_rules(files, *json),
        (None, Some(code)) => explain(code),
        _ => {
            complain("botwatch check: name what to check (`config` or `rules`), or a code to --explain");
            ExitCode::from(USAGE)
        }
    }
}

fn explain(code: &str) -> ExitCode {
    if code == "all" {
        for known in CODES {
            say(known.code);
        }
        return ExitCode::SUCCESS;
    }
    match diag::explain(code) {
        Some(text) => {
            say(text);
            ExitCode::SUCCESS
        }
        None => {
            let near = diag::nearest(code, CODES.iter().map(|c| c.code));
            let near = near.map_or(String::new(), |n| format!("; did you mean `{n}`?"));
            complain(format!("botwatch check: there is no code `{code}`{near}"));
            ExitCode::from(USAGE)
        }
    }
}

/// Reports problems; the exit code that they ask for.
fn verdict(diagnostics: &[Diagnostic], json: bool, summary: impl FnOnce() -> String) -> ExitCode {
    let errors = if json {
        for diagnostic in diagnostics {
            say(render_json(diagnostic));
        }
        diagnostics.iter().filter(|d| d.level == diag::Level::Error).count()
    } else {
        report(diagnostics)
    };
    let warnings = diagnostics.len() - errors;
    if errors > 0 {
        complain(format!("{} and {}", count(errors, "error"), count(warnings, "warning")));
        return ExitCode::from(NO);
    }
    if !json {
        say(summary());
    }
    ExitCode::SUCCESS
}

fn check_config(files: &[PathBuf], print: bool, json: bool) -> ExitCode {
    let env = Env::of_process();
    let loaded = config::load(files, &env, &Flags::default());
    if let (Some(configuration), true) = (&loaded.configuration, print) {
        for (path, value, origin) in configuration.origins() {
            say(format!("{path}: {value}  # {origin}"));
        }
    }
    let configuration = loaded.configuration.as_ref();
    verdict(&loaded.diagnostics, json, || configuration.map_or_else(String::new, summary))
}

/// What a good configuration amounts to, in one paragraph.
fn summary(configuration: &Configuration) -> String {
    let rules: Vec<_> =
        configuration.rules.files.iter().flat_map(|f| &f.groups).flat_map(|g| &g.rules).collect();
    let alerts = rules.iter().filter(|r| r.alert.is_some()).count();
    let told = configuration.told();
    let told = if told.is_empty() { "nobody".to_owned() } else { told.join(", ") };
    let judges =
        if rules.is_empty() { "; there are no rules, so no alert can come from its own data" } else { "" };
    format!(
        "the configuration is good: {}, {}, {}; tells {told}{judges}",
        count(configuration.collect.jobs.len(), "scrape job"),
        count(alerts, "alerting rule"),
        count(rules.len() - alerts, "recording rule"),
    )
}

fn check_rules(files: &[PathBuf], json: bool) -> ExitCode {
    let (mut found, mut rules) = (Vec::new(), 0);
    for path in files {
        match config::read_file(path) {
            Ok(source) => {
                let (groups, problems) = rules::parse_file(&source, &ParseOptions::default());
                found.extend(problems);
                rules += groups.iter().map(|g| g.rules.len()).sum::<usize>();
            }
            Err(problem) => found.push(problem),
        }
    }
    verdict(&found, json, || format!("{} in {}: good", count(rules, "rule"), count(files.len(), "file")))
}
