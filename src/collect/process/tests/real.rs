//! The machine's own `/proc`.

use std::{
    net::TcpListener,
    os::unix::fs::symlink,
    path::Path,
    process::{Child, Command},
    sync::atomic::{AtomicU32, Ordering},
};

use botwatch_core::{model::Timestamp, tsdb::Visibility};

use super::super::{
    board::Values, catalogue::Key, files::Root, look::ProcessLook, portable::PortableLook, rounds::Look,
};
use crate::collect::ProcessFinder;

fn look(look: &mut impl Look, at: i64) -> (Visibility, Values) {
    let mut values = Values::new(Key::ALL.len());
    (look.look(Timestamp::from_secs(at), &mut values), values)
}

/// Looks until the process is there: for a moment after its start the kernel shows it without its name.
fn until_up(looking: &mut impl Look, at: &mut i64) -> Values {
    for _ in 0..1_000_000 {
        *at += 5;
        let (_, values) = look(looking, *at);
        if values.get(Key::Up) == Some(1.0) {
            return values;
        }
    }
    panic!("the process doesn't show up");
}

/// A child that ends with the test.
struct Sleeper(Child);

impl Sleeper {
    fn start(program: &Path) -> Self {
        Self(Command::new(program).arg("1000").spawn().expect("sleep starts"))
    }

    fn pid(&self) -> f64 {
        f64::from(self.0.id())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program under a name of its own.
fn program(dir: &Path) -> (std::path::PathBuf, String) {
    // Tests run beside each other; names of programs are cut to 15 characters.
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("s{}-{}", NUMBER.fetch_add(1, Ordering::Relaxed), std::process::id());
    let sleep =
        ["/bin/sleep", "/usr/bin/sleep"].into_iter().find(|path| Path::new(path).exists()).expect("sleep");
    symlink(sleep, dir.join(&name)).unwrap();
    (dir.join(&name), name)
}

#[test]
fn the_own_process() {
    let mut looking = ProcessLook::new(Root::default(), ProcessFinder::Pid(std::process::id()));
    let (visibility, values) = look(&mut looking, 0);
    assert_eq!((visibility, values.get(Key::Up)), (Visibility::Seeing, Some(1.0)));
    let at_least = [
        (Key::ResidentMemory, 100_000.0),
        (Key::ProportionalMemory, 100_000.0),
        (Key::VirtualMemory, 100_000.0),
        (Key::MemoryLimit, 1_000_000.0),
        (Key::Threads, 1.0),
        (Key::OpenFds, 3.0),
        (Key::StartTime, 1_600_000_000.0),
        (Key::Uptime, 0.0),
        (Key::Cpu, 0.0),
        (Key::OomScore, 0.0),
    ];
    for (key, least) in at_least {
        assert!(values.get(key).is_some_and(|value| value >= least), "{key:?} {:?}", values.get(key));
    }
    let state = |key| values.get(key).unwrap();
    let states =
        [Key::StateRunning, Key::StateSleeping, Key::StateBlocked, Key::StateStopped, Key::StateOther];
    assert_eq!(states.map(state).iter().sum::<f64>(), 1.0);
}

#[test]
fn a_child_that_is_killed_and_started_again() {
    let dir = tempfile::tempdir().unwrap();
    let (program, name) = program(dir.path());
    let mut looking = ProcessLook::new(Root::default(), ProcessFinder::Name(name.as_str().into()));
    assert_eq!(look(&mut looking, 0).1.get(Key::Up), Some(0.0));

    let mut first = Sleeper::start(&program);
    let mut at = 5;
    let values = until_up(&mut looking, &mut at);
    assert_eq!(values.get(Key::Pid), Some(first.pid()));

    first.0.kill().unwrap();
    // Not waited for yet, it becomes a zombie as soon as the kernel gets to it.
    while look(&mut looking, at).1.get(Key::Up) == Some(1.0) {
        at += 5;
        assert!(at < 1_000_000, "it doesn't end");
    }
    drop(first);
    let (visibility, values) = look(&mut looking, at + 5);
    assert_eq!(
        (visibility, values.get(Key::Up), values.get(Key::Pid)),
        (Visibility::Seeing, Some(0.0), None)
    );

    let second = Sleeper::start(&program);
    at += 5;
    let values = until_up(&mut looking, &mut at);
    assert_eq!((values.get(Key::Pid), values.get(Key::Restarts)), (Some(second.pid()), Some(1.0)));
}

#[test]
fn by_a_port_that_is_listened_on() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut looking = ProcessLook::new(Root::default(), ProcessFinder::Port(port));
    let (visibility, values) = look(&mut looking, 0);
    assert_eq!((visibility, values.get(Key::Pid)), (Visibility::Seeing, Some(f64::from(std::process::id()))));
}

#[test]
fn without_proc_the_basics() {
    let own = std::process::id();
    let (visibility, values) = look(&mut PortableLook::new(Root::default(), ProcessFinder::Pid(own)), 0);
    assert_eq!((visibility, values.get(Key::Up)), (Visibility::Seeing, Some(1.0)));
    assert!(values.get(Key::ResidentMemory).is_some_and(|bytes| bytes > 100_000.0));

    let dir = tempfile::tempdir().unwrap();
    let (program, name) = program(dir.path());
    let mut looking = PortableLook::new(Root::default(), ProcessFinder::Name(name.as_str().into()));
    assert_eq!(look(&mut looking, 0).1.get(Key::Up), Some(0.0));
    let first = Sleeper::start(&program);
    let mut at = 5;
    assert_eq!(until_up(&mut looking, &mut at).get(Key::Pid), Some(first.pid()));
    drop(first);
    at += 5;
    assert_eq!(look(&mut looking, at).1.get(Key::Up), Some(0.0));
    let second = Sleeper::start(&program);
    at += 5;
    let values = until_up(&mut looking, &mut at);
    assert_eq!((values.get(Key::Pid), values.get(Key::Restarts)), (Some(second.pid()), Some(1.0)));

    let file = ProcessFinder::PidFile(dir.path().join("missing"));
    assert_eq!(look(&mut PortableLook::new(Root::default(), file), 0).1.get(Key::Up), Some(0.0));
    let (visibility, values) = look(&mut PortableLook::new(Root::default(), ProcessFinder::Port(1)), 0);
    assert_eq!((visibility, values.get(Key::Visible)), (Visibility::Blind, Some(0.0)));
}
