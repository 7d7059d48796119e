use proptest::prelude::*;

use super::{messages as pb, *};
use crate::model::{Labels, Timestamp, is_stale};

/// Every entry on a line of its own, so that a table can say what comes out.
fn read(body: impl AsRef<[u8]>, format: Format) -> Result<Vec<String>, Error> {
    let mut parser = Parser::new(body.as_ref(), format);
    let mut out = Vec::new();
    while let Some(entry) = parser.next_entry()? {
        out.push(match entry {
            Entry::Type { family, kind } => format!("TYPE {family} {}", kind.as_str()),
            Entry::Help { family, text } => format!("HELP {family} {text:?}"),
            Entry::Unit { family, unit } => format!("UNIT {family} {unit}"),
            Entry::Sample(s) => {
                let at = s.timestamp.map_or(String::new(), |t| format!(" @{}", t.0));
                let exemplar = s.exemplar.map_or(String::new(), |e| {
                    let at = e.timestamp.map_or(String::new(), |t| format!(" @{}", t.0));
                    format!(" # {} {}{at}", e.labels(), e.value)
                });
                let labels = s.labels()?;
                format!("{} {}{at}{exemplar}", labels, format_float(s.value))
            }
        });
    }
    Ok(out)
}

fn series(body: &str, format: Format) -> String {
    read(body, format).map_or_else(|e| format!("{e}"), |lines| lines.join("\n"))
}

fn line(name_and_labels: &[(&str, &str)], rest: &str) -> String {
    format!("{} {rest}", Labels::from_pairs(name_and_labels.iter().copied()))
}

#[test]
fn text_that_prometheus_takes() {
    let n = "__name__";
    for (body, expected) in [
        ("a 1", line(&[(n, "a")], "1")),
        ("a 1\n", line(&[(n, "a")], "1")),
        ("\n  \t\na\t1  \n\n", line(&[(n, "a")], "1")),
        ("  a 1", line(&[(n, "a")], "1")),
        ("a 33  \t123123\n", line(&[(n, "a")], "33 @123123")),
        ("a{} 1", line(&[(n, "a")], "1")),
        ("a{b=\"c\"}1", line(&[(n, "a"), ("b", "c")], "1")),
        ("a { b = \"c\" , d= \"e\", } 1", line(&[(n, "a"), ("b", "c"), ("d", "e")], "1")),
        ("a{b=\"c\" d=\"e\"} 1", line(&[(n, "a"), ("b", "c"), ("d", "e")], "1")),
        ("a{b=\"}\",c=\"{\\\"\"} 1", line(&[(n, "a"), ("b", "}"), ("c", "{\"")], "1")),
        ("a{b=\"x\\ny\\\\z\\q\"} 1", line(&[(n, "a"), ("b", "x\ny\\z\\q")], "1")),
        ("a{b=\"two\nlines\"} 1", line(&[(n, "a"), ("b", "two\nlines")], "1")),
        ("a{b=\"\",c=\"d\"} 1", line(&[(n, "a"), ("c", "d")], "1")),
        ("{\"a.b\",\"c d\"=\"e\"} 1", line(&[(n, "a.b"), ("c d", "e")], "1")),
        ("{b=\"c\", \"a.b\" } 1", line(&[(n, "a.b"), ("b", "c")], "1")),
        ("{\"quo\\\"te\"} 1", line(&[(n, "quo\"te")], "1")),
        ("a:b{_c=\"ü\"} 1", line(&[(n, "a:b"), ("_c", "ü")], "1")),
        ("a{b=\"abc\0\"} 1", line(&[(n, "a"), ("b", "abc\0")], "1")),
        ("# a comment \0\n#\n#x\n#HELP a b\n# HELPER\n# TYPED\na 1", line(&[(n, "a")], "1")),
        ("# HELP a one\\ntwo\\\\ \\\" end \n", "HELP a \"one\\ntwo\\\\ \\\\\\\" end \"".to_owned()),
        ("#\t HELP  a  b\n", "HELP a \" b\"".to_owned()),
        ("# HELP a\n# HELP b ", "HELP a \"\"\nHELP b \"\"".to_owned()),
        ("# HELP \"a.b\" c", "HELP a.b \"c\"".to_owned()),
        ("# TYPE a untyped\n# TYPE b counter", "TYPE a unknown\nTYPE b counter".to_owned()),
        ("# EOF\na 1", line(&[(n, "a")], "1")),
        ("", String::new()),
    ] {
        assert_eq!(series(body, Format::Text), expected, "{body:?}");
    }
}

