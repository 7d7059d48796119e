//! Intake and merging of alerts from outside: spec alertmanager §2.5.

use super::*;
use crate::alerting::intake::{merge, overlaps};

fn seen(starts: i64, ends: i64, updated: i64, timeout: bool) -> Alert {
    Alert { updated_at: at(updated), timeout, ..alert("alertname=A", starts, Some(ends)) }
}

#[test]
fn merging_two_reports() {
    for (what, old, new, expected) in [
        ("newer ends later", seen(0, 100, 10, false), seen(5, 200, 20, false), (0, 200)),
        ("older end is later and was given", seen(0, 300, 10, false), seen(5, 200, 20, false), (0, 300)),
        ("older end is later and was a timeout", seen(0, 300, 10, true), seen(5, 200, 20, false), (0, 200)),
        ("newer is over, older not", seen(0, 300, 10, false), seen(5, 15, 20, false), (0, 15)),
        ("both over, older later", seen(0, 18, 19, false), seen(5, 15, 20, false), (0, 18)),
        ("both over, newer later", seen(0, 12, 19, false), seen(5, 15, 20, false), (0, 15)),
        ("given the other way round", seen(5, 15, 20, false), seen(0, 300, 10, false), (0, 15)),
    ] {
        let merged = merge(&old, &new);
        assert_eq!((merged.starts_at, merged.ends_at), (at(expected.0), Some(at(expected.1))), "{what}");
        assert_eq!(merged.updated_at, at(20), "{what}: the newer report's texts");
    }
}

#[test]
fn overlap_means_strictly_inside() {
    let old = seen(10, 20, 0, false);
    for (starts, ends, expected) in [
        (0, 10, false),
        (0, 15, true),
        (0, 20, false),
        (10, 30, false),
        (15, 30, true),
        (20, 30, false),
        (12, 18, true),
    ] {
        assert_eq!(overlaps(&old, &seen(starts, ends, 0, false)), expected, "{starts}..{ends}");
    }
}

/// Start and end of the alert as the machine has it; `None` when it has ended or isn't known.
fn active(rig: &Rig, of: &str) -> Option<(i64, i64)> {
    let e = rig.machine.newest(labels(of).fingerprint()).filter(|e| e.is_active())?;
    let secs = |t: Timestamp| t.since(at(0)).as_millis() / 1000;
    Some((secs(e.alert.starts_at), secs(e.lease?)))
}

#[test]
fn leases_end_unless_sent_again() {
    let mut rig = Rig::new(options());
    rig.receive(0, vec![alert("alertname=A n=a", 0, None)]);
    assert_eq!(active(&rig, "alertname=A n=a"), Some((0, 300)), "resolve_timeout fills in the end");
    rig.receive(100, vec![alert("alertname=A n=a", 0, Some(500))]);
    assert_eq!(active(&rig, "alertname=A n=a"), Some((0, 500)));
    rig.run_to(499);
    assert_eq!(active(&rig, "alertname=A n=a"), Some((0, 500)));
    rig.run_to(1000);
    assert_eq!(active(&rig, "alertname=A n=a"), None);
    assert_eq!(rig.story(), ["10 webhook first notification +a", "550 webhook all alerts resolved -a"]);
    let told = &rig.sent[1].1.delivery.alerts[0].alert;
    assert_eq!(told.ends_at, Some(at(500)), "the end is the lease's, not when it was noticed");
}

#[test]
fn a_resend_that_only_extends_is_one_small_record_for_all() {
    let mut rig = Rig::new(options());
    let batch =
        |ends| (0..50).map(|i| alert(&format!("alertname=A n={i}"), 0, Some(ends))).collect::<Vec<_>>();
    rig.receive(0, batch(240));
    let before = rig.records.len();
    rig.receive(5, batch(245));
    assert_eq!(rig.records.len(), before + 1);
    assert!(matches!(&rig.records[before], Record::Extended { episodes, .. } if episodes.len() == 50));
    rig.receive(6, batch(245));
    assert_eq!(rig.records.len(), before + 1, "exactly the same again is no news at all");
    let mut changed = batch(250);
    changed[0].annotations = Labels::from_pairs([("summary", "new")]);
    rig.receive(7, changed);
    assert!(matches!(&rig.records[before + 1], Record::Received { .. }));
    assert!(matches!(&rig.records[before + 2], Record::Extended { episodes, .. } if episodes.len() == 49));
}

#[test]
fn the_same_alert_twice_in_one_batch() {
    let mut rig = Rig::new(options());
    rig.receive(0, vec![alert("alertname=A n=a", 0, Some(100))]);
    // extended, then ended by its sender: the order within the batch counts
    rig.receive(5, vec![alert("alertname=A n=a", 0, Some(200)), alert("alertname=A n=a", 0, Some(4))]);
    assert_eq!(active(&rig, "alertname=A n=a"), None);
}

