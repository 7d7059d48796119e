//! A real server as a child process, and the little HTTP that asks it.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    thread,
    time::Duration,
};

use botwatch::runtime::Clock;
use serde_json::Value;

/// Longest start of a server on a busy machine.
pub(crate) const START: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(100);
const ANSWER: Duration = Duration::from_secs(10);
/// Lines of a log that a failing test shows.
const LOG_LINES: usize = 40;

/// A program that may be there: named by an environment variable, else found on the path.
pub(crate) fn program(variable: &str, names: &[&str]) -> Option<PathBuf> {
    if let Some(given) = std::env::var_os(variable).filter(|v| !v.is_empty()) {
        return Some(given.into());
    }
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    names.iter().find_map(|n| folders.iter().map(|f| f.join(n)).find(|p| p.is_file()))
}

/// A folder inside the build directory, gone when dropped.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder")
}

/// A port that nobody listens on, below those that the system hands out by itself.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 15_000;
    const COUNT: u16 = 15_000;
    let start = (std::process::id() % u32::from(COUNT)) as u16;
    loop {
        let port = FIRST + (start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed))) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// Asks again and again until there is an answer; fails the test with the last refusal when it takes too long.
pub(crate) fn until<T>(what: &str, within: Duration, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let clock = Clock::system();
    let watch = clock.stopwatch();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(why) => assert!(watch.seconds() < within.as_secs_f64(), "{what}: {why}"),
        }
        thread::sleep(POLL);
    }
}

/// A running server. Killed when dropped; a failing test shows the end of its log.
pub(crate) struct Server {
    name: String,
    child: Child,
    log: PathBuf,
    pub(crate) port: u16,
}

impl Server {
    /// Starts it in a folder, and waits until `ready` answers 200. It gets no environment but the path.
    pub(crate) fn start<A: AsRef<OsStr>>(
        program: &Path,
        arguments: &[A],
        folder: &Path,
        port: u16,
        ready: &str,
    ) -> Self {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let log = folder.join(format!("{name}-{port}.log"));
        let out = File::create(&log).expect("a log");
        let child = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|p| ("PATH", p)))
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("a handle"))
            .stderr(out)
            .spawn();
        let child = child.unwrap_or_else(|e| panic!("can't start {}: {e}", program.display()));
        let mut server = Self { name, child, log, port };
        let name = server.name.clone();
        until(&format!("{name} starts"), START, || {
            if let Ok(Some(status)) = server.child.try_wait() {
                panic!("{name} ended: {status}");
            }
            match server.get(ready) {
                Ok((200, _)) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
        server
    }

    /// The product, with configuration files.
    pub(crate) fn botwatch(folder: &Path, files: &[&Path], more: &[&str]) -> Self {
        let port = free_port();
        let mut arguments: Vec<OsString> = vec!["run".into()];
        arguments.extend(files.iter().map(|f| f.as_os_str().to_owned()));
        arguments.push(format!("--web.listen-address=127.0.0.1:{port}").into());
        arguments.push(format!("--storage.path={}", folder.join("data").display()).into());
        arguments.extend(more.iter().map(Into::into));
        let program = Path::new(env!("CARGO_BIN_EXE_botwatch"));
        Self::start(program, &arguments, folder, port, "/-/ready")
    }

    pub(crate) fn get(&self, path: &str) -> io::Result<(u16, String)> {
        ask(self.port, "GET", path, "")
    }

    pub(crate) fn post(&self, path: &str, json: &Value) -> io::Result<(u16, String)> {
        ask(self.port, "POST", path, &json.to_string())
    }

    /// The `data` of an answer of Prometheus' API.
    pub(crate) fn data(&self, path: &str) -> Value {
        let (status, body) = self.get(path).expect("an answer");
        assert_eq!(status, 200, "{path} of {}: {body}", self.name);
        let mut answer: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(answer["status"], "success", "{body}");
        answer["data"].take()
    }

    /// What it logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Server {
    #[expect(clippy::print_stderr, reason = "what a failed test shows")]
    fn drop(&mut self) {
        // An error: it ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let end = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
            eprintln!("--- the end of the log of {}:\n{end}", self.name);
        }
    }
}

/// One request. HTTP/1.0, so that the answer ends with the connection.
pub(crate) fn ask(port: u16, method: &str, path: &str, json: &str) -> io::Result<(u16, String)> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    connection.set_read_timeout(Some(ANSWER))?;
    let length = json.len();
    write!(
        connection,
        "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{json}"
    )?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("no answer"))?;
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok());
    Ok((status.ok_or_else(|| io::Error::other("no status"))?, body.to_owned()))
}
