// deno run --allow-net=127.0.0.1 examples/demo.ts
//
// A client and a server talk over a real socket, and every frame is printed as it
// comes out of it: the handshake, text, 200 KB of bytes, a text in fragments with
// a ping in between, frames of opcodes of their own, and the closing handshake.

import { concat } from "@std/bytes";
import {
  Connection,
  formatFrame,
  FrameDecoder,
  Information,
  type SendData,
} from "@noio/ws";
import { acceptUpgrade, requestUpgrade } from "@noio/ws/handshake";
import { closeTransport, type Transport, transportOf } from "./transport.ts";

const opcodes = { ascii: 3, time: 11 } as const;
type Opcodes = typeof opcodes;

/** Prints the frames of one direction. */
class Tap {
  readonly #decoder = new FrameDecoder({ opcodes: Object.values(opcodes) });
  readonly #arrow: string;

  constructor(arrow: string) {
    this.#arrow = arrow;
  }

  see(chunk: Uint8Array | null): void {
    if (chunk === null) return;
    this.#decoder.recv(chunk.slice()); // it unmasks in place
    for (;;) {
      const frame = this.#decoder.next();
      if (frame === Information.NEED_DATA) return;
      const line = "type" in frame
        ? frame.message
        : formatFrame(frame, { opcodes });
      console.log(`  ${this.#arrow}  ${line}`);
      if ("type" in frame) return;
    }
  }
}

/** Deals with what comes in, until the connection is closed. */
async function receive(
  transport: Transport,
  ws: Connection<Opcodes>,
  tap: Tap,
  answer: (event: { type: string; message: unknown }) => SendData<Opcodes>[],
): Promise<void> {
  while (ws.summary === undefined) {
    const chunk = await transport.read();
    tap.see(chunk);
    ws.recv(chunk);
    const answers: Uint8Array[] = [];
    for (const event of ws.events()) {
      answers.push(ws.reply(event), ws.send(answer(event)));
    }
    await transport.write(concat(answers));
  }
  await closeTransport(transport, ws);
}

async function serve(listener: Deno.Listener): Promise<void> {
  const conn = await listener.accept();
  listener.close();
  const upgrade = await acceptUpgrade(conn, {
    subprotocols: ["demo"],
    connection: { opcodes },
  });
  if (!upgrade.accepted) throw new Error(upgrade.failure?.message);
  await receive(
    transportOf(conn),
    upgrade.connection,
    new Tap("client -> server"),
    ({ type, message }) => {
      if (type === "time") {
        return [{ type: "text", message: new Date().toISOString() }];
      }
      const isBig = message instanceof Uint8Array && message.length > 100;
      return isBig ? [{ type: "binary", message }] : [];
    },
  );
}

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
const serving = serve(listener);
const { port } = listener.addr;
const conn = await Deno.connect({ hostname: "127.0.0.1", port });

const upgrade = await requestUpgrade(conn, `ws://127.0.0.1:${port}/demo`, {
  subprotocols: ["demo"],
  connection: { opcodes },
});
if (!upgrade.accepted) throw new Error(`Refused: ${upgrade.response.status}`);
const { connection: ws, request, response, subprotocol } = upgrade;
console.log(`Opening handshake
  client -> server  ${request.method} ${request.target}
  server -> client  ${response.status} ${response.reason}, subprotocol ${subprotocol}`);

const transport = transportOf(conn);
const receiving = receive(transport, ws, new Tap("server -> client"), () => []);

async function say(title: string, data: SendData<Opcodes>[]): Promise<void> {
  console.log(title);
  await transport.write(ws.send(data));
  await new Promise((resolve) => setTimeout(resolve, 100)); // so that it reads in order
}

await say("Text", [{ type: "text", message: "Hello, wörld" }]);
await say("200 KB, there and back", [
  { type: "binary", message: new Uint8Array(200_000).fill(7) },
]);
await say("A text in three fragments, with a ping in between", [
  { type: "text", message: "one, ", fin: false },
  { type: "continue", message: "two, ", fin: false },
  { type: "ping", message: "still there?" },
  { type: "continue", message: "three" },
]);
await say("Opcodes of their own: ascii is 3, time is 11", [
  { type: "ascii", message: "plain old ASCII" },
  { type: "time" },
]);
await say("Closing handshake", [
  { type: "close", statusCode: 1000, message: "that is all" },
]);

await Promise.all([serving, receiving]);
const { clean, initiator, received } = ws.summary ?? {};
console.log(
  `Closed: clean ${clean}, begun by ${initiator}, answered with ${received?.statusCode}`,
);
