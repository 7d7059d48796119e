//! Restarts, recovery state, switches: DESIGN §2.1, §2.4, §2.10.

use super::*;

#[test]
fn killed_between_record_and_send_it_is_sent_once_more_with_the_same_id() {
    let mut rig = Rig::answering(options(), |now, _| {
        (now > at(20)).then(|| Outcome::Delivered { receiver_data: BTreeMap::new() })
    });
    rig.fire(0, "alertname=A n=a");
    rig.restart(30, options());
    rig.run_to(100);
    assert_eq!(rig.story(), ["10 webhook first notification +a", "30 webhook first notification +a"]);
    assert_eq!(rig.sent[0].1.delivery, rig.sent[1].1.delivery);
    assert_eq!(rig.sent[1].1.attempt, 2);
}

#[test]
fn timers_and_what_was_told_survive_a_restart() {
    let mut rig = Rig::new(options());
    rig.fire(0, "alertname=A n=a");
    rig.restart(5, options());
    assert_eq!(rig.story(), [""; 0], "group_wait goes on");
    rig.restart(30, options());
    rig.fire(31, "alertname=A n=b");
    rig.restart(40, options());
    rig.end(50, "alertname=A n=a");
    rig.restart(60, options());
    rig.run_to(3000);
    rig.restart(3000, options());
    assert_eq!(rig.story(), ["10 webhook first notification +a", "70 webhook new alerts added +b -a"]);
}

#[test]
fn a_checkpoint_and_the_journal_after_it_are_the_machine() {
    let mut rig = Rig::new(options());
    for i in 0..6 {
        rig.fire(i * 7, &format!("alertname=A n={i}"));
    }
    rig.receive(45, vec![alert("alertname=B n=x", 40, Some(90))]);
    let checkpoint = rig.machine.checkpoint();
    let rows: Vec<Row> = checkpoint.into_rows().collect();
    let read = Checkpoint::from_rows(rows.clone()).expect("just written");
    assert_eq!(rig.machine.differs_from(&read), Vec::<&str>::new());
    assert!(
        rows.windows(2).all(|w| (w[0].table.name(), &w[0].key) < (w[1].table.name(), &w[1].key)),
        "in order of tables and keys"
    );
    let after = rig.records.len();
    rig.end(100, "alertname=A n=1");
    rig.run_to(1000);
    let mut machine = Machine::restore(Arc::new(options()), read);
    rig.records[after..].iter().for_each(|r| machine.apply(r));
    assert_eq!(machine.differs_from(&rig.machine.checkpoint()), Vec::<&str>::new());
}

#[test]
fn rules_get_their_state_back() {
    let mut rig = Rig::new(options());
    let pending = |of: &str, t| change(of, t, AlertState::Pending { since: at(t) });
    rig.event(0, Event::Transitions(vec![pending("alertname=A n=a", 0), pending("alertname=A n=b", 0)]));
    rig.fire(10, "alertname=A n=a");
    rig.event(
        20,
        Event::Transitions(vec![change(
            "alertname=A n=b",
            20,
            AlertState::Ended { fired_at: None, at: at(20), why: Ending::ConditionGone },
        )]),
    );
    rig.event(30, Event::Transitions(vec![pending("alertname=B", 30)]));
    rig.restart(40, options());
    let states =
        |name: &str| rig.machine.rule_alerts(&rule(name)).map(|t| t.state.clone()).collect::<Vec<_>>();
    assert_eq!(states("A"), [AlertState::Firing { since: at(10), fired_at: at(10), keep_since: None }]);
    assert_eq!(states("B"), [AlertState::Pending { since: at(30) }]);
    assert_eq!(rig.machine.rules().count(), 2);
}

#[test]
fn a_clock_that_was_set_back_holds_no_message_up() {
    let day = 86_400;
    // Before its first turn, told once, and told of its end next.
    let mut rig = Rig::new(options());
    rig.fire(day - 1000, "alertname=A n=a");
    rig.fire(day - 1000, "alertname=B n=b");
    rig.run_to(day - 500);
    rig.end(day - 1, "alertname=B n=b");
    rig.fire(day, "alertname=C n=c");
    let told = rig.story().len();
    rig.now = at(0);
    rig.restart(0, options());
    rig.run_to(120);
    let mut story = rig.story()[told..].to_vec();
    story.sort();
    let expected = [
        "10 webhook first notification +c",
        "60 webhook all alerts resolved -b",
        "60 webhook repeat interval elapsed +a",
    ];
    assert_eq!(story, expected);
}

#[test]
fn alerts_of_removed_rules_end() {
    let mut rig = Rig::new(options());
    rig.fire(0, "alertname=A n=a");
    rig.fire(0, "alertname=B n=b");
    rig.event(20, Event::RulesLoaded(vec![rule("B")]));
    rig.run_to(100);
    assert_eq!(rig.story()[2..], ["70 webhook all alerts resolved -a"]);
    let ended = rig.machine.newest(labels("alertname=A n=a").fingerprint()).and_then(|e| e.ended);
    assert_eq!(ended, Some(Ended { at: at(20), why: Ending::RuleRemoved }));
    assert_eq!(rig.machine.rules().count(), 1);
}

