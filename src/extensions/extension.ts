// What may stand between frames and messages (RFC 6455, section 9): the
// interface that an extension implements, and how it is negotiated.
//
// An extension has two lives. In the opening handshake it is an offer and an
// answer: `ClientExtension` and `ServerExtension`, one for each side; one object
// may be both. What they agree on becomes an `Extension`, the state of one
// connection, which from then on sees each data message go by.

import type { Reserved } from "../framing/frame.ts";

/** One parameter of an offer or an answer: its name, and its value or `null`. */
export type ExtensionParameter = readonly [name: string, value: string | null];

/** An extension with its parameters, as the handshake names it. */
export interface ExtensionElement {
  /** The registered name, such as `"permessage-deflate"`. */
  readonly name: string;
  /** The parameters, in order. */
  readonly parameters: readonly ExtensionParameter[];
}

/** What is known of a message that is about to be sent. */
export interface OutgoingMessage {
  /** What kind of message it is: `"text"`, `"binary"`, or a name of one's own. */
  readonly type: string;
  /** How many bytes its first frame has. */
  readonly length: number;
  /** Whether the first frame is the last. */
  readonly fin: boolean;
  /** What the caller said about compressing it. */
  readonly compress: boolean | undefined;
}

/** Where a part of a message that is received stands. */
export interface PartPosition {
  /** Whether a frame ends with this part. */
  readonly frameEnd: boolean;
  /** Whether the message ends with this part. */
  readonly messageEnd: boolean;
  /**
   * How many bytes the message may still grow by before it is over the limit. What an
   * extension holds back counts for nothing until it is given: one that would hold
   * more than this throws an {@linkcode ExtensionError} with 1009.
   */
  readonly budget: number;
}

/**
 * An extension at work on one connection. It stands between the frames of data
 * messages and the messages; control frames pass it by.
 *
 * It claims reserved bits, and owns them in the first frame of each message. What
 * it throws while receiving fails the connection: an {@linkcode ExtensionError}
 * with its code, anything else with 1011. What it throws while sending, `send` throws.
 *
 * While one is at work on a connection, that is not to be used: `nextEvent` and `send`
 * throw, and `reply` gives no bytes.
 *
 * Of several, messages to be sent go through them in the order of the server's answer,
 * and messages that are received in the opposite one. Who is not the first to decode
 * gets the pieces of the one before it, and at the end of a frame an empty part.
 *
 * @example An extension that turns payloads upside down, and marks them with RSV2
 * ```ts
 * import { assert, assertEquals } from "@std/assert";
 * import { Connection, type Extension } from "@noio/ws";
 *
 * const flip = (bytes: Uint8Array) => bytes.map((byte) => byte ^ 0xff);
 *
 * class Flip implements Extension {
 *   readonly name = "flip";
 *   readonly parameters = [];
 *   readonly reserved = [0, 1, 0] as const;
 *   // Received: a message is ours if RSV2 is set in its first frame.
 *   begin(reserved: readonly number[]) {
 *     return reserved[1] === 1;
 *   }
 *   decode(part: Uint8Array) {
 *     return [flip(part)];
 *   }
 *   // To be sent: all binary messages are ours.
 *   beginEncoding({ type }: { type: string }) {
 *     return type === "binary" ? this.reserved : undefined;
 *   }
 *   encode(part: Uint8Array) {
 *     return flip(part);
 *   }
 *   close() {}
 * }
 *
 * const client = new Connection("client", { extensions: [new Flip()] });
 * const server = new Connection("server", { extensions: [new Flip()] });
 * const bytes = server.send({ type: "binary", message: new Uint8Array([1]) });
 * assertEquals(bytes, new Uint8Array([0xa2, 0x01, 0xfe]));
 * client.recv(bytes);
 * const event = client.nextEvent();
 * assert(typeof event === "object");
 * assertEquals(event.message, new Uint8Array([1]));
 * ```
 */
