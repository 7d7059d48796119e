//! What is scraped, and what a scrape really saw: the truth that every decision is held against.

use botwatch_core::{
    model::{Labels, Sources, Timestamp, stale_nan},
    tsdb::{Commit, Head, Visibility},
};

use crate::{script::TARGETS, setting::INTERVAL};

/// A scraped process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Target {
    pub number: usize,
    pub level: f64,
    pub per_second: f64,
    pub errors: f64,
    pub counted: Option<Timestamp>,
    pub down_until: Option<Timestamp>,
    pub vanished_until: Option<Timestamp>,
    /// All scrapes, of all processes.
    pub scrapes: Vec<Scrape>,
}

/// What one scrape saw.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scrape {
    pub at: Timestamp,
    /// By which process.
    pub process: u64,
    pub ok: bool,
    /// Gauge and counter, if they were there.
    pub seen: Option<(f64, f64)>,
}

impl Target {
    pub(crate) fn source(&self) -> String {
        format!("job/{}", TARGETS[self.number])
    }

    /// One scrape by a process: into its head, and into the truth.
    pub(crate) fn scrape(&mut self, now: Timestamp, process: u64, head: &mut Head) {
        let passed = self.counted.map_or(INTERVAL as f64, |t| now.since(t).as_secs_f64());
        self.counted = Some(now);
        self.errors += passed * self.per_second;
        let ok = self.down_until.is_none_or(|t| t <= now);
        let there = ok && self.vanished_until.is_none_or(|t| t <= now);
        let seen = there.then_some((self.level, self.errors));
        self.scrapes.push(Scrape { at: now, process, ok, seen });

        let source = head.source(&self.source());
        let sources = Sources::one(source);
        let mut samples = Vec::new();
        let values = [
            ("up", Some(f64::from(u8::from(ok)))),
            ("level", seen.map(|s| s.0)),
            ("errors_total", seen.map(|s| s.1)),
        ];
        for (name, value) in values {
            let labels = Labels::from_pairs([("__name__", name), ("instance", TARGETS[self.number])]);
            if let Some(series) = head.series(&labels, &sources) {
                samples.push((series, now, value.unwrap_or_else(stale_nan)));
            }
        }
        let visibility = if ok { Visibility::Seeing } else { Visibility::Blind };
        head.commit(&Commit { samples, sources: vec![(source, visibility, now)] });
    }

    /// The newest scrape by a process.
    pub(crate) fn last(&self, process: u64) -> Option<&Scrape> {
        self.scrapes.last().filter(|s| s.process == process)
    }

    /// Whether all scrapes by this process in a time show the counter rising fast (`true`) or not at all (`false`).
    pub(crate) fn rises(&self, process: u64, since: Timestamp, fast: bool) -> bool {
        let all: Vec<&Scrape> =
            self.scrapes.iter().rev().take_while(|s| s.at > since).filter(|s| s.process == process).collect();
        let steps = all.windows(2).map(|w| match (w[0].seen, w[1].seen) {
            (Some(new), Some(old)) => Some((new.1 - old.1) / w[0].at.since(w[1].at).as_secs_f64()),
            _ => None,
        });
        let right = |step: Option<f64>| step.is_some_and(|s| if fast { s > 1.0 } else { s == 0.0 });
        all.len() >= 4 && steps.into_iter().all(right)
    }
}
