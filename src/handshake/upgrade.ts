// The whole opening handshake over a stream of bytes: the one file here that is
// async, and that makes a `Connection`. It touches nothing but the stream.
import type { NoOpcodes, NoReserved } from "../connection/event.ts";
import type { ConnectionOptions, Role } from "../connection/options.ts";
import { Connection } from "../connection/connection.ts";
import { HandshakeError } from "../errors.ts";
import type { Extension } from "../extensions/extension.ts";
import type { Reserved } from "../framing/frame.ts";
import type { CustomOpcodes } from "../framing/opcode.ts";
import {
  encodeAnswer,
  type EncodedAnswer,
  encodeResponse,
  type RequestAnswer,
} from "./answer.ts";
import { ClientHandshake, type ClientHandshakeOptions } from "./client.ts";
import { checkClaims } from "./extensions.ts";
import { encodeHead, type RequestHead, type ResponseHead } from "./head.ts";
import {
  HeadDecoder,
  type HeadFailure,
  type HeadLimits,
} from "./head_decoder.ts";
import { ServerHandshake, type ServerHandshakeOptions } from "./server.ts";
import {
  type ByteStream,
  type EndFailure,
  type Transport,
  withTransport,
} from "./transport.ts";

/** Interim responses (RFC 9110, section 15.2) that a client skips. */
const MAX_INTERIM = 16;

/** The options that both sides have. */
export interface UpgradeOptions<
  O extends CustomOpcodes = NoOpcodes,
  R extends Reserved = NoReserved,
> {
  /**
   * Gives up: the stream is closed, and the promise rejects with the signal's
   * reason. `AbortSignal.timeout(10_000)` is what keeps a silent peer from
   * holding a connection for ever.
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * The options of the `Connection`, but for its `extensions`: those are what the
   * handshake agrees on.
   */
  readonly connection?:
    | Omit<ConnectionOptions<O, R>, "extensions">
    | undefined;
  /** How long a head the peer may send. */
  readonly headLimits?: HeadLimits | undefined;
}

/** The options of {@linkcode requestUpgrade}. */
export interface RequestUpgradeOptions<
  O extends CustomOpcodes = NoOpcodes,
  R extends Reserved = NoReserved,
> extends ClientHandshakeOptions, UpgradeOptions<O, R> {}

/** The options of {@linkcode acceptUpgrade}. */
export interface AcceptUpgradeOptions<
  O extends CustomOpcodes = NoOpcodes,
  R extends Reserved = NoReserved,
> extends ServerHandshakeOptions, UpgradeOptions<O, R> {
  /**
   * Sees every well-formed request before any rule refuses it, and may answer it:
   * with a 401, or a web page on the same port. If it gives nothing, the request
   * is judged. What it throws, `acceptUpgrade` rejects with.
   */
  readonly onRequest?:
    | ((
      request: RequestHead,
    ) =>
      | RequestAnswer
      | undefined
      | void
      | Promise<RequestAnswer | undefined | void>)
    | undefined;
}

/** The handshake is done: frames may be sent. */
export interface UpgradeAccepted<
  O extends CustomOpcodes = NoOpcodes,
  R extends Reserved = NoReserved,
> {
  /** Whether the handshake is done. */
  readonly accepted: true;
  /** The connection, which has been given what followed the head. */
  readonly connection: Connection<O, R>;
  /** The subprotocol that was agreed on, if any. */
  readonly subprotocol: string | undefined;
  /** The extensions that were agreed on, and that the connection has. */
  readonly extensions: readonly Extension[];
  /** The request. */
  readonly request: RequestHead;
  /** The response. */
  readonly response: ResponseHead;
}

/** The server has answered with another status than 101. */
export interface RequestRefused {
  /** Whether the handshake is done. */
  readonly accepted: false;
  /** The request. */
  readonly request: RequestHead;
  /** The head of the refusal. Its body, if any, has to be read. */
  readonly response: ResponseHead;
  /** What has been read after the head: the body, or its beginning. */
  readonly rest: Uint8Array;
}

/** The request was not accepted. It has been answered, and the stream is closed. */
export interface AcceptRefused {
  /** Whether the handshake is done. */
  readonly accepted: false;
  /** The request; `undefined` if no well-formed head was received. */
  readonly request: RequestHead | undefined;
  /** What was answered; `undefined` if the stream ended before that. */
  readonly response: ResponseHead | undefined;
  /** Why there is no request, or no response; `undefined` if there are both. */
  readonly failure: HeadFailure | EndFailure | undefined;
}

