use std::sync::Arc;

use super::*;
use crate::{
    diag::Span,
    model::{AlertState, Ending, Fingerprint, RuleKey, is_stale},
    promql::{DurationExpr, Element, Expr, ExprKind, SampleValue, Selector},
};

/// Source 0 is blind, seeing again from.
#[derive(Default)]
struct Eye {
    blind: bool,
    seeing_from: Option<Timestamp>,
}

impl Sight for Eye {
    fn is_blind(&self, _: SourceId, back_to: Timestamp) -> bool {
        match (self.blind, self.seeing_from) {
            (blind, None) => blind,
            (blind, Some(again)) => blind && again > back_to,
        }
    }
    fn source_name(&self, source: SourceId) -> Arc<str> {
        format!("source-{}", source.0).into()
    }
}

fn number() -> Expr {
    Expr { kind: ExprKind::Number { value: 1.0, is_duration: false }, span: Span::default() }
}

fn key(alert: &str) -> RuleKey {
    RuleKey { file: "f.yml".into(), group: "g".into(), alert: alert.into(), labels: Fingerprint(1), nth: 0 }
}

fn rule(hold: i64, keep: i64, reach: i64) -> AlertingRule {
    AlertingRule::new(AlertingSpec {
        key: key("High"),
        expr: number(),
        hold: Duration::from_secs(hold),
        keep_firing_for: Duration::from_secs(keep),
        labels: vec![("severity".into(), "page".into())],
        annotations: vec![("summary".into(), "value {{ v }}".into())],
        no_data: NoData::Keep,
        reach: Duration::from_secs(reach),
        generator_url: "".into(),
    })
}

fn element(instance: &str, value: f64) -> Element {
    Element {
        labels: Labels::from_pairs([("__name__", "x"), ("instance", instance)]),
        value: SampleValue::Float(value),
        t: Timestamp(0),
        sources: Sources::one(SourceId(0)),
    }
}

fn expand(_: &str, template: &str, _: &Labels, value: f64) -> Result<String, String> {
    if template.contains("bad") {
        Err("no such thing".into())
    } else {
        Ok(template.replace("{{ v }}", &value.to_string()))
    }
}

/// One step at `t` seconds with or without a result; the transitions as short words.
fn at(rule: &mut AlertingRule, t: i64, present: bool, eye: &Eye) -> Vec<String> {
    let result = if present { vec![element("a", t as f64)] } else { vec![] };
    let step = Step { ts: Timestamp::from_secs(t), query_offset: Duration::ZERO, limit: 0, sight: eye };
    let outcome = rule.step(result, &step, &mut expand).expect("steps");
    outcome.transitions.iter().map(word).collect()
}

fn word(t: &Transition) -> String {
    let s = |t: Timestamp| t.0 / 1000;
    let frozen = t.frozen_since.map_or(String::new(), |f| format!(" frozen@{}", s(f)));
    match t.state {
        AlertState::Pending { since } => format!("pending@{}{frozen}", s(since)),
        AlertState::Firing { fired_at, keep_since: None, .. } => format!("firing@{}{frozen}", s(fired_at)),
        AlertState::Firing { fired_at, keep_since: Some(k), .. } => {
            format!("firing@{} kept@{}{frozen}", s(fired_at), s(k))
        }
        AlertState::Ended { fired_at: None, at, .. } => format!("dropped@{}", s(at)),
        AlertState::Ended { at, why, .. } => format!("ended@{} {why:?}", s(at)),
    }
}

type Script<'a> = &'a [(i64, bool, &'a [&'a str])];

fn run(rule: &mut AlertingRule, eye: &Eye, script: Script<'_>) {
    for (t, present, expected) in script {
        assert_eq!(at(rule, *t, *present, eye), *expected, "at {t}");
    }
}

#[test]
fn the_decision_table_of_spec_1_2() {
    let see = Eye::default();
    run(
        &mut rule(0, 0, 0),
        &see,
        &[(0, true, &["firing@0"]), (15, true, &[]), (30, false, &["ended@30 ConditionGone"])],
    );
    run(
        &mut rule(30, 0, 0),
        &see,
        &[
            (0, true, &["pending@0"]),
            (15, true, &[]),
            (30, true, &["firing@30"]),
            (45, false, &["ended@45 ConditionGone"]),
            (60, true, &["pending@60"]),
            (75, false, &["dropped@75"]),
            (90, false, &[]),
        ],
    );
    run(
        &mut rule(0, 30, 0),
        &see,
        &[
            (0, true, &["firing@0"]),
            (15, false, &["firing@0 kept@15"]),
            (30, true, &["firing@0"]),
            (45, false, &["firing@0 kept@45"]),
            (60, false, &[]),
            (75, false, &["ended@75 ConditionGone"]),
        ],
    );
}

