//! From tokens to trees: text, actions, blocks and definitions. Pipelines are read in `pipeline.rs`.

use std::sync::Arc;

use super::{
    TemplateError,
    ast::{Branch, Call, Node, Pipe, Slot, Tree, position},
    funcs::Dialect,
    lex::{Kind, Lexed, Token, lex},
    literal,
};

/// Blocks and parentheses within each other at most: the parser and all that walks a tree are recursive.
pub(super) const DEPTH_MAX: usize = 100;

/// A template text at most: larger than any real file of them.
const TEXT_MAX: usize = 4 << 20;

pub(super) struct Parser<'t> {
    pub(super) text: &'t Arc<str>,
    pub(super) name: &'t Arc<str>,
    pub(super) lexed: Lexed,
    pub(super) at: usize,
    pub(super) dialect: Dialect,
    pub(super) scope: Scope,
    pub(super) depth: usize,
    defined: Vec<Tree>,
}

/// The variables that can be seen, and how many are on the stack.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) vars: Vec<(Arc<str>, Slot)>,
    pub(super) slots: usize,
    /// How many `range` are open.
    ranges: usize,
}

/// What ended a list.
enum Stop {
    Eof,
    End,
    Else,
}

/// Parses a text: first the templates that it defines, then the text's own. `vars` are defined from the start.
pub(super) fn parse(
    name: &Arc<str>,
    text: &Arc<str>,
    dialect: Dialect,
    vars: &[&str],
) -> Result<Vec<Tree>, TemplateError> {
    if text.len() > TEXT_MAX {
        let message = format!("template: {name}: text of {} bytes is too long", text.len());
        return Err(TemplateError { message, offset: None });
    }
    let mut parser = Parser {
        text,
        name,
        lexed: lex(text),
        at: 0,
        dialect,
        scope: Scope::new(vars),
        depth: 0,
        defined: Vec::new(),
    };
    let (body, stop) = parser.list(true)?;
    match stop {
        Stop::Eof => {}
        Stop::End => return Err(parser.error_back("unexpected {{end}}")),
        Stop::Else => return Err(parser.error_back("unexpected {{else}}")),
    }
    let main = Tree { name: Arc::clone(name), file: Arc::clone(name), source: Arc::clone(text), body };
    parser.define(main)?;
    Ok(parser.defined)
}

impl Scope {
    fn new(vars: &[&str]) -> Self {
        let vars: Vec<_> =
            ["$"].iter().chain(vars).enumerate().map(|(i, v)| (Arc::from(*v), Some(i))).collect();
        Self { slots: vars.len(), vars, ranges: 0 }
    }

    fn mark(&self) -> (usize, usize) {
        (self.vars.len(), self.slots)
    }

    fn reset(&mut self, mark: (usize, usize)) {
        self.vars.truncate(mark.0);
        self.slots = mark.1;
    }
}

