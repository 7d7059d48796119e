//! Durations and their arithmetic (spec Q26, Q27).

use super::{ParseError, grammar::Parser, lexer::Kind};
use crate::{
    model::Duration,
    promql::{BinaryOp, DurationExpr},
};

type Result<T> = std::result::Result<T, ParseError>;

impl Parser<'_> {
    /// What stands in `[…]`: the full arithmetic.
    pub(super) fn range_duration(&mut self) -> Result<DurationExpr> {
        let start = self.peek().span;
        let d = self.duration_sum(0)?;
        let literal = matches!(d, DurationExpr::Fixed(..));
        if let DurationExpr::Fixed(fixed, _) = d
            && fixed <= Duration::ZERO
        {
            return Err(ParseError::new(start.to(self.before()), "duration must be greater than 0"));
        }
        self.allowed(literal, start)?;
        Ok(d)
    }

    /// What stands after `offset`: one term, optionally signed.
    pub(super) fn offset_duration(&mut self) -> Result<DurationExpr> {
        let start = self.peek().span;
        let d = self.duration_term(0)?;
        let d = match d {
            DurationExpr::Unary(negative, inner) => match *inner {
                DurationExpr::Fixed(d, number) => {
                    let d = if negative { Duration::from_millis(-d.as_millis()) } else { d };
                    DurationExpr::Fixed(d, number)
                }
                other => DurationExpr::Unary(negative, Box::new(other)),
            },
            other => other,
        };
        self.allowed(matches!(d, DurationExpr::Fixed(..)), start)?;
        Ok(d)
    }

    fn allowed(&self, literal: bool, start: crate::diag::Span) -> Result<()> {
        if literal || self.options.duration_expressions {
            return Ok(());
        }
        Err(ParseError::new(start.to(self.before()), "experimental duration expression is not enabled"))
    }

    fn duration_sum(&mut self, depth: usize) -> Result<DurationExpr> {
        let mut left = self.duration_product(depth)?;
        while let Some(op) = self.take_one(&[("+", BinaryOp::Add), ("-", BinaryOp::Sub)]) {
            left = DurationExpr::Binary(op, Box::new(left), Box::new(self.duration_product(depth)?));
        }
        Ok(left)
    }

    fn duration_product(&mut self, depth: usize) -> Result<DurationExpr> {
        let mut left = self.duration_power(depth)?;
        while let Some(op) =
            self.take_one(&[("*", BinaryOp::Mul), ("/", BinaryOp::Div), ("%", BinaryOp::Mod)])
        {
            left = DurationExpr::Binary(op, Box::new(left), Box::new(self.duration_power(depth)?));
        }
        Ok(left)
    }

    /// A sign is weaker than `^`: -2 ^ 2 is -4.
    fn duration_power(&mut self, depth: usize) -> Result<DurationExpr> {
        if let Some(negative) = self.take_one(&[("-", true), ("+", false)]) {
            self.deeper(depth)?;
            let power = self.duration_power(depth + 1)?;
            return Ok(if negative { DurationExpr::Unary(true, Box::new(power)) } else { power });
        }
        let base = self.duration_term(depth)?;
        if self.take_op("^") {
            self.deeper(depth)?;
            let exponent = self.duration_power(depth + 1)?;
            return Ok(DurationExpr::Binary(BinaryOp::Pow, Box::new(base), Box::new(exponent)));
        }
        Ok(base)
    }

    /// One duration with its sign.
    fn duration_term(&mut self, depth: usize) -> Result<DurationExpr> {
        self.deeper(depth)?;
        if let Some(negative) = self.take_one(&[("-", true), ("+", false)]) {
            let term = self.duration_term(depth + 1)?;
            return Ok(if negative { DurationExpr::Unary(true, Box::new(term)) } else { term });
        }
        let token = self.peek().clone();
        match token.kind {
            Kind::Duration(d) => {
                self.advance();
                Ok(DurationExpr::Fixed(d, false))
            }
            Kind::Number(n) => {
                self.advance();
                let ms = n * 1000.0;
                if !ms.is_finite() || ms.abs() > i64::MAX as f64 / 1e6 {
                    return Err(ParseError::new(token.span, "duration out of range"));
                }
                Ok(DurationExpr::Fixed(Duration::from_millis(ms as i64), true))
            }
            Kind::Op("(") => {
                self.advance();
                let inner = self.duration_sum(depth + 1)?;
                self.expect_op(")", "a closing parenthesis")?;
                Ok(DurationExpr::Paren(Box::new(inner)))
            }
            Kind::Ident => self.duration_call(depth),
            _ => Err(self.unexpected("duration", "a duration such as 5m")),
        }
    }

    fn duration_call(&mut self, depth: usize) -> Result<DurationExpr> {
        let name = self.word().to_ascii_lowercase();
        let unknown = self.unexpected("duration", "a duration such as 5m");
        self.advance();
        match name.as_str() {
            "step" | "range" => {
                self.expect_op("(", "a parenthesis")?;
                self.expect_op(")", "a closing parenthesis")?;
                Ok(if name == "step" { DurationExpr::Step } else { DurationExpr::Range })
            }
            "min_of" | "max_of" => {
                self.expect_op("(", "a parenthesis")?;
                let a = self.duration_sum(depth + 1)?;
                self.expect_op(",", "a comma and the second duration")?;
                let b = self.duration_sum(depth + 1)?;
                self.expect_op(")", "a closing parenthesis")?;
                Ok(DurationExpr::Extreme(name == "max_of", Box::new(a), Box::new(b)))
            }
            _ => Err(unknown),
        }
    }
}

impl DurationExpr {
    /// The length, given the query's step and range (both zero in an instant query), cut to milliseconds.
    ///
    /// # Errors
    /// Division by zero, not a number, out of range: the text of the error. Whether zero or less is allowed is the
    /// caller's to say.
    pub fn eval(&self, step: Duration, range: Duration) -> std::result::Result<Duration, String> {
        if let Self::Fixed(d, _) = self {
            return Ok(*d);
        }
        let ms = self.seconds(step, range)? * 1000.0;
        if !ms.is_finite() || ms.abs() > i64::MAX as f64 / 1e6 {
            return Err("duration is out of range".to_owned());
        }
        Ok(Duration::from_millis(ms as i64))
    }

    fn seconds(&self, step: Duration, range: Duration) -> std::result::Result<f64, String> {
        Ok(match self {
            Self::Fixed(d, _) => d.as_secs_f64(),
            Self::Step => step.as_secs_f64(),
            Self::Range => range.as_secs_f64(),
            Self::Unary(negative, d) => {
                let d = d.seconds(step, range)?;
                if *negative { -d } else { d }
            }
            Self::Paren(d) => d.seconds(step, range)?,
            Self::Extreme(max, a, b) => {
                let (a, b) = (a.seconds(step, range)?, b.seconds(step, range)?);
                if *max { a.max(b) } else { a.min(b) }
            }
            Self::Binary(op, a, b) => {
                let (a, b) = (a.seconds(step, range)?, b.seconds(step, range)?);
                match op {
                    BinaryOp::Add => a + b,
                    BinaryOp::Sub => a - b,
                    BinaryOp::Mul => a * b,
                    BinaryOp::Div if b == 0.0 => return Err("division by zero".to_owned()),
                    BinaryOp::Div => a / b,
                    BinaryOp::Mod if b == 0.0 => return Err("modulo by zero".to_owned()),
                    BinaryOp::Mod => a % b,
                    BinaryOp::Pow => a.powf(b),
                    _ => return Err("not an operation on durations".to_owned()),
                }
            }
        })
    }
}