#[test]
fn the_sender_ends_it() {
    let mut rig = Rig::new(options());
    rig.receive(0, vec![alert("alertname=A n=a", 0, Some(300))]);
    rig.receive(
        30,
        vec![Alert { annotations: labels("summary=over"), ..alert("alertname=A n=a", 0, Some(25)) }],
    );
    rig.run_to(100);
    assert_eq!(rig.story(), ["10 webhook first notification +a", "70 webhook all alerts resolved -a"]);
    let told = &rig.sent[1].1.delivery.alerts[0].alert;
    assert_eq!((told.ends_at, told.annotations.value("summary")), (Some(at(25)), "over"));
}

#[test]
fn the_end_of_what_never_fired_is_nothing() {
    let mut rig = Rig::new(options());
    rig.receive(10, vec![alert("alertname=A n=a", 0, Some(5))]);
    assert_eq!((rig.records.len(), rig.machine.alerts().count()), (0, 0));
}

#[test]
fn a_later_start_after_the_end_is_another_firing() {
    let mut rig = Rig::new(options());
    rig.receive(0, vec![alert("alertname=A n=a", 0, Some(20))]);
    rig.run_to(100);
    rig.receive(2000, vec![alert("alertname=A n=a", 2000, Some(2100))]);
    assert_eq!(active(&rig, "alertname=A n=a"), Some((2000, 2100)));
    // the same old start again is a new firing with an id of its own
    rig.receive(5000, vec![alert("alertname=A n=a", 2000, Some(5100))]);
    let ids: Vec<_> = rig.machine.past().chain(rig.machine.alerts()).map(|e| e.id.starts_at).collect();
    assert_eq!(ids, [at(0), at(2000), at(5000)]);
}

#[test]
fn an_alert_of_ours_does_not_end_with_its_echo_from_outside() {
    let mut rig = Rig::new(options());
    rig.fire(0, "alertname=A n=a");
    rig.receive(5, vec![alert("alertname=A n=a", 0, Some(20))]);
    rig.run_to(100);
    assert_eq!(rig.story(), ["10 webhook first notification +a"]);
    rig.receive(110, vec![alert("alertname=A n=a", 0, Some(300))]);
    rig.end(120, "alertname=A n=a");
    assert_eq!(
        active(&rig, "alertname=A n=a").map(|(_, end)| end),
        Some(300),
        "the sender still says it fires"
    );
    rig.run_to(400);
    assert_eq!(rig.story().last().map(String::as_str), Some("310 webhook all alerts resolved -a"));
}

#[test]
fn over_the_limit_new_alerts_are_shed_and_counted() {
    let mut o = options();
    o.limits.received_max = 2;
    let mut rig = Rig::new(o);
    rig.receive(0, (0..3).map(|i| alert(&format!("alertname=A n={i}"), 0, Some(50))).collect());
    assert_eq!((rig.machine.room(), rig.machine.shed(), rig.machine.alerts().count()), (0, 1, 2));
    rig.receive(1, vec![alert("alertname=A n=0", 0, Some(90))]);
    assert_eq!(active(&rig, "alertname=A n=0"), Some((0, 90)), "known ones are still extended");
    rig.fire(2, "alertname=Own");
    assert_eq!(rig.machine.alerts().count(), 3, "our own rules' alerts are never shed");
    rig.run_to(60);
    assert_eq!(rig.machine.room(), 1, "what has ended makes room");
}

#[test]
fn alerts_that_come_and_go_are_bounded_too() {
    let mut o = options();
    o.limits.received_max = 10;
    let mut rig = Rig::new(o);
    let mut taken = 0;
    for t in 0..40 {
        let known = rig.machine.alerts().count();
        rig.receive(t, vec![alert(&format!("alertname=A n={t}"), t, Some(t + 1))]);
        taken += rig.machine.alerts().count() - known;
    }
    assert_eq!((taken, rig.machine.alerts().count(), rig.machine.shed()), (20, 20, 20));
    rig.run_to(3600);
    assert_eq!((rig.machine.alerts().count(), rig.machine.room()), (0, 10), "what is forgotten makes room");
}

#[test]
fn long_texts_from_outside_are_bounded_in_bytes() {
    let mut o = options();
    o.limits.received_bytes_max = 20_000;
    let mut rig = Rig::new(o);
    let long = |n: usize, bytes: usize| {
        let mut alert = alert(&format!("alertname=A n={n}"), 0, Some(50));
        alert.annotations = Labels::from_pairs([("text", "x".repeat(bytes))]);
        alert
    };
    rig.receive(0, vec![long(0, 9000), long(1, 9000)]);
    assert!(rig.machine.room() > 0);
    rig.receive(0, vec![long(2, 9000)]);
    assert_eq!(rig.machine.room(), 0, "the bytes are used up");
    let needs_room = |rig: &Rig, alert: Alert| rig.machine.would_open(&[alert]);
    assert_eq!(needs_room(&rig, long(3, 0)), 1, "a new one");
    assert_eq!(needs_room(&rig, long(0, 9001)), 1, "one that grows");
    assert_eq!(needs_room(&rig, long(0, 9000)), 0, "one that is sent again");
    rig.receive(1, vec![long(3, 0)]);
    assert_eq!((rig.machine.shed(), rig.machine.alerts().count()), (1, 3));
    rig.run_to(60);
    assert!(rig.machine.room() > 0, "what has ended makes room");
}
