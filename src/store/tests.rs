use std::{fs, path::Path, time::Duration as StdDuration};

use botwatch_core::{
    alerting::Seq,
    model::{Duration, Timestamp},
};

use super::{
    Backend, Batch, DirectoryLock, Error, Journal, Loaded, Name, Retention, Row, Span, Sqlite,
    checkpoint::Writing, write_checkpoint,
};
use crate::runtime::Tasks;

const KEEP: Retention = Retention { age: Duration::from_secs(30 * 86_400), bytes_max: 256 << 20 };

fn batch(first: u64, records: &[&str]) -> Batch {
    Batch {
        first: Seq(first),
        at: Timestamp::from_secs(first as i64),
        records: records.iter().map(|r| (*r).to_owned()).collect(),
    }
}

/// Numbers that are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn row(table: &str, key: &str, value: &str) -> Row {
    Row { table: table.to_owned(), key: key.to_owned(), value: value.to_owned() }
}

/// A whole checkpoint, at second 10.
fn save(db: &mut Sqlite, at: u64, rows: &[Row], keep: Retention) {
    let rows: Vec<Row> = rows.to_vec();
    write_checkpoint(db, Seq(at), rows.into_iter(), Timestamp::from_secs(10), keep).expect("room");
}

fn open(dir: &Path) -> (Sqlite, Loaded) {
    let mut sqlite = Sqlite::open(dir).expect("opens");
    let loaded = sqlite.load().expect("loads");
    (sqlite, loaded)
}

#[test]
fn what_was_appended_is_there_after_a_restart_in_order() {
    let dir = tempfile::tempdir().expect("a directory");
    {
        let (mut db, loaded) = open(dir.path());
        assert_eq!(loaded, Loaded::default());
        assert_eq!(db.append(0, &[batch(1, &["a", "b"]), batch(3, &["c"])]).expect("appended"), Seq(3));
        assert_eq!(db.append(0, &[]).expect("nothing"), Seq(3));
        let gap = db.append(0, &[batch(5, &["e"])]);
        assert!(matches!(gap, Err(Error::Gap { expected: 4, found: 5 })), "{gap:?}");
    }
    let (mut db, loaded) = open(dir.path());
    assert_eq!(loaded.batches, [batch(1, &["a", "b"]), batch(3, &["c"])]);
    let rows = [row("episodes", "1", "{}"), row("groups", "x", "{\"a\":1}")];
    save(&mut db, 3, &rows, KEEP);
    db.append(0, &[batch(4, &["d"])]).expect("appended");
    drop(db);
    let (mut db, loaded) = open(dir.path());
    assert_eq!(
        (loaded.checkpoint, &loaded.rows[..], &loaded.batches[..]),
        (Seq(3), &rows[..], &[batch(4, &["d"])][..])
    );
    assert_eq!(db.read_after(Seq(0), 10).expect("history").len(), 3, "history stays after a checkpoint");
    let rows = [row("episodes", "2", "{}"), row("groups", "x", "{\"a\":2}")];
    save(&mut db, 4, &rows, KEEP);
    assert_eq!(db.load().expect("loads").rows, rows);
    assert_eq!(db.verify().expect("verifies"), Vec::<String>::new());
}

#[test]
fn history_is_pruned_by_age_and_size_but_never_what_a_restart_needs() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut db, _) = open(dir.path());
    for n in 1..=10 {
        db.append(0, &[batch(n, &["0123456789"])]).expect("appended");
    }
    let by_age = Retention { age: Duration::from_secs(5), ..KEEP };
    save(&mut db, 8, &[], by_age);
    let firsts: Vec<u64> = db.read_after(Seq(0), 99).expect("history").iter().map(|b| b.first.0).collect();
    assert_eq!(firsts, [5, 6, 7, 8, 9, 10]);
    let by_size = Retention { bytes_max: 1, ..KEEP };
    save(&mut db, 8, &[], by_size);
    let firsts: Vec<u64> = db.read_after(Seq(0), 99).expect("history").iter().map(|b| b.first.0).collect();
    assert_eq!(firsts, [9, 10], "records after the checkpoint stay whatever their size");
}

