/**
 * A WebSocket as a pair of streams, on either end of a connection, over TCP, TLS or
 * any stream of bytes: the shape of the WebSocketStream proposal, and what that
 * lacks. Pings with their latency, keepalive, limits, extensions, opcodes of one's
 * own, a server's end.
 *
 * Backpressure is real both ways: who does not read stops the sender, and a write
 * waits for a peer that does not read. Messages are compressed where the peer agrees
 * (permessage-deflate), pings and closes are answered, a silent peer is pinged and
 * in the end given up.
 *
 * @example A server and a client
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { WebSocketStream } from "@noio/ws/stream";
 *
 * const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * async function echo(): Promise<void> {
 *   const ws = WebSocketStream.accept(await listener.accept());
 *   const { readable, writable } = await ws.opened;
 *   await readable.pipeTo(writable);
 *   await ws.closed;
 * }
 * const serving = echo();
 *
 * const ws = new WebSocketStream(`ws://127.0.0.1:${listener.addr.port}/`);
 * const { readable, writable } = await ws.opened;
 * const writer = writable.getWriter();
 * await writer.write("hello");
 * for await (const message of readable) {
 *   assertEquals(message, "hello");
 *   ws.close({ closeCode: 1000, reason: "that is all" });
 * }
 * assertEquals(await ws.closed, { closeCode: 1000, reason: "" }); // the answer's
 * await serving;
 * listener.close();
 * ```
 *
 * @module
 */

import type { CustomOpcodes, NoOpcodes, NoReserved, Reserved } from "../mod.ts";
import {
  acceptUpgrade,
  type ByteStream,
  ClientHandshake,
  requestUpgrade,
} from "../handshake.ts";
import { Keepalive } from "../src/connection/keepalive.ts";
import { permessageDeflate } from "../src/extensions/permessage_deflate.ts";
import { connect } from "./connect.ts";
import { MAX_DELAY, MessagePump } from "./message_pump.ts";
import {
  closeInfoOf,
  type Upgraded,
  type WebSocketCloseInfo,
  type WebSocketOpener,
  type WebSocketOpenInfo,
  WebSocketRefusedError,
  type WebSocketStreamAcceptOptions,
  type WebSocketStreamConnectOptions,
  WebSocketStreamError,
  type WebSocketStreamOptions,
} from "./stream_types.ts";
import { transportOf } from "./transport.ts";

export type { ByteStream } from "../handshake.ts";
export type { KeepaliveOptions } from "../src/connection/keepalive.ts";
export type { TlsOptions } from "./connect.ts";
export type { Message, Outgoing } from "./message_pump.ts";
export {
  type Upgraded,
  type WebSocketCloseInfo,
  type WebSocketOpener,
  type WebSocketOpenInfo,
  WebSocketRefusedError,
  type WebSocketStreamAcceptOptions,
  type WebSocketStreamConnectOptions,
  WebSocketStreamError,
  type WebSocketStreamOptions,
} from "./stream_types.ts";

/**
 * A WebSocket as a pair of streams.
 *
 * @typeParam O The opcodes that the application registers
 * @typeParam R The reserved bits that it claims
 *
 * @example How long a ping takes
 * ```ts
 * import { assert } from "@std/assert";
 * import { Connection } from "@noio/ws";
 * import { WebSocketStream } from "@noio/ws/stream";
 *
 * // Over streams in memory, and without an opening handshake.
 * const up = new TransformStream<Uint8Array, Uint8Array>();
 * const down = new TransformStream<Uint8Array, Uint8Array>();
 * const client = WebSocketStream.over(
 *   { readable: down.readable, writable: up.writable },
 *   { connection: new Connection("client") },
 * );
 * const server = WebSocketStream.over(
 *   { readable: up.readable, writable: down.writable },
 *   { connection: new Connection("server") },
 * );
 * assert(await client.ping() >= 0);
 * client.close();
 * await Promise.all([client.closed, server.closed]);
 * ```
 */
export class WebSocketStream<
  const O extends CustomOpcodes = NoOpcodes,
  const R extends Reserved = NoReserved,
