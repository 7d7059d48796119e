//! What everybody else holds of the evaluator.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use botwatch_core::model::{Duration, Labels, Timestamp};
use parking_lot::RwLock;
use tokio::sync::{mpsc, oneshot};

use super::{CourseView, GroupView, Options, cell::Cell, course};
use crate::samples::Store;

/// Reloads that wait: they come one at a time.
const RELOADS_MAX: usize = 2;

/// What the scheduler publishes.
pub(super) struct Published {
    pub(super) options: Arc<Options>,
    /// With the slots that each has missed.
    pub(super) cells: Vec<(Arc<Cell>, u64)>,
}

pub(super) type Reload = (Box<Options>, oneshot::Sender<()>);

/// A handle on the evaluator; cheap to clone.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

struct Shared {
    published: Arc<RwLock<Published>>,
    reloads: mpsc::Sender<Reload>,
    warm: Arc<AtomicBool>,
    store: Store,
}

impl Handle {
    pub(super) fn new(
        published: Arc<RwLock<Published>>,
        warm: Arc<AtomicBool>,
        store: Store,
    ) -> (Self, mpsc::Receiver<Reload>) {
        let (reloads, queue) = mpsc::channel(RELOADS_MAX);
        (Self(Arc::new(Shared { published, reloads, warm, store })), queue)
    }

    /// Groups with their rules and alerts, in the order of the configuration. Never waits for an evaluation.
    pub fn groups(&self) -> Vec<GroupView> {
        let cells = self.0.published.read().cells.clone();
        cells.iter().map(|(cell, missed)| cell.view(*missed)).collect()
    }

    /// Puts other rules in force, between two evaluations. Rules that are the same keep their state. Returns when
    /// they are in force; never, once botwatch is stopping.
    pub async fn reload(&self, options: Options) {
        let (done, finished) = oneshot::channel();
        if self.0.reloads.send((Box::new(options), done)).await.is_ok() {
            // The scheduler that is gone puts nothing in force any more.
            let _ = finished.await;
        }
    }

    /// Whether rules run: each target was tried once, or the warm-up time has passed.
    pub fn is_warm(&self) -> bool {
        self.0.warm.load(Ordering::Relaxed)
    }

    /// The course of the value that an alert's rule compares, over `back` up to `until`. `None` for alerts that are
    /// no rule's and rules that compare nothing.
    pub fn course(&self, alert: &Labels, until: Timestamp, back: Duration) -> Option<CourseView> {
        let (cells, options) = {
            let published = self.0.published.read();
            (published.cells.clone(), Arc::clone(&published.options))
        };
        let expr = cells.iter().find_map(|(cell, _)| cell.expr_of(alert))?;
        course::course(&expr, alert, until, back, &options.eval, &self.0.store)
    }
}
