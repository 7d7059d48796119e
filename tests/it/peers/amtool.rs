//! amtool says the same of botwatch as of a real Alertmanager with the same file.

use std::{fs, path::Path, process::Command, time::Duration};

use super::{
    alertmanager as alertmanager_program,
    alertmanager::start,
    amtool as amtool_program, peer,
    server::{Server, folder, until},
};

const WITHIN: Duration = Duration::from_mins(1);

const FILE: &str = "
route:
  receiver: default
  group_by: [alertname]
  group_wait: 1s
  group_interval: 1s
  routes:
    - {receiver: a, matchers: ['test=\"1\"']}
    - {receiver: b, matchers: ['test=\"2\"'], continue: true}
    - {receiver: a, matchers: ['test=~\"2|3\"']}
inhibit_rules:
  - {source_matchers: ['severity=\"critical\"'], target_matchers: ['severity=\"warning\"'], equal: [bot]}
receivers: [{name: default}, {name: a}, {name: b}]
";

/// What amtool prints, without what differs by the second or by chance.
fn says(amtool: &Path, server: &Server, arguments: &[&str]) -> String {
    let url = format!("--alertmanager.url=http://127.0.0.1:{}", server.port);
    let output = Command::new(amtool).arg(url).args(arguments).output().expect("it runs");
    let word = |word: &str| match word.len() {
        36 if word.matches('-').count() == 4 => "ID".repeat(18),
        _ if word.contains([':', '-']) && word.starts_with(|c: char| c.is_ascii_digit()) => {
            word.replace(|c: char| c.is_ascii_digit(), "0")
        }
        _ => word.to_owned(),
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().map(|line| line.split(' ').map(word).collect::<Vec<_>>().join(" "));
    format!("exit {:?}\n{}", output.status.code(), lines.collect::<Vec<_>>().join("\n"))
}

/// The id of the silence that was set last.
fn id(amtool: &Path, server: &Server) -> String {
    let url = format!("--alertmanager.url=http://127.0.0.1:{}", server.port);
    let output = Command::new(amtool).arg(url).args(["silence", "query", "-q"]).output().expect("it runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn amtool_says_the_same() {
    const WHAT: &str = "what amtool says of botwatch and of an Alertmanager";
    let program = peer!(WHAT, alertmanager_program(), "alertmanager");
    let amtool = peer!(WHAT, amtool_program(), "amtool");
    let folder = folder();
    let file = folder.path().join("alertmanager.yml");
    fs::write(&file, FILE).expect("a file");
    let sides = [Server::botwatch(folder.path(), &[&file], &[]), start(&program, folder.path(), &file)];
    let same = |arguments: &[&str], contains: &str| {
        until(&arguments.join(" "), WITHIN, || {
            let [ours, theirs] = [&sides[0], &sides[1]].map(|side| says(&amtool, side, arguments));
            if ours == theirs && ours.contains(contains) {
                return Ok(());
            }
            Err(format!("expected {contains:?}\nbotwatch: {ours}\nAlertmanager: {theirs}"))
        });
    };
    let both = |arguments: &dyn Fn(&Server) -> Vec<String>| {
        let said = [&sides[0], &sides[1]].map(|side| {
            let given = arguments(side);
            says(&amtool, side, &given.iter().map(String::as_str).collect::<Vec<_>>())
        });
        assert_eq!(said[0], said[1]);
    };
    let words = |text: &'static str| move |_: &Server| text.split(' ').map(str::to_owned).collect::<Vec<_>>();

    both(&words("alert add A n=1 severity=critical bot=b --annotation=summary=full"));
    both(&words("alert add B severity=warning bot=b"));
    both(&words("alert add C severity=warning bot=c"));
    same(&["alert", "query", "A"], "full");
    same(&["alert", "query", "-i"], "B  ");
    same(&["alert", "query", "severity=~warn.*", "bot!=b"], "C  ");
    both(&words("silence add alertname=C bot=~b|c -a anna -c why -d 1h"));
    same(&["silence", "query"], "anna");
    same(&["silence", "query", "alertname=C"], "anna");
    same(&["silence", "query", "alertname=D"], "ID");
    same(&["alert", "query", "-s"], "suppressed");
    same(&["alert", "query", "-a"], "A  ");
    both(&|side| ["silence", "update", "-d", "2h", &id(&amtool, side)].map(str::to_owned).to_vec());
    same(&["silence", "query", "-o", "extended"], "anna");
    both(&|side| ["silence", "expire", &id(&amtool, side)].map(str::to_owned).to_vec());
    same(&["silence", "query", "-q"], "exit Some(0)");
    same(&["silence", "query", "--expired"], "anna");
    same(&["alert", "query"], "C  ");
    both(&words("silence add alertname=C -a anna -d 1h"));
    both(&words("silence expire 11111111-2222-4333-8444-555555555555"));
    same(&["config", "routes", "show"], "default-route");
    for labels in ["test=1", "test=2", "test=3", "test=4"] {
        same(&["config", "routes", "test", labels], "exit Some(0)");
    }
}
