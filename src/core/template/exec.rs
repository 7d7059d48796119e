//! Running a tree. Bounded in steps, depth and output; nothing here parses.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    TemplateError,
    ast::{Branch, Call, Node, Tree},
    funcs::Host,
    html, printf,
    value::{Text, Value},
};

/// Output of one execution at most.
pub(super) const OUTPUT_MAX: usize = 4 << 20;
/// Nodes, commands and loop turns of one execution at most; what functions return counts by its size.
const STEPS_MAX: usize = 1_000_000;
/// Bytes of a result that count as a step.
const BYTES_PER_STEP: usize = 64;
/// Lists of nodes within each other at most, over all templates that call each other. Go allows 100000 calls on a
/// stack that grows; ours must fit the stack of a worker thread.
const DEPTH_MAX: usize = 250;

/// Templates by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Set {
    pub(super) trees: BTreeMap<Arc<str>, Arc<Tree>>,
}

impl Set {
    /// Adds templates over those that are there; a blank one doesn't replace another (as in Go).
    pub(super) fn add(&mut self, trees: Vec<Tree>) {
        for tree in trees {
            let old = self.trees.get(&tree.name);
            if old.is_none_or(|old| old.is_blank() || !tree.is_blank()) {
                self.trees.insert(Arc::clone(&tree.name), Arc::new(tree));
            }
        }
    }
}

/// What a list did to the loop around it.
#[derive(PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

type Result<T> = std::result::Result<T, TemplateError>;

pub(super) struct Exec<'a, 'h, 'q> {
    pub(super) set: &'a Set,
    /// The template being run.
    pub(super) tree: &'a Tree,
    /// All templates' variables; those of the running one begin at `base`.
    pub(super) vars: Vec<Value<'a>>,
    pub(super) base: usize,
    pub(super) host: &'h mut Host<'a, 'q>,
    out: String,
}

/// Runs a tree. `vars` are its first variables, beginning with `$`.
pub(super) fn execute<'a>(
    set: &'a Set,
    tree: &'a Tree,
    dot: &Value<'a>,
    vars: Vec<Value<'a>>,
    host: &mut Host<'a, '_>,
) -> Result<String> {
    let mut exec = Exec { set, tree, vars, base: 0, host, out: String::new() };
    exec.walk(&tree.body, dot)?;
    Ok(exec.out)
}

impl<'a> Exec<'a, '_, '_> {
    pub(super) fn fail<T>(&self, span: (usize, usize), message: &str) -> Result<T> {
        Err(self.tree.fail(span, message))
    }

    pub(super) fn steps(&mut self, span: (usize, usize), steps: usize) -> Result<()> {
        self.host.steps = self.host.steps.saturating_add(steps);
        if self.host.steps > STEPS_MAX {
            return self.fail(span, &format!("exceeded {STEPS_MAX} steps"));
        }
        Ok(())
    }

    /// Counts a value by its size, so that texts can't be doubled forever.
    pub(super) fn charge(&mut self, span: (usize, usize), value: &Value<'a>) -> Result<()> {
        let size = match value {
            Value::Str(s) | Value::Html(s) | Value::Url(s) => s.len(),
            Value::List(l) => l.items.len() * 16,
            Value::Map(m) => m.entries.len() * 16,
            _ => return Ok(()),
        };
        if size > OUTPUT_MAX {
            return self.fail(span, &format!("text of more than {OUTPUT_MAX} bytes"));
        }
        self.steps(span, size / BYTES_PER_STEP)
    }

    pub(super) fn enter(&mut self, span: (usize, usize)) -> Result<()> {
        self.host.depth += 1;
        if self.host.depth > DEPTH_MAX {
            return self.fail(span, &format!("exceeded maximum template depth ({DEPTH_MAX})"));
        }
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.host.depth -= 1;
    }

    fn walk(&mut self, nodes: &'a [Node], dot: &Value<'a>) -> Result<Flow> {
        self.enter((0, 0))?;
        for node in nodes {
            self.steps((0, 0), 1)?;
            let flow = match node {
                Node::Text(text) => {
                    self.write(text, (0, 0))?;
                    Flow::Next
                }
                Node::Action(pipe, escapers) => {
                    let value = self.pipe(pipe, dot)?;
                    if pipe.vars.is_empty() {
                        self.print(&value, escapers, (pipe.pos, pipe.pos))?;
                    }
                    Flow::Next
                }
                Node::If(branch) => self.branch(branch, dot, false)?,
                Node::With(branch) => self.branch(branch, dot, true)?,
                Node::Range(branch) => {
                    self.range(branch, dot)?;
                    Flow::Next
                }
                Node::Break => Flow::Break,
                Node::Continue => Flow::Continue,
                Node::Template(call) => {
                    self.call_template(call, dot)?;
                    Flow::Next
                }
            };
            if flow != Flow::Next {
                self.leave();
                return Ok(flow);
            }
        }
        self.leave();
        Ok(Flow::Next)
    }

