use std::result::Result;

use super::*;

const DB: &str = "alertname=DatabaseLost category=system_failure severity=critical n=db";

pub(super) fn report(of: &str, ids: &[&str]) -> NewIssue {
    NewIssue {
        labels: labels(of),
        annotations: Labels::from_pairs([("summary", "Database lost")]),
        generator_url: "".into(),
        ids: ids.iter().map(|id| (*id).into()).collect(),
        spare_id: None,
        by: "bot".into(),
        metadata: r#"{"table":"orders"}"#.into(),
    }
}

impl Rig {
    pub(super) fn report(&mut self, t: i64, of: &str, ids: &[&str]) -> Result<Filed, IssueError> {
        let new = report(of, ids);
        self.change(t, |m, now, effects| m.report(now, new, effects))
    }

    pub(super) fn id(&self, of: &str) -> EpisodeId {
        self.machine.newest(labels(of).fingerprint()).expect("known").id
    }

    pub(super) fn acknowledge(&mut self, t: i64, of: &str, until: Option<i64>) -> Result<(), IssueError> {
        let (id, until) = (self.id(of), until.map(at));
        self.change(t, |m, now, effects| {
            m.acknowledge(now, id, "anna".into(), until, "looking".into(), effects)
        })
    }

    fn resolve(&mut self, t: i64, of: &str) -> Result<(), IssueError> {
        let id = self.id(of);
        self.change(t, |m, now, effects| m.resolve(now, id, "anna".into(), "fixed".into(), effects))
    }

    /// What happened to an issue: `20 anna acknowledged`.
    pub(super) fn history(&self, of: &str) -> Vec<String> {
        let line = |e: &Entry| {
            let act = match &e.act {
                Act::Acknowledged { .. } => "acknowledged".to_owned(),
                Act::Unacknowledged { why, .. } => format!("unacknowledged {why:?}"),
                Act::Assigned { to } => format!("assigned {}", to.as_deref().unwrap_or("nobody")),
                Act::Noted { note } => format!("noted {note}"),
                Act::Resolved { note } => format!("resolved {note}"),
                Act::Escalated { to } => format!("escalated {to}"),
                Act::Reopened => "reopened".to_owned(),
                Act::Ended { why } => format!("ended {why:?}"),
            };
            let text = format!("{} {} {act}", e.at.since(at(0)).as_millis() / 1000, e.by);
            text.replace("  ", " ")
        };
        let fp = labels(of).fingerprint();
        let episode =
            self.machine.newest(fp).or_else(|| self.machine.past().find(|e| e.id.fingerprint == fp));
        episode.expect("known").history.iter().map(line).collect()
    }
}

#[test]
fn a_reported_issue_stays_open_until_it_is_resolved() {
    let mut rig = Rig::new(options());
    let Filed::Opened(id) = rig.report(0, DB, &["i1"]).expect("fine") else { panic!("new") };
    assert_eq!(rig.machine.issue("i1").map(|e| e.id), Some(id));
    assert_eq!(rig.machine.issue(&id.to_string()).map(|e| e.id), Some(id));
    rig.restart(4000, options());
    assert!(rig.machine.issue("i1").is_some_and(Episode::is_active));
    rig.resolve(4100, DB).expect("open");
    rig.run_to(4300);
    let story = ["10 webhook first notification +db", "3670 webhook repeat interval elapsed +db"];
    assert_eq!(rig.story()[..2], story);
    assert_eq!(rig.story()[2..], ["4120 webhook all alerts resolved -db"]);
    assert_eq!(rig.history(DB), ["4100 anna resolved fixed"]);
    let ended = rig.machine.issue("i1").and_then(|e| e.ended).expect("over");
    assert_eq!((ended.at, ended.why), (at(4100), Ending::Operator));
    // It is history after a while, and still found.
    rig.run_to(9000);
    assert_eq!(rig.machine.alerts().count(), 0);
    assert!(rig.machine.issue("i1").is_some());
    assert_eq!(rig.resolve_by("i1"), Ok(()), "resolving twice is no error");
    assert_eq!(rig.note_by("i1"), Err(IssueError::Over));
    assert_eq!(rig.note_by("nowhere"), Err(IssueError::NotFound));
}

impl Rig {
    fn resolve_by(&mut self, name: &str) -> Result<(), IssueError> {
        let id = self
            .machine
            .issue(name)
            .map_or(EpisodeId { fingerprint: Fingerprint(9), starts_at: at(9) }, |e| e.id);
        self.change(9100, |m, now, effects| m.resolve(now, id, "b".into(), "".into(), effects))
    }

    fn note_by(&mut self, name: &str) -> Result<(), IssueError> {
        let id = self
            .machine
            .issue(name)
            .map_or(EpisodeId { fingerprint: Fingerprint(9), starts_at: at(9) }, |e| e.id);
        self.change(9100, |m, now, effects| m.note(now, id, "b".into(), "x".into(), effects))
    }
}

