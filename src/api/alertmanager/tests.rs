use botwatch_core::model::Timestamp;

use super::{
    postable::{self, parse},
    time,
};

const NOW: Timestamp = Timestamp(1_763_942_400_000);

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).expect("a time")
}

#[test]
fn bodies_that_are_refused_whole() {
    for (body, status, code, detail) in [
        ("", 400, 400, "parsing alerts body from \"\" failed, because "),
        ("[", 400, 400, "parsing alerts body from \"\" failed, because "),
        ("{}", 400, 400, "parsing alerts body from \"\" failed, because "),
        ("[1]", 400, 400, "parsing alerts body from \"\" failed, because "),
        (r#"[{"labels":{"a":1}}]"#, 400, 400, "parsing alerts body from \"\" failed, because "),
        (r#"[{"labels":{"a":"b"},"startsAt":"yesterday"}]"#, 400, 400, "because parsing time \"yesterday\""),
        (r#"[{"labels":{"a":"b"},"endsAt":17}]"#, 400, 400, "parsing alerts body from \"\" failed, because "),
        ("[{}]", 422, 602, "0.labels in body is required"),
        ("[null]", 422, 602, "0.labels in body is required"),
        (r#"[{"labels":{"a":"b"}},{"labels":null}]"#, 422, 602, "1.labels in body is required"),
        (
            r#"[{"labels":{"a":"b"},"generatorURL":"no url"}]"#,
            422,
            601,
            "0.generatorURL in body must be of type uri: \"no url\"",
        ),
    ] {
        let failure = parse(body.as_bytes(), NOW).expect_err(body);
        assert_eq!((failure.status.as_u16(), failure.code), (status, code), "{body}");
        assert!(failure.detail.contains(detail), "{body}: {}", failure.detail);
    }
}

#[test]
fn alerts_that_are_refused_alone() {
    for (body, problem) in [
        (r#"{"labels":{}}"#, "at least one label pair required"),
        (r#"{"labels":{"a":""}}"#, "at least one label pair required"),
        (r#"{"labels":{"":"x","a":"b"}}"#, "invalid label set: invalid name \"\""),
        (r#"{"labels":{"a":"b"},"annotations":{"":"x"}}"#, "invalid annotations: invalid name \"\""),
        (
            r#"{"labels":{"a":"b"},"startsAt":"2025-01-02T00:00:00Z","endsAt":"2025-01-01T00:00:00Z"}"#,
            postable::BACKWARDS,
        ),
    ] {
        let parsed = parse(format!("[{body},{{\"labels\":{{\"ok\":\"1\"}}}}]").as_bytes(), NOW).expect(body);
        assert_eq!(parsed.problems, [problem], "{body}");
        assert_eq!(parsed.alerts.len(), 1, "{body}");
    }
}

#[test]
fn what_is_left_out_is_filled_in() {
    let full = r#"[{"labels":{"a":"b","empty":"","nothing":null},"annotations":{"s":"x","e":""},
        "startsAt":"2025-11-23T23:00:00.5+01:00","endsAt":"2030-01-01T00:00:00Z","generatorURL":"http://p/g","more":1}]"#;
    let parsed = parse(full.as_bytes(), NOW).expect("parsed");
    let alert = &parsed.alerts[0];
    assert_eq!(alert.labels.to_string(), "{a=\"b\"}");
    assert_eq!(alert.annotations.to_string(), "{s=\"x\"}");
    assert_eq!(alert.starts_at, at("2025-11-23T22:00:00.5Z"));
    assert_eq!(alert.ends_at, Some(at("2030-01-01T00:00:00Z")));
    assert_eq!((&*alert.generator_url, alert.updated_at), ("http://p/g", NOW));
    for (times, starts_at, ends_at) in [
        ("", NOW, None),
        (r#","startsAt":"0001-01-01T00:00:00.000Z","endsAt":"0001-01-01T00:00:00Z""#, NOW, None),
        (r#","endsAt":"2025-01-01T00:00:00Z""#, at("2025-01-01T00:00:00Z"), Some(at("2025-01-01T00:00:00Z"))),
        (r#","startsAt":null,"endsAt":null"#, NOW, None),
    ] {
        let body = format!("[{{\"labels\":{{\"a\":\"b\"}}{times}}}]");
        let parsed = parse(body.as_bytes(), NOW).expect("parsed");
        assert_eq!((parsed.alerts[0].starts_at, parsed.alerts[0].ends_at), (starts_at, ends_at), "{times}");
    }
    for nothing in ["null", "[]"] {
        assert_eq!(parse(nothing.as_bytes(), NOW).expect("parsed"), postable::Parsed::default());
    }
}

#[test]
fn links_are_uris() {
    for (url, ok) in [
        ("", true),
        ("http://h:9090/graph?g0.expr=up%20%3D%3D%200", true),
        ("/graph", true),
        ("mailto:ops", true),
        ("graph", false),
        ("://x", false),
        ("1http://x", false),
        ("http://a b/", false),
    ] {
        let body = serde_json::json!([{"labels": {"a": "b"}, "generatorURL": url}]).to_string();
        assert_eq!(parse(body.as_bytes(), NOW).is_ok(), ok, "{url:?}");
    }
}

#[test]
fn times_come_in_many_forms() {
    let expected = at("2025-11-24T03:04:05Z");
    for text in [
        "2025-11-24T03:04:05Z",
        "2025-11-24T03:04:05.000Z",
        "2025-11-24T04:04:05+01:00",
        "2025-11-24T04:04:05.000000+0100",
        "2025-11-24T03:04:05",
        "2025-11-24 03:04:05",
    ] {
        assert_eq!(time::parse(text), Ok(Some(expected)), "{text}");
    }
    assert_eq!(time::parse("2025-11-24T03:04Z"), Ok(Some(at("2025-11-24T03:04:00Z"))));
    assert_eq!(time::parse("2025-11-24"), Ok(Some(at("2025-11-24T00:00:00Z"))));
    assert_eq!(time::parse(""), Ok(None));
    for text in ["24.11.2025", "2025-13-01", "1763942400", "now", "2025-11-24T03:04:05[Europe/Berlin]"] {
        assert_eq!(time::parse(text), Err(()), "{text}");
    }
}

#[test]
fn alerts_are_bounded_one_by_one() {
    let many = |n: usize| (0..n).map(|i| (format!("n{i:02}"), "x".into())).collect::<serde_json::Map<_, _>>();
    let long = |bytes: usize| "x".repeat(bytes);
    for (labels, annotations, problem) in [
        (serde_json::json!(many(64)), serde_json::json!(many(64)), None),
        (
            serde_json::json!(many(65)),
            serde_json::json!({}),
            Some("alert 1: 65 labels, of which 64 are taken"),
        ),
        (
            serde_json::json!({"a": "b"}),
            serde_json::json!(many(65)),
            Some("alert 1: 65 annotations, of which 64 are taken"),
        ),
        (
            serde_json::json!({"a": long(8193)}),
            serde_json::json!({}),
            Some("alert 1: label \"a\" has 8193 bytes, of which 8192 are taken"),
        ),
        (
            serde_json::json!({long(1025): "b"}),
            serde_json::json!({}),
            Some("alert 1: a label's name of 1025 bytes, of which 1024 are taken"),
        ),
        (serde_json::json!({"a": "b"}), serde_json::json!({"s": long(65_533)}), None),
        (
            serde_json::json!({"a": "b"}),
            serde_json::json!({"s": long(65_534)}),
            Some("alert 1: 65537 bytes of labels, annotations and link, of which 65536 are taken"),
        ),
    ] {
        let body =
            serde_json::json!([{"labels": {"ok": "1"}}, {"labels": labels, "annotations": annotations}]);
        let parsed = parse(body.to_string().as_bytes(), NOW).expect("parsed");
        assert_eq!(parsed.problems.first().map(String::as_str), problem);
        assert_eq!(parsed.alerts.len(), 1 + usize::from(problem.is_none()), "the others are taken");
    }
}
