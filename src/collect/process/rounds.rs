//! The loop around a look: one at the start, one every interval, each on the blocking pool.

use botwatch_core::{
    model::{Duration, Timestamp},
    tsdb::Visibility,
};
use tokio::sync::oneshot;

use super::board::{Board, Values};
use crate::runtime::{Clock, Stop, Tasks};

/// What is looked at every round.
pub(in crate::collect) trait Look: Send + 'static {
    /// Fills in what can be seen now; `values` is empty.
    fn look(&mut self, now: Timestamp, values: &mut Values) -> Visibility;
    /// The values of a round in which the look didn't come back.
    fn blind(values: &mut Values);
}

/// A source that is being watched. Dropped, the task goes on until [`Tasks::stop`].
#[derive(Debug)]
pub struct Watcher {
    removed: Stop,
    ended: oneshot::Receiver<()>,
}

impl Watcher {
    /// No longer watches, on purpose (a reload): ends the series, makes the source one that isn't observed, and returns
    /// when that is visible. A look that hangs isn't waited for.
    pub async fn remove(self) {
        self.removed.cancel();
        // An error means that the task has ended already.
        let _ = self.ended.await;
    }
}

/// Starts the loop. At [`Tasks::stop`] it ends without a trace: what was firing must not resolve because we leave.
pub(in crate::collect) fn start<L: Look>(
    name: &'static str,
    tasks: &Tasks,
    clock: &Clock,
    interval: Duration,
    board: Board,
    look: L,
) -> Watcher {
    let (removed, (done, ended)) = (Stop::new(), oneshot::channel());
    let (stop, remove) = (tasks.stop_token(), removed.clone());
    let (clock, within) = (clock.clone(), tasks.clone());
    tasks.spawn(name, async move {
        let mut rounds = Rounds { name, tasks: within, clock, interval, board };
        tokio::select! {
            () = stop.cancelled() => {}
            () = remove.cancelled() => {}
            () = rounds.run(look) => {}
        }
        if remove.is_cancelled() {
            rounds.board.remove(rounds.clock.now());
        }
        let _ = done.send(());
    });
    Watcher { removed, ended }
}

struct Rounds {
    name: &'static str,
    tasks: Tasks,
    clock: Clock,
    interval: Duration,
    board: Board,
}

impl Rounds {
    async fn run<L: Look>(&mut self, mut look: L) {
        let mut values = Values::new(self.board.len());
        let mut at = self.clock.now();
        loop {
            self.clock.sleep_until(at).await;
            let Some(back) = self.round(look, values).await else {
                tracing::error!(source = self.name, "looking failed by a bug; the source stays blind");
                self.blind::<L>();
                return;
            };
            (look, values) = back;
            at = next(at, self.clock.now(), self.interval);
        }
    }

    /// `None` when the look panicked, or the runtime ends.
    async fn round<L: Look>(&mut self, mut look: L, mut values: Values) -> Option<(L, Values)> {
        let now = self.clock.now();
        let (tasks, clock) = (self.tasks.clone(), self.clock.clone());
        let job = tasks.blocking(move || {
            values.clear();
            let visibility = look.look(now, &mut values);
            (look, values, visibility)
        });
        tokio::pin!(job);
        let in_time = tokio::select! {
            biased;
            result = &mut job => Some(result),
            () = clock.sleep(self.interval.max(LATE)) => None,
        };
        if let Some(result) = in_time {
            let (look, values, visibility) = result?;
            self.board.commit(now, visibility, &values);
            return Some((look, values));
        }
        tracing::warn!(
            source = self.name,
            "a look takes too long: a file system hangs, or there is no CPU time; blind until it comes back"
        );
        self.blind::<L>();
        // What it saw is old by now; the next round tells.
        let (look, values, _) = job.await?;
        tracing::info!(source = self.name, "the look came back");
        Some((look, values))
    }

    fn blind<L: Look>(&mut self) {
        let mut values = Values::new(self.board.len());
        L::blind(&mut values);
        self.board.commit(self.clock.now(), Visibility::Blind, &values);
    }
}

/// A look may take this long even where the interval is shorter: on a busy machine a second without CPU time is nothing
/// to call blind.
const LATE: Duration = Duration::from_secs(5);

/// The next slot, now or later; slots missed are left out.
fn next(slot: Timestamp, now: Timestamp, interval: Duration) -> Timestamp {
    let step = interval.as_millis().max(1);
    let missed = (now.since(slot).as_millis() - 1).max(0) / step;
    slot + Duration::from_millis(step).saturating_mul(missed + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_that_were_missed_are_left_out() {
        let next = |slot, now| next(Timestamp(slot), Timestamp(now), Duration::from_millis(100)).0;
        assert_eq!(
            [next(0, 0), next(0, 99), next(0, 100), next(0, 350), next(100, 50)],
            [100, 100, 100, 400, 200]
        );
    }
}
