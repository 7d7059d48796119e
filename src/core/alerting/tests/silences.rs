use std::result::Result;

use super::*;
use crate::alerting::{Silence, SilenceError, SilenceId, SilenceState};

fn id(text: &str) -> SilenceId {
    SilenceId(text.into())
}

pub(super) fn silence(name: &str, of: &str, starts: i64, ends: i64) -> Silence {
    Silence {
        id: id(name),
        matchers: matchers::parse(of).expect(of),
        starts_at: at(starts),
        ends_at: at(ends),
        updated_at: at(0),
        created_by: "anna".into(),
        comment: "known".into(),
        annotations: Labels::empty(),
    }
}

impl Rig {
    pub(super) fn change<T>(
        &mut self,
        t: i64,
        change: impl FnOnce(&mut Machine, Timestamp, &mut Vec<Effect>) -> T,
    ) -> T {
        self.run_to(t);
        let mut effects = Vec::new();
        let made = change(&mut self.machine, self.now, &mut effects);
        self.machine.advance(self.now, &mut effects);
        self.perform(effects);
        made
    }

    pub(super) fn set(
        &mut self,
        t: i64,
        old: Option<&str>,
        silence: Silence,
    ) -> Result<String, SilenceError> {
        let old = old.map(id);
        let made = self.change(t, |m, now, effects| m.set_silence(now, old.as_ref(), silence, effects));
        made.map(|id| id.to_string())
    }

    fn expire(&mut self, t: i64, name: &str) -> Result<(), SilenceError> {
        self.change(t, |m, now, effects| m.expire_silence(now, &id(name), effects))
    }

    fn state(&self, name: &str) -> Option<SilenceState> {
        self.machine.silence(&id(name)).map(|s| s.state(self.now))
    }
}

#[test]
fn what_is_silenced_is_not_told_and_says_why() {
    let mut rig = Rig::new(options());
    rig.set(0, None, silence("s1", "alertname=A,n=~\"a|c\"", 0, 200)).expect("fine");
    rig.fire(5, "alertname=A n=a");
    rig.fire(5, "alertname=A n=b");
    rig.run_to(100);
    assert_eq!(rig.story(), ["15 webhook first notification +b"]);
    assert_eq!(rig.why("alertname=A n=a"), [Reason::Silenced { by: vec![id("s1")] }]);
    assert_eq!(rig.machine.silenced_by(rig.now, &labels("alertname=A n=c")), [id("s1")]);
    rig.restart(150, options());
    rig.run_to(300);
    assert_eq!(rig.story()[1..], ["210 webhook new alerts added +a +b"], "at the first turn after it");
}

#[test]
fn an_end_is_told_to_whoever_was_told_the_beginning() {
    let mut rig = Rig::new(options());
    rig.fire(0, "alertname=A n=a");
    rig.set(20, None, silence("s1", "alertname=A", 20, 4000)).expect("fine");
    rig.run_to(3900);
    assert_eq!(rig.story(), ["10 webhook first notification +a"], "not repeated while silenced");
    rig.end(3950, "alertname=A n=a");
    rig.run_to(4100);
    assert_eq!(rig.story()[1..], ["3970 webhook all alerts resolved -a"]);
    let mut drop = options();
    drop.suppressed_resolves = SuppressedResolves::Drop;
    let mut rig = Rig::new(drop);
    rig.fire(0, "alertname=A n=a");
    rig.set(20, None, silence("s1", "alertname=A", 20, 400)).expect("fine");
    rig.end(100, "alertname=A n=a");
    rig.run_to(500);
    assert_eq!(rig.story(), ["10 webhook first notification +a"]);
}

#[test]
fn paper_trading_safety_can_not_be_silenced() {
    let mut rig = Rig::new(options());
    rig.set(0, None, silence("all", "alertname=~\".+\"", 0, 1000)).expect("fine");
    rig.fire(5, "alertname=A n=a");
    rig.fire(5, "alertname=Unsafe botwatch_safety=true n=s");
    rig.run_to(900);
    assert_eq!(rig.story(), ["15 webhook first notification +s"]);
}

#[test]
fn states_follow_the_clock_and_both_ends_belong_to_it() {
    let mut rig = Rig::new(options());
    rig.set(0, None, silence("s", "a=b", 100, 200)).expect("fine");
    for (t, state) in [
        (99, SilenceState::Pending),
        (100, SilenceState::Active),
        (200, SilenceState::Active),
        (201, SilenceState::Expired),
    ] {
        rig.run_to(t);
        assert_eq!(rig.state("s"), Some(state), "{t}");
    }
    rig.run_to(200 + 120 * 3600 - 1);
    assert_eq!(rig.state("s"), Some(SilenceState::Expired), "kept for questions");
    rig.run_to(200 + 120 * 3600);
    assert_eq!(rig.state("s"), None);
}

#[test]
fn a_beginning_in_the_past_is_now() {
    let mut rig = Rig::new(options());
    rig.set(50, None, silence("s", "a=b", 0, 200)).expect("fine");
    let set = rig.machine.silence(&id("s")).expect("there");
    assert_eq!((set.starts_at, set.updated_at), (at(50), at(50)));
}

