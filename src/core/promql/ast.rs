//! The syntax tree. Every node has its span in the query text.

use std::sync::Arc;

use crate::{
    diag::Span,
    model::{Duration, Matcher, Timestamp},
};

/// An expression and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Bytes of the query text.
    pub span: Span,
}

/// The kinds of expression.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// `1.5`, `0x1F`, `5m` as a number of seconds (then `is_duration`, for the printer).
    Number {
        /// The value; seconds for a duration.
        value: f64,
        /// Written as a duration.
        is_duration: bool,
    },
    /// `"text"`; Go strings are bytes.
    String(Arc<[u8]>),
    /// `name{matchers} offset 5m @ 100`.
    Selector(Selector),
    /// `selector[5m]`.
    Range {
        /// The instant selector inside.
        selector: Selector,
        /// The window.
        range: DurationExpr,
    },
    /// `expr[1h:5m] offset … @ …`.
    Subquery {
        /// Evaluated at each step.
        expr: Box<Expr>,
        /// The window.
        range: DurationExpr,
        /// Spacing of the steps; `None` takes the default.
        step: Option<DurationExpr>,
        /// Shift into the past.
        offset: Option<DurationExpr>,
        /// `@` modifier.
        at: Option<At>,
    },
    /// `(expr)`.
    Paren(Box<Expr>),
    /// `-expr`, `+expr`.
    Unary {
        /// Whether it is `-`.
        negative: bool,
        /// The operand.
        expr: Box<Expr>,
    },
    /// `lhs op rhs`.
    Binary(Box<Binary>),
    /// `sum by (job) (expr)`.
    Aggregate(Box<Aggregate>),
    /// `rate(x[5m])`; the name is one of the function table.
    Call {
        /// Function name.
        func: &'static str,
        /// Where the name stands.
        name_span: Span,
        /// Arguments.
        args: Vec<Expr>,
    },
}

/// An instant selector with its modifiers.
#[derive(Debug, Clone, PartialEq)]
pub struct Selector {
    /// The metric name written before the braces, if one was; it is among the matchers too.
    pub name: Option<Arc<str>>,
    /// All matchers, the name's first.
    pub matchers: Vec<Matcher>,
    /// Shift into the past.
    pub offset: Option<DurationExpr>,
    /// `@` modifier.
    pub at: Option<At>,
    /// `anchored` or `smoothed`.
    pub extended: Option<Extended>,
}

/// Extended range selectors (spec Q33).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extended {
    /// Takes the last sample before the range along; no extrapolation.
    Anchored,
    /// Interpolates at both ends.
    Smoothed,
}

/// What an `@` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// A point in time.
    Time(Timestamp),
    /// `start()`
    Start,
    /// `end()`
    End,
}

/// A duration, or arithmetic over durations (spec Q27).
#[derive(Debug, Clone, PartialEq)]
pub enum DurationExpr {
    /// A fixed length (may be negative in an offset); the flag says that it was written as a bare number.
    Fixed(Duration, bool),
    /// `step()`
    Step,
    /// `range()`
    Range,
    /// `-d`, `+d`
    Unary(bool, Box<Self>),
    /// `a op b`; numbers count as seconds.
    Binary(BinaryOp, Box<Self>, Box<Self>),
    /// `min_of(a, b)` (`false`) or `max_of(a, b)` (`true`).
    Extreme(bool, Box<Self>, Box<Self>),
    /// `(d)`
    Paren(Box<Self>),
}

/// A binary operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Binary {
    /// The operator.
    pub op: BinaryOp,
    /// Where the operator stands.
    pub op_span: Span,
    /// Left operand.
    pub lhs: Expr,
    /// Right operand.
    pub rhs: Expr,
    /// `bool` modifier.
    pub bool_modifier: bool,
    /// How vectors are matched, for set operators and where it was said; `None` matches one to one on all labels.
    pub matching: Option<VectorMatching>,
}

/// Binary operators, loosest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the operators")]
pub enum BinaryOp {
    Or,
    And,
    Unless,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    /// `</`, keeps a histogram's observations below a bound
    TrimUpper,
    /// `>/`, keeps a histogram's observations above a bound
    TrimLower,
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Atan2,
    Pow,
}

