//! What happens, as it happens, for pages and scripts that follow along.

use std::{collections::VecDeque, sync::Arc};

use botwatch_core::{
    alerting::{Act, EpisodeId, Outcome, Record},
    model::{AlertState, Timestamp},
};
use parking_lot::Mutex;
use tokio::sync::watch;

/// Events that are remembered for who was away for a moment.
const KEPT: usize = 1024;
/// Alerts that one event names; it says how many there are.
const NAMED_MAX: usize = 50;

/// Something that happened. Told once it is on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The sequence of its record: rises from event to event.
    pub seq: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Alerts began to fire, or ended.
    Alerts {
        /// The first of them.
        episodes: Vec<EpisodeId>,
        /// How many.
        count: usize,
        /// Whether they fire.
        firing: bool,
    },
    /// Something was done to issues, or came about.
    Issues {
        /// The first of them.
        episodes: Vec<EpisodeId>,
        /// What: `reported`, `acknowledged`, …
        event: &'static str,
        /// Who did it; empty when it came about by itself.
        by: Arc<str>,
    },
    /// A message was delivered, or not.
    Notification {
        /// Which.
        id: Arc<str>,
        /// `delivered`, `failed`, `refused`, `dropped`.
        status: &'static str,
    },
    /// A silence was set, changed or ended.
    Silence {
        /// Which.
        id: Arc<str>,
    },
    /// A threshold was set or taken back.
    Threshold {
        /// Of this metric.
        metric: Arc<str>,
    },
}

impl What {
    /// The kind's word.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Alerts { .. } => "alert",
            Self::Issues { .. } => "issue",
            Self::Notification { .. } => "notification",
            Self::Silence { .. } => "silence",
            Self::Threshold { .. } => "threshold",
        }
    }

    /// What a record says to who follows; none: nothing.
    pub(super) fn of(record: &Record) -> Option<Self> {
        let issues = |episodes: &[EpisodeId], event, by: &Arc<str>| {
            let episodes = episodes.iter().take(NAMED_MAX).copied().collect();
            Self::Issues { episodes, event, by: Arc::clone(by) }
        };
        Some(match record {
            Record::Transition { change, episode: Some(id) } => match change.state {
                AlertState::Firing { fired_at, .. } if fired_at == change.at => Self::alerts(&[*id], true),
                AlertState::Ended { fired_at: Some(_), .. } => Self::alerts(&[*id], false),
                _ => return None,
            },
            Record::Received { alert, episode } => {
                let firing = alert.ends_at.is_none_or(|end| end > alert.updated_at);
                Self::alerts(&[*episode], firing)
            }
            Record::Lapsed { episodes, .. } => Self::alerts(episodes, false),
            Record::Reported(r) => issues(&[r.episode], "reported", &r.by),
            Record::Acted { episode, entry } => issues(&[*episode], event(&entry.act), &entry.by),
            Record::Reopened { episodes, .. } => issues(episodes, "reopened", &"".into()),
            Record::Escalated { episodes, by, .. } => issues(episodes, "escalated", by),
            Record::Answered { delivery, outcome, .. } => {
                let status = match outcome {
                    Outcome::Delivered { .. } => "delivered",
                    Outcome::Transient { .. } => "failed",
                    Outcome::Permanent { .. } => "refused",
                };
                Self::Notification { id: Arc::clone(&delivery.0), status }
            }
            Record::Dropped { delivery, .. } => {
                Self::Notification { id: Arc::clone(&delivery.0), status: "dropped" }
            }
            Record::Silenced(silence) => Self::Silence { id: Arc::clone(&silence.id.0) },
            Record::ThresholdSet(set) => Self::Threshold { metric: Arc::clone(&set.threshold.metric) },
            Record::ThresholdUnset { metric, .. } => Self::Threshold { metric: Arc::clone(metric) },
            _ => return None,
        })
    }

    fn alerts(episodes: &[EpisodeId], firing: bool) -> Self {
        let named = episodes.iter().take(NAMED_MAX).copied().collect();
        Self::Alerts { episodes: named, count: episodes.len(), firing }
    }
}

fn event(act: &Act) -> &'static str {
    match act {
        Act::Acknowledged { .. } => "acknowledged",
        Act::Unacknowledged { .. } => "unacknowledged",
        Act::Assigned { .. } => "assigned",
        Act::Noted { .. } => "noted",
        Act::Resolved { .. } => "resolved",
        Act::Escalated { .. } => "escalated",
        Act::Reopened => "reopened",
        Act::Ended { .. } => "ended",
    }
}

/// The newest events. Cheap to clone.
#[derive(Clone)]
pub struct Feed(Arc<Shared>);

struct Shared {
    kept: Mutex<VecDeque<Event>>,
    newest: watch::Sender<u64>,
    /// The newest sequence whose event may be known no more.
    forgotten: Mutex<u64>,
}

/// What a follower missed.
#[derive(Debug, Clone, PartialEq)]
pub struct Since {
    /// In order.
    pub events: Vec<Event>,
    /// There were more, and they are no longer known.
    pub gap: bool,
}

impl Default for Feed {
    fn default() -> Self {
        Self(Arc::new(Shared {
            kept: Mutex::default(),
            newest: watch::Sender::new(0),
            forgotten: Mutex::new(0),
        }))
    }
}

impl Feed {
    /// One that begins after a sequence.
    pub(super) fn after(seq: u64) -> Self {
        let feed = Self::default();
        feed.0.newest.send_replace(seq);
        *feed.0.forgotten.lock() = seq;
        feed
    }

    /// Tells of events, in order.
    pub fn publish(&self, events: impl IntoIterator<Item = Event>) {
        let mut kept = self.0.kept.lock();
        let mut newest = None;
        for event in events {
            newest = Some(event.seq);
            kept.push_back(event);
            if kept.len() > KEPT
                && let Some(oldest) = kept.pop_front()
            {
                *self.0.forgotten.lock() = oldest.seq;
            }
        }
        drop(kept);
        if let Some(newest) = newest {
            self.0.newest.send_replace(newest);
        }
    }

    /// The sequence of the newest event.
    pub fn newest(&self) -> u64 {
        *self.0.newest.borrow()
    }

    /// For waiting until there is more.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.newest.subscribe()
    }

    /// The events after a sequence, as far as they are known.
    pub fn since(&self, seq: u64) -> Since {
        let kept = self.0.kept.lock();
        let events = kept.iter().filter(|e| e.seq > seq).cloned().collect();
        Since { events, gap: seq < *self.0.forgotten.lock() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seq: u64) -> Event {
        Event { seq, at: Timestamp(0), what: What::Silence { id: "s".into() } }
    }

    #[test]
    fn who_was_away_gets_what_is_remembered_and_learns_of_gaps() {
        let feed = Feed::after(100);
        assert_eq!(feed.since(100), Since { events: Vec::new(), gap: false });
        assert!(feed.since(99).gap, "of another process");
        feed.publish((101..=110).map(event));
        assert_eq!(feed.newest(), 110);
        let since = feed.since(105);
        assert_eq!((since.events.len(), since.gap), (5, false));
        feed.publish((200..200 + KEPT as u64).map(event));
        assert!(feed.since(105).gap && !feed.since(110).gap, "the newest that was forgotten is 110");
    }
}
