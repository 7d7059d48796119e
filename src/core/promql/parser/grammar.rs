//! The grammar: precedence climbing over tokens (spec §2.2).

use super::{
    DEPTH_MAX, ParseError, ParseOptions,
    lexer::{Kind, Token},
};
use crate::{
    diag::{Span, nearest},
    model::Timestamp,
    promql::{
        Aggregate, AggregateOp, At, Binary, BinaryOp, Cardinality, DurationExpr, Expr, ExprKind, Extended,
        FUNCTIONS, VectorMatching, function,
    },
};

type Result<T> = std::result::Result<T, ParseError>;

/// Words that are never a bare metric name.
const RESERVED: &[&str] = &["bool", "on", "ignoring", "group_left", "group_right", "atan2"];

pub(super) struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    at: usize,
    pub(super) options: ParseOptions,
}

/// Operators with their precedence, loosest first.
fn binary_op(word: &str) -> Option<(BinaryOp, u8)> {
    use BinaryOp::{
        Add, And, Atan2, Div, Eq, Ge, Gt, Le, Lt, Mod, Mul, Ne, Or, Pow, Sub, TrimLower, TrimUpper, Unless,
    };
    Some(match word {
        "or" => (Or, 1),
        "and" => (And, 2),
        "unless" => (Unless, 2),
        "==" => (Eq, 3),
        "!=" => (Ne, 3),
        "<" => (Lt, 3),
        "<=" => (Le, 3),
        ">" => (Gt, 3),
        ">=" => (Ge, 3),
        "</" => (TrimUpper, 3),
        ">/" => (TrimLower, 3),
        "+" => (Add, 4),
        "-" => (Sub, 4),
        "*" => (Mul, 5),
        "/" => (Div, 5),
        "%" => (Mod, 5),
        "atan2" => (Atan2, 5),
        "^" => (Pow, 6),
        _ => return None,
    })
}

const POWER: u8 = 6;

fn aggregate_op(word: &str) -> Option<AggregateOp> {
    AggregateOp::ALL.iter().copied().find(|op| op.as_str() == word)
}

impl<'t> Parser<'t> {
    pub(super) fn new(text: &'t str, tokens: Vec<Token>, options: ParseOptions) -> Self {
        Self { text, tokens, at: 0, options }
    }

    pub(super) fn peek(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn peek_second(&self) -> &Token {
        &self.tokens[(self.at + 1).min(self.tokens.len() - 1)]
    }

    pub(super) fn advance(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    /// The span of the token before the current one.
    pub(super) fn before(&self) -> Span {
        self.tokens[self.at.saturating_sub(1)].span
    }

    /// The current token as written.
    pub(super) fn word(&self) -> &'t str {
        let span = self.peek().span;
        &self.text[span.start..span.end]
    }

    pub(super) fn is_op(&self, op: &str) -> bool {
        matches!(&self.peek().kind, Kind::Op(found) if *found == op)
    }

    pub(super) fn take_op(&mut self, op: &str) -> bool {
        let found = self.is_op(op);
        if found {
            self.advance();
        }
        found
    }

    pub(super) fn take_one<T: Copy>(&mut self, ops: &[(&str, T)]) -> Option<T> {
        let found = ops.iter().find(|(op, _)| self.is_op(op))?.1;
        self.advance();
        Some(found)
    }

    pub(super) fn expect_op(&mut self, op: &str, expected: &str) -> Result<()> {
        if self.take_op(op) { Ok(()) } else { Err(self.unexpected("expression", expected)) }
    }

    fn is_word(&self, word: &str) -> bool {
        self.peek().kind == Kind::Ident && self.word().eq_ignore_ascii_case(word)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.advance();
        }
        found
    }

    /// ``unexpected X in CONTEXT``.
    pub(super) fn unexpected(&self, context: &str, expected: &str) -> ParseError {
        let token = self.peek();
        let what = match &token.kind {
            Kind::End => "end of input".to_owned(),
            Kind::Ident => format!("identifier {:?}", self.word()),
            Kind::Number(_) => format!("number {:?}", self.word()),
            Kind::Duration(_) => format!("duration {:?}", self.word()),
            Kind::String(_) => format!("string {}", self.word()),
            Kind::Op(op) => format!("{op:?}"),
        };
        ParseError::new(token.span, format!("unexpected {what} in {context}")).expected(expected)
    }