/// Vector matching of a binary operation.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorMatching {
    /// One-to-one, many-to-one or one-to-many; set operators are many-to-many.
    pub card: Cardinality,
    /// The labels of `on` or `ignoring`, as written.
    pub labels: Vec<Arc<str>>,
    /// Whether it is `on`.
    pub on: bool,
    /// The labels of `group_left`/`group_right`.
    pub include: Vec<Arc<str>>,
    /// Value for a missing left side (`fill`, `fill_left`).
    pub fill_left: Option<f64>,
    /// Value for a missing right side (`fill`, `fill_right`).
    pub fill_right: Option<f64>,
}

/// Cardinality of a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cardinality {
    /// No group modifier.
    OneToOne,
    /// `group_left`
    ManyToOne,
    /// `group_right`
    OneToMany,
    /// Set operators.
    ManyToMany,
}

/// An aggregation.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// Which.
    pub op: AggregateOp,
    /// What is aggregated.
    pub expr: Expr,
    /// `k`, `φ`, the label of `count_values`.
    pub param: Option<Expr>,
    /// Labels of `by` or `without`.
    pub grouping: Vec<Arc<str>>,
    /// Whether it is `without`.
    pub without: bool,
}

/// Aggregation operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the operators")]
pub enum AggregateOp {
    Sum,
    Avg,
    Count,
    Min,
    Max,
    Group,
    Stddev,
    Stdvar,
    Topk,
    Bottomk,
    Quantile,
    CountValues,
    Limitk,
    LimitRatio,
}

/// The type of an expression's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// A number without labels.
    Scalar,
    /// A text.
    String,
    /// Series with one value each.
    Vector,
    /// Series with many samples each.
    Matrix,
}

impl ValueType {
    /// As Prometheus calls it in errors.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::String => "string",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
        }
    }
}

impl BinaryOp {
    /// As written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Or => "or",
            Self::And => "and",
            Self::Unless => "unless",
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::TrimUpper => "</",
            Self::TrimLower => ">/",
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Atan2 => "atan2",
            Self::Pow => "^",
        }
    }

    /// `== != < <= > >=`
    pub const fn is_comparison(self) -> bool {
        matches!(self, Self::Eq | Self::Ne | Self::Lt | Self::Le | Self::Gt | Self::Ge)
    }

    /// `or and unless`
    pub const fn is_set(self) -> bool {
        matches!(self, Self::Or | Self::And | Self::Unless)
    }
}

impl AggregateOp {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Sum,
        Self::Avg,
        Self::Count,
        Self::Min,
        Self::Max,
        Self::Group,
        Self::Stddev,
        Self::Stdvar,
        Self::Topk,
        Self::Bottomk,
        Self::Quantile,
        Self::CountValues,
        Self::Limitk,
        Self::LimitRatio,
    ];

    /// As written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Count => "count",
            Self::Min => "min",
            Self::Max => "max",
            Self::Group => "group",
            Self::Stddev => "stddev",
            Self::Stdvar => "stdvar",
            Self::Topk => "topk",
            Self::Bottomk => "bottomk",
            Self::Quantile => "quantile",
            Self::CountValues => "count_values",
            Self::Limitk => "limitk",
            Self::LimitRatio => "limit_ratio",
        }
    }

    /// Whether it takes a parameter before the vector.
    pub const fn has_param(self) -> bool {
        matches!(
            self,
            Self::Topk | Self::Bottomk | Self::Quantile | Self::CountValues | Self::Limitk | Self::LimitRatio
        )
    }

    /// Whether it needs `promql-experimental-functions`.
    pub const fn is_experimental(self) -> bool {
        matches!(self, Self::Limitk | Self::LimitRatio)
    }
}

/// Visits an expression and everything below it, parents first, children in order.
pub fn walk<'e>(expr: &'e Expr, visit: &mut dyn FnMut(&'e Expr)) {
    visit(expr);
    match &expr.kind {
        ExprKind::Number { .. } | ExprKind::String(_) | ExprKind::Selector(_) | ExprKind::Range { .. } => {}
        ExprKind::Subquery { expr, .. } | ExprKind::Paren(expr) | ExprKind::Unary { expr, .. } => {
            walk(expr, visit)
        }
        ExprKind::Binary(b) => {
            walk(&b.lhs, visit);
            walk(&b.rhs, visit);
        }
        ExprKind::Aggregate(a) => {
            if let Some(param) = &a.param {
                walk(param, visit);
            }
            walk(&a.expr, visit);
        }
        ExprKind::Call { args, .. } => args.iter().for_each(|a| walk(a, visit)),
    }
}
