//! What everybody else holds of the dispatcher.

use botwatch_core::{
    alerting::{Event, Machine, Seq},
    model::Transition,
};

/// A handle on the dispatcher; cheap to clone.
#[derive(Clone)]
pub struct Handle {}

/// The dispatcher has stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("botwatch is stopping")]
pub struct Gone;

/// Why an event was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDurable {
    /// The disk refuses writes (DESIGN §2.10): answer 503.
    #[error("the journal can't commit at present")]
    Disk,
    /// The queue is full, or the machine has no room: answer 503 with `Retry-After`.
    #[error("too much at once")]
    Busy,
    /// The dispatcher has stopped.
    #[error("botwatch is stopping")]
    Gone,
}

impl Handle {
    /// Hands an event over and returns when what it changed is on disk: after that it may be acknowledged.
    /// `Event::Received` is refused as a whole when there isn't room for all its alerts.
    ///
    /// # Errors
    /// [`NotDurable`]; nothing may be acknowledged then.
    pub async fn submit(&self, event: Event) -> Result<Seq, NotDurable> {
        let _ = event;
        unimplemented!()
    }

    /// Hands an event over without waiting for the disk; waits while the queue is full.
    ///
    /// # Errors
    /// When the dispatcher has stopped.
    pub async fn tell(&self, event: Event) -> Result<(), Gone> {
        let _ = event;
        unimplemented!()
    }

    /// As [`Self::tell`] for threads that are not async.
    ///
    /// # Errors
    /// When the dispatcher has stopped.
    pub fn transitions(&self, changes: Vec<Transition>) -> Result<(), Gone> {
        let _ = changes;
        unimplemented!()
    }

    /// Looks at the machine between two events. The closure runs on the dispatcher's thread: copy out what is
    /// needed, and be quick.
    ///
    /// # Errors
    /// When the dispatcher has stopped.
    pub async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Machine) -> T + Send + 'static,
    ) -> Result<T, Gone> {
        let _ = look;
        unimplemented!()
    }

    /// Whether the journal commits at present.
    pub fn is_durable(&self) -> bool {
        unimplemented!()
    }
}