/// Whatever rows come, change and go, and however often a checkpoint is broken off in its middle: what is loaded is the
/// last one that was committed, and what it replaced doesn't pile up.
#[test]
fn a_checkpoint_is_seen_whole_or_not_at_all() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut db = open(dir.path()).0;
    let mut chance = Random(7);
    let (mut saved, mut most) = (Vec::new(), 0);
    for at in 1..=40u64 {
        // Now and then nearly nothing, or so much that a step doesn't get through what is stored.
        let share = [3, 50, 97][chance.below(3) as usize];
        let versions = chance.below(3) + 1;
        let mut rows = Vec::new();
        for (table, size) in [("a", 40), ("b", 3000), ("c", 1)] {
            let some = (0..size).filter(|_| chance.below(100) < share).collect::<Vec<u64>>();
            let value = |n: u64| format!("{{\"n\":{}}}", n * versions);
            rows.extend(some.into_iter().map(|n| row(table, &format!("{n:05}"), &value(n))));
        }
        most = most.max(rows.len());
        let mut writing = Writing::new(Seq(at), rows.clone().into_iter(), Timestamp(0));
        let mut left = chance.below(12);
        while left > 0 && !writing.step(&mut db, KEEP).expect("room") {
            left -= 1;
        }
        if left > 0 {
            saved = rows;
        }
        if chance.below(2) == 0 {
            drop(db);
            db = open(dir.path()).0;
        }
        assert_eq!(db.load().expect("loads").rows, saved, "checkpoint {at}");
    }
    save(&mut db, 41, &[], KEEP);
    save(&mut db, 42, &[row("a", "1", "{}")], KEEP);
    save(&mut db, 43, &[row("a", "1", "{}")], KEEP);
    assert!(most > 2500);
    drop(db);
    let raw = rusqlite::Connection::open(dir.path().join("journal.db")).expect("opens");
    let versions: i64 = raw.query_row("SELECT count(*) FROM state", [], |r| r.get(0)).expect("a number");
    assert_eq!(versions, 1);
}

/// What has not changed is not written again.
#[test]
fn a_checkpoint_writes_what_has_changed() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut db = open(dir.path()).0;
    let mut rows: Vec<Row> =
        (0..2000).map(|n| row("episodes", &format!("{n:05}"), &"x".repeat(300))).collect();
    let log = || dir.path().join("journal.db-wal").metadata().expect("a log").len();
    save(&mut db, 1, &rows, KEEP);
    let all = log();
    rows.remove(100);
    rows[1000].value = "y".into();
    rows.push(row("episodes", "99999", "z"));
    save(&mut db, 2, &rows, KEEP);
    assert!(all > 600_000 && log() - all < 60_000, "{all}, then {}", log() - all);
    assert_eq!(db.load().expect("loads").rows, rows);
}

#[test]
fn a_file_of_an_older_format_is_taken_over_and_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    let rows = [row("episodes", "000000000001", "{}"), row("meta", "000000000000", "{\"seq\":2}")];
    {
        let raw = rusqlite::Connection::open(dir.path().join("journal.db")).expect("opens");
        raw.execute_batch(
            "CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
             CREATE TABLE journal (first INTEGER PRIMARY KEY, count INTEGER NOT NULL, at INTEGER NOT NULL,
                records TEXT NOT NULL, crc INTEGER NOT NULL);
             CREATE TABLE state (name TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, crc INTEGER NOT NULL,
                PRIMARY KEY (name, key)) WITHOUT ROWID;
             INSERT INTO meta VALUES ('checkpoint', 2);
             INSERT INTO journal VALUES (3, 1, 3000, 'c', 3365674729);
             INSERT INTO state VALUES ('episodes', '000000000001', '{}', 2903735051);
             INSERT INTO state VALUES ('meta', '000000000000', '{\"seq\":2}', 721723533);
             PRAGMA user_version = 1;",
        )
        .expect("a file of format 1");
    }
    let (mut db, loaded) = open(dir.path());
    let expected =
        Loaded { checkpoint: Seq(2), rows: rows.to_vec(), batches: vec![batch(3, &["c"])], findings: vec![] };
    assert_eq!(loaded, expected);
    db.append(0, &[batch(4, &["d"])]).expect("goes on");
    drop(db);
    assert_eq!(open(dir.path()).1.batches.len(), 2);
    let before = rusqlite::Connection::open(dir.path().join("journal.db.format-1")).expect("opens");
    let version: i64 = before.query_row("PRAGMA user_version", [], |r| r.get(0)).expect("a number");
    assert_eq!(version, 1, "it can be gone back to");
}

