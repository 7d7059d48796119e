use super::*;

/// Receiver `phone` after 5 minutes, `boss` after 10, then `boss` again after 10, 20, 30 minutes at most.
fn escalating() -> Options {
    let mut options = options();
    for name in ["phone", "boss"] {
        options.receivers.insert(name.into(), vec![integration(name, name)]);
    }
    let step = |after, receiver: &str| EscalationStep { after: secs(after), receiver: receiver.into() };
    options.escalations = vec![Escalation {
        name: "night".into(),
        matchers: matchers::parse("severity=critical").expect("fixed"),
        steps: vec![step(300, "phone"), step(600, "boss")],
        repeat: Some(EscalationRepeat { every: secs(600), backoff: 2, longest: secs(1800), times: Some(3) }),
        quiet: Vec::new(),
    }];
    options.route.repeat_interval = Some(secs(86_400));
    options
}

const A: &str = "alertname=A severity=critical n=a";
const B: &str = "alertname=B severity=critical n=b";

#[test]
fn others_are_told_until_somebody_answers() {
    let mut rig = Rig::new(escalating());
    rig.fire(0, A);
    rig.fire(20, "alertname=A severity=warning n=w");
    rig.restart(400, escalating());
    rig.run_to(9000);
    let expected = [
        "10 webhook first notification +a",
        "70 webhook new alerts added +a +w",
        "300 phone first notification +a",
        "600 boss first notification +a",
        "1200 boss not acknowledged in time +a",
        "2400 boss not acknowledged in time +a",
        "4200 boss not acknowledged in time +a",
    ];
    assert_eq!(rig.story(), expected);
    assert_eq!(rig.history(A)[..2], ["300 escalated phone", "600 escalated boss"]);
    rig.end(9000, A);
    rig.run_to(9200);
    let ends: Vec<String> =
        rig.story()[7..].iter().map(|l| l.split_once(' ').expect("a time").1.to_owned()).collect();
    let expected =
        ["webhook some alerts resolved +w -a", "phone all alerts resolved -a", "boss all alerts resolved -a"];
    assert_eq!(ends, expected);
}

#[test]
fn an_acknowledgement_stops_it_and_its_end_begins_it_anew() {
    let mut rig = Rig::new(escalating());
    rig.fire(0, A);
    rig.acknowledge(310, A, Some(2000)).expect("open");
    rig.run_to(1999);
    assert_eq!(rig.story()[1..], ["300 phone first notification +a"]);
    rig.run_to(2400);
    assert_eq!(rig.story()[2..], ["2300 phone not acknowledged in time +a"]);
    rig.acknowledge(2400, A, None).expect("open");
    rig.restart(2500, escalating());
    rig.run_to(20_000);
    assert_eq!(rig.story().len(), 3);
    let why = rig.why(A);
    assert!(why.contains(&Reason::Acknowledged { by: "anna".into() }), "{why:?}");
}

#[test]
fn one_message_for_all_that_are_due() {
    let mut rig = Rig::new(escalating());
    rig.event(0, Event::Transitions(vec![fires(A, 0), fires(B, 0)]));
    rig.run_to(310);
    assert_eq!(rig.story()[2..], ["300 phone first notification +a +b"]);
    rig.acknowledge(310, A, None).expect("open");
    rig.run_to(700);
    assert_eq!(rig.story()[3..], ["600 boss first notification +b"]);
}

#[test]
fn what_is_kept_quiet_waits() {
    let mut rig = Rig::new(escalating());
    rig.set(0, None, super::silences::silence("s1", "alertname=A", 0, 1000)).expect("fine");
    rig.fire(0, A);
    rig.run_to(1020);
    let story = rig.story();
    assert!(story[0].ends_with("phone first notification +a"), "{story:?}");
    assert!(story[0].starts_with("10"), "after the silence: {story:?}");
    // Quiet hours.
    let mut quiet = escalating();
    let now = jiff::Timestamp::from_second(T0).expect("in range").to_zoned(jiff::tz::TimeZone::UTC);
    let minute = u16::try_from(i32::from(now.hour()) * 60 + i32::from(now.minute())).expect("of a day");
    let piece =
        TimeInterval { times: std::iter::once(minute..minute + 20).collect(), ..TimeInterval::default() };
    quiet.time_intervals.insert("nap".into(), vec![piece]);
    quiet.escalations[0].quiet = vec!["nap".into()];
    let mut rig = Rig::new(quiet);
    rig.fire(0, A);
    rig.run_to(1300);
    let first = rig.sent.iter().find(|(_, s)| *s.delivery.integration.kind == *"phone").expect("told").0;
    assert!(first.since(at(0)) > secs(1100), "{:?}", rig.story());
}

#[test]
fn somebody_asks_for_more_attention() {
    let mut rig = Rig::new(escalating());
    rig.fire(0, A);
    let id = rig.id(A);
    let to = rig.change(20, |m, now, effects| m.escalate(now, id, "anna".into(), None, effects));
    assert_eq!(to, Ok("phone".into()));
    rig.acknowledge(30, A, None).expect("open");
    let to =
        rig.change(40, |m, now, effects| m.escalate(now, id, "ben".into(), Some("boss".into()), effects));
    assert_eq!(to, Ok("boss".into()));
    assert_eq!(rig.story()[1..], ["20 phone first notification +a", "40 boss first notification +a"]);
    let history = [
        "20 anna escalated phone",
        "30 anna acknowledged",
        "40 ben unacknowledged Escalated",
        "40 ben escalated boss",
    ];
    assert_eq!(rig.history(A), history);
    let unknown =
        rig.change(50, |m, now, effects| m.escalate(now, id, "ben".into(), Some("x".into()), effects));
    assert_eq!(unknown, Err(IssueError::NoReceiver("x".into())));
    rig.fire(60, "alertname=W severity=warning n=w");
    let id = rig.id("alertname=W severity=warning n=w");
    let none = rig.change(60, |m, now, effects| m.escalate(now, id, "ben".into(), None, effects));
    assert_eq!(none, Err(IssueError::NoEscalation));
}

#[test]
fn a_reload_keeps_what_goes_on_and_settles_what_does_not() {
    let mut rig = Rig::new(escalating());
    rig.fire(0, A);
    rig.run_to(310);
    rig.reload(320, escalating());
    let mut without = escalating();
    without.escalations.clear();
    rig.reload(400, without);
    rig.run_to(2000);
    assert_eq!(rig.story()[1..], ["300 phone first notification +a"]);
    rig.end(2000, A);
    rig.run_to(2100);
    assert!(
        rig.story()[2..].iter().any(|l| l.ends_with("phone all alerts resolved -a")),
        "{:?}",
        rig.story()
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut wrong = escalating();
    let escalation = &mut wrong.escalations[0];
    escalation.steps[1].after = secs(300);
    escalation.steps[0].receiver = "nobody".into();
    escalation.repeat = Some(EscalationRepeat { every: secs(0), backoff: 1, longest: secs(1), times: None });
    escalation.quiet = vec!["never".into()];
    let again = Escalation { steps: Vec::new(), ..wrong.escalations[0].clone() };
    wrong.escalations.push(again);
    let messages: Vec<String> = wrong.problems().into_iter().map(|p| p.message).collect();
    assert_eq!(messages.len(), 8, "{messages:#?}");
    assert!(messages[1].contains("step 2 (after 5m) must come later"), "{}", messages[1]);
}
