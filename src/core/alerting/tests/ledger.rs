//! The table of spec alertmanager §2.4, row by row, and the told-ledger beyond it (DESIGN §2.2).

use super::*;
use crate::alerting::ledger::{Question, decide};

#[test]
fn the_dedup_table_row_by_row() {
    let base = Question {
        any_firing: false,
        any_new: false,
        any_ended: false,
        believes_firing: false,
        told_at: None,
        under_way: false,
    };
    let old = Some(at(0));
    for (row, question, expected) in [
        (
            "no entry, firing",
            Question { any_firing: true, any_new: true, ..base },
            Some("first notification"),
        ),
        ("no entry, none firing", base, None),
        (
            "firing not subset",
            Question { any_firing: true, any_new: true, believes_firing: true, told_at: old, ..base },
            Some("new alerts added"),
        ),
        (
            "firing not subset, logged firing empty",
            Question { any_firing: true, any_new: true, told_at: old, ..base },
            Some("first notification"),
        ),
        (
            "none firing, logged firing",
            Question { believes_firing: true, any_ended: true, told_at: old, ..base },
            Some("all alerts resolved"),
        ),
        ("none firing, logged none", Question { told_at: old, ..base }, None),
        (
            "none firing, logged none, an untold one ended",
            Question { told_at: old, any_ended: true, ..base },
            None,
        ),
        (
            "resolved not subset",
            Question {
                any_firing: true,
                any_ended: true,
                believes_firing: true,
                told_at: Some(at(7000)),
                ..base
            },
            Some("some alerts resolved"),
        ),
        (
            "repeat due",
            Question { any_firing: true, believes_firing: true, told_at: Some(at(3599)), ..base },
            Some("repeat interval elapsed"),
        ),
        (
            "repeat due, but one is under way",
            Question { any_firing: true, believes_firing: true, told_at: old, under_way: true, ..base },
            None,
        ),
        (
            "repeat not due: exactly the interval is not over it",
            Question { any_firing: true, believes_firing: true, told_at: Some(at(3600)), ..base },
            None,
        ),
    ] {
        let reason = decide(question, at(7200), secs(3600)).map(NotifyReason::as_str);
        assert_eq!(reason, expected, "{row}");
    }
}

#[test]
fn a_group_is_told_as_alertmanager_tells_it() {
    let mut rig = Rig::new(options());
    rig.fire(0, "alertname=A n=a");
    rig.fire(5, "alertname=A n=b");
    rig.fire(20, "alertname=A n=c");
    rig.end(80, "alertname=A n=a");
    rig.end(200, "alertname=A n=b");
    rig.end(200, "alertname=A n=c");
    rig.run_to(10_000);
    assert_eq!(
        rig.story(),
        [
            "10 webhook first notification +a +b",
            "70 webhook new alerts added +a +b +c",
            "130 webhook some alerts resolved +b +c -a",
            "250 webhook all alerts resolved -b -c",
        ]
    );
    assert_eq!(rig.machine.groups().count(), 0);
    assert_eq!(rig.machine.next_deadline(), None, "an empty machine sleeps");
}

#[test]
fn what_fires_on_is_told_again_at_a_turn_after_the_repeat_interval() {
    let mut rig = Rig::new(options());
    rig.fire(0, "alertname=A n=a");
    rig.run_to(2 * 3600 + 200);
    // rounded up to a multiple of group_interval, counted from the answer (spec §2.2.4)
    assert_eq!(
        rig.story(),
        [
            "10 webhook first notification +a",
            "3670 webhook repeat interval elapsed +a",
            "7330 webhook repeat interval elapsed +a",
        ]
    );
}

#[test]
fn turns_that_nothing_comes_of_leave_no_record() {
    let mut rig = Rig::new(options());
    rig.fire(0, "alertname=A");
    rig.run_to(100);
    let before = rig.records.len();
    rig.run_to(3000);
    assert_eq!(rig.records.len(), before);
}

#[test]
fn a_short_relapse_within_the_interval_is_no_news() {
    let mut rig = Rig::new(options());
    rig.fire(0, "alertname=A n=a");
    rig.end(30, "alertname=A n=a");
    rig.fire(40, "alertname=A n=a");
    rig.run_to(1000);
    assert_eq!(rig.story(), ["10 webhook first notification +a"]);
    let episode = rig.machine.alerts().next().expect("fires");
    assert_eq!((episode.reopened, episode.id.starts_at, episode.alert.starts_at), (1, at(0), at(40)));
}

