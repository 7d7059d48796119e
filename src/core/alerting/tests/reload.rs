//! New options between two events: DESIGN §2.2, §2.4, §2.7.

use super::*;

fn to(receiver: &str, o: Options) -> Options {
    let mut o = o;
    o.receivers.entry(receiver.into()).or_insert_with(|| vec![integration(receiver, receiver)]);
    o.route.receiver = Some(receiver.into());
    o
}

#[test]
fn an_unchanged_reload_changes_nothing() {
    let mut rig = Rig::new(options());
    rig.fire(0, "alertname=A n=a");
    rig.run_to(15);
    rig.fire(20, "alertname=A n=b");
    let before = rig.records.len();
    rig.reload(30, options());
    assert_eq!(rig.records.len(), before + 1, "only that it happened");
    rig.run_to(200);
    assert_eq!(rig.story(), ["10 webhook first notification +a", "70 webhook new alerts added +a +b"]);
}

#[test]
fn another_receiver_is_told_and_the_old_one_settled() {
    let mut rig = Rig::new(options());
    rig.fire(0, "alertname=A n=a");
    rig.run_to(20);
    rig.reload(30, to("s", options()));
    rig.run_to(100);
    assert_eq!(rig.story()[1..], ["70 s first notification +a"]);
    rig.fire(110, "alertname=A n=b");
    rig.end(200, "alertname=A n=a");
    rig.run_to(300);
    assert_eq!(
        rig.story()[2..],
        [
            "130 s new alerts added +a +b",
            "250 s some alerts resolved +b -a",
            "250 webhook all alerts resolved -a"
        ],
        "the old one hears nothing new, but the end of what it was told"
    );
}

/// Found by the simulation: after other groupings the old group told the end, the alert fired again before the new
/// group's turn, and the receiver was left with the end.
#[test]
fn an_end_told_by_the_old_group_is_taken_back_when_the_alert_fires_again() {
    let mut o = options();
    o.route.group_by = Some(GroupBy::from_names(&["alertname", "n"]).expect("fixed"));
    let mut rig = Rig::new(options());
    rig.fire(0, "alertname=A n=a");
    rig.reload(25, o);
    rig.end(60, "alertname=A n=a");
    rig.fire(75, "alertname=A n=a");
    rig.run_to(1000);
    assert_eq!(
        rig.story(),
        [
            "10 webhook first notification +a",
            "25 webhook first notification +a",
            "70 webhook all alerts resolved -a",
            "85 webhook new alerts added +a",
        ]
    );
    rig.end(1000, "alertname=A n=a");
    rig.run_to(2000);
    assert_eq!(rig.story()[4..], ["1045 webhook all alerts resolved -a"]);
}

#[test]
fn a_removed_receiver_is_written_off() {
    let mut rig = Rig::answering(options(), |_, send| {
        Some(if send.attempt > 1 {
            transient()
        } else {
            Outcome::Delivered { receiver_data: BTreeMap::new() }
        })
    });
    rig.fire(0, "alertname=A n=a");
    rig.run_to(20);
    let mut o = to("s", options());
    o.receivers.remove("r");
    rig.reload(30, o);
    assert_eq!(rig.machine.ledger().count(), 0);
    assert!(rig.why("alertname=A n=a").contains(&Reason::WrittenOff { because: WriteOff::ReceiverRemoved }));
    rig.end(40, "alertname=A n=a");
    rig.run_to(1000);
    assert_eq!(rig.story(), ["10 webhook first notification +a"]);
    assert_eq!(rig.machine.groups().count(), 0);
}

#[test]
fn a_message_to_a_removed_receiver_is_dropped() {
    let mut rig = Rig::answering(options(), |_, send| {
        Some(match &*send.delivery.integration.kind {
            "webhook" => transient(),
            _ => Outcome::Delivered { receiver_data: BTreeMap::new() },
        })
    });
    rig.fire(0, "alertname=A n=a");
    rig.run_to(20);
    let mut o = to("s", options());
    o.receivers.remove("r");
    rig.reload(30, o);
    assert_eq!(rig.machine.deliveries().count(), 0);
    assert_eq!(rig.machine.history().map(|d| d.result).collect::<Vec<_>>(), [Result::ReceiverRemoved]);
}