#[test]
fn numbers_are_gos() {
    for (text, value) in [
        ("0", 0.0),
        ("-0", -0.0),
        ("+5", 5.0),
        ("5.", 5.0),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1E+03", 1000.0),
        ("4.9351e-05", 4.9351e-05),
        ("7.424100000000001e-05", 7.424100000000001e-05),
        ("9007199254740993", 9_007_199_254_740_992.0),
        ("12345678901234567890", 12_345_678_901_234_567_890.0),
        ("0000000000000000000001", 1.0),
        ("1e-400", 0.0),
        ("1.7976931348623157e308", f64::MAX),
        ("+Inf", f64::INFINITY),
        ("inf", f64::INFINITY),
        ("-infinity", f64::NEG_INFINITY),
    ] {
        assert_eq!(
            series(&format!("a {text}\n"), Format::Text),
            line(&[("__name__", "a")], &format_float(value)),
            "{text}"
        );
    }
    for text in ["NaN", "nan", "NAN"] {
        let body = format!("a {text}");
        let mut parser = Parser::new(body.as_bytes(), Format::Text);
        let Ok(Some(Entry::Sample(s))) = parser.next_entry() else { panic!("{text}") };
        assert!(s.value.is_nan() && !is_stale(s.value), "{text}");
    }
    for text in [
        "", "x", "1_2", "0x1p-3", "0x10", "1e400", "-1e400", "+NaN", "-nan", "1e", "--1", ".", "1{", "true",
        "1,5", "1\r",
    ] {
        assert!(read(format!("a {text}\n"), Format::Text).is_err(), "{text}");
    }
}

#[test]
fn text_errors_say_where() {
    for (body, expected) in [
        ("a", "line 1, column 2: expected a value, found the end in `a`"),
        ("b 1\na\nc 1", "line 2, column 2: expected a value, found the end of the line in `a`"),
        ("a{b='c'} 1\n", "line 1, column 5: expected a quoted label value, found `'` in `a{b='c'} 1`"),
        ("a{b=\n", "line 1, column 2: missing `}` in `a{b=`"),
        ("a{b=\"", "line 1, column 5: missing closing quote in `a{b=\"`"),
        ("{\"a\", \"b = \"c\"} 1", "line 1, column 14: missing closing quote in `{\"a\", \"b = \"c\"} 1`"),
        ("{\"a\",b\\nc=\"d\"} 1", "line 1, column 7: expected `=`, found `\\` in `{\"a\",b\\nc=\"d\"} 1`"),
        ("a true\n", "line 1, column 3: `true` is no number in `a true`"),
        ("e{=\"\"} 0", "line 1, column 3: expected a label name, found `=` in `e{=\"\"} 0`"),
        ("{A}0", "line 1, column 3: expected `=`, found `}` in `{A}0`"),
        ("a{b:c=\"d\"} 1", "line 1, column 3: expected a label name, found `b` in `a{b:c=\"d\"} 1`"),
        ("a{\"\"=\"d\"} 1", "line 1, column 3: empty label name in `a{\"\"=\"d\"} 1`"),
        ("a{\"b\"} 1", "line 1, column 3: metric name already set in `a{\"b\"} 1`"),
        ("{b=\"ok\"} 1", "line 1, column 1: metric name not set in `{b=\"ok\"} 1`"),
        ("{\"\"} 1", "line 1, column 1: metric name not set in `{\"\"} 1`"),
        ("a{b=\"1\",b=\"2\"} 1", "line 1, column 1: label name `b` is not unique in `a{b=\"1\",b=\"2\"} 1`"),
        (
            "a{__name__=\"b\"} 1",
            "line 1, column 1: label name `__name__` is not unique in `a{__name__=\"b\"} 1`",
        ),
        (
            "foo 0 1_2\n",
            "line 1, column 8: expected a timestamp or the end of the line, found `_` in `foo 0 1_2`",
        ),
        (
            "foo 0 -5\n",
            "line 1, column 7: expected a timestamp or the end of the line, found `-` in `foo 0 -5`",
        ),
        (
            "a 1 99999999999999999999",
            "line 1, column 5: timestamp out of range in `a 1 99999999999999999999`",
        ),
        (
            "a 0 1\0",
            "line 1, column 6: expected a timestamp or the end of the line, found `\\x00` in `a 0 1\\u{0}`",
        ),
        ("a 1\r\n", "line 1, column 3: `1\\r` is no number in `a 1\\r`"),
        ("# TYPE #\n", "line 1, column 8: expected a metric name, found `#` in `# TYPE #`"),
        ("# HELP \n", "line 1, column 8: expected a metric name, found the end of the line in `# HELP `"),
        ("# TYPE a counter \n", "line 1, column 10: invalid metric type `counter ` in `# TYPE a counter `"),
        ("# TYPE a", "line 1, column 9: invalid metric type `` in `# TYPE a`"),
        ("9a 1", "line 1, column 1: expected a metric name, found `9` in `9a 1`"),
        ("ü 1", "line 1, column 1: expected a metric name, found `ü` in `ü 1`"),
    ] {
        assert_eq!(series(body, Format::Text), expected, "{body:?}");
    }
    let long = format!("{}{{b=\"c\"}} x{}", "a".repeat(200), "y".repeat(100));
    let error = series(&long, Format::Text);
    assert!(error.len() < 250 && error.contains('…'), "{error}");
    assert_eq!(
        read(b"a{b=\"x\xff\"} 1", Format::Text).expect_err("not UTF-8").to_string(),
        "line 1, column 7: invalid UTF-8 in name or label in `a{b=\"x\u{fffd}\"} 1`"
    );
    assert!(read(b"# HELP a \xff\n", Format::Text).is_err());
}

