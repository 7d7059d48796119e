//! From parser events to the tree.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use granit_parser::{Event, Parser, ScalarStyle, ScanError, StructureStyle, Tag};

use super::{Document, Key, Limits, Node, Scalar, Value, marks, syntax};
use crate::diag::{Diagnostic, SourceText, Span};

/// After so many problems in one text the rest is left out.
const PROBLEMS_MAX: usize = 200;
/// How often the text is read again with a broken value blanked, to find further problems.
const REPAIRS_MAX: usize = 20;

/// Reads the first document of a text. All problems are reported that can be told apart: after a value that is no
/// YAML the rest is still read, and what was blanked is listed in [`Document::broken`]. `None` when there is no tree.
pub fn parse(source: Arc<SourceText>, limits: &Limits) -> (Option<Document>, Vec<Diagnostic>) {
    let mut text = source.text.to_string();
    let mut broken: Vec<Span> = Vec::new();
    let mut syntax_errors: Vec<Diagnostic> = Vec::new();
    loop {
        let mut builder = Builder::new(&source, &text, limits);
        let end = builder.run();
        let mut found = builder.diagnostics;
        let Err(error) = end else {
            broken.append(&mut builder.broken);
            syntax_errors.append(&mut found);
            syntax_errors.sort_by_key(|d| d.place.as_ref().map_or(0, |(_, span)| span.start));
            let document = builder.root.map(|root| Document { source, root, broken });
            return (document, syntax_errors);
        };
        let problem = syntax::diagnose(&error, &source, &text);
        let known = |d: &Diagnostic| d.code == problem.diagnostic.code && d.place == problem.diagnostic.place;
        if !syntax_errors.iter().any(known) {
            syntax_errors.push(problem.diagnostic);
        }
        let repair = problem
            .repair
            .filter(|s| s.start < s.end && broken.iter().all(|b| b.end <= s.start || b.start >= s.end));
        match repair {
            Some(span) if broken.len() < REPAIRS_MAX => {
                text.replace_range(span.start..span.end, &"x".repeat(span.end - span.start));
                broken.push(span);
            }
            _ => {
                found.retain(|d| !syntax_errors.iter().any(|e| e.code == d.code && e.place == d.place));
                syntax_errors.append(&mut found);
                return (None, syntax_errors);
            }
        }
    }
}

/// A collection being built.
struct Frame {
    start: usize,
    anchor: usize,
    nodes: usize,
    height: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<(Key, Node)>,
        seen: BTreeMap<Arc<str>, Span>,
        next: Next,
        merge: Option<(Key, Node)>,
    },
}

/// What the next node of a mapping is.
enum Next {
    Key,
    Value(Key),
    /// The value of a key that is reported and left out.
    Ignored,
}

/// A finished node with its size and height, for the budget of aliases.
struct Built {
    node: Node,
    nodes: usize,
    height: usize,
}

struct Builder<'t> {
    source: &'t Arc<SourceText>,
    text: &'t str,
    limits: &'t Limits,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Built>,
    nodes: usize,
    root: Option<Node>,
    diagnostics: Vec<Diagnostic>,
    broken: Vec<Span>,
}

impl<'t> Builder<'t> {
    fn new(source: &'t Arc<SourceText>, text: &'t str, limits: &'t Limits) -> Self {
        Self {
            source,
            text,
            limits,
            frames: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            root: None,
            diagnostics: Vec::new(),
            broken: Vec::new(),
        }
    }

    fn run(&mut self) -> Result<(), ScanError> {
        let options = granit_parser::options! {
            emit_unresolved_aliases: true,
            block_nesting_limit: self.limits.depth_max,
            flow_nesting_limit: self.limits.depth_max,
        };
        let text = self.text;
        let mut parser = Parser::new_from_str_with_options(text, options);
        let mut documents = 0;
        while let Some(event) = parser.next() {
            let (event, at) = event?;
            let span = Span::new(at.start.byte_offset().unwrap_or(0), at.end.byte_offset().unwrap_or(0));
            match event {
                Event::DocumentStart(..) => {
                    documents += 1;
                    if documents > 1 {
                        self.second_document(span);
                        return Ok(());
                    }
                }
                Event::Scalar(value, style, anchor, tag) => {
                    let built = self.scalar(&value, style, tag.as_deref(), span, at.indent.unwrap_or(0));
                    self.finish(built, anchor);
                }
                Event::SequenceStart(_, anchor, tag) => {
                    self.check_tag(tag.as_deref(), span);
                    self.open(span, anchor, Content::Sequence(Vec::new()));
                }
                Event::MappingStart(StructureStyle::Flow, anchor, _)
                    if text[span.start..].starts_with("{{") =>
                {
                    let end = skip(&mut parser, span.end)?;
                    self.template(Span::new(span.start, end), anchor);
                }
                Event::MappingStart(_, anchor, tag) => {
                    self.check_tag(tag.as_deref(), span);
                    let content = Content::Mapping {
                        entries: Vec::new(),
                        seen: BTreeMap::new(),
                        next: Next::Key,
                        merge: None,
                    };
                    self.open(span, anchor, content);
                }
                Event::SequenceEnd | Event::MappingEnd => self.close(span),
                Event::Alias(id) => self.alias(id, span),
                Event::UnresolvedAlias(name) => {
                    let message = format!("`*{name}` refers to an anchor that isn't there");
                    self.error("yaml-alias", message, format!("expected `&{name}` somewhere above"), span);
                    self.hidden(span);
                }
                _ => {}
            }
            if self.nodes > self.limits.nodes_max {
                let message =
                    format!("more than {} values, aliases counted each time", self.limits.nodes_max);
                self.error("yaml-limit", message, "the limit is reached here", span);
                self.root = None;
                return Ok(());
            }
        }
        if self.root.is_none() && self.frames.is_empty() {
            self.root = Some(Node { value: Value::Null, span: Span::new(0, 0) });
        }
        Ok(())
    }

