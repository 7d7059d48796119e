//! From text to tokens, each with its place.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    LeftDelim,
    RightDelim,
    Space,
    Word,
    Keyword,
    /// `true` or `false`
    Bool,
    Dot,
    /// `.Name`
    Field,
    /// `$name`
    Variable,
    Str,
    RawStr,
    Char,
    Number,
    /// `=`
    Assign,
    /// `:=`
    Declare,
    Pipe,
    LeftParen,
    RightParen,
    /// Another character, such as a comma.
    Other,
    /// What is wrong is in [`Lexed::error`].
    Error,
    Eof,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// All tokens; the last is `Eof` or `Error`.
#[derive(Debug, Default)]
pub(super) struct Lexed {
    pub(super) tokens: Vec<Token>,
    pub(super) error: String,
}

const KEYWORDS: [&str; 11] =
    ["block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template", "with"];

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    out: Lexed,
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Splits a text.
pub(super) fn lex(text: &str) -> Lexed {
    let mut lexer = Lexer { text, at: 0, out: Lexed::default() };
    let end = match lexer.run() {
        Ok(()) => Kind::Eof,
        Err(message) => {
            lexer.out.error = message;
            Kind::Error
        }
    };
    lexer.out.tokens.push(Token { kind: end, start: lexer.at, end: lexer.at });
    lexer.out
}

