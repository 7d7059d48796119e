// Starts the parts, prints where it listens, ends cleanly.

import { createServer } from 'node:http';
import { createApp } from './app.js';
import { startClients } from './clients.js';
import { Database } from './database.js';
import { Feed } from './feed.js';
import { Misbehaviour } from './misbehave.js';
import { Safety } from './safety.js';
import { Strategy } from './strategy.js';
import { startVenue } from './venue.js';

const { env } = process;
const host = env.HOST ?? '127.0.0.1';
const port = Number(env.PORT ?? 3000);

const misbehaviour = new Misbehaviour();
const venue = await startVenue(misbehaviour);
const feed = new Feed(venue.url, venue.symbols);
const database = new Database(misbehaviour);
const safety = new Safety(env, misbehaviour);
const strategy = new Strategy(feed, database, safety);
const password = env.BOT_PASSWORD ?? 'paper';
const server = createServer(createApp({ feed, strategy, database, safety, misbehaviour, password }));

server.once('error', (error) => {
  console.error(`can't listen on ${host}:${port}: ${error.message}`);
  process.exit(1);
});
await new Promise((resolve) => server.listen(port, host, resolve));
const { address, port: bound } = server.address();
const origin = `http://${address.includes(':') ? `[${address}]` : address}:${bound}`;
feed.connect();
strategy.start();
const stopClients = env.CLIENTS === '0' ? () => {} : startClients(`http://127.0.0.1:${bound}`, misbehaviour);

let ending = false;
async function end() {
  if (ending) return;
  ending = true;
  stopClients();
  misbehaviour.stop();
  safety.stop();
  strategy.stop();
  feed.close();
  await venue.close();
  server.close(() => process.exit(0));
  server.closeIdleConnections();
  // An answer that takes longer than this isn't worth the wait.
  setTimeout(() => process.exit(0), 3000).unref();
}
process.on('SIGTERM', end);
process.on('SIGINT', end);

// The first line is for programs that started us on port 0.
console.log(JSON.stringify({ address: origin, metrics: `${origin}/metrics`, pid: process.pid, mode: safety.mode }));
