//! What the tests stand on: bots that answer as told, and a collector that scrapes them.

use std::{convert::Infallible, path::Path, sync::Arc, time::Duration as StdDuration};

use botwatch_core::{
    exposition::DEFAULT_PROTOCOLS,
    model::{Duration, Labels, Matcher, Timestamp, is_stale},
    promql::{Queryable, SelectHints},
    tsdb::{self, Visibility},
};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
};

use crate::{
    collect::{
        Collector, Health, JobOptions, Options, Params, Scheme, TargetGroup, TargetView, scrape::Read,
    },
    net::HttpOptions,
    runtime::{Clock, Tasks},
    samples::Store,
};

/// How long a test waits for something that has to happen.
pub(super) const PATIENCE: StdDuration = StdDuration::from_mins(1);

/// A job with Prometheus' defaults, every 30 s. The timeout is in real time, and long.
pub(in crate::collect) fn job(name: &str) -> JobOptions {
    JobOptions {
        name: name.into(),
        interval: Duration::from_secs(30),
        timeout: Duration::from_secs(20),
        protocols: DEFAULT_PROTOCOLS.to_vec(),
        fallback_protocol: None,
        metrics_path: "/metrics".into(),
        scheme: Scheme::Http,
        params: Params::default(),
        honor_labels: false,
        honor_timestamps: true,
        track_timestamps_staleness: false,
        body_size_limit: 0,
        sample_limit: 0,
        label_limit: 0,
        label_name_length_limit: 0,
        label_value_length_limit: 0,
        target_limit: 0,
        keep_dropped_targets: 0,
        enable_compression: true,
        extra_scrape_metrics: false,
        relabel: Vec::new(),
        metric_relabel: Vec::new(),
        http: HttpOptions::default(),
        static_targets: Vec::new(),
        files: Vec::new(),
    }
}

/// A job with these targets.
pub(super) fn job_of(name: &str, targets: &[&str]) -> JobOptions {
    let targets = targets.iter().map(|t| Arc::from(*t)).collect();
    JobOptions { static_targets: vec![TargetGroup { targets, labels: Labels::empty() }], ..job(name) }
}

pub(super) fn options(jobs: Vec<JobOptions>) -> Options {
    Options { jobs, ..Options::default() }
}

/// What a bot answers.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
    /// Never answers.
    pub(super) stalls: bool,
}

impl Answer {
    pub(super) fn text(body: &str) -> Self {
        Self::typed("text/plain; version=0.0.4", body.as_bytes())
    }

    pub(super) fn typed(content_type: &str, body: &[u8]) -> Self {
        let headers = vec![("content-type", content_type.to_owned())];
        Self { status: 200, headers, body: body.to_vec(), stalls: false }
    }

    pub(super) fn with(mut self, header: &'static str, value: &str) -> Self {
        self.headers.push((header, value.to_owned()));
        self
    }
}

/// A bot's HTTP server.
#[derive(Clone)]
pub(super) struct Bot {
    pub(super) address: String,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    answer: Answer,
    asked: Vec<(String, HeaderMap)>,
}

impl Bot {
    pub(super) fn answer(&self, answer: Answer) {
        self.shared.lock().answer = answer;
    }

    /// URLs and headers of all requests.
    pub(super) fn asked(&self) -> Vec<(String, HeaderMap)> {
        self.shared.lock().asked.clone()
    }

    fn new(address: String, body: &str) -> Self {
        let shared = Shared { answer: Answer::text(body), asked: Vec::new() };
        Self { address, shared: Arc::new(Mutex::new(shared)) }
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let respond = |request: Request<Incoming>| {
            let bot = self.clone();
            async move {
                let answer = {
                    let mut shared = bot.shared.lock();
                    shared.asked.push((request.uri().to_string(), request.headers().clone()));
                    shared.answer.clone()
                };
                if answer.stalls {
                    std::future::pending::<()>().await;
                }
                let mut response = Response::builder().status(answer.status);
                for (name, value) in answer.headers {
                    response = response.header(name, value);
                }
                Ok::<_, Infallible>(response.body(Full::new(Bytes::from(answer.body))).expect("a response"))
            }
        };
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(respond));
        // The scraper may go away in the middle.
        let _ = connection.await;
    }
}

