//! The simulated bot: a page of metrics under the names of `examples/express-bot`, computed from the clock.
//!
//! Counters grow by their rates, so that a page is a function of the time alone and never goes backwards. Healthy
//! values raise no alert of the shipped rules (a test runs them for an hour).

use std::{fmt::Write as _, sync::Arc};

use botwatch_core::{exposition::format_float, model::Timestamp};
use bytes::Bytes;
use http::{Method, StatusCode, request};

use super::{
    http::{Answer, answer},
    script::Script,
};
use crate::runtime::Clock;

const FEED: &str = "demo-exchange";
/// With price, and how far it swings.
const SYMBOLS: [(&str, f64, f64); 2] = [("BTC-USDT", 64_000.0, 180.0), ("ETH-USDT", 3_100.0, 14.0)];
const HEAP_LIMIT: f64 = 512.0 * 1024.0 * 1024.0;
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Buckets in seconds with the share of observations that fall into them.
const FAST: &[(&str, f64)] = &[
    ("0.005", 0.42),
    ("0.01", 0.71),
    ("0.025", 0.9),
    ("0.05", 0.97),
    ("0.1", 0.992),
    ("0.25", 1.0),
    ("1", 1.0),
];
/// From the venue to us.
const NETWORK: &[(&str, f64)] =
    &[("0.01", 0.1), ("0.05", 0.83), ("0.1", 0.96), ("0.25", 0.998), ("0.5", 1.0), ("2", 1.0)];

/// What the bot answers.
pub(super) fn respond(clock: &Clock, script: &Script, asked: &request::Parts) -> Answer {
    match (&asked.method, asked.uri.path()) {
        (&Method::GET, "/metrics") => answer(StatusCode::OK, CONTENT_TYPE, page(script, clock.now())),
        (&Method::POST, "/leak") if script.leak(clock.now()) => plain(StatusCode::OK, "leaking\n"),
        (&Method::POST, "/leak") => plain(StatusCode::CONFLICT, "still busy with the last leak\n"),
        (&Method::GET, "/") => plain(StatusCode::OK, "A simulated bot: GET /metrics, POST /leak\n"),
        _ => plain(StatusCode::NOT_FOUND, "GET /metrics, POST /leak\n"),
    }
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    answer(status, "text/plain; charset=utf-8", Bytes::from_static(text.as_bytes()))
}

/// The bot and its clock, as a handler.
pub(super) fn handler(clock: Clock, script: Arc<Script>) -> super::http::Handler {
    Arc::new(move |asked, _| respond(&clock, &script, asked))
}

/// The page at a time.
pub(super) fn page(script: &Script, now: Timestamp) -> String {
    let mut page =
        Page { text: String::with_capacity(16 << 10), lived: now.since(script.started).as_secs_f64() };
    let (at, started) = (now.as_secs_f64(), script.started.as_secs_f64());
    page.process(script, now, started);
    page.api();
    page.market(at);
    page.trading(at);
    page.safety(at);
    page.text
}

