//! The thread that owns the database.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};

use botwatch_core::{alerting::Seq, diag::chain, model::Timestamp};
use tokio::sync::{oneshot, watch};

use super::{Backend, Batch, Error, Retention, Row, checkpoint::Writing};
use crate::runtime::Tasks;

/// Batches that wait for the disk. The owner's loop makes one at a time, so a full queue means that the disk has not
/// answered for so many rounds. Nobody waits for it: the machine goes on from memory until a checkpoint gets through.
const QUEUE_MAX: usize = 256;

/// How far the journal has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Durable {
    /// Everything up to here is on disk.
    pub seq: Seq,
    /// Records up to here were given up, since the disk refused them: they live in memory alone until the next
    /// checkpoint succeeds.
    pub given_up: Seq,
}

impl Durable {
    /// Whether the newest records that were given up have been made good.
    pub fn is_sound(&self) -> bool {
        self.given_up <= self.seq
    }
}

enum Command {
    Append(Batch),
    Checkpoint(Checkpoint),
    Run(Box<dyn FnOnce(&mut dyn Backend) + Send>),
}

struct Checkpoint {
    writing: Writing,
    done: oneshot::Sender<Result<(), Error>>,
}

/// A handle on the journal. Cheap to clone; the thread ends when the last one is gone.
#[derive(Clone)]
pub struct Journal {
    commands: SyncSender<Command>,
    durable: watch::Receiver<Durable>,
}

impl Journal {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(
        tasks: &Tasks,
        backend: Box<dyn Backend>,
        at: Seq,
        epoch: u64,
        retention: Retention,
    ) -> std::io::Result<Self> {
        let (commands, queue) = sync_channel(QUEUE_MAX);
        let (publish, durable) = watch::channel(Durable { seq: at, given_up: Seq(0) });
        let mut owner = Owner { backend, publish, epoch, retention, checkpoint: None };
        tasks.spawn_thread("journal", move || owner.run(&queue))?;
        Ok(Self { commands, durable })
    }

    /// Queues a batch. What becomes of it is seen in [`Journal::durable`]. False when the queue is full or the thread
    /// is gone: the batch is lost then, and nothing can follow it but a checkpoint.
    #[must_use]
    pub fn append(&self, batch: Batch) -> bool {
        self.commands.try_send(Command::Append(batch)).is_ok()
    }

    /// Queues a checkpoint of the state at `at`, which all batches queued so far lead to; its rows are sorted by table
    /// and key, and made on the journal's thread. It is written in steps between the commits of what is queued later,
    /// and takes the place of one that is being written. The answer comes when it is on disk; `None` when the queue is
    /// full.
    pub fn checkpoint(
        &self,
        at: Seq,
        rows: impl Iterator<Item = Row> + Send + 'static,
        now: Timestamp,
    ) -> Option<oneshot::Receiver<Result<(), Error>>> {
        let (done, answer) = oneshot::channel();
        let checkpoint = Checkpoint { writing: Writing::new(at, rows, now), done };
        match self.commands.try_send(Command::Checkpoint(checkpoint)) {
            // A thread that is gone drops `done`, which the receiver sees.
            Ok(()) | Err(TrySendError::Disconnected(_)) => Some(answer),
            Err(TrySendError::Full(_)) => None,
        }
    }

    /// Runs a query on the owner's thread, between two commits.
    ///
    /// # Errors
    /// `None` when the queue is full or the thread is gone.
    pub async fn query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut dyn Backend) -> T + Send + 'static,
    ) -> Option<T> {
        let (done, answer) = oneshot::channel();
        let run = Command::Run(Box::new(move |backend| {
            let _ = done.send(query(backend));
        }));
        match self.commands.try_send(run) {
            Ok(()) => answer.await.ok(),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => None,
        }
    }

    /// How far it has come.
    pub fn durable(&self) -> watch::Receiver<Durable> {
        self.durable.clone()
    }
}

struct Owner {
    backend: Box<dyn Backend>,
    publish: watch::Sender<Durable>,
    epoch: u64,
    retention: Retention,
    /// The one that is being written.
    checkpoint: Option<Checkpoint>,
}

impl Owner {
    /// Takes turns: all that is queued, then a step of the checkpoint, if there is one.
    fn run(&mut self, queue: &Receiver<Command>) {
        let mut batches = Vec::new();
        loop {
            let mut next = if self.checkpoint.is_none() {
                let Ok(first) = queue.recv() else { return };
                Some(first)
            } else {
                match queue.try_recv() {
                    Ok(first) => Some(first),
                    Err(TryRecvError::Empty) => None,
                    Err(TryRecvError::Disconnected) => return,
                }
            };
            while let Some(command) = next.take() {
                match command {
                    Command::Append(batch) => {
                        batches.push(batch);
                        next = queue.try_recv().ok();
                    }
                    Command::Checkpoint(checkpoint) => {
                        self.append(&mut batches);
                        self.begin(checkpoint);
                    }
                    Command::Run(query) => {
                        self.append(&mut batches);
                        query(self.backend.as_mut());
                    }
                }
            }
            self.append(&mut batches);
            self.step();
        }
    }

    /// All that was queued: one transaction, one commit. While records are missing on disk nothing can follow them,
    /// so they are given up at once until a checkpoint has made the gap good.
    fn append(&mut self, batches: &mut Vec<Batch>) {
        let Some(last) = batches.last().map(Batch::last) else { return };
        let sound = self.publish.borrow().is_sound();
        let result = if sound { self.backend.append(self.epoch, batches) } else { Ok(Seq(0)) };
        batches.clear();
        if let Err(error) = &result {
            tracing::error!(error = chain(error), "the journal can't be written");
        }
        self.publish.send_modify(|durable| match result {
            Ok(seq) if sound => durable.seq = seq,
            _ => durable.given_up = last,
        });
    }

    fn begin(&mut self, checkpoint: Checkpoint) {
        let durable = *self.publish.borrow();
        let follows = durable.is_sound() && checkpoint.writing.at == durable.seq;
        self.checkpoint = Some(checkpoint);
        // Where records are missing on disk no batch can follow before the checkpoint that makes the gap good.
        while !follows && self.checkpoint.is_some() {
            self.step();
        }
    }

    /// Writes a step of the checkpoint, and ends it with the last.
    fn step(&mut self) {
        let Some(mut checkpoint) = self.checkpoint.take() else { return };
        let result = match checkpoint.writing.step(self.backend.as_mut(), self.retention) {
            Ok(false) => {
                self.checkpoint = Some(checkpoint);
                return;
            }
            Ok(true) => Ok(()),
            Err(error) => Err(error),
        };
        if result.is_ok() {
            let at = checkpoint.writing.at;
            self.publish.send_modify(|durable| durable.seq = durable.seq.max(at));
        }
        let _ = checkpoint.done.send(result);
    }
}