#[test]
fn a_backup_is_a_journal() {
    let (dir, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (mut db, _) = open(dir.path());
    db.append(0, &[batch(1, &["a"])]).expect("appended");
    db.backup(&other.path().join("journal.db")).expect("backed up");
    assert_eq!(open(other.path()).1.batches, [batch(1, &["a"])]);
}

#[test]
fn a_newer_format_is_refused_with_advice_and_left_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    drop(open(dir.path()));
    let file = dir.path().join("journal.db");
    let raw = rusqlite::Connection::open(&file).expect("opens");
    raw.pragma_update(None, "user_version", 99).expect("set");
    drop(raw);
    let error = Sqlite::open(dir.path()).err().expect("refused");
    assert!(error.to_string().contains("format 99; this version reads up to 2"), "{error}");
    assert!(file.exists());
}

#[test]
fn one_process_for_each_directory() {
    let dir = tempfile::tempdir().expect("a directory");
    let inner = dir.path().join("made/by/us");
    let held = DirectoryLock::take(&inner).expect("free");
    assert!(matches!(DirectoryLock::take(&inner), Err(Error::InUse(_))));
    drop(held);
    DirectoryLock::take(&inner).expect("free again");
}

/// Truncated and overwritten at many places: it always starts, says so, and what it kept is a prefix.
#[test]
fn damage_is_set_aside_salvaged_and_reported() {
    let made = tempfile::tempdir().expect("a directory");
    let filler = "x".repeat(700);
    {
        let (mut db, _) = open(made.path());
        for n in 1..=60 {
            db.append(0, &[batch(n, &[&filler])]).expect("appended");
        }
    }
    let good = fs::read(made.path().join("journal.db")).expect("the file");
    let mut reported = 0;
    for at in (0..good.len()).step_by(1777) {
        for truncate in [true, false] {
            let mut bad = good.clone();
            if truncate {
                bad.truncate(at);
            } else {
                let end = (at + 64).min(bad.len());
                bad[at..end].fill(0xa5);
            }
            let dir = tempfile::tempdir().expect("a directory");
            fs::write(dir.path().join("journal.db"), &bad).expect("written");
            let mut db =
                Sqlite::open(dir.path()).unwrap_or_else(|e| panic!("refused at {at}, {truncate}: {e:?}"));
            let loaded = db.load().unwrap_or_else(|e| panic!("unreadable at {at}, {truncate}: {e:?}"));
            let firsts: Vec<u64> = loaded.batches.iter().map(|b| b.first.0).collect();
            let expected: Vec<u64> = (1..=firsts.len() as u64).collect();
            assert_eq!(firsts, expected, "a prefix, at {at}, {truncate}");
            if let Some(finding) = loaded.findings.first() {
                reported += 1;
                assert!(finding.message.contains("damaged-1"), "{finding:?}");
                assert!(dir.path().join("journal.db.damaged-1").exists());
            }
            let next = firsts.len() as u64 + 1;
            db.append(0, &[batch(next, &["after"])]).expect("goes on");
        }
    }
    assert!(reported > 20, "only {reported} damages were noticed");
}

