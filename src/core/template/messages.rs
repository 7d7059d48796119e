//! Templates of notifications: the built-in ones, and people's own over them.

use std::sync::{Arc, OnceLock};

use super::{
    Data, TemplateError, Templates,
    exec::{Set, execute},
    funcs::{Dialect, Host},
    html,
    parse::parse,
    value::Value,
};

/// The built-in texts, by the names that Alertmanager gives its own.
const BUILTIN: [(&str, &str); 3] = [
    ("default.tmpl", include_str!("default.tmpl")),
    ("email.tmpl", include_str!("email.tmpl")),
    ("slack.tmpl", include_str!("slack.tmpl")),
];

/// A receiver's text is a template without a name, as in Alertmanager.
const UNNAMED: &str = "";

fn builtin() -> &'static Arc<Set> {
    static SET: OnceLock<Arc<Set>> = OnceLock::new();
    SET.get_or_init(|| {
        let mut set = Set::default();
        for (name, text) in BUILTIN {
            let trees = parse(&name.into(), &text.into(), Dialect::Message, &[]);
            set.add(trees.expect("a test parses the built-in templates"));
        }
        Arc::new(set)
    })
}

impl Templates {
    /// The built-in ones alone.
    pub fn builtin() -> Self {
        Self { set: Arc::clone(builtin()) }
    }

    /// The built-in ones, and files over them, `(name, text)` in order. A later definition replaces an earlier one
    /// unless it is blank; a file is itself a template, called by its name.
    ///
    /// # Errors
    /// Each file that doesn't parse, with its index.
    pub fn with_files(files: &[(Arc<str>, Arc<str>)]) -> Result<Self, Vec<(usize, TemplateError)>> {
        let mut set = Set::clone(builtin());
        let mut errors = Vec::new();
        for (i, (name, text)) in files.iter().enumerate() {
            match parse(name, text, Dialect::Message, &[]) {
                Ok(trees) => set.add(trees),
                Err(e) => errors.push((i, e)),
            }
        }
        if errors.is_empty() { Ok(Self { set: Arc::new(set) }) } else { Err(errors) }
    }

    /// Whether a text parses. That the templates it calls exist is not looked at, as in Alertmanager.
    ///
    /// # Errors
    /// When not.
    pub fn check(&self, text: &str) -> Result<(), TemplateError> {
        parse(&UNNAMED.into(), &text.into(), Dialect::Message, &[]).map(|_| ())
    }

    /// Expands a text without escaping.
    ///
    /// # Errors
    /// What went wrong.
    pub fn text(&self, text: &str, data: &Data) -> Result<String, TemplateError> {
        self.run(text, data, false)
    }

    /// Expands a text as HTML, escaping by context.
    ///
    /// # Errors
    /// What went wrong.
    pub fn html(&self, text: &str, data: &Data) -> Result<String, TemplateError> {
        self.run(text, data, true)
    }

    fn run(&self, text: &str, data: &Data, as_html: bool) -> Result<String, TemplateError> {
        if !as_html && !text.contains("{{") {
            return Ok(text.to_owned());
        }
        let mut set = Set::clone(&self.set);
        // The receiver's text wins over what a file may have left under the same name.
        set.trees.remove(UNNAMED);
        set.add(parse(&UNNAMED.into(), &text.into(), Dialect::Message, &[])?);
        if as_html {
            set = html::prepare(&set, UNNAMED)?;
        }
        let Some(tree) = set.trees.get(UNNAMED) else { return Ok(String::new()) };
        let dot = Value::Data(data);
        let mut host = Host {
            now: data.now,
            external_url: &data.external_url,
            query: None,
            message: Some((&self.set, data)),
            routes: Vec::new(),
            steps: 0,
            depth: 0,
        };
        execute(&set, tree, &dot, vec![dot.clone()], &mut host)
    }
}
