//! Values as written: with their place, readable from a tree, printable with secrets masked.

use std::{fmt, ops, sync::Arc};

use botwatch_core::{
    diag::{Diagnostic, SourceText, Span},
    model::{Duration, Labels, Secret},
    yaml::{Node, Reader, Value},
};

use crate::net::mask_url;

/// Where something was written.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, or the environment.
    pub source: Arc<SourceText>,
    /// The bytes in it.
    pub span: Span,
}

impl Place {
    /// The place of a span in what a reader reads.
    pub fn of(reader: &Reader, span: Span) -> Self {
        Self { source: Arc::clone(reader.source()), span }
    }

    /// An error here.
    pub fn error(&self, code: &'static str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, message, &self.source, self.span)
    }

    /// A warning here.
    pub fn warning(&self, code: &'static str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::warning(code, message, &self.source, self.span)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_string())
    }
}

impl fmt::Display for Place {
    /// `botwatch.yml:14`, or the variable's name for what comes from the environment.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, _) = self.source.position(self.span.start);
        if &*self.source.name == super::env::SOURCE_NAME {
            let text = self.source.text.lines().nth(line - 1).unwrap_or_default();
            return f.write_str(text.split('=').next().unwrap_or_default());
        }
        write!(f, "{}:{line}", self.source.name)
    }
}

/// A value and where it was written; without a place it is a default.
#[derive(Debug, Clone, PartialEq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub place: Option<Place>,
}

impl<T> At<T> {
    /// A default: written nowhere.
    pub fn default_value(value: T) -> Self {
        Self { value, place: None }
    }

    /// An error at the value; of the whole run when it was written nowhere.
    pub fn error(&self, code: &'static str, message: impl Into<String>) -> Diagnostic {
        match &self.place {
            Some(place) => place.error(code, message),
            None => Diagnostic::global(code, message),
        }
    }
}

impl<T> ops::Deref for At<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

/// Fills an absent value from what it inherits, else by the default, so that the effective configuration can be
/// shown with the origin of each value.
pub fn fill<T: Clone>(slot: &mut Option<At<T>>, inherited: Option<&At<T>>, default: impl FnOnce() -> T) -> T {
    let filled =
        slot.get_or_insert_with(|| inherited.cloned().unwrap_or_else(|| At::default_value(default())));
    filled.value.clone()
}

/// What can be read from a YAML node.
pub trait Read: Sized {
    /// Reads it, or reports why not.
    fn read(reader: &mut Reader, node: &Node) -> Option<Self>;
}

/// The printable form of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Out {
    /// A value whose text needs no quotes whatever it looks like: a number, a boolean, a duration.
    Raw(String, Option<Place>),
    /// A text.
    Text(String, Option<Place>),
    /// A list.
    List(Vec<Self>),
    /// A mapping in order.
    Map(Vec<(String, Self)>),
}

impl Out {
    /// The first place in it.
    pub fn first_place(&self) -> Option<Place> {
        match self {
            Self::Raw(_, place) | Self::Text(_, place) => place.clone(),
            Self::List(items) => items.iter().find_map(Self::first_place),
            Self::Map(entries) => entries.iter().find_map(|(_, value)| value.first_place()),
        }
    }

    fn place(self, place: &Option<Place>) -> Self {
        match self {
            Self::Raw(text, _) => Self::Raw(text, place.clone()),
            Self::Text(text, _) => Self::Text(text, place.clone()),
            other => other,
        }
    }
}

/// What can be printed.
pub trait Show {
    /// Its printable form; `None` leaves it out (an empty secret).
    fn show(&self) -> Option<Out>;
}

impl<T: Read> Read for At<T> {
    fn read(reader: &mut Reader, node: &Node) -> Option<Self> {
        let value = T::read(reader, node)?;
        Some(Self { value, place: Some(Place::of(reader, node.span)) })
    }
}

impl<T: Show> Show for At<T> {
    fn show(&self) -> Option<Out> {
        self.value.show().map(|out| out.place(&self.place))
    }
}

