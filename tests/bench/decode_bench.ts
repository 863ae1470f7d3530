// Decoding masked binary messages of 16 bytes as a server: ours, and the Receiver
// of npm:ws, in one process.

import { Buffer } from "node:buffer";
import { Receiver } from "ws";
import { Connection } from "@noio/ws";

const COUNT = 4096;

/** The bytes of `COUNT` messages, fresh each time: both sides unmask in place. */
const client = new Connection("client");
const template = client.send(
  Array.from({ length: COUNT }, () => ({
    type: "binary" as const,
    message: new Uint8Array(16),
  })),
);
const chunk = new Uint8Array(template.length);

Deno.bench({
  name: "@noio/ws",
  group: "decode 4096 masked binary messages of 16 bytes",
  baseline: true,
  fn() {
    chunk.set(template);
    const ws = new Connection("server");
    ws.recv(chunk);
    let count = 0;
    while (typeof ws.nextEvent() === "object") count++;
    if (count !== COUNT) throw new Error(`${count} messages`);
  },
});

Deno.bench({
  name: "npm:ws Receiver",
  group: "decode 4096 masked binary messages of 16 bytes",
  fn() {
    chunk.set(template);
    const receiver = new Receiver({ isServer: true });
    let count = 0;
    receiver.on("message", () => count++);
    receiver._write(Buffer.from(chunk.buffer), "buffer", () => {});
    if (count !== COUNT) throw new Error(`${count} messages`);
  },
});
