//! The journal's format: tolerant of new fields, strict about unknown facts.

use super::{silences::silence, *};
use crate::alerting::record::with_needs;

#[test]
fn every_record_reads_back_as_it_was_written() {
    // a run that makes nearly all of them, under a change of everything
    let mut o = options();
    o.receivers.get_mut("r").expect("there")[0].fallback = Some("f".into());
    o.receivers.insert("f".into(), vec![integration("f", "email")]);
    let mut n = 0;
    let mut rig = Rig::answering(o.clone(), move |now, _| {
        n += 1;
        match n % 5 {
            _ if now > at(1000) => Some(transient()),
            0 => Some(Outcome::Permanent { error: "no \"way\"".into() }),
            1 | 2 => Some(transient()),
            3 => None,
            _ => Some(Outcome::Delivered { receiver_data: BTreeMap::from([("ts".into(), "1".into())]) }),
        }
    });
    rig.fire(0, "alertname=A n=a");
    rig.receive(5, vec![alert("alertname=B n=b", 0, None), alert("alertname=B n=c", 0, Some(400))]);
    rig.receive(90, vec![alert("alertname=B n=c", 0, Some(500))]);
    rig.restart(100, o.clone());
    let mut other = o.clone();
    other.route.receiver = Some("f".into());
    other.route.routes = vec![Route { matchers: matchers::parse("n=c").expect("fixed"), ..Route::default() }];
    rig.reload(300, other);
    rig.end(600, "alertname=A n=a");
    rig.fire(1100, "alertname=C n=c");
    rig.set(1150, None, silence("s", "a=b", 1150, 1160)).expect("fine");
    let mut gone = options();
    gone.limits.silences_kept = secs(60);
    gone.receivers = BTreeMap::from([("x".into(), vec![integration("x", "slack")])]);
    gone.route.receiver = Some("x".into());
    rig.reload(1200, gone);
    rig.run_to(10_000);
    let mut tags: Vec<String> = Vec::new();
    for record in &rig.records {
        let text = record.encode();
        assert_eq!(&Record::decode(&text).expect(&text), record);
        let value: serde_json::Value = serde_json::from_str(&text).expect("json");
        tags.extend(value.as_object().expect("an object").keys().cloned());
    }
    tags.sort();
    tags.dedup();
    for tag in [
        "answered",
        "attempted",
        "detached",
        "dropped",
        "extended",
        "fell_back",
        "flushed",
        "forgotten",
        "group_changed",
        "group_closed",
        "group_opened",
        "joined",
        "lapsed",
        "left",
        "planned",
        "received",
        "reloaded",
        "silenced",
        "silences_forgotten",
        "transition",
        "written_off",
    ] {
        assert!(tags.iter().any(|t| t == tag), "no `{tag}` in {tags:?}");
    }
}

#[test]
fn new_fields_are_ignored() {
    let text = r#"{"flushed":{"group":7,"at":1,"next":2,"colour":"red"}}"#;
    let expected = Record::Flushed { group: 7, at: Timestamp(1), next: Timestamp(2) };
    assert_eq!(Record::decode(text).expect("fine"), expected);
    assert_eq!(Record::decode(&with_needs(text, "9.9.9")).expect("the tag is known"), expected);
}

#[test]
fn an_unknown_fact_is_refused_and_names_the_version() {
    let text = with_needs(r#"{"teleported":{"group":7}}"#, "0.9.0");
    let error = Record::decode(&text).expect_err("unknown").to_string();
    assert_eq!(error, "record `teleported` is not known to this version; needs botwatch 0.9.0 or newer");
    let error = Record::decode(r#"{"teleported":{}}"#).expect_err("unknown").to_string();
    assert_eq!(
        error,
        "record `teleported` is not known to this version; needs botwatch a later version or newer"
    );
    for damaged in
        ["", "{", "{}", "[]", "7", r#"{"flushed":{"group":"x"}}"#, r#"{"flushed":{"group":7,"at":1,"ne"#]
    {
        assert!(matches!(Record::decode(damaged), Err(RecordError::Malformed(_))), "{damaged}");
    }
}

#[test]
fn records_are_small() {
    let mut rig = Rig::new(options());
    rig.fire(0, "alertname=HighMemory bot=b severity=critical");
    rig.run_to(20);
    let sizes: Vec<usize> = rig.records.iter().map(|r| r.encode().len()).collect();
    assert!(sizes.iter().all(|s| *s < 900), "{sizes:?}");
    assert!(sizes.iter().sum::<usize>() < 3000, "from breach to told: {sizes:?}");
}

#[test]
fn a_checkpoint_of_a_later_format_is_refused() {
    let meta = Row {
        table: Table::Meta,
        key: "0".into(),
        json: r#"{"format":4,"seq":1,"last_group":0,"last_delivery":0}"#.into(),
    };
    let error = Checkpoint::from_rows([meta]).expect_err("later").to_string();
    assert_eq!(error, "checkpoint has format 4; this version reads up to 3");
    let broken = Row { table: Table::Groups, key: "3".into(), json: "{".into() };
    assert_eq!(
        Checkpoint::from_rows([broken]).expect_err("broken").to_string(),
        "row 3 of table `groups` is damaged"
    );
}