/// A journal of 60 batches, each with 700 bytes, as one file.
fn sixty(dir: &Path) -> Vec<u8> {
    let (mut db, _) = open(dir);
    for n in 1..=60 {
        db.append(0, &[batch(n, &[&"x".repeat(700)])]).expect("appended");
    }
    drop(db);
    fs::read(dir.join("journal.db")).expect("the file")
}

fn firsts(loaded: &Loaded) -> Vec<u64> {
    loaded.batches.iter().map(|b| b.first.0).collect()
}

/// A file that lost its end (a disk that was full, a copy that broke off) keeps what the pages before it hold.
#[test]
fn a_file_cut_at_any_page_keeps_the_batches_before_the_cut() {
    let made = tempfile::tempdir().expect("a directory");
    let good = sixty(made.path());
    let page = 4096;
    let mut most = 0;
    for pages in 1..good.len() / page {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("journal.db"), &good[..pages * page]).expect("written");
        let (mut db, loaded) = open(dir.path());
        let found = firsts(&loaded);
        assert_eq!(found, (1..=found.len() as u64).collect::<Vec<_>>(), "a prefix, {pages} pages");
        assert_eq!(loaded.findings.len(), 1, "{pages} pages");
        assert!(found.len() >= most, "more pages, more batches: {pages}");
        most = found.len();
        let aside = fs::read(dir.path().join("journal.db.damaged-1")).expect("set aside");
        assert_eq!(aside, good[..pages * page], "as it was found");
        db.append(0, &[batch(most as u64 + 1, &["after"])]).expect("goes on");
        assert_eq!(db.verify().expect("verifies"), Vec::<String>::new());
    }
    assert!(most >= 50, "{most} of 60 lie before the last page");
}

/// `kill -9` and a power cut: the log of what was committed ends anywhere. What it holds whole is there, the rest was
/// not acknowledged, and nothing is called damaged.
#[test]
fn a_torn_log_is_cut_where_it_is_torn() {
    let made = tempfile::tempdir().expect("a directory");
    let (mut db, _) = open(made.path());
    for n in 1..=20 {
        db.append(0, &[batch(2 * n - 1, &[&"x".repeat(300), "y"])]).expect("appended");
    }
    let file = fs::read(made.path().join("journal.db")).expect("the file");
    let log = fs::read(made.path().join("journal.db-wal")).expect("the log");
    let mut last = 0;
    for at in (0..=log.len()).step_by(997).chain([log.len()]) {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("journal.db"), &file).expect("written");
        fs::write(dir.path().join("journal.db-wal"), &log[..at]).expect("written");
        let (_, loaded) = open(dir.path());
        let found = firsts(&loaded);
        assert_eq!(loaded.findings, [], "at {at}");
        assert!(
            found.len() >= last && found.iter().zip(0..).all(|(f, i)| *f == 1 + 2 * i),
            "at {at}: {found:?}"
        );
        last = found.len();
    }
    assert_eq!(last, 20, "an untorn log has everything");
}