impl Lexer<'_> {
    fn run(&mut self) -> Result<(), String> {
        while let Some(i) = self.text[self.at..].find("{{") {
            let delim = self.at + i;
            let trim =
                self.text[delim + 2..].strip_prefix('-').is_some_and(|rest| rest.starts_with(is_space));
            let before = &self.text[self.at..delim];
            let kept = if trim { before.trim_end_matches(is_space).len() } else { before.len() };
            self.push_text(self.at + kept);
            let after = delim + if trim { 3 } else { 2 };
            let inside = &self.text[after..];
            // A trim marker includes the blank after it, so that a comment may follow directly.
            let comment = if trim { inside[1..].starts_with("/*") } else { inside.starts_with("/*") };
            if comment {
                self.at = delim;
                self.comment(after + usize::from(trim))?;
            } else {
                self.out.tokens.push(Token { kind: Kind::LeftDelim, start: delim, end: after });
                self.at = after;
                self.action()?;
            }
        }
        self.push_text(self.text.len());
        self.at = self.text.len();
        Ok(())
    }

    fn push_text(&mut self, end: usize) {
        if end > self.at {
            self.out.tokens.push(Token { kind: Kind::Text, start: self.at, end });
        }
    }

    fn comment(&mut self, open: usize) -> Result<(), String> {
        let Some(close) = self.text[open..].find("*/") else { return Err("unclosed comment".to_owned()) };
        self.at = open + close + 2;
        let Some((len, trim)) = self.right_delim() else {
            return Err("comment ends before closing delimiter".to_owned());
        };
        self.leave(len, trim);
        Ok(())
    }

    /// The length of a closing delimiter here, and whether it trims.
    fn right_delim(&self) -> Option<(usize, bool)> {
        let rest = &self.text[self.at..];
        if rest.starts_with("}}") {
            return Some((2, false));
        }
        let trims = rest.starts_with(is_space) && rest[1..].starts_with("-}}");
        trims.then_some((4, true))
    }

    fn leave(&mut self, len: usize, trim: bool) {
        self.at += len;
        if trim {
            self.at = self.text.len() - self.text[self.at..].trim_start_matches(is_space).len();
        }
    }

    fn action(&mut self) -> Result<(), String> {
        let mut parens = 0usize;
        loop {
            let start = self.at;
            if let Some((len, trim)) = self.right_delim() {
                if parens > 0 {
                    return Err("unclosed left paren".to_owned());
                }
                self.out.tokens.push(Token { kind: Kind::RightDelim, start, end: start + len });
                self.leave(len, trim);
                return Ok(());
            }
            let Some(c) = self.text[start..].chars().next() else { return Err("unclosed action".to_owned()) };
            let kind = self.token(c, &mut parens)?;
            self.out.tokens.push(Token { kind, start, end: self.at });
        }
    }

    fn token(&mut self, c: char, parens: &mut usize) -> Result<Kind, String> {
        let start = self.at;
        let next = self.text.as_bytes().get(start + c.len_utf8()).copied().unwrap_or_default();
        self.at += c.len_utf8();
        match c {
            c if is_space(c) => {
                // The blank of a trimming delimiter belongs to the delimiter.
                while self.text[self.at..].starts_with(is_space) && self.right_delim().is_none() {
                    self.at += 1;
                }
                Ok(Kind::Space)
            }
            '=' => Ok(Kind::Assign),
            ':' if next == b'=' => {
                self.at += 1;
                Ok(Kind::Declare)
            }
            ':' => Err("expected :=".to_owned()),
            '|' => Ok(Kind::Pipe),
            '"' => self.quoted('"', "unterminated quoted string").map(|()| Kind::Str),
            '\'' => self.quoted('\'', "unterminated character constant").map(|()| Kind::Char),
            '`' => {
                let Some(end) = self.text[self.at..].find('`') else {
                    return Err("unterminated raw quoted string".to_owned());
                };
                self.at += end + 1;
                Ok(Kind::RawStr)
            }
            '.' if !next.is_ascii_digit() => {
                self.name().map(|found| if found { Kind::Field } else { Kind::Dot })
            }
            '$' => self.name().map(|_| Kind::Variable),
            '+' | '-' | '.' | '0'..='9' => self.number(start),
            '(' => {
                *parens += 1;
                Ok(Kind::LeftParen)
            }
            ')' => {
                let Some(left) = parens.checked_sub(1) else {
                    return Err("unexpected right paren".to_owned());
                };
                *parens = left;
                Ok(Kind::RightParen)
            }
            c if is_word(c) => {
                self.name()?;
                let word = &self.text[start..self.at];
                Ok(match word {
                    "true" | "false" => Kind::Bool,
                    _ if KEYWORDS.contains(&word) => Kind::Keyword,
                    _ => Kind::Word,
                })
            }
            c if c.is_ascii_graphic() => Ok(Kind::Other),
            c => Err(format!("unrecognized character in action: {}", shown(c))),
        }
    }

    /// Takes the rest of a name; whether there was any.
    fn name(&mut self) -> Result<bool, String> {
        let rest = &self.text[self.at..];
        let len = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        self.at += len;
        let rest = &rest[len..];
        match rest.chars().next() {
            Some(c) if !is_space(c) && !".,|:()".contains(c) && !rest.starts_with("}}") => {
                Err(format!("bad character {}", shown(c)))
            }
            _ => Ok(len > 0),
        }
    }

    fn quoted(&mut self, quote: char, unterminated: &str) -> Result<(), String> {
        let mut chars = self.text[self.at..].char_indices();
        while let Some((i, c)) = chars.next() {
            match c {
                '\\' if chars.next().is_some_and(|(_, c)| c != '\n') => {}
                '\\' | '\n' => break,
                c if c == quote => {
                    self.at += i + 1;
                    return Ok(());
                }
                _ => {}
            }
        }
        Err(unterminated.to_owned())
    }

    /// Takes what looks like a number; whether it is one is seen when it is read.
    fn number(&mut self, start: usize) -> Result<Kind, String> {
        let bytes = self.text.as_bytes();
        let hex = bytes[start..]
            .iter()
            .skip_while(|b| matches!(b, b'+' | b'-'))
            .take(2)
            .any(|b| matches!(b, b'x' | b'X'));
        let mut at = start + 1;
        while let Some(b) = bytes.get(at) {
            let exponent_sign = matches!(b, b'+' | b'-')
                && match bytes[at - 1] {
                    b'e' | b'E' => !hex,
                    b'p' | b'P' => hex,
                    _ => false,
                };
            if b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.') || exponent_sign {
                at += 1;
            } else {
                break;
            }
        }
        self.at = at;
        let follows = self.text[at..].chars().next().filter(|c| is_word(*c));
        let text = &self.text[start..at + follows.map_or(0, char::len_utf8)];
        if follows.is_some() || !text.contains(|c: char| c.is_ascii_digit()) {
            return Err(format!("bad number syntax: {text:?}"));
        }
        Ok(Kind::Number)
    }
}

/// A character as Go's `%#U` shows it.
fn shown(c: char) -> String {
    if c.is_control() { format!("U+{:04X}", c as u32) } else { format!("U+{:04X} '{c}'", c as u32) }
}
