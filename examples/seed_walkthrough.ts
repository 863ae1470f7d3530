// deno run --allow-net=127.0.0.1 examples/seed_walkthrough.ts
//
// The walkthrough of Python's noio_ws, in TypeScript: a client and a server
// without an opening handshake (it is a protocol, not a cop), a data opcode
// `ascii`, a control opcode `time`, and RSV1 for messages that the application
// has deflated itself.

import { concat } from "@std/bytes";
import { Connection, Information, type SendData } from "@noio/ws";
import { parse } from "./program.ts";

parse("Shows custom opcodes and a reserved bit, without a handshake.", {}, 0);

const opcodes = { ascii: 3, time: 11 } as const;
const reserved = [1, 0, 0] as const;

/** What both ends have in common: a socket and a connection over it. */
class Peer {
  readonly #socket: Deno.Conn;
  readonly #ws: Connection<typeof opcodes, typeof reserved>;
  readonly #buffer = new Uint8Array(2048);

  constructor(socket: Deno.Conn, role: "client" | "server") {
    this.#socket = socket;
    this.#ws = new Connection(role, { opcodes, reserved });
  }

  /** The next event; `undefined` once the connection is closed. */
  async nextEvent() {
    for (;;) {
      const event = this.#ws.nextEvent();
      if (event === Information.CONNECTION_CLOSED) return undefined;
      if (event !== Information.NEED_DATA) return event;
      const count = await this.#socket.read(this.#buffer);
      this.#ws.recv(count === null ? null : this.#buffer.subarray(0, count));
    }
  }

  /** Sends data, deflated where that is wanted: RSV1 tells the other end. */
  async send(data: SendData<typeof opcodes>, deflate = false): Promise<void> {
    if (deflate) {
      const message = await pipe(
        data.message,
        new CompressionStream("deflate"),
      );
      data = { ...data, message, reserved };
    }
    await this.#write(this.#ws.send(data));
  }

  /** Deals with what comes in until the connection is closed. */
  async manageIncoming(name: string): Promise<void> {
    for (;;) {
      const event = await this.nextEvent();
      if (event === undefined) return this.#socket.close();
      if (event.type === "fail") {
        console.log(`${name}: failed, ${event.message}`);
      } else {
        let { message } = event;
        const deflated = event.reserved[0] === 1;
        if (deflated) {
          message = await pipe(message, new DecompressionStream("deflate"));
        }
        const text = typeof message === "string"
          ? message
          : new TextDecoder().decode(message);
        const how = deflated ? " (deflated)" : "";
        console.log(`${name}: ${event.type}${how} ${JSON.stringify(text)}`);
        // The new control frame asks for the time.
        if (event.type === "time") {
          const message = `${Math.floor(Date.now() / 1000)}`;
          await this.send({ type: "text", message });
        }
      }
      // Pings, closes and failures have an answer that the protocol knows.
      await this.#write(this.#ws.reply(event));
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    while (bytes.length > 0) {
      bytes = bytes.subarray(await this.#socket.write(bytes));
    }
  }
}

/** Sends a message through a stream that deflates or inflates it. */
async function pipe(
  message: SendData["message"],
  stream: CompressionStream | DecompressionStream,
): Promise<Uint8Array<ArrayBuffer>> {
  const body = new Blob([message as BlobPart ?? ""]); // what `send` takes, Blob takes
  const chunks = await Array.fromAsync(body.stream().pipeThrough(stream));
  return concat(chunks);
}

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
const serving = (async () => {
  const server = new Peer(await listener.accept(), "server");
  listener.close();
  await server.manageIncoming("server");
})();

const { port } = listener.addr;
const socket = await Deno.connect({ hostname: "127.0.0.1", port });
const client = new Peer(socket, "client");
const incoming = client.manageIncoming("client");

await client.send({ type: "text", message: "hello world!" });
await client.send({ type: "ascii", message: "only ASCII in here" });
await client.send({ type: "text", message: "much ".repeat(40) }, true);
await client.send({ type: "ping", message: "are you there?" });
await client.send({ type: "time" });
await client.send({ type: "close", statusCode: 1000, message: "that's it" });

await Promise.all([serving, incoming]);
