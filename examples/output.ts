// The bytes that wait to be written, for `websocket_stream.ts`: what belongs
// together becomes one write, and nobody can make the queue grow without end.

import { concat } from "@std/bytes";
import type { Transport } from "./transport.ts";

/** From how many unwritten bytes on who sends has to wait. */
const ROOM_BYTES = 65_536;

/** From how many unwritten bytes on pings are no longer answered one by one. */
const PONG_BYTES = 16_384;

/** How many bytes become one write, where they are not one piece already. */
const BATCH_BYTES = 65_536;

/**
 * How many microtasks long the queue must not grow before it is written. As many as
 * a message takes through `readable.pipeTo(writable)`, and more: so the answers to
 * what one read brought become one write, though no time passes.
 */
const SETTLED_AFTER = 32;

/** What is to be written, in order, one write at a time. */
export class Output {
  readonly #transport: Transport;
  readonly #onProgress: (() => void) | undefined;
  readonly #onFailure: ((error: unknown) => void) | undefined;
  #queue: Uint8Array<ArrayBuffer>[] = [];
  /** The pong that is sent in place of those that were asked for meanwhile. */
  #pong: Uint8Array<ArrayBuffer> | undefined = undefined;
  /** How many bytes were ever handed over, and how many of them are written. */
  #total = 0;
  #written = 0;
  #failure: { readonly error: unknown } | undefined = undefined;
  /** Those who wait for room. */
  #room: PromiseWithResolvers<void> | undefined = undefined;
  #running: Promise<void> | undefined = undefined;

  /**
   * @param transport Where to write
   * @param onProgress Is told whenever some bytes are taken
   * @param onFailure Is told what writing has failed with
   */
  constructor(
    transport: Transport,
    onProgress?: () => void,
    onFailure?: (error: unknown) => void,
  ) {
    this.#transport = transport;
    this.#onProgress = onProgress;
    this.#onFailure = onFailure;
  }

  /** How many bytes were ever handed over. */
  get total(): number {
    return this.#total;
  }

  /** How many of those are written. */
  get written(): number {
    return this.#written;
  }

  /** How many bytes wait or are being written. */
  get unwritten(): number {
    return this.#total - this.#written;
  }

  /**
   * Writes bytes, after all that wait. Resolves when there is room for more, which
   * may be before they are written.
   */
  write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error);
    this.push(bytes);
    if (this.unwritten <= ROOM_BYTES) return Promise.resolve();
    this.#room ??= Promise.withResolvers<void>();
    return this.#room.promise;
  }

  /** Writes bytes that nobody waits for: where that fails, reading shows why. */
  push(bytes: Uint8Array<ArrayBuffer>): void {
    if (bytes.length === 0 || this.#failure !== undefined) return;
    this.#queue.push(bytes);
    this.#total += bytes.length;
    this.#running ??= this.#run();
  }

  /**
   * Writes a pong. A peer that asks without end and reads nothing must not fill
   * our memory: only the latest is kept then, as RFC 6455, section 5.5.3, allows.
   */
  pong(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.unwritten > PONG_BYTES) this.#pong = bytes;
    else this.push(bytes);
  }

  /** Resolves when nothing waits any longer, or writing has failed. */
  async flushed(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    try {
      await this.#settled();
      while (this.#queue.length > 0) {
        await this.#transport.write(this.#take(), (count) => {
          this.#written += count;
          this.#onProgress?.();
        });
        if (this.#pong !== undefined) this.push(this.#pong);
        this.#pong = undefined;
        if (this.unwritten <= ROOM_BYTES) this.#makeRoom()?.resolve();
      }
    } catch (error) {
      this.#failure = { error };
      this.#queue = [];
      this.#pong = undefined;
      this.#written = this.#total;
      const room = this.#makeRoom();
      room?.promise.catch(() => {}); // who waited may have gone
      room?.reject(error);
      this.#onFailure?.(error);
    }
    this.#running = undefined;
  }

  /** Resolves when the queue grows no more, or is long enough. */
  async #settled(): Promise<void> {
    let seen = 0;
    for (let i = 0; i < SETTLED_AFTER; i++) {
      if (this.unwritten >= BATCH_BYTES) return;
      if (this.#queue.length > seen) i = 0;
      seen = this.#queue.length;
      await undefined;
    }
  }

  /** What is written next: one piece, or several that are not long. */
  #take(): Uint8Array<ArrayBuffer> {
    let count = 0;
    let length = 0;
    for (const { length: more } of this.#queue) {
      if (count > 0 && length + more > BATCH_BYTES) break;
      length += more;
      count++;
    }
    const [first, ...rest] = this.#queue.splice(0, count);
    return rest.length === 0 ? first : concat([first, ...rest]);
  }

  #makeRoom(): PromiseWithResolvers<void> | undefined {
    const room = this.#room;
    this.#room = undefined;
    return room;
  }
}
