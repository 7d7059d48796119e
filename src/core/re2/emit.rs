//! The tree in the engine's syntax.

use std::collections::BTreeSet;

use super::{
    ast::{Look, Node},
    class::{Class, Item},
};

/// What no text matches.
const NEVER: &str = r"[^\x{0}-\x{10FFFF}]";

/// Writes the pattern. A group whose name the engine refuses (it begins with a digit, or is taken) stays unnamed.
pub(super) fn emit(node: &Node) -> String {
    let mut emitter = Emitter { out: String::new(), names: BTreeSet::new() };
    emitter.node(node);
    emitter.out
}

struct Emitter<'a> {
    out: String,
    names: BTreeSet<&'a str>,
}

impl<'a> Emitter<'a> {
    fn node(&mut self, node: &'a Node) {
        match node {
            Node::Empty => self.out.push_str("(?:)"),
            Node::Never => self.out.push_str(NEVER),
            Node::Literal { text, fold } => self.literal(text, *fold),
            Node::Class { class, fold } => self.folded(*fold, |e| e.class(class)),
            Node::Any { newline: true } => self.out.push_str("(?s:.)"),
            Node::Any { newline: false } => self.out.push_str(r"[^\n]"),
            Node::Look(look) => self.out.push_str(match look {
                Look::TextStart => r"\A",
                Look::TextEnd => r"\z",
                Look::LineStart => "(?m:^)",
                Look::LineEnd => "(?m:$)",
                Look::WordBoundary => r"(?-u:\b)",
                Look::NotWordBoundary => r"(?-u:\B)",
            }),
            Node::Repeat { node, min, max, greedy } => {
                self.out.push_str("(?:");
                self.node(node);
                self.out.push(')');
                self.times(*min, *max);
                if !greedy {
                    self.out.push('?');
                }
            }
            Node::Concat(nodes) => nodes.iter().for_each(|n| self.node(n)),
            Node::Alternate(nodes) => {
                self.out.push_str("(?:");
                for (i, n) in nodes.iter().enumerate() {
                    if i > 0 {
                        self.out.push('|');
                    }
                    self.node(n);
                }
                self.out.push(')');
            }
            Node::Capture { node, name } => self.capture(node, name.as_deref()),
        }
    }

    fn times(&mut self, min: u32, max: Option<u32>) {
        match (min, max) {
            (0, None) => self.out.push('*'),
            (1, None) => self.out.push('+'),
            (0, Some(1)) => self.out.push('?'),
            (min, None) => self.out.push_str(&format!("{{{min},}}")),
            (min, Some(max)) => self.out.push_str(&format!("{{{min},{max}}}")),
        }
    }

    fn capture(&mut self, node: &'a Node, name: Option<&'a str>) {
        match name {
            Some(name) if !name.starts_with(|c: char| c.is_ascii_digit()) && self.names.insert(name) => {
                self.out.push_str(&format!("(?P<{name}>"));
            }
            _ => self.out.push('('),
        }
        self.node(node);
        self.out.push(')');
    }

    fn literal(&mut self, text: &str, fold: bool) {
        self.folded(fold, |e| text.chars().for_each(|c| e.char(c as u32)));
    }

    fn folded(&mut self, fold: bool, body: impl FnOnce(&mut Self)) {
        if fold {
            self.out.push_str("(?i:");
        }
        body(self);
        if fold {
            self.out.push(')');
        }
    }

    fn class(&mut self, class: &Class) {
        let start = self.out.len();
        self.out.push_str(if class.negated { "[^" } else { "[" });
        let empty = self.out.len();
        class.items.iter().for_each(|item| self.item(item));
        if self.out.len() == empty {
            self.out.truncate(start);
            self.out.push_str(if class.negated { r"[\x{0}-\x{10FFFF}]" } else { NEVER });
        } else {
            self.out.push(']');
        }
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Range(lo, hi) => self.range(*lo, *hi),
            Item::Ascii { ranges, negated } => {
                if *negated {
                    self.out.push_str("[^");
                }
                for (lo, hi) in *ranges {
                    self.range(u32::from(*lo), u32::from(*hi));
                }
                if *negated {
                    self.out.push(']');
                }
            }
            // Surrogates: no text contains one.
            Item::Unicode { property, negated } if property.is_empty() => {
                if *negated {
                    self.range(0, 0x10_ffff);
                }
            }
            Item::Unicode { property, negated } => {
                self.out.push_str(&format!(r"\{}{{{property}}}", if *negated { 'P' } else { 'p' }));
            }
        }
    }

    /// The ends must be characters: a range is cut where it touches surrogates.
    fn range(&mut self, lo: u32, hi: u32) {
        const SURROGATES: std::ops::RangeInclusive<u32> = 0xd800..=0xdfff;
        let lo = if SURROGATES.contains(&lo) { 0xe000 } else { lo };
        let hi = if SURROGATES.contains(&hi) { 0xd7ff } else { hi };
        if lo <= hi {
            self.char(lo);
            if lo < hi {
                self.out.push('-');
                self.char(hi);
            }
        }
    }

    /// Letters, digits and `_` stand for themselves; all else is escaped, so that nothing has a meaning.
    fn char(&mut self, c: u32) {
        match char::from_u32(c) {
            Some(c) if c.is_ascii_alphanumeric() || c == '_' || c == ' ' || c > '\u{a0}' => self.out.push(c),
            _ => self.out.push_str(&format!(r"\x{{{c:x}}}")),
        }
    }
}