    pub(super) fn deeper(&self, depth: usize) -> Result<()> {
        if depth < DEPTH_MAX {
            return Ok(());
        }
        Err(ParseError::new(self.peek().span, format!("nested deeper than {DEPTH_MAX} levels")))
    }

    /// The whole text as one expression.
    pub(super) fn whole(&mut self) -> Result<Expr> {
        if self.peek().kind == Kind::End {
            return Err(ParseError::new(self.peek().span, "no expression found in input"));
        }
        let expr = self.expr(0, 0)?;
        if self.peek().kind == Kind::End {
            return Ok(expr);
        }
        let mut error = self.unexpected("expression", "an operator or the end");
        if self.is_op("=") {
            error = error.hint("to compare write `==`");
        } else if (self.is_word("by") || self.is_word("without"))
            && !matches!(expr.kind, ExprKind::Aggregate(_))
        {
            error = error.hint("`by` and `without` belong to an aggregation: sum by (…) (…)");
        }
        Err(error)
    }

    fn expr(&mut self, min: u8, depth: usize) -> Result<Expr> {
        self.deeper(depth)?;
        let mut lhs = self.unary(depth)?;
        while let Some((op, precedence)) = self.peek_binary() {
            if precedence < min {
                break;
            }
            let op_span = self.peek().span;
            self.advance();
            let (bool_modifier, matching) = self.modifiers(op)?;
            // `^` binds to the right.
            let rhs = self.expr(if precedence == POWER { precedence } else { precedence + 1 }, depth + 1)?;
            let span = lhs.span.to(rhs.span);
            let binary = Binary { op, op_span, lhs, rhs, bool_modifier, matching };
            lhs = Expr { kind: ExprKind::Binary(Box::new(binary)), span };
        }
        Ok(lhs)
    }

    fn peek_binary(&self) -> Option<(BinaryOp, u8)> {
        match &self.peek().kind {
            Kind::Op(op) => binary_op(op),
            Kind::Ident => binary_op(&self.word().to_ascii_lowercase()),
            _ => None,
        }
    }

    /// `bool`, `on`/`ignoring`, `group_left`/`group_right`, `fill…`.
    fn modifiers(&mut self, op: BinaryOp) -> Result<(bool, Option<VectorMatching>)> {
        let bool_span = self.peek().span;
        let bool_modifier = self.take_word("bool");
        if bool_modifier && !op.is_comparison() {
            return Err(ParseError::new(bool_span, "bool modifier can only be used on comparison operators"));
        }
        let card = if op.is_set() { Cardinality::ManyToMany } else { Cardinality::OneToOne };
        let mut matching = VectorMatching {
            card,
            labels: Vec::new(),
            on: false,
            include: Vec::new(),
            fill_left: None,
            fill_right: None,
        };
        let mut written = false;
        if self.is_word("on") || self.is_word("ignoring") {
            written = true;
            matching.on = self.is_word("on");
            self.advance();
            matching.labels = self.label_list("grouping opts")?;
        }
        if self.is_word("group_left") || self.is_word("group_right") {
            self.group(op, written, &mut matching)?;
        }
        while self.is_fill() {
            written = true;
            self.fill(op, &mut matching)?;
        }
        // `ignoring ()` says nothing.
        let says = written
            && (matching.on || !matching.labels.is_empty() || matching.card != card || fills(&matching));
        Ok((bool_modifier, (says || card == Cardinality::ManyToMany).then_some(matching)))
    }

    fn group(&mut self, op: BinaryOp, matched: bool, matching: &mut VectorMatching) -> Result<()> {
        let span = self.peek().span;
        let left = self.is_word("group_left");
        if !matched {
            return Err(self.unexpected("expression", "`on (…)` or `ignoring (…)` before it"));
        }
        if op.is_set() {
            let name = op.as_str();
            return Err(ParseError::new(span, format!("no grouping allowed for {name:?} operation")));
        }
        self.advance();
        matching.card = if left { Cardinality::ManyToOne } else { Cardinality::OneToMany };
        if self.is_op("(") {
            matching.include = self.label_list("grouping opts")?;
        }
        if let Some(both) = matching.include.iter().find(|l| matching.on && matching.labels.contains(l)) {
            let message = format!("label {:?} must not occur in ON and GROUP clause at once", both.as_ref());
            return Err(ParseError::new(span.to(self.before()), message));
        }
        Ok(())
    }

