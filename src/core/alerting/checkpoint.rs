//! A copy of all that must survive, in tables whose rows are in order of their keys.

use serde::{Deserialize, Serialize};

use crate::model::Transition;

use super::{
    Counters, DeliveryState, Done, Episode, Group, IntegrationId, RouteTable, Seq, episode::Episodes,
    group::Groups, state::State,
};

/// The version of the tables that this code writes.
pub const CHECKPOINT_FORMAT: u32 = 1;

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
}

/// A table of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Sequence and highest numbers; one row.
    Meta,
    /// Pending and firing alerts of our own rules.
    Rules,
    /// Episodes that are active or not settled.
    Episodes,
    /// Groups.
    Groups,
    /// Deliveries that are not done.
    Deliveries,
    /// Deliveries that are done.
    History,
    /// Episodes that are over.
    Past,
    /// What was sent, by integration.
    Counters,
}

impl Table {
    /// All tables, in the order in which [`Checkpoint::rows`] gives them.
    pub const ALL: [Self; 8] = [
        Self::Meta,
        Self::Rules,
        Self::Episodes,
        Self::Groups,
        Self::Deliveries,
        Self::History,
        Self::Past,
        Self::Counters,
    ];

    /// A name for the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Rules => "rules",
            Self::Episodes => "episodes",
            Self::Groups => "groups",
            Self::Deliveries => "deliveries",
            Self::History => "history",
            Self::Past => "past",
            Self::Counters => "counters",
        }
    }
}

/// A row of a table: its place in it and its JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The table.
    pub table: Table,
    /// The row's place, from 0, in order of the table's key.
    pub nth: u64,
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
    #[error("row {nth} of table `{table}` is damaged")]
    Row {
        /// The table.
        table: &'static str,
        /// Which row.
        nth: u64,
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
}

impl Checkpoint {
    pub(super) fn of(state: &State) -> Self {
        Self {
            seq: state.seq,
            last_group: state.last_group,
            last_delivery: state.last_delivery,
            rules: state.rules.values().flat_map(|alerts| alerts.values().cloned()).collect(),
            episodes: state.episodes.iter().cloned().collect(),
            groups: state.groups.iter().cloned().collect(),
            deliveries: state.deliveries.values().cloned().collect(),
            history: state.history.iter().cloned().collect(),
            past: state.episodes.past().cloned().collect(),
            counters: state.counters.iter().map(|(id, c)| (id.clone(), *c)).collect(),
        }
    }

    pub(super) fn into_state(self, routes: &RouteTable) -> State {
        let mut state = State {
            seq: self.seq,
            episodes: Episodes::restore(self.episodes, self.past),
            groups: Groups::restore(self.groups, |id| routes.find(id)),
            deliveries: self.deliveries.into_iter().map(|d| (d.number, d)).collect(),
            last_group: self.last_group,
            last_delivery: self.last_delivery,
            history: self.history.into(),
            counters: self.counters.into_iter().collect(),
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

    /// The rows of all tables, one at a time, so that a store can write them in bounded steps.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        let meta = Meta {
            format: CHECKPOINT_FORMAT,
            seq: self.seq,
            last_group: self.last_group,
            last_delivery: self.last_delivery,
        };
        table(Table::Meta, [meta])
            .chain(table(Table::Rules, &self.rules))
            .chain(table(Table::Episodes, &self.episodes))
            .chain(table(Table::Groups, &self.groups))
            .chain(table(Table::Deliveries, &self.deliveries))
            .chain(table(Table::History, &self.history))
            .chain(table(Table::Past, &self.past))
            .chain(table(Table::Counters, &self.counters))
    }

    /// Puts rows together again; each table's in the order of [`Self::rows`].
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
                    (all.seq, all.last_group, all.last_delivery) =
                        (meta.seq, meta.last_group, meta.last_delivery);
                }
                Table::Rules => all.rules.push(parse(&row)?),
                Table::Episodes => all.episodes.push(parse(&row)?),
                Table::Groups => all.groups.push(parse(&row)?),
                Table::Deliveries => all.deliveries.push(parse(&row)?),
                Table::History => all.history.push(parse(&row)?),
                Table::Past => all.past.push(parse(&row)?),
                Table::Counters => all.counters.push(parse(&row)?),
            }
        }
        Ok(all)
    }
}

fn table<'a, T: Serialize + 'a>(
    table: Table,
    rows: impl IntoIterator<Item = T> + 'a,
) -> impl Iterator<Item = Row> + 'a
where
{
    rows.into_iter().enumerate().map(move |(nth, row)| Row {
        table,
        nth: nth as u64,
        json: serde_json::to_string(&row).expect("rows have string keys and finite numbers only"),
    })
}

fn parse<T: for<'de> Deserialize<'de>>(row: &Row) -> Result<T, CheckpointError> {
    let damaged = |source| CheckpointError::Row { table: row.table.name(), nth: row.nth, source };
    serde_json::from_str(&row.json).map_err(damaged)
}
