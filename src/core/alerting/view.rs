//! What can be asked of the machine, for the API, the page and the rules.

use std::sync::Arc;

use crate::model::{Fingerprint, RuleKey, Timestamp, Transition};

use super::{
    Certainty, Counters, DeliveryState, Done, Episode, EpisodeId, Group, IntegrationId, Machine, Reason,
    RouteTable, flush::NO_INTEGRATION,
};

/// Why one integration was told of an episode, or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Why<'a> {
    /// The integration; kind `none` for a receiver that has none.
    pub integration: Arc<IntegrationId>,
    /// The reason.
    pub reason: Reason,
    /// Since when it holds; none while the group waits for its first turn.
    pub since: Option<Timestamp>,
    /// The delivery on its way, when the reason is one.
    pub delivery: Option<&'a DeliveryState>,
}

/// A row of the told-ledger that is still open.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LedgerRow<'a> {
    /// The group.
    pub group: &'a Group,
    /// Who was told.
    pub integration: &'a IntegrationId,
    /// Of what.
    pub episode: EpisodeId,
    /// Since when.
    pub since: Timestamp,
    /// How sure that is.
    pub certainty: Certainty,
}

impl Machine {
    /// Episodes that fire, or ended and are not settled or may open again; by id.
    pub fn alerts(&self) -> impl Iterator<Item = &Episode> {
        self.state.episodes.iter()
    }

    /// The same, beginning after an id.
    pub fn alerts_after(&self, after: Option<EpisodeId>) -> impl Iterator<Item = &Episode> {
        self.state.episodes.after(after)
    }

    /// An episode, over ones too as long as they are kept.
    pub fn episode(&self, id: EpisodeId) -> Option<&Episode> {
        self.state.episodes.get(id).or_else(|| self.state.episodes.past().find(|e| e.id == id))
    }

    /// The newest episode of an alert that is not over.
    pub fn newest(&self, fingerprint: Fingerprint) -> Option<&Episode> {
        self.state.episodes.newest(fingerprint)
    }

    /// Episodes that are over, oldest first.
    pub fn past(&self) -> impl Iterator<Item = &Episode> {
        self.state.episodes.past()
    }

    /// The route tree in force.
    pub fn routes(&self) -> &RouteTable {
        &self.routes
    }

    /// Groups, by number.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.state.groups.iter()
    }

    /// A group.
    pub fn group(&self, number: u64) -> Option<&Group> {
        self.state.groups.get(number)
    }

    /// The groups that an episode is in.
    pub fn groups_with(&self, episode: &Episode) -> impl Iterator<Item = &Group> {
        episode.groups.iter().filter_map(|number| self.state.groups.get(*number))
    }

    /// Deliveries that are not done, by number.
    pub fn deliveries(&self) -> impl Iterator<Item = &DeliveryState> {
        self.state.deliveries.values()
    }

    /// Deliveries that are done, oldest first.
    pub fn history(&self) -> impl DoubleEndedIterator<Item = &Done> {
        self.state.history.iter()
    }

    /// What was sent, by integration.
    pub fn counters(&self) -> impl Iterator<Item = (&IntegrationId, &Counters)> {
        self.state.counters.iter()
    }

    /// Alerts from outside that found no room since the start of this process.
    pub fn shed(&self) -> u64 {
        self.shed
    }

    /// Who was or may have been told that an alert fires, and not yet that it ended.
    pub fn ledger(&self) -> impl Iterator<Item = LedgerRow<'_>> {
        self.state.groups.iter().flat_map(|group| {
            group.lanes.iter().flat_map(move |(integration, lane)| {
                lane.told.iter().filter(|(_, told)| !told.resolved).map(move |(episode, told)| LedgerRow {
                    group,
                    integration,
                    episode: *episode,
                    since: told.since,
                    certainty: told.certainty,
                })
            })
        })
    }

    /// The last transition of each pending or firing alert of a rule, by labels: the rule's state after a restart.
    pub fn rule_alerts(&self, rule: &RuleKey) -> impl Iterator<Item = &Transition> {
        self.state.rules.get(rule).into_iter().flat_map(std::collections::BTreeMap::values)
    }

    /// The rules that have pending or firing alerts.
    pub fn rules(&self) -> impl Iterator<Item = &RuleKey> {
        self.state.rules.keys()
    }

    /// Why each integration that routes lead an episode to was told of it, or not; by integration. One entry at least
    /// for every receiver.
    pub fn why(&self, id: EpisodeId) -> Vec<Why<'_>> {
        let Some(episode) = self.episode(id) else { return Vec::new() };
        let standings = episode.standings.iter().map(|(integration, standing)| Why {
            integration: Arc::clone(integration),
            reason: standing.reason.clone(),
            since: Some(standing.at),
            delivery: self.on_its_way(&standing.reason),
        });
        let mut all: Vec<Why<'_>> = standings.collect();
        for group in self.groups_with(episode).filter(|g| !g.settings.detached) {
            let receiver = &group.settings.receiver;
            let ids = self.options.integrations(receiver).iter().map(|i| i.id.clone());
            let mut ids: Vec<IntegrationId> = ids.collect();
            if ids.is_empty() {
                ids.push(IntegrationId {
                    receiver: receiver.clone(),
                    kind: NO_INTEGRATION.into(),
                    key: "".into(),
                });
            }
            for id in ids {
                if !all.iter().any(|w| *w.integration == id) {
                    let reason = Reason::Waiting { until: group.next_flush() };
                    all.push(Why { integration: Arc::new(id), reason, since: None, delivery: None });
                }
            }
        }
        all.sort_by(|a, b| a.integration.cmp(&b.integration));
        all
    }

    fn on_its_way(&self, reason: &Reason) -> Option<&DeliveryState> {
        let Reason::InDelivery { delivery } = reason else { return None };
        let state = self.state.deliveries.get(&super::delivery::delivery_number(delivery)?)?;
        (state.delivery.id == *delivery).then_some(state)
    }
}
