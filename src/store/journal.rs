//! The thread that owns the database.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use botwatch_core::{alerting::Seq, diag::chain, model::Timestamp};
use tokio::sync::{oneshot, watch};

use super::{Backend, Batch, Error, Retention, Row};
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
    Checkpoint { at: Seq, rows: Vec<Row>, now: Timestamp, done: oneshot::Sender<Result<(), Error>> },
    Run(Box<dyn FnOnce(&mut dyn Backend) + Send>),
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
        let mut owner = Owner { backend, publish, epoch, retention };
        tasks.spawn_thread("journal", move || owner.run(&queue))?;
        Ok(Self { commands, durable })
    }

    /// Queues a batch. What becomes of it is seen in [`Journal::durable`]. False when the queue is full or the thread
    /// is gone: the batch is lost then, and nothing can follow it but a checkpoint.
    #[must_use]
    pub fn append(&self, batch: Batch) -> bool {
        self.commands.try_send(Command::Append(batch)).is_ok()
    }

    /// Queues a checkpoint. The answer comes when it is on disk; `None` when the queue is full.
    pub fn checkpoint(
        &self,
        at: Seq,
        rows: Vec<Row>,
        now: Timestamp,
    ) -> Option<oneshot::Receiver<Result<(), Error>>> {
        let (done, answer) = oneshot::channel();
        match self.commands.try_send(Command::Checkpoint { at, rows, now, done }) {
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
}

impl Owner {
    fn run(&mut self, queue: &Receiver<Command>) {
        let mut batches = Vec::new();
        while let Ok(first) = queue.recv() {
            let mut next = Some(first);
            while let Some(command) = next.take() {
                match command {
                    Command::Append(batch) => {
                        batches.push(batch);
                        next = queue.try_recv().ok();
                    }
                    Command::Checkpoint { at, rows, now, done } => {
                        self.append(&mut batches);
                        self.checkpoint(at, &rows, now, done);
                    }
                    Command::Run(query) => {
                        self.append(&mut batches);
                        query(self.backend.as_mut());
                    }
                }
            }
            self.append(&mut batches);
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

    fn checkpoint(
        &mut self,
        at: Seq,
        rows: &[Row],
        now: Timestamp,
        done: oneshot::Sender<Result<(), Error>>,
    ) {
        let result = self.backend.checkpoint(at, rows, now, self.retention);
        if result.is_ok() {
            self.publish.send_modify(|durable| durable.seq = durable.seq.max(at));
        }
        let _ = done.send(result);
    }
}
