//! What an operator recognises in a round's records, as log lines: alerts of our own rules that begin and end, and
//! receivers that can't be told.

use botwatch_core::{
    alerting::{DropReason, Record},
    model::{AlertState, Ending, Transition},
};

/// Lines for one round; a storm is one more line with a count.
const LINES_MAX: usize = 10;

/// Counts the lines of a round.
#[derive(Default)]
pub(super) struct News {
    lines: usize,
}

impl News {
    /// Logs a record if it is news.
    pub(super) fn tell(&mut self, record: &Record) {
        let change = match record {
            Record::Transition { change, .. } => change,
            Record::FellBack { integration, to, .. } => {
                tracing::warn!(%integration, fallback = %to, "a receiver can't be told at present; another is told in its place");
                return;
            }
            Record::Dropped { delivery, because: DropReason::GaveUp, .. } => {
                tracing::error!(delivery = %delivery.0, "a message was given up: its alerts ended a day ago and it never got through");
                return;
            }
            _ => return,
        };
        let Some(text) = text(change) else { return };
        self.lines += 1;
        if self.lines > LINES_MAX {
            return;
        }
        let labels = &change.labels;
        let (alert, severity) = (labels.value("alertname"), labels.value("severity"));
        let summary = change.annotations.value("summary");
        tracing::info!(alert, severity, summary, labels = %labels, "{text}");
    }

    /// Says what was left out.
    pub(super) fn finish(self) {
        if self.lines > LINES_MAX {
            tracing::info!(more = self.lines - LINES_MAX, "further alerts began or ended");
        }
    }
}

fn text(change: &Transition) -> Option<&'static str> {
    match change.state {
        AlertState::Firing { fired_at, .. } if fired_at == change.at => Some("an alert fires"),
        AlertState::Ended { fired_at: Some(_), why: Ending::ConditionGone, .. } => Some("an alert has ended"),
        AlertState::Ended { fired_at: Some(_), why: Ending::RuleRemoved, .. } => {
            Some("an alert has ended: its rule was removed")
        }
        _ => None,
    }
}