    fn is_fill(&self) -> bool {
        let follows = matches!(&self.peek_second().kind, Kind::Op("("));
        follows && ["fill", "fill_left", "fill_right"].iter().any(|w| self.is_word(w))
    }

    fn fill(&mut self, op: BinaryOp, matching: &mut VectorMatching) -> Result<()> {
        let span = self.peek().span;
        let word = self.word().to_ascii_lowercase();
        if !self.options.fill_modifiers {
            return Err(ParseError::new(span, "binop fill modifiers are experimental and not enabled"));
        }
        if op.is_set() {
            return Err(ParseError::new(
                span,
                format!("fill modifiers not allowed for {:?} operation", op.as_str()),
            ));
        }
        self.advance();
        self.expect_op("(", "a parenthesis and a number")?;
        let value = self.signed_number()?;
        self.expect_op(")", "a closing parenthesis")?;
        let (left, right) = (word != "fill_right", word != "fill_left");
        let twice = (left && matching.fill_left.is_some()) || (right && matching.fill_right.is_some());
        if twice {
            return Err(ParseError::new(span, "fill value is set twice"));
        }
        if left {
            matching.fill_left = Some(value);
        }
        if right {
            matching.fill_right = Some(value);
        }
        Ok(())
    }

    fn signed_number(&mut self) -> Result<f64> {
        let negative = self.take_one(&[("-", true), ("+", false)]).unwrap_or(false);
        let value = match &self.peek().kind {
            Kind::Number(n) => *n,
            Kind::Duration(d) => d.as_secs_f64(),
            Kind::Ident => match named_number(self.word()) {
                Some(n) => n,
                None => return Err(self.unexpected("number", "a number")),
            },
            _ => return Err(self.unexpected("number", "a number")),
        };
        self.advance();
        Ok(if negative { -value } else { value })
    }

    /// A sign binds like `*`, so that `-2^2` is `-(2^2)`.
    fn unary(&mut self, depth: usize) -> Result<Expr> {
        let start = self.peek().span;
        if let Some(negative) = self.take_one(&[("-", true), ("+", false)]) {
            self.deeper(depth)?;
            let expr = self.expr(POWER, depth + 1)?;
            let span = start.to(expr.span);
            return Ok(match expr.kind {
                ExprKind::Number { value, is_duration } => {
                    let value = if negative { -value } else { value };
                    Expr { kind: ExprKind::Number { value, is_duration }, span }
                }
                _ => Expr { kind: ExprKind::Unary { negative, expr: Box::new(expr) }, span },
            });
        }
        let primary = self.primary(depth)?;
        self.postfix(primary)
    }

    fn primary(&mut self, depth: usize) -> Result<Expr> {
        let token = self.peek().clone();
        let number =
            |value, is_duration| Expr { kind: ExprKind::Number { value, is_duration }, span: token.span };
        match &token.kind {
            Kind::Number(n) => {
                self.advance();
                Ok(number(*n, false))
            }
            Kind::Duration(d) => {
                self.advance();
                Ok(number(d.as_secs_f64(), true))
            }
            Kind::String(bytes) => {
                self.advance();
                Ok(Expr { kind: ExprKind::String(bytes.as_slice().into()), span: token.span })
            }
            Kind::Op("(") => {
                self.advance();
                let inner = self.expr(0, depth + 1)?;
                if !self.is_op(")") {
                    return Err(self.unexpected("expression", "an operator or `)`"));
                }
                self.advance();
                Ok(Expr { kind: ExprKind::Paren(Box::new(inner)), span: token.span.to(self.before()) })
            }
            Kind::Op("{") => self.selector(),
            Kind::Ident => self.named(depth),
            _ => Err(self.unexpected("expression", "an expression")),
        }
    }

    /// A number by name, an aggregation, a call, or a metric.
    fn named(&mut self, depth: usize) -> Result<Expr> {
        let word = self.word().to_ascii_lowercase();
        if let Some(value) = named_number(&word) {
            let span = self.peek().span;
            self.advance();
            return Ok(Expr { kind: ExprKind::Number { value, is_duration: false }, span });
        }
        let second = self.peek_second().clone();
        let opens = matches!(second.kind, Kind::Op("("));
        let second_word = self.text[second.span.start..second.span.end].to_ascii_lowercase();
        if let Some(op) = aggregate_op(&word)
            && (opens || (second.kind == Kind::Ident && matches!(second_word.as_str(), "by" | "without")))
        {
            return self.aggregate(op, depth);
        }
        if opens {
            return self.call(depth);
        }
        if RESERVED.contains(&word.as_str()) {
            return Err(self.unexpected("expression", "an expression"));
        }
        self.selector()
    }

