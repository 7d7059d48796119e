use std::{fs, path::Path, time::Duration as StdDuration};

use botwatch_core::{
    alerting::Seq,
    model::{Duration, Timestamp},
};

use super::{Backend, Batch, DirectoryLock, Error, Journal, Loaded, Retention, Row, Sqlite};
use crate::runtime::Tasks;

const KEEP: Retention = Retention { age: Duration::from_secs(30 * 86_400), bytes_max: 256 << 20 };

fn batch(first: u64, records: &[&str]) -> Batch {
    Batch {
        first: Seq(first),
        at: Timestamp::from_secs(first as i64),
        records: records.iter().map(|r| (*r).to_owned()).collect(),
    }
}

fn row(table: &str, key: &str, value: &str) -> Row {
    Row { table: table.to_owned(), key: key.to_owned(), value: value.to_owned() }
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
    db.checkpoint(Seq(3), &rows, Timestamp::from_secs(10), KEEP).expect("checkpoint");
    db.append(0, &[batch(4, &["d"])]).expect("appended");
    drop(db);
    let (mut db, loaded) = open(dir.path());
    assert_eq!(
        (loaded.checkpoint, &loaded.rows[..], &loaded.batches[..]),
        (Seq(3), &rows[..], &[batch(4, &["d"])][..])
    );
    assert_eq!(db.read_after(Seq(0), 10).expect("history").len(), 3, "history stays after a checkpoint");
    let rows = [row("episodes", "2", "{}"), row("groups", "x", "{\"a\":2}")];
    db.checkpoint(Seq(4), &rows, Timestamp::from_secs(10), KEEP).expect("checkpoint");
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
    db.checkpoint(Seq(8), &[], Timestamp::from_secs(10), by_age).expect("checkpoint");
    let firsts: Vec<u64> = db.read_after(Seq(0), 99).expect("history").iter().map(|b| b.first.0).collect();
    assert_eq!(firsts, [5, 6, 7, 8, 9, 10]);
    let by_size = Retention { bytes_max: 1, ..KEEP };
    db.checkpoint(Seq(8), &[], Timestamp::from_secs(10), by_size).expect("checkpoint");
    let firsts: Vec<u64> = db.read_after(Seq(0), 99).expect("history").iter().map(|b| b.first.0).collect();
    assert_eq!(firsts, [9, 10], "records after the checkpoint stay whatever their size");
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
    assert!(error.to_string().contains("format 99; this version reads up to 1"), "{error}");
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
    fn checkpoint(&mut self, at: Seq, rows: &[Row], now: Timestamp, keep: Retention) -> Result<(), Error> {
        self.check()?;
        self.0.checkpoint(at, rows, now, keep)
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
    let refused = journal.checkpoint(Seq(1), vec![], Timestamp(0)).expect("room").await.expect("answered");
    assert!(matches!(refused, Err(Error::Full(_))), "{refused:?}");
    full.store(false, std::sync::atomic::Ordering::SeqCst);
    assert!(journal.append(batch(2, &["no hole may follow"])));
    durable.wait_for(|d| d.given_up == Seq(2)).await.expect("given up");
    let rows = vec![row("state", "k", "v")];
    journal
        .checkpoint(Seq(2), rows.clone(), Timestamp(0))
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
