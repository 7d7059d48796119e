use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration as StdDuration};

use botwatch_core::{
    alerting::{Event, IntegrationId, IntegrationOptions, Options, Outcome, Phase, Route, Send, Seq},
    model::{Alert, Duration, Labels, Timestamp},
};
use parking_lot::Mutex;
use prometheus::Registry;

use super::{Courier, Handle, NotDurable, Parts, Restored, restore, start};
use crate::{
    runtime::{Clock, Tasks},
    store::{Backend, Batch, Error, Journal, Loaded, Name, Retention, Row, Span, Sqlite},
};

const NOW: Timestamp = Timestamp::from_secs(1_000_000);

#[derive(Default)]
struct Sent(Mutex<Vec<Send>>);

impl Courier for Sent {
    fn send(&self, send: Send) {
        self.0.lock().push(send);
    }
}

fn integration() -> IntegrationId {
    IntegrationId { receiver: "night".into(), kind: "webhook".into(), key: "a".into() }
}

fn options() -> Arc<Options> {
    let route =
        Route { receiver: Some("night".into()), group_wait: Some(Duration::ZERO), ..Route::default() };
    let receivers = BTreeMap::from([("night".into(), vec![IntegrationOptions::new(integration(), true)])]);
    Arc::new(Options { route, receivers, ..Options::default() })
}

fn alert(name: &str) -> Alert {
    Alert {
        labels: Labels::from_pairs([("alertname", name)]),
        annotations: Labels::empty(),
        starts_at: NOW,
        ends_at: None,
        updated_at: NOW,
        generator_url: "".into(),
        timeout: false,
    }
}

struct World {
    handle: Handle,
    sent: Arc<Sent>,
    clock: Clock,
    tasks: Tasks,
}

const RETENTION: Retention = Retention { age: Duration::from_secs(86_400), bytes_max: 1 << 20 };

fn world(dir: &Path, wrap: impl FnOnce(Sqlite) -> Box<dyn Backend>) -> World {
    let (tasks, _) = Tasks::new();
    let clock = Clock::manual(NOW);
    let Restored { machine, backend, findings, .. } = restore(dir, options(), NOW).expect("restored");
    assert!(findings.is_empty(), "{findings:?}");
    let journal = Journal::start(&tasks, wrap(backend), machine.seq(), 1, RETENTION).expect("a thread");
    let sent = Arc::new(Sent::default());
    let parts =
        Parts { machine, journal, courier: Arc::clone(&sent) as Arc<dyn Courier>, clock: clock.clone() };
    let handle = start(&tasks, parts, &Registry::new()).expect("a thread");
    World { handle, sent, clock, tasks }
}

async fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..2000 {
        if let Some(found) = look() {
            return found;
        }
        tokio::time::sleep(StdDuration::from_millis(5)).await;
    }
    panic!("it did not happen within ten seconds");
}

impl World {
    async fn first_send(&self) -> Send {
        until(|| self.sent.0.lock().first().cloned()).await
    }

    async fn stop(self) {
        assert!(self.tasks.stop(StdDuration::from_secs(10)).await, "stopped in time");
    }

