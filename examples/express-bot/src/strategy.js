// The trading loop: buys under and sells over a moving average, on paper.

import { loop, now } from './metrics.js';

const TICK_MS = 500;
const SMOOTHING = 0.05;
const STAKE = 100;
const CASH = 10_000;

export class Strategy {
  #feed;
  #database;
  #safety;
  #cash = CASH;
  #held = new Map();
  #averages = new Map();
  #timer;
  #busy = false;

  constructor(feed, database, safety) {
    this.#feed = feed;
    this.#database = database;
    this.#safety = safety;
    loop.equity.set(CASH);
  }

  start() {
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  stop() {
    clearInterval(this.#timer);
  }

  portfolio() {
    return { cash: this.#cash, held: Object.fromEntries(this.#held), equity: this.#equity() };
  }

  // A slow round isn't overtaken by the next.
  async #tick() {
    if (this.#busy) return;
    this.#busy = true;
    const stop = loop.duration.startTimer();
    try {
      for (const [symbol, price] of this.#feed.prices) await this.#decide(symbol, price);
      loop.equity.set(this.#equity());
    } catch {
      loop.errors.inc();
    } finally {
      stop();
      loop.ticks.inc();
      loop.lastTick.set(now());
      this.#busy = false;
    }
  }

  async #decide(symbol, price) {
    const average = this.#averages.get(symbol) ?? price;
    this.#averages.set(symbol, average + SMOOTHING * (price - average));
    if (price < average * 0.9997) await this.order(symbol, 'buy', STAKE / price);
    else if (price > average * 1.0003) await this.order(symbol, 'sell', STAKE / price);
  }

  /** Fills at the last price. Rejected without price, cash or holdings, or when it would be a real order. */
  async order(symbol, side, quantity) {
    const price = this.#feed.prices.get(symbol);
    const held = this.#held.get(symbol) ?? 0;
    const affordable = side === 'buy' ? this.#cash >= quantity * price : held >= quantity;
    if (price === undefined) return this.#reject(symbol, side, 'no price');
    if (!this.#safety.allowsOrder()) return this.#reject(symbol, side, 'not on paper');
    // The loop doesn't send what the account can't cover: no reject, no order.
    if (!affordable) return { symbol, side, status: 'skipped', reason: 'not covered' };
    this.#cash += (side === 'buy' ? -1 : 1) * quantity * price;
    this.#held.set(symbol, held + (side === 'buy' ? quantity : -quantity));
    loop.orders.inc({ mode: 'paper', side, status: 'filled' });
    const row = { symbol, side, quantity, price, status: 'filled', at: now() };
    await this.#database.insert(row);
    return row;
  }

  #reject(symbol, side, reason) {
    loop.orders.inc({ mode: this.#safety.mode, side, status: 'rejected' });
    return { symbol, side, status: 'rejected', reason };
  }

  #equity() {
    let value = this.#cash;
    for (const [symbol, quantity] of this.#held) value += quantity * (this.#feed.prices.get(symbol) ?? 0);
    return value;
  }
}
