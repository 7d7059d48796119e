//! Series selectors: name, braces, matchers.

use std::sync::Arc;

use super::{ParseError, grammar::Parser, lexer::Kind};
use crate::{
    diag::Span,
    model::{METRIC_NAME, MatchOp, Matcher},
    promql::{Expr, ExprKind, Selector},
};

type Result<T> = std::result::Result<T, ParseError>;

impl Parser<'_> {
    /// A selector whose name (if it has one) is the current token.
    pub(super) fn selector(&mut self) -> Result<Expr> {
        let start = self.peek().span;
        let mut name: Option<Arc<str>> = None;
        if self.peek().kind == Kind::Ident {
            name = Some(self.word().into());
            self.advance();
        }
        let written_name = name.clone();
        let mut matchers = Vec::new();
        if self.is_op("{") {
            self.advance();
            self.matchers(&mut name, &mut matchers)?;
        }
        let span = start.to(self.before());
        if let Some(name) = &name {
            if let Some(other) = matchers.iter().find(|m| *m.name == *METRIC_NAME && written_name.is_some()) {
                let message = format!(
                    "metric name must not be set twice: {:?} or {:?}",
                    name.as_ref(),
                    other.value.as_ref()
                );
                return Err(ParseError::new(span, message));
            }
            matchers.insert(0, Matcher::equal(METRIC_NAME, Arc::clone(name)));
        }
        let selector = Selector { name, matchers, offset: None, at: None, extended: None };
        Ok(Expr { kind: ExprKind::Selector(selector), span })
    }

    fn matchers(&mut self, name: &mut Option<Arc<str>>, matchers: &mut Vec<Matcher>) -> Result<()> {
        while !self.take_op("}") {
            self.matcher(name, matchers)?;
            if self.take_op("}") {
                return Ok(());
            }
            if !self.take_op(",") {
                return Err(self.unexpected("label matching", "a comma or `}`"));
            }
        }
        Ok(())
    }

    /// `label="value"`, `"quoted label"="value"`, or `"metric name"` alone.
    fn matcher(&mut self, name: &mut Option<Arc<str>>, matchers: &mut Vec<Matcher>) -> Result<()> {
        let token = self.peek().clone();
        let label: Arc<str> = match &token.kind {
            Kind::Ident => self.word().into(),
            Kind::String(bytes) => utf8(bytes, token.span)?,
            _ => return Err(self.unexpected("label matching", "a label name")),
        };
        self.advance();
        let quoted = matches!(token.kind, Kind::String(_));
        if quoted && (self.is_op(",") || self.is_op("}")) {
            if let Some(first) = name {
                let message = format!(
                    "metric name must not be set twice: {:?} or {:?}",
                    first.as_ref(),
                    label.as_ref()
                );
                return Err(ParseError::new(token.span, message));
            }
            if label.is_empty() {
                return Err(ParseError::new(token.span, "metric name must not be empty"));
            }
            *name = Some(label);
            return Ok(());
        }
        let ops = [
            ("=", MatchOp::Equal),
            ("!=", MatchOp::NotEqual),
            ("=~", MatchOp::Regex),
            ("!~", MatchOp::NotRegex),
        ];
        let Some(op) = self.take_one(&ops) else {
            let error = self.unexpected("label matching", "one of = != =~ !~");
            return Err(error);
        };
        let value_token = self.peek().clone();
        let Kind::String(bytes) = &value_token.kind else {
            let mut error = self.unexpected("label matching", "a quoted value");
            if matches!(value_token.kind, Kind::Ident | Kind::Number(_) | Kind::Duration(_)) {
                error = error.hint(format!("write {}=\"{}\"", label, self.word()));
            }
            return Err(error);
        };
        let value = utf8(bytes, value_token.span)?;
        self.advance();
        let matcher = Matcher::new(label, op, value)
            .map_err(|e| ParseError::new(value_token.span, e.to_string()).expected("a regular expression"))?;
        matchers.push(matcher);
        Ok(())
    }

    /// `(a, "b", c,)`: the names and the span.
    pub(super) fn label_list(&mut self, what: &'static str) -> Result<Vec<Arc<str>>> {
        self.expect_op("(", "a parenthesis and label names")?;
        let mut names = Vec::new();
        while !self.take_op(")") {
            let token = self.peek().clone();
            let name: Arc<str> = match &token.kind {
                Kind::Ident if !self.word().contains(':') => self.word().into(),
                Kind::String(bytes) if !bytes.is_empty() => utf8(bytes, token.span)?,
                _ => return Err(self.unexpected(what, "a label name")),
            };
            self.advance();
            names.push(name);
            if !self.is_op(")") {
                self.expect_op(",", "a comma or `)`")?;
            }
        }
        Ok(names)
    }
}

fn utf8(bytes: &[u8], span: Span) -> Result<Arc<str>> {
    std::str::from_utf8(bytes).map(Arc::from).map_err(|_| ParseError::new(span, "string is not valid UTF-8"))
}
