// The client's side of the opening handshake (RFC 6455, section 4.1): the request
// to send, and the judgement of the response. No byte is read or written here.
import { HandshakeError } from "../errors.ts";
import type { ClientExtension, Extension } from "../extensions/extension.ts";
import { acceptKey, generateKey } from "./accept_key.ts";
import { judgeExtensions, offerExtensions } from "./extensions.ts";
import { hasToken, isToken, parseProtocols, parseTokens } from "./field.ts";
import type { RequestHead, ResponseHead } from "./head.ts";
import { ownHeaders } from "./own_headers.ts";
import { basicCredentials, parseUrl } from "./url.ts";

/** The options of a {@linkcode ClientHandshake}. */
export interface ClientHandshakeOptions {
  /**
   * The subprotocols to offer, the preferred one first.
   *
   * @default {[]}
   */
  readonly subprotocols?: readonly string[] | undefined;
  /**
   * Further fields of the request, such as `Authorization` or `Cookie`. `Host`
   * may be replaced, as one needs it behind a proxy; `Upgrade`, `Connection`,
   * `Sec-WebSocket-*`, `Content-Length` and `Transfer-Encoding` may not be given.
   */
  readonly headers?: HeadersInit | undefined;
  /**
   * The extensions to offer, the preferred one first.
   *
   * @default {[]}
   */
  readonly extensions?: readonly ClientExtension[] | undefined;
  /** The value of `Origin`, which browsers send and others need not. */
  readonly origin?: string | undefined;
  /**
   * Fills the 16 bytes of `Sec-WebSocket-Key` with random values (RFC 6455,
   * section 4.1): replace it for tests alone.
   *
   * @default {crypto.getRandomValues}
   */
  readonly random?: ((bytes: Uint8Array<ArrayBuffer>) => unknown) | undefined;
}

/** The server has agreed to speak WebSocket. */
export interface ClientAccepted {
  /** Whether the server agreed. */
  readonly accepted: true;
  /** The subprotocol that it chose, if it chose one. */
  readonly subprotocol: string | undefined;
  /** The extensions that were agreed on, for the connection. */
  readonly extensions: readonly Extension[];
  /** The response, with whatever else it says. */
  readonly response: ResponseHead;
}

/** The server has answered with another status than 101. */
export interface ClientRefused {
  /** Whether the server agreed. */
  readonly accepted: false;
  /** The response: 401 wants credentials, 302 is a redirection, and so on. */
  readonly response: ResponseHead;
}

/** How a server has answered, as {@linkcode ClientHandshake.verify} sees it. */
export type ClientOutcome = ClientAccepted | ClientRefused;

/**
 * The client's side of an opening handshake (RFC 6455, section 4.1): a request,
 * and what to make of its response. It does no input or output, and goes with any
 * implementation of HTTP/1.1; {@linkcode requestUpgrade} is this over a stream.
 *
 * @example Accepted
 * ```ts
 * import { assert, assertEquals } from "@std/assert";
 * import { acceptKey, ClientHandshake } from "@noio/ws/handshake";
 *
 * const shake = new ClientHandshake("ws://example.com/chat", { subprotocols: ["chat"] });
 * assertEquals(shake.request.target, "/chat");
 *
 * // What a server would answer:
 * const key = shake.request.headers.get("Sec-WebSocket-Key");
 * assert(key !== null);
 * const outcome = shake.verify({
 *   status: 101,
 *   reason: "Switching Protocols",
 *   headers: new Headers({
 *     Upgrade: "websocket",
 *     Connection: "Upgrade",
 *     "Sec-WebSocket-Accept": acceptKey(key),
 *     "Sec-WebSocket-Protocol": "chat",
 *   }),
 * });
 * assert(outcome.accepted);
 * assertEquals(outcome.subprotocol, "chat");
 * ```
 *
 * @example Refused
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ClientHandshake } from "@noio/ws/handshake";
 *
 * const shake = new ClientHandshake("ws://example.com/");
 * const outcome = shake.verify({ status: 401, reason: "Unauthorized", headers: new Headers() });
 * assertEquals(outcome.accepted, false);
 * ```
 */
export class ClientHandshake {
  /** The request to send. */
  readonly request: RequestHead;
  readonly #accept: string;
  readonly #subprotocols: readonly string[];
  readonly #extensions: readonly ClientExtension[];

