//! Label sets.

use std::{cmp::Ordering, fmt, hash, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeMap};

use super::{METRIC_NAME, go_quote};

/// A label set's identity: FNV-1a 64 over sorted `name 0xFF value 0xFF …`, printed as 16 hex digits (spec D-1).
/// The same bytes give the same fingerprint in every version and on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Fingerprint(pub u64);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = std::num::ParseIntError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(s, 16).map(Self)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

/// A set of labels, sorted by name, immutable, cheap to clone. No name is empty, no value is empty (an empty value
/// is an absent label), no name occurs twice.
///
/// One allocation: the fingerprint in eight bytes, then each name and value with its length before it.
#[derive(Clone)]
pub struct Labels(Arc<[u8]>);

const HEADER: usize = 8;

impl Labels {
    /// No labels.
    pub fn empty() -> Self {
        thread_local!(static EMPTY: Labels = LabelsBuilder::new().finish());
        EMPTY.with(Clone::clone)
    }

    /// From pairs in any order; of a repeated name the last wins; empty values are left out.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut builder = LabelsBuilder::new();
        for (n, v) in pairs {
            builder.set(n.as_ref(), v.as_ref());
        }
        builder.finish()
    }

    /// From pairs that are sorted by name, unique and without empty values: no copy, no sort.
    pub fn from_sorted<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Self {
        let size: usize = pairs.clone().map(|(n, v)| n.len() + v.len() + 2 * 5).sum();
        let mut bytes = Vec::with_capacity(HEADER + size);
        bytes.extend_from_slice(&[0; HEADER]);
        let mut hash = FNV_OFFSET;
        for (n, v) in pairs {
            hash = fnv(fnv(hash, n), v);
            push(&mut bytes, n);
            push(&mut bytes, v);
        }
        bytes[..HEADER].copy_from_slice(&hash.to_le_bytes());
        Self(bytes.into())
    }

    /// The set's identity.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hash = [0; HEADER];
        hash.copy_from_slice(&self.0[..HEADER]);
        Fingerprint(u64::from_le_bytes(hash))
    }

    /// Pairs in order of name.
    pub fn iter(&self) -> Iter<'_> {
        Iter(&self.0[HEADER..])
    }

    /// The value of a label; `None` when absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().take_while(|(n, _)| *n <= name).find(|(n, _)| *n == name).map(|(_, v)| v)
    }

    /// The value of a label; `""` when absent, as matching sees it.
    pub fn value(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// The metric name, `""` when there is none.
    pub fn name(&self) -> &str {
        self.value(METRIC_NAME)
    }

    /// How many labels.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.len() == HEADER
    }

    /// Bytes of the allocation, for memory accounting.
    pub fn heap_bytes(&self) -> usize {
        self.0.len() + 16
    }

    /// A builder that starts from these labels.
    pub fn builder(&self) -> LabelsBuilder {
        LabelsBuilder { pairs: self.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect() }
    }

    /// These labels with one set (or removed, when `value` is empty).
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut b = self.builder();
        b.set(name, value);
        b.finish()
    }

    /// These labels without those for which `drop` says so.
    pub fn without(&self, drop: impl Fn(&str) -> bool) -> Self {
        if self.iter().any(|(n, _)| drop(n)) {
            Self::from_sorted(self.iter().filter(|(n, _)| !drop(n)))
        } else {
            self.clone()
        }
    }
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv(hash: u64, text: &str) -> u64 {
    text.bytes().chain([0xff]).fold(hash, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

fn push(bytes: &mut Vec<u8>, text: &str) {
    let mut n = text.len();
    while n >= 0x80 {
        bytes.push(n as u8 | 0x80);
        n >>= 7;
    }
    bytes.push(n as u8);
    bytes.extend_from_slice(text.as_bytes());
}

/// Pairs of a label set, in order of name.
#[derive(Clone, Debug)]
pub struct Iter<'a>(&'a [u8]);

fn take<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let (mut len, mut shift) = (0usize, 0);
    loop {
        let (&b, rest) = bytes.split_first()?;
        *bytes = rest;
        len |= usize::from(b & 0x7f) << shift;
        shift += 7;
        if b & 0x80 == 0 {
            break;
        }
    }
    let (text, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(std::str::from_utf8(text).expect("built from &str"))
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a str);
    fn next(&mut self) -> Option<Self::Item> {
        Some((take(&mut self.0)?, take(&mut self.0)?))
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = (&'a str, &'a str);
    type IntoIter = Iter<'a>;
    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self::empty()
    }
}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Eq for Labels {}

