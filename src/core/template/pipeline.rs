//! Pipelines: declarations, commands, operands.

use std::sync::Arc;

use super::{
    TemplateError,
    ast::{Command, Fields, Operand, Pipe, Slot},
    funcs,
    lex::{Kind, Token},
    literal,
    parse::Parser,
};

impl Parser<'_> {
    /// Reads up to `end`, which is taken.
    pub(super) fn pipeline(&mut self, context: &str, end: Kind) -> Result<Pipe, TemplateError> {
        let pos = self.peek_non_space().start;
        let (names, assign) = self.declarations(context, end)?;
        let declared = self.scope.vars.len();
        let mut vars: Vec<Slot> = Vec::new();
        for name in names {
            let old = self.scope.vars.iter().rev().find(|(n, _)| *n == name).and_then(|(_, slot)| *slot);
            vars.push(if assign { old } else { None });
            // Go knows the name from here on, though at execution it isn't there before the value is.
            self.scope.vars.push((name, old));
        }
        let mut commands = Vec::new();
        loop {
            let token = self.next_non_space();
            match token.kind {
                kind if kind == end => break,
                Kind::Bool
                | Kind::Char
                | Kind::Dot
                | Kind::Field
                | Kind::Word
                | Kind::Number
                | Kind::RawStr
                | Kind::Str
                | Kind::Variable
                | Kind::LeftParen => {
                    self.at -= 1;
                    commands.push(self.command()?);
                }
                Kind::Keyword if self.str(token) == "nil" => {
                    self.at -= 1;
                    commands.push(self.command()?);
                }
                _ => return Err(self.unexpected(token, context)),
            }
        }
        if !assign {
            for (i, slot) in vars.iter_mut().enumerate() {
                *slot = Some(self.scope.slots);
                self.scope.vars[declared + i].1 = *slot;
                self.scope.slots += 1;
            }
        }
        let pipe = Pipe { vars, assign, commands, pos };
        self.check(&pipe, context)?;
        Ok(pipe)
    }

    fn check(&self, pipe: &Pipe, context: &str) -> Result<(), TemplateError> {
        if pipe.commands.is_empty() {
            return Err(self.error(pipe.pos, &format!("missing value for {context}")));
        }
        for (i, command) in pipe.commands.iter().enumerate().skip(1) {
            use Operand::{Bool, Dot, Float, Int, Nil, Str};
            if let Bool(_) | Dot | Nil | Int(_) | Float(_) | Str(_) = command.args[0] {
                let message = format!("non executable command in pipeline stage {}", i + 1);
                return Err(self.error(command.span.0, &message));
            }
        }
        Ok(())
    }

    /// The variables before `:=` or `=`, and whether it was `=`.
    fn declarations(&mut self, context: &str, end: Kind) -> Result<(Vec<Arc<str>>, bool), TemplateError> {
        let back = self.at;
        let mut names: Vec<Arc<str>> = Vec::new();
        loop {
            let variable = self.peek_non_space();
            if variable.kind != Kind::Variable {
                break;
            }
            self.next();
            let name: Arc<str> = self.str(variable).into();
            let token = self.peek_non_space();
            match token.kind {
                // A variable inside parentheses could be skipped by `and` and `or`.
                Kind::Assign | Kind::Declare if end == Kind::RightDelim => {
                    self.next();
                    names.push(name);
                    return Ok((names, token.kind == Kind::Assign));
                }
                Kind::Other if self.str(token) == "," => {
                    self.next();
                    names.push(name);
                    if context != "range" || names.len() > 1 {
                        let message = format!("too many declarations in {context}");
                        return Err(self.error(token.start, &message));
                    }
                    if self.peek_non_space().kind != Kind::Variable {
                        return Err(self.error(token.start, "range can only initialize variables"));
                    }
                }
                _ => break,
            }
        }
        if names.is_empty() {
            self.at = back;
            return Ok((names, false));
        }
        Err(self.unexpected(self.peek(), context))
    }

    fn command(&mut self) -> Result<Command, TemplateError> {
        let start = self.peek_non_space().start;
        let mut args = Vec::new();
        let mut last = start;
        loop {
            self.peek_non_space();
            if let Some(operand) = self.operand()? {
                args.push(operand);
                last = self.lexed.tokens[self.at - 1].end;
            }
            let token = self.next();
            match token.kind {
                Kind::Space => continue,
                Kind::RightDelim | Kind::RightParen => self.at -= 1,
                Kind::Pipe => {}
                _ => return Err(self.unexpected(token, "operand")),
            }
            break;
        }
        if args.is_empty() {
            return Err(self.error(start, "empty command"));
        }
        Ok(Command { args, span: (start, last) })
    }

    fn fields(&mut self) -> Fields {
        let mut fields = Vec::new();
        while self.peek().kind == Kind::Field {
            let token = self.next();
            fields.push(Arc::from(&self.str(token)[1..]));
        }
        fields.into()
    }

    fn operand(&mut self) -> Result<Option<Operand>, TemplateError> {
        let first = self.peek();
        let Some(term) = self.term()? else { return Ok(None) };
        if self.peek().kind != Kind::Field {
            return Ok(Some(term));
        }
        Ok(Some(match term {
            Operand::Func(_) | Operand::Pipe(_) => Operand::Chain(Box::new(term), self.fields()),
            _ => {
                let message = format!("unexpected . after term {:?}", self.str(first));
                return Err(self.error(self.peek().start, &message));
            }
        }))
    }

    fn term(&mut self) -> Result<Option<Operand>, TemplateError> {
        let token = self.peek_non_space();
        let text = self.str(token);
        let found = match token.kind {
            Kind::Word => Operand::Func(self.function(token)?),
            Kind::Dot => Operand::Dot,
            Kind::Keyword if text == "nil" => Operand::Nil,
            Kind::Bool => Operand::Bool(text == "true"),
            Kind::Number | Kind::Char => {
                let value =
                    if token.kind == Kind::Char { literal::character(text) } else { literal::number(text) };
                match value {
                    Some(value) => value,
                    None if token.kind == Kind::Char => {
                        return Err(self.error(token.start, &format!("malformed character constant: {text}")));
                    }
                    None => {
                        let digits = text.trim_start_matches(['+', '-']);
                        let whole = digits.len() > 18 && digits.bytes().all(|b| b.is_ascii_digit());
                        let wrong = if whole { "integer overflow" } else { "bad number syntax" };
                        return Err(self.error(token.start, &format!("{wrong}: {text:?}")));
                    }
                }
            }
            Kind::Str => match literal::string(text) {
                Some(s) => Operand::Str(s.into()),
                None => return Err(self.error(token.start, "invalid syntax")),
            },
            Kind::RawStr => Operand::Str(text[1..text.len() - 1].into()),
            Kind::Variable => {
                let Some((name, slot)) = self.scope.vars.iter().rev().find(|(n, _)| **n == *text).cloned()
                else {
                    return Err(self.error(token.start, &format!("undefined variable {text:?}")));
                };
                self.next();
                return Ok(Some(Operand::Var(slot, name, self.fields())));
            }
            Kind::Field => return Ok(Some(Operand::Field(self.fields()))),
            Kind::LeftParen => {
                self.next();
                let pipe = self.deeper(|p| p.pipeline("parenthesized pipeline", Kind::RightParen))?;
                return Ok(Some(Operand::Pipe(Box::new(pipe))));
            }
            _ => return Ok(None),
        };
        self.next();
        Ok(Some(found))
    }

    fn function(&self, token: Token) -> Result<&'static funcs::Func, TemplateError> {
        let name = self.str(token);
        funcs::find(self.dialect, name)
            .ok_or_else(|| self.error(token.start, &format!("function {name:?} not defined")))
    }
}