impl<T: Show> Show for Option<T> {
    fn show(&self) -> Option<Out> {
        self.as_ref().and_then(Show::show)
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(reader: &mut Reader, node: &Node) -> Option<Self> {
        let items = reader.list(node)?;
        Some(items.iter().filter_map(|item| T::read(reader, item)).collect())
    }
}

impl<T: Show> Show for Vec<T> {
    fn show(&self) -> Option<Out> {
        Some(Out::List(self.iter().filter_map(Show::show).collect()))
    }
}

impl<T: Read> Read for Box<T> {
    fn read(reader: &mut Reader, node: &Node) -> Option<Self> {
        T::read(reader, node).map(Box::new)
    }
}

impl<T: Show> Show for Box<T> {
    fn show(&self) -> Option<Out> {
        (**self).show()
    }
}

/// Reads and prints a type by functions.
macro_rules! plain {
    ($($ty:ty, $read:expr, $show:expr;)*) => {$(
        impl Read for $ty {
            fn read(reader: &mut Reader, node: &Node) -> Option<Self> {
                let read: fn(&mut Reader, &Node) -> Option<Self> = $read;
                read(reader, node)
            }
        }
        impl Show for $ty {
            fn show(&self) -> Option<Out> {
                let show: fn(&Self) -> Option<Out> = $show;
                show(self)
            }
        }
    )*};
}

fn raw(text: impl ToString) -> Option<Out> {
    Some(Out::Raw(text.to_string(), None))
}

fn text(text: &str) -> Option<Out> {
    Some(Out::Text(text.to_owned(), None))
}

/// How masked secrets are printed; also accepted where a secret is read, so that a masked print loads again
/// (spec alertmanager C-5).
pub const MASK: &str = "<secret>";

plain! {
    bool, Reader::bool, |v| raw(v);
    i64, Reader::int, |v| raw(v);
    u64, Reader::size, |v| raw(v);
    f64, Reader::float, |v| raw(v);
    Duration, Reader::duration, |v| raw(v);
    Arc<str>, Reader::arc, |v| text(v);
    Secret, Reader::secret, |v| if v.is_empty() { None } else { text(MASK) };
    GoDuration, |r, n| r.go_duration(n).map(GoDuration), |v| raw(v.0);
    Url, |r, n| r.url(n).map(|u| Url(u.value)), |v| text(&mask_url(&v.0));
    ProxyUrl, |r, n| r.arc(n).map(ProxyUrl), |v| text(&mask_url(&v.0));
    SecretUrl, read_secret_url, |_| text(MASK);
    Pattern, |r, n| r.regex(n).map(|p| Pattern(p.value)), |v| text(&v.0);
    Bytes, read_bytes, |v| raw(v);
    Pairs, read_pairs, show_pairs;
    SecretPairs, |r, n| read_pairs(r, n).map(SecretPairs), masked;
}

/// A duration in Go's notation (spec alertmanager C-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoDuration(pub Duration);

/// A web address. What is secret in it is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Url(pub Arc<str>);

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({:?})", mask_url(&self.0))
    }
}

/// The address of a proxy. What is secret in it is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl(pub Arc<str>);

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyUrl({:?})", mask_url(&self.0))
    }
}

/// A web address that is itself a secret, such as an incoming webhook's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretUrl(pub Secret);

/// A regular expression in RE2's syntax, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(pub Arc<str>);

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub u64);

/// Names and texts in the order written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pairs(pub Vec<(At<Arc<str>>, At<Arc<str>>)>);

impl Pairs {
    /// As labels: of a repeated name the last wins, empty values are left out.
    pub fn labels(&self) -> Labels {
        Labels::from_pairs(self.0.iter().map(|(name, value)| (&*name.value, &*value.value)))
    }

    /// Names and texts.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.0.iter().map(|(name, value)| (&name.value, &value.value))
    }
}

/// As [`Pairs`], with values that are not shown.
#[derive(Clone, PartialEq, Default)]
pub struct SecretPairs(pub Pairs);

impl fmt::Debug for SecretPairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

fn masked(pairs: &SecretPairs) -> Option<Out> {
    let mask = |(name, value): &(At<Arc<str>>, At<Arc<str>>)| {
        (name.value.to_string(), Out::Text(MASK.to_owned(), value.place.clone()))
    };
    Some(Out::Map(pairs.0.0.iter().map(mask).collect()))
}

fn read_pairs(reader: &mut Reader, node: &Node) -> Option<Pairs> {
    let Value::Mapping(entries) = &node.value else {
        reader.expected("a mapping of names to texts", node);
        return None;
    };
    let mut pairs = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        if let Some(value) = At::read(reader, value) {
            pairs
                .push((At { value: Arc::clone(&key.text), place: Some(Place::of(reader, key.span)) }, value));
        }
    }
    Some(Pairs(pairs))
}

