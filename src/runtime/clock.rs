//! One wall clock that never runs backwards.

use std::{
    sync::Arc,
    time::{Duration as StdDuration, Instant, SystemTime, UNIX_EPOCH},
};

use botwatch_core::model::{Duration, Timestamp};
use parking_lot::Mutex;
use tokio::sync::watch;

/// A difference between wall and monotonic time that is reported: an administrator set the clock, or the machine
/// slept.
const JUMP: Duration = Duration::from_secs(5);
/// How often a sleeper looks at the clock again, so that a jump wakes it in good time.
const LOOK_AGAIN: StdDuration = StdDuration::from_secs(2);

/// The clock. Cheap to clone. Real, or set by hand in tests.
#[derive(Clone)]
pub struct Clock(Kind);

#[derive(Clone)]
enum Kind {
    System(Arc<System>),
    Manual(watch::Sender<Timestamp>),
    Fast(Arc<Fast>),
}

/// A clock that runs faster than time.
struct Fast {
    start: Instant,
    begun: Timestamp,
    factor: u32,
}

impl Fast {
    fn now(&self) -> Timestamp {
        self.begun + Duration::from_millis(self.start.elapsed().as_millis() as i64 * i64::from(self.factor))
    }
}

/// The wall clock moved against the monotonic one by more than five seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jump {
    /// By how much; negative is into the past.
    pub by: Duration,
    /// The clock's own time then.
    pub at: Timestamp,
}

struct System {
    start: Instant,
    state: Mutex<State>,
    jumps: watch::Sender<Option<Jump>>,
}

struct State {
    /// Our time minus monotonic milliseconds since `start`.
    offset_ms: i64,
    /// Monotonic milliseconds of the last look.
    looked_ms: i64,
    /// The wall's offset at the last look, to tell a jump from a slew under way.
    wall_offset_ms: i64,
}

impl Clock {
    /// The machine's clock.
    #[expect(clippy::disallowed_methods, reason = "the one place where the clock is read")]
    pub fn system() -> Self {
        let offset_ms = wall_ms();
        let state = Mutex::new(State { offset_ms, looked_ms: 0, wall_offset_ms: offset_ms });
        Self(Kind::System(Arc::new(System { start: Instant::now(), state, jumps: watch::Sender::new(None) })))
    }

    /// A clock for tests: stands still until [`Clock::set`].
    pub fn manual(now: Timestamp) -> Self {
        Self(Kind::Manual(watch::Sender::new(now)))
    }

    /// A clock that begins now and runs `factor` times as fast as time, for demonstrations: what takes minutes is over
    /// in seconds. Timeouts of the network run in real time.
    #[expect(clippy::disallowed_methods, reason = "the one place where the clock is read")]
    pub fn fast(factor: u32) -> Self {
        let begun = Timestamp(wall_ms());
        Self(Kind::Fast(Arc::new(Fast { start: Instant::now(), begun, factor: factor.max(1) })))
    }

    /// The time. Never less than what it gave before: when the wall clock is set back, it runs at half speed until
    /// the wall has caught up; when the wall is set forward, it follows at once.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Kind::System(system) => system.now(),
            Kind::Manual(now) => *now.borrow(),
            Kind::Fast(fast) => fast.now(),
        }
    }

    /// Moves a manual clock forward; sleepers that are due wake. Does nothing to the system's clock.
    pub fn set(&self, to: Timestamp) {
        if let Kind::Manual(now) = &self.0 {
            now.send_if_modified(|t| {
                let later = to > *t;
                *t = to.max(*t);
                later
            });
        }
    }

    /// Returns when the clock shows `at` or later.
    pub async fn sleep_until(&self, at: Timestamp) {
        match &self.0 {
            Kind::System(system) => loop {
                let left = at.since(system.now());
                if left <= Duration::ZERO {
                    return;
                }
                tokio::time::sleep(left.to_std().min(LOOK_AGAIN)).await;
            },
            Kind::Fast(fast) => loop {
                let left = at.since(fast.now());
                if left <= Duration::ZERO {
                    return;
                }
                // Rounded up: a sleeper that wakes early would turn in circles.
                let real = (left.as_millis() as u64).div_ceil(u64::from(fast.factor));
                tokio::time::sleep(StdDuration::from_millis(real).min(LOOK_AGAIN)).await;
            },
            Kind::Manual(now) => {
                // The sender lives in `self`, so waiting can't fail.
                let _ = now.subscribe().wait_for(|t| *t >= at).await;
            }
        }
    }

    /// Returns after `d`.
    pub async fn sleep(&self, d: Duration) {
        self.sleep_until(self.now() + d).await;
    }

    /// Measures how long something takes, finer than [`Clock::now`].
    #[expect(clippy::disallowed_methods, reason = "the one place where the clock is read")]
    pub fn stopwatch(&self) -> Stopwatch {
        match &self.0 {
            Kind::System(_) | Kind::Fast(_) => Stopwatch::Since(Instant::now()),
            Kind::Manual(now) => Stopwatch::Manual(now.subscribe(), *now.borrow()),
        }
    }

    /// Tells of jumps of the wall clock; the newest is kept.
    pub fn jumps(&self) -> watch::Receiver<Option<Jump>> {
        match &self.0 {
            Kind::System(system) => system.jumps.subscribe(),
            Kind::Manual(_) | Kind::Fast(_) => watch::channel(None).1,
        }
    }
}

/// A running measurement.
pub enum Stopwatch {
    /// Of the system's clock.
    Since(Instant),
    /// Of a manual clock.
    Manual(watch::Receiver<Timestamp>, Timestamp),
}

impl Stopwatch {
    /// Seconds since it was started.
    pub fn seconds(&self) -> f64 {
        match self {
            Self::Since(start) => start.elapsed().as_secs_f64(),
            Self::Manual(now, start) => now.borrow().since(*start).as_secs_f64(),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where the clock is read")]
fn wall_ms() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(d) => d.as_millis() as i64,
        Err(e) => -(e.duration().as_millis() as i64),
    }
}

impl System {
    fn now(&self) -> Timestamp {
        let wall = wall_ms();
        let mut state = self.state.lock();
        let mono = self.start.elapsed().as_millis() as i64;
        let jump = state.look(mono, wall - mono);
        let now = Timestamp(mono + state.offset_ms);
        drop(state);
        if let Some(by) = jump {
            self.jumps.send_replace(Some(Jump { by, at: now }));
        }
        now
    }
}

impl State {
    fn look(&mut self, mono: i64, wall_offset: i64) -> Option<Duration> {
        let moved = Duration::from_millis(wall_offset - self.wall_offset_ms);
        let elapsed = (mono - self.looked_ms).max(0);
        self.wall_offset_ms = wall_offset;
        self.looked_ms = self.looked_ms.max(mono);
        self.offset_ms = if wall_offset >= self.offset_ms {
            wall_offset
        } else {
            wall_offset.max(self.offset_ms - elapsed / 2)
        };
        (moved > JUMP || moved < Duration::from_millis(-JUMP.as_millis())).then_some(moved)
    }
}

#[cfg(test)]
pub(super) mod slew {
    use super::State;

    /// Our time at each `(monotonic, wall)` look.
    pub(in crate::runtime) fn run(looks: &[(i64, i64)]) -> Vec<(i64, bool)> {
        let first = looks[0].1 - looks[0].0;
        let mut state = State { offset_ms: first, looked_ms: looks[0].0, wall_offset_ms: first };
        looks
            .iter()
            .map(|(mono, wall)| {
                let jumped = state.look(*mono, wall - mono).is_some();
                (mono + state.offset_ms, jumped)
            })
            .collect()
    }
}
