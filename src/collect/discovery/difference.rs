//! What a new list of targets changes.

use super::Target;

/// Indices into the two lists.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::collect) struct Difference {
    /// Old and new ones that are the same target, changed or not.
    pub(in crate::collect) kept: Vec<(usize, usize)>,
    /// Old ones that are no longer there.
    pub(in crate::collect) gone: Vec<usize>,
    /// New ones.
    pub(in crate::collect) fresh: Vec<usize>,
}

/// Compares two lists. A target stays the same while its labels do: its series are the same then, wherever it is
/// asked. Of several with the same labels, those with the same URL first.
pub(in crate::collect) fn difference(old: &[&Target], new: &[Target]) -> Difference {
    let mut difference = Difference::default();
    let mut old_of: Vec<Option<usize>> = vec![None; new.len()];
    let mut taken = vec![false; old.len()];
    let mut by_labels: std::collections::BTreeMap<_, Vec<usize>> = std::collections::BTreeMap::new();
    for (i, target) in old.iter().enumerate() {
        by_labels.entry(&target.labels).or_default().push(i);
    }
    let exact = |a: &Target, b: &Target| a.url == b.url && a.socket == b.socket;
    for same_place in [true, false] {
        for (n, target) in new.iter().enumerate() {
            if old_of[n].is_some() {
                continue;
            }
            let candidates = by_labels.get(&target.labels).into_iter().flatten().copied();
            let free = |i: &usize| !taken[*i] && (!same_place || exact(old[*i], target));
            if let Some(i) = candidates.into_iter().find(free) {
                taken[i] = true;
                old_of[n] = Some(i);
            }
        }
    }
    for (n, old) in old_of.into_iter().enumerate() {
        match old {
            Some(i) => difference.kept.push((i, n)),
            None => difference.fresh.push(n),
        }
    }
    difference.gone = (0..old.len()).filter(|i| !taken[*i]).collect();
    difference
}
