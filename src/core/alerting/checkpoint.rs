//! A copy of all that must survive, in tables whose rows are in order of their keys.

use serde::{Deserialize, Serialize};

use crate::model::Transition;

use super::{
    Counters, DeliveryState, Done, EarlyResolve, Episode, EpisodeId, Group, IntegrationId, RouteTable, Seq,
    SetThreshold, Silence, episode::Episodes, group::Groups, issue::Early, silence::Silences, state::State,
};

/// The version of the tables that this code writes.
pub const CHECKPOINT_FORMAT: u32 = 3;

/// All that the machine knows as of a sequence. Together with the records after that sequence it is the machine.
/// The empty one (`default`) is a first start.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The last record that is in it.
    pub seq: Seq,
    /// The highest group number given so far.
    #[serde(default)]
    pub last_group: u64,
    /// The highest delivery number given so far; kept although the deliveries are gone, so that no id comes twice.
    #[serde(default)]
    pub last_delivery: u64,
    /// How many deliveries were ever done: the newest of the history has this number, the others those before it.
    #[serde(default)]
    pub last_done: u64,
    /// How many episodes were ever forgotten; numbers the past as `last_done` does the history.
    #[serde(default)]
    pub last_past: u64,
    /// Pending and firing alerts of our own rules: what gives the rules their state back. By rule, then labels.
    #[serde(default)]
    pub rules: Vec<Transition>,
    /// Episodes that are active or not settled, by id.
    #[serde(default)]
    pub episodes: Vec<Episode>,
    /// Groups, by number.
    #[serde(default)]
    pub groups: Vec<Group>,
    /// Deliveries that are not done, by number.
    #[serde(default)]
    pub deliveries: Vec<DeliveryState>,
    /// Deliveries that are done, oldest first; bounded.
    #[serde(default)]
    pub history: Vec<Done>,
    /// Episodes that are over, oldest first; bounded.
    #[serde(default)]
    pub past: Vec<Episode>,
    /// What was sent, by integration.
    #[serde(default)]
    pub counters: Vec<(IntegrationId, Counters)>,
    /// Silences, by id.
    #[serde(default)]
    pub silences: Vec<Silence>,
    /// Resolves of issues that were not reported yet, by id.
    #[serde(default)]
    pub early: Vec<EarlyResolve>,
    /// Thresholds that were set, by metric and severity.
    #[serde(default)]
    pub thresholds: Vec<SetThreshold>,
}

/// A table of a checkpoint. In order of their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// What was sent, by integration.
    Counters,
    /// Deliveries that are not done.
    Deliveries,
    /// Resolves of issues that were not reported yet.
    Early,
    /// Episodes that are active or not settled.
    Episodes,
    /// Groups.
    Groups,
    /// Deliveries that are done.
    History,
    /// Sequence and highest numbers; one row.
    Meta,
    /// Episodes that are over.
    Past,
    /// Pending and firing alerts of our own rules.
    Rules,
    /// Silences.
    Silences,
    /// Thresholds that were set.
    Thresholds,
}

impl Table {
    /// All tables, in the order in which [`Checkpoint::into_rows`] gives them.
    pub const ALL: [Self; 11] = [
        Self::Counters,
        Self::Deliveries,
        Self::Early,
        Self::Episodes,
        Self::Groups,
        Self::History,
        Self::Meta,
        Self::Past,
        Self::Rules,
        Self::Silences,
        Self::Thresholds,
    ];

    /// A name for the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counters => "counters",
            Self::Deliveries => "deliveries",
            Self::Early => "early",
            Self::Episodes => "episodes",
            Self::Groups => "groups",
            Self::History => "history",
            Self::Meta => "meta",
            Self::Past => "past",
            Self::Rules => "rules",
            Self::Silences => "silences",
            Self::Thresholds => "thresholds",
        }
    }
}

/// A row of a table: its key and its JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The table.
    pub table: Table,
    /// Unique in the table, and in the order of its bytes. What has not changed since the last checkpoint has the
    /// same key and the same JSON, but in the small tables (rules, counters, thresholds), where it is the row's place.
    pub key: String,
    /// The row.
    pub json: String,
}

