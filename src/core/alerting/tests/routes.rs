//! Routing and grouping: spec alertmanager C-20 to C-29, D-1 to D-4, §2.2.

use super::*;

fn m(text: &str) -> Vec<crate::model::Matcher> {
    matchers::parse(text).expect(text)
}

fn names(of: &[&str]) -> Option<GroupBy> {
    Some(GroupBy::from_names(of).expect("fixed"))
}

/// Alertmanager's documented example in small, with a `continue`.
fn tree() -> Route {
    Route {
        receiver: Some("root".into()),
        group_by: names(&["alertname"]),
        group_wait: Some(secs(1)),
        group_interval: Some(secs(2)),
        repeat_interval: Some(secs(3)),
        labels: labels("team=all tier=x"),
        routes: vec![
            Route {
                matchers: m("owner=team-A"),
                receiver: Some("a".into()),
                group_interval: Some(secs(20)),
                labels: labels("team=a"),
                routes: vec![
                    Route {
                        matchers: m("env=testing"),
                        receiver: Some("a-testing".into()),
                        group_by: Some(GroupBy::All),
                        ..Route::default()
                    },
                    Route {
                        matchers: m("env=production"),
                        group_wait: Some(secs(60)),
                        group_by: names(&[]),
                        continue_matching: true,
                        ..Route::default()
                    },
                ],
                ..Route::default()
            },
            Route {
                matchers: m("env=~\"produ.*\", job=prod"),
                receiver: Some("prod".into()),
                continue_matching: true,
                ..Route::default()
            },
            Route { matchers: m("job=prod"), receiver: Some("prod2".into()), ..Route::default() },
        ],
        ..Route::default()
    }
}

#[test]
fn matching_is_depth_first_and_left_to_right() {
    let table = RouteTable::new(&tree());
    for (of, expected) in [
        ("owner=team-A", "a"),
        ("owner=team-A env=unset", "a"),
        ("owner=team-A env=testing", "a-testing"),
        // a child that continues doesn't make its parent continue (spec D-4)
        ("owner=team-A env=production job=prod", "a"),
        ("env=production job=prod", "prod prod2"),
        ("env=staging job=prod", "prod2"),
        ("env=production", "root"),
        ("x=y", "root"),
    ] {
        let found = table.matching(&labels(of));
        let found: Vec<&str> = found.iter().map(|i| &*table.node(*i).options.receiver).collect();
        assert_eq!(found.join(" "), expected, "{of}");
    }
}

#[test]
fn what_is_inherited() {
    let table = RouteTable::new(&tree());
    let of = |text: &str| table.node(table.matching(&labels(text))[0]).options.clone();
    let root = of("x=y");
    assert_eq!((root.group_wait, root.group_interval, root.repeat_interval), (secs(1), secs(2), secs(3)));
    let testing = of("owner=team-A env=testing");
    assert_eq!(
        (testing.group_wait, testing.group_interval, testing.repeat_interval),
        (secs(1), secs(20), secs(3))
    );
    assert_eq!(testing.labels, labels("team=a tier=x"), "labels are merged parent to child (C-28)");
    assert_eq!(testing.group_by, GroupBy::All);
    let production = of("owner=team-A env=production");
    assert_eq!(&*production.receiver, "a", "the receiver is inherited (C-20)");
    assert_eq!(production.group_by, GroupBy::Labels(Vec::new()), "an explicit empty list overrides (C-21)");
    let defaults = RouteTable::new(&Route { receiver: Some("r".into()), ..Route::default() });
    let o = &defaults.node(0).options;
    assert_eq!(
        (o.group_wait, o.group_interval, o.repeat_interval),
        (secs(30), secs(300), secs(14400)),
        "C-22 to C-24"
    );
    assert_eq!(o.group_by, GroupBy::Labels(Vec::new()));
}

#[test]
fn group_labels_leave_out_what_the_alert_lacks() {
    let table = RouteTable::new(&tree());
    let by = |group_by| RouteOptions { group_by, ..table.node(0).options.clone() };
    let of = labels("alertname=A env=e");
    assert_eq!(by(GroupBy::All).group_labels(&of), of);
    assert_eq!(by(names(&["alertname", "zone"]).expect("some")).group_labels(&of), labels("alertname=A"));
    assert_eq!(by(names(&[]).expect("some")).group_labels(&of), Labels::empty());
}

