// The server's side of the opening handshake (RFC 6455, section 4.2): judges a
// request and makes the response. No byte is read or written here.
import type { Extension, ServerExtension } from "../extensions/extension.ts";
import { acceptKey, isKey } from "./accept_key.ts";
import { takeExtensions, type TakenExtensions } from "./extensions.ts";
import { hasToken, isToken, parseProtocols, parseTokens } from "./field.ts";
import { REASONS, type RequestHead, type ResponseHead } from "./head.ts";
import type { HeadFailure } from "./head_decoder.ts";
import { isAuthority, isTarget, normaliseOrigin } from "./origin.ts";
import { ownHeaders } from "./own_headers.ts";

/** The options of a {@linkcode ServerHandshake}. */
export interface ServerHandshakeOptions {
  /**
   * The subprotocols that the server speaks, the preferred one first. The first
   * that the client offers is chosen, whatever the client's own order; if it
   * offers none of them, the connection has no subprotocol.
   *
   * @default {[]}
   */
  readonly subprotocols?: readonly string[] | undefined;
  /**
   * Chooses a subprotocol, in place of `subprotocols`, out of those that the
   * client offers, in its order, none twice. What it throws, `judge` throws.
   */
  readonly selectSubprotocol?:
    | ((
      offered: readonly string[],
      request: RequestHead,
    ) => string | undefined)
    | undefined;
  /**
   * The origins that may connect, such as `"https://example.com"`, to be compared
   * as a whole: scheme, host and port. `null` stands for a request without
   * Origin, as programs send it; `"null"` for the opaque origin of a sandboxed
   * page. The name of a host must be in ASCII ("xn--...").
   *
   * Where a cookie or the network is what lets a client in, leaving this out lets
   * every web page in.
   *
   * @default {undefined} any origin and none
   */
  readonly origins?: readonly (string | null)[] | undefined;
  /**
   * The extensions that the server speaks. Of the client's offers those are taken,
   * in its order, that one of them answers; of two that claim the same reserved
   * bit, the second is declined.
   *
   * @default {[]}
   */
  readonly extensions?: readonly ServerExtension[] | undefined;
  /**
   * Further fields of the response, accepted or not. `Upgrade`, `Connection`,
   * `Sec-WebSocket-*`, `Content-Length` and `Transfer-Encoding` may not be given.
   */
  readonly headers?: HeadersInit | undefined;
}

/** The request is a good one: the response is to be sent, and then frames. */
export interface ServerAccepted {
  /** Whether the request is a good one. */
  readonly accepted: true;
  /** The subprotocol that was chosen, if any. */
  readonly subprotocol: string | undefined;
  /** The extensions that were agreed on, for the connection. */
  readonly extensions: readonly Extension[];
  /** The 101 to send. */
  readonly response: ResponseHead;
}

/** The request is none for a WebSocket, or not one to accept. */
export interface ServerRefused {
  /** Whether the request is a good one. */
  readonly accepted: false;
  /** The refusal to send: it closes the connection. */
  readonly response: ResponseHead;
  /** The body to send after it: a line of plain ASCII. */
  readonly body: string;
}

/** What {@linkcode ServerHandshake.judge} makes of a request. */
export type ServerOutcome = ServerAccepted | ServerRefused;

/** Why a request is refused: the status and the sentence of its body. */
type Refusal = readonly [status: number, reason: string];

/**
 * The server's side of an opening handshake (RFC 6455, section 4.2): judges
 * requests and makes responses. It does no input or output, keeps nothing from one
 * request to the next, and goes with any implementation of HTTP/1.1;
 * {@linkcode acceptUpgrade} is this over a stream.
 *
 * @example A good request
 * ```ts
 * import { assert, assertEquals } from "@std/assert";
 * import { ClientHandshake, ServerHandshake } from "@noio/ws/handshake";
 *
 * const shake = new ServerHandshake({ subprotocols: ["v2", "v1"] });
 * const client = new ClientHandshake("ws://example.com/", { subprotocols: ["v1", "v2"] });
 *
 * const outcome = shake.judge(client.request);
 * assert(outcome.accepted);
 * assertEquals(outcome.subprotocol, "v2");
 * assertEquals(outcome.response.status, 101);
 * ```
 *
 * @example An origin that may not connect
 * ```ts
 * import { assert, assertEquals } from "@std/assert";
 * import { ClientHandshake, ServerHandshake } from "@noio/ws/handshake";
 *
 * const shake = new ServerHandshake({ origins: ["https://example.com"] });
 * const client = new ClientHandshake("ws://example.com/", { origin: "https://example.org" });
 *
 * const outcome = shake.judge(client.request);
 * assert(!outcome.accepted);
 * assertEquals(outcome.response.status, 403);
 * ```
 */
