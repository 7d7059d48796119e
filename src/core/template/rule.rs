//! Label and annotation templates of alerting rules.

use std::sync::Arc;

use super::{
    Query, RuleContext, RuleTemplate, TemplateError,
    ast::Node,
    exec::{Set, execute},
    funcs::{Dialect, Host, names},
    parse::parse,
    value::Value,
};

/// Variables that Prometheus defines before the text, in the order of the stack.
const VARIABLES: [&str; 4] = ["$labels", "$externalLabels", "$externalURL", "$value"];

#[derive(Debug)]
pub(super) struct Inner {
    name: Arc<str>,
    set: Set,
}

impl RuleTemplate {
    /// All names that a text can use, for advice: functions, and variables with their `$`.
    pub fn names() -> impl Iterator<Item = &'static str> {
        VARIABLES.into_iter().chain(names(Dialect::Rule))
    }

    /// Parses, with `$labels`, `$value`, `$externalLabels`, `$externalURL` defined (spec R15). Cheap to clone.
    ///
    /// # Errors
    /// Bad syntax, an unknown function, an undefined variable.
    pub fn parse(name: &str, text: &str) -> Result<Self, TemplateError> {
        let name: Arc<str> = name.into();
        let mut set = Set::default();
        set.add(parse(&name, &text.into(), Dialect::Rule, &VARIABLES)?);
        Ok(Self { inner: Arc::new(Inner { name, set }) })
    }

    /// Expands.
    ///
    /// # Errors
    /// What went wrong at run time (spec R23).
    pub fn expand(&self, context: &RuleContext<'_>, query: &mut Query<'_>) -> Result<String, TemplateError> {
        let Inner { name, set } = &*self.inner;
        let Some(tree) = set.trees.get(name) else { return Ok(String::new()) };
        // Most labels, and some annotations, are plain text.
        match &tree.body[..] {
            [] => return Ok(String::new()),
            [Node::Text(text)] => return Ok(text.to_string()),
            _ => {}
        }
        let dot = Value::Rule(context);
        let field = |name| super::data::member(&dot, name, &[]).unwrap_or(Value::Nil);
        let vars =
            vec![dot.clone(), field("Labels"), field("ExternalLabels"), field("ExternalURL"), field("Value")];
        let mut host = Host {
            now: context.now,
            external_url: context.external_url,
            query: Some(query),
            message: None,
            routes: Vec::new(),
            steps: 0,
            depth: 0,
        };
        execute(set, tree, &dot, vars, &mut host)
    }
}