#[test]
fn group_keys_are_alertmanagers_to_the_byte() {
    let key = |route: &Route, of: &str| {
        let table = RouteTable::new(route);
        let node = table.node(table.matching(&labels(of))[0]);
        group_key(&node.key, &node.options.group_labels(&labels(of))).to_string()
    };
    let critical = Route { matchers: m("severity=\"critical\""), ..Route::default() };
    let sorted = Route { matchers: m("b=~\"x|y\", a!=\"\", \"é \"=z"), ..Route::default() };
    let root = Route { group_by: names(&["alertname", "zone"]), routes: vec![critical, sorted], ..tree() };
    assert_eq!(key(&root, "x=y"), "{}:{}");
    assert_eq!(
        key(&root, "severity=critical alertname=A"),
        r#"{}/{severity="critical"}:{alertname="A"}"#,
        "D-3"
    );
    assert_eq!(
        key(&root, "b=x a=1 zone=\"\\ alertname=A"),
        r#"{}/{severity="critical"}:{alertname="A", zone="\"\\"}"#.replace("/{severity=\"critical\"}", ""),
        "values are quoted as Go does"
    );
    let table = RouteTable::new(&root);
    assert_eq!(
        &*table.nodes()[2].key,
        r#"{}/{a!="",b=~"x|y","é "="z"}"#,
        "matchers are sorted by name (C-26)"
    );
}

#[test]
fn a_route_is_known_by_its_path_and_not_by_its_place() {
    let ids = |route: &Route| {
        let nodes = RouteTable::new(route);
        nodes
            .nodes()
            .iter()
            .map(|n| (n.id.to_string(), n.options.receiver.to_string()))
            .collect::<BTreeMap<_, _>>()
    };
    let twice = Route { matchers: m("a=b"), receiver: Some("second".into()), ..Route::default() };
    let one = Route {
        matchers: m("a=b"),
        continue_matching: true,
        receiver: Some("first".into()),
        ..Route::default()
    };
    let other = Route { matchers: m("c=d"), receiver: Some("other".into()), ..Route::default() };
    let root = |routes| Route { receiver: Some("root".into()), routes, ..Route::default() };
    let before = ids(&root(vec![one.clone(), other.clone(), twice.clone()]));
    assert_eq!(before.len(), 4, "equal siblings are told apart");
    assert_eq!(before[r#"{}/{a="b"}#1"#], "second");
    assert_eq!(ids(&root(vec![other, one, twice])), before, "and a new order changes nobody's identity");
}

#[test]
fn an_alert_lands_in_every_group_that_continue_leads_to() {
    let mut o = options();
    o.receivers.insert("s".into(), vec![integration("s", "slack")]);
    o.route.routes = vec![
        Route {
            matchers: m("severity=critical"),
            receiver: Some("s".into()),
            continue_matching: true,
            ..Route::default()
        },
        Route { matchers: m("alertname=A"), ..Route::default() },
    ];
    let mut rig = Rig::new(o);
    rig.fire(0, "alertname=A severity=critical");
    rig.run_to(20);
    assert_eq!(rig.story(), ["10 slack first notification +A", "10 webhook first notification +A"]);
    assert_eq!(rig.why("alertname=A severity=critical").len(), 2, "each receiver has its reason");
}

#[test]
fn timers_of_a_group() {
    // group_wait 0: breach, alert, group, delivery in one step
    let mut o = options();
    o.route.group_wait = Some(Duration::ZERO);
    let mut rig = Rig::new(o);
    rig.fire(7, "alertname=A n=a");
    assert_eq!(rig.story(), ["7 webhook first notification +a"]);

    // an alert older than group_wait is told at once
    let mut rig = Rig::new(options());
    rig.receive(100, vec![alert("alertname=A n=a", 80, Some(900))]);
    assert_eq!(rig.story(), ["100 webhook first notification +a"]);

    // also when it joins a group that still waits
    let mut rig = Rig::new(options());
    rig.receive(100, vec![alert("alertname=A n=a", 95, Some(900))]);
    rig.receive(103, vec![alert("alertname=A n=b", 80, Some(900))]);
    assert_eq!(rig.story(), ["103 webhook first notification +a +b"]);

    // a group that had its turn takes newcomers at its next; one that is done makes room for a new wait
    let mut rig = Rig::new(options());
    rig.fire(0, "alertname=A n=a");
    rig.receive(30, vec![alert("alertname=A n=b", 0, Some(60))]);
    rig.end(75, "alertname=A n=a");
    rig.fire(135, "alertname=A n=c");
    rig.run_to(200);
    assert_eq!(
        rig.story(),
        [
            "10 webhook first notification +a",
            "130 webhook all alerts resolved -a",
            "145 webhook first notification +c"
        ]
    );
}

#[test]
fn alerts_in_a_message_are_sorted_by_job_instance_and_labels() {
    let mut rig = Rig::new(options());
    for of in ["n=1 job=b", "n=2 job=a instance=2", "n=3 job=a instance=1", "n=4", "n=0 job=b"] {
        rig.fire(0, &format!("alertname=A {of}"));
    }
    rig.run_to(20);
    assert_eq!(rig.story(), ["10 webhook first notification +4 +3 +2 +0 +1"]);
}
