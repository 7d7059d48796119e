// The switches. The parts ask `is(name)` where they would go wrong; what needs a timer of its own has it here.

import { setTimeout as sleep } from 'node:timers/promises';

export const names = [
  'leak', 'block', 'slow', 'drop-feed', 'stale-price', 'fail-logins', 'errors', 'crash', 'slow-db', 'go-live',
];

export class Misbehaviour {
  #on = new Map();
  #timers = new Map();
  #leaked = [];
  #hooks = new Map();

  /** What happens when a switch is turned: `hook(on, options)`. */
  onChange(name, hook) {
    this.#hooks.set(name, hook);
  }

  /** The options of a switch that is on, else undefined. */
  is(name) {
    return this.#on.get(name);
  }

  state() {
    return Object.fromEntries(names.map((name) => [name, this.#on.get(name) ?? false]));
  }

  set(name, { on = true, ...options } = {}) {
    clearInterval(this.#timers.get(name));
    this.#timers.delete(name);
    if (on) this.#on.set(name, options);
    else this.#on.delete(name);
    if (name === 'leak') this.#leak(on, options);
    if (name === 'block') this.#block(on, options);
    if (name === 'crash' && on) setImmediate(() => { throw new Error('told to crash'); });
    this.#hooks.get(name)?.(on, options);
  }

  /** Waits `ms` (from the options of the switch) while it is on. */
  async delay(name, ms) {
    const options = this.is(name);
    if (options) await sleep(number(options.ms, ms));
  }

  stop() {
    for (const timer of this.#timers.values()) clearInterval(timer);
  }

  // Heap, not buffers: arrays of numbers live inside V8's limit.
  #leak(on, { mbPerSecond = 8 }) {
    if (!on) {
      this.#leaked = [];
      return;
    }
    const perTick = Math.max(1, Math.round(number(mbPerSecond, 8) * 131072 / 4));
    this.#every('leak', 250, () => this.#leaked.push(new Array(perTick).fill(Math.PI)));
  }

  // Half of the time nothing else runs: enough for the 99th percentile, and scrapes still get through.
  #block(on, { ms = 300 }) {
    if (!on) return;
    const long = Math.min(number(ms, 300), 60_000);
    this.#every('block', long * 2, () => {
      const end = performance.now() + long;
      while (performance.now() < end);
    });
  }

  #every(name, ms, run) {
    const timer = setInterval(run, ms);
    timer.unref();
    this.#timers.set(name, timer);
  }
}

const number = (value, otherwise) => (Number.isFinite(value) && value > 0 ? value : otherwise);
