//! What happens to the world, decided before it runs: a list that can be read, and shortened after a failure.

use std::fmt;

use crate::{chance::Chance, setting::Change};

/// Targets that are scraped, by number.
pub(crate) const TARGETS: [&str; 3] = ["bot", "feed", "venue"];

/// How a receiver fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// 503, perhaps with `Retry-After` in seconds.
    Busy(Option<i64>),
    /// 400.
    Refuses,
    /// Takes the message; its answer never comes.
    LosesAnswer,
    /// Takes the message only after the attempt's deadline.
    Slow,
}

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum What {
    /// A target's gauge takes a value.
    Level { target: usize, value: f64 },
    /// A target's counter goes up by so many a second from now on.
    Errors { target: usize, per_second: f64 },
    /// Scrapes fail for so long (all durations are seconds).
    Down { target: usize, secs: i64 },
    /// Scrapes succeed without the gauge and the counter.
    Vanishes { target: usize, secs: i64 },
    /// Somebody outside sends an alert every minute; then its end, or nothing.
    Outside { name: u64, secs: i64, resolves: bool },
    /// Somebody silences all alerts of a target.
    Silence { target: usize, secs: i64 },
    /// Somebody looks after all alerts of a target.
    Acknowledge { target: usize, secs: i64 },
    /// Somebody resolves all alerts of a target, whatever the rules say.
    Resolve { target: usize },
    /// Somebody reports a problem and resolves it after so long; or says that it is over before it says that it began.
    Report { secs: i64, early: bool },
    /// An integration fails.
    Receiver { integration: usize, mode: Mode, secs: i64 },
    /// The process dies after so many more effects, and is started again later.
    Crash { effects: u32, secs: i64 },
    /// The process ends in order, and is started again later.
    Stop { secs: i64 },
    /// The disk takes nothing.
    DiskRefuses { secs: i64 },
    /// A file changes.
    Reload(Change),
}

/// When what happens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Action {
    /// Seconds after the start.
    pub at: i64,
    pub what: What,
}

/// A whole story; after its end everything is healthy for long enough.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Script {
    pub seed: u64,
    pub length: i64,
    pub actions: Vec<Action>,
}

impl Script {
    /// The story of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let length = chance.between(6, 25) * 60;
        let mut actions = Vec::new();
        for _ in 0..chance.between(4, 28) {
            let at = chance.between(0, length);
            // Not all of it may last beyond the end.
            let secs = chance.between(1, 300).min(length + 1 - at).max(1);
            actions.push(Action { at, what: any(&mut chance, secs) });
        }
        actions.sort_by_key(|a| a.at);
        Self { seed, length, actions }
    }
}

fn any(chance: &mut Chance, secs: i64) -> What {
    let target = chance.below(3) as usize;
    match chance.below(24) {
        0..=4 => What::Level { target, value: chance.pick(&[0.0, 0.0, 0.0, 8.0, 11.0, 16.0, 25.0]) },
        5 | 6 => What::Errors { target, per_second: chance.pick(&[0.0, 2.0]) },
        7 | 8 => What::Down { target, secs },
        9 => What::Vanishes { target, secs },
        10 => What::Silence { target, secs },
        11 => What::Outside { name: chance.below(1000), secs, resolves: chance.below(2) == 0 },
        12..=14 => {
            let modes =
                [Mode::Busy(None), Mode::Busy(Some(90)), Mode::Refuses, Mode::LosesAnswer, Mode::Slow];
            What::Receiver { integration: chance.below(5) as usize, mode: chance.pick(&modes), secs }
        }
        15 | 16 => What::Crash { effects: chance.below(14) as u32, secs: chance.pick(&[1, 5, 40, secs]) },
        17 => What::Stop { secs },
        18 => What::DiskRefuses { secs },
        19 => What::Acknowledge { target, secs },
        20 => What::Resolve { target },
        21 | 22 => What::Report { secs, early: chance.below(4) == 0 },
        _ => What::Reload(chance.pick(&Change::ALL)),
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>5} s  ", self.at)?;
        match self.what {
            What::Level { target, value } => write!(f, "level of {} becomes {value}", TARGETS[target]),
            What::Errors { target, per_second } => {
                write!(f, "{} makes {per_second} errors a second", TARGETS[target])
            }
            What::Down { target, secs } => write!(f, "{} can't be scraped for {secs} s", TARGETS[target]),
            What::Vanishes { target, secs } => {
                write!(f, "{} loses its metrics for {secs} s, scrapes succeed", TARGETS[target])
            }
            What::Outside { name, secs, resolves } => {
                let end = if resolves { "ends it" } else { "falls silent" };
                write!(f, "outside alert {name} is sent for {secs} s, then its sender {end}")
            }
            What::Silence { target, secs } => write!(f, "{} is silenced for {secs} s", TARGETS[target]),
            What::Acknowledge { target, secs } => {
                write!(f, "{} is acknowledged for {secs} s", TARGETS[target])
            }
            What::Resolve { target } => write!(f, "{} is resolved by hand", TARGETS[target]),
            What::Report { secs, early } => {
                let order = if early { ", its end first" } else { "" };
                write!(f, "a problem of {secs} s is reported{order}")
            }
            What::Receiver { integration, mode, secs } => {
                write!(f, "{} for {secs} s: {mode:?}", crate::setting::INTEGRATIONS[integration].0)
            }
            What::Crash { effects, secs } => {
                write!(f, "the process dies {effects} effects later, starts {secs} s after that")
            }
            What::Stop { secs } => write!(f, "the process is stopped for {secs} s"),
            What::DiskRefuses { secs } => write!(f, "the disk refuses for {secs} s"),
            What::Reload(change) => write!(f, "reload: {change:?}"),
        }
    }
}
