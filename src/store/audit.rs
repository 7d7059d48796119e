//! The audit log: every change that somebody made, with who, from where, and what was before and after.
//!
//! One JSON object a line in `audit.log`, each with the hash of the one before (SHA-256 over that hash and the line
//! without its own), so that a line that was changed, taken out or put in is found. Taking lines off the end is found by
//! whoever remembers the last hash, which is why `botwatch audit verify` prints it. A line is on disk before the change
//! is acknowledged. At 16 MB the file becomes `audit.log.1` in the place of an older one, and the chain goes on.

use std::{
    fs,
    io::{self, BufRead as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use botwatch_core::model::Timestamp;
use parking_lot::Mutex;
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::hex;

const FILE: &str = "audit.log";
const OLDER: &str = "audit.log.1";
/// The file is put aside at this size, in bytes.
const FILE_MAX: u64 = 16 << 20;
/// What stands in the place of a hash before the first line.
const BEGINNING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A change that somebody made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// When, RFC 3339.
    pub at: String,
    /// Who, as botwatch knows them.
    pub by: Arc<str>,
    /// Their role.
    pub role: String,
    /// From which address.
    pub from: String,
    /// What: method and route.
    pub action: String,
    /// Of what: the path's own part.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// As it was, where that is known.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub before: Value,
    /// As it is.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub after: Value,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, from 1.
    pub n: u64,
    /// The change.
    #[serde(flatten)]
    pub change: Change,
    /// The hash of the line before.
    pub prev: String,
    /// Its own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hash: String,
}

impl Entry {
    fn sealed(mut self) -> Self {
        self.hash = self.digest();
        self
    }

    fn digest(&self) -> String {
        let bare = Self { hash: String::new(), ..self.clone() };
        let text = serde_json::to_string(&bare).expect("texts and numbers only");
        let mut context = Context::new(&SHA256);
        context.update(self.prev.as_bytes());
        context.update(b"\n");
        context.update(text.as_bytes());
        hex(context.finish().as_ref())
    }
}

/// What a look at the whole chain found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Lines that were read.
    pub entries: u64,
    /// The number of the first; over 1 when older files are gone.
    pub first: u64,
    /// The last line's hash: remember it to find out about lines that are taken off the end.
    pub last_hash: String,
    /// What is wrong, with file and line; empty when the chain holds.
    pub problems: Vec<String>,
}

/// The log of a data directory, for writing.
pub struct Audit {
    dir: PathBuf,
    tail: Mutex<Tail>,
}

struct Tail {
    n: u64,
    hash: String,
    /// Whether the last line got to the disk.
    sound: bool,
}

impl Audit {
    /// Goes on where the log ends. A last line that is torn is cut off; what was found is told. A log that can't be
    /// read doesn't stop the start: until it can be written, changes are refused.
    pub fn start(dir: &Path) -> (Self, Vec<String>) {
        let mut findings = Vec::new();
        let path = dir.join(FILE);
        if let Err(error) = mend(&path, &mut findings) {
            findings.push(format!("the audit log {} can't be read: {error}", path.display()));
        }
        let last = [FILE, OLDER].into_iter().find_map(|name| last_entry(&dir.join(name)));
        let (n, hash) = last.map_or((0, BEGINNING.to_owned()), |e| (e.n, e.hash));
        let tail = Tail { n, hash, sound: true };
        (Self { dir: dir.to_owned(), tail: Mutex::new(tail) }, findings)
    }

    /// Whether changes can be recorded, as far as is known: one that can't must not be made.
    pub fn is_sound(&self) -> bool {
        let mut tail = self.tail.lock();
        if !tail.sound {
            tail.sound = open(&self.dir.join(FILE)).and_then(|f| f.sync_all()).is_ok();
        }
        tail.sound
    }