/// Why rows are no checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// A newer version wrote it.
    #[error("checkpoint has format {found}; this version reads up to {CHECKPOINT_FORMAT}")]
    Format {
        /// What it says.
        found: u32,
    },
    /// A row is damaged.
    #[error("row {key} of table `{table}` is damaged")]
    Row {
        /// The table.
        table: &'static str,
        /// Which row.
        key: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

#[derive(Serialize, Deserialize)]
struct Meta {
    format: u32,
    seq: Seq,
    last_group: u64,
    last_delivery: u64,
    #[serde(default)]
    last_done: u64,
    #[serde(default)]
    last_past: u64,
}

impl Checkpoint {
    pub(super) fn of(state: &State) -> Self {
        Self {
            seq: state.seq,
            last_group: state.last_group,
            last_delivery: state.last_delivery,
            last_done: state.last_done,
            last_past: state.episodes.last_past(),
            rules: state.rules.values().flat_map(|alerts| alerts.values().cloned()).collect(),
            episodes: state.episodes.iter().cloned().collect(),
            groups: state.groups.iter().cloned().collect(),
            deliveries: state.deliveries.values().cloned().collect(),
            history: state.history.iter().cloned().collect(),
            past: state.episodes.past().cloned().collect(),
            counters: state.counters.iter().map(|(id, c)| (id.clone(), *c)).collect(),
            silences: state.silences.iter().cloned().collect(),
            early: state.early.iter().cloned().collect(),
            thresholds: state.thresholds.values().cloned().collect(),
        }
    }

    pub(super) fn into_state(self, routes: &RouteTable) -> State {
        let mut state = State {
            seq: self.seq,
            episodes: Episodes::restore(self.episodes, self.past, self.last_past),
            groups: Groups::restore(self.groups, |id| routes.find(id)),
            deliveries: self.deliveries.into_iter().map(|d| (d.number, d)).collect(),
            last_group: self.last_group,
            last_delivery: self.last_delivery,
            last_done: self.last_done.max(self.history.len() as u64),
            history: self.history.into(),
            counters: self.counters.into_iter().collect(),
            silences: Silences::restore(self.silences),
            early: Early::restore(self.early),
            thresholds: self.thresholds.into_iter().map(|t| (key(&t), t)).collect(),
            ..State::default()
        };
        for last in self.rules {
            state.rules.entry(last.rule.clone()).or_default().insert(last.labels.clone(), last);
        }
        let State { groups, episodes, .. } = &mut state;
        for group in groups.iter() {
            group.members.keys().for_each(|id| episodes.joined(*id, group.number));
        }
        state
    }

    /// The rows of all tables, in order of tables and keys. Each is made when it is asked for, so that a store can
    /// write them in bounded steps.
    pub fn into_rows(self) -> impl Iterator<Item = Row> + Send + 'static {
        let meta = Meta {
            format: CHECKPOINT_FORMAT,
            seq: self.seq,
            last_group: self.last_group,
            last_delivery: self.last_delivery,
            last_done: self.last_done,
            last_past: self.last_past,
        };
        let first_done = first(self.last_done, self.history.len());
        let first_past = first(self.last_past, self.past.len());
        table(Table::Counters, numbered(0, self.counters))
            .chain(table(Table::Deliveries, keyed(self.deliveries, |d| number(d.number))))
            .chain(table(Table::Early, keyed(self.early, |e| e.id.to_string())))
            .chain(table(Table::Episodes, keyed(self.episodes, |e| episode(e.id))))
            .chain(table(Table::Groups, keyed(self.groups, |g| number(g.number))))
            .chain(table(Table::History, numbered(first_done, self.history)))
            .chain(table(Table::Meta, numbered(0, vec![meta])))
            .chain(table(Table::Past, numbered(first_past, self.past)))
            .chain(table(Table::Rules, numbered(0, self.rules)))
            .chain(table(Table::Silences, keyed(self.silences, |s| s.id.0.to_string())))
            .chain(table(Table::Thresholds, numbered(0, self.thresholds)))
    }

    /// Puts rows together again; each table's in the order of [`Self::into_rows`].
    ///
    /// # Errors
    /// When a newer version wrote them, or one is damaged.
    pub fn from_rows(rows: impl IntoIterator<Item = Row>) -> Result<Self, CheckpointError> {
        let mut all = Self::default();
        for row in rows {
            match row.table {
                Table::Meta => {
                    let meta: Meta = parse(&row)?;
                    if meta.format > CHECKPOINT_FORMAT {
                        return Err(CheckpointError::Format { found: meta.format });
                    }
                    all.seq = meta.seq;
                    (all.last_group, all.last_delivery) = (meta.last_group, meta.last_delivery);
                    (all.last_done, all.last_past) = (meta.last_done, meta.last_past);
                }
                Table::Rules => all.rules.push(parse(&row)?),
                Table::Episodes => all.episodes.push(parse(&row)?),
                Table::Groups => all.groups.push(parse(&row)?),
                Table::Deliveries => all.deliveries.push(parse(&row)?),
                Table::History => all.history.push(parse(&row)?),
                Table::Past => all.past.push(parse(&row)?),
                Table::Counters => all.counters.push(parse(&row)?),
                Table::Silences => all.silences.push(parse(&row)?),
                Table::Early => all.early.push(parse(&row)?),
                Table::Thresholds => all.thresholds.push(parse(&row)?),
            }
        }
        Ok(all)
    }
}

fn key(t: &SetThreshold) -> (std::sync::Arc<str>, std::sync::Arc<str>) {
    (t.threshold.metric.clone(), t.threshold.severity.clone())
}

fn table<T: Serialize>(table: Table, rows: impl Iterator<Item = (String, T)>) -> impl Iterator<Item = Row> {
    rows.map(move |(key, row)| Row {
        table,
        key,
        json: serde_json::to_string(&row).expect("rows have string keys and finite numbers only"),
    })
}

fn keyed<T>(rows: Vec<T>, key: impl Fn(&T) -> String) -> impl Iterator<Item = (String, T)> {
    rows.into_iter().map(move |row| (key(&row), row))
}

fn numbered<T>(first: u64, rows: Vec<T>) -> impl Iterator<Item = (String, T)> {
    (first..).map(number).zip(rows)
}

/// The number of the first of so many rows, when `last` were ever written.
fn first(last: u64, rows: usize) -> u64 {
    (last + 1).saturating_sub(rows as u64)
}

/// Sorts as the number does.
fn number(n: u64) -> String {
    format!("{n:020}")
}

/// Sorts as the episode does.
fn episode(EpisodeId { fingerprint, starts_at }: EpisodeId) -> String {
    format!("{fingerprint}-{}", number((starts_at.0 as u64) ^ (1 << 63)))
}

fn parse<T: for<'de> Deserialize<'de>>(row: &Row) -> Result<T, CheckpointError> {
    let damaged = |source| CheckpointError::Row { table: row.table.name(), key: row.key.clone(), source };
    serde_json::from_str(&row.json).map_err(damaged)
}
