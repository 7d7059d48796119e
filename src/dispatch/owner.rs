//! The loop of the thread that owns the machine.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use botwatch_core::{
    alerting::{Effect, Event, Machine, Phase, Send, Seq},
    model::{Duration, Timestamp},
};
use prometheus::Registry;
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    Courier, Feed, FeedEvent, Handle, NotDurable, ROUND_MAX, What,
    handle::{Acknowledge, Command},
    metrics::Metrics,
    news::News,
    restore::rows,
};
use crate::{
    runtime::{Clock, Stop, Tasks},
    store::{Batch, Durable, Error, Journal},
};

/// A checkpoint follows so many bytes of records (DESIGN §4 "Store") …
const CHECKPOINT_BYTES: usize = 16 << 20;
/// … or this time, if there were records …
const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);
/// … and takes at most one part in so many of the thread's time.
const CHECKPOINT_SHARE: i64 = 20;
/// While the disk refuses, a checkpoint is tried so often.
const DISK_RETRY: Duration = Duration::from_secs(5);
/// A commit that has not come back for so long: the disk hangs, which is as good as refusing. A page doesn't wait for it.
const STALL: Duration = Duration::from_secs(5);
/// At the end, answers of attempts under way are waited for so long.
const LINGER: Duration = Duration::from_secs(5);

/// What the dispatcher works with.
pub struct Parts {
    /// As restored.
    pub machine: Machine,
    /// The journal, at the machine's sequence.
    pub journal: Journal,
    /// Where attempts go.
    pub courier: Arc<dyn Courier>,
    /// The clock.
    pub clock: Clock,
}

/// Starts the thread.
///
/// # Errors
/// When the system refuses a thread.
pub fn start(tasks: &Tasks, parts: Parts, registry: &Registry) -> std::io::Result<Handle> {
    let feed = Feed::after(parts.machine.seq().0);
    let (handle, queue, durable_flag) = Handle::new(feed.clone());
    let metrics = Metrics::new(registry);
    metrics.durable.set(1);
    let mut owner = Owner {
        durable: parts.journal.durable(),
        machine: parts.machine,
        journal: parts.journal,
        courier: parts.courier,
        clock: parts.clock,
        queue,
        durable_flag,
        feed,
        untold: VecDeque::new(),
        metrics,
        sound: true,
        lost: false,
        stopping: false,
        effects: Vec::new(),
        sends: VecDeque::new(),
        acknowledgements: VecDeque::new(),
        commits: VecDeque::new(),
        unsaved_bytes: 0,
        checkpoint_at: Timestamp::MIN,
        checkpoint: None,
    };
    let (runner, stop) = (tasks.clone(), tasks.stop_token());
    tasks.spawn_thread("dispatch", move || owner.run(&runner, &stop))?;
    Ok(handle)
}

struct Owner {
    machine: Machine,
    journal: Journal,
    courier: Arc<dyn Courier>,
    clock: Clock,
    queue: mpsc::Receiver<Command>,
    durable: watch::Receiver<Durable>,
    durable_flag: Arc<AtomicBool>,
    feed: Feed,
    /// Events that wait for their records, in order.
    untold: VecDeque<FeedEvent>,
    metrics: Metrics,
    /// Whether the journal commits, as the machine was told.
    sound: bool,
    /// Whether batches found no place in the journal's queue since the last checkpoint.
    lost: bool,
    /// Nothing new is begun any more.
    stopping: bool,
    effects: Vec<Effect>,
    /// Attempts that wait for their records, in order.
    sends: VecDeque<Send>,
    /// Acknowledgements that wait for their records, in order.
    acknowledgements: VecDeque<(Seq, Acknowledge)>,
    /// Batches under way and when they were made, for the latency of commits.
    commits: VecDeque<(Seq, Timestamp)>,
    /// Bytes of records since the last checkpoint.
    unsaved_bytes: usize,
    /// No checkpoint before this time.
    checkpoint_at: Timestamp,
    checkpoint: Option<Running>,
}

/// A checkpoint on its way to the disk.
struct Running {
    begun: Timestamp,
    /// Whether it makes good batches that were lost.
    mends: bool,
    answer: oneshot::Receiver<Result<(), Error>>,
}

/// What ended a wait.
enum Wake {
    Command(Command),
    Due,
    Durable,
    Closed,
    Stop,
}

impl Owner {
    fn run(&mut self, tasks: &Tasks, stop: &Stop) {
        // Takes up what the last process left: attempts whose answers are lost, routes as they are now.
        self.decide(Vec::new());
        let mut last_call = None;
        loop {
            let commands = match tasks.block_on(self.wait(stop, last_call)) {
                Wake::Command(first) => self.with_waiting(first),
                Wake::Due | Wake::Durable => Vec::new(),
                Wake::Stop => {
                    self.stopping = true;
                    last_call = Some(self.clock.now() + LINGER);
                    Vec::new()
                }
                Wake::Closed => break,
            };
            self.decide(commands);
            self.settle();
            let now = self.clock.now();
            if last_call.is_some_and(|end| now >= end || !self.is_in_flight()) {
                break;
            }
            self.keep(now);
        }
        self.finish(tasks);
    }

