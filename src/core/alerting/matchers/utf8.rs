//! The UTF-8 grammar (`matcher/parse`): optional braces, but both or none; names and values unquoted runs or Go
//! string literals; values required.

use crate::{
    diag::Span,
    model::{MatchOp, Matcher},
};

use super::Error;

/// Characters that an unquoted name or value can't have.
pub(super) fn is_reserved(c: char) -> bool {
    c.is_whitespace() || matches!(c, '{' | '}' | '!' | '=' | '~' | ',' | '\\' | '"' | '\'' | '`')
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Open,
    Close,
    Comma,
    Op(MatchOp),
    Quoted,
    Unquoted,
}

#[derive(Debug, Clone, Copy)]
struct Token {
    kind: Kind,
    span: Span,
}

/// Parses a whole list.
pub(super) fn parse(text: &str) -> Result<Vec<Matcher>, Error> {
    let mut p = Parser { text, tokens: Lexer { text, at: 0 }, peeked: Peeked::Nothing };
    let open = p.take_if(Kind::Open)?;
    let mut matchers = Vec::new();
    loop {
        match p.peek()? {
            None => break,
            Some(t) if t.kind == Kind::Close => break,
            Some(_) => matchers.push(p.matcher()?),
        }
        match p.peek()? {
            Some(t) if t.kind == Kind::Comma => {
                p.next()?;
            }
            None | Some(Token { kind: Kind::Close, .. }) => break,
            Some(t) => return Err(p.unexpected(t, "expected a comma or close brace")),
        }
    }
    let close = p.take_if(Kind::Close)?;
    match (open, close) {
        (true, false) => return Err(p.at_end("end of input: expected close brace")),
        (false, true) => return Err(p.at_end("}: expected opening brace")),
        _ => {}
    }
    match p.next()? {
        Some(t) => Err(p.unexpected(t, "expected end of input")),
        None => Ok(matchers),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Lexer<'a>,
    peeked: Peeked,
}

#[derive(Debug, Clone, Copy)]
enum Peeked {
    Nothing,
    End,
    Token(Token),
}

impl Parser<'_> {
    fn peek(&mut self) -> Result<Option<Token>, Error> {
        if matches!(self.peeked, Peeked::Nothing) {
            self.peeked = self.tokens.next()?.map_or(Peeked::End, Peeked::Token);
        }
        Ok(match self.peeked {
            Peeked::Token(token) => Some(token),
            Peeked::Nothing | Peeked::End => None,
        })
    }

    fn next(&mut self) -> Result<Option<Token>, Error> {
        let token = self.peek()?;
        self.peeked = Peeked::Nothing;
        Ok(token)
    }

    fn take_if(&mut self, kind: Kind) -> Result<bool, Error> {
        let there = self.peek()?.is_some_and(|t| t.kind == kind);
        if there {
            self.peeked = Peeked::Nothing;
        }
        Ok(there)
    }

    fn matcher(&mut self) -> Result<Matcher, Error> {
        let (name, name_span) = self.text_token("expected label name")?;
        if name.is_empty() {
            return Err(Error::new(name_span, "a label name can't be empty"));
        }
        let op = match self.next()? {
            Some(Token { kind: Kind::Op(op), .. }) => op,
            Some(t) => return Err(self.unexpected(t, "expected an operator such as '=', '!=', '=~' or '!~'")),
            None => {
                return Err(self.at_end("end of input: expected an operator such as '=', '!=', '=~' or '!~'"));
            }
        };
        let (value, value_span) = self.text_token("expected label value")?;
        Matcher::new(name, op, value)
            .map_err(|e| Error::new(value_span, format!("invalid regular expression: {e}")))
    }

    fn text_token(&mut self, expected: &str) -> Result<(String, Span), Error> {
        match self.next()? {
            Some(Token { kind: Kind::Unquoted, span }) => {
                Ok((self.text[span.start..span.end].to_owned(), span))
            }
            Some(Token { kind: Kind::Quoted, span }) => {
                match unquote(&self.text[span.start + 1..span.end - 1]) {
                    Some(value) => Ok((value, span)),
                    None => {
                        Err(Error::new(span, format!("{}: invalid input", &self.text[span.start..span.end])))
                    }
                }
            }
            Some(t) => Err(self.unexpected(t, expected)),
            None => Err(self.at_end(&format!("end of input: {expected}"))),
        }
    }

    fn unexpected(&self, token: Token, expected: &str) -> Error {
        let found = &self.text[token.span.start..token.span.end];
        Error::new(token.span, format!("unexpected {found}: {expected}"))
    }

    fn at_end(&self, message: &str) -> Error {
        Error::new(Span::new(self.text.len(), self.text.len()), message)
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl Lexer<'_> {
    fn next(&mut self) -> Result<Option<Token>, Error> {
        let rest = &self.text[self.at..];
        let trimmed = rest.trim_start();
        self.at += rest.len() - trimmed.len();
        let Some(first) = trimmed.chars().next() else { return Ok(None) };
        let (kind, len) = match first {
            '{' => (Kind::Open, 1),
            '}' => (Kind::Close, 1),
            ',' => (Kind::Comma, 1),
            '=' if trimmed.starts_with("=~") => (Kind::Op(MatchOp::Regex), 2),
            '=' => (Kind::Op(MatchOp::Equal), 1),
            '!' if trimmed.starts_with("!~") => (Kind::Op(MatchOp::NotRegex), 2),
            '!' if trimmed.starts_with("!=") => (Kind::Op(MatchOp::NotEqual), 2),
            '!' => return Err(self.invalid(1, "expected one of '=~' after '!'")),
            '"' => match quoted_len(trimmed) {
                Some(len) => (Kind::Quoted, len),
                None => return Err(self.invalid(trimmed.len(), "missing end \"")),
            },
            c if is_reserved(c) => return Err(self.invalid(c.len_utf8(), &format!("{c}: invalid input"))),
            _ => (Kind::Unquoted, trimmed.find(is_reserved).unwrap_or(trimmed.len())),
        };
        let span = Span::new(self.at, self.at + len);
        self.at += len;
        Ok(Some(Token { kind, span }))
    }

    fn invalid(&self, len: usize, message: &str) -> Error {
        Error::new(Span::new(self.at, self.at + len), message)
    }
}

/// Bytes of the quoted text at the start, quotes included; a backslash takes the next character with it.
fn quoted_len(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(i + 1),
            _ => {}
        }
    }
    None
}