#[test]
fn two_rules_with_equal_labels_hold_one_alert() {
    let mut rig = Rig::new(options());
    let other = |t: Transition| Transition { rule: RuleKey { nth: 1, ..rule("A") }, ..t };
    rig.fire(0, "alertname=A n=a");
    rig.event(5, Event::Transitions(vec![other(fires("alertname=A n=a", 5))]));
    rig.end(20, "alertname=A n=a");
    rig.run_to(80);
    assert_eq!(rig.story().len(), 1, "the other rule still says it fires");
    rig.event(100, Event::Transitions(vec![other(ends("alertname=A n=a", 5, 100))]));
    rig.run_to(200);
    assert_eq!(rig.story().len(), 2);
}

#[test]
fn frozen_alerts_fire_on_and_say_so() {
    let mut rig = Rig::new(options());
    rig.fire(0, "alertname=A n=a");
    rig.event(
        20,
        Event::Transitions(vec![Transition { frozen_since: Some(at(15)), ..fires("alertname=A n=a", 20) }]),
    );
    rig.fire(25, "alertname=A n=b");
    rig.run_to(4000);
    let last = &rig.sent.last().expect("told").1.delivery.alerts[0];
    assert_eq!(
        (last.frozen_since, last.alert.ends_at, last.value.as_deref()),
        (Some(at(15)), None, Some("1.5"))
    );
    assert_eq!(last.alert.starts_at, at(0), "freezing doesn't move the start");
}

#[test]
fn newer_texts_are_for_messages_and_leave_no_record() {
    let mut rig = Rig::new(options());
    rig.fire(0, "alertname=A n=a");
    let before = rig.records.len();
    let fresh = Refresh {
        labels: labels("alertname=A n=a"),
        annotations: labels("summary=now"),
        value: f64::INFINITY,
    };
    rig.event(5, Event::Refresh(vec![fresh]));
    assert_eq!(rig.records.len(), before);
    rig.run_to(20);
    let told = &rig.sent[0].1.delivery.alerts[0];
    assert_eq!((told.alert.annotations.value("summary"), told.value.as_deref()), ("now", Some("+Inf")));
}

#[test]
fn switched_off_nothing_is_sent_and_the_reason_says_so() {
    let mut rig = Rig::new(Options { enabled: false, ..options() });
    rig.fire(0, "alertname=A n=a");
    rig.run_to(50);
    assert_eq!(rig.why("alertname=A n=a"), [Reason::Disabled]);
    rig.reload(60, options());
    rig.run_to(80);
    assert_eq!(
        rig.story(),
        ["70 webhook first notification +a"],
        "what still fires is told when it is switched on"
    );
    rig.reload(90, Options { enabled: false, ..options() });
    rig.end(100, "alertname=A n=a");
    rig.run_to(1000);
    rig.reload(1000, options());
    rig.run_to(1100);
    assert_eq!(rig.story()[1..], ["1030 webhook all alerts resolved -a"], "and the end is still owed");
}

#[test]
fn a_receiver_without_integrations_is_a_reason_too() {
    let mut rig = Rig::new(Options {
        route: options().route,
        receivers: BTreeMap::from([("r".into(), Vec::new())]),
        ..options()
    });
    rig.fire(0, "alertname=A n=a");
    assert_eq!(rig.why("alertname=A n=a"), [Reason::Waiting { until: at(10) }]);
    rig.run_to(20);
    assert_eq!(rig.why("alertname=A n=a"), [Reason::NoIntegrations]);
    rig.end(30, "alertname=A n=a");
    rig.run_to(2000);
    assert_eq!(rig.machine.next_deadline(), None);
    assert_eq!(rig.why("alertname=A n=a"), [Reason::NoIntegrations], "kept with the past");
}

#[test]
fn what_is_planned_while_the_journal_cannot_commit_is_marked() {
    let mut rig = Rig::new(options());
    rig.event(0, Event::Durability(false));
    rig.fire(0, "alertname=A n=a");
    rig.run_to(20);
    rig.event(20, Event::Durability(true));
    rig.end(30, "alertname=A n=a");
    rig.run_to(100);
    assert_eq!(rig.machine.history().map(|d| d.undurable).collect::<Vec<_>>(), [true, false]);
    assert_eq!(rig.machine.counters().next().map(|(_, c)| c.undurable), Some(1));
}

#[test]
fn history_and_past_are_bounded() {
    let mut o = options();
    o.limits = Limits { received_max: 100, past_max: 3, history_max: 5, ..Limits::default() };
    let mut rig = Rig::new(o);
    for i in 0..20 {
        rig.fire(i * 2000, &format!("alertname=A{i}"));
        rig.end(i * 2000 + 30, &format!("alertname=A{i}"));
    }
    rig.run_to(50_000);
    assert_eq!((rig.machine.past().count(), rig.machine.history().count()), (3, 5));
    assert_eq!((rig.machine.alerts().count(), rig.machine.groups().count()), (0, 0));
    assert_eq!(rig.machine.next_deadline(), None);
}

#[test]
fn episodes_print_and_parse() {
    let id = EpisodeId { fingerprint: Fingerprint(0xb807_e636_4038_24b5), starts_at: at(1) };
    assert_eq!(id.to_string(), "b807e636403824b5-1700000001000");
    assert_eq!(id.to_string().parse(), Ok(id));
    assert!("x".parse::<EpisodeId>().is_err());
}