/** What {@linkcode requestUpgrade} resolves with. */
export type RequestUpgrade<
  O extends CustomOpcodes = NoOpcodes,
  R extends Reserved = NoReserved,
> = UpgradeAccepted<O, R> | RequestRefused;

/** What {@linkcode acceptUpgrade} resolves with. */
export type AcceptUpgrade<
  O extends CustomOpcodes = NoOpcodes,
  R extends Reserved = NoReserved,
> = UpgradeAccepted<O, R> | AcceptRefused;

/**
 * Asks a server for a WebSocket, over a stream that has been opened to it (RFC
 * 6455, section 4.1).
 *
 * Interim responses such as 103 are skipped. When the promise settles the
 * stream's locks are released, and all that has been read is in the connection,
 * or in `rest`: go on with `conn.read`. Unless the signal has aborted, the stream
 * is left open, also if the promise rejects: it is the caller's to close. (Deno
 * itself closes a `Deno.Conn` once its `readable` comes to the end.)
 *
 * @typeParam O The opcodes that the application registers
 * @typeParam R The reserved bits that it claims
 * @param stream The stream, unlocked
 * @param url The URL of ws: or wss:, which says what to ask for; nothing is
 *   connected to, and TLS is the stream's business
 * @param options What else to ask for, and how
 * @returns The connection, or the refusal (401, 302, 503, ...)
 * @throws {HandshakeError} If the response is no head, or a 101 that breaks a
 *   rule, or if the stream ends before
 * @throws {TypeError} If the URL or an option is a mistake, or the stream locked
 * @throws {RangeError} If an option of the connection or a limit is out of range
 *
 * @example Over a pair of streams
 * ```ts
 * import { assert, assertEquals } from "@std/assert";
 * import { acceptUpgrade, requestUpgrade } from "@noio/ws/handshake";
 *
 * const up = new TransformStream<Uint8Array, Uint8Array>();
 * const down = new TransformStream<Uint8Array, Uint8Array>();
 * const accepting = acceptUpgrade({ readable: up.readable, writable: down.writable });
 *
 * const upgrade = await requestUpgrade(
 *   { readable: down.readable, writable: up.writable },
 *   "ws://example.com/",
 *   { signal: AbortSignal.timeout(10_000), connection: { opcodes: { ascii: 3 } } },
 * );
 * assert(upgrade.accepted);
 * const frame = upgrade.connection.send({ type: "ascii", message: "hello" });
 * assertEquals(frame[0], 0x83);
 * await accepting;
 * ```
 */
export async function requestUpgrade<
  const O extends CustomOpcodes = NoOpcodes,
  const R extends Reserved = NoReserved,
>(
  stream: ByteStream,
  url: string | URL,
  options: RequestUpgradeOptions<O, R> = {},
): Promise<RequestUpgrade<O, R>> {
  // Mistakes come to light before the stream is touched.
  const shake = new ClientHandshake(url, options);
  const { request } = shake;
  const bytes = encodeHead(request);
  const open = prepare("client", options);

  return await withTransport(stream, options.signal, async (transport) => {
    const failure = await transport.write(bytes);
    if (failure !== undefined) throw errorOf(failure);
    const response = await readResponse(transport, options.headLimits);
    const outcome = shake.verify(response);
    if (!outcome.accepted) {
      return { accepted: false, request, response, rest: transport.rest };
    }
    const { subprotocol, extensions } = outcome;
    const connection = open(extensions, transport.rest);
    return {
      accepted: true,
      connection,
      subprotocol,
      extensions,
      request,
      response,
    };
  });
}

/**
 * Judges the options of a connection before anything is sent, and gives what opens
 * it once the extensions are known.
 */
function prepare<const O extends CustomOpcodes, const R extends Reserved>(
  role: Role,
  options:
    & UpgradeOptions<O, R>
    & {
      extensions?: readonly { name: string; reserved: Reserved }[] | undefined;
    },
): (extensions: readonly Extension[], rest: Uint8Array) => Connection<O, R> {
  const { connection: settings = {}, extensions = [] } = options;
  checkClaims(extensions, settings.reserved);
  new Connection(role, { ...settings, extensions: [] });
  new HeadDecoder("request", options.headLimits);
  return (extensions, rest) => {
    const connection = new Connection<O, R>(role, { ...settings, extensions });
    connection.recv(rest);
    return connection;
  };
}

