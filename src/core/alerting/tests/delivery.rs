//! Attempts, waits, fallbacks, giving up: DESIGN §2.5.

use std::collections::BTreeSet;

use super::*;
use crate::alerting::delivery::{after_failure, delivery_number};

fn times(rig: &Rig) -> Vec<i64> {
    rig.sent.iter().map(|(t, _)| t.since(at(0)).as_millis()).collect()
}

fn delivered() -> Outcome {
    Outcome::Delivered { receiver_data: BTreeMap::new() }
}

#[test]
fn waits_double_up_to_the_cap_then_grow_to_the_slow_interval() {
    let policy =
        RetryPolicy { attempts: 4, base: secs(1), cap: secs(3), jitter: 0.0, ..RetryPolicy::default() };
    let id = DeliveryId("1-x".into());
    let wait = |failures, asked: Option<i64>| {
        let retry = after_failure(&policy, &id, failures, asked.map(secs), at(0));
        (retry.at.since(at(0)).as_millis() / 1000, retry.round_over)
    };
    assert_eq!(
        [1, 2, 3, 4, 6, 10, 24, 25, 99].map(|n| wait(n, None).0),
        [1, 2, 3, 3, 4, 11, 260, 300, 300],
        "by a quarter each after the round"
    );
    assert_eq!([3, 4, 5].map(|n| wait(n, None).1), [false, true, true]);
    assert_eq!(wait(1, Some(20)), (20, false), "Retry-After");
    assert_eq!(wait(3, Some(1)), (3, false), "never sooner than our own wait");
    assert_eq!(wait(1, Some(301)), (301, true), "asked to wait so long that somebody else should know");
    assert_eq!(wait(1, Some(1_000_000)), (3600, true), "but not for ever");
    assert_eq!(wait(1, Some(-5)), (1, false));
}

#[test]
fn jitter_spreads_deliveries_and_is_the_same_on_every_run() {
    let policy = RetryPolicy { jitter: 0.25, base: secs(100), cap: secs(1000), ..RetryPolicy::default() };
    let wait = |n: u32| {
        after_failure(&policy, &DeliveryId(format!("{n}-0").into()), 1, None, at(0))
            .at
            .since(at(0))
            .as_millis()
    };
    let waits: Vec<i64> = (0..200).map(wait).collect();
    assert_eq!(waits, (0..200).map(wait).collect::<Vec<_>>());
    assert!(waits.iter().all(|w| (75_000..=125_000).contains(w)));
    assert!(waits.iter().collect::<BTreeSet<_>>().len() > 190, "spread");
    assert!(
        waits.iter().min() < Some(&80_000) && waits.iter().max() > Some(&120_000),
        "over the whole range"
    );
}

