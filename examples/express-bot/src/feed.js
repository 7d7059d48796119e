// The bot's side of the market data: connects, reconnects with back-off, keeps the last price of each symbol.

import WebSocket from 'ws';
import { market, now, socket } from './metrics.js';

const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 5000;
const FEED = 'sim';

export class Feed {
  prices = new Map();
  #url;
  #peer;
  #timer;
  #retry = FIRST_RETRY_MS;
  #opened = 0;
  #stopped = false;
  #sequences = new Map();

  constructor(url, symbols) {
    this.#url = url;
    socket.connected.set({ feed: FEED }, 0);
    socket.reconnects.inc({ feed: FEED }, 0);
    socket.messages.inc({ feed: FEED }, 0);
    for (const symbol of symbols) {
      for (const series of [market.updates, market.changes, market.gaps]) series.inc({ feed: FEED, symbol }, 0);
    }
  }

  connect() {
    const peer = new WebSocket(this.#url);
    this.#peer = peer;
    peer.on('open', () => {
      if (this.#opened > 0) socket.reconnects.inc({ feed: FEED });
      this.#opened += 1;
      socket.connected.set({ feed: FEED }, 1);
    });
    peer.on('message', (data) => this.#receive(JSON.parse(data.toString())));
    peer.on('error', () => {});
    peer.on('close', () => {
      socket.connected.set({ feed: FEED }, 0);
      if (this.#stopped) return;
      this.#timer = setTimeout(() => this.connect(), this.#retry);
      this.#retry = Math.min(this.#retry * 2, LAST_RETRY_MS);
    });
  }

  close() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#peer?.terminate();
  }

  #receive({ symbol, sequence, price, bid, ask, time }) {
    // Only data proves that the connection is good again.
    this.#retry = FIRST_RETRY_MS;
    const labels = { feed: FEED, symbol };
    const at = now();
    const before = this.#sequences.get(symbol);
    if (before !== undefined && sequence > before + 1) market.gaps.inc(labels, sequence - before - 1);
    this.#sequences.set(symbol, sequence);

    socket.messages.inc({ feed: FEED });
    socket.lastMessage.set({ feed: FEED }, at);
    market.updates.inc(labels);
    market.lastUpdate.set(labels, at);
    market.latency.observe({ feed: FEED }, Math.max(0, at - time / 1000));
    market.bid.set(labels, bid);
    market.ask.set(labels, ask);
    market.price.set(labels, price);
    if (this.prices.get(symbol) !== price) {
      market.changes.inc(labels);
      market.lastChange.set(labels, at);
      this.prices.set(symbol, price);
    }
  }
}
