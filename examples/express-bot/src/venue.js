// A simulated venue: a real WebSocket server on loopback that streams random walks.

import { WebSocketServer } from 'ws';

const START = { 'BTC-USD': 64000, 'ETH-USD': 3200, 'SOL-USD': 150 };
const TICK_MS = 100;

export async function startVenue(misbehaviour) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await new Promise((resolve, reject) => server.once('listening', resolve).once('error', reject));
  const prices = { ...START };
  let sequence = 0;

  const timer = setInterval(() => {
    // `drop-feed` with `silent`: connected, but nothing is said.
    if (misbehaviour.is('drop-feed')) return;
    sequence += 1;
    for (const symbol of Object.keys(prices)) {
      if (!misbehaviour.is('stale-price')) prices[symbol] *= 1 + (Math.random() - 0.5) * 0.0004;
      const price = prices[symbol];
      const message = JSON.stringify({
        symbol, sequence, price, bid: price * 0.9999, ask: price * 1.0001, time: Date.now(),
      });
      for (const peer of server.clients) if (peer.readyState === peer.OPEN) peer.send(message);
    }
  }, TICK_MS);

  server.on('connection', (peer) => {
    peer.on('error', () => peer.terminate());
    if (refuses(misbehaviour.is('drop-feed'))) peer.terminate();
  });
  misbehaviour.onChange('drop-feed', (on, options) => {
    if (on && refuses(options)) for (const peer of server.clients) peer.terminate();
  });

  return {
    url: `ws://127.0.0.1:${server.address().port}`,
    symbols: Object.keys(START),
    close() {
      clearInterval(timer);
      for (const peer of server.clients) peer.terminate();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

const refuses = (options) => options !== undefined && options.silent !== true;