/// A collector and what it commits to.
pub(super) struct World {
    pub(super) tasks: Tasks,
    pub(super) clock: Clock,
    pub(super) store: Store,
    pub(super) registry: prometheus::Registry,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(tsdb::Options::default())
    }

    pub(super) fn with(options: tsdb::Options) -> Self {
        Self {
            tasks: Tasks::new().0,
            clock: Clock::manual(Timestamp::from_secs(1_800_000_000)),
            store: Store::new(options),
            registry: prometheus::Registry::new(),
        }
    }

    pub(super) fn start(&self, jobs: Vec<JobOptions>) -> Collector {
        Collector::start(&self.tasks, &self.clock, &self.store, options(jobs), &self.registry)
    }

    /// With what makes samples of answers.
    pub(super) fn reading(&self, read: Read, jobs: Vec<JobOptions>) -> Collector {
        Collector::reading(read, &self.tasks, &self.clock, &self.store, options(jobs), &self.registry)
    }

    /// A bot on the loopback.
    pub(super) async fn bot(&self, body: &str) -> Bot {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let bot = Bot::new(listener.local_addr().expect("an address").to_string(), body);
        let (tasks, served) = (self.tasks.clone(), bot.clone());
        self.tasks.spawn("bot", async move {
            while let Ok((stream, _)) = listener.accept().await {
                tasks.spawn("connection", served.clone().serve(stream));
            }
        });
        bot
    }

    /// A bot behind TLS.
    pub(super) async fn tls_bot(&self, body: &str, acceptor: tokio_rustls::TlsAcceptor) -> Bot {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let bot = Bot::new(listener.local_addr().expect("an address").to_string(), body);
        let (tasks, served) = (self.tasks.clone(), bot.clone());
        self.tasks.spawn("bot", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, served) = (acceptor.clone(), served.clone());
                tasks.spawn("connection", async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        served.serve(stream).await;
                    }
                });
            }
        });
        bot
    }

    /// A bot on a Unix socket.
    pub(super) fn unix_bot(&self, path: &Path, body: &str) -> Bot {
        let listener = UnixListener::bind(path).expect("a socket");
        let bot = Bot::new(format!("unix:{}", path.display()), body);
        let (tasks, served) = (self.tasks.clone(), bot.clone());
        self.tasks.spawn("bot", async move {
            while let Ok((stream, _)) = listener.accept().await {
                tasks.spawn("connection", served.clone().serve(stream));
            }
        });
        bot
    }

    /// Samples of all series of a metric, by its labels.
    pub(super) fn series(&self, metric: &str) -> Vec<(Labels, Vec<f64>)> {
        let all = self.store.select(
            &[Matcher::equal("__name__", metric)],
            Timestamp::MIN,
            Timestamp::MAX,
            SelectHints::default(),
        );
        let mut all: Vec<_> = all.expect("a selection").into_iter().map(|s| (s.labels, s.v)).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// The newest value of a metric's only series, `None` when there is none or it ended.
    pub(super) fn value(&self, metric: &str) -> Option<f64> {
        let all = self.series(metric);
        assert!(all.len() < 2, "{metric} has several series");
        all.first().and_then(|(_, v)| v.last().copied()).filter(|v| !is_stale(*v))
    }

    /// Whether a metric's only series has ended.
    pub(super) fn ended(&self, metric: &str) -> bool {
        let all = self.series(metric);
        all.len() == 1 && all[0].1.last().is_some_and(|v| is_stale(*v))
    }

    pub(super) fn visibility(&self, target: &TargetView) -> Visibility {
        self.store.visibility(self.store.source(&target.source)).visibility
    }

    /// Waits until all targets were scraped, the first time.
    pub(super) async fn tried(&self, collector: &Collector) -> Vec<TargetView> {
        until(|| collector.targets().iter().all(|t| t.health != Health::Unknown)).await;
        collector.targets()
    }

    /// Moves the clock until each target was scraped once more.
    pub(super) async fn round(&self, collector: &Collector) -> Vec<TargetView> {
        let before: Vec<_> = collector.targets().into_iter().map(|t| t.last_scrape).collect();
        let scraped = || {
            let now: Vec<_> = collector.targets().into_iter().map(|t| t.last_scrape).collect();
            now.len() == before.len() && now.iter().zip(&before).all(|(now, before)| now > before)
        };
        until(|| {
            let done = scraped();
            if !done {
                self.clock.set(self.clock.now() + Duration::from_secs(3));
            }
            done
        })
        .await;
        collector.targets()
    }

    /// The value of one of our own metrics; of its first child, when it has labels.
    pub(super) fn own(&self, name: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|f| f.name() == name).unwrap_or_else(|| panic!("no {name}"));
        let metric = &family.get_metric()[0];
        metric.get_counter().get_value() + metric.get_gauge().get_value()
    }
}

/// Polls until something holds.
pub(super) async fn until(mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(StdDuration::from_millis(3)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it happens in time");
}