    fn branch(&mut self, branch: &'a Branch, dot: &Value<'a>, with: bool) -> Result<Flow> {
        let mark = self.vars.len();
        let value = self.pipe(&branch.pipe, dot)?;
        let flow = match (value.truth(), with) {
            (true, true) => self.walk(&branch.body, &value)?,
            (true, false) => self.walk(&branch.body, dot)?,
            (false, _) => self.walk(&branch.otherwise, dot)?,
        };
        self.vars.truncate(mark);
        Ok(flow)
    }

    fn range(&mut self, branch: &'a Branch, dot: &Value<'a>) -> Result<()> {
        let mark = self.vars.len();
        let value = self.pipe(&branch.pipe, dot)?;
        let mut any = false;
        let mut turn = |exec: &mut Self, index: Value<'a>, item: Value<'a>| {
            any = true;
            exec.turn(branch, index, item)
        };
        match &value {
            Value::List(l) => {
                for (i, item) in l.items.iter().enumerate() {
                    if turn(self, Value::Int(i as i64), item.clone())? == Flow::Break {
                        break;
                    }
                }
            }
            Value::Labels(l, _) => {
                for (name, _) in l.iter() {
                    let item = Value::Str(super::data::label(l, name));
                    if turn(self, Value::text(name), item)? == Flow::Break {
                        break;
                    }
                }
            }
            Value::Map(m) => {
                for (name, item) in &m.entries {
                    if turn(self, Value::Str(name.clone()), item.clone())? == Flow::Break {
                        break;
                    }
                }
            }
            Value::Int(n) => {
                if branch.pipe.vars.len() > 1 {
                    return self.fail(
                        (branch.pipe.pos, branch.pipe.pos),
                        &format!("can't use {n} to iterate over more than one variable"),
                    );
                }
                for i in 0..*n {
                    if turn(self, Value::Int(i), Value::Int(i))? == Flow::Break {
                        break;
                    }
                }
            }
            Value::Nil => {}
            other => {
                let message =
                    format!("range can't iterate over {}", printf::sprint(std::slice::from_ref(other)));
                return self.fail((branch.pipe.pos, branch.pipe.pos), &message);
            }
        }
        if !any {
            self.walk(&branch.otherwise, dot)?;
        }
        self.vars.truncate(mark);
        Ok(())
    }

    fn turn(&mut self, branch: &'a Branch, index: Value<'a>, item: Value<'a>) -> Result<Flow> {
        let at = (branch.pipe.pos, branch.pipe.pos);
        self.steps(at, 1)?;
        let mark = self.vars.len();
        match branch.pipe.vars[..] {
            [] => {}
            [one] => self.set_var(one, item.clone(), at)?,
            [first, second, ..] => {
                self.set_var(first, index, at)?;
                self.set_var(second, item.clone(), at)?;
            }
        }
        let flow = self.walk(&branch.body, &item)?;
        self.vars.truncate(mark);
        Ok(flow)
    }

    fn call_template(&mut self, call: &'a Call, dot: &Value<'a>) -> Result<()> {
        let at = (call.pos, call.pos);
        let set = self.set;
        let Some(tree) = set.trees.get(&call.name) else {
            return self.fail(at, &format!("template {:?} not defined", call.name));
        };
        let dot = match &call.pipe {
            Some(pipe) => self.pipe(pipe, dot)?,
            None => Value::Nil,
        };
        self.enter(at)?;
        let (outer, base) = (self.tree, self.base);
        let mark = self.vars.len();
        self.tree = tree;
        self.base = mark;
        self.vars.push(dot.clone());
        self.walk(&tree.body, &dot)?;
        self.vars.truncate(mark);
        (self.tree, self.base) = (outer, base);
        self.leave();
        Ok(())
    }

    fn write(&mut self, text: &str, span: (usize, usize)) -> Result<()> {
        if self.out.len() + text.len() > OUTPUT_MAX {
            return self.fail(span, &format!("output of more than {OUTPUT_MAX} bytes"));
        }
        self.out.push_str(text);
        Ok(())
    }

    fn print(&mut self, value: &Value<'a>, escapers: &[html::Escaper], span: (usize, usize)) -> Result<()> {
        if let [_, ..] = escapers {
            let text = html::escape(escapers, value);
            return self.write(&text, span);
        }
        match value {
            Value::Str(s) | Value::Html(s) | Value::Url(s) => match s {
                Text::Ref(s) => self.write(s, span),
                Text::Own(s) => self.write(s, span),
            },
            Value::Nil => self.write("<no value>", span),
            _ => {
                printf::print(&mut self.out, value);
                self.write("", span)
            }
        }
    }
}
