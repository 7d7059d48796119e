//! What everybody else holds of the dispatcher.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use botwatch_core::{
    alerting::{Effect, Event, Machine, Seq},
    model::{Timestamp, Transition},
};
use tokio::sync::{mpsc, oneshot};

use super::Feed;

/// Events that wait for the dispatcher. A full queue makes who feeds it wait (`tell`, `transitions`) or is refused
/// (`submit`); nothing is dropped.
const QUEUE_MAX: usize = 1024;

/// Answers whoever waits for the disk.
pub(super) type Acknowledge = Box<dyn FnOnce(Result<Seq, NotDurable>) + Send>;

/// The machine as a change finds it.
pub(super) type Ground<'m> = (&'m mut Machine, Timestamp, &'m mut Vec<Effect>);

pub(super) enum Command {
    Event {
        event: Event,
        acknowledge: Option<Acknowledge>,
    },
    /// A change whose answer is decided with it. It is told when there can be none.
    Change(Box<dyn FnOnce(Result<Ground<'_>, NotDurable>) -> Option<Acknowledge> + Send>),
    Look(Box<dyn FnOnce(&Machine) + Send>),
}

/// A handle on the dispatcher; cheap to clone.
#[derive(Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    durable: Arc<AtomicBool>,
    feed: Feed,
}

/// The dispatcher has stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("botwatch is stopping")]
pub struct Gone;

/// Why an event was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDurable {
    /// The disk refuses writes (DESIGN §2.10): answer 503.
    #[error("the journal can't be written at present")]
    Disk,
    /// The queue is full, or the machine has no room: answer 503 with `Retry-After`.
    #[error("too much at once")]
    Busy,
    /// The dispatcher has stopped.
    #[error("botwatch is stopping")]
    Gone,
}

impl Handle {
    pub(super) fn new(feed: Feed) -> (Self, mpsc::Receiver<Command>, Arc<AtomicBool>) {
        let (commands, queue) = mpsc::channel(QUEUE_MAX);
        let durable = Arc::new(AtomicBool::new(true));
        (Self { commands, durable: Arc::clone(&durable), feed }, queue, durable)
    }

    /// Hands an event over and returns when what it changed is on disk: after that it may be acknowledged.
    /// `Event::Received` is refused as a whole when there isn't room for all its alerts.
    ///
    /// # Errors
    /// [`NotDurable`]; nothing may be acknowledged then.
    pub async fn submit(&self, event: Event) -> Result<Seq, NotDurable> {
        let (done, answer) = oneshot::channel();
        // Who asked may have gone away.
        let acknowledge: Acknowledge = Box::new(move |result| drop(done.send(result)));
        self.queue(Command::Event { event, acknowledge: Some(acknowledge) })?;
        answer.await.unwrap_or(Err(NotDurable::Gone))
    }

    /// Makes a change between two events and returns what it answers when that is on disk. The closure runs on the
    /// dispatcher's thread; what the machine decided is in force for whatever comes after it.
    ///
    /// # Errors
    /// [`NotDurable`]; the change was not made then, or its answer must not be given.
    pub async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Machine, Timestamp, &mut Vec<Effect>) -> T + Send + 'static,
    ) -> Result<T, NotDurable> {
        let (done, answer) = oneshot::channel();
        self.queue(Command::Change(Box::new(move |ground| {
            let (machine, now, effects) = match ground {
                Ok(ground) => ground,
                Err(why) => {
                    drop(done.send(Err(why)));
                    return None;
                }
            };
            let made = change(machine, now, effects);
            Some(Box::new(move |result| drop(done.send(result.map(|_| made)))))
        })))?;
        answer.await.unwrap_or(Err(NotDurable::Gone))
    }

    fn queue(&self, command: Command) -> Result<(), NotDurable> {
        self.commands.try_send(command).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => NotDurable::Busy,
            mpsc::error::TrySendError::Closed(_) => NotDurable::Gone,
        })
    }

    /// Hands an event over without waiting for the disk; waits while the queue is full.
    ///
    /// # Errors
    /// When the dispatcher has stopped.
    pub async fn tell(&self, event: Event) -> Result<(), Gone> {
        self.commands.send(Command::Event { event, acknowledge: None }).await.map_err(|_| Gone)
    }

    /// As [`Self::tell`] for threads that are not async.
    ///
    /// # Errors
    /// When the dispatcher has stopped.
    pub fn tell_blocking(&self, event: Event) -> Result<(), Gone> {
        self.commands.blocking_send(Command::Event { event, acknowledge: None }).map_err(|_| Gone)
    }

    /// Hands over what changed in our own rules, from a thread that is not async.
    ///
    /// # Errors
    /// When the dispatcher has stopped.
    pub fn transitions(&self, changes: Vec<Transition>) -> Result<(), Gone> {
        self.tell_blocking(Event::Transitions(changes))
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
        let (done, answer) = oneshot::channel();
        let look = Command::Look(Box::new(move |machine| {
            // Who asked may have gone away.
            let _ = done.send(look(machine));
        }));
        self.commands.send(look).await.map_err(|_| Gone)?;
        answer.await.map_err(|_| Gone)
    }

    /// What happens, for who follows along.
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Whether the journal commits at present.
    pub fn is_durable(&self) -> bool {
        self.durable.load(Ordering::Relaxed)
    }

    /// Events that wait.
    pub fn queued(&self) -> usize {
        self.commands.max_capacity() - self.commands.capacity()
    }
}