#[test]
fn a_raised_hold_puts_a_young_firing_alert_back_to_pending_r30() {
    let (mut old, see) = (rule(0, 0, 0), Eye::default());
    run(&mut old, &see, &[(0, true, &["firing@0"])]);
    let mut new = rule(60, 0, 0);
    new.inherit(&old);
    run(&mut new, &see, &[(15, true, &["pending@0"]), (60, true, &["firing@60"])]);
}

#[test]
fn blindness_freezes_and_a_present_result_acts_as_always() {
    let mut r = rule(0, 0, 0);
    run(&mut r, &Eye::default(), &[(0, true, &["firing@0"])]);
    let blind = Eye { blind: true, seeing_from: None };
    run(&mut r, &blind, &[(15, false, &["firing@0 frozen@15"]), (30, false, &[]), (45, true, &["firing@0"])]);
    run(&mut r, &blind, &[(60, false, &["firing@0 frozen@60"])]);
    run(&mut r, &Eye::default(), &[(75, false, &["ended@75 ConditionGone"])]);
}

#[test]
fn the_hold_and_the_keeping_stop_counting_while_frozen() {
    let blind = Eye { blind: true, seeing_from: None };
    let mut r = rule(60, 0, 0);
    run(&mut r, &Eye::default(), &[(0, true, &["pending@0"])]);
    run(&mut r, &blind, &[(20, false, &["pending@0 frozen@20"]), (100, false, &[])]);
    // 20 s had been counted; 100 s of blindness don't count.
    run(
        &mut r,
        &Eye::default(),
        &[(120, true, &["pending@100"]), (150, true, &[]), (160, true, &["firing@160"])],
    );

    let mut r = rule(0, 30, 0);
    run(&mut r, &Eye::default(), &[(0, true, &["firing@0"]), (10, false, &["firing@0 kept@10"])]);
    run(&mut r, &blind, &[(20, false, &["firing@0 kept@10 frozen@20"])]);
    run(
        &mut r,
        &Eye::default(),
        &[(220, false, &["firing@0 kept@210"]), (240, false, &["ended@240 ConditionGone"])],
    );
}

#[test]
fn a_range_that_reaches_into_blindness_keeps_a_missing_result_frozen() {
    let mut r = rule(0, 0, 60);
    run(&mut r, &Eye::default(), &[(0, true, &["firing@0"])]);
    let again = Eye { blind: true, seeing_from: Some(Timestamp::from_secs(100)) };
    run(
        &mut r,
        &again,
        &[
            (110, false, &["firing@0 frozen@110"]),
            (159, false, &[]),
            (161, false, &["ended@161 ConditionGone"]),
        ],
    );
}

#[test]
fn blindness_before_the_alert_began_does_not_hold_it() {
    let mut r = rule(0, 0, 3600);
    let started = Eye { blind: true, seeing_from: Some(Timestamp::from_secs(100)) };
    run(&mut r, &started, &[(100, true, &["firing@100"]), (110, false, &["ended@110 ConditionGone"])]);
    run(&mut r, &started, &[(120, true, &["firing@120"]), (130, false, &["ended@130 ConditionGone"])]);
}

#[test]
fn an_alert_is_frozen_since_it_froze_and_not_since_its_source_went_blind() {
    // It fires while its source is blind: `up == 0`, say.
    let (mut before, blind) = (rule(0, 0, 0), Eye { blind: true, seeing_from: None });
    assert_eq!(at(&mut before, 100, true, &blind), ["firing@100"]);
    let step = Step { ts: Timestamp::from_secs(115), query_offset: Duration::ZERO, limit: 0, sight: &blind };
    let froze = before.step(Vec::new(), &step, &mut expand).expect("steps").transitions;
    assert_eq!(froze.iter().map(word).collect::<Vec<_>>(), ["firing@100 frozen@115"]);
    // That moment is kept over restarts: it is not frozen anew.
    let mut after = rule(0, 0, 0);
    after.restore(&froze, Timestamp::from_secs(190), Some(Timestamp::from_secs(130)), &mut |_| SourceId(0));
    assert_eq!(at(&mut after, 200, false, &blind), Vec::<String>::new());
    let shown: Vec<_> = after.alerts().map(|a| a.frozen_since).collect();
    assert_eq!(shown, [Some(Timestamp::from_secs(115))]);
}

