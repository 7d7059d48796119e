//! Go's html/template: every action is escaped by where in the HTML it stands.
//!
//! The text of a template is read by a small state machine; at an action its state says what the value must go
//! through. Where Go would escape values in scripts, this refuses; so do tags' and attributes' names. Both sides of
//! a branch must end in the same context.

mod context;
mod escapers;
mod text;

use std::{collections::BTreeMap, sync::Arc};

use context::{Context, State, join};
pub(super) use escapers::{Escaper, escape};

use super::{
    TemplateError,
    ast::{Branch, Call, Node, Tree},
    exec::Set,
};

/// Nodes looked at for one template at most.
const WORK_MAX: usize = 200_000;
/// Lists within each other at most, over templates that call each other.
const DEPTH_MAX: usize = 150;

type Span = (usize, usize);

/// Puts escapers into a template and all that it calls. The result is called by the same name.
pub(super) fn prepare(set: &Set, name: &str) -> Result<Set, TemplateError> {
    let mut escaping =
        Escaping { set, done: Set::default(), ends: BTreeMap::new(), loops: Vec::new(), work: 0, depth: 0 };
    let Some(tree) = set.trees.get(name) else { return Ok(Set::default()) };
    let (_, end) = escaping.template(&tree.name, Context::TEXT, tree, (0, 0))?;
    if end.state != State::Text && end.state != State::Dead {
        return Err(error(tree, (0, 0), &format!("ends in a non-text context: {end}")));
    }
    Ok(escaping.done)
}

struct Escaping<'s> {
    set: &'s Set,
    done: Set,
    /// Where templates end, by their derived names; `None` while that is being found out.
    ends: BTreeMap<Arc<str>, Option<Context>>,
    /// Contexts at `break` and at `continue` of the open loops.
    loops: Vec<(Vec<Context>, Vec<Context>)>,
    work: usize,
    depth: usize,
}

type Escaped = Result<(Vec<Node>, Context), TemplateError>;

fn error(tree: &Tree, span: Span, message: &str) -> TemplateError {
    let (line, column) = super::ast::position(&tree.source, span.0);
    TemplateError {
        message: format!("html/template:{}:{line}:{column}: {message}", tree.file),
        offset: Some(span.0),
    }
}

