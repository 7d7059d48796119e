// The HTTP side: API, log-in, metrics, switches.

import { timingSafeEqual } from 'node:crypto';
import express from 'express';
import { http, register } from './metrics.js';
import { names } from './misbehave.js';

const SIDES = ['buy', 'sell'];

export function createApp({ feed, strategy, database, safety, misbehaviour, password }) {
  const app = express();
  app.disable('x-powered-by');

  app.get('/metrics', async (_, response) => {
    response.type(register.contentType).send(await register.metrics());
  });

  app.use(measure);
  app.use(express.json({ limit: '16kb' }));

  app.get('/api/health', (_, response) => response.json({ status: 'ok', mode: safety.mode }));

  // A handler of each route, not of all paths: a failed request still knows its route.
  const fault = async (_request, _response, next) => {
    await misbehaviour.delay('slow', 3000);
    if (misbehaviour.is('errors')) throw new Error('told to fail');
    next();
  };
  app.get('/api/prices', fault, (_, response) => response.json(Object.fromEntries(feed.prices)));
  app.get('/api/portfolio', fault, (_, response) => response.json(strategy.portfolio()));
  app.get('/api/orders', fault, async (_, response) => response.json(await database.latest(50)));
  app.post('/api/orders', fault, async (request, response) => {
    const { symbol, side, quantity } = request.body ?? {};
    if (!feed.prices.has(symbol) || !SIDES.includes(side) || !(Number.isFinite(quantity) && quantity > 0)) {
      return response.status(400).json({ error: 'symbol, side (buy, sell) and quantity (> 0) are needed' });
    }
    return response.status(201).json(await strategy.order(symbol, side, quantity));
  });
  app.post('/api/login', fault, (request, response) => {
    const right = same(String(request.body?.password ?? ''), password);
    http.logins.inc({ outcome: right ? 'success' : 'failure' });
    if (right) response.json({ status: 'logged in' });
    else response.status(401).json({ error: 'wrong password' });
  });

  app.get('/misbehave', loopbackOnly, (_, response) => response.json(misbehaviour.state()));
  app.post('/misbehave/:what', loopbackOnly, (request, response) => {
    const { what } = request.params;
    if (!names.includes(what)) return response.status(404).json({ error: `one of: ${names.join(', ')}` });
    misbehaviour.set(what, request.body ?? {});
    return response.json(misbehaviour.state());
  });

  app.use((_, response) => response.status(404).json({ error: 'not found' }));
  // Express knows error handlers by their four arguments.
  app.use((error, _request, response, _next) => {
    response.status(error.status ?? 500).json({ error: error.status ? error.message : 'internal error' });
  });
  return app;
}

// One series per route, never per path: what nobody registered is `unmatched`.
function measure(request, response, next) {
  const stop = http.duration.startTimer({ method: request.method });
  http.inFlight.inc();
  response.once('close', () => {
    http.inFlight.dec();
    stop({ route: request.route?.path ?? 'unmatched', status_code: response.statusCode });
  });
  next();
}

function loopbackOnly(request, response, next) {
  const peer = request.socket.remoteAddress ?? '';
  if (/^(::ffff:)?127\.|^::1$/.test(peer)) next();
  else response.status(403).json({ error: 'the switches answer loopback only' });
}

function same(given, wanted) {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}
