//! Markdown to HTML: the part of it that `docs/` is written in. Headings, paragraphs, lists without lists in them,
//! fenced code, tables; in a line code, bold and links. All else is text, and all text is escaped.

use std::{fmt::Write as _, iter::Peekable, str::Lines};

use botwatch_core::template::escape_html as escape;

/// A whole document.
pub(super) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 3 / 2);
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            out.push_str("<pre><code>");
            for line in lines.by_ref().take_while(|l| !l.starts_with("```")) {
                out.push_str(&escape(line));
                out.push('\n');
            }
            out.push_str("</code></pre>\n");
        } else if let Some((level, title)) = heading(line) {
            let _ = writeln!(out, "<h{level} id=\"{}\">{}</h{level}>", slug(title), inline(title));
        } else if line.starts_with('|') {
            table(line, &mut lines, &mut out);
        } else if let Some((kind, first)) = item(line) {
            list(kind, first, &mut lines, &mut out);
        } else if !line.trim().is_empty() {
            let mut paragraph = line.to_owned();
            while let Some(next) = lines.next_if(|l| !l.trim().is_empty() && !begins(l)) {
                paragraph.push('\n');
                paragraph.push_str(next);
            }
            let _ = writeln!(out, "<p>{}</p>", inline(&paragraph));
        }
    }
    out
}

/// Whether a line begins a block of its own.
fn begins(line: &str) -> bool {
    line.starts_with("```") || line.starts_with('|') || heading(line).is_some() || item(line).is_some()
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let level = line.bytes().take_while(|b| *b == b'#').count();
    let title = line[level..].strip_prefix(' ')?;
    (1..=3).contains(&level).then_some((level, title.trim()))
}

/// The name of a heading in links, as code hosts make it.
pub(super) fn slug(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// `ul` or `ol`, and the item's first line.
fn item(line: &str) -> Option<(&'static str, &str)> {
    if let Some(text) = line.strip_prefix("- ") {
        return Some(("ul", text));
    }
    let (number, text) = line.split_once(". ")?;
    (!number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())).then_some(("ol", text))
}

fn list(kind: &'static str, first: &str, lines: &mut Peekable<Lines<'_>>, out: &mut String) {
    let _ = writeln!(out, "<{kind}>");
    let mut next = Some(first);
    while let Some(text) = next {
        let mut text = text.to_owned();
        while let Some(more) = lines.next_if(|l| l.starts_with("  ")) {
            text.push('\n');
            text.push_str(more.trim_start());
        }
        let _ = writeln!(out, "<li>{}</li>", inline(&text));
        let same = |l: &&str| item(l).is_some_and(|(k, _)| k == kind);
        next = lines.next_if(same).and_then(item).map(|(_, text)| text);
    }
    let _ = writeln!(out, "</{kind}>");
}

/// The first row is the head, the second only a line.
fn table(first: &str, lines: &mut Peekable<Lines<'_>>, out: &mut String) {
    out.push_str("<div class=\"wide\"><table>\n");
    row("th", first, out);
    lines.next_if(|l| l.starts_with("|-"));
    while let Some(line) = lines.next_if(|l| l.starts_with('|')) {
        row("td", line, out);
    }
    out.push_str("</table></div>\n");
}

fn row(cell: &str, line: &str, out: &mut String) {
    // A stroke in a cell is written `\|`.
    let line = line.trim().trim_matches('|').replace("\\|", "\u{1}");
    out.push_str("<tr>");
    for text in line.split('|') {
        let _ = write!(out, "<{cell}>{}</{cell}>", inline(&text.trim().replace('\u{1}', "|")));
    }
    out.push_str("</tr>\n");
}

/// What stands in a line.
pub(super) fn inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 5 / 4);
    let mut rest = text;
    while let Some(at) = rest.find(['`', '*', '[']) {
        out.push_str(&escape(&rest[..at]));
        rest = &rest[at..];
        let (html, after) = marked(rest).unwrap_or_else(|| (rest[..1].to_owned(), &rest[1..]));
        out.push_str(&html);
        rest = after;
    }
    out.push_str(&escape(rest));
    out
}

/// Code, bold or a link at the start of a text, and what follows it.
fn marked(text: &str) -> Option<(String, &str)> {
    if let Some(rest) = text.strip_prefix('`') {
        let (code, rest) = rest.split_once('`')?;
        return Some((format!("<code>{}</code>", escape(code)), rest));
    }
    if let Some(rest) = text.strip_prefix("**") {
        let (bold, rest) = rest.split_once("**")?;
        return Some((format!("<strong>{}</strong>", inline(bold)), rest));
    }
    let (name, rest) = text.strip_prefix('[')?.split_once("](")?;
    let (address, rest) = rest.split_once(')')?;
    Some((format!("<a href=\"{}\">{}</a>", escape(&target(address)?), inline(name)), rest))
}

/// Where a link leads: elsewhere on the web, or another page, whose file's ending is not part of its address.
fn target(address: &str) -> Option<String> {
    if address.starts_with("https://") || address.starts_with("http://") {
        return Some(address.to_owned());
    }
    let (page, place) = address.split_once('#').map_or((address, None), |(page, place)| (page, Some(place)));
    let page = page.strip_suffix(".md").unwrap_or(page);
    let place = place.map_or_else(String::new, |p| format!("#{p}"));
    (!page.contains(':')).then(|| format!("{page}{place}"))
}
