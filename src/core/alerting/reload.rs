//! New options between two events: groups keep their state by their route's identity, alerts move to where routes
//! lead them now, and what the old receivers were told is settled as it was set.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::model::Timestamp;

use super::{
    DropReason, Effect, EpisodeId, GroupSettings, IntegrationId, Machine, Options, Record, RouteTable,
    WriteOff, inhibit::Inhibitor, intake::settings,
};

impl Machine {
    pub(super) fn reloaded(&mut self, now: Timestamp, options: Arc<Options>, effects: &mut Vec<Effect>) {
        self.routes = RouteTable::new(&options.route);
        self.inhibitor = Inhibitor::new(&options.inhibit_rules);
        self.options = options;
        self.index_sources();
        let routes = &self.routes;
        self.state.groups.rename_routes(|id| routes.find(id));
        let integrations = self.options.receivers.values().flatten().map(|i| i.id.clone()).collect();
        self.record(Record::Reloaded { at: now, integrations }, effects);
        self.reroute(now, effects);
        self.reschedule_escalations();
    }

    /// Brings groups and deliveries in line with the options in force. Says nothing where nothing differs.
    pub(super) fn reroute(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        for number in self.state.groups.numbers() {
            self.change_settings(number, effects);
            self.settle_removed(now, number, effects);
        }
        let mut detached: BTreeMap<u64, Vec<EpisodeId>> = BTreeMap::new();
        let mut missing = Vec::new();
        for episode in self.state.episodes.iter().filter(|e| e.is_active()) {
            let wanted = self.groups_of(&episode.alert.labels);
            let is_missing = wanted.iter().any(|group| {
                let member =
                    group.and_then(|g| self.state.groups.get(g)).and_then(|g| g.members.get(&episode.id));
                member.is_none_or(|m| m.detached)
            });
            if is_missing {
                missing.push(episode.id);
            }
            for group in episode.groups.iter().filter(|g| !wanted.contains(&Some(**g))) {
                let group_of = self.state.groups.get(*group).filter(|g| !g.is_escalation());
                let member = group_of.and_then(|g| g.members.get(&episode.id));
                if member.is_some_and(|m| !m.detached) {
                    detached.entry(*group).or_default().push(episode.id);
                }
            }
        }
        for (group, episodes) in detached {
            self.record(Record::Detached { group, episodes }, effects);
        }
        self.route(now, missing, effects);
        for number in self.state.groups.numbers() {
            self.prune(number, effects);
        }
        self.rebuild_due(now);
    }

    /// The groups that an alert belongs to; `None` for one that isn't open.
    fn groups_of(&self, labels: &crate::model::Labels) -> BTreeSet<Option<u64>> {
        let routes = self.routes.matching(labels).into_iter();
        routes
            .map(|route| {
                let of = self.routes.node(route).options.group_labels(labels);
                self.state.groups.find(route, &of).map(|g| g.number)
            })
            .collect()
    }

    fn change_settings(&mut self, number: u64, effects: &mut Vec<Effect>) {
        let Some(group) = self.state.groups.get(number) else { return };
        if group.is_escalation() {
            let detached = !self.options.still_escalates(group);
            if group.settings.detached != detached {
                let settings = GroupSettings { detached, ..group.settings.clone() };
                self.record(Record::GroupChanged { group: number, settings }, effects);
            }
            return;
        }
        let wanted = match self.routes.find(&group.route).map(|i| self.routes.node(i)) {
            // Other group labels make other groups: this one is found no more.
            Some(node) if self.still_groups(number, &node.options) => settings(&node.options),
            _ => GroupSettings { detached: true, ..group.settings.clone() },
        };
        if wanted != group.settings {
            self.record(Record::GroupChanged { group: number, settings: wanted }, effects);
        }
    }

    /// Whether a route would still make this group out of one of its alerts.
    fn still_groups(&self, number: u64, options: &super::RouteOptions) -> bool {
        let Some(group) = self.state.groups.get(number) else { return false };
        let mut alerts = group.members.keys().filter_map(|id| self.state.episodes.get(*id));
        group.members.is_empty() || alerts.any(|e| options.group_labels(&e.alert.labels) == group.labels)
    }

    /// Messages to integrations that are no longer configured won't be sent, and what those were told stays so.
    fn settle_removed(&mut self, now: Timestamp, number: u64, effects: &mut Vec<Effect>) {
        let Some(group) = self.state.groups.get(number) else { return };
        let removed = group.lanes.keys().filter(|id| self.options.integration(id).is_none());
        let removed: Vec<Arc<IntegrationId>> = removed.cloned().collect();
        for id in removed {
            let Some(lane) = self.state.lane(number, &id) else { continue };
            let deliveries: Vec<u64> = lane.head.into_iter().chain(lane.next).collect();
            let open = lane.told.iter().filter(|(_, told)| !told.resolved);
            let episodes: Vec<EpisodeId> = open.map(|(id, _)| *id).collect();
            for delivery in deliveries {
                self.drop_delivery(now, delivery, DropReason::ReceiverRemoved, effects);
            }
            if !episodes.is_empty() {
                let (integration, because) = ((*id).clone(), WriteOff::ReceiverRemoved);
                self.record(
                    Record::WrittenOff { group: number, integration, episodes, because, at: now },
                    effects,
                );
            }
        }
    }
}