> {
  /** The URL that was connected to; `""` for a server. */
  readonly url: string;
  /**
   * The streams, once the handshake is done. Rejects with a
   * {@linkcode WebSocketRefusedError} if it is answered with something else.
   */
  readonly opened: Promise<WebSocketOpenInfo<O>>;
  /**
   * How the connection was closed, once the stream of bytes is. Rejects if that was
   * not clean, with a {@linkcode WebSocketStreamError} or what it was ended by.
   * Nobody has to look at it.
   */
  readonly closed: Promise<WebSocketCloseInfo>;

  readonly #abort = new AbortController();
  #pump: MessagePump<O, R> | undefined = undefined;

  /**
   * Connects to a server.
   *
   * @param source The URL, of ws: or wss:; or what opens the connection in another
   * way, to which only the {@linkcode WebSocketStreamOptions} apply
   * @param options What to ask for, and how
   * @throws {TypeError} If the URL or what to ask for is a mistake
   * @throws {RangeError} If a duration of the keepalive is none
   */
  constructor(
    source: string | URL | WebSocketOpener<O, R>,
    options: WebSocketStreamConnectOptions<O, R> = {},
  ) {
    const isOpener = typeof source === "function";
    this.url = isOpener ? "" : new URL(source).href;
    const opener = isOpener ? source : requester(new URL(source), options);
    const { keepalive = {} } = options;
    if (keepalive !== false) new Keepalive(0, keepalive); // a mistake throws here
    const opened = Promise.withResolvers<WebSocketOpenInfo<O>>();
    this.opened = opened.promise;
    this.closed = this.#run(opener, options, opened.resolve);
    this.closed.catch(opened.reject); // of no effect once it is opened
    this.opened.catch(() => {}); // to ignore either kills nobody
  }

  /**
   * Accepts a client, on a stream of bytes that it has opened. One that is not
   * accepted has been answered, and its stream is closed.
   *
   * @typeParam O The opcodes that the application registers
   * @typeParam R The reserved bits that it claims
   * @param stream A `Deno.Conn`, or anything with a `readable` and a `writable`
   * @param options What to accept, and how
   * @returns The stream, which is not open yet
   */
  static accept<
    const O extends CustomOpcodes = NoOpcodes,
    const R extends Reserved = NoReserved,
  >(
    stream: ByteStream,
    options: WebSocketStreamAcceptOptions<O, R> = {},
  ): WebSocketStream<O, R> {
    const { extensions = [permessageDeflate()] } = options;
    const { signal, handshakeTimeout, closeTimeout, keepalive, onEvent } =
      options;
    return new WebSocketStream<O, R>(
      (signal) =>
        withStream(
          stream,
          acceptUpgrade(stream, { ...options, extensions, signal }),
        ),
      { signal, handshakeTimeout, closeTimeout, keepalive, onEvent },
    );
  }

  /**
   * Takes over a connection whose handshake is done, or that has none.
   *
   * @typeParam O The opcodes that the application registers
   * @typeParam R The reserved bits that it claims
   * @param stream The stream of bytes
   * @param upgrade What `requestUpgrade` or `acceptUpgrade` has given, or no more
   * than a `connection`
   * @param options Timeouts, signal, a look at the events
   * @returns The stream, which is about to open
   */
  static over<
    const O extends CustomOpcodes = NoOpcodes,
    const R extends Reserved = NoReserved,
  >(
    stream: ByteStream,
    upgrade: Upgraded<O, R>,
    options: WebSocketStreamOptions<O, R> = {},
  ): WebSocketStream<O, R> {
    const opener = () => Promise.resolve({ stream, upgrade });
    return new WebSocketStream<O, R>(opener, options);
  }

  /** How long the last ping took, in milliseconds; `undefined` before the first. */
  get latency(): number | undefined {
    return this.#pump?.latency;
  }

  /**
   * Sends a ping.
   *
   * @returns How long it took until its pong came, in milliseconds. Rejects if the
   * connection ends before; nobody has to look at it
   */
  ping(): Promise<number> {
    const ping = this.#pump?.ping() ?? this.opened.then(() => this.ping());
    ping.catch(() => {});
    return ping;
  }

  /**
   * Begins the closing handshake, if it has not begun; gives up what is not open
   * yet. Messages that nobody waits for are dropped from then on.
   *
   * @param info The code, 1000 if left out, and the reason
   * @throws {LocalProtocolError} If the code may not be sent, or the reason is too
   * long
   */
  close(info: Partial<WebSocketCloseInfo> = {}): void {
    const { closeCode = 1000, reason = "" } = info;
    if (this.#pump !== undefined) this.#pump.close(closeCode, reason);
    else {
      this.#abort.abort(
        new DOMException(
          "The WebSocket was closed before it was open",
          "AbortError",
        ),
      );
    }
  }

  async #run(
    opener: WebSocketOpener<O, R>,
    options: WebSocketStreamOptions<O, R>,
    onOpen: (info: WebSocketOpenInfo<O>) => void,
  ): Promise<WebSocketCloseInfo> {
    const { signal, closeTimeout = 5000, keepalive, onEvent } = options;
    const abort = () => {
      this.#abort.abort(signal?.reason);
      this.#pump?.abort(signal?.reason);
    };
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort);
    try {
      const { stream, upgrade } = await this.#open(opener, options);
      // There was no pump yet that an abort, or `close()`, could have ended.
      if (this.#abort.signal.aborted) {
        transportOf(stream).close();
        throw this.#abort.signal.reason;
      }
      const pump = this.#pump = new MessagePump(
        transportOf(stream),
        upgrade.connection,
        {
          closeTimeout,
          onEvent,
          keepalive: keepalive === false
            ? undefined
            : new Keepalive(performance.now(), keepalive),
        },
      );
      const { readable, writable } = pump;
      const { subprotocol, extensions = [], request, response } = upgrade;
      onOpen({
        readable,
        writable,
        subprotocol,
        extensions,
        request,
        response,
      });
      return await finish(pump);
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  /** Does the handshake, in the time that it has. */
  async #open(
    opener: WebSocketOpener<O, R>,
    { handshakeTimeout = 10_000 }: WebSocketStreamOptions<O, R>,
  ): Promise<{ stream: ByteStream; upgrade: Upgraded<O, R> }> {
    const { signal } = this.#abort;
    const timer = setTimeout(() => {
      this.#abort.abort(
        new DOMException(
          `The opening handshake was not done in ${handshakeTimeout} ms`,
          "TimeoutError",
        ),
      );
    }, Math.min(handshakeTimeout, MAX_DELAY));
    try {
      const { stream, upgrade } = await opener(signal);
      if ("connection" in upgrade) return { stream, upgrade };
      transportOf(stream).close();
      signal.throwIfAborted();
      throw new WebSocketRefusedError(upgrade);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Connects to the server of a URL, and asks it for a WebSocket. */
function requester<O extends CustomOpcodes, R extends Reserved>(
  url: URL,
  options: WebSocketStreamConnectOptions<O, R>,
): WebSocketOpener<O, R> {
  const { tls = {}, extensions = [permessageDeflate()] } = options;
  new ClientHandshake(url, { ...options, extensions }); // a mistake throws here
  return async (signal) => {
    const stream = options.stream ?? await connect(url, tls, signal);
    const upgrading = requestUpgrade(stream, url, {
      ...options,
      extensions,
      signal,
    });
    return await withStream(stream, upgrading);
  };
}

/** What a handshake comes to, with its stream; where it fails, that is closed. */
async function withStream<T>(
  stream: ByteStream,
  upgrading: Promise<T>,
): Promise<{ stream: ByteStream; upgrade: T }> {
  try {
    return { stream, upgrade: await upgrading };
  } catch (error) {
    transportOf(stream).close();
    throw error;
  }
}

/** Moves everything until the end, and says how that was. */
async function finish<O extends CustomOpcodes, R extends Reserved>(
  pump: MessagePump<O, R>,
): Promise<WebSocketCloseInfo> {
  try {
    const summary = await pump.run();
    if (!summary.clean) throw new WebSocketStreamError(summary);
    await pump.end(new WebSocketStreamError(summary), true);
    return closeInfoOf(summary);
  } catch (error) {
    await pump.end(error, false);
    throw error;
  }
}
