//! Child processes, and how to wait for and talk to them. What is still running when a test ends is killed.

use std::{
    io::{BufRead as _, BufReader, Read, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use botwatch::runtime::Clock;

/// Longest wait for what must happen: generous, since other tests share the machine.
const PATIENCE_SECONDS: f64 = 120.0;
/// Characters of a line that a failed test shows.
const SHOWN_MAX: usize = 500;
const POLL: Duration = Duration::from_millis(20);
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Looks again and again until there is something; fails the test when there is nothing for too long.
pub(super) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let watch = Clock::system().stopwatch();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(watch.seconds() < PATIENCE_SECONDS, "not within {PATIENCE_SECONDS} s: {what}");
        thread::sleep(POLL);
    }
}

/// As [`until`], for a condition.
pub(super) fn until_true(what: &str, mut look: impl FnMut() -> bool) {
    until(what, || look().then_some(()));
}

/// A child process with what it wrote.
pub(super) struct Process {
    name: &'static str,
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts it; both its outputs are kept, line by line.
    pub(super) fn start(name: &'static str, command: &mut Command) -> Self {
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap_or_else(|e| panic!("{name} starts: {e}"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let outputs: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().expect("piped")), Box::new(child.stderr.take().expect("piped"))];
        for output in outputs {
            let lines = Arc::clone(&lines);
            let read = move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            };
            thread::Builder::new().name(name.to_owned()).spawn(read).expect("a thread");
        }
        Self { name, child, lines }
    }

    /// What it wrote so far.
    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first line for which there is something.
    pub(super) fn line<T>(&mut self, what: &str, look: impl Fn(&str) -> Option<T>) -> T {
        until(&format!("{}: {what}", self.name), || {
            if let Some(found) = self.lines().iter().find_map(|line| look(line)) {
                return Some(found);
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("{} ended with {status}: {what}\n{}", self.name, self.lines().join("\n"));
            }
            None
        })
    }

    /// `kill -9`, and waits for the end.
    pub(super) fn kill(&mut self) {
        // One that has ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal by name.
    pub(super) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|s| s.success()), "{} takes SIG{name}", self.name);
    }
}

impl Drop for Process {
    #[expect(clippy::print_stderr, reason = "what a failed test shows")]
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("--- {} wrote:", self.name);
            for line in self.lines() {
                eprintln!("{}", line.chars().take(SHOWN_MAX).collect::<String>());
            }
        }
    }
}

/// Asks over HTTP; `None` when there is no whole answer. HTTP/1.0, so that the answer ends with the connection.
pub(super) fn try_ask(address: SocketAddr, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
    let mut connection = TcpStream::connect(address).ok()?;
    connection.set_read_timeout(Some(ANSWER_WITHIN)).ok()?;
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/json\r\n");
    let request = format!("{head}Content-Length: {length}\r\n\r\n{body}");
    connection.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8(answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// As [`try_ask`]; fails the test when there is no answer.
pub(super) fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> (u16, String) {
    try_ask(address, method, path, body).unwrap_or_else(|| panic!("{method} {path} at {address}: no answer"))
}

/// Says on the terminal, through the test runner's capture, that something was not tested.
pub(super) fn not_compared(why: &str) {
    let _ = writeln!(std::io::stderr(), "not compared: {why}");
}