export interface Extension {
  /** The registered name, such as `"permessage-deflate"`. */
  readonly name: string;
  /** What was agreed on. */
  readonly parameters: readonly ExtensionParameter[];
  /** The reserved bits that it claims. No other extension may claim them. */
  readonly reserved: Reserved;

  /**
   * A message begins to be received.
   *
   * @param reserved The bits of its first frame, of those that this one claims
   * @param type What kind of message it is
   * @returns Whether the message is to be decoded by this extension. If it is
   * not, and one of its bits is set, the connection fails with 1002.
   */
  begin(reserved: Reserved, type: string): boolean;

  /**
   * Decodes a part of a message that is its own. Each piece of the result should
   * be of 64 KiB at most, and is made only when it is asked for: so an extension
   * that makes much out of little is a generator, and stops where the message
   * has grown over its limit.
   *
   * Where a part ends is up to the network. For the events to be the same however the
   * bytes are cut, what is good before a mistake must be given before that is thrown.
   *
   * @param part The bytes: to be read before the result is at its end, not to be
   * kept nor changed
   * @param position Where the part stands; the last of a message may be empty
   * @returns The pieces: new memory that nobody writes to again, or views of the part
   */
  decode(
    part: Uint8Array<ArrayBuffer>,
    position: PartPosition,
  ): Iterable<Uint8Array<ArrayBuffer>>;

  /**
   * Whether a message of one frame that arrives in several parts is to be gathered
   * and decoded as one: for an extension that is much faster that way. It is done
   * only where whole messages are delivered, so that nobody waits for a part. What
   * is wrong in such a message then shows at its end, or at that of the stream.
   *
   * @param length How many bytes it has, encoded
   * @param budget How many bytes the message may still grow by
   * @returns Whether to gather it; without this method, it is not
   */
  gathers?(length: number, budget: number): boolean;

  /**
   * A message is about to be sent.
   *
   * @param message What is known of it
   * @returns The reserved bits of its first frame, of those that this one claims (any
   * other makes `send` throw), if it is to be encoded by this extension; else `undefined`
   */
  beginEncoding(message: OutgoingMessage): Reserved | undefined;

  /**
   * Encodes a part of a message that is its own: the payload of one frame.
   *
   * @param part The bytes, not to be kept nor changed
   * @param fin Whether the message ends with it
   * @returns The payload to send: the part itself, or memory that nobody writes to
   * before `send` returns. A `send` of several messages calls this several times
   */
  encode(part: Uint8Array, fin: boolean): Uint8Array;

  /**
   * A `send` begins to encode messages: {@linkcode Extension.abandon} may have to come
   * back to here. Of use to an extension that encodes a part by what went before it.
   */
  save?(): void;

  /**
   * Nothing is sent of what was encoded since {@linkcode Extension.save}, as something
   * failed: all parts, the begin of a message and the end of one. It may be nothing. The
   * next part is encoded as if none of that had been.
   */
  abandon?(): void;

  /**
   * What the encoding of a whole message depends on besides the message: a string
   * that is the same for two extensions only if they would encode it alike. Then
   * they share the encoding of a {@linkcode PreparedMessage}, and none of the
   * other methods is called. `undefined`, or no such method, where the encoding
   * also depends on what was sent before.
   *
   * @param message What is known of it
   * @returns The string, or `undefined`
   */
  sharedKey?(message: OutgoingMessage): string | undefined;

  /** The connection has ended: lets go of what it holds. Called once. */
  close(): void;
}

/** What a {@linkcode ServerExtension} makes of an offer. */
export interface ExtensionAnswer {
  /** The parameters to answer with. */
  readonly parameters: readonly ExtensionParameter[];
  /** The extension for the connection. */
  readonly extension: Extension;
}