#[test]
fn a_transient_failure_is_tried_again_with_the_same_id_and_content() {
    let mut left = 3;
    let mut rig = Rig::answering(options(), move |_, _| {
        left -= 1;
        Some(if left >= 0 { transient() } else { delivered() })
    });
    rig.fire(0, "alertname=A n=a");
    rig.fire(11, "alertname=A n=b");
    rig.run_to(60);
    assert_eq!(times(&rig), [10_000, 11_000, 13_000, 17_000]);
    assert!(rig.sent.iter().all(|(_, s)| s.delivery == rig.sent[0].1.delivery), "immutable once attempted");
    assert_eq!(rig.sent.iter().map(|(_, s)| s.attempt).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let done = rig.machine.history().next().expect("done");
    assert_eq!((done.attempts, done.result, done.last_error.as_deref()), (4, Result::Delivered, Some("503")));
    let (_, counters) = rig.machine.counters().next().expect("counted");
    assert_eq!((counters.delivered, counters.attempts, counters.transient), (1, 4, 3));
}

#[test]
fn retry_after_is_honoured() {
    let mut first = true;
    let mut rig = Rig::answering(options(), move |_, _| {
        let answer = if first {
            Outcome::Transient { error: "429".into(), retry_after: Some(secs(42)) }
        } else {
            delivered()
        };
        first = false;
        Some(answer)
    });
    rig.fire(0, "alertname=A");
    rig.run_to(60);
    assert_eq!(times(&rig), [10_000, 52_000]);
}

#[test]
fn an_unattempted_message_is_replaced_and_nothing_overtakes() {
    let mut o = options();
    o.receivers.get_mut("r").expect("there")[0].attempt_timeout = secs(1000);
    // no answer until 141 s: everything behind waits
    let mut rig = Rig::answering(o, |now, _| (now >= at(141)).then(delivered));
    rig.fire(0, "alertname=A n=a");
    rig.run_to(11);
    rig.fire(20, "alertname=A n=b"); // planned at 70 behind the first
    rig.end(80, "alertname=A n=a"); // replaced at 130
    rig.run_to(140);
    assert_eq!(rig.sent.len(), 1);
    assert_eq!(rig.machine.deliveries().count(), 2);
    let id = rig.sent[0].1.delivery.id.clone();
    rig.event(141, Event::Delivered { id, outcome: delivered() });
    assert_eq!(
        rig.story(),
        ["10 webhook first notification +a", "141 webhook new alerts added +b -a"],
        "one message in the place of two"
    );
    let superseded = rig.machine.history().filter(|d| d.result == Result::Superseded).count();
    assert_eq!(superseded, 1);
}

#[test]
fn a_planned_message_that_is_no_longer_so_is_dropped() {
    let mut rig = Rig::answering(options(), |now, _| (now >= at(300)).then(delivered));
    rig.fire(0, "alertname=A n=a");
    rig.fire(20, "alertname=A n=b"); // planned at 70
    rig.end(80, "alertname=A n=b"); // at 130 there is nothing to add any more
    rig.run_to(140);
    assert_eq!(rig.machine.deliveries().count(), 1);
    assert_eq!(rig.why("alertname=A n=b"), [Reason::EndedUntold]);
}

fn with_fallback() -> Options {
    let mut o = options();
    o.receivers.get_mut("r").expect("there")[0].fallback = Some("f".into());
    o.receivers.insert("f".into(), vec![integration("f", "email")]);
    o
}

#[test]
fn after_a_round_the_fallback_is_told_and_slower_attempts_go_on() {
    let mut rig = Rig::answering(with_fallback(), |now, send| {
        let down = &*send.delivery.integration.kind == "webhook" && now < at(820);
        Some(if down { transient() } else { delivered() })
    });
    rig.fire(0, "alertname=A n=a");
    rig.fire(100, "alertname=A n=b");
    rig.end(800, "alertname=A n=a");
    rig.end(800, "alertname=A n=b");
    rig.run_to(3000);
    let (webhook, email): (Vec<_>, Vec<_>) = rig.story().into_iter().partition(|l| l.contains("webhook"));
    assert_eq!(
        email,
        [
            "25 email first notification +a",
            "130 email new alerts added +a +b", // while it stands in it hears what is new
            "850 email all alerts resolved -a -b",
        ]
    );
    // 5 quick attempts, then ever slower
    let attempts: Vec<_> =
        webhook.iter().filter_map(|l| l.strip_suffix(" webhook first notification +a")).collect();
    assert_eq!(attempts[..8], ["10", "11", "13", "17", "25", "41", "61", "86"]);
    // the message about b was never attempted and its alert is over: the end of a is all that is left to say
    assert_eq!(
        webhook[webhook.len() - 2..],
        ["892 webhook first notification +a", "892 webhook all alerts resolved -a"]
    );
}

#[test]
fn a_refusal_goes_to_the_fallback_at_once_and_is_made_anew_later() {
    let mut rig = Rig::answering(with_fallback(), |now, send| {
        let broken = &*send.delivery.integration.kind == "webhook" && now < at(400);
        Some(if broken { Outcome::Permanent { error: "400 bad channel".into() } } else { delivered() })
    });
    rig.fire(0, "alertname=A n=a");
    rig.run_to(20);
    assert_eq!(rig.story(), ["10 webhook first notification +a", "10 email first notification +a"]);
    let refused = rig.why("alertname=A n=a");
    assert!(
        refused.iter().any(|r| matches!(r, Reason::Refused { error, .. } if error == "400 bad channel")),
        "{refused:?}"
    );
    assert!(
        rig.machine.ledger().all(|row| &*row.integration.kind == "email"),
        "refused for certain is not told"
    );
    rig.run_to(500);
    // the same message again after the slow interval, sooner when it changes
    assert_eq!(rig.story()[2..], ["310 webhook first notification +a"]);
    rig.run_to(700);
    assert_eq!(rig.story().last().map(String::as_str), Some("610 webhook first notification +a"));
    let ids: BTreeSet<_> = rig.sent.iter().map(|(_, s)| &s.delivery.id).collect();
    assert_eq!(ids.len(), rig.sent.len(), "made anew: a new id each");
}

#[test]
fn a_refusal_after_an_unclear_attempt_still_owes_the_end() {
    let mut n = 0;
    let mut rig = Rig::answering(options(), move |_, _| {
        n += 1;
        Some(match n {
            1 => transient(), // may have been taken although the answer was lost
            2 => Outcome::Permanent { error: "404".into() },
            _ => delivered(),
        })
    });
    rig.fire(0, "alertname=A n=a");
    rig.run_to(20);
    assert_eq!(rig.machine.ledger().map(|row| row.certainty).collect::<Vec<_>>(), [Certainty::Maybe]);
    rig.end(30, "alertname=A n=a");
    rig.run_to(100);
    assert_eq!(rig.story().last().map(String::as_str), Some("70 webhook all alerts resolved -a"));
}

#[test]
fn a_refusal_after_an_unclear_attempt_is_made_anew_too() {
    let mut n = 0;
    let mut rig = Rig::answering(options(), move |_, _| {
        n += 1;
        Some(match n {
            1 => transient(),
            2 => Outcome::Permanent { error: "400".into() },
            _ => delivered(),
        })
    });
    rig.fire(0, "alertname=A n=a");
    rig.run_to(400);
    assert_eq!(rig.story().last().map(String::as_str), Some("370 webhook new alerts added +a"));
    assert_eq!(rig.machine.ledger().map(|row| row.certainty).collect::<Vec<_>>(), [Certainty::Sure]);
}

/// Found by the simulation: the resolve may have been heard, so that the alert fires again is news.
#[test]
fn a_resolve_refused_after_an_unclear_attempt_leaves_doubt() {
    let mut n = 0;
    let mut rig = Rig::answering(options(), move |_, _| {
        n += 1;
        Some(match n {
            2 => transient(),
            3 => Outcome::Permanent { error: "400".into() },
            _ => delivered(),
        })
    });
    rig.fire(0, "alertname=A n=a");
    rig.end(20, "alertname=A n=a");
    rig.fire(80, "alertname=A n=a");
    rig.run_to(1000);
    assert_eq!(
        rig.story(),
        [
            "10 webhook first notification +a",
            "70 webhook all alerts resolved -a",
            "71 webhook all alerts resolved -a",
            "130 webhook new alerts added +a",
        ]
    );
}

#[test]
fn a_receiver_that_takes_again_gets_at_once_what_it_missed() {
    let missed = |retry_after| {
        let mut rig = Rig::answering(options(), move |now, _| {
            let busy = Outcome::Transient { error: "503".into(), retry_after };
            Some(if now < at(600) { busy } else { delivered() })
        });
        rig.fire(0, "alertname=A n=a");
        rig.fire(595, "alertname=B n=b");
        rig.run_to(2000);
        rig.story().split_off(rig.story().iter().position(|l| l.starts_with("605")).expect("b is told"))
    };
    // 60 s after its last attempt; by itself it would have waited until 706
    assert_eq!(missed(None), ["605 webhook first notification +b", "617 webhook first notification +a"]);
    let asked = missed(Some(secs(200)));
    assert_eq!(
        asked,
        ["605 webhook first notification +b", "610 webhook first notification +a"],
        "never sooner than it asked for"
    );
}

#[test]
fn given_up_a_day_after_the_end() {
    let mut rig = Rig::answering(options(), |_, _| Some(transient()));
    rig.fire(0, "alertname=A n=a");
    rig.end(1000, "alertname=A n=a");
    rig.run_to(1000 + 24 * 3600 - 1);
    assert_eq!(rig.machine.deliveries().count(), 2, "still trying, the end behind it");
    rig.run_to(1000 + 25 * 3600);
    assert_eq!(
        (rig.machine.deliveries().count(), rig.machine.groups().count(), rig.machine.ledger().count()),
        (0, 0, 0)
    );
    let results: Vec<_> = rig.machine.history().map(|d| d.result).collect();
    assert_eq!(results, [Result::GaveUp, Result::GaveUp]);
    let why = rig.why("alertname=A n=a");
    assert!(
        matches!(&why[..], [Reason::WrittenOff { because: WriteOff::GaveUp } | Reason::GaveUp { .. }]),
        "{why:?}"
    );
    assert_eq!(rig.machine.counters().next().map(|(_, c)| c.gave_up), Some(2));
}

#[test]
fn while_the_alert_fires_nothing_is_given_up() {
    let mut rig =
        Rig::answering(options(), |now, _| Some(if now < at(400_000) { transient() } else { delivered() }));
    rig.fire(0, "alertname=A n=a");
    rig.run_to(401_000);
    assert_eq!(rig.machine.history().map(|d| d.result).collect::<Vec<_>>()[..1], [Result::Delivered]);
}

#[test]
fn a_sender_that_never_answers_is_not_waited_for() {
    let mut rig = Rig::answering(options(), |now, _| (now >= at(60)).then(delivered));
    rig.fire(0, "alertname=A n=a");
    rig.run_to(100);
    // deadline 30 s after 10 s, grace 30 s, first wait 1 s
    assert_eq!(times(&rig), [10_000, 71_000]);
    assert_eq!(rig.machine.deliveries().count(), 0);
}

#[test]
fn a_late_answer_spares_the_duplicate() {
    let mut rig = Rig::answering(options(), |_, _| None);
    rig.fire(0, "alertname=A n=a");
    rig.run_to(70); // counted as failed at 70 s
    let id = rig.sent[0].1.delivery.id.clone();
    rig.event(70, Event::Delivered { id: id.clone(), outcome: delivered() });
    rig.event(70, Event::Delivered { id, outcome: transient() });
    rig.run_to(200);
    assert_eq!(rig.sent.len(), 1);
}

#[test]
fn attempts_at_once_are_limited_per_integration() {
    let mut o = options();
    o.receivers.get_mut("r").expect("there")[0].in_flight_max = 2;
    let mut rig = Rig::answering(o, |_, _| None);
    for i in 0..5 {
        rig.fire(0, &format!("alertname=A{i} n={i}"));
    }
    rig.run_to(11);
    assert_eq!(rig.sent.len(), 2);
    for turn in 0..5 {
        let id = rig.sent[turn].1.delivery.id.clone();
        rig.event(12, Event::Delivered { id, outcome: delivered() });
        assert_eq!(rig.sent.len(), (turn + 3).min(5));
    }
    let order: Vec<_> = rig.sent.iter().map(|(_, s)| delivery_number(&s.delivery.id)).collect();
    assert!(order.is_sorted(), "{order:?}");
}

#[test]
fn ids_are_never_used_again() {
    let mut rig = Rig::new(options());
    for i in 0..20 {
        let t = i * 2000;
        rig.fire(t, "alertname=A n=a");
        rig.end(t + 30, "alertname=A n=a");
        rig.restart(t + 1900, options());
    }
    let ids: BTreeSet<_> = rig.sent.iter().map(|(_, s)| s.delivery.id.clone()).collect();
    assert_eq!((ids.len(), rig.sent.len()), (40, 40));
}

#[test]
fn what_a_receiver_said_comes_along_until_the_next_first_notification() {
    let mut n = 0;
    let mut rig = Rig::answering(options(), move |_, _| {
        n += 1;
        Some(Outcome::Delivered { receiver_data: BTreeMap::from([("ts".to_owned(), n.to_string())]) })
    });
    rig.fire(0, "alertname=A n=a");
    rig.end(30, "alertname=A n=a");
    rig.fire(200, "alertname=A n=a");
    rig.run_to(300);
    let had: Vec<_> = rig.sent.iter().map(|(_, s)| s.receiver_data.get("ts").cloned()).collect();
    assert_eq!(had, [None, Some("1".to_owned()), None]);
}

#[test]
fn long_errors_are_cut() {
    let mut rig = Rig::answering(options(), |_, _| Some(Outcome::Permanent { error: "é".repeat(10_000) }));
    rig.fire(0, "alertname=A");
    rig.run_to(20);
    let error = rig.machine.history().next().and_then(|d| d.last_error.clone()).expect("failed");
    assert!(error.len() <= 510 && error.ends_with('…'));
}