impl Parser<'_> {
    pub(super) fn peek(&self) -> Token {
        self.lexed.tokens[self.at.min(self.lexed.tokens.len() - 1)]
    }

    pub(super) fn next(&mut self) -> Token {
        let token = self.peek();
        self.at += 1;
        token
    }

    pub(super) fn peek_non_space(&mut self) -> Token {
        while self.peek().kind == Kind::Space {
            self.at += 1;
        }
        self.peek()
    }

    pub(super) fn next_non_space(&mut self) -> Token {
        self.peek_non_space();
        self.next()
    }

    pub(super) fn str(&self, token: Token) -> &str {
        &self.text[token.start..token.end]
    }

    pub(super) fn error(&self, offset: usize, message: &str) -> TemplateError {
        let (line, _) = position(self.text, offset);
        TemplateError { message: format!("template: {}:{line}: {message}", self.name), offset: Some(offset) }
    }

    /// An error at the token before.
    fn error_back(&self, message: &str) -> TemplateError {
        let token = self.lexed.tokens[self.at.saturating_sub(1).min(self.lexed.tokens.len() - 1)];
        self.error(token.start, message)
    }

    pub(super) fn unexpected(&self, token: Token, context: &str) -> TemplateError {
        let text = self.str(token);
        let shown = match token.kind {
            Kind::Eof => "EOF".to_owned(),
            Kind::Error => return self.error(token.start, &self.lexed.error),
            Kind::Keyword => format!("<{text}>"),
            _ if text.chars().count() > 10 => format!("{:?}...", text.chars().take(10).collect::<String>()),
            _ => format!("{text:?}"),
        };
        self.error(token.start, &format!("unexpected {shown} in {context}"))
    }

    /// Runs `parse` one level deeper.
    pub(super) fn deeper<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, TemplateError>,
    ) -> Result<T, TemplateError> {
        if self.depth >= DEPTH_MAX {
            return Err(self.error(self.peek().start, "max expression depth exceeded"));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    fn is_keyword(&self, token: Token, word: &str) -> bool {
        token.kind == Kind::Keyword && self.str(token) == word
    }

    fn list(&mut self, top: bool) -> Result<(Vec<Node>, Stop), TemplateError> {
        let mut nodes = Vec::new();
        loop {
            let token = self.next_non_space();
            match token.kind {
                Kind::Eof => return Ok((nodes, Stop::Eof)),
                Kind::Text => nodes.push(Node::Text(self.str(token).into())),
                Kind::LeftDelim => {
                    let word = self.peek_non_space();
                    if self.is_keyword(word, "end") {
                        self.next();
                        self.expect(Kind::RightDelim, "end")?;
                        return Ok((nodes, Stop::End));
                    }
                    if self.is_keyword(word, "else") {
                        self.next();
                        return Ok((nodes, Stop::Else));
                    }
                    if self.is_keyword(word, "define") && top {
                        self.next();
                        self.deeper(Self::definition)?;
                    } else {
                        nodes.push(self.deeper(Self::action)?);
                    }
                }
                _ => return Err(self.unexpected(token, "input")),
            }
        }
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Result<Token, TemplateError> {
        let token = self.next_non_space();
        if token.kind == kind { Ok(token) } else { Err(self.unexpected(token, context)) }
    }

    fn action(&mut self) -> Result<Node, TemplateError> {
        let token = self.peek_non_space();
        if token.kind == Kind::Keyword {
            let word = self.str(token).to_owned();
            match &*word {
                "if" | "with" | "range" => {
                    self.next();
                    return self.control(&word);
                }
                "break" | "continue" => {
                    self.next();
                    self.expect(Kind::RightDelim, &format!("{{{{{word}}}}}"))?;
                    if self.scope.ranges == 0 {
                        let message = format!("{{{{{word}}}}} outside {{{{range}}}}");
                        return Err(self.error(token.start, &message));
                    }
                    return Ok(if word == "break" { Node::Break } else { Node::Continue });
                }
                "template" => {
                    self.next();
                    let name = self.template_name("template clause")?;
                    return self.call(name, token.start, "template clause").map(Node::Template);
                }
                "block" => {
                    self.next();
                    return self.block(token.start);
                }
                _ => {}
            }
        }
        let pipe = self.pipeline("command", Kind::RightDelim)?;
        Ok(Node::Action(pipe, Vec::new()))
    }

    fn control(&mut self, word: &str) -> Result<Node, TemplateError> {
        let mark = self.scope.mark();
        let pipe = self.pipeline(word, Kind::RightDelim)?;
        let inner = self.scope.mark();
        self.scope.ranges += usize::from(word == "range");
        let body = self.list(false);
        self.scope.ranges -= usize::from(word == "range");
        let (body, stop) = body?;
        self.scope.reset(inner);
        let otherwise = match stop {
            Stop::End => Vec::new(),
            Stop::Eof => return Err(self.error(self.text.len(), "unexpected EOF")),
            Stop::Else => self.otherwise(word)?,
        };
        self.scope.reset(mark);
        let branch = Box::new(Branch { pipe, body, otherwise });
        Ok(match word {
            "if" => Node::If(branch),
            "with" => Node::With(branch),
            _ => Node::Range(branch),
        })
    }

    fn otherwise(&mut self, word: &str) -> Result<Vec<Node>, TemplateError> {
        let token = self.peek_non_space();
        if word != "range" && self.is_keyword(token, word) {
            // `{{else if}}` is an `if` inside the `else`, with one `end` for both.
            self.next();
            return Ok(vec![self.deeper(|p| p.control(word))?]);
        }
        self.expect(Kind::RightDelim, "else")?;
        let (nodes, stop) = self.list(false)?;
        match stop {
            Stop::End => Ok(nodes),
            Stop::Else => Err(self.error_back("expected end; found {{else}}")),
            Stop::Eof => Err(self.error(self.text.len(), "unexpected EOF")),
        }
    }

    fn template_name(&mut self, context: &str) -> Result<Arc<str>, TemplateError> {
        let token = self.next_non_space();
        let text = self.str(token);
        match token.kind {
            Kind::Str => match literal::string(text) {
                Some(name) => Ok(name.into()),
                None => Err(self.error(token.start, "invalid syntax")),
            },
            Kind::RawStr => Ok(text[1..text.len() - 1].into()),
            _ => Err(self.unexpected(token, context)),
        }
    }

    fn call(&mut self, name: Arc<str>, pos: usize, context: &str) -> Result<Call, TemplateError> {
        let mut pipe: Option<Pipe> = None;
        if self.peek_non_space().kind == Kind::RightDelim {
            self.next();
        } else {
            pipe = Some(self.pipeline(context, Kind::RightDelim)?);
        }
        Ok(Call { name, pipe, pos })
    }

    fn definition(&mut self) -> Result<(), TemplateError> {
        let name = self.template_name("define clause")?;
        self.expect(Kind::RightDelim, "define clause")?;
        self.body_of(name, "define clause")
    }

    fn block(&mut self, pos: usize) -> Result<Node, TemplateError> {
        let name = self.template_name("block clause")?;
        let call = self.call(Arc::clone(&name), pos, "block clause")?;
        self.body_of(name, "block clause")?;
        Ok(Node::Template(call))
    }

    /// Reads a named template up to its `end`. It sees no variables but `$`.
    fn body_of(&mut self, name: Arc<str>, context: &str) -> Result<(), TemplateError> {
        let outer = std::mem::replace(&mut self.scope, Scope::new(&[]));
        let (body, stop) = self.list(false)?;
        self.scope = outer;
        if !matches!(stop, Stop::End) {
            let found = if matches!(stop, Stop::Else) { "{{else}}" } else { "EOF" };
            return Err(self.error_back(&format!("unexpected {found} in {context}")));
        }
        self.define(Tree { name, file: Arc::clone(self.name), source: Arc::clone(self.text), body })
    }

    fn define(&mut self, tree: Tree) -> Result<(), TemplateError> {
        match self.defined.iter_mut().find(|t| t.name == tree.name) {
            Some(old) if old.is_blank() => *old = tree,
            Some(_) if tree.is_blank() => {}
            Some(_) => {
                let message = format!("multiple definition of template {:?}", tree.name);
                return Err(self.error_back(&message));
            }
            None => self.defined.push(tree),
        }
        Ok(())
    }
}
