// Whether the bot is what the operator declared. The score is the worst of what was found, not a sum.

import { now, safety as metrics } from './metrics.js';

const CHECK_MS = 1000;
const LIVE_KEY = /^(BINANCE|KRAKEN|COINBASE|BYBIT|OKX)_(LIVE_|PROD_)?API_(KEY|SECRET)$/;

export class Safety {
  mode;
  #declared;
  #keys;
  #timer;

  /** `PAPER_TRADING` is paper unless it says `false`: what isn't understood must not trade for real. */
  constructor(env, misbehaviour) {
    this.#declared = env.PAPER_TRADING?.trim().toLowerCase() !== 'false';
    this.#keys = Object.keys(env).filter((name) => LIVE_KEY.test(name) && env[name] !== '').length;
    this.mode = this.#declared ? 'paper' : 'live';
    metrics.declared.set(this.#declared ? 1 : 0);
    misbehaviour.onChange('go-live', (on) => {
      this.mode = on || !this.#declared ? 'live' : 'paper';
      this.check();
    });
    if (this.#declared && /api\.binance\.com|api\.kraken\.com/.test(env.VENUE_URL ?? '')) {
      metrics.violations.inc({ type: 'live_endpoint' });
    }
    this.check();
    this.#timer = setInterval(() => this.check(), CHECK_MS);
    this.#timer.unref();
  }

  /** No order leaves here for a live venue: this example has none to send it to. */
  allowsOrder() {
    if (this.mode === 'paper') return true;
    metrics.attempts.inc({ outcome: 'blocked' });
    return false;
  }

  check() {
    metrics.mode.set({ mode: 'paper' }, this.mode === 'paper' ? 1 : 0);
    metrics.mode.set({ mode: 'live' }, this.mode === 'live' ? 1 : 0);
    metrics.keys.set(this.#keys);
    metrics.lastCheck.set(now());
    // A declared live bot has no paper score: 0 would page, 100 would lie.
    if (!this.#declared) return metrics.score.remove();
    let score = 100;
    if (this.#keys > 0) score = 60;
    if (this.mode === 'live') score = 10;
    return metrics.score.set(score);
  }

  stop() {
    clearInterval(this.#timer);
  }
}
