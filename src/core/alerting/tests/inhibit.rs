//! Inhibition: spec alertmanager §2.6, with a set of sources.

use super::*;
use crate::alerting::inhibit::Inhibitor;

fn inhibitor(source: &str, target: &str, equal: &[&str], active: &[&str]) -> Inhibitor {
    let rule = InhibitRule {
        name: "x".into(),
        source: matchers::parse(source).expect(source),
        target: matchers::parse(target).expect(target),
        equal: equal.iter().map(|e| (*e).into()).collect(),
    };
    let mut inhibitor = Inhibitor::new(&[rule]);
    for a in active {
        inhibitor.set(&labels(a), true);
    }
    inhibitor
}

#[test]
fn who_is_quietened() {
    for (what, source, target, equal, active, of, expected) in [
        ("plain", "s=1", "t=1", &["e"][..], &["s=1 e=x"][..], "t=1 e=x", true),
        ("no target", "s=1", "t=1", &["e"], &["s=1 e=x"], "t=2 e=x", false),
        ("no source", "s=1", "t=1", &["e"], &["s=2 e=x"], "t=1 e=x", false),
        ("unequal", "s=1", "t=1", &["e"], &["s=1 e=y"], "t=1 e=x", false),
        ("missing on one side", "s=1", "t=1", &["e"], &["s=1"], "t=1 e=x", false),
        ("missing on both sides", "s=1", "t=1", &["e"], &["s=1"], "t=1", true),
        ("nothing need be equal", "s=1", "t=1", &[], &["s=1 e=y"], "t=1 e=x", true),
        ("itself on both sides", "s=1", "t=1", &[], &["s=1 t=1"], "s=1 t=1", false),
        ("both on both sides", "s=1", "t=1", &[], &["s=1 t=1 n=2"], "s=1 t=1", false),
        ("target on both sides, source on one", "s=1", "t=1", &[], &["s=1 n=2"], "s=1 t=1", true),
        ("target on one side, source on both", "s=1", "t=1", &[], &["s=1 t=1"], "t=1", true),
        (
            "a source on one side hides behind one on both",
            "s=1",
            "t=1",
            &[],
            &["s=1 t=1 n=0", "s=1 n=9"],
            "s=1 t=1",
            true,
        ),
        ("matching by absence", "s!=\"\"", "t!=\"\",s=\"\"", &["e"], &["s=2 e=x"], "t=1 e=x", true),
    ] {
        assert_eq!(
            inhibitor(source, target, equal, active).inhibits(&labels(of)).is_some(),
            expected,
            "{what}"
        );
    }
}

#[test]
fn as_long_as_one_source_is_left() {
    let mut i = inhibitor("s=1", "t=1", &["e"], &["s=1 e=x n=1", "s=1 e=x n=2"]);
    i.set(&labels("s=1 e=x n=1"), false);
    assert_eq!(i.inhibits(&labels("t=1 e=x")).map(|i| i.by), Some(labels("s=1 e=x n=2").fingerprint()));
    i.set(&labels("s=1 e=x n=2"), false);
    assert_eq!(i.inhibits(&labels("t=1 e=x")), None);
}

fn quietening() -> Options {
    let rule = |name: &str, source: &str, target: &str| InhibitRule {
        name: name.into(),
        source: matchers::parse(source).expect(source),
        target: matchers::parse(target).expect(target),
        equal: vec!["bot".into()],
    };
    let inhibit_rules = vec![
        rule("down", "alertname=BotDown", "alertname!=BotDown,category!=safety"),
        rule("worse", "severity=critical", "severity=warning"),
    ];
    Options { inhibit_rules, ..options() }
}

#[test]
fn targets_are_quiet_and_say_why() {
    let mut rig = Rig::new(quietening());
    rig.event(
        0,
        Event::Transitions(vec![fires("alertname=BotDown bot=b", 0), fires("alertname=Slow bot=b", 0)]),
    );
    rig.run_to(100);
    assert_eq!(rig.story(), ["10 webhook first notification +BotDown"]);
    let by = labels("alertname=BotDown bot=b").fingerprint();
    assert_eq!(rig.why("alertname=Slow bot=b"), [Reason::Inhibited { by, rule: 0, name: "down".into() }]);
    assert_eq!(rig.machine.inhibited_by(&labels("alertname=Slow bot=b")), Some(by));
    rig.end(100, "alertname=BotDown bot=b");
    rig.run_to(200);
    assert_eq!(
        rig.story()[1..],
        ["130 webhook all alerts resolved -BotDown", "130 webhook first notification +Slow"]
    );
}

#[test]
fn told_then_quietened_then_heard_again_is_told_once() {
    let mut rig = Rig::new(quietening());
    rig.fire(0, "alertname=Slow bot=b");
    rig.fire(20, "alertname=BotDown bot=b");
    rig.end(200, "alertname=BotDown bot=b");
    rig.end(400, "alertname=Slow bot=b");
    rig.run_to(500);
    let slow: Vec<_> = rig.story().into_iter().filter(|l| l.contains("Slow")).collect();
    assert_eq!(slow, ["10 webhook first notification +Slow", "430 webhook all alerts resolved -Slow"]);
}

#[test]
fn sources_are_known_again_after_a_restart_and_a_reload() {
    let mut rig = Rig::new(quietening());
    rig.fire(0, "alertname=BotDown bot=b");
    rig.restart(20, quietening());
    rig.fire(30, "alertname=Slow bot=b");
    rig.reload(50, Options { inhibit_rules: Vec::new(), ..quietening() });
    rig.run_to(99);
    assert_eq!(rig.story(), ["10 webhook first notification +BotDown"]);
    rig.run_to(200);
    assert_eq!(rig.story()[1..], ["100 webhook first notification +Slow"]);
    rig.reload(210, quietening());
    rig.fire(220, "alertname=Other bot=b");
    rig.run_to(300);
    assert_eq!(rig.story().len(), 2);
}