#[test]
fn firing_again_soon_continues_the_episode_and_later_begins_another() {
    let mut rig = Rig::new(options());
    rig.fire(0, "alertname=A n=a");
    rig.end(30, "alertname=A n=a");
    rig.fire(600, "alertname=A n=a");
    rig.end(700, "alertname=A n=a");
    rig.fire(700 + 901, "alertname=A n=a");
    rig.run_to(1700);
    assert_eq!(
        rig.story(),
        [
            "10 webhook first notification +a",
            "70 webhook all alerts resolved -a",
            "610 webhook first notification +a",
            "730 webhook all alerts resolved -a",
            "1611 webhook first notification +a",
        ]
    );
    let episodes: Vec<_> = rig.sent.iter().map(|(_, s)| s.delivery.alerts[0].episode.starts_at).collect();
    assert_eq!(episodes, [at(0), at(0), at(0), at(0), at(1601)]);
}

/// Found by the simulation: a receiver that goes by fingerprints took the later entry, the end, for the last word.
#[test]
fn an_end_and_a_new_beginning_in_one_message_come_in_this_order() {
    let mut rig = Rig::answering(options(), |now, _| {
        let refuses = now > at(20) && now < at(2000);
        let refused = Outcome::Permanent { error: "400".into() };
        Some(if refuses { refused } else { Outcome::Delivered { receiver_data: BTreeMap::new() } })
    });
    rig.fire(0, "alertname=A n=a");
    rig.end(30, "alertname=A n=a");
    rig.fire(1500, "alertname=A n=a");
    rig.run_to(3000);
    let (_, last) = rig.sent.last().expect("sent");
    let alerts = &last.delivery.alerts;
    assert_eq!(alerts.iter().map(|a| a.alert.ends_at).collect::<Vec<_>>(), [Some(at(30)), None]);
    assert_ne!(alerts[0].episode, alerts[1].episode);
}

#[test]
fn an_alert_that_ended_before_it_was_told_stays_untold() {
    let mut rig = Rig::new(options());
    rig.fire(0, "alertname=A n=a");
    rig.end(5, "alertname=A n=a");
    rig.run_to(20);
    assert_eq!(rig.story(), [""; 0]);
    assert_eq!(rig.why("alertname=A n=a"), [Reason::EndedUntold]);
}

#[test]
fn without_send_resolved_the_ledger_is_written_off() {
    let mut o = options();
    o.receivers.get_mut("r").expect("there")[0].send_resolved = false;
    let mut rig = Rig::new(o);
    rig.fire(0, "alertname=A n=a");
    rig.fire(0, "alertname=A n=b");
    rig.end(30, "alertname=A n=a");
    rig.end(100, "alertname=A n=b");
    rig.fire(400, "alertname=A n=b");
    rig.run_to(500);
    // spec §2.4: a subset that ceases to fire alone is no news; the log is cleared, so firing again is the first
    assert_eq!(rig.story(), ["10 webhook first notification +a +b", "410 webhook first notification +b"]);
    assert_eq!(rig.why("alertname=A n=a"), [Reason::WrittenOff { because: WriteOff::SendResolvedFalse }]);
}

#[test]
fn integrations_of_one_receiver_are_independent() {
    let mut o = options();
    o.receivers.get_mut("r").expect("there").push(integration("r", "slack"));
    let mut down = true;
    let mut rig = Rig::answering(o, move |now, send| {
        down &= now < at(300);
        let slack = &*send.delivery.integration.kind == "slack";
        Some(if down && slack { transient() } else { Outcome::Delivered { receiver_data: BTreeMap::new() } })
    });
    rig.fire(0, "alertname=A n=a");
    rig.end(30, "alertname=A n=a");
    rig.run_to(1000);
    let (webhook, slack): (Vec<_>, Vec<_>) = rig.story().into_iter().partition(|l| l.contains("webhook"));
    assert_eq!(webhook, ["10 webhook first notification +a", "70 webhook all alerts resolved -a"]);
    assert_eq!(slack.last().map(String::as_str), Some("342 slack all alerts resolved -a"));
    assert!(slack[..slack.len() - 1].iter().all(|l| l.ends_with("slack first notification +a")), "{slack:?}");
}