/**
 * An extension as a client may have it: gives offers, and judges the answer.
 *
 * @example The negotiation of an extension, for either side
 * ```ts
 * import { assert, assertEquals } from "@std/assert";
 * import {
 *   type ClientExtension,
 *   type Extension,
 *   ExtensionError,
 *   type ExtensionParameter,
 *   type ServerExtension,
 * } from "@noio/ws";
 * import { ClientHandshake, ServerHandshake } from "@noio/ws/handshake";
 *
 * class Flip implements Extension {
 *   // As in the example of `Extension`.
 *   readonly name = "flip";
 *   readonly parameters: readonly ExtensionParameter[] = [];
 *   readonly reserved = [0, 1, 0] as const;
 *   begin = () => true;
 *   decode = (part: Uint8Array) => [part.map((byte) => byte ^ 0xff)];
 *   beginEncoding = () => this.reserved;
 *   encode = (part: Uint8Array) => part.map((byte) => byte ^ 0xff);
 *   close() {}
 * }
 *
 * const flip: ClientExtension & ServerExtension = {
 *   name: "flip",
 *   reserved: [0, 1, 0],
 *   offers: () => [[]], // one offer, without parameters
 *   accept(parameters) {
 *     if (parameters.length > 0) throw new ExtensionError(1010, "flip has none");
 *     return new Flip();
 *   },
 *   answer(parameters) {
 *     if (parameters.length > 0) return undefined;
 *     return { parameters: [], extension: new Flip() };
 *   },
 * };
 *
 * const client = new ClientHandshake("ws://example.com/", { extensions: [flip] });
 * const answer = new ServerHandshake({ extensions: [flip] }).judge(client.request);
 * assert(answer.accepted);
 * assertEquals(answer.response.headers.get("Sec-WebSocket-Extensions"), "flip");
 * const agreed = client.verify(answer.response);
 * assertEquals(agreed.accepted && agreed.extensions[0].name, "flip");
 * ```
 */
export interface ClientExtension {
  /** The registered name, such as `"permessage-deflate"`. */
  readonly name: string;
  /** The reserved bits that the extension claims. */
  readonly reserved: Reserved;
  /** The parameters of each offer, the preferred one first. Values are tokens. */
  offers(): readonly (readonly ExtensionParameter[])[];
  /**
   * Judges the parameters of the server's answer.
   *
   * @param parameters The parameters; nothing has been judged of them
   * @returns The extension for the connection. It had better hold nothing yet: if it is
   * refused, as it claims other bits, or the handshake fails after this, its `close` is
   * not called
   * @throws {ExtensionError} If they are no answer to any of the offers: the handshake
   * fails, with whatever code
   */
  accept(parameters: readonly ExtensionParameter[]): Extension;
}

/** An extension as a server may have it: judges offers, and gives the answer. */
export interface ServerExtension {
  /** The registered name, such as `"permessage-deflate"`. */
  readonly name: string;
  /** The reserved bits that the extension claims. */
  readonly reserved: Reserved;
  /**
   * Judges the parameters of an offer. What it throws declines the offer, as does an
   * answer with a value that is not a token, or with an extension that claims other bits.
   *
   * @param parameters The parameters; nothing has been judged of them
   * @returns The answer, or `undefined` to decline the offer. Its extension had better
   * hold nothing yet: if it is declined or the handshake fails after this, its `close` is
   * not called
   */
  answer(
    parameters: readonly ExtensionParameter[],
  ): ExtensionAnswer | undefined;
}

/**
 * An extension cannot go on: thrown by an {@linkcode Extension}, it fails the
 * connection with its code; thrown by {@linkcode ClientExtension.accept}, it fails
 * the handshake.
 *
 * @example Data that cannot be decoded
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ExtensionError } from "@noio/ws";
 *
 * assertEquals(new ExtensionError(1007, "The data is corrupt").code, 1007);
 * ```
 */
export class ExtensionError extends Error {
  /** The name of the error, `"ExtensionError"`. */
  override readonly name = "ExtensionError";
  /** The close code to fail the connection with (RFC 6455, section 7.4.1). */
  readonly code: number;

  /**
   * Creates an error.
   *
   * @param code The close code to fail the connection with: 1000 to 1003, 1007 to 1014
   * or 3000 to 4999; with any other it fails with 1011
   * @param message What was seen, for a person to read
   * @param options The cause, where there is one
   */
  constructor(code: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
