/**
 * A sans-I/O WebSocket toolkit: a byte-level framer and an event-driven
 * {@linkcode Connection} that move no bytes themselves, for those who have a
 * byte stream of their own. RFC 6455.
 *
 * Hand the connection what you received, it hands you events; hand it data, it
 * hands you bytes to write. The opening handshake is apart from it, in
 * `@noio/ws/handshake`.
 *
 * @example Both ends of a conversation
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Connection, Information } from "@noio/ws";
 *
 * const client = new Connection("client");
 * const server = new Connection("server");
 *
 * let bytes = client.send({ type: "text", message: "hello" }); // write these
 *
 * server.recv(bytes); // as they were read
 * const event = server.nextEvent();
 * assertEquals(typeof event === "object" && event.message, "hello");
 * assertEquals(server.nextEvent(), Information.NEED_DATA);
 *
 * bytes = client.send({ type: "close", statusCode: 1000 });
 * server.recv(bytes);
 * for (const event of server.events()) bytes = server.reply(event);
 * assertEquals(bytes, new Uint8Array([0x88, 0x02, 0x03, 0xe8]));
 * assertEquals(server.summary?.clean, true);
 * ```
 *
 * @module
 */

export * from "./src/information.ts";
export { LocalProtocolError } from "./src/errors.ts";

export {
  type AnyConnection,
  Connection,
  type Summary,
} from "./src/connection/connection.ts";
export type {
  ConnectionOptions,
  Delivery,
  Lenient,
  Role,
} from "./src/connection/options.ts";
export type {
  CloseEvent,
  ControlEvent,
  ControlName,
  DataContinueEvent,
  DataEvent,
  DataName,
  FailEvent,
  FrameEvent,
  NameOf,
  NoOpcodes,
  NoReserved,
  ReceivedEvent,
  SendData,
  StandardName,
  TextContinueEvent,
  TextEvent,
  TextMessage,
} from "./src/connection/event.ts";
export {
  Keepalive,
  type KeepaliveAction,
  type KeepaliveOptions,
} from "./src/connection/keepalive.ts";
export { PreparedMessage } from "./src/connection/prepared.ts";
export type { CloseInfo } from "./src/connection/close.ts";
export type { ConnectionState } from "./src/connection/state.ts";

export {
  type ClientExtension,
  type Extension,
  type ExtensionAnswer,
  type ExtensionElement,
  ExtensionError,
  type ExtensionParameter,
  type OutgoingMessage,
  type PartPosition,
  type ServerExtension,
} from "./src/extensions/extension.ts";

export {
  FrameDecoder,
  type FrameDecoderOptions,
  type FrameFailure,
} from "./src/framing/decoder.ts";
export {
  encodeFrame,
  type Frame,
  type FrameInit,
  type Reserved,
} from "./src/framing/frame.ts";
export { formatFrame, type FormatFrameOptions } from "./src/framing/format.ts";
export { mask } from "./src/framing/mask.ts";
export type { RandomSource } from "./src/framing/keys.ts";
export {
  type ControlOpcode,
  type CustomOpcodes,
  type DataOpcode,
  Opcode,
} from "./src/framing/opcode.ts";
export type { Failure, FailureRule } from "./src/framing/failure.ts";