    /// Waits for something to do. Only receives: work happens after it.
    async fn wait(&mut self, stop: &Stop, last_call: Option<Timestamp>) -> Wake {
        let mut due = self.machine.next_deadline().map(|(at, _)| at).filter(|_| !self.stopping);
        if self.unsaved_bytes > 0 || self.checkpoint.is_some() || !self.sound {
            due = due.into_iter().chain([self.checkpoint_at]).min();
        }
        let stall = self.commits.front().filter(|_| self.sound).map(|(_, at)| *at + STALL);
        due = due.into_iter().chain(last_call).chain(stall).min();
        let clock = self.clock.clone();
        let sleep = async move {
            match due {
                Some(at) => clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled(), if last_call.is_none() => Wake::Stop,
            changed = self.durable.changed() => if changed.is_ok() { Wake::Durable } else { Wake::Closed },
            command = self.queue.recv() => command.map_or(Wake::Closed, Wake::Command),
            () = sleep => Wake::Due,
        }
    }

    fn with_waiting(&mut self, first: Command) -> Vec<Command> {
        let mut round = vec![first];
        while round.len() < ROUND_MAX
            && let Ok(next) = self.queue.try_recv()
        {
            round.push(next);
        }
        round
    }

    /// One round: events, what is due, one batch.
    fn decide(&mut self, commands: Vec<Command>) {
        let now = self.clock.now();
        self.learn_of_the_disk(now);
        let mut acknowledge = Vec::new();
        for command in commands {
            match command {
                Command::Look(look) => look(&self.machine),
                Command::Change(change) => {
                    self.metrics.events.inc();
                    let ground = if self.sound {
                        Ok((&mut self.machine, now, &mut self.effects))
                    } else {
                        self.metrics.refused.inc();
                        Err(NotDurable::Disk)
                    };
                    acknowledge.extend(change(ground));
                }
                Command::Event { event, acknowledge: ask } => {
                    self.metrics.events.inc();
                    match (self.refusal(&event), ask) {
                        (Some(why), Some(ask)) => {
                            self.metrics.refused.inc();
                            ask(Err(why));
                        }
                        (_, ask) => {
                            self.machine.handle(now, event, &mut self.effects);
                            acknowledge.extend(ask);
                        }
                    }
                }
            }
        }
        if !self.stopping {
            self.machine.advance(now, &mut self.effects);
        }
        self.journal(now);
        let seq = self.machine.seq();
        self.acknowledgements.extend(acknowledge.into_iter().map(|ask| (seq, ask)));
    }

    /// Why an event that wants an acknowledgement can't have one.
    fn refusal(&self, event: &Event) -> Option<NotDurable> {
        match event {
            // Options hold in memory as well; the next start reads them from the files.
            Event::Reloaded(_) => None,
            _ if !self.sound => Some(NotDurable::Disk),
            // What only extends or ends known alerts needs no room: refusing it would end them falsely.
            Event::Received(alerts) if self.machine.would_open(alerts) > self.machine.room() => {
                Some(NotDurable::Busy)
            }
            _ => None,
        }
    }

    /// Sorts the round's effects: records into one batch, attempts into their queue.
    fn journal(&mut self, now: Timestamp) {
        let mut records = Vec::new();
        let mut events = Vec::new();
        let mut news = News::default();
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Record(record) => {
                    news.tell(&record);
                    events.extend(What::of(&record).map(|what| (records.len() as u64, what)));
                    records.push(record.encode());
                }
                Effect::Send(send) => self.sends.push_back(send),
            }
        }
        news.finish();
        if records.is_empty() {
            return;
        }
        let last = self.machine.seq();
        self.metrics.records.inc_by(records.len() as u64);
        self.unsaved_bytes += records.iter().map(String::len).sum::<usize>();
        if self.checkpoint_at == Timestamp::MIN {
            self.checkpoint_at = now + CHECKPOINT_EVERY;
        }
        let first = Seq(last.0 + 1 - records.len() as u64);
        let events = events.into_iter();
        self.untold.extend(events.map(|(nth, what)| FeedEvent { seq: first.0 + nth, at: now, what }));
        // Once a batch is lost only a checkpoint can make it good.
        self.lost |= !self.journal.append(Batch { first, at: now, records });
        if !self.lost {
            self.commits.push_back((last, now));
        }
    }

    /// Whether what is decided gets to the disk at present.
    fn gets_to_disk(&self, durable: Durable, now: Timestamp) -> bool {
        let hangs =
            self.commits.front().is_some_and(|(seq, at)| *seq > durable.seq && now.since(*at) >= STALL);
        durable.is_sound() && !self.lost && !hangs
    }

    /// Tells the machine when the disk begins or ceases to refuse.
    fn learn_of_the_disk(&mut self, now: Timestamp) {
        let durable = *self.durable.borrow_and_update();
        let sound = self.gets_to_disk(durable, now);
        if sound == self.sound {
            return;
        }
        self.sound = sound;
        self.durable_flag.store(self.sound, Ordering::Relaxed);
        self.metrics.durable.set(i64::from(self.sound));
        if self.sound {
            tracing::info!("the journal can be written again; everything since is on disk");
        } else {
            tracing::error!(
                "the journal can't be written: alerts are decided and sent from memory, requests are refused"
            );
            self.checkpoint_at = now + DISK_RETRY;
        }
        self.machine.handle(now, Event::Durability(self.sound), &mut self.effects);
    }

    /// Lets go what has become durable, and what never will while the disk refuses.
    fn settle(&mut self) {
        let durable = *self.durable.borrow();
        let now = self.clock.now();
        // What can't get to the disk goes without it.
        let reached = if self.gets_to_disk(durable, now) { durable.seq } else { self.machine.seq() };
        while let Some(send) = self.sends.front()
            && send.after <= reached
        {
            self.courier.send(self.sends.pop_front().expect("just seen"));
        }
        let told = self.untold.partition_point(|event| event.seq <= reached.0);
        if told > 0 {
            self.feed.publish(self.untold.drain(..told));
        }
        while let Some((seq, _)) = self.acknowledgements.front()
            && *seq <= reached
        {
            let (seq, ask) = self.acknowledgements.pop_front().expect("just seen");
            let answer = if seq <= durable.seq { Ok(seq) } else { Err(NotDurable::Disk) };
            if answer.is_err() {
                self.metrics.refused.inc();
            }
            ask(answer);
        }
        self.metrics.waiting.set(self.machine.seq().0.saturating_sub(durable.seq.0) as i64);
        while let Some((seq, at)) = self.commits.front()
            && *seq <= durable.seq.max(durable.given_up)
        {
            if *seq <= durable.seq {
                self.metrics.commit_seconds.observe(now.since(*at).as_secs_f64());
            }
            self.commits.pop_front();
        }
    }

    /// Begins and ends checkpoints.
    fn keep(&mut self, now: Timestamp) {
        if let Some(running) = &mut self.checkpoint {
            let result = match running.answer.try_recv() {
                Ok(result) => result.map_err(|e| e.to_string()),
                Err(oneshot::error::TryRecvError::Empty) => {
                    self.checkpoint_at = now + Duration::from_millis(100);
                    return;
                }
                Err(oneshot::error::TryRecvError::Closed) => Err("the journal's thread has ended".to_owned()),
            };
            let took = now.since(running.begun);
            if result.is_ok() && running.mends {
                self.lost = false;
            }
            self.checkpoint = None;
            self.checkpoint_ended(now, took, result);
        }
        let full = self.unsaved_bytes >= CHECKPOINT_BYTES;
        let due = now >= self.checkpoint_at && (self.unsaved_bytes > 0 || !self.sound);
        if full || due {
            let lost = self.lost;
            match self.journal.checkpoint(self.machine.seq(), rows(&self.machine), now) {
                Some(answer) => {
                    self.unsaved_bytes = 0;
                    self.checkpoint = Some(Running { begun: now, answer, mends: lost });
                    self.checkpoint_at = now + Duration::from_millis(100);
                }
                None => self.checkpoint_at = now + DISK_RETRY,
            }
        }
    }

    fn checkpoint_ended(&mut self, now: Timestamp, took: Duration, result: Result<(), String>) {
        let pause = Duration::from_millis(took.as_millis().saturating_mul(CHECKPOINT_SHARE));
        match result {
            Ok(()) => {
                self.metrics.checkpoints.inc();
                self.checkpoint_at = now + pause.max(CHECKPOINT_EVERY);
            }
            Err(error) => {
                self.metrics.checkpoint_failures.inc();
                if self.sound {
                    tracing::warn!(error, "a checkpoint failed; the journal grows until one succeeds");
                }
                self.unsaved_bytes = self.unsaved_bytes.max(1);
                self.checkpoint_at = now + pause.max(DISK_RETRY);
            }
        }
    }

    fn is_in_flight(&self) -> bool {
        self.machine.deliveries().any(|d| matches!(d.phase, Phase::InFlight { .. }))
    }

    /// A last checkpoint, so that the next start has nothing to replay.
    fn finish(&mut self, tasks: &Tasks) {
        let answer = self.journal.checkpoint(self.machine.seq(), rows(&self.machine), self.clock.now());
        let result = tasks.block_on(async {
            let answer = answer.ok_or("the disk doesn't answer")?;
            let answered = tokio::time::timeout(STALL.to_std(), answer).await;
            answered.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?.map_err(|e| e.to_string())
        });
        if let Err(error) = result {
            tracing::warn!(error, "the last checkpoint failed; the next start reads the journal instead");
        }
        self.settle();
    }
}