impl Escaping<'_> {
    /// Escapes a template that begins in a context; its derived name, and where it ends.
    fn template(
        &mut self,
        name: &Arc<str>,
        start: Context,
        caller: &Tree,
        span: Span,
    ) -> Result<(Arc<str>, Context), TemplateError> {
        let derived: Arc<str> =
            if start == Context::TEXT { Arc::clone(name) } else { format!("{name}$html{start}").into() };
        match self.ends.get(&derived) {
            Some(Some(end)) => return Ok((derived, *end)),
            // A template that calls itself is taken to end as it begins; checked below.
            Some(None) => return Ok((derived, start)),
            None => {}
        }
        let Some(tree) = self.set.trees.get(name).cloned() else {
            return Err(error(caller, span, &format!("no such template {name:?}")));
        };
        self.ends.insert(Arc::clone(&derived), None);
        let outer = std::mem::take(&mut self.loops);
        let before = self.done.trees.len();
        let (body, end) = self.list(&tree, &tree.body, start)?;
        self.loops = outer;
        let recursive = end != start && calls(&body, &derived);
        if recursive
            || (end != start && self.done.trees.values().skip(before).any(|t| calls(&t.body, &derived)))
        {
            return Err(error(&tree, (0, 0), &format!("cannot compute output context for template {name}")));
        }
        self.ends.insert(Arc::clone(&derived), Some(end));
        let escaped = Tree {
            name: Arc::clone(&derived),
            file: Arc::clone(&tree.file),
            source: Arc::clone(&tree.source),
            body,
        };
        self.done.trees.insert(Arc::clone(&derived), Arc::new(escaped));
        Ok((derived, end))
    }

    fn list(&mut self, tree: &Tree, nodes: &[Node], start: Context) -> Escaped {
        self.depth += 1;
        self.work += nodes.len();
        if self.depth > DEPTH_MAX || self.work > WORK_MAX {
            return Err(error(tree, (0, 0), "too complex to be escaped"));
        }
        let mut out = Vec::with_capacity(nodes.len());
        let mut at = start;
        for node in nodes {
            let (node, next) = self.node(tree, node, at)?;
            out.push(node);
            at = next;
        }
        self.depth -= 1;
        Ok((out, at))
    }

    fn node(&mut self, tree: &Tree, node: &Node, at: Context) -> Result<(Node, Context), TemplateError> {
        Ok(match node {
            Node::Text(text) => {
                let (text, end) = text::advance(at, text).map_err(|e| error(tree, (0, 0), &e))?;
                (Node::Text(text.into()), end)
            }
            Node::Action(pipe, _) if !pipe.vars.is_empty() => (node.clone(), at),
            Node::Action(pipe, _) => {
                let at = at.nudged();
                let found = at.escapers().map_err(|e| error(tree, (pipe.pos, pipe.pos), &e))?;
                (Node::Action(pipe.clone(), found), at)
            }
            Node::If(branch) => {
                let (branch, end) = self.branch(tree, branch, at, "if")?;
                (Node::If(branch), end)
            }
            Node::With(branch) => {
                let (branch, end) = self.branch(tree, branch, at, "with")?;
                (Node::With(branch), end)
            }
            Node::Range(branch) => {
                let (branch, end) = self.range(tree, branch, at)?;
                (Node::Range(branch), end)
            }
            Node::Break | Node::Continue => {
                if let Some((breaks, continues)) = self.loops.last_mut() {
                    if matches!(node, Node::Break) { breaks } else { continues }.push(at);
                }
                (node.clone(), Context { state: State::Dead, ..Context::TEXT })
            }
            Node::Template(call) => {
                let span = (call.pos, call.pos);
                let (name, end) = self.template(&call.name, at.nudged(), tree, span)?;
                (Node::Template(Call { name, pipe: call.pipe.clone(), pos: call.pos }), end)
            }
        })
    }

    fn branch(
        &mut self,
        tree: &Tree,
        branch: &Branch,
        at: Context,
        word: &str,
    ) -> Result<(Box<Branch>, Context), TemplateError> {
        let (body, one) = self.list(tree, &branch.body, at)?;
        let (otherwise, other) = self.list(tree, &branch.otherwise, at)?;
        let end = joined(tree, branch, one, other, word)?;
        Ok((Box::new(Branch { pipe: branch.pipe.clone(), body, otherwise }), end))
    }

    fn range(
        &mut self,
        tree: &Tree,
        branch: &Branch,
        at: Context,
    ) -> Result<(Box<Branch>, Context), TemplateError> {
        self.loops.push(Default::default());
        let (body, mut once) = self.list(tree, &branch.body, at)?;
        let (mut breaks, continues) = self.loops.pop().unwrap_or_default();
        for other in continues {
            once = joined(tree, branch, once, other, "range")?;
        }
        if once != at && once.state != State::Dead {
            // The body can run again where it has ended: that must make no difference.
            self.loops.push(Default::default());
            let (_, mut twice) = self.list(tree, &branch.body, once)?;
            let (again, continues) = self.loops.pop().unwrap_or_default();
            breaks.extend(again);
            for other in continues {
                twice = joined(tree, branch, twice, other, "range")?;
            }
            once = joined(tree, branch, once, twice, "range")?;
        }
        let (otherwise, other) = self.list(tree, &branch.otherwise, at)?;
        let mut end = joined(tree, branch, once, other, "range")?;
        for other in breaks {
            end = joined(tree, branch, end, other, "range")?;
        }
        Ok((Box::new(Branch { pipe: branch.pipe.clone(), body, otherwise }), end))
    }
}

fn joined(
    tree: &Tree,
    branch: &Branch,
    a: Context,
    b: Context,
    word: &str,
) -> Result<Context, TemplateError> {
    join(a, b).ok_or_else(|| {
        let message = format!("{{{{{word}}}}} branches end in different contexts: {a}, {b}");
        error(tree, (branch.pipe.pos, branch.pipe.pos), &message)
    })
}

/// Whether nodes call a template.
fn calls(nodes: &[Node], name: &str) -> bool {
    nodes.iter().any(|node| match node {
        Node::Template(call) => *call.name == *name,
        Node::If(b) | Node::With(b) | Node::Range(b) => calls(&b.body, name) || calls(&b.otherwise, name),
        _ => false,
    })
}
