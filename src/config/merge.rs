//! Several files into one.

use botwatch_core::diag::Diagnostic;

use super::{
    file::File,
    value::{Place, listed},
};

/// Joins files: lists one after the other, sections key by key. A key in two files is an error at the second.
pub(super) fn merge(files: Vec<File>, found: &mut Vec<Diagnostic>) -> File {
    let mut all = File::default();
    for mut file in files {
        append(&mut all.rule_files, &mut file.rule_files);
        append(&mut all.scrape_configs, &mut file.scrape_configs);
        append(&mut all.receivers, &mut file.receivers);
        append(&mut all.inhibit_rules, &mut file.inhibit_rules);
        append(&mut all.escalations, &mut file.escalations);
        append(&mut all.time_intervals, &mut file.time_intervals);
        append(&mut all.mute_time_intervals, &mut file.mute_time_intervals);
        append(&mut all.templates, &mut file.templates);
        let mut conflicts = Vec::new();
        match (&mut all.global, file.global.take()) {
            (Some(global), Some(other)) => global.absorb(other, &mut conflicts),
            (global @ None, other) => *global = other,
            (Some(_), None) => {}
        }
        all.absorb(file, &mut conflicts);
        for (key, place) in conflicts {
            found.push(conflict(key, place));
        }
    }
    all
}

fn append<T>(all: &mut Option<Vec<T>>, more: &mut Option<Vec<T>>) {
    if let Some(more) = more.take() {
        all.get_or_insert_with(Vec::new).extend(more);
    }
}

fn conflict(key: &str, place: Option<Place>) -> Diagnostic {
    let message = format!("{} is set in two files", listed(&[key]));
    let d = match place {
        Some(place) => place.error("conflict", message),
        None => Diagnostic::global("conflict", message),
    };
    d.label("set in an earlier file, too").hint("keep it in one of them")
}
