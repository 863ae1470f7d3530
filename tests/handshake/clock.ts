// A clock that only the test moves.

import { setImmediate } from "node:timers";

/** Lets everything run that waits for nothing. */
export function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** How much time may pass, in milliseconds: nobody waits for that long. */
const MOST_TIME = 3_600_000;

/** Time that passes when the test says so; real again once disposed of. */
export class Clock implements Disposable {
  readonly #timers = new Map<number, { at: number; run: () => void }>();
  readonly #real = { setTimeout, clearTimeout };
  readonly #realNow = performance.now;
  #count = 0;
  /** What time it is, in milliseconds. */
  now = 0;

  constructor() {
    // What is tested gives its timers no arguments.
    const set = (run: () => void, delay = 0) => {
      this.#timers.set(++this.#count, { at: this.now + delay, run });
      return this.#count;
    };
    const clear = (id: number | undefined) => {
      if (id !== undefined) this.#timers.delete(id);
    };
    Object.assign(globalThis, { setTimeout: set, clearTimeout: clear });
    performance.now = () => this.now;
  }

  /** How many timers are set. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Goes on to the next timer; `false` if there is none, or it is too late. */
  advance(): boolean {
    const [next] = [...this.#timers].sort(([, a], [, b]) => a.at - b.at);
    if (next === undefined || this.now > MOST_TIME) return false;
    const [id, { at, run }] = next;
    this.#timers.delete(id);
    this.now = at;
    run();
    return true;
  }

  [Symbol.dispose](): void {
    Object.assign(globalThis, this.#real);
    performance.now = this.#realNow;
  }
}
