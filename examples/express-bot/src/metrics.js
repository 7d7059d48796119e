// Every series that the bot exports beyond prom-client's default ones.
// Counters that an alert watches get their labels at start: the first event must be a step from 0 to 1,
// or `increase()` misses it.

import { getHeapStatistics } from 'node:v8';
import client from 'prom-client';

export const register = new client.Registry();

client.collectDefaultMetrics({ register });

const seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 4, 5, 10];

function gauge(name, help, labelNames = [], collect = undefined) {
  return new client.Gauge({ name, help, labelNames, collect, registers: [register] });
}

function counter(name, help, labelNames = []) {
  return new client.Counter({ name, help, labelNames, registers: [register] });
}

function histogram(name, help, labelNames = [], buckets = seconds) {
  return new client.Histogram({ name, help, labelNames, buckets, registers: [register] });
}

// The limit that V8 dies at, not the size that the heap happens to have.
gauge('nodejs_heap_size_limit_bytes', 'Most that the heap may grow to, in bytes.', [], function collect() {
  this.set(getHeapStatistics().heap_size_limit);
});

export const http = {
  duration: histogram(
    'http_request_duration_seconds',
    'Time to answer a request.',
    ['method', 'route', 'status_code'],
  ),
  inFlight: gauge('http_requests_in_flight', 'Requests that are being answered.'),
  logins: counter('auth_login_attempts_total', 'Log-in attempts.', ['outcome']),
};

export const socket = {
  connected: gauge('websocket_connected', '1 while the feed is connected.', ['feed']),
  reconnects: counter('websocket_reconnects_total', 'Connections made after the first.', ['feed']),
  messages: counter('websocket_messages_total', 'Messages received.', ['feed']),
  lastMessage: gauge(
    'websocket_last_message_timestamp_seconds',
    'When the last message came.',
    ['feed'],
  ),
};

export const market = {
  price: gauge('market_data_price', 'Last price.', ['feed', 'symbol']),
  bid: gauge('market_data_best_bid', 'Best bid.', ['feed', 'symbol']),
  ask: gauge('market_data_best_ask', 'Best ask.', ['feed', 'symbol']),
  updates: counter('market_data_updates_total', 'Updates received.', ['feed', 'symbol']),
  changes: counter('market_data_price_changes_total', 'Updates that moved the price.', ['feed', 'symbol']),
  gaps: counter('market_data_sequence_gaps_total', 'Updates that were skipped.', ['feed', 'symbol']),
  lastUpdate: gauge(
    'market_data_last_update_timestamp_seconds',
    'When the last update came.',
    ['feed', 'symbol'],
  ),
  lastChange: gauge(
    'market_data_last_change_timestamp_seconds',
    'When the price last moved.',
    ['feed', 'symbol'],
  ),
  latency: histogram(
    'market_data_latency_seconds',
    'From the timestamp of the venue to the receipt.',
    ['feed'],
    [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5],
  ),
};

export const loop = {
  ticks: counter('bot_loop_ticks_total', 'Rounds of the strategy loop.'),
  lastTick: gauge('bot_last_tick_timestamp_seconds', 'When the strategy loop last ended a round.'),
  duration: histogram('bot_loop_duration_seconds', 'Time of one round.'),
  errors: counter('bot_strategy_errors_total', 'Rounds that ended with an error.'),
  orders: counter('trading_orders_total', 'Orders by outcome.', ['mode', 'side', 'status']),
  equity: gauge('trading_equity', 'Value of the account in the quote currency.'),
};

export const database = {
  duration: histogram('db_query_duration_seconds', 'Time of a query, waiting for a connection included.', [
    'operation',
  ]),
  errors: counter('db_query_errors_total', 'Queries that failed.', ['operation']),
  connections: gauge('db_pool_connections', 'Connections of the pool.', ['state']),
  max: gauge('db_pool_connections_max', 'Most connections that the pool opens.'),
  waiting: gauge('db_pool_waiting_requests', 'Queries that wait for a connection.'),
};

export const safety = {
  declared: gauge('paper_trading_declared', '1 when the operator declared paper trading.'),
  mode: gauge('paper_trading_mode', '1 for the mode that the bot is in.', ['mode']),
  score: gauge('paper_trading_safety_score', 'From 0 (trades for real) to 100 (safe).'),
  lastCheck: gauge('paper_trading_last_check_timestamp_seconds', 'When the score was last computed.'),
  violations: counter('paper_trading_violations_total', 'Safety violations, orders apart.', ['type']),
  attempts: counter('paper_trading_real_order_attempts_total', 'Orders for a live venue.', ['outcome']),
  keys: gauge('paper_trading_live_api_keys_detected', 'Live keys found in the environment.'),
};

for (const outcome of ['success', 'failure']) http.logins.inc({ outcome }, 0);
for (const operation of ['insert', 'select']) database.errors.inc({ operation }, 0);
for (const side of ['buy', 'sell']) {
  for (const status of ['filled', 'rejected']) loop.orders.inc({ mode: 'paper', side, status }, 0);
}
for (const type of ['environment', 'live_endpoint']) safety.violations.inc({ type }, 0);
for (const outcome of ['blocked', 'sent']) safety.attempts.inc({ outcome }, 0);

export const now = () => Date.now() / 1000;
