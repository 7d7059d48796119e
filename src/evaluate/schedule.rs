//! When a group is due: pure arithmetic over slots, reports of sources, and the groups that it reads.

use std::collections::BTreeMap;

use botwatch_core::{
    model::{Duration, SourceId, Timestamp},
    rules::Schedule,
    tsdb::SourceState,
};

use super::Evaluation;

/// The longest wait for what a slot's end cut off.
const GRACE_MAX: Duration = Duration::from_secs(1);

/// What is known of a source's rhythm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rhythm {
    /// Its newest report.
    pub(super) reported: Timestamp,
    /// Time between its last two; `None` before the second.
    pub(super) period: Option<Duration>,
}

/// All sources' rhythms.
#[derive(Debug, Default)]
pub(super) struct Rhythms(BTreeMap<SourceId, Rhythm>);

impl Rhythms {
    /// Takes in what the head says of a source now.
    pub(super) fn learn(&mut self, id: SourceId, state: &SourceState) {
        let Some(reported) = state.reported else {
            self.0.remove(&id);
            return;
        };
        let rhythm = self.0.entry(id).or_insert(Rhythm { reported, period: None });
        if reported > rhythm.reported {
            *rhythm = Rhythm { reported, period: Some(reported.since(rhythm.reported)) };
        }
    }

    /// Whether a source will report within a slot and has not yet. One whose rhythm is unknown is waited for.
    fn is_awaited(&self, id: SourceId, slot: Timestamp, end: Timestamp) -> bool {
        self.0
            .get(&id)
            .is_some_and(|r| r.reported < slot && r.period.is_none_or(|period| r.reported + period < end))
    }

    fn newest(&self, ids: &[SourceId]) -> Option<Timestamp> {
        ids.iter().filter_map(|id| self.0.get(id)).map(|r| r.reported).max()
    }
}

/// A group's place in the schedule.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) schedule: Schedule,
    /// The slot that is to be evaluated next or is being evaluated.
    pub(super) slot: Timestamp,
    /// The newest slot that has been evaluated.
    pub(super) done: Option<Timestamp>,
    /// The time of the newest evaluation; each is later than the one before.
    pub(super) last: Option<Timestamp>,
    /// Whether it is being evaluated.
    pub(super) running: bool,
    /// Slots that were overrun.
    pub(super) missed: u64,
    /// The sources that it depends on.
    pub(super) sources: Vec<SourceId>,
    /// The groups whose results it reads, by their place in the list.
    pub(super) reads: Vec<usize>,
}

impl Entry {
    /// A group that runs at once.
    pub(super) fn new(schedule: Schedule, now: Timestamp) -> Self {
        Self {
            slot: schedule.slot(now),
            schedule,
            done: None,
            last: None,
            running: false,
            missed: 0,
            sources: Vec::new(),
            reads: Vec::new(),
        }
    }

    /// A group that begins with its next slot.
    pub(super) fn later(schedule: Schedule, now: Timestamp) -> Self {
        Self { slot: schedule.next(now), ..Self::new(schedule, now) }
    }

    fn end(&self) -> Timestamp {
        self.slot + self.schedule.interval()
    }

    /// Moves on to the slot of `now` when that is further than one behind; what lies between is missed.
    fn catch_up(&mut self, now: Timestamp) {
        let current = self.schedule.slot(now);
        let behind = current.since(self.slot).as_millis() / self.schedule.interval().as_millis().max(1);
        if behind > 1 {
            self.missed += (behind - 1) as u64;
            self.slot = self.schedule.slot(Timestamp(current.0 - 1));
        }
    }

    /// An evaluation has ended.
    pub(super) fn ended(&mut self) {
        self.running = false;
        self.done = Some(self.slot);
        self.slot = self.end();
    }

    /// How long after the slot's end what was expected within it is still waited for: a scrape that began just before
    /// the end needs a moment to come in.
    fn grace(&self) -> Duration {
        Duration::from_millis((self.schedule.interval().as_millis() / 4).min(GRACE_MAX.as_millis()))
    }

    /// The time to evaluate at, if the group is due. `reads` is what [`reads`] says.
    pub(super) fn due(
        &mut self,
        now: Timestamp,
        evaluation: Evaluation,
        rhythms: &Rhythms,
        reads: Reads,
    ) -> Option<Timestamp> {
        if self.running {
            return None;
        }
        self.catch_up(now);
        if now < self.slot {
            return None;
        }
        let late = now >= self.end() + self.grace();
        if !(reads.done || late) {
            return None;
        }
        let at = match evaluation {
            // The first scrapes were just made: their samples are newer than the slot.
            _ if self.done.is_none() => now,
            Evaluation::Slots => self.slot,
            Evaluation::OnData => {
                let awaited = self.sources.iter().any(|id| rhythms.is_awaited(*id, self.slot, self.end()));
                match (awaited, late) {
                    (true, false) => return None,
                    (true, true) => self.end(),
                    // Results of other groups are read at the times at which they were written.
                    (false, _) => {
                        let newest = rhythms.newest(&self.sources).max(reads.newest);
                        newest.map_or(self.slot, |t| t.clamp(self.slot, now))
                    }
                }
            }
        };
        // Time never stands still for a group: a second evaluation at one time would change samples.
        let at = match self.last {
            Some(last) if at <= last && now > last => now,
            Some(last) if at <= last => return None,
            _ => at,
        };
        self.last = Some(at);
        self.running = true;
        Some(at)
    }

    /// When it may become due without anything else happening.
    pub(super) fn wake(&self, now: Timestamp) -> Option<Timestamp> {
        if self.running {
            return None;
        }
        Some(if now < self.slot { self.slot } else { self.end() + self.grace() })
    }
}

/// The groups that a group reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reads {
    /// Whether all have been evaluated for its slot.
    pub(super) done: bool,
    /// The newest of their evaluations.
    pub(super) newest: Option<Timestamp>,
}

/// How the groups stand that a group reads.
pub(super) fn reads(entries: &[Entry], nth: usize) -> Reads {
    let entry = &entries[nth];
    let read = || entry.reads.iter().map(|read| &entries[*read]);
    let is_done = |read: &Entry| read.done.is_some_and(|done| done >= read.schedule.slot(entry.slot));
    Reads { done: read().all(is_done), newest: read().filter_map(|r| r.last).max() }
}

/// Takes out the reads that lie on a circle: groups that read each other can't wait for each other.
pub(super) fn without_circles(reads: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let reaches = |from: usize, to: usize| {
        let (mut seen, mut open) = (vec![false; reads.len()], vec![from]);
        while let Some(at) = open.pop() {
            for &next in &reads[at] {
                if next == to {
                    return true;
                }
                if !std::mem::replace(&mut seen[next], true) {
                    open.push(next);
                }
            }
        }
        false
    };
    let keep = |from: usize, to: usize| from != to && !reaches(to, from);
    reads.iter().enumerate().map(|(i, own)| own.iter().copied().filter(|&to| keep(i, to)).collect()).collect()
}
