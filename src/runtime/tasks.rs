//! The only spawner.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration as StdDuration};

use futures_util::FutureExt as _;
use tokio::{runtime::Handle, sync::mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::Stop;

/// Ends that nobody has read yet; more are bugs upon bugs and are dropped.
const ENDED_MAX: usize = 16;

/// How a blocking call is called when it ends by a panic.
pub const BLOCKING: &str = "blocking call";

/// A task ended by a panic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its name.
    pub name: &'static str,
    /// The panic's message.
    pub message: String,
}

/// Starts and stops tasks and threads. Cheap to clone.
#[derive(Clone)]
pub struct Tasks {
    handle: Handle,
    tracker: TaskTracker,
    soft: Stop,
    hard: Stop,
    ended: Arc<mpsc::Sender<Ended>>,
}

impl Tasks {
    /// For the runtime of the caller, with the place where panics are told.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new() -> (Self, mpsc::Receiver<Ended>) {
        let (sender, receiver) = mpsc::channel(ENDED_MAX);
        let tasks = Self {
            handle: Handle::current(),
            tracker: TaskTracker::new(),
            soft: CancellationToken::new(),
            hard: CancellationToken::new(),
            ended: Arc::new(sender),
        };
        (tasks, receiver)
    }

    /// A child of the stop signal: cancelled when everything stops, or on its own.
    pub fn stop_token(&self) -> Stop {
        self.soft.child_token()
    }

    /// Starts a task, from any thread. It should end soon after [`Tasks::stop_token`] is cancelled; it is dropped at
    /// the hard stop.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let (hard, ended) = (self.hard.clone(), Arc::clone(&self.ended));
        let guarded = async move {
            tokio::select! {
                () = hard.cancelled() => {}
                result = AssertUnwindSafe(task).catch_unwind() => if let Err(panic) = result {
                    tell(&ended, name, &*panic);
                }
            }
        };
        self.handle.spawn(self.tracker.track_future(guarded));
    }

    /// Starts a thread for work that computes or blocks. It must end by itself when its queue closes.
    ///
    /// # Errors
    /// When the system refuses another thread.
    pub fn spawn_thread(
        &self,
        name: &'static str,
        work: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<()> {
        let (token, ended) = (self.tracker.token(), Arc::clone(&self.ended));
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            if let Err(panic) = std::panic::catch_unwind(AssertUnwindSafe(work)) {
                tell(&ended, name, &*panic);
            }
            drop(token);
        })?;
        Ok(())
    }

    /// Waits for a future from a thread that [`Tasks::spawn_thread`] started.
    ///
    /// # Panics
    /// From within the runtime.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.handle.block_on(future)
    }

    /// Runs a short blocking call (a file, a resolver) on the runtime's blocking pool. `None` when it panics, which
    /// is told as the end of [`BLOCKING`], or when everything ends: the caller goes on without.
    pub async fn blocking<T: Send + 'static>(&self, call: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        match self.handle.spawn_blocking(call).await {
            Ok(result) => Some(result),
            Err(error) => {
                if let Ok(panic) = error.try_into_panic() {
                    tell(&self.ended, BLOCKING, &*panic);
                }
                None
            }
        }
    }

    /// Asks everything to finish what it holds, waits for it up to `grace`, then drops what is left.
    /// True if all ended by themselves.
    pub async fn stop(&self, grace: StdDuration) -> bool {
        self.soft.cancel();
        self.tracker.close();
        let clean = tokio::time::timeout(grace, self.tracker.wait()).await.is_ok();
        self.hard.cancel();
        clean
    }
}

fn tell(ended: &mpsc::Sender<Ended>, name: &'static str, panic: &(dyn std::any::Any + Send)) {
    let message = panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic".to_owned());
    // Full means that many panics are waiting already: the first one decides.
    let _ = ended.try_send(Ended { name, message });
}
