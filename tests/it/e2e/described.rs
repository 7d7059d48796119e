//! The description of the API and the running program agree: schemathesis makes requests out of the one and compares the
//! answers of the other.

use std::{env, path::PathBuf, process::Command};

use super::{
    process::{ask, not_compared},
    world::{World, shipped_rules},
};

#[test]
fn schemathesis_finds_no_difference_between_description_and_program() {
    let Some(program) = env::var_os("SCHEMATHESIS_BIN").map(PathBuf::from) else {
        not_compared("the API with its description: SCHEMATHESIS_BIN names no schemathesis");
        return;
    };
    let mut world = World::with(&format!(
        "
bot: {{name: paper-bot}}
rule_files: [\"{}\"]
route: {{receiver: team, group_wait: 0s}}
receivers: [{{name: team, webhook_configs: [{{url: \"http://127.0.0.1:9/\", retry: {{attempts: 1}}}}]}}]
",
        shipped_rules().display()
    ));
    world.start();
    // Something to find.
    let report = r#"{"type": "system_failure", "title": "found"}"#;
    assert_eq!(ask(world.address(), "POST", "/api/alerting/issues", report).0, 201);
    let token = std::fs::read_to_string(world.path("data/admin.token")).expect("made at the start");
    let examples = if env::var_os("BOTWATCH_LONG").is_some() { "1000" } else { "40" };
    let output = Command::new(program)
        .current_dir(world.dir.path())
        .arg("run")
        .arg(format!("http://{}/api/docs/openapi.json", world.address()))
        .args(["--header", &format!("Authorization: Bearer {}", token.trim())])
        .args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance"])
        .args(["--checks", "response_schema_conformance,response_headers_conformance"])
        // A stream has no end to wait for.
        .args(["--exclude-path", "/api/alerting/events"])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", examples])
        .args(["--request-timeout", "60", "--seed", "7", "--no-color"])
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("passed"), "{said}");
}
