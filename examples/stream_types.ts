// The options of `websocket_stream.ts`, what it gives, and its errors.

import type {
  Connection,
  CustomOpcodes,
  Extension,
  NoOpcodes,
  NoReserved,
  ReceivedEvent,
  Reserved,
  Summary,
} from "../mod.ts";
import type {
  AcceptRefused,
  AcceptUpgradeOptions,
  ByteStream,
  RequestHead,
  RequestRefused,
  RequestUpgradeOptions,
  ResponseHead,
} from "../handshake.ts";
import type { KeepaliveOptions } from "../src/connection/keepalive.ts";
import type { TlsOptions } from "./connect.ts";
import type { Message, Outgoing } from "./message_pump.ts";

/** The options that every {@linkcode WebSocketStream} has. */
export interface WebSocketStreamOptions<
  O extends CustomOpcodes = NoOpcodes,
  R extends Reserved = NoReserved,
> {
  /**
   * Ends everything at once, without a closing handshake: what is being opened, and
   * what is open.
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * How long the opening handshake may take, in milliseconds.
   *
   * @default {10_000}
   */
  readonly handshakeTimeout?: number | undefined;
  /**
   * How long the peer may take to answer our close frame, and to read what is still
   * to be written, in milliseconds; and how long an open connection to which nothing
   * can be written any more is still read.
   *
   * @default {5000}
   */
  readonly closeTimeout?: number | undefined;
  /**
   * After how much silence to ping, and to give the peer up; `false` for never.
   *
   * @default {{ interval: 30_000, timeout: 10_000 }}
   */
  readonly keepalive?: KeepaliveOptions | false | undefined;
  /**
   * Sees every event before it is dealt with, control frames included, and alone
   * those of opcodes of one's own. Where it gives a promise, nothing more is read
   * until that resolves. A message of bytes is good until then: `slice()` what is
   * kept. What it throws ends the connection.
   */
  readonly onEvent?:
    | ((event: ReceivedEvent<O, R>) => void | PromiseLike<void>)
    | undefined;
}

/** The options of a client. `extensions` is permessage-deflate if left out. */
export interface WebSocketStreamConnectOptions<
  O extends CustomOpcodes = NoOpcodes,
  R extends Reserved = NoReserved,
> extends RequestUpgradeOptions<O, R>, WebSocketStreamOptions<O, R> {
  /** A stream of bytes to the server, to be used in place of a new connection. */
  readonly stream?: ByteStream | undefined;
  /** How to do TLS, for URLs of wss:. */
  readonly tls?: TlsOptions | undefined;
  /** Ends everything at once, without a closing handshake. */
  readonly signal?: AbortSignal | undefined;
}

/** The options of a server. `extensions` is permessage-deflate if left out. */
export interface WebSocketStreamAcceptOptions<
  O extends CustomOpcodes = NoOpcodes,
  R extends Reserved = NoReserved,
> extends AcceptUpgradeOptions<O, R>, WebSocketStreamOptions<O, R> {
  /** Ends everything at once, without a closing handshake. */
  readonly signal?: AbortSignal | undefined;
}

/** What there is of a connection when its handshake is done. */
export interface Upgraded<
  O extends CustomOpcodes = NoOpcodes,
  R extends Reserved = NoReserved,
> {
  /** The connection. */
  readonly connection: Connection<O, R>;
  /** The subprotocol that was agreed on, if any. */
  readonly subprotocol?: string | undefined;
  /** The extensions that were agreed on. */
  readonly extensions?: readonly Extension[] | undefined;
  /** The request, where there was one. */
  readonly request?: RequestHead | undefined;
  /** The response, where there was one. */
  readonly response?: ResponseHead | undefined;
}

/** What {@linkcode WebSocketStream.opened} resolves with. */
export interface WebSocketOpenInfo<O extends CustomOpcodes = NoOpcodes> {
  /**
   * The messages: text is a string, binary is bytes. No more is read from the peer
   * than is read from here, its close included: read it, or cancel it, which closes
   * the connection with 1000. It ends with the connection, and fails if that was
   * not clean.
   */
  readonly readable: ReadableStream<Message>;
  /**
   * Takes the messages to send: text, bytes, or whatever `send` of a `Connection`
   * takes. A write is done when there is room for the next one. Closing it closes
   * the connection with 1000, aborting it with 1001.
   */
  readonly writable: WritableStream<Outgoing<O>>;
  /** The subprotocol that was agreed on, if any. */
  readonly subprotocol: string | undefined;
  /** The extensions that were agreed on. */
  readonly extensions: readonly Extension[];
  /** The request, where there was one. */
  readonly request: RequestHead | undefined;
  /** The response, where there was one. */
  readonly response: ResponseHead | undefined;
}

/** How a connection was closed. */
export interface WebSocketCloseInfo {
  /** The code that the peer sent; 1005 if it sent none. */
  readonly closeCode: number;
  /** The reason that the peer sent. */
  readonly reason: string;
}

/** The connection has ended: not by a clean closing handshake, or before a write. */
export class WebSocketStreamError extends Error {
  /** The name of the error, `"WebSocketStreamError"`. */
  override readonly name = "WebSocketStreamError";
  /** The code: of the peer's close, of the rule that it broke, or 1006. */
  readonly closeCode: number;
  /** The reason that the peer gave, or which rule it broke. */
  readonly reason: string;
  /** How the connection ended. */
  readonly summary: Summary;

  /**
   * Creates an error that says how a connection ended.
   *
   * @param summary How it ended
   */
  constructor(summary: Summary) {
    const { closeCode, reason } = closeInfoOf(summary);
    super(
      summary.clean
        ? `The connection was closed with ${closeCode}`
        : `The connection has ended with ${closeCode}: ${reason}`,
    );
    this.closeCode = closeCode;
    this.reason = reason;
    this.summary = summary;
  }
}

/** There is no connection, as the handshake was answered with something else. */
export class WebSocketRefusedError extends Error {
  /** The name of the error, `"WebSocketRefusedError"`. */
  override readonly name = "WebSocketRefusedError";
  /** The request, and how it was answered. */
  readonly upgrade: RequestRefused | AcceptRefused;

  /**
   * Creates an error that says what the handshake came to.
   *
   * @param upgrade What it came to
   */
  constructor(upgrade: RequestRefused | AcceptRefused) {
    const { response } = upgrade;
    const why = "failure" in upgrade && upgrade.failure !== undefined
      ? upgrade.failure.message
      : `the answer is ${response?.status} ${response?.reason}`.trimEnd();
    super(`Cannot open the WebSocket: ${why}`);
    this.upgrade = upgrade;
  }
}

/**
 * Opens a stream of bytes and does the handshake over it, or does not; gives up when
 * the signal says so. If it rejects, nothing is left open.
 */
export type WebSocketOpener<
  O extends CustomOpcodes = NoOpcodes,
  R extends Reserved = NoReserved,
> = (signal: AbortSignal) => Promise<{
  readonly stream: ByteStream;
  readonly upgrade: Upgraded<O, R> | RequestRefused | AcceptRefused;
}>;

/** What a summary says in the words of the proposal. */
export function closeInfoOf(summary: Summary): WebSocketCloseInfo {
  const { clean, received, failure } = summary;
  if (clean) {
    return {
      closeCode: received?.statusCode ?? 1005,
      reason: received?.message ?? "",
    };
  }
  return {
    closeCode: failure?.code ?? 1006,
    reason: failure?.message ?? "The close was not answered",
  };
}
