//! The parser of RE2 syntax, with Go's choices (`regexp/syntax` with the flags of `regexp.Compile`).

use super::{
    ast::{Look, Node},
    class::{self, Class, Item},
    error::{Error, Kind},
};

/// Groups and repetitions within each other.
const DEPTH_MAX: u32 = 200;
/// A repetition's count, and the product of those within each other.
const REPEAT_MAX: u32 = 1000;

/// The flags in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Flags {
    /// `i`
    pub fold: bool,
    /// `m`: `^` and `$` at lines.
    pub multi_line: bool,
    /// `s`
    pub dot_newline: bool,
    /// `U`: `*` is lazy, `*?` greedy.
    pub swap_greed: bool,
}

/// Parses a pattern that begins under the given flags.
pub(super) fn parse(pattern: &str, flags: Flags) -> Result<Node, Error> {
    let mut parser = Parser {
        pattern,
        rest: pattern,
        flags,
        group: Group::new(GroupKind::Plain, flags),
        outer: Vec::new(),
    };
    let mut last_repeat = None;
    while !parser.rest.is_empty() {
        last_repeat = parser.step(last_repeat)?;
    }
    if parser.outer.is_empty() {
        Ok(parser.group.finish().node)
    } else {
        Err(Error::new(Kind::MissingParen, pattern, 0))
    }
}

/// A node with what its repetition must know.
struct Part {
    node: Node,
    /// Groups and repetitions within each other.
    depth: u32,
    /// The largest product of counts of repetitions within each other; 0 when it can't grow.
    weight: u32,
}

impl Part {
    fn leaf(node: Node) -> Self {
        Self { node, depth: 0, weight: 1 }
    }
}

enum GroupKind {
    /// Not capturing.
    Plain,
    Capture(Option<String>),
}

/// An open parenthesis and what came since.
struct Group {
    kind: GroupKind,
    /// The flags outside.
    flags: Flags,
    branches: Vec<Part>,
    concat: Vec<Part>,
}

impl Group {
    fn new(kind: GroupKind, flags: Flags) -> Self {
        Self { kind, flags, branches: Vec::new(), concat: Vec::new() }
    }

    fn end_branch(&mut self) {
        let parts = std::mem::take(&mut self.concat);
        self.branches.push(join(parts, Node::Concat));
    }

    fn finish(mut self) -> Part {
        self.end_branch();
        let part = join(self.branches, Node::Alternate);
        match self.kind {
            GroupKind::Plain => part,
            GroupKind::Capture(name) => {
                Part { node: Node::Capture { node: Box::new(part.node), name }, ..part }
            }
        }
    }
}

fn join(mut parts: Vec<Part>, wrap: fn(Vec<Node>) -> Node) -> Part {
    match parts.len() {
        0 => Part::leaf(Node::Empty),
        1 => parts.remove(0),
        _ => Part {
            depth: parts.iter().map(|p| p.depth).max().unwrap_or(0),
            weight: parts.iter().map(|p| p.weight).max().unwrap_or(1),
            node: wrap(parts.into_iter().map(|p| p.node).collect()),
        },
    }
}

struct Parser<'a> {
    pattern: &'a str,
    rest: &'a str,
    flags: Flags,
    group: Group,
    outer: Vec<Group>,
}

