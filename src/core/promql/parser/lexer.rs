//! Tokens. The lexer knows two places in which other rules hold: braces (`=` compares, names have no colon) and
//! brackets (a colon separates range and step).

use super::{ParseError, strings::unquote};
use crate::{diag::Span, model::Duration};

/// A token.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Span,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// A name or keyword, as written.
    Ident,
    Number(f64),
    Duration(Duration),
    String(Vec<u8>),
    /// An operator or a bracket.
    Op(&'static str),
    End,
}

const OUTSIDE: &[&str] = &[
    "==", "!=", "<=", ">=", "</", ">/", "<", ">", "=~", "!~", "=", "+", "-", "*", "/", "%", "^", "(", ")",
    "{", "}", "[", "]", ",", "@", ":",
];
const IN_BRACES: &[&str] = &["=~", "!~", "!=", "=", ",", "}", "{", "(", ")"];

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    braces: bool,
    /// Depth of parentheses inside brackets plus one; 0 outside.
    brackets: bool,
    open: Vec<(char, usize)>,
}

/// All tokens, with `End` last.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, ParseError> {
    let mut lexer = Lexer { text, at: 0, braces: false, brackets: false, open: Vec::new() };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next()?;
        let end = token.kind == Kind::End;
        tokens.push(token);
        if end {
            return Ok(tokens);
        }
    }
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn token(&mut self, kind: Kind, len: usize) -> Token {
        let span = Span::new(self.at, self.at + len);
        self.at += len;
        Token { kind, span }
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
            self.at += blanks;
            if !self.rest().starts_with('#') {
                return;
            }
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
    }

    fn next(&mut self) -> Result<Token, ParseError> {
        self.skip_blanks();
        let Some(first) = self.rest().chars().next() else { return self.end() };
        let second = self.rest().chars().nth(1);
        match first {
            '"' | '\'' | '`' => self.string(first),
            '0'..='9' => self.number(),
            '.' if second.is_some_and(|c| c.is_ascii_digit()) => self.number(),
            c if c.is_ascii_alphabetic() || c == '_' => Ok(self.ident()),
            ':' if !self.braces && !self.brackets => Ok(self.ident()),
            _ => self.operator(first),
        }
    }

    fn end(&mut self) -> Result<Token, ParseError> {
        let here = Span::new(self.at, self.at);
        if let Some((open, at)) = self.open.last() {
            let close = closing(*open);
            let name = match open {
                '(' => "parenthesis",
                '[' => "bracket",
                _ => "brace",
            };
            let message = format!("unclosed left {name}");
            let hint = format!("add `{close}`");
            return Err(ParseError::new(Span::new(*at, at + 1), message)
                .expected(format!("a `{close}` for this before the end"))
                .hint(hint));
        }
        Ok(Token { kind: Kind::End, span: here })
    }

    fn string(&mut self, quote: char) -> Result<Token, ParseError> {
        let start = self.at;
        let inside = &self.text[start + 1..];
        let mut escaped = false;
        let close = inside.char_indices().find(|(_, c)| {
            let closes = *c == quote && !escaped;
            escaped = *c == '\\' && !escaped && quote != '`';
            closes || (*c == '\n' && quote != '`')
        });
        let Some((len, _)) = close.filter(|(_, c)| *c == quote) else {
            let end = start + 1 + close.map_or(inside.len(), |(i, _)| i);
            return Err(ParseError::new(Span::new(start, end), "unterminated quoted string")
                .expected(format!("a closing {quote}")));
        };
        match unquote(&inside[..len], quote) {
            Ok(bytes) => Ok(self.token(Kind::String(bytes), len + 2)),
            Err(at) => {
                let at = start + 1 + at;
                Err(ParseError::new(Span::new(at, at + 1), "unknown escape sequence in string")
                    .hint("write `\\\\` for a backslash, or use a raw string in backquotes"))
            }
        }
    }

    /// Digits and what follows them: a number or a duration.
    fn number(&mut self) -> Result<Token, ParseError> {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let hex = rest.get(..2).is_some_and(|p| p.eq_ignore_ascii_case("0x"));
        let mut len = 0;
        while let Some(&b) = bytes.get(len) {
            let after_e = len > 0 && !hex && matches!(bytes[len - 1], b'e' | b'E');
            let sign = matches!(b, b'+' | b'-')
                && after_e
                && bytes[..len - 1].iter().all(|b| b"0123456789._".contains(b));
            if !(b.is_ascii_alphanumeric() || b == b'.' || b == b'_' || sign) {
                break;
            }
            len += 1;
        }
        let text = &rest[..len];
        if let Some(number) = parse_number(text) {
            return Ok(self.token(Kind::Number(number), len));
        }
        if let Ok(duration) = text.parse::<Duration>() {
            return Ok(self.token(Kind::Duration(duration), len));
        }
        let span = Span::new(self.at, self.at + len);
        let mut error = ParseError::new(span, format!("bad number or duration syntax: {text:?}"))
            .expected("a number, or a duration such as 5m or 1h30m");
        if text.bytes().filter(|b| *b == b'.').count() == 1
            && text.ends_with(|c: char| c.is_ascii_alphabetic())
        {
            error = error.hint("durations have whole numbers: write 1h30m for 1.5h");
        }
        Err(error)
    }

    fn ident(&mut self) -> Token {
        let colon = !self.braces && !self.brackets;
        let len = self
            .rest()
            .bytes()
            .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_' || (colon && *b == b':'))
            .count();
        self.token(Kind::Ident, len)
    }

    fn operator(&mut self, first: char) -> Result<Token, ParseError> {
        let known = if self.braces { IN_BRACES } else { OUTSIDE };
        let Some(op) = known.iter().find(|op| self.rest().starts_with(**op)) else {
            let span = Span::new(self.at, self.at + first.len_utf8());
            let place = if self.braces { " inside braces" } else { "" };
            let mut error = ParseError::new(span, format!("unexpected character{place}: {first:?}"));
            match first {
                '“' | '”' | '‘' | '’' => error = error.hint("use straight quotes: \""),
                '&' => error = error.hint("write `and`"),
                '|' => error = error.hint("write `or`"),
                '!' => {
                    error = error.hint("write `!=` or `!~`; to invert a condition, compare the other way");
                }
                _ => {}
            }
            return Err(error);
        };
        let token = self.token(Kind::Op(op), op.len());
        self.nest(op, token.span)?;
        Ok(token)
    }

    fn nest(&mut self, op: &str, span: Span) -> Result<(), ParseError> {
        match op {
            "(" | "[" | "{" => {
                if op == "{" && self.braces {
                    return Err(ParseError::new(span, "unexpected left brace inside braces"));
                }
                self.open.push((char::from(op.as_bytes()[0]), span.start));
            }
            ")" | "]" | "}" => {
                let matches =
                    self.open.pop().is_some_and(|(open, _)| closing(open) == char::from(op.as_bytes()[0]));
                if !matches {
                    return Err(ParseError::new(
                        span,
                        format!(
                            "unexpected right {}",
                            match op {
                                ")" => "parenthesis",
                                "]" => "bracket",
                                _ => "brace",
                            }
                        ),
                    )
                    .expected("closes nothing that is open"));
                }
            }
            _ => {}
        }
        self.braces = self.open.iter().any(|(c, _)| *c == '{');
        self.brackets = self.open.iter().any(|(c, _)| *c == '[');
        Ok(())
    }
}

fn closing(open: char) -> char {
    match open {
        '(' => ')',
        '[' => ']',
        _ => '}',
    }
}

/// Go's number syntax as PromQL takes it: decimal with exponent, hexadecimal and octal integers, `_` between digits.
pub(super) fn parse_number(text: &str) -> Option<f64> {
    if text.starts_with('_') || text.ends_with('_') || text.contains("__") {
        return None;
    }
    let plain = text.replace('_', "");
    if let Some(hex) = plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16).ok().map(|n| n as f64);
    }
    if plain.len() > 1 && plain.starts_with('0') && plain.bytes().all(|b| b.is_ascii_digit()) {
        return match u64::from_str_radix(&plain, 8) {
            Ok(n) => Some(n as f64),
            Err(_) => plain.parse().ok(),
        };
    }
    if !plain.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-')) {
        return None;
    }
    plain.parse().ok()
}
