//! The route tree, ready to match: inheritance resolved, keys computed.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    sync::Arc,
};

use crate::model::{Duration, Labels, Matcher, go_quote};

use super::{
    GroupBy, Route,
    matchers::print_list,
    options::{GROUP_INTERVAL, GROUP_WAIT, REPEAT_INTERVAL},
};

/// What holds for the groups of one route, after inheritance.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteOptions {
    /// Who is told.
    pub receiver: Arc<str>,
    /// What makes a group.
    pub group_by: GroupBy,
    /// How long a new group waits for more alerts.
    pub group_wait: Duration,
    /// How often a group is looked at after that.
    pub group_interval: Duration,
    /// When what was told is told again.
    pub repeat_interval: Duration,
    /// The route's own labels, merged parent to child.
    pub labels: Labels,
}

/// One route, ready to match.
#[derive(Debug, Clone)]
pub struct RouteNode {
    /// Its identity over reloads: the path of matchers, with `#n` behind one that repeats an earlier sibling's.
    pub id: Arc<str>,
    /// The path of matchers from the root, as it begins group keys (spec D-3). Equal for siblings with equal matchers.
    pub key: Arc<str>,
    /// What holds for its groups.
    pub options: RouteOptions,
    /// Names of the time intervals in which it tells nothing new.
    pub mute: Vec<Arc<str>>,
    /// Names of the time intervals outside which it tells nothing new; none: it is always active.
    pub active: Vec<Arc<str>>,
    matchers: Vec<Matcher>,
    continue_matching: bool,
    children: Vec<usize>,
}

/// The whole tree, ready to match.
#[derive(Debug, Clone, Default)]
pub struct RouteTable {
    nodes: Vec<RouteNode>,
    by_id: HashMap<Arc<str>, usize>,
}

impl RouteTable {
    /// Resolves inheritance: everything is inherited but `continue` and time intervals (spec C-20 to C-28).
    pub fn new(root: &Route) -> Self {
        let defaults = RouteOptions {
            receiver: "".into(),
            group_by: GroupBy::default(),
            group_wait: GROUP_WAIT,
            group_interval: GROUP_INTERVAL,
            repeat_interval: REPEAT_INTERVAL,
            labels: Labels::empty(),
        };
        let mut table = Self::default();
        table.add(root, &defaults, "", "", 0);
        table.by_id = table.nodes.iter().enumerate().map(|(i, n)| (Arc::clone(&n.id), i)).collect();
        table
    }

    /// The routes that an alert belongs to, depth-first, left to right; a route stands for itself only when no child
    /// matched (spec D-4). Never empty: the root takes what nothing else took.
    pub fn matching(&self, labels: &Labels) -> Vec<usize> {
        let mut found = Vec::with_capacity(1);
        if !self.nodes.is_empty() {
            self.collect(0, labels, &mut found);
        }
        found
    }

    /// A route by its number, as [`Self::matching`] gives it.
    pub fn node(&self, index: usize) -> &RouteNode {
        &self.nodes[index]
    }

    /// A route's number by its identity.
    pub fn find(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// All routes, parents first.
    pub fn nodes(&self) -> &[RouteNode] {
        &self.nodes
    }

    fn add(&mut self, route: &Route, parent: &RouteOptions, key: &str, id: &str, nth: usize) -> usize {
        let mut matchers = route.matchers.clone();
        matchers.sort();
        let printed = print_list(&matchers);
        let join = |path: &str| if path.is_empty() { printed.clone() } else { format!("{path}/{printed}") };
        let (key, mut id) = (join(key), join(id));
        if nth > 0 {
            let _ = write!(id, "#{nth}");
        }
        let options = inherit(route, parent);
        let index = self.nodes.len();
        self.nodes.push(RouteNode {
            id: id.as_str().into(),
            key: key.as_str().into(),
            options: options.clone(),
            mute: route.mute_time_intervals.clone(),
            active: route.active_time_intervals.clone(),
            matchers,
            continue_matching: route.continue_matching,
            children: Vec::new(),
        });
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for child in &route.routes {
            let mut sorted = child.matchers.clone();
            sorted.sort();
            let count = seen.entry(print_list(&sorted)).or_default();
            let child = self.add(child, &options, &key, &id, *count);
            *count += 1;
            self.nodes[index].children.push(child);
        }
        index
    }

    fn collect(&self, index: usize, labels: &Labels, found: &mut Vec<usize>) {
        let before = found.len();
        for &child in &self.nodes[index].children {
            let node = &self.nodes[child];
            if node.matchers.iter().all(|m| m.matches_labels(labels)) {
                self.collect(child, labels, found);
                if !node.continue_matching {
                    return;
                }
            }
        }
        if found.len() == before {
            found.push(index);
        }
    }
}

fn inherit(route: &Route, parent: &RouteOptions) -> RouteOptions {
    let mut labels = parent.labels.builder();
    for (name, value) in &route.labels {
        labels.set(name, value);
    }
    RouteOptions {
        receiver: route.receiver.clone().unwrap_or_else(|| Arc::clone(&parent.receiver)),
        group_by: route.group_by.clone().unwrap_or_else(|| parent.group_by.clone()),
        group_wait: route.group_wait.unwrap_or(parent.group_wait),
        group_interval: route.group_interval.unwrap_or(parent.group_interval),
        repeat_interval: route.repeat_interval.unwrap_or(parent.repeat_interval),
        labels: labels.finish(),
    }
}

impl RouteOptions {
    /// The labels of the group that an alert belongs to; what it lacks is absent, not empty (spec D-2).
    pub fn group_labels(&self, labels: &Labels) -> Labels {
        match &self.group_by {
            GroupBy::All => labels.clone(),
            GroupBy::Labels(names) => {
                Labels::from_sorted(labels.iter().filter(|(n, _)| names.iter().any(|name| **name == **n)))
            }
        }
    }
}

/// Alertmanager's group key, byte for byte, since receivers derive deduplication keys from it (spec D-3):
/// `{}/{severity="critical"}:{alertname="A"}`.
pub fn group_key(route_key: &str, labels: &Labels) -> Arc<str> {
    let mut key = format!("{route_key}:{{");
    for (i, (name, value)) in labels.iter().enumerate() {
        let comma = if i > 0 { ", " } else { "" };
        let _ = write!(key, "{comma}{name}={}", go_quote(value));
    }
    key.push('}');
    key.into()
}
