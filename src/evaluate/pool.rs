//! The threads that evaluate: one at rest, more on demand, gone when idle.

use std::{collections::VecDeque, sync::Arc, time::Duration as StdDuration};

use parking_lot::{Condvar, Mutex};
use prometheus::IntGauge;

use crate::runtime::Tasks;

/// A thread beyond the first that had nothing to do for so long ends.
const IDLE: StdDuration = StdDuration::from_secs(30);

type Job = Box<dyn FnOnce() + Send>;

/// Runs jobs in the order in which they come. The queue holds at most one job for each group.
#[derive(Clone)]
pub(super) struct Pool(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    tasks: Tasks,
    threads_max: usize,
    gauge: IntGauge,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Pool {
    /// Without threads; the first job starts the first.
    pub(super) fn new(tasks: &Tasks, threads_max: usize, gauge: IntGauge) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::default(),
            wake: Condvar::new(),
            tasks: tasks.clone(),
            threads_max: threads_max.max(1),
            gauge,
        }))
    }

    /// Queues a job.
    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) {
        let mut state = self.0.state.lock();
        state.queue.push_back(Box::new(job));
        let wants_thread =
            state.idle < state.queue.len() && state.threads < self.0.threads_max && !state.closed;
        if wants_thread {
            state.threads += 1;
            self.0.gauge.set(state.threads as i64);
            let pool = self.clone();
            if self.0.tasks.spawn_thread("evaluate", move || pool.work()).is_err() {
                // The others take the job; with none at all the next one tries again.
                state.threads -= 1;
            }
        }
        drop(state);
        self.0.wake.notify_one();
    }

    /// Lets the threads end when they are done with what they hold.
    pub(super) fn close(&self) {
        let mut state = self.0.state.lock();
        state.closed = true;
        state.queue.clear();
        drop(state);
        self.0.wake.notify_all();
    }

    fn work(&self) {
        let mut state = self.0.state.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                drop(state);
                job();
                state = self.0.state.lock();
                continue;
            }
            if state.closed {
                break;
            }
            state.idle += 1;
            let timed_out = self.0.wake.wait_for(&mut state, IDLE).timed_out();
            state.idle -= 1;
            if timed_out && state.queue.is_empty() && state.threads > 1 {
                break;
            }
        }
        state.threads -= 1;
        self.0.gauge.set(state.threads as i64);
    }
}