#[test]
fn bounds_of_histograms_and_summaries_are_normalised() {
    let body = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_bucket{le=\"1e6\"} 1\nh_bucket{le=\"x\",quantile=\"1\"} 1\n\
                # TYPE s summary\ns{quantile=\"0\",le=\"1\"} 1\n# TYPE g gauge\ng{le=\"1\"} 1\n";
    let bounds: Vec<String> = read(body, Format::Text)
        .expect("parses")
        .into_iter()
        .filter(|l| !l.starts_with("TYPE"))
        .map(|l| {
            l.split_once('{')
                .expect("labels")
                .1
                .split_once("__, ")
                .map_or_else(|| l.clone(), |(_, r)| r.to_owned())
        })
        .collect();
    let joined = bounds.join("\n");
    for bound in [
        "le=\"1.0\"",
        "le=\"+Inf\"",
        "le=\"1e+06\"",
        "le=\"x\", quantile=\"1\"",
        "le=\"1\", quantile=\"0.0\"",
        "le=\"1\"} 1",
    ] {
        assert!(joined.contains(bound), "{bound} in {joined}");
    }
}

#[test]
fn openmetrics_that_prometheus_takes() {
    let n = "__name__";
    for (body, expected) in [
        ("# EOF", String::new()),
        ("# EOF\n", String::new()),
        (
            "# TYPE a_total counter\n# UNIT a_total total\n# HELP a_total x \\\"y\\\"\n# EOF",
            "TYPE a_total counter\nUNIT a_total total\nHELP a_total \"x \\\"y\\\"\"".to_owned(),
        ),
        (
            "# TYPE a gaugehistogram\n# TYPE a info\n# TYPE a stateset\n# TYPE a unknown\n# EOF",
            "TYPE a gaugehistogram\nTYPE a info\nTYPE a stateset\nTYPE a unknown".to_owned(),
        ),
        ("a 1 1520879607.789\n# EOF\n", line(&[(n, "a")], "1 @1520879607789")),
        ("a 1 -1\n# EOF\n", line(&[(n, "a")], "1 @-1000")),
        ("a{b=\"c\",} 1\n# EOF\n", line(&[(n, "a"), ("b", "c")], "1")),
        ("{\"a.b\",c=\"d\"} 1\n# EOF\n", line(&[(n, "a.b"), ("c", "d")], "1")),
        (
            "a_total 17.0 1520879607.789 # {id=\"c # {}\"} 5\n# EOF",
            line(&[(n, "a_total")], "17 @1520879607789 # {id=\"c # {}\"} 5"),
        ),
        ("a_total 17 # {} 5 10\n# EOF", line(&[(n, "a_total")], "17 # {} 5 @10000")),
        ("a{b=\"\0\"} 1\n# EOF", line(&[(n, "a"), ("b", "\0")], "1")),
        ("# HELP m \n# EOF", "HELP m \"\"".to_owned()),
        ("a_created 5\n# EOF", line(&[(n, "a_created")], "5")),
    ] {
        assert_eq!(series(body, Format::OpenMetrics), expected, "{body:?}");
    }
}

#[test]
fn openmetrics_that_prometheus_refuses() {
    for body in [
        "",
        "\n",
        "metric",
        "metric 1",
        "metric 1\n",
        "metric_total 1 # {aa=\"bb\"} 4",
        "a\n# EOF\n",
        "\n\n# EOF\n",
        " a 1\n# EOF\n",
        "9\n# EOF\n",
        "# TYPE u untyped\n# EOF\n",
        "# TYPE c counter \n# EOF\n",
        "#  TYPE c counter\n# EOF\n",
        "# TYPE \n# EOF\n",
        "# TYPE m\n# EOF\n",
        "# UNIT metric suffix\n# EOF\n",
        "# UNIT metricsuffix suffix\n# EOF\n",
        "# UNIT m suffix\n# EOF\n",
        "# UNIT \n# EOF\n",
        "# UNIT m\n# EOF\n",
        "# HELP \n# EOF\n",
        "# HELP m\n# EOF\n",
        "a\t1\n# EOF\n",
        "a 1\t2\n# EOF\n",
        "a 1 2 \n# EOF\n",
        "a 1 2 #\n# EOF\n",
        "a 1 1z\n# EOF\n",
        " # EOF\n",
        "# EOF\na 1",
        "# EOF\n\n",
        "# EOFa 1",
        "#\tTYPE c counter\n",
        "# TYPE c  counter\n",
        "a 1 1 1\n# EOF\n",
        "a{b='c'} 1\n# EOF\n",
        "a{,b=\"c\"} 1\n# EOF\n",
        "a{b=\"c\"d=\"e\"} 1\n# EOF\n",
        "a{b=\"c\",,d=\"e\"} 1\n# EOF\n",
        "a{b=\n# EOF\n",
        "a{ b=\"c\"} 1\n# EOF\n",
        "a {b=\"c\"} 1\n# EOF\n",
        "a true\n# EOF",
        "something_weird{problem=\"\n# EOF\n",
        "empty_label_name{=\"\"} 0\n# EOF\n",
        "{A}0\n# EOF\n",
        "foo 1_2\n# EOF\n",
        "foo 0x1p-3\n# EOF\n",
        "foo 0 1_2\n# EOF\n",
        "c_total 1 # {aa=bb}\n# EOF\n",
        "c_total 1 # {aa=\"bb\"}\n# EOF\n",
        "c_total 1 # {aa=\"bb\"}",
        "c_total 1 # {bb}\n# EOF",
        "c_total 1 # {\"bb\"} 1\n# EOF",
        "c_total 1 # {bb, a=\"dd\"} 1\n# EOF",
        "c_total 1 # {aa=\"bb\",,cc=\"dd\"} 1\n# EOF",
        "c_total 1 # {aa=\"bb\"} 1_2\n# EOF",
        "c_total 1 # {aa=\"bb\"} true\n# EOF",
        "{b=\"c\",} 1\n# EOF",
        "a 1 NaN\n# EOF",
        "a 1 -Inf\n# EOF",
        "h_bucket{le=\"+Inf\"} 1 # {aa=\"bb\"} 4 NaN\n# EOF",
        "a\0{b=\"ddd\"} 1\n# EOF",
        "#",
        "# H",
        "a 1  2\n# EOF",
        "a  1\n# EOF",
        "a 1\r\n# EOF",
        "# comment\n# EOF",
    ] {
        assert!(read(body, Format::OpenMetrics).is_err(), "{body:?}");
    }
    assert_eq!(
        series("a 1\nb 2\n", Format::OpenMetrics),
        "line 3, column 1: data does not end with `# EOF` in ``"
    );
}

#[test]
fn content_types() {
    use Format::{OpenMetrics, Protobuf, Text};
    for (header, expected) in [
        ("text/plain; version=0.0.4; charset=utf-8", Text),
        ("TEXT/PLAIN", Text),
        ("application/openmetrics-text; version=1.0.0", OpenMetrics),
        (
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
            Protobuf,
        ),
    ] {
        assert_eq!(format_of(Some(header), None), Ok(expected), "{header}");
    }
    for header in [None, Some(""), Some("text/html"), Some("application/json")] {
        assert!(format_of(header, None).is_err(), "{header:?}");
        assert_eq!(format_of(header, Some(Protocol::PrometheusText0_0_4)), Ok(Text), "{header:?}");
    }
    assert!(format_of(Some("application/vnd.google.protobuf; encoding=text"), None).is_err());
    assert_eq!(
        accept_header(&DEFAULT_PROTOCOLS, Escaping::AllowUtf8),
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
    );
    for protocol in Protocol::ALL {
        assert_eq!(protocol.as_str().parse(), Ok(protocol));
        assert_eq!(format_of(Some(protocol.media_type()), None), Ok(protocol.format()));
    }
}

#[test]
fn formats_nobody_asked_for_are_refused() {
    use Protocol::{OpenMetricsText1_0_0 as Om, PrometheusProto as Proto, PrometheusText0_0_4 as Text};
    for (format, offered, fallback, taken) in [
        (Format::Protobuf, &DEFAULT_PROTOCOLS[..], None, false),
        (Format::Protobuf, &DEFAULT_PROTOCOLS, Some(Proto), true),
        (Format::Protobuf, &[Text, Proto], None, true),
        (Format::OpenMetrics, &[Text], Some(Text), false),
        (Format::OpenMetrics, &[Om], None, true),
        (Format::Text, &[Om], None, true),
    ] {
        let checked = check_offered(format, Some("x/y"), offered, fallback);
        assert_eq!(checked.is_ok(), taken, "{format:?} {offered:?} {fallback:?}");
    }
}

#[test]
fn floats_print_as_in_go() {
    for (value, go, om) in [
        (0.0, "0", "0.0"),
        (-1.0, "-1", "-1.0"),
        (0.25, "0.25", "0.25"),
        (100_000.0, "100000", "100000.0"),
        (1e6, "1e+06", "1e+06"),
        (123_456_789.0, "1.23456789e+08", "1.23456789e+08"),
        (1e21, "1e+21", "1e+21"),
        (0.0001, "0.0001", "0.0001"),
        (0.00001, "1e-05", "1e-05"),
        (1e-300, "1e-300", "1e-300"),
        (f64::INFINITY, "+Inf", "+Inf"),
        (f64::NEG_INFINITY, "-Inf", "-Inf"),
        (f64::NAN, "NaN", "NaN"),
    ] {
        assert_eq!((format_float(value).as_str(), format_openmetrics_float(value).as_str()), (go, om));
    }
}

#[test]
fn escaping_of_names_is_prometheus() {
    for (name, underscores, dots, values) in [
        ("a_b", "a_b", "a__b", "a_b"),
        ("a.b", "a_b", "a_dot_b", "U__a_2e_b"),
        ("a.b_c d", "a_b_c_d", "a_dot_b__c__d", "U__a_2e_b__c_20_d"),
        ("1ü", "__", "____", "U___31__fc_"),
    ] {
        assert_eq!(Escaping::Underscores.escape(name), underscores);
        assert_eq!(Escaping::Dots.escape(name), dots);
        assert_eq!(Escaping::Values.escape(name), values);
        assert_eq!(Escaping::AllowUtf8.escape(name), name);
    }
}

fn field(number: u8, message: &impl prost::Message) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    out.extend(message.encode_length_delimited_to_vec());
    out
}

