//! Stories written by hand: what the product promises, readable one by one. Times are seconds; scrapes and evaluations
//! come every 15 s, a group waits 0 s (critical) or 10 s and has its turn every minute.
//!
//! Each story also passes all checks of the model.

use crate::{
    script::{Action, Mode, Script, What},
    setting::Change,
    world::{Run, Sabotage, run},
};

const BOT: usize = 0;
const FEED: usize = 1;
const WEBHOOK: usize = 0;

fn story(actions: &[(i64, What)]) -> Run {
    let actions: Vec<Action> = actions.iter().map(|&(at, what)| Action { at, what }).collect();
    let length = actions.iter().map(|a| a.at).max().unwrap_or(0) + 60;
    let run = run(&Script { seed: 1, length, actions }, Sabotage::None);
    if let Some(violation) = &run.violation {
        panic!("{}: {}\n{}", violation.invariant, violation.text, run.trace.join("\n"));
    }
    run
}

/// What a receiver took, in order: `60 first notification +High/bot`, whole seconds.
fn heard(run: &Run, integration: &str) -> Vec<String> {
    let taken = run.trace.iter().filter_map(|line| {
        let (head, text) = line.split_once(": ").filter(|_| line.contains(" takes "))?;
        let mut words = head.split_whitespace();
        let second = words.next()?.split('.').next()?;
        (words.next()? == integration).then(|| format!("{second} {text}"))
    });
    taken.collect()
}

fn count(run: &Run, what: &str) -> usize {
    run.trace.iter().filter(|line| line.contains(what)).count()
}

/// At 03:00 the price feed can't be reached any more while its alert fires; meanwhile its level falls. Nothing is
/// resolved before somebody has looked again (§2.3).
#[test]
fn a_feed_goes_blind_while_its_alert_fires() {
    let run = story(&[
        (31, What::Level { target: FEED, value: 11.0 }),
        (200, What::Down { target: FEED, secs: 300 }),
        (260, What::Level { target: FEED, value: 0.0 }),
    ]);
    let high: Vec<String> = heard(&run, "ops/webhook/0").into_iter().filter(|l| l.contains("High")).collect();
    assert_eq!(high, ["75 first notification +High/feed", "555 all alerts resolved -High/feed"]);
    assert_eq!(
        heard(&run, "ops/email/0").iter().filter(|l| l.contains("SourceBlind")).count(),
        2,
        "one alert says what is blind, and that it is no longer"
    );
}

/// A metric that is missing from a scrape that succeeded is no blindness: the alert ends, as in Prometheus.
#[test]
fn a_metric_vanishes_from_a_successful_scrape() {
    let run = story(&[
        (31, What::Level { target: BOT, value: 11.0 }),
        (200, What::Vanishes { target: BOT, secs: 100 }),
        (250, What::Level { target: BOT, value: 0.0 }),
    ]);
    let expected = ["75 first notification +High/bot", "255 all alerts resolved -High/bot"];
    assert_eq!(heard(&run, "ops/webhook/0"), expected);
}

/// `for: 30s` goes on over a restart: what was pending before fires after it, once.
#[test]
fn a_restart_while_an_alert_is_pending() {
    let run = story(&[
        (31, What::Level { target: BOT, value: 11.0 }),
        (50, What::Stop { secs: 5 }),
        (300, What::Level { target: BOT, value: 0.0 }),
    ]);
    let heard = heard(&run, "ops/webhook/0");
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(
        heard[0].ends_with("first notification +High/bot") && heard[1].ends_with("-High/bot"),
        "{heard:?}"
    );
}

/// The process is killed at every effect around the first page, one after the other: decided, recorded, on disk, sent,
/// answered. It is told, and once in effect (§2.5).
#[test]
fn killed_between_any_two_effects() {
    for effects in 0..40 {
        let run = story(&[
            (31, What::Level { target: BOT, value: 11.0 }),
            (74, What::Crash { effects, secs: 3 }),
            (400, What::Level { target: BOT, value: 0.0 }),
        ]);
        let heard = heard(&run, "ops/webhook/0");
        let texts: Vec<&str> = heard.iter().filter_map(|l| l.split_once(' ')).map(|(_, text)| text).collect();
        let expected = ["first notification +High/bot", "all alerts resolved -High/bot"];
        assert_eq!(texts, expected, "killed after {effects} effects");
    }
}

