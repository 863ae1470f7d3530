// The heads of an HTTP/1.1 request and response (RFC 9112) as values, and how
// they are written.
import { isToken, isValue } from "./field.ts";

/**
 * The head of an HTTP/1.1 request.
 *
 * @example From a server of another kind
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type RequestHead, ServerHandshake } from "@noio/ws/handshake";
 *
 * const request = new Request("http://example.com/chat");
 * const { pathname, search } = new URL(request.url);
 * const head: RequestHead = {
 *   method: request.method,
 *   target: pathname + search,
 *   headers: new Headers({ ...Object.fromEntries(request.headers), host: "example.com" }),
 * };
 *
 * assertEquals(new ServerHandshake().judge(head).response.status, 426);
 * ```
 */
export interface RequestHead {
  /** The method, such as `"GET"`. */
  readonly method: string;
  /** The request target, such as `"/chat?room=1"` (RFC 9112, section 3.2). */
  readonly target: string;
  /** The fields. Values are byte strings: one character is one byte. */
  readonly headers: Headers;
  /**
   * The `:protocol` of an extended CONNECT (RFC 8441, RFC 9220). HTTP/1.1 has
   * none, and neither side of this package uses it so far.
   */
  readonly protocol?: string | undefined;
}

/**
 * The head of an HTTP/1.1 response.
 *
 * @example A redirection
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { encodeHead } from "@noio/ws/handshake";
 *
 * const bytes = encodeHead({
 *   status: 302,
 *   reason: "Found",
 *   headers: new Headers({ Location: "/chat" }),
 * });
 * assertEquals(new TextDecoder().decode(bytes), "HTTP/1.1 302 Found\r\nLocation: /chat\r\n\r\n");
 * ```
 */
export interface ResponseHead {
  /** The status code, of three digits. */
  readonly status: number;
  /** The reason phrase, which may be `""`. */
  readonly reason: string;
  /** The fields. Values are byte strings: one character is one byte. */
  readonly headers: Headers;
}

const SP = 0x20;
/** The one version that is written and read. */
export const VERSION = "HTTP/1.1";

/** The reason phrases of what is answered here (RFC 9110, section 15). */
export const REASONS: ReadonlyMap<number, string> = new Map([
  [101, "Switching Protocols"],
  [400, "Bad Request"],
  [403, "Forbidden"],
  [405, "Method Not Allowed"],
  [426, "Upgrade Required"],
  [431, "Request Header Fields Too Large"],
  [505, "HTTP Version Not Supported"],
]);

/**
 * Encodes a head, its last empty line included.
 *
 * Host goes first (RFC 9110, section 7.2) and the other fields in the order of
 * `Headers`, which keeps each `Set-Cookie` apart. Names are written as the RFC
 * spells them (`Sec-WebSocket-Key`), for the sake of peers that compare by case.
 *
 * @param head The head
 * @returns The bytes to write
 * @throws {TypeError} If anything in the head is not what the grammar allows in
 *   that place, above all CR, LF and NUL; nothing is encoded then
 *
 * @example A request
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { encodeHead } from "@noio/ws/handshake";
 *
 * const bytes = encodeHead({
 *   method: "GET",
 *   target: "/chat",
 *   headers: new Headers({ "Accept-Language": "eo", Host: "example.com" }),
 * });
 * assertEquals(
 *   new TextDecoder().decode(bytes),
 *   "GET /chat HTTP/1.1\r\nHost: example.com\r\nAccept-Language: eo\r\n\r\n",
 * );
 * ```
 */
export function encodeHead(
  head: RequestHead | ResponseHead,
): Uint8Array<ArrayBuffer> {
  let host = "";
  let others = "";
  for (const [name, value] of head.headers) {
    check(isToken(name), "field name", name);
    // The value itself may be a secret, and errors are logged.
    check(isValue(value), "value of a field", name);
    const line = `${spell(name)}: ${value}\r\n`;
    if (name.toLowerCase() === "host") host += line;
    else others += line;
  }
  const text = `${startLine(head)}\r\n${host}${others}\r\n`;

  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function startLine(head: RequestHead | ResponseHead): string {
  if ("method" in head) {
    check(isToken(head.method), "method", head.method);
    check(isTargetText(head.target), "target", head.target);
    check(head.protocol === undefined, ":protocol", head.protocol);
    return `${head.method} ${head.target} ${VERSION}`;
  }
  const { status, reason } = head;
  check(
    Number.isInteger(status) && status >= 100 && status <= 999,
    "status",
    status,
  );
  check(isValue(reason), "reason", reason);
  return `${VERSION} ${status} ${reason}`;
}

function check(holds: boolean, part: string, value: unknown): void {
  if (holds) return;
  throw new TypeError(
    `Cannot encode ${JSON.stringify(value)} as the ${part} of an HTTP/1.1 head`,
  );
}

function isTargetText(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (!isTargetCode(text.charCodeAt(i))) return false;
  }
  return text !== "";
}

/** Visible ASCII; which of it a URI allows is not judged here. */
export function isTargetCode(code: number): boolean {
  return code > SP && code < 0x7f;
}

/** `sec-websocket-key` as `Sec-WebSocket-Key`. */
export function spell(name: string): string {
  return name.split("-").map((word) =>
    word.toLowerCase() === "websocket"
      ? "WebSocket"
      : word.slice(0, 1).toUpperCase() + word.slice(1)
  ).join("-");
}
