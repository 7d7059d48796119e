use botwatch_core::{model::Timestamp, template::escape_html as escape};

use super::{
    Blind, Facts, Firing, Untold,
    html::{age, write},
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

fn untold() -> Untold {
    Untold {
        name: "ops/webhook".to_owned(),
        key: "5f3a".to_owned(),
        messages: 1,
        error: "503 Service Unavailable".to_owned(),
        next: Some(Timestamp::from_secs(10_090)),
        refused: false,
    }
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
            "5 alerts firing: A, B, C, …. And 1 target can’t be seen.",
        ),
        (Facts { rules: 0, ..quiet() }, "No alert fires, but no rules are loaded."),
        (
            Facts { untold: vec![untold()], broken_rules: 2, durable: false, ..quiet() },
            "No alert fires, but ops/webhook can’t be told, 2 rules end with an error and the journal can’t be \
             written.",
        ),
        (
            Facts { reload_error: Some("r.yml:1:2: no".to_owned()), ..quiet() },
            "No alert fires, but the newest configuration was refused.",
        ),
        (
            Facts { firing: 1, alerts: vec![alert("A")], untold: vec![untold(), untold()], ..quiet() },
            "1 alert firing: A. And 2 receivers can’t be told.",
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
        reload_error: Some("error[BW0101] rules/a.yml:3:5: bad <expr>".to_owned()),
        durable: false,
        broken_rules: 1,
        untold: vec![untold(), Untold { refused: true, messages: 2, ..untold() }],
        notices: vec![
            (NoticeKind::Watches, "job `bot`: `<b>`, `odd".to_owned()),
            (NoticeKind::Off, "safety off: set BOT_MODE=paper".to_owned()),
        ],
        ..quiet()
    };
    let page = write(&facts);
    for expected in [
        "configuration was refused; the one before it is in force. error[BW0101] rules/a.yml:3:5: bad &lt;expr&gt;",
        "journal can’t be written",
        "<li>1 rule ended with an error.</li>",
        "<b>ops/webhook</b> <span class=\"soft\">5f3a: 1 message, tried again in 1m</span><p>503 Service Unavailable</p>",
        "2 messages, refused; made anew when its alerts change",
        "<h2>Watches</h2>\n<ul>\n<li>job <code>bot</code>: <code>&lt;b&gt;</code>, `odd</li>",
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