  /**
   * Creates a request.
   *
   * A URL of http: or https: is taken as one of ws: or wss:. Its username and
   * password become `Authorization: Basic`, unless the headers have that field.
   *
   * @param url The URL of ws: or wss:, without a fragment (RFC 6455, section 3)
   * @param options What else to ask for
   * @throws {TypeError} If the URL is not a valid one for a WebSocket (where the
   *   `WebSocket` of browsers throws a `SyntaxError`), if a subprotocol is not a
   *   token or is given twice, if a name or a value in an extension's offer is not a
   *   token, or if a header is malformed or not the caller's
   */
  constructor(url: string | URL, options: ClientHandshakeOptions = {}) {
    const parsed = parseUrl(url);
    const { subprotocols = [], extensions = [], origin } = options;
    const key = generateKey(
      options.random ?? ((bytes) => crypto.getRandomValues(bytes)),
    );

    const headers = ownHeaders(options.headers);
    if (!headers.has("Host")) headers.set("Host", parsed.host);
    if (origin !== undefined) headers.set("Origin", origin);
    if (!headers.has("Authorization")) {
      const credentials = basicCredentials(parsed);
      if (credentials !== undefined) headers.set("Authorization", credentials);
    }
    headers.set("Upgrade", "websocket");
    headers.set("Connection", "Upgrade");
    headers.set("Sec-WebSocket-Key", key);
    headers.set("Sec-WebSocket-Version", "13");
    if (subprotocols.length > 0) {
      headers.set("Sec-WebSocket-Protocol", checkOffers(subprotocols));
    }
    const offers = offerExtensions(extensions);
    if (offers !== "") headers.set("Sec-WebSocket-Extensions", offers);

    this.request = {
      method: "GET",
      target: parsed.pathname + parsed.search,
      headers,
    };
    this.#accept = acceptKey(key);
    this.#subprotocols = [...subprotocols];
    this.#extensions = [...extensions];
  }

  /**
   * Judges the response to the request.
   *
   * @param response The response; not an interim one, which is to be skipped
   * @returns Whether the server agreed, and on what
   * @throws {HandshakeError} If it is a 101 that breaks a rule, which the error
   *   names (RFC 6455, section 4.1)
   */
  verify(response: ResponseHead): ClientOutcome {
    if (response.status !== 101) return { accepted: false, response };
    const { headers } = response;

    // What is switched to must be WebSocket and nothing besides: a list would be
    // several layers (RFC 9110, section 7.8).
    const upgrade = parseProtocols(headers.get("Upgrade") ?? "");
    if (upgrade?.length !== 1 || !hasToken(upgrade, "websocket")) {
      throw broken("upgrade", "Upgrade is not websocket", headers, "Upgrade");
    }
    const connection = parseTokens(headers.get("Connection") ?? "");
    if (connection === undefined || !hasToken(connection, "upgrade")) {
      throw broken(
        "upgrade",
        "Connection has no Upgrade",
        headers,
        "Connection",
      );
    }
    // Case counts here, and a doubled field is one that does not match.
    if (headers.get("Sec-WebSocket-Accept") !== this.#accept) {
      throw broken(
        "accept",
        `Sec-WebSocket-Accept is not ${this.#accept}`,
        headers,
        "Sec-WebSocket-Accept",
      );
    }
    const extensions = headers.get("Sec-WebSocket-Extensions") ?? "";
    return {
      accepted: true,
      extensions: judgeExtensions(extensions, this.#extensions),
      subprotocol: this.#verifySubprotocol(headers),
      response,
    };
  }

  #verifySubprotocol(headers: Headers): string | undefined {
    // One token, so that a list of several is no match: subprotocols compare by
    // case, and as a whole.
    const chosen = headers.get("Sec-WebSocket-Protocol") ?? undefined;
    if (chosen !== undefined && !this.#subprotocols.includes(chosen)) {
      throw broken(
        "subprotocol",
        "The subprotocol is not one that was offered",
        headers,
        "Sec-WebSocket-Protocol",
      );
    }
    return chosen;
  }
}

function broken(
  rule: HandshakeError["rule"],
  message: string,
  headers: Headers,
  name: string,
): HandshakeError {
  const value = headers.get(name);
  const seen = value === null ? "it is missing" : JSON.stringify(value);
  return new HandshakeError(rule, `${message}: ${seen}`);
}

/** The list of offers, if it is one (RFC 6455, section 4.1, item 10). */
function checkOffers(subprotocols: readonly string[]): string {
  for (const name of subprotocols) {
    if (!isToken(name)) {
      throw new TypeError(
        `Cannot offer the subprotocol ${
          JSON.stringify(name)
        }: it is not a token`,
      );
    }
  }
  if (new Set(subprotocols).size < subprotocols.length) {
    throw new TypeError("Cannot offer a subprotocol twice");
  }
  return subprotocols.join(", ");
}
