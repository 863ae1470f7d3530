/**
 * The opening handshake of WebSocket (RFC 6455, section 4), in two layers.
 *
 * The pure layer does no input or output: {@linkcode ClientHandshake} and
 * {@linkcode ServerHandshake} make requests and responses and judge them,
 * {@linkcode encodeHead} and {@linkcode HeadDecoder} turn them into bytes and back.
 * It goes with any implementation of HTTP/1.1.
 *
 * The async layer does the whole of it over anything with a `readable` and a
 * `writable` of bytes, such as a `Deno.Conn`: {@linkcode requestUpgrade} and
 * {@linkcode acceptUpgrade} give a `Connection`.
 *
 * @example A handshake over a pair of streams
 * ```ts
 * import { assert, assertEquals } from "@std/assert";
 * import { acceptUpgrade, requestUpgrade } from "@noio/ws/handshake";
 *
 * const up = new TransformStream<Uint8Array, Uint8Array>();
 * const down = new TransformStream<Uint8Array, Uint8Array>();
 *
 * const [client, server] = await Promise.all([
 *   requestUpgrade({ readable: down.readable, writable: up.writable }, "ws://example.com/chat", {
 *     subprotocols: ["chat"],
 *   }),
 *   acceptUpgrade({ readable: up.readable, writable: down.writable }, {
 *     subprotocols: ["chat"],
 *   }),
 * ]);
 *
 * assert(client.accepted && server.accepted);
 * assertEquals(server.subprotocol, "chat");
 * server.connection.recv(client.connection.send({ type: "text", message: "hello" }));
 * ```
 *
 * @module
 */
export { HandshakeError, type HandshakeRule } from "./src/errors.ts";
export { acceptKey } from "./src/handshake/accept_key.ts";
export type { RequestAnswer } from "./src/handshake/answer.ts";
export {
  type ClientAccepted,
  ClientHandshake,
  type ClientHandshakeOptions,
  type ClientOutcome,
  type ClientRefused,
} from "./src/handshake/client.ts";
export {
  encodeHead,
  type RequestHead,
  type ResponseHead,
} from "./src/handshake/head.ts";
export {
  HeadDecoder,
  type HeadFailure,
  type HeadLimits,
  type Heads,
} from "./src/handshake/head_decoder.ts";
export {
  type ServerAccepted,
  ServerHandshake,
  type ServerHandshakeOptions,
  type ServerOutcome,
  type ServerRefused,
} from "./src/handshake/server.ts";
export type { ByteStream, EndFailure } from "./src/handshake/transport.ts";
export {
  type AcceptRefused,
  type AcceptUpgrade,
  acceptUpgrade,
  type AcceptUpgradeOptions,
  type RequestRefused,
  type RequestUpgrade,
  requestUpgrade,
  type RequestUpgradeOptions,
  type UpgradeAccepted,
  type UpgradeOptions,
} from "./src/handshake/upgrade.ts";
export { Information } from "./src/information.ts";
