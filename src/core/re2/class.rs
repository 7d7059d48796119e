//! Character classes: what stands in brackets, and what `\d`, `[:alpha:]` and `\p{Greek}` stand for.

/// A set of characters.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Class {
    pub negated: bool,
    pub items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    /// Code points from, to; may touch surrogates.
    Range(u32, u32),
    /// A named ASCII class.
    Ascii { ranges: &'static [(u8, u8)], negated: bool },
    /// A property in the engine's syntax, `gc=L` or `sc=Greek`.
    Unicode { property: String, negated: bool },
}

const DIGIT: &[(u8, u8)] = &[(b'0', b'9')];
const SPACE: &[(u8, u8)] = &[(b'\t', b'\n'), (0x0c, b'\r'), (b' ', b' ')];
const WORD: &[(u8, u8)] = &[(b'0', b'9'), (b'A', b'Z'), (b'_', b'_'), (b'a', b'z')];

/// The ASCII classes of `[[:name:]]` (RE2 syntax).
const POSIX: [(&str, &[(u8, u8)]); 14] = [
    ("alnum", &[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')]),
    ("alpha", &[(b'A', b'Z'), (b'a', b'z')]),
    ("ascii", &[(0, 0x7f)]),
    ("blank", &[(b'\t', b'\t'), (b' ', b' ')]),
    ("cntrl", &[(0, 0x1f), (0x7f, 0x7f)]),
    ("digit", DIGIT),
    ("graph", &[(b'!', b'~')]),
    ("lower", &[(b'a', b'z')]),
    ("print", &[(b' ', b'~')]),
    ("punct", &[(b'!', b'/'), (b':', b'@'), (b'[', b'`'), (b'{', b'~')]),
    ("space", &[(b'\t', b'\r'), (b' ', b' ')]),
    ("upper", &[(b'A', b'Z')]),
    ("word", WORD),
    ("xdigit", &[(b'0', b'9'), (b'A', b'F'), (b'a', b'f')]),
];

/// What `\d` and its kin stand for.
pub(super) fn perl(letter: char) -> Option<Item> {
    let ranges = match letter.to_ascii_lowercase() {
        'd' => DIGIT,
        's' => SPACE,
        'w' => WORD,
        _ => return None,
    };
    Some(Item::Ascii { ranges, negated: letter.is_ascii_uppercase() })
}

/// What stands between `[:` and `:]`; a leading `^` negates.
pub(super) fn posix(name: &str) -> Option<Item> {
    let (negated, name) = name.strip_prefix('^').map_or((false, name), |n| (true, n));
    let (_, ranges) = POSIX.iter().find(|(n, _)| *n == name)?;
    Some(Item::Ascii { ranges, negated })
}

/// Script names of four letters. All others of that length are abbreviations, which Go doesn't know.
const SHORT_SCRIPTS: [&str; 7] = ["ahom", "cham", "kawi", "lisu", "newa", "thai", "toto"];

/// A Unicode general category or script by Go's name for it: case, blanks, `_` and `-` don't count (Go 1.25).
pub(super) fn unicode(name: &str, negated: bool) -> Option<Item> {
    let plain: String =
        name.chars().filter(|c| !matches!(c, ' ' | '_' | '-')).map(|c| c.to_ascii_lowercase()).collect();
    if plain.is_empty() || !plain.bytes().all(|b| b.is_ascii_lowercase()) || plain.starts_with("is") {
        return None;
    }
    let property = match plain.as_str() {
        "any" | "ascii" | "assigned" => plain,
        "cs" | "surrogate" => return Some(Item::Unicode { property: String::new(), negated }),
        _ => {
            let known = |property: &String| regex::Regex::new(&format!(r"\p{{{property}}}")).is_ok();
            let script = plain.len() != 4 || SHORT_SCRIPTS.contains(&plain.as_str());
            Some(format!("gc={plain}"))
                .filter(known)
                .or_else(|| script.then(|| format!("sc={plain}")).filter(known))?
        }
    };
    Some(Item::Unicode { property, negated })
}
