//! A bot whose metrics page is a script: the Express bot's series, with values that a test sets.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use botwatch::runtime::Clock;

use crate::sinks::http::{Answer, HttpSink};

/// How long the bot claims to run.
const AGE: f64 = 600.0;

/// A value over time.
#[derive(Debug, Clone, Copy)]
enum Value {
    Fixed(f64),
    /// Grows by so much a second, since when it had `base`.
    Rate {
        base: f64,
        per_second: f64,
        since: f64,
    },
    /// The present time.
    Now,
}

#[derive(Default)]
struct Page {
    series: BTreeMap<String, Value>,
    down: bool,
}

/// Healthy until told otherwise.
pub(super) struct Bot {
    sink: HttpSink,
    page: Arc<Mutex<Page>>,
    clock: Clock,
}

impl Bot {
    pub(super) fn start() -> Self {
        let clock = Clock::system();
        let page: Arc<Mutex<Page>> = Arc::default();
        let (shown, time) = (Arc::clone(&page), clock.clone());
        let sink = HttpSink::start(move |_| {
            let page = lock(&shown);
            if page.down {
                return Answer::new(503, "");
            }
            Answer::new(200, &page.text(seconds(&time))).with("Content-Type", "text/plain; version=0.0.4")
        });
        let bot = Self { sink, page, clock };
        bot.set("process_start_time_seconds", bot.now() - AGE);
        bot.healthy();
        bot
    }

    pub(super) fn port(&self) -> u16 {
        self.sink.address().port()
    }

    fn now(&self) -> f64 {
        seconds(&self.clock)
    }

    /// Whether its metrics answer.
    pub(super) fn down(&self, down: bool) {
        lock(&self.page).down = down;
    }

    pub(super) fn set(&self, series: &str, value: f64) {
        lock(&self.page).series.insert(series.to_owned(), Value::Fixed(value));
    }

    /// A time that stands still from now on, so many seconds ago.
    pub(super) fn stopped(&self, series: &str, ago: f64) {
        self.set(series, self.now() - ago);
    }

    fn time(&self, series: &str) {
        lock(&self.page).series.insert(series.to_owned(), Value::Now);
    }

    /// A counter goes on from where it is, at another rate.
    pub(super) fn rate(&self, series: &str, per_second: f64) {
        let now = self.now();
        let mut page = lock(&self.page);
        let base = page.series.get(series).map_or(per_second * AGE, |v| v.at(now));
        page.series.insert(series.to_owned(), Value::Rate { base, per_second, since: now });
    }

    /// A counter jumps.
    pub(super) fn add(&self, series: &str, by: f64) {
        let now = self.now();
        let mut page = lock(&self.page);
        let base = page.series.get(series).map_or(0.0, |v| v.at(now)) + by;
        page.series.insert(series.to_owned(), Value::Fixed(base));
    }

    /// A histogram takes `per_second` observations, each as long as the bound `at` among `bounds`.
    pub(super) fn observe(&self, name: &str, labels: &str, bounds: &[&str], at: &str, per_second: f64) {
        let mut reached = false;
        for bound in bounds.iter().chain(&["+Inf"]) {
            reached |= *bound == at;
            let rate = if reached { per_second } else { 0.0 };
            self.rate(&format!("{name}_bucket{{{labels},le=\"{bound}\"}}"), rate);
        }
        self.rate(&format!("{name}_count{{{labels}}}"), per_second);
    }

    /// All is well. Counters keep what they counted.
    pub(super) fn healthy(&self) {
        for (series, value) in GAUGES {
            self.set(series, *value);
        }
        for series in TIMES {
            self.time(series);
        }
        for (series, per_second) in RATES {
            self.rate(series, *per_second);
        }
        self.observe("http_request_duration_seconds", API_OK, BOUNDS, "0.1", 5.0);
        self.observe("http_request_duration_seconds", API_ERROR, BOUNDS, "0.1", 0.0);
        self.observe("db_query_duration_seconds", QUERY, BOUNDS, "0.1", 5.0);
        self.observe("market_data_latency_seconds", "feed=\"market\"", BOUNDS, "0.1", 5.0);
    }

    /// Nearly everything is wrong at once.
    pub(super) fn broken(&self) {
        for (series, value) in BAD_GAUGES {
            self.set(series, *value);
        }
        for (series, ago) in STOPPED {
            self.stopped(series, *ago);
        }
        for (series, by) in JUMPS {
            self.add(series, *by);
        }
        for (series, per_second) in BAD_RATES {
            self.rate(series, *per_second);
        }
        self.observe("http_request_duration_seconds", API_OK, BOUNDS, "10", 3.0);
        self.observe("http_request_duration_seconds", API_ERROR, BOUNDS, "10", 3.0);
        self.observe("db_query_duration_seconds", QUERY, BOUNDS, "5", 5.0);
    }
}