#[test]
fn a_change_keeps_the_silence_only_where_the_past_stays_as_it_was() {
    // At second 100: one that is active, one that is to come, one that is over.
    let cases = [
        ("active", silence("new", "a=b", 0, 500), "active"),
        ("active", silence("new", "a=b", 0, 100), "active"),
        ("active", silence("new", "a=b", 1, 500), "new"),
        ("active", silence("new", "a=c", 0, 500), "new"),
        ("active", silence("new", "a=b,c=d", 0, 500), "new"),
        ("pending", silence("new", "a=b", 150, 500), "pending"),
        ("pending", silence("new", "a=b", 50, 500), "new"),
        ("over", silence("new", "a=b", 0, 500), "new"),
    ];
    for (old, new, expected) in cases {
        let mut rig = Rig::new(options());
        for (name, starts, ends) in [("active", 0, 300), ("pending", 200, 300), ("over", 0, 50)] {
            rig.set(0, None, silence(name, "a=b", starts, ends)).expect("fine");
        }
        let text = format!("{old}: {new:?}");
        assert_eq!(rig.set(100, Some(old), new.clone()).as_deref(), Ok(expected), "{text}");
        let now = rig.machine.silence(&id(expected)).expect("there");
        assert_eq!((now.ends_at, &now.matchers), (new.ends_at, &new.matchers), "{text}");
        if expected == "new" {
            assert_eq!(rig.state(old), Some(SilenceState::Expired), "{text}");
            assert_eq!(now.starts_at, new.starts_at.max(at(100)), "{text}");
        } else {
            assert_eq!(rig.state("new"), None, "{text}");
        }
        rig.restart(110, options());
    }
}

#[test]
fn a_silence_can_be_ended_once_and_again() {
    let mut rig = Rig::new(options());
    rig.fire(0, "alertname=A n=a");
    rig.set(1, None, silence("active", "alertname=A", 1, 4000)).expect("fine");
    rig.set(1, None, silence("pending", "alertname=A", 2000, 4000)).expect("fine");
    rig.run_to(60);
    for name in ["active", "pending", "active"] {
        assert_eq!(rig.expire(65, name), Ok(()));
        assert_eq!(rig.state(name), Some(SilenceState::Expired));
    }
    rig.run_to(200);
    assert_eq!(rig.story(), ["70 webhook first notification +a"]);
    assert_eq!(rig.expire(200, "nobody"), Err(SilenceError::NotFound));
    assert_eq!(rig.set(200, Some("nobody"), silence("n", "a=b", 0, 300)), Err(SilenceError::NotFound));
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let mut o = options();
    o.limits.silences_max = 2;
    let mut rig = Rig::new(o);
    for (of, expected) in [
        ("a=\"\"", "at least one matcher must not match the empty string"),
        ("a=~\".*\",b=~\"x?\"", "at least one matcher must not match the empty string"),
    ] {
        assert_eq!(rig.set(0, None, silence("s", of, 0, 10)), Err(SilenceError::Invalid(expected)), "{of}");
    }
    let none = Silence { matchers: Vec::new(), ..silence("s", "a=b", 0, 10) };
    assert_eq!(rig.set(0, None, none), Err(SilenceError::Invalid("at least one matcher required")));
    rig.set(0, None, silence("negative", "a!=\"\"", 0, 10)).expect("it demands something");
    rig.set(0, None, silence("two", "a=b", 0, 10)).expect("the last that finds room");
    assert_eq!(rig.set(0, None, silence("s", "a=b", 0, 10)), Err(SilenceError::TooMany(2)));
    assert_eq!(
        rig.set(5, Some("two"), silence("s", "a=b", 0, 20)).as_deref(),
        Ok("two"),
        "a change needs no room"
    );
    assert_eq!(rig.records.len(), 3);
}

#[test]
fn a_silence_may_recur() {
    let mut options = options();
    let now = jiff::Timestamp::from_second(T0).expect("in range").to_zoned(jiff::tz::TimeZone::UTC);
    let minute = u16::try_from(i32::from(now.hour()) * 60 + i32::from(now.minute())).expect("of a day");
    let piece =
        TimeInterval { times: std::iter::once(minute..minute + 10).collect(), ..TimeInterval::default() };
    options.time_intervals.insert("backup".into(), vec![piece]);
    let mut rig = Rig::new(options);
    let recurring = |name: &str| Silence {
        annotations: Labels::from_pairs([(DURING, name)]),
        ..silence("s1", "alertname=A", 0, 30 * 86_400)
    };
    let unknown = rig.set(0, None, recurring("lunch")).expect_err("not configured");
    assert!(unknown.to_string().contains("`lunch`, which is not configured"), "{unknown}");
    rig.set(0, None, recurring("backup")).expect("fine");
    rig.fire(5, "alertname=A n=a");
    rig.run_to(1200);
    let first = rig.sent.first().expect("told after the interval").0;
    assert!(first.since(at(0)) > secs(500), "{:?}", rig.story());
    rig.end(1300, "alertname=A n=a");
    // The next day it is quiet again.
    rig.fire(86_400 + 5, "alertname=A n=b");
    rig.run_to(86_400 + 300);
    assert!(rig.sent.iter().all(|(t, _)| t.since(at(0)) < secs(86_000)), "{:?}", rig.story());
}

#[test]
fn silences_are_guarded_as_configured() {
    let mut options = options();
    options.silence_guards = SilenceGuards { max_duration: Some(secs(3600)), require_comment: true };
    let mut rig = Rig::new(options);
    let long = rig.set(0, None, silence("s1", "alertname=A", 0, 3601)).expect_err("too long");
    assert!(long.to_string().contains("1h is the longest"), "{long}");
    let silent = Silence { comment: " ".into(), ..silence("s1", "alertname=A", 0, 60) };
    assert!(rig.set(0, None, silent).expect_err("no comment").to_string().contains("a comment is required"));
    rig.set(0, None, silence("s1", "alertname=A", 0, 3600)).expect("fine");
}