    /// Stops while time goes on: what is under way is given up on after a while.
    async fn stop_as_time_goes_on(self) {
        let clock = self.clock.clone();
        let stopped = self.stop();
        tokio::pin!(stopped);
        loop {
            tokio::select! {
                () = &mut stopped => return,
                () = tokio::time::sleep(StdDuration::from_millis(5)) => {
                    clock.set(clock.now() + Duration::from_secs(1));
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_a_crash_and_its_message_goes_out_again_under_the_same_id() {
    let dir = tempfile::tempdir().expect("a directory");
    let world_1 = world(dir.path(), |s| Box::new(s));
    let seq = world_1.handle.submit(Event::Received(vec![alert("Down")])).await.expect("durable");
    assert!(seq > Seq(0));
    let first = world_1.first_send().await;
    // No stop, no checkpoint: what a kill leaves. SQLite's readers see what is committed.
    let copy = tempfile::tempdir().expect("a directory");
    for name in ["journal.db", "journal.db-wal"] {
        std::fs::copy(dir.path().join(name), copy.path().join(name)).expect("copied");
    }
    let world_2 = world(copy.path(), |s| Box::new(s));
    let again = until(|| {
        world_2.clock.set(world_2.clock.now() + Duration::from_secs(1));
        world_2.sent.0.lock().first().cloned()
    })
    .await;
    assert_eq!(again.delivery.id, first.delivery.id);
    assert_eq!(again.attempt, 2);
    let done = Event::Delivered {
        id: again.delivery.id.clone(),
        outcome: Outcome::Delivered { receiver_data: BTreeMap::new() },
    };
    world_2.handle.submit(done).await.expect("durable");
    let left = world_2.handle.read(|m| (m.deliveries().count(), m.history().count())).await.expect("running");
    assert_eq!(left, (0, 1));
    world_2.stop().await;
    let restored = restore(copy.path(), options(), NOW).expect("restored");
    assert_eq!((restored.replayed, restored.machine.history().count()), (0, 1), "a checkpoint at the end");
    // The first world's attempt is under way for ever: it is given up on after a while.
    let phases =
        world_1.handle.read(|m| m.deliveries().map(|d| d.phase).collect::<Vec<_>>()).await.expect("running");
    assert!(matches!(phases.as_slice(), [Phase::InFlight { .. }]), "{phases:?}");
    world_1.stop_as_time_goes_on().await;
}

/// A disk that can be full.
struct Full {
    inner: Sqlite,
    full: Arc<Mutex<bool>>,
}

impl Full {
    fn check(&self) -> Result<(), Error> {
        if *self.full.lock() { Err(Error::Damaged("full, says the test".to_owned())) } else { Ok(()) }
    }
}

impl Backend for Full {
    fn append(&mut self, epoch: u64, batches: &[Batch]) -> Result<Seq, Error> {
        self.check()?;
        self.inner.append(epoch, batches)
    }
    fn read_after(&mut self, after: Seq, limit: usize) -> Result<Vec<Batch>, Error> {
        self.inner.read_after(after, limit)
    }
    fn write_checkpoint(&mut self, at: Seq, span: Span<'_>, rows: &[Row]) -> Result<Option<Name>, Error> {
        self.check()?;
        self.inner.write_checkpoint(at, span, rows)
    }
    fn commit_checkpoint(&mut self, at: Seq, now: Timestamp, keep: Retention) -> Result<(), Error> {
        self.check()?;
        self.inner.commit_checkpoint(at, now, keep)
    }
    fn load(&mut self) -> Result<Loaded, Error> {
        self.inner.load()
    }
    fn backup(&mut self, to: &Path) -> Result<(), Error> {
        self.inner.backup(to)
    }
    fn verify(&mut self) -> Result<Vec<String>, Error> {
        self.inner.verify()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_disk_refuses_requests_are_refused_pages_go_out_and_it_recovers() {
    let dir = tempfile::tempdir().expect("a directory");
    let full = Arc::new(Mutex::new(true));
    let switch = Arc::clone(&full);
    let world = world(dir.path(), move |inner| Box::new(Full { inner, full: switch }));
    let refused = world.handle.submit(Event::Received(vec![alert("A")])).await;
    assert_eq!(refused, Err(NotDurable::Disk));
    until(|| (!world.handle.is_durable()).then_some(())).await;
    let page = world.first_send().await;
    assert_eq!(
        page.delivery.alerts[0].alert.labels.value("alertname"),
        "A",
        "a page twice beats a page never"
    );
    assert_eq!(world.handle.submit(Event::Received(vec![alert("B")])).await, Err(NotDurable::Disk));
    *full.lock() = false;
    until(|| {
        world.clock.set(world.clock.now() + Duration::from_secs(5));
        world.handle.is_durable().then_some(())
    })
    .await;
    world.handle.submit(Event::Received(vec![alert("B")])).await.expect("durable again");
    let answer =
        Event::Delivered { id: page.delivery.id.clone(), outcome: Outcome::Permanent { error: "no".into() } };
    world.handle.submit(answer).await.expect("durable");
    world.stop_as_time_goes_on().await;
    let restored = restore(dir.path(), options(), NOW).expect("restored");
    let names: Vec<String> =
        restored.machine.alerts().map(|e| e.alert.labels.value("alertname").to_owned()).collect();
    assert_eq!(names.len(), 2, "what was decided in between was saved by the checkpoint: {names:?}");
}

/// A disk that hangs until it is let go.
struct Hanging {
    inner: Sqlite,
    go: Arc<(Mutex<bool>, parking_lot::Condvar)>,
}

impl Hanging {
    fn wait(&self) {
        let (go, wake) = &*self.go;
        let mut go = go.lock();
        while !*go {
            wake.wait(&mut go);
        }
    }
}

impl Backend for Hanging {
    fn append(&mut self, epoch: u64, batches: &[Batch]) -> Result<Seq, Error> {
        self.wait();
        self.inner.append(epoch, batches)
    }
    fn read_after(&mut self, after: Seq, limit: usize) -> Result<Vec<Batch>, Error> {
        self.inner.read_after(after, limit)
    }
    fn write_checkpoint(&mut self, at: Seq, span: Span<'_>, rows: &[Row]) -> Result<Option<Name>, Error> {
        self.wait();
        self.inner.write_checkpoint(at, span, rows)
    }
    fn commit_checkpoint(&mut self, at: Seq, now: Timestamp, keep: Retention) -> Result<(), Error> {
        self.wait();
        self.inner.commit_checkpoint(at, now, keep)
    }
    fn load(&mut self) -> Result<Loaded, Error> {
        self.inner.load()
    }
    fn backup(&mut self, to: &Path) -> Result<(), Error> {
        self.inner.backup(to)
    }
    fn verify(&mut self) -> Result<Vec<String>, Error> {
        self.inner.verify()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_hangs_holds_up_no_page_and_loses_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().expect("a directory");
    let go = Arc::new((Mutex::new(false), parking_lot::Condvar::new()));
    let switch = Arc::clone(&go);
    let world = world(dir.path(), move |inner| Box::new(Hanging { inner, go: switch }));
    let (asked, mut answers) = tokio::sync::mpsc::channel(1);
    world.tasks.spawn("asks", {
        let handle = world.handle.clone();
        async move {
            let answer = handle.submit(Event::Received(vec![alert("A")])).await;
            asked.send(answer).await.expect("heard");
        }
    });
    let page = until(|| {
        world.clock.set(world.clock.now() + Duration::from_secs(1));
        world.sent.0.lock().first().cloned()
    })
    .await;
    assert_eq!(page.delivery.alerts[0].alert.labels.value("alertname"), "A");
    assert_eq!(answers.recv().await, Some(Err(NotDurable::Disk)));
    // Far more rounds than the journal's queue has room for.
    for _ in 0..400 {
        let outcome = Outcome::Transient { error: "busy".into(), retry_after: Some(Duration::from_secs(1)) };
        world.handle.tell(Event::Delivered { id: page.delivery.id.clone(), outcome }).await.expect("running");
        world.clock.set(world.clock.now() + Duration::from_secs(1));
        world.handle.read(|_| ()).await.expect("the dispatcher never waits for the disk");
    }
    *go.0.lock() = true;
    go.1.notify_all();
    until(|| {
        world.clock.set(world.clock.now() + Duration::from_secs(5));
        world.handle.is_durable().then_some(())
    })
    .await;
    let acknowledged = world.handle.submit(Event::Received(vec![alert("B")])).await.expect("durable again");
    assert!(acknowledged > Seq(0));
    let copy = tempfile::tempdir().expect("a directory");
    for name in ["journal.db", "journal.db-wal"] {
        std::fs::copy(dir.path().join(name), copy.path().join(name)).expect("copied");
    }
    let restored = restore(copy.path(), options(), NOW).expect("restored");
    assert_eq!(restored.machine.alerts().count(), 2);
    world.stop_as_time_goes_on().await;
}

#[test]
fn a_record_that_can_not_be_read_is_cut_off_and_the_journal_goes_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut backend = Sqlite::open(dir.path()).expect("opened");
    let batch = |first, text: &str| Batch { first: Seq(first), at: NOW, records: vec![text.to_owned()] };
    let good = r#"{"forgotten":{"at":1,"episodes":[]}}"#;
    backend
        .append(1, &[batch(1, good), batch(2, r#"{"forgotten":{"at":"no"}}"#), batch(3, good)])
        .expect("kept");
    drop(backend);
    let mut restored = restore(dir.path(), options(), NOW).expect("restored");
    assert_eq!(restored.machine.seq(), Seq(1));
    assert!(restored.findings[0].message.contains("record 2"), "{:?}", restored.findings);
    restored.backend.append(1, &[batch(2, good)]).expect("goes on where it was cut");
    drop(restored);
    let restored = restore(dir.path(), options(), NOW).expect("restored");
    assert_eq!((restored.machine.seq(), restored.findings.len()), (Seq(2), 0));
}