/// Killed in the middle of a repair, at each of its steps: the next start ends it with the same result.
#[test]
fn an_interrupted_repair_is_completed() {
    let made = tempfile::tempdir().expect("a directory");
    let good = sixty(made.path());
    let damaged = &good[..good.len() / 2];
    let whole = tempfile::tempdir().expect("a directory");
    fs::write(whole.path().join("journal.db"), damaged).expect("written");
    let (db, loaded) = open(whole.path());
    drop(db);
    let repaired = fs::read(whole.path().join("journal.db")).expect("the new file");
    let expected = firsts(&loaded);
    assert!(expected.len() > 10);
    let steps: [&[(&str, &[u8])]; 4] = [
        // While salvaging: half a new file.
        &[
            ("journal.db", damaged),
            ("journal.db.salvaged", &repaired[..4096]),
            ("journal.db.salvaged-wal", b"half"),
        ],
        // Before the first move.
        &[("journal.db", damaged), ("journal.db.salvaged", &repaired)],
        // After it, with the damaged file's log still in place.
        &[("journal.db.damaged-1", damaged), ("journal.db-wal", b"old"), ("journal.db.salvaged", &repaired)],
        // Before the last.
        &[
            ("journal.db.damaged-1", damaged),
            ("journal.db.damaged-1-wal", b"old"),
            ("journal.db.salvaged", &repaired),
        ],
    ];
    for (step, files) in steps.iter().enumerate() {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, content) in *files {
            fs::write(dir.path().join(name), content).expect("written");
        }
        let (mut db, loaded) = open(dir.path());
        assert_eq!(firsts(&loaded), expected, "step {step}");
        assert_eq!(loaded.findings.len(), 1, "step {step}");
        assert!(loaded.findings[0].message.contains("journal.db.damaged-1"), "step {step}");
        db.append(0, &[batch(expected.len() as u64 + 1, &["after"])]).expect("goes on");
        drop(db);
        let names = fs::read_dir(dir.path()).expect("a directory").map(|e| e.expect("an entry").file_name());
        let left: Vec<_> = names.filter(|n| n.to_string_lossy().contains("salvaged")).collect();
        assert!(left.is_empty(), "step {step}: {left:?}");
        assert_eq!(open(dir.path()).1.findings, [], "repaired once");
    }
}

/// SQLite's own answer to a full disk becomes [`Error::Full`]; nothing of the batch is kept, and there is no harm done.
#[test]
fn a_full_disk_refuses_a_batch_whole() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut db, _) = open(dir.path());
    db.append(0, &[batch(1, &["first"])]).expect("room");
    db.limit_pages(20);
    let large = "x".repeat(60_000);
    let refused = db.append(0, &[batch(2, &["small"]), batch(3, &[&large, &large])]);
    assert!(matches!(refused, Err(Error::Full(_))), "{refused:?}");
    assert_eq!(db.read_after(Seq(0), 9).expect("reads").len(), 1, "all or nothing");
    db.append(0, &[batch(2, &["small"])]).expect("still room for little");
    db.limit_pages(1000);
    db.append(0, &[batch(3, &[&large, &large])]).expect("room again");
    drop(db);
    assert_eq!(firsts(&open(dir.path()).1), [1, 2, 3]);
}

#[tokio::test]
async fn the_durable_sequence_follows_and_queries_see_what_was_queued_before() {
    let dir = tempfile::tempdir().expect("a directory");
    let (tasks, _ended) = Tasks::new();
    let journal = Journal::start(&tasks, Box::new(open(dir.path()).0), Seq(0), 0, KEEP).expect("started");
    let mut durable = journal.durable();
    for n in 1..=100 {
        assert!(journal.append(batch(n, &["r"])));
    }
    durable.wait_for(|d| d.seq == Seq(100)).await.expect("durable");
    let seen = journal.query(|db| db.read_after(Seq(98), 9).map(|b| b.len())).await;
    assert_eq!(seen.expect("answered").expect("read"), 2);
    drop((journal, durable));
    assert!(tasks.stop(StdDuration::from_secs(10)).await);
}

/// A commit waits for a step of a checkpoint at most.
#[tokio::test]
async fn batches_are_committed_between_the_steps_of_a_checkpoint() {
    let dir = tempfile::tempdir().expect("a directory");
    let (tasks, _ended) = Tasks::new();
    let journal = Journal::start(&tasks, Box::new(open(dir.path()).0), Seq(0), 0, KEEP).expect("started");
    assert!(journal.append(batch(1, &["a"])));
    // The first row comes when the second batch is queued.
    let (go, wait) = std::sync::mpsc::sync_channel(1);
    let mut durable = journal.durable();
    durable.wait_for(|d| d.seq == Seq(1)).await.expect("durable");
    let seen = durable.clone();
    let rows = (0..5000).map(move |n| {
        if n == 0 {
            wait.recv().expect("let go");
        }
        row("episodes", &format!("{n:05}"), &seen.borrow().seq.0.to_string())
    });
    let saved = journal.checkpoint(Seq(1), rows, Timestamp(0)).expect("room");
    assert!(journal.append(batch(2, &["b"])));
    go.send(()).expect("it waits");
    saved.await.expect("answered").expect("room");
    drop((journal, durable));
    assert!(tasks.stop(StdDuration::from_secs(10)).await);
    let loaded = open(dir.path()).1;
    assert_eq!((loaded.checkpoint, loaded.batches), (Seq(1), vec![batch(2, &["b"])]));
    let (first, last) = (&loaded.rows[0].value, &loaded.rows[4999].value);
    assert_eq!((first.as_str(), last.as_str()), ("1", "2"), "durable when the rows were made");
}

