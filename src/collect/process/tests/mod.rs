//! A made-up `/proc`, and the real one.

mod finder;
mod look;
mod real;
mod rounds;
pub(in crate::collect) mod tree;

use super::{catalogue::Key, definitions};

#[test]
fn the_table_of_the_docs_is_the_catalogue() {
    tree::assert_table(include_str!("../mod.rs"), definitions().iter());
}

#[test]
fn keys_that_are_reached_by_their_place_are_there() {
    let labels = |first: Key, count: usize| {
        let all = Key::ALL[first as usize..].iter().take(count);
        all.map(|d| (d.name, d.label.map_or("", |(_, value)| value))).collect::<Vec<_>>()
    };
    let unreadable = super::notices::What::ALL.map(|what| format!("{what:?}").to_lowercase());
    for (i, (name, value)) in labels(Key::UnreadablePss, 5).into_iter().enumerate() {
        assert_eq!((name, value), ("botwatch_process_unreadable", unreadable[i].as_str()));
    }
    for first in
        [Key::CgroupPressureSomeAvg10Cpu, Key::CgroupPressureWaitingCpu, Key::CgroupPressureStalledCpu]
    {
        let found = labels(first, 3);
        assert_eq!(found.iter().map(|(_, value)| *value).collect::<Vec<_>>(), ["cpu", "memory", "io"]);
        assert!(found.iter().all(|(name, _)| *name == found[0].0));
    }
}
