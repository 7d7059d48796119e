//! An HTTP/1.1 server on a free port of the loopback. One thread a connection, no runtime: it works in any test.

use std::{
    collections::VecDeque,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{Builder, JoinHandle},
    time::Duration,
};

/// Longest body taken; a test that sends more has a bug.
const BODY_MAX: usize = 16 * 1024 * 1024;
/// Longest line of a request's head.
const LINE_MAX: u64 = 64 * 1024;

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// `POST`, …
    pub(crate) method: String,
    /// Path with query.
    pub(crate) path: String,
    /// Headers in order, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// Body.
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The first header of a name, given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; fails the test when it is none.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("no JSON ({e}): {}", self.text()))
    }
}

/// What a sink does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Answers.
    Reply {
        /// HTTP status.
        status: u16,
        /// Headers beside the length.
        headers: Vec<(String, String)>,
        /// Body.
        body: String,
    },
    /// Says nothing until the sink is dropped.
    Hang,
    /// Takes the request and closes the connection without an answer: the answer is lost.
    Close,
}

impl Answer {
    /// An answer without headers.
    pub(crate) fn new(status: u16, body: &str) -> Self {
        Self::Reply { status, headers: Vec::new(), body: body.to_owned() }
    }

    /// 200 and a JSON body.
    pub(crate) fn json(body: &serde_json::Value) -> Self {
        Self::new(200, &body.to_string()).with("Content-Type", "application/json")
    }

    /// With one more header.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        if let Self::Reply { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

type Script = Box<dyn FnMut(&Request) -> Answer + Send>;

/// The server. Stops, and closes its connections, when dropped.
pub(crate) struct HttpSink {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    requests: Vec<Request>,
    next: VecDeque<Answer>,
    script: Script,
    /// For closing them; ended ones stay, a test has few.
    connections: Vec<TcpStream>,
    stopped: bool,
}

impl HttpSink {
    /// Answers every request as `script` says, in the order in which they come.
    pub(crate) fn start(script: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), script)
    }

    /// Answers every request with 200.
    pub(crate) fn accepting() -> Self {
        Self::start(|_| Answer::new(200, ""))
    }

    /// At a given address: where an earlier sink was, to come back after an outage.
    pub(crate) fn start_at(
        address: SocketAddr,
        script: impl FnMut(&Request) -> Answer + Send + 'static,
    ) -> Self {
        Self::start_on(TcpListener::bind(address).expect("a port"), script)
    }

    /// On a port that was kept for it.
    pub(crate) fn start_on(
        listener: TcpListener,
        script: impl FnMut(&Request) -> Answer + Send + 'static,
    ) -> Self {
        let address = listener.local_addr().expect("an address");
        let state = State {
            requests: Vec::new(),
            next: VecDeque::new(),
            script: Box::new(script),
            connections: Vec::new(),
            stopped: false,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let serving = Arc::clone(&shared);
        let accepting = Builder::new().name("sink".to_owned()).spawn(move || serving.accept(&listener));
        Self { address, shared, accepting: Some(accepting.expect("a thread")) }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL with a path, which begins with a slash.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Answers the next requests so, one each, before the script is asked again.
    pub(crate) fn next(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.lock().next.extend(answers);
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.shared.lock().connections.len()
    }

    /// What came so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }

    /// Waits until `count` requests have come; fails the test when that takes longer than `within`.
    pub(crate) fn wait_for(&self, count: usize, within: Duration) -> Vec<Request> {
        let state = self.shared.lock();
        let waited = self.shared.changed.wait_timeout_while(state, within, |s| s.requests.len() < count);
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(
            !timeout.timed_out(),
            "{} of {count} requests came: {:?}",
            state.requests.len(),
            state.requests
        );
        state.requests.clone()
    }
}

impl Drop for HttpSink {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.stopped = true;
        for connection in state.connections.drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
        drop(state);
        self.shared.changed.notify_all();
        // Wakes `accept`.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: Arc<Self>, listener: &TcpListener) {
        for connection in listener.incoming() {
            let Ok(connection) = connection else { continue };
            let Ok(handle) = connection.try_clone() else { continue };
            {
                let mut state = self.lock();
                if state.stopped {
                    return;
                }
                state.connections.push(handle);
            }
            let serving = Arc::clone(&self);
            // An error is the peer's end of the connection.
            let serve = move || drop(serving.serve(connection));
            Builder::new().name("sink-peer".to_owned()).spawn(serve).expect("a thread");
        }
    }

    fn serve(&self, mut connection: TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(connection.try_clone()?);
        while let Some(request) = read(&mut reader, &mut connection)? {
            let answer = {
                let mut state = self.lock();
                let answer = match state.next.pop_front() {
                    Some(answer) => answer,
                    None => (state.script)(&request),
                };
                state.requests.push(request);
                answer
            };
            self.changed.notify_all();
            match answer {
                Answer::Reply { status, headers, body } => {
                    let mut text =
                        format!("HTTP/1.1 {status} Scripted\r\nContent-Length: {}\r\n", body.len());
                    for (name, value) in headers {
                        text += &format!("{name}: {value}\r\n");
                    }
                    connection.write_all((text + "\r\n" + &body).as_bytes())?;
                }
                Answer::Hang => {
                    let state = self.lock();
                    drop(self.changed.wait_while(state, |s| !s.stopped));
                    return Ok(());
                }
                Answer::Close => return connection.shutdown(Shutdown::Both),
            }
        }
        Ok(())
    }
}

/// The next request of a connection; `None` at its end.
fn read(reader: &mut BufReader<TcpStream>, connection: &mut TcpStream) -> io::Result<Option<Request>> {
    let first = line(reader)?;
    let mut words = first.split(' ');
    let (Some(method), Some(path)) = (words.next().filter(|m| !m.is_empty()), words.next()) else {
        return Ok(None);
    };
    let mut request =
        Request { method: method.to_owned(), path: path.to_owned(), headers: Vec::new(), body: Vec::new() };
    loop {
        let header = line(reader)?;
        let Some((name, value)) = header.split_once(':') else { break };
        request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    if request.header("expect").is_some() {
        connection.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    if request.header("transfer-encoding").is_some() {
        loop {
            let size = usize::from_str_radix(line(reader)?.trim(), 16).map_err(io::Error::other)?;
            body(reader, size, &mut request.body)?;
            line(reader)?;
            if size == 0 {
                return Ok(Some(request));
            }
        }
    }
    let size = request.header("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
    body(reader, size, &mut request.body)?;
    Ok(Some(request))
}

fn body(reader: &mut BufReader<TcpStream>, size: usize, into: &mut Vec<u8>) -> io::Result<()> {
    let from = into.len();
    if size > BODY_MAX - from.min(BODY_MAX) {
        return Err(io::Error::other("body too long"));
    }
    into.resize(from + size, 0);
    reader.read_exact(&mut into[from..])
}

fn line(reader: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut text = String::new();
    reader.by_ref().take(LINE_MAX).read_line(&mut text)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
