// deno run --allow-net=127.0.0.1 examples/demo.ts
//
// A client and a server talk over a real socket, and every frame is printed as it
// comes out of it: the handshake, text, 200 KB of bytes, a text in fragments with
// a ping in between, frames of opcodes of their own, and the closing handshake. Then
// once more, compressed.

import { concat } from "@std/bytes";
import type { Connection, SendData } from "@noio/ws";
import { acceptUpgrade, requestUpgrade } from "@noio/ws/handshake";
import { permessageDeflate } from "@noio/ws/permessage-deflate";
import { FrameTap } from "./frame_tap.ts";
import { parse } from "./program.ts";
import { closeTransport, type Transport, transportOf } from "./transport.ts";

parse("Shows a client and a server that talk, frame by frame.", {}, 0);

const opcodes = { ascii: 3, time: 11 } as const;
type Opcodes = typeof opcodes;

/** Prints the frames of one direction. */
function tapOf(arrow: string): FrameTap {
  return new FrameTap((line) => console.log(`  ${arrow}  ${line}`), {
    opcodes,
  });
}

/** Deals with what comes in, until the connection is closed; how many bytes. */
async function receive(
  transport: Transport,
  ws: Connection<Opcodes>,
  tap: FrameTap,
  answer: (event: { type: string; message: unknown }) => SendData<Opcodes>[],
): Promise<number> {
  let bytes = 0;
  while (ws.summary === undefined) {
    const chunk = await transport.read();
    if (chunk !== null) tap.see(chunk);
    bytes += chunk?.length ?? 0;
    ws.recv(chunk);
    const answers: Uint8Array[] = [];
    for (const event of ws.events()) {
      answers.push(ws.reply(event), ws.send(answer(event)));
    }
    await transport.write(concat(answers));
  }
  await closeTransport(transport, ws);
  return bytes;
}

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
const url = `ws://127.0.0.1:${listener.addr.port}/demo`;
const extensions = [permessageDeflate()];

async function serveOne(): Promise<void> {
  const conn = await listener.accept();
  const upgrade = await acceptUpgrade(conn, {
    subprotocols: ["demo"],
    extensions, // if the client offers them
    connection: { opcodes },
  });
  if (!upgrade.accepted) throw new Error(upgrade.failure?.message);
  await receive(
    transportOf(conn),
    upgrade.connection,
    tapOf("client -> server"),
    ({ type, message }) => {
      if (type === "time") {
        return [{ type: "text", message: new Date().toISOString() }];
      }
      const isBig = message instanceof Uint8Array && message.length > 100;
      if (isBig) return [{ type: "binary", message }];
      const isLong = typeof message === "string" && message.length > 100;
      return isLong ? [{ type: "text", message }] : [];
    },
  );
}

/**
 * The client: says things under a title each, over a connection of its own. Gives
 * how many bytes the server has answered with.
 */
async function converse(
  offers: typeof extensions,
  things: [title: string, data: SendData<Opcodes>[]][],
): Promise<number> {
  const serving = serveOne();
  const { hostname, port } = new URL(url);
  const conn = await Deno.connect({ hostname, port: Number(port) });
  const upgrade = await requestUpgrade(conn, url, {
    subprotocols: ["demo"],
    extensions: offers,
    connection: { opcodes },
  });
  if (!upgrade.accepted) throw new Error(`Refused: ${upgrade.response.status}`);
  const { connection: ws, request, response, subprotocol } = upgrade;
  const agreed = response.headers.get("Sec-WebSocket-Extensions") ?? "none";
  console.log(`Opening handshake
  client -> server  ${request.method} ${request.target}
  server -> client  ${response.status} ${response.reason}, subprotocol ${subprotocol}, extensions ${agreed}`);

  const transport = transportOf(conn);
  const tap = tapOf("server -> client");
  const receiving = receive(transport, ws, tap, () => []);
  for (const [title, data] of things) {
    console.log(title);
    await transport.write(ws.send(data));
    await new Promise((resolve) => setTimeout(resolve, 100)); // so that it reads in order
  }
  console.log("Closing handshake");
  const goodbye = "that is all";
  await transport.write(
    ws.send({ type: "close", statusCode: 1000, message: goodbye }),
  );
  const [bytes] = await Promise.all([receiving, serving]);
  const { clean, initiator, received } = ws.summary ?? {};
  console.log(
    `Closed: clean ${clean}, begun by ${initiator}, answered with ${received?.statusCode}\n`,
  );
  return bytes;
}

await converse([], [
  ["Text", [{ type: "text", message: "Hello, wörld" }]],
  ["200 KB, there and back", [
    { type: "binary", message: new Uint8Array(200_000).fill(7) },
  ]],
  ["A text in three fragments, with a ping in between", [
    { type: "text", message: "one, ", fin: false },
    { type: "continue", message: "two, ", fin: false },
    { type: "ping", message: "still there?" },
    { type: "continue", message: "three" },
  ]],
  ["Opcodes of their own: ascii is 3, time is 11", [
    { type: "ascii", message: "plain old ASCII" },
    { type: "time" },
  ]],
]);

const message = JSON.stringify(
  Array.from({ length: 100 }, (_, id) => ({ id, name: `user ${id}` })),
);
const bytes = await converse(extensions, [
  ["JSON, there and back, compressed", [{ type: "text", message }]],
  ["The same again, of which both sides remember the first", [
    { type: "text", message },
  ]],
]);
listener.close();
const plain = 2 * message.length;
const saved = Math.round(100 * (1 - bytes / plain));
console.log(
  `permessage-deflate: the server wrote ${bytes} bytes for ${plain}, ${saved} % were saved`,
);