fn text_field(number: u8, text: &str) -> Vec<u8> {
    let mut out = vec![number << 3 | 2, text.len() as u8];
    out.extend(text.as_bytes());
    out
}

fn family(name: &str, kind: u8, unit: &str, metrics: &[pb::Metric]) -> Vec<u8> {
    let mut message = text_field(1, name);
    message.extend(text_field(2, "the help"));
    message.extend([3 << 3, kind]);
    for metric in metrics {
        message.extend(field(4, metric));
    }
    if !unit.is_empty() {
        message.extend(text_field(5, unit));
    }
    message.extend([15 << 3, 1, 14 << 3 | 1, 0, 0, 0, 0, 0, 0, 0, 0, 13 << 3 | 5, 0, 0, 0, 0]); // fields nobody knows
    let mut out = Vec::new();
    prost::encode_length_delimiter(message.len(), &mut out).expect("a vector grows");
    out.extend(message);
    out
}

fn pair(name: &str, value: &str) -> pb::LabelPair {
    pb::LabelPair { name: Some(name.to_owned()), value: Some(value.to_owned()) }
}

#[test]
fn protobuf_is_expanded_into_series() {
    let exemplar = pb::Exemplar {
        label: vec![pair("trace", "a\"b")],
        value: Some(3.0),
        timestamp: Some(pb::Time { seconds: Some(5), nanos: Some(7_000_000) }),
    };
    let bucket = |bound: f64, n: u64| pb::Bucket {
        cumulative_count: Some(n),
        upper_bound: Some(bound),
        ..Default::default()
    };
    let mut body = family(
        "c_total",
        0,
        "",
        &[pb::Metric {
            label: vec![pair("z", "1"), pair("a", "q\"\\\n")],
            counter: Some(pb::Counter { value: Some(4.0), exemplar: Some(Box::new(exemplar)) }),
            timestamp_ms: Some(77),
            ..Default::default()
        }],
    );
    body.extend(family(
        "no.legacy",
        1,
        "",
        &[pb::Metric { gauge: Some(pb::Simple { value: Some(-1.5) }), ..Default::default() }],
    ));
    body.extend(family("empty", 3, "", &[]));
    body.extend(family(
        "s_seconds",
        2,
        "seconds",
        &[pb::Metric {
            summary: Some(pb::Summary {
                sample_count: Some(2),
                sample_sum: Some(3.0),
                quantile: vec![pb::Quantile {
                    quantile: Some(1.0),
                    value: Some(f64::from_bits(crate::model::STALE_NAN_BITS)),
                }],
            }),
            ..Default::default()
        }],
    ));
    body.extend(family(
        "h",
        4,
        "",
        &[
            pb::Metric {
                label: vec![pair("x", "y")],
                histogram: Some(pb::Histogram {
                    sample_count: Some(9),
                    sample_sum: Some(1.25),
                    bucket: vec![bucket(1.0, 4), bucket(2.5, 7)],
                    positive_span: vec![pb::Span::default()],
                    ..Default::default()
                }),
                ..Default::default()
            },
            pb::Metric {
                histogram: Some(pb::Histogram {
                    sample_count: Some(1),
                    bucket: vec![bucket(f64::INFINITY, 1), bucket(3.0, 5)],
                    ..Default::default()
                }),
                ..Default::default()
            },
        ],
    ));
    let n = "__name__";
    let expected = [
        "HELP c_total \"the help\"".to_owned(),
        "TYPE c_total counter".to_owned(),
        line(&[(n, "c_total"), ("a", "q\"\\\n"), ("z", "1")], "4 @77 # {trace=\"a\\\"b\"} 3 @5007"),
        "HELP no.legacy \"the help\"".to_owned(),
        "TYPE no.legacy gauge".to_owned(),
        line(&[(n, "no.legacy")], "-1.5"),
        "HELP empty \"the help\"".to_owned(),
        "TYPE empty unknown".to_owned(),
        "HELP s_seconds \"the help\"".to_owned(),
        "UNIT s_seconds seconds".to_owned(),
        "TYPE s_seconds summary".to_owned(),
        line(&[(n, "s_seconds_count")], "2"),
        line(&[(n, "s_seconds_sum")], "3"),
        line(&[(n, "s_seconds"), ("quantile", "1.0")], "NaN"),
        "HELP h \"the help\"".to_owned(),
        "TYPE h histogram".to_owned(),
        line(&[(n, "h_count"), ("x", "y")], "9"),
        line(&[(n, "h_sum"), ("x", "y")], "1.25"),
        line(&[(n, "h_bucket"), ("le", "1.0"), ("x", "y")], "4"),
        line(&[(n, "h_bucket"), ("le", "2.5"), ("x", "y")], "7"),
        line(&[(n, "h_bucket"), ("le", "+Inf"), ("x", "y")], "9"),
        line(&[(n, "h_count")], "1"),
        line(&[(n, "h_sum")], "0"),
        line(&[(n, "h_bucket"), ("le", "+Inf")], "1"),
    ];
    assert_eq!(read(&body, Format::Protobuf).expect("parses"), expected);

    let mut parser = Parser::new(&body, Format::Protobuf);
    while let Some(entry) = parser.next_entry().expect("parses") {
        if let Entry::Sample(s) = entry {
            assert!(!is_stale(s.value));
        }
    }
    assert_eq!(parser.native_histograms_skipped(), 1);

    let mut ends = Vec::new();
    let mut at = 0;
    while at < body.len() {
        let mut rest = &body[at..];
        let len = prost::decode_length_delimiter(&mut rest).expect("framed");
        at = body.len() - rest.len() + len;
        ends.push(at);
    }
    for cut in 1..body.len() {
        assert_eq!(read(&body[..cut], Format::Protobuf).is_ok(), ends.contains(&cut), "{cut}");
    }
}

