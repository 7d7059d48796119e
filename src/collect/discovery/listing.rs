//! All targets of a job.

use std::collections::BTreeSet;

use botwatch_core::model::Labels;

use super::{
    FileGroup, Target,
    target::{Found, populate},
};
use crate::collect::JobOptions;

/// Dropped targets remembered where `keep_dropped_targets` sets no bound.
const DROPPED_MAX: usize = 1000;
/// Problems that are told one by one.
const PROBLEMS_MAX: usize = 20;

/// A job's targets.
#[derive(Debug, Default, PartialEq)]
pub(in crate::collect) struct Listing {
    /// Those to be scraped, in order of discovery, each once.
    pub(in crate::collect) targets: Vec<Target>,
    /// Labels of those that relabelling dropped, before it; as many as are to be remembered.
    pub(in crate::collect) dropped: Vec<Labels>,
    /// How many it dropped.
    pub(in crate::collect) dropped_count: usize,
    /// Why targets can't be scraped; the first twenty.
    pub(in crate::collect) problems: Vec<String>,
    /// How many can't.
    pub(in crate::collect) failed: usize,
}

/// Makes the list from what is configured and what was read from files.
pub(in crate::collect) fn list(job: &JobOptions, files: &[FileGroup]) -> Listing {
    let mut listing = Listing::default();
    let mut known = BTreeSet::new();
    let by_hand = job.static_targets.iter().map(|g| (g.labels.clone(), &g.targets));
    let from_files =
        files.iter().map(|f| (f.group.labels.with("__meta_filepath", &f.path), &f.group.targets));
    for (labels, addresses) in by_hand.chain(from_files) {
        for address in addresses {
            listing.add(job, &labels, address, &mut known);
        }
    }
    listing
}

impl Listing {
    fn add(
        &mut self,
        job: &JobOptions,
        labels: &Labels,
        address: &str,
        known: &mut BTreeSet<(Labels, String, Option<std::path::PathBuf>)>,
    ) {
        match populate(job, labels, address) {
            Ok(Found::Kept(target)) => {
                if known.insert((target.labels.clone(), target.url.clone(), target.socket.clone())) {
                    self.targets.push(*target);
                }
            }
            Ok(Found::Dropped(labels)) => {
                self.dropped_count += 1;
                let max = if job.keep_dropped_targets == 0 { DROPPED_MAX } else { job.keep_dropped_targets };
                if self.dropped.len() < max {
                    self.dropped.push(labels);
                }
            }
            Err(problem) => {
                self.failed += 1;
                if self.problems.len() < PROBLEMS_MAX {
                    self.problems.push(problem);
                }
            }
        }
    }
}