    fn aggregate(&mut self, op: AggregateOp, depth: usize) -> Result<Expr> {
        let start = self.peek().span;
        if op.is_experimental() && !self.options.experimental_functions {
            let message = format!("{}() is experimental and must be enabled", op.as_str());
            return Err(ParseError::new(start, message));
        }
        self.advance();
        let mut grouping = self.grouping()?;
        let mut args = self.arguments(depth)?;
        if grouping.is_none() {
            grouping = self.grouping()?;
        }
        let span = start.to(self.before());
        let wanted = 1 + usize::from(op.has_param());
        if args.len() != wanted {
            let message = if args.is_empty() {
                "no arguments for aggregate expression provided".to_owned()
            } else {
                format!(
                    "wrong number of arguments for aggregate expression provided, expected {wanted}, got {}",
                    args.len()
                )
            };
            return Err(ParseError::new(span, message));
        }
        let (without, grouping) = grouping.unwrap_or_default();
        let (Some(expr), param) = (args.pop(), args.pop()) else {
            return Err(ParseError::new(span, "no arguments for aggregate expression provided"));
        };
        let aggregate = Aggregate { op, expr, param, grouping, without };
        Ok(Expr { kind: ExprKind::Aggregate(Box::new(aggregate)), span })
    }

    fn grouping(&mut self) -> Result<Option<(bool, Vec<std::sync::Arc<str>>)>> {
        let without = self.is_word("without");
        if !without && !self.is_word("by") {
            return Ok(None);
        }
        self.advance();
        Ok(Some((without, self.label_list("grouping opts")?)))
    }

    fn arguments(&mut self, depth: usize) -> Result<Vec<Expr>> {
        self.expect_op("(", "a parenthesis")?;
        let mut args = Vec::new();
        if self.take_op(")") {
            return Ok(args);
        }
        loop {
            args.push(self.expr(0, depth + 1)?);
            if self.take_op(")") {
                return Ok(args);
            }
            if !self.take_op(",") {
                return Err(self.unexpected("function call args", "a comma or `)`"));
            }
            if self.is_op(")") {
                return Err(ParseError::new(
                    self.before(),
                    "trailing commas not allowed in function call args",
                ));
            }
        }
    }

    fn call(&mut self, depth: usize) -> Result<Expr> {
        let name_span = self.peek().span;
        let word = self.word();
        let Some(known) = function(word) else {
            let names = FUNCTIONS.iter().map(|f| f.name).chain(AggregateOp::ALL.iter().map(|a| a.as_str()));
            let mut error = ParseError::new(name_span, format!("unknown function with name {word:?}"));
            if let Some(near) = nearest(word, names) {
                error = error.hint(format!("did you mean `{near}`?"));
            }
            return Err(error);
        };
        if known.experimental && !self.options.experimental_functions {
            let message = format!("function {word:?} is not enabled");
            return Err(ParseError::new(name_span, message)
                .hint("it is experimental: enable promql-experimental-functions"));
        }
        self.advance();
        let args = self.arguments(depth)?;
        let span = name_span.to(self.before());
        Ok(Expr { kind: ExprKind::Call { func: known.name, name_span, args }, span })
    }

    /// `[…]`, `offset`, `@`, `anchored`, `smoothed`, in any order that makes sense.
    fn postfix(&mut self, mut expr: Expr) -> Result<Expr> {
        loop {
            if self.is_op("[") {
                expr = self.bracket(expr)?;
            } else if self.is_word("offset") {
                self.advance();
                let offset = self.offset_duration()?;
                self.set_offset(&mut expr, offset)?;
            } else if self.is_op("@") {
                self.advance();
                let at = self.at_modifier()?;
                self.set_at(&mut expr, at)?;
            } else if self.is_word("anchored") || self.is_word("smoothed") {
                self.extended(&mut expr)?;
            } else {
                return Ok(expr);
            }
            expr.span = expr.span.to(self.before());
        }
    }

