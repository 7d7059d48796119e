//! Patterns that are lists of words in disguise: lookups instead of matching.

use super::{
    ast::{Look, Node},
    class::{Class, Item},
    parse::{Flags, parse},
};

/// As many alternatives as are still cheaper to look up one by one than to match.
const MAX: usize = 64;

/// The texts that an anchored pattern matches, when these are few: a literal (`foo`), an alternation (`a|b|c`), or a
/// product of such (`web-(1|2)`, `web-[12]`), at most 64. In order of the pattern, each once. `None` when the pattern
/// is more than that, or is none.
///
/// A label's value matches the anchored pattern exactly if it is one of these.
pub fn literal_alternatives(pattern: &str) -> Option<Vec<String>> {
    let tree = parse(pattern, Flags { dot_newline: true, ..Flags::default() }).ok()?;
    let mut all = Vec::new();
    for text in alternatives(strip_anchors(&tree))? {
        if !all.contains(&text) {
            all.push(text);
        }
    }
    Some(all)
}

/// `^a|b$` is anchored anyway: a leading `^` and a trailing `$` of the whole say nothing more.
fn strip_anchors(node: &Node) -> &[Node] {
    let Node::Concat(nodes) = node else { return std::slice::from_ref(node) };
    let nodes = match nodes.as_slice() {
        [Node::Look(Look::TextStart), rest @ ..] => rest,
        all => all,
    };
    match nodes {
        [rest @ .., Node::Look(Look::TextEnd)] => rest,
        all => all,
    }
}

/// The texts of a sequence of nodes.
fn alternatives(nodes: &[Node]) -> Option<Vec<String>> {
    let mut texts = vec![String::new()];
    for node in nodes {
        let tails = of_node(node)?;
        if texts.len() * tails.len() > MAX {
            return None;
        }
        texts = texts.iter().flat_map(|head| tails.iter().map(move |tail| format!("{head}{tail}"))).collect();
    }
    Some(texts)
}

fn of_node(node: &Node) -> Option<Vec<String>> {
    match node {
        Node::Empty => Some(vec![String::new()]),
        Node::Literal { text, fold: false } => Some(vec![text.clone()]),
        Node::Class { class, fold: false } => of_class(class),
        Node::Concat(nodes) => alternatives(nodes),
        Node::Capture { node, .. } => of_node(node),
        Node::Alternate(nodes) => {
            let mut texts = Vec::new();
            for node in nodes {
                texts.extend(of_node(node)?);
                if texts.len() > MAX {
                    return None;
                }
            }
            Some(texts)
        }
        _ => None,
    }
}

fn of_class(class: &Class) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    for item in &class.items {
        let Item::Range(lo, hi) = *item else { return None };
        if class.negated || (hi - lo) as usize >= MAX - texts.len().min(MAX) {
            return None;
        }
        texts.extend((lo..=hi).filter_map(char::from_u32).map(String::from));
    }
    (!class.negated).then_some(texts)
}