/** The first response that is not an interim one; 101 is final here. */
async function readResponse(
  transport: Transport,
  limits: HeadLimits | undefined,
): Promise<ResponseHead> {
  for (let count = 0; count <= MAX_INTERIM; count++) {
    const head = await transport.readHead("response", limits);
    if ("type" in head) throw errorOf(head);
    if (head.status === 101 || head.status >= 200) return head;
  }
  throw new HandshakeError(
    "head-limit",
    `There are more than ${MAX_INTERIM} interim responses`,
  );
}

function errorOf(failure: HeadFailure | EndFailure): HandshakeError {
  return failure.rule === "end-of-stream"
    ? new HandshakeError(failure.rule, failure.message, {
      cause: failure.cause,
    })
    : new HandshakeError(failure.rule, failure.message);
}

/**
 * Accepts a WebSocket, or refuses it, over a stream that a client has opened (RFC
 * 6455, section 4.2).
 *
 * Nothing that the peer does makes the promise reject. A request that is not
 * accepted has been answered, by `onRequest` or as {@linkcode ServerHandshake}
 * says, and the stream is closed; if the peer sends more than its head, as with a
 * body, it may see a reset in place of the answer. If the stream ends or fails
 * before, there is a `failure`. When the promise settles the stream's locks are
 * released, and all that has been read is in the connection: go on with
 * `conn.read`. If the promise rejects, the stream is the caller's to close, unless
 * the signal has aborted, which closes it.
 *
 * @typeParam O The opcodes that the application registers
 * @typeParam R The reserved bits that it claims
 * @param stream The stream, unlocked
 * @param options What to accept, and how
 * @returns The connection, or how the request was refused
 * @throws {TypeError} If an option or an answer is a mistake, or the stream locked
 * @throws {RangeError} If an option of the connection, a limit or the status of an
 *   answer is out of range
 *
 * @example A page on the same port
 * ```ts
 * import { assert, assertEquals } from "@std/assert";
 * import { acceptUpgrade } from "@noio/ws/handshake";
 *
 * const readable = ReadableStream.from([
 *   new TextEncoder().encode("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"),
 * ]);
 * const { readable: answer, writable } = new TransformStream<Uint8Array, Uint8Array>();
 * const text = new Response(answer).text();
 *
 * const upgrade = await acceptUpgrade({ readable, writable }, {
 *   onRequest: ({ headers }) =>
 *     headers.has("Upgrade") ? undefined : { status: 200, body: "<p>Hello" },
 * });
 * assert(!upgrade.accepted);
 * assertEquals(upgrade.response?.status, 200);
 * assert((await text).endsWith("\r\n\r\n<p>Hello"));
 * ```
 */
export async function acceptUpgrade<
  const O extends CustomOpcodes = NoOpcodes,
  const R extends Reserved = NoReserved,
>(
  stream: ByteStream,
  options: AcceptUpgradeOptions<O, R> = {},
): Promise<AcceptUpgrade<O, R>> {
  const shake = new ServerHandshake(options);
  const open = prepare("server", options);

  return await withTransport(stream, options.signal, async (transport) => {
    const head = await transport.readHead("request", options.headLimits);
    if ("type" in head) {
      if (head.rule === "end-of-stream") {
        await transport.close();
        return refused(undefined, undefined, head);
      }
      const { response, body } = shake.judge(head);
      return await refuse(transport, encodeResponse(response, body), head);
    }

    const answer = await options.onRequest?.(head);
    if (answer) {
      const encoded = encodeAnswer(answer, head.method);
      return await refuse(transport, encoded, undefined, head);
    }
    const outcome = shake.judge(head);
    const { response } = outcome;
    if (!outcome.accepted) {
      const encoded = encodeResponse(response, outcome.body, head.method);
      return await refuse(transport, encoded, undefined, head);
    }

    const failure = await transport.write(encodeHead(response));
    if (failure !== undefined) {
      await transport.close();
      return refused(head, undefined, failure);
    }
    const { subprotocol, extensions } = outcome;
    const connection = open(extensions, transport.rest);
    return {
      accepted: true,
      connection,
      subprotocol,
      extensions,
      request: head,
      response,
    };
  });
}

/** Writes an answer that accepts nothing, and closes the stream. */
async function refuse(
  transport: Transport,
  { response, bytes }: EncodedAnswer,
  failure: HeadFailure | undefined,
  request?: RequestHead,
): Promise<AcceptRefused> {
  const unwritten = await transport.write(bytes);
  await transport.close();
  return unwritten === undefined
    ? refused(request, response, failure)
    : refused(request, undefined, failure ?? unwritten);
}

function refused(
  request: RequestHead | undefined,
  response: ResponseHead | undefined,
  failure: HeadFailure | EndFailure | undefined,
): AcceptRefused {
  return { accepted: false, request, response, failure };
}
