// A database client in memory with a real pool: what waits, waits.

import { setTimeout as sleep } from 'node:timers/promises';
import { database as metrics } from './metrics.js';

const POOL = 5;
const KEPT = 1000;

export class Database {
  #misbehaviour;
  #rows = [];
  #used = 0;
  #waiting = [];

  constructor(misbehaviour) {
    this.#misbehaviour = misbehaviour;
    metrics.max.set(POOL);
    this.#count();
  }

  insert(row) {
    return this.#query('insert', () => {
      this.#rows.push(row);
      if (this.#rows.length > KEPT) this.#rows.shift();
    });
  }

  latest(count) {
    return this.#query('select', () => this.#rows.slice(-count).reverse());
  }

  async #query(operation, run) {
    const stop = metrics.duration.startTimer({ operation });
    await this.#acquire();
    try {
      await sleep(1 + Math.random() * 4);
      await this.#misbehaviour.delay('slow-db', 1500);
      return run();
    } catch (error) {
      metrics.errors.inc({ operation });
      throw error;
    } finally {
      this.#release();
      stop();
    }
  }

  async #acquire() {
    if (this.#used < POOL) this.#used += 1;
    else {
      // The one who releases hands its connection over.
      const turn = new Promise((resolve) => this.#waiting.push(resolve));
      this.#count();
      await turn;
    }
    this.#count();
  }

  #release() {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#used -= 1;
    this.#count();
  }

  #count() {
    metrics.connections.set({ state: 'used' }, this.#used);
    metrics.connections.set({ state: 'idle' }, POOL - this.#used);
    metrics.waiting.set(this.#waiting.length);
  }
}
