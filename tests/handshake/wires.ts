// Streams in memory whose every read, write and close is a step that is counted.

import type { ByteStream } from "../../src/handshake/transport.ts";
import type { Steps } from "./steps.ts";

/** One end of a wire, seen from the other. */
export interface Wire {
  readonly stream: ByteStream;
  /** Hands over what the other end sends; `null` is the end. */
  push(chunk: Uint8Array | null): void;
  /** Lets what waits for that fail. */
  fail(error: unknown): void;
  /** Hands over the end, in place of what was sent and not read. */
  hangUp(): void;
  /** Whether this end is closed, both ways. */
  isClosed(): boolean;
}

/** Takes what is written; `null` is the end. */
export type Taker = (bytes: Uint8Array<ArrayBuffer> | null) => void;

/** What was sent and is not read yet. */
class Inbox {
  readonly #chunks: (Uint8Array | null)[] = [];
  #reading: PromiseWithResolvers<Uint8Array | null> | undefined;
  #hasEnded = false;

  push(chunk: Uint8Array | null): void {
    if (this.#hasEnded) return;
    this.#chunks.push(chunk);
    this.#give();
  }

  end(): void {
    this.#chunks.length = 0;
    this.push(null);
    this.#hasEnded = true;
  }

  /** Puts back what was not read. */
  unread(chunk: Uint8Array): void {
    this.#chunks.unshift(chunk);
  }

  read(): Promise<Uint8Array | null> {
    const reading = this.#reading = Promise.withResolvers<Uint8Array | null>();
    this.#give();
    return reading.promise;
  }

  fail(error: unknown): void {
    this.#reading?.reject(error);
    this.#reading = undefined;
  }

  #give(): void {
    if (this.#reading === undefined || this.#chunks.length === 0) return;
    this.#reading.resolve(this.#chunks.shift() ?? null);
    this.#reading = undefined;
  }
}

/** A pair of streams, each with a state of its own. */
export function streamWire(steps: Steps, taker: Taker): Wire {
  const inbox = new Inbox();
  let isReadable = true;
  let isWritable = true;
  return {
    stream: {
      readable: new ReadableStream<Uint8Array>({
        async pull(controller) {
          try {
            await steps.take("read", async () => {
              const chunk = await inbox.read();
              if (!isReadable) return;
              if (chunk !== null) return controller.enqueue(chunk);
              isReadable = false;
              controller.close();
            });
          } catch (error) {
            isReadable = false;
            throw error;
          }
        },
        async cancel() {
          isReadable = false;
          await steps.take("cancel", () => {});
        },
      }, { highWaterMark: 0 }),
      writable: new WritableStream<Uint8Array>({
        start({ signal }) {
          signal.addEventListener("abort", () => isWritable = false);
        },
        async write(bytes) {
          try {
            await steps.take("write", () => taker(bytes.slice()));
          } catch (error) {
            isWritable = false;
            throw error;
          }
        },
        async close() {
          isWritable = false; // also where that fails
          await steps.take("close", () => taker(null));
        },
        async abort() {
          await steps.take("abort", () => {});
        },
      }),
    },
    push: (chunk) => inbox.push(chunk),
    fail: (error) => inbox.fail(error),
    hangUp: () => inbox.end(),
    isClosed: () => !isReadable && !isWritable,
  };
}

/** How many bytes a connection takes at once. */
const MOST_WRITTEN = 40_000;

/** What has the methods of a `Deno.Conn`, and behaves like one. */
export function connWire(steps: Steps, taker: Taker): Wire {
  const inbox = new Inbox();
  let isClosed = false;
  const check = () => {
    if (isClosed) throw new Deno.errors.BadResource("Bad resource ID");
  };
  const conn = {
    async read(buffer: Uint8Array): Promise<number | null> {
      check();
      return await steps.take("read", async () => {
        check(); // the step may have begun with an abort
        const chunk = await inbox.read();
        if (chunk === null) return null;
        const count = Math.min(chunk.length, buffer.length);
        buffer.set(chunk.subarray(0, count));
        if (count < chunk.length) inbox.unread(chunk.subarray(count));
        return count;
      });
    },
    async write(bytes: Uint8Array): Promise<number> {
      check();
      return await steps.take("write", () => {
        check();
        const some = bytes.slice(0, MOST_WRITTEN);
        taker(some);
        return some.length;
      });
    },
    async closeWrite(): Promise<void> {
      check();
      await steps.take("closeWrite", () => taker(null));
    },
    close(): void {
      check();
      isClosed = true;
      const error = new Deno.errors.Interrupted("operation canceled");
      inbox.fail(error);
      steps.thaw(error);
      steps.take("close", () => {});
    },
  };
  function tryClose(): void {
    if (!isClosed) conn.close();
  }
  return {
    stream: {
      ...conn,
      // To close either of these closes the connection, as it does in Deno.
      readable: new ReadableStream({
        type: "bytes",
        async pull(controller) {
          const buffer = new Uint8Array(16_384);
          const count = await conn.read(buffer);
          if (count !== null) return controller.enqueue(buffer.slice(0, count));
          tryClose();
          controller.close();
          controller.byobRequest?.respond(0);
        },
        cancel: tryClose,
      }),
      writable: new WritableStream<Uint8Array>({
        async write(bytes) {
          for (let at = 0; at < bytes.length;) {
            at += await conn.write(bytes.subarray(at));
          }
        },
        close: tryClose,
        abort: tryClose,
      }),
    },
    push: (chunk) => inbox.push(chunk),
    fail: (error) => inbox.fail(error),
    hangUp: () => inbox.end(),
    isClosed: () => isClosed,
  };
}
