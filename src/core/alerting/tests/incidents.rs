use super::*;
use crate::alerting::{Incident, Lead, correlate};

/// `t name label=value …` for each issue; all of bot `b` unless it says another.
fn leads(script: &[&str]) -> Vec<Lead> {
    let lead = |line: &&str| {
        let (t, rest) = line.split_once(' ').expect(line);
        let (name, more) = rest.split_once(' ').unwrap_or((rest, ""));
        let (start, end) = t.split_once("..").map_or((t, None), |(a, b)| (a, Some(b)));
        let own = if more.contains("bot=") { String::new() } else { "bot=b ".to_owned() };
        let labels = labels(&format!("{own}alertname={name} {more}"));
        let start = at(start.parse().expect("seconds"));
        Lead {
            id: EpisodeId { fingerprint: labels.fingerprint(), starts_at: start },
            labels,
            title: "".into(),
            starts_at: start,
            ended_at: end.map(|e| at(e.parse().expect("seconds"))),
        }
    };
    script.iter().map(lead).collect()
}

/// Each incident as `cause: members`.
fn found(script: &[&str]) -> Vec<String> {
    let leads = leads(script);
    let name = |id: &EpisodeId| {
        let lead = leads.iter().find(|l| l.id == *id).expect("one of them");
        lead.labels.value("alertname").to_owned()
    };
    let line = |incident: &Incident| {
        assert!(!incident.reason.is_empty());
        let members: Vec<String> = incident.issues.iter().map(name).collect();
        format!("{}: {}", name(&incident.cause), members.join(" "))
    };
    correlate(leads.clone()).iter().map(line).collect()
}

#[test]
fn twelve_incidents_have_their_cause_named() {
    for (script, expected) in [
        (
            &[
                "0 DatabaseQuerySlow operation=insert",
                "20 ApiResponseSlow route=/orders",
                "45 EventLoopLagHigh",
            ][..],
            "DatabaseQuerySlow",
        ),
        (
            &[
                "0 WebSocketDisconnected feed=binance",
                "30 MarketDataStale feed=binance symbol=BTC",
                "40 PriceFrozen feed=binance symbol=BTC",
            ],
            "WebSocketDisconnected",
        ),
        (
            &["0 MemoryUsageHigh", "60 EventLoopLagHigh", "100 BotOutOfMemoryKilled", "105 BotDown"],
            "MemoryUsageHigh",
        ),
        (&["0 CpuThrottled", "30 EventLoopLagHigh", "50 FeedLatencyHigh feed=kraken"], "CpuThrottled"),
        (&["0 DiskSpaceLow path=/data", "90 DatabaseErrorRateHigh", "95 ApiErrorRateHigh"], "DiskSpaceLow"),
        (&["0 BotDown", "5 FeedSilent feed=binance", "10 ApiErrorRateHigh", "30 SourceBlind"], "BotDown"),
        // The effect is noticed first: its rule waits less.
        (&["0 ApiResponseSlow route=/x", "25 DatabasePoolExhausted"], "DatabasePoolExhausted"),
        (
            &["0 EventLoopBlocked", "10 BotSilent", "20 ApiResponseSlow route=/x", "40 TargetDown"],
            "EventLoopBlocked",
        ),
        (
            &["0 ReconnectStorm feed=binance", "20 SequenceGap feed=binance", "70 OrderRejectRateHigh"],
            "ReconnectStorm",
        ),
        (&["0 FeedLatencyHigh feed=binance", "60 OrderRejectStorm"], "FeedLatencyHigh"),
        (&["0 FailedAuthenticationsHigh", "40 ApiResponseSlow route=/login"], "FailedAuthenticationsHigh"),
        (
            &[
                "0 HostMemoryLow",
                "30 MemoryUsageHigh",
                "60 BotRestartLoop",
                "80 WebSocketDisconnected feed=x",
            ],
            "HostMemoryLow",
        ),
    ] {
        let all = found(script);
        assert_eq!(all.len(), 1, "{script:?}: {all:?}");
        let (cause, members) = all[0].split_once(": ").expect("a line");
        assert_eq!(cause, expected, "{all:?}");
        assert_eq!(members.split(' ').count(), script.len(), "{all:?}");
    }
}

#[test]
fn what_is_unrelated_is_never_merged() {
    for script in [
        &["0 DatabaseQuerySlow", "20 ApiResponseSlow bot=other"][..],
        &["0 DiskSpaceLow", "5 FailedAuthenticationsHigh"],
        &["0 PaperSafetyScoreLow", "3 ApiResponseSlow"],
        &["0 WebSocketDisconnected feed=binance", "10 MarketDataStale feed=kraken symbol=ETH"],
        &["0 DatabaseQuerySlow", "600 ApiResponseSlow"],
        &["0..50 DatabaseQuerySlow", "90 ApiResponseSlow"],
        &["0 CustomAlert", "1 AnotherCustom"],
        &["0 MarketDataStale feed=a symbol=BTC", "1 MarketDataStale feed=b symbol=BTC"],
        // Nobody says whose they are.
        &["0 DatabaseQuerySlow bot=", "20 ApiResponseSlow bot="],
    ] {
        assert_eq!(found(script), [""; 0], "{script:?}");
    }
}

#[test]
fn own_alerts_belong_together_when_they_name_the_same_part() {
    let together = found(&["0 QueueLong worker=7", "30 JobsLost worker=7"]);
    assert_eq!(together, ["QueueLong: QueueLong JobsLost"]);
    let two = found(&[
        "0 QueueLong worker=7",
        "1 QueueLong worker=8",
        "30 JobsLost worker=7",
        "40 JobsLost worker=8",
    ]);
    assert_eq!(two.len(), 2, "{two:?}");
    let incident = &correlate(leads(&["0 DatabaseQuerySlow", "20 ApiResponseSlow"]))[0];
    assert_eq!(
        incident.reason,
        "DatabaseQuerySlow began 20 s before ApiResponseSlow, and a slow database makes the API slow"
    );
}

#[test]
fn many_issues_are_quick_to_sort_out() {
    let script: Vec<String> = (0..3000).map(|n| format!("{} ApiResponseSlow bot=b{n}", n % 50)).collect();
    let script: Vec<&str> = script.iter().map(String::as_str).collect();
    assert_eq!(found(&script), [""; 0]);
}
