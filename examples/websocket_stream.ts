// An adapter: a `ReadableStream` of what is received and a `WritableStream` of
// what is to be sent, over a connection and its byte stream. It does what the
// core leaves to its user: reads and writes, answers pings and closes, keeps
// backpressure both ways, and knows when to close the socket.
//
// No program of its own: see `echo_client.ts` for one that uses it.

import { concat } from "@std/bytes";
import {
  type AnyConnection,
  Information,
  type SendData,
  type Summary,
} from "../mod.ts";
import {
  type ByteStream,
  closeTransport,
  type Transport,
  transportOf,
} from "./transport.ts";

export type { ByteStream } from "./transport.ts";

/** What is read: text is a string, all other messages are bytes. */
export type Message = string | Uint8Array<ArrayBuffer>;

/** What can be written: a text, bytes, or anything that `send` takes. */
export type Outgoing = string | ArrayBufferView | ArrayBuffer | SendData;

/** An event as `onEvent` sees it. */
export type SeenEvent = Exclude<
  ReturnType<AnyConnection["nextEvent"]>,
  string
>;

/** Options for {@linkcode openStream}. */
export interface StreamOptions {
  /**
   * How long the peer may take to answer our close frame, in milliseconds.
   *
   * @default {5000}
   */
  closeTimeout?: number | undefined;
  /** Ends everything at once, without a closing handshake. */
  signal?: AbortSignal | undefined;
  /** Sees every event, control frames included, before it is dealt with. */
  onEvent?: ((event: SeenEvent) => void) | undefined;
}

/** A connection as a pair of streams. */
export interface MessageStream {
  /**
   * The messages that are received. No more is read from the peer than is read
   * from here. It ends with the connection, and fails if that was not clean.
   */
  readonly readable: ReadableStream<Message>;
  /**
   * The messages to send; each is done when the byte stream has taken it. Closing
   * it closes the connection with 1000, aborting it with 1001.
   */
  readonly writable: WritableStream<Outgoing>;
  /**
   * How the connection ended, once the byte stream is closed. It rejects with
   * nothing but what `onEvent` throws.
   */
  readonly closed: Promise<Summary>;
  /**
   * Begins the closing handshake, if it has not begun. Messages that nobody waits
   * for are dropped from then on.
   */
  close(options?: { closeCode?: number; reason?: string }): void;
}

/** The connection has ended, and not by a clean closing handshake. */
export class UncleanCloseError extends Error {
  /** The name of the error, `"UncleanCloseError"`. */
  override readonly name = "UncleanCloseError";
  /** How the connection ended. */
  readonly summary: Summary;

  /** Creates an error that says how the connection ended. */
  constructor(summary: Summary) {
    const why = summary.failure?.message ?? "the close was not answered";
    super(`The connection has ended without a closing handshake: ${why}`);
    this.summary = summary;
  }
}

/** How many bytes may be unwritten before pings are no longer answered one by one. */
const PONG_BYTES = 16_384;

/**
 * Opens the streams of a connection. The byte stream and the connection belong to
 * them from then on.
 *
 * @param stream A `Deno.Conn`, or anything with a `readable` and a `writable`
 * @param connection The connection, as the handshake gave it
 * @param options Timeout, signal, a look at the events
 * @returns The streams
 */