/// A receiver answers 429 for an hour: the fallback is told within minutes, the receiver itself once it takes messages
/// again, and both hear the end.
#[test]
fn a_receiver_answers_429_for_an_hour() {
    let run = story(&[
        (1, What::Reload(Change::Fallback)),
        (2, What::Receiver { integration: WEBHOOK, mode: Mode::Busy(Some(90)), secs: 3600 }),
        (31, What::Level { target: BOT, value: 11.0 }),
        (4000, What::Level { target: BOT, value: 0.0 }),
    ]);
    let (first, instead) = (heard(&run, "ops/webhook/0"), heard(&run, "backup/webhook/0"));
    let at = |line: &str| line.split(' ').next().and_then(|t| t.parse::<i64>().ok()).expect("a time");
    assert!(at(&instead[0]) < 400 && instead[0].ends_with("+High/bot"), "{instead:?}");
    assert!((3602..3800).contains(&at(&first[0])) && first[0].ends_with("+High/bot"), "{first:?}");
    assert!(instead.last().is_some_and(|l| l.ends_with("-High/bot")), "{instead:?}");
    assert!(first.last().is_some_and(|l| l.ends_with("-High/bot")), "{first:?}");
}

/// The receiver takes the page and its answer is lost: it is sent again under the same id, which says so.
#[test]
fn an_answer_is_lost() {
    let run = story(&[
        (2, What::Receiver { integration: WEBHOOK, mode: Mode::LosesAnswer, secs: 80 }),
        (31, What::Level { target: BOT, value: 11.0 }),
    ]);
    assert_eq!(heard(&run, "ops/webhook/0")[0], "75 first notification +High/bot");
    assert_eq!(count(&run, "to ops/webhook/0 (attempt 2): first notification +High/bot"), 1);
    assert_eq!(count(&run, "ops/webhook/0 takes"), 2, "the page, and its repetition after 20 minutes");
}

/// The disk is full for ten minutes: our own page goes out from memory at once (§2.10), and its end after that.
#[test]
fn a_full_disk_does_not_hold_a_page_up() {
    let run = story(&[
        (10, What::DiskRefuses { secs: 600 }),
        (31, What::Level { target: BOT, value: 11.0 }),
        (700, What::Level { target: BOT, value: 0.0 }),
    ]);
    let expected = ["75 first notification +High/bot", "735 all alerts resolved -High/bot"];
    assert_eq!(heard(&run, "ops/webhook/0"), expected);
}

/// Somebody outside sends an alert, gets its 2xx, and is never heard of again; then the process is killed. The alert is
/// told, and ends with its lease.
#[test]
fn an_acknowledged_alert_survives_a_kill() {
    let run = story(&[
        (20, What::Outside { name: 7, secs: 10, resolves: false }),
        (22, What::Crash { effects: 0, secs: 60 }),
    ]);
    let heard = heard(&run, "chat/slack/0");
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(heard[0].ends_with("first notification +Outside/7"), "{heard:?}");
    assert!(heard[1].ends_with("all alerts resolved -Outside/7"), "{heard:?}");
}

/// A reload leads an alert to another receiver while it fires: the new one is told, and both hear the end (§2.2).
#[test]
fn a_route_changes_while_its_alert_fires() {
    let run = story(&[
        (31, What::Errors { target: BOT, per_second: 2.0 }),
        (200, What::Reload(Change::WarningsToOps)),
        (400, What::Errors { target: BOT, per_second: 0.0 }),
    ]);
    for integration in ["chat/slack/0", "ops/webhook/0"] {
        let heard = heard(&run, integration);
        assert_eq!(heard.len(), 2, "{integration}: {heard:?}");
        assert!(heard[0].ends_with("+Rate/bot") && heard[1].ends_with("-Rate/bot"), "{heard:?}");
    }
}

/// A receiver is removed while it believes that an alert fires: its end is written off, with the reason.
#[test]
fn a_receiver_is_removed_while_its_alert_fires() {
    let run = story(&[
        (31, What::Errors { target: BOT, per_second: 2.0 }),
        (200, What::Reload(Change::ChatRemoved)),
        (400, What::Errors { target: BOT, per_second: 0.0 }),
    ]);
    assert_eq!(heard(&run, "chat/slack/0").len(), 1);
    assert_eq!(count(&run, "written off for chat/slack/0: ReceiverRemoved"), 1);
    assert_eq!(heard(&run, "ops/webhook/0").len(), 2);
}

/// A rule is removed while its alert fires: told as the end, and said so.
#[test]
fn a_rule_is_removed_while_its_alert_fires() {
    let run = story(&[
        (31, What::Errors { target: BOT, per_second: 2.0 }),
        (200, What::Reload(Change::RateRemoved)),
    ]);
    assert_eq!(count(&run, "RuleRemoved"), 1);
    assert!(heard(&run, "chat/slack/0").last().is_some_and(|l| l.ends_with("-Rate/bot")));
}
