//! What is wrong with options, all of it at once.

use super::*;
use crate::diag::Level;

fn codes(o: &Options) -> Vec<String> {
    let place = |p: &Place| match p {
        Place::Route { path, field } => format!("route{path:?}.{field}"),
        Place::Integration { receiver, index, field } => format!("{receiver}[{index}].{field}"),
        Place::InhibitRule { index, field } => format!("inhibit[{index}].{field}"),
        Place::Escalation { index, field, .. } => format!("escalation[{index}].{field}"),
    };
    let level = |l| if l == Level::Error { "error" } else { "warning" };
    o.problems().iter().map(|p| format!("{} {} {}", level(p.level), p.code, place(&p.place))).collect()
}

#[test]
fn shipped_defaults_are_fine() {
    assert_eq!(codes(&Options::default()), [""; 0]);
    assert_eq!(codes(&options()), [""; 0]);
}

#[test]
fn all_problems_at_once() {
    let mut o = options();
    o.route.receiver = None;
    o.route.matchers = matchers::parse("a=b").expect("fixed");
    o.route.continue_matching = true;
    o.route.group_interval = Some(Duration::ZERO);
    o.route.mute_time_intervals = vec!["nights".into()];
    o.route.routes = vec![
        Route { receiver: Some("nobody".into()), ..Route::default() },
        Route {
            routes: vec![Route {
                repeat_interval: Some(Duration::ZERO),
                active_time_intervals: vec!["x".into()],
                ..Route::default()
            }],
            ..Route::default()
        },
    ];
    let r = o.receivers.get_mut("r").expect("there");
    r[0].fallback = Some("gone".into());
    r[0].retry.attempts = 0;
    r[0].retry.jitter = 2.0;
    let again = r[0].clone();
    r.push(IntegrationOptions { fallback: None, ..again });
    o.inhibit_rules =
        vec![InhibitRule::default(), InhibitRule { equal: vec!["".into()], ..InhibitRule::default() }];
    assert_eq!(
        codes(&o),
        [
            "error no-receiver route[].receiver",
            "error root-matchers route[].matchers",
            "error root-continue route[].continue",
            "error zero-interval route[].group_interval",
            "error root-intervals route[].mute_time_intervals",
            "error undefined-receiver route[0].receiver",
            "error zero-interval route[1, 0].repeat_interval",
            "error undefined-interval route[1, 0].active_time_intervals",
            "error retry r[0].attempts",
            "error retry r[0].jitter",
            "error undefined-receiver r[0].fallback",
            "error duplicate-integration r[1].name",
            "error retry r[1].attempts",
            "error retry r[1].jitter",
            "error label-name inhibit[1].equal",
        ]
    );
}

#[test]
fn a_repeat_shorter_than_the_interval_is_a_warning() {
    let mut o = options();
    o.route.repeat_interval = Some(secs(30));
    o.route.routes = vec![Route::default(), Route { group_interval: Some(secs(5)), ..Route::default() }];
    assert_eq!(codes(&o), ["warning short-repeat route[].repeat_interval"]);
}

#[test]
fn fallbacks_lead_to_somebody_and_never_in_a_circle() {
    let with = |pairs: &[(&str, &str)]| {
        let mut o = options();
        for name in ["r", "s", "t"] {
            o.receivers.insert(name.into(), vec![integration(name, "webhook")]);
        }
        o.receivers.insert("empty".into(), Vec::new());
        for (from, to) in pairs {
            o.receivers.get_mut(*from).expect("there")[0].fallback = Some((*to).into());
        }
        codes(&o)
    };
    assert_eq!(with(&[("r", "s"), ("s", "t")]), [""; 0]);
    assert_eq!(with(&[("r", "r")]), ["error fallback-circle r[0].fallback"]);
    assert_eq!(with(&[("r", "empty")]), ["error empty-fallback r[0].fallback"]);
    assert_eq!(
        with(&[("r", "s"), ("s", "t"), ("t", "r")]),
        [
            "error fallback-circle r[0].fallback",
            "error fallback-circle s[0].fallback",
            "error fallback-circle t[0].fallback"
        ]
    );
}

#[test]
fn group_by_lists() {
    assert_eq!(GroupBy::from_names(&["..."]), Ok(GroupBy::All));
    assert_eq!(GroupBy::from_names::<&str>(&[]), Ok(GroupBy::Labels(Vec::new())));
    assert_eq!(GroupBy::from_names(&["...", "a"]), Err(GroupByError::Mixed));
    assert_eq!(GroupBy::from_names(&["a", "a"]), Err(GroupByError::Duplicate("a".into())));
    assert_eq!(GroupBy::from_names(&[""]), Err(GroupByError::Empty));
}

#[test]
fn routes_too_deep_are_refused() {
    let mut o = options();
    let mut route = Route::default();
    for _ in 0..100 {
        route = Route { routes: vec![route], ..Route::default() };
    }
    o.route.routes = vec![route];
    assert_eq!(o.problems().iter().map(|p| p.code).collect::<Vec<_>>(), ["route-depth"]);
}
