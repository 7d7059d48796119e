//! Rules edited on disk while the daemon runs.

use std::{fs, os::unix::fs::symlink};

use botwatch::runtime::Clock;

use super::{
    process::{ask, until, until_true},
    world::World,
};
use crate::sinks::http::{Answer, HttpSink};

/// Far more than the second that it should take: the machine may be busy.
const SECONDS_MAX: f64 = 30.0;

/// A group with an alert that is pending for long, and one that is edited.
fn rules(edited: &str) -> String {
    format!(
        "groups:
  - name: own
    rules:
      - alert: Waits
        expr: value > 0
        for: 1h
      - alert: Edited
        expr: {edited}
"
    )
}

fn extra(expr: &str) -> String {
    format!("groups: [{{name: extra, rules: [{{alert: Extra, expr: {expr}}}]}}]\n")
}

struct Stage {
    world: World,
    _target: HttpSink,
    active_at: String,
}

impl Stage {
    fn new() -> Self {
        let target = HttpSink::start(|_| Answer::new(200, "value 3\n").with("Content-Type", "text/plain"));
        let mut world = World::with(&format!(
            "
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml, map/extra.yml]
scrape_configs: [{{job_name: t, static_configs: [{{targets: [\"{}\"]}}]}}]
route: {{receiver: nobody}}
receivers: [{{name: nobody}}]
",
            target.address()
        ));
        world.write("rules.yml", &rules("value > 5"));
        let map = world.path("map");
        for (version, expr) in [("..1", "value > 5"), ("..2", "value > 1")] {
            fs::create_dir_all(map.join(version)).expect("made");
            fs::write(map.join(version).join("extra.yml"), extra(expr)).expect("written");
        }
        symlink("..1", map.join("..data")).expect("linked");
        symlink("..data/extra.yml", map.join("extra.yml")).expect("linked");
        world.start();
        let active_at = until("the pending alert", || active_at(&world));
        Self { world, _target: target, active_at }
    }

    /// Waits until a rule has a query; says how long it took, and holds the pending alert to its time.
    #[expect(clippy::print_stdout, reason = "a measurement that is worth reading")]
    fn until_in_force(&self, what: &str, alert: &str, query: &str) {
        let watch = Clock::system().stopwatch();
        until_true(what, || {
            let groups = self.world.json("/api/v1/rules?type=alert");
            let groups = groups["data"]["groups"].as_array().expect("a list").iter();
            let mut rules = groups.filter_map(|g| g["rules"].as_array()).flatten();
            rules.any(|r| r["name"] == alert && r["query"] == query)
        });
        let seconds = watch.seconds();
        println!("{what}: in force after {seconds:.3} s");
        assert!(seconds < SECONDS_MAX, "{what}: {seconds} s");
        assert_eq!(active_at(&self.world).as_deref(), Some(self.active_at.as_str()), "{what}");
    }
}

fn active_at(world: &World) -> Option<String> {
    let answer = world.json("/api/v1/alerts");
    let alerts = answer["data"]["alerts"].as_array()?;
    let waits = alerts.iter().find(|a| a["labels"]["alertname"] == "Waits" && a["state"] == "pending")?;
    Some(waits["activeAt"].as_str()?.to_owned())
}

#[test]
fn a_rule_edited_on_disk_is_in_force_at_once_and_others_keep_their_timers() {
    let stage = Stage::new();
    let world = &stage.world;
    world.write("rules.yml", &rules("value > 2"));
    stage.until_in_force("a file written over", "Edited", "value > 2");
    world.until_firing("Edited");

    world.write("rules.yml.tmp", &rules("value > 1"));
    fs::rename(world.path("rules.yml.tmp"), world.path("rules.yml")).expect("renamed");
    stage.until_in_force("an editor's atomic save", "Edited", "value > 1");

    let map = world.path("map");
    symlink("..2", map.join("..tmp")).expect("linked");
    fs::rename(map.join("..tmp"), map.join("..data")).expect("swapped");
    stage.until_in_force("a ConfigMap's swap", "Extra", "value > 1");
    world.until_firing("Extra");

    let told = |why: &str| {
        world.log().iter().any(|l| l.contains("configuration reloaded") && l.contains(&format!("why={why}")))
    };
    world.signal("HUP");
    until_true("SIGHUP", || told("SIGHUP"));
    assert_eq!(ask(world.address(), "POST", "/-/reload", "").0, 200);
    // The log is read beside the answer.
    until_true("a reload by HTTP", || told("\"asked by HTTP\""));
    stage.until_in_force("reloads that change nothing", "Edited", "value > 1");
}

#[test]
fn a_broken_edit_changes_nothing_and_says_where_it_is_broken() {
    let stage = Stage::new();
    let world = &stage.world;
    world.write("rules.yml", &rules("value >> 2"));
    // The second `>`.
    let place = "rules.yml:8:22";
    until_true("the log says where", || world.log().iter().any(|l| l.contains(place)));
    let (status, answer) = ask(world.address(), "POST", "/-/reload", "");
    assert_eq!(status, 500, "{answer}");
    for expected in [place, "expr: value >> 2", "^"] {
        assert!(answer.contains(expected), "no {expected:?} in:\n{answer}");
    }
    stage.until_in_force("what ran before", "Edited", "value > 5");
    assert_eq!(ask(world.address(), "GET", "/-/ready", "").0, 200);
    world.write("rules.yml", &rules("value > 2"));
    stage.until_in_force("the mended file", "Edited", "value > 2");
}
