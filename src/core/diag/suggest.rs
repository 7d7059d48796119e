//! "Did you mean": the nearest of a set of names.

/// Longer words are no typing mistakes, and comparing them would take long.
const WORD_MAX: usize = 64;

/// The candidate closest to `word` by edits (insert, delete, replace, swap), if it is close enough to be what was
/// meant: at most a third of the longer word. Case, `-` and `_` count little; of equals the first wins.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(word);
    if folded.is_empty() || folded.len() > WORD_MAX {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (fold(candidate), candidate))
        .filter(|(f, _)| f.len() <= WORD_MAX)
        .map(|(f, candidate)| (distance(&folded, &f), f.len(), candidate))
        .filter(|(d, len, _)| *d * 3 <= folded.len().max(*len))
        .min_by_key(|(d, _, _)| *d)
        .map(|(_, _, candidate)| candidate)
}

fn fold(word: &str) -> Vec<char> {
    word.chars()
        .take(WORD_MAX + 1)
        .flat_map(char::to_lowercase)
        .map(|c| if c == '-' { '_' } else { c })
        .collect()
}

/// Edits from `a` to `b`, a swap of neighbours being one (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let width = b.len() + 1;
    let mut d = vec![0usize; (a.len() + 1) * width];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            d[i * width + j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replace = d[(i - 1) * width + j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut best = replace.min(d[(i - 1) * width + j] + 1).min(d[i * width + j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(d[(i - 2) * width + j - 2] + 1);
                }
                best
            };
        }
    }
    d[a.len() * width + b.len()]
}