#[test]
fn suppressed_resolves_are_told_unless_dropped() {
    for (suppressed_resolves, told) in [(SuppressedResolves::Send, true), (SuppressedResolves::Drop, false)] {
        let inhibit_rules = vec![InhibitRule {
            source: matchers::parse("alertname=Source").expect("fixed"),
            target: matchers::parse("alertname=A").expect("fixed"),
            ..InhibitRule::default()
        }];
        let mut rig = Rig::new(Options { inhibit_rules, suppressed_resolves, ..options() });
        rig.fire(0, "alertname=A n=a");
        rig.fire(20, "alertname=Source n=s");
        rig.end(40, "alertname=A n=a");
        rig.run_to(500);
        let story = rig.story();
        assert_eq!(story.contains(&"70 webhook all alerts resolved -a".to_owned()), told, "{story:?}");
        if !told {
            assert_eq!(rig.why("alertname=A n=a"), [Reason::WrittenOff { because: WriteOff::Suppressed }]);
        }
    }
}

#[test]
fn dropping_suppressed_resolves_is_alertmanagers_way_with_untold_ones_too() {
    // Alertmanager's acceptance test TestAlwaysInhibiting: both end together, the final message has both
    let inhibit_rules = vec![InhibitRule {
        source: matchers::parse("n=s").expect("fixed"),
        target: matchers::parse("n=t").expect("fixed"),
        ..InhibitRule::default()
    }];
    let mut rig =
        Rig::new(Options { suppressed_resolves: SuppressedResolves::Drop, inhibit_rules, ..options() });
    rig.event(0, Event::Transitions(vec![fires("alertname=A n=s", 0), fires("alertname=A n=t", 0)]));
    rig.event(20, Event::Transitions(vec![ends("alertname=A n=s", 0, 20), ends("alertname=A n=t", 0, 20)]));
    rig.run_to(500);
    assert_eq!(rig.story(), ["10 webhook first notification +s", "70 webhook all alerts resolved -s -t"]);
}

/// Found by the simulation: a message written before the end was written off gets through after it. The row must not
/// come back in a group that has let the alert go.
#[test]
fn what_is_written_off_while_its_message_is_under_way_is_settled() {
    let mut o = options();
    o.receivers.get_mut("r").expect("there")[0].send_resolved = false;
    let mut rig = Rig::answering(o, |now, _| {
        Some(if now < at(100) { transient() } else { Outcome::Delivered { receiver_data: BTreeMap::new() } })
    });
    rig.fire(0, "alertname=A n=a");
    rig.end(30, "alertname=A n=a");
    rig.run_to(2000);
    assert_eq!(rig.story().last().map(String::as_str), Some("117 webhook first notification +a"));
    assert_eq!(rig.why("alertname=A n=a"), [Reason::WrittenOff { because: WriteOff::SendResolvedFalse }]);
    assert_eq!((rig.machine.ledger().count(), rig.machine.groups().count()), (0, 0));
    let write_offs = rig.records.iter().filter(|r| matches!(r, Record::WrittenOff { .. }));
    assert_eq!(write_offs.count(), 2, "once before the message got through, once after");
}

/// An alert ends while the message that tells of it waits behind another: when both get through before the group's next
/// turn, the end is owed like any other.
#[test]
fn a_message_that_waited_past_the_end_of_its_alert_gets_its_resolve() {
    let mut rig = Rig::answering(options(), |now, _| {
        let later = Outcome::Transient { error: "429".to_owned(), retry_after: Some(secs(80)) };
        Some(if now < at(50) { later } else { Outcome::Delivered { receiver_data: BTreeMap::new() } })
    });
    rig.fire(0, "alertname=A n=a");
    rig.fire(20, "alertname=A n=b");
    rig.end(80, "alertname=A n=b");
    rig.run_to(500);
    assert_eq!(
        rig.story(),
        [
            "10 webhook first notification +a",
            "90 webhook first notification +a",
            "90 webhook new alerts added +a +b",
            "130 webhook some alerts resolved +a -b",
        ]
    );
}
