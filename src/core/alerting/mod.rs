//! The alerting machine: episodes, routes, groups, inhibition, told-ledger, deliveries.
//!
//! It decides who is told what and when, and why not. It does not evaluate rules (`rules` does), write texts
//! (`template`, `notify`), or send anything: it is a machine without clock, chance and I/O. `dispatch` owns the one
//! that runs; `replay` and the simulation drive others. Nothing here may name `rules`, a receiver's API, or a store.
//!
//! ```text
//!            Event                              Record ─────► journal
//!   rules ──Transitions──►  ┌─────────────┐ ──────┤  after its sequence is durable
//!   senders ──Received──►   │   Machine   │       └─► Send ─► notify
//!   notify ──Delivered──►   └─────────────┘
//!   time ──advance──►            ▲ apply ◄──── journal, after a restart
//! ```
//!
//! **Driving it.** [`Machine::restore`] a checkpoint, [`Machine::apply`] the journal after it, then for each event
//! [`Machine::handle`], and after a batch of events, and whenever [`Machine::next_deadline`] comes,
//! [`Machine::advance`]. Effects come in order. A `Record` is to be journalled, and was applied already: the machine runs
//! ahead of the disk. A `Send` is performed once the sequence that it names is durable: its words don't.
//!
//! **State changes only through [`Machine::apply`]**, so that live, restarted, following and simulated machines are one
//! code. What is decided is in the record (which episode, which group, when next), so that an old journal reads the same
//! under new options and new code. Three things live beside it and are rebuilt: indexes, which attempts run in
//! this process, and a group's quiet turns.
//!
//! # Dramatis Personae
//!
//! * **[`Episode`]**: one firing of one alert, from its start to its end, whoever reports it: rules of ours hold it until
//!   a transition says otherwise, senders from outside by a lease. Fires again within 15 minutes: the same episode.
//! * **[`Route`]** and **[`RouteTable`]**: as written, and ready to match. A route's identity is its path of matchers.
//! * **[`Group`]**: the alerts that one route tells in one message. Has its turn (*flush*) after `group_wait`, then every
//!   `group_interval`. At a turn everybody concerned is asked whether to be told something.
//! * **[`Lane`]**: one integration's side of one group: what it was told (the rows are the **told-ledger**), the message
//!   under way (*head*), the one behind it (*next*). Nothing overtakes in a lane.
//! * **Ledger row** ([`Told`]): this integration was, or may have been, told that this episode fires. Stays until the end
//!   was told, or written off with a reason: that is why every firing that was told gets its resolve.
//! * **[`Delivery`]**: one message to one integration. May be replaced until its first attempt, never after. Its id is the
//!   idempotency key on the wire.
//! * **[`Silence`]**: somebody wants to hear nothing new of the alerts that match it, for a time, and says why.
//! * **[`Report`]**: a problem that somebody reported opens an episode that stays open until somebody resolves it.
//! * **[`Acknowledgement`]**: somebody looks after an episode: it isn't told again, and doesn't escalate. Not a silence.
//! * **[`Escalation`]**: who else is told, and when, while nobody acknowledges. Each of its receivers is told through a
//!   group of its own.
//! * **[`TimeInterval`]**: a piece of the calendar in which a route is mute, or outside which it is.
//! * **Inhibitor**: the active sources of every inhibition rule.
//! * **[`Reason`]**: why an integration was told of an episode, or not: per episode and integration, kept up to date by the
//!   records, asked by [`Machine::why`].
//! * **Outbox**: which deliveries are due, running, or wait for a free place. Not part of the state.
//!
//! Semantics follow Alertmanager 0.34 (spec alertmanager §2) except where its defects K-5 to K-7 would show: inhibition
//! knows all sources, suppressed resolves are told, a reload keeps timers.

mod checkpoint;
mod delivery;
mod episode;
mod escalation;
mod flush;
mod group;
mod incident;
mod inhibit;
mod intake;
mod interval;
mod invariants;
mod issue;
mod ledger;
mod machine;
pub mod matchers;
mod noise;
mod options;
mod outbox;
mod pairs;
mod reason;
mod record;
mod reload;
mod route;
mod silence;
mod state;
mod threshold;
mod types;
mod validate;
mod view;

#[cfg(test)]
mod tests;

pub use checkpoint::{CHECKPOINT_FORMAT, Checkpoint, CheckpointError, Row, Table};
pub use delivery::{DONE_EPISODES_MAX, DeliveryState, Done, Phase, Result};
pub use episode::{Ended, Episode, Standing};
pub use escalation::{Escalation, EscalationRepeat, EscalationStep, Progress};
pub use group::{Group, Member};
pub use incident::{Incident, Lead, Topic, correlate, topic};
pub use interval::{
    MonthDays, TimeInterval, parse_minute, parse_month_days, parse_months, parse_weekdays, parse_years,
};
pub use issue::{
    Acknowledgement, Act, EARLY_KEPT, EarlyResolve, Entry, Filed, IssueError, NewIssue, Report, Reported,
    Undone,
};
pub use ledger::{Certainty, Lane, Refused, Told};
pub use machine::Machine;
pub use noise::{Firing, SHORT, Suggestion, suggest};
pub use options::{
    ACKNOWLEDGED_FOR, ATTEMPT_TIMEOUT, GROUP_INTERVAL, GROUP_WAIT, GroupBy, GroupByError, IN_FLIGHT_MAX,
    InhibitRule, IntegrationOptions, Limits, Options, REOPEN_WITHIN, REPEAT_INTERVAL, RESOLVE_TIMEOUT,
    RetryPolicy, Route, STILL_FIRING_AFTER, SilenceGuards, SuppressedResolves,
};
pub use reason::{NotifyReason, Reason, WriteOff};
pub use record::{DropReason, GroupOpened, GroupSettings, Planned, Record, RecordError};
pub use route::{RouteNode, RouteOptions, RouteTable, group_key};
pub use silence::{DURING, Silence, SilenceError, SilenceId, SilenceState, UNSILENCEABLE};
pub use state::Counters;
pub use threshold::{SetThreshold, TooManyThresholds};
pub use types::*;
pub use validate::{Place, Problem};
pub use view::{LedgerRow, Why};
