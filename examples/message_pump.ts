// An open connection at work, for `websocket_stream.ts`: it reads and writes,
// answers what wants an answer, keeps backpressure both ways, pings who is silent,
// and knows when to close the socket.

import {
  type Connection,
  type CustomOpcodes,
  Information,
  type NoOpcodes,
  type PreparedMessage,
  type ReceivedEvent,
  type Reserved,
  type SendData,
  type Summary,
} from "../mod.ts";
import type { Keepalive } from "../src/connection/keepalive.ts";
import { Output } from "./output.ts";
import { closeTransport, type Transport } from "./transport.ts";

/** What is read: text is a string, all else bytes, which are the reader's own. */
export type Message = string | Uint8Array<ArrayBuffer>;

/**
 * What can be written: a text, bytes, or whatever `send` of a connection takes.
 *
 * @typeParam O The opcodes that the application registers
 */
export type Outgoing<O extends CustomOpcodes> =
  | string
  | ArrayBufferView
  | ArrayBuffer
  | SendData<O>
  | PreparedMessage<O>
  | Iterable<SendData<O> | PreparedMessage<O>>;

/** What a pump does besides. */
export interface PumpOptions<O extends CustomOpcodes, R extends Reserved> {
  readonly closeTimeout: number;
  readonly keepalive: Keepalive | undefined;
  readonly onEvent:
    | ((event: ReceivedEvent<O, R>) => void | PromiseLike<void>)
    | undefined;
}

/** A ping of ours that has no answer yet. */
interface Ping extends PromiseWithResolvers<number> {
  readonly payload: string;
  readonly sentAt: number;
}

/**
 * How many bytes of messages wait for their reader before nothing more is read: so
 * that a reader who is busy for a while does not keep pongs waiting.
 */
const UNREAD_BYTES = 65_536;

/** What an empty message counts as there. */
const MESSAGE_BYTES = 64;

/** The longest time that a timer can be set to. */
export const MAX_DELAY = 2 ** 31 - 1;

/** Moves what is received and what is to be sent, until the end. */
export class MessagePump<O extends CustomOpcodes, R extends Reserved> {
  readonly readable: ReadableStream<Message>;
  readonly writable: WritableStream<Outgoing<O>>;
  /** The time of the last ping, in milliseconds. */
  latency: number | undefined = undefined;

  readonly #connection: Connection<O, R>;
  readonly #transport: Transport;
  readonly #output: Output;
  readonly #options: PumpOptions<O, R>;
  readonly #messages: ReadableStreamDefaultController<Message>;
  readonly #sink: WritableStreamDefaultController;
  #wanted = Promise.withResolvers<void>();
  /** Messages that nobody waits for are dropped, once we want to close. */
  #isDropping = false;
  #isCancelled = false;
  /** Whether nothing is read, as a message waits for its reader. */
  #isHeldUp = false;
  #abortReason: unknown = undefined;
  /** Ends what is waited for, when everything is ended. */
  #stop: ((reason: unknown) => void) | undefined = undefined;
  readonly #pings: Ping[] = [];
  #pingCount = 0;
  /** Up to where the output must be written for our last ping to be out. */
  #pingEnd = 0;
  #closeTimer: ReturnType<typeof setTimeout> | undefined = undefined;
  #keepaliveTimer: ReturnType<typeof setTimeout> | undefined = undefined;

