//! The parsed form of a template.

use std::sync::Arc;

use super::{TemplateError, funcs::Func, html::Escaper};

/// A named template.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    /// The name it is called by.
    pub(super) name: Arc<str>,
    /// The name of the text that it stands in, for messages.
    pub(super) file: Arc<str>,
    /// That text.
    pub(super) source: Arc<str>,
    /// What it does.
    pub(super) body: Vec<Node>,
}

/// Something that a template does.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// Text as it stands.
    Text(Arc<str>),
    /// A pipeline whose value is printed, unless it declares; in HTML through escapers.
    Action(Pipe, Vec<Escaper>),
    /// `if`
    If(Box<Branch>),
    /// `with`
    With(Box<Branch>),
    /// `range`
    Range(Box<Branch>),
    /// `break`
    Break,
    /// `continue`
    Continue,
    /// `template`
    Template(Call),
}

/// The call of another template.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) name: Arc<str>,
    /// Its dot; nil without.
    pub(super) pipe: Option<Pipe>,
    /// Byte offset.
    pub(super) pos: usize,
}

/// What `if`, `with` and `range` have in common.
#[derive(Debug, Clone)]
pub(super) struct Branch {
    pub(super) pipe: Pipe,
    pub(super) body: Vec<Node>,
    pub(super) otherwise: Vec<Node>,
}

/// Commands, each getting the former's value as its last argument.
#[derive(Debug, Clone)]
pub(super) struct Pipe {
    /// Variables that get the value.
    pub(super) vars: Vec<Slot>,
    /// Whether they were there before.
    pub(super) assign: bool,
    pub(super) commands: Vec<Command>,
    pub(super) pos: usize,
}

/// A variable's place on the stack of its template; `None` for one that is not there when it is needed
/// (`{{ $x := $x }}`), which Go notices only when it executes.
pub(super) type Slot = Option<usize>;

/// An operand, or a function with its arguments.
#[derive(Debug, Clone)]
pub(super) struct Command {
    /// At least one.
    pub(super) args: Vec<Operand>,
    /// First byte, and one past the last.
    pub(super) span: (usize, usize),
}

pub(super) type Fields = Box<[Arc<str>]>;

#[derive(Debug, Clone)]
pub(super) enum Operand {
    Dot,
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Arc<str>),
    Func(&'static Func),
    /// `.A.B`
    Field(Fields),
    /// `$x.A`
    Var(Slot, Arc<str>, Fields),
    /// `(…).A`
    Chain(Box<Operand>, Fields),
    Pipe(Box<Pipe>),
}

impl Tree {
    /// An error at execution, in Go's words.
    pub(super) fn fail(&self, span: (usize, usize), message: &str) -> TemplateError {
        let (line, column) = position(&self.source, span.0);
        let context = self.source.get(span.0..span.1).unwrap_or_default();
        let short: String = if context.chars().count() > 20 {
            context.chars().take(20).chain("...".chars()).collect()
        } else {
            context.to_owned()
        };
        let (file, name) = (&self.file, &self.name);
        TemplateError {
            message: format!("template: {file}:{line}:{column}: executing {name:?} at <{short}>: {message}"),
            offset: Some(span.0),
        }
    }

    /// Whether there is nothing but blanks in it: such a definition doesn't replace another.
    pub(super) fn is_blank(&self) -> bool {
        self.body.iter().all(|n| matches!(n, Node::Text(t) if t.trim().is_empty()))
    }
}

/// Line from 1, and column in bytes from 0, as Go counts in templates.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let line = memchr::memchr_iter(b'\n', before).count() + 1;
    let start = memchr::memrchr(b'\n', before).map_or(0, |i| i + 1);
    (line, before.len() - start)
}
