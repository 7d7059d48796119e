//! The values of pipelines, commands and operands.

use super::{
    TemplateError,
    ast::{Command, Operand, Pipe, Slot},
    data,
    exec::Exec,
    funcs::{Func, Run},
    value::{Text, Value},
};

type Result<T> = std::result::Result<T, TemplateError>;

impl<'a> Exec<'a, '_, '_> {
    /// A pipeline's value, put into its variables.
    pub(super) fn pipe(&mut self, pipe: &'a Pipe, dot: &Value<'a>) -> Result<Value<'a>> {
        let mut value = None;
        for command in &pipe.commands {
            self.steps(command.span, 1)?;
            value = Some(self.command(command, dot, value)?);
        }
        let value = value.unwrap_or(Value::Nil);
        for slot in &pipe.vars {
            if pipe.assign {
                self.set_var(*slot, value.clone(), (pipe.pos, pipe.pos))?;
            } else {
                self.vars.push(value.clone());
            }
        }
        Ok(value)
    }

    pub(super) fn set_var(&mut self, slot: Slot, value: Value<'a>, span: (usize, usize)) -> Result<()> {
        let base = self.base;
        match slot.and_then(|slot| self.vars.get_mut(base + slot)) {
            Some(var) => {
                *var = value;
                Ok(())
            }
            None => self.fail(span, "undefined variable"),
        }
    }

    fn var(&self, slot: Slot, name: &str, span: (usize, usize)) -> Result<Value<'a>> {
        match slot.and_then(|slot| self.vars.get(self.base + slot)) {
            Some(value) => Ok(value.clone()),
            None => self.fail(span, &format!("undefined variable: {name}")),
        }
    }

    fn command(
        &mut self,
        command: &'a Command,
        dot: &Value<'a>,
        last: Option<Value<'a>>,
    ) -> Result<Value<'a>> {
        let first = &command.args[0];
        let span = command.span;
        match first {
            Operand::Func(f) => self.call(f, &command.args[1..], dot, last, span),
            Operand::Field(fields) => self.fields(dot.clone(), fields, command, dot, last),
            Operand::Chain(inner, fields) => {
                let base = self.operand(inner, dot, span)?;
                self.fields(base, fields, command, dot, last)
            }
            Operand::Var(slot, name, fields) if !fields.is_empty() => {
                let base = self.var(*slot, name, span)?;
                self.fields(base, fields, command, dot, last)
            }
            Operand::Nil => self.fail(span, "nil is not a command"),
            _ if command.args.len() > 1 || last.is_some() => {
                self.fail(span, "can't give argument to non-function")
            }
            _ => self.operand(first, dot, span),
        }
    }

    /// The end of a chain of fields; arguments belong to the last.
    fn fields(
        &mut self,
        mut value: Value<'a>,
        fields: &'a [std::sync::Arc<str>],
        command: &'a Command,
        dot: &Value<'a>,
        last: Option<Value<'a>>,
    ) -> Result<Value<'a>> {
        let Some((end, way)) = fields.split_last() else { return Ok(value) };
        for name in way {
            value = self.member(&value, name, &[], command.span)?;
        }
        if command.args.len() == 1 && last.is_none() {
            return self.member(&value, end, &[], command.span);
        }
        let args = self.args(&command.args[1..], dot, last, command.span)?;
        self.member(&value, end, &args, command.span)
    }

    fn member(
        &mut self,
        value: &Value<'a>,
        name: &str,
        args: &[Value<'a>],
        span: (usize, usize),
    ) -> Result<Value<'a>> {
        match data::member(value, name, args) {
            Ok(found) => {
                // Lists are made on the way; texts are borrowed.
                if let Value::List(_) = found {
                    self.charge(span, &found)?;
                }
                Ok(found)
            }
            Err(message) => self.fail(span, &message),
        }
    }

    fn args(
        &mut self,
        operands: &'a [Operand],
        dot: &Value<'a>,
        last: Option<Value<'a>>,
        span: (usize, usize),
    ) -> Result<Vec<Value<'a>>> {
        let mut args = Vec::with_capacity(operands.len() + 1);
        for operand in operands {
            args.push(self.operand(operand, dot, span)?);
        }
        args.extend(last);
        Ok(args)
    }

    /// An operand's value, as an argument.
    fn operand(&mut self, operand: &'a Operand, dot: &Value<'a>, span: (usize, usize)) -> Result<Value<'a>> {
        let (mut value, fields) = match operand {
            Operand::Dot => return Ok(dot.clone()),
            Operand::Nil => return Ok(Value::Nil),
            Operand::Bool(b) => return Ok(Value::Bool(*b)),
            Operand::Int(i) => return Ok(Value::Int(*i)),
            Operand::Float(f) => return Ok(Value::Float(*f)),
            Operand::Str(s) => return Ok(Value::Str(Text::Ref(s))),
            Operand::Func(f) => return self.call(f, &[], dot, None, span),
            Operand::Field(fields) => (dot.clone(), fields),
            Operand::Var(slot, name, fields) => (self.var(*slot, name, span)?, fields),
            Operand::Chain(inner, fields) => (self.operand(inner, dot, span)?, fields),
            Operand::Pipe(pipe) => {
                self.enter(span)?;
                let value = self.pipe(pipe, dot)?;
                self.leave();
                return Ok(value);
            }
        };
        for name in fields {
            value = self.member(&value, name, &[], span)?;
        }
        Ok(value)
    }

    fn call(
        &mut self,
        f: &'static Func,
        operands: &'a [Operand],
        dot: &Value<'a>,
        last: Option<Value<'a>>,
        span: (usize, usize),
    ) -> Result<Value<'a>> {
        let given = operands.len() + usize::from(last.is_some());
        if given < f.min || given > f.max {
            let least = if f.max == usize::MAX { "at least " } else { "" };
            let message = format!("wrong number of args for {}: want {least}{} got {given}", f.name, f.min);
            return self.fail(span, &message);
        }
        let run = match f.run {
            Run::Native(run) => run,
            Run::And | Run::Or => {
                return self.decide(matches!(f.run, Run::Or), operands, dot, last, span);
            }
        };
        let args = self.args(operands, dot, last, span)?;
        match run(self.host, &args) {
            Ok(value) => {
                self.charge(span, &value)?;
                Ok(value)
            }
            Err(message) if message.starts_with("wrong type for value") => self.fail(span, &message),
            Err(message) => self.fail(span, &format!("error calling {}: {message}", f.name)),
        }
    }

    /// `and`, `or`: the first operand that decides; those after it are not evaluated.
    fn decide(
        &mut self,
        until: bool,
        operands: &'a [Operand],
        dot: &Value<'a>,
        last: Option<Value<'a>>,
        span: (usize, usize),
    ) -> Result<Value<'a>> {
        let mut value = Value::Nil;
        for operand in operands {
            value = self.operand(operand, dot, span)?;
            if value.truth() == until {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }
}
