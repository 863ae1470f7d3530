// The errors that this package throws: each is a mistake of the caller, or a
// broken handshake that the caller asked for. Nothing a peer sends throws.

/**
 * The caller did something that the protocol forbids in the state that the
 * connection is in: it sent data after a close frame, say, or fragmented a
 * control frame. Nothing was sent and no state has changed.
 *
 * @example Sending after a close
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { Connection, LocalProtocolError } from "@noio/ws";
 *
 * const ws = new Connection("client");
 * ws.send({ type: "close", statusCode: 1000 });
 * assertThrows(() => ws.send({ type: "text", message: "late" }), LocalProtocolError);
 * ```
 */
export class LocalProtocolError extends Error {
  /** The name of the error, `"LocalProtocolError"`. */
  override readonly name = "LocalProtocolError";
}

/**
 * The opening handshake was broken by the peer: a `101 Switching Protocols`
 * that does not keep the rules, or a stream that ended or failed in the middle
 * of a head. A refusal with any other status is not an error.
 *
 * @example Naming the rule
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { HandshakeError } from "@noio/ws/handshake";
 *
 * const error = new HandshakeError("accept", "Sec-WebSocket-Accept is missing");
 * assertEquals(error.rule, "accept");
 * ```
 */
export class HandshakeError extends Error {
  /** The name of the error, `"HandshakeError"`. */
  override readonly name = "HandshakeError";
  /** The rule that was broken. */
  readonly rule: HandshakeRule;

  /**
   * Creates an error.
   *
   * @param rule The rule that was broken
   * @param message What was seen, for a person to read
   * @param options The cause, where there is one
   */
  constructor(rule: HandshakeRule, message: string, options?: ErrorOptions) {
    super(message, options);
    this.rule = rule;
  }
}

/**
 * The rule that a {@linkcode HandshakeError} names.
 *
 * - `"head"`: the bytes are no HTTP/1.1 head
 * - `"head-limit"`: the head is longer than the limits allow
 * - `"end-of-stream"`: the stream ended before the head did
 * - `"upgrade"`: `Upgrade: websocket` or `Connection: Upgrade` is missing
 * - `"accept"`: `Sec-WebSocket-Accept` is missing or not the answer to the key
 * - `"subprotocol"`: a subprotocol that was not offered, or more than one
 * - `"extension"`: an extension that was not offered, or whose parameters do not hold
 */
export type HandshakeRule =
  | "head"
  | "head-limit"
  | "end-of-stream"
  | "upgrade"
  | "accept"
  | "subprotocol"
  | "extension";