#[test]
fn broken_protobuf_is_refused() {
    for (body, message) in [
        (vec![5, 1], "metric family 1 (``): truncated message"),
        (vec![0xff; 11], "metric family 1 (``): truncated message"),
        (vec![0], "metric family 1 (``): metric name not set"),
        (vec![2, 1 << 3 | 3, 0], "metric family 1 (``): malformed field"),
        (vec![5, 1 << 3 | 2, 1, b'a', 3 << 3, 9], "metric family 1 (`a`): unknown metric type 9"),
        (vec![3, 1 << 3 | 2, 1, 0xff], "metric family 1 (``): invalid UTF-8 in name, help or unit"),
    ] {
        assert_eq!(read(&body, Format::Protobuf).expect_err("broken").to_string(), message);
    }
    let twice = pb::Metric { label: vec![pair("a", "1"), pair("a", "2")], ..Default::default() };
    let error = read(family("c", 0, "", &[twice]), Format::Protobuf).expect_err("broken");
    assert_eq!(error.to_string(), "metric family 1 (`c`): label name `a` is not unique");
}

/// What is sent once and stands in each series can't make a body arbitrarily long.
#[test]
fn protobuf_that_expands_without_end_is_refused() {
    let histogram = |label: &str, buckets: u64| {
        let bucket = |n: u64| pb::Bucket { upper_bound: Some(n as f64), ..Default::default() };
        let metric = pb::Metric {
            label: vec![pair("a", label)],
            histogram: Some(pb::Histogram {
                bucket: (0..buckets).map(bucket).collect(),
                ..Default::default()
            }),
            ..Default::default()
        };
        family("h", 4, "", &[metric])
    };
    let count = |body: &[u8]| {
        let (mut parser, mut samples) = (Parser::new(body, Format::Protobuf), 0);
        while let Some(entry) = parser.next_entry()? {
            samples += u64::from(matches!(entry, Entry::Sample(_)));
        }
        Ok::<_, Error>(samples)
    };
    // Every series counted all buckets once: this took minutes.
    assert_eq!(count(&histogram("b", 60_000)), Ok(60_003));
    let error = count(&histogram(&"b".repeat(100_000), 1000)).expect_err("100 MB of labels").to_string();
    assert!(error.contains("expands to more than"), "{error}");
    let long = "n".repeat(100);
    let error = count(&[family(&long, 9, "", &[])].concat()).expect_err("no type").to_string();
    assert!(error.len() < 150, "{error}");
}

