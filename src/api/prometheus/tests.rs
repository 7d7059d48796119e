use super::exponent;

#[test]
fn values_are_written_as_go_writes_them() {
    for (value, expected) in [
        (1.0, "1e+00"),
        (0.0, "0e+00"),
        (92.5, "9.25e+01"),
        (-0.001, "-1e-03"),
        (1e100, "1e+100"),
        (1.5e-120, "1.5e-120"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "+Inf"),
        (f64::NEG_INFINITY, "-Inf"),
    ] {
        assert_eq!(exponent(value), expected);
    }
}