impl<'a> Parser<'a> {
    /// Takes one element; returns where it began if it was a repetition operator.
    fn step(&mut self, last_repeat: Option<&'a str>) -> Result<Option<&'a str>, Error> {
        let at = self.rest;
        let Some(c) = at.chars().next() else { return Ok(None) };
        match c {
            '(' if at.starts_with("(?") => self.perl_group()?,
            '(' => {
                self.advance(1);
                self.open(GroupKind::Capture(None))?;
            }
            '|' => {
                self.advance(1);
                self.group.end_branch();
            }
            ')' => self.close()?,
            '^' if self.flags.multi_line => self.single(Node::Look(Look::LineStart)),
            '^' => self.single(Node::Look(Look::TextStart)),
            '$' if self.flags.multi_line => self.single(Node::Look(Look::LineEnd)),
            '$' => self.single(Node::Look(Look::TextEnd)),
            '.' => self.single(Node::Any { newline: self.flags.dot_newline }),
            '[' => self.class()?,
            '*' | '+' | '?' => {
                self.advance(1);
                let (min, max) = match c {
                    '*' => (0, None),
                    '+' => (1, None),
                    _ => (0, Some(1)),
                };
                self.repeat(at, min, max, last_repeat, false)?;
                return Ok(Some(at));
            }
            '{' => return self.counted(last_repeat),
            '\\' => self.backslash()?,
            _ => {
                self.advance(c.len_utf8());
                self.literal(c as u32);
            }
        }
        Ok(None)
    }

    fn advance(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    /// The error about everything from `from` to where the parser stands.
    fn error(&self, kind: Kind, from: &'a str) -> Error {
        let fragment = &from[..from.len() - self.rest.len()];
        Error::new(kind, fragment, self.offset(from))
    }

    fn offset(&self, of: &str) -> usize {
        self.pattern.len() - of.len()
    }

    fn push(&mut self, node: Node) {
        self.group.concat.push(Part::leaf(node));
    }

    fn single(&mut self, node: Node) {
        self.advance(1);
        self.push(node);
    }

    fn literal(&mut self, code: u32) {
        let Some(c) = char::from_u32(code) else { return self.push(Node::Never) };
        let same = self.flags.fold;
        match self.group.concat.last_mut() {
            Some(Part { node: Node::Literal { text, fold }, .. }) if *fold == same => text.push(c),
            _ => self.push(Node::Literal { text: c.into(), fold: same }),
        }
    }

    fn open(&mut self, kind: GroupKind) -> Result<(), Error> {
        if self.outer.len() as u32 >= DEPTH_MAX {
            return Err(Error::new(Kind::Nesting, self.pattern, self.offset(self.rest)));
        }
        let group = Group::new(kind, self.flags);
        self.outer.push(std::mem::replace(&mut self.group, group));
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        let Some(outer) = self.outer.pop() else {
            return Err(Error::new(Kind::UnexpectedParen, self.pattern, self.offset(self.rest)));
        };
        self.advance(1);
        let group = std::mem::replace(&mut self.group, outer);
        self.flags = group.flags;
        let part = group.finish();
        let part = Part { depth: part.depth + 1, ..part };
        self.check_depth(&part)?;
        self.group.concat.push(part);
        Ok(())
    }

    fn check_depth(&self, part: &Part) -> Result<(), Error> {
        if part.depth > DEPTH_MAX {
            return Err(Error::new(Kind::Nesting, self.pattern, self.offset(self.rest)));
        }
        Ok(())
    }

    /// `{n}`, `{n,}`, `{n,m}`; anything else in braces stands for itself.
    fn counted(&mut self, last_repeat: Option<&'a str>) -> Result<Option<&'a str>, Error> {
        let at = self.rest;
        let Some((min, max, after)) = counts(at) else {
            self.advance(1);
            self.literal('{' as u32);
            return Ok(None);
        };
        self.rest = after;
        if min > REPEAT_MAX || max.is_some_and(|max| max > REPEAT_MAX || max < min) {
            return Err(self.error(Kind::RepeatSize, at));
        }
        self.repeat(at, min, max, last_repeat, true)?;
        Ok(Some(at))
    }

    /// Repeats the last part; `at` is where the operator began.
    fn repeat(
        &mut self,
        at: &'a str,
        min: u32,
        max: Option<u32>,
        last: Option<&'a str>,
        counted: bool,
    ) -> Result<(), Error> {
        let lazy = self.rest.starts_with('?');
        if lazy {
            self.advance(1);
        }
        if let Some(last) = last {
            return Err(self.error(Kind::RepeatOp, last));
        }
        let Some(inner) = self.last_element() else {
            return Err(self.error(Kind::RepeatArgument, at));
        };
        let times = if counted { max.unwrap_or(min) } else { 1 };
        let unlimited = counted && max == Some(0);
        let weight = if unlimited { 0 } else { inner.weight.saturating_mul(times.max(1)) };
        if counted && (min >= 2 || max.is_some_and(|m| m >= 2)) && weight > REPEAT_MAX {
            return Err(self.error(Kind::RepeatSize, at));
        }
        let greedy = lazy == self.flags.swap_greed;
        let node = Node::Repeat { node: Box::new(inner.node), min, max, greedy };
        let part = Part { node, depth: inner.depth + 1, weight };
        self.check_depth(&part)?;
        self.group.concat.push(part);
        Ok(())
    }

    /// Takes what an operator repeats: the last part, of a literal only its last character.
    fn last_element(&mut self) -> Option<Part> {
        if let Some(Part { node: Node::Literal { text, fold }, .. }) = self.group.concat.last_mut()
            && text.chars().nth(1).is_some()
        {
            let node = Node::Literal { text: text.pop()?.into(), fold: *fold };
            return Some(Part::leaf(node));
        }
        self.group.concat.pop()
    }

    /// `(?P<name>`, `(?<name>`, `(?flags)`, `(?flags:`.
    fn perl_group(&mut self) -> Result<(), Error> {
        let at = self.rest;
        let name_at = if at.starts_with("(?P<") && at.len() > 4 {
            Some(4)
        } else {
            (at.starts_with("(?<") && at.len() > 3).then_some(3)
        };
        if let Some(start) = name_at {
            let Some(end) = at.find('>') else {
                return Err(Error::new(Kind::NamedCapture, at, self.offset(at)));
            };
            self.advance(end + 1);
            let name = at.get(start..end).unwrap_or_default();
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                return Err(self.error(Kind::NamedCapture, at));
            }
            return self.open(GroupKind::Capture(Some(name.to_owned())));
        }
        self.advance(2);
        self.flag_group(at)
    }

    fn flag_group(&mut self, at: &'a str) -> Result<(), Error> {
        let mut flags = self.flags;
        let mut value = true;
        let mut seen = true; // whether a minus was followed by a flag
        while let Some(c) = self.rest.chars().next() {
            self.advance(c.len_utf8());
            match c {
                'i' => flags.fold = value,
                'm' => flags.multi_line = value,
                's' => flags.dot_newline = value,
                'U' => flags.swap_greed = value,
                '-' if value => (value, seen) = (false, false),
                ':' | ')' if seen => {
                    if c == ':' {
                        self.open(GroupKind::Plain)?;
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => break,
            }
            seen |= c != '-';
        }
        Err(self.error(Kind::PerlOp, at))
    }

    fn backslash(&mut self) -> Result<(), Error> {
        let at = self.rest;
        let look = match at.as_bytes().get(1) {
            Some(b'A') => Look::TextStart,
            Some(b'z') => Look::TextEnd,
            Some(b'b') => Look::WordBoundary,
            Some(b'B') => Look::NotWordBoundary,
            Some(b'Q') => {
                self.quoted();
                return Ok(());
            }
            _ => {
                if let Some(item) = self.class_escape()? {
                    let class = Class { negated: false, items: vec![item] };
                    self.push(Node::Class { class, fold: self.flags.fold });
                } else {
                    let code = self.escape()?;
                    self.literal(code);
                }
                return Ok(());
            }
        };
        self.advance(2);
        self.push(Node::Look(look));
        Ok(())
    }

    /// `\Q…\E`; without an end it goes to the pattern's end.
    fn quoted(&mut self) {
        let body = self.rest.get(2..).unwrap_or_default();
        let (text, rest) = body.split_once(r"\E").unwrap_or((body, ""));
        text.chars().for_each(|c| self.literal(c as u32));
        self.rest = rest;
    }

    /// `\d`, `\pL`, `\p{Greek}` and their negations; `None` when something else follows the backslash.
    fn class_escape(&mut self) -> Result<Option<Item>, Error> {
        let at = self.rest;
        match at.as_bytes().get(1) {
            Some(b'p' | b'P') => self.unicode_class().map(Some),
            Some(&letter) => {
                let item = class::perl(letter as char);
                if item.is_some() {
                    self.advance(2);
                }
                Ok(item)
            }
            None => Ok(None),
        }
    }

    fn unicode_class(&mut self) -> Result<Item, Error> {
        let at = self.rest;
        let body = at.get(2..).unwrap_or_default();
        let name = if let Some(braced) = body.strip_prefix('{') {
            let Some(end) = braced.find('}') else {
                return Err(Error::new(Kind::CharRange, at, self.offset(at)));
            };
            self.advance(2 + 1 + end + 1);
            braced.get(..end).unwrap_or_default()
        } else {
            let len = body.chars().next().map_or(0, char::len_utf8);
            self.advance(2 + len);
            body.get(..len).unwrap_or_default()
        };
        let (inverse, name) = name.strip_prefix('^').map_or((false, name), |n| (true, n));
        class::unicode(name, at.starts_with(r"\P") != inverse).ok_or_else(|| self.error(Kind::CharRange, at))
    }

    /// One escaped character, as its code point.
    fn escape(&mut self) -> Result<u32, Error> {
        let at = self.rest;
        self.advance(1);
        let Some(c) = self.rest.chars().next() else {
            return Err(Error::new(Kind::TrailingBackslash, "", self.offset(at)));
        };
        self.advance(c.len_utf8());
        let simple = match c {
            // A single digit from 1 on would be a back reference: not supported.
            '1'..='7' if !self.rest.starts_with(|d| matches!(d, '0'..='7')) => None,
            '0'..='7' => Some(self.octal(c as u32 - '0' as u32)),
            'x' => self.hex(),
            'a' => Some(7),
            'f' => Some(12),
            'n' => Some(10),
            'r' => Some(13),
            't' => Some(9),
            'v' => Some(11),
            _ if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(c as u32),
            _ => None,
        };
        simple.ok_or_else(|| self.error(Kind::Escape, at))
    }

    /// Up to two more octal digits.
    fn octal(&mut self, first: u32) -> u32 {
        let mut value = first;
        for _ in 0..2 {
            let Some(digit) = self.rest.chars().next().and_then(|c| c.to_digit(8)) else { break };
            value = value * 8 + digit;
            self.advance(1);
        }
        value
    }

    /// After `\x`: two digits, or any number in braces.
    fn hex(&mut self) -> Option<u32> {
        if !self.rest.starts_with('{') {
            let (high, low) = (self.next_char()?, self.next_char()?);
            return Some(high.to_digit(16)? * 16 + low.to_digit(16)?);
        }
        self.advance(1);
        let mut value = None;
        loop {
            let c = self.next_char()?;
            if c == '}' {
                return value;
            }
            let next = value.unwrap_or(0) * 16 + c.to_digit(16)?;
            value = Some(next).filter(|v| *v <= 0x10_ffff);
            value?;
        }
    }

    fn next_char(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.advance(c.len_utf8());
        Some(c)
    }

    fn class(&mut self) -> Result<(), Error> {
        let at = self.rest;
        self.advance(1);
        let negated = self.rest.starts_with('^');
        self.advance(usize::from(negated));
        let mut items = Vec::new();
        let mut first = true;
        while first || !self.rest.starts_with(']') {
            first = false;
            items.push(self.class_item(at)?);
        }
        self.advance(1);
        self.push(Node::Class { class: Class { negated, items }, fold: self.flags.fold });
        Ok(())
    }

    fn class_item(&mut self, whole: &'a str) -> Result<Item, Error> {
        let at = self.rest;
        if let Some(end) = at.strip_prefix("[:").and_then(|body| body.find(":]")) {
            self.advance(2 + end + 2);
            let name = at.get(2..2 + end).unwrap_or_default();
            return class::posix(name).ok_or_else(|| self.error(Kind::CharRange, at));
        }
        if at.starts_with('\\')
            && let Some(item) = self.class_escape()?
        {
            return Ok(item);
        }
        let lo = self.class_char(whole)?;
        if !self.rest.starts_with('-') || self.rest.starts_with("-]") || self.rest.len() < 2 {
            return Ok(Item::Range(lo, lo));
        }
        self.advance(1);
        let hi = self.class_char(whole)?;
        if hi < lo { Err(self.error(Kind::CharRange, at)) } else { Ok(Item::Range(lo, hi)) }
    }

    fn class_char(&mut self, whole: &'a str) -> Result<u32, Error> {
        match self.rest.chars().next() {
            None => Err(Error::new(Kind::MissingBracket, whole, self.offset(whole))),
            Some('\\') => self.escape(),
            Some(c) => {
                self.advance(c.len_utf8());
                Ok(c as u32)
            }
        }
    }
}

/// The numbers of `{n}`, `{n,}` or `{n,m}` and what follows; numbers that are too large give more than is allowed.
fn counts(text: &str) -> Option<(u32, Option<u32>, &str)> {
    let (min, rest) = integer(text.strip_prefix('{')?)?;
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((min, Some(min), rest));
    }
    let rest = rest.strip_prefix(',')?;
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((min, None, rest));
    }
    let (max, rest) = integer(rest)?;
    Some((min, Some(max), rest.strip_prefix('}')?))
}

/// A number without leading zeros.
fn integer(text: &str) -> Option<(u32, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits);
    if number.is_empty() || (number.len() > 1 && number.starts_with('0')) {
        return None;
    }
    Some((number.parse().unwrap_or(u32::MAX), rest))
}