#[test]
fn no_data_resolve_is_prometheus() {
    let mut r = rule(0, 0, 0);
    r.spec.no_data = NoData::Resolve;
    let blind = Eye { blind: true, seeing_from: None };
    run(&mut r, &blind, &[(0, true, &["firing@0"]), (15, false, &["ended@15 ConditionGone"])]);
}

#[test]
fn alerts_come_back_from_their_transitions() {
    let (mut before, see) = (rule(30, 0, 0), Eye::default());
    let mut kept = Vec::new();
    for (t, instance) in [(0, "a"), (15, "b"), (30, "a")] {
        let step = Step { ts: Timestamp::from_secs(t), query_offset: Duration::ZERO, limit: 0, sight: &see };
        let both = vec![element("a", 1.0), element("b", 2.0)];
        let result = if instance == "a" && t == 0 { vec![element("a", 1.0)] } else { both };
        kept.extend(before.step(result, &step, &mut expand).expect("steps").transitions);
    }
    let mut after = rule(30, 0, 0);
    after.restore(&kept, Timestamp::from_secs(40), None, &mut |name| {
        SourceId(name.trim_start_matches("source-").parse().expect("a number"))
    });
    let shown =
        |r: &AlertingRule| r.alerts().map(|a| (a.labels.clone(), a.since, a.fired_at)).collect::<Vec<_>>();
    assert_eq!(shown(&after), shown(&before));
    assert_eq!(shown(&after).len(), 2);
    assert_eq!(at(&mut after, 45, false, &see), ["ended@45 ConditionGone", "dropped@45"]);
}

#[test]
fn a_clock_that_was_set_back_holds_no_timer_up() {
    let (mut before, see) = (rule(30, 0, 0), Eye::default());
    let step = Step { ts: Timestamp::from_secs(9000), query_offset: Duration::ZERO, limit: 0, sight: &see };
    let kept = before.step(vec![element("a", 1.0)], &step, &mut expand).expect("steps").transitions;
    let mut after = rule(30, 0, 0);
    let (now, alive) = (Timestamp::from_secs(90), Some(Timestamp::from_secs(90)));
    after.restore(&kept, now, alive, &mut |_| SourceId(0));
    assert_eq!(at(&mut after, 100, true, &see), ["pending@100"]);
    assert_eq!(at(&mut after, 130, true, &see), ["firing@130"]);
}

