use botwatch_core::{
    exposition::{Dialect, FamilySample, MetricType, write},
    model::Labels,
};

use super::families::{Families, family};

#[test]
fn no_series_appears_twice() {
    let mut all = Families::default();
    let a: &[(&str, &str)] = &[("l", "a")];
    let b: &[(&str, &str)] = &[("l", "b")];
    all.extend([
        family("x_total", MetricType::Counter, "X.", [(a, 1.0)]),
        family("x", MetricType::Counter, "Other.", [(a, 2.0), (b, 3.0)]),
        family("x", MetricType::Gauge, "Another kind.", [(b, 4.0)]),
        family("y", MetricType::Gauge, "Empty.", []),
    ]);
    let mut histogram = family("h", MetricType::Histogram, "H.", []);
    histogram.samples.push(FamilySample {
        suffix: "_count",
        labels: Labels::empty(),
        value: 1.0,
        timestamp: None,
    });
    all.extend([histogram, family("h_count", MetricType::Unknown, "Not another.", [(&[][..], 9.0)])]);
    assert_eq!(
        write(&all.finish(), Dialect::Text),
        "# HELP h H.\n# TYPE h histogram\nh_count 1\n\
         # HELP x_total X.\n# TYPE x_total counter\nx_total{l=\"a\"} 1\nx_total{l=\"b\"} 3\n"
    );
}
