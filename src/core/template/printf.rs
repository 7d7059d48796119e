//! Go's `fmt`: `print`, `println` and the verbs of `printf`.

use super::{
    data,
    float::format_float,
    quote, time,
    value::{ListKind, MapKind, Value},
};

/// A text made by one function at most.
pub(super) const TEXT_MAX: usize = 4 << 20;

/// Width and precision at most, as in Go.
pub(super) const SIZE_MAX: i64 = 1_000_000;

#[derive(Clone, Copy, Default)]
struct Flags {
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    prec: Option<usize>,
}

/// `fmt.Sprint`: blanks between operands when neither is a text.
pub(super) fn sprint(args: &[Value<'_>]) -> String {
    let mut out = String::new();
    let mut before_text = true;
    for (i, arg) in args.iter().enumerate() {
        let text = arg.as_str().is_some();
        if i > 0 && !text && !before_text {
            out.push(' ');
        }
        before_text = text;
        print(&mut out, arg);
    }
    out
}

/// `fmt.Sprintln`
pub(super) fn sprintln(args: &[Value<'_>]) -> String {
    let mut out = String::new();
    for (i, arg) in args.iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        print(&mut out, arg);
    }
    out.push('\n');
    out
}

/// Appends a value as `%v` does.
pub(super) fn print(out: &mut String, value: &Value<'_>) {
    match value {
        Value::Str(s) | Value::Html(s) | Value::Url(s) => out.push_str(s),
        _ => verb(out, 'v', value, Flags::default()),
    }
}

/// `fmt.Sprintf`
pub(super) fn sprintf(format: &str, args: &[Value<'_>]) -> String {
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    let (mut next, mut reordered) = (0usize, false);
    while let Some(c) = chars.next() {
        if out.len() > TEXT_MAX {
            break;
        }
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut flags = Flags::default();
        while let Some(c) = chars.peek() {
            match c {
                '+' => flags.plus = true,
                '-' => flags.minus = true,
                '#' => flags.sharp = true,
                ' ' => flags.space = true,
                '0' => flags.zero = true,
                _ => break,
            }
            chars.next();
        }
        let mut good = index(&mut chars, &mut next, &mut reordered, args.len());
        if chars.next_if_eq(&'*').is_some() {
            match star(args, &mut next) {
                Some(n) => {
                    flags.minus |= n < 0;
                    flags.width = Some(n.unsigned_abs() as usize);
                }
                None => out.push_str("%!(BADWIDTH)"),
            }
        } else {
            flags.width = digits(&mut chars);
        }
        if chars.next_if_eq(&'.').is_some() {
            good &= index(&mut chars, &mut next, &mut reordered, args.len());
            if chars.next_if_eq(&'*').is_some() {
                match star(args, &mut next) {
                    Some(n) => flags.prec = usize::try_from(n).ok(),
                    None => out.push_str("%!(BADPREC)"),
                }
            } else {
                flags.prec = Some(digits(&mut chars).unwrap_or(0));
            }
        }
        good &= index(&mut chars, &mut next, &mut reordered, args.len());
        if flags.minus {
            flags.zero = false;
        }
        let Some(v) = chars.next() else {
            out.push_str("%!(NOVERB)");
            break;
        };
        match args.get(next) {
            _ if v == '%' => out.push('%'),
            _ if !good => out.push_str(&format!("%!{v}(BADINDEX)")),
            None => out.push_str(&format!("%!{v}(MISSING)")),
            Some(arg) => {
                next += 1;
                verb(&mut out, v, arg, flags);
            }
        }
    }
    if !reordered && next < args.len() {
        out.push_str("%!(EXTRA ");
        for (i, arg) in args[next..].iter().enumerate() {
            if i > 0 {
                out.push_str(", ");
            }
            out.push_str(arg.type_name());
            if !matches!(arg, Value::Nil) {
                out.push('=');
                print(&mut out, arg);
            }
        }
        out.push(')');
    }
    out
}

type Chars<'f> = std::iter::Peekable<std::str::Chars<'f>>;

fn digits(chars: &mut Chars<'_>) -> Option<usize> {
    let mut n = None;
    while let Some(d) = chars.peek().and_then(|c| c.to_digit(10)) {
        chars.next();
        n = Some((n.unwrap_or(0usize) * 10 + d as usize).min(SIZE_MAX as usize));
    }
    n
}

/// An explicit argument number, `[2]`; whether it was in order.
fn index(chars: &mut Chars<'_>, next: &mut usize, reordered: &mut bool, count: usize) -> bool {
    if chars.next_if_eq(&'[').is_none() {
        return true;
    }
    *reordered = true;
    let n = digits(chars);
    let closed = chars.next_if_eq(&']').is_some();
    match n {
        Some(n) if closed && (1..=count).contains(&n) => {
            *next = n - 1;
            true
        }
        _ => false,
    }
}

fn star(args: &[Value<'_>], next: &mut usize) -> Option<i64> {
    let value = args.get(*next)?;
    *next += 1;
    match value {
        Value::Int(n) if n.abs() <= SIZE_MAX => Some(*n),
        _ => None,
    }
}

fn verb(out: &mut String, v: char, value: &Value<'_>, f: Flags) {
    // Every recursion passes here: what is too long already needs no more.
    if out.len() > TEXT_MAX {
        return;
    }
    if v == 'T' {
        return pad(out, value.type_name(), f);
    }
    if let Value::Nil = value {
        return if v == 'v' { pad(out, "<nil>", f) } else { bad(out, v, value, f) };
    }
    if matches!(v, 's' | 'v' | 'q' | 'x' | 'X')
        && let Some(text) = stringer(value)
    {
        return string(out, v, &text, f);
    }
    match value {
        Value::Bool(b) if matches!(v, 'v' | 't') => pad(out, if *b { "true" } else { "false" }, f),
        Value::Int(i) | Value::Duration(i) | Value::Month(i) | Value::Weekday(i) => {
            integer(out, v, *i, value, f);
        }
        Value::Float(n) if "veEfFgG".contains(v) => float(out, v, *n, f),
        Value::Str(s) | Value::Html(s) | Value::Url(s) if "vsqxX".contains(v) => string(out, v, s, f),
        Value::Labels(l, _) => {
            let pair = |(n, x)| (Value::text(n), Value::text(x));
            map(out, v, l.iter().map(pair), f);
        }
        Value::Map(m) => map(out, v, m.entries.iter().map(|(n, x)| (Value::Str(n.clone()), x.clone())), f),
        Value::List(l) => {
            out.push('[');
            for (i, item) in l.items.iter().enumerate() {
                if i > 0 {
                    out.push(' ');
                }
                verb(out, v, item, f);
            }
            out.push(']');
        }
        _ => match data::fields(value) {
            Some(fields) => {
                out.push_str(if matches!(value, Value::Data(_) | Value::Sample(_)) { "&{" } else { "{" });
                for (i, (name, field)) in fields.iter().enumerate() {
                    if i > 0 {
                        out.push(' ');
                    }
                    if f.plus && v == 'v' {
                        out.push_str(name);
                        out.push(':');
                    }
                    verb(out, v, field, f);
                }
                out.push('}');
            }
            None => bad(out, v, value, f),
        },
    }
}

/// What a value's `String` method gives, if it has one.
fn stringer(value: &Value<'_>) -> Option<String> {
    Some(match value {
        Value::Time(t) => time::string(t),
        Value::Duration(d) => time::duration_string(*d),
        Value::Month(m) => time::month_name(*m).to_owned(),
        Value::Weekday(d) => time::weekday_name(*d).to_owned(),
        Value::Labels(l, MapKind::Kv) => data::joined(&data::sorted_pairs(l)),
        Value::List(l) if l.kind == ListKind::Pairs => data::joined(&l.items),
        _ => return None,
    })
}

/// What can't be printed by a verb is shown with its type, and by `%v` with the same flags.
fn bad(out: &mut String, v: char, value: &Value<'_>, f: Flags) {
    out.push_str("%!");
    out.push(v);
    out.push('(');
    out.push_str(value.type_name());
    if !matches!(value, Value::Nil) {
        out.push('=');
        verb(out, 'v', value, f);
    }
    out.push(')');
}

fn map<'a>(out: &mut String, v: char, entries: impl Iterator<Item = (Value<'a>, Value<'a>)>, f: Flags) {
    out.push_str("map[");
    for (i, (key, value)) in entries.enumerate() {
        if i > 0 {
            out.push(' ');
        }
        verb(out, v, &key, f);
        out.push(':');
        verb(out, v, &value, f);
    }
    out.push(']');
}

fn pad(out: &mut String, text: &str, f: Flags) {
    let missing = f.width.unwrap_or(0).saturating_sub(text.chars().count());
    if f.minus {
        out.push_str(text);
        out.extend(std::iter::repeat_n(' ', missing));
    } else {
        out.extend(std::iter::repeat_n(if f.zero { '0' } else { ' ' }, missing));
        out.push_str(text);
    }
}

/// Pads a number: zeros go between sign and digits.
fn pad_number(out: &mut String, sign: &str, digits: &str, f: Flags) {
    if f.zero {
        let missing = f.width.unwrap_or(0).saturating_sub(sign.len() + digits.len());
        out.push_str(sign);
        out.extend(std::iter::repeat_n('0', missing));
        out.push_str(digits);
    } else {
        pad(out, &format!("{sign}{digits}"), f);
    }
}

fn string(out: &mut String, v: char, text: &str, f: Flags) {
    let cut = match f.prec {
        Some(n) if v != 'x' && v != 'X' => text.char_indices().nth(n).map_or(text, |(i, _)| &text[..i]),
        Some(n) => text.get(..n.min(text.len())).unwrap_or(text),
        None => text,
    };
    match v {
        'q' if f.sharp && !cut.contains('`') && !cut.chars().any(|c| c.is_control() && c != '\t') => {
            pad(out, &format!("`{cut}`"), f);
        }
        'q' => pad(out, &quote::quoted(cut, '"'), f),
        'x' | 'X' => {
            let prefix = if f.sharp { "0x" } else { "" };
            let sep = if f.space { " " } else { "" };
            let hex = cut.bytes().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(sep);
            let hex = format!("{}{hex}", if hex.is_empty() { "" } else { prefix });
            pad(out, &if v == 'X' { hex.to_uppercase() } else { hex }, f);
        }
        _ => pad(out, cut, f),
    }
}

fn integer(out: &mut String, v: char, n: i64, value: &Value<'_>, mut f: Flags) {
    let magnitude = n.unsigned_abs();
    let mut digits = match v {
        'v' | 'd' => magnitude.to_string(),
        'b' => format!("{magnitude:b}"),
        'o' | 'O' => format!("{magnitude:o}"),
        'x' => format!("{magnitude:x}"),
        'X' => format!("{magnitude:X}"),
        'c' | 'q' | 'U' => {
            let c = u32::try_from(n).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
            let text = match v {
                'c' => c.to_string(),
                'q' => quote::quoted(c.encode_utf8(&mut [0; 4]), '\''),
                _ if f.sharp => format!("U+{magnitude:04X} '{c}'"),
                _ => format!("U+{magnitude:04X}"),
            };
            return pad(out, &text, Flags { zero: false, ..f });
        }
        _ => return bad(out, v, value, f),
    };
    if let Some(prec) = f.prec {
        f.zero = false;
        if prec == 0 && n == 0 {
            digits.clear();
        }
        let missing = prec.saturating_sub(digits.len());
        digits.insert_str(0, &"0".repeat(missing));
    }
    let prefix = match v {
        'b' if f.sharp => "0b",
        'o' if f.sharp && !digits.starts_with('0') => "0",
        'O' => "0o",
        'x' if f.sharp => "0x",
        'X' if f.sharp => "0X",
        _ => "",
    };
    let sign = match n {
        ..0 => "-",
        _ if f.plus => "+",
        _ if f.space => " ",
        _ => "",
    };
    pad_number(out, &format!("{sign}{prefix}"), &digits, f);
}

fn float(out: &mut String, v: char, n: f64, mut f: Flags) {
    let (verb, shortest) = match v {
        'v' => ('g', None),
        'g' | 'G' => (v, None),
        'F' => ('f', Some(6)),
        _ => (v, Some(6)),
    };
    let sign = match n {
        n if n.is_sign_negative() && !n.is_nan() => "-",
        _ if f.plus => "+",
        _ if f.space => " ",
        n if n.is_infinite() => "+",
        _ => "",
    };
    if n.is_nan() || n.is_infinite() {
        f.zero = false;
        return pad_number(out, sign, if n.is_nan() { "NaN" } else { "Inf" }, f);
    }
    let digits = format_float(n.abs(), verb, f.prec.or(shortest));
    pad_number(out, sign, &digits, f);
}