fn lock(page: &Mutex<Page>) -> MutexGuard<'_, Page> {
    page.lock().unwrap_or_else(PoisonError::into_inner)
}

fn seconds(clock: &Clock) -> f64 {
    clock.now().as_secs_f64()
}

impl Value {
    fn at(self, now: f64) -> f64 {
        match self {
            Self::Fixed(value) => value,
            Self::Rate { base, per_second, since } => (base + per_second * (now - since)).floor(),
            Self::Now => now,
        }
    }
}

impl Page {
    fn text(&self, now: f64) -> String {
        let mut text = String::new();
        for (series, value) in &self.series {
            writeln!(text, "{series} {}", value.at(now)).expect("a string takes all");
        }
        text
    }
}

const BOUNDS: &[&str] = &["0.1", "1", "2", "5", "10"];
const API_OK: &str = "method=\"GET\",route=\"/api/price\",status_code=\"200\"";
const API_ERROR: &str = "method=\"GET\",route=\"/api/price\",status_code=\"500\"";
const QUERY: &str = "operation=\"select\"";

const GAUGES: &[(&str, f64)] = &[
    ("process_open_fds", 20.0),
    ("process_max_fds", 1000.0),
    ("nodejs_heap_size_used_bytes", 5e7),
    ("nodejs_heap_size_limit_bytes", 1e9),
    ("nodejs_eventloop_lag_p99_seconds", 0.011),
    ("nodejs_eventloop_lag_max_seconds", 0.02),
    ("db_pool_connections{state=\"used\"}", 1.0),
    ("db_pool_connections{state=\"idle\"}", 3.0),
    ("db_pool_connections_max", 10.0),
    ("db_pool_waiting_requests", 0.0),
    ("websocket_connected{feed=\"market\"}", 1.0),
    ("websocket_connected{feed=\"depth\"}", 1.0),
    ("websocket_connected{feed=\"trades\"}", 1.0),
    ("market_data_best_bid{feed=\"market\",symbol=\"BTC-USD\"}", 100.0),
    ("market_data_best_ask{feed=\"market\",symbol=\"BTC-USD\"}", 101.0),
    ("paper_trading_declared", 1.0),
    ("paper_trading_mode{mode=\"paper\"}", 1.0),
    ("paper_trading_mode{mode=\"live\"}", 0.0),
    ("paper_trading_safety_score", 100.0),
    ("paper_trading_live_api_keys_detected", 0.0),
];

const BAD_GAUGES: &[(&str, f64)] = &[
    ("process_open_fds", 980.0),
    ("nodejs_heap_size_used_bytes", 9.5e8),
    ("nodejs_eventloop_lag_p99_seconds", 0.8),
    ("nodejs_eventloop_lag_max_seconds", 1.5),
    ("db_pool_connections{state=\"used\"}", 10.0),
    ("db_pool_connections{state=\"idle\"}", 0.0),
    ("db_pool_waiting_requests", 7.0),
    ("websocket_connected{feed=\"depth\"}", 0.0),
    ("market_data_best_bid{feed=\"market\",symbol=\"BTC-USD\"}", 102.0),
    ("paper_trading_mode{mode=\"paper\"}", 0.0),
    ("paper_trading_mode{mode=\"live\"}", 1.0),
    ("paper_trading_safety_score", 40.0),
    ("paper_trading_live_api_keys_detected", 2.0),
];

const TIMES: &[&str] = &[
    "bot_last_tick_timestamp_seconds",
    "paper_trading_last_check_timestamp_seconds",
    "websocket_last_message_timestamp_seconds{feed=\"market\"}",
    "websocket_last_message_timestamp_seconds{feed=\"depth\"}",
    "websocket_last_message_timestamp_seconds{feed=\"trades\"}",
    "market_data_last_update_timestamp_seconds{feed=\"market\",symbol=\"BTC-USD\"}",
    "market_data_last_update_timestamp_seconds{feed=\"market\",symbol=\"ETH-USD\"}",
    "market_data_last_change_timestamp_seconds{feed=\"market\",symbol=\"BTC-USD\"}",
    "market_data_last_change_timestamp_seconds{feed=\"market\",symbol=\"ETH-USD\"}",
];