    /// Records a change and answers when it is on disk.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn append(&self, change: Change) -> io::Result<()> {
        let mut tail = self.tail.lock();
        let entry = Entry { n: tail.n + 1, change, prev: tail.hash.clone(), hash: String::new() }.sealed();
        let mut line = serde_json::to_string(&entry).expect("texts and numbers only");
        line.push('\n');
        let path = self.dir.join(FILE);
        let write = || {
            if fs::metadata(&path).is_ok_and(|m| m.len() > FILE_MAX) {
                fs::rename(&path, self.dir.join(OLDER))?;
            }
            let mut file = open(&path)?;
            let before = file.metadata()?.len();
            let written = file.write_all(line.as_bytes()).and_then(|()| file.sync_data());
            if written.is_err() {
                // Half a line would be found as damage.
                let _ = file.set_len(before);
            }
            written
        };
        let written = write();
        tail.sound = written.is_ok();
        if written.is_ok() {
            (tail.n, tail.hash) = (entry.n, entry.hash);
        }
        written
    }

    /// The newest lines, the newest first.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn newest(&self, count: usize, before: Option<u64>) -> io::Result<Vec<Entry>> {
        let mut found: Vec<Entry> = Vec::new();
        for name in [OLDER, FILE] {
            each_line(&self.dir.join(name), |_, text| {
                if let Ok(entry) = serde_json::from_str::<Entry>(text)
                    && before.is_none_or(|b| entry.n < b)
                {
                    found.push(entry);
                    if found.len() > 2 * count.max(1) {
                        found.drain(..count);
                    }
                }
            })?;
        }
        found.reverse();
        found.truncate(count);
        Ok(found)
    }
}

/// Looks at the whole chain of a data directory.
///
/// # Errors
/// When a file can't be read.
pub fn verify(dir: &Path) -> io::Result<Verdict> {
    let mut verdict = Verdict { entries: 0, first: 0, last_hash: BEGINNING.to_owned(), problems: Vec::new() };
    let mut last: Option<(u64, String)> = None;
    for name in [OLDER, FILE] {
        each_line(&dir.join(name), |line, text| {
            let mut wrong = |why: String| verdict.problems.push(format!("{name}:{line}: {why}"));
            let entry: Entry = match serde_json::from_str(text) {
                Ok(entry) => entry,
                Err(error) => {
                    wrong(format!("no entry: {error}"));
                    return;
                }
            };
            if entry.digest() != entry.hash {
                wrong(format!("entry {} was changed", entry.n));
            }
            match &last {
                Some((n, _)) if entry.n != n + 1 => {
                    wrong(format!("entry {} follows entry {n}: something was taken out or put in", entry.n));
                }
                Some((n, hash)) if entry.prev != *hash => {
                    wrong(format!("entry {} doesn't go on from entry {n}", entry.n));
                }
                None if entry.n == 1 && entry.prev != BEGINNING => {
                    wrong("the first entry goes on from another".to_owned());
                }
                _ => {}
            }
            if verdict.entries == 0 {
                verdict.first = entry.n;
            }
            verdict.entries += 1;
            verdict.last_hash.clone_from(&entry.hash);
            last = Some((entry.n, entry.hash));
        })?;
    }
    Ok(verdict)
}

fn open(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

fn each_line(path: &Path, mut with: impl FnMut(u64, &str)) -> io::Result<()> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    for (number, line) in io::BufReader::new(file).split(b'\n').enumerate() {
        let line = line?;
        if !line.is_empty() {
            with(number as u64 + 1, &String::from_utf8_lossy(&line));
        }
    }
    Ok(())
}

fn last_entry(path: &Path) -> Option<Entry> {
    let mut last = None;
    // What can't be read was told already.
    let _ = each_line(path, |_, text| last = serde_json::from_str(text).ok().or(last.take()));
    last
}

/// Cuts off a last line without an end.
fn mend(path: &Path, findings: &mut Vec<String>) -> io::Result<()> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    if whole < bytes.len() {
        fs::OpenOptions::new().write(true).open(path)?.set_len(whole as u64)?;
        findings
            .push(format!("the audit log's last line was torn; {} bytes were cut off", bytes.len() - whole));
    }
    Ok(())
}

