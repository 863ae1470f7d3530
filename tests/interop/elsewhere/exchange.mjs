// What the core does in any runtime: the framer, a connection, a handshake over
// streams in memory, an exchange with compression. Gives a report of it.

import {
  Connection,
  encodeFrame,
  formatFrame,
  FrameDecoder,
  Information,
} from "@noio/ws";
import {
  acceptUpgrade,
  ClientHandshake,
  requestUpgrade,
  ServerHandshake,
} from "@noio/ws/handshake";
import { permessageDeflate } from "@noio/ws/permessage-deflate";

const TEXT = "Überall das gleiche: 到处都一样 👋 ".repeat(2000);

/** Encodes frames, and decodes them in pieces of 3 bytes. */
function frames() {
  const key = Uint8Array.of(1, 2, 3, 4);
  const payload = new Uint8Array(70_000).map((_, i) => i);
  const bytes = encodeFrame({ opcode: 2, payload }, key);
  const decoder = new FrameDecoder();
  for (let i = 0; i < bytes.length; i += 3) {
    decoder.recv(bytes.slice(i, i + 3));
    const frame = decoder.next();
    if (frame === Information.NEED_DATA) continue;
    const isSame = frame.payload.every((byte, i) => byte === payload[i]);
    return [formatFrame({ ...frame, payload: new Uint8Array(3) }), isSame];
  }
}

/** A connection without a handshake, and a peer that breaks a rule. */
function connections() {
  const client = new Connection("client");
  const server = new Connection("server");
  server.recv(client.send([
    { type: "text", message: TEXT },
    { type: "ping", message: "there?" },
  ]));
  const types = Array.from(server.events(), (event) => {
    client.recv(server.reply(event));
    return event.type === "text" ? event.message === TEXT : event.type;
  });
  const [pong] = client.events();
  server.recv(Uint8Array.of(0xff, 0));
  const [fail] = server.events();
  return [...types, pong.type, fail.rule];
}

/** A handshake of values. */
function handshake() {
  const extensions = [permessageDeflate()];
  const client = new ClientHandshake("ws://example.com/chat", { extensions });
  const judged = new ServerHandshake({ extensions }).judge(client.request);
  const outcome = client.verify(judged.response);
  return [judged.response.status, outcome.accepted];
}

/** A handshake and an exchange over streams, with compression. */
async function streams() {
  const up = new TransformStream();
  const down = new TransformStream();
  const extensions = [permessageDeflate()];
  const [client, server] = await Promise.all([
    requestUpgrade(
      { readable: down.readable, writable: up.writable },
      "ws://example.com/",
      { extensions, signal: new AbortController().signal },
    ),
    acceptUpgrade({ readable: up.readable, writable: down.writable }, {
      extensions,
    }),
  ]);
  const names = server.extensions.map(({ name }) => name);
  const echoing = echo(server.connection, up.readable, down.writable);

  const { connection } = client;
  const writer = up.writable.getWriter();
  const bytes = connection.send({ type: "text", message: TEXT });
  const isCompressed = bytes.length < TEXT.length / 10;
  await writer.write(bytes.slice());
  const got = [];
  const reader = down.readable.getReader();
  while (connection.summary === undefined) {
    for (const event of connection.events()) {
      got.push(event.type === "text" ? event.message === TEXT : event.type);
      if (event.type !== "text") continue;
      const close = { type: "close", statusCode: 1000, message: "enough" };
      await writer.write(connection.send(close).slice());
    }
    if (connection.summary !== undefined) break;
    connection.recv((await reader.read()).value ?? null);
  }
  await echoing;
  return [...names, isCompressed, ...got, connection.summary.clean];
}

async function echo(connection, readable, writable) {
  const reader = readable.getReader();
  const writer = writable.getWriter();
  while (connection.summary === undefined) {
    for (const event of connection.events()) {
      const bytes = event.type === "text"
        ? connection.send(event)
        : connection.reply(event);
      await writer.write(bytes.slice());
    }
    if (connection.summary !== undefined) return;
    connection.recv((await reader.read()).value ?? null);
  }
}

/** Does all of it. */
export async function exchange() {
  return {
    frames: frames(),
    connections: connections(),
    handshake: handshake(),
    streams: await streams(),
  };
}
