//! What must hold between any two events. Checked by the simulation after every step; too slow for production.

use std::collections::BTreeSet;

use super::{Checkpoint, Machine, Phase};

impl Machine {
    /// What does not hold, in words; empty when all is well. Costs time proportional to everything known.
    pub fn violations(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        self.check_lanes(&mut wrong);
        self.check_membership(&mut wrong);
        for state in self.deliveries() {
            let lane = self.state.lane(state.group, state.integration());
            if !lane.is_some_and(|l| l.head == Some(state.number) || l.next == Some(state.number)) {
                wrong.push(format!("delivery {} is in no lane", state.delivery.id.0));
            }
            if state.number > self.state.last_delivery {
                wrong.push(format!("delivery {} has a number that was not given", state.delivery.id.0));
            }
        }
        wrong
    }

    /// What differs between this machine and one restored from its own checkpoint; empty when nothing does.
    pub fn differs_from(&self, other: &Checkpoint) -> Vec<&'static str> {
        let mine = self.checkpoint();
        [
            ("seq", mine.seq == other.seq),
            ("numbers", (mine.last_group, mine.last_delivery) == (other.last_group, other.last_delivery)),
            ("totals", (mine.last_done, mine.last_past) == (other.last_done, other.last_past)),
            ("rules", mine.rules == other.rules),
            ("episodes", same_episodes(&mine.episodes, &other.episodes)),
            ("groups", same_groups(&mine.groups, &other.groups)),
            ("deliveries", mine.deliveries == other.deliveries),
            ("history", mine.history == other.history),
            ("past", same_episodes(&mine.past, &other.past)),
            ("counters", mine.counters == other.counters),
            ("silences", mine.silences == other.silences),
            ("early", mine.early == other.early),
            ("thresholds", mine.thresholds == other.thresholds),
        ]
        .into_iter()
        .filter_map(|(name, same)| (!same).then_some(name))
        .collect()
    }

    fn check_lanes(&self, wrong: &mut Vec<String>) {
        for group in self.groups() {
            for (integration, lane) in &group.lanes {
                let at = format!("group {} lane {integration}", group.number);
                let states = [lane.head, lane.next].map(|n| n.and_then(|n| self.state.deliveries.get(&n)));
                if [lane.head, lane.next].iter().flatten().count() != states.iter().flatten().count() {
                    wrong.push(format!("{at}: a message is missing"));
                }
                if let [head, Some(next)] = states
                    && (next.attempts > 0 || head.is_some_and(|h| h.number >= next.number))
                {
                    wrong.push(format!("{at}: messages are out of order"));
                }
                if states[0].is_some_and(|h| h.attempts == 0) {
                    wrong.push(format!("{at}: a message was put first without an attempt"));
                }
                let strangers =
                    lane.told.iter().filter(|(id, t)| !t.resolved && !group.members.contains_key(id));
                for (id, _) in strangers {
                    wrong.push(format!("{at}: owes the end of {id}, which is not in the group"));
                }
            }
        }
    }

    fn check_membership(&self, wrong: &mut Vec<String>) {
        for group in self.groups() {
            for id in group.members.keys() {
                if !self.state.episodes.get(*id).is_some_and(|e| e.groups.contains(&group.number)) {
                    wrong.push(format!("group {}: {id} doesn't know that it is a member", group.number));
                }
            }
            if group.is_done() {
                wrong.push(format!("group {} has nothing left to do and is open", group.number));
            }
        }
        let running: BTreeSet<u64> = self.outbox.running().collect();
        for state in self.deliveries() {
            let in_flight = matches!(state.phase, Phase::InFlight { .. });
            if in_flight != running.contains(&state.number) {
                wrong.push(format!(
                    "delivery {}: in flight {in_flight}, but not so in the outbox",
                    state.delivery.id.0
                ));
            }
        }
        for episode in self.alerts().filter(|e| e.is_active()) {
            if episode.groups.is_empty() {
                wrong.push(format!("{} fires and is in no group", episode.id));
            }
            if !episode.is_held() {
                wrong.push(format!("{} fires although nobody says so", episode.id));
            }
        }
    }
}

/// Equal in what survives; indexes and newer texts don't.
fn same_episodes(a: &[super::Episode], b: &[super::Episode]) -> bool {
    let bare = |e: &super::Episode| super::Episode { groups: Vec::new(), fresh: None, ..e.clone() };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| bare(a) == bare(b))
}

/// Equal in what survives; quiet turns don't.
fn same_groups(a: &[super::Group], b: &[super::Group]) -> bool {
    let bare = |g: &super::Group| super::Group { tick_at: g.flush_at, ..g.clone() };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| bare(a) == bare(b))
}
