// Simulated people on the bot's own API, so that its latency and errors mean something without anyone typing.

const PATHS = ['/api/prices', '/api/portfolio', '/api/orders'];
const READ_MS = 500;
const GUESS_MS = 250;
const PATIENCE_MS = 15_000;

export function startClients(origin, misbehaviour) {
  let turn = 0;
  const read = () => {
    turn += 1;
    return quietly(`${origin}${PATHS[turn % PATHS.length]}`);
  };
  const guess = () => {
    if (!misbehaviour.is('fail-logins')) return undefined;
    return quietly(`${origin}/api/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"password":"guess"}',
    });
  };
  const timers = [setInterval(read, READ_MS), setInterval(guess, GUESS_MS)];
  for (const timer of timers) timer.unref();
  return () => timers.forEach(clearInterval);
}

async function quietly(url, options = {}) {
  try {
    const response = await fetch(url, { ...options, signal: AbortSignal.timeout(PATIENCE_MS) });
    await response.arrayBuffer();
  } catch {
    // What went wrong is what the metrics show.
  }
}