/// Seconds ago, when they stop.
const STOPPED: &[(&str, f64)] = &[
    ("bot_last_tick_timestamp_seconds", 100.0),
    ("paper_trading_last_check_timestamp_seconds", 300.0),
    ("websocket_last_message_timestamp_seconds{feed=\"trades\"}", 60.0),
    ("market_data_last_update_timestamp_seconds{feed=\"market\",symbol=\"BTC-USD\"}", 60.0),
    ("market_data_last_change_timestamp_seconds{feed=\"market\",symbol=\"ETH-USD\"}", 100.0),
];

const RATES: &[(&str, f64)] = &[
    ("bot_loop_ticks_total", 1.0),
    ("bot_strategy_errors_total", 0.0),
    ("auth_login_attempts_total{outcome=\"success\"}", 1.0),
    ("auth_login_attempts_total{outcome=\"failure\"}", 0.0),
    ("db_query_errors_total{operation=\"select\"}", 0.0),
    ("trading_orders_total{mode=\"paper\",side=\"buy\",status=\"filled\"}", 1.0),
    ("trading_orders_total{mode=\"paper\",side=\"buy\",status=\"rejected\"}", 0.0),
    ("websocket_messages_total{feed=\"market\"}", 5.0),
    ("websocket_messages_total{feed=\"depth\"}", 5.0),
    ("websocket_messages_total{feed=\"trades\"}", 5.0),
    ("websocket_reconnects_total{feed=\"market\"}", 0.0),
    ("market_data_updates_total{feed=\"market\",symbol=\"BTC-USD\"}", 5.0),
    ("market_data_updates_total{feed=\"market\",symbol=\"ETH-USD\"}", 5.0),
    ("market_data_price_changes_total{feed=\"market\",symbol=\"BTC-USD\"}", 5.0),
    ("market_data_price_changes_total{feed=\"market\",symbol=\"ETH-USD\"}", 5.0),
    ("market_data_sequence_gaps_total{feed=\"market\",symbol=\"BTC-USD\"}", 0.0),
    ("paper_trading_real_order_attempts_total{outcome=\"sent\"}", 0.0),
    ("paper_trading_real_order_attempts_total{outcome=\"blocked\"}", 0.0),
    ("paper_trading_violations_total{type=\"environment\"}", 0.0),
];

const BAD_RATES: &[(&str, f64)] = &[
    ("auth_login_attempts_total{outcome=\"failure\"}", 4.0),
    ("db_query_errors_total{operation=\"select\"}", 4.0),
    ("market_data_sequence_gaps_total{feed=\"market\",symbol=\"BTC-USD\"}", 1.0),
    ("trading_orders_total{mode=\"paper\",side=\"buy\",status=\"filled\"}", 0.0),
    ("trading_orders_total{mode=\"paper\",side=\"buy\",status=\"rejected\"}", 10.0),
];

const JUMPS: &[(&str, f64)] = &[
    ("bot_strategy_errors_total", 8.0),
    ("websocket_reconnects_total{feed=\"market\"}", 10.0),
    ("paper_trading_real_order_attempts_total{outcome=\"sent\"}", 2.0),
    ("paper_trading_real_order_attempts_total{outcome=\"blocked\"}", 1.0),
    ("paper_trading_violations_total{type=\"environment\"}", 1.0),
];

/// The alerts of a broken bot that end when it is healthy again.
pub(super) const STATES: &[&str] = &[
    "BookCrossed",
    "BotAliveButStuck",
    "DatabasePoolExhausted",
    "EventLoopBlocked",
    "EventLoopLagHigh",
    "FeedSilent",
    "FileDescriptorsHigh",
    "LiveCredentialsInPaper",
    "MarketDataStale",
    "MemoryUsageHigh",
    "PaperBotStatesLive",
    "PaperSafetyNotEvaluated",
    "PaperSafetyScoreLow",
    "PriceFrozen",
    "WebSocketDisconnected",
];

/// Those that last as long as the range in which they count.
pub(super) const EVENTS: &[&str] = &[
    "ApiErrorRateHigh",
    "ApiResponseSlow",
    "DatabaseErrorRateHigh",
    "DatabaseQuerySlow",
    "FailedAuthenticationsHigh",
    "OrderRejectStorm",
    "PaperOrderAttemptRefused",
    "PaperOrderReachedLiveVenue",
    "PaperTradingViolation",
    "ReconnectStorm",
    "SequenceGap",
    "SequenceGapStorm",
    "StrategyErrors",
];
