// What headers a caller may add to those that a handshake writes itself.
import { isValue } from "./field.ts";

/** Fields besides `Sec-WebSocket-*` that would change what a head means. */
const RESERVED: readonly string[] = [
  "upgrade",
  "connection",
  "content-length",
  "transfer-encoding",
];

/**
 * A copy of a caller's headers. Throws a `TypeError` if one of them is the
 * handshake's to write, or if a name or value is malformed.
 */
export function ownHeaders(init: HeadersInit | undefined): Headers {
  const headers = new Headers(init);
  for (const [name, value] of headers) {
    if (RESERVED.includes(name) || name.startsWith("sec-websocket-")) {
      throw new TypeError(
        `Cannot take the header ${name}: it is the handshake's to write`,
      );
    }
    // `Headers` refuses CR, LF and NUL, but no other control character.
    if (!isValue(value)) {
      throw new TypeError(
        `Cannot take the header ${name}: its value has a control character`,
      );
    }
  }
  return headers;
}
