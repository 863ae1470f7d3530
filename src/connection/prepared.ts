// A message for many connections: encoded once, and once more for each way in
// which their extensions would encode it.

import { reservedBits } from "../framing/frame.ts";
import { type CustomOpcodes, STANDARD_OPCODES } from "../framing/opcode.ts";
import type { NoOpcodes, SendData } from "./event.ts";
import { payloadOf } from "./sender.ts";

/**
 * A message that is encoded once and sent on many connections, a broadcast. For
 * servers alone: a client must mask each frame afresh (RFC 6455, section 5.3), and
 * its `send` throws a `RangeError`.
 *
 * Connections without compression share one encoding; those that compress without
 * context takeover one for each of their settings. A connection whose compression
 * goes on from message to message encodes for itself.
 *
 * @typeParam O The opcodes that the application registers
 *
 * @example One message to all
 * ```ts
 * import { assertStrictEquals } from "@std/assert";
 * import { Connection, PreparedMessage } from "@noio/ws";
 *
 * const everybody = [new Connection("server"), new Connection("server")];
 * const news = new PreparedMessage({ type: "text", message: "Hear, hear" });
 * const [one, other] = everybody.map((ws) => ws.send(news));
 * assertStrictEquals(one, other); // shared: to be written, not to be changed
 * ```
 */
export class PreparedMessage<const O extends CustomOpcodes = NoOpcodes> {
  /** What kind of message it is. */
  readonly type: SendData<O>["type"];
  /**
   * What is sent: a copy, so that changes to the original do no harm.
   *
   * @internal
   */
  readonly data: SendData<O>;
  /**
   * Its opcode, where every connection has the same for it.
   *
   * @internal
   */
  readonly opcode: number | undefined;
  /**
   * Its reserved bits.
   *
   * @internal
   */
  readonly bits: number;
  /**
   * How many bytes it has, once that was counted.
   *
   * @internal
   */
  length: number | undefined = undefined;
  /**
   * The encoding of all connections without extensions.
   *
   * @internal
   */
  plain: Uint8Array<ArrayBuffer> | undefined = undefined;
  /**
   * The other encodings, by what they depend on.
   *
   * @internal
   */
  readonly encoded: Map<string, Uint8Array<ArrayBuffer>> = new Map();

  /**
   * Prepares a message. It is judged when it is sent for the first time.
   *
   * @param data The message, whole
   * @throws {TypeError} If it is a close, which ends one connection and not many,
   * or a fragment; if its reserved bits are not three of 0 or 1; or if the message
   * is neither text nor bytes, or in shared or detached memory
   */
  constructor(data: SendData<O>) {
    const { type, fin = true, message, reserved } = data;
    if (type === "close" || type === "continue" || !fin) {
      throw new TypeError(
        `Cannot prepare "${type}"${fin ? "" : " with `fin: false`"}`,
      );
    }
    this.type = type;
    this.data = { ...data, message: copyOf(type, message) };
    this.opcode = STANDARD_OPCODES.opcode(type);
    this.bits = reserved === undefined ? 0 : reservedBits(reserved);
  }
}

function copyOf(
  type: string,
  message: SendData["message"],
): SendData["message"] {
  // A text is judged when it is sent, and needs no copy.
  if (typeof message === "string" || message === undefined) return message;
  return payloadOf(type, message).slice();
}