fn show_pairs(pairs: &Pairs) -> Option<Out> {
    let show = |(name, value): &(At<Arc<str>>, At<Arc<str>>)| Some((name.value.to_string(), value.show()?));
    Some(Out::Map(pairs.0.iter().filter_map(show).collect()))
}

fn read_secret_url(reader: &mut Reader, node: &Node) -> Option<SecretUrl> {
    if node.as_scalar().is_some_and(|s| &*s.text == MASK) {
        return Some(SecretUrl(Secret::new(MASK)));
    }
    reader.url(node).map(|url| SecretUrl(Secret::new(&*url.value)))
}

/// `64MiB`, `15MB`, `1024`: powers of 1024 whichever way the unit is written, as Prometheus reads sizes.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let number: f64 = text[..digits].parse().ok()?;
    let power = match text[digits..].trim_end_matches('B').trim_end_matches('i') {
        "" => 0,
        "K" | "k" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        _ => return None,
    };
    let bytes = number * 1024f64.powi(power);
    (bytes.is_finite() && bytes < 1e18).then_some(bytes as u64)
}

fn read_bytes(reader: &mut Reader, node: &Node) -> Option<Bytes> {
    const WHAT: &str = "a size such as `64MiB`";
    let scalar = reader.scalar(node, WHAT)?;
    let bytes = parse_bytes(&scalar.text);
    if bytes.is_none() {
        reader.expected(WHAT, node);
    }
    bytes.map(Bytes)
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, size) in [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
            if self.0 >= size && self.0.is_multiple_of(size) {
                return write!(f, "{}{unit}", self.0 / size);
            }
        }
        write!(f, "{}", self.0)
    }
}

/// A closed set of words.
macro_rules! choice {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// All, as written.
            pub const ALL: &[(&str, Self)] = &[$(($text, Self::$variant),)*];
            /// As written.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl $crate::config::value::Read for $name {
            fn read(reader: &mut botwatch_core::yaml::Reader, node: &botwatch_core::yaml::Node) -> Option<Self> {
                $crate::config::value::one_of(reader, node, Self::ALL)
            }
        }

        impl $crate::config::value::Show for $name {
            fn show(&self) -> Option<$crate::config::value::Out> {
                Some($crate::config::value::Out::Raw(self.as_str().to_owned(), None))
            }
        }
    };
}
pub(crate) use choice;

/// One of a closed set of words.
pub fn one_of<T: Copy>(reader: &mut Reader, node: &Node, all: &[(&'static str, T)]) -> Option<T> {
    let scalar = reader.scalar(node, "a word")?;
    if let Some((_, value)) = all.iter().find(|(name, _)| *name == &*scalar.text) {
        return Some(*value);
    }
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let d = reader.error("invalid-value", format!("unknown value `{}`", scalar.text), node.span);
    reader.report(match botwatch_core::diag::nearest(&scalar.text, names.iter().copied()) {
        Some(near) => {
            d.label(format!("did you mean `{near}`?")).hint(format!("possible are {}", listed(&names)))
        }
        None => d.label(format!("expected {}", listed(&names))),
    });
    None
}

/// `` `a`, `b` or `c` ``.
pub fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => format!("`{one}`"),
        [head @ .., last] => {
            let head: Vec<String> = head.iter().map(|n| format!("`{n}`")).collect();
            format!("{} or `{last}`", head.join(", "))
        }
    }
}