#[test]
fn labels_annotations_and_synthetic_series() {
    let (mut r, see) = (rule(30, 0, 0), Eye::default());
    let step =
        |t| Step { ts: Timestamp::from_secs(t), query_offset: Duration::from_secs(5), limit: 0, sight: &see };
    let first = r.step(vec![element("a", 7.0)], &step(30), &mut expand).expect("steps");
    let t = &first.transitions[0];
    assert_eq!(t.labels.to_string(), r#"{alertname="High", instance="a", severity="page"}"#);
    assert_eq!(t.annotations.to_string(), r#"{summary="value 7"}"#);
    assert_eq!(t.sources, ["source-0".into()]);
    let series = |o: &Outcome| -> Vec<String> {
        o.written
            .iter()
            .map(|w| {
                format!(
                    "{} {}",
                    w.labels,
                    if is_stale(w.value) { "stale".into() } else { w.value.to_string() }
                )
            })
            .collect()
    };
    let with = |name: &str, more: &str| {
        format!(r#"{{__name__="{name}", alertname="High", {more}instance="a", severity="page"}}"#)
    };
    let (pending, firing) =
        (with("ALERTS", r#"alertstate="pending", "#), with("ALERTS", r#"alertstate="firing", "#));
    let for_state = with("ALERTS_FOR_STATE", "");
    assert_eq!(series(&first), [format!("{pending} 1"), format!("{for_state} 30")]);
    assert_eq!(first.at, Timestamp::from_secs(25));
    let second = r.step(vec![element("a", 8.0)], &step(60), &mut expand).expect("steps");
    assert_eq!(
        series(&second),
        [format!("{pending} stale"), format!("{firing} 1"), format!("{for_state} 30")]
    );
    let third = r.step(vec![element("a", 9.0)], &step(90), &mut expand).expect("steps");
    assert_eq!(third.refreshed[0].value, 9.0);
    let gone = r.end(Timestamp::from_secs(100), &see);
    assert_eq!(series(&gone), [format!("{firing} stale"), format!("{for_state} stale")]);
    assert!(matches!(gone.transitions[0].state, AlertState::Ended { why: Ending::RuleRemoved, .. }));
}

#[test]
fn a_text_that_fails_says_so_in_its_place_and_the_alert_lives_r23() {
    let (mut r, see) = (rule(0, 0, 0), Eye::default());
    r.spec.annotations = vec![("summary".into(), "bad".into())];
    let step = Step { ts: Timestamp(0), query_offset: Duration::ZERO, limit: 0, sight: &see };
    let outcome = r.step(vec![element("a", 1.0)], &step, &mut expand).expect("steps");
    assert_eq!(
        outcome.transitions[0].annotations.value("summary"),
        "<error expanding template: no such thing>"
    );
    assert_eq!(outcome.warnings.len(), 1);
}

#[test]
fn duplicates_and_limits_change_nothing() {
    let (mut r, see) = (rule(0, 0, 0), Eye::default());
    assert_eq!(at(&mut r, 0, true, &see), ["firing@0"]);
    let step =
        |limit| Step { ts: Timestamp::from_secs(15), query_offset: Duration::ZERO, limit, sight: &see };
    let twice = vec![element("b", 1.0), element("b", 2.0)];
    assert!(matches!(r.step(twice, &step(0), &mut expand), Err(Error::Duplicate(_))));
    let many = vec![element("b", 1.0), element("c", 2.0)];
    let error = r.step(many, &step(1), &mut expand).expect_err("over the limit");
    assert_eq!(error.to_string(), "exceeded limit of 1 with 2 alerts");
    assert_eq!(r.alerts().count(), 1);
}

#[test]
fn recording_rules_write_rename_and_end() {
    let see = Eye::default();
    let mut r = RecordingRule::new(
        "job:x:sum".into(),
        number(),
        vec![("team".into(), "a".into()), ("instance".into(), "".into())],
    );
    let step = |t, limit| Step {
        ts: Timestamp::from_secs(t),
        query_offset: Duration::from_secs(1),
        limit,
        sight: &see,
    };
    let first = r.step(vec![element("a", 3.0)], &step(10, 0)).expect("steps");
    assert_eq!(first.at, Timestamp::from_secs(9));
    assert_eq!(first.written[0].labels.to_string(), r#"{__name__="job:x:sum", team="a"}"#);
    let both = vec![element("a", 1.0), element("b", 2.0)];
    assert!(matches!(r.step(both, &step(20, 0)), Err(Error::Duplicate(_))), "instance was removed");
    let mut two = element("a", 1.0);
    two.labels = two.labels.with("zone", "z");
    assert!(matches!(r.step(vec![element("a", 1.0), two], &step(20, 1)), Err(Error::Limit { .. })));
    let ended = r.step(vec![], &step(30, 0)).expect("steps");
    assert!(ended.written.len() == 1 && is_stale(ended.written[0].value));
    assert!(r.step(vec![], &step(40, 0)).expect("steps").written.is_empty());
}

#[test]
fn slots_are_spread_by_identity_and_overruns_counted() {
    let s = Schedule::new(Duration::from_secs(60), "f.yml", "g");
    assert_eq!(s, Schedule::new(Duration::from_secs(60), "f.yml", "g"));
    let slot = s.slot(Timestamp::from_secs(1_000_000));
    assert!(slot <= Timestamp::from_secs(1_000_000) && slot > Timestamp::from_secs(1_000_000 - 60));
    assert_eq!((s.slot(slot), s.next(slot)), (slot, slot + Duration::from_secs(60)));
    assert_eq!(s.slot(Timestamp(slot.0 - 1)), slot - Duration::from_secs(60));
    for (took, missed) in [(10, 0), (60, 0), (119, 0), (120, 1), (200, 2)] {
        assert_eq!(s.missed(slot, slot + Duration::from_secs(took)), missed, "{took}");
    }
    assert_eq!(Schedule::new(Duration::ZERO, "", "").interval(), Duration::from_millis(1));
}

#[test]
fn reach_adds_up_through_recording_rules_and_circles_end() {
    let selector = |name: &str, offset: i64| Selector {
        name: Some(name.into()),
        matchers: vec![],
        offset: (offset != 0).then(|| DurationExpr::Fixed(Duration::from_secs(offset), false)),
        at: None,
        extended: None,
    };
    let range = |name: &str, secs: i64| Expr {
        kind: ExprKind::Range {
            selector: selector(name, 0),
            range: DurationExpr::Fixed(Duration::from_secs(secs), false),
        },
        span: Span::default(),
    };
    let instant =
        |name: &str, offset| Expr { kind: ExprKind::Selector(selector(name, offset)), span: Span::default() };
    let (a, b, c): (Arc<str>, Arc<str>, Arc<str>) = ("a".into(), "b".into(), "c".into());
    let (ea, eb, ec) = (range("raw", 60), range("a", 300), instant("b", 10));
    let reaches =
        Reaches::new([(&c, &ec, Duration::ZERO), (&b, &eb, Duration::ZERO), (&a, &ea, Duration::ZERO)]);
    assert_eq!(reach(&instant("raw", 0), &reaches), Duration::ZERO);
    assert_eq!(reach(&instant("c", 0), &reaches), Duration::from_secs(370));
    let (ea, eb) = (range("b", 60), range("a", 60));
    let circle = Reaches::new([(&a, &ea, Duration::ZERO), (&b, &eb, Duration::ZERO)]);
    assert!(reach(&instant("a", 0), &circle) <= Duration::from_secs(366 * 86_400));
}

/// A file's problems as `line:column code message`.
fn problems(text: &str) -> Vec<String> {
    let source = crate::diag::SourceText::new("rules.yml", text);
    let (_, found) = parse_file(&source, &crate::promql::ParseOptions::default());
    found
        .iter()
        .map(|d| {
            let (line, column) = d.place.as_ref().map_or((0, 0), |(s, span)| s.position(span.start));
            format!("{line}:{column} {} {}", d.code, d.message)
        })
        .collect()
}

const FILE: &str = r#"
groups:
  - name: bot
    interval: 15s
    query_offset: 0s
    limit: 5
    labels: {team: night, severity: info}
    rules:
      - record: job:up:sum
        expr: sum by (job) (up)
      - alert: Down
        expr: |
          up ==
            0
        for: 1m
        keep_firing_for: 2m
        labels:
          severity: critical
        annotations:
          summary: "{{ $labels.job }} is down"
          botwatch_no_data: resolve
"#;

#[test]
fn a_rule_file_to_the_letter() {
    let source = crate::diag::SourceText::new("rules.yml", FILE);
    let (groups, found) = parse_file(&source, &crate::promql::ParseOptions::default());
    assert!(found.is_empty(), "{found:?}");
    let g = &groups[0];
    assert_eq!(
        (&*g.name, g.interval, g.query_offset, g.limit),
        ("bot", Some(Duration::from_secs(15)), Some(Duration::ZERO), 5)
    );
    assert_eq!(g.rules[0].label_set().to_string(), r#"{severity="info", team="night"}"#);
    assert_eq!(g.rules[1].label_set().to_string(), r#"{severity="critical", team="night"}"#);
    assert_eq!(g.rules[1].expr.to_string(), "up == 0");
    let alert = g.rules[1].alert.as_ref().expect("an alert");
    assert_eq!(
        (alert.hold, alert.keep_firing_for, alert.no_data),
        (Duration::from_secs(60), Duration::from_secs(120), Some(NoData::Resolve))
    );
    for empty in ["", "groups:\n", "groups: []\n"] {
        assert!(problems(empty).is_empty(), "{empty}");
    }
}

#[test]
fn all_problems_of_a_rule_file_at_their_places() {
    let text = r#"
groups:
  - name: a
    rules:
      - alert: X
        expr: |
          up ==
            (0
        for: 5
      - record: foo{bar="x"}
        expr: rate(up)
        annotations: {a: b}
      - alert: Y
        record: z
        expr: up
        annotation: {a: b}
      - expr: up
  - name: a
    rule: []
group: []
"#;
    let found = problems(text);
    let expected = [
        "8:13 promql-syntax could not parse expression: unclosed left parenthesis",
        "9:14 ",
        "10:17 invalid-value invalid recording rule name: foo{bar=\"x\"}",
        "11:20 promql-syntax could not parse expression: expected type range vector in call to function \"rate\", got instant vector",
        "12:9 invalid-value invalid field 'annotations' in recording rule",
        "13:16 invalid-value only one of",
        "16:9 unknown-key unknown key `annotation` in a rule",
        "17:9 missing-key",
        "18:11 invalid-value groupname: \"a\" is repeated in the same file",
        "19:5 unknown-key unknown key `rule` in a rule group",
        "20:1 unknown-key unknown key `group` in a rule file",
    ];
    for e in expected {
        assert!(found.iter().any(|f| f.starts_with(e)), "{e}\nin {found:#?}");
    }
}

/// A file with one rule, run over samples in memory.
struct Ups(f64);

impl crate::promql::Queryable for Ups {
    fn select(
        &self,
        matchers: &[crate::model::Matcher],
        _: Timestamp,
        until: Timestamp,
        _: crate::promql::SelectHints,
    ) -> Result<Vec<crate::promql::Series>, crate::promql::SelectError> {
        let labels = Labels::from_pairs([("__name__", "up"), ("job", "bot")]);
        if !matchers.iter().all(|m| m.matches_labels(&labels)) {
            return Ok(vec![]);
        }
        Ok(vec![crate::promql::Series {
            labels,
            sources: Sources::one(SourceId(0)),
            t: vec![until.0],
            v: vec![self.0],
        }])
    }
}

#[test]
fn a_group_steps_its_rules_and_keeps_their_state_over_a_reload() {
    let options = crate::promql::EvalOptions::prometheus();
    let shared = Shared {
        interval: Duration::from_secs(60),
        query_offset: Duration::ZERO,
        no_data: NoData::Keep,
        external_url: "http://localhost:9095".into(),
        reaches: Reaches::default(),
    };
    let group = |text: &str| {
        let source = crate::diag::SourceText::new("rules.yml", text);
        let (mut groups, found) = parse_file(&source, &crate::promql::ParseOptions::default());
        assert!(found.is_empty(), "{found:?}");
        Group::new(groups.remove(0), &shared)
    };
    let see = Eye::default();
    let mut first = group(FILE);
    let written = first.step(0, Timestamp(0), &Ups(0.0), &options, &see, &mut expand).expect("steps").written;
    assert_eq!(
        written[0].labels.to_string(),
        r#"{__name__="job:up:sum", job="bot", severity="info", team="night"}"#
    );
    let outcome = first.step(1, Timestamp(0), &Ups(0.0), &options, &see, &mut expand).expect("steps");
    assert_eq!(word(&outcome.transitions[0]), "pending@0");
    assert_eq!(
        &*outcome.transitions[0].generator_url,
        "http://localhost:9095/graph?g0.expr=up+%3D%3D+0&g0.tab=1"
    );

    // Another expression and annotation: the alert's timer goes on. The recording rule is gone.
    let edited = FILE
        .replace("            0", "            0 or up < 1")
        .replace("      - record: job:up:sum\n        expr: sum by (job) (up)\n", "");
    let mut second = group(&edited);
    let gone = second.inherit(first);
    assert!(matches!(&gone[..], [Rule::Recording(_)]));
    let outcome =
        second.step(0, Timestamp::from_secs(60), &Ups(0.0), &options, &see, &mut expand).expect("steps");
    assert_eq!(word(&outcome.transitions[0]), "firing@60");

    // A restart: the journal's transitions give the alert back.
    let mut third = group(&edited);
    third.restore(&outcome.transitions, Timestamp::from_secs(70), None, &mut |_| SourceId(0));
    let outcome =
        third.step(0, Timestamp::from_secs(75), &Ups(1.0), &options, &see, &mut expand).expect("steps");
    assert_eq!(word(&outcome.transitions[0]), "firing@60 kept@75");
}
