use botwatch_core::model::Timestamp;

use super::{
    Blind, Facts, Firing,
    html::{age, escape, write},
    style,
};
use crate::api::NoticeKind;

fn quiet() -> Facts {
    Facts {
        now: Timestamp::from_secs(10_000),
        version: "1.0",
        targets: 1,
        rules: 24,
        durable: true,
        ..Facts::default()
    }
}

fn alert(name: &str) -> Firing {
    Firing { name: name.to_owned(), since: Timestamp::from_secs(9_700), ..Firing::default() }
}

#[test]
fn one_sentence_says_how_things_stand() {
    let blind = vec![Blind::default()];
    let alerts: Vec<Firing> = ["A", "B", "A", "C", "D"].map(alert).into();
    for (facts, expected) in [
        (quiet(), "All quiet: 1 target seen, 24 rules evaluated."),
        (Facts { pending: 2, ..quiet() }, "All quiet: 1 target seen, 24 rules evaluated. 2 alerts pending."),
        (Facts { blind: blind.clone(), ..quiet() }, "No alert fires, but 1 target can’t be seen."),
        (Facts { firing: 1, alerts: vec![alert("BotDown")], ..quiet() }, "1 alert firing: BotDown."),
        (
            Facts { firing: 5, alerts, blind, ..quiet() },
            "5 alerts firing: A, B, C, …. 1 target can’t be seen.",
        ),
        (
            Facts { not_ready: Some("the journal is read".to_owned()), ..quiet() },
            "Not ready: the journal is read.",
        ),
    ] {
        assert_eq!(facts.sentence(), expected);
        assert!(write(&facts).contains(&format!(">{expected}</h1>")), "{expected}");
    }
}

#[test]
fn nothing_from_outside_becomes_html() {
    let evil = "<script>alert(1)</script>\"'&";
    let firing = Firing {
        name: evil.to_owned(),
        severity: evil.to_owned(),
        summary: evil.to_owned(),
        runbook: format!("https://x/{evil}"),
        since: Timestamp(0),
        frozen: Some(Timestamp(0)),
    };
    let script = Firing { runbook: "javascript:alert(1)".to_owned(), ..alert("B") };
    let blind = Blind { pool: evil.into(), url: evil.into(), error: evil.into(), last: Some(Timestamp(0)) };
    let facts = Facts {
        firing: 2,
        alerts: vec![firing, script],
        blind: vec![blind],
        notices: vec![(NoticeKind::Off, evil.to_owned())],
        not_ready: Some(evil.to_owned()),
        ..quiet()
    };
    let page = write(&facts);
    assert!(!page.contains("<script") && !page.contains("javascript:"), "{page}");
    assert_eq!(page.matches(&escape(evil)).count(), 2 + 4 + 3 + 1, "{page}");
}

#[test]
fn trouble_and_notices_are_shown() {
    let facts = Facts {
        reload_failed: true,
        durable: false,
        broken_rules: 1,
        undelivered: 3,
        notices: vec![
            (NoticeKind::Watches, "the bot at localhost:3000".to_owned()),
            (NoticeKind::Off, "safety off: set BOT_MODE=paper".to_owned()),
        ],
        ..quiet()
    };
    let page = write(&facts);
    for expected in [
        "configuration was refused",
        "journal can’t be written",
        "<li>1 rule ended with an error.</li>",
        "<li>3 messages could not be delivered yet.</li>",
        "<h2>Watches</h2>\n<ul>\n<li>the bot at localhost:3000</li>",
        "<h2>Switched off</h2>\n<ul>\n<li>safety off: set BOT_MODE=paper</li>",
    ] {
        assert!(page.contains(expected), "{expected} in {page}");
    }
}

#[test]
fn the_policy_lets_in_this_style_only() {
    let policy = style::policy();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(!style::STYLE.contains('<'), "it stands inside an element");
}

#[test]
fn ages_have_two_units() {
    let now = Timestamp::from_secs(1_000_000);
    for (seconds, expected) in [(-5, "0s"), (59, "59s"), (60, "1m"), (3_725, "1h 2m"), (180_000, "2d 2h")] {
        assert_eq!(age(now, Timestamp::from_secs(1_000_000 - seconds)), expected);
    }
}