    fn error(
        &mut self,
        code: &'static str,
        message: impl Into<String>,
        label: impl Into<String>,
        span: Span,
    ) {
        if self.diagnostics.len() < PROBLEMS_MAX {
            self.diagnostics.push(Diagnostic::error(code, message, self.source, span).label(label));
        }
    }

    fn second_document(&mut self, span: Span) {
        let end = (span.start + 3).min(self.text.len());
        let span = Span::new(span.start, self.text.floor_char_boundary(end));
        self.diagnostics.push(
            Diagnostic::warning("yaml-documents", "a second document, which is ignored", self.source, span)
                .label("all below this line has no effect")
                .hint("remove the `---`, or put the rest into a file of its own"),
        );
    }

    fn scalar(
        &mut self,
        value: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        span: Span,
        indent: usize,
    ) -> Built {
        self.check_tag(tag, span);
        let inner = Span::new(span.start + 1, span.end.saturating_sub(1).max(span.start + 1));
        let text_tag = tag.is_some_and(|t| t.is_yaml_core_schema_tag("str"));
        let plain = matches!(style, ScalarStyle::Plain) && !text_tag;
        let null = plain && (span.start == span.end || matches!(value, "~" | "null" | "Null" | "NULL"));
        let node = if null {
            Node { value: Value::Null, span }
        } else {
            let map = match style {
                ScalarStyle::Plain => marks::plain_or_single(self.text, span, value),
                ScalarStyle::SingleQuoted => marks::plain_or_single(self.text, inner, value),
                ScalarStyle::DoubleQuoted => marks::double(self.text, inner, value),
                ScalarStyle::Literal | ScalarStyle::Folded => marks::block(self.text, span, indent, value),
            };
            Node {
                value: Value::Scalar(Scalar { text: value.into(), plain, map: map.into() }),
                span: self.trimmed(span),
            }
        };
        Built { node, nodes: 1, height: 0 }
    }

    /// A block scalar's range ends behind its last line feed; a caret should not.
    fn trimmed(&self, span: Span) -> Span {
        let content = self.text[span.start..span.end].trim_end();
        Span::new(span.start, (span.start + content.len()).max(span.start))
    }

    fn check_tag(&mut self, tag: Option<&Tag>, span: Span) {
        if let Some(tag) = tag.filter(|t| t.is_custom()) {
            let (handle, suffix) = tag.parts();
            let handle = if handle.starts_with("tag:") { "!!" } else { handle };
            let message = format!("the tag `{handle}{suffix}` has no meaning here");
            self.error("yaml-tag", message, "remove the tag", span);
            self.broken.push(span);
        }
    }

    /// An unquoted `{{ … }}`: reported, then treated as the text that was meant.
    fn template(&mut self, span: Span, anchor: usize) {
        let line_end = self.text[span.start..].find('\n').map_or(self.text.len(), |i| span.start + i);
        let whole = self.trimmed(Span::new(span.start, line_end.max(span.end)));
        self.diagnostics.push(syntax::unquoted_template(self.source, whole));
        self.broken.push(whole);
        let text = &self.text[span.start..span.end];
        let scalar = Scalar { text: text.into(), plain: false, map: [(0, span.start)].into() };
        self.finish(Built { node: Node { value: Value::Scalar(scalar), span }, nodes: 1, height: 0 }, anchor);
    }

    /// Stands in for a value that is reported already.
    fn hidden(&mut self, span: Span) {
        self.broken.push(span);
        let scalar = Scalar { text: "".into(), plain: false, map: [(0, span.start)].into() };
        self.finish(Built { node: Node { value: Value::Scalar(scalar), span }, nodes: 1, height: 0 }, 0);
    }

    fn alias(&mut self, id: usize, span: Span) {
        let copy = self.anchors.get(&id).map(|b| (b.nodes, b.height, b.node.clone()));
        let Some((nodes, height, node)) = copy else {
            self.error(
                "yaml-alias",
                "an alias inside the value that it refers to",
                "this would never end",
                span,
            );
            return self.hidden(span);
        };
        if self.nodes + nodes > self.limits.nodes_max || self.frames.len() + height > self.limits.depth_max {
            let message = "aliases that unfold to more than any real file needs";
            self.error("yaml-limit", message, format!("{nodes} values behind this one"), span);
            return self.hidden(span);
        }
        self.finish(Built { node, nodes, height }, 0);
    }