#[test]
fn empty_labels_are_told_and_not_kept() {
    for format in [Format::Text, Format::OpenMetrics] {
        let mut parser = Parser::new(b"a{c=\"\",b=\"1\"} 1\n# EOF\n", format);
        let Ok(Some(Entry::Sample(sample))) = parser.next_entry() else { panic!("a sample") };
        let pairs = sample.pairs().expect("parses");
        assert_eq!(pairs, [("__name__", "a"), ("b", "1"), ("c", "")].map(|(n, v)| (n.into(), v.into())));
        assert_eq!(sample.labels().expect("parses").len(), 2);
    }
}

#[test]
fn a_series_has_a_bounded_number_of_labels() {
    let body = |n: usize| {
        let labels: String = (0..n).fold(String::new(), |all, i| all + &format!("l{i}=\"1\","));
        format!("a{{{labels}}} 1\n")
    };
    assert!(read(body(1000), Format::Text).is_ok());
    let error = read(body(1001), Format::Text).expect_err("too many").to_string();
    assert!(error.contains("more than 1000 labels"), "{error}");
}

fn sample_family(kind: MetricType, name: &str, samples: &[(&'static str, &[(&str, &str)], f64)]) -> Family {
    let samples = samples
        .iter()
        .map(|(suffix, labels, value)| FamilySample {
            suffix,
            labels: Labels::from_pairs(labels.iter().copied()),
            value: *value,
            timestamp: None,
        })
        .collect();
    Family { name: name.to_owned(), kind, help: "a \"b\"\n\\".to_owned(), unit: String::new(), samples }
}

#[test]
fn families_are_written() {
    let mut counter =
        sample_family(MetricType::Counter, "c_seconds_total", &[("", &[("a", "x\"\n\\")], 2.0)]);
    counter.unit = "seconds".to_owned();
    counter.samples[0].timestamp = Some(Timestamp(1500));
    let mut gauge =
        sample_family(MetricType::Unknown, "g.x", &[("", &[("l.m", "1")], 1e6), ("", &[], f64::NAN)]);
    gauge.help.clear();
    let histogram =
        sample_family(MetricType::Histogram, "h", &[("_bucket", &[("le", "1")], 1.0), ("_count", &[], 1.0)]);
    let families = [counter, gauge, histogram];
    assert_eq!(
        write(&families, Dialect::Text),
        "# HELP c_seconds_total a \"b\"\\n\\\\\n# TYPE c_seconds_total counter\nc_seconds_total{a=\"x\\\"\\n\\\\\"} 2 1500\n\
         # TYPE g_x untyped\ng_x{l_m=\"1\"} 1e+06\ng_x NaN\n\
         # HELP h a \"b\"\\n\\\\\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_count 1\n"
    );
    assert_eq!(
        write(&families, Dialect::OpenMetrics(Escaping::AllowUtf8)),
        "# HELP c_seconds a \\\"b\\\"\\n\\\\\n# TYPE c_seconds counter\n# UNIT c_seconds seconds\nc_seconds_total{a=\"x\\\"\\n\\\\\"} 2.0 1.5\n\
         # TYPE \"g.x\" unknown\n{\"g.x\",\"l.m\"=\"1\"} 1e+06\n{\"g.x\"} NaN\n\
         # HELP h a \\\"b\\\"\\n\\\\\n# TYPE h histogram\nh_bucket{le=\"1.0\"} 1.0\nh_count 1.0\n# EOF\n"
    );
}

#[test]
fn dialects_are_negotiated() {
    for (accept, expected) in [
        ("", Dialect::Text),
        ("text/html", Dialect::Text),
        ("*/*", Dialect::Text),
        (&accept_header(&DEFAULT_PROTOCOLS, Escaping::AllowUtf8), Dialect::OpenMetrics(Escaping::AllowUtf8)),
        (
            "application/openmetrics-text;version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            Dialect::OpenMetrics(Escaping::Underscores),
        ),
        ("application/openmetrics-text;version=9.0.0,text/plain;version=0.0.4;q=0.5", Dialect::Text),
        (
            "text/plain;version=1.0.0;escaping=dots;q=0.4,text/plain;version=0.0.4;q=0.3",
            Dialect::TextUtf8(Escaping::Dots),
        ),
    ] {
        assert_eq!(negotiate(accept), expected, "{accept}");
    }
}

fn any_family() -> impl Strategy<Value = Family> {
    let label = ("[a-z]{1,3}", "[a-z\"\\\\\n{}, #=]{0,6}");
    let sample =
        (prop::collection::vec(label, 0..4), any::<f64>(), prop::option::of(0..4_000_000_000_000i64));
    (
        prop::sample::select(vec![MetricType::Counter, MetricType::Gauge, MetricType::Unknown]),
        "[a-z][a-z.]{0,4}",
        "[a-z\"\\\\\n ]{0,8}",
        prop::collection::vec(sample, 0..5),
    )
        .prop_map(|(kind, name, help, samples)| Family {
            name,
            kind,
            help,
            unit: String::new(),
            samples: samples
                .into_iter()
                .map(|(labels, value, t)| FamilySample {
                    suffix: "",
                    labels: Labels::from_pairs(labels),
                    value,
                    timestamp: t.map(Timestamp),
                })
                .collect(),
        })
}

proptest! {
    #[test]
    fn what_is_written_reads_back(families in prop::collection::vec(any_family(), 0..4)) {
        for (dialect, format) in [
            (Dialect::TextUtf8(Escaping::AllowUtf8), Format::Text),
            (Dialect::OpenMetrics(Escaping::AllowUtf8), Format::OpenMetrics),
        ] {
            let text = write(&families, dialect);
            let mut parser = Parser::new(text.as_bytes(), format);
            let mut read = Vec::new();
            while let Some(entry) = parser.next_entry().map_err(|e| TestCaseError::fail(format!("{e}: {text}")))? {
                if let Entry::Sample(s) = entry {
                    read.push((s.labels().expect("labels"), s.value, s.timestamp));
                }
            }
            let written: Vec<_> = families.iter().flat_map(|f| f.samples.iter().map(move |s| {
                let total = if f.kind == MetricType::Counter { "_total" } else { "" };
                (s.labels.with("__name__", &format!("{}{total}", f.name)), s.value, s.timestamp)
            })).collect();
            prop_assert_eq!(read.len(), written.len());
            for (r, w) in read.iter().zip(&written) {
                prop_assert_eq!((&r.0, r.2), (&w.0, w.2));
                prop_assert!(r.1 == w.1 || r.1.is_nan() && w.1.is_nan());
            }
        }
    }

    /// The split of the cached path agrees with the parse: bytes that parse as a series, followed by a value, are
    /// split off exactly.
    #[test]
    fn split_and_parse_agree(body in "[a{}\"\\\\=, \n.b1]{0,24}") {
        let mut parser = Parser::new(body.as_bytes(), Format::Text);
        while let Ok(Some(entry)) = parser.next_entry() {
            if let Entry::Sample(s) = entry && let Ok(labels) = s.labels() {
                let alone = [s.series, b" 7"].concat();
                let mut again = Parser::new(&alone, Format::Text);
                let Ok(Some(Entry::Sample(t))) = again.next_entry() else { return Err(TestCaseError::fail("no sample")) };
                prop_assert_eq!(t.series, s.series);
                prop_assert_eq!(t.labels().ok(), Some(labels));
            }
        }
    }

    #[test]
    fn no_input_panics(body in prop::collection::vec(any::<u8>(), 0..200), format in 0..3usize) {
        let _ = read(&body, [Format::Text, Format::OpenMetrics, Format::Protobuf][format]);
    }

    #[test]
    fn no_text_panics(body in "(# (TYPE|HELP|UNIT) |[a-c]|[{}\"\\\\=, #\n.19eE]){0,60}", om in any::<bool>()) {
        let _ = read(&body, if om { Format::OpenMetrics } else { Format::Text });
    }
}