/// A section: a mapping with named keys, each optional, each with its place. Keys that are known but not supported
/// are refused by [`super::unsupported`] under the section's path. `named` says under which key its name stands,
/// for messages; `check` is called with what was read.
macro_rules! section {
    (
        $(#[$doc:meta])*
        pub struct $name:ident($what:literal, $path:literal $(, named $word:literal by $by:literal)? $(, check $check:path)?) {
            $($(#[$fdoc:meta])* $field:ident $(as $key:literal)? : $ty:ty,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Default)]
        pub struct $name {
            /// Where it stands: its first key.
            pub place: Option<$crate::config::value::Place>,
            /// The keys that its author meant to write, also those that could not be read.
            pub given: Vec<&'static str>,
            $($(#[$fdoc])* pub $field: Option<$ty>,)*
        }

        impl $name {
            /// Reads the section's keys out of a mapping that may have further ones.
            pub fn read_fields(
                reader: &mut botwatch_core::yaml::Reader,
                fields: &mut botwatch_core::yaml::Fields<'_>,
            ) -> Self {
                let mut section = Self {
                    given: Vec::new(),
                    place: Some($crate::config::value::Place::of(reader, fields.span())),
                    $($field: fields.get(
                        reader,
                        $crate::config::value::section!(@key $field $($key)?),
                        <$ty as $crate::config::value::Read>::read,
                    ),)*
                };
                $crate::config::unsupported::refuse(reader, fields, $path);
                section.given = fields.given();
                $($check(&section, reader, fields.span());)?
                section
            }

            /// Takes over what the other has. What both have is left as it is and named, with its place in the other.
            pub fn absorb(
                &mut self,
                other: Self,
                conflicts: &mut Vec<(&'static str, Option<$crate::config::value::Place>)>,
            ) {
                $(match (&self.$field, &other.$field) {
                    (Some(_), Some(_)) => {
                        let key = $crate::config::value::section!(@key $field $($key)?);
                        let place = $crate::config::value::Show::show(&other.$field).and_then(|out| out.first_place());
                        conflicts.push((key, place));
                    }
                    (None, Some(_)) => self.$field = other.$field,
                    _ => {}
                })*
                if self.place.is_none() {
                    self.place = other.place;
                }
            }

            /// Whether none of the keys was meant to be written.
            pub fn lacks(&self, keys: &[&str]) -> bool {
                keys.iter().all(|key| !self.given.iter().any(|given| given == key))
            }

            /// The section's keys for printing.
            pub fn show_fields(&self, out: &mut Vec<(String, $crate::config::value::Out)>) {
                $(if let Some(shown) = $crate::config::value::Show::show(&self.$field) {
                    let key = $crate::config::value::section!(@key $field $($key)?);
                    out.push((key.to_owned(), shown));
                })*
            }
        }

        impl $crate::config::value::Read for $name {
            fn read(reader: &mut botwatch_core::yaml::Reader, node: &botwatch_core::yaml::Node) -> Option<Self> {
                let mut fields = reader.map(node, $what)?;
                let read = |reader: &mut botwatch_core::yaml::Reader| {
                    let section = Self::read_fields(reader, &mut fields);
                    fields.finish(reader);
                    Some(section)
                };
                $(if let Some(name) = $crate::config::value::name_of(node, $by) {
                    return reader.within(format!("{} `{name}`", $word), read);
                })?
                read(reader)
            }
        }

        impl $crate::config::value::Show for $name {
            fn show(&self) -> Option<$crate::config::value::Out> {
                let mut out = Vec::new();
                self.show_fields(&mut out);
                Some($crate::config::value::Out::Map(out))
            }
        }
    };
    (@key $field:ident $key:literal) => { $key };
    (@key $field:ident) => { stringify!($field) };
}
pub(crate) use section;

/// The text under a key of a mapping, for context in messages.
pub fn name_of(node: &Node, key: &str) -> Option<Arc<str>> {
    let Value::Mapping(entries) = &node.value else { return None };
    let (_, value) = entries.iter().find(|(k, _)| &*k.text == key)?;
    value.as_scalar().map(|s| Arc::clone(&s.text)).filter(|name| !name.is_empty())
}

/// Where a value was written.
pub fn place<T>(value: &Option<At<T>>) -> Option<&Place> {
    value.as_ref().and_then(|v| v.place.as_ref())
}

/// Reports two keys that exclude each other, at the second.
pub fn exclusive<A, B>(reader: &mut Reader, first: (&str, &Option<At<A>>), second: (&str, &Option<At<B>>)) {
    if let (Some(_), Some(at)) = (place(first.1), place(second.1)) {
        let d = at.error("conflict", format!("`{}` and `{}` exclude each other", first.0, second.0));
        reader.report(d.label("remove one of them"));
    }
}

/// Reports a duration of zero where one is no use.
pub fn over_zero(reader: &mut Reader, key: &str, value: &Option<At<Duration>>) {
    if let Some(value) = value.as_ref().filter(|v| v.is_zero()) {
        let d = value.error("invalid-value", format!("`{key}` can't be zero"));
        reader.report(d.label("expected a duration over zero"));
    }
}
