//! Groups: the alerts that one route tells in one message.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::model::{Labels, Timestamp};

use super::{EpisodeId, GroupOpened, GroupSettings, IntegrationId, Lane, pairs};

/// The alerts of one route with equal group labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Its number; never reused.
    pub number: u64,
    /// The route's identity.
    pub route: Arc<str>,
    /// Alertmanager's group key.
    pub key: Arc<str>,
    /// The labels that its alerts share.
    pub labels: Labels,
    /// What it takes from its route.
    pub settings: GroupSettings,
    /// Its next turn, as of the last turn that something came of.
    pub flush_at: Timestamp,
    /// Whether it ever had a turn that something came of.
    #[serde(default)]
    pub flushed: bool,
    /// Its alerts, and whether routes no longer lead them here.
    #[serde(with = "pairs")]
    pub members: BTreeMap<EpisodeId, Member>,
    /// What each integration was told.
    #[serde(default, with = "pairs")]
    pub lanes: BTreeMap<Arc<IntegrationId>, Lane>,
    /// Its next turn in this process. Turns that nothing comes of move only this.
    #[serde(skip)]
    pub(super) tick_at: Timestamp,
}

/// An alert in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Member {
    /// Routes no longer lead it here; what was told of it is settled.
    #[serde(default)]
    pub detached: bool,
}

impl Group {
    /// When it has its next turn.
    pub fn next_flush(&self) -> Timestamp {
        self.tick_at
    }

    /// Whether an episode is of no concern to any integration of this group.
    pub(super) fn owes_nothing(&self, id: EpisodeId) -> bool {
        !self.lanes.values().any(|l| l.owes(id))
    }

    /// Whether nothing is left to do.
    pub(super) fn is_done(&self) -> bool {
        self.members.is_empty() && self.lanes.values().all(Lane::is_settled)
    }
}

/// All groups, with what makes finding them fast.
#[derive(Debug, Clone, Default)]
pub(super) struct Groups {
    all: BTreeMap<u64, Group>,
    /// By route and labels; route numbers are those of the running configuration.
    by_labels: HashMap<(usize, Labels), u64>,
    /// Next turns.
    ticks: BTreeSet<(Timestamp, u64)>,
}

impl Groups {
    pub(super) fn restore(all: Vec<Group>, route_number: impl Fn(&str) -> Option<usize>) -> Self {
        let mut groups = Self::default();
        for mut group in all {
            group.tick_at = group.flush_at;
            groups.ticks.insert((group.tick_at, group.number));
            groups.all.insert(group.number, group);
        }
        groups.rename_routes(route_number);
        groups
    }

    /// Finds groups by the route numbers of another configuration from here on.
    pub(super) fn rename_routes(&mut self, route_number: impl Fn(&str) -> Option<usize>) {
        self.by_labels = self
            .all
            .values()
            .filter_map(|g| Some(((route_number(&g.route)?, g.labels.clone()), g.number)))
            .collect();
    }

    pub(super) fn get(&self, number: u64) -> Option<&Group> {
        self.all.get(&number)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Group> {
        self.all.values()
    }

    pub(super) fn numbers(&self) -> Vec<u64> {
        self.all.keys().copied().collect()
    }

    pub(super) fn find(&self, route: usize, labels: &Labels) -> Option<&Group> {
        self.all.get(self.by_labels.get(&(route, labels.clone()))?)
    }

    pub(super) fn first_tick(&self) -> Option<(Timestamp, u64)> {
        self.ticks.first().copied()
    }

    pub(super) fn open(&mut self, opened: &GroupOpened, route: Option<usize>) {
        let group = Group {
            number: opened.group,
            route: Arc::clone(&opened.route),
            key: Arc::clone(&opened.key),
            labels: opened.labels.clone(),
            settings: opened.settings.clone(),
            flush_at: opened.flush_at,
            flushed: false,
            members: BTreeMap::new(),
            lanes: BTreeMap::new(),
            tick_at: opened.flush_at,
        };
        if let Some(route) = route {
            self.by_labels.insert((route, opened.labels.clone()), opened.group);
        }
        self.ticks.insert((group.tick_at, group.number));
        self.all.insert(group.number, group);
    }

    pub(super) fn close(&mut self, number: u64, route_number: impl Fn(&str) -> Option<usize>) {
        let Some(group) = self.all.remove(&number) else { return };
        self.ticks.remove(&(group.tick_at, number));
        if let Some(route) = route_number(&group.route) {
            let key = (route, group.labels);
            if self.by_labels.get(&key) == Some(&number) {
                self.by_labels.remove(&key);
            }
        }
    }

    /// A group to change; its times are changed by [`Self::tick`] and [`Self::flush_at`] only.
    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Group> {
        self.all.get_mut(&number)
    }

    pub(super) fn lane_mut(&mut self, number: u64, integration: &Arc<IntegrationId>) -> Option<&mut Lane> {
        self.all.get_mut(&number).map(|g| g.lanes.entry(Arc::clone(integration)).or_default())
    }

    /// Sets the next turn in this process.
    pub(super) fn tick(&mut self, number: u64, at: Timestamp) {
        if let Some(group) = self.all.get_mut(&number) {
            self.ticks.remove(&(group.tick_at, number));
            group.tick_at = at;
            self.ticks.insert((at, number));
        }
    }

    /// Sets the next turn as a fact.
    pub(super) fn flush_at(&mut self, number: u64, at: Timestamp) {
        if let Some(group) = self.all.get_mut(&number) {
            group.flush_at = at;
        }
        self.tick(number, at);
    }
}