#[test]
fn the_same_problem_reported_again_is_one_issue_with_a_count() {
    let mut rig = Rig::new(options());
    let first = rig.report(0, DB, &["i1", "key:a"]).expect("fine").episode();
    assert_eq!(rig.report(1, DB, &["i1"]), Ok(Filed::Repeated(first)), "the same id is the same report");
    assert_eq!(rig.report(1, DB, &["i7", "key:a"]), Ok(Filed::Repeated(first)), "so is the same key");
    assert_eq!(rig.report(2, DB, &["i2"]), Ok(Filed::Counted(first)));
    let other = "alertname=Other n=o";
    assert_eq!(rig.report(3, other, &["i2"]), Err(IssueError::Conflict(first)));
    let issue = rig.machine.issue("i2").expect("an alias");
    let said = issue.report.as_ref().expect("reported");
    assert_eq!((said.count, &*said.metadata), (2, r#"{"table":"orders"}"#));
    // Soon after its end it is the same issue again.
    rig.resolve(100, DB).expect("open");
    assert_eq!(rig.report(200, DB, &["i3"]), Ok(Filed::Opened(first)));
    assert_eq!(rig.history(DB), ["100 anna resolved fixed", "200 reopened"]);
    rig.run_to(400);
    assert_eq!(rig.story().len(), 3, "{:?}", rig.story());
    for n in 0..250 {
        rig.report(500, DB, &[&format!("m{n}")]).expect("fine");
    }
    assert!(rig.machine.issue("i1").is_some() && rig.machine.issue("m249").is_some());
    assert!(rig.machine.issue("m10").is_none(), "ids are bounded; the issue's own stays");
}

#[test]
fn a_resolve_may_come_before_its_report() {
    let mut rig = Rig::new(options());
    let early =
        |id: &str, t| EarlyResolve { id: id.into(), at: at(t), by: "bot".into(), note: "over".into() };
    rig.change(0, |m, now, effects| m.resolve_early(now, early("i1", 0), effects));
    rig.change(0, |m, now, effects| m.resolve_early(now, early("late", 0), effects));
    rig.restart(5, options());
    rig.report(10, DB, &["i1"]).expect("fine");
    rig.run_to(60);
    assert!(!rig.machine.issue("i1").expect("kept").is_active());
    assert_eq!(rig.history(DB), ["10 bot resolved over"]);
    assert_eq!(rig.story(), [""; 0], "nobody needs to hear of it");
    rig.report(3700, "alertname=Late n=l", &["late"]).expect("fine");
    assert!(rig.machine.issue("late").expect("known").is_active(), "after an hour it counts no more");
}

#[test]
fn what_still_fires_after_it_was_resolved_is_open_again() {
    let mut rig = Rig::new(options());
    rig.fire(0, "alertname=A n=a");
    rig.receive(0, vec![alert("alertname=B n=b", 0, Some(400))]);
    rig.run_to(20);
    rig.resolve(30, "alertname=A n=a").expect("open");
    rig.resolve(30, "alertname=B n=b").expect("open");
    // Its sender goes on sending, its rule says that it is blind: neither opens it at once.
    rig.receive(60, vec![alert("alertname=B n=b", 0, Some(460))]);
    let mut blind = fires("alertname=A n=a", 0);
    blind.frozen_since = Some(at(60));
    rig.event(60, Event::Transitions(vec![blind]));
    rig.run_to(200);
    let told = ["10 webhook first notification +a", "10 webhook first notification +b"];
    assert_eq!(rig.story()[..2], told);
    assert_eq!(rig.story()[2..], ["70 webhook all alerts resolved -a", "70 webhook all alerts resolved -b"]);
    rig.restart(200, options());
    rig.run_to(399);
    assert!(rig.story()[4..].iter().all(|line| line.contains("first notification")), "{:?}", rig.story());
    assert_eq!(rig.story().len(), 6, "five minutes later both are told anew: {:?}", rig.story());
    assert_eq!(rig.history("alertname=A n=a"), ["30 anna resolved fixed", "330 reopened"]);

    // What its rule lets go in the meantime stays resolved.
    let mut rig = Rig::new(options());
    rig.fire(0, "alertname=A n=a");
    rig.resolve(30, "alertname=A n=a").expect("open");
    rig.end(60, "alertname=A n=a");
    rig.run_to(3000);
    assert_eq!(rig.machine.alerts().count(), 0);
    // And what begins anew is open at once.
    let mut rig = Rig::new(options());
    rig.fire(0, "alertname=A n=a");
    rig.resolve(30, "alertname=A n=a").expect("open");
    rig.end(60, "alertname=A n=a");
    rig.fire(90, "alertname=A n=a");
    assert_eq!(rig.history("alertname=A n=a"), ["30 anna resolved fixed", "90 reopened"]);
}

#[test]
fn who_looks_after_it_is_not_told_again() {
    let mut rig = Rig::new(options());
    rig.fire(0, "alertname=A n=a");
    rig.acknowledge(20, "alertname=A n=a", Some(8000)).expect("open");
    rig.restart(30, options());
    let ack = rig.machine.alerts().next().and_then(|e| e.acknowledged.clone()).expect("acknowledged");
    assert_eq!((&*ack.by, ack.at, ack.until), ("anna", at(20), Some(at(8000))));
    rig.fire(5000, "alertname=A n=b");
    rig.run_to(7999);
    assert_eq!(
        rig.story(),
        ["10 webhook first notification +a", "5050 webhook new alerts added +a +b"],
        "no repeat, but news"
    );
    rig.run_to(12_700);
    assert_eq!(rig.history("alertname=A n=a")[1..], ["8000 unacknowledged Expired"]);
    assert_eq!(
        rig.story()[2..],
        ["8710 webhook repeat interval elapsed +a +b", "12370 webhook repeat interval elapsed +a +b"]
    );
    // The end is told though somebody looks after it.
    rig.acknowledge(12_800, "alertname=A n=a", None).expect("open");
    rig.end(12_850, "alertname=A n=a");
    rig.run_to(13_000);
    assert_eq!(rig.story()[4..], ["12910 webhook some alerts resolved +b -a"]);
    assert_eq!(rig.acknowledge(13_000, "alertname=A n=a", None), Err(IssueError::Over));
}

#[test]
fn a_worse_severity_undoes_an_acknowledgement() {
    let mut rig = Rig::new(options());
    let (warning, critical) = ("alertname=A n=w severity=warning", "alertname=A n=w severity=critical");
    let other = "alertname=A n=x severity=warning";
    rig.fire(0, warning);
    rig.fire(0, other);
    rig.acknowledge(20, warning, None).expect("open");
    rig.acknowledge(20, other, None).expect("open");
    rig.fire(40, critical);
    assert_eq!(rig.history(warning), ["20 anna acknowledged", "40 unacknowledged SeverityRose"]);
    assert_eq!(rig.history(other), ["20 anna acknowledged"]);
    // The other way round nothing is undone.
    rig.acknowledge(60, critical, None).expect("open");
    rig.end(70, warning);
    rig.fire(80, warning);
    assert_eq!(rig.history(critical), ["60 anna acknowledged"]);
}

#[test]
fn histories_are_bounded() {
    let mut rig = Rig::new(options());
    rig.report(0, DB, &["i1"]).expect("fine");
    for n in 0..250 {
        let id = rig.id(DB);
        let note = format!("note {n}").into();
        rig.change(5, |m, now, effects| m.note(now, id, "anna".into(), note, effects)).expect("open");
    }
    let history = rig.history(DB);
    assert_eq!((history.len(), &*history[99]), (100, "5 anna noted note 249"));
    let id = rig.id(DB);
    rig.change(6, |m, now, effects| m.assign(now, id, "anna".into(), Some("ben".into()), effects))
        .expect("open");
    assert_eq!(rig.machine.issue("i1").and_then(|e| e.assignee.clone()).as_deref(), Some("ben"));
}

#[test]
fn reports_find_room_or_are_refused() {
    let mut few = options();
    few.limits.received_max = 2;
    let mut rig = Rig::new(few);
    for n in 0..2 {
        rig.report(0, &format!("alertname=A n={n}"), &[&format!("i{n}")]).expect("room");
    }
    assert_eq!(rig.report(1, "alertname=A n=9", &["i9"]), Err(IssueError::Full));
    assert!(rig.report(1, "alertname=A n=1", &["again"]).is_ok(), "what is known needs no room");
    assert!(rig.machine.issue("i9").is_none());
}

#[test]
fn an_id_that_nobody_asked_for_is_only_the_issues() {
    let mut rig = Rig::new(options());
    let spare = |id: &str| NewIssue { spare_id: Some(id.into()), ..report(DB, &["key:a"]) };
    rig.change(0, |m, now, effects| m.report(now, spare("s1"), effects)).expect("fine");
    for n in 2..50 {
        let new = NewIssue { ids: Vec::new(), ..spare(&format!("s{n}")) };
        rig.change(1, |m, now, effects| m.report(now, new, effects)).expect("fine");
    }
    let issue = rig.machine.issue("s1").expect("its own id");
    let ids: Vec<&str> = issue.report.iter().flat_map(|r| &r.ids).map(|id| &**id).collect();
    assert_eq!((ids, issue.report.as_ref().map(|r| r.count)), (vec!["s1", "key:a"], Some(49)));
    assert!(rig.machine.issue("s2").is_none());
}