export function openStream(
  stream: ByteStream,
  connection: AnyConnection,
  options: StreamOptions = {},
): MessageStream {
  const { closeTimeout = 5000, signal, onEvent } = options;
  const transport = transportOf(stream);
  const output = new Output(transport);
  let messages: ReadableStreamDefaultController<Message>;
  let sink: WritableStreamDefaultController;
  let wanted = Promise.withResolvers<void>();
  let isDropping = false;
  let isCancelled = false;
  let closeTimer: ReturnType<typeof setTimeout> | undefined;

  const readable = new ReadableStream<Message>({
    start: (controller) => void (messages = controller),
    pull: () => wanted.resolve(),
    cancel: () => {
      isCancelled = true;
      close(1000, "");
    },
  });
  const writable = new WritableStream<Outgoing>({
    start: (controller) => void (sink = controller),
    write: (data) => output.write(connection.send(dataOf(data))),
    close: () => close(1000, ""),
    abort: () => close(1001, ""),
  });

  function close(statusCode: number, message: string): void {
    isDropping = true;
    wanted.resolve();
    if (connection.state !== "open") return;
    output.push(connection.send({ type: "close", statusCode, message }));
    closeTimer = setTimeout(() => transport.close(), closeTimeout);
  }

  /** Hands a message on, and waits until the next one is wanted. */
  function deliver(message: Message): Promise<void> | undefined {
    if (isDropping && (messages.desiredSize ?? 0) <= 0) return undefined;
    messages.enqueue(message);
    if (isDropping || (messages.desiredSize ?? 0) > 0) return undefined;
    wanted = Promise.withResolvers<void>();
    return wanted.promise;
  }

  /** Reads until the connection has given its last event. */
  async function receive(): Promise<void> {
    let chunk: Uint8Array | null = null;
    for (;;) {
      const event = connection.nextEvent();
      if (event === Information.CONNECTION_CLOSED) return;
      if (event === Information.NEED_DATA) {
        chunk = await transport.read();
        connection.recv(chunk);
        continue;
      }
      onEvent?.(event);
      const reply = connection.reply(event);
      if (event.type === "ping") output.pong(reply);
      else output.push(reply);
      if (isControl(event)) continue;
      const { message } = event;
      // A view into the chunk does not outlive the next read.
      const own = typeof message !== "string" &&
          message.buffer === chunk?.buffer
        ? message.slice()
        : message;
      const room = deliver(own);
      if (room !== undefined) await room;
    }
  }

  async function run(): Promise<Summary> {
    const abort = () => transport.close();
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort);
    try {
      await receive();
      await output.flushed(closeTimeout);
      await closeTransport(transport, connection);
      const summary = summaryOf(connection);
      if (!summary.clean) throw new UncleanCloseError(summary);
      if (!isCancelled) messages.close();
      sink.error(new UncleanCloseError(summary));
      return summary;
    } catch (error) {
      const reason = signal?.aborted ? signal.reason : error;
      messages.error(reason);
      sink.error(reason);
      if (error instanceof UncleanCloseError) return error.summary;
      throw error;
    } finally {
      transport.close();
      clearTimeout(closeTimer);
      signal?.removeEventListener("abort", abort);
    }
  }

  const closed = run();
  closed.catch(() => {}); // the streams fail with it too
  return {
    readable,
    writable,
    closed,
    close: ({ closeCode = 1000, reason = "" } = {}) => close(closeCode, reason),
  };
}

/** The bytes that wait to be written, one write at a time. */
class Output {
  readonly #transport: Transport;
  #queue: Uint8Array[] = [];
  /** The pong that is sent in place of those that were asked for meanwhile. */
  #pong: Uint8Array | undefined = undefined;
  /** How many bytes are in the queue or being written. */
  #unwritten = 0;
  /** Settles when what is in the queue now has been written. */
  #written = Promise.withResolvers<void>();
  #running: Promise<void> | undefined = undefined;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Writes bytes, after all that wait; resolves when they are written. */
  write(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return Promise.resolve();
    this.#queue.push(bytes);
    this.#unwritten += bytes.length;
    this.#running ??= this.#run();
    return this.#written.promise;
  }

  /** Writes bytes that nobody waits for: where that fails, reading shows why. */
  push(bytes: Uint8Array): void {
    this.write(bytes).catch(() => {});
  }

  /**
   * Writes a pong. A peer that asks without end and reads nothing must not fill
   * our memory: only the latest is kept then, as RFC 6455, section 5.5.3, allows.
   */
  pong(bytes: Uint8Array): void {
    if (this.#unwritten > PONG_BYTES) this.#pong = bytes;
    else this.push(bytes);
  }

  /** Resolves when nothing waits any longer, or the peer has not read for too long. */
  async flushed(timeout: number): Promise<void> {
    if (this.#running === undefined) return;
    const timer = setTimeout(() => this.#transport.close(), timeout);
    await this.#running;
    clearTimeout(timer);
  }

  async #run(): Promise<void> {
    // What is caused by one read is pushed in one go: it becomes one write.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const batch = this.#queue;
      const written = this.#written;
      written.promise.catch(() => {}); // those who wait for it see it too
      this.#queue = [];
      this.#written = Promise.withResolvers<void>();
      const bytes = concat(batch);
      try {
        await this.#transport.write(bytes);
        written.resolve();
      } catch (error) {
        written.reject(error);
      }
      this.#unwritten -= bytes.length;
      if (this.#pong !== undefined) this.push(this.#pong);
      this.#pong = undefined;
    }
    this.#running = undefined;
  }
}

function dataOf(data: Outgoing): SendData {
  if (typeof data === "string") return { type: "text", message: data };
  return "type" in data ? data : { type: "binary", message: data };
}

/** Whether an event is no message: those are dealt with here. */
function isControl(
  event: SeenEvent,
): event is Extract<SeenEvent, { type: "ping" | "pong" | "close" | "fail" }> {
  return event.type === "ping" || event.type === "pong" ||
    event.type === "close" || event.type === "fail";
}

/** The summary of a connection that has given its last event. */
function summaryOf(connection: AnyConnection): Summary {
  const { summary } = connection;
  if (summary === undefined) throw new TypeError("The connection is open");
  return summary;
}
