// When to ping a silent peer and when to give it up: a policy without a clock.

/** Options for {@linkcode Keepalive}. */
export interface KeepaliveOptions {
  /**
   * After how many milliseconds of silence to ping; `Infinity` for never.
   *
   * @default {30_000}
   */
  readonly interval?: number | undefined;
  /**
   * After how many more milliseconds of silence to give the peer up; `Infinity`
   * for never.
   *
   * @default {10_000}
   */
  readonly timeout?: number | undefined;
}

/** What {@linkcode Keepalive.check} says is to be done. */
export type KeepaliveAction = "wait" | "ping" | "give-up";

const INTERVAL = 30_000;
const TIMEOUT = 10_000;

/**
 * Says when to ping a peer that is silent, and when to give it up. RFC 6455,
 * section 5.5.2.
 *
 * It has no clock and no timer: tell it the time, in milliseconds, of a clock that
 * does not go back, such as `performance.now()`; set a timer to `deadline`, and
 * ask `check` then. Whatever is received shows that the peer is there, a pong or
 * not, so where there is traffic there are no pings.
 *
 * While nothing is read, as where messages wait for their reader, nothing can be
 * heard: do not check then, and call `received` on going on.
 *
 * @example A peer that falls silent
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Connection, Keepalive } from "@noio/ws";
 *
 * const ws = new Connection("server");
 * const keepalive = new Keepalive(0, { interval: 30_000, timeout: 10_000 });
 *
 * keepalive.received(5_000); // at second 5 something came
 * assertEquals(keepalive.deadline, 35_000);
 * assertEquals(keepalive.check(34_999), "wait");
 * assertEquals(keepalive.check(35_000), "ping");
 * const bytes = ws.send({ type: "ping" }); // write these
 * assertEquals(bytes.length, 2);
 *
 * assertEquals(keepalive.deadline, 45_000);
 * assertEquals(keepalive.check(45_000), "give-up"); // close the socket
 * ```
 */
export class Keepalive {
  readonly #interval: number;
  readonly #timeout: number;
  /** When the peer was heard last. */
  #heard: number;
  /** Since when a ping has been waiting for its answer, if one has. */
  #pinged: number | undefined = undefined;

  /**
   * Creates the policy for one connection.
   *
   * @param now What time it is, in milliseconds
   * @param options How much silence is too much
   * @throws {RangeError} If an option is not a number above 0
   */
  constructor(now: number, options: KeepaliveOptions = {}) {
    const { interval = INTERVAL, timeout = TIMEOUT } = options;
    this.#interval = duration("interval", interval);
    this.#timeout = duration("timeout", timeout);
    this.#heard = now;
  }

  /** When to ask `check` next: `Infinity` for never. */
  get deadline(): number {
    return this.#pinged === undefined
      ? this.#heard + this.#interval
      : this.#pinged + this.#timeout;
  }

  /**
   * Says that the peer was heard: bytes were read, of whatever kind.
   *
   * @param now What time it is, in milliseconds
   */
  received(now: number): void {
    this.#heard = now;
    this.#pinged = undefined;
  }

  /**
   * Says that a ping which waits for its answer was written only now, or something
   * that goes before it: where output is slow to be taken, its time begins anew.
   * Without such a ping it says nothing.
   *
   * @param now What time it is, in milliseconds
   *
   * @example A ping behind a long message
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Keepalive } from "@noio/ws";
   *
   * const keepalive = new Keepalive(0, { interval: 1000, timeout: 500 });
   * assertEquals(keepalive.check(1000), "ping");
   * keepalive.written(1400); // the message before it is still on its way
   * assertEquals(keepalive.check(1500), "wait");
   * assertEquals(keepalive.deadline, 1900);
   * ```
   */
  written(now: number): void {
    if (this.#pinged !== undefined) this.#pinged = now;
  }

  /**
   * Says what is to be done. An answer of `"ping"` counts as the ping: send it.
   *
   * @param now What time it is, in milliseconds
   * @returns `"ping"` once after each silence of `interval`; `"give-up"` when the
   * silence has gone on for `timeout` after it; else `"wait"`
   */
  check(now: number): KeepaliveAction {
    if (now < this.deadline) return "wait";
    if (this.#pinged !== undefined) return "give-up";
    this.#pinged = now;
    return "ping";
  }
}

function duration(name: string, value: number): number {
  if (typeof value === "number" && value > 0) return value;
  throw new RangeError(
    `Cannot use ${value} as \`${name}\`: a number above 0 is needed`,
  );
}
