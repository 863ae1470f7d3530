// The byte stream that a handshake goes over: its locks, its end, and the signal
// that closes it. What the stream does wrong becomes a value, as the peer may be
// the one who did it.
import { Information } from "../information.ts";
import {
  HeadDecoder,
  type HeadFailure,
  type HeadLimits,
  type Heads,
} from "./head_decoder.ts";

/** A stream of bytes both ways, such as a `Deno.Conn`, of whatever kind. */
export interface ByteStream {
  /** What the peer sends. It need not be a byte stream (`type: "bytes"`). */
  readonly readable: ReadableStream<Uint8Array>;
  /** What is sent to the peer. */
  readonly writable: WritableStream<Uint8Array>;
}

/** The stream ended or failed before the handshake was done. */
export interface EndFailure {
  /** `"fail"`, which no head has. */
  readonly type: "fail";
  /** The rule that was broken. */
  readonly rule: "end-of-stream";
  /** What was seen, for a person to read. */
  readonly message: string;
  /** What the stream failed with; `undefined` if it ended. */
  readonly cause: unknown;
}

/** Reads what there is, or tells that there is no more. */
interface Reader {
  read(): Promise<ReadableStreamReadResult<Uint8Array>>;
  cancel(reason?: unknown): Promise<void>;
  releaseLock(): void;
}

/** How much is read at a time, where the stream lets us say so. */
const READ_BYTES = 4096;

/** The stream while a handshake holds its locks. */
export class Transport {
  readonly #reader: Reader;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;

  /** Bytes that were read and belong to no head. */
  rest: Uint8Array = new Uint8Array(0);

  constructor(
    reader: Reader,
    writer: WritableStreamDefaultWriter<Uint8Array>,
  ) {
    this.#reader = reader;
    this.#writer = writer;
  }

  /** Reads no more than the next head, as far as the stream's chunks allow. */
  async readHead<K extends keyof Heads>(
    kind: K,
    limits: HeadLimits | undefined,
  ): Promise<Heads[K] | HeadFailure | EndFailure> {
    const decoder = new HeadDecoder(kind, limits);
    decoder.recv(this.rest);
    while (true) {
      const outcome = decoder.next();
      if (outcome !== Information.NEED_DATA) {
        this.rest = decoder.rest;
        return outcome;
      }
      let result;
      try {
        result = await this.#reader.read();
      } catch (cause) {
        return ended(
          `The stream failed before the ${kind} head was read`,
          cause,
        );
      }
      if (result.done) return ended(`The stream ended in the ${kind} head`);
      decoder.recv(result.value);
    }
  }

  /** Writes bytes; what it gives is why that failed, if it did. */
  async write(bytes: Uint8Array): Promise<EndFailure | undefined> {
    try {
      await this.#writer.write(bytes);
      return undefined;
    } catch (cause) {
      return ended("The stream failed before the head was written", cause);
    }
  }

  /** Closes the stream in order, once what was written is out. */
  async close(): Promise<void> {
    // It may be closed already, or have failed: that is as good.
    await this.#writer.close().catch(ignore);
    await this.#reader.cancel().catch(ignore);
  }

  /** Closes the stream at once, whatever is under way. */
  abort(reason: unknown): void {
    this.#reader.cancel(reason).catch(ignore);
    this.#writer.abort(reason).catch(ignore);
  }

  /** Gives the locks back. */
  release(): void {
    this.#reader.releaseLock();
    this.#writer.releaseLock();
  }
}

/**
 * Locks a stream, does some work, and unlocks it. If the signal aborts, the stream
 * is closed, and this rejects with the signal's reason at once.
 */
export async function withTransport<T>(
  stream: ByteStream,
  signal: AbortSignal = new AbortController().signal,
  work: (transport: Transport) => Promise<T>,
): Promise<T> {
  const transport = lock(stream);
  let abort = ignore;
  // Not `Promise.withResolvers`: Node 20 has none.
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => {
      transport.abort(signal.reason);
      reject(signal.reason);
    };
  });
  signal.addEventListener("abort", abort);
  try {
    if (signal.aborted) {
      abort();
      return await aborted;
    }
    // What the work comes to after an abort is of no interest: a race handles
    // the loser's rejection.
    const result = await Promise.race([aborted, work(transport)]);
    signal.throwIfAborted(); // an abort after the race has closed the stream too
    return result;
  } finally {
    signal.removeEventListener("abort", abort);
    transport.release();
  }
}

/** Takes both locks or none. */
function lock(stream: ByteStream): Transport {
  const reader = readerOf(stream);
  try {
    return new Transport(reader, stream.writable.getWriter());
  } catch (error) {
    reader.releaseLock();
    throw error;
  }
}

/**
 * Locks what is to be read. A `Deno.Conn` reads into memory of ours: by itself it
 * takes 64 KiB for each read, and most heads have some hundred bytes. (Of another
 * byte stream nobody knows whether it ends such a read when it closes.)
 */
function readerOf(stream: ByteStream): Reader {
  const { readable } = stream;
  if (!("closeWrite" in stream)) return readable.getReader();
  let reader: ReadableStreamBYOBReader;
  try {
    reader = readable.getReader({ mode: "byob" });
  } catch {
    return readable.getReader(); // no byte stream, or locked
  }
  return {
    read: () => reader.read(new Uint8Array(READ_BYTES)),
    cancel: (reason) => reader.cancel(reason),
    releaseLock: () => reader.releaseLock(),
  };
}

function ended(message: string, cause?: unknown): EndFailure {
  return { type: "fail", rule: "end-of-stream", message, cause };
}

function ignore(): void {}