    fn open(&mut self, span: Span, anchor: usize, content: Content) {
        self.frames.push(Frame { start: span.start, anchor, nodes: 1, height: 0, content });
        self.nodes += 1;
    }

    fn close(&mut self, span: Span) {
        let Some(frame) = self.frames.pop() else { return };
        // A block collection ends where its last child ends, not where the parser saw the next token.
        let (value, last) = match frame.content {
            Content::Sequence(items) => {
                let last = items.last().map(|n| n.span.end);
                (Value::Sequence(items), last)
            }
            Content::Mapping { mut entries, seen, merge, .. } => {
                let last = entries.iter().map(|(k, v)| k.span.end.max(v.span.end)).max();
                if let Some((key, node)) = merge {
                    self.merge(&mut entries, &seen, &key, node);
                }
                (Value::Mapping(entries), last)
            }
        };
        let end = if span.end > span.start { span.end } else { last.unwrap_or(frame.start) };
        let node = Node { value, span: Span::new(frame.start, end.max(frame.start)) };
        self.nodes -= frame.nodes;
        self.finish(Built { node, nodes: frame.nodes, height: frame.height + 1 }, frame.anchor);
    }

    /// `<<: *a` and `<<: [*a, *b]`: keys that are not there yet, earlier ones first.
    fn merge(
        &mut self,
        entries: &mut Vec<(Key, Node)>,
        seen: &BTreeMap<Arc<str>, Span>,
        key: &Key,
        node: Node,
    ) {
        let parts = match node.value {
            Value::Sequence(items) => items,
            _ => vec![node],
        };
        let mut seen: BTreeMap<Arc<str>, Span> = seen.clone();
        for part in parts {
            let Value::Mapping(more) = part.value else {
                let label = format!("found {}", part.describe());
                self.error("yaml-merge", "`<<` takes a mapping or a list of mappings", label, part.span);
                continue;
            };
            for (k, v) in more {
                if seen.insert(Arc::clone(&k.text), key.span).is_none() {
                    entries.push((k, v));
                }
            }
        }
    }

    /// Hands a finished node to the collection that it is in.
    fn finish(&mut self, built: Built, anchor: usize) {
        self.nodes += built.nodes;
        let Built { mut node, nodes, height } = built;
        if anchor != 0 {
            self.anchors.insert(anchor, Built { node: node.clone(), nodes, height });
        }
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(node);
            return;
        };
        frame.nodes += nodes;
        frame.height = frame.height.max(height);
        match &mut frame.content {
            Content::Sequence(items) => items.push(node),
            Content::Mapping { entries, next, merge, .. } => match std::mem::replace(next, Next::Key) {
                Next::Key => self.key(&node),
                Next::Ignored => {}
                Next::Value(key) if &*key.text == "<<" && merge.is_none() => *merge = Some((key, node)),
                Next::Value(key) => {
                    if node.is_null() && node.span.start == node.span.end {
                        node.span = key.span;
                    }
                    entries.push((key, node));
                }
            },
        }
    }

    /// A node in the place of a key.
    fn key(&mut self, node: &Node) {
        let key = match &node.value {
            Value::Scalar(s) => Some(Key { text: Arc::clone(&s.text), span: node.span }),
            Value::Null => {
                Some(Key { text: self.text[node.span.start..node.span.end].into(), span: node.span })
            }
            Value::Sequence(_) | Value::Mapping(_) => {
                let message = format!("{} can't be a key", node.describe());
                self.error("yaml-key", message, "expected a name", node.span);
                None
            }
        };
        let Some(Frame { content: Content::Mapping { seen, next, .. }, .. }) = self.frames.last_mut() else {
            return;
        };
        let Some(key) = key else {
            *next = Next::Ignored;
            return;
        };
        match seen.get(&key.text).copied() {
            None => {
                seen.insert(Arc::clone(&key.text), key.span);
                *next = Next::Value(key);
            }
            Some(first) => {
                *next = Next::Ignored;
                let (line, _) = self.source.position(first.start);
                let message = format!("`{}` is given twice", key.text);
                self.error("yaml-duplicate-key", message, format!("first given on line {line}"), key.span);
            }
        }
    }
}

/// Passes over the rest of a collection whose start was just read; where it ends.
fn skip<'t, I>(parser: &mut I, mut end: usize) -> Result<usize, ScanError>
where
    I: Iterator<Item = Result<(Event<'t>, granit_parser::Span), ScanError>>,
{
    let mut depth = 1;
    while depth > 0 {
        let Some(event) = parser.next() else { break };
        let (event, at) = event?;
        match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => depth += 1,
            Event::SequenceEnd | Event::MappingEnd => depth -= 1,
            _ => {}
        }
        end = at.end.byte_offset().unwrap_or(end);
    }
    Ok(end)
}