struct Page {
    text: String,
    /// Seconds since the bot's start.
    lived: f64,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: f64) {
        let value = format_float(value);
        let _ = match labels {
            "" => writeln!(self.text, "{name} {value}"),
            labels => writeln!(self.text, "{name}{{{labels}}} {value}"),
        };
    }

    fn gauge(&mut self, name: &str, help: &str, samples: &[(&str, f64)]) {
        self.family(name, "gauge", help);
        for (labels, value) in samples {
            self.sample(name, labels, *value);
        }
    }

    /// Counters that grow by so much a second.
    fn counter(&mut self, name: &str, help: &str, rates: &[(&str, f64)]) {
        self.family(name, "counter", help);
        for (labels, rate) in rates {
            self.sample(name, labels, (self.lived * rate).floor());
        }
    }

    /// Observations at a rate, spread over buckets.
    fn histogram(&mut self, name: &str, help: &str, buckets: &[(&str, f64)], rates: &[(&str, f64)]) {
        self.family(name, "histogram", help);
        let mean: f64 = buckets
            .windows(2)
            .map(|two| (two[1].1 - two[0].1) * two[1].0.parse::<f64>().unwrap_or_default() * 0.7)
            .sum();
        for (labels, rate) in rates {
            let count = (self.lived * rate).floor();
            for (le, share) in buckets {
                self.sample(
                    &format!("{name}_bucket"),
                    &format!("{labels},le=\"{le}\""),
                    (count * share).floor(),
                );
            }
            self.sample(&format!("{name}_bucket"), &format!("{labels},le=\"+Inf\""), count);
            self.sample(&format!("{name}_sum"), labels, count * mean);
            self.sample(&format!("{name}_count"), labels, count);
        }
    }

    fn process(&mut self, script: &Script, now: Timestamp, started: f64) {
        let (heap, pressure) = (script.heap(now) * HEAP_LIMIT, script.pressure(now));
        let wobble = (self.lived * 1.3).sin();
        self.gauge("process_start_time_seconds", "When the process was started.", &[("", started)]);
        self.counter("process_cpu_seconds_total", "CPU time.", &[("", 0.07)]);
        self.gauge("process_resident_memory_bytes", "Resident memory.", &[("", (heap + 9.0e7).floor())]);
        self.gauge("process_open_fds", "Open file descriptors.", &[("", (43.0 + 3.0 * wobble).floor())]);
        self.gauge("process_max_fds", "Most open file descriptors.", &[("", 65_536.0)]);
        self.gauge("nodejs_heap_size_used_bytes", "Heap in use.", &[("", heap.floor())]);
        self.gauge("nodejs_heap_size_total_bytes", "Heap.", &[("", (heap * 1.06).min(HEAP_LIMIT).floor())]);
        self.gauge("nodejs_heap_size_limit_bytes", "Most that the heap may grow to.", &[("", HEAP_LIMIT)]);
        let lag = 0.011 + 0.002 * wobble + 0.06 * pressure;
        self.gauge(
            "nodejs_eventloop_lag_p99_seconds",
            "99th percentile of the event loop's lag.",
            &[("", lag)],
        );
        self.gauge("nodejs_eventloop_lag_max_seconds", "Longest lag of the event loop.", &[("", lag * 3.1)]);
    }

    fn api(&mut self) {
        let route = |r: &str| format!("method=\"GET\",route=\"{r}\",status_code=\"200\"");
        let (orders, positions) = (route("/api/orders"), route("/api/positions"));
        let help = "Time to answer a request.";
        self.histogram("http_request_duration_seconds", help, FAST, &[(&orders, 2.1), (&positions, 1.3)]);
        self.gauge("http_requests_in_flight", "Requests that are being answered.", &[("", 1.0)]);
        let logins = [("outcome=\"success\"", 0.03), ("outcome=\"failure\"", 0.0)];
        self.counter("auth_login_attempts_total", "Log-in attempts.", &logins);
        let queries = [("operation=\"insert\"", 0.6), ("operation=\"select\"", 2.4)];
        self.histogram("db_query_duration_seconds", "Time of a query.", FAST, &queries);
        let errors = [("operation=\"insert\"", 0.0), ("operation=\"select\"", 0.0)];
        self.counter("db_query_errors_total", "Queries that failed.", &errors);
        let pool = [("state=\"used\"", 2.0), ("state=\"idle\"", 8.0)];
        self.gauge("db_pool_connections", "Connections of the pool.", &pool);
        self.gauge("db_pool_connections_max", "Most connections of the pool.", &[("", 10.0)]);
        self.gauge("db_pool_waiting_requests", "Queries that wait for a connection.", &[("", 0.0)]);
    }

    fn market(&mut self, at: f64) {
        let feed = format!("feed=\"{FEED}\"");
        let of: Vec<String> = SYMBOLS.iter().map(|(s, ..)| format!("{feed},symbol=\"{s}\"")).collect();
        let prices: Vec<f64> = SYMBOLS
            .iter()
            .map(|(_, price, swing)| {
                price + swing * ((self.lived / 97.0).sin() + 0.3 * (self.lived / 11.0).sin())
            })
            .collect();
        let each = |value: &dyn Fn(usize) -> f64| -> Vec<(&str, f64)> {
            of.iter().enumerate().map(|(i, labels)| (&**labels, value(i))).collect()
        };
        self.gauge("websocket_connected", "1 while the feed is connected.", &[(&feed, 1.0)]);
        self.counter("websocket_reconnects_total", "Connections after the first.", &[(&feed, 0.0)]);
        self.counter("websocket_messages_total", "Messages received.", &[(&feed, 8.0)]);
        let last = "websocket_last_message_timestamp_seconds";
        self.gauge(last, "When the last message came.", &[(&feed, tick(at, 0.125))]);
        self.gauge("market_data_price", "Last price.", &each(&|i| prices[i]));
        self.gauge("market_data_best_bid", "Best bid.", &each(&|i| prices[i] * 0.9999));
        self.gauge("market_data_best_ask", "Best ask.", &each(&|i| prices[i] * 1.0001));
        self.counter("market_data_updates_total", "Updates received.", &each(&|_| 4.0));
        self.counter("market_data_price_changes_total", "Updates that moved the price.", &each(&|_| 2.0));
        self.counter("market_data_sequence_gaps_total", "Updates that were skipped.", &each(&|_| 0.0));
        let (update, change) =
            ("market_data_last_update_timestamp_seconds", "market_data_last_change_timestamp_seconds");
        self.gauge(update, "When the last update came.", &each(&|_| tick(at, 0.25)));
        self.gauge(change, "When the price last moved.", &each(&|_| tick(at, 0.5)));
        let help = "From the venue's timestamp to the receipt.";
        self.histogram("market_data_latency_seconds", help, NETWORK, &[(&feed, 8.0)]);
    }

    fn trading(&mut self, at: f64) {
        self.counter("bot_loop_ticks_total", "Rounds of the strategy loop.", &[("", 1.0)]);
        self.gauge("bot_last_tick_timestamp_seconds", "When the last round ended.", &[("", tick(at, 1.0))]);
        self.counter("bot_strategy_errors_total", "Rounds that ended with an error.", &[("", 0.0)]);
        let orders = [
            ("mode=\"paper\",side=\"buy\",status=\"filled\"", 0.05),
            ("mode=\"paper\",side=\"buy\",status=\"rejected\"", 0.0),
            ("mode=\"paper\",side=\"sell\",status=\"filled\"", 0.05),
            ("mode=\"paper\",side=\"sell\",status=\"rejected\"", 0.0),
        ];
        self.counter("trading_orders_total", "Orders by outcome.", &orders);
        let equity = 100_000.0 + 210.0 * (self.lived / 300.0).sin();
        self.gauge("trading_equity", "Value of the account in the quote currency.", &[("", equity)]);
    }

    fn safety(&mut self, at: f64) {
        self.gauge("paper_trading_declared", "1 when paper trading was declared.", &[("", 1.0)]);
        let mode = [("mode=\"paper\"", 1.0), ("mode=\"live\"", 0.0)];
        self.gauge("paper_trading_mode", "1 for the mode that the bot is in.", &mode);
        self.gauge("paper_trading_safety_score", "From 0 (trades for real) to 100.", &[("", 100.0)]);
        let checked = [("", tick(at, 10.0))];
        self.gauge("paper_trading_last_check_timestamp_seconds", "When the score was computed.", &checked);
        let violations = [("type=\"environment\"", 0.0), ("type=\"live_endpoint\"", 0.0)];
        self.counter("paper_trading_violations_total", "Safety violations.", &violations);
        let attempts = [("outcome=\"blocked\"", 0.0), ("outcome=\"sent\"", 0.0)];
        self.counter("paper_trading_real_order_attempts_total", "Orders for a live venue.", &attempts);
        self.gauge("paper_trading_live_api_keys_detected", "Live keys found.", &[("", 0.0)]);
    }
}

/// When something that happens every so many seconds last happened.
fn tick(at: f64, every: f64) -> f64 {
    (at / every).floor() * every
}