    fn bracket(&mut self, expr: Expr) -> Result<Expr> {
        let open = self.peek().span;
        self.advance();
        let range = self.range_duration()?;
        if self.take_op("]") {
            let span = expr.span.to(self.before());
            let ExprKind::Selector(selector) = expr.kind else {
                return Err(ParseError::new(span, "ranges only allowed for vector selectors")
                    .hint("a subquery needs a colon: (…)[5m:]"));
            };
            if selector.offset.is_some() || selector.at.is_some() {
                let what = if selector.offset.is_some() { "offset" } else { "@" };
                let message = format!("no {what} modifiers allowed before range");
                return Err(ParseError::new(open.to(self.before()), message)
                    .hint(format!("write the range first: metric[5m] {what} …")));
            }
            return Ok(Expr { kind: ExprKind::Range { selector, range }, span });
        }
        self.expect_op(":", "`]`, or `:` and the step of a subquery")?;
        let step = if self.is_op("]") { None } else { Some(self.range_duration()?) };
        self.expect_op("]", "a closing bracket")?;
        let span = expr.span.to(self.before());
        let kind = ExprKind::Subquery { expr: Box::new(expr), range, step, offset: None, at: None };
        Ok(Expr { kind, span })
    }

    fn set_offset(&self, expr: &mut Expr, offset: DurationExpr) -> Result<()> {
        let span = expr.span;
        let place = match &mut expr.kind {
            ExprKind::Selector(s) | ExprKind::Range { selector: s, .. } => &mut s.offset,
            ExprKind::Subquery { offset, .. } => offset,
            _ => {
                return Err(ParseError::new(
                    span,
                    "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery",
                ));
            }
        };
        if place.is_some() {
            return Err(ParseError::new(span.to(self.before()), "offset may not be set multiple times"));
        }
        *place = Some(offset);
        Ok(())
    }

    fn at_modifier(&mut self) -> Result<At> {
        if self.is_word("start") || self.is_word("end") {
            let start = self.is_word("start");
            self.advance();
            self.expect_op("(", "a parenthesis")?;
            self.expect_op(")", "a closing parenthesis")?;
            return Ok(if start { At::Start } else { At::End });
        }
        let from = self.peek().span;
        let seconds = self.signed_number()?;
        let ms = (seconds * 1000.0).round();
        if !ms.is_finite() || ms >= i64::MAX as f64 || ms <= i64::MIN as f64 {
            let message = format!("timestamp out of bounds for @ modifier: {seconds}");
            return Err(ParseError::new(from.to(self.before()), message));
        }
        Ok(At::Time(Timestamp(ms as i64)))
    }

    fn set_at(&self, expr: &mut Expr, new: At) -> Result<()> {
        let span = expr.span;
        let place = match &mut expr.kind {
            ExprKind::Selector(s) | ExprKind::Range { selector: s, .. } => &mut s.at,
            ExprKind::Subquery { at, .. } => at,
            _ => {
                return Err(ParseError::new(
                    span,
                    "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery",
                ));
            }
        };
        if place.is_some() {
            return Err(ParseError::new(
                span.to(self.before()),
                "@ <timestamp> may not be set multiple times",
            ));
        }
        *place = Some(new);
        Ok(())
    }

    fn extended(&mut self, expr: &mut Expr) -> Result<()> {
        let span = self.peek().span;
        let kind = if self.is_word("anchored") { Extended::Anchored } else { Extended::Smoothed };
        let word = self.word().to_ascii_lowercase();
        if !self.options.extended_range_selectors {
            return Err(ParseError::new(span, format!("{word} modifier is experimental and not enabled")));
        }
        let place = match (&mut expr.kind, kind) {
            (ExprKind::Range { selector, .. }, _) => &mut selector.extended,
            (ExprKind::Selector(s), Extended::Smoothed) => &mut s.extended,
            (ExprKind::Subquery { .. }, _) => {
                return Err(ParseError::new(
                    span,
                    format!("{word} modifier is not supported for subqueries"),
                ));
            }
            _ => {
                let message = format!("{word} modifier must be preceded by a range selector");
                return Err(ParseError::new(span, message));
            }
        };
        if place.is_some() {
            let message = "anchored and smoothed modifiers cannot be used together or twice";
            return Err(ParseError::new(span, message));
        }
        *place = Some(kind);
        self.advance();
        Ok(())
    }
}

fn fills(matching: &VectorMatching) -> bool {
    matching.fill_left.is_some() || matching.fill_right.is_some()
}

fn named_number(word: &str) -> Option<f64> {
    match word.to_ascii_lowercase().as_str() {
        "inf" => Some(f64::INFINITY),
        "nan" => Some(f64::NAN),
        _ => None,
    }
}