impl Change {
    /// Of a time.
    pub fn at(now: Timestamp) -> String {
        now.rfc3339()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(target: &str) -> Change {
        Change {
            at: Change::at(Timestamp(1_800_000_000_000)),
            by: "anna".into(),
            role: "operator".to_owned(),
            from: "127.0.0.1".to_owned(),
            action: "PATCH /x".to_owned(),
            target: target.to_owned(),
            before: Value::Null,
            after: serde_json::json!({"b": 1, "a": [1.5, "x"]}),
        }
    }

    fn written(dir: &Path, count: usize) -> Audit {
        let (audit, findings) = Audit::start(dir);
        assert!(findings.is_empty());
        for n in 0..count {
            audit.append(change(&format!("t{n}"))).expect("written");
        }
        audit
    }

    #[test]
    fn the_chain_holds_over_restarts_and_is_read_from_the_end() {
        let dir = tempfile::tempdir().expect("a directory");
        written(dir.path(), 3);
        let audit = written(dir.path(), 2);
        let verdict = verify(dir.path()).expect("read");
        assert_eq!((verdict.entries, verdict.first, &*verdict.problems), (5, 1, &[][..]));
        let newest = audit.newest(2, None).expect("read");
        assert_eq!(newest.iter().map(|e| e.n).collect::<Vec<_>>(), [5, 4]);
        assert_eq!(newest[0].hash, verdict.last_hash);
        let older = audit.newest(10, Some(4)).expect("read");
        assert_eq!(older.iter().map(|e| e.n).collect::<Vec<_>>(), [3, 2, 1]);
    }

    #[test]
    fn whatever_is_changed_taken_out_or_put_in_is_found() {
        let dir = tempfile::tempdir().expect("a directory");
        written(dir.path(), 4);
        let path = dir.path().join(FILE);
        let text = fs::read_to_string(&path).expect("a file");
        let lines: Vec<&str> = text.lines().collect();
        let tampered = |lines: &[&str]| {
            fs::write(&path, lines.join("\n") + "\n").expect("written");
            verify(dir.path()).expect("read").problems
        };
        assert_eq!(tampered(&lines), [""; 0]);
        let renamed = lines[1].replace("anna", "mallory");
        assert!(
            tampered(&[lines[0], &renamed, lines[2], lines[3]])[0]
                .contains("audit.log:2: entry 2 was changed")
        );
        assert!(tampered(&[lines[0], lines[2], lines[3]])[0].contains("taken out"));
        assert!(!tampered(&[lines[0], lines[2], lines[1], lines[3]]).is_empty());
        assert!(!tampered(&[lines[0], lines[1], "{}", lines[2], lines[3]]).is_empty());
        let forged =
            Entry { n: 2, change: change("x"), prev: BEGINNING.to_owned(), hash: String::new() }.sealed();
        let forged = serde_json::to_string(&forged).expect("JSON");
        assert!(tampered(&[lines[0], &forged, lines[2], lines[3]])[0].contains("doesn't go on"));
    }

    #[test]
    fn a_torn_line_is_cut_off_and_told() {
        let dir = tempfile::tempdir().expect("a directory");
        written(dir.path(), 2);
        let path = dir.path().join(FILE);
        let whole = fs::read(&path).expect("a file");
        let mut torn = whole.clone();
        torn.extend_from_slice(b"{\"n\":3,\"at\"");
        fs::write(&path, torn).expect("written");
        let (audit, findings) = Audit::start(dir.path());
        assert!(findings[0].contains("torn"), "{findings:?}");
        audit.append(change("after")).expect("written");
        let verdict = verify(dir.path()).expect("read");
        assert_eq!((verdict.entries, verdict.problems.len()), (3, 0));
    }

    #[test]
    fn a_full_file_is_put_aside_and_the_chain_goes_on() {
        let dir = tempfile::tempdir().expect("a directory");
        let audit = written(dir.path(), 2);
        let path = dir.path().join(FILE);
        fs::rename(&path, dir.path().join(OLDER)).expect("put aside");
        audit.append(change("next")).expect("written");
        let verdict = verify(dir.path()).expect("read");
        assert_eq!((verdict.entries, verdict.problems.len()), (3, 0));
        fs::remove_file(dir.path().join(OLDER)).expect("gone");
        let verdict = verify(dir.path()).expect("read");
        assert_eq!(
            (verdict.entries, verdict.first, verdict.problems.len()),
            (1, 3, 0),
            "older files may be gone"
        );
    }
}