impl hash::Hash for Labels {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        state.write_u64(self.fingerprint().0);
    }
}

impl Ord for Labels {
    /// Pair by pair: name, then value; a prefix comes first (prometheus `labels.Compare`).
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Labels {
    /// `{a="b", c="d"}`, names that are no legacy names quoted; as Go's `Labels.String`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, (n, v)) in self.iter().enumerate() {
            let comma = if i > 0 { ", " } else { "" };
            if is_legacy_label_name(n) {
                write!(f, "{comma}{n}={}", go_quote(v))?;
            } else {
                write!(f, "{comma}{}={}", go_quote(n), go_quote(v))?;
            }
        }
        f.write_str("}")
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        for (n, v) in self {
            map.serialize_entry(n, v)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let map = std::collections::BTreeMap::<String, String>::deserialize(d)?;
        Ok(Self::from_pairs(map))
    }
}

/// Labels being put together.
#[derive(Debug, Clone, Default)]
pub struct LabelsBuilder {
    pairs: Vec<(String, String)>,
}

impl LabelsBuilder {
    /// Without labels.
    pub fn new() -> Self {
        Self::default()
    }

    /// With labels whose names are different from each other; empty values are left out. [`LabelsBuilder::set`] looks
    /// for the name among all labels, which would make many labels at once slow.
    pub fn from_unique<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let present = pairs.filter(|(_, value)| !value.is_empty());
        Self { pairs: present.map(|(name, value)| (name.to_owned(), value.to_owned())).collect() }
    }

    /// Sets a label; an empty value removes it.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        match self.pairs.iter().position(|(n, _)| n == name) {
            Some(i) if value.is_empty() => {
                self.pairs.remove(i);
            }
            Some(i) => value.clone_into(&mut self.pairs[i].1),
            None if value.is_empty() => {}
            None => self.pairs.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    /// Removes a label.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.set(name, "")
    }

    /// The value of a label as set so far; `""` when absent.
    pub fn value(&self, name: &str) -> &str {
        self.pairs.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v)
    }

    /// The pairs so far, in no order.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// Keeps the labels for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &str) -> bool) -> &mut Self {
        self.pairs.retain(|(n, v)| keep(n, v));
        self
    }

    /// The finished set.
    pub fn finish(mut self) -> Labels {
        self.pairs.sort_unstable();
        Labels::from_sorted(self.pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())))
    }
}

/// Whether a name is a label name in the classic sense: `[a-zA-Z_][a-zA-Z0-9_]*`.
pub fn is_legacy_label_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .enumerate()
            .all(|(i, b)| b == b'_' || b.is_ascii_alphabetic() || (i > 0 && b.is_ascii_digit()))
}

/// Whether a name is a metric name in the classic sense: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
pub fn is_legacy_metric_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .enumerate()
            .all(|(i, b)| b == b'_' || b == b':' || b.is_ascii_alphabetic() || (i > 0 && b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_alertmanagers() {
        // spec D-1, as printed by a real Alertmanager
        assert_eq!(Labels::empty().fingerprint().to_string(), "cbf29ce484222325");
        assert_eq!(Labels::from_pairs([("a", "b")]).fingerprint().to_string(), "d2b371819297f98a");
        let l = Labels::from_pairs([("severity", "critical"), ("alertname", "A")]);
        assert_eq!(l.fingerprint().to_string(), "b807e636403824b5");
    }

    #[test]
    fn pairs_are_sorted_unique_and_never_empty() {
        let long = "x".repeat(300);
        let l = Labels::from_pairs([("b", "2"), ("a", "1"), ("c", ""), ("b", "3"), ("d", &long)]);
        assert_eq!(l.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "3"), ("d", &long)]);
        assert_eq!((l.get("b"), l.get("c"), l.value("zz")), (Some("3"), None, ""));
        assert_eq!(l.without(|n| n == "d").to_string(), r#"{a="1", b="3"}"#);
        assert_eq!(l, l.builder().finish());
    }
}