#[test]
fn an_alert_that_another_route_takes_over_is_settled_where_it_was() {
    let mut rig = Rig::new(options());
    rig.fire(0, "alertname=A n=a");
    rig.fire(0, "alertname=A n=b");
    rig.run_to(20);
    let mut o = options();
    o.receivers.insert("s".into(), vec![integration("s", "slack")]);
    o.route.routes = vec![Route {
        matchers: matchers::parse("n=a").expect("fixed"),
        receiver: Some("s".into()),
        ..Route::default()
    }];
    rig.reload(30, o.clone());
    rig.run_to(40);
    assert_eq!(rig.story()[1..], ["30 slack first notification +a"], "older than group_wait: at once");
    rig.restart(45, o);
    rig.end(50, "alertname=A n=a");
    rig.run_to(200);
    assert_eq!(
        rig.story()[2..],
        ["70 webhook some alerts resolved +b -a", "90 slack all alerts resolved -a"]
    );
}

#[test]
fn other_group_labels_make_other_groups_and_the_old_ones_settle() {
    let mut rig = Rig::new(options());
    rig.fire(0, "alertname=A n=a");
    rig.run_to(20);
    let mut o = options();
    o.route.group_by = Some(GroupBy::from_names(&["alertname", "n"]).expect("fixed"));
    rig.reload(30, o);
    rig.end(50, "alertname=A n=a");
    rig.run_to(200);
    let keys: Vec<_> = rig.sent.iter().map(|(_, s)| s.delivery.group_key.to_string()).collect();
    assert_eq!(
        rig.story(),
        [
            "10 webhook first notification +a",
            "30 webhook first notification +a",
            "70 webhook all alerts resolved -a",
            "90 webhook all alerts resolved -a"
        ]
    );
    assert_eq!(
        (&keys[0], &keys[1]),
        (&keys[2], &keys[3]),
        "each end under the key that the firing was told with"
    );
}

#[test]
fn timers_are_kept_when_intervals_change() {
    let mut rig = Rig::new(options());
    rig.fire(0, "alertname=A n=a");
    rig.run_to(15);
    let mut o = options();
    o.route.group_interval = Some(secs(300));
    rig.reload(30, o);
    rig.fire(40, "alertname=A n=b");
    rig.fire(80, "alertname=A n=c");
    rig.run_to(1000);
    assert_eq!(
        rig.story()[1..],
        ["70 webhook new alerts added +a +b", "370 webhook new alerts added +a +b +c"],
        "the turn that was due stays due (K-7); then the new interval"
    );
}

#[test]
fn routes_that_changed_while_we_were_down_count_as_a_reload() {
    let mut rig = Rig::new(options());
    rig.fire(0, "alertname=A n=a");
    rig.run_to(20);
    rig.restart(30, to("s", options()));
    rig.end(100, "alertname=A n=a");
    rig.run_to(300);
    assert_eq!(
        rig.story()[1..],
        ["70 s first notification +a", "130 s all alerts resolved -a", "130 webhook all alerts resolved -a"]
    );
}

#[test]
fn send_resolved_counts_as_it_was_when_told() {
    let mut rig = Rig::new(options());
    rig.fire(0, "alertname=A n=a");
    rig.run_to(20);
    let mut o = options();
    o.receivers.get_mut("r").expect("there")[0].send_resolved = false;
    rig.reload(30, o);
    rig.end(40, "alertname=A n=a");
    rig.run_to(100);
    assert_eq!(rig.story()[1..], ["70 webhook all alerts resolved -a"]);
}

#[test]
fn a_route_that_comes_back_takes_its_groups_up_again() {
    let with = |on: bool| {
        let mut o = options();
        o.receivers.insert("s".into(), vec![integration("s", "slack")]);
        if on {
            o.route.routes = vec![Route {
                matchers: matchers::parse("n=a").expect("fixed"),
                receiver: Some("s".into()),
                ..Route::default()
            }];
        }
        o
    };
    let mut rig = Rig::new(with(true));
    rig.fire(0, "alertname=A n=a");
    rig.run_to(20);
    rig.reload(30, with(false));
    rig.reload(40, with(true));
    rig.end(100, "alertname=A n=a");
    rig.run_to(300);
    let slack: Vec<_> = rig.story().into_iter().filter(|l| l.contains("slack")).collect();
    assert_eq!(slack, ["10 slack first notification +a", "130 slack all alerts resolved -a"], "told once");
}