/// The inside of a double-quoted Go string literal; `None` for an escape that Go doesn't know, a newline, or bytes
/// that are no UTF-8.
fn unquote(inside: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        match c {
            '\n' => return None,
            '\\' => unescape(&mut chars, &mut bytes)?,
            c => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    String::from_utf8(bytes).ok()
}

fn unescape(chars: &mut std::str::Chars<'_>, bytes: &mut Vec<u8>) -> Option<()> {
    let simple = match chars.next()? {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' => b'\\',
        '"' => b'"',
        'x' => digits(chars, 2, 16)? as u8,
        d @ '0'..='7' => {
            let rest = digits(chars, 2, 8)?;
            u8::try_from(d.to_digit(8)? * 64 + rest).ok()?
        }
        c @ ('u' | 'U') => {
            let code = char::from_u32(digits(chars, if c == 'u' { 4 } else { 8 }, 16)?)?;
            bytes.extend_from_slice(code.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(());
        }
        _ => return None,
    };
    bytes.push(simple);
    Some(())
}

fn digits(chars: &mut std::str::Chars<'_>, count: usize, radix: u32) -> Option<u32> {
    (0..count).try_fold(0u32, |n, _| Some(n.checked_mul(radix)? + chars.next()?.to_digit(radix)?))
}