  constructor(
    transport: Transport,
    connection: Connection<O, R>,
    options: PumpOptions<O, R>,
  ) {
    this.#transport = transport;
    this.#connection = connection;
    this.#options = options;
    this.#output = new Output(transport, () => {
      // A ping that waits behind much output is not late, as long as that moves.
      if (this.#output.written <= this.#pingEnd) {
        options.keepalive?.written(performance.now());
      }
    }, (error) => {
      // Reading shows why, where the two belong together; else it would go on.
      if (this.#abortReason === undefined) {
        this.#closeTimer ??= this.#inTime(() => this.abort(error));
      }
    });
    // Both streams call `start` at once, so these are set after the constructors.
    let messages, sink;
    this.readable = new ReadableStream<Message>({
      start: (controller) => void (messages = controller),
      pull: () => this.#wanted.resolve(),
      cancel: () => {
        this.#isCancelled = true;
        this.close(1000, "");
      },
    }, {
      highWaterMark: UNREAD_BYTES,
      size: ({ length }) => length + MESSAGE_BYTES,
    });
    this.writable = new WritableStream<Outgoing<O>>({
      start: (controller) => void (sink = controller),
      write: async (data) => {
        try {
          await this.#output.write(connection.send(dataOf(data)));
        } catch (error) {
          throw this.#abortReason ?? error;
        }
      },
      close: () => {
        this.close(1000, "");
        return this.#output.flushed();
      },
    });
    this.#messages = present<ReadableStreamDefaultController<Message>>(
      messages,
    );
    this.#sink = present<WritableStreamDefaultController>(sink);
    // At once, also while a write waits.
    this.#sink.signal.addEventListener("abort", () => this.close(1001, ""));
  }

  /** Sends a close frame, if none is sent. What cannot be sent throws. */
  close(statusCode: number, message: string): void {
    if (
      this.#connection.state === "open" && this.#abortReason === undefined
    ) {
      const data = { type: "close", statusCode, message } as const;
      this.#output.push(this.#connection.send(data));
      this.#closeTimer ??= this.#inTime(() => this.#transport.close());
    }
    this.#isDropping = true;
    this.#wanted.resolve();
  }

  /** Ends everything at once. */
  abort(reason: unknown): void {
    this.#abortReason ??= reason;
    this.#stop?.(reason);
    this.#isDropping = true;
    this.#wanted.resolve();
    this.#transport.close();
  }

  /** Sends a ping; resolves with how long its pong took, in milliseconds. */
  ping(): Promise<number> {
    const payload = `${++this.#pingCount}`;
    const ping: Ping = {
      ...Promise.withResolvers<number>(),
      payload,
      sentAt: performance.now(),
    };
    ping.promise.catch(() => {}); // who does not wait is not killed by it
    try {
      if (this.#abortReason !== undefined) throw this.#abortReason;
      this.#output.push(
        this.#connection.send({ type: "ping", message: payload }),
      );
      this.#pingEnd = this.#output.total;
      this.#pings.push(ping);
    } catch (error) {
      ping.reject(error); // a close is on its way
    }
    return ping.promise;
  }

  /**
   * Moves everything until the socket is closed. Rejects if it is aborted, or with
   * what `onEvent` throws; how the connection ended is told by the summary.
   */
  async run(): Promise<Summary> {
    try {
      this.#keepAlive();
      await this.#receive();
      const { summary } = this.#connection;
      const isClean = summary?.clean === true;
      if (isClean && !this.#isCancelled) this.#messages.close();
      clearTimeout(this.#closeTimer);
      this.#closeTimer = this.#inTime(() => this.#transport.close());
      clearTimeout(this.#keepaliveTimer);
      await this.#output.flushed();
      await closeTransport(this.#transport, this.#connection);
      if (this.#abortReason !== undefined && !isClean) throw this.#abortReason;
      return present<Summary>(summary);
    } catch (error) {
      this.abort(error); // for those who wait, and those who come late
      throw error;
    } finally {
      this.#transport.close();
      clearTimeout(this.#closeTimer);
      clearTimeout(this.#keepaliveTimer);
    }
  }

  /** Ends the streams, and whoever waits for a pong. */
  async end(error: unknown, isClean: boolean): Promise<void> {
    if (!isClean) this.#messages.error(error);
    for (const { reject } of this.#pings.splice(0)) reject(error);
    // A `pipeTo` of the one into the other is given the time to end in order.
    await new Promise((resolve) => setTimeout(resolve));
    this.#sink.error(error);
  }

  /** Does something when the time that closing may take is over. */
  #inTime(run: () => void): ReturnType<typeof setTimeout> {
    return setTimeout(run, Math.min(this.#options.closeTimeout, MAX_DELAY));
  }

  /** Reads until the connection has given its last event. */
  async #receive(): Promise<void> {
    const connection = this.#connection;
    const { keepalive, onEvent } = this.#options;
    let chunk: Uint8Array | null = null;
    for (;;) {
      const given = connection.nextEvent();
      if (given === Information.CONNECTION_CLOSED) return;
      if (given === Information.NEED_DATA) {
        chunk = await this.#transport.read();
        if (chunk !== null) keepalive?.received(performance.now());
        connection.recv(chunk);
        continue;
      }
      const seen = onEvent?.(given);
      if (seen !== undefined) {
        await this.#holdUp(this.#untilAborted(seen));
      }
      const reply = connection.reply(given);
      // The opcodes of one's own are none of these cases: they are `onEvent`'s.
      const event = given as ReceivedEvent<NoOpcodes, Reserved>;
      switch (event.type) {
        case "text":
        case "binary":
        case "continue": {
          const { message, of = "text" } = event;
          if (of !== "text" && of !== "binary") break;
          const room = this.#deliver(ownOf(message, chunk));
          if (room !== undefined) await this.#holdUp(room);
          break;
        }
        case "ping":
          this.#output.pong(reply);
          break;
        case "pong":
          this.#answered(new TextDecoder().decode(event.message));
          break;
        default:
          this.#output.push(reply);
      }
    }
  }

  /** What a promise comes to, unless everything is ended before. */
  #untilAborted(work: PromiseLike<void>): Promise<void> {
    // A race would leave something behind, with the loser, for each event.
    return new Promise((resolve, reject) => {
      this.#stop = reject;
      if (this.#abortReason !== undefined) reject(this.#abortReason);
      work.then(resolve, reject);
    });
  }

  /** Reads nothing until a promise settles, which is no silence of the peer. */
  async #holdUp(until: PromiseLike<void>): Promise<void> {
    this.#isHeldUp = true;
    await until;
    this.#isHeldUp = false;
    this.#options.keepalive?.received(performance.now());
  }

  /** Hands a message on; gives what resolves when the next one is wanted. */
  #deliver(message: Message): Promise<void> | undefined {
    const messages = this.#messages;
    const hasRoom = () => (messages.desiredSize ?? 0) > 0;
    if (this.#isCancelled || this.#isDropping && !hasRoom()) return undefined;
    messages.enqueue(message);
    if (this.#isDropping || hasRoom()) return undefined;
    this.#wanted = Promise.withResolvers<void>();
    return this.#wanted.promise;
  }

  /** A pong also answers the pings before its own (RFC 6455, section 5.5.3). */
  #answered(payload: string): void {
    const index = this.#pings.findIndex((ping) => ping.payload === payload);
    for (const { resolve, sentAt } of this.#pings.splice(0, index + 1)) {
      this.latency = performance.now() - sentAt;
      resolve(this.latency);
    }
  }

  /** Pings if the peer is silent, gives it up, or sets a timer to ask again. */
  #keepAlive(): void {
    const { keepalive } = this.#options;
    if (keepalive === undefined || this.#connection.state !== "open") return;
    const now = performance.now();
    if (this.#isHeldUp && this.#output.unwritten === 0) {
      keepalive.received(now); // it is we who do not listen
    }
    const action = keepalive.check(now);
    if (action === "give-up") {
      this.abort(new Error("The peer is silent and does not answer pings"));
      return;
    }
    if (action === "ping") this.ping();
    const delay = Math.min(keepalive.deadline - now, MAX_DELAY);
    this.#keepaliveTimer = setTimeout(() => this.#keepAlive(), delay);
  }
}

/** The message as memory of its own: the chunk is read into again. */
function ownOf(message: Message, chunk: Uint8Array | null): Message {
  return typeof message !== "string" && message.buffer === chunk?.buffer
    ? message.slice()
    : message;
}

function dataOf<O extends CustomOpcodes>(
  data: Outgoing<O>,
): Parameters<Connection<O>["send"]>[0] {
  if (typeof data === "string") return { type: "text", message: data };
  return ArrayBuffer.isView(data) || data instanceof ArrayBuffer
    ? { type: "binary", message: data }
    : data;
}

/** A value that is there, though the compiler cannot know it. */
function present<T>(value: T | undefined): T {
  if (value === undefined) throw new TypeError("There is no value");
  return value;
}