export class ServerHandshake {
  readonly #select: NonNullable<ServerHandshakeOptions["selectSubprotocol"]>;
  readonly #origins: ReadonlySet<string | null> | undefined;
  readonly #extensions: readonly ServerExtension[];
  readonly #headers: Headers;

  /**
   * Creates a judge of requests.
   *
   * @param options What to accept, and what to add to the response
   * @throws {TypeError} If a subprotocol is not a token, if there is both a list
   *   of them and a function, if an origin is none, or if a header is malformed or
   *   not the caller's
   */
  constructor(options: ServerHandshakeOptions = {}) {
    this.#select = selector(options);
    this.#origins = options.origins && new Set(options.origins.map(ownOrigin));
    this.#extensions = [...options.extensions ?? []];
    this.#headers = ownHeaders(options.headers);
  }

  /**
   * Makes the refusal of what is no head.
   *
   * @param failure What {@linkcode HeadDecoder} gave
   * @returns The response to send
   */
  judge(failure: HeadFailure): ServerRefused;
  /**
   * Judges a request, or what came in place of one. Nothing that the peer sends
   * makes it throw.
   *
   * - 400: the head is malformed, or a field is missing or wrong, or the request
   *   has a body, which could be taken for frames or the other way round
   * - 403: the origin is not listed
   * - 405: the method is not GET
   * - 426: no upgrade to websocket is asked for, or the version is not 13
   * - 431: the head is over a limit; 505: the major version of HTTP is not 1
   *
   * The target may be an absolute URI (RFC 9112, section 3.2.2).
   *
   * @param head The request, or what {@linkcode HeadDecoder} gave in its place
   * @returns Whether it is accepted, and the response to send in either case
   * @throws {TypeError} If `selectSubprotocol` chooses what was not offered
   */
  judge(head: RequestHead | HeadFailure): ServerOutcome;
  judge(head: RequestHead | HeadFailure): ServerOutcome {
    if ("type" in head) return this.#refuse([head.status, head.message]);
    const key = head.headers.get("Sec-WebSocket-Key") ?? "";
    const refusal = judgeHttp(head) ?? judgeUpgrade(head.headers, key) ??
      this.#judgeOrigin(head.headers.get("Origin"));
    if (refusal !== undefined) return this.#refuse(refusal);

    const offered = parseOffers(head.headers.get("Sec-WebSocket-Protocol"));
    if (offered === undefined) {
      return this.#refuse([400, "Sec-WebSocket-Protocol is malformed"]);
    }
    const taken = takeExtensions(
      head.headers.get("Sec-WebSocket-Extensions") ?? "",
      this.#extensions,
    );
    if (taken === undefined) {
      return this.#refuse([400, "Sec-WebSocket-Extensions is malformed"]);
    }
    return this.#accept(head, key, offered, taken);
  }

  #judgeOrigin(origin: string | null): Refusal | undefined {
    if (this.#origins === undefined) return undefined;
    // What is no origin becomes `undefined`, which is never listed.
    const normal = origin === null ? null : normaliseOrigin(origin);
    return normal !== undefined && this.#origins.has(normal)
      ? undefined
      : [403, "This origin may not connect"];
  }

