// What a server's connection does: echo what one read brought, answer a ping, come
// and go.

import { Connection, type SendData } from "@noio/ws";

const COUNT = 64;

/** The bytes of a client that says the same many times. */
function said(data: SendData): Uint8Array<ArrayBuffer> {
  return new Connection("client").send(new Array(COUNT).fill(data));
}

const inputs: readonly (readonly [name: string, bytes: Uint8Array])[] = [
  ["binary, 16 bytes", said({ type: "binary", message: new Uint8Array(16) })],
  ["text, 16 bytes", said({ type: "text", message: "x".repeat(16) })],
  ["binary, 1 KiB", said({ type: "binary", message: new Uint8Array(1024) })],
  ["pings", said({ type: "ping", message: "1" })],
];

for (const [name, bytes] of inputs) {
  const chunk = new Uint8Array(bytes.length);
  const ws = new Connection("server");
  Deno.bench({
    name,
    group: `echo or answer ${COUNT} messages in one chunk`,
    fn: () => {
      chunk.set(bytes); // it is unmasked in place
      ws.recv(chunk);
      for (;;) {
        const event = ws.nextEvent();
        if (typeof event === "string") break;
        if (event.type === "binary" || event.type === "text") ws.send(event);
        else ws.reply(event);
      }
    },
  });
}

const close = new Connection("client").send({ type: "close" });

Deno.bench({
  name: "open, receive a close, reply",
  group: "a connection's life",
  fn: () => {
    const ws = new Connection("server");
    ws.recv(close.slice());
    for (const event of ws.events()) ws.reply(event);
    if (ws.summary?.clean !== true) throw new Error("It is not closed");
  },
});
