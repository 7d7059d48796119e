// Starts the bot as its own process, turns each switch, and waits for the metric that must move.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../src/main.js', import.meta.url));
const DEADLINE_MS = 15_000;
let bot;

async function start(env = {}) {
  const child = spawn(process.execPath, [MAIN], {
    env: { ...process.env, PORT: '0', PAPER_TRADING: 'true', ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const lines = createInterface({ input: child.stdout });
  const [line] = await once(lines, 'line');
  return { child, ...JSON.parse(line) };
}

async function samples(from = bot) {
  const text = await (await fetch(from.metrics)).text();
  const found = new Map();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const cut = line.lastIndexOf(' ');
    found.set(line.slice(0, cut), Number(line.slice(cut + 1)));
  }
  return found;
}

/** The sum over the series whose name is `name` and whose labels contain all of `labels`. */
function sum(found, name, ...labels) {
  let total;
  for (const [series, value] of found) {
    const [own] = series.split('{');
    if (own === name && labels.every((label) => series.includes(label))) total = (total ?? 0) + value;
  }
  return total;
}

async function until(what, holds, everyMs = 100) {
  const end = Date.now() + DEADLINE_MS;
  for (;;) {
    const found = await samples();
    if (holds(found)) return found;
    assert.ok(Date.now() < end, `not seen in time: ${what}`);
    await sleep(everyMs);
  }
}

async function turn(what, options) {
  const response = await fetch(`${bot.address}/misbehave/${what}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(options),
  });
  assert.equal(response.status, 200);
}

/** Turns a switch on, waits, turns it off even when the wait failed. */
async function misbehave(what, options, holds, everyMs) {
  await turn(what, { on: true, ...options });
  try {
    return await until(what, holds, everyMs);
  } finally {
    await turn(what, { on: false });
  }
}

before(async () => {
  bot = await start();
});

after(() => {
  bot.child.kill('SIGKILL');
});

test('a healthy bot', async () => {
  const found = await until('trades', (all) => sum(all, 'bot_loop_ticks_total') > 3
    && sum(all, 'market_data_updates_total') > 10
    && sum(all, 'http_request_duration_seconds_count', 'route="/api/prices"') > 0);
  assert.equal(sum(found, 'paper_trading_safety_score'), 100);
  assert.equal(sum(found, 'paper_trading_mode', 'mode="live"'), 0);
  assert.equal(sum(found, 'paper_trading_real_order_attempts_total'), 0);
  assert.equal(sum(found, 'paper_trading_violations_total'), 0);
  assert.equal(sum(found, 'websocket_connected'), 1);
  assert.equal(sum(found, 'websocket_reconnects_total'), 0);
  assert.equal(sum(found, 'auth_login_attempts_total'), 0);
  assert.equal(sum(found, 'db_pool_connections_max'), 5);
  assert.ok(sum(found, 'nodejs_heap_size_limit_bytes') > sum(found, 'nodejs_heap_size_used_bytes'));
});

test('an order by hand, and a wrong one', async () => {
  const order = (body) => fetch(`${bot.address}/api/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  assert.equal((await order('{"symbol":"BTC-USD","side":"buy","quantity":0.001}')).status, 201);
  assert.equal((await order('{"symbol":"BTC-USD","side":"keep","quantity":1}')).status, 400);
  assert.equal((await order('{')).status, 400);
  const found = await samples();
  assert.ok(sum(found, 'trading_orders_total', 'mode="paper"', 'status="filled"') >= 1);
});

test('paths are not labels', async () => {
  await fetch(`${bot.address}/nobody/${Math.random()}`);
  await until('unmatched', (all) => sum(all, 'http_request_duration_seconds_count', 'route="unmatched"') >= 1);
  const routes = new Set([...(await samples()).keys()].map((s) => /route="([^"]*)"/.exec(s)?.[1]));
  assert.ok(![...routes].some((route) => route?.includes('nobody')));
});

test('an unknown switch', async () => {
  const response = await fetch(`${bot.address}/misbehave/dance`, { method: 'POST' });
  assert.equal(response.status, 404);
});

test('leak', async () => {
  const before = sum(await samples(), 'nodejs_heap_size_used_bytes');
  await misbehave('leak', { mbPerSecond: 64 }, (all) =>
    sum(all, 'nodejs_heap_size_used_bytes') > before + 60e6);
});

// A scrape that waited for the end of a block is answered before Node has taken the block's delay, and answering
// forgets it. So the scrapes are further apart than two blocks: one of them lies wholly between.
test('block', () =>
  misbehave('block', { ms: 300 }, (all) => sum(all, 'nodejs_eventloop_lag_p99_seconds') > 0.2, 1_300));

test('slow', async () => {
  const slow = (all) => sum(all, 'http_request_duration_seconds_count', 'route="/api/')
    - sum(all, 'http_request_duration_seconds_bucket', 'route="/api/', 'le="0.5"');
  const before = slow(await samples());
  await misbehave('slow', { ms: 800 }, (all) => slow(all) > before);
});

test('errors', () =>
  misbehave('errors', {}, (all) =>
    sum(all, 'http_request_duration_seconds_count', 'status_code="500"', 'route="/api/') > 0));

test('fail-logins', () =>
  misbehave('fail-logins', {}, (all) => sum(all, 'auth_login_attempts_total', 'outcome="failure"') > 2));

test('slow-db', async () => {
  const slow = (all) => sum(all, 'db_query_duration_seconds_count')
    - sum(all, 'db_query_duration_seconds_bucket', 'le="0.5"');
  const before = slow(await samples());
  await misbehave('slow-db', { ms: 800 }, (all) => slow(all) > before);
});

test('drop-feed, refused', async () => {
  await misbehave('drop-feed', {}, (all) => sum(all, 'websocket_connected') === 0);
  await until('reconnected', (all) => sum(all, 'websocket_connected') === 1
    && sum(all, 'websocket_reconnects_total') > 0);
});

test('drop-feed, silent', async () => {
  await misbehave('drop-feed', { silent: true }, (all) => sum(all, 'websocket_connected') === 1
    && Date.now() / 1000 - sum(all, 'websocket_last_message_timestamp_seconds') > 1);
});

test('stale-price', () =>
  misbehave('stale-price', {}, (all) => {
    const age = Date.now() / 1000 - sum(all, 'market_data_last_change_timestamp_seconds', 'BTC-USD');
    const update = Date.now() / 1000 - sum(all, 'market_data_last_update_timestamp_seconds', 'BTC-USD');
    return age > 1 && update < 1;
  }));

test('go-live', async () => {
  await turn('go-live', { on: true });
  try {
    await fetch(`${bot.address}/api/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"symbol":"BTC-USD","side":"buy","quantity":0.001}',
    });
    const found = await samples();
    assert.equal(sum(found, 'paper_trading_mode', 'mode="live"'), 1);
    assert.equal(sum(found, 'paper_trading_declared'), 1);
    assert.ok(sum(found, 'paper_trading_safety_score') < 90);
    assert.ok(sum(found, 'paper_trading_real_order_attempts_total', 'outcome="blocked"') >= 1);
    assert.equal(sum(found, 'paper_trading_real_order_attempts_total', 'outcome="sent"'), 0);
  } finally {
    await turn('go-live', { on: false });
  }
  assert.equal(sum(await samples(), 'paper_trading_safety_score'), 100);
});

test('a live key in the environment', async () => {
  const other = await start({ BINANCE_API_KEY: 'not-a-real-one' });
  try {
    const found = await samples(other);
    assert.equal(sum(found, 'paper_trading_live_api_keys_detected'), 1);
    assert.ok(sum(found, 'paper_trading_safety_score') < 90);
  } finally {
    other.child.kill('SIGKILL');
  }
});

test('declared live, there is no paper score', async () => {
  const other = await start({ PAPER_TRADING: 'false' });
  try {
    const found = await samples(other);
    assert.equal(sum(found, 'paper_trading_declared'), 0);
    assert.equal(sum(found, 'paper_trading_safety_score'), undefined);
  } finally {
    other.child.kill('SIGKILL');
  }
});

test('crash', async () => {
  const other = await start();
  const exit = once(other.child, 'exit');
  await fetch(`${other.address}/misbehave/crash`, { method: 'POST' }).catch(() => {});
  const [code] = await exit;
  assert.notEqual(code, 0);
});

test('ends when told to', async () => {
  const other = await start();
  const exit = once(other.child, 'exit');
  other.child.kill('SIGTERM');
  const [code] = await exit;
  assert.equal(code, 0);
});
