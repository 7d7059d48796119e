//! The function table (prometheus `promql/parser/functions.go`, 3.14; spec §2.1).

use super::ValueType::{self, Matrix, Scalar, String, Vector};

/// A function's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Function {
    /// Name.
    pub name: &'static str,
    /// Argument types, in order; the last one repeats where more are allowed.
    pub args: &'static [ValueType],
    /// 0: all arguments are needed. n: the last n may be left out (or, beyond one, added). −1: any number more of the
    /// last, or none.
    pub variadic: i32,
    /// Result type.
    pub returns: ValueType,
    /// Needs `promql-experimental-functions`.
    pub experimental: bool,
}

const fn stable(
    name: &'static str,
    args: &'static [ValueType],
    variadic: i32,
    returns: ValueType,
) -> Function {
    Function { name, args, variadic, returns, experimental: false }
}

const fn v(name: &'static str) -> Function {
    stable(name, &[Vector], 0, Vector)
}

const fn m(name: &'static str) -> Function {
    stable(name, &[Matrix], 0, Vector)
}

const fn date(name: &'static str) -> Function {
    stable(name, &[Vector], 1, Vector)
}

const fn exp(name: &'static str, args: &'static [ValueType], variadic: i32, returns: ValueType) -> Function {
    Function { name, args, variadic, returns, experimental: true }
}

/// All functions, sorted by name.
pub const FUNCTIONS: &[Function] = &[
    v("abs"),
    v("absent"),
    m("absent_over_time"),
    v("acos"),
    v("acosh"),
    v("asin"),
    v("asinh"),
    v("atan"),
    v("atanh"),
    m("avg_over_time"),
    v("ceil"),
    m("changes"),
    stable("clamp", &[Vector, Scalar, Scalar], 0, Vector),
    stable("clamp_max", &[Vector, Scalar], 0, Vector),
    stable("clamp_min", &[Vector, Scalar], 0, Vector),
    v("cos"),
    v("cosh"),
    m("count_over_time"),
    date("day_of_month"),
    date("day_of_week"),
    date("day_of_year"),
    date("days_in_month"),
    v("deg"),
    m("delta"),
    m("deriv"),
    exp("double_exponential_smoothing", &[Matrix, Scalar, Scalar], 0, Vector),
    exp("end", &[], 0, Scalar),
    v("exp"),
    m("first_over_time"),
    v("floor"),
    v("histogram_avg"),
    v("histogram_count"),
    stable("histogram_fraction", &[Scalar, Scalar, Vector], 0, Vector),
    stable("histogram_quantile", &[Scalar, Vector], 0, Vector),
    exp("histogram_quantiles", &[Vector, String, Scalar, Scalar], 9, Vector),
    v("histogram_stddev"),
    v("histogram_stdvar"),
    v("histogram_sum"),
    date("hour"),
    m("idelta"),
    m("increase"),
    exp("info", &[Vector, Vector], 1, Vector),
    m("irate"),
    stable("label_join", &[Vector, String, String, String], -1, Vector),
    stable("label_replace", &[Vector, String, String, String, String], 0, Vector),
    m("last_over_time"),
    v("ln"),
    v("log10"),
    v("log2"),
    exp("mad_over_time", &[Matrix], 0, Vector),
    exp("max_of", &[Scalar, Scalar], 0, Scalar),
    m("max_over_time"),
    exp("min_of", &[Scalar, Scalar], 0, Scalar),
    m("min_over_time"),
    date("minute"),
    date("month"),
    stable("pi", &[], 0, Scalar),
    stable("predict_linear", &[Matrix, Scalar], 0, Vector),
    m("present_over_time"),
    stable("quantile_over_time", &[Scalar, Matrix], 0, Vector),
    v("rad"),
    exp("range", &[], 0, Scalar),
    m("rate"),
    m("resets"),
    stable("round", &[Vector, Scalar], 1, Vector),
    stable("scalar", &[Vector], 0, Scalar),
    v("sgn"),
    v("sin"),
    v("sinh"),
    v("sort"),
    exp("sort_by_label", &[Vector, String], -1, Vector),
    exp("sort_by_label_desc", &[Vector, String], -1, Vector),
    v("sort_desc"),
    v("sqrt"),
    exp("start", &[], 0, Scalar),
    exp("start_timestamp", &[Vector], 0, Vector),
    m("stddev_over_time"),
    m("stdvar_over_time"),
    exp("step", &[], 0, Scalar),
    m("sum_over_time"),
    v("tan"),
    v("tanh"),
    stable("time", &[], 0, Scalar),
    v("timestamp"),
    exp("ts_of_first_over_time", &[Matrix], 0, Vector),
    exp("ts_of_last_over_time", &[Matrix], 0, Vector),
    exp("ts_of_max_over_time", &[Matrix], 0, Vector),
    exp("ts_of_min_over_time", &[Matrix], 0, Vector),
    stable("vector", &[Scalar], 0, Vector),
    date("year"),
];

/// The function of a name.
pub fn function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.binary_search_by(|f| f.name.cmp(name)).ok().map(|i| &FUNCTIONS[i])
}