/// A backend whose disk is full for a while.
struct Filling(Sqlite, std::sync::Arc<std::sync::atomic::AtomicBool>);

impl Filling {
    fn check(&self) -> Result<(), Error> {
        let full = self.1.load(std::sync::atomic::Ordering::SeqCst);
        let error =
            rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL), None);
        if full { Err(error.into()) } else { Ok(()) }
    }
}

impl Backend for Filling {
    fn append(&mut self, epoch: u64, batches: &[Batch]) -> Result<Seq, Error> {
        self.check()?;
        self.0.append(epoch, batches)
    }
    fn read_after(&mut self, after: Seq, limit: usize) -> Result<Vec<Batch>, Error> {
        self.0.read_after(after, limit)
    }
    fn write_checkpoint(&mut self, at: Seq, span: Span<'_>, rows: &[Row]) -> Result<Option<Name>, Error> {
        self.check()?;
        self.0.write_checkpoint(at, span, rows)
    }
    fn commit_checkpoint(&mut self, at: Seq, now: Timestamp, keep: Retention) -> Result<(), Error> {
        self.check()?;
        self.0.commit_checkpoint(at, now, keep)
    }
    fn load(&mut self) -> Result<Loaded, Error> {
        self.0.load()
    }
    fn backup(&mut self, to: &Path) -> Result<(), Error> {
        self.0.backup(to)
    }
    fn verify(&mut self) -> Result<Vec<String>, Error> {
        self.0.verify()
    }
}

#[tokio::test]
async fn records_refused_by_a_full_disk_are_made_good_by_a_checkpoint() {
    let dir = tempfile::tempdir().expect("a directory");
    let full = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let (tasks, _ended) = Tasks::new();
    let backend = Filling(open(dir.path()).0, std::sync::Arc::clone(&full));
    let journal = Journal::start(&tasks, Box::new(backend), Seq(0), 0, KEEP).expect("started");
    let mut durable = journal.durable();
    assert!(journal.append(batch(1, &["lost to memory"])));
    durable.wait_for(|d| !d.is_sound() && d.given_up == Seq(1)).await.expect("given up");
    let refused =
        journal.checkpoint(Seq(1), std::iter::empty(), Timestamp(0)).expect("room").await.expect("answered");
    assert!(matches!(refused, Err(Error::Full(_))), "{refused:?}");
    full.store(false, std::sync::atomic::Ordering::SeqCst);
    assert!(journal.append(batch(2, &["no hole may follow"])));
    durable.wait_for(|d| d.given_up == Seq(2)).await.expect("given up");
    let rows = vec![row("state", "k", "v")];
    journal
        .checkpoint(Seq(2), rows.clone().into_iter(), Timestamp(0))
        .expect("room")
        .await
        .expect("answered")
        .expect("room again");
    assert!(journal.append(batch(3, &["c"])));
    durable.wait_for(|d| d.is_sound() && d.seq == Seq(3)).await.expect("durable");
    drop((journal, durable));
    assert!(tasks.stop(StdDuration::from_secs(10)).await);
    let loaded = open(dir.path()).1;
    assert_eq!((loaded.checkpoint, loaded.rows, loaded.batches), (Seq(2), rows, vec![batch(3, &["c"])]));
}