  #accept(
    request: RequestHead,
    key: string,
    offered: readonly string[],
    { field, extensions }: TakenExtensions,
  ): ServerAccepted {
    const subprotocol = offered.length === 0
      ? undefined
      : this.#select(offered, request);
    if (subprotocol !== undefined && !offered.includes(subprotocol)) {
      throw new TypeError(
        `Cannot choose the subprotocol ${
          JSON.stringify(subprotocol)
        }: it was not offered`,
      );
    }
    const headers = new Headers(this.#headers);
    headers.set("Upgrade", "websocket");
    headers.set("Connection", "Upgrade");
    headers.set("Sec-WebSocket-Accept", acceptKey(key));
    if (subprotocol !== undefined) {
      headers.set("Sec-WebSocket-Protocol", subprotocol);
    }
    if (field !== "") headers.set("Sec-WebSocket-Extensions", field);
    return {
      accepted: true,
      subprotocol,
      extensions,
      response: response(101, headers),
    };
  }

  #refuse([status, reason]: Refusal): ServerRefused {
    const body = `${reason}\n`;
    const headers = new Headers(this.#headers);
    headers.set("Connection", "close");
    headers.set("Content-Type", "text/plain; charset=utf-8");
    headers.set("Content-Length", `${body.length}`);
    if (status === 405) headers.set("Allow", "GET");
    if (status === 426) {
      // Upgrade is named in Connection wherever it stands (RFC 9110, 7.8).
      headers.set("Connection", "close, Upgrade");
      headers.set("Upgrade", "websocket");
      headers.set("Sec-WebSocket-Version", "13");
    }
    return { accepted: false, response: response(status, headers), body };
  }
}

/** The rules of HTTP that a request must keep before it is about WebSocket. */
function judgeHttp(head: RequestHead): Refusal | undefined {
  const { method, target, headers } = head;
  if (method !== "GET") return [405, "The method is not GET"];
  if (!isTarget(target)) return [400, "The request target is malformed"];
  if (!isAuthority(headers.get("Host") ?? "")) {
    return [400, "Host is missing or malformed"];
  }
  if (
    headers.has("Transfer-Encoding") ||
    (headers.get("Content-Length") ?? "0") !== "0"
  ) return [400, "The request has a body"];
  return undefined;
}

/** The rules of RFC 6455, section 4.2.1. */
function judgeUpgrade(headers: Headers, key: string): Refusal | undefined {
  const upgrade = parseProtocols(headers.get("Upgrade") ?? "");
  if (upgrade === undefined) return [400, "Upgrade is malformed"];
  const connection = parseTokens(headers.get("Connection") ?? "");
  if (connection === undefined) return [400, "Connection is malformed"];
  // Without its mention in Connection, an Upgrade is not meant for us.
  if (!hasToken(upgrade, "websocket") || !hasToken(connection, "upgrade")) {
    return [426, "An upgrade to websocket is required"];
  }
  if (headers.get("Sec-WebSocket-Version") !== "13") {
    return [426, "Sec-WebSocket-Version is not 13"];
  }
  if (!isKey(key)) {
    return [400, "Sec-WebSocket-Key is not the base64 of 16 bytes"];
  }
  return undefined;
}

/** What the client offers, `undefined` if malformed (RFC 6455, section 11.3.4). */
function parseOffers(field: string | null): readonly string[] | undefined {
  if (field === null) return [];
  const offered = parseTokens(field);
  return offered !== undefined && offered.length > 0 &&
      new Set(offered).size === offered.length
    ? offered
    : undefined;
}

function selector(
  { subprotocols, selectSubprotocol }: ServerHandshakeOptions,
): NonNullable<ServerHandshakeOptions["selectSubprotocol"]> {
  if (selectSubprotocol !== undefined) {
    if (subprotocols === undefined) return selectSubprotocol;
    throw new TypeError("Cannot take both subprotocols and selectSubprotocol");
  }
  const spoken = [...subprotocols ?? []];
  for (const name of spoken) {
    if (!isToken(name)) {
      throw new TypeError(
        `Cannot speak the subprotocol ${
          JSON.stringify(name)
        }: it is not a token`,
      );
    }
  }
  return (offered) => {
    const set = new Set(offered);
    return spoken.find((name) => set.has(name));
  };
}

function ownOrigin(origin: string | null): string | null {
  const normal = origin === null ? null : normaliseOrigin(origin);
  if (normal !== undefined) return normal;
  throw new TypeError(
    `Cannot list the origin ${JSON.stringify(origin)}: ` +
      "it is not a scheme, a host and a port",
  );
}

function response(status: number, headers: Headers): ResponseHead {
  return { status, reason: REASONS.get(status) ?? "", headers };
}
